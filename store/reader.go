package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Reader runs queries of one workspace on one snapshot; it is used by one
// goroutine. Reads inside a Tx see its writes.
//
// The idiom of every query of this package: the SQL text is a constant beside
// the code, with ? placeholders and r.ws given for workspace_id; one scan
// function per row type serves single rows and lists.
//
//	const sqlGroup = `SELECT group_id, name, version FROM groups
//		WHERE workspace_id = ? AND group_id = ?{lock}`
//
//	func scanGroup(s scanner, g *workspace.Group) error { return s.Scan(&g.ID, &g.Name, &g.Version) }
//
//	func (r *Reader) Group(id string) (g workspace.Group, err error) {
//		return g, scanGroup(r.row(sqlGroup, r.ws, id), &g) // no row: workspace.ErrNotFound
//	}
//
//	return list(r, scanGroup, sqlGroupsOf, r.ws, member)
//
//	err := t.exec(sqlInsertGroup, t.ws, g.ID, ...)   // taken key: *ConflictError
//	err := t.swap(sqlUpdateGroup, ...)               // no row touched: workspace.ErrStale
//	n, err := t.execCount(sqlLeaveGroup, ...)        // rows touched
//
// On SQLite RETURNING costs as much as four statements without it (it fills a
// temporary table); rows touched and count do without.
//
// Tokens in a text ({lock}, {share}, {skip}, {now}) are those of dialect.go: {lock}
// ends a SELECT whose rows a unit is going to write.
//
// Arguments are nil, strings, integers, booleans, types made of these, and
// []byte, which is stored as text; null(s) stores "" as NULL. Scan takes
// pointers to the same, and to sql.Null types; NULL becomes the zero value on
// both engines. A list that is walked with rows must be closed:
//
//	rs, err := r.rows(sqlEdges, r.ws, group)
//	if err != nil { return err }
//	defer rs.Close()
//	for rs.Next() { ... rs.Scan(...) ... }
//	return rs.Err()
//
// Statements are prepared once per connection and text. A text that is built
// (an IN list, a compiled filter) is cached too, but pushed out again. Other
// statements may run while rows are open.
type Reader struct {
	ctx context.Context
	ws  string
	on  session
	// failed is the first error a statement of this unit met. On PostgreSQL
	// such a unit is lost; to be the same on both engines it is on SQLite too.
	failed error
	// pages is the store's memory of page keys; nil in a unit.
	pages *pageMemory
	// writer is the unit that these reads belong to; nil in a view.
	writer *Tx
}

// Tx is a Reader that also writes. Nothing else may touch the store while a
// unit runs (SQLite has one writer connection). After a statement has failed
// every later one gives the same error, and the unit is rolled back even when
// it returns nil: what may conflict is looked up before.
type Tx struct {
	Reader
	// queued is set when the unit wrote outbox events.
	queued bool
	// after is called when the unit is durable.
	after []func()
	// alone says that nobody else writes while the unit runs.
	alone bool
	none  absent
	hot   *hotRows // nil on PostgreSQL, where others write meanwhile
	// behind is what the unit has not written yet.
	behind behind
}

// session is one connection inside a transaction.
type session interface {
	query(ctx context.Context, text string, args []any) (*rows, error)
	exec(ctx context.Context, text string, args []any) (int64, error)
}

// scanner is a row to read: a single one, or the current one of rows.
type scanner interface{ Scan(dest ...any) error }

// row is the result of a query for at most one row.
type row struct {
	rows *rows
	err  error
}

// row asks for one row; further rows are ignored.
func (r *Reader) row(text string, args ...any) row {
	return one(r.rows(text, args...))
}

// one reads a result for its first row.
func one(rs *rows, err error) row { return row{rows: rs, err: err} }

// Scan reads the row, or gives workspace.ErrNotFound.
func (w row) Scan(dest ...any) error {
	if w.err != nil {
		return w.err
	}
	if !w.rows.Next() {
		if err := w.rows.Err(); err != nil {
			return errors.Join(err, w.rows.Close())
		}
		if err := w.rows.Close(); err != nil {
			return err
		}
		return workspace.ErrNotFound
	}
	err := w.rows.Scan(dest...)
	if cerr := w.rows.Close(); err == nil {
		err = cerr
	}
	return err
}

// rows asks for rows; the caller closes them.
func (r *Reader) rows(text string, args ...any) (*rows, error) {
	if r.failed != nil {
		return nil, r.failed
	}
	if err := r.settleFor(text); err != nil {
		return nil, err
	}
	return r.rowsPast(text, args...)
}

// rowsPast is rows before what waits, which the query is not about.
func (r *Reader) rowsPast(text string, args ...any) (*rows, error) {
	if r.failed != nil {
		return nil, r.failed
	}
	rs, err := r.on.query(r.ctx, text, args)
	if err != nil {
		return nil, r.fail(err)
	}
	rs.reader = r
	return rs, nil
}

// fail remembers the first failure of a statement.
func (r *Reader) fail(err error) error {
	if r.failed == nil {
		r.failed = err
	}
	return err
}

// list collects rows.
func list[T any](r *Reader, scan func(scanner, *T) error, text string, args ...any) (all []T, err error) {
	rs, err := r.rows(text, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rs.Close()) }()
	for rs.Next() {
		var v T
		if err := scan(rs, &v); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rs.Err()
}

// scanOne is the scan function of a list of single values.
func scanOne[T any](s scanner, v *T) error { return s.Scan(v) }

// execCount runs a statement and tells how many rows it touched.
func (t *Tx) execCount(text string, args ...any) (int64, error) {
	if t.failed != nil {
		return 0, t.failed
	}
	if err := t.settleFor(text); err != nil {
		return 0, err
	}
	return t.past(text, args...)
}

// exec runs a statement.
func (t *Tx) exec(text string, args ...any) error {
	_, err := t.execCount(text, args...)
	return err
}

// swap runs a compare-and-swap: one row, or workspace.ErrStale.
func (t *Tx) swap(text string, args ...any) error {
	n, err := t.execCount(text, args...)
	if err != nil {
		return err
	}
	if n != 1 {
		return fmt.Errorf("%w: %d rows at the expected version", workspace.ErrStale, n)
	}
	return nil
}

// count moves a counter in a row and reads it: two statements, for RETURNING
// costs SQLite a temporary table, which is dearer than another look at the
// row that the UPDATE has locked.
func (t *Tx) count(move, read string, args ...any) (n int64, err error) {
	moved, err := t.execCount(move, args...)
	if err != nil {
		return 0, err
	}
	if moved == 0 {
		return 0, workspace.ErrNotFound
	}
	err = t.row(read, args...).Scan(&n)
	return n, err
}
