package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rollcall-sync/rollcall/sync"
)

// OI5, SI4: forged tokens cost the provider one fetch a minute, rotation works,
// and a key that was withdrawn is not believed for ever.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	o.claims = o.idClaims(c)
	finish := func() error {
		o.set(func() { o.claims = o.idClaims(c) })
		_, err := p.Finish(t.Context(), testAttempt, o.back())
		return err
	}
	if err := finish(); err != nil {
		t.Fatal(err)
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		forged := signWith(t, stranger, fmt.Sprintf("forged-%d", i), "logout+jwt", map[string]any{})
		if _, err := p.Logout(t.Context(), forged); !errors.Is(err, sync.ErrSignal) {
			t.Fatal(err)
		}
	}
	if n := o.count("/keys"); n != 1 {
		t.Errorf("20 forged tokens made %d fetches of the keys", n-1)
	}
	old := o.key
	o.rotate("k2")
	c.forward(61 * time.Second)
	if err := finish(); err != nil {
		t.Errorf("after a hard rotation: %v", err)
	}
	if n := o.count("/keys"); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
	o.set(func() {
		o.token = status(200, fmt.Sprintf(`{"access_token":"a","token_type":"Bearer","id_token":%q}`, signWith(t, old, "k1", "JWT", o.idClaims(c))))
	})
	_, err = p.Finish(t.Context(), testAttempt, o.back())
	refusedBy(t, err, "OI5")
}

// OI5: the same unknown kid is not looked for again for a while.
func TestAbsentKeysAreRemembered(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	forged := signWith(t, stranger, "k9", "logout+jwt", map[string]any{})
	for range 3 {
		if _, err := p.Logout(t.Context(), forged); !errors.Is(err, sync.ErrSignal) {
			t.Fatal(err)
		}
		c.forward(61 * time.Second)
	}
	if n := o.count("/keys"); n != 2 {
		t.Errorf("%d fetches, want 2: one at first, one for the kid", n)
	}
}

// OI5: a minute lies between two fetches also when the keys are old and cannot
// be read; the old ones hold meanwhile.
func TestOldKeysWhileAway(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	logout := func(want error) {
		t.Helper()
		if _, err := p.Logout(t.Context(), o.sign("logout+jwt", o.logoutClaims(c))); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%v, want %v", err, want)
		}
	}
	logout(nil)
	o.set(func() { o.keys = nil }) // the answer has no keys, and is no key set
	c.forward(59 * time.Minute)
	logout(nil)
	c.forward(2 * time.Minute)
	for range 3 {
		logout(nil)
	}
	if n := o.count("/keys"); n != 2 {
		t.Errorf("%d fetches, want 2: one at first, one when they were old", n)
	}
	fresh, c := o.provider(nil)
	if _, err := fresh.Logout(t.Context(), o.sign("logout+jwt", o.logoutClaims(c))); !errors.Is(err, sync.ErrProvider) {
		t.Errorf("no key set: %v, and it says nothing about the token", err)
	}
}

// OI5: discovery is read anew by the hour; what was learnt of the keys stays.
func TestKeysOutliveDiscovery(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	if _, err := p.Begin(t.Context(), testAttempt); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c.forward(50 * time.Minute)
		if _, err := p.Logout(t.Context(), o.sign("logout+jwt", o.logoutClaims(c))); err != nil {
			t.Fatal(err)
		}
		o.set(func() { o.keys = nil })
	}
	if o.count("/.well-known/openid-configuration") != 2 || o.count("/keys") != 1 {
		t.Errorf("discovery was read %d times, the keys %d times", o.count("/.well-known/openid-configuration"), o.count("/keys"))
	}
}

// OI5: which of a provider's keys are believed: public ones that sign, a
// hundred of them; a shared secret never, whatever the set says.
func TestKeysBelieved(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(o *op){
		"for encryption": func(o *op) { o.keys[0].Use = "enc" },
		"after a hundred others": func(o *op) {
			mine := o.keys[0]
			o.keys = nil
			for i := range maxKeys {
				other := mine
				other.KeyID = fmt.Sprint(i)
				o.keys = append(o.keys, other)
			}
			o.keys = append(o.keys, mine)
		},
		"under another name": func(o *op) { o.keys[0].KeyID = "other" },
	} {
		o := newOP(t)
		change(o)
		p, c := o.provider(nil)
		if _, err := p.Logout(t.Context(), o.sign("logout+jwt", o.logoutClaims(c))); !errors.Is(err, sync.ErrSignal) {
			t.Errorf("a key %s: %v", name, err)
		}
	}
	shared := []byte(strings.Repeat(testSecret, 2))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: shared}, (&jose.SignerOptions{}).WithHeader("kid", "k1"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	s := newKeySet("", nil, func() time.Time { return now })
	s.keys, s.readAt, s.triedAt = []jose.JSONWebKey{{Key: shared, KeyID: "k1"}}, now, now
	if _, _, err := s.verify(t.Context(), raw); !errors.Is(err, ErrSignature) {
		t.Errorf("HMAC with a secret that stands among the keys: %v", err)
	}
}

// OI5: the memory for kids that are not there is bounded.
func TestAbsentKeysAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	client := &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{"keys":[]}`))}, nil
	})}
	s := newKeySet("https://idp.acme.com/keys", client, func() time.Time { return now })
	for i := range maxAbsent + 100 {
		if _, err := s.find(t.Context(), fmt.Sprint(i)); !errors.Is(err, ErrSignature) {
			t.Fatal(err)
		}
		now = now.Add(keysApart)
	}
	if len(s.absent) > maxAbsent {
		t.Errorf("%d kids are remembered", len(s.absent))
	}
}
