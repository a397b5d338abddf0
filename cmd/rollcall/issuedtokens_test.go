package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rollcall-sync/rollcall/configs"
)

const issuedConfig = `listen: 127.0.0.1:0
database: sqlite:rollcall.db
log_level: debug
workspaces:
  - id: acme
    owners: [ann@acme.com]
    connections:
      - {id: okta, kind: scim, profile: okta}
      - id: gateway
        kind: scim
        profile: strict
        tokens: {issuer: "%s", subjects: [c-1], allow_private_networks: [127.0.0.0/8]}
`

// TestIssuedTokensAtTheDoor: the daemon takes tokens of an authorization server
// whose audience is its own SCIM endpoint, and writes them nowhere.
func TestIssuedTokensAtTheDoor(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, document := range map[string]any{
		"/.well-known/openid-configuration": map[string]string{"issuer": server.URL, "jwks_uri": server.URL + "/keys"},
		"/keys":                             jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Use: "sig", Algorithm: "ES256"}}},
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			if err := json.NewEncoder(w).Encode(document); err != nil {
				t.Error(err)
			}
		})
	}
	w := &signInWorld{t: t, dir: t.TempDir(), log: &lockedBuffer{}}
	file := filepath.Join(w.dir, "rollcall.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, issuedConfig, server.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := configs.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	w.start(config, slog.LevelDebug)

	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", "k1"))
	if err != nil {
		t.Fatal(err)
	}
	token := func(audience, subject string) string {
		t.Helper()
		now := time.Now()
		raw, err := jwt.Signed(signer).Claims(jwt.Claims{
			Issuer: server.URL, Audience: jwt.Audience{audience}, Subject: subject, IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(time.Hour)),
		}).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	good := token(w.d.url+"/scim/v2", "c-1")
	send := func(token, method, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, w.d.url+"/scim/v2"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/scim+json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := res.Body.Close(); err != nil {
				t.Error(err)
			}
		}()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	for _, step := range []struct {
		token, method, path, body string
		want                      int
	}{
		{good, http.MethodPost, "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"bo@acme.com"}`, http.StatusCreated},
		{good, http.MethodGet, "/Users", "", http.StatusOK},
		{token(w.d.url+"/scim/v2", "c-2"), http.MethodGet, "/Users", "", http.StatusUnauthorized},
		{token("https://other.example/scim/v2", "c-1"), http.MethodGet, "/Users", "", http.StatusUnauthorized},
		{good[:len(good)-8] + "AAAAAAAA", http.MethodGet, "/Users", "", http.StatusUnauthorized},
	} {
		if status, text := send(step.token, step.method, step.path, step.body); status != step.want {
			t.Errorf("%s %s: %d %s, want %d", step.method, step.path, status, text, step.want)
		}
	}
	if strings.Contains(w.log.String(), good[:16]) {
		t.Error("a token stands in the log")
	}
	paths, err := filepath.Glob(filepath.Join(w.dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), good[:16]) {
			t.Errorf("a token stands in %s", path)
		}
	}
}
