package mapping

import (
	"encoding/hex"
	"errors"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-sync/rollcall/internal/fold"
)

// errDN tells that a text is no distinguished name of RFC 4514.
var errDN = errors.New("not a distinguished name")

// parseDN splits a distinguished name (RFC 4514 section 3) into its relative
// names, leftmost first, each as a comparison key: types and values folded,
// blanks collapsed, the parts of a multi-valued name sorted.
func parseDN(s string) ([]string, error) {
	if strings.TrimSpace(s) == "" {
		return nil, errDN
	}
	var out, parts []string
	for {
		part, sep, rest, err := parseAVA(s)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
		if sep != '+' {
			sort.Strings(parts)
			out = append(out, strings.Join(parts, "+"))
			parts = nil
		}
		if sep == 0 {
			return out, nil
		}
		s = rest
	}
}

// parseAVA reads one type=value up to the separator that ends it: ',', ';',
// '+' or 0 at the end.
func parseAVA(s string) (key string, sep byte, rest string, err error) {
	typ, s, ok := strings.Cut(s, "=")
	typ = strings.ToLower(strings.TrimSpace(typ))
	if !ok || typ == "" || strings.ContainsAny(typ, `,;+"\<>`) {
		return "", 0, "", errDN
	}
	var b []byte
	i, quoted := 0, false
	for i < len(s) {
		c := s[i]
		switch {
		case c == '\\':
			if i+1 >= len(s) {
				return "", 0, "", errDN
			}
			if i+2 < len(s) {
				if h, herr := hex.DecodeString(s[i+1 : i+3]); herr == nil {
					b = append(b, h[0])
					i += 3
					continue
				}
			}
			b = append(b, s[i+1])
			i += 2
			continue
		case c == '"':
			quoted = !quoted
			i++
			continue
		case !quoted && (c == ',' || c == ';' || c == '+'):
			sep, rest = c, s[i+1:]
			i = len(s)
			continue
		}
		b = append(b, c)
		i++
	}
	if quoted || !utf8.Valid(b) {
		return "", 0, "", errDN
	}
	return typ + "=" + dnEscaper.Replace(foldText(string(b))), sep, rest, nil
}

// dnEscaper keeps a plus sign in a value apart from the one that joins the
// parts of a multi-valued name.
var dnEscaper = strings.NewReplacer(`\`, `\\`, "+", `\+`)

// dnUnder reports whether a name lies at or below a base.
func dnUnder(name, base []string) bool {
	if len(name) < len(base) {
		return false
	}
	tail := name[len(name)-len(base):]
	for i := range base {
		if tail[i] != base[i] {
			return false
		}
	}
	return true
}

// foldText is the comparison form of section 3: NFKC, case folded, trimmed,
// inner blanks collapsed.
func foldText(s string) string {
	s = fold.Key(s)
	blank := true // at the start every blank is dropped
	for i := 0; i < len(s); i++ {
		c := s[i]
		isBlank := c <= ' ' || c >= utf8.RuneSelf
		if isBlank && (blank || c != ' ') {
			return strings.Join(strings.Fields(s), " ")
		}
		blank = isBlank
	}
	if blank && s != "" {
		return strings.Join(strings.Fields(s), " ")
	}
	return s
}
