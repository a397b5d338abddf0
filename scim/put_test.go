package scim

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/store"
)

// TestPut is section 4.5: what PUT replaces, keeps and makes unknown.
func TestPut(t *testing.T) {
	tests := []struct {
		name, old, body, want string
		unknown               []string
		noop                  bool
	}{
		{
			name: "absent active, externalId and inputs keep", old: `"externalId":"e","active":false,"` + roll + `":{"site":"Oslo","role":"Admin"}`,
			body: `"` + roll + `":{"role":"Member"}`, want: `"externalId":"e","active":false,"` + roll + `":{"site":"Oslo","role":"Member"}`,
		},
		{name: "inputs keep without their extension", old: `"` + roll + `":{"site":"Oslo"}`, body: `"title":"T"`, want: `"title":"T","` + roll + `":{"site":"Oslo"}`},
		{
			name: "I14 others go, but are unknown", old: `"title":"T","name":{"givenName":"G","familyName":"F"},"` + ent + `":{"department":"D","division":"V"}`,
			body: `"name":{"givenName":"G"},"` + ent + `":{"division":"V"}`, want: `"name":{"givenName":"G"},"` + ent + `":{"division":"V"}`,
			unknown: []string{"name.familyName", "title", ent + ":department"},
		},
		{name: "a whole extension goes", old: `"` + ent + `":{"department":"D"}`, body: `"title":"T"`, want: `"title":"T"`, unknown: []string{ent + ":department"}},
		{name: "stated empty is empty", old: `"title":"T","roles":[{"value":"A"}]`, body: `"title":"","roles":[]`, want: `"title":null,"roles":null`},
		{
			name: "stated empty stays so", old: `"title":null,"name":{"givenName":"G","familyName":null},"` + ent + `":{"department":null}`, body: `"name":{"givenName":"G"}`,
			want: `"title":null,"name":{"givenName":"G","familyName":null},"` + ent + `":{"department":null}`, noop: true,
		},
		{name: "id is ignored", old: `"title":"T"`, body: `"title":"T","id":"other","meta":{"version":"W/\"9\""},"groups":[{"value":"g"}]`, want: `"title":"T"`, noop: true},
		{name: "DA07 a list is replaced", old: `"roles":[{"value":"A"},{"value":"B"}]`, body: `"roles":[{"value":"B"}]`, want: `"roles":[{"value":"B"}]`},
		{name: "AIW: active false", old: `"title":"T"`, body: `"title":"T","active":false`, want: `"title":"T","active":false`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			old := overlay(t, Document{"userName": "u@acme.com", "active": true}, tt.old)
			before := asJSON(old)
			body, err := Decode([]byte(`{"schemas":["`+URNUser+`"],"userName":"u@acme.com",`+tt.body+`}`), testUser, profile(t, "okta"))
			if err != nil {
				t.Fatal(err)
			}
			stated := asJSON(body.Document)
			after, unknown, diff := Put(old, body.Document, testUser)
			if asJSON(old) != before || asJSON(body.Document) != stated {
				t.Error("an argument was changed")
			}
			if d := cmp.Diff(asJSON(overlay(t, Document{"userName": "u@acme.com", "active": true}, tt.want)), asJSON(after)); d != "" {
				t.Errorf("document (-want +got):\n%s", d)
			}
			slices.Sort(unknown)
			if d := cmp.Diff(tt.unknown, unknown); d != "" && len(tt.unknown)+len(unknown) > 0 {
				t.Errorf("unknown (-want +got):\n%s", d)
			}
			if diff.Empty() != tt.noop {
				t.Errorf("diff %v, want noop %v", diff, tt.noop)
			}
			attrs := after.Attributes(testUser)
			for _, path := range unknown {
				if _, stated := attrs[path]; stated {
					t.Errorf("%s is stated to the mapping", path)
				}
			}
		})
	}
}

// TestCreate: absent active means true in POST (DA05).
func TestCreate(t *testing.T) {
	if d := Create(Document{"userName": "u"}, testUser); d["active"] != true {
		t.Error("a new User is not active")
	}
	if d := Create(Document{"userName": "u", "active": false}, testUser); d["active"] != false {
		t.Error("active false was lost")
	}
	if _, stated := Create(Document{"displayName": "g"}, testGroup)["active"]; stated {
		t.Error("a Group is active")
	}
}

// TestNameIsKept: who leaves the name out of a PUT or PATCH takes no name away
// (I14); the user name stands in where none was ever stated, and goes with it.
func TestNameIsKept(t *testing.T) {
	p := newProvider(t, providerOptions{})
	name := func(want string) {
		t.Helper()
		err := p.store.In("acme").View(t.Context(), func(r *store.Reader) error {
			list, err := r.Members(store.MemberFilter{Person: "ann@acme.com"})
			if err == nil && (len(list) != 1 || list[0].Name != want) {
				t.Errorf("%+v, want the name %q", list, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	bare := func(userName string) string {
		return `{"userName":"` + userName + `","emails":[{"value":"ann@acme.com","primary":true}]}`
	}
	ann := "/Users/" + p.request("okta", "POST", "/Users", bare("ann")).is(http.StatusCreated).text("id")
	name("ann")
	p.request("okta", "PUT", ann, bare("anna")).is(http.StatusOK)
	name("anna")
	p.request("okta", "PATCH", ann, patchBody(`{"op":"replace","path":"name","value":{"givenName":"Ann","familyName":"Lee"}}`)).is(http.StatusOK)
	name("Ann Lee")
	p.request("okta", "PUT", ann, bare("anna")).is(http.StatusOK)
	name("Ann Lee")
	p.request("okta", "PUT", ann, bare("ann")).is(http.StatusOK)
	name("Ann Lee")
	p.request("okta", "PATCH", ann, patchBody(`{"op":"replace","path":"displayName","value":"A. Lee"}`)).is(http.StatusOK)
	name("A. Lee")
	p.request("okta", "PATCH", ann, patchBody(`{"op":"remove","path":"displayName"}`)).is(http.StatusOK)
	name("ann")
}
