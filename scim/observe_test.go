package scim

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAttributes: missing is unknown, no values is stated empty (I14, MC1).
func TestAttributes(t *testing.T) {
	got := document(t, entraUser).Attributes(testUser)
	want := map[string][]string{
		"userName": {"u@acme.com"}, "email": {"u@acme.com"}, "active": {"true"}, "displayName": {"Uma Foss"},
		"givenName": {"G"}, "familyName": {"F"}, "title": {"Engineer"}, "department": {"Sales"}, "employeeNumber": {"7"}, "manager": {"m1"},
		"telephoneNumber": {"22 00 00 01"}, "mobile": {"+47 900 00 001"}, "city": {"Oslo"}, "country": {"NO"}, "office": {"Tower 1"},
		"rollcall.role": {}, ent + ":department": {"Sales"}, ent + ":employeeNumber": {"7"}, ent + ":manager": {"m1"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("attributes (-want +got):\n%s", d)
	}
}

func TestAttributesOf(t *testing.T) {
	tests := []struct {
		name, doc string
		want      map[string][]string // Nil values must be missing.
	}{
		{"never sent", `"title":"T"`, map[string][]string{"title": {"T"}, "displayName": nil, "department": nil, "telephoneNumber": nil, "rollcall.role": nil}},
		{
			"stated empty", `"title":null,"name":null,"phoneNumbers":null,"addresses":null,"` + ent + `":{"department":null,"manager":null}`,
			map[string][]string{"title": {}, "givenName": {}, "familyName": {}, "telephoneNumber": {}, "mobile": {}, "city": {}, "department": {}, "manager": {}, ent + ":manager": {}, "division": nil},
		},
		{"part of a name", `"name":{"givenName":"G"}`, map[string][]string{"givenName": {"G"}, "familyName": nil}},
		{"a mobile says nothing of the desk", `"phoneNumbers":[{"type":"mobile","value":"9"}]`, map[string][]string{"mobile": {"9"}, "telephoneNumber": nil}},
		{"the primary work number", `"phoneNumbers":[{"type":"work","value":"1"},{"type":"Work","value":"2","primary":true}]`, map[string][]string{"telephoneNumber": {"2"}}},
		{
			"inputs", `"` + roll + `":{"role":"Admin","sharedNumbers":["a","b"],"site":null}`,
			map[string][]string{"rollcall.role": {"Admin"}, "rollcall.sharedNumbers": {"a", "b"}, "rollcall.site": {}, roll + ":role": {"Admin"}, "rollcall.numberPool": nil},
		},
		{"alias of core roles", `"roles":[{"value":"sales"},{"value":"admin"}]`, map[string][]string{"rollcall.role": {"Admin"}}},
		{"the extension is nearer than the alias", `"roles":[{"value":"admin"}],"` + roll + `":{"role":"Member"}`, map[string][]string{"rollcall.role": {"Member"}}},
		{"the primary alias", `"roles":[{"value":"admin"},{"value":"member","primary":true}]`, map[string][]string{"rollcall.role": {"Member"}}},
		{"roles emptied withdraw the wish", `"roles":null`, map[string][]string{"rollcall.role": {}}},
		{"DA05 active absent", `"title":"T"`, map[string][]string{"active": {"true"}}},
		{"inactive", `"active":false`, map[string][]string{"active": {"false"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := overlay(t, Document{"userName": "u@acme.com"}, tt.doc)
			got := doc.Attributes(testUser)
			for name, want := range tt.want {
				values, stated := got[name]
				if stated != (want != nil) || stated && !cmp.Equal(values, want) {
					t.Errorf("%s = %v (stated %v), want %v", name, values, stated, want)
				}
			}
		})
	}
}

// TestEmail is the rule of scim.md section 1.
func TestEmail(t *testing.T) {
	tests := []struct{ doc, want string }{
		{`"emails":[{"value":"a@acme.com"},{"value":"b@acme.com","primary":true},{"value":"c@acme.com","type":"work"}]`, "b@acme.com"},
		{`"emails":[{"value":"a@acme.com"},{"value":"c@acme.com","type":"Work"}]`, "c@acme.com"},
		{`"emails":[{"value":"a@acme.com"},{"value":"b@acme.com"}]`, "a@acme.com"},
		{`"emails":[{"value":"no address","primary":true},{"value":"b@acme.com"}]`, "b@acme.com"},
		{`"emails":null`, "u@acme.com"},
		{`"userName":"u"`, ""},
		{`"userName":"u@"`, ""},
		{`"userName":"@acme.com"`, ""},
		{`"userName":"a b@acme.com"`, ""},
		{`"userName":"a@b@acme.com"`, ""},
	}
	for _, tt := range tests {
		got, ok := overlay(t, Document{"userName": "u@acme.com"}, tt.doc).Email()
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: got %q, want %q", tt.doc, got, tt.want)
		}
	}
}

// TestEmptiedEntries: an entry taken out of a list is stated empty, one that
// never was there is unknown (MC1), and neither answers nor PUT show the mark.
func TestEmptiedEntries(t *testing.T) {
	const both = `"phoneNumbers":[{"type":"work","value":"1"},{"type":"mobile","value":"9"}]`
	const mobile = `"phoneNumbers":[{"type":"mobile","value":"9"}]`
	p := profile(t, "entra")
	state := func(doc Document) string {
		values, stated := doc.Attributes(testUser)["telephoneNumber"]
		switch {
		case !stated:
			return "unknown"
		case len(values) == 0:
			return "empty"
		}
		return values[0]
	}
	patch := func(doc Document, ops string) Document {
		after, _, _, _, err := patchWith(doc, testUser, p, envelope(ops))
		if err != nil {
			t.Fatal(err)
		}
		checkRoundTrip(t, after, p)
		return after
	}
	put := func(doc Document, body string) Document {
		got, err := Decode([]byte(`{"userName":"u@acme.com"`+body+`}`), testUser, p)
		if err != nil {
			t.Fatal(err)
		}
		after, _, _ := Put(doc, got.Document, testUser)
		return after
	}
	start := document(t, `{"userName":"u@acme.com",`+both+`}`)
	never := document(t, `{"userName":"u@acme.com",`+mobile+`}`)
	removed := patch(start, `{"op":"remove","path":"phoneNumbers[type eq \"work\"]"}`)
	for _, tt := range []struct {
		name string
		doc  Document
		want string
	}{
		{"there", start, "1"},
		{"never sent", never, "unknown"},
		{"removed", removed, "empty"},
		{"cleared", patch(start, `{"op":"replace","path":"phoneNumbers[type eq \"work\"].value","value":""}`), "empty"},
		{"list replaced", patch(start, `{"op":"replace","path":"phoneNumbers","value":[{"type":"mobile","value":"9"}]}`), "empty"},
		{"still, after another change", patch(removed, `{"op":"add","path":"title","value":"T"}`), "empty"},
		{"there again", patch(removed, `{"op":"add","path":"phoneNumbers[type eq \"work\"].value","value":"2"}`), "2"},
		{"all removed", patch(removed, `{"op":"remove","path":"phoneNumbers"}`), "empty"},
		{"a mobile after all was removed", patch(patch(start, `{"op":"remove","path":"phoneNumbers"}`), `{"op":"add","path":"phoneNumbers","value":[{"type":"mobile","value":"9"}]}`), "empty"},
		{"PUT without it", put(start, ","+mobile), "empty"},
		{"PUT again", put(removed, ","+mobile), "empty"},
		{"PUT without the list", put(start, ""), "unknown"},
		{"PUT of a mobile that never had one", put(never, ","+mobile), "unknown"},
	} {
		if got := state(tt.doc); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
