package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// newKey is a private key as a file holds it.
func newKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// published are the client's public keys, as a provider reads them.
func (w *signInWorld) published() jose.JSONWebKeySet {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.d.url+"/signin/sso/jwks", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	err = json.NewDecoder(res.Body).Decode(&set)
	if cerr := res.Body.Close(); err != nil || cerr != nil || res.StatusCode != http.StatusOK || len(set.Keys) != 2 || !set.Keys[0].IsPublic() {
		w.t.Fatalf("%d %+v, %v, %v", res.StatusCode, set, err, cerr)
	}
	return set
}

// TestSignInWithKey: a client that signs for itself (private_key_jwt) signs
// people in and asks about them, at the npm package oidc-provider, which reads
// our keys where we publish them.
func TestSignInWithKey(t *testing.T) {
	t.Parallel()
	f, port := newFront(t), freePort(t)
	key := newKey(t)
	w := newSignInWorld(t, port, f, f.server.URL, key)
	w.provision("bo", "u-bo")
	again := newKey(t)
	write := func(file string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(w.dir, file), []byte(again), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("next") // published before it is used: the provider keeps our keys for minutes
	nodeProvider(t, f, port, fmt.Sprintf("http://127.0.0.1:%d/signin/sso/jwks", port))
	first := w.published()
	session := w.signIn(newBrowser(t, map[string]string{"login": "u-bo", "password": "x"}))
	for range 2 {
		if g := w.asked("u-bo"); g.Verdict != "alive" || !w.live(session) {
			t.Fatalf("%+v", g)
		}
	}
	// ON3: the next key takes the place of the first, without a restart.
	write("secret")
	if now := w.published(); now.Keys[0].KeyID != first.Keys[1].KeyID {
		t.Error("the published key is the old one")
	}
	if g := w.asked("u-bo"); g.Verdict != "alive" || !w.live(session) {
		t.Errorf("after the rotation: %+v", g)
	}
	w.canary(strings.Split(key, "\n")[1], strings.Split(again, "\n")[1])
}

// TestSignInWithKeyAtZitadel is the same at github.com/zitadel/oidc, which was
// given the key.
func TestSignInWithKeyAtZitadel(t *testing.T) {
	t.Parallel()
	f, port := newFront(t), freePort(t)
	issuer, key := f.server.URL+"/", newKey(t)
	binary := zitadelProvider(t)
	w := newSignInWorld(t, port, f, issuer, key)
	w.provision("test", "id1")
	public, err := json.Marshal(w.published().Keys[0])
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, public, 0o600); err != nil {
		t.Fatal(err)
	}
	_, at := startProcess(t, t.TempDir(), binary, "-issuer", issuer, "-redirect", fmt.Sprintf("http://127.0.0.1:%d/signin/sso/callback", port), "-key", file)
	f.aims(at)
	session := w.signIn(newBrowser(t, map[string]string{"username": "test-user@127.0.0.1", "password": "verysecure"}))
	for range 2 {
		if g := w.asked("id1"); g.Verdict != "alive" || !w.live(session) {
			t.Fatalf("%+v", g)
		}
	}
	w.canary(strings.Split(key, "\n")[1])
}
