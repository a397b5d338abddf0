package mapping

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/workspace"
)

// What a role says besides the role: row, author, cap, approval, reason.
func TestWantRoleDetails(t *testing.T) {
	r := mustLoad(t, `
owner: ann@acme.com
attributes: {secret: {type: string, private: true}}
source_groups: {adm: {c: id-1}}
roles:
  - {id: r-in, role: {attr: rollcall.role}, allow: [admin, member]}
  - {id: r-adm, role: admin, if: {all: [{group: adm}, {attr: secret, eq: x}, {not: {any: [{attr: title, eq: a}, {active: false}]}}]}, cap: 3, approve: always, owner: bo@acme.com}
`)
	p := Person{
		Identities: []workspace.Identity{identity(workspace.Attributes{"rollcall.role": {"ADMIN"}, "secret": {"X"}, "title": {"b"}})},
		Groups:     []GroupRef{{Connection: "c", ExternalID: "id-1"}},
	}
	w, err := r.Want(p, Facts{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := []WantRole{
		{Role: workspace.RoleAdmin, Row: "r-in", Owner: "ann@acme.com", Source: "rollcall.role = admin", Direct: true},
		{Role: workspace.RoleAdmin, Row: "r-adm", Owner: "bo@acme.com", Cap: 3, Approve: true, Source: "group adm and secret (private) and not (title = a or not active)"},
		{Role: workspace.RoleMember, Source: "no other role row is true"},
	}
	if d := cmp.Diff(want, w.Roles); d != "" {
		t.Error(d)
	}
}

// Only live rows make an input writable (scim section 7).
func TestReads(t *testing.T) {
	r := mustLoad(t, `
roles: [{id: r1, role: {attr: rollcall.role}, allow: [admin], mode: shadow}]
numbers:
  - {id: n1, access: exclusive, from: [{attr: rollcall.primaryNumber}]}
  - {id: n2, access: shared, each: {attr: rollcall.sharedNumbers}, mode: draft}
number_owner: [{id: o1, each: {attr: rollcall.numberOwnerOf}}]
handover: {id: h1, from: {attr: rollcall.handoverTo}}
access_reason: {id: a1, from: {attr: rollcall.accessReason}}
`)
	for name, want := range map[string]bool{
		"rollcall.role": false, "rollcall.primaryNumber": true, "rollcall.numberPool": true, "rollcall.site": true, "rollcall.sharedNumbers": false,
		"rollcall.viewOnlyNumbers": false, "rollcall.numberOwnerOf": true, "rollcall.handoverTo": true, "rollcall.accessReason": true, "email": false,
	} {
		if got := r.Reads(name); got != want {
			t.Errorf("Reads(%s) = %v", name, got)
		}
	}
	if Default().Reads("rollcall.role") || Default().Reads("rollcall.handoverTo") {
		t.Error("the default mapping reads inputs")
	}
	w, err := r.Want(Person{Identities: []workspace.Identity{identity(workspace.Attributes{
		"rollcall.handoverTo": {"bo"}, "rollcall.accessReason": {"new_hire"}, "displayName": {""}, "givenName": {"Ann"}, "familyName": {"Ek"},
	})}}, Facts{Inventory: stock()}, 1)
	if err != nil || w.HandoverTo != "bo" || w.Reason != "new_hire" || w.Name != "Ann Ek" {
		t.Errorf("%+v, %v", w, err)
	}
}

// Group ids are exact and belong to their connection: a group of another
// connection, or one that is merely called like an id, gives nothing.
func TestGroupIDsAreNotNames(t *testing.T) {
	r := mustLoad(t, "source_groups: {adm: {corp: id-1}, desk: {okta: {name: Front Desk}}}\nroles: [{id: r1, role: admin, if: {group_any: [adm, desk]}}]\n")
	for _, c := range []struct {
		g    GroupRef
		want workspace.Role
	}{
		{GroupRef{Connection: "corp", ExternalID: "id-1"}, workspace.RoleAdmin},
		{GroupRef{Connection: "corp", ID: "id-1"}, workspace.RoleAdmin},
		{GroupRef{Connection: "corp", ExternalID: "id-1", Via: "other"}, workspace.RoleAdmin},
		{GroupRef{Connection: "okta", ExternalID: "id-1"}, workspace.RoleMember},
		{GroupRef{Connection: "corp", ExternalID: "ID-1"}, workspace.RoleMember},
		{GroupRef{Connection: "corp", ExternalID: "x", Name: "id-1"}, workspace.RoleMember},
		{GroupRef{Connection: "corp", ExternalID: "x", Name: "adm"}, workspace.RoleMember},
		{GroupRef{Connection: "okta", ExternalID: "x", Name: "front  desk"}, workspace.RoleAdmin},
		{GroupRef{Connection: "corp", ExternalID: "x", Name: "Front Desk"}, workspace.RoleMember},
	} {
		w, err := r.Want(Person{Identities: []workspace.Identity{identity(nil)}, Groups: []GroupRef{c.g}}, Facts{}, 1)
		if err != nil || w.Roles[0].Role != c.want {
			t.Errorf("%+v gives %v, want %v (%v)", c.g, w.Roles[0].Role, c.want, err)
		}
	}
}

// Deleted identities say nothing, and nobody's word is not a yes.
func TestNoIdentity(t *testing.T) {
	gone := identity(nil)
	gone.Deleted = true
	for _, p := range []Person{{}, {Identities: []workspace.Identity{gone}}} {
		w, err := Default().Want(p, Facts{}, 1)
		if err != nil || w.Active != Unknown || w.Member != Unknown {
			t.Errorf("%+v, %v", w, err)
		}
	}
}

func TestDefaultTextLoads(t *testing.T) {
	if _, err := Load([]byte(defaultText), LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	if one, two := Default(), Default(); one != two || !strings.HasPrefix(Default().Hash(), "sha256:") {
		t.Error("the default mapping is not one value with a hash")
	}
}

// benchRules makes a mapping with the given number of conditional rows over
// group and text attributes.
func benchRules(b *testing.B, rows int) *Rules {
	var s strings.Builder
	s.WriteString("eligible: {id: e1, if: {active: true}}\nroles: [{id: r1, role: admin, if: {group: team-0}}, {id: r2, role: member}]\ngroups:\n")
	for i := range rows - 3 {
		fmt.Fprintf(&s, "  - {id: g%d, to: G%d, if: {all: [{attr: department, in: [Sales, D%d]}, {not: {attr: userType, eq: contractor}}, {any: [{group: team-%d}, {attr: office, eq: O%d}]}]}}\n", i, i, i, i, i)
	}
	return mustLoad(b, s.String())
}

func benchPerson() Person {
	p := Person{Member: "m1", Identities: []workspace.Identity{identity(workspace.Attributes{
		"userName": {"ann"}, "email": {"ann@acme.com"}, "displayName": {"Ann Ek"}, "department": {"Sales"}, "office": {"Oslo"},
		"userType": {"employee"}, "country": {"NO"}, "title": {"Clerk"},
	})}}
	for i := range 10 {
		p.Groups = append(p.Groups, GroupRef{Connection: "c", ID: fmt.Sprintf("g-%d", i), ExternalID: fmt.Sprintf("x-%d", i), Name: fmt.Sprintf("other-%d", i)})
	}
	return p
}

// BenchmarkWant reports the cost per person and per row; the cost per row
// must not grow with the number of rows (section 12).
func BenchmarkWant(b *testing.B) {
	for _, rows := range []int{12, 100, 400} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			r, p := benchRules(b, rows), benchPerson()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Want(p, Facts{}, 1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load(Example(), LoadOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNormalise(b *testing.B) {
	for b.Loop() {
		if _, err := Normalise("22 00 00 00", "NO"); err != nil {
			b.Fatal(err)
		}
	}
}
