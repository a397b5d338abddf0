package fold

import "testing"

func TestEmail(t *testing.T) {
	for _, tt := range []struct{ name, a, b string }{
		{"letter case", "Ann@ACME.com", "ann@acme.com"},
		{"trailing dot", "ann@acme.com.", "ann@acme.com"},
		{"blanks around", " ann@acme.com ", "ann@acme.com"},
		{"full-width letters", "ａnn@acme.com", "ann@acme.com"},
		{"IDN domain and its ASCII form", "ann@bücher.example", "ann@xn--bcher-kva.example"},
		{"IDN domain in capitals", "ann@BÜCHER.example", "ann@xn--bcher-kva.example"},
		{"the last @ parts", `"a@b"@BÜCHER.example.`, `"a@b"@xn--bcher-kva.example`},
		{"sharp s folds", "strasse@acme.com", "straße@acme.com"},
	} {
		if Email(tt.a) != Email(tt.b) {
			t.Errorf("%s: %q gives %q, %q gives %q (I6)", tt.name, tt.a, Email(tt.a), tt.b, Email(tt.b))
		}
	}
	for _, tt := range []struct{ name, a, b string }{
		{"plus addressing stays apart", "ann+x@acme.com", "ann@acme.com"},
		{"dots stay apart", "a.nn@acme.com", "ann@acme.com"},
		{"sub-domain stays apart", "ann@eu.acme.com", "ann@acme.com"},
		{"Cyrillic twin stays apart", "аnn@acme.com", "ann@acme.com"},
	} {
		if Email(tt.a) == Email(tt.b) {
			t.Errorf("%s: %q and %q have one key %q (DC6)", tt.name, tt.a, tt.b, Email(tt.a))
		}
	}
}

func FuzzEmail(f *testing.F) {
	f.Add("ann@acme.com")
	f.Add("ann@bücher.example.")
	f.Add("@")
	f.Fuzz(func(t *testing.T, s string) {
		once := Email(s)
		if len(s) < 200 && Email(once) != once {
			t.Errorf("key of %q is %q, whose key is %q", s, once, Email(once))
		}
	})
}
