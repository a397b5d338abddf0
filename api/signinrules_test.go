package api

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
)

// OS1: an attempt is one of its connection and its time, and what is derived
// from it is three secrets: one of them travels in an address.
func TestAttemptIsOfItsConnection(t *testing.T) {
	t.Parallel()
	x := newSigningIn(t, "https://rollcall.acme.com")
	two := *x.s.of["sso"]
	two.ID = "two"
	x.s.of["two"] = &two
	mine, state := x.begin("/signin/sso")
	if b := x.idp.begun; b.State == b.Nonce || b.State == b.Verifier || b.Nonce == b.Verifier || state != b.State {
		t.Errorf("one secret for two things: %+v", b)
	}
	if res, body := x.do(visit("/signin/two/callback?code=c&state="+state), mine); res.StatusCode != http.StatusForbidden || !strings.Contains(body, "This browser began no") {
		t.Errorf("at another connection: %d %s", res.StatusCode, body)
	}
	for name, change := range map[string]func(*attempt){
		"of the future":  func(a *attempt) { a.At += 3600 },
		"without a seed": func(a *attempt) { a.Seed = nil },
		"a short seed":   func(a *attempt) { a.Seed = a.Seed[:16] },
	} {
		a := &attempt{}
		decodeAttempt(t, mine.Value, a)
		change(a)
		x.idp.begun = a.bound("https://rollcall.acme.com/signin/sso/callback")
		forged := &http.Cookie{Name: a.cookieName(true), Value: a.encode()}
		if res, body := x.do(visit("/signin/sso/callback?code=c&state="+url.QueryEscape(a.derive("state"))), forged); res.StatusCode != http.StatusForbidden || !strings.Contains(body, "This browser began no") {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
	}
}

// OS1: addresses that some programs read otherwise than others are none to
// return to, and none whose origin a page allows.
func TestReturnsToPlainAddresses(t *testing.T) {
	t.Parallel()
	c := &SignInConnection{ReturnTo: []string{"https://phone.acme.com/after"}}
	for to, good := range map[string]bool{
		"https://phone.acme.com/after/x": true, `https://phone.acme.com/after/\evil`: false, "https://phone.acme.com/after/ x": false,
		"https:phone.acme.com/after": false, "https://phone.acme.com/after/" + strings.Repeat("x", maxReturnURL): false,
	} {
		if c.returnsTo(to) != good {
			t.Errorf("%.60q: %t", to, !good)
		}
	}
	for address, want := range map[string]string{"https://phone.acme.com/after": " https://phone.acme.com", "javascript://phone.acme.com/": "", "": ""} {
		if got := originOf(address); got != want {
			t.Errorf("%q: %q", address, got)
		}
	}
}

// OS2: an account is linked with the browser's session when that is asked for,
// and never by the way; an invitation's secret in an address opens nothing.
func TestLinkIsAskedFor(t *testing.T) {
	t.Parallel()
	x := newSigningIn(t, "https://rollcall.acme.com")
	var session *http.Cookie
	res, body := x.back("/signin/sso")
	for _, c := range res.Cookies() {
		if strings.HasSuffix(c.Name, "rollcall-session") {
			session = c
		}
	}
	if session == nil {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	x.s.of["sso"].Claims, x.s.of["sso"].Records = true, "sso"
	x.claims()
	x.proves("zoe@private.org", "Zoe", true)
	sent := x.as("ann@acme.com").post("/v1/invitations", obj{"email": "zoe@private.org", "role": "member"}).is(201)
	for path, want := range map[string]int{
		"/signin/sso": http.StatusForbidden, "/signin/sso?invitation=" + sent.text("id") + "&secret=" + sent.text("secret"): http.StatusForbidden,
	} {
		attempt, state := x.begin(path)
		if res, body := x.do(visit("/signin/sso/callback?code=c&state="+state), attempt, session); res.StatusCode != want {
			t.Errorf("%.30s: %d %s", path, res.StatusCode, body)
		}
	}
	attempt, state := x.begin("/signin/sso?link=true")
	if res, body := x.do(visit("/signin/sso/callback?code=c&state="+state), attempt, session); res.StatusCode != http.StatusOK {
		t.Errorf("asked for: %d %s", res.StatusCode, body)
	}
}

// OS1, ON4: what every answer says of itself; floods are refused wherever they
// come in; what a connection has not is not there.
func TestSignInDoors(t *testing.T) {
	t.Parallel()
	x := newSigningIn(t, "https://rollcall.acme.com")
	res, _ := x.do(visit("/signin"))
	for name, want := range map[string]string{
		"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	post := func(path, kind, auth, body string) int {
		req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Authorization", auth)
		res, _ := x.do(req)
		return res.StatusCode
	}
	const form, set = "application/x-www-form-urlencoded", "application/secevent+jwt"
	if got := post("/v1/signals/sso", set, "Basic letmein", "a.b.c"); got != http.StatusBadRequest {
		t.Errorf("the token by another scheme: %d", got)
	}
	bare := *x.s.of["sso"]
	bare.ID, bare.Backchannel, bare.Push = "bare", false, false
	x.s.of["bare"] = &bare
	if a, b := post("/signin/bare/backchannel", form, "", "logout_token=x"), post("/v1/signals/bare", set, "Bearer letmein", "a.b.c"); a != http.StatusNotFound || b != http.StatusNotFound {
		t.Errorf("endpoints that the connection has not: %d, %d", a, b)
	}
	flood := func(what string, want int, send func() int) {
		t.Helper()
		refused := 0
		for range 2 * want {
			if send() == http.StatusTooManyRequests {
				refused++
			}
		}
		if refused < want/2 {
			t.Errorf("%s: %d of %d are refused", what, refused, 2*want)
		}
	}
	x.idp.err = sync.ErrSignal
	flood("logout tokens", 4*signalsUsual, func() int { return post("/signin/sso/backchannel", form, "", "logout_token=x") })
	flood("answers that nobody waits for", 4*signInsUsual, func() int {
		res, _ := x.do(visit("/signin/sso/callback?code=c&state=x"))
		return res.StatusCode
	})
}

// OS3: an offer that was pressed is gone from the store.
func TestPressedOfferIsGone(t *testing.T) {
	t.Parallel()
	x := newJoining(t, sync.AutoJoinOn)
	offer := x.offered("/signin/sso")
	if res, body := x.do(press(nil), offer); res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	if _, err := x.engine.JoinOffer(t.Context(), "acme", "sso", offer.Value); !errors.Is(err, sync.ErrNoOffer) {
		t.Errorf("it is still there: %v", err)
	}
}

// DC7: whom a directory knows is put before the engine by the directory's own
// id, so that its record counts and its tombstones hold.
func TestJoinerBringsTheDirectoryID(t *testing.T) {
	t.Parallel()
	x := newSigningIn(t, "https://rollcall.acme.com")
	in := sync.SignIn{Workspace: "acme", Connection: "sso", Who: sync.SignedIn{Subject: "u-zoe", SeenAt: x.now()}}
	j, err := x.s.joinOf(t.Context(), x.s.of["sso"], &in)
	if err != nil || j.Evidence.Directory != "okta" || j.Evidence.DirectoryID != "u-zoe" || j.Identity == nil || j.Identity.ExternalID != "u-zoe" {
		t.Errorf("%+v, %v", j, err)
	}
}

// DC7: whether there is a letter to send is not told by how long the answer
// takes; a form without end is not read.
func TestLettersGoBehindTheAnswer(t *testing.T) {
	t.Parallel()
	v := joinPages(t, newWorld(t, nil), true)
	for range cap(v.post) {
		v.post <- [2]string{} // nobody empties the box: sending stalls
	}
	done := make(chan int, 1)
	go func() {
		status, _, _ := v.do("POST", "/join", url.Values{"email": {"zoe@acme.org"}})
		done <- status
	}()
	select {
	case status := <-done:
		if status != http.StatusOK {
			t.Errorf("%d", status)
		}
	case <-time.After(10 * time.Second):
		t.Error("the answer waits for the letter")
	}
	for range cap(v.post) {
		<-v.post
	}
	if status, _, _ := v.do("POST", "/join", url.Values{"email": {"zoe@acme.org"}, "x": {strings.Repeat("x", joinBody)}}); status == http.StatusOK {
		t.Error("a body without end was read")
	}
}
