package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	stdsync "sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync"
)

// op is an OpenID provider on loopback that can be told to misbehave.
type op struct {
	t      *testing.T
	server *httptest.Server

	mu        stdsync.Mutex
	key       *ecdsa.PrivateKey
	kid       string
	keys      []jose.JSONWebKey
	discovery map[string]any
	metadata  map[string]any // of the transmitter; nil is the usual
	fetches   map[string]int // by path
	// token and userInfo answer those endpoints; nil is the usual answer.
	token, userInfo, streams http.HandlerFunc
	forms                    []url.Values // sent to the token endpoint
	claims                   map[string]any
	info                     map[string]any
	refresh                  string
}

const (
	testClient  = "rollcall"
	testSecret  = "canary-client-secret"
	testSubject = "u-bo"
)

func newOP(t *testing.T) *op {
	t.Helper()
	o := &op{t: t, fetches: map[string]int{}, claims: map[string]any{}, info: map[string]any{"sub": testSubject}, refresh: "canary-refresh-1"}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { o.send(w, o.discovery) })
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { o.send(w, map[string]any{"keys": o.keys}) })
	mux.HandleFunc("/token", o.answerToken)
	mux.HandleFunc("/userinfo", func(w http.ResponseWriter, r *http.Request) {
		if o.userInfo != nil {
			o.userInfo(w, r)
			return
		}
		o.send(w, o.info)
	})
	mux.HandleFunc("/revoke", func(w http.ResponseWriter, r *http.Request) { o.note(r) })
	mux.HandleFunc("/ssf", func(w http.ResponseWriter, _ *http.Request) {
		if o.metadata != nil {
			o.send(w, o.metadata)
			return
		}
		o.send(w, map[string]any{"issuer": o.server.URL, "jwks_uri": o.server.URL + "/keys", "configuration_endpoint": o.server.URL + "/streams"})
	})
	mux.HandleFunc("/streams", func(w http.ResponseWriter, r *http.Request) { o.streams(w, r) })
	o.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.fetches[r.URL.Path]++
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(o.server.Close)
	u := o.server.URL
	o.discovery = map[string]any{
		"issuer": u, "authorization_endpoint": u + "/auth", "token_endpoint": u + "/token", "userinfo_endpoint": u + "/userinfo",
		"jwks_uri": u + "/keys", "revocation_endpoint": u + "/revoke", "authorization_response_iss_parameter_supported": true,
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
	}
	o.rotate("k1")
	return o
}

// rotate replaces the signing key: a hard rotation, the old one is gone.
func (o *op) rotate(kid string) {
	o.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		o.t.Fatal(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.key, o.kid = key, kid
	o.keys = []jose.JSONWebKey{{Key: key.Public(), KeyID: kid, Use: "sig", Algorithm: "ES256"}}
}

func (o *op) send(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		o.t.Error(err)
	}
}

func (o *op) note(r *http.Request) {
	if err := r.ParseForm(); err != nil {
		o.t.Error(err)
	}
	if id, _, basic := r.BasicAuth(); basic {
		r.PostForm.Set("basic", id)
	}
	o.forms = append(o.forms, r.PostForm)
}

func (o *op) answerToken(w http.ResponseWriter, r *http.Request) {
	o.note(r)
	if o.token != nil {
		o.token(w, r)
		return
	}
	answer := map[string]any{"access_token": "canary-access", "token_type": "Bearer", "expires_in": 60}
	if id := o.claims; id != nil {
		answer["id_token"] = o.sign("JWT", id)
	}
	if o.refresh != "" {
		answer["refresh_token"] = o.refresh
	}
	o.send(w, answer)
}

// sign makes a token with the present key.
func (o *op) sign(typ string, claims map[string]any) string {
	o.t.Helper()
	return signWith(o.t, o.key, o.kid, typ, claims)
}

func signWith(t *testing.T, key *ecdsa.PrivateKey, kid, typ string, claims map[string]any) string {
	t.Helper()
	opt := (&jose.SignerOptions{}).WithHeader("kid", kid)
	if typ != "" {
		opt = opt.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, opt)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// with copies claims and changes some; nil takes one away.
func with(claims map[string]any, changes map[string]any) map[string]any {
	out := maps.Clone(claims)
	for name, value := range changes {
		if out[name] = value; value == nil {
			delete(out, name)
		}
	}
	return out
}

// clock is a time that tests move.
type clock struct {
	mu stdsync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// secretFile writes a file that only its owner may read.
func secretFile(t *testing.T, text string) secret.Ref {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ref, err := secret.ParseRef("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

const testKeys = "k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n"

// provider is the connection to an op, and the clock that it goes by.
func (o *op) provider(change func(*Config)) (*Provider, *clock) {
	o.t.Helper()
	cfg := Config{
		Issuer: o.server.URL, AllowPrivateNetworks: []string{"127.0.0.0/8"},
		SignIn:   SignIn{ClientID: testClient, ClientSecret: secretFile(o.t, testSecret), Scopes: []string{"openid", "offline_access"}},
		Liveness: Liveness{Every: 15 * time.Minute},
		Signals:  Signals{BackchannelLogout: true, SSF: SSF{Mode: "push", Config: o.server.URL + "/ssf"}},
	}
	if change != nil {
		change(&cfg)
	}
	c := &clock{at: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)}
	p, err := New(cfg, Options{Connection: "sso", Ring: NewRing(secretFile(o.t, testKeys)), Now: c.now})
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(p.Close)
	return p, c
}

// idClaims are those of a good ID token.
func (o *op) idClaims(c *clock) map[string]any {
	return map[string]any{
		"iss": o.server.URL, "sub": testSubject, "aud": testClient, "nonce": testAttempt.Nonce,
		"iat": c.now().Unix(), "exp": c.now().Add(5 * time.Minute).Unix(), "email": "bo@acme.com", "name": "Bo",
	}
}

var testAttempt = sync.Attempt{State: "state-1", Nonce: "nonce-1", Verifier: "verifier-which-is-long-enough-for-the-standard-43", Redirect: "https://rollcall.acme.com/signin/sso/callback"}

// back is what the browser comes back with.
func (o *op) back() url.Values {
	return url.Values{"state": {testAttempt.State}, "code": {"canary-code"}, "iss": {o.server.URL}}
}

func (o *op) count(path string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.fetches[path]
}

func (o *op) lastForm() url.Values {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.forms) == 0 {
		return nil
	}
	return o.forms[len(o.forms)-1]
}

// set changes what the op does, under its lock.
func (o *op) set(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

// status answers with a status and a body.
func status(code int, body string, head ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(head); i += 2 {
			w.Header().Set(head[i], head[i+1])
		}
		w.WriteHeader(code)
		if _, err := io.WriteString(w, body); err != nil {
			return // the client went away
		}
	}
}

// cut ends the connection without an answer.
func cut(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		err = conn.Close()
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// fuzzed is a provider that is made once for a fuzz target.
type fuzzed struct {
	p   *Provider
	key *ecdsa.PrivateKey
}

var fuzzOnce struct {
	stdsync.Once
	f *fuzzed
}

// fuzzOP is a provider whose keys are known already: it calls nobody.
func fuzzOP(t *testing.T) *fuzzed {
	t.Helper()
	fuzzOnce.Do(func() {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
		keys := newKeySet("", nil, func() time.Time { return now })
		keys.keys, keys.readAt, keys.triedAt = []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1"}}, now, now
		p := &Provider{
			cfg: Config{Issuer: "x", SignIn: SignIn{ClientID: testClient}, Signals: Signals{BackchannelLogout: true, SSF: SSF{Mode: "push"}}}.WithDefaults(),
			opt: Options{Now: func() time.Time { return now }}, found: &endpoints{Issuer: "x", keys: keys}, foundAt: now,
			transmit: &transmitter{Issuer: "x", keys: keys, readAt: now},
		}
		fuzzOnce.f = &fuzzed{p: p, key: key}
	})
	return fuzzOnce.f
}

// signRaw signs a payload that may be anything.
func (f *fuzzed) signRaw(typ, payload string) (string, bool) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: f.key}, (&jose.SignerOptions{}).WithHeader("kid", "k1").WithType(jose.ContentType(typ)))
	if err != nil {
		return "", false
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		return "", false
	}
	raw, err := jws.CompactSerialize()
	return raw, err == nil
}
