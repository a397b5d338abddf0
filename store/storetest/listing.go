package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// listings: members, groups and numbers with what hangs on them, by name.
func listings(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	r.update(func(tx *store.Tx) error {
		for n := range 230 {
			m := member(fmt.Sprintf("m%03d", n), fmt.Sprintf("%03d@acme.com", n))
			switch n % 10 {
			case 1:
				m.Role = workspace.RoleAdmin
			case 2:
				m.State = workspace.StateDeactivated
			case 3:
				m.State = workspace.StateRemoved
			}
			if n == 17 {
				m.Name = "Jürgen GROß"
			}
			if err := tx.InsertMember(m); err != nil {
				return err
			}
		}
		row, second := person("okta", "u5", 5), person("corp", "u5", 5)
		row.Member, second.Member = "m005", "m005"
		old := person("corp", "old", 6)
		old.Member = "m000"
		err := errors.Join(
			tx.InsertGroup(workspace.Group{ID: "g1", Name: "Sales", NameKey: "sales", Version: 1}),
			tx.InsertGroup(workspace.Group{ID: "g2", Name: "HQ", NameKey: "hq", Version: 1}),
			tx.InsertIdentity(row), tx.InsertIdentity(second), tx.InsertIdentity(old), tx.DeleteIdentity(old.ID, "deleted", 1, 1),
			tx.InsertNumber(phone("n1", "+15550102", "")), tx.InsertNumber(phone("n2", "+15550101", "")), tx.InsertNumber(phone("n3", "+15550100", "")),
			tx.PutInvitation(workspace.Invitation{
				ID: "i1", Email: "New@acme.com", EmailKey: "new@acme.com", Role: workspace.RoleMember,
				State: workspace.InvitationPending, Version: 1,
			}),
			tx.PutAssignment(workspace.Assignment{Number: "n1", Kind: workspace.ToMember, To: "m005", Access: workspace.AccessShared, Ring: 2}),
			tx.PutAssignment(workspace.Assignment{Number: "n1", Kind: workspace.ToGroup, To: "g1", Access: workspace.AccessShared, Ring: 1}),
			tx.PutAssignment(workspace.Assignment{Number: "n1", Kind: workspace.ToInvitation, To: "i1", Access: workspace.AccessShared}),
			tx.PutAssignment(workspace.Assignment{Number: "n3", Kind: workspace.ToMember, To: "m005", Access: workspace.AccessViewOnly}),
			tx.AddOwner(workspace.Ownership{Number: "n1", Member: "m005"}), tx.AddOwner(workspace.Ownership{Number: "n2", Member: "m005"}),
			tx.AddOwner(workspace.Ownership{Number: "n2", Member: "m000"}))
		for n := 0; n < 30; n += 5 {
			_, joined := tx.JoinGroup(workspace.GroupMembership{Group: "g1", Member: fmt.Sprintf("m%03d", n)})
			err = errors.Join(err, joined)
		}
		_, joined := tx.JoinGroup(workspace.GroupMembership{Group: "g2", Member: "m005"})
		return errors.Join(err, joined)
	})
	find := func(f store.MemberFilter) []store.MemberListing {
		return read(r, func(rd *store.Reader) ([]store.MemberListing, error) { return rd.Members(f) })
	}
	active := []workspace.MemberState{workspace.StateActive}
	for _, c := range []struct {
		filter store.MemberFilter
		count  int
		first  string
	}{
		{store.MemberFilter{}, 207, "m000"},
		{store.MemberFilter{Limit: 120}, 120, "m000"},
		{store.MemberFilter{After: "m120", Limit: 5}, 5, "m121"},
		{store.MemberFilter{States: active}, 184, "m000"},
		{store.MemberFilter{States: []workspace.MemberState{workspace.StateRemoved}}, 23, "m003"},
		{store.MemberFilter{States: []workspace.MemberState{workspace.StateActive, workspace.StateDeactivated, workspace.StateRemoved}}, 230, "m000"},
		{store.MemberFilter{Role: workspace.RoleAdmin}, 23, "m001"},
		{store.MemberFilter{Group: "sales"}, 6, "m000"},
		{store.MemberFilter{Group: "sales", After: "m005", Limit: 2}, 2, "m010"},
		{store.MemberFilter{Group: "Sales"}, 0, ""},
		{store.MemberFilter{Person: "m005"}, 1, "m005"},
		{store.MemberFilter{Person: "005@acme.com"}, 1, "m005"},
		{store.MemberFilter{Person: "jürgen gross"}, 1, "m017"},
		{store.MemberFilter{Person: "m003"}, 0, ""},
		{store.MemberFilter{Person: "003@acme.com"}, 0, ""},
		{store.MemberFilter{Person: "003@acme.com", States: []workspace.MemberState{workspace.StateRemoved}}, 1, "m003"},
		{store.MemberFilter{Person: "m005", Group: "hq"}, 1, "m005"},
		{store.MemberFilter{Person: "m000", Group: "hq"}, 0, ""},
		{store.MemberFilter{Person: "m005", Role: workspace.RoleOwner}, 0, ""},
		{store.MemberFilter{Person: "nobody at all"}, 0, ""},
	} {
		got := find(c.filter)
		if len(got) != c.count || (c.count > 0 && got[0].ID != c.first) {
			t.Errorf("%+v lists %d members", c.filter, len(got))
		}
	}
	ann := find(store.MemberFilter{Person: "m005"})[0]
	same(t, "groups", ann.Groups, []string{"HQ", "Sales"})
	same(t, "connections", ann.Connections, []string{"corp", "okta"})
	same(t, "numbers", ann.Numbers, []store.NumberHolding{
		{Number: "+15550100", Access: "view_only"},
		{Number: "+15550101", Owner: true},
		{Number: "+15550102", Access: "shared", Owner: true, Ring: 2},
	})
	same(t, "connections of one who is gone", find(store.MemberFilter{Person: "m000"})[0].Connections, []string{})

	inGroups := func(key string, most int) []store.GroupListing {
		return read(r, func(rd *store.Reader) ([]store.GroupListing, error) { return rd.Groups(key, most) })
	}
	all := inGroups("", 2)
	if len(all) != 2 || all[0].Name != "HQ" || all[1].MemberCount != 6 {
		t.Fatalf("groups: %+v", all)
	}
	same(t, "members of HQ", all[0].Members, []string{"005@acme.com"})
	same(t, "members of Sales", all[1].Members, []string{"000@acme.com", "005@acme.com"})
	if one := inGroups("sales", 0); len(one) != 1 || len(one[0].Members) != 0 {
		t.Errorf("sales without members: %+v", one)
	}

	list := func(e164, after string, limit int) []store.NumberListing {
		return read(r, func(rd *store.Reader) ([]store.NumberListing, error) { return rd.Numbers(e164, after, limit) })
	}
	if got := list("", "+15550100", 1); len(got) != 1 || got[0].ID != "n2" {
		t.Errorf("numbers after a key: %+v", got)
	}
	if got := list("", "", 0); len(got) != 3 || got[0].ID != "n3" {
		t.Errorf("all numbers: %+v", got)
	}
	n1 := list("+15550102", "", 10)[0]
	same(t, "owners", n1.OwnerEmails, []string{"005@acme.com"})
	same(t, "assignees", n1.To, []store.AssigneeListing{
		{To: "Sales", Kind: "group", Access: "shared", Ring: 1},
		{To: "005@acme.com", Kind: "member", Access: "shared", Ring: 2},
		{To: "New@acme.com", Kind: "invitation", Access: "shared"},
	})
	same(t, "owners", list("+15550101", "", 10)[0].OwnerEmails, []string{"000@acme.com", "005@acme.com"})
}

// unowned: numbers that nobody answers for (F09).
func unowned(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	r.update(func(tx *store.Tx) error {
		left := member("left", "left@acme.com")
		left.State = workspace.StateDeactivated
		ported := phone("ported", "+1555009", "")
		ported.State = workspace.NumberPortedOut
		owner := func(number, member string) error {
			return tx.AddOwner(workspace.Ownership{Number: number, Member: member})
		}
		return errors.Join(tx.InsertMember(left), tx.InsertMember(member("here", "here@acme.com")), tx.InsertNumber(ported),
			tx.InsertNumber(phone("nobody", "+1555001", "")),
			tx.InsertNumber(phone("pooled", "+1555002", "p")),
			tx.InsertNumber(phone("grouped", "+1555003", "")),
			tx.PutAssignment(workspace.Assignment{Number: "grouped", Kind: workspace.ToGroup, To: "g", Access: workspace.AccessShared, Ring: 1}),
			tx.InsertNumber(phone("owned", "+1555004", "")), owner("owned", "here"), owner("owned", "left"),
			tx.InsertNumber(phone("left behind", "+1555005", "p")), owner("left behind", "left"),
			tx.InsertNumber(phone("used only", "+1555006", "")),
			tx.PutAssignment(workspace.Assignment{Number: "used only", Kind: workspace.ToMember, To: "here", Access: workspace.AccessShared, Ring: 1}))
	})
	var ids []string
	for _, n := range read(r, (*store.Reader).Unowned) {
		ids = append(ids, n.ID)
		if n.ID == "left behind" && len(n.Owners) != 1 {
			t.Errorf("not whole: %+v", n)
		}
	}
	same(t, "unowned", ids, []string{"nobody", "left behind", "used only"})
}
