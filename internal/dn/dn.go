// Package dn compares distinguished names (RFC 4514) as directories do.
package dn

import (
	"encoding/hex"
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-sync/rollcall/internal/fold"
)

// attributeType is an attribute type by name or by number (RFC 4512 section 1.4).
var attributeType = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)+)$`)

var errName = errors.New("not a distinguished name")

// Name is a parsed distinguished name: its relative names, leftmost first,
// each in canonical form. The empty name has none.
type Name []string

// Key gives the canonical form of a distinguished name (RFC 4514): two
// names are equal for a directory exactly if their keys are equal bytes. The
// key is a distinguished name itself and its own key. Types and values are
// folded (NFKC and case), inner blanks collapsed, escapes resolved, parts of
// a multi-valued name sorted (LM2). The empty name has the empty key.
func Key(name string) (string, error) {
	n, err := Parse(name)
	if err != nil {
		return "", err
	}
	return n.String(), nil
}

// String gives the canonical form; it reads back as the same name.
func (n Name) String() string { return strings.Join(n, ",") }

// Under reports whether the name is base or lies below it.
func (n Name) Under(base Name) bool {
	return len(n) >= len(base) && slices.Equal(n[len(n)-len(base):], base)
}

// Parse reads RFC 4514 section 3, and what older servers and people write:
// quoted values, semicolons, blanks around separators.
func Parse(s string) (Name, error) {
	if strings.TrimSpace(s) == "" {
		return Name{}, nil
	}
	var out Name
	var parts []string
	for {
		part, sep, rest, err := parsePart(s)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
		if sep != '+' {
			slices.Sort(parts)
			out = append(out, strings.Join(parts, "+"))
			parts = nil
		}
		if sep == 0 {
			return out, nil
		}
		s = rest
	}
}

// parsePart reads one type=value up to the separator that ends it; sep is 0
// at the end.
func parsePart(s string) (part string, sep byte, rest string, err error) {
	kind, s, ok := strings.Cut(s, "=")
	kind = strings.ToLower(strings.TrimSpace(kind))
	kind = strings.TrimPrefix(kind, "oid.")
	if !ok || !attributeType.MatchString(kind) {
		return "", 0, "", errName
	}
	value, sep, rest, err := parseValue(s)
	if err != nil {
		return "", 0, "", err
	}
	return kind + "=" + escapeValue(value), sep, rest, nil
}

// parseValue resolves escapes and quotes of an attribute value. Blanks at its
// ends count for nothing, escaped or not (RFC 4518 section 2.6.1).
func parseValue(s string) (value string, sep byte, rest string, err error) {
	var b []byte
	quoted := false
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			if i+2 < len(s) {
				if h, herr := hex.DecodeString(s[i+1 : i+3]); herr == nil {
					b = append(b, h[0])
					i += 3
					continue
				}
			}
			b = append(b, s[i+1])
			i += 2
		case c == '\\':
			return "", 0, "", errName
		case c == '"':
			quoted = !quoted
			i++
		case !quoted && (c == ',' || c == ';' || c == '+'):
			return Value(b), c, s[i+1:], nil
		default:
			b = append(b, c)
			i++
		}
	}
	if quoted {
		return "", 0, "", errName
	}
	return Value(b), 0, "", nil
}

// Value is the comparison form of a value. Octets that are no text
// compare as octets.
func Value(b []byte) string {
	if !utf8.Valid(b) {
		return "#" + hex.EncodeToString(b)
	}
	return strings.Join(strings.Fields(fold.Key(string(b))), " ")
}

// escapeValue writes a folded value so that it reads back as itself.
func escapeValue(v string) string {
	if !strings.ContainsAny(v, ",+\"\\<>;=#\x00\n\r") && v != "" {
		return v
	}
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch {
		case c == 0 || c == '\n' || c == '\r':
			b.WriteString(`\` + hex.EncodeToString([]byte{c}))
			continue
		case strings.IndexByte(",+\"\\<>;=", c) >= 0, c == '#' && i == 0:
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}
