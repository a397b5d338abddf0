package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// members: every column comes back, addresses are unique among those who are
// not removed (I6), there is one primary Owner.
func members(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	full := workspace.Member{
		ID: "m1", Name: "Ann", Email: "Ann@Acme.com", EmailKey: "ann@acme.com", Role: workspace.RoleOwner,
		RoleSource: "owners", State: workspace.StateActive, Contained: true, ContainedSince: 5, ContainedCause: "okta", Primary: true,
		BreakGlass: true, Epoch: 7, Version: 1, Seq: 3, Reason: "none", JoinedAt: 11, DeactivatedAt: 12, LastActiveAt: 13,
		AccessEnd: 14, GraceUntil: 15, TailHeld: true,
	}
	insert := func(m workspace.Member) func(tx *store.Tx) error {
		return func(tx *store.Tx) error { return tx.InsertMember(m) }
	}
	r.update(insert(full))
	byID := func(id string) workspace.Member {
		return read(r, func(rd *store.Reader) (workspace.Member, error) { return rd.Member(id) })
	}
	byEmail := func(rd *store.Reader) (workspace.Member, error) { return rd.MemberByEmail("ann@acme.com") }
	same(t, "member", byID("m1"), full)
	same(t, "member", read(r, byEmail), full)
	gone(r, func(rd *store.Reader) (workspace.Member, error) { return rd.MemberByEmail("Ann@Acme.com") })
	gone(newRoom(t, s), byEmail)
	r.conflicts("member", "email", insert(member("m2", "ANN@acme.com")))
	primary := member("m2", "bob@acme.com")
	primary.Primary = true
	r.conflicts("member", "primary", insert(primary))
	next := full
	next.Version, next.Seq, next.Contained, next.State, next.Primary = 2, 99, false, workspace.StateRemoved, false
	r.update(func(tx *store.Tx) error { return tx.UpdateMember(next) })
	r.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.UpdateMember(next) })
	next.Seq = 3
	same(t, "member", byID("m1"), next)
	gone(r, byEmail)
	r.update(insert(member("m2", "ann@acme.com")))
	if got := read(r, byEmail); got.ID != "m2" {
		t.Errorf("the address leads to %s", got.ID)
	}
	// A removed member cannot come back to an address that is taken.
	next.Version, next.State = 3, workspace.StateActive
	r.conflicts("member", "email", func(tx *store.Tx) error { return tx.UpdateMember(next) })
	r.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.UpdateMember(member("nobody", "x@acme.com")) })
}

// owners: the active Owners and nobody else, in the order of locks.
func owners(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	r.update(func(tx *store.Tx) error {
		for i, m := range []struct {
			id    string
			role  workspace.Role
			state workspace.MemberState
		}{
			{"c", workspace.RoleOwner, workspace.StateActive},
			{"a", workspace.RoleOwner, workspace.StateActive},
			{"b", workspace.RoleOwner, workspace.StateDeactivated},
			{"d", workspace.RoleAdmin, workspace.StateActive},
		} {
			row := member(m.id, fmt.Sprintf("%d@acme.com", i))
			row.Role, row.State = m.role, m.state
			if err := tx.InsertMember(row); err != nil {
				return err
			}
		}
		return nil
	})
	var got []string
	for _, m := range read(r, (*store.Reader).Owners) {
		got = append(got, m.ID)
	}
	same(t, "owners", got, []string{"a", "c"})
}

// totals: counters that are moved by the differences of random changes equal
// what is counted.
func totals(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	random := rand.New(rand.NewPCG(5, 6))
	states := []workspace.MemberState{workspace.StateActive, workspace.StateDeactivated, workspace.StateRemoved}
	var rows []workspace.Member
	count := func(m workspace.Member, sign int) workspace.Totals {
		var d workspace.Totals
		if m.State == workspace.StateActive {
			d.Active, d.Seats = sign, sign
			switch m.Role {
			case workspace.RoleOwner:
				d.Owners = sign
			case workspace.RoleAdmin:
				d.Admins = sign
			}
		}
		if m.State == workspace.StateDeactivated && m.GraceUntil > 0 {
			d.Seats = sign
		}
		return d
	}
	change := func(m *workspace.Member) {
		m.State = states[random.IntN(3)]
		m.Role = workspace.Role(1 + random.IntN(3))
		m.GraceUntil = workspace.Micros(random.IntN(2))
	}
	for step := range 120 {
		r.update(func(tx *store.Tx) error {
			if step%3 == 0 {
				m := member(fmt.Sprintf("m%03d", step), fmt.Sprintf("%d@acme.com", step))
				change(&m)
				rows = append(rows, m)
				n := phone(fmt.Sprint("n", step), fmt.Sprint("+1555", step), "")
				d := count(m, 1)
				if n.State = workspace.NumberState([]string{"free", "ported_out", "porting"}[random.IntN(3)]); n.State != workspace.NumberPortedOut {
					d.Numbers = 1
				}
				return errors.Join(tx.InsertMember(m), tx.AddTotals(d), tx.InsertNumber(n))
			}
			m := &rows[random.IntN(len(rows))]
			before := count(*m, -1)
			change(m)
			m.Version++
			return errors.Join(tx.UpdateMember(*m), tx.AddTotals(before), tx.AddTotals(count(*m, 1)))
		})
	}
	want := read(r, (*store.Reader).CountTotals)
	same(t, "totals", read(r, (*store.Reader).Totals), want)
	r.update(func(tx *store.Tx) error {
		locked, err := tx.LockTotals()
		same(t, "locked totals", locked, want)
		return err
	})
	if want.Active == 0 || want.Owners == 0 || want.Admins == 0 || want.Seats == want.Active || want.Numbers == 0 {
		t.Errorf("the test counts too little: %+v", want)
	}
}

// supports: a grant's supporters are kept apart by giver; Since stays.
func supports(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	one := store.SupportRow{
		Member: "m1", Kind: "group", Object: "g1", By: "rule r-1", Value: "v", Connection: "okta", Source: "profile",
		Run: "run1", Author: "ann", Since: 5, Confirmed: 6, Until: 7,
	}
	two := store.SupportRow{Member: "m1", Kind: "group", Object: "g1", By: "manual", Since: 9}
	out := store.ExceptionRow{Member: "m1", Kind: "group", Object: "g1", Rule: "r-1", By: "ann", Reason: "asked", At: 1, Until: 2}
	r.update(func(tx *store.Tx) error {
		return errors.Join(tx.InsertMember(member("m1", "a@acme.com")), tx.InsertMember(member("m2", "b@acme.com")),
			tx.PutSupport(one), tx.PutSupport(two), tx.PutException(out))
	})
	of := func(id string) []store.SupportRow {
		return read(r, func(rd *store.Reader) ([]store.SupportRow, error) { return rd.Supports(id) })
	}
	exceptions := func() []store.ExceptionRow {
		return read(r, func(rd *store.Reader) ([]store.ExceptionRow, error) { return rd.Exceptions("m1") })
	}
	same(t, "supports", of("m1"), []store.SupportRow{two, one})
	same(t, "supports of another", of("m2"), []store.SupportRow{})
	same(t, "exceptions", exceptions(), []store.ExceptionRow{out})
	again := one
	again.Value, again.Since, again.Confirmed, again.Run = "w", 50, 60, "run2"
	out.Reason = "asked twice"
	r.update(func(tx *store.Tx) error {
		return errors.Join(tx.PutSupport(again), tx.DeleteSupport("m1", "group", "g1", "manual"),
			tx.DeleteSupport("m1", "group", "g1", "nobody"), tx.PutException(out))
	})
	again.Since = 5
	same(t, "supports", of("m1"), []store.SupportRow{again})
	same(t, "exceptions", exceptions(), []store.ExceptionRow{out})
	r.update(func(tx *store.Tx) error { return errors.Join(tx.DeleteSupports("m1"), tx.DeleteExceptions("m1")) })
	same(t, "supports", of("m1"), []store.SupportRow{})
	same(t, "exceptions", exceptions(), []store.ExceptionRow{})
}

// groups: joining and leaving move the counter once; a deleted group takes
// its assignments along.
func groups(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	sales := workspace.Group{ID: "g1", Name: "Sales", NameKey: "sales", Version: 1, CreatedAt: 5}
	hq := workspace.Group{ID: "g2", Name: "HQ", NameKey: "hq", Version: 1, CreatedAt: 6}
	r.update(func(tx *store.Tx) error {
		for n := range 5 {
			if err := tx.InsertMember(member(fmt.Sprint("m", n), fmt.Sprintf("%d@acme.com", n))); err != nil {
				return err
			}
		}
		return errors.Join(tx.InsertGroup(sales), tx.InsertGroup(hq), tx.InsertNumber(phone("n1", "+15550101", "")),
			tx.PutAssignment(workspace.Assignment{Number: "n1", Kind: workspace.ToGroup, To: "g1", Access: workspace.AccessShared, Ring: 1}))
	})
	r.conflicts("groups", "name", func(tx *store.Tx) error {
		return tx.InsertGroup(workspace.Group{ID: "g3", Name: "SALES", NameKey: "sales", Version: 1})
	})
	join := func(group, id string) (joined bool) {
		r.update(func(tx *store.Tx) (err error) {
			joined, err = tx.JoinGroup(workspace.GroupMembership{Group: group, Member: id, Since: 9})
			return err
		})
		return joined
	}
	leave := func(group, id string) (left bool) {
		r.update(func(tx *store.Tx) (err error) {
			left, err = tx.LeaveGroup(group, id)
			return err
		})
		return left
	}
	for n := range 5 {
		if !join("g1", fmt.Sprint("m", n)) || join("g1", fmt.Sprint("m", n)) {
			t.Error("a member joins exactly once")
		}
	}
	join("g2", "m1")
	if !leave("g1", "m3") || leave("g1", "m3") || leave("g1", "nobody") {
		t.Error("a member leaves exactly once")
	}
	sales.MemberCount = 4
	same(t, "group", read(r, func(rd *store.Reader) (workspace.Group, error) { return rd.Group("g1") }), sales)
	same(t, "group", read(r, func(rd *store.Reader) (workspace.Group, error) { return rd.GroupByName("sales") }), sales)
	gone(r, func(rd *store.Reader) (workspace.Group, error) { return rd.GroupByName("Sales") })
	hq.MemberCount = 1
	same(t, "groups of m1", read(r, func(rd *store.Reader) ([]workspace.Group, error) { return rd.GroupsOf("m1") }), []workspace.Group{hq, sales})
	page := func(after string) (ids []string) {
		for _, m := range read(r, func(rd *store.Reader) ([]workspace.Member, error) { return rd.GroupMembers("g1", after, 3) }) {
			ids = append(ids, m.ID)
		}
		return ids
	}
	same(t, "first members", page(""), []string{"m0", "m1", "m2"})
	same(t, "last members", page("m2"), []string{"m4"})
	sales.Name, sales.NameKey, sales.Version = "Vertrieb", "vertrieb", 2
	r.update(func(tx *store.Tx) error { return tx.UpdateGroup(sales) })
	r.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.UpdateGroup(sales) })
	sales.Name, sales.NameKey, sales.Version = "hq", "hq", 3
	r.conflicts("groups", "name", func(tx *store.Tx) error { return tx.UpdateGroup(sales) })
	r.update(func(tx *store.Tx) error { return tx.DeleteGroup("g1") })
	r.refused(workspace.ErrNotFound, func(tx *store.Tx) error { return tx.DeleteGroup("g1") })
	same(t, "groups of m1", read(r, func(rd *store.Reader) ([]workspace.Group, error) { return rd.GroupsOf("m1") }), []workspace.Group{hq})
	if n := read(r, func(rd *store.Reader) (workspace.Number, error) { return rd.Number("n1") }); len(n.Assignments) != 0 {
		t.Errorf("the group's assignments are left: %+v", n)
	}
}
