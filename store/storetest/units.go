package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

var unitTests = []test{
	{"visible at once (DU5)", visible},
	{"a failed unit fails alone", failsAlone},
	{"a failed statement loses its unit", failedStatement},
	{"rows that wait are seen", waitingRows},
	{"rows that wait, in conflict", waitingConflicts},
	{"rows that wait, behind a savepoint", waitingSavepoint},
	{"dry run", dryRun},
	{"panic", panics},
	{"context", contexts},
	{"view is a snapshot", snapshot},
	{"parallel writers", parallelWriters},
	{"rows walked while others are read", nestedRows},
	{"bytewise order and letter case", bytewise},
	{"workspaces do not meet", apart},
	{"texts that cannot be stored", badTexts},
}

func proof(id string) store.AbsenceProofRow {
	return store.AbsenceProofRow{ID: id, Run: "r", Class: "E1", Reason: "disabled"}
}

// connectionIDs lists what the units of these tests write.
func connectionIDs(r room) []string {
	r.Helper()
	var ids []string
	for _, c := range read(r, (*store.Reader).Connections) {
		ids = append(ids, c.ID)
	}
	return ids
}

func visible(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	for i := range 20 {
		r.update(func(tx *store.Tx) error {
			return tx.PutCursor(store.CursorRow{Connection: "okta", Kind: "full", V: int64(i), Data: []byte(`{"a":1}`)})
		})
		c := read(r, func(rd *store.Reader) (store.CursorRow, error) { return rd.Cursor("okta") })
		if c.V != int64(i) {
			t.Fatalf("read %d after writing %d", c.V, i)
		}
	}
}

func failsAlone(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	sentinel := errors.New("the unit's own error")
	const n = 96
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			errs[i] = r.h.Update(t.Context(), store.UnitOptions{Urgent: i%7 == 0, DryRun: i%5 == 4}, func(tx *store.Tx) error {
				if err := tx.PutConnection(store.ConnectionRow{ID: fmt.Sprintf("unit-%02d", i)}); err != nil {
					return err
				}
				if i%3 == 2 {
					return sentinel
				}
				return nil
			})
		})
	}
	wg.Wait()
	want := []string{"corp", "okta"}
	for i, err := range errs {
		switch {
		case i%3 == 2 && err != sentinel: //nolint:errorlint // "returned unchanged" is the contract.
			t.Errorf("unit %d: got %v, want its own error", i, err)
		case i%3 != 2 && err != nil:
			t.Errorf("unit %d: %v", i, err)
		case i%3 != 2 && i%5 != 4:
			want = append(want, fmt.Sprintf("unit-%02d", i))
		}
	}
	same(t, "kept units", connectionIDs(r), want)
}

func failedStatement(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	err := r.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
		if err := tx.PutConnection(store.ConnectionRow{ID: "early"}); err != nil {
			return err
		}
		if err := tx.InsertAbsenceProof(proof("x")); err != nil {
			return err
		}
		if err := tx.InsertAbsenceProof(proof("x")); !errors.Is(err, workspace.ErrConflict) {
			t.Errorf("second row: got %v, want a conflict", err)
		}
		if _, err := tx.Connections(); !errors.Is(err, workspace.ErrConflict) {
			t.Errorf("a later statement: got %v, want the first error", err)
		}
		return nil // swallowed
	})
	isConflict(t, err, "absence_proof", "id")
	same(t, "connections", connectionIDs(r), []string{"corp", "okta"})
}

func dryRun(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	ran := false
	err := r.h.Update(t.Context(), store.UnitOptions{DryRun: true}, func(tx *store.Tx) error {
		ran = true
		if err := tx.PutConnection(store.ConnectionRow{ID: "preview"}); err != nil {
			return err
		}
		_, err := tx.Connection("preview")
		return err
	})
	if err != nil || !ran {
		t.Fatalf("ran %v: %v", ran, err)
	}
	same(t, "connections", connectionIDs(r), []string{"corp", "okta"})
}

func panics(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	err := r.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
		if err := tx.PutConnection(store.ConnectionRow{ID: "gone"}); err != nil {
			return err
		}
		panic("seeded")
	})
	if err == nil || !strings.Contains(err.Error(), "seeded") {
		t.Errorf("unit: got %v", err)
	}
	err = r.h.View(t.Context(), func(*store.Reader) error { panic("seeded too") })
	if err == nil || !strings.Contains(err.Error(), "seeded too") {
		t.Errorf("view: got %v", err)
	}
	r.update(func(tx *store.Tx) error { return tx.PutConnection(store.ConnectionRow{ID: "after"}) })
	same(t, "connections", connectionIDs(r), []string{"after", "corp", "okta"})
}

func contexts(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	err := r.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		cancel() // too late: it has begun
		return tx.PutConnection(store.ConnectionRow{ID: "begun"})
	})
	if err != nil {
		t.Errorf("a unit that has begun: %v", err)
	}
	err = r.h.Update(ctx, store.UnitOptions{}, func(*store.Tx) error {
		t.Error("a unit ran after its context had ended")
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("update: got %v", err)
	}
	err = r.h.View(ctx, func(rd *store.Reader) error { _, err := rd.Connections(); return err })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("view: got %v", err)
	}
	same(t, "connections", connectionIDs(r), []string{"begun", "corp", "okta"})
}

func snapshot(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	r.view(func(rd *store.Reader) error {
		before, err := rd.Connections()
		if err != nil {
			return err
		}
		r.update(func(tx *store.Tx) error { return tx.PutConnection(store.ConnectionRow{ID: "later"}) })
		after, err := rd.Connections()
		same(t, "second read", after, before)
		return err
	})
}

func parallelWriters(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	const writers, each = 8, 30
	refs := make([][]int64, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for range each {
				var ref int64
				err := r.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) (err error) {
					ref, err = tx.NextRef()
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				refs[w] = append(refs[w], ref)
			}
		})
	}
	wg.Wait()
	var all []int64
	for w := range refs {
		if !slices.IsSorted(refs[w]) {
			t.Errorf("writer %d saw the counter go back: %v", w, refs[w])
		}
		all = append(all, refs[w]...)
	}
	slices.Sort(all)
	if len(all) != writers*each || all[0] != 1 || all[len(all)-1] != writers*each || len(slices.Compact(all)) != writers*each {
		t.Errorf("references are not 1 to %d, each once", writers*each)
	}
}

func nestedRows(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	g := workspace.DirectoryGroup{ID: "g", Connection: "okta", Name: "g", Version: 1, CreatedAt: 1}
	r.update(func(tx *store.Tx) error {
		if err := tx.InsertDirectoryGroup(g, "g"); err != nil {
			return err
		}
		var edges []store.Edge
		for i := range 30 {
			edges = append(edges, store.Edge{Child: fmt.Sprintf("u%02d", i), Kind: "user"})
		}
		_, err := tx.AddEdges("g", edges, 1)
		return err
	})
	walk := func(rd *store.Reader) error {
		outer, inner := 0, 0
		for _, err := range rd.Edges("g") {
			if err != nil {
				return err
			}
			outer++
			for _, err := range rd.Edges("g") { // the same statement again
				if err != nil {
					return err
				}
				if inner++; inner%30 == 10 {
					inner += 20
					break
				}
			}
			if _, err := rd.Connection("okta"); err != nil {
				return err
			}
		}
		if outer != 30 || inner != 900 {
			t.Errorf("walked %d and %d", outer, inner)
		}
		return nil
	}
	r.view(walk)
	r.update(func(tx *store.Tx) error { return walk(&tx.Reader) })
}

func bytewise(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	ids := []string{"-", "A", "B", "_", "a", "b", "z", "ä", "ﬀ", "😀"}
	r.update(func(tx *store.Tx) error {
		for _, id := range slices.Backward(ids) {
			if err := tx.PutConnection(store.ConnectionRow{ID: id}); err != nil {
				return err
			}
		}
		return nil
	})
	want := append(slices.Clone(ids), "corp", "okta")
	slices.Sort(want)
	same(t, "order", connectionIDs(r), want)
	gone(r, func(rd *store.Reader) (store.ConnectionRow, error) { return rd.Connection("OKTA") })
}

func apart(t *testing.T, s *store.Store) {
	one, two := newRoom(t, s), newRoom(t, s)
	one.update(func(tx *store.Tx) error {
		if err := tx.PutCursor(store.CursorRow{Connection: "okta", Kind: "full", Data: []byte("{}"), At: workspace.At(time.Unix(5, 0))}); err != nil {
			return err
		}
		return tx.PutRun(store.RunRow{ID: "run-one-1"})
	})
	gone(two, func(rd *store.Reader) (store.CursorRow, error) { return rd.Cursor("okta") })
	gone(two, func(rd *store.Reader) (store.RunRow, error) { return rd.Run("run-one-1") })
	gone(two, func(rd *store.Reader) (store.RunRow, error) { return rd.Run("last") })
}

func badTexts(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	for _, text := range []string{"a\x00b", "\xff", "\xed\xa0\x80"} {
		r.refused(store.ErrText, func(tx *store.Tx) error { return tx.PutConnection(store.ConnectionRow{ID: text}) })
		r.refused(store.ErrText, func(tx *store.Tx) error { return tx.PutRun(store.RunRow{ID: "r", Body: []byte(text)}) })
		err := r.h.View(t.Context(), func(rd *store.Reader) error { _, err := rd.Connection(text); return err })
		if !errors.Is(err, store.ErrText) {
			t.Errorf("look-up of %q: %v", text, err)
		}
	}
}
