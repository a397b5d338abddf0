package storetest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// newcomer writes a new member with a record, as a unit of a poll does.
func newcomer(tx *store.Tx, id string) error {
	in := store.IdentityRow{
		Identity: workspace.Identity{ID: "i-" + id, Connection: "corp", ExternalID: "x-" + id, UserName: id, Active: true, Version: 1},
		UserKey:  id, Values: []store.IdentityValue{{Attr: "emails", Value: id, Key: id}},
	}
	return errors.Join(tx.InsertIdentityLater(in), tx.InsertMember(member(id, id+"@acme.com")), tx.LinkIdentity("i-"+id, id),
		tx.PutSupport(store.SupportRow{Member: id, Kind: "member", By: "source", Since: 1}),
		tx.AddTotals(workspace.Totals{Active: 1, Seats: 1}))
}

// differs is same inside a unit, which a test may not leave.
func differs(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

// waitingRows: what a unit has said and not written yet is seen by each of its
// reads, whichever comes first.
func waitingRows(t *testing.T, s *store.Store) {
	for name, look := range map[string]func(tx *store.Tx) error{
		"member": func(tx *store.Tx) error {
			m, err := tx.Member("m1")
			want := member("m1", "m1@acme.com")
			want.Seq, want.Unsettled = 3, true
			differs(t, "member", m, want)
			return err
		},
		"Owners":   func(tx *store.Tx) error { _, err := tx.Owners(); return err },
		"identity": func(tx *store.Tx) error { _, err := tx.Identity("i-m1"); return err },
		"links": func(tx *store.Tx) error {
			all, err := tx.IdentitiesOf("m1", false)
			differs(t, "identities", len(all), 1)
			return err
		},
		"supports": func(tx *store.Tx) error {
			all, err := tx.Supports("m1")
			differs(t, "supports", all, []store.SupportRow{{Member: "m1", Kind: "member", By: "source", Value: "again", Since: 1}})
			return err
		},
		"groups": func(tx *store.Tx) error {
			all, err := tx.GroupsOf("m1")
			differs(t, "groups", len(all), 1)
			return err
		},
		"group": func(tx *store.Tx) error {
			g, err := tx.Group("g1")
			differs(t, "size", g.MemberCount, int64(1))
			return err
		},
		"totals": func(tx *store.Tx) error {
			n, err := tx.LockTotals()
			differs(t, "totals", n, workspace.Totals{Active: 1, Seats: 1})
			return err
		},
		"Standing": func(tx *store.Tx) error {
			st, err := tx.Standing()
			differs(t, "standing", st.Totals, workspace.Totals{Active: 1, Seats: 1})
			return err
		},
		"connection": func(tx *store.Tx) error {
			c, err := tx.Connection("corp")
			differs(t, "users", c.UsersTotal, 1)
			return err
		},
		"foreign key": func(tx *store.Tx) error {
			return errors.Join(tx.InsertNumber(workspace.Number{ID: "n1", E164: "+4722000001", State: workspace.NumberFree, Version: 1}),
				tx.AddOwner(workspace.Ownership{Number: "n1", Member: "m1"}))
		},
		"head of the log": func(tx *store.Tx) error { _, err := tx.LockAuditHead(); return err },
		"nothing":         func(*store.Tx) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t, s)
			r.update(func(tx *store.Tx) error {
				return tx.InsertGroup(workspace.Group{ID: "g1", Name: "Sales", NameKey: "sales", Version: 1})
			})
			r.update(func(tx *store.Tx) error {
				_, standing := tx.Standing() // what is remembered of it is not what is so afterwards
				_, owners := tx.Owners()
				_, connection := tx.Connection("corp")
				if err := errors.Join(standing, owners, connection, newcomer(tx, "m1")); err != nil {
					return err
				}
				for i, want := range []bool{true, false} {
					if joined, err := tx.JoinGroup(workspace.GroupMembership{Group: "g1", Member: "m1"}); err != nil || joined != want {
						t.Errorf("join %d: %v, %v", i, joined, err)
					}
				}
				last, err := tx.NextSeqs("member", "m1", 3)
				differs(t, "sequence", last, int64(3))
				return errors.Join(err, tx.SetUnsettled("m1", true),
					tx.PutSupport(store.SupportRow{Member: "m1", Kind: "member", By: "source", Value: "again", Since: 9}), look(tx))
			})
			got := read(r, func(rd *store.Reader) (workspace.Member, error) { return rd.Member("m1") })
			want := member("m1", "m1@acme.com")
			want.Seq, want.Unsettled = 3, true
			same(t, "member", got, want)
			same(t, "record's member", read(r, func(rd *store.Reader) (workspace.Identity, error) { return rd.Identity("i-m1") }).Member, "m1")
			same(t, "counted", read(r, (*store.Reader).Totals), workspace.Totals{Active: 1, Seats: 1})
		})
	}
}

// waitingConflicts: a key that is taken fails the unit, and nothing stays.
func waitingConflicts(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	r.update(func(tx *store.Tx) error { return newcomer(tx, "m1") })
	before := read(r, (*store.Reader).Totals)
	r.conflicts("member", "email", func(tx *store.Tx) error {
		other := member("m2", "m1@acme.com")
		return errors.Join(newcomer(tx, "m3"), tx.InsertMember(other))
	})
	r.conflicts("member", "id", func(tx *store.Tx) error {
		return errors.Join(tx.InsertMember(member("m2", "m2@acme.com")), tx.InsertMember(member("m2", "m3@acme.com")))
	})
	r.conflicts("identity", "external", func(tx *store.Tx) error {
		return tx.InsertIdentityLater(store.IdentityRow{
			Identity: workspace.Identity{ID: "i9", Connection: "corp", ExternalID: "x-m1", Version: 1}, UserKey: "other",
		})
	})
	r.refused(workspace.ErrNotFound, func(tx *store.Tx) error { return errors.Join(newcomer(tx, "m4"), tx.LinkIdentity("none", "m1")) })
	same(t, "totals", read(r, (*store.Reader).Totals), before)
}

// waitingSavepoint: what waits from before a part stays when the part fails,
// what waits from the part goes with it, and a conflict of the part is its own.
func waitingSavepoint(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	broken := errors.New("broken")
	r.update(func(tx *store.Tx) error {
		if err := newcomer(tx, "m1"); err != nil {
			return err
		}
		if err := tx.Savepoint(func() error { return errors.Join(newcomer(tx, "m2"), broken) }); !errors.Is(err, broken) {
			t.Errorf("the part's error: %v", err)
		}
		if err := tx.Savepoint(func() error { return tx.InsertMember(member("m3", "m1@acme.com")) }); !errors.Is(err, workspace.ErrConflict) {
			t.Errorf("a taken address: %v", err)
		}
		return newcomer(tx, "m4")
	})
	r.view(func(rd *store.Reader) error {
		for id, want := range map[string]error{"m1": nil, "m2": workspace.ErrNotFound, "m3": workspace.ErrNotFound, "m4": nil} {
			if _, err := rd.Member(id); !errors.Is(err, want) {
				t.Errorf("%s: %v", id, err)
			}
		}
		n, err := rd.Totals()
		differs(t, "totals", n, workspace.Totals{Active: 2, Seats: 2})
		return err
	})
}
