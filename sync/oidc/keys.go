package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	stdsync "sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Times of a provider's key set (OI5, SI4).
const (
	keysApart  = 60 * time.Second // between two fetches, whoever asks
	keysFresh  = time.Hour        // after which a set is read anew: a withdrawn key must not live on
	keysAbsent = 2 * time.Minute  // how long a kid that is not there is not looked for again
	maxAbsent  = 512              // kids remembered as absent; a full memory is emptied
	maxKeys    = 100              // keys that are kept of a set
)

// signatures are the algorithms that are believed: asymmetric ones. "none" and
// HMAC, whose key would be our own secret, are not among them.
var signatures = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// ErrSignature says that a token's signature is wrong, or that it was signed
// with a key that is not the provider's.
var ErrSignature = errors.New("the signature does not hold")

// keySet is a provider's public keys. It reads them again when a token names a
// key that it does not have, but never twice within a minute: a stream of
// forged tokens costs the provider nothing. It is safe for concurrent use.
type keySet struct {
	url    string
	client *http.Client
	now    func() time.Time

	mu      stdsync.Mutex
	keys    []jose.JSONWebKey
	readAt  time.Time            // of the last fetch that succeeded
	triedAt time.Time            // of the last fetch
	absent  map[string]time.Time // kids that were not there, and when that was seen
}

func newKeySet(url string, client *http.Client, now func() time.Time) *keySet {
	return &keySet{url: url, client: client, now: now, absent: map[string]time.Time{}}
}

// verify checks the signature of a compact token and gives its payload and
// header. A wrong signature is ErrSignature; whatever keeps the keys from
// being read is another error and says nothing about the token.
func (s *keySet) verify(ctx context.Context, token string) ([]byte, jose.Header, error) {
	jws, err := jose.ParseSignedCompact(token, signatures)
	if err != nil || len(jws.Signatures) != 1 {
		return nil, jose.Header{}, fmt.Errorf("%w: not a signed token", ErrSignature)
	}
	head := jws.Signatures[0].Header
	keys, err := s.find(ctx, head.KeyID)
	if err != nil {
		return nil, jose.Header{}, err
	}
	for i := range keys {
		if payload, err := jws.Verify(&keys[i]); err == nil {
			return payload, head, nil
		}
	}
	return nil, jose.Header{}, ErrSignature
}

// find gives the keys that a token may be signed with: that of its kid, or all
// if it names none.
func (s *keySet) find(ctx context.Context, kid string) ([]jose.JSONWebKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if now.Sub(s.readAt) >= keysFresh && now.Sub(s.triedAt) >= keysApart {
		if err := s.read(ctx, now); err != nil && s.readAt.IsZero() {
			return nil, err
		}
	}
	if s.readAt.IsZero() {
		return nil, fmt.Errorf("the keys of %s could not be read; they are asked for again after %s", s.url, keysApart)
	}
	if found := s.named(kid); len(found) > 0 {
		return found, nil
	}
	if seen, known := s.absent[kid]; known && now.Sub(seen) < keysAbsent || now.Sub(s.triedAt) < keysApart {
		return nil, fmt.Errorf("%w: the provider has no such key", ErrSignature)
	}
	if err := s.read(ctx, now); err != nil {
		return nil, err
	}
	found := s.named(kid)
	if len(found) == 0 {
		if len(s.absent) >= maxAbsent {
			clear(s.absent)
		}
		s.absent[kid] = now
		return nil, fmt.Errorf("%w: the provider has no such key", ErrSignature)
	}
	delete(s.absent, kid)
	return found, nil
}

func (s *keySet) named(kid string) []jose.JSONWebKey {
	var found []jose.JSONWebKey
	for _, k := range s.keys {
		if (kid == "" || k.KeyID == kid) && k.Use != "enc" {
			found = append(found, k)
		}
	}
	return found
}

// read fetches the set. Keys of kinds that are not known are passed over:
// they sign nothing that we believe.
func (s *keySet) read(ctx context.Context, now time.Time) error {
	s.triedAt = now
	body, err := fetch(ctx, s.client, s.url, "")
	if err != nil {
		return fmt.Errorf("reading the provider's keys: %w", err)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil || set.Keys == nil {
		return fmt.Errorf("the provider's keys at %s are no key set", s.url)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys[:min(len(set.Keys), maxKeys)] {
		var k jose.JSONWebKey
		if err := json.Unmarshal(raw, &k); err == nil && k.Valid() {
			keys = append(keys, k)
		}
	}
	s.keys, s.readAt = keys, now
	return nil
}

// verified hands a payload whose signature has been checked to go-oidc's
// verifier, which then checks the claims.
type verified []byte

// VerifySignature gives the payload.
func (v verified) VerifySignature(context.Context, string) ([]byte, error) { return v, nil }
