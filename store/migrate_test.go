package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

// emptyDatabases gives an address without a schema for each engine.
func emptyDatabases(t *testing.T, run func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { run(t, liteScheme+filepath.Join(t.TempDir(), "test.db")) })
	t.Run("postgres", func(t *testing.T) { run(t, pgtest.NewDatabase(t)) })
}

// execRaw runs SQL beside the store.
func execRaw(t *testing.T, url, text string) {
	t.Helper()
	db, err := openForMigration(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	emptyDatabases(t, func(t *testing.T, url string) {
		before, err := Status(t.Context(), url)
		if err != nil || before.Current != 0 || before.Latest < 1 || len(before.Pending) == 0 || !strings.HasPrefix(before.Pending[len(before.Pending)-1], fmt.Sprintf("%05d", before.Latest)) {
			t.Fatalf("empty: %+v, %v", before, err)
		}
		if path, lite := strings.CutPrefix(url, liteScheme); lite {
			if _, err := os.Stat(path); err == nil {
				t.Error("Status made the file")
			}
		}
		_, err = Open(t.Context(), Options{URL: url, AllowNoFsync: true})
		if !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "run rollcall migrate") {
			t.Errorf("open without a schema: %v", err)
		}
		// Replicas that start together migrate once.
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				st, err := Migrate(t.Context(), url)
				if err != nil || len(st.Pending) != 0 || st.Current != st.Latest {
					t.Errorf("migrate: %+v, %v", st, err)
				}
			})
		}
		wg.Wait()
		newWorkspace(t, openTest(t, url))
		again, err := Migrate(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		want := MigrationStatus{Current: before.Latest, Latest: before.Latest}
		if diff := cmp.Diff(want, again); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	emptyDatabases(t, func(t *testing.T, url string) {
		if _, err := Migrate(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		execRaw(t, url, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, TRUE)`)
		_, status := Status(t.Context(), url)
		_, migrate := Migrate(t.Context(), url)
		_, open := Open(t.Context(), Options{URL: url, AutoMigrate: true, AllowNoFsync: true})
		for what, err := range map[string]error{"status": status, "migrate": migrate, "open": open} {
			if !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "99999") {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// TestHalfMigrationIsUndone: a migration that fails in the middle leaves
// nothing, and the next try goes through.
func TestHalfMigrationIsUndone(t *testing.T) {
	t.Parallel()
	emptyDatabases(t, func(t *testing.T, url string) {
		execRaw(t, url, `CREATE TABLE lease (in_the_way BIGINT)`) // the last table of the first migration
		if _, err := Migrate(t.Context(), url); err == nil {
			t.Fatal("migrated over a foreign table")
		}
		execRaw(t, url, `DROP TABLE lease`)
		newWorkspace(t, openTest(t, url))
	})
}

// TestUniqueIndexes compares the list behind ConflictError with the schema.
func TestUniqueIndexes(t *testing.T) {
	t.Parallel()
	known := map[string]uniqueIndex{}
	for _, u := range uniqueIndexes {
		known[u.name] = u
	}
	type index struct{ Name, Table, Columns string }
	engines(t, func(t *testing.T, s *Store) {
		text := `SELECT i.relname, c.relname, '' FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
			JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname = 'public' AND x.indisunique AND NOT x.indisprimary AND c.relname NOT LIKE 'goose%'`
		if _, lite := s.engine.(*liteEngine); lite {
			text = `SELECT l.name, m.name, (SELECT group_concat(i.name, ', ') FROM pragma_index_info(l.name) i)
				FROM sqlite_schema m, pragma_index_list(m.name) l WHERE m.type = 'table' AND l."unique" AND l.origin = 'c'`
		}
		err := s.In("acme").View(t.Context(), func(r *Reader) error {
			all, err := list(r, func(s scanner, x *index) error { return s.Scan(&x.Name, &x.Table, &x.Columns) }, text)
			found := 0
			for _, x := range all {
				u, ok := known[x.Name]
				switch {
				case x.Name == "token_token_id_key": // the token's own id
				case !ok:
					t.Errorf("index %s of %s is not in uniqueIndexes", x.Name, x.Table)
				case u.table != x.Table || x.Columns != "" && u.columns != x.Columns:
					t.Errorf("uniqueIndexes has %+v, the schema %+v", u, x)
				default:
					found++
				}
			}
			if found != len(known) {
				t.Errorf("%d of %d indexes are in the schema", found, len(known))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// Processes that start together on a file that is not there yet, and end together, all come through.
func TestOpenTogether(t *testing.T) {
	t.Parallel()
	for range 40 {
		url := liteScheme + filepath.Join(t.TempDir(), "test.db")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				db, err := openForMigration(t.Context(), url)
				if err != nil {
					t.Errorf("open: %v", err)
					return
				}
				if err := db.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
		}
		wg.Wait()
	}
}
