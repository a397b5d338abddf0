package store

import (
	"fmt"
	"os"
	"testing"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(killedStore); url != "" {
		fmt.Fprintln(os.Stderr, "writer:", writeUntilKilled(url))
		os.Exit(1)
	}
	pgtest.Main(m)
}

// engines opens a store of each engine on a database of its own.
func engines(t *testing.T, run func(t *testing.T, s *Store)) {
	for _, name := range []string{"sqlite", "postgres"} {
		t.Run(name, func(t *testing.T) {
			url := liteScheme + t.TempDir() + "/test.db"
			if name == "postgres" {
				url = pgtest.NewDatabase(t)
			}
			run(t, openTest(t, url))
		})
	}
}

// openTest opens a migrated store that closes with the test.
func openTest(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: url, AutoMigrate: true, AllowNoFsync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// newWorkspace writes the workspace acme with the connection okta.
func newWorkspace(t *testing.T, s *Store) *Handle {
	t.Helper()
	h := s.In("acme")
	err := h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
		if err := tx.PutWorkspace(WorkspaceRow{Name: "Acme Inc", Plan: "business", Zone: "UTC", Active: true}); err != nil {
			return err
		}
		return tx.PutConnection(ConnectionRow{ID: "okta", Kind: "scim"})
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}
