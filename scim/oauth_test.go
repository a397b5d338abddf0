package scim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rollcall-sync/rollcall/internal/admission"
	"github.com/rollcall-sync/rollcall/internal/bearer"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// newClient makes an OAuth client with the terms of row, and its secret.
func (p *provider) newClient(row store.TokenRow) Token {
	p.t.Helper()
	secret, err := bearer.New(bearer.Client)
	if err != nil {
		p.t.Fatal(err)
	}
	row.Workspace, row.ID, row.Kind, row.CreatedAt = "acme", secret.ID, store.TokenClient, workspace.At(time.Now())
	if row.JWKS == "" {
		row.Hash = secret.Hash()
	}
	if row.ExpiresAt == 0 {
		row.ExpiresAt = workspace.At(time.Now().Add(24 * time.Hour))
	}
	if err := p.engine.IssueToken(p.t.Context(), row); err != nil {
		p.t.Fatal(err)
	}
	return secret
}

// grantAnswer is what the token endpoint said.
type grantAnswer struct {
	status int
	header http.Header
	Token  string `json:"access_token"`
	Type   string `json:"token_type"`
	Expire int    `json:"expires_in"`
	Scope  string `json:"scope"`
	Error  string `json:"error"`
}

// grant asks for an access token. basic is "id:secret" or "".
func (p *provider) grant(basic string, form url.Values) grantAnswer {
	p.t.Helper()
	r := httptest.NewRequest(http.MethodPost, TokenPath, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id, secret, ok := strings.Cut(basic, ":"); ok {
		r.SetBasicAuth(id, secret)
	}
	return p.grantOf(r)
}

func (p *provider) grantOf(r *http.Request) grantAnswer {
	p.t.Helper()
	w := httptest.NewRecorder()
	p.handler.TokenEndpoint().ServeHTTP(w, r)
	a := grantAnswer{status: w.Code, header: w.Header()}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		p.t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Content-Type") != "application/json" {
		p.t.Errorf("head %v", w.Header())
	}
	return a
}

func clientCredentials(pairs ...string) url.Values {
	form := url.Values{"grant_type": {"client_credentials"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// TestClientCredentials: a client gets access tokens by HTTP Basic and by its
// body; they are good for its connection, and end with it (RFC 6749 section
// 4.4, scim section 11).
func TestClientCredentials(t *testing.T) {
	onBoth(t, func(t *testing.T, dbURL string) {
		p := newProvider(t, providerOptions{url: dbURL})
		offered := func() bool {
			schemes := p.request("entra", "GET", "/ServiceProviderConfig", "").is(http.StatusOK).at("authenticationSchemes").([]any)
			return len(schemes) == 2
		}
		if offered() {
			t.Error("discovery offers OAuth, and no client exists")
		}
		secret := p.newClient(store.TokenRow{Connection: "entra", Scopes: []string{"read", "users"}})
		if !offered() {
			t.Error("discovery does not offer OAuth")
		}
		if schemes := p.request("okta", "GET", "/ServiceProviderConfig", "").at("authenticationSchemes").([]any); len(schemes) != 1 {
			t.Error("discovery of another connection offers OAuth")
		}
		byBasic := p.grant(secret.ID+":"+secret.Reveal(), clientCredentials())
		byBody := p.grant("", clientCredentials("client_id", secret.ID, "client_secret", secret.Reveal(), "scope", "read"))
		for _, a := range []grantAnswer{byBasic, byBody} {
			if a.status != http.StatusOK || a.Type != "Bearer" || a.Expire != 3600 || !strings.HasPrefix(a.Token, "rca_") {
				t.Fatalf("%+v", a)
			}
		}
		if byBasic.Scope != "read users" || byBody.Scope != "read" {
			t.Errorf("scopes %q and %q", byBasic.Scope, byBody.Scope)
		}
		p.tokens["oauth"], p.tokens["reader"] = byBasic.Token, byBody.Token
		id := p.request("oauth", "POST", "/Users", `{"schemas":["`+URNUser+`"],"userName":"bo@acme.com"}`).is(http.StatusCreated).at("id").(string)
		p.request("entra", "GET", "/Users/"+id, "").is(http.StatusOK)
		p.request("okta", "GET", "/Users/"+id, "").is(http.StatusNotFound)
		p.request("reader", "GET", "/Users/"+id, "").is(http.StatusOK)
		p.request("reader", "DELETE", "/Users/"+id, "").is(http.StatusForbidden)

		// Neither the secret nor another kind of token is an access token.
		p.tokens["secret"] = secret.Reveal()
		p.request("secret", "GET", "/Users", "").is(http.StatusUnauthorized)

		if err := p.engine.RevokeToken(t.Context(), "acme", secret.ID); err != nil {
			t.Fatal(err)
		}
		p.handler.tokens = admission.NewTokens(p.store, slog.New(slog.DiscardHandler)) // half a second later
		p.request("oauth", "GET", "/Users", "").is(http.StatusUnauthorized)
		if a := p.grant(secret.ID+":"+secret.Reveal(), clientCredentials()); a.status != http.StatusUnauthorized || a.Error != "invalid_client" {
			t.Errorf("a revoked client: %+v", a)
		}
		if offered() {
			t.Error("discovery offers OAuth, and the client has ended")
		}
	})
}

// TestTokenEndpointRefuses: what the token endpoint does not take, with the
// errors of RFC 6749 section 5.2.
func TestTokenEndpointRefuses(t *testing.T) {
	p := newProvider(t, providerOptions{})
	secret := p.newClient(store.TokenRow{Connection: "entra", Scopes: []string{"read"}})
	bound := p.newClient(store.TokenRow{Connection: "okta", Networks: []string{"203.0.113.0/24"}})
	expired := p.newClient(store.TokenRow{Connection: "ping", ExpiresAt: 1})
	other, err := bearer.New(bearer.Client)
	if err != nil {
		t.Fatal(err)
	}
	good := secret.ID + ":" + secret.Reveal()
	for _, c := range []struct {
		name, basic string
		form        url.Values
		status      int
		code        string
	}{
		{"no grant_type", good, url.Values{}, 400, "invalid_request"},
		{"another grant", good, url.Values{"grant_type": {"password"}}, 400, "unsupported_grant_type"},
		{"nobody", "", clientCredentials(), 401, "invalid_client"},
		{"wrong secret", secret.ID + ":" + other.Reveal(), clientCredentials(), 401, "invalid_client"},
		{"unknown client", other.ID + ":" + other.Reveal(), clientCredentials(), 401, "invalid_client"},
		{"another's id", other.ID + ":" + secret.Reveal(), clientCredentials(), 401, "invalid_client"},
		{"a bearer token", secret.ID + ":" + p.tokens["okta"], clientCredentials(), 401, "invalid_client"},
		{"wrong address", bound.ID + ":" + bound.Reveal(), clientCredentials(), 401, "invalid_client"},
		{"expired", expired.ID + ":" + expired.Reveal(), clientCredentials(), 401, "invalid_client"},
		{"two ways", good, clientCredentials("client_secret", secret.Reveal()), 400, "invalid_request"},
		{"twice", good, url.Values{"grant_type": {"client_credentials", "client_credentials"}}, 400, "invalid_request"},
		{"scope", good, clientCredentials("scope", "users"), 400, "invalid_scope"},
		{"unknown scope", good, clientCredentials("scope", "owner"), 400, "invalid_scope"},
		{"assertion type", "", clientCredentials("client_assertion", "x"), 400, "invalid_request"},
		{"assertion", "", clientCredentials("client_assertion", "x", "client_assertion_type", assertionType), 401, "invalid_client"},
	} {
		a := p.grant(c.basic, c.form)
		if a.status != c.status || a.Error != c.code || a.Token != "" {
			t.Errorf("%s: %+v, want %d %s", c.name, a, c.status, c.code)
		}
		if basic := c.basic != "" && c.status == 401; basic && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: no challenge", c.name)
		}
	}
	r := httptest.NewRequest(http.MethodGet, TokenPath, nil)
	if a := p.grantOf(r); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "POST" {
		t.Errorf("GET: %+v", a)
	}
	r = httptest.NewRequest(http.MethodPost, TokenPath+"?client_secret=x", strings.NewReader("grant_type=client_credentials"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if a := p.grantOf(r); a.status != http.StatusBadRequest {
		t.Errorf("a secret in the URL: %+v", a)
	}
	r = httptest.NewRequest(http.MethodPost, TokenPath, strings.NewReader(`{"grant_type":"client_credentials"}`))
	r.Header.Set("Content-Type", "application/json")
	if a := p.grantOf(r); a.status != http.StatusBadRequest {
		t.Errorf("JSON: %+v", a)
	}
	// Wrong clients of one address are slowed down, and so is a client that
	// never uses its token again.
	status := 0
	for range 30 {
		status = p.grant(other.ID+":"+other.Reveal(), clientCredentials()).status
	}
	if status != http.StatusTooManyRequests {
		t.Errorf("after 30 wrong clients: %d", status)
	}
	var last grantAnswer
	for range issuedPerMinute + 2 {
		last = p.grant(good, clientCredentials())
	}
	if last.status != http.StatusTooManyRequests || last.header.Get("Retry-After") == "" {
		t.Errorf("after many access tokens: %+v", last)
	}
}

// TestPrivateKeyJWT: a client that signs its requests is let in by its key,
// for the right audience, within minutes, and once for each request.
func TestPrivateKeyJWT(t *testing.T) {
	onBoth(t, func(t *testing.T, dbURL string) {
		p := newProvider(t, providerOptions{url: dbURL})
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		public, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
		if err != nil {
			t.Fatal(err)
		}
		keys, err := ClientKeys(public)
		if err != nil {
			t.Fatal(err)
		}
		client := p.newClient(store.TokenRow{Connection: "entra", JWKS: string(keys)})
		now := time.Now()
		claims := func(change func(*jwt.Claims)) jwt.Claims {
			c := jwt.Claims{
				Issuer: client.ID, Subject: client.ID, Audience: jwt.Audience{p.handler.tokenURL()}, ID: rand.Text(),
				Expiry: jwt.NewNumericDate(now.Add(5 * time.Minute)), IssuedAt: jwt.NewNumericDate(now),
			}
			if change != nil {
				change(&c)
			}
			return c
		}
		sign := func(signer *ecdsa.PrivateKey, kid string, c jwt.Claims) string {
			t.Helper()
			s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: signer}, (&jose.SignerOptions{}).WithHeader("kid", kid))
			if err != nil {
				t.Fatal(err)
			}
			text, err := jwt.Signed(s).Claims(c).Serialize()
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		ask := func(assertion string, more ...string) grantAnswer {
			return p.grant("", clientCredentials(append(more, "client_assertion_type", assertionType, "client_assertion", assertion)...))
		}
		first := sign(key, "k1", claims(nil))
		a := ask(first, "client_id", client.ID)
		if a.status != http.StatusOK {
			t.Fatalf("%+v", a)
		}
		p.tokens["oauth"] = a.Token
		p.request("oauth", "GET", "/Users", "").is(http.StatusOK)
		stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		mac, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("k", 32))}, nil)
		if err != nil {
			t.Fatal(err)
		}
		symmetric, err := jwt.Signed(mac).Claims(claims(nil)).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"sent again":     first,
			"another key":    sign(stranger, "k1", claims(nil)),
			"unknown key id": sign(key, "k2", claims(nil)),
			"audience":       sign(key, "k1", claims(func(c *jwt.Claims) { c.Audience = jwt.Audience{"https://elsewhere.example"} })),
			"no audience":    sign(key, "k1", claims(func(c *jwt.Claims) { c.Audience = nil })),
			"expired":        sign(key, "k1", claims(func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(now.Add(-2 * time.Minute)) })),
			"no end":         sign(key, "k1", claims(func(c *jwt.Claims) { c.Expiry = nil })),
			"long life":      sign(key, "k1", claims(func(c *jwt.Claims) { c.Expiry = jwt.NewNumericDate(now.Add(time.Hour)) })),
			"no id":          sign(key, "k1", claims(func(c *jwt.Claims) { c.ID = "" })),
			"issuer":         sign(key, "k1", claims(func(c *jwt.Claims) { c.Issuer = "x" })),
			"subject":        sign(key, "k1", claims(func(c *jwt.Claims) { c.Subject = "x" })),
			"symmetric":      symmetric,
		} {
			if a := ask(text); a.status != http.StatusUnauthorized || a.Error != "invalid_client" {
				t.Errorf("%s: %+v", name, a)
			}
		}
		private, err := json.Marshal(jose.JSONWebKey{Key: key})
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{string(private), `{"kty":"oct","k":"AAAA"}`, `{}`, `x`} {
			if _, err := ClientKeys([]byte(bad)); err == nil {
				t.Errorf("keys %s are taken", bad)
			}
		}
	})
}
