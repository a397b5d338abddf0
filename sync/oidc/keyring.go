package oidc

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/secret"
)

// ErrSealed says that a sealed text cannot be opened: it is damaged, it was sealed for
// somebody else, or its key is not in the ring.
var ErrSealed = errors.New("cannot be opened with the keys of the ring")

// keyID is the name of a key in the ring's file.
var keyID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// Ring encrypts what must stay secret in the store: AES-256-GCM with the id of
// the key in the clear and connection, subject and purpose as associated data,
// so that a row moved to another person opens nothing (ON3). The file is read
// anew each time, so that a new key needs no restart. The zero Ring has no key.
// It is safe for concurrent use.
type Ring struct{ ref secret.Ref }

// NewRing names the ring's file: a line ID:BASE64 of 32 random bytes for each
// key. The first encrypts, all decrypt.
func NewRing(ref secret.Ref) *Ring { return &Ring{ref} }

// Bound is what a sealed text belongs to.
type Bound struct{ Connection, Subject, Purpose string }

// aad is the associated data; no field can end another one early.
func (b Bound) aad() []byte {
	return fmt.Appendf(nil, "rollcall/1|%q|%q|%q", b.Connection, b.Subject, b.Purpose)
}

// Check reads the ring and says what is wrong with it.
func (r *Ring) Check() error {
	_, _, err := r.keys()
	return err
}

// keys reads the ring: the id of the first key, and all by id.
func (r *Ring) keys() (first string, keys map[string]cipher.AEAD, err error) {
	text, err := r.ref.Resolve()
	if err != nil {
		return "", nil, fmt.Errorf("key_ring: %w", err)
	}
	keys = map[string]cipher.AEAD{}
	for i, line := range strings.Split(text.Reveal(), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, encoded, found := strings.Cut(line, ":")
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		switch {
		case !found || !keyID.MatchString(id):
			return "", nil, fmt.Errorf("key_ring: line %d is no key: write ID:BASE64, the id of letters, digits, - and _", i+1)
		case err != nil || len(raw) != 32:
			return "", nil, fmt.Errorf("key_ring: line %d does not hold 32 bytes in base64: make a key with `openssl rand -base64 32`", i+1)
		case keys[id] != nil:
			return "", nil, fmt.Errorf("key_ring: line %d: the id stands twice, and what it has encrypted could not be told apart", i+1)
		}
		block, err := aes.NewCipher(raw)
		if err != nil {
			return "", nil, err
		}
		if keys[id], err = cipher.NewGCM(block); err != nil {
			return "", nil, err
		}
		if first == "" {
			first = id
		}
	}
	if first == "" {
		return "", nil, errors.New("key_ring: the file holds no key: write a line ID:BASE64 of 32 random bytes")
	}
	return first, keys, nil
}

// Seal encrypts a text with the ring's first key. The result is text: key id,
// nonce and ciphertext.
func (r *Ring) Seal(b Bound, plain secret.Value) (string, error) {
	id, keys, err := r.keys()
	if err != nil {
		return "", err
	}
	nonce := make([]byte, keys[id].NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", err
	}
	sealed := keys[id].Seal(nonce, nonce, []byte(plain.Reveal()), b.aad())
	return id + "." + base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Open decrypts what Seal made for the same owner. Stale tells that it was
// sealed with a key other than the first: seal it again.
func (r *Ring) Open(b Bound, sealed string) (plain secret.Value, stale bool, err error) {
	first, keys, err := r.keys()
	if err != nil {
		return secret.Value{}, false, err
	}
	id, encoded, _ := strings.Cut(sealed, ".")
	key := keys[id]
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if key == nil || err != nil || len(raw) < key.NonceSize() {
		return secret.Value{}, false, ErrSealed
	}
	text, err := key.Open(nil, raw[:key.NonceSize()], raw[key.NonceSize():], b.aad())
	if err != nil {
		return secret.Value{}, false, ErrSealed
	}
	return secret.New(string(text)), id != first, nil
}
