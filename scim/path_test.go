package scim

import (
	"errors"
	"strings"
	"testing"
)

// showPath spells a path with its canonical names.
func showPath(p Path) string {
	var b strings.Builder
	b.WriteString(p.Extension)
	if p.Attribute == nil {
		return b.String() + "*"
	}
	if p.Extension != "" {
		b.WriteByte(':')
	}
	b.WriteString(p.Attribute.Name)
	if p.Filter != nil {
		b.WriteString("[" + show(p.Filter) + "]")
	}
	if p.Sub != nil {
		b.WriteString("." + p.Sub.Name)
	}
	return b.String()
}

func TestParsePath(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"attribute", "active", "active"},
		{"letter case, spaces", " ACTIVE ", "active"},
		{"sub-attribute", "name.givenname", "name.givenName"},
		{"whole list stays whole", "emails", "emails"},
		{"list and sub-attribute", "emails.value", "emails.value"},
		{"common", "externalId", "externalId"},
		{"secret may be written", "password", "password"},
		{"extension", URNEnterpriseUser + ":manager", URNEnterpriseUser + ":manager"},
		{"extension sub-attribute", URNEnterpriseUser + ":manager.value", URNEnterpriseUser + ":manager.value"},
		{"core URN", "urn:ietf:params:scim:schemas:core:2.0:User:name.familyName", "name.familyName"},
		{"value path", `emails[type eq "work"]`, `emails[emails.type eq "work"]`},
		{"value path and sub-attribute", `emails[type eq "work"].value`, `emails[emails.type eq "work"].value`},
		{"value path with spaces", ` emails [ type eq "work" ].value `, `emails[emails.type eq "work"].value`},
		{"LB05 parentheses", `emails[(type eq "work")].value`, `emails[emails.type eq "work"].value`},
		{"three terms", `emails[type eq "work" and primary eq true and value pr]`, `emails[(emails.type eq "work" and emails.primary eq true and emails.value pr)]`},
		{"list of scalars", URNRollcallUser + `:sharedNumbers[value eq "+4930"]`, URNRollcallUser + `:sharedNumbers[` + URNRollcallUser + `:sharedNumbers eq "+4930"]`},
		{"LB06 whole URN", URNEnterpriseUser, URNEnterpriseUser + "*"},
		{"LB06 whole URN, letter case", strings.ToUpper(URNEnterpriseUser), URNEnterpriseUser + "*"},
		{"LB06 whole core URN", "urn:ietf:params:scim:schemas:core:2.0:User", "*"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := ParsePath(tt.text, testUserType, FilterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := showPath(p); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("TL03 Entra's string boolean", func(t *testing.T) {
		p, err := ParsePath(`roles[primary eq "True"].value`, testUserType, lenientFilter)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := showPath(p), `roles[roles.primary eq true].value`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("TL13", func(t *testing.T) {
		p, err := ParsePath("urn:scim:schemas:extension:enterprise:1.0", testUserType, lenientFilter)
		if err != nil || p.Extension != URNEnterpriseUser {
			t.Errorf("got %+v, %v", p, err)
		}
	})
}

func TestParsePathErrors(t *testing.T) {
	tests := []struct{ name, text, scimType, detail string }{
		{"empty", "", "invalidPath", "Invalid: the path ends where an attribute name in ASCII is expected"},
		{"unknown", "bogus", "invalidPath", `Invalid: User has no attribute "bogus"`},
		{"unknown URN", "urn:acme:2.0:User", "invalidPath", `Invalid: User has no attribute "urn:acme:2.0:User"`},
		{"three levels", "emails.value.x", "invalidPath", `Invalid: "emails.value.x" at position 1 is no attribute name`},
		{"two words", "active x", "invalidPath", "Invalid: the end of the path is expected at position 8"},
		{"slash", "/emails/0", "invalidPath", "Invalid: an attribute name in ASCII is expected at position 1"},
		{"index", "emails[0]", "invalidFilter", "Invalid: an attribute name in ASCII is expected at position 8"},
		{"open bracket", `emails[type eq "work"`, "invalidFilter", `Invalid: the path ends where "]" is expected`},
		{"empty brackets", `emails[]`, "invalidFilter", "Invalid: an attribute name in ASCII is expected at position 8"},
		{"two brackets", `emails[type pr][type pr]`, "invalidPath", "Invalid: the end of the path is expected at position 16 of the path"},
		{"operator behind", `emails[type pr].value eq "x"`, "invalidPath", "Invalid: the end of the path is expected at position 23"},
		{"no list", `name[givenName pr]`, "invalidFilter", "Invalid [LB07]: name is no list"},
		{"sub-attribute before brackets", `emails.type[value pr]`, "invalidFilter", "Invalid [LB07]: emails.type is no list"},
		{"unknown in brackets", `emails[bogus pr]`, "invalidFilter", `Invalid [LB07]: emails has no sub-attribute "bogus"`},
		{"unknown behind brackets", `emails[type pr].bogus`, "invalidPath", `Invalid: emails has no sub-attribute "bogus"`},
		{"dotted behind brackets", `emails[type pr].value.x`, "invalidPath", `Invalid: emails has no sub-attribute "value.x"`},
		{"GD01 length", strings.Repeat("a", 513), "invalidPath", "Invalid [GD01]: the path has 513 bytes, at most 512 are read"},
		{"GD01 identifier", strings.Repeat("a", 257), "invalidPath", "Invalid [GD01]: the attribute name at position 1"},
		{"GD02 nesting", "emails[" + strings.Repeat("(", 10) + "type pr", "invalidFilter", "Invalid [GD02]: the filter nests deeper than 10 levels"},
		{"GD06 UTF-8", "em\xffails", "invalidPath", "Invalid [GD06]: the path is not valid UTF-8 text"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := ParsePath(tt.text, testUserType, FilterOptions{})
			var answer *Error
			if !errors.As(err, &answer) {
				t.Fatalf("got %s, %v", showPath(p), err)
			}
			if answer.Status != 400 || answer.ScimType != tt.scimType || !strings.HasPrefix(answer.Detail, tt.detail) {
				t.Errorf("got  %s %s\nwant %s %s", answer.ScimType, answer.Detail, tt.scimType, tt.detail)
			}
		})
	}
}

func TestMatchEntry(t *testing.T) {
	tests := []struct {
		path  string
		entry any
		want  bool
	}{
		{`emails[type eq "WORK"]`, map[string]any{"type": "work"}, true},
		{`emails[type eq "home"]`, map[string]any{"type": "work"}, false},
		{`emails[type ne "home"]`, map[string]any{"value": "x"}, true},
		{`emails[primary eq false]`, map[string]any{"value": "x"}, true},
		{`emails[type pr]`, nil, false},
		{URNRollcallUser + `:sharedNumbers[value eq "+4930"]`, "+4930", true},
		{URNRollcallUser + `:sharedNumbers[value eq "+4930"]`, "+4940", false},
	}
	for _, tt := range tests {
		p, err := ParsePath(tt.path, testUserType, FilterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := MatchEntry(p.Filter, tt.entry); got != tt.want {
			t.Errorf("%s on %v: %v, want %v", tt.path, tt.entry, got, tt.want)
		}
	}
}
