package events

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// keepKeys is how long the public half of a key that signs no more is shown.
const keepKeys = 30 * 24 * time.Hour

// signer signs security event tokens with ES256 (RFC 7518 3.4). It is safe for
// concurrent use.
type signer struct {
	ref   secret.Ref
	store *store.Store
	now   func() time.Time

	mu        sync.Mutex
	published map[string]time.Time // key id -> when it was last written
}

// jwk is a public key (RFC 7517); the order of its members is that of the
// thumbprint's (RFC 7638 3.2), without alg, kid and use.
type jwk struct {
	Alg string `json:"alg,omitempty"`
	Crv string `json:"crv"`
	KID string `json:"kid,omitempty"`
	Kty string `json:"kty"`
	Use string `json:"use,omitempty"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

// key reads the key anew, so that a new one needs no restart, and publishes
// its public half before the first token signed with it goes out.
func (s *signer) key(ctx context.Context) (*ecdsa.PrivateKey, string, error) {
	v, err := s.ref.Resolve()
	if err != nil {
		return nil, "", err
	}
	key, err := parseKey(v)
	if err != nil {
		return nil, "", err
	}
	public, err := publicJWK(&key.PublicKey)
	if err != nil {
		return nil, "", err
	}
	return key, public.KID, s.publish(ctx, public)
}

// publish writes the public key where every replica shows it from.
func (s *signer) publish(ctx context.Context, public jwk) error {
	now := s.now()
	s.mu.Lock()
	last, known := s.published[public.KID]
	s.mu.Unlock()
	if known && now.Sub(last) < time.Hour {
		return nil
	}
	text, err := json.Marshal(public)
	if err != nil {
		return err
	}
	if err := s.store.PutSigningKey(ctx, public.KID, text, workspace.At(now)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.published[public.KID] = now
	return nil
}

// parseKey reads a P-256 key from PEM. The errors do not show it.
func parseKey(v secret.Value) (*ecdsa.PrivateKey, error) {
	for rest := []byte(v.Reveal()); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("signing key: no PEM block with a P-256 private key; make one with " +
				"`openssl ecparam -genkey -name prime256v1 -noout`")
		}
		var key any
		var err error
		switch block.Type {
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		default: // EC PARAMETERS, which openssl writes before the key
			continue
		}
		ec, ok := key.(*ecdsa.PrivateKey)
		if err != nil || !ok || ec.Curve != elliptic.P256() {
			return nil, errors.New("signing key: not a P-256 private key")
		}
		return ec, nil
	}
}

// publicJWK names a public key by its thumbprint.
func publicJWK(key *ecdsa.PublicKey) (jwk, error) {
	point, err := key.Bytes() // 0x04 X Y
	if err != nil {
		return jwk{}, fmt.Errorf("signing key: %w", err)
	}
	half := (len(point) - 1) / 2
	k := jwk{Crv: "P-256", Kty: "EC", X: base64.RawURLEncoding.EncodeToString(point[1 : 1+half]), Y: base64.RawURLEncoding.EncodeToString(point[1+half:])}
	text, err := json.Marshal(k)
	if err != nil {
		return jwk{}, err
	}
	sum := sha256.Sum256(text)
	k.KID, k.Alg, k.Use = base64.RawURLEncoding.EncodeToString(sum[:]), "ES256", "sig"
	return k, nil
}

// header of a security event token (ST1).
type header struct {
	Alg string `json:"alg"`
	KID string `json:"kid"`
	Typ string `json:"typ"`
}

// sign makes a token in compact form (RFC 7515 3.1).
func (s *signer) sign(ctx context.Context, claims any) (string, error) {
	key, kid, err := s.key(ctx)
	if err != nil {
		return "", err
	}
	return signES256(key, header{Alg: "ES256", KID: kid, Typ: "secevent+jwt"}, claims)
}

func signES256(key *ecdsa.PrivateKey, head header, claims any) (string, error) {
	h, err := json.Marshal(head)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	input := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c)
	raw, err := rawSignature(key, []byte(input))
	if err != nil {
		return "", err
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(raw), nil
}

// rawSignature is R || S of 32 bytes each. The nonce follows from key and text
// (RFC 6979), so that a token is the same on every try.
func rawSignature(key *ecdsa.PrivateKey, input []byte) ([]byte, error) {
	digest := sha256.Sum256(input)
	der, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &pair); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	raw := make([]byte, 64)
	pair.R.FillBytes(raw[:32])
	pair.S.FillBytes(raw[32:])
	return raw, nil
}
