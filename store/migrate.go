package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// MigrationStatus tells where a database's schema stands.
type MigrationStatus struct {
	Current, Latest int64
	Pending         []string
}

// Migrate brings a database's schema to the binary's own, resumably. A newer
// schema than the binary's is ErrSchema.
func Migrate(ctx context.Context, url string) (MigrationStatus, error) {
	// Most starts have nothing to do and need not take the lock.
	st, err := Status(ctx, url)
	if err != nil || len(st.Pending) == 0 {
		return st, err
	}
	for moved := time.Now(); ; {
		err := migrateUp(ctx, url)
		now, serr := Status(ctx, url)
		if err == nil || serr == nil && len(now.Pending) == 0 {
			return now, serr
		}
		// Another process may be at the same migrations and a step ahead: as long
		// as they get fewer, there is nothing wrong with them. One step may take
		// longer than SQLite waits for its lock.
		switch {
		case serr == nil && len(now.Pending) < len(st.Pending):
			st, moved = now, time.Now()
		case !isLiteBusy(err) || time.Since(moved) > migrationPatience || ctx.Err() != nil:
			return st, err
		}
	}
}

// migrationPatience is how long a store waits for a step of a migration that
// another process is taking.
const migrationPatience = 5 * time.Minute

// goose's own table, read here without goose: it would make it.
const (
	sqlLiteVersions     = `SELECT COUNT(*) FROM sqlite_schema WHERE name = 'goose_db_version'`
	sqlPostgresVersions = `SELECT COUNT(*) FROM information_schema.tables
		WHERE table_schema = current_schema() AND table_name = 'goose_db_version'`
	sqlAppliedVersions = `SELECT version_id FROM goose_db_version WHERE is_applied`
)

// Status reads the schema's state without changing it. A schema newer than
// the binary's is ErrSchema.
func Status(ctx context.Context, url string) (st MigrationStatus, err error) {
	var applied []int64
	if exists, err := databaseExists(url); err != nil {
		return st, err
	} else if exists {
		if applied, err = appliedVersions(ctx, url); err != nil {
			return st, err
		}
	}
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return st, fmt.Errorf("embedded migrations: %w", err)
	}
	for _, v := range applied {
		st.Current = max(st.Current, v)
	}
	for _, file := range files {
		v, err := goose.NumericComponent(file)
		if err != nil {
			return st, fmt.Errorf("embedded migrations: %w", err)
		}
		st.Latest = max(st.Latest, v)
		if !slices.Contains(applied, v) {
			st.Pending = append(st.Pending, path.Base(file))
		}
	}
	if st.Current > st.Latest {
		return st, fmt.Errorf("%w is at version %d, this rollcall knows %d: install the newer rollcall again", ErrSchema, st.Current, st.Latest)
	}
	return st, nil
}

// databaseExists is false for a SQLite file that nobody has made yet.
func databaseExists(url string) (bool, error) {
	if !strings.HasPrefix(url, liteScheme) {
		return true, nil
	}
	file, err := litePath(url)
	if err != nil {
		return false, err
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, fileFault(err)
	}
	return true, nil
}

// appliedVersions lists the migrations that a database has.
func appliedVersions(ctx context.Context, url string) (versions []int64, err error) {
	db, err := openForMigration(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	text := sqlPostgresVersions
	if strings.HasPrefix(url, liteScheme) {
		text = sqlLiteVersions
	}
	var tables int
	if err := db.GetContext(ctx, &tables, text); err != nil || tables == 0 {
		return nil, anyError(err)
	}
	return versions, anyError(db.SelectContext(ctx, &versions, sqlAppliedVersions))
}

// checkSchema refuses a schema that is not the binary's own, or migrates an
// older one when the options say so.
func checkSchema(ctx context.Context, opt Options) error {
	look := Status
	if opt.AutoMigrate {
		look = Migrate
	}
	st, err := look(ctx, opt.URL)
	if err != nil {
		return err
	}
	switch n := len(st.Pending); {
	case n > 0 && st.Current == 0:
		return fmt.Errorf("%w is not there yet: run rollcall migrate, or start rollcall serve", ErrSchema)
	case n > 0:
		return fmt.Errorf("%w is at version %d and lacks %d of this rollcall's migrations, the first of them %s: run rollcall migrate", ErrSchema, st.Current, n, st.Pending[0])
	}
	return nil
}

// migrateUp lets goose apply what is pending.
func migrateUp(ctx context.Context, url string) (err error) {
	db, err := openForMigration(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	dialect, words := goose.DialectSQLite3, &liteDialect
	opts := []goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)),
		// Numbers are given out before the work is done: one may arrive behind a
		// higher one, and a store between the two takes it then.
		goose.WithAllowOutofOrder(true),
	}
	if !strings.HasPrefix(url, liteScheme) {
		dialect, words = goose.DialectPostgres, &postgresDialect
		// Not the advisory lock: some PostgreSQL-compatible engines take it
		// without locking (LE3).
		locker, err := lock.NewPostgresTableLocker(lock.WithTableLockTimeout(time.Second, 300))
		if err != nil {
			return fmt.Errorf("migration lock: %w", err)
		}
		opts = append(opts, goose.WithLocker(locker))
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("embedded migrations: %w", err)
	}
	p, err := goose.NewProvider(dialect, db.DB, collated{files, words}, opts...)
	if err != nil {
		return fmt.Errorf("embedded migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	return nil
}

// openForMigration opens a pool of database/sql, which goose asks for.
func openForMigration(ctx context.Context, url string) (*sqlx.DB, error) {
	if !strings.HasPrefix(url, liteScheme) {
		return connectPostgres(ctx, url)
	}
	file, err := litePath(url)
	if err != nil {
		return nil, err
	}
	if err := prepareFile(file); err != nil {
		return nil, err
	}
	db := sqlx.NewDb(sql.OpenDB(liteConnector(liteDSN(file, true))), "sqlite")
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(liteError(err), db.Close())
	}
	return db, nil
}

// collated serves the migrations with the engine's collation.
type collated struct {
	fs.FS
	words *dialect
}

// Open gives a migration as the engine wants it.
func (c collated) Open(name string) (fs.File, error) {
	f, err := c.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return f, err
	}
	text, err := fs.ReadFile(c.FS, name)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &migrationFile{File: f, text: strings.NewReader(c.words.migration(string(text)))}, nil
}

// migrationFile reads from the translated text.
type migrationFile struct {
	fs.File
	text *strings.Reader
}

// Read reads the translated text.
func (m *migrationFile) Read(b []byte) (int, error) { return m.text.Read(b) }
