package store

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// openPostgresTest opens a PostgreSQL store and hands over its engine too.
func openPostgresTest(t *testing.T, parameters string) (*Store, *pgEngine) {
	t.Helper()
	s := openTest(t, pgtest.NewDatabase(t)+parameters)
	return s, s.engine.(*pgEngine)
}

// TestPooled runs behind what a transaction pooler asks for: no prepared
// statements, no settings of the connection.
func TestPooled(t *testing.T) {
	t.Parallel()
	s, e := openPostgresTest(t, "&default_query_exec_mode=exec")
	h := newWorkspace(t, s)
	var inside, outside string
	err := h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
		if err := tx.PutRun(RunRow{ID: "r", Body: []byte(`{"ä":1}`), Applied: 3}); err != nil {
			return err
		}
		return tx.row(`SELECT current_setting('statement_timeout')`).Scan(&inside)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.view(t.Context(), "", true, func(r *Reader) error {
		return r.row(`SELECT current_setting('statement_timeout')`).Scan(&outside)
	}); err != nil {
		t.Fatal(err)
	}
	if inside != "30s" || outside != "0" {
		t.Errorf("statement_timeout %q in a unit, %q outside", inside, outside)
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	_, e := openPostgresTest(t, "")
	for _, want := range pgTimeouts {
		var got string
		if err := e.view(t.Context(), "", true, func(r *Reader) error {
			return r.row(`SELECT current_setting(?)`, want.name).Scan(&got)
		}); err != nil || got != want.value {
			t.Errorf("%s is %q (%v), want %q", want.name, got, err, want.value)
		}
	}
}

// TestDeadlockIsRetried: two units take two rows in opposite order; one is
// thrown out by the server (40P01) and runs again.
func TestDeadlockIsRetried(t *testing.T) {
	t.Parallel()
	s, _ := openPostgresTest(t, "")
	h := newWorkspace(t, s)
	if err := h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error { return tx.PutConnection(ConnectionRow{ID: "corp"}) }); err != nil {
		t.Fatal(err)
	}
	var met sync.WaitGroup
	met.Add(2)
	var runs atomic.Int64
	var wg sync.WaitGroup
	for _, order := range [][]string{{"okta", "corp"}, {"corp", "okta"}} {
		wg.Go(func() {
			first := true
			err := h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
				runs.Add(1)
				if _, err := tx.NextSeq("connection", order[0]); err != nil {
					return err
				}
				if first {
					first = false
					met.Done()
					met.Wait()
				}
				// The unit may make of the error what it likes.
				if _, err := tx.NextSeq("connection", order[1]); err != nil {
					return errors.New("hidden")
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if runs.Load() < 3 {
		t.Errorf("%d runs of 2 units: there was no deadlock", runs.Load())
	}
	if err := h.View(t.Context(), func(r *Reader) error {
		for _, id := range []string{"okta", "corp"} {
			var seq int
			if err := r.row(sqlConnectionSeq, r.ws, id).Scan(&seq); err != nil || seq != 2 {
				t.Errorf("%s: sequence %d, %v", id, seq, err)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestLostConnection: the server ends the connection under a unit; the unit is
// unavailable and the next one works.
func TestLostConnection(t *testing.T) {
	t.Parallel()
	s, _ := openPostgresTest(t, "")
	h := newWorkspace(t, s)
	err := h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
		if err := tx.PutConnection(ConnectionRow{ID: "lost"}); err != nil {
			return err
		}
		return tx.exec(`SELECT pg_terminate_backend(pg_backend_pid())`)
	})
	if !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	if err := h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
		_, err := tx.Connection("lost")
		if err == nil {
			t.Error("a lost unit was kept")
		}
		_, err = tx.NextRef()
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestAmbiguousCommit: what became of a COMMIT without an answer is looked up.
func TestAmbiguousCommit(t *testing.T) {
	t.Parallel()
	s, e := openPostgresTest(t, "")
	h := newWorkspace(t, s)
	xid := func(opt UnitOptions) (id string) {
		if err := h.Update(t.Context(), opt, func(tx *Tx) error {
			if _, err := tx.NextRef(); err != nil {
				return err
			}
			return tx.row(sqlTransactionID).Scan(&id)
		}); err != nil {
			t.Fatal(err)
		}
		return id
	}
	cause := unavailable("connection reset", nil)
	if err := e.lookUp(t.Context(), xid(UnitOptions{}), cause); err != nil {
		t.Errorf("committed: %v", err)
	}
	if err := e.lookUp(t.Context(), xid(UnitOptions{DryRun: true}), cause); !errors.Is(err, ErrUnavailable) {
		t.Errorf("rolled back: %v", err)
	}
}

// TestUnsafeServer: a server that may lose acknowledged writes is refused.
func TestUnsafeServer(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	if _, err := Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{URL: url + "&options=-csynchronous_commit%3Doff"})
	if err == nil {
		t.Fatal("opened with synchronous_commit = off: ", s.Close())
	}
	if !strings.Contains(err.Error(), "= off: a crash would lose acknowledged changes") {
		t.Error(err)
	}
	if s, err := Open(t.Context(), Options{URL: "postgres://x:y@127.0.0.1:1/none"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("no server: %v, %v", s, err)
	}
}
