package ldap

import (
	"bytes"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// LM2: spellings of one name, and names that only look alike.
func TestDNKey(t *testing.T) {
	t.Parallel()
	const want = "cn=doe\\, ann,ou=sales,dc=acme,dc=com"
	for _, same := range []string{
		`CN=Doe\, Ann,OU=Sales,DC=acme,DC=com`, `cn=Doe\2c Ann,ou=sales,dc=acme,dc=com`, `cn="Doe, Ann",ou=sales,dc=acme,dc=com`,
		`cn = doe\,  ANN , ou= sales ; dc=acme,dc=com`, `CN=Ｄoe\, Ann,OU=Sales,DC=acme,DC=com`, `cn=Doe\, Ann\20,ou=sales,dc=acme,dc=com`,
	} {
		if got, err := DNKey(same); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", same, got, err, want)
		}
	}
	for _, pair := range [][2]string{
		{"b=2+a=1,dc=x", "A=1+B=2,DC=X"}, {"cn=Bücher,dc=x", "CN=BU\u0308CHER,dc=x"}, {"cn=straße,dc=x", "cn=STRASSE,dc=x"}, {"", " "},
		{`cn=a\2bb,dc=x`, `cn=a\+b,dc=x`}, {"OID.2.5.4.3=a", "2.5.4.3=A"},
	} {
		a, errA := DNKey(pair[0])
		b, errB := DNKey(pair[1])
		if a != b || errA != nil || errB != nil {
			t.Errorf("%q and %q: %q (%v) and %q (%v)", pair[0], pair[1], a, errA, b, errB)
		}
	}
	for _, pair := range [][2]string{{"cn=a+b=c,dc=x", `cn=a\+b=c,dc=x`}, {"cn=a,dc=x", "cn=a,dc=y"}, {`cn=a\,dc=x`, "cn=a,dc=x"}} {
		a, _ := DNKey(pair[0])
		b, _ := DNKey(pair[1])
		if a == b {
			t.Errorf("%q and %q have one key", pair[0], pair[1])
		}
	}
	for _, bad := range []string{"ann", "=x", "cn=a,", `cn="a`, `cn=a\`, "c n=a"} {
		if got, err := DNKey(bad); err == nil {
			t.Errorf("%q has the key %q", bad, got)
		}
	}
}

func TestDNUnder(t *testing.T) {
	t.Parallel()
	base, _ := parseDN("ou=people,dc=acme,dc=com")
	for name, want := range map[string]bool{
		"uid=a,OU=People, DC=acme,DC=com": true, "ou=people,dc=acme,dc=com": true, "dc=acme,dc=com": false, `uid=a,x=y\,ou=people,dc=acme,dc=com`: false,
		"uid=a,ou=other people,dc=acme,dc=com": false,
	} {
		d, err := parseDN(name)
		if err != nil || d.under(base) != want {
			t.Errorf("%s under the base: %v, %v", name, d.under(base), err)
		}
	}
}

func FuzzDNKey(f *testing.F) {
	for _, s := range []string{"cn=a,dc=b", `cn=a\2c\00 b+x="y;"`, "#", "cn=#616263", `cn=\ff\fe`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, err := DNKey(s)
		if err != nil {
			return
		}
		if again, err := DNKey(key); err != nil || again != key {
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
		d, err := parseDN("cn=" + goldap.EscapeDN(v) + ",dc=acme")
		if err != nil || len(d) != 2 || d[0] != "cn="+escapeValue(foldValue([]byte(v))) {
			t.Fatalf("%q: %q, %v", v, d, err)
		}
	})
}

// LM1: the bytes of an objectGUID and its text.
func TestGUID(t *testing.T) {
	t.Parallel()
	raw := []byte{0x7d, 0xda, 0x67, 0xcc, 0xd7, 0xbb, 0xad, 0x49, 1, 2, 3, 4, 5, 6, 7, 8}
	text, err := guidText(string(raw))
	if err != nil || text != "cc67da7d-bbd7-49ad-0102-030405060708" {
		t.Errorf("%s, %v", text, err)
	}
	if back, err := guidBytes(text); err != nil || !bytes.Equal(back, raw) {
		t.Errorf("%x, %v", back, err)
	}
	if id, err := newIDKind("nsUniqueId").read([]string{"D8B7D501-1dd211b2-80d5d3f0-b7d9f0bc"}); id != "d8b7d501-1dd2-11b2-80d5-d3f0b7d9f0bc" || err != nil {
		t.Errorf("nsUniqueId: %s, %v", id, err)
	}
	for _, bad := range [][]string{nil, {""}, {"x"}, {string(raw), string(raw)}} {
		if id, err := newIDKind("objectGUID").read(bad); err == nil {
			t.Errorf("%v reads as %q", bad, id)
		}
	}
}

// FT14: an id finds exactly itself: the filter is one equality over the exact
// octets, whatever stands in it.
func TestIDFilter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringN(1, 20, -1).Draw(t, "id")
		if _, err := uuid.Parse(id); err == nil {
			t.Skip("an id of its own form")
		}
		f, err := newIDKind("badgeNumber").filter(id)
		if err != nil {
			t.Fatal(err)
		}
		p, err := goldap.CompileFilter(f)
		if err != nil || p.Tag != goldap.FilterEqualityMatch || p.Children[1].Data.String() != id {
			t.Fatalf("%q gives %s: %v", id, f, err)
		}
	})
	for _, kind := range []string{"objectGUID", "entryUUID", "nsUniqueId"} {
		if f, err := newIDKind(kind).filter("*)(uid=*"); err == nil {
			t.Errorf("%s: %s", kind, f)
		}
	}
}
