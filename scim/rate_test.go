package scim

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// metered is a provider with the rate of the design, on a clock that stands.
func metered(t *testing.T) (*provider, *time.Time) {
	now := time.Now()
	return newProvider(t, providerOptions{options: func(o *Options) {
		o.Now = func() time.Time { return now }
		o.Terms = nil
	}}), &now
}

// TestRate: 25 requests a second pass for as long as one likes (MV05), a burst
// of 100 passes, and what is above waits; changes have a bucket of their own.
func TestRate(t *testing.T) {
	p, now := metered(t)
	for i := range 500 {
		p.request("okta", "GET", "/Users?count=0", "").is(http.StatusOK)
		if i%25 == 24 {
			*now = now.Add(time.Second)
		}
	}
	for range 100 {
		p.request("okta", "GET", "/Users?count=0", "").is(http.StatusOK)
	}
	for _, tt := range []struct{ method, path, body string }{{"GET", "/Users", ""}, {"POST", "/Users", userBody("x@acme.com")}, {"POST", "/.search", "{}"}, {"GET", "/Schemas", ""}} {
		a := p.request("okta", tt.method, tt.path, tt.body).refuses(http.StatusTooManyRequests, "", "Remedy: send again")
		if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 {
			t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
		}
	}
	p.request("okta", "PATCH", "/Groups/none", patchBody(`{"op":"replace","path":"displayName","value":"x"}`)).is(http.StatusNotFound)
	p.request("entra", "GET", "/Users", "").is(http.StatusOK) // One noisy connection is nobody else's.
	*now = now.Add(time.Second / 2)
	for range 25 {
		p.request("okta", "GET", "/Users?count=0", "").is(http.StatusOK)
	}
	p.request("okta", "GET", "/Users", "").is(http.StatusTooManyRequests)
}

// TestLeaverLane: whoever has to go goes, however busy the connection is.
func TestLeaverLane(t *testing.T) {
	p, now := metered(t)
	var ids []string
	for i := range 4 {
		ids = append(ids, p.request("okta", "POST", "/Users", userBody(fmt.Sprintf("u%d@acme.com", i))).is(http.StatusCreated).text("id"))
	}
	for range 100 {
		p.request("okta", "DELETE", "/Groups/none", "").is(http.StatusNotFound)
	}
	p.request("okta", "DELETE", "/Groups/none", "").is(http.StatusTooManyRequests)
	p.request("okta", "PATCH", "/Users/"+ids[0], patchBody(`{"op":"replace","path":"title","value":"x"}`)).is(http.StatusTooManyRequests)
	p.request("okta", "PUT", "/Users/"+ids[0], userBody("u0@acme.com")).is(http.StatusTooManyRequests)
	p.request("okta", "PATCH", "/Users/"+ids[0], patchBody(`{"op":"Replace","path":"active","value":"False"}`)).is(http.StatusOK).has(false, "active")
	p.request("okta", "PATCH", "/Users/"+ids[1], patchBody(`{"op":"replace","value":{"active":false}}`)).is(http.StatusOK)
	p.request("okta", "PUT", "/Users/"+ids[2], `{"userName":"u2@acme.com","active":false}`).is(http.StatusOK)
	p.request("okta", "DELETE", "/Users/"+ids[3], "").is(http.StatusNoContent)
	for i := range 4 {
		p.member(fmt.Sprintf("u%d@acme.com", i), "member deactivated")
	}
	*now = now.Add(time.Minute)
	p.request("okta", "PATCH", "/Users/"+ids[0], patchBody(`{"op":"replace","path":"title","value":"x"}`)).is(http.StatusOK)
}

// TestWrongTokensPerAddress: 20 a minute, then 429 for wrong ones; a good token
// from the same address always passes.
func TestWrongTokensPerAddress(t *testing.T) {
	p, now := metered(t)
	good := p.newToken(store.TokenRow{Connection: "okta", ExpiresAt: workspace.At(now.Add(48 * time.Hour))}).Reveal()
	from := func(address, token string) int {
		r := newRequest("GET", "/Users?count=0", token)
		r.RemoteAddr = address
		return p.serve(r).Code
	}
	for range 20 {
		if got := from("203.0.113.7:1", "x"); got != http.StatusUnauthorized {
			t.Fatalf("a wrong token gets %d", got)
		}
	}
	for i, tt := range []struct {
		address, token string
		want           int
	}{
		{"203.0.113.7:2", "x", 429},
		{"203.0.113.7:3", good, 200},
		{"203.0.113.8:1", "x", 401},
		{"[::ffff:203.0.113.7]:1", "x", 429},
		{"[2001:db8::1]:1", "x", 401},
	} {
		if got := from(tt.address, tt.token); got != tt.want {
			t.Errorf("step %d from %s: %d, want %d", i, tt.address, got, tt.want)
		}
	}
	for range 19 {
		from("[2001:db8::2]:1", "x")
	}
	if got := from("[2001:db8::ffff]:1", "x"); got != http.StatusTooManyRequests {
		t.Errorf("a network of one subscriber counts as many: %d", got)
	}
	*now = now.Add(3 * time.Second)
	if got := from("203.0.113.7:1", "x"); got != http.StatusUnauthorized {
		t.Errorf("three seconds later: %d", got)
	}
}

// TestOpenDiscoveryPerAddress: without a token an address may ask, not flood.
func TestOpenDiscoveryPerAddress(t *testing.T) {
	p, _ := metered(t)
	p.tokens["nobody"] = ""
	for range openBurst {
		p.request("nobody", "GET", "/Schemas", "").is(http.StatusOK)
	}
	p.request("nobody", "GET", "/Schemas", "").refuses(http.StatusTooManyRequests, "", "without a token")
	p.request("okta", "GET", "/Schemas", "").is(http.StatusOK)
}
