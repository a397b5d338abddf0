package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	stdsync "sync"
	"time"

	"github.com/rollcall-sync/rollcall/api"
	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/sync/oidc/pull"
)

// identityProvider is a connection of kind oidc with its provider.
type identityProvider struct {
	workspace  string
	connection *configs.Connection
	*oidc.Provider
}

// hostsKnown judges where a provider's document leads; see
// sync.Engine.KnowEndpoints.
type hostsKnown func(ctx context.Context, workspace, connection, document string, seen []sync.Endpoint) error

// openProviders makes the providers of all connections of kind oidc; it calls
// none of them (OI1). Known judges where they lead (ON1); it may be nil where
// none will be called.
func openProviders(c *configs.Config, known hostsKnown, log *slog.Logger) (all []*identityProvider, err error) {
	var ring *oidc.Ring
	if !c.KeyRing.IsZero() {
		ring = oidc.NewRing(c.KeyRing)
		if err := ring.Check(); err != nil {
			return nil, err
		}
	}
	for i := range c.Workspaces {
		w := &c.Workspaces[i]
		for k := range w.Connections {
			x := &w.Connections[k]
			if x.Kind != oidc.Kind {
				continue
			}
			opt := oidc.Options{Connection: x.ID, CA: x.CA, Ring: ring, Log: log.With("workspace", w.ID)}
			if known != nil {
				opt.Hosts = func(ctx context.Context, document string, seen []sync.Endpoint) error {
					return known(ctx, w.ID, x.ID, document, seen)
				}
			}
			p, err := oidc.New(x.OIDC, opt)
			if err != nil {
				return nil, fmt.Errorf("connection %s: %w", x.ID, err)
			}
			all = append(all, &identityProvider{workspace: w.ID, connection: x, Provider: p})
		}
	}
	return all, nil
}

// records is the connection whose records these people are.
func (p *identityProvider) records() string {
	if r := p.connection.OIDC.SignIn.Records; r != "" {
		return r
	}
	return p.connection.ID
}

// terms are how people sign in, for the engine.
func signInTerms(c *configs.Connection) sync.SignInTerms {
	return sync.SignInTerms{Records: c.OIDC.SignIn.Records, Lifetime: c.OIDC.SignIn.Lifetime, Every: c.OIDC.Liveness.Every}
}

// newSignIn makes the endpoints at which people sign in and providers signal.
func newSignIn(d *daemon, proxies []netip.Prefix) (*api.SignIn, error) {
	opt := api.SignInOptions{Engine: d.engine, Logger: d.log, Now: time.Now, PublicURL: d.url, TrustedProxies: proxies, Ask: d.polls.Ask, SignIns: d.config.Limits.SignIns, Signals: d.config.Limits.Signals}
	for _, p := range d.providers {
		cfg := p.Config()
		c := api.SignInConnection{
			Workspace: p.workspace, ID: p.connection.ID, Provider: p.Provider, SignIn: cfg.SignIn.Has(), Backchannel: cfg.Signals.BackchannelLogout,
			Push: cfg.Signals.SSF.Mode == "push", ReturnTo: cfg.SignIn.ReturnTo, Records: p.records(),
			Claims: cfg.SignIn.Records == "" && !cfg.Directory.Has(),
		}
		c.TenantDomains = d.tenantDomains(p)
		if !cfg.SignIn.Key.IsZero() {
			c.Keys = func() (any, error) {
				keys, _, err := p.PublicKeys()
				return keys, err
			}
		}
		if ref := cfg.Signals.SSF.Authorization; c.Push && !ref.IsZero() {
			c.Authorized = func(bearer string) bool { return d.bears(ref, bearer) }
		}
		opt.Connections = append(opt.Connections, c)
	}
	return api.NewSignIn(opt)
}

// tenantDomains is how the domains of the tenant are read that people of a
// connection belong to, where they are admitted as evidence (DC7): by the
// Graph API that the connection, or the one whose records its people are,
// reads. Nil where there is none.
func (d *daemon) tenantDomains(p *identityProvider) func(context.Context) ([]string, error) {
	for i := range d.config.Workspaces {
		w := &d.config.Workspaces[i]
		if w.ID != p.workspace || !slices.Contains(w.Domains.Evidence, sync.ByTenant) {
			continue
		}
		for _, at := range d.sources {
			source, ok := at.source.(pull.Directory)
			if ok && at.Workspace == p.workspace && at.Connection == p.records() && source.Describe().Kind == oidc.Graph {
				return source.TenantDomains
			}
		}
	}
	return nil
}

// bears compares a bearer token with the one that was agreed, as it stands in
// its file now.
func (d *daemon) bears(ref secret.Ref, bearer string) bool {
	want, err := ref.Resolve()
	if err != nil {
		d.log.Error("signals.ssf.authorization cannot be read, so pushes are refused", "err", err)
		return false
	}
	return subtle.ConstantTimeCompare([]byte(want.Reveal()), []byte(bearer)) == 1
}

// routeSignIn puts the endpoints of sign-in into the public listener.
func routeSignIn(mux *http.ServeMux, s *api.SignIn) {
	for _, pattern := range []string{"/signin", "/signin/", "/session", "/session/", "/v1/signals/"} {
		mux.Handle(pattern, s)
	}
}

// Times of the work in the background.
const (
	watchTick = 5 * time.Second // at most between two looks for people to ask about
	tidyEvery = time.Hour
)

// watch asks about signed-in people, polls streams of signals and tidies up,
// until the context ends. It gives a way to wait for the end.
func (d *daemon) watch(ctx context.Context) *stdsync.WaitGroup {
	var wg stdsync.WaitGroup
	for _, p := range d.providers {
		cfg := p.Config()
		if cfg.Liveness.Every > 0 {
			wg.Go(func() { every(ctx, min(watchTick, cfg.Liveness.Every/10), func() { d.askAlive(ctx, p) }) })
		}
		if cfg.Signals.SSF.Mode == "poll" {
			wg.Go(func() {
				stream := &polledStream{d: d, p: p}
				every(ctx, cfg.Signals.SSF.Every, func() { stream.poll(ctx) })
			})
		}
	}
	if len(d.providers) > 0 {
		wg.Go(func() { every(ctx, tidyEvery, func() { d.tidy(ctx) }) })
	}
	return &wg
}

// every calls at once, then again and again until the context ends.
func every(ctx context.Context, d time.Duration, call func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		call()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// watched is a connection whose people are asked about.
func (d *daemon) watched(p *identityProvider) sync.Watched {
	l := p.Config().Liveness
	w := sync.Watched{Workspace: p.workspace, Connection: p.connection.ID, Asker: p.Provider, Every: l.Every, Ends: l.OnInvalidGrant != oidc.Off}
	if l.OnInvalidGrant == oidc.ConfirmThenSuspend {
		w.Confirm = func(ctx context.Context, person string) error {
			return d.polls.Ask(ctx, p.workspace, p.records(), person, "liveness")
		}
	}
	return w
}

// askAlive asks about everybody whose turn it is.
func (d *daemon) askAlive(ctx context.Context, p *identityProvider) {
	n, err := d.engine.AskAlive(ctx, d.watched(p))
	if err != nil && !errors.Is(err, context.Canceled) {
		d.log.Warn("asking whether people are still there failed; whoever was not asked about is next time", "workspace", p.workspace, "connection", p.connection.ID, "err", err)
	}
	if n > 0 {
		d.log.Debug("asked whether people are still there", "workspace", p.workspace, "connection", p.connection.ID, "people", n)
	}
}

// tidy forgets sessions and ids of tokens that have no use any more.
func (d *daemon) tidy(ctx context.Context) {
	seen := map[string]bool{}
	for _, p := range d.providers {
		if seen[p.workspace] {
			continue
		}
		seen[p.workspace] = true
		if err := d.engine.Tidy(ctx, p.workspace); err != nil && !errors.Is(err, context.Canceled) {
			d.log.Warn("old sessions could not be forgotten; it is tried again", "workspace", p.workspace, "err", err)
		}
	}
}

// polledStream is a stream of security events that we poll (RFC 8936). What
// it remembers between polls are the answers that the transmitter waits for.
type polledStream struct {
	d       *daemon
	p       *identityProvider
	acks    []string
	refused map[string]oidc.SetError
	failing bool
}

// maxRounds bounds how long one poll goes on while there is more.
const maxRounds = 100

// poll takes what waits. A token is acknowledged after its effect is on disk,
// with the next call; one that could not be judged comes again.
func (s *polledStream) poll(ctx context.Context) {
	log := s.d.log.With("workspace", s.p.workspace, "connection", s.p.connection.ID)
	err := s.rounds(ctx, log)
	if ctx.Err() != nil {
		return
	}
	cause := ""
	if err != nil {
		cause = err.Error()
	}
	if (err != nil) != s.failing {
		if s.failing = err != nil; s.failing {
			log.Warn("the stream of signals cannot be heard", "err", err)
		} else {
			log.Info("the stream of signals is heard again")
		}
	}
	if err := s.d.engine.HeardNothing(ctx, s.p.workspace, s.p.connection.ID, cause); err != nil {
		log.Warn("the state of the stream could not be written", "err", err)
	}
}

func (s *polledStream) rounds(ctx context.Context, log *slog.Logger) error {
	for range maxRounds {
		answer, err := s.p.Poll(ctx, s.acks, s.refused)
		if err != nil {
			return err
		}
		s.acks, s.refused = nil, map[string]oidc.SetError{}
		var failed error
		for jti, token := range answer.Sets {
			failed = errors.Join(failed, s.take(ctx, jti, token, log))
		}
		if failed != nil {
			return failed
		}
		if !answer.More && len(s.acks)+len(s.refused) == 0 {
			return nil
		}
	}
	return nil
}

// take judges one token.
func (s *polledStream) take(ctx context.Context, jti, token string, log *slog.Logger) error {
	in, err := s.p.Set(ctx, token)
	if errors.Is(err, sync.ErrSignal) {
		log.Warn("a security event token is refused", "err", err)
		s.refused[jti] = oidc.SetError{Err: "invalid_request"}
		return nil
	}
	if err != nil {
		return err
	}
	in.Workspace, in.Connection = s.p.workspace, s.p.connection.ID
	res, err := s.d.engine.Signal(ctx, in)
	if err != nil {
		return err
	}
	s.acks = append(s.acks, jti)
	s.d.signIn.AskAbout(s.p.workspace, s.p.records(), res.Ask)
	return nil
}
