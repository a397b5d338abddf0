package claim_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/internal/claim"
)

// TestParse is DC6.
func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"acme.com": "acme.com", " ACME.Com. ": "acme.com", "bücher.example.de": "xn--bcher-kva.example.de",
		"xn--bcher-kva.de": "xn--bcher-kva.de", "BÜCHER.de": "xn--bcher-kva.de", "faß.de": "xn--fa-hia.de",
		"": "", "acme..com": "", "acme.com..": "", "ann@acme.com": "", "https://acme.com": "", "*.acme.com": "", "192.0.2.1": "",
		"[192.0.2.1]": "", "2001:db8::1": "", "_dmarc.acme.com": "", "acme com": "", "-acme.com": "", "acme-.com": "", "acme.-com": "", "xn--a.com": "", "a\x00b.com": "",
		strings.Repeat("a.", 130) + "com": "", strings.Repeat("a", 64) + ".com": "", "acme.com\n": "acme.com",
	} {
		n, err := claim.Parse(text)
		if n.ASCII != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v, want %q", text, n.ASCII, err, want)
		}
	}
	if n, err := claim.Parse("xn--bcher-kva.de"); err != nil || n.Unicode != "bücher.de" || n.String() != "xn--bcher-kva.de (bücher.de)" {
		t.Errorf("%+v %v", n, err)
	}
}

// TestParseSaysWhat: people paste addresses and URLs, and are told which part
// is wanted (DC6).
func TestParseSaysWhat(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"ann@acme.com", "https://acme.com", "*.acme.com", "acme com"} {
		if _, err := claim.Parse(text); err == nil || !strings.Contains(err.Error(), "the part after the @") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestRefusal is DC4.
func TestRefusal(t *testing.T) {
	t.Parallel()
	rules := claim.Rules{PublicMail: []string{"ISP.example.net", "isp.no"}, Own: []string{"rollcall.acme.com"}}
	for name, want := range map[string]string{
		"acme.com": "", "mail.acme.com": "", "acme.co.uk": "", "me.github.io": "",
		"gmail.com": "mailboxes to anybody", "googlemail.com": "mailboxes", "hotmail.co.uk": "mailboxes", "isp.no": "mailboxes",
		"com": "single label", "localhost": "single label", "co.uk": "public suffix", "github.io": "public suffix", "blogspot.com": "public suffix",
		"acme.test": "reserved", "example.com": "reserved", "acme.local": "reserved", "1.0.192.in-addr.arpa": "reserved", "printer.lan": "reserved",
		"rollcall.acme.com": "own name",
	} {
		n, err := claim.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := claim.Refusal(n, rules); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	trial := claim.Rules{Reserved: true, PublicMail: []string{"mail.test"}}
	for name, want := range map[string]bool{"acme.test": true, "mail.test": false, "test": false, "gmail.com": false} {
		n, err := claim.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := claim.Refusal(n, trial) == ""; got != want {
			t.Errorf("%s in a trial: %t", name, got)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	known := []string{"acme.com", "paypal.com", "xn--bcher-kva.de"}
	for name, want := range map[string]string{
		"acme.org": "", "acme.com": "", "аcme.com": "looks like acme.com", "аcmе.org": "several scripts", "acrne.com": "looks like acme.com", "acme-.com": "",
		"раураl.com": "looks like paypal.com", "bucher.de": "looks like xn--bcher-kva.de (bücher.de)", "mailinator.com": "short time", "日本カナ.jp": "",
	} {
		n, err := claim.Parse(name)
		if err != nil {
			continue
		}
		got := strings.Join(claim.Warnings(n, known), "; ")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s (%s): %q, want %q", name, n.ASCII, got, want)
		}
	}
}

func TestAbove(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"a.b.acme.co.uk": {"a.b.acme.co.uk", "b.acme.co.uk", "acme.co.uk"}, "acme.com": {"acme.com"}, "acme.test": {"acme.test"}, "x.acme.test": {"x.acme.test", "acme.test"},
		"me.github.io": {"me.github.io"},
	} {
		if diff := cmp.Diff(want, claim.Above(name)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestChallenge(t *testing.T) {
	t.Parallel()
	a, b := claim.NewChallenge(), claim.NewChallenge()
	token := strings.TrimPrefix(a, "rollcall-verification=")
	// Base32: five bits a character.
	if a == b || len(token)*5 < 128 || token != strings.ToLower(token) || slices.Contains([]string{a, b}, "") {
		t.Errorf("%q %q", a, b)
	}
	if got := claim.RecordName("acme.com"); got != "_rollcall-challenge.acme.com" {
		t.Error(got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"acme.com", "bücher.de", "xn--bcher-kva.de", "..", "ａｃｍｅ.com", "a\u200db.com", "㏑.com"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := claim.Parse(text)
		if err != nil {
			return
		}
		again, err := claim.Parse(n.ASCII)
		if err != nil || again != n {
			t.Errorf("%q: %+v, and again %+v %v", text, n, again, err)
		}
		if up, err := claim.Parse(strings.ToUpper(n.ASCII) + "."); err != nil || up.ASCII != n.ASCII {
			t.Errorf("%q: letter case and the trailing dot: %+v %v", text, up, err)
		}
		for i := 0; i < len(n.ASCII); i++ {
			if c := n.ASCII[i]; c != '.' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				t.Fatalf("%q: %q", text, n.ASCII)
			}
		}
		claim.Refusal(n, claim.Rules{})
		claim.Warnings(n, []string{"acme.com"})
	})
}
