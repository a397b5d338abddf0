package oidc

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync"
)

// sealedGrant seals a refresh token for the test's person.
func sealedGrant(t *testing.T, p *Provider, token string) string {
	t.Helper()
	sealed, err := p.opt.Ring.Seal(p.bound(testSubject), secret.New(token))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// OL4, OL5, a row each: what the provider answers, and what it means.
func TestAnswers(t *testing.T) {
	t.Parallel()
	ok := `{"access_token":"a","token_type":"Bearer","refresh_token":"canary-refresh-2"}`
	for name, row := range map[string]struct {
		token, userInfo http.HandlerFunc
		want            sync.AnswerKind
		kept            bool
	}{
		"ID token":                            {nil, nil, sync.AnswerAlive, true},
		"UserInfo (OI9)":                      {status(200, ok), nil, sync.AnswerAlive, true},
		"no new refresh token (OI9)":          {status(200, `{"access_token":"a","token_type":"Bearer"}`), nil, sync.AnswerAlive, false},
		"the same refresh token":              {status(200, `{"access_token":"a","token_type":"Bearer","refresh_token":"canary-refresh-1"}`), nil, sync.AnswerAlive, false},
		"invalid_grant":                       {status(400, `{"error":"invalid_grant","error_description":"AADSTS50057 disabled"}`), nil, sync.AnswerGrantGone, false},
		"invalid_grant, 401":                  {status(401, `{"error":"invalid_grant"}`), nil, sync.AnswerGrantGone, false},
		"invalid_client":                      {status(401, `{"error":"invalid_client"}`), nil, sync.AnswerUnsent, false},
		"unauthorized_client":                 {status(400, `{"error":"unauthorized_client"}`), nil, sync.AnswerUnsent, false},
		"temporarily_unavailable":             {status(400, `{"error":"temporarily_unavailable"}`), nil, sync.AnswerUnsent, false},
		"unsupported_grant_type":              {status(400, `{"error":"unsupported_grant_type"}`), nil, sync.AnswerUnsent, false},
		"invalid_request":                     {status(400, `{"error":"invalid_request","error_description":"canary-refresh-1"}`), nil, sync.AnswerUnsent, false},
		"invalid_scope":                       {status(400, `{"error":"invalid_scope"}`), nil, sync.AnswerUnsent, false},
		"slow_down":                           {status(400, `{"error":"slow_down"}`), nil, sync.AnswerUnsent, false},
		"interaction_required":                {status(400, `{"error":"interaction_required"}`), nil, sync.AnswerTrouble, false},
		"login_required":                      {status(400, `{"error":"login_required"}`), nil, sync.AnswerTrouble, false},
		"consent_required":                    {status(400, `{"error":"consent_required"}`), nil, sync.AnswerTrouble, false},
		"server_error":                        {status(400, `{"error":"server_error"}`), nil, sync.AnswerTrouble, false},
		"an unknown code":                     {status(400, `{"error":"computer_says_no"}`), nil, sync.AnswerTrouble, false},
		"invalid_grant with 500":              {status(500, `{"error":"invalid_grant"}`), nil, sync.AnswerTrouble, false},
		"invalid_grant with 200":              {status(200, `{"error":"invalid_grant"}`), nil, sync.AnswerTrouble, false},
		"400 without a code":                  {status(400, `x`), nil, sync.AnswerTrouble, false},
		"401 without a code":                  {status(401, ``), nil, sync.AnswerTrouble, false},
		"403":                                 {status(403, `{"error":"invalid_grant"}`), nil, sync.AnswerTrouble, false},
		"429":                                 {status(429, `{"error":"invalid_grant"}`), nil, sync.AnswerUnsent, false},
		"500":                                 {status(500, ``), nil, sync.AnswerTrouble, false},
		"503":                                 {status(503, ``), nil, sync.AnswerTrouble, false},
		"an empty object":                     {status(200, `{}`), nil, sync.AnswerTrouble, false},
		"no answer":                           {cut, nil, sync.AnswerTrouble, false},
		"a redirect":                          {status(302, ``, "Location", "/userinfo"), nil, sync.AnswerTrouble, false},
		"UserInfo 401":                        {status(200, ok), status(401, ``), sync.AnswerRefused, true},
		"UserInfo 403":                        {status(200, ok), status(403, ``), sync.AnswerRefused, true},
		"UserInfo 404":                        {status(200, ok), status(404, ``), sync.AnswerTrouble, true},
		"UserInfo 429":                        {status(200, ok), status(429, ``), sync.AnswerTrouble, true},
		"UserInfo 500":                        {status(200, ok), status(500, ``), sync.AnswerTrouble, true},
		"UserInfo {}":                         {status(200, ok), status(200, `{}`), sync.AnswerTrouble, true},
		"UserInfo cut":                        {status(200, ok), cut, sync.AnswerTrouble, true},
		"UserInfo of somebody else":           {status(200, ok), status(200, `{"sub":"u-cy"}`), sync.AnswerTrouble, true},
		"an ID token that is none, then kept": {status(200, strings.Replace(ok, "{", `{"id_token":"x",`, 1)), nil, sync.AnswerTrouble, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOP(t)
			p, c := o.provider(nil)
			o.claims = with(o.idClaims(c), map[string]any{"nonce": nil})
			o.refresh = "canary-refresh-2"
			o.token, o.userInfo = row.token, row.userInfo
			kept := ""
			got, err := p.Alive(t.Context(), testSubject, sealedGrant(t, p, "canary-refresh-1"), func(sealed string) error { kept = sealed; return nil })
			if got.Kind != row.want || (kept != "") != row.kept {
				t.Errorf("kind %d (%s), kept %q, %v; want kind %d, kept %t", got.Kind, got.Code, kept, err, row.want, row.kept)
			}
			if row.kept {
				if token, _, err := p.opt.Ring.Open(p.bound(testSubject), kept); err != nil || token.Reveal() != "canary-refresh-2" {
					t.Errorf("kept %v", err)
				}
			}
			if n := o.count("/token"); n != 1 {
				t.Errorf("OI7: the token was sent %d times", n)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("a secret in %v", err)
			}
			form := o.lastForm()
			if form.Get("refresh_token") != "canary-refresh-1" || form.Get("grant_type") != "refresh_token" {
				t.Errorf("asked with %v", form)
			}
		})
	}
}

// OL5: a new ID token must be of the same person.
func TestIDTokenOfSomebodyElse(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	o.claims = with(o.idClaims(c), map[string]any{"nonce": nil, "sub": "u-cy"})
	got, err := p.Alive(t.Context(), testSubject, sealedGrant(t, p, "canary-refresh-1"), func(string) error { return nil })
	if got.Kind != sync.AnswerTrouble || !errors.Is(err, errMismatch) {
		t.Errorf("%+v, %v", got, err)
	}
}

// ON3: what an older key of the ring has sealed is sealed anew, on request and
// when its token is used, even if the provider gives the same token again.
func TestReseal(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, _ := o.provider(nil)
	sealed := sealedGrant(t, p, "canary-refresh-1")
	p.opt.Ring = NewRing(secretFile(t, otherKey+testKeys))
	again, err := p.Reseal(testSubject, sealed)
	if err != nil || !strings.HasPrefix(again, "k2.") {
		t.Fatalf("%q, %v", again, err)
	}
	if third, err := p.Reseal(testSubject, again); err != nil || third != again {
		t.Errorf("%q, %v", third, err)
	}
	o.token = status(200, `{"access_token":"a","token_type":"Bearer","refresh_token":"canary-refresh-1"}`)
	kept := ""
	if _, err := p.Alive(t.Context(), testSubject, sealed, func(s string) error { kept = s; return nil }); err != nil || !strings.HasPrefix(kept, "k2.") {
		t.Errorf("kept %q, %v", kept, err)
	}
}

// OL3: the new token is written before the access token is used; if it cannot
// be, the access token is not used.
func TestTokenIsKeptFirst(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, _ := o.provider(nil)
	o.token = status(200, `{"access_token":"a","token_type":"Bearer","refresh_token":"canary-refresh-2"}`)
	lost := errors.New("the store is away")
	got, err := p.Alive(t.Context(), testSubject, sealedGrant(t, p, "canary-refresh-1"), func(string) error {
		if o.count("/userinfo") != 0 {
			t.Error("UserInfo was asked before the token was kept")
		}
		return lost
	})
	if !errors.Is(err, lost) || got.Kind != sync.AnswerTrouble || o.count("/userinfo") != 0 {
		t.Errorf("%+v, %v, UserInfo asked %d times", got, err, o.count("/userinfo"))
	}
}

// Trouble before the token is sent is no lost answer.
func TestNeverSent(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	if _, err := p.Begin(t.Context(), testAttempt); err != nil {
		t.Fatal(err)
	}
	sealed := sealedGrant(t, p, "canary-refresh-1")
	o.server.Close()
	p.Close() // a connection that was kept could have carried the token
	c.forward(time.Minute)
	got, err := p.Alive(t.Context(), testSubject, sealed, func(string) error { return nil })
	if err == nil || got.Kind != sync.AnswerUnsent {
		t.Errorf("%+v, %v", got, err)
	}
	// A row moved to another person opens nothing (ON3).
	if got, err := p.Alive(t.Context(), "u-cy", sealed, nil); !errors.Is(err, ErrSealed) || got.Kind != sync.AnswerUnsent {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "30": 30 * time.Second, " 30 ": 30 * time.Second, "-1": 0, "99999999999999999999": 0, "86400": time.Hour, "x": 0,
		"Sat, 21 Nov 2026 08:01:00 GMT": time.Minute, "Sat, 21 Nov 2026 07:00:00 GMT": 0,
	} {
		if got := waitOf(text, now); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	o := newOP(t)
	p, _ := o.provider(nil)
	o.token = status(429, ``, "Retry-After", "120")
	if got, _ := p.Alive(t.Context(), testSubject, sealedGrant(t, p, "x"), nil); got.Wait != 2*time.Minute {
		t.Errorf("%+v", got)
	}
}

// A leaver's token is revoked at the provider (RFC 7009).
func TestRevoke(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	sealed := sealedGrant(t, p, "canary-refresh-1")
	if err := p.Revoke(t.Context(), testSubject, sealed); err != nil {
		t.Fatal(err)
	}
	want := url.Values{"token": {"canary-refresh-1"}, "token_type_hint": {"refresh_token"}, "basic": {testClient}}
	if got := o.lastForm(); got.Encode() != want.Encode() {
		t.Errorf("asked %v", got)
	}
	o.set(func() { delete(o.discovery, "revocation_endpoint") })
	c.forward(2 * time.Hour)
	if err := p.Revoke(t.Context(), testSubject, sealed); err != nil {
		t.Errorf("a provider that cannot be told: %v", err)
	}
}
