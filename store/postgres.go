package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
)

// Bounds of the PostgreSQL engine (reliability section 2).
const (
	unitTimeout = 30 * time.Second
	poolWait    = 2 * time.Second
	maxRetries  = 5
	maxPool     = 25
)

// pgTimeouts are set on each connection, or in each transaction when a
// transaction pooler stands between, which shares connections.
var pgTimeouts = []struct{ name, value string }{
	{"statement_timeout", "30s"},
	{"lock_timeout", "5s"},
	{"idle_in_transaction_session_timeout", "10s"},
}

// pgEngine is PostgreSQL: one transaction per unit.
type pgEngine struct {
	db       *sqlx.DB
	begin    string                        // with SET LOCAL behind a pooler
	trace    func(text string, rows int64) // store.Options.Trace
	snapshot string
	texts    expansions
}

// pgConfig parses the address and puts our bounds into it.
func pgConfig(url string) (cfg *pgx.ConnConfig, pooled bool, err error) {
	cfg, err = pgx.ParseConfig(url)
	if err != nil {
		// pgx takes the password out of the text.
		return nil, false, fmt.Errorf("database address: %w", err)
	}
	// One after the other is tried: further hosts, and with sslmode=prefer the
	// same one in the clear.
	tried := []*pgconn.FallbackConfig{{Host: cfg.Host, TLSConfig: cfg.TLSConfig}}
	for _, to := range append(tried, cfg.Fallbacks...) {
		if !loopbackHost(to.Host) && (to.TLSConfig == nil || to.TLSConfig.InsecureSkipVerify) {
			return nil, false, errors.New("database address: sslmode must be verify-full unless every host is loopback")
		}
	}
	if cfg.ValidateConnect == nil {
		cfg.ValidateConnect = validateReadWrite
	}
	pooled = cfg.DefaultQueryExecMode == pgx.QueryExecModeExec || cfg.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol
	if !pooled {
		for _, t := range pgTimeouts {
			cfg.RuntimeParams[t.name] = cmp.Or(cfg.RuntimeParams[t.name], t.value)
		}
	}
	cfg.RuntimeParams["application_name"] = cmp.Or(cfg.RuntimeParams["application_name"], "rollcall")
	cfg.ConnectTimeout = cmp.Or(cfg.ConnectTimeout, 3*time.Second)
	return cfg, pooled, nil
}

// loopbackHost reports whether a host of an address is this machine, its
// sockets included.
func loopbackHost(host string) bool {
	return host == "localhost" || host == "" || host[0] == '/' || net.ParseIP(host).IsLoopback()
}

// connectPostgres opens a pool and asks the server for a sign of life.
func connectPostgres(ctx context.Context, url string) (*sqlx.DB, error) {
	cfg, _, err := pgConfig(url)
	if err != nil {
		return nil, err
	}
	db := sqlx.NewDb(stdlib.OpenDB(*cfg), "pgx")
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(unavailable("no PostgreSQL", err), db.Close())
	}
	return db, nil
}

const (
	sqlPgSettings = `SELECT current_setting('fsync'), current_setting('synchronous_commit'),
		CAST(current_setting('server_version_num') AS BIGINT), current_setting('server_encoding')`
	sqlPgBegin    = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE`
	sqlPgSnapshot = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`
)

func openPostgres(ctx context.Context, opt Options) (engine, error) {
	db, err := connectPostgres(ctx, opt.URL)
	if err != nil {
		return nil, err
	}
	size := min(4*runtime.NumCPU(), maxPool)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	db.SetConnMaxIdleTime(5 * time.Minute)
	if err := checkServer(ctx, db, opt); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	_, pooled, err := pgConfig(opt.URL)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	e := &pgEngine{db: db, begin: sqlPgBegin, snapshot: sqlPgSnapshot, trace: opt.Trace}
	if pooled {
		for _, t := range pgTimeouts {
			set := "; SET LOCAL " + t.name + " = '" + t.value + "'"
			e.begin += set
			e.snapshot += set
		}
	}
	return e, nil
}

// checkServer refuses a server that loses acknowledged writes (DU1, DU3).
func checkServer(ctx context.Context, db *sqlx.DB, opt Options) error {
	var fsync, commit, encoding string
	var version int64
	if err := db.QueryRowContext(ctx, sqlPgSettings).Scan(&fsync, &commit, &version, &encoding); err != nil {
		return pgError(err)
	}
	switch {
	case version < 140000:
		return fmt.Errorf("PostgreSQL %d is too old: 14 or newer is needed", version/10000)
	case encoding != "UTF8":
		return fmt.Errorf("PostgreSQL database has encoding %s: UTF8 is needed", encoding)
	case opt.AllowNoFsync:
		return nil
	case fsync != "on":
		return errors.New("PostgreSQL runs with fsync = off: a crash would lose acknowledged changes")
	case commit == "off":
		return errors.New("PostgreSQL runs with synchronous_commit = off: a crash would lose acknowledged changes")
	}
	return nil
}

func (e *pgEngine) close() error { return e.db.Close() }

// update runs the unit in a transaction of its own, again after a lost race.
func (e *pgEngine) update(ctx context.Context, ws string, opt UnitOptions, unit Unit) error {
	for try := 0; ; try++ {
		err := e.attempt(ctx, ws, opt, unit)
		if !retryable(err) || try == maxRetries {
			return err
		}
		// Jitter, so that two units that met do not meet again.
		pause := time.Duration(rand.Int64N(int64(5*time.Millisecond) << try))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// with lends a connection for one transaction.
func (e *pgEngine) with(ctx context.Context, fn func(*pgSession) error) (err error) {
	wait, cancel := context.WithTimeout(ctx, poolWait)
	conn, err := e.db.Conn(wait)
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return unavailable("no database connection", err)
	}
	defer func() {
		if cerr := conn.Close(); cerr != nil && !errors.Is(cerr, sql.ErrConnDone) && !errors.Is(cerr, driver.ErrBadConn) {
			err = errors.Join(err, pgError(cerr))
		}
	}()
	// Raw hands over the driver's connection: one row type serves both
	// engines. fn's error is carried beside: Raw drops a connection for
	// driver.ErrBadConn only.
	var inner error
	rerr := conn.Raw(func(dc any) error {
		c, ok := dc.(*stdlib.Conn)
		if !ok {
			inner = fmt.Errorf("store: PostgreSQL driver gives %T", dc)
			return nil
		}
		s := &pgSession{conn: c, engine: e}
		inner = fn(s)
		if c.Conn().IsClosed() || c.Conn().PgConn().TxStatus() != 'I' {
			return driver.ErrBadConn // not fit for the next one
		}
		return nil
	})
	if inner == nil && rerr != nil && !errors.Is(rerr, driver.ErrBadConn) {
		return pgError(rerr)
	}
	return inner
}

func (e *pgEngine) attempt(ctx context.Context, ws string, opt UnitOptions, unit Unit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var xid string
	var commitErr error
	err := e.with(ctx, func(s *pgSession) error {
		// A unit that has begun runs to its end, as it does on SQLite.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unitTimeout)
		defer cancel()
		s.locking, s.trace = true, e.trace
		if err := s.do(ctx, e.begin); err != nil {
			return unavailable("no transaction", err)
		}
		tx := &Tx{Reader: Reader{ctx: ctx, ws: ws, on: s}}
		err := runUnit(tx, opt, unit)
		if isUnavailable(tx.failed) || retryable(tx.failed) {
			err = tx.failed // whatever the unit made of it
		}
		if err != nil || opt.DryRun {
			if rerr := s.do(ctx, sqlRollback); rerr != nil && err == nil {
				err = rerr
			}
			return err
		}
		if s.wrote {
			s.trace = nil // this is no statement of the unit
			if err := one(s.query(ctx, sqlTransactionID, nil)).Scan(&xid); err != nil {
				return err
			}
		}
		commitErr = s.do(ctx, sqlCommit)
		return commitErr
	})
	if commitErr != nil && xid != "" && isUnavailable(commitErr) {
		return e.lookUp(ctx, xid, commitErr)
	}
	return err
}

const (
	sqlTransactionID     = `SELECT CAST(pg_current_xact_id() AS TEXT)`
	sqlTransactionStatus = `SELECT pg_xact_status(CAST(CAST(? AS TEXT) AS xid8))`
)

// lookUp asks what became of a transaction whose COMMIT got no answer.
func (e *pgEngine) lookUp(ctx context.Context, xid string, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for {
		var status string
		err := e.with(ctx, func(s *pgSession) error {
			return one(s.query(ctx, sqlTransactionStatus, []any{xid})).Scan(&status)
		})
		switch {
		case err == nil && status == "committed":
			return nil
		case err == nil && status == "aborted":
			return cause
		}
		// In progress: the old backend has not noticed yet. Or the server
		// is still away.
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return unavailable("the outcome of a commit is unknown", cause)
		}
	}
}

func (e *pgEngine) view(ctx context.Context, ws string, single bool, fn func(*Reader) error) error {
	return e.with(ctx, func(s *pgSession) error {
		if !single {
			if err := s.do(ctx, e.snapshot); err != nil {
				return err
			}
		}
		err := runView(&Reader{ctx: ctx, ws: ws, on: s}, fn)
		if !single {
			// With a done context the connection is dropped, which ends it too.
			if rerr := s.do(ctx, sqlRollback); rerr != nil && err == nil {
				err = rerr
			}
		}
		return err
	})
}
