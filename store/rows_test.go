package store_test

import (
	"testing"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/store/storetest"
)

func TestRows(t *testing.T) {
	for name, url := range map[string]string{"sqlite": "sqlite:" + t.TempDir() + "/a.db", "postgres": pgtest.NewDatabase(t)} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(t.Context(), store.Options{URL: url, AutoMigrate: true, AllowNoFsync: true})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			storetest.Rows(t, s)
		})
	}
}
