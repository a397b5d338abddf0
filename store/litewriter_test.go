package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// openLiteTest opens a SQLite store and hands over its writer too.
func openLiteTest(t *testing.T) (*Store, *liteWriter) {
	t.Helper()
	s := openTest(t, liteScheme+t.TempDir()+"/test.db")
	return s, s.engine.(*liteEngine).writer
}

// occupy keeps the writer in a unit until release is called.
func occupy(t *testing.T, h *Handle) (release func()) {
	t.Helper()
	begun, end := make(chan struct{}), make(chan struct{})
	var once sync.Once // a unit may be run again
	var wg sync.WaitGroup
	wg.Go(func() {
		err := h.Update(context.Background(), UnitOptions{}, func(*Tx) error {
			once.Do(func() { close(begun) })
			<-end
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-begun
	return func() { close(end); wg.Wait() }
}

// waitFor waits until a condition that another goroutine brings about holds.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for ", what)
		}
	}
}

func TestQueueBound(t *testing.T) {
	t.Parallel()
	s, w := openLiteTest(t)
	h := newWorkspace(t, s)
	release := occupy(t, h)
	var wg sync.WaitGroup
	nothing := func(*Tx) error { return nil }
	for range maxWaiting {
		wg.Go(func() {
			if err := h.Update(context.Background(), UnitOptions{}, nothing); err != nil {
				t.Error(err)
			}
		})
	}
	waitFor(t, "a full queue", func() bool { return len(w.queue) == maxWaiting })
	if err := h.Update(t.Context(), UnitOptions{}, nothing); !errors.Is(err, ErrBusy) {
		t.Errorf("one too many: %v", err)
	}
	release()
	wg.Wait()
}

func TestCancelWhileWaiting(t *testing.T) {
	t.Parallel()
	s, w := openLiteTest(t)
	h := newWorkspace(t, s)
	release := occupy(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- h.Update(ctx, UnitOptions{}, func(*Tx) error { t.Error("a cancelled unit ran"); return nil })
	}()
	waitFor(t, "the unit to wait", func() bool { return len(w.queue) == 1 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	release()
	if err := h.Update(t.Context(), UnitOptions{}, func(*Tx) error { return nil }); err != nil {
		t.Error(err)
	}
}

// TestGroupCommit shows that waiting units share one transaction, that an
// urgent one goes first and flushes, and that nothing is answered or visible
// before the COMMIT.
func TestGroupCommit(t *testing.T) {
	t.Parallel()
	s, w := openLiteTest(t)
	h := newWorkspace(t, s)
	w.gather = time.Minute
	release := occupy(t, h)
	var mu sync.Mutex
	var order []string
	var unseen int
	var wg sync.WaitGroup
	update := func(id string, urgent bool) {
		wg.Go(func() {
			err := h.Update(context.Background(), UnitOptions{Urgent: urgent}, func(tx *Tx) error {
				mu.Lock()
				defer mu.Unlock()
				for _, earlier := range order {
					if _, err := tx.Connection(earlier); err != nil {
						return fmt.Errorf("%s does not see %s: %w", id, earlier, err)
					}
					// A view may run beside the writer; it sees commits only.
					err := h.View(context.Background(), func(r *Reader) error { _, err := r.Connection(earlier); return err })
					if errors.Is(err, workspace.ErrNotFound) {
						unseen++
					} else if err != nil {
						return err
					}
				}
				order = append(order, id)
				return tx.PutConnection(ConnectionRow{ID: id})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	for i := range 4 {
		update(fmt.Sprint("normal", i), false)
		waitFor(t, "the unit to wait", func() bool { return len(w.queue) == i+1 })
	}
	update("urgent", true)
	waitFor(t, "the urgent unit to wait", func() bool { return len(w.urgent) == 1 })
	release()
	wg.Wait()
	if order[0] != "urgent" {
		t.Errorf("order %v", order)
	}
	// The urgent unit was committed before the others began; among the four,
	// which shared one commit, none was visible outside: 1 + 2 + 3.
	if unseen != 6 {
		t.Errorf("%d uncommitted rows met, want 6: the units did not share a commit", unseen)
	}
}

// TestGroupRunAgain: units of a group run without savepoints. One that fails
// after it has written is undone alone all the same: the others run again.
func TestGroupRunAgain(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, tt := range []struct {
		name   string
		fails  Unit
		dryRun bool
		runs   int // of each of the others
		wary   bool
	}{
		{"after a write", func(tx *Tx) error { _, err := tx.NextRef(); return errors.Join(err, boom) }, false, 2, true},
		{"after a write that gives rows", func(tx *Tx) error { return errors.Join(tx.DeleteIdentity("i", "gone", 1, 1), boom) }, false, 2, true},
		{"without a write", func(tx *Tx) error { _, err := tx.Standing(); return errors.Join(err, boom) }, false, 1, false},
		{"dry run", func(tx *Tx) error { _, err := tx.NextRef(); return err }, true, 1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, w := openLiteTest(t)
			h := newWorkspace(t, s)
			w.gather = time.Minute // all of them are one group
			err := h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
				return errors.Join(tx.PutConnection(ConnectionRow{ID: "okta", Kind: "scim"}), tx.InsertIdentity(IdentityRow{
					Identity: workspace.Identity{ID: "i", Connection: "okta", UserName: "ann", Version: 1}, UserKey: "ann",
				}))
			})
			if err != nil {
				t.Fatal(err)
			}
			release := occupy(t, h)
			var runs [2]int
			var wg sync.WaitGroup
			queue := func(n int, opt UnitOptions, unit Unit, want error) {
				wg.Go(func() {
					if err := h.Update(context.Background(), opt, unit); !errors.Is(err, want) {
						t.Errorf("unit %d: %v", n, err)
					}
				})
				waitFor(t, "the queue", func() bool { return len(w.queue) == n })
			}
			counted := func(i int) Unit {
				return func(tx *Tx) error { runs[i]++; _, err := tx.NextRef(); return err }
			}
			queue(1, UnitOptions{}, counted(0), nil)
			var want error
			if !tt.dryRun {
				want = boom
			}
			queue(2, UnitOptions{DryRun: tt.dryRun}, tt.fails, want)
			queue(3, UnitOptions{}, counted(1), nil)
			release()
			wg.Wait()
			if runs[0] != tt.runs || runs[1] != 1 {
				t.Errorf("the others ran %d times, want %d and 1", runs, tt.runs)
			}
			err = h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
				ref, err := tx.NextRef()
				if ref != 3 {
					t.Errorf("%d references were taken, want 2: one for each unit that was kept", ref-1)
				}
				_, gone := tx.Identity("i")
				return errors.Join(err, gone)
			})
			if err != nil {
				t.Error(err)
			}
			if w.wary > 0 != tt.wary {
				t.Errorf("%d groups with savepoints", w.wary)
			}
		})
	}
}

// TestGroupLostBeforeItRunsAgain: a group was rolled back for one unit's sake,
// and another process takes the file before the others run again. None of them
// is acknowledged: what they wrote is gone (DU1).
func TestGroupLostBeforeItRunsAgain(t *testing.T) {
	t.Parallel()
	s, w := openLiteTest(t)
	h := newWorkspace(t, s)
	var path string
	if err := one(w.conn.query(t.Context(), `SELECT file FROM pragma_database_list`, nil)).Scan(&path); err != nil {
		t.Fatal(err)
	}
	beside, err := openLite(liteDSN(path, true), 4, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.conn.do(`PRAGMA busy_timeout = 50`); err != nil {
		t.Fatal(err)
	}
	w.gather = time.Minute // all of them are one group
	w.conn.trace = func(text string, _ int64) {
		if text == sqlRollback {
			if err := beside.do(sqlBegin); err != nil {
				t.Error(err)
			}
		}
	}
	begun, filled := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	var once sync.Once
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() {
			errs[i] = h.Update(context.Background(), UnitOptions{}, func(tx *Tx) error {
				if i == 0 {
					once.Do(func() { close(begun) })
					<-filled
				}
				_, err := tx.NextRef()
				if i == len(errs)-1 {
					err = errors.Join(err, errors.New("boom"))
				}
				return err
			})
		})
		if i == 0 {
			<-begun
		}
		waitFor(t, "the unit to wait", func() bool { return len(w.queue) == i })
	}
	close(filled)
	wg.Wait()
	for i, err := range errs {
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("unit %d of a group that was lost: %v", i, err)
		}
	}
	w.conn.trace = nil
	if err := errors.Join(beside.do(sqlRollback), beside.close()); err != nil {
		t.Fatal(err)
	}
	err = h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
		ref, err := tx.NextRef()
		if ref != 1 {
			t.Errorf("the next reference is %d, want 1: nothing was kept", ref)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestDiskFull fills the database (SQLITE_FULL, code 13): nothing acknowledged
// is lost, and writes resume when there is room (FT07).
func TestDiskFull(t *testing.T) {
	t.Parallel()
	s, w := openLiteTest(t)
	h := newWorkspace(t, s)
	var pages int64
	if err := one(w.conn.query(t.Context(), `PRAGMA page_count`, nil)).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	limit := func(n int64) {
		if err := one(w.conn.query(t.Context(), fmt.Sprintf(`PRAGMA max_page_count = %d`, n), nil)).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	limit(pages + 8)
	big := strings.Repeat("x", 3000)
	put := func(i int) error {
		return h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
			err := tx.InsertAbsenceProof(AbsenceProofRow{ID: fmt.Sprintf("v%04d", i), Class: "E1", Reason: big})
			if i%2 == 0 {
				return err
			}
			return nil // even a unit that hides it is not acknowledged
		})
	}
	kept := 0
	for ; kept < 100; kept++ {
		if err := put(kept); err != nil {
			if !errors.Is(err, ErrUnavailable) {
				t.Fatalf("full: %v", err)
			}
			break
		}
	}
	if kept == 0 || kept == 100 {
		t.Fatalf("%d units fitted", kept)
	}
	if err := put(kept + 1); !errors.Is(err, ErrUnavailable) {
		t.Errorf("still full: %v", err)
	}
	count := func() (n int) {
		if err := h.View(t.Context(), func(r *Reader) error {
			return r.row(`SELECT COUNT(*) FROM absence_proof WHERE workspace_id = ?`, r.ws).Scan(&n)
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(); n != kept {
		t.Errorf("%d rows, %d acknowledged", n, kept)
	}
	// Units that share the commit of the one that fills the disk fail with it.
	w.gather = time.Minute
	begun, filled := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		wg.Go(func() {
			errs[i] = h.Update(context.Background(), UnitOptions{}, func(tx *Tx) error {
				switch i {
				case 0:
					close(begun)
					<-filled
					return nil
				case 1:
					return tx.PutCursor(CursorRow{Connection: "okta", Kind: "full"})
				default:
					return tx.InsertAbsenceProof(AbsenceProofRow{ID: "last", Class: "E1", Reason: strings.Repeat(big, 20)})
				}
			})
		})
		if i == 0 {
			<-begun
		}
		waitFor(t, "the unit to wait", func() bool { return len(w.queue) == i })
	}
	close(filled)
	wg.Wait()
	for i, err := range errs {
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("unit %d of a lost commit: %v", i, err)
		}
	}
	limit(1 << 20)
	if err := put(9999); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if n := count(); n != kept+1 {
		t.Errorf("%d rows, %d acknowledged", n, kept+1)
	}
}

// TestLockedByAnother: a process that holds the write lock for too long makes
// writes unavailable, not wrong; commands write beside the daemon in between.
func TestLockedByAnother(t *testing.T) {
	t.Parallel()
	s, w := openLiteTest(t)
	h := newWorkspace(t, s)
	if err := w.conn.do(`PRAGMA busy_timeout = 50`); err != nil {
		t.Fatal(err)
	}
	var path string
	if err := one(w.conn.query(t.Context(), `SELECT file FROM pragma_database_list`, nil)).Scan(&path); err != nil {
		t.Fatal(err)
	}
	beside := openTest(t, liteScheme+path)
	release := occupy(t, beside.In("acme"))
	err := h.Update(t.Context(), UnitOptions{}, func(*Tx) error { t.Error("two writers"); return nil })
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("locked: %v", err)
	}
	release()
	for _, h := range []*Handle{h, beside.In("acme")} {
		if err := h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error { _, err := tx.NextRef(); return err }); err != nil {
			t.Error(err)
		}
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s, _ := openLiteTest(t)
	h := newWorkspace(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.Update(t.Context(), UnitOptions{}, func(*Tx) error { return nil }); !errors.Is(err, ErrUnavailable) {
		t.Errorf("update: %v", err)
	}
	if err := h.View(t.Context(), func(*Reader) error { return nil }); !errors.Is(err, ErrUnavailable) {
		t.Errorf("view: %v", err)
	}
}

// TestStatementCache: built texts push each other out; the cache stays small
// and correct.
func TestStatementCache(t *testing.T) {
	t.Parallel()
	s, w := openLiteTest(t)
	h := newWorkspace(t, s)
	err := h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
		for i := range 3 * writerStatements {
			var got int
			if err := tx.row(fmt.Sprintf(`SELECT %d FROM workspace WHERE workspace_id = ?`, i), tx.ws).Scan(&got); err != nil || got != i {
				return fmt.Errorf("%d: got %d: %w", i, got, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(w.conn.stmts); n > writerStatements {
		t.Errorf("%d statements are kept, %d may be", n, writerStatements)
	}
}

// A group waits for the next unit only where the one before had several, and no longer than its end or the last sync.
func TestGroupWaitsForTheNext(t *testing.T) {
	t.Parallel()
	later := &job{}
	for name, c := range map[string]struct {
		several        bool
		lastSync, left time.Duration
		want           *job
	}{
		"alone":               {false, time.Minute, time.Minute, nil},
		"among others":        {true, time.Minute, time.Minute, later},
		"a sync is short":     {true, time.Nanosecond, time.Minute, nil},
		"gathered for long":   {true, time.Minute, time.Nanosecond, nil},
		"gathered for longer": {true, time.Minute, -time.Minute, nil},
	} {
		for _, urgent := range []bool{false, true} {
			w := &liteWriter{queue: make(chan *job), urgent: make(chan *job), lastSync: c.lastSync}
			arrives := w.queue
			if urgent {
				arrives = w.urgent
			}
			// It arrives while somebody waits, or never.
			gone := make(chan struct{})
			var group sync.WaitGroup
			group.Go(func() {
				if c.want == nil {
					return
				}
				select {
				case arrives <- later:
				case <-gone:
				}
			})
			if got := w.follow(c.several, time.Now().Add(c.left)); got != c.want {
				t.Errorf("%s, urgent %t: got a unit: %t", name, urgent, got != nil)
			}
			close(gone)
			group.Wait()
		}
	}
	w := &liteWriter{queue: make(chan *job), urgent: make(chan *job), lastSync: time.Minute}
	close(w.queue)
	close(w.urgent)
	if w.follow(true, time.Now().Add(time.Minute)) != nil {
		t.Error("a closed writer gives a unit")
	}
}
