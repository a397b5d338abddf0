package scim

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// The pattern that secret scanners are given (scim.md section 11).
var scannerPattern = regexp.MustCompile(`^rcs_[a-z2-7]{8}_[a-z2-7]{52}_[0-9a-f]{8}$`)

func TestNewTokenIsReadBack(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		tok, err := NewToken()
		if err != nil {
			t.Fatal(err)
		}
		text := tok.Reveal()
		if !scannerPattern.MatchString(text) {
			t.Fatalf("%q is not what scanners look for", text)
		}
		if seen[tok.ID] || seen[text] {
			t.Fatalf("made twice: %s", tok.ID)
		}
		seen[tok.ID], seen[text] = true, true
		back, err := ParseToken(text)
		if err != nil || back.ID != tok.ID || !back.Verify(tok.Hash()) {
			t.Fatalf("ParseToken(%q) = %v, %v", text, back, err)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v", tok, tok, tok), text) {
			t.Fatal("a printed token shows its secret")
		}
	}
}

func TestParseTokenRefuses(t *testing.T) {
	t.Parallel()
	tok, err := NewToken()
	if err != nil {
		t.Fatal(err)
	}
	good := tok.Reveal()
	for name, text := range map[string]string{
		"empty": "", "cut": good[:len(good)-1], "longer": good + "0", "upper case": strings.ToUpper(good),
		"wrong checksum": good[:len(good)-8] + flip(good[len(good)-8:]), "other prefix": "rca" + good[3:],
		"slip in the id": good[:4] + flip(good[4:5]) + good[5:], "blank": " " + good[1:],
		"slip in the secret": good[:20] + flip(good[20:21]) + good[21:], "huge": strings.Repeat(good, 10000),
	} {
		if got, err := ParseToken(text); err == nil || got.ID != "" {
			t.Errorf("%s: taken for a token", name)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error quotes the text: %v", name, err)
		}
	}
}

// flip changes the first character to another one of both alphabets.
func flip(s string) string {
	if s[0] == 'a' {
		return "b" + s[1:]
	}
	return "a" + s[1:]
}

func TestVerify(t *testing.T) {
	t.Parallel()
	one, err := NewToken()
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewToken()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		stored string
		want   bool
	}{
		"its own": {one.Hash(), true}, "another's": {other.Hash(), false}, "unknown id": {"", false},
		"the dummy": {strings.Repeat("0", 64), false}, "cut": {one.Hash()[:63], false}, "upper case": {strings.ToUpper(one.Hash()), false},
	} {
		if got := one.Verify(c.stored); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add("")
	f.Add("rcs_aaaaaaaa_" + strings.Repeat("a", 52) + "_00000000")
	f.Add("rcs_")
	f.Fuzz(func(t *testing.T, text string) {
		tok, err := ParseToken(text)
		if err != nil {
			return
		}
		if !scannerPattern.MatchString(text) || tok.Reveal() != text || text[4:12] != tok.ID {
			t.Errorf("%q reads as id %q", text, tok.ID)
		}
	})
}
