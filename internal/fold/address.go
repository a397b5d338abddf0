package fold

import "strings"

// maxAddress is the longest address that SMTP carries (RFC 5321, 4.5.3.1.3).
const maxAddress = 254

// BadAddress tells why text is not exactly one mail address, "" if it is:
// no display name or list, no control character, no percent or bang route, no
// comment, one @ outside of quotes (sources DC6). The local part is not
// otherwise looked at.
func BadAddress(text string) string {
	at := strings.LastIndexByte(text, '@')
	switch {
	case text == "":
		return "the address is missing"
	case len(text) > maxAddress:
		return "the address is longer than an address can be"
	case at <= 0 || at == len(text)-1:
		return "the address has no local part or no domain"
	case strings.ContainsAny(text, "\x00\r\n\t <>,;:()\"\\[]"):
		return "exactly one bare address is wanted, without name, list, quotes or control characters"
	case strings.IndexByte(text, '@') != at:
		return "the address has more than one @"
	case strings.ContainsAny(text[:at], "%!"):
		return "the address routes by % or !"
	}
	for _, r := range text {
		if r < 0x20 || r == 0x7f || r == 0xfffd {
			return "the address has a character that no address has"
		}
	}
	return ""
}
