package grant

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // x5t is a SHA-1 thumbprint by definition (RFC 7515 section 4.1.7)
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/rollcall-sync/rollcall/internal/secret"
)

// minRSA is the least size of an RSA key in bits (RFC 7518 section 3.3).
const minRSA = 2048

// signingKey is a private key with how it signs.
type signingKey struct {
	key crypto.Signer
	alg jose.SignatureAlgorithm
	id  string // `kid`, "" for none
	// thumb and thumb256 are the thumbprints of the certificate that stands
	// beside the key (`x5t`, `x5t#S256`), which Entra asks for.
	thumb, thumb256 string
	// email and endpoint come with a Google service account.
	email, endpoint string
}

// serviceAccount is the JSON file that Google gives for a service account.
type serviceAccount struct {
	Type         string `json:"type"`
	ClientEmail  string `json:"client_email"`
	PrivateKeyID string `json:"private_key_id"`
	PrivateKey   string `json:"private_key"`
	TokenURI     string `json:"token_uri"`
}

// parseKey reads a private key: PEM (PKCS #8, PKCS #1 or SEC 1, a certificate
// may stand beside it), a JWK (RFC 7517), or a Google service account. No
// error shows any of the text.
func parseKey(text secret.Value, alg, id string) (*signingKey, error) {
	raw := strings.TrimSpace(text.Reveal())
	k := &signingKey{id: id}
	var err error
	switch {
	case strings.HasPrefix(raw, "{") && strings.Contains(raw, `"service_account"`):
		err = k.account(raw)
	case strings.HasPrefix(raw, "{"):
		err = k.jwk(raw)
	default:
		err = k.pem([]byte(raw))
	}
	if err != nil {
		return nil, err
	}
	if err := k.algorithm(alg); err != nil {
		return nil, err
	}
	return k, k.named()
}

func (k *signingKey) account(raw string) error {
	var a serviceAccount
	if err := json.Unmarshal([]byte(raw), &a); err != nil || a.PrivateKey == "" || a.ClientEmail == "" {
		return errors.New("the key is no service account's file: it lacks private_key or client_email")
	}
	k.email, k.endpoint = a.ClientEmail, a.TokenURI
	if k.id == "" {
		k.id = a.PrivateKeyID
	}
	return k.pem([]byte(a.PrivateKey))
}

func (k *signingKey) jwk(raw string) error {
	var j jose.JSONWebKey
	if err := j.UnmarshalJSON([]byte(raw)); err != nil {
		return errors.New("the key is no JWK that can be read")
	}
	key, ok := j.Key.(crypto.Signer)
	if !ok || j.IsPublic() {
		return errors.New("the JWK holds no private key")
	}
	k.key = key
	if k.id == "" {
		k.id = j.KeyID
	}
	return nil
}

func (k *signingKey) pem(rest []byte) error {
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE":
			if k.thumb256 == "" { // the first is the key's own
				short, long := sha1.Sum(block.Bytes), sha256.Sum256(block.Bytes) //nolint:gosec // see the import
				k.thumb, k.thumb256 = base64.RawURLEncoding.EncodeToString(short[:]), base64.RawURLEncoding.EncodeToString(long[:])
			}
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			key, err := parsePrivate(block)
			if err != nil {
				return err
			}
			k.key = key
		}
	}
	if k.key == nil {
		return errors.New("the file holds no private key in PEM form (PKCS #8), no JWK and no service account")
	}
	return nil
}

func parsePrivate(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("the %s cannot be read: write it without a pass phrase, as `openssl pkcs8 -topk8 -nocrypt` does", strings.ToLower(block.Type))
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the private key is of a kind that does not sign")
	}
	return signer, nil
}

// algorithm settles how the key signs: ES256, RS256 or PS256 (OD4).
func (k *signingKey) algorithm(alg string) error {
	switch key := k.key.(type) {
	case *ecdsa.PrivateKey:
		if key.Curve != elliptic.P256() || alg != "" && alg != "ES256" {
			return errors.New("an elliptic key must be on P-256, and signs with ES256")
		}
		k.alg = jose.ES256
	case *rsa.PrivateKey:
		if key.N.BitLen() < minRSA {
			return fmt.Errorf("the RSA key has %d bits: %d are the least", key.N.BitLen(), minRSA)
		}
		switch alg {
		case "", "RS256":
			k.alg = jose.RS256
		case "PS256":
			k.alg = jose.PS256
		default:
			return fmt.Errorf("an RSA key does not sign with %s: write RS256 or PS256", alg)
		}
	default:
		return errors.New("the key is neither RSA nor on P-256")
	}
	return nil
}

// sign makes a JWT of the claims.
func (k *signingKey) sign(claims any) (string, error) {
	opt := (&jose.SignerOptions{}).WithType("JWT")
	if k.id != "" {
		opt.WithHeader("kid", k.id)
	}
	if k.thumb256 != "" {
		opt.WithHeader("x5t", k.thumb).WithHeader("x5t#S256", k.thumb256)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.alg, Key: k.key}, opt)
	if err != nil {
		return "", fmt.Errorf("signing with the key: %w", err)
	}
	return serialize(signer, claims)
}
