package mapping

import "testing"

func TestDNUnder(t *testing.T) {
	base := "OU=Service Accounts,DC=acme,DC=com"
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
		b, err := parseDN(base)
		if err != nil {
			t.Fatal(err)
		}
		n, err := parseDN(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := dnUnder(n, b); got != want {
			t.Errorf("%s under %s: %v, want %v (%q)", name, base, got, want, n)
		}
	}
	a, _ := parseDN("cn=x+l=y,dc=z")
	b, _ := parseDN("L=Y+CN=X,DC=Z")
	if len(a) != len(b) || !dnUnder(a, b) {
		t.Errorf("parts of a multi-valued name have an order: %q, %q", a, b)
	}
	for _, bad := range []string{"", " ", "acme", "=x", `cn=x\`, `cn="x`, "cn=\\ff", ",dc=x"} {
		if n, err := parseDN(bad); err == nil {
			t.Errorf("%q was read as %q", bad, n)
		}
	}
}

func FuzzDN(f *testing.F) {
	f.Add("cn=x,ou=Service Accounts,dc=acme,dc=com")
	f.Add(`cn=a\,b+l=\c3\a6,dc="x,y"`)
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseDN(s)
		if err == nil && (len(n) == 0 || !dnUnder(n, n)) {
			t.Fatalf("%q is not under itself: %q", s, n)
		}
	})
}
