package grant

import (
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync"
)

// None is a public client: PKCE alone binds its codes (RFC 7636).
const None Method = "none"

// TokenEndpoint as Audience addresses assertions to the endpoint that is
// called, "" too.
const TokenEndpoint = "token_endpoint"

// Client is how an OAuth client proves itself to a provider's endpoints (RFC
// 6749 section 2.3, RFC 7523 section 2.2). It is safe for concurrent use.
type Client struct {
	// Method is SecretBasic, SecretPost, PrivateKeyJWT or None.
	Method Method
	ID     string
	// Secret and Key are read anew for each request (ON3).
	Secret, Key secret.Ref
	// KeyID and Algorithm are `kid` and `alg` of assertions; "" takes what the
	// key says.
	KeyID, Algorithm string
	// Audience of assertions; "" is the endpoint that is called.
	Audience string
	Now      func() time.Time
}

// Prove puts the client's proof into a request's form and headers. A secret
// that cannot be read is sync.ErrAuth.
func (c *Client) Prove(endpoint string, form url.Values, header http.Header) error {
	ref := c.Secret
	switch c.Method {
	case None:
		form.Set("client_id", c.ID)
		return nil
	case PrivateKeyJWT:
		ref = c.Key
	}
	value, err := ref.Resolve()
	if err != nil {
		return fmt.Errorf("%w: %w", sync.ErrAuth, err)
	}
	return c.proveWith(value, endpoint, form, header)
}

// proveWith is Prove with the secret that was read.
func (c *Client) proveWith(value secret.Value, endpoint string, form url.Values, header http.Header) error {
	switch c.Method {
	case SecretBasic:
		// RFC 6749 section 2.3.1: both parts are form-encoded first.
		pair := url.QueryEscape(c.ID) + ":" + url.QueryEscape(value.Reveal())
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	case SecretPost:
		form.Set("client_id", c.ID)
		form.Set("client_secret", value.Reveal())
	case PrivateKeyJWT:
		k, err := parseKey(value, c.Algorithm, c.KeyID)
		if err != nil {
			return fmt.Errorf("%w: %w", sync.ErrAuth, err)
		}
		text, err := c.assertion(k, endpoint)
		if err != nil {
			return err
		}
		form.Set("client_id", c.ID)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", text)
	}
	return nil
}

// assertion proves the client to a token endpoint (RFC 7523 section 3, OpenID
// Connect Core section 9).
func (c *Client) assertion(k *signingKey, endpoint string) (string, error) {
	now, audience := c.Now(), c.Audience
	if audience == "" || audience == TokenEndpoint {
		audience = endpoint
	}
	return k.sign(jwt.Claims{
		Issuer: c.ID, Subject: c.ID, Audience: jwt.Audience{audience}, ID: rand.Text(),
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now.Add(-time.Minute)), Expiry: jwt.NewNumericDate(now.Add(assertionLife)),
	})
}

// PublicKey is the public half of a signing key, as a provider reads it from
// a set of keys (RFC 7517): with the very `kid` that assertions name.
func PublicKey(ref secret.Ref, alg, id string) (jose.JSONWebKey, error) {
	value, err := ref.Resolve()
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	k, err := parseKey(value, alg, id)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	return jose.JSONWebKey{Key: k.key.Public(), KeyID: k.id, Algorithm: string(k.alg), Use: "sig"}, nil
}

// named gives a key without a name its thumbprint (RFC 7638), so that a
// provider that reads our keys finds it. One with a certificate is known by
// that.
func (k *signingKey) named() error {
	if k.id != "" || k.thumb256 != "" || k.email != "" {
		return nil
	}
	sum, err := (&jose.JSONWebKey{Key: k.key.Public()}).Thumbprint(crypto.SHA256)
	k.id = base64.RawURLEncoding.EncodeToString(sum)
	return err
}
