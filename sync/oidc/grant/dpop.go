package grant

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	stdsync "sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// prover proves possession of a key with each request (RFC 9449). The key is
// made anew at each start and never leaves the process. It is safe for
// concurrent use.
type prover struct {
	key *ecdsa.PrivateKey
	now func() time.Time

	mu     stdsync.Mutex
	nonces map[string]string // by origin, the newest each server gave
}

func newProver(now func() time.Time) (*prover, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key for DPoP: %w", err)
	}
	return &prover{key: key, now: now, nonces: map[string]string{}}, nil
}

// proofClaims are the claims of a proof (RFC 9449 section 4.2).
type proofClaims struct {
	ID       string           `json:"jti"`
	Method   string           `json:"htm"`
	URL      string           `json:"htu"`
	IssuedAt *jwt.NumericDate `json:"iat"`
	Nonce    string           `json:"nonce,omitempty"`
	Hash     string           `json:"ath,omitempty"`
}

// prove puts a proof on a request; token is "" at the token endpoint.
func (p *prover) prove(req *http.Request, token string) error {
	opt := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: p.key}, opt)
	if err != nil {
		return fmt.Errorf("signing a DPoP proof: %w", err)
	}
	bare := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path, RawPath: req.URL.RawPath}
	claims := proofClaims{ID: rand.Text(), Method: req.Method, URL: bare.String(), IssuedAt: jwt.NewNumericDate(p.now()), Nonce: p.nonce(req.URL)}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims.Hash = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	proof, err := serialize(signer, claims)
	if err != nil {
		return fmt.Errorf("signing a DPoP proof: %w", err)
	}
	req.Header.Set("DPoP", proof)
	return nil
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

func (p *prover) nonce(u *url.URL) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.nonces[origin(u)]
}

// learn keeps the nonce of an answer and reports whether it is a new one: a
// request that was refused for want of it may then be sent again.
func (p *prover) learn(u *url.URL, h http.Header) bool {
	n := h.Get("DPoP-Nonce")
	if n == "" || len(n) > 1024 || strings.ContainsFunc(n, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh := p.nonces[origin(u)] != n
	p.nonces[origin(u)] = n
	return fresh
}
