package workspace

import (
	"strconv"
	"testing"
)

// BenchmarkCheckOne is the path of one SCIM request: a plan of one change.
func BenchmarkCheckOne(b *testing.B) {
	newcomer := Member{ID: "eve", Email: "eve@acme.com", EmailKey: "eve@acme.com", Role: RoleMember, RoleSource: "rule r-member", State: StateActive}
	for _, bb := range []struct {
		name string
		make func(v *View) Change
	}{
		{"create", func(*View) Change {
			return Change{Kind: MemberCreate, Subject: Ref{"member", "eve", "eve@acme.com"}, Member: "eve", After: newcomer}
		}},
		{"update", func(v *View) Change { return memberChange(v, MemberUpdate, "dan", func(m *Member) { m.Name = "Dan" }) }},
		{"deactivate", func(v *View) Change { return leave(v, "dan") }},
		{"assign", func(*View) Change { return assign("n3", "dan", AccessExclusive) }},
		{"raise held", func(v *View) Change { return roleChange(v, "dan", RoleAdmin) }},
	} {
		b.Run(bb.name, func(b *testing.B) {
			v := testView()
			p := Proposal{Actor: okta(), View: v, Policy: Default(), Changes: []Change{bb.make(v)}}
			b.ReportAllocs()
			for b.Loop() {
				if ds := Check(p); len(ds) != 1 {
					b.Fatal("no decision")
				}
			}
		})
	}
}

// BenchmarkCheckMany is a poll: 1,000 joiners with a number each.
func BenchmarkCheckMany(b *testing.B) {
	v := testView()
	var changes []Change
	for i := range 1000 {
		id := "j" + strconv.Itoa(10000+i)
		mail := id + "@acme.com"
		number := "k" + id
		v.Numbers[number] = &Number{ID: number, E164: "+47" + strconv.Itoa(40000000+i), State: NumberFree, Pool: "oslo"}
		changes = append(changes,
			Change{
				ID: "a" + id, Kind: MemberCreate, Subject: Ref{"member", id, mail}, Member: id,
				After: Member{ID: id, Email: mail, EmailKey: mail, Role: RoleMember, RoleSource: "rule r", State: StateActive},
			},
			assign(number, id, AccessExclusive))
	}
	p := Proposal{Actor: okta(), View: v, Policy: Default(), Changes: changes}
	b.ReportAllocs()
	for b.Loop() {
		for _, d := range Check(p) {
			if d.Verdict != Allow {
				b.Fatal(d.Reason)
			}
		}
	}
}
