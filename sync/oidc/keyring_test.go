package oidc

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/secret"
)

const otherKey = "k2:ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODk=\n"

// ON3: AES-256-GCM with key id and associated data; a ring of several keys.
func TestRing(t *testing.T) {
	t.Parallel()
	ref := secretFile(t, testKeys)
	path := strings.TrimPrefix(ref.String(), "file:")
	r := NewRing(ref)
	mine := Bound{"sso", "u-bo", "refresh"}
	sealed, err := r.Seal(mine, secret.New("canary"))
	if err != nil || !strings.HasPrefix(sealed, "k1.") || strings.Contains(sealed, "canary") {
		t.Fatalf("%q, %v", sealed, err)
	}
	if again, err := r.Seal(mine, secret.New("canary")); err != nil || again == sealed {
		t.Errorf("two seals are equal: %v", err)
	}
	open := func(b Bound, text string) (string, bool, error) {
		plain, stale, err := r.Open(b, text)
		return plain.Reveal(), stale, err
	}
	if plain, stale, err := open(mine, sealed); plain != "canary" || stale || err != nil {
		t.Errorf("%q, %t, %v", plain, stale, err)
	}
	for name, b := range map[string]Bound{
		"another connection": {"sso2", "u-bo", "refresh"}, "another person": {"sso", "u-cy", "refresh"}, "another purpose": {"sso", "u-bo", "x"},
		"shifted": {`sso|"u-bo`, "", "refresh"},
	} {
		if _, _, err := open(b, sealed); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	flipped := []byte(sealed)
	flipped[len(flipped)-3] ^= 1
	for _, text := range []string{"", "k1", "k1.", "k1.AAAA", "k9" + sealed[2:], string(flipped)} {
		if _, _, err := open(mine, text); !errors.Is(err, ErrSealed) {
			t.Errorf("%q: %v", text, err)
		}
	}
	// A new key in front: the old one still opens, and what it sealed is stale.
	if err := os.WriteFile(path, []byte("# new\n"+otherKey+"\n"+testKeys), 0o600); err != nil {
		t.Fatal(err)
	}
	if plain, stale, err := open(mine, sealed); plain != "canary" || !stale || err != nil {
		t.Errorf("after a new key: %q, %t, %v", plain, stale, err)
	}
	fresh, err := r.Seal(mine, secret.New("canary"))
	if err != nil || !strings.HasPrefix(fresh, "k2.") {
		t.Errorf("%q, %v", fresh, err)
	}
	if err := os.WriteFile(path, []byte(otherKey), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := open(mine, sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("without its key: %v", err)
	}
}

func TestRingFaults(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no id": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "short": "k1:MDEyMw==", "no base64": "k1:???", "twice": testKeys + testKeys,
		"comments alone": "# nothing", "an id with a dot": "k.1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
	} {
		err := NewRing(secretFile(t, text)).Check()
		if err == nil || !strings.HasPrefix(err.Error(), "key_ring: ") || strings.Contains(err.Error(), "MDEy") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add("k1.AAAA", "s")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, sealed, subject string) {
		r := NewRing(secretFile(t, testKeys))
		if plain, _, err := r.Open(Bound{"sso", subject, "refresh"}, sealed); err == nil {
			t.Errorf("opened %q to %d bytes", sealed, len(plain.Reveal()))
		}
	})
}
