package fold

import (
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// Email returns the key by which mail addresses are equal: the folded local
// part, as it stands otherwise (no plus or dot folding), and the domain in
// its ASCII form, one trailing dot off (domain I6, sources DC6). Text that is
// no address is folded whole. It is safe for concurrent use.
func Email(address string) string {
	address = strings.TrimSpace(address)
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return Key(address)
	}
	return Key(address[:at]) + "@" + Domain(address[at+1:])
}

// Domain returns a mail domain's ASCII form, lower case, trailing dots
// off. What is no valid name is folded only, so that it equals itself and
// nothing else.
func Domain(name string) string {
	name = strings.TrimRightFunc(strings.TrimSpace(name), func(r rune) bool { return r == '.' || unicode.IsSpace(r) })
	if plain(name) {
		return strings.ToLower(name)
	}
	ascii, err := idna.Lookup.ToASCII(name)
	if err != nil {
		return Key(name)
	}
	return ascii
}

// plain reports whether a name needs no IDNA processing: letters, digits,
// hyphens and dots without an encoded label.
func plain(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-') {
			return false
		}
	}
	return !strings.Contains(strings.ToLower(name), "xn--")
}
