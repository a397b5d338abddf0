package store

import (
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// TestTraceTellsTheUnit: a trace is told what a unit says, and nothing that the
// engine says about it: a test that ends the process there would end it where
// no unit undoes its work.
func TestTraceTellsTheUnit(t *testing.T) {
	t.Parallel()
	var told []string
	s, err := Open(t.Context(), Options{
		URL: pgtest.NewDatabase(t), AutoMigrate: true, AllowNoFsync: true, Trace: func(text string, _ int64) { told = append(told, text) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	h := newWorkspace(t, s)
	told = nil
	if err := h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error { return tx.PutRun(RunRow{ID: "r", Body: []byte("{}")}) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(told, sqlPutRun) || slices.ContainsFunc(told, func(text string) bool { return strings.Contains(text, "pg_current_xact_id") }) {
		t.Errorf("told %q", told)
	}
}
