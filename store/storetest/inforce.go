package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// inForce: what stands beside identities comes with them, whatever their
// number; each part only if it is asked for.
func inForce(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	const people = 27 // more than one statement takes
	var ids []workspace.Identity
	r.update(func(tx *store.Tx) error {
		for i := range people {
			m := member(fmt.Sprintf("m%02d", i), fmt.Sprintf("p%02d@acme.com", i))
			m.LastActiveAt = workspace.Micros(i)
			row := person("okta", m.Email, i)
			row.Member = m.ID
			if i == 3 {
				row.Member = ""
			} else if err := tx.InsertMember(m); err != nil {
				return err
			}
			if err := tx.InsertIdentity(row); err != nil {
				return err
			}
			ids = append(ids, row.Identity)
		}
		for i, name := range []string{"sales", "all", "other"} {
			if err := tx.InsertDirectoryGroup(dirGroup("okta", name, i+1), name); err != nil {
				return err
			}
		}
		for name, list := range map[string][]store.Edge{
			"sales": {user(ids[0].ID), user(ids[26].ID)}, "all": {group("sales"), user(ids[1].ID)}, "other": {user(ids[1].ID)},
		} {
			if _, err := tx.AddEdges(name, list, 1); err != nil {
				return err
			}
		}
		for i, e164 := range []string{"+15550102", "+15550101"} {
			n := phone(fmt.Sprintf("n%d", i), e164, "")
			n.State = workspace.NumberAssigned
			n.Assignments = []workspace.Assignment{{Number: n.ID, Kind: workspace.ToMember, To: "m00", Access: workspace.AccessShared, Ring: i + 1}}
			if err := tx.InsertNumber(n); err != nil {
				return err
			}
			if err := tx.PutAssignment(n.Assignments[0]); err != nil {
				return err
			}
		}
		if err := tx.AddOwner(workspace.Ownership{Number: "n0", Member: "m00"}); err != nil {
			return err
		}
		for _, by := range []string{"rule n-b", "rule n-a"} {
			if err := tx.PutSupport(store.SupportRow{Member: "m00", Kind: "number", Object: "n0", By: by}); err != nil {
				return err
			}
		}
		for i, subject := range []string{"identity:" + ids[3].ID, "member:m00", "member:stranger", "member:m00"} {
			h := store.HoldRow{
				ID: fmt.Sprintf("H-%d", 12-i), PlanHash: fmt.Sprintf("sha256:%064d", i), Connection: "okta", Subject: subject, State: "open",
				CreatedAt: workspace.Micros(20 - i), Changes: []byte(`[]`),
			}
			if i == 3 {
				h.State = "approved"
			}
			if err := tx.PutHold(h); err != nil {
				return err
			}
		}
		return nil
	})
	read := func(list []workspace.Identity, effective, groups bool) store.InForce {
		return read(r, func(rd *store.Reader) (store.InForce, error) { return rd.InForce(list, effective, groups) })
	}
	all := read(ids, true, true)
	if len(all.Members) != people-1 || all.Members["m26"].LastActive != 26 {
		t.Errorf("%d members: %+v", len(all.Members), all.Members["m26"])
	}
	want := &store.MemberInForce{
		ID: "m00", Role: workspace.RoleMember, RoleSource: "rule r-member", State: workspace.StateActive,
		Numbers: []store.NumberInForce{
			{NumberHolding: store.NumberHolding{Number: "+15550101", Access: "shared", Ring: 2}},
			{NumberHolding: store.NumberHolding{Number: "+15550102", Access: "shared", Owner: true, Ring: 1}, Source: "rule n-a"},
		},
	}
	same(t, "member with numbers", all.Members["m00"], want)
	same(t, "holds", all.Holds, []store.HeldInForce{
		{ID: "H-11", Subject: "member:m00", CreatedAt: 19, Changes: []byte(`[]`)},
		{ID: "H-12", Subject: "identity:" + ids[3].ID, CreatedAt: 20, Changes: []byte(`[]`)},
	})
	sales, above := store.GroupOfIdentity{ID: "sales", Name: "sales"}, store.GroupOfIdentity{ID: "all", Name: "all", Via: "sales"}
	groups := map[string][]store.GroupOfIdentity{
		ids[0].ID: {sales, above}, ids[26].ID: {sales, above}, ids[1].ID: {{ID: "all", Name: "all"}, {ID: "other", Name: "other"}},
	}
	if diff := cmp.Diff(all.Groups, groups, cmpopts.IgnoreUnexported(store.GroupOfIdentity{})); diff != "" {
		t.Errorf("groups: got - want +\n%s", diff)
	}
	if part := read(ids, false, true); part.Members != nil || part.Holds != nil || len(part.Groups) != 3 {
		t.Errorf("groups alone: %+v", part)
	}
	if part := read(ids[:1], true, false); part.Groups != nil || len(part.Members) != 1 || len(part.Holds) != 1 {
		t.Errorf("effects alone: %+v", part)
	}
	if none := read(ids, false, false); none.Members != nil || none.Groups != nil {
		t.Errorf("nothing was asked for: %+v", none)
	}
	if none := read(nil, true, true); len(none.Members)+len(none.Groups) != 0 {
		t.Errorf("nobody was asked for: %+v", none)
	}
}

// membersPage: the members of a directory group with names, page by page.
func membersPage(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	r.update(func(tx *store.Tx) error {
		for _, name := range []string{"g1", "g2"} {
			if err := tx.InsertDirectoryGroup(dirGroup("okta", name, 1), name); err != nil {
				return err
			}
		}
		list := []store.Edge{group("g2"), user("nobody")}
		for i := range 3 {
			row := person("okta", fmt.Sprintf("p%d", i), i)
			if i == 2 {
				row.Name = ""
			}
			if err := tx.InsertIdentity(row); err != nil {
				return err
			}
			list = append(list, user(row.ID))
		}
		_, err := tx.AddEdges("g1", list, 1)
		return err
	})
	var got []string
	var after store.Edge
	for pages := 0; pages < 10; pages++ {
		page := read(r, func(rd *store.Reader) ([]store.MemberOfGroup, error) { return rd.MembersPage("g1", after, 2) })
		for _, m := range page {
			got = append(got, m.Kind+" "+m.Child+" "+m.Name)
		}
		if len(page) < 2 {
			break
		}
		after = page[1].Edge
	}
	same(t, "members", got, []string{"group g2 g2", "user nobody ", "user okta-000000 Person p0", "user okta-000001 Person p1", "user okta-000002 p2"})
}
