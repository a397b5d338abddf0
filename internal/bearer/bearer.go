// Package bearer makes and reads the bearer tokens that Rollcall hands out:
// <prefix>_<id>_<secret>_<crc>, where the prefix says what the token is for
// (rcs for SCIM, rca for the JSON API and for access tokens of OAuth clients,
// rco for the secrets of those clients).
package bearer

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"
	"strings"
)

// The prefixes: what a token is for.
const (
	SCIM   = "rcs"
	API    = "rca"
	Access = "rca"
	Client = "rco"
)

// ErrToken is what is said of every text that is no token of ours. It never
// quotes the text, which may be the secret of somebody else.
var ErrToken = errors.New("not a Rollcall token: it has the form of a prefix, an id, a secret and a checksum")

// pattern is the form of a token (SX10, scim section 11).
var pattern = regexp.MustCompile(`^(rcs|rca|rco)_([a-z2-7]{8})_[a-z2-7]{52}_([0-9a-f]{8})$`)

// length is the length of every token; longer texts are not looked at.
const length = len("rcs_") + 8 + 1 + 52 + 1 + 8

// alphabet is base32 of RFC 4648 in lower case.
var alphabet = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Token is a bearer token. The id finds its row and may be shown, the whole
// text is the secret: no printer and no encoder shows it. The zero Token is
// none.
type Token struct {
	ID     string // 8 characters of lower-case base32
	prefix string
	text   string
}

// Reveal returns the whole token, as the client sends it. Do not keep it.
func (t Token) Reveal() string { return t.text }

// Format writes the id alone, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) {
	// fmt keeps no write error; a printer that stops early shows less.
	if _, err := io.WriteString(f, t.prefix+"_"+t.ID+"_***"); err != nil {
		return
	}
}

// New makes a token with 32 random bytes as its secret.
func New(prefix string) (Token, error) {
	random := make([]byte, 5+32)
	if _, err := rand.Read(random); err != nil {
		return Token{}, fmt.Errorf("making a token: %w", err)
	}
	id := alphabet.EncodeToString(random[:5])
	body := prefix + "_" + id + "_" + alphabet.EncodeToString(random[5:])
	return Token{ID: id, prefix: prefix, text: body + "_" + checksum(body)}, nil
}

// Parse reads the text of a bearer token with this prefix. A wrong form,
// prefix or checksum is ErrToken: such a text cannot be a token, so that no
// row need be read.
func Parse(prefix, text string) (Token, error) {
	if len(text) != length {
		return Token{}, ErrToken
	}
	parts := pattern.FindStringSubmatch(text)
	if parts == nil || parts[1] != prefix || checksum(text[:strings.LastIndexByte(text, '_')]) != parts[3] {
		return Token{}, ErrToken
	}
	return Token{ID: parts[2], prefix: prefix, text: text}, nil
}

// checksum is CRC-32 (IEEE) in eight hex digits: it finds slips of the hand
// and lets scanners tell tokens from look-alikes. It protects nothing.
func checksum(body string) string {
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body)))
}

// Hash is what the store keeps: SHA-256 of the whole token in hex. The secret
// has 256 random bits, so no salt and no slow hash is needed.
func (t Token) Hash() string {
	sum := sha256.Sum256([]byte(t.text))
	return hex.EncodeToString(sum[:])
}

// dummyHash stands in for the hash of an unknown token, so that unknown ids
// and wrong secrets take the same work.
var dummyHash = strings.Repeat("0", sha256.Size*2)

// Verify reports, in constant time, whether the stored hash is this token's.
// Give "" for a token whose id is unknown: the answer is false after the same
// work.
func (t Token) Verify(stored string) bool {
	known := subtle.ConstantTimeEq(int32(len(stored)), int32(len(dummyHash)))
	if known == 0 {
		stored = dummyHash
	}
	same := subtle.ConstantTimeCompare([]byte(t.Hash()), []byte(stored))
	return known&same == 1
}

// Same reports, in constant time, whether two tokens are the same one.
func (t Token) Same(o Token) bool {
	return subtle.ConstantTimeCompare([]byte(t.text), []byte(o.text)) == 1
}
