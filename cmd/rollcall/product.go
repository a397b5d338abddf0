package main

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/api"
	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/events"
	"github.com/rollcall-sync/rollcall/internal/bearer"
	"github.com/rollcall-sync/rollcall/internal/mail"
)

// newAPI makes the JSON API. The revocation feed answers in it, to tokens of
// the API and of SCIM alike.
func newAPI(d *daemon, proxies []netip.Prefix) (*api.Handler, error) {
	var product *api.Handler
	pushed := feedReader(d.handler)
	feed := d.events.Handler(func(r *http.Request, scope string) (string, error) {
		_, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.HasPrefix(strings.TrimSpace(text), bearer.API+"_") {
			return pushed(r, scope)
		}
		ws, err := product.Authorize(r, scope)
		var refused *api.Problem
		switch {
		case errors.As(err, &refused) && refused.Status == http.StatusTooManyRequests:
			return "", &events.TooManyError{Wait: refused.RetryAfter()}
		case errors.Is(err, api.ErrUnauthenticated):
			return "", events.ErrUnauthenticated
		case errors.Is(err, api.ErrScope):
			return "", events.ErrForbidden
		}
		return ws, err
	})
	product, err := api.NewHandler(api.Options{
		Engine: d.engine, Store: d.store, Logger: d.log, Now: time.Now, Version: buildVersion(), Connections: programs(d.config),
		TrustedProxies: proxies, Feed: feed,
	})
	return product, err
}

// newJoin makes the pages of joining by a claimed domain. Without a mail
// server they say that nobody can join by a code.
func newJoin(d *daemon, proxies []netip.Prefix) (*api.Join, error) {
	opt := api.JoinOptions{Engine: d.engine, Logger: d.log, TrustedProxies: proxies, Secure: strings.HasPrefix(d.url, "https://")}
	if d.config.Mail != (mail.Config{}) {
		sender, err := mail.New(d.config.Mail)
		if err != nil {
			return nil, err
		}
		opt.Mailer = sender
	}
	return api.NewJoin(opt)
}

// programs are the connections of kind api, by workspace.
func programs(c *configs.Config) map[string][]string {
	out := map[string][]string{}
	for i := range c.Workspaces {
		w := &c.Workspaces[i]
		for k := range w.Connections {
			if w.Connections[k].Kind == "api" {
				out[w.ID] = append(out[w.ID], w.Connections[k].ID)
			}
		}
	}
	return out
}
