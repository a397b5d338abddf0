package scim

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fastForms are the filters that identity providers send again and again.
var fastForms = []string{
	`userName eq "ann@acme.com"`,
	`username Eq "Ann@ACME.com"`,
	`USERNAME EQ "Åse"`,
	`userName eq ""`,
	`externalId eq "00u1ab2"`,
	`displayName eq "Sales and (more)"`,
	`id eq "0199f3a2-7c1e-7d60-9a53-2f6d0c1b8e44"`,
	`active eq true`,
	`active eq False`,
	`emails[type eq "work"].value eq "ann@acme.com"`,
	`EMAILS[TYPE EQ "work"].VALUE EQ "ann@acme.com"`,
	`userName eq "ann@acme.com" and active eq true`,
	`active eq true AND userName eq "ann@acme.com"`,
	`externalId eq "1" and emails[type eq "work"].value eq "a@acme.com"`,
}

// fastGroupForms are those of Groups.
var fastGroupForms = []string{`displayName eq "Sales"`, `id eq "g1" and members eq "u1"`, `externalId Eq "0a21"`}

// slowForms look alike, but are the general way's business.
var slowForms = []string{
	``, `userName`, `userName eq`, `userName eq `, `userName eq "`, `userName eq "a`, `userName eq "a" `, ` userName eq "a"`,
	`userName  eq "a"`, `userName eq "a\"b"`, "userName eq \"a\nb\"", "userName eq \"\xff\"", "userName eq \"\x00\"", "loc\u212ale eq \"x\"", "u\u017ferName eq \"x\"",
	`userName eq ann`, `userName eq true`, `userName ne "a"`, `userNames eq "a"`, `active eq "True"`, `active eq truex`, `active eq true)`, `active eq true and`,
	`active eq true and active eq true and active eq true`, `userName eq "a"and active eq true`, `userName eq "a" or active eq true`,
	`emails[type eq "work"]`, `emails[type eq "work"].value ne "x"`, `emails[type eq work].value eq "x"`, `emails[type eq "work"].value eq "x`, `emails eq "x"`,
	`userName eq "` + strings.Repeat("a", maxFilterBytes) + `"`,
}

func TestFastFormsAreFast(t *testing.T) {
	for _, text := range fastForms {
		if _, ok := parseFast(text, testUserType, FilterOptions{}); !ok {
			t.Errorf("%s is not fast", text)
		}
	}
	for _, text := range slowForms {
		if f, ok := parseFast(text, testUserType, lenientFilter); ok {
			t.Errorf("%s is fast: %s", text, show(f))
		}
	}
	for _, text := range fastGroupForms {
		if _, ok := parseFast(text, testGroupType, FilterOptions{}); !ok {
			t.Errorf("%s is not fast", text)
		}
	}
	if _, ok := parseFast(`userName eq "x"`, testGroupType, FilterOptions{}); ok {
		t.Error("an unknown attribute is fast")
	}
}

// sameAsGeneral fails if the direct path gives a tree and the general way
// another one, or an error.
func sameAsGeneral(t *testing.T, text string) {
	t.Helper()
	for _, rt := range []*ResourceType{testUserType, testGroupType} {
		for _, opt := range []FilterOptions{{}, lenientFilter} {
			fast, ok := parseFast(text, rt, opt)
			if !ok {
				continue
			}
			general, err := parseGeneral(text, rt, opt)
			if err != nil {
				t.Fatalf("%q is fast (%s), but the general way says %v", text, show(fast), err)
			}
			if diff := cmp.Diff(general, fast); diff != "" {
				t.Fatalf("%q (-general +fast):\n%s", text, diff)
			}
		}
	}
}

func TestFastEqualsGeneral(t *testing.T) {
	for _, text := range slices.Concat(fastForms, fastGroupForms, slowForms) {
		sameAsGeneral(t, text)
	}
}

func FuzzFastFilter(f *testing.F) {
	for _, text := range slices.Concat(fastForms, fastGroupForms, slowForms) {
		f.Add(text)
	}
	f.Fuzz(sameAsGeneral)
}

func BenchmarkParseFilter(b *testing.B) {
	for _, text := range []string{fastForms[0], fastForms[9], fastForms[11]} {
		b.Run("fast/"+text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := parseFast(text, testUserType, FilterOptions{}); !ok {
					b.Fatal("not fast")
				}
			}
		})
		b.Run("general/"+text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := parseGeneral(text, testUserType, FilterOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
