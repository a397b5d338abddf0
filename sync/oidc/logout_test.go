package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
)

// logoutClaims are those of a good logout token.
func (o *op) logoutClaims(c *clock) map[string]any {
	return map[string]any{
		"iss": o.server.URL, "aud": testClient, "iat": c.now().Unix(), "exp": c.now().Add(2 * time.Minute).Unix(), "jti": "j1", "sub": testSubject, "sid": "s1",
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
}

// SI1, OI3: a logout token is believed only if all of it holds.
func TestLogoutTokens(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	good := o.logoutClaims(c)
	at := func(d time.Duration) int64 { return c.now().Add(d).Unix() }
	for name, row := range map[string]struct {
		typ     string
		changes map[string]any
		good    bool
	}{
		"logout+jwt":           {"logout+jwt", nil, true},
		"JWT":                  {"JWT", nil, true},
		"no type":              {"", nil, true},
		"sub alone":            {"logout+jwt", map[string]any{"sid": nil}, true},
		"sid alone":            {"logout+jwt", map[string]any{"sub": nil}, true},
		"an ID token's type":   {"id+jwt", nil, false},
		"a set's type":         {"secevent+jwt", nil, false},
		"neither sub nor sid":  {"logout+jwt", map[string]any{"sub": nil, "sid": nil}, false},
		"a nonce":              {"logout+jwt", map[string]any{"nonce": "n"}, false},
		"an empty nonce":       {"logout+jwt", map[string]any{"nonce": ""}, false},
		"no event":             {"logout+jwt", map[string]any{"events": map[string]any{}}, false},
		"another event":        {"logout+jwt", map[string]any{"events": map[string]any{"x": map[string]any{}}}, false},
		"no jti":               {"logout+jwt", map[string]any{"jti": nil}, false},
		"another issuer":       {"logout+jwt", map[string]any{"iss": "https://evil.example"}, false},
		"another audience":     {"logout+jwt", map[string]any{"aud": "other"}, false},
		"a year old":           {"logout+jwt", map[string]any{"iat": at(-365 * 24 * time.Hour), "exp": at(time.Minute)}, false},
		"six minutes old":      {"logout+jwt", map[string]any{"iat": at(-6 * time.Minute), "exp": at(-time.Minute * 2)}, false},
		"six minutes old, exp": {"logout+jwt", map[string]any{"iat": at(-6 * time.Minute), "exp": at(time.Minute)}, false},
		"of the future":        {"logout+jwt", map[string]any{"iat": at(2 * time.Minute), "exp": at(3 * time.Minute)}, false},
		"expired":              {"logout+jwt", map[string]any{"iat": at(-2 * time.Minute), "exp": at(-time.Second)}, false},
		"good for ten years":   {"logout+jwt", map[string]any{"exp": at(10 * 365 * 24 * time.Hour)}, false},
	} {
		got, err := p.Logout(t.Context(), o.sign(row.typ, with(good, row.changes)))
		switch {
		case row.good && (err != nil || len(got.Events) != 1 || got.Events[0].Kind != sync.SignalLogout):
			t.Errorf("%s: %+v, %v", name, got, err)
		case row.good && (got.JTI != o.server.URL+" j1" || got.Until.Before(c.now().Add(2*time.Minute))):
			t.Errorf("%s: remembered as %q until %s, and it is good for two minutes", name, got.JTI, got.Until)
		case !row.good && !errors.Is(err, sync.ErrSignal):
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	p.cfg.Signals.BackchannelLogout = false
	if _, err := p.Logout(t.Context(), o.sign("logout+jwt", good)); !errors.Is(err, sync.ErrSignal) {
		t.Errorf("a connection that takes none: %v", err)
	}
}

// OI3, OS2: where `sub` names the person to this application alone, it is not
// the person's id; the session is.
func TestLogoutWhereSubIsNoID(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(func(cfg *Config) { cfg.SignIn.Subject = "oid" })
	for oid, want := range map[any]string{nil: "", "o-1": "o-1"} {
		got, err := p.Logout(t.Context(), o.sign("logout+jwt", with(o.logoutClaims(c), map[string]any{"oid": oid})))
		if err != nil || got.Events[0].Subject != want || got.Events[0].SID != "s1" {
			t.Errorf("oid %v: %+v, %v", oid, got, err)
		}
	}
}

// Trouble with the keys says nothing about the token: it may come again (ON4).
func TestSignalsWithoutKeys(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	token := o.sign("logout+jwt", o.logoutClaims(c))
	if _, err := p.Begin(t.Context(), testAttempt); err != nil {
		t.Fatal(err)
	}
	o.server.Close()
	if _, err := p.Logout(t.Context(), token); !errors.Is(err, sync.ErrProvider) || errors.Is(err, sync.ErrSignal) {
		t.Error(err)
	}
	if _, err := p.Set(t.Context(), token); !errors.Is(err, sync.ErrProvider) || errors.Is(err, sync.ErrSignal) {
		t.Error(err)
	}
}

const (
	caep = "https://schemas.openid.net/secevent/caep/event-type/"
	risc = "https://schemas.openid.net/secevent/risc/event-type/"
)

func (o *op) setOf(c *clock, event string, body any) map[string]any {
	return map[string]any{
		"iss": o.server.URL, "aud": testClient, "iat": c.now().Unix(), "jti": "j1",
		"sub_id": map[string]any{"format": "iss_sub", "iss": o.server.URL, "sub": testSubject}, "events": map[string]any{event: body},
	}
}

// SI2, OI4: a security event token is believed only if all of it holds; ID
// tokens and access tokens are none.
func TestSecurityEventTokens(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	empty := map[string]any{}
	good := o.setOf(c, caep+"session-revoked", empty)
	at := func(d time.Duration) int64 { return c.now().Add(d).Unix() }
	for name, row := range map[string]struct {
		typ     string
		changes map[string]any
		good    bool
	}{
		"good":                     {"secevent+jwt", nil, true},
		"the long type":            {"application/secevent+jwt", nil, true},
		"several audiences":        {"secevent+jwt", map[string]any{"aud": []string{"x", testClient}}, true},
		"six days late":            {"secevent+jwt", map[string]any{"iat": at(-6 * 24 * time.Hour)}, true},
		"a logout token's type":    {"logout+jwt", nil, false},
		"an ID token's type":       {"JWT", nil, false},
		"no type":                  {"", nil, false},
		"an exp":                   {"secevent+jwt", map[string]any{"exp": at(time.Hour)}, false},
		"a nonce":                  {"secevent+jwt", map[string]any{"nonce": "x"}, false},
		"no events":                {"secevent+jwt", map[string]any{"events": nil}, false},
		"no jti":                   {"secevent+jwt", map[string]any{"jti": nil}, false},
		"another transmitter":      {"secevent+jwt", map[string]any{"iss": "https://evil.example"}, false},
		"for somebody else":        {"secevent+jwt", map[string]any{"aud": "x"}, false},
		"for nobody":               {"secevent+jwt", map[string]any{"aud": nil}, false},
		"too old":                  {"secevent+jwt", map[string]any{"iat": at(-8 * 24 * time.Hour)}, false},
		"of the future":            {"secevent+jwt", map[string]any{"iat": at(2 * time.Minute)}, false},
		"an event that is no text": {"secevent+jwt", map[string]any{"events": map[string]any{"x": 3}}, false},
	} {
		got, err := p.Set(t.Context(), o.sign(row.typ, with(good, row.changes)))
		switch {
		case row.good && (err != nil || len(got.Events) != 1 || got.Events[0].Kind != sync.SignalRevoked || got.Events[0].Subject != testSubject):
			t.Errorf("%s: %+v, %v", name, got, err)
		case row.good && (got.JTI != o.server.URL+" j1" || got.Until.Before(got.Events[0].At.Add(maxSignalAge))):
			t.Errorf("%s: remembered as %q until %s", name, got.JTI, got.Until)
		case !row.good && !errors.Is(err, sync.ErrSignal):
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	p, _ = o.provider(func(cfg *Config) { cfg.Signals.SSF = SSF{} })
	if _, err := p.Set(t.Context(), o.sign("secevent+jwt", good)); !errors.Is(err, sync.ErrSignal) {
		t.Errorf("a connection without a stream: %v", err)
	}
}

// The events that are known, in every way a subject may be written; a person
// named by an address is nobody.
func TestEventsAndSubjects(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	earlier := c.now().Add(-time.Minute)
	me := map[string]any{"format": "iss_sub", "iss": o.server.URL, "sub": testSubject}
	for name, row := range map[string]struct {
		event   string
		subject any
		body    any
		want    string
	}{
		"revoked":              {caep + "session-revoked", me, map[string]any{}, "session-revoked u-bo  0s"},
		"credential":           {caep + "credential-change", me, map[string]any{"event_timestamp": earlier.Unix()}, "credential-change u-bo  -1m0s"},
		"milliseconds":         {caep + "credential-change", me, map[string]any{"event_timestamp": earlier.UnixMilli()}, "credential-change u-bo  -1m0s"},
		"a time in the future": {caep + "credential-change", me, map[string]any{"event_timestamp": c.now().Add(time.Hour).Unix()}, "credential-change u-bo  0s"},
		"disabled":             {risc + "account-disabled", me, map[string]any{}, "account-disabled u-bo  0s"},
		"purged":               {risc + "account-purged", me, map[string]any{}, "account-purged u-bo  0s"},
		"enabled":              {risc + "account-enabled", me, map[string]any{}, "account-enabled u-bo  0s"},
		"verification":         {"https://schemas.openid.net/secevent/ssf/event-type/verification", me, map[string]any{}, "verification u-bo  0s"},
		"something else":       {caep + "device-compliance-change", me, map[string]any{}, "other u-bo  0s"},
		"opaque":               {caep + "session-revoked", map[string]any{"format": "opaque", "id": "u-cy"}, map[string]any{}, "session-revoked u-cy  0s"},
		"complex, a session": {
			caep + "session-revoked",
			map[string]any{"format": "complex", "user": me, "session": map[string]any{"format": "opaque", "id": "s9"}},
			map[string]any{},
			"session-revoked u-bo s9 0s",
		},
		"complex, disabled": {
			risc + "account-disabled",
			map[string]any{"format": "complex", "user": me, "session": map[string]any{"format": "opaque", "id": "s9"}},
			map[string]any{},
			"account-disabled u-bo  0s",
		},
		"by address":        {risc + "account-disabled", map[string]any{"format": "email", "email": "bo@acme.com"}, map[string]any{}, "account-disabled   0s"},
		"of another issuer": {risc + "account-disabled", map[string]any{"format": "iss_sub", "iss": "https://evil.example", "sub": testSubject}, map[string]any{}, "account-disabled   0s"},
		"an unknown format": {risc + "account-disabled", map[string]any{"format": "did", "id": "u-cy", "sub": testSubject}, map[string]any{}, "account-disabled   0s"},
		"an old draft":      {caep + "session-revoked", nil, map[string]any{"subject": me}, "session-revoked u-bo  0s"},
	} {
		claims := o.setOf(c, row.event, row.body)
		if claims["sub_id"] = row.subject; row.subject == nil {
			delete(claims, "sub_id")
		}
		got, err := p.Set(t.Context(), o.sign("secevent+jwt", claims))
		if err != nil || len(got.Events) != 1 {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		e := got.Events[0]
		if text := fmt.Sprintf("%s %s %s %s", e.Kind, e.Subject, e.SID, e.At.Sub(c.now())); text != row.want {
			t.Errorf("%s: %q, want %q", name, text, row.want)
		}
	}
}

// RFC 8936: a stream is polled where the transmitter says, with its bearer
// token, and tokens are acknowledged.
func TestPollStream(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(func(cfg *Config) {
		cfg.Signals.SSF.Mode, cfg.Signals.SSF.Authorization = "poll", secretFile(t, "canary-bearer")
	})
	asked := ""
	o.streams = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer canary-bearer" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodGet {
			o.send(w, []any{
				map[string]any{"delivery": map[string]any{"method": "urn:ietf:rfc:8935", "endpoint_url": "https://evil.example"}},
				map[string]any{"delivery": map[string]any{"method": pollDelivery, "endpoint_url": o.server.URL + "/streams"}},
			})
			return
		}
		body := make([]byte, 1000)
		n, _ := r.Body.Read(body)
		asked = string(body[:n])
		o.send(w, map[string]any{"sets": map[string]string{"j1": o.sign("secevent+jwt", o.setOf(c, caep+"session-revoked", map[string]any{}))}, "moreAvailable": true})
	}
	got, err := p.Poll(t.Context(), []string{"j0"}, map[string]SetError{"jx": {Err: "invalid_request"}})
	if err != nil || !got.More || len(got.Sets) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if want := `{"ack":["j0"],"maxEvents":25,"returnImmediately":true,"setErrs":{"jx":{"err":"invalid_request"}}}`; asked != want {
		t.Errorf("asked %s", asked)
	}
	if _, err := p.Set(t.Context(), got.Sets["j1"]); err != nil {
		t.Error(err)
	}
}

// ON1: a transmitter's endpoints stay at its host; no other is ever asked.
func TestTransmitterStaysAtItsHost(t *testing.T) {
	t.Parallel()
	const thief = "https://evil.example"
	for name, change := range map[string]func(meta map[string]any, poll *string){
		"issuer":  func(meta map[string]any, _ *string) { meta["issuer"] = thief },
		"keys":    func(meta map[string]any, _ *string) { meta["jwks_uri"] = thief + "/keys" },
		"streams": func(meta map[string]any, _ *string) { meta["configuration_endpoint"] = thief + "/streams" },
		"polling": func(_ map[string]any, poll *string) { *poll = thief + "/streams" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOP(t)
			p, _ := o.provider(func(cfg *Config) {
				cfg.Signals.SSF.Mode, cfg.Signals.SSF.Authorization = "poll", secretFile(t, "canary-bearer")
			})
			poll := o.server.URL + "/streams"
			o.metadata = map[string]any{"issuer": o.server.URL, "jwks_uri": o.server.URL + "/keys", "configuration_endpoint": o.server.URL + "/streams"}
			change(o.metadata, &poll)
			o.streams = func(w http.ResponseWriter, _ *http.Request) {
				o.send(w, []any{map[string]any{"delivery": map[string]any{"method": pollDelivery, "endpoint_url": poll}}})
			}
			if _, err := p.Poll(t.Context(), nil, nil); !errors.Is(err, sync.ErrProvider) || !strings.Contains(err.Error(), "another host") {
				t.Error(err)
			}
		})
	}
}

// ON1, ON4: what a transmitter said holds while it is away, with its keys; a
// host that nobody has approved stops it.
func TestTransmitterAway(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	var said error
	p.opt.Hosts = func(context.Context, string, []sync.Endpoint) error { return said }
	hears := func(want error) {
		t.Helper()
		o.mu.Lock()
		token := o.sign("secevent+jwt", o.setOf(c, caep+"session-revoked", map[string]any{}))
		o.mu.Unlock()
		if _, err := p.Set(t.Context(), token); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%v, want %v", err, want)
		}
	}
	good := map[string]any{"issuer": o.server.URL, "jwks_uri": o.server.URL + "/keys"}
	if _, err := p.transmitter(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.forward(50 * time.Minute)
	hears(nil)
	c.forward(11 * time.Minute) // the metadata is read anew, the keys are not
	hears(nil)
	if n := o.count("/keys"); n != 1 {
		t.Errorf("%d fetches of the keys, want 1", n)
	}
	o.set(func() { o.metadata = map[string]any{} })
	c.forward(61 * time.Minute)
	hears(nil)
	o.set(func() { o.metadata = good })
	said = sync.ErrHostChanged
	hears(sync.ErrHostChanged)
	o.set(func() { o.metadata = map[string]any{} })
	hears(sync.ErrProvider) // what was good before leads nowhere either
}

func FuzzSignals(f *testing.F) {
	f.Add(`{"iss":"x","events":{"a":{}},"sub_id":{"format":"complex","user":{"format":"opaque","id":"1"}}}`, "secevent+jwt")
	f.Add(`{"events":null,"aud":[1]}`, "logout+jwt")
	f.Add(`[]`, "")
	f.Fuzz(func(t *testing.T, payload, typ string) {
		var s *subject
		if person, session := s.of("x"); person+session != "" {
			t.Error("nobody is somebody")
		}
		o := fuzzOP(t)
		raw, ok := o.signRaw(typ, payload)
		if !ok {
			return
		}
		if got, err := o.p.Set(t.Context(), raw); err == nil && (got.JTI == "" || len(got.Events) == 0) {
			t.Errorf("%+v", got)
		}
		if got, err := o.p.Logout(t.Context(), raw); err == nil && len(got.Events) != 1 {
			t.Errorf("%+v", got)
		}
	})
}
