package oidc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync"
)

// keyPEM is a private key as a file holds it.
func keyPEM(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func newEC(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// OI7, OS1: the client proves itself in one way, at sign-in, at the refresh
// and at the revocation alike, and never sends anything twice.
func TestClientProvesItself(t *testing.T) {
	t.Parallel()
	ec := newEC(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	basic, post := []string{"client_secret_basic"}, []string{"client_secret_post"}
	for name, row := range map[string]struct {
		methods []string
		change  func(*SignIn)
		key     crypto.Signer
		want    string // how the proof looks
	}{
		"discovery says basic":   {basic, nil, nil, "basic"},
		"discovery says post":    {post, nil, nil, "post"},
		"discovery says nothing": {nil, nil, nil, "basic"},
		"post wanted":            {slices.Concat(basic, post), func(s *SignIn) { s.Method = "client_secret_post" }, nil, "post"},
		"nothing but PKCE":       {[]string{"none"}, func(s *SignIn) { s.Method, s.ClientSecret = "none", secret.Ref{} }, nil, "none"},
		"elliptic key":           {[]string{"private_key_jwt"}, func(s *SignIn) { s.KeyID = "mine" }, ec, "ES256"},
		"RSA key":                {[]string{"private_key_jwt"}, nil, rsaKey, "RS256"},
		"RSA key, PS256":         {[]string{"private_key_jwt"}, func(s *SignIn) { s.Algorithm, s.Audience = "PS256", "token_endpoint" }, rsaKey, "PS256"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOP(t)
			o.discovery["token_endpoint_auth_methods_supported"] = row.methods
			p, c := o.provider(func(cfg *Config) {
				if row.key != nil {
					cfg.SignIn.ClientSecret, cfg.SignIn.Key = secret.Ref{}, secretFile(t, keyPEM(t, row.key))
				}
				if row.change != nil {
					row.change(&cfg.SignIn)
				}
			})
			o.claims = o.idClaims(c)
			who, err := p.Finish(t.Context(), testAttempt, o.back())
			if err != nil {
				t.Fatal(err)
			}
			o.claims = nil
			if got, err := p.Alive(t.Context(), testSubject, who.Grant, func(string) error { return nil }); err != nil || got.Kind != sync.AnswerAlive {
				t.Fatalf("%+v, %v", got, err)
			}
			if err := p.Revoke(t.Context(), testSubject, who.Grant); err != nil {
				t.Fatal(err)
			}
			if len(o.forms) != 3 {
				t.Fatalf("%d requests", len(o.forms))
			}
			for i, form := range o.forms {
				proofLooks(t, p, form, row.want, []string{o.server.URL + "/token", o.server.URL + "/token", o.server.URL + "/revoke"}[i])
			}
			if o.forms[0].Get("code_verifier") != testAttempt.Verifier {
				t.Error("no PKCE")
			}
		})
	}
}

// proofLooks checks one request's proof.
func proofLooks(t *testing.T, p *Provider, form url.Values, want, endpoint string) {
	t.Helper()
	id, key, assertion := form.Get("client_id"), form.Get("client_secret"), form.Get("client_assertion")
	switch want {
	case "basic":
		if form.Get("basic") != testClient || id+key+assertion != "" {
			t.Errorf("%v", form)
		}
	case "post":
		if form.Has("basic") || id != testClient || key != testSecret || assertion != "" {
			t.Errorf("%v", form)
		}
	case "none":
		if form.Has("basic") || id != testClient || key+assertion != "" {
			t.Errorf("%v", form)
		}
	default:
		if form.Has("basic") || id != testClient || key != "" || form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			t.Errorf("%v", form)
		}
		set, _, err := p.PublicKeys()
		if err != nil {
			t.Fatal(err)
		}
		signed, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(want)})
		if err != nil {
			t.Fatal(err)
		}
		known := set.Key(signed.Headers[0].KeyID)
		if len(known) != 1 || !known[0].IsPublic() || known[0].Use != "sig" {
			t.Fatalf("the key %q is not published: %+v", signed.Headers[0].KeyID, set)
		}
		var c jwt.Claims
		if err := signed.Claims(known[0].Key, &c); err != nil {
			t.Fatal(err)
		}
		audience := p.cfg.SignIn.Audience
		if audience == "token_endpoint" {
			audience = endpoint
		}
		if c.Issuer != testClient || c.Subject != testClient || len(c.Audience) != 1 || c.Audience[0] != audience || c.ID == "" || c.Expiry.Time().Sub(p.opt.Now()) > assertionMax {
			t.Errorf("%+v, want audience %s", c, audience)
		}
	}
}

const assertionMax = 5 * 60e9

// ON3: a key is read when it is used, so that a new one needs no restart; the
// next one is published before. What is published is public.
func TestClientKeyRotates(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	o.discovery["token_endpoint_auth_methods_supported"] = []string{"private_key_jwt"}
	first, next := newEC(t), newEC(t)
	file, nextFile := secretFile(t, keyPEM(t, first)), secretFile(t, keyPEM(t, next))
	p, c := o.provider(func(cfg *Config) {
		cfg.SignIn.ClientSecret, cfg.SignIn.Key, cfg.SignIn.NextKey = secret.Ref{}, file, nextFile
	})
	o.claims = o.idClaims(c)
	set, has, err := p.PublicKeys()
	text, jerr := json.Marshal(set)
	if err != nil || jerr != nil || !has || len(set.Keys) != 2 || set.Keys[0].KeyID == set.Keys[1].KeyID || strings.Contains(string(text), `"d"`) {
		t.Fatalf("%s, %v, %v", text, err, jerr)
	}
	if err := os.WriteFile(strings.TrimPrefix(file.String(), "file:"), []byte(keyPEM(t, next)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Finish(t.Context(), testAttempt, o.back()); err != nil {
		t.Fatal(err)
	}
	signed, err := jwt.ParseSigned(o.lastForm().Get("client_assertion"), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || signed.Headers[0].KeyID != set.Keys[1].KeyID || signed.Claims(next.Public(), &jwt.Claims{}) != nil {
		t.Errorf("signed with %v, %v", signed.Headers, err)
	}
	// A key that cannot be read is no word about the person (E4), and nothing is sent.
	sealed, sent := sealedGrant(t, p, "canary-refresh-1"), o.count("/token")
	if err := os.Remove(strings.TrimPrefix(file.String(), "file:")); err != nil {
		t.Fatal(err)
	}
	got, err := p.Alive(t.Context(), testSubject, sealed, nil)
	if got.Kind != sync.AnswerUnsent || got.Code != "client_secret" || !errors.Is(err, sync.ErrProvider) || o.count("/token") != sent {
		t.Errorf("%+v, %v", got, err)
	}
	if probe := p.Check(t.Context()); !slices.ContainsFunc(probe.Rights, func(r sync.Right) bool { return r.Need == "the file of sign_in.key" && !r.Granted }) {
		t.Errorf("%+v", probe)
	}
}

// OI7: what is given to the library reaches the token endpoint and nothing else.
func TestProofGoesToTheTokenEndpointAlone(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, _ := o.provider(nil)
	e, err := p.endpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, ok := p.withClient(t.Context(), e).Value(oauth2.HTTPClient).(*http.Client)
	if !ok {
		t.Fatal("no client")
	}
	for _, at := range []string{o.server.URL + "/userinfo", o.server.URL + "/token?x"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at, strings.NewReader("a=b"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err == nil {
			err = res.Body.Close()
			t.Errorf("%s was asked, %v", at, err)
		}
	}
	if o.count("/token")+o.count("/userinfo") != 0 {
		t.Error("something was sent")
	}
}

// A way that the provider does not take is said so, and none is tried.
func TestClientMethodRefused(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		methods []string
		method  string
	}{
		"only keys are taken":   {[]string{"private_key_jwt"}, ""},
		"only secrets are":      {[]string{"client_secret_basic"}, "client_secret_post"},
		"only TLS certificates": {[]string{"tls_client_auth"}, ""},
	} {
		o := newOP(t)
		o.discovery["token_endpoint_auth_methods_supported"] = row.methods
		p, _ := o.provider(func(c *Config) { c.SignIn.Method = row.method })
		if _, err := p.Finish(t.Context(), testAttempt, o.back()); !errors.Is(err, sync.ErrProvider) || !strings.Contains(err.Error(), "sign_in.method") || o.count("/token") != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
