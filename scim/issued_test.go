package scim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
)

// TestIssuedTokens: a token of another authorization server leads to the
// connection that its judge names; the terms of the connection hold for it, and
// wrong ones count as any wrong token does.
func TestIssuedTokens(t *testing.T) {
	const good, away, bad = "eyJ.good.x", "eyJ.away.x", "eyJ.canary.x"
	p := newProvider(t, providerOptions{options: func(o *Options) {
		o.Terms = func(_, connection string) Terms {
			terms := Terms{Rate: 1_000_000, Keep: 1 << 40, Most: 100}
			if connection == "strict" {
				terms.Networks = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
			}
			return terms
		}
		o.Issued = func(_ context.Context, token string) (string, string, string, error) {
			switch token {
			case good:
				return "acme", "okta", "client-1", nil
			case "eyJ.narrow.x":
				return "acme", "strict", "client-2", nil
			case away:
				return "", "", "", fmt.Errorf("%w: the keys", sync.ErrProvider)
			}
			return "", "", "", errors.New("no good")
		}
	}})
	p.tokens["issued"], p.tokens["away"], p.tokens["bad"], p.tokens["narrow"] = good, away, bad, "eyJ.narrow.x"
	id := p.request("issued", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated).text("id")
	p.request("okta", "GET", "/Users/"+id, "").is(http.StatusOK) // the same connection
	p.request("entra", "GET", "/Users/"+id, "").is(http.StatusNotFound)
	p.member("ann@acme.com", "member active")
	p.request("narrow", "GET", "/Users", "").refuses(http.StatusForbidden, "", "networks of this connection")
	if a := p.request("away", "GET", "/Users", ""); a.is(http.StatusServiceUnavailable).header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	a := p.request("bad", "GET", "/Users", "").is(http.StatusUnauthorized)
	if strings.Contains(a.body, "canary") || a.header.Get("WWW-Authenticate") == "" {
		t.Errorf("%s %v", a.body, a.header)
	}
	for range failedPerMinute {
		p.request("bad", "GET", "/Users", "")
	}
	p.request("bad", "GET", "/Users", "").is(http.StatusTooManyRequests)
	p.request("issued", "GET", "/Users/"+id, "").is(http.StatusOK) // never locked
	for _, q := range p.past(store.RequestFilter{Connection: "okta"}) {
		if q.Method == http.MethodPost && q.Token != "issued:client-1" || strings.Contains(q.Token+q.Body+q.Query+q.Detail, "eyJ") {
			t.Errorf("%s %s is recorded with the token %q", q.Method, q.Path, q.Token)
		}
	}
	if err := p.handler.Close(t.Context()); err != nil { // it writes the last use of tokens
		t.Error(err)
	}
}
