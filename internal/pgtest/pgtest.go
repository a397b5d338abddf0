// Package pgtest gives tests a real PostgreSQL.
//
// A test process has at most one shared server. It starts with the first call of NewDatabase or NewDatabaseFrom, listens on
// a free loopback port, keeps its files in a temporary folder and ends with the process, however that ends. A package that
// uses it says so once:
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
// A missing PostgreSQL fails the test with the command that installs it. It never skips: a suite that was not run on an
// engine says nothing about that engine.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// shared is the one server of this test process, started on first use.
var shared struct {
	mu     sync.Mutex
	inMain bool
	server *Server
	err    error
	count  int               // Databases made so far; part of their names.
	made   map[string]string // Template key -> database name.
}

// Main runs the package's tests and stops the shared server afterwards. The exit code is that of the tests, or 1 when the
// server could not be stopped.
func Main(m *testing.M) {
	shared.mu.Lock()
	shared.inMain = true
	shared.mu.Unlock()

	code := m.Run()

	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server != nil {
		if err := shared.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "pgtest: stopping PostgreSQL:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// NewDatabase returns the address of an empty database for this test alone, as
// postgres://USER:PASSWORD@127.0.0.1:PORT/NAME?sslmode=disable. The user owns the database and is no superuser, as in a
// careful installation. The database is dropped, and connections to it are cut, when the test ends. Safe for parallel tests.
func NewDatabase(tb testing.TB) string {
	tb.Helper()
	return newDatabase(tb, "", nil)
}

// NewDatabaseFrom is NewDatabase with content: the first call with a key makes a database and lets prepare fill it (run
// migrations, load rows); every call, the first included, returns a copy of that. A key stands for one prepare function in
// the whole test process. Copying costs a few hundredths of a second, so tests need not share a database.
func NewDatabaseFrom(tb testing.TB, key string, prepare func(dsn string) error) string {
	tb.Helper()
	if key == "" || prepare == nil {
		tb.Fatal("pgtest: NewDatabaseFrom needs a key and a prepare function")
	}
	return newDatabase(tb, key, prepare)
}

func newDatabase(tb testing.TB, key string, prepare func(dsn string) error) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.inMain {
		tb.Fatal("pgtest: add `func TestMain(m *testing.M) { pgtest.Main(m) }` to this package's tests")
	}
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = Start(Options{})
	}
	if shared.err != nil {
		tb.Fatal("pgtest: ", shared.err)
	}
	server := shared.server

	template := "template0"
	if key != "" {
		name, ok := shared.made[key]
		if !ok {
			name = fmt.Sprintf("prepared_%d", len(shared.made)+1)
			if err := server.prepareTemplate(ctx, name, prepare); err != nil {
				tb.Fatalf("pgtest: preparing %q: %v", key, err)
			}
			if shared.made == nil {
				shared.made = make(map[string]string)
			}
			shared.made[key] = name
		}
		template = name
	}

	shared.count++
	name := fmt.Sprintf("test_%d", shared.count)
	if err := server.createDatabase(ctx, name, template); err != nil {
		tb.Fatal("pgtest: ", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := server.dropDatabase(ctx, name); err != nil {
			tb.Error("pgtest: ", err)
		}
	})
	return server.DSN(name)
}

// prepareTemplate makes a database and fills it. One that could not be filled is dropped again, so that a second test with
// the same key meets the same error and not a half-made template.
func (s *Server) prepareTemplate(ctx context.Context, name string, prepare func(dsn string) error) error {
	if err := s.createDatabase(ctx, name, "template0"); err != nil {
		return err
	}
	if err := prepare(s.DSN(name)); err != nil {
		if drop := s.dropDatabase(ctx, name); drop != nil {
			return fmt.Errorf("%w (and dropping it again: %w)", err, drop)
		}
		return err
	}
	// A template must have no connections. A closed one may still be on its way out, so wait for the server's side of it.
	return s.admin(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1`, name)
		if err != nil {
			return fmt.Errorf("clearing connections to %s: %w", name, err)
		}
		return nil
	})
}

func (s *Server) createDatabase(ctx context.Context, name, template string) error {
	return s.admin(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+
			" OWNER "+pgx.Identifier{ordinaryUser}.Sanitize()+" TEMPLATE "+pgx.Identifier{template}.Sanitize())
		if err != nil {
			return fmt.Errorf("creating database %s: %w", name, err)
		}
		return nil
	})
}

func (s *Server) dropDatabase(ctx context.Context, name string) error {
	return s.admin(ctx, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
			return fmt.Errorf("dropping database %s: %w", name, err)
		}
		return nil
	})
}
