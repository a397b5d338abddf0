package scim

import (
	"encoding/json"
	"testing"
)

func TestMatch(t *testing.T) {
	full := Document{
		"id": "U1", "externalId": "Ext", "userName": "Ann@ACME.com", "active": true, "displayName": "Straße", "title": "", "nickName": nil,
		"name":            map[string]any{"givenName": "Ann"},
		"meta":            map[string]any{"created": "2026-11-21T10:00:00.000001Z"},
		"emails":          []any{map[string]any{"value": "ann@acme.com", "type": "work", "primary": true}, map[string]any{"value": "ann@home.example"}},
		"phoneNumbers":    []any{},
		"groups":          []any{map[string]any{"value": "G1"}},
		URNEnterpriseUser: map[string]any{"manager": map[string]any{"value": "M1"}},
		URNRollcallUser: map[string]any{
			"sharedNumbers":     []any{"+4930", "+4940"},
			"numberAssignments": []any{map[string]any{"ringPosition": json.Number("10")}},
		},
		urnAcme: map[string]any{"load": json.Number("0.5"), "badge": "Bé"},
	}
	empty := Document{}
	tests := []struct {
		text        string
		full, empty bool
	}{
		// Folded and exact.
		{`userName eq "ann@acme.com"`, true, false},
		{`displayName eq "STRASSE"`, true, false},
		{`externalId eq "Ext"`, true, false},
		{`externalId eq "ext"`, false, false},
		{`id eq "u1"`, false, false},
		{`groups eq "G1"`, true, false},
		{`groups eq "g1"`, false, false},
		{URNEnterpriseUser + `:manager eq "M1"`, true, false},
		{urnAcme + `:badge sw "B"`, true, false},
		{urnAcme + `:badge sw "b"`, false, false},
		// ne: true when absent, and on lists when any value differs (LB09).
		{`userName ne "ann@acme.com"`, false, true},
		{`userName ne "bob"`, true, true},
		{`emails.value ne "ann@acme.com"`, true, true},
		{`emails.type ne "work"`, true, true},
		{`emails[type ne "work"]`, true, false},
		{`emails[value ne "ann@acme.com" and value ne "ann@home.example"]`, false, false},
		{`phoneNumbers ne "1"`, true, true},
		{`groups ne "G1"`, false, true},
		{`not (emails.value eq "ann@acme.com")`, false, true},
		// pr and null.
		{`title pr`, false, false},
		{`title eq ""`, true, false},
		{`title eq null`, true, true},
		{`nickName pr`, false, false},
		{`nickName ne null`, false, false},
		{`emails pr`, true, false},
		{`phoneNumbers pr`, false, false},
		{`name pr`, true, false},
		{`name.familyName pr`, false, false},
		{`emails.type eq null`, false, true},
		{`emails[type eq null]`, true, false},
		// Parts; an empty one is pr.
		{`displayName co "RAS"`, true, false},
		{`displayName sw "stras"`, true, false},
		{`displayName ew "SSE"`, true, false},
		{`displayName ew "xstrasse"`, false, false},
		{`displayName co ""`, true, false},
		{`title sw ""`, false, false},
		{`userName co "%"`, false, false},
		{`userName co "_"`, false, false},
		// Order of folded keys by bytes.
		{`displayName gt "STRAS"`, true, false},
		{`displayName lt "straß"`, false, false},
		{`displayName le "STRASSE"`, true, false},
		{`userName ge "b"`, false, false},
		// Booleans, with the defaults of RFC 7643 section 2.4 and scim.md 1.
		{`active eq true`, true, true},
		{`active ne true`, false, false},
		{`emails.primary eq false`, true, false},
		{`emails[primary eq true]`, true, false},
		{`emails[primary eq true and type eq "home"]`, false, false},
		// Dates are instants; numbers are numbers.
		{`meta.created eq "2026-11-21T11:00:00.000001+01:00"`, true, false},
		{`meta.created gt "2026-11-21T10:00:00Z"`, true, false},
		{`meta.created ne "2026-11-21T10:00:00Z"`, true, true},
		{URNRollcallUser + `:numberAssignments.ringPosition gt 9`, true, false},
		{URNRollcallUser + `:numberAssignments.ringPosition ne 10`, false, true},
		{urnAcme + `:load lt 5e-1`, false, false},
		{urnAcme + `:load le 5e-1`, true, false},
		// Lists of scalars.
		{URNRollcallUser + `:sharedNumbers eq "+4940"`, true, false},
		{URNRollcallUser + `:sharedNumbers ne "+4940"`, true, true},
		{URNRollcallUser + `:sharedNumbers[value ew "30"]`, true, false},
		// One entry must satisfy the whole value path, any entry each comparison.
		{`emails[type eq "work" and value ew "example"]`, false, false},
		{`emails.type eq "work" and emails.value ew "example"`, true, false},
		{`emails[type eq "work"].value eq "ANN@acme.com"`, true, false},
		// Logic.
		{`userName pr or active eq false`, true, false},
		{`not (not (userName pr))`, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			f, err := ParseFilter(tt.text, testUserType, FilterOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := Match(f, full, testUserType); got != tt.full {
				t.Errorf("full: %v, want %v", got, tt.full)
			}
			if got := Match(f, empty, testUserType); got != tt.empty {
				t.Errorf("empty: %v, want %v", got, tt.empty)
			}
		})
	}
}

// LB09: values of an unexpected type match nothing but ne, and never panic.
func TestMatchIgnoresValuesOfAnotherType(t *testing.T) {
	doc := Document{
		"userName": 5, "active": "yes", "emails": "ann@acme.com", "name": []any{"Ann"}, "groups": []any{"G1", nil},
		"meta":          map[string]any{"created": "yesterday"},
		URNRollcallUser: []any{},
	}
	for text, want := range map[string]bool{
		`userName eq "5"`: false, `userName ne "5"`: true, `active eq true`: false, `emails eq "ann@acme.com"`: false, `name.givenName pr`: false,
		`groups eq "G1"`: false, `groups ne "G1"`: true, `meta.created gt "2026-01-01T00:00:00Z"`: false, URNRollcallUser + `:sharedNumbers pr`: false,
	} {
		f, err := ParseFilter(text, testUserType, FilterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := Match(f, doc, testUserType); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestValueJSON(t *testing.T) {
	tests := []struct {
		path string
		want any
	}{
		{`emails[type eq "Work"]`, "Work"},
		{`emails[primary eq true]`, true},
		{URNRollcallUser + `:numberAssignments[ringPosition eq 3]`, json.Number("3")},
		{URNRollcallUser + `:holds[since eq "2026-11-21T10:00:00Z"]`, "2026-11-21T10:00:00Z"},
	}
	for _, tt := range tests {
		p, err := ParsePath(tt.path, testUserType, FilterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Filter.(Compare).Value.JSON(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.path, got, tt.want)
		}
	}
	if got := (Value{Type: TypeDecimal, Decimal: 0.5}).JSON(); got != json.Number("0.5") {
		t.Errorf("decimal: %v", got)
	}
}
