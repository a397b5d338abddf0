package grant_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc/grant"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var (
	rsaKey = stdsync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey  = stdsync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(key crypto.PrivateKey) string {
	return block("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key)))
}

func certificate(key crypto.Signer) string {
	about := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "rollcall"}, NotAfter: time.Now().Add(time.Hour)}
	return block("CERTIFICATE", must(x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)))
}

func file(t *testing.T, text string) secret.Ref {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return must(secret.ParseRef("file:" + path))
}

// endpoint is a token endpoint that shows what it was asked.
type endpoint struct {
	*httptest.Server
	mu     stdsync.Mutex
	header http.Header
	form   url.Values
	times  int
	reply  func(w http.ResponseWriter)
}

func newEndpoint(t *testing.T, reply func(w http.ResponseWriter)) *endpoint {
	t.Helper()
	e := &endpoint{reply: reply}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		e.mu.Lock()
		e.header, e.form, e.times = r.Header.Clone(), r.PostForm, e.times+1
		e.mu.Unlock()
		e.reply(w)
	}))
	t.Cleanup(e.Close)
	return e
}

func good(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	if _, err := io.WriteString(w, `{"access_token":"canary-token","token_type":"Bearer","expires_in":3600,"scope":"a b"}`); err != nil {
		panic(err)
	}
}

func source(t *testing.T, e *endpoint, opt grant.Options) *grant.Source {
	t.Helper()
	opt.Client, opt.Endpoint = e.Client(), e.URL+"/token"
	s, err := grant.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestMethods (OD4): each method sends what its specification says, once, and
// never another one.
func TestMethods(t *testing.T) {
	t.Parallel()
	t.Run("client_secret_basic", func(t *testing.T) {
		t.Parallel()
		e := newEndpoint(t, good)
		s := source(t, e, grant.Options{Method: grant.SecretBasic, ClientID: "a:b", ClientSecret: file(t, "p&ss wörd"), Scopes: []string{"x", "y"}})
		if _, err := s.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		req := http.Request{Header: e.header}
		id, pass, ok := req.BasicAuth()
		if !ok || id != "a%3Ab" || pass != "p%26ss+w%C3%B6rd" || e.form.Has("client_secret") || e.form.Get("scope") != "x y" {
			t.Errorf("RFC 6749 2.3.1: %q %q, form %v", id, pass, e.form)
		}
	})
	t.Run("client_secret_post", func(t *testing.T) {
		t.Parallel()
		e := newEndpoint(t, good)
		s := source(t, e, grant.Options{Method: grant.SecretPost, ClientID: "a", ClientSecret: file(t, "b")})
		if _, err := s.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e.header.Get("Authorization") != "" || e.form.Get("client_id") != "a" || e.form.Get("client_secret") != "b" || e.form.Get("grant_type") != "client_credentials" {
			t.Errorf("%v %v", e.header, e.form)
		}
	})
	for name, c := range map[string]struct {
		key, alg string
		public   crypto.PublicKey
		want     jose.SignatureAlgorithm
	}{
		"RS256":            {pkcs8(rsaKey()), "", rsaKey().Public(), jose.RS256},
		"PS256":            {pkcs8(rsaKey()), "PS256", rsaKey().Public(), jose.PS256},
		"ES256":            {pkcs8(ecKey()), "", ecKey().Public(), jose.ES256},
		"PKCS1":            {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())), "", rsaKey().Public(), jose.RS256},
		"SEC1":             {block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(ecKey()))), "", ecKey().Public(), jose.ES256},
		"JWK":              {string(must(json.Marshal(jose.JSONWebKey{Key: ecKey(), KeyID: "k7"}))), "", ecKey().Public(), jose.ES256},
		"with certificate": {pkcs8(rsaKey()) + certificate(rsaKey()), "PS256", rsaKey().Public(), jose.PS256},
	} {
		t.Run("private_key_jwt/"+name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t, good)
			s := source(t, e, grant.Options{Method: grant.PrivateKeyJWT, ClientID: "reader", Key: file(t, c.key), Algorithm: c.alg})
			if _, err := s.Token(t.Context()); err != nil {
				t.Fatal(err)
			}
			parsed, err := jwt.ParseSigned(e.form.Get("client_assertion"), []jose.SignatureAlgorithm{c.want})
			if err != nil {
				t.Fatal(err)
			}
			var claims jwt.Claims
			if err := parsed.Claims(c.public, &claims); err != nil {
				t.Fatal(err)
			}
			if claims.Issuer != "reader" || claims.Subject != "reader" || claims.ID == "" || !claims.Audience.Contains(e.URL+"/token") ||
				claims.Expiry.Time().Sub(claims.IssuedAt.Time()) > 5*time.Minute {
				t.Errorf("RFC 7523 3: %+v", claims)
			}
			_, thumb := parsed.Headers[0].ExtraHeaders["x5t#S256"]
			if thumb != strings.Contains(c.key, "CERTIFICATE") || name == "JWK" && parsed.Headers[0].KeyID != "k7" {
				t.Errorf("header %+v", parsed.Headers[0])
			}
			if e.form.Has("client_secret") || e.header.Get("Authorization") != "" || strings.Contains(fmt.Sprint(e.form), "PRIVATE") {
				t.Errorf("a secret was sent: %v", e.form)
			}
		})
	}
	t.Run("google_jwt", func(t *testing.T) {
		t.Parallel()
		e := newEndpoint(t, good)
		account := must(json.Marshal(map[string]string{
			"type": "service_account", "client_email": "r@acme.iam.example", "private_key_id": "k1", "private_key": pkcs8(rsaKey()), "token_uri": "https://thief.example/token",
		}))
		s := source(t, e, grant.Options{Method: grant.GoogleJWT, Key: file(t, string(account)), Scopes: []string{"u", "g"}, Subject: "reader@acme.com"})
		if _, err := s.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		parsed := must(jwt.ParseSigned(e.form.Get("assertion"), []jose.SignatureAlgorithm{jose.RS256}))
		var claims struct {
			jwt.Claims
			Scope string `json:"scope"`
		}
		if err := parsed.Claims(rsaKey().Public(), &claims); err != nil {
			t.Fatal(err)
		}
		if claims.Issuer != "r@acme.iam.example" || claims.Subject != "reader@acme.com" || claims.Scope != "u g" || !claims.Audience.Contains(e.URL+"/token") || parsed.Headers[0].KeyID != "k1" {
			t.Errorf("%+v %+v", claims, parsed.Headers[0])
		}
		if e.form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
			t.Errorf("form %v", e.form)
		}
	})
	t.Run("bearer", func(t *testing.T) {
		t.Parallel()
		s := must(grant.New(grant.Options{Method: grant.Bearer, Token: file(t, "canary-fixed\n")}))
		token := must(s.Token(t.Context()))
		req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "https://x.example/", http.NoBody))
		if err := s.Sign(req, token); err != nil || req.Header.Get("Authorization") != "Bearer canary-fixed" {
			t.Errorf("%v %v", err, req.Header)
		}
	})
	if _, err := grant.New(grant.Options{Method: ""}); err == nil {
		t.Error("no method is taken for one")
	}
}

// TestRefusals: a no to the client is ErrAuth, everything else is trouble,
// and no refusal shows more than its code (OI8).
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		auth   bool
		shows  string
	}{
		"invalid_client":  {401, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret canary-secret"}`, true, "invalid_client AADSTS7000215"},
		"invalid_grant":   {400, `{"error":"invalid_grant"}`, true, "invalid_grant"},
		"unauthorized":    {401, `<html>canary-secret</html>`, true, "401"},
		"server_error":    {400, `{"error":"server_error"}`, false, "server_error"},
		"unavailable":     {503, ``, false, "503"},
		"for the moment":  {400, `{"error":"temporarily_unavailable"}`, false, "temporarily_unavailable"},
		"500 and a body":  {500, `{"error":"invalid_client"}`, false, "500"},
		"odd code":        {400, `{"error":"canary-secret with blanks"}`, false, "400"},
		"200 without one": {200, `{"token_type":"Bearer"}`, false, "without a token"},
		"200, other type": {200, `{"access_token":"canary-x","token_type":"mac"}`, false, "type"},
		"200, a NUL":      {200, `{"access_token":"canary\u0000x","token_type":"Bearer"}`, false, "characters"},
		"200, no JSON":    {200, `canary-secret`, false, "without a token"},
		"redirect":        {302, ``, false, "302"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEndpoint(t, func(w http.ResponseWriter) {
				w.WriteHeader(c.status)
				if _, err := io.WriteString(w, c.body); err != nil {
					t.Error(err)
				}
			})
			s := source(t, e, grant.Options{Method: grant.SecretPost, ClientID: "a", ClientSecret: file(t, "canary-secret")})
			_, err := s.Token(t.Context())
			if err == nil || errors.Is(err, sync.ErrAuth) != c.auth || !strings.Contains(err.Error(), c.shows) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%v; want ErrAuth %v, %q and no secret", err, c.auth, c.shows)
			}
			if e.times != 1 {
				t.Errorf("OI7: asked %d times, want once", e.times)
			}
		})
	}
}

// TestKeysRefused: a key that cannot serve is refused before anything is
// sent, and no error shows any of it.
func TestKeysRefused(t *testing.T) {
	t.Parallel()
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	other := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	for name, c := range map[string]struct{ key, alg string }{
		"no key":          {"canary-nonsense", ""},
		"certificate":     {certificate(rsaKey()), ""},
		"small RSA":       {pkcs8(small), ""},
		"P-384":           {pkcs8(other), ""},
		"RSA with ES256":  {pkcs8(rsaKey()), "ES256"},
		"EC with RS256":   {pkcs8(ecKey()), "RS256"},
		"public JWK":      {string(must(json.Marshal(jose.JSONWebKey{Key: ecKey().Public()}))), ""},
		"broken JWK":      {`{"kty":"canary"}`, ""},
		"broken PKCS8":    {block("PRIVATE KEY", []byte("canary")), ""},
		"service account": {`{"type":"service_account","client_email":"canary"}`, ""},
	} {
		e := newEndpoint(t, good)
		s := source(t, e, grant.Options{Method: grant.PrivateKeyJWT, ClientID: "a", Key: file(t, c.key), Algorithm: c.alg})
		if _, err := s.Token(t.Context()); !errors.Is(err, sync.ErrAuth) || strings.Contains(err.Error(), "canary") || e.times != 0 {
			t.Errorf("%s: %v, sent %d", name, err, e.times)
		}
	}
}

// TestWait (OD3) reads every form in which hosts ask to wait.
func TestWait(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	theirs := now.Add(-7 * time.Minute) // the host's clock
	for name, c := range map[string]struct {
		header map[string]string
		want   time.Duration
	}{
		"seconds":            {map[string]string{"Retry-After": "30"}, 30 * time.Second},
		"a fraction":         {map[string]string{"Retry-After": "2.128"}, 2128 * time.Millisecond},
		"date by its clock":  {map[string]string{"Retry-After": theirs.Add(time.Minute).Format(http.TimeFormat), "Date": theirs.Format(http.TimeFormat)}, time.Minute},
		"date without Date":  {map[string]string{"Retry-After": now.Add(time.Minute).Format(http.TimeFormat)}, time.Minute},
		"reset by its clock": {map[string]string{"X-Rate-Limit-Reset": fmt.Sprint(theirs.Add(90 * time.Second).Unix()), "Date": theirs.Format(http.TimeFormat)}, 90 * time.Second},
		"reset in seconds":   {map[string]string{"RateLimit-Reset": "12"}, 12 * time.Second},
		"at once":            {map[string]string{"Retry-After": "0"}, time.Second},
		"nearly at once":     {map[string]string{"Retry-After": "0.2"}, time.Second},
		"past":               {map[string]string{"Retry-After": "-5"}, time.Second},
		"for ever":           {map[string]string{"Retry-After": "1e300"}, time.Hour},
		"NaN":                {map[string]string{"Retry-After": "NaN"}, time.Second},
		"nothing":            {nil, 42 * time.Second},
		"nonsense":           {map[string]string{"Retry-After": "soon"}, 42 * time.Second},
	} {
		h := http.Header{}
		for k, v := range c.header {
			h.Set(k, v)
		}
		if got := grant.Wait(h, now, 42*time.Second); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestOneRequest: many who want a token at once send one request.
func TestOneRequest(t *testing.T) {
	t.Parallel()
	e := newEndpoint(t, good)
	s := source(t, e, grant.Options{Method: grant.SecretPost, ClientID: "a", ClientSecret: file(t, "b")})
	var wg stdsync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if _, err := s.Token(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if e.times != 1 {
		t.Errorf("%d requests, want 1", e.times)
	}
	token := must(s.Token(t.Context()))
	if text := fmt.Sprintf("%v %+v %#v", token, token, token); strings.Contains(text, "canary") {
		t.Errorf("ON3: a token prints itself: %s", text)
	}
}

// TestNonceOnce (OD4): a server that wants another nonce every time is asked
// once more, and not for ever.
func TestNonceOnce(t *testing.T) {
	t.Parallel()
	n := 0
	e := newEndpoint(t, func(w http.ResponseWriter) {
		if n++; n > 20 {
			good(w)
			return
		}
		w.Header().Set("DPoP-Nonce", fmt.Sprint("n", n))
		w.WriteHeader(http.StatusBadRequest)
		if _, err := io.WriteString(w, `{"error":"use_dpop_nonce"}`); err != nil {
			t.Error(err)
		}
	})
	s := source(t, e, grant.Options{Method: grant.SecretPost, ClientID: "a", ClientSecret: file(t, "b"), DPoP: true})
	if _, err := s.Token(t.Context()); !errors.Is(err, sync.ErrAuth) || e.times != 2 {
		t.Errorf("asked %d times, %v", e.times, err)
	}
}

// FuzzKey: no text of a key file makes the reader fail otherwise than by an
// error without the text.
func FuzzKey(f *testing.F) {
	f.Add(pkcs8(ecKey()))
	f.Add(`{"kty":"EC"}`)
	f.Add(`{"type":"service_account","private_key":"x","client_email":"y"}`)
	f.Add("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")
	f.Fuzz(func(t *testing.T, text string) {
		if err := grant.ReadKey(text); err != nil && len(text) > 20 && strings.Contains(err.Error(), text) {
			t.Errorf("the error shows the key: %v", err)
		}
	})
}
