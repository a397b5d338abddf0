package scim

import (
	"errors"
	"strings"
	"testing"
)

func TestParseFilter(t *testing.T) {
	tests := []struct {
		name, text, want string
	}{
		{"simple", `userName eq "ann"`, `userName eq "ann"`},
		{"folded key beside the text", `userName eq "Ann"`, `userName eq "Ann"~"ann"`},
		{"exact", `externalId eq "Ann"`, `externalId eq "Ann"`},
		{"Ping's operator case", `username Eq "u"`, `userName eq "u"`},
		{
			"all operators", `title co "a" and title sw "b" and title ew "c" and title gt "d" and title ge "e" and title lt "f" and title le "g" and title ne "h" and title pr`,
			`(title co "a" and title sw "b" and title ew "c" and title gt "d" and title ge "e" and title lt "f" and title le "g" and title ne "h" and title pr)`,
		},
		{"and binds tighter", `title pr or title pr and userName pr or active pr`, `(title pr or (title pr and userName pr) or active pr)`},
		{"nested same operator is flat", `title pr and (userName pr and (active pr and id pr))`, `(title pr and userName pr and active pr and id pr)`},
		{"not", `not (title pr)`, `(not title pr)`},
		{"not without space", `NOT(title pr)`, `(not title pr)`},
		{"eq null", `title eq null`, `(not title pr)`},
		{"ne null", `title ne Null`, `title pr`},
		{"boolean", `active eq FALSE`, `active eq false`},
		{"date", `meta.lastModified ge "2026-11-21T10:00:00.5+01:00"`, `meta.lastModified ge @1795251600500000`},
		{"date without zone is UTC", `meta.created lt "1970-01-01T00:00:01"`, `meta.created lt @1000000`},
		{"date without time is midnight", `meta.created ge "1970-01-02"`, `meta.created ge @86400000000`},
		{"bare list is its value", `emails co "@acme.com"`, `emails.value co "@acme.com"`},
		{"bare complex with value", URNEnterpriseUser + `:manager eq "M1"`, URNEnterpriseUser + `:manager.value eq "M1"`},
		{"bare complex list pr", `emails pr`, `emails.value pr`},
		{"complex without value pr", `name pr`, `name pr`},
		{"Entra members", `id eq "g" and members eq "u"`, ``},
		{"value path", `emails[type eq "work" and value co "@acme.com"]`, `emails[(emails.type eq "work" and emails.value co "@acme.com")]`},
		{"value path with or, not", `emails[not (type eq "work" or primary eq true)]`, `emails[(not (emails.type eq "work" or emails.primary eq true))]`},
		{"list of scalars", URNRollcallUser + `:sharedNumbers eq "+4930"`, URNRollcallUser + `:sharedNumbers eq "+4930"`},
		{"list of scalars, value path", URNRollcallUser + `:sharedNumbers[value sw "+49"]`, URNRollcallUser + `:sharedNumbers[` + URNRollcallUser + `:sharedNumbers sw "+49"]`},
		{"integer", URNRollcallUser + `:numberAssignments.ringPosition gt 2`, URNRollcallUser + `:numberAssignments.ringPosition gt 2`},
		{"decimal", urnAcme + `:load le -2.50e1`, urnAcme + `:load le -25`},
		{"LB03 escapes", `displayName eq "a\"b\\\/\b\f\n\r\t\u00e5\uD83D\ude00"`, `displayName eq "a\"b\\/\b\f\n\r\tå😀"`},
		{"LB03 literal with syntax inside", `displayName eq "x\") or (title pr"`, `displayName eq "x\") or (title pr"`},
		{"LB05 outer spaces", "  \ttitle pr  ", `title pr`},
		{"LB05 parentheses in brackets", `emails[(type eq "work")]`, `emails[emails.type eq "work"]`},
		{"LB05 sub-attribute behind brackets", `emails[type eq "work"].value eq "x@acme.com"`, `emails[(emails.type eq "work" and emails.value eq "x@acme.com")]`},
		{"LB05 the same with or", `emails[type eq "work" or primary eq true].value pr`, `emails[((emails.type eq "work" or emails.primary eq true) and emails.value pr)]`},
		{"LB05 three terms in brackets", `emails[type eq "work" and primary eq true and value pr]`, `emails[(emails.type eq "work" and emails.primary eq true and emails.value pr)]`},
		{"LB08 common attributes", `id eq "A" and externalId eq "B" and meta.resourceType eq "User"`, `(id eq "A" and externalId eq "B" and meta.resourceType eq "User")`},
		{
			"LB08 core and extension, URN in any case", `userName pr and URN:ietf:params:scim:schemas:extension:ENTERPRISE:2.0:user:Department eq "x"`,
			`(userName pr and ` + URNEnterpriseUser + `:department eq "x")`,
		},
		{"LB08 core URN", `urn:ietf:params:scim:schemas:core:2.0:User:name.givenName eq "x"`, `name.givenName eq "x"`},
		{"hyphens in URN", URNEnterpriseUser + `:manager.$ref pr`, URNEnterpriseUser + `:manager.$ref pr`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rt, want := testUserType, tt.want
			if want == "" {
				rt, want = testGroupType, `(id eq "g" and members.value eq "u")`
			}
			for _, opt := range []FilterOptions{{}, lenientFilter} {
				f, err := ParseFilter(tt.text, rt, opt)
				if err != nil {
					t.Fatalf("lenient=%v: %v", opt.Lenient, err)
				}
				if got := show(f); got != want {
					t.Errorf("lenient=%v: got %s, want %s", opt.Lenient, got, want)
				}
			}
		})
	}
}

// Tolerances hold in lenient profiles, are named, and are refused in strict.
func TestParseFilterTolerance(t *testing.T) {
	tests := []struct {
		text, want, id string
	}{
		{`active eq "True"`, `active eq true`, "TL03"},
		{`active eq 1`, `active eq true`, "TL03"},
		{`active ne "0"`, `active ne false`, "TL03"},
		{`roles[primary eq "True"]`, `roles[roles.primary eq true]`, "TL03"},
		{URNRollcallUser + `:numberAssignments.ringPosition eq "3"`, URNRollcallUser + `:numberAssignments.ringPosition eq 3`, "TL04"},
		{`externalId eq 1E5`, `externalId eq "1E5"`, "TL04"},
		{`displayName eq True`, `displayName eq "True"~"true"`, "TL04"},
		{`userName eq ann@acme.com`, `userName eq "ann@acme.com"`, "TL11"},
		{`(userName eq ann)`, `userName eq "ann"`, "TL11"},
		{`externalId eq 007`, `externalId eq "007"`, "TL11"},
		{`displayName eq Åse`, `displayName eq "Åse"~"åse"`, "TL11"},
		{`email Co "u"`, `emails.value co "u"`, "TL12"},
		{`urn:scim:schemas:core:1.0:userName pr`, `userName pr`, "TL13"},
		{`urn:scim:schemas:extension:enterprise:1.0:department pr`, URNEnterpriseUser + `:department pr`, "TL13"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			var used []string
			opt := FilterOptions{Lenient: true, OnTolerance: func(id string) { used = append(used, id) }}
			f, err := ParseFilter(tt.text, testUserType, opt)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(f); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if len(used) != 1 || used[0] != tt.id {
				t.Errorf("tolerances used: %v, want %s", used, tt.id)
			}
			if f, err := ParseFilter(tt.text, testUserType, FilterOptions{}); err == nil {
				t.Errorf("strict accepts %s", show(f))
			}
		})
	}
}

func TestParseFilterErrors(t *testing.T) {
	tests := []struct {
		name, text, detail string
	}{
		{"empty", ``, `Invalid: the filter ends where an attribute name in ASCII is expected`},
		{"blank", `   `, `Invalid: the filter ends where`},
		{"no operator", `userName`, `Invalid: the filter ends where an operator (eq,`},
		{"unknown operator", `userName like "x"`, `Invalid: an operator (eq, ne, co, sw, ew, pr, gt, ge, lt, le) is expected at position 10`},
		{"no value", `userName eq `, `Invalid: the filter ends where a value is expected`},
		{"two words", `displayName eq Sales Team`, `Invalid: "and", "or" or the end of the filter is expected at position 22`},
		{"single quotes", `userName eq 'ann'`, `Invalid: a value in double quotes is expected at position 13`},
		{"open string", `userName eq "ann`, `Invalid: the string at position 13 has no closing double quote`},
		{"open string after escape", `userName eq "ann\"`, `Invalid: the string at position 13 has no closing double quote`},
		{"bad escape", `userName eq "\x"`, `Invalid [LB03]: the escape at position 14`},
		{"short escape", `userName eq "\u12"`, `Invalid [LB03]: the escape at position 14`},
		{"NUL escape", `userName eq "\u0000"`, `Invalid [LB03]: the escape at position 14`},
		{"lone surrogate", `userName eq "\ud800x"`, `Invalid [LB03]: the escape at position 14`},
		{"control in string", "userName eq \"a\nb\"", `Invalid: a control character stands in the string at position 15`},
		{"open parenthesis", `(title pr`, `Invalid: the filter ends where ")" is expected`},
		{"extra parenthesis", `title pr)`, `Invalid: "and", "or" or the end of the filter is expected at position 9`},
		{"crossed", `(emails[type pr)]`, `Invalid: "and", "or" or the end of the filter is expected at position 16`},
		{"open bracket", `emails[type pr`, `Invalid: the filter ends where "]" is expected`},
		{"value path in value path", `emails[type[value pr]]`, `Invalid: a value path stands inside another at position 12`},
		{"nothing behind and", `title pr and `, `Invalid: the filter ends where an attribute name`},
		{"two operators", `title pr and or title pr`, `Invalid: an operator (eq, ne, co, sw, ew, pr, gt, ge, lt, le) is expected at position 17`},
		{"empty parentheses", `()`, `Invalid: an attribute name in ASCII is expected at position 2`},
		{"bad name", `user..name pr`, `Invalid: "user..name" at position 1 is no attribute name`},
		{"unknown", `bogus eq "x"`, `Invalid: User has no attribute "bogus"`},
		{"unknown sub-attribute", `name.bogus eq "x"`, `Invalid: User has no attribute "name.bogus"`},
		{"unknown URN", `urn:acme:x:userName pr`, `Invalid: User has no attribute "urn:acme:x:userName"`},
		{"secret", `password eq "x"`, `Invalid: password cannot be filtered by`},
		{"null with order", `title gt null`, `Invalid [LB07]: the value does not fit title, which is a string`},
		{"boolean word", `active eq "maybe"`, `Invalid [LB07]: the value does not fit active, which is a boolean`},
		{"boolean null order", `active gt null`, `Invalid [LB07]: the operator gt does not fit active, which is a boolean`},
		{"date", `meta.created gt "yesterday"`, `Invalid [LB07]: the value does not fit meta.created, which is a date`},
		{"date with co", `meta.created co "2026"`, `Invalid [LB07]: the operator co does not fit meta.created, which is a date`},
		{"complex", `name eq "x"`, `Invalid [LB07]: the operator eq does not fit name, which is complex`},
		{"binary order", `x509Certificates.value gt "x"`, `Invalid [LB07]: the operator gt does not fit x509Certificates.value, which is binary`},
		{"LB04 integer out of range", URNRollcallUser + `:numberAssignments.ringPosition eq 99999999999999999999`, `Invalid [LB07]: the value does not fit ` + URNRollcallUser + `:numberAssignments.ringPosition, which is an integer`},
		{"LB04 fraction for integer", URNRollcallUser + `:numberAssignments.ringPosition eq 1.5`, `Invalid [LB07]: the value does not fit`},
		{"LB04 decimal out of range", urnAcme + `:load eq 1e999`, `Invalid [LB07]: the value does not fit`},
		{"LB07 unknown list", `bogus[x eq 1]`, `Invalid: User has no attribute "bogus"`},
		{"LB07 unknown in list", `emails[bogus eq 1]`, `Invalid [LB07]: emails has no sub-attribute "bogus"`},
		{"LB07 list name in list", `emails[emails.type eq "work"]`, `Invalid [LB07]: emails has no sub-attribute "emails.type"`},
		{"LB07 operator", `active gt true`, `Invalid [LB07]: the operator gt does not fit active, which is a boolean`},
		{"LB07 no list", `name[givenName eq "x"]`, `Invalid [LB07]: name is no list, so it takes no filter in brackets`},
		{"LB07 sub-attribute no list", `emails.type[value eq "x"]`, `Invalid [LB07]: emails.type is no list`},
		{"GD01 length", `userName eq "` + strings.Repeat("a", 4096) + `"`, `Invalid [GD01]: the filter has 4110 bytes, at most 4096 are read`},
		{"GD01 identifier", strings.Repeat("a", 257) + ` pr`, `Invalid [GD01]: the attribute name at position 1 has more than 256 bytes`},
		{"GD01 identifier in ASCII", `üser pr`, `Invalid: an attribute name in ASCII is expected at position 1`},
		{"GD01 Kelvin sign", "loc\u212ale pr", `Invalid: an operator`},
		{"GD02 nesting", strings.Repeat("(", 11) + `title pr` + strings.Repeat(")", 11), `Invalid [GD02]: the filter nests deeper than 10 levels at position 11`},
		{"GD02 nesting with not", strings.Repeat("not (", 11) + `title pr` + strings.Repeat(")", 11), `Invalid [GD02]: the filter nests deeper than 10 levels`},
		{"GD02 nesting with brackets", strings.Repeat("(", 10) + `emails[type pr]` + strings.Repeat(")", 10), `Invalid [GD02]: the filter nests deeper than 10 levels`},
		{"GD02 brackets", strings.Repeat("((title pr)) and ", 33) + `title pr`, `Invalid [GD02]: the filter has more than 64 brackets`},
		{"GD02 terms", strings.Repeat("title pr and ", 64) + `title pr`, `Limit [GD02]: the filter has more than 64 terms`},
		{"GD06 UTF-8", "userName eq \"\xff\"", `Invalid [GD06]: the filter is not valid UTF-8 text`},
		{"GD06 NUL", "userName eq \"\x00\"", `Invalid [GD06]: the filter is not valid UTF-8 text`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, opt := range []FilterOptions{{}, lenientFilter} {
				f, err := ParseFilter(tt.text, testUserType, opt)
				if err == nil {
					t.Fatalf("lenient=%v: accepted as %s", opt.Lenient, show(f))
				}
				var answer *Error
				if !errors.As(err, &answer) {
					t.Fatalf("%T is no *Error", err)
				}
				want := "invalidFilter"
				if strings.HasPrefix(tt.detail, "Limit") {
					want = "tooMany"
				}
				if answer.Status != 400 || answer.ScimType != want {
					t.Errorf("got %d %s, want 400 %s", answer.Status, answer.ScimType, want)
				}
				if opt.Lenient && !strings.HasPrefix(answer.Detail, tt.detail) {
					t.Errorf("got  %s\nwant %s", answer.Detail, tt.detail)
				}
			}
		})
	}
	if _, err := ParseFilter(`userName eq 5`, testUserType, FilterOptions{}); err == nil {
		t.Error("LB07: strict accepts a number for a string")
	}
}

// What the limits admit must pass, up to the last byte and bracket.
func TestParseFilterAtTheLimits(t *testing.T) {
	for name, text := range map[string]string{
		"GD01 length":     `userName eq "` + strings.Repeat("a", 4096-14) + `"`,
		"GD02 nesting":    strings.Repeat("(", 10) + `title pr` + strings.Repeat(")", 10),
		"GD02 terms":      strings.Repeat("title pr and ", 63) + `title pr`,
		"GD02 brackets":   strings.Repeat("(title pr) and ", 63) + `(title pr)`,
		"GD01 escapes":    `title eq "` + strings.Repeat(`\u00e5`, 600) + `"`,
		"not in a string": `title eq "not ("`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParseFilter(text, testUserType, FilterOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}
