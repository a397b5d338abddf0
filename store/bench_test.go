package store

import (
	"context"
	"database/sql"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// cpu is the processor time of this process so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// perOp reports processor time and rate; call it before the work.
func perOp(b *testing.B) func() {
	b.Helper()
	start, used := time.Now(), cpu(b)
	return func() {
		b.ReportMetric(float64((cpu(b)-used).Microseconds())/float64(b.N), "cpu-µs/op")
		b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "ops/s")
	}
}

// openBench opens a SQLite store with one connection row.
func openBench(b *testing.B) *Store {
	b.Helper()
	s, err := Open(b.Context(), Options{URL: "sqlite:" + filepath.Join(b.TempDir(), "bench.db"), AutoMigrate: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	err = s.In("acme").Update(b.Context(), UnitOptions{}, func(t *Tx) error {
		if err := t.PutWorkspace(WorkspaceRow{Name: "Acme", Plan: "business", Zone: "UTC", Active: true}); err != nil {
			return err
		}
		if err := t.PutConnection(ConnectionRow{ID: "okta", Kind: "scim"}); err != nil {
			return err
		}
		return t.InsertToken(TokenRow{ID: "t1", Connection: "okta"})
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkRawCommit is the bar: one row, one synced commit, the driver alone.
func BenchmarkRawCommit(b *testing.B) {
	db, err := sql.Open("sqlite", liteDSN(filepath.Join(b.TempDir(), "raw.db"), true))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`CREATE TABLE x (id TEXT PRIMARY KEY, n BIGINT); INSERT INTO x VALUES ('a', 0)`); err != nil {
		b.Fatal(err)
	}
	st, err := db.Prepare(`UPDATE x SET n = n + 1 WHERE id = ?`)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := st.Close(); err != nil {
			b.Error(err)
		}
	})
	report := perOp(b)
	for b.Loop() {
		if _, err := st.Exec("a"); err != nil {
			b.Fatal(err)
		}
	}
	report()
}

// oneRow is a unit like the raw commit.
func oneRow(t *Tx) error { _, err := t.NextRef(); return err }

// BenchmarkUnit64 must have at least 3 times the rate of BenchmarkUnit1.
func BenchmarkUnit1(b *testing.B)  { benchClients(b, 1) }
func BenchmarkUnit64(b *testing.B) { benchClients(b, 64) }

func benchClients(b *testing.B, clients int) {
	h := openBench(b).In("acme")
	ctx, cancel := context.WithCancel(b.Context()) // as requests have one
	defer cancel()
	b.ResetTimer()
	report := perOp(b)
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := h.Update(ctx, UnitOptions{}, oneRow); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	report()
}

// BenchmarkEmptyUnit is what a unit costs before it does anything.
func BenchmarkEmptyUnit(b *testing.B) {
	benchUnit(b, UnitOptions{}, func(*Tx) error { return nil })
}

// BenchmarkTenStatements is a unit of 8 reads and 2 writes, rolled back, so
// that no sync to disk is counted.
func BenchmarkTenStatements(b *testing.B) {
	benchUnit(b, UnitOptions{DryRun: true}, tenStatements)
}

// BenchmarkTenStatementsKept is the same with its commit.
func BenchmarkTenStatementsKept(b *testing.B) {
	benchUnit(b, UnitOptions{}, tenStatements)
}

func tenStatements(t *Tx) error {
	for range 4 {
		if _, err := t.Connection("okta"); err != nil {
			return err
		}
		if _, err := t.Workspace(); err != nil {
			return err
		}
	}
	if _, err := t.NextSeq("connection", "okta"); err != nil {
		return err
	}
	return t.PutCursor(CursorRow{Connection: "okta", Kind: "full", Data: []byte("x")})
}

func benchUnit(b *testing.B, opt UnitOptions, unit Unit) {
	h := openBench(b).In("acme")
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.ReportAllocs()
	b.ResetTimer()
	report := perOp(b)
	for range b.N {
		if err := h.Update(ctx, opt, unit); err != nil {
			b.Fatal(err)
		}
	}
	report()
}

func BenchmarkViewOne(b *testing.B) {
	h := openBench(b).In("acme")
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.ReportAllocs()
	b.ResetTimer()
	report := perOp(b)
	for range b.N {
		err := h.View(ctx, func(r *Reader) error { _, err := r.Connection("okta"); return err })
		if err != nil {
			b.Fatal(err)
		}
	}
	report()
}

func BenchmarkToken(b *testing.B) {
	s := openBench(b)
	b.ReportAllocs()
	b.ResetTimer()
	report := perOp(b)
	for range b.N {
		row, err := s.Token(b.Context(), "t1")
		if err != nil || row.Workspace != "acme" || row.RevokedAt != workspace.Micros(0) {
			b.Fatal(row, err)
		}
	}
	report()
}
