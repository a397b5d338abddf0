package store

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFileModes: the database holds personal data, so nobody else reads it.
func TestFileModes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lax := filepath.Join(dir, "lax.db")
	if err := os.WriteFile(lax, nil, 0o644); err != nil { //nolint:gosec // The point of the test.
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "new.db"), lax} {
		s := openTest(t, liteScheme+path)
		newWorkspace(t, s)
		for _, suffix := range []string{"", "-wal", "-shm"} {
			info, err := os.Stat(path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v", info.Name(), info.Mode())
			}
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	missing := liteScheme + filepath.Join(t.TempDir(), "no", "such", "folder.db")
	for _, url := range []string{
		"sqlite:", "sqlite::memory:", "sqlite:a.db?mode=memory", missing, "mysql://x", "",
		"postgres://db.acme.com/x?sslmode=disable", "postgres://db.acme.com/x?sslmode=require",
	} {
		if s, err := Open(t.Context(), Options{URL: url, AutoMigrate: true}); err == nil {
			t.Errorf("%q was opened (%v)", url, s.Close())
		}
	}
}

func TestLockExclusive(t *testing.T) {
	t.Parallel()
	url := liteScheme + filepath.Join(t.TempDir(), "served.db")
	release, err := LockExclusive(url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LockExclusive(url); err == nil {
		t.Error("two daemons serve one file")
	}
	newWorkspace(t, openTest(t, url)) // commands write beside it
	if err := release(); err != nil {
		t.Fatal(err)
	}
	release, err = LockExclusive(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
}

// TestFileSystems: the folder of this test is on a local disk, and the list
// names what SQLite must not run on.
func TestFileSystems(t *testing.T) {
	t.Parallel()
	if err := checkFileSystem(t.TempDir()); err != nil {
		t.Error(err)
	}
	if err := checkFileSystem(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing folder is fine")
	}
}
