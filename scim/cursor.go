package scim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/store"
)

// cursorLife is how long a cursor may be used (RFC 9865 section 4,
// cursorTimeout).
const cursorLife = time.Hour

// cursorAhead is how far the clock of another replica may stand before ours.
const cursorAhead = time.Minute

// cursor is where a list goes on (RFC 9865). It goes out as base64url of an
// HMAC and this JSON: opaque to clients, and of no use elsewhere.
type cursor struct {
	Part   int    `json:"p,omitempty"` // Which of the types of the list.
	Absent bool   `json:"a,omitempty"`
	Text   string `json:"t,omitempty"`
	Number int64  `json:"n,omitempty"`
	ID     string `json:"i"`
	Count  int    `json:"c"`
	At     int64  `json:"x"` // Unix microseconds.
}

func (c *cursor) place() store.SortPlace {
	return store.SortPlace{Absent: c.Absent, Text: c.Text, Number: c.Number, ID: c.ID}
}

// cursorSeal signs cursors of one list: workspace (by the key), connection,
// endpoint, filter and order. Another list's cursor does not verify.
type cursorSeal struct {
	key   []byte
	bound []string
}

func (s *cursorSeal) sum(payload []byte) []byte {
	mac := hmac.New(sha256.New, s.key)
	var size [8]byte
	for _, text := range append([]string{"rollcall scim cursor 1"}, s.bound...) {
		binary.BigEndian.PutUint64(size[:], uint64(len(text)))
		// Writing to a hash gives no error.
		mac.Write(size[:])
		mac.Write([]byte(text))
	}
	mac.Write(payload)
	return mac.Sum(nil)
}

// encode seals a cursor.
func (s *cursorSeal) encode(c cursor) (string, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(s.sum(payload), payload...)), nil
}

// decode opens a cursor: *Error 400 invalidCursor, one text whatever was wrong,
// or expiredCursor for one that was good once.
func (s *cursorSeal) decode(text string, now time.Time) (cursor, error) {
	var c cursor
	raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(raw) < sha256.Size || !hmac.Equal(raw[:sha256.Size], s.sum(raw[sha256.Size:])) {
		return c, errInvalidCursor()
	}
	if err := json.Unmarshal(raw[sha256.Size:], &c); err != nil {
		return c, errInvalidCursor().causedBy(err)
	}
	switch age := now.Sub(time.UnixMicro(c.At)); {
	case age > cursorLife:
		return c, errExpiredCursor()
	case age < -cursorAhead:
		return c, errInvalidCursor()
	}
	return c, nil
}
