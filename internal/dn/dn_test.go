package dn

import (
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"pgregory.net/rapid"
)

// LM2: spellings of one name, and names that only look alike.
func TestKey(t *testing.T) {
	t.Parallel()
	const want = "cn=doe\\, ann,ou=sales,dc=acme,dc=com"
	for _, same := range []string{
		`CN=Doe\, Ann,OU=Sales,DC=acme,DC=com`, `cn=Doe\2c Ann,ou=sales,dc=acme,dc=com`, `cn="Doe, Ann",ou=sales,dc=acme,dc=com`,
		`cn = doe\,  ANN , ou= sales ; dc=acme,dc=com`, `CN=Ｄoe\, Ann,OU=Sales,DC=acme,DC=com`, `cn=Doe\, Ann\20,ou=sales,dc=acme,dc=com`,
	} {
		if got, err := Key(same); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", same, got, err, want)
		}
	}
	for _, pair := range [][2]string{
		{"b=2+a=1,dc=x", "A=1+B=2,DC=X"},
		{"cn=Bücher,dc=x", "CN=BU\u0308CHER,dc=x"},
		{"cn=straße,dc=x", "cn=STRASSE,dc=x"},
		{"", " "},
		{`cn=a\2bb,dc=x`, `cn=a\+b,dc=x`},
		{"OID.2.5.4.3=a", "2.5.4.3=A"},
	} {
		a, errA := Key(pair[0])
		b, errB := Key(pair[1])
		if a != b || errA != nil || errB != nil {
			t.Errorf("%q and %q: %q (%v) and %q (%v)", pair[0], pair[1], a, errA, b, errB)
		}
	}
	for _, pair := range [][2]string{{"cn=a+b=c,dc=x", `cn=a\+b=c,dc=x`}, {"cn=a,dc=x", "cn=a,dc=y"}, {`cn=a\,dc=x`, "cn=a,dc=x"}} {
		a, _ := Key(pair[0])
		b, _ := Key(pair[1])
		if a == b {
			t.Errorf("%q and %q have one key", pair[0], pair[1])
		}
	}
	for _, bad := range []string{"ann", "=x", "cn=a,", `cn="a`, `cn=a\`, "c n=a"} {
		if got, err := Key(bad); err == nil {
			t.Errorf("%q has the key %q", bad, got)
		}
	}
}

func TestDNUnder(t *testing.T) {
	t.Parallel()
	base, _ := Parse("ou=people,dc=acme,dc=com")
	for name, want := range map[string]bool{
		"uid=a,OU=People, DC=acme,DC=com": true, "ou=people,dc=acme,dc=com": true, "dc=acme,dc=com": false, `uid=a,x=y\,ou=people,dc=acme,dc=com`: false,
		"uid=a,ou=other people,dc=acme,dc=com": false,
	} {
		d, err := Parse(name)
		if err != nil || d.Under(base) != want {
			t.Errorf("%s under the base: %v, %v", name, d.Under(base), err)
		}
	}
}

func FuzzKey(f *testing.F) {
	for _, s := range []string{"cn=a,dc=b", `cn=a\2c\00 b+x="y;"`, "#", "cn=#616263", `cn=\ff\fe`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, err := Key(s)
		if err != nil {
			return
		}
		if again, err := Key(key); err != nil || again != key {
			t.Errorf("%q: key %q has the key %q, %v", s, key, again, err)
		}
	})
}

// FT14: a value that is escaped for a name reads back as itself and adds no
// part.
func TestDNEscapes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.String().Draw(t, "value")
		d, err := Parse("cn=" + goldap.EscapeDN(v) + ",dc=acme")
		if err != nil || len(d) != 2 || d[0] != "cn="+escapeValue(Value([]byte(v))) {
			t.Fatalf("%q: %q, %v", v, d, err)
		}
	})
}

// A name lies under another only as a whole: what looks like a base inside a
// value is no base.
func TestUnder(t *testing.T) {
	t.Parallel()
	base, err := Parse("OU=Service Accounts,DC=acme,DC=com")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"cn=x,ou=service  accounts,dc=ACME,dc=com":          true,
		"CN=x , OU=Service Accounts , DC=acme , DC=com":     true,
		`cn=a\,b,cn=c,ou=Service\20Accounts,dc=acme,dc=com`: true,
		"ou=Service Accounts,dc=acme,dc=com":                true,
		"cn=x,ou=People,dc=acme,dc=com":                     false,
		`cn=x\,ou=Service Accounts,dc=acme,dc=com`:          false,
		"cn=ou=Service Accounts,dc=acme,dc=com":             false,
		"cn=x,ou=Service Accounts+l=Oslo,dc=acme,dc=com":    false,
		`cn=x,ou="Service Accounts",dc=acme,dc=com`:         true,
		"dc=com": false,
		"uid=x,cn=ou\\=Service Accounts\\,dc\\=acme,dc=acme,dc=com": false,
	} {
		n, err := Parse(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := n.Under(base); got != want {
			t.Errorf("%s under %s: %v, want %v", name, base, got, want)
		}
	}
}
