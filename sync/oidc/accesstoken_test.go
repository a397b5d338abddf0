package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rollcall-sync/rollcall/sync"
)

const testEndpoint = "https://phone.acme.com/scim/v2"

// accessTokens judges the tokens of o for two connections.
func accessTokens(t *testing.T, o *op, at *clock) *AccessTokens {
	t.Helper()
	config := func(subjects ...string) AccessTokenConfig {
		return AccessTokenConfig{Issuer: o.server.URL, Subjects: subjects, AllowPrivateNetworks: []string{"127.0.0.0/8"}}
	}
	a, err := NewAccessTokens([]AccessTerms{
		{Workspace: "acme", Connection: "okta", Config: config("c-1", "c-2"), Audience: testEndpoint},
		{Workspace: "beta", Connection: "gateway", Config: config("c-3"), Audience: testEndpoint},
		{Workspace: "beta", Connection: "other", Config: config("c-1"), Audience: "beta"},
	}, nil, at.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// accessClaimsAt are the claims of a good token.
func accessClaimsAt(o *op, at *clock) map[string]any {
	return map[string]any{
		"iss": o.server.URL, "aud": testEndpoint, "sub": "c-1", "iat": at.now().Unix(), "nbf": at.now().Unix(),
		"exp": at.now().Add(time.Hour).Unix(), "client_id": "c-1", "jti": "1",
	}
}

// TestAccessTokens: a token leads to the one connection that names its issuer,
// audience and subject; whatever else differs lets nobody in.
func TestAccessTokens(t *testing.T) {
	t.Parallel()
	o, at := newOP(t), &clock{at: time.Now()}
	a := accessTokens(t, o, at)
	good := accessClaimsAt(o, at)
	in := func(d time.Duration) int64 { return at.now().Add(d).Unix() }
	for _, tt := range []struct {
		name, typ string
		changes   map[string]any
		want      string // "" is refused
	}{
		{"good", "at+jwt", nil, "acme okta c-1"},
		{"as Entra writes it", "JWT", nil, "acme okta c-1"},
		{"without a type", "", nil, "acme okta c-1"},
		{"with a media type", "application/at+jwt", nil, "acme okta c-1"},
		{"another client", "", map[string]any{"sub": "c-2"}, "acme okta c-2"},
		{"another workspace", "", map[string]any{"sub": "c-3"}, "beta gateway c-3"},
		{"another audience", "", map[string]any{"aud": "beta"}, "beta other c-1"},
		{"several audiences", "", map[string]any{"aud": []string{"x", testEndpoint}}, "acme okta c-1"},
		{"for two connections", "", map[string]any{"aud": []string{"beta", testEndpoint}}, ""},
		{"audience of nobody", "", map[string]any{"aud": "https://phone.acme.com"}, ""},
		{"no audience", "", map[string]any{"aud": nil}, ""},
		{"audience of numbers", "", map[string]any{"aud": []int{1}}, ""},
		{"subject of nobody", "", map[string]any{"sub": "c-4"}, ""},
		{"no subject", "", map[string]any{"sub": nil}, ""},
		{"client in azp only", "", map[string]any{"sub": "u-1", "azp": "c-1"}, ""},
		{"issuer with a slash", "", map[string]any{"iss": o.server.URL + "/"}, ""},
		{"ended within the skew", "", map[string]any{"exp": in(-30 * time.Second)}, "acme okta c-1"},
		{"ended", "", map[string]any{"exp": in(-2 * time.Minute)}, ""},
		{"no end", "", map[string]any{"exp": nil}, ""},
		{"an end too far away", "", map[string]any{"exp": in(31 * time.Hour)}, ""},
		{"not yet", "", map[string]any{"nbf": in(10 * time.Minute)}, ""},
		{"made in the future", "", map[string]any{"iat": in(10 * time.Minute)}, ""},
		{"a logout token", "logout+jwt", nil, ""},
		{"a security event", "secevent+jwt", nil, ""},
	} {
		ws, connection, subject, err := a.Prove(t.Context(), o.sign(tt.typ, with(good, tt.changes)))
		got := strings.TrimSpace(ws + " " + connection + " " + subject)
		if got != tt.want || (err == nil) != (tt.want != "") || err != nil && !errors.Is(err, ErrAccessToken) {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
		if err != nil && err.Error() != ErrAccessToken.Error() {
			t.Errorf("%s: the error says more: %v", tt.name, err)
		}
	}
}

// TestAccessTokensOfTwoIssuers: two authorization servers may give a client the
// same name; each token leads to its own issuer's connection.
func TestAccessTokensOfTwoIssuers(t *testing.T) {
	t.Parallel()
	one, two, at := newOP(t), newOP(t), &clock{at: time.Now()}
	terms := func(connection string, o *op) AccessTerms {
		return AccessTerms{
			Workspace: "acme", Connection: connection, Audience: testEndpoint,
			Config: AccessTokenConfig{Issuer: o.server.URL, Subjects: []string{"c-1"}, AllowPrivateNetworks: []string{"127.0.0.0/8"}},
		}
	}
	a, err := NewAccessTokens([]AccessTerms{terms("first", one), terms("second", two)}, nil, at.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	for want, o := range map[string]*op{"first": one, "second": two} {
		if _, got, _, err := a.Prove(t.Context(), o.sign("at+jwt", accessClaimsAt(o, at))); got != want || err != nil {
			t.Errorf("%q, %v; want %s", got, err, want)
		}
	}
	if _, _, _, err := a.Prove(t.Context(), one.sign("at+jwt", accessClaimsAt(two, at))); !errors.Is(err, ErrAccessToken) {
		t.Errorf("signed by the other issuer: %v", err)
	}
}

// TestAccessTokensForged: whoever lacks the issuer's key gets nowhere, and does
// not make us ask the issuer again and again (OI5).
func TestAccessTokensForged(t *testing.T) {
	t.Parallel()
	o, at := newOP(t), &clock{at: time.Now()}
	a := accessTokens(t, o, at)
	good := accessClaimsAt(o, at)
	text, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	body := base64.RawURLEncoding.EncodeToString(text)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(o.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: public}, (&jose.SignerOptions{}).WithHeader("kid", "k1"))
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	hmac, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	signed := strings.Split(o.sign("JWT", good), ".")
	changed := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(text), `"jti":"1"`, `"jti":"2"`, 1)))
	for name, token := range map[string]string{
		"none":                 base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + body + ".",
		"HMAC with the key":    hmac,
		"another key":          signWith(t, other, "k1", "JWT", good),
		"another key's name":   signWith(t, other, "k2", "JWT", good),
		"another body":         signed[0] + "." + changed + "." + signed[2],
		"no signature":         signed[0] + "." + signed[1] + ".",
		"four parts":           strings.Join(signed, ".") + ".x",
		"two parts":            signed[0] + "." + signed[1],
		"too long":             o.sign("JWT", with(good, map[string]any{"x": strings.Repeat("x", maxAccessToken)})),
		"no JSON":              signed[0] + "." + base64.RawURLEncoding.EncodeToString([]byte("x")) + "." + signed[2],
		"an issuer of nobody":  o.sign("JWT", with(good, map[string]any{"iss": "https://evil.example"})),
		"a list of signatures": `ey{"payload":"` + body + `","signatures":[]}`,
	} {
		if _, _, _, err := a.Prove(t.Context(), token); !errors.Is(err, ErrAccessToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 50 {
		if _, _, _, err := a.Prove(t.Context(), signWith(t, other, "k9", "JWT", good)); !errors.Is(err, ErrAccessToken) {
			t.Error(err)
		}
	}
	o.mu.Lock()
	if n := o.fetches["/keys"]; n > 2 {
		t.Errorf("forged tokens made us read the keys %d times", n)
	}
	o.mu.Unlock()
	// A new key of the issuer is found a minute later.
	at.forward(2 * time.Minute)
	o.rotate("k2")
	if _, connection, _, err := a.Prove(t.Context(), o.sign("at+jwt", accessClaimsAt(o, at))); err != nil || connection != "okta" {
		t.Errorf("after a change of the key: %s, %v", connection, err)
	}
}

// TestAccessTokensIssuerAway: that the keys cannot be read says nothing about a
// token, and a document that names another host's keys is not followed (ON1).
func TestAccessTokensIssuerAway(t *testing.T) {
	t.Parallel()
	o, at := newOP(t), &clock{at: time.Now()}
	a := accessTokens(t, o, at)
	good := o.sign("JWT", accessClaimsAt(o, at))
	evil := newOP(t)
	for name, discovery := range map[string]map[string]any{
		"another host's keys": {"issuer": o.server.URL, "jwks_uri": evil.server.URL + "/keys"},
		"another issuer":      {"issuer": evil.server.URL, "jwks_uri": o.server.URL + "/keys"},
		"no keys":             {"issuer": o.server.URL},
	} {
		o.mu.Lock()
		o.discovery = discovery
		o.mu.Unlock()
		at.forward(time.Minute)
		if _, _, _, err := a.Prove(t.Context(), good); !errors.Is(err, sync.ErrProvider) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if evil.fetches["/keys"] != 0 {
		t.Error("the keys of another host were read")
	}
	// Of the document the keys alone are needed.
	o.mu.Lock()
	o.discovery = map[string]any{"issuer": o.server.URL, "jwks_uri": o.server.URL + "/keys", "token_endpoint_auth_methods_supported": []string{"tls_client_auth"}}
	o.mu.Unlock()
	at.forward(time.Minute)
	if _, _, _, err := a.Prove(t.Context(), good); err != nil {
		t.Error(err)
	}
	// What was read is good while the issuer is away.
	o.server.Config.Handler = http.NotFoundHandler()
	at.forward(2 * time.Hour)
	if _, _, _, err := a.Prove(t.Context(), o.sign("JWT", accessClaimsAt(o, at))); err != nil {
		t.Errorf("the issuer is away: %v", err)
	}
}

// TestAccessTokensNeedAnAudience: without one any token of the issuer would be
// good.
func TestAccessTokensNeedAnAudience(t *testing.T) {
	t.Parallel()
	c := AccessTokenConfig{Issuer: "https://idp.acme.com", Subjects: []string{"x"}}
	if _, err := NewAccessTokens([]AccessTerms{{Workspace: "acme", Connection: "okta", Config: c}}, nil, nil); err == nil {
		t.Error("no audience was taken")
	}
	c.Issuer = "http://idp.acme.com"
	if _, err := NewAccessTokens([]AccessTerms{{Workspace: "acme", Connection: "okta", Config: c, Audience: "x"}}, nil, nil); err == nil {
		t.Error("an issuer without TLS was taken")
	}
}
