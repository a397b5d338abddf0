// Package store keeps Rollcall's truth in SQLite (one daemon, one file) or
// PostgreSQL (several replicas): one schema, one set of SQL texts.
//
// A Store is safe for concurrent use. Every query goes through In, which
// binds it to one workspace; reads run on Reader, writes on Tx inside one
// unit of work. The engine is the only writer of workspace data.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"
)

// Errors of the store. Row look-ups that find nothing give
// workspace.ErrNotFound, taken unique keys a *ConflictError that is
// workspace.ErrConflict, lost compare-and-swaps workspace.ErrStale.
var (
	// ErrUnavailable: the database cannot be reached, is full or read-only.
	// The unit has not been applied, or (after an ambiguous commit) it has
	// been looked up and was not. Only when that look-up fails too is the
	// outcome unknown; the text says so.
	ErrUnavailable = errors.New("store unavailable")
	// ErrBusy: too many units wait.
	ErrBusy = errors.New("store busy")
	// ErrFenced: the lease that the unit writes under is lost (LE2).
	ErrFenced = errors.New("lease lost")
	// ErrText: a text is not valid UTF-8 or has a NUL byte. Edges refuse such
	// input; a look-up with it can find nothing.
	ErrText = errors.New("text that cannot be stored")
	// ErrSchema: the database's schema is not the binary's own.
	ErrSchema = errors.New("database schema")
)

// maxWaiting bounds the units that wait for the writer (reliability
// section 8).
const maxWaiting = 1000

// Options configure a store.
type Options struct {
	// URL is "sqlite:PATH" or "postgres://...".
	URL    string
	Logger *slog.Logger
	Now    func() time.Time
	// MaxBatch bounds the units of one group commit; zero is 64.
	MaxBatch int
	// AutoMigrate brings an older schema up to date instead of refusing it:
	// serve and demo set it. A newer schema is refused always.
	AutoMigrate bool
	// Trace, if set, is told each statement that a unit of work has run and how
	// many rows it has changed: tests count what a unit costs, and end the
	// process behind any of them. On PostgreSQL units run side by side.
	Trace func(text string, rows int64)
	// AllowNoFsync lets a PostgreSQL server run with fsync off. Tests only:
	// such a server loses acknowledged writes (DU1).
	AllowNoFsync bool
}

// Store is an open database.
type Store struct {
	engine engine
	// pages remembers where deep pages of listings begin.
	pages pageMemory
	wakes wakes
}

// engine is SQLite or PostgreSQL.
type engine interface {
	update(ctx context.Context, ws string, opt UnitOptions, unit Unit) error
	// view runs fn on one snapshot; single promises that fn runs one
	// statement, which is its own snapshot.
	view(ctx context.Context, ws string, single bool, fn func(*Reader) error) error
	close() error
}

// Handle is a store bound to one workspace.
type Handle struct {
	engine engine
	ws     string
	pages  *pageMemory
	wakes  *wakes
}

// Open opens the database and checks that its schema is the binary's own.
func Open(ctx context.Context, opt Options) (*Store, error) {
	opt.MaxBatch = cmp.Or(opt.MaxBatch, 64)
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if err := checkSchema(ctx, opt); err != nil {
		return nil, err
	}
	open := openPostgres
	if strings.HasPrefix(opt.URL, liteScheme) {
		open = openSQLite
	}
	e, err := open(ctx, opt)
	if err != nil {
		return nil, err
	}
	return &Store{engine: e}, nil
}

// In binds the store to a workspace.
func (s *Store) In(workspace string) *Handle {
	return &Handle{engine: s.engine, ws: workspace, pages: &s.pages, wakes: &s.wakes}
}

// Close waits for running units and closes the database. Units that come
// later get ErrUnavailable.
func (s *Store) Close() error { return s.engine.close() }

// Unit is one unit of work. It may be run again after a lost race on
// PostgreSQL, so it has no side effects beyond its Tx.
type Unit func(tx *Tx) error

// UnitOptions say how a unit is committed.
type UnitOptions struct {
	// Urgent flushes the group that waits at once: a leaver's cut.
	Urgent bool
	// DryRun rolls back whatever the unit did.
	DryRun bool
	// Lease and Token, when set, are the fence checked first (LE2).
	Lease string
	Token int64
}

// Update runs a unit of work and returns after it is durable. An error of
// the unit rolls the unit back and is returned unchanged. The context can
// end the wait for the writer; a unit that has begun runs to its end.
func (h *Handle) Update(ctx context.Context, opt UnitOptions, unit Unit) error {
	var after []func()
	queued := false
	err := h.engine.update(ctx, h.ws, opt, func(tx *Tx) error {
		err := unit(tx)
		queued, after = tx.queued, tx.after
		return err
	})
	if err != nil || opt.DryRun {
		return err
	}
	if queued {
		h.wakes.wake(h.ws)
	}
	for _, fn := range after {
		fn()
	}
	return nil
}

// View runs reads on one consistent snapshot, which lives for this call only.
func (h *Handle) View(ctx context.Context, fn func(r *Reader) error) error {
	return h.engine.view(ctx, h.ws, false, func(r *Reader) error {
		r.pages = h.pages
		return fn(r)
	})
}

// runUnit runs the fence and the unit; a panic becomes an error, so that one
// bad request cannot end the writer.
func runUnit(tx *Tx, opt UnitOptions, unit Unit) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store: unit panicked: %v\n%s", p, debug.Stack())
		}
	}()
	tx.writer = tx
	if opt.Lease != "" {
		if err := tx.fence(opt.Lease, opt.Token); err != nil {
			return err
		}
	}
	if err := unit(tx); err != nil {
		return err
	}
	if tx.failed != nil {
		return tx.failed
	}
	return tx.settle(everywhere)
}

// runView is runUnit for reads.
func runView(r *Reader, fn func(*Reader) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store: view panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(r)
}
