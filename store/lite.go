package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"modernc.org/sqlite"
)

// liteConn is one SQLite connection with its prepared statements. It is used
// by one goroutine at a time. It talks to the driver without database/sql:
// measured, that saves a third of the time of a small statement, and every
// SCIM request runs some dozen.
type liteConn struct {
	conn    liteDriverConn
	stmts   map[string]*liteStmt
	tick    uint64
	limit   int
	locking bool // the writer; expand needs it
	args    []driver.NamedValue
	open    []*rows
	// writes grows with everything that may have changed a row.
	writes int64
	hot    *hotRows                      // of the writer; nil on readers
	trace  func(text string, rows int64) // nil: nobody looks
}

// liteDriverConn is what modernc's connection offers and we use.
type liteDriverConn interface {
	driver.Conn
	driver.ConnPrepareContext
}

// liteStmt is a prepared statement; modernc keeps the compiled form and
// resets it, so it may serve one open result at a time.
type liteStmt struct {
	prepared driver.Stmt
	query    driver.StmtQueryContext
	exec     driver.StmtExecContext
	vals     []driver.Value
	busy     bool
	cached   bool
	reads    bool // it cannot change a row
	changes  bool // it is an INSERT, UPDATE or DELETE
	undoes   bool // it is a ROLLBACK, whole or to a savepoint
	stale    []hotKind
	used     uint64
}

// openLite opens a connection that keeps at most limit prepared statements.
func openLite(dsn string, limit int, locking bool) (*liteConn, error) {
	keepPages()
	c, err := liteConnector(dsn).Connect(context.Background())
	if err != nil {
		return nil, liteError(err)
	}
	conn, ok := c.(liteDriverConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("store: SQLite driver gives %T", c), c.Close())
	}
	return &liteConn{conn: conn, stmts: make(map[string]*liteStmt), limit: limit, locking: locking}, nil
}

// liteConnector opens connections with one connection string.
type liteConnector string

// Connect waits where another process opens a new file, or closes it last, at
// the same time: SQLite says then that it is busy without regard to
// busy_timeout (sqlite.org/wal.html, section 9).
func (dsn liteConnector) Connect(ctx context.Context) (driver.Conn, error) {
	for began := time.Now(); ; {
		c, err := dsn.Driver().Open(string(dsn))
		if !isLiteBusy(err) || time.Since(began) > busyTimeout {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Driver is SQLite's.
func (dsn liteConnector) Driver() driver.Driver { return new(sqlite.Driver) }

// stmt finds or prepares a statement that is not in use.
func (c *liteConn) stmt(text string) (*liteStmt, error) {
	c.tick++
	s, ok := c.stmts[text]
	if ok && !s.busy {
		s.used = c.tick
		return s, nil
	}
	p, err := c.conn.PrepareContext(context.Background(), liteDialect.expand(text, c.locking))
	if err != nil {
		return nil, liteError(err)
	}
	s = &liteStmt{prepared: p, used: c.tick, reads: onlyReads(text), changes: changesRows(text), undoes: strings.HasPrefix(text, "ROLLBACK"), stale: writesHot(text)}
	var isQuery, isExec bool
	s.query, isQuery = p.(driver.StmtQueryContext)
	s.exec, isExec = p.(driver.StmtExecContext)
	if !isQuery || !isExec {
		return nil, errors.Join(fmt.Errorf("store: SQLite driver prepares %T", p), p.Close())
	}
	if ok {
		return s, nil // the cached one walks a result; this one lives for one use
	}
	if err := c.evict(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	s.cached = true
	c.stmts[text] = s
	return s, nil
}

// onlyReads reports whether a statement is a query; one that writes and gives
// rows back is none.
func onlyReads(text string) bool {
	if strings.HasPrefix(text, "SELECT") {
		return true
	}
	return strings.HasPrefix(text, "WITH") && !strings.Contains(text, "INSERT") && !strings.Contains(text, "UPDATE") && !strings.Contains(text, "DELETE")
}

// changesRows reports whether a statement's count of rows is its own.
func changesRows(text string) bool {
	return strings.HasPrefix(text, "INSERT") || strings.HasPrefix(text, "UPDATE") || strings.HasPrefix(text, "DELETE") || strings.HasPrefix(text, "WITH")
}

// evict closes the statement that was not used for longest when the cache is
// full: built texts must not pile up.
func (c *liteConn) evict() error {
	if len(c.stmts) < c.limit {
		return nil
	}
	var oldest string
	for text, s := range c.stmts {
		if !s.busy && (oldest == "" || s.used < c.stmts[oldest].used) {
			oldest = text
		}
	}
	if oldest == "" {
		return nil // all are walking results
	}
	s := c.stmts[oldest]
	delete(c.stmts, oldest)
	return liteError(s.prepared.Close())
}

// bind fills the connection's argument list.
func (c *liteConn) bind(args []any) ([]driver.NamedValue, error) {
	c.args = c.args[:0]
	for i, a := range args {
		v, err := value(a)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return c.args, nil
}

// query implements session. The context is looked at before the statement
// only: modernc starts a goroutine to watch one, which costs more than most
// statements do.
func (c *liteConn) query(ctx context.Context, text string, args []any) (*rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	bound, err := c.bind(args)
	if err != nil {
		return nil, err
	}
	s, err := c.stmt(text)
	if err != nil {
		return nil, err
	}
	if !s.reads {
		c.writes++
	}
	if c.trace != nil {
		c.trace(text, 0)
	}
	c.forget(s)
	src, err := s.query.QueryContext(context.Background(), bound)
	if err != nil {
		c.failed(s)
		return nil, errors.Join(liteError(err), c.free(s))
	}
	if n := len(src.Columns()); s.vals == nil || len(s.vals) != n {
		s.vals = make([]driver.Value, n)
	}
	s.busy = true
	rs := &rows{src: src, vals: s.vals, wrap: liteError}
	rs.done = func(rs *rows) error {
		for i := len(c.open) - 1; i >= 0; i-- {
			if c.open[i] == rs {
				c.open = append(c.open[:i], c.open[i+1:]...)
				break
			}
		}
		s.busy = false
		return errors.Join(liteError(rs.src.Close()), c.free(s))
	}
	c.open = append(c.open, rs)
	return rs, nil
}

// free closes a statement that is not in the cache.
func (c *liteConn) free(s *liteStmt) error {
	if s.cached {
		return nil
	}
	return liteError(s.prepared.Close())
}

// exec implements session.
func (c *liteConn) exec(ctx context.Context, text string, args []any) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	bound, err := c.bind(args)
	if err != nil {
		return 0, err
	}
	s, err := c.stmt(text)
	if err != nil {
		return 0, err
	}
	c.forget(s)
	res, err := s.exec.ExecContext(context.Background(), bound)
	if err != nil {
		c.failed(s)
	}
	if ferr := c.free(s); err != nil || ferr != nil {
		return 0, errors.Join(liteError(err), liteError(ferr))
	}
	n, err := res.RowsAffected()
	if !s.changes {
		n = 0 // of an earlier statement
	}
	c.writes += n
	if c.trace != nil {
		c.trace(text, n)
	}
	return n, err
}

// begin begins the writer's transaction.
func (c *liteConn) begin() error {
	if err := c.do(sqlBegin); err != nil {
		return err
	}
	var version int64
	if err := one(c.query(context.Background(), sqlDataVersion, nil)).Scan(&version); err != nil {
		return errors.Join(err, c.do(sqlRollback))
	}
	if c.hot != nil {
		c.hot.refresh(version)
	}
	return nil
}

// forget drops what a statement makes stale.
func (c *liteConn) forget(s *liteStmt) {
	switch {
	case c.hot == nil:
	case s.undoes:
		c.hot.dropAll()
	default:
		c.hot.drop(s.stale)
	}
}

// failed drops everything after a statement that may have changed a row: on
// some errors SQLite rolls back by itself.
func (c *liteConn) failed(s *liteStmt) {
	if c.hot != nil && !s.reads {
		c.hot.dropAll()
	}
}

// do runs a statement of the store's own, outside any caller's context.
func (c *liteConn) do(text string) error {
	_, err := c.exec(context.Background(), text, nil)
	return err
}

// closeRows closes results that a unit left open, by a panic or a mistake.
func (c *liteConn) closeRows() error {
	var errs []error
	for len(c.open) > 0 {
		errs = append(errs, c.open[len(c.open)-1].Close())
	}
	return errors.Join(errs...)
}

// close finalises the statements and closes the connection.
func (c *liteConn) close() error {
	errs := []error{c.closeRows()}
	for _, s := range c.stmts {
		errs = append(errs, s.prepared.Close())
	}
	return errors.Join(append(errs, c.conn.Close())...)
}
