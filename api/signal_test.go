package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
)

// session begins a session of zoe's.
func (x *signingIn) session(sid string) sessionView {
	x.t.Helper()
	x.idp.who.SID, x.idp.who.SeenAt = sid, x.now()
	attempt, state := x.begin("/signin/sso")
	res, body := x.do(visit("/signin/sso/callback?code=c&state="+state), attempt)
	if res.StatusCode != http.StatusOK {
		x.t.Fatal(body)
	}
	_, body = x.do(visit("/session"), res.Cookies()[1])
	var v sessionView
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		x.t.Fatal(err)
	}
	return v
}

func (x *signingIn) live(v sessionView) bool {
	x.t.Helper()
	return x.as("").get("/v1/sessions/" + v.ID).is(200).body.(obj)["live"] == true
}

// ON4, SI1: back-channel logout answers 200 after the sessions have ended, 400
// when the token is bad or comes again, 503 when it could not be taken.
func TestBackchannelEndpoint(t *testing.T) {
	t.Parallel()
	x := newSigningIn(t, "https://rollcall.acme.com")
	v := x.session("s1")
	post := func(body string) int {
		req := httptest.NewRequest(http.MethodPost, "/signin/sso/backchannel", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, _ := x.do(req)
		return res.StatusCode
	}
	x.idp.err = sync.ErrSignal
	if got := post("logout_token=x"); got != http.StatusBadRequest || !x.live(v) {
		t.Errorf("a bad token: %d", got)
	}
	for _, err := range []error{sync.ErrProvider, store.ErrUnavailable} {
		x.idp.err = err
		if got := post("logout_token=x"); got != http.StatusServiceUnavailable || !x.live(v) {
			t.Errorf("%v: %d", err, got)
		}
	}
	x.idp.err = nil
	x.idp.signals = sync.Signals{JTI: "j1", Until: x.now().Add(time.Minute), SeenAt: x.now(), Events: []sync.Signal{{Kind: sync.SignalLogout, Subject: "u-zoe", SID: "s1", At: x.now()}}}
	for _, body := range []string{"", "logout_token=a&logout_token=b", "x=" + strings.Repeat("y", signInBody)} {
		if got := post(body); got != http.StatusBadRequest || !x.live(v) {
			t.Errorf("%.40s: %d", body, got)
		}
	}
	if got := post("logout_token=x"); got != http.StatusOK || x.live(v) {
		t.Errorf("a good token: %d, live %t", got, x.live(v))
	}
	if got := post("logout_token=x"); got != http.StatusBadRequest {
		t.Errorf("the same token again: %d", got)
	}
}

// SI2, RFC 8935: a push is answered 202 after what had to end has ended, and
// the directory is asked. Over its rate the signature is not even looked at.
func TestPushEndpoint(t *testing.T) {
	t.Parallel()
	x := newSigningIn(t, "https://rollcall.acme.com")
	v := x.session("")
	x.idp.signals = sync.Signals{JTI: "j1", Until: x.now().Add(time.Hour), SeenAt: x.now(), Events: []sync.Signal{{Kind: sync.SignalDisabled, Subject: "u-zoe", At: x.now().Add(time.Second)}}}
	push := func(auth, kind, body string) (int, string) {
		req := httptest.NewRequest(http.MethodPost, "/v1/signals/sso", strings.NewReader(body))
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Authorization", auth)
		res, text := x.do(req)
		var e setError
		if text != "" {
			if err := json.Unmarshal([]byte(text), &e); err != nil {
				t.Error(text)
			}
		}
		return res.StatusCode, e.Err
	}
	const kind = "application/secevent+jwt"
	for name, row := range map[string]struct {
		auth, kind, body string
		err              error
		status           int
		code             string
	}{
		"no token":        {"", kind, "a.b.c", nil, 400, "authentication_failed"},
		"another token":   {"Bearer x", kind, "a.b.c", nil, 400, "authentication_failed"},
		"another type":    {"Bearer letmein", "application/jwt", "a.b.c", nil, 400, "invalid_request"},
		"too long":        {"Bearer letmein", kind, strings.Repeat("a", signInBody+1), nil, 400, "invalid_request"},
		"a bad token":     {"Bearer letmein", kind, "a.b.c", sync.ErrSignal, 400, "invalid_request"},
		"no keys":         {"Bearer letmein", kind, "a.b.c", sync.ErrProvider, 503, ""},
		"the store, away": {"Bearer letmein", kind, "a.b.c", store.ErrUnavailable, 503, ""},
	} {
		x.idp.err = row.err
		if status, code := push(row.auth, row.kind, row.body); status != row.status || code != row.code || !x.live(v) {
			t.Errorf("%s: %d %s", name, status, code)
		}
	}
	x.idp.err = nil
	began := time.Now()
	if status, _ := push("Bearer letmein", kind, "a.b.c"); status != http.StatusAccepted || x.live(v) {
		t.Errorf("a good token: %d, live %t", status, x.live(v))
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("access ended after %s", took)
	}
	select {
	case got := <-x.asked:
		if got != "acme okta u-zoe signal" {
			t.Errorf("asked %s", got)
		}
	case <-time.After(5 * time.Second):
		t.Error("the directory was not asked")
	}
	if status, _ := push("Bearer letmein", kind, "a.b.c"); status != http.StatusAccepted {
		t.Errorf("the same token again: %d", status)
	}
	state := x.as("").post("/v1/members/lookup", obj{"email": "zoe@acme.com"}).is(200).text("state")
	if state != "deactivated" {
		t.Errorf("zoe is %s", state)
	}
	limited := 0
	for range 8 * signalsUsual {
		if status, _ := push("", kind, ""); status == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited < 2*signalsUsual {
		t.Errorf("only %d of a flood are refused", limited)
	}
}
