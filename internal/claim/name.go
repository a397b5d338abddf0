package claim

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// Name is a domain in both of its forms (DC6). Names are compared by ASCII
// alone; people are shown both. The zero value is no name.
type Name struct {
	ASCII   string // lower case, without a trailing dot
	Unicode string // equal to ASCII for most names
}

// String shows both forms where they differ.
func (n Name) String() string {
	if n.Unicode == n.ASCII {
		return n.ASCII
	}
	return n.ASCII + " (" + n.Unicode + ")"
}

// maxName is the longest name of DNS in text, without the trailing dot (RFC
// 1035, 2.3.4), less what the challenge's label takes.
const maxName = 253 - len(challengeLabel) - 1

// Parse reads a domain name as people type it: IDNA 2008 with the checks of
// look-ups, lower case, one trailing dot off.
func Parse(text string) (Name, error) {
	trimmed := strings.TrimSuffix(strings.TrimSpace(text), ".")
	switch {
	case trimmed == "":
		return Name{}, fmt.Errorf("the domain is missing")
	case strings.ContainsAny(trimmed, "@/:*_ "):
		return Name{}, fmt.Errorf("%q is no domain: write the part after the @ of an address, such as acme.com", text)
	}
	if _, err := netip.ParseAddr(strings.Trim(trimmed, "[]")); err == nil {
		return Name{}, fmt.Errorf("%s is an IP address, and nobody owns the mail of one", trimmed)
	}
	ascii, err := idna.Lookup.ToASCII(trimmed)
	if err != nil || ascii == "" || len(ascii) > maxName {
		return Name{}, fmt.Errorf("%q is no domain name", text)
	}
	for label := range strings.SplitSeq(ascii, ".") {
		if label == "" || len(label) > 63 {
			return Name{}, fmt.Errorf("%q is no domain name", text)
		}
	}
	shown, err := idna.Display.ToUnicode(ascii)
	if err != nil {
		return Name{}, fmt.Errorf("%q is no domain name", text)
	}
	return Name{ASCII: ascii, Unicode: shown}, nil
}

// Show gives a stored name in both forms; what cannot be read is shown as it
// is.
func Show(ascii string) Name {
	n, err := Parse(ascii)
	if err != nil {
		return Name{ASCII: ascii, Unicode: ascii}
	}
	return n
}

// Rules are what a customer adds to the refusals.
type Rules struct {
	PublicMail []string // further public mail domains
	Reserved   bool     // names that never resolve in public are admitted, for trials
	Own        []string // names of this installation itself
}

// Refusal tells why nobody may claim a name, "" if somebody may (DC4).
func Refusal(n Name, r Rules) string {
	same := func(text string) bool {
		other, err := Parse(text)
		return err == nil && other.ASCII == n.ASCII
	}
	switch {
	case !strings.Contains(n.ASCII, "."):
		return n.ASCII + " is a single label, not the domain of a company"
	case reserved(n.ASCII):
		if r.Reserved {
			break
		}
		return n.ASCII + " is a reserved name that nobody can own (RFC 6761); allow_reserved: true admits it for trials"
	case publicSuffix(n.ASCII):
		return n.ASCII + " is a public suffix: everybody registers names below it"
	}
	switch {
	case publicMail[n.ASCII] || slices.ContainsFunc(r.PublicMail, same):
		return n.ASCII + " gives mailboxes to anybody, so it is nobody's to claim"
	case slices.ContainsFunc(r.Own, same):
		return n.ASCII + " is this installation's own name"
	}
	return ""
}

// publicSuffix asks the public suffix list, its private part included:
// below github.io live strangers too. A name whose suffix the list does not
// know is judged by its number of labels alone.
func publicSuffix(ascii string) bool {
	suffix, _ := publicsuffix.PublicSuffix(ascii)
	return suffix == ascii
}

// reservedNames are the names of RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC
// 9476 and ICANN's choice for private use.
var reservedNames = []string{
	"test", "example", "invalid", "localhost", "local", "onion", "alt", "internal", "home.arpa", "arpa",
	"example.com", "example.net", "example.org", "localdomain", "lan", "corp", "home", "mail",
}

func reserved(ascii string) bool {
	return slices.ContainsFunc(reservedNames, func(r string) bool { return ascii == r || strings.HasSuffix(ascii, "."+r) })
}

// Registrable is the name that was registered with a registry, by which the
// servers of its zone are found; the name itself if the list gives none.
func Registrable(ascii string) string {
	top, err := publicsuffix.EffectiveTLDPlusOne(ascii)
	if err != nil {
		return ascii
	}
	return top
}

// Above lists a name and the names above it, longest first, down to the
// registrable one.
func Above(ascii string) []string {
	least := Registrable(ascii)
	names := []string{ascii}
	for ascii != least {
		_, rest, more := strings.Cut(ascii, ".")
		if !more {
			break
		}
		ascii = rest
		names = append(names, ascii)
	}
	return names
}

// Warnings tells what a person should look at before trusting a name: letters
// of several scripts, a look-alike of a name known here, mailboxes that
// anybody makes for an hour (DC4, DC6).
func Warnings(n Name, known []string) []string {
	var out []string
	if disposable[n.ASCII] {
		out = append(out, n.ASCII+" hands out mailboxes for a short time")
	}
	if mixed(n.Unicode) {
		out = append(out, n.String()+" mixes letters of several scripts")
	}
	mine := skeleton(n.Unicode)
	for _, k := range known {
		if other := Show(k); other.ASCII != n.ASCII && skeleton(other.Unicode) == mine {
			out = append(out, n.String()+" looks like "+other.String())
		}
	}
	return out
}

// mixed reports whether one label has letters of more than one script. Kana
// and Han, Hangul and Han, Bopomofo and Han are written together.
func mixed(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		scripts := map[string]bool{}
		for _, r := range label {
			if unicode.IsLetter(r) {
				scripts[scriptOf(r)] = true
			}
		}
		if len(scripts) > 1 {
			return true
		}
	}
	return false
}

func scriptOf(r rune) string {
	switch {
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo):
		return "East Asian"
	case unicode.Is(unicode.Latin, r):
		return "Latin"
	case unicode.Is(unicode.Cyrillic, r):
		return "Cyrillic"
	case unicode.Is(unicode.Greek, r):
		return "Greek"
	}
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			return name
		}
	}
	return "other"
}
