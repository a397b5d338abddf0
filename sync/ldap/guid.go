package ldap

import (
	"encoding/hex"
	"errors"
	"strings"
	"unicode/utf8"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"
)

var errID = errors.New("not a readable id")

// guidText gives the text of an objectGUID: 16 bytes whose first three fields
// are little-endian (LM1).
func guidText(b string) (string, error) {
	if len(b) != 16 {
		return "", errID
	}
	g := uuid.UUID{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6]}
	copy(g[8:], b[8:])
	return g.String(), nil
}

// guidBytes is the way back.
func guidBytes(text string) ([]byte, error) {
	g, err := uuid.Parse(text)
	if err != nil {
		return nil, errID
	}
	out := []byte{g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6]}
	return append(out, g[8:]...), nil
}

// uniqueIDText gives a nsUniqueId (8-8-8-8 hex digits) as a UUID: the same 16
// bytes with other dashes.
func uniqueIDText(s string) (string, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 {
		return "", errID
	}
	return uuid.UUID(b).String(), nil
}

// uniqueIDOf is the way back.
func uniqueIDOf(text string) (string, error) {
	g, err := uuid.Parse(text)
	if err != nil {
		return "", errID
	}
	h := hex.EncodeToString(g[:])
	return h[:8] + "-" + h[8:16] + "-" + h[16:24] + "-" + h[24:], nil
}

// idForm is how an id attribute reads.
type idForm uint8

const (
	idOpaque   idForm = iota // another attribute: text, case exact, or 16 bytes as an objectGUID
	idUUID                   // entryUUID (RFC 4530)
	idGUID                   // objectGUID
	idUniqueID               // nsUniqueId
)

// idKind is the id attribute of a source.
type idKind struct {
	attr string
	form idForm
}

func newIDKind(attr string) idKind {
	switch strings.ToLower(attr) {
	case "entryuuid":
		return idKind{"entryUUID", idUUID}
	case "objectguid":
		return idKind{"objectGUID", idGUID}
	case "nsuniqueid":
		return idKind{"nsUniqueId", idUniqueID}
	}
	return idKind{attr, idOpaque}
}

// read gives the id of an entry as lower-case UUID text, or as it stands for
// an opaque attribute.
func (k idKind) read(raw []string) (string, error) {
	if len(raw) != 1 || len(raw[0]) == 0 {
		return "", errID
	}
	v := raw[0]
	switch k.form {
	case idGUID:
		return guidText(v)
	case idUniqueID:
		return uniqueIDText(v)
	case idUUID:
		g, err := uuid.Parse(v)
		if err != nil {
			return "", errID
		}
		return g.String(), nil
	}
	if len(v) == 16 && !utf8.ValidString(v) {
		return guidText(v)
	}
	if !utf8.ValidString(v) || strings.ContainsRune(v, 0) || len(v) > 256 {
		return "", errID
	}
	return v, nil
}

// filter gives the filter that finds exactly one id; nothing in an id can
// widen it (FT14).
func (k idKind) filter(id string) (string, error) {
	switch k.form {
	case idGUID:
		b, err := guidBytes(id)
		if err != nil {
			return "", err
		}
		return "(" + k.attr + "=" + goldap.EscapeFilter(string(b)) + ")", nil
	case idUniqueID:
		s, err := uniqueIDOf(id)
		if err != nil {
			return "", err
		}
		return "(" + k.attr + "=" + s + ")", nil
	case idUUID:
		if _, err := uuid.Parse(id); err != nil {
			return "", errID
		}
	}
	if id == "" {
		return "", errID
	}
	if b, err := guidBytes(id); err == nil && k.form == idOpaque {
		return "(|(" + k.attr + "=" + goldap.EscapeFilter(string(b)) + ")(" + k.attr + "=" + goldap.EscapeFilter(id) + "))", nil
	}
	return "(" + k.attr + "=" + goldap.EscapeFilter(id) + ")", nil
}
