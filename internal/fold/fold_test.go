package fold

import (
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestKey(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"lower ASCII", "ann@acme.com", "ann@acme.com"},
		{"upper ASCII", "Ann@ACME.com", "ann@acme.com"},
		{"sharp s", "Straße", "strasse"},
		{"capital sharp s", "STRAẞE", "strasse"},
		{"final sigma", "ΝΊΚΟΣ", "νίκοσ"},
		{"full width", "ＡＢＣ", "abc"},
		{"ligature", "ﬁn", "fin"},
		{"composed and decomposed", "A\u030angström", "ångström"},
		{"kelvin sign", "\u212a", "k"},
		{"dotted capital I", "İ", "i\u0307"},
		{"invalid UTF-8", "a\xff", "a\ufffd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Key(tt.in); got != tt.want {
				t.Errorf("Key(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestKeyOfEveryRuneIsStable(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		k := Key(string(r))
		if again := Key(k); again != k {
			t.Errorf("Key is not idempotent for %U: %q, then %q", r, k, again)
		}
	}
}

func TestKeyProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		k := Key(s)
		if again := Key(k); again != k {
			t.Fatalf("Key(Key(%q)) = %q, want %q", s, again, k)
		}
		if !utf8.ValidString(k) {
			t.Fatalf("Key(%q) = %q is not UTF-8", s, k)
		}
		if !Equal(s, k) {
			t.Fatalf("%q does not equal its key", s)
		}
	})
}

func TestKeyOfLowerASCIIAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Key("ann@acme.com") }); n != 0 {
		t.Errorf("Key allocates %v times, want 0", n)
	}
}
