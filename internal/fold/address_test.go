package fold

import (
	"net/mail"
	"strings"
	"testing"
)

// TestBadAddress is DC6: exactly one bare address.
func TestBadAddress(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"ann@acme.com": true, "ann+phone@acme.com": true, "o'neil@acme.com": true, "a.b@bücher.de": true, "ANN@ACME.COM.": true, "é@acme.com": true,
		"": false, "ann": false, "@acme.com": false, "ann@": false, "ann@@acme.com": false, "a@b@acme.com": false, "Ann <ann@acme.com>": false,
		"ann@acme.com, bob@acme.com": false, "ann%evil.net@acme.com": false, "evil!ann@acme.com": false, "ann\x00@acme.com": false, "ann@acme.com\r\nBcc: x": false,
		"ann@acme.com\n": false, `"ann"@acme.com`: false, "(c)ann@acme.com": false, "ann@[192.0.2.1]": false, "ann @acme.com": false, "ann\u0085@acme.com": true,
		strings.Repeat("a", 300) + "@acme.com": false, "ann\xff@acme.com": false,
	} {
		if got := BadAddress(text); (got == "") != good {
			t.Errorf("%q: %q, want good %t", text, got, good)
		}
	}
	if got := BadAddress(""); got != "the address is missing" {
		t.Errorf("nothing: %q", got)
	}
}

// FuzzBadAddress: what passes is read by a mail library as that very address,
// and by nobody as two.
func FuzzBadAddress(f *testing.F) {
	for _, s := range []string{"ann@acme.com", "a@b", "ann%x@acme.com", "Ann <ann@acme.com>", "a@b,c@d", "a\r\n@b", "a..b@c", "a@b."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if BadAddress(text) != "" {
			return
		}
		if strings.ContainsAny(text, "\r\n\x00<>,;") || strings.Count(text, "@") != 1 {
			t.Fatalf("%q passes", text)
		}
		local, domain, _ := strings.Cut(text, "@")
		if key := Email(text); !strings.HasSuffix(key, "@"+Domain(domain)) || !strings.HasPrefix(key, Key(local)) {
			t.Errorf("%q is filed under %q", text, key)
		}
		if a, err := mail.ParseAddress(text); err == nil && a.Address != text {
			t.Errorf("%q is %q to others", text, a.Address)
		}
	})
}
