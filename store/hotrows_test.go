package store

import (
	"errors"
	"slices"
	"testing"

	"github.com/rollcall-sync/rollcall/workspace"
)

// seats is what a unit hears of its workspace at its beginning.
func seats(t *testing.T, h *Handle) (s Standing) {
	t.Helper()
	err := h.Update(t.Context(), UnitOptions{}, func(tx *Tx) (err error) {
		s, err = tx.Standing()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestHotRowsOfAnotherProcess: what another process has committed is seen by
// the next unit, however hot the row was.
func TestHotRowsOfAnotherProcess(t *testing.T) {
	t.Parallel()
	url := liteScheme + t.TempDir() + "/test.db"
	s := openTest(t, url)
	h := newWorkspace(t, s)
	other := openTest(t, url)
	for i := range 3 {
		if got := seats(t, h).Totals.Seats; got != i {
			t.Errorf("after %d changes by another process: %d seats", i, got)
		}
		err := other.In(h.ws).Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
			return tx.AddTotals(workspace.Totals{Seats: 1})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestHotRowsFollowUndoing: what a unit wrote and took back is not remembered,
// whether the whole unit goes back or a part of it.
func TestHotRowsFollowUndoing(t *testing.T) {
	t.Parallel()
	s, _ := openLiteTest(t)
	h := newWorkspace(t, s)
	boom := errors.New("boom")
	add := func(tx *Tx) error {
		if err := tx.AddTotals(workspace.Totals{Seats: 1}); err != nil {
			return err
		}
		if _, err := tx.Standing(); err != nil {
			return err
		}
		head, err := tx.LockAuditHead()
		if err != nil {
			return err
		}
		n := head.Size
		head.Size++
		if err := tx.AppendAudit(head, n, []byte("leaf"), nil); err != nil {
			return err
		}
		return boom
	}
	check := func(when string) {
		t.Helper()
		if got := seats(t, h).Totals.Seats; got != 0 {
			t.Errorf("%s: %d seats", when, got)
		}
		err := h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
			head, err := tx.LockAuditHead()
			if head.Size != 0 {
				t.Errorf("%s: the log has %d leaves", when, head.Size)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	check("before")
	if err := h.Update(t.Context(), UnitOptions{}, add); !errors.Is(err, boom) {
		t.Fatal(err)
	}
	check("after a unit that failed")
	err := h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
		if err := tx.Savepoint(func() error { return add(tx) }); !errors.Is(err, boom) {
			t.Error(err)
		}
		s, err := tx.Standing()
		if s.Totals.Seats != 0 {
			t.Errorf("after a part that failed: %d seats", s.Totals.Seats)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	check("after a part that failed")
	err = h.Update(t.Context(), UnitOptions{DryRun: true}, func(tx *Tx) error {
		if err := add(tx); !errors.Is(err, boom) {
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	check("after a dry run")
}

// TestHotRowsAreCopies: a caller who changes what it was given changes nothing
// for the next.
func TestHotRowsAreCopies(t *testing.T) {
	t.Parallel()
	s, _ := openLiteTest(t)
	h := newWorkspace(t, s)
	err := h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
		return tx.InsertMember(workspace.Member{ID: "m1", Name: "Ann", Email: "ann@acme.com", EmailKey: "ann@acme.com", Role: workspace.RoleOwner, State: workspace.StateActive, Version: 1})
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
			owners, err := tx.Owners()
			if len(owners) != 1 || owners[0].Name != "Ann" {
				t.Errorf("Owners %+v", owners)
			}
			for i := range owners {
				owners[i].Name = "changed"
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestEveryWriteMakesStale: a statement that writes a table of a hot row is
// known to, in whatever form it is written.
func TestEveryWriteMakesStale(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]hotKind{
		setUnsettled:       {hotOwners},
		addTotals:          {hotStanding},
		sqlPutConnection:   {hotConnection},
		sqlMoveAuditHead:   {hotAuditHead},
		insertIdentity:     nil,
		sqlFirstAuditHead:  {hotAuditHead},
		sqlInsertAuditLeaf: nil,
	} {
		if got := writesHot(text); !slices.Equal(got, want) {
			t.Errorf("%v makes stale %v, want %v", text, got, want)
		}
	}
	for kind, tables := range hotSources {
		for table := range tables {
			for _, text := range []string{"INSERT INTO " + table + " (a)", "UPDATE\n" + table + " SET", "WITH x AS (DELETE FROM " + table + " RETURNING a) SELECT"} {
				if !slices.Contains(writesHot(text), hotKind(kind)) {
					t.Errorf("%s leaves kind %d as it was", text, kind)
				}
			}
		}
	}
}
