package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// numbers: a number comes back whole, its lists in order, and is found from
// every side.
func numbers(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	full := workspace.Number{
		ID: "n1", E164: "+4930111", Name: "Empfang Köln", Type: "local", Pool: "berlin", Site: "hq",
		State: workspace.NumberAssigned, Version: 1, Seq: 4, QuarantineUntil: 5, LegalHold: true,
		Assignments: []workspace.Assignment{
			{Number: "n1", Kind: workspace.ToMember, To: "m2", Access: workspace.AccessShared, Ring: 1, Notify: true, Since: 1},
			{Number: "n1", Kind: workspace.ToGroup, To: "g1", Access: workspace.AccessShared, Ring: 2, Since: 2},
			{Number: "n1", Kind: workspace.ToMember, To: "m1", Access: workspace.AccessShared, Ring: 10, Since: 3},
			{Number: "n1", Kind: workspace.ToInvitation, To: "i1", Access: workspace.AccessShared, Since: 4},
			{Number: "n1", Kind: workspace.ToMember, To: "m3", Access: workspace.AccessViewOnly, Since: 5},
		},
		Owners: []string{"m1", "m3"},
		Reservations: []workspace.Reservation{
			{Number: "n1", Kind: workspace.ToInvitation, For: "i2", Until: 7, Why: "import"},
			{Number: "n1", Kind: workspace.ToMember, For: "m4", Why: "grace"},
		},
	}
	r.update(func(tx *store.Tx) error {
		for n := range 6 {
			if err := tx.InsertMember(member(fmt.Sprint("m", n), fmt.Sprintf("%d@acme.com", n))); err != nil {
				return err
			}
		}
		return errors.Join(tx.InsertNumber(full), tx.InsertNumber(phone("n2", "+4930110", "")))
	})
	r.update(func(tx *store.Tx) error {
		for i := len(full.Assignments) - 1; i >= 0; i-- {
			if err := tx.PutAssignment(full.Assignments[i]); err != nil {
				return err
			}
		}
		for _, id := range []string{"m3", "m1", "m3"} {
			if err := tx.AddOwner(workspace.Ownership{Number: "n1", Member: id}); err != nil {
				return err
			}
		}
		return errors.Join(tx.PutReservation(full.Reservations[1]), tx.PutReservation(full.Reservations[0]))
	})
	for what, query := range map[string]func(rd *store.Reader) (workspace.Number, error){
		"id":   func(rd *store.Reader) (workspace.Number, error) { return rd.Number("n1") },
		"e164": func(rd *store.Reader) (workspace.Number, error) { return rd.NumberByE164("+4930111") },
		"name": func(rd *store.Reader) (workspace.Number, error) { return rd.NumberByName("empfang köln") },
	} {
		same(t, "number by "+what, read(r, query), full)
	}
	gone(r, func(rd *store.Reader) (workspace.Number, error) { return rd.NumberByE164("4930111") })
	of := func(query func(rd *store.Reader) ([]workspace.Number, error)) (ids []string) {
		for _, n := range read(r, query) {
			ids = append(ids, n.ID)
			if n.ID == "n1" {
				same(t, "number", n, full)
			}
		}
		return ids
	}
	for _, c := range []struct {
		kind workspace.AssigneeKind
		id   string
		want int
	}{
		{workspace.ToMember, "m1", 1},
		{workspace.ToMember, "m4", 1},
		{workspace.ToMember, "m5", 0},
		{workspace.ToMember, "g1", 0},
		{workspace.ToGroup, "g1", 1},
		{workspace.ToInvitation, "i1", 1},
		{workspace.ToInvitation, "i2", 1},
		{workspace.ToGroup, "i1", 0},
	} {
		got := of(func(rd *store.Reader) ([]workspace.Number, error) {
			if c.kind == workspace.ToMember {
				return rd.NumbersOf(c.id)
			}
			return rd.NumbersTo(c.kind, c.id)
		})
		if len(got) != c.want {
			t.Errorf("numbers of %s %s: %v", c.kind, c.id, got)
		}
	}
	r.conflicts("number", "e164", func(tx *store.Tx) error { return tx.InsertNumber(phone("n3", "+4930111", "")) })

	next := full
	next.Version, next.Name, next.State, next.Seq, next.Assignments = 2, "EMPFANG", workspace.NumberFree, 99, nil
	r.update(func(tx *store.Tx) error { return tx.UpdateNumber(next) })
	r.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.UpdateNumber(next) })
	r.update(func(tx *store.Tx) error {
		for _, a := range full.Assignments[1:] {
			if err := tx.DeleteAssignment(a.Number, a.Kind, a.To); err != nil {
				return err
			}
		}
		// An assignment is replaced, not doubled; the number's only
		// access may be exclusive (I4).
		sole := full.Assignments[0]
		sole.Access = workspace.AccessExclusive
		return errors.Join(tx.PutAssignment(sole), tx.RemoveOwner(workspace.Ownership{Number: "n1", Member: "m1"}),
			tx.DeleteReservation("n1", workspace.ToMember, "m4"), tx.DeleteReservation("n1", workspace.ToMember, "nobody"))
	})
	got := read(r, func(rd *store.Reader) (workspace.Number, error) { return rd.NumberByName("empfang") })
	if got.Seq != 4 || got.Version != 2 || len(got.Assignments) != 1 || got.Assignments[0].Access != workspace.AccessExclusive ||
		len(got.Owners) != 1 || len(got.Reservations) != 1 {
		t.Errorf("number after its changes: %+v", got)
	}
	r.conflicts("assignment", "exclusive", func(tx *store.Tx) error {
		return tx.PutAssignment(workspace.Assignment{Number: "n1", Kind: workspace.ToMember, To: "m5", Access: workspace.AccessExclusive, Ring: 2})
	})
	err := r.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
		return tx.PutAssignment(workspace.Assignment{Number: "n2", Kind: workspace.ToGroup, To: "g1", Access: workspace.AccessExclusive, Ring: 1})
	})
	if err == nil {
		t.Error("a group has exclusive access")
	}
}

// ownedBySame: numbers of people who share a department or a title.
func ownedBySame(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	r.update(func(tx *store.Tx) error {
		for n, department := range []string{"sales", "sales", "legal"} {
			id := fmt.Sprint("m", n)
			row := person("okta", id, n)
			row.Member, row.DepartmentKey, row.TitleKey = id, department, "title "+department
			number := fmt.Sprint("n", n)
			if err := errors.Join(tx.InsertMember(member(id, id+"@acme.com")), tx.InsertIdentity(row),
				tx.InsertNumber(phone(number, fmt.Sprintf("+1555010%d", 9-n), "")),
				tx.AddOwner(workspace.Ownership{Number: number, Member: id}), tx.AddOwner(workspace.Ownership{Number: number, Member: "m0"})); err != nil {
				return err
			}
		}
		return tx.DeleteIdentity("okta-000001", "deleted", 1, 1)
	})
	for _, c := range []struct {
		attr, key string
		want      []string
	}{
		{"department", "sales", []string{"n2", "n1", "n0"}},
		{"department", "legal", []string{"n2"}},
		{"title", "title legal", []string{"n2"}},
		{"title", "legal", nil},
	} {
		var ids []string
		for _, n := range read(r, func(rd *store.Reader) ([]workspace.Number, error) { return rd.NumbersOwnedBySame(c.attr, c.key) }) {
			ids = append(ids, n.ID)
		}
		same(t, c.attr+" "+c.key, ids, c.want)
	}
	if err := r.h.View(t.Context(), func(rd *store.Reader) error {
		_, err := rd.NumbersOwnedBySame("shoe size", "44")
		return err
	}); err == nil {
		t.Error("numbers are found by an attribute that is not kept")
	}
}

// lowestFree: the lowest text of those that are free, not reserved, and past
// their quarantine.
func lowestFree(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	r.update(func(tx *store.Tx) error {
		add := func(n workspace.Number, edit func(n *workspace.Number)) error {
			edit(&n)
			return tx.InsertNumber(n)
		}
		nothing := func(*workspace.Number) {}
		err := errors.Join(
			add(phone("q", "+4930100", "berlin"), func(n *workspace.Number) { n.State = workspace.NumberQuarantined }),
			add(phone("r", "+4930101", "berlin"), func(n *workspace.Number) { n.State = workspace.NumberReserved }),
			add(phone("p", "+4930102", "berlin"), func(n *workspace.Number) { n.State = workspace.NumberPorting }),
			add(phone("h", "+4930103", "berlin"), nothing),
			add(phone("w", "+4930104", "berlin"), func(n *workspace.Number) { n.QuarantineUntil = 1 << 60 }),
			add(phone("long", "+49301041", "berlin"), func(n *workspace.Number) { n.Site = "hq" }),
			add(phone("b", "+4930105", "berlin"), func(n *workspace.Number) { n.Site = "lab" }),
			add(phone("m", "+49891", "munich"), nothing),
			tx.PutReservation(workspace.Reservation{Number: "h", Kind: workspace.ToMember, For: "m1", Why: "grace"}))
		for n := range 60 {
			err = errors.Join(err, add(phone(fmt.Sprint("x", n), fmt.Sprintf("+33%03d", n), "paris"), nothing))
		}
		return err
	})
	skip := map[string]bool{}
	for n := range 45 {
		skip[fmt.Sprint("x", n)] = true
	}
	for _, c := range []struct {
		pool, prefix, site string
		skip               map[string]bool
		want               string
	}{
		{pool: "berlin", want: "long"},
		{pool: "berlin", skip: map[string]bool{"long": true}, want: "b"},
		{pool: "berlin", skip: map[string]bool{"long": true, "b": true}},
		{pool: "Berlin"},
		{prefix: "+4930", want: "long"},
		{prefix: "+4930", site: "lab", want: "b"},
		{prefix: "+4930105", want: "b"},
		{prefix: "+4930106"},
		{prefix: "+49", skip: map[string]bool{"long": true, "b": true}, want: "m"},
		{prefix: "+49", site: "nowhere"},
		{pool: "paris", skip: skip, want: "x45"},
		{prefix: "+33", skip: skip, want: "x45"},
	} {
		query := func(rd *store.Reader) (workspace.Number, error) {
			return rd.LowestFree(c.pool, c.prefix, c.site, c.skip)
		}
		if c.want == "" {
			gone(r, query)
			continue
		}
		if got := read(r, query); got.ID != c.want {
			t.Errorf("pool %q, prefix %q, site %q: %s, want %s", c.pool, c.prefix, c.site, got.ID, c.want)
		}
	}
}
