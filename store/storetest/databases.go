package storetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	stdsync "sync"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/store"
)

// migrated is an empty SQLite file of the present schema, made once by a
// process: a copy costs less than all migrations.
var migrated = stdsync.OnceValues(func() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "rollcall-storetest-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "empty.db")
	if err := migrate("sqlite:" + file); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})

// migrate makes the present schema. The store is closed again, which leaves
// all of a SQLite database in its one file.
func migrate(url string) error {
	s, err := store.Open(context.Background(), store.Options{URL: url, AutoMigrate: true, AllowNoFsync: true})
	if err != nil {
		return err
	}
	return s.Close()
}

// SQLite gives the address of an empty SQLite database of the present schema,
// in a file of that name, for this test alone.
func SQLite(tb testing.TB, name string) string {
	tb.Helper()
	content, err := migrated()
	if err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		tb.Fatal(err)
	}
	return "sqlite:" + file
}

// Postgres gives the address of an empty PostgreSQL database of the present
// schema for this test alone, on the server of pgtest.
func Postgres(tb testing.TB) string {
	tb.Helper()
	return pgtest.NewDatabaseFrom(tb, "migrated", migrate)
}
