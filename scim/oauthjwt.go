package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/rollcall-sync/rollcall/store"
)

// assertionType is the only one that is taken (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertionAlgorithms are the signatures that are taken: asymmetric ones, so
// that what we keep of a client cannot sign.
var assertionAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.ES384, jose.EdDSA}

// A signed request is good for a few minutes, and its clock may differ by one.
const (
	maxAssertionLife = 10 * time.Minute
	assertionLeeway  = time.Minute
)

// signed lets a client in by a request that it has signed (private_key_jwt).
func (g *grant) signed() (*store.TokenRow, error) {
	if g.form.Get("client_assertion_type") != assertionType {
		return nil, invalidRequest("client_assertion_type must be %s", assertionType)
	}
	token, err := jwt.ParseSigned(g.form.Get("client_assertion"), assertionAlgorithms)
	if err != nil {
		return nil, invalidClient(false)
	}
	var claims jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil {
		return nil, invalidClient(false)
	}
	if id := g.form.Get("client_id"); id != "" && id != claims.Subject {
		return nil, invalidClient(false)
	}
	row, err := g.row(claims.Subject)
	if err != nil {
		return nil, err
	}
	if !g.good(&row) || row.JWKS == "" {
		return nil, invalidClient(false)
	}
	if err := verifyAssertion(token, row.JWKS, &claims); err != nil {
		return nil, invalidClient(false)
	}
	err = claims.ValidateWithLeeway(jwt.Expected{Issuer: row.ID, Subject: row.ID, AnyAudience: jwt.Audience{g.h.tokenURL()}, Time: g.start}, assertionLeeway)
	if err != nil || claims.ID == "" || len(claims.ID) > maxIdentifier || claims.Expiry == nil || claims.Expiry.Time().Sub(g.start) > maxAssertionLife {
		return nil, invalidClient(false)
	}
	g.jti, g.expires = claims.ID, claims.Expiry.Time().Add(assertionLeeway)
	return &row, nil
}

// maxIdentifier bounds the id of a signed request, which is stored.
const maxIdentifier = 256

// verifyAssertion checks a signature by the key that it names, or by any key
// of the client if it names none.
func verifyAssertion(token *jwt.JSONWebToken, text string, claims *jwt.Claims) error {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		return err
	}
	keys := set.Keys
	if len(token.Headers) == 1 && token.Headers[0].KeyID != "" {
		keys = set.Key(token.Headers[0].KeyID)
	}
	for i := range keys {
		if token.Claims(keys[i].Key, claims) == nil {
			return nil
		}
	}
	return errors.New("no key of the client fits the signature")
}

// ClientKeys reads the public keys of a client that signs its requests, a JSON
// Web Key Set or one key, and gives the set as it is stored. It refuses
// private and symmetric keys.
func ClientKeys(text []byte) ([]byte, error) {
	const largest = 16 << 10
	if len(text) > largest {
		return nil, fmt.Errorf("the keys have %d bytes; at most %d are taken", len(text), largest)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(text, &set); err != nil || len(set.Keys) == 0 {
		var one jose.JSONWebKey
		if one.UnmarshalJSON(text) != nil {
			return nil, errors.New("no JSON Web Key and no key set: write {\"keys\":[...]} with the client's public keys")
		}
		set.Keys = []jose.JSONWebKey{one}
	}
	for i := range set.Keys {
		k := &set.Keys[i]
		switch {
		case !k.IsPublic():
			return nil, fmt.Errorf("key %d is private or a shared secret: give the public half alone", i+1)
		case !k.Valid():
			return nil, fmt.Errorf("key %d is not valid", i+1)
		}
	}
	return json.Marshal(set)
}
