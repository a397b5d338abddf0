package pull_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/sync/sourcetest"
)

func incomplete(err error) bool {
	var e *sync.IncompleteError
	return errors.As(err, &e)
}

func throttled(err error) bool {
	var e *sync.ThrottledError
	return errors.As(err, &e)
}

func scope(err error) bool {
	var e *sync.ScopeError
	return errors.As(err, &e)
}

func auth(err error) bool { return errors.Is(err, sync.ErrAuth) }

func anyError(err error) bool { return err != nil && !errors.Is(err, sync.ErrCursorGone) }

// TestTrouble: whatever goes wrong for good, a Full proves nothing, a Delta
// says nobody is gone, and after it all is as before.
func TestTrouble(t *testing.T) {
	t.Parallel()
	everywhere := kindsUnderTest
	lists := []string{oidc.Graph, oidc.Okta, oidc.Google, oidc.SCIM}
	for _, c := range []struct {
		fault fakeidp.Fault
		kinds []string
		want  func(error) bool
	}{
		{fakeidp.ServerError, everywhere, anyError},
		{fakeidp.LostAnswer, everywhere, anyError},
		{fakeidp.Redirect, everywhere, anyError},
		{fakeidp.Garbage, everywhere, incomplete},
		{fakeidp.Unauthorized, everywhere, auth},
		{fakeidp.Forbidden, everywhere, func(err error) bool { return scope(err) || anyError(err) }},
		{fakeidp.GroupsHidden, everywhere, scope},
		{fakeidp.FlagMissing, everywhere, incomplete},
		{fakeidp.DataMissing, everywhere, incomplete},
		{fakeidp.ForeignNext, []string{oidc.Graph, oidc.Okta}, incomplete},
		{fakeidp.ForeignDelta, []string{oidc.Graph}, incomplete},
		{fakeidp.Circle, lists, incomplete},
		{fakeidp.ThrottleDate, everywhere, throttled},
		{fakeidp.ThrottleReset, everywhere, throttled},
		{fakeidp.Throttle, everywhere, throttled},
		{fakeidp.Quota, []string{oidc.Google}, throttled},
		{fakeidp.NoDate, []string{oidc.Okta, oidc.SCIM}, anyError},
		{fakeidp.InvalidClient, []string{oidc.Graph, oidc.Okta, oidc.Google, oidc.Keycloak}, auth},
		{fakeidp.TokenTrouble, []string{oidc.Graph, oidc.Okta, oidc.Google, oidc.Keycloak}, anyError},
		{fakeidp.TokenThrottled, []string{oidc.Graph, oidc.Okta, oidc.Google, oidc.Keycloak}, throttled},
	} {
		for _, kind := range c.kinds {
			t.Run(kind+"/"+string(c.fault), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, kind)
				ids := r.staff(4)
				r.fake.AddGroup("phone-admins", fakeidp.Member{ID: ids[0]})
				r.named("phone-admins")
				s := r.source()
				_, cursor := r.full(s)
				r.fake.Tokens.Revoke() // so that the token endpoint is asked
				r.fake.Break(c.fault, -1)
				sink := &sourcetest.Collector{}
				if _, err := s.Full(r.ctx(), cursor, sink); !c.want(err) || len(sink.Proofs()) != 0 {
					t.Errorf("Full: %v, proofs %v", err, sink.Proofs())
				} else {
					quiet(t, err)
				}
				sink = &sourcetest.Collector{}
				if _, err := s.Delta(r.ctx(), cursor, sink); len(sink.Gone()) != 0 {
					t.Errorf("Delta (%v): somebody is gone: %v", err, sink.Gone())
				}
				r.fake.Mend()
				r.fake.Wind(time.Hour)
				sink, _ = r.full(s)
				if len(sink.People()) != 4 {
					t.Errorf("after the fault: %d people, want 4", len(sink.People()))
				}
			})
		}
	}
}

// quiet wants an error without secrets and without a vendor's sentences.
func quiet(t *testing.T, err error) {
	t.Helper()
	for _, word := range []string{canary, "a sentence that says", "$deltatoken", "Bearer "} {
		if strings.Contains(err.Error(), word) {
			t.Errorf("ON3: the error shows %q: %v", word, err)
		}
	}
}

// TestPassingTrouble: what passes is tried again within the run (QU1).
func TestPassingTrouble(t *testing.T) {
	t.Parallel()
	for _, kind := range kindsUnderTest {
		for _, fault := range []fakeidp.Fault{fakeidp.ServerError, fakeidp.LostAnswer, fakeidp.Unauthorized, fakeidp.Throttle, fakeidp.TokenTrouble} {
			if kind == oidc.SCIM && fault == fakeidp.TokenTrouble {
				continue // its token is made by hand
			}
			t.Run(kind+"/"+string(fault), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, kind)
				r.staff(4)
				s := r.source()
				r.fake.Break(fault, 1)
				c, _ := r.full(s)
				if len(c.People()) != 4 {
					t.Errorf("%d people, want 4", len(c.People()))
				}
				seen := s.(sync.Metered).Traffic()
				if seen.Requests == 0 || seen.Bytes == 0 || (seen.Throttled > 0) != (fault == fakeidp.Throttle) {
					t.Errorf("traffic %+v", seen)
				}
			})
		}
	}
}

// TestThrottleTimes (OD3): a date and a reset are read by the answer's own
// clock, and no request is sent before.
func TestThrottleTimes(t *testing.T) {
	t.Parallel()
	for fault, want := range map[fakeidp.Fault]time.Duration{fakeidp.ThrottleDate: 2 * time.Minute, fakeidp.ThrottleReset: 90 * time.Second} {
		r := newRig(t, oidc.Okta)
		r.staff(2)
		r.opt.Now = func() time.Time { return r.fake.Now().Add(-3 * time.Minute) } // our clock is off
		s := r.source()
		r.full(s)
		r.fake.Break(fault, 1)
		began := r.fake.Now()
		_, err := s.Full(r.ctx(), sync.Cursor{}, &sourcetest.Collector{})
		var wait *sync.ThrottledError
		if !errors.As(err, &wait) {
			t.Fatalf("%s: %v", fault, err)
		}
		if got := wait.Until.Sub(began.Add(-3 * time.Minute)); got < want-2*time.Second || got > want+2*time.Second {
			t.Errorf("%s: waits %s, want %s", fault, got, want)
		}
		r.fake.Requests()
		if _, err := s.Full(r.ctx(), sync.Cursor{}, &sourcetest.Collector{}); !throttled(err) || len(r.fake.Requests()) != 0 {
			t.Errorf("%s: before its time: %v, want ThrottledError and no request", fault, err)
		}
	}
}

// TestForeignLinks (ON1): no request is sent to where a forged page leads,
// and none carries the token there.
func TestForeignLinks(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Graph)
	r.staff(3)
	s := r.source()
	_, cursor := r.full(s)
	for name, change := range map[string]func(string) string{
		"host":   func(d string) string { return strings.ReplaceAll(d, r.fake.URL, "https://thief.example") },
		"scheme": func(d string) string { return strings.ReplaceAll(d, "http://", "https://") },
		"port":   func(d string) string { return strings.ReplaceAll(d, r.fake.URL, "http://127.0.0.1:1") },
		"user":   func(d string) string { return strings.ReplaceAll(d, "http://", "http://a@") },
	} {
		forged := cursor
		forged.Data = []byte(change(string(cursor.Data)))
		if string(forged.Data) == string(cursor.Data) {
			t.Fatalf("%s: the cursor has no link to forge: %s", name, cursor.Data)
		}
		r.fake.Requests()
		if _, err := s.Delta(r.ctx(), forged, &sourcetest.Collector{}); !incomplete(err) {
			t.Errorf("stored link, other %s: %v, want IncompleteError", name, err)
		}
		for _, q := range r.fake.Requests() {
			if strings.Contains(q, "delta") {
				t.Errorf("stored link, other %s: asked %s", name, q)
			}
		}
	}
}

// TestSecretsRotate (ON3): a changed secret is used at once, without restart;
// one that is gone spoils no token that is good.
func TestSecretsRotate(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Keycloak)
	r.staff(2)
	s := r.source()
	r.full(s)
	had := r.fake.Tokens.Issued()
	r.full(s)
	if got := r.fake.Tokens.Issued(); got != had {
		t.Errorf("a good token was replaced: %d, then %d", had, got)
	}
	if err := os.Remove(r.key); err != nil {
		t.Fatal(err)
	}
	r.full(s)
	r.fake.Tokens.ClientSecret = canary + "second"
	if err := os.WriteFile(r.key, []byte(canary+"second"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.full(s)
	if got := r.fake.Tokens.Issued(); got != had+1 {
		t.Errorf("a changed secret: %d tokens, want %d", got, had+1)
	}
	if err := os.WriteFile(r.key, []byte(canary+"wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Full(r.ctx(), sync.Cursor{}, &sourcetest.Collector{}); !auth(err) {
		t.Errorf("a wrong secret: %v, want ErrAuth", err)
	} else {
		quiet(t, err)
	}
}

// TestTokenLifetime: tokens are replaced before they end, and one that ended
// early once.
func TestTokenLifetime(t *testing.T) {
	t.Parallel()
	r := newRig(t, oidc.Graph)
	r.fake.Tokens.Life = 10 * time.Minute
	r.staff(2)
	s := r.source()
	r.full(s)
	r.fake.Wind(9*time.Minute + 30*time.Second)
	r.full(s)
	if got := r.fake.Tokens.Issued(); got != 2 {
		t.Errorf("%d tokens, want 2", got)
	}
	r.fake.Tokens.Revoke()
	r.full(s)
	if got := r.fake.Tokens.Issued(); got != 3 {
		t.Errorf("after a revocation %d tokens, want 3", got)
	}
}

// TestCheckNamesRights: what is missing is named with how to grant it.
func TestCheckNamesRights(t *testing.T) {
	t.Parallel()
	for _, kind := range kindsUnderTest {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, kind)
			ids := r.staff(3)
			r.fake.AddGroup("phone-admins", fakeidp.Member{ID: ids[0]})
			r.named("phone-admins", "nobody-there")
			s := r.source()
			p, err := s.Check(r.ctx())
			if err != nil {
				t.Fatal(err)
			}
			if p.People != 3 || p.Groups != 1 || !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "nobody-there") }) {
				t.Errorf("probe %+v", p)
			}
			for _, right := range p.Rights {
				if !right.Granted && !right.Optional {
					t.Errorf("missing: %+v", right)
				}
			}
			r.fake.Break(fakeidp.GroupsHidden, -1)
			p, err = s.Check(r.ctx())
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(p.Rights, func(x sync.Right) bool { return !x.Granted && strings.Contains(x.Remedy, "grant") }) {
				t.Errorf("groups are hidden, and the probe says %+v", p.Rights)
			}
			r.fake.Mend()
			r.fake.Break(fakeidp.FlagMissing, -1)
			p, err = s.Check(r.ctx())
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(p.Rights, func(x sync.Right) bool { return !x.Granted && strings.HasPrefix(x.Need, "read ") }) {
				t.Errorf("OD1: the flag is hidden, and the probe says %+v", p.Rights)
			}
		})
	}
}
