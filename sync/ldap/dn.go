package ldap

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-sync/rollcall/internal/fold"
)

var errDN = errors.New("not a distinguished name")

// dn is a parsed distinguished name: its relative names, leftmost first, each
// in canonical form.
type dn []string

// DNKey gives the canonical form of a distinguished name (RFC 4514): two
// names are equal for a directory exactly if their keys are equal bytes. The
// key is a distinguished name itself and its own key. Types and values are
// folded (NFKC and case), inner blanks collapsed, escapes resolved, parts of
// a multi-valued name sorted (LM2). The empty name has the empty key.
func DNKey(name string) (string, error) {
	d, err := parseDN(name)
	if err != nil {
		return "", err
	}
	return d.String(), nil
}

func (d dn) String() string { return strings.Join(d, ",") }

// under reports whether d is base or lies below it.
func (d dn) under(base dn) bool {
	return len(d) >= len(base) && slices.Equal(d[len(d)-len(base):], base)
}

// parseDN reads RFC 4514 section 3, and what older servers and people write:
// quoted values, semicolons, blanks around separators.
func parseDN(s string) (dn, error) {
	if strings.TrimSpace(s) == "" {
		return dn{}, nil
	}
	var out dn
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
	if !ok || !attributePattern.MatchString(kind) {
		return "", 0, "", errDN
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
			return "", 0, "", errDN
		case c == '"':
			quoted = !quoted
			i++
		case !quoted && (c == ',' || c == ';' || c == '+'):
			return foldValue(b), c, s[i+1:], nil
		default:
			b = append(b, c)
			i++
		}
	}
	if quoted {
		return "", 0, "", errDN
	}
	return foldValue(b), 0, "", nil
}

// foldValue is the comparison form of a value. Octets that are no text
// compare as octets.
func foldValue(b []byte) string {
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
