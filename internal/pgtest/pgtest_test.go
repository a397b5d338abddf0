package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) {
	if os.Getenv("PGTEST_ORPHAN") != "" {
		orphan() // This process is the second one of TestNothingOutlivesAKilledProcess.
	}
	Main(m)
}

// orphan is the body of a second process that starts a server and is then killed.
func orphan() {
	s, err := Start(Options{NoSync: true})
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
	println("folder " + s.folder.path)
	select {}
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

func query[T any](t *testing.T, conn *pgx.Conn, sql string) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func TestDatabaseIsDurableAndOrdinary(t *testing.T) {
	t.Parallel()
	conn := connect(t, NewDatabase(t))
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		if got := query[string](t, conn, "SHOW "+setting); got != "on" {
			t.Errorf("%s = %s, want on", setting, got)
		}
	}
	if query[bool](t, conn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") {
		t.Error("tests run as superuser")
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE t (id TEXT PRIMARY KEY)"); err != nil {
		t.Errorf("the owner of a fresh database cannot create a table: %v", err)
	}
}

// Text must not happen to sort by bytes, or a missing COLLATE goes unseen.
func TestCollationIsNotBytewise(t *testing.T) {
	t.Parallel()
	conn := connect(t, NewDatabase(t))
	if query[int](t, conn, "SELECT current_setting('server_version_num')::int") < 150000 {
		return // PostgreSQL 14 has no ICU default; the property is of newer ones.
	}
	if !query[bool](t, conn, "SELECT 'a' < 'B'") {
		t.Error("'a' sorts after 'B': the default collation is bytewise")
	}
}

func TestDatabasesAreApart(t *testing.T) {
	t.Parallel()
	first, second := connect(t, NewDatabase(t)), connect(t, NewDatabase(t))
	if _, err := first.Exec(t.Context(), "CREATE TABLE only_here (id TEXT)"); err != nil {
		t.Fatal(err)
	}
	if query[bool](t, second, "SELECT to_regclass('only_here') IS NOT NULL") {
		t.Error("a table of one database is seen in another")
	}
}

func TestDatabaseFromPreparesOnceAndCopies(t *testing.T) {
	t.Parallel()
	key, prepared := rand.Text(), 0 // A key of its own, for -count runs the test again in one process.
	prepare := func(dsn string) error {
		prepared++
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			return err
		}
		_, err = conn.Exec(t.Context(), "CREATE TABLE person (name TEXT); INSERT INTO person VALUES ('ann')")
		return err // The connection is left open on purpose: a template is usable all the same.
	}
	for range 3 {
		conn := connect(t, NewDatabaseFrom(t, key, prepare))
		if got := query[int](t, conn, "SELECT count(*) FROM person"); got != 1 {
			t.Errorf("%d rows in the copy, want 1", got)
		}
		if _, err := conn.Exec(t.Context(), "INSERT INTO person VALUES ('bo')"); err != nil {
			t.Fatal(err)
		}
	}
	if prepared != 1 {
		t.Errorf("prepare ran %d times", prepared)
	}
}

func TestDatabaseIsDroppedWithItsTest(t *testing.T) {
	t.Parallel()
	var dsn string
	t.Run("user", func(t *testing.T) { dsn = NewDatabase(t) })
	conn, err := pgx.Connect(t.Context(), dsn)
	if err == nil {
		t.Error("the database of a finished test is still there")
		err = conn.Close(t.Context())
	}
	if err != nil && !strings.Contains(err.Error(), "3D000") { // invalid_catalog_name
		t.Errorf("unexpected error: %v", err)
	}
}

// An acknowledged row survives a crash; the folder goes with Stop.
func TestServerCrashRestartStop(t *testing.T) {
	t.Parallel()
	s, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.NewDatabase(t.Context(), "crash"); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), s.DSN("crash"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE t (n BIGINT); INSERT INTO t VALUES (42)"); err != nil {
		t.Fatal(err)
	}
	if err := s.Crash(); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("a crashed server answered")
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	after, err := pgx.Connect(t.Context(), s.DSN("crash"))
	if err != nil {
		t.Fatal(err)
	}
	if got := query[int](t, after, "SELECT n FROM t"); got != 42 {
		t.Errorf("n = %d after the crash, want 42", got)
	}
	if err := s.NewDatabase(t.Context(), "later"); err != nil {
		t.Errorf("no new database after a restart: %v", err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.folder.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder stays after Stop: %v", err)
	}
}

// A folder in use is not swept.
func TestSweepSparesTheLiving(t *testing.T) {
	t.Parallel()
	f, err := newFolder(account{})
	if err != nil {
		t.Fatal(err)
	}
	if err := sweep(os.TempDir()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.data); err != nil {
		t.Errorf("a folder in use was removed: %v", err)
	}
	if err := f.remove(); err != nil {
		t.Error(err)
	}
}

func TestMissingServerNamesTheRemedy(t *testing.T) {
	t.Parallel()
	_, err := newest(filepath.Join(t.TempDir(), "*", "bin"))
	if !errors.Is(err, errNotInstalled) || !strings.Contains(err.Error(), "apt-get install postgresql") {
		t.Errorf("err = %v", err)
	}
}

func TestNewestInstalledVersionWins(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, version := range []string{"9", "14", "17", "18"} {
		dir := filepath.Join(root, version, "bin")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"initdb", "postgres"} {
			if version == "18" && name == "initdb" {
				continue // A client-only installation.
			}
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := newest(filepath.Join(root, "*", "bin"))
	if want := filepath.Join(root, "17", "bin"); err != nil || got != want {
		t.Errorf("newest = %q, %v, want %q", got, err, want)
	}
}

func BenchmarkNewDatabaseFrom(b *testing.B) {
	prepare := func(dsn string) error {
		conn, err := pgx.Connect(b.Context(), dsn)
		if err != nil {
			return err
		}
		_, err = conn.Exec(b.Context(), "CREATE TABLE person (name TEXT PRIMARY KEY)")
		return errors.Join(err, conn.Close(b.Context()))
	}
	NewDatabaseFrom(b, "benchmark", prepare) // The first call starts the server and fills the template.
	for b.Loop() {
		NewDatabaseFrom(b, "benchmark", prepare)
	}
}
