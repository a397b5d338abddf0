package storetest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// duplicates: of many writers of one key exactly one wins, and every other
// learns which key was taken.
func duplicates(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	r.update(func(tx *store.Tx) error {
		if err := tx.InsertNumber(phone("shared", "+15550100", "")); err != nil {
			return err
		}
		for n := range 16 {
			if err := tx.InsertMember(member(fmt.Sprintf("holder%d", n), fmt.Sprintf("h%d@acme.com", n))); err != nil {
				return err
			}
		}
		return nil
	})
	for _, race := range []struct {
		table, key string
		write      func(tx *store.Tx, n int) error
	}{
		{"identity", "user", func(tx *store.Tx, n int) error {
			row := person("okta", "ann@acme.com", n)
			return tx.InsertIdentity(row)
		}},
		{"identity", "external", func(tx *store.Tx, n int) error {
			row := person("corp", fmt.Sprintf("u%d", n), n)
			row.ExternalID = "one"
			return tx.InsertIdentity(row)
		}},
		{"dirgroup", "name", func(tx *store.Tx, n int) error {
			return tx.InsertDirectoryGroup(dirGroup("okta", fmt.Sprintf("g%d", n), n), "sales")
		}},
		{"member", "email", func(tx *store.Tx, n int) error {
			return tx.InsertMember(member(fmt.Sprintf("m%d", n), "ann@acme.com"))
		}},
		{"groups", "name", func(tx *store.Tx, n int) error {
			return tx.InsertGroup(workspace.Group{ID: fmt.Sprintf("g%d", n), Name: "Sales", NameKey: "sales", Version: 1})
		}},
		{"number", "e164", func(tx *store.Tx, n int) error {
			return tx.InsertNumber(phone(fmt.Sprintf("n%d", n), "+15550199", ""))
		}},
		{"assignment", "exclusive", func(tx *store.Tx, n int) error {
			return tx.PutAssignment(workspace.Assignment{
				Number: "shared", Kind: workspace.ToMember, To: fmt.Sprintf("holder%d", n),
				Access: workspace.AccessExclusive, Ring: 1,
			})
		}},
		{"invitation", "pending", func(tx *store.Tx, n int) error {
			return tx.PutInvitation(workspace.Invitation{
				ID: fmt.Sprintf("i%d", n), Email: "new@acme.com", EmailKey: "new@acme.com",
				Role: workspace.RoleMember, State: workspace.InvitationPending, Version: 1,
			})
		}},
	} {
		t.Run(race.table+" "+race.key, func(t *testing.T) {
			const writers = 16
			results := make([]error, writers)
			var wait sync.WaitGroup
			start := make(chan struct{})
			for n := range writers {
				wait.Go(func() {
					<-start
					results[n] = r.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error { return race.write(tx, n) })
				})
			}
			close(start)
			wait.Wait()
			won := 0
			for _, err := range results {
				if err == nil {
					won++
					continue
				}
				isConflict(t, err, race.table, race.key)
			}
			if won != 1 {
				t.Errorf("%d writers of one key have won", won)
			}
		})
	}
	if total, listed := countUsers(r, "okta"); total != 1 || listed != 1 {
		t.Errorf("users_total %d, listed %d after one winner", total, listed)
	}
}

// swaps: of many writers of one version exactly one wins, others are stale;
// counters that all of them move lose nothing.
func swaps(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	const writers = 16
	r.update(func(tx *store.Tx) error {
		if err := tx.InsertIdentity(person("okta", "ann@acme.com", 1)); err != nil {
			return err
		}
		return tx.InsertDirectoryGroup(dirGroup("okta", "g", 1), "g")
	})
	results := make([]error, writers)
	var wait sync.WaitGroup
	for n := range writers {
		wait.Go(func() {
			row := person("okta", "ann@acme.com", 1)
			row.Version, row.Name = 2, fmt.Sprint("writer ", n)
			results[n] = r.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error { return tx.UpdateIdentity(row) })
		})
	}
	wait.Wait()
	winner := ""
	for n, err := range results {
		if err == nil {
			if winner != "" {
				t.Error("two writers of one version have won")
			}
			winner = fmt.Sprint("writer ", n)
		}
	}
	if i := read(r, func(rd *store.Reader) (workspace.Identity, error) { return rd.Identity("okta-000001") }); i.Name != winner || i.Version != 2 {
		t.Errorf("winner %q, row %+v", winner, i)
	}
	for n := range writers {
		wait.Go(func() {
			if err := r.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
				if err := tx.AddTotals(workspace.Totals{Seats: 1}); err != nil {
					return err
				}
				// Half of the edges are the same ones.
				_, err := tx.AddEdges("g", []store.Edge{user("both"), user(fmt.Sprint("u", n/2))}, 1)
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	checkCounts(r, "g")
	if totals := read(r, (*store.Reader).Totals); totals.Seats != writers {
		t.Errorf("%d seats are counted, want %d", totals.Seats, writers)
	}
}
