// Package store keeps Rollcall's truth in SQLite (one daemon, one file) or
// PostgreSQL (several replicas): one schema, one set of SQL texts.
//
// A Store is safe for concurrent use. Every query goes through In, which
// binds it to one workspace; reads run on Reader, writes on Tx inside one
// unit of work. The engine is the only writer of workspace data.
package store

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Errors of the store. Row look-ups that find nothing give
// workspace.ErrNotFound, taken unique keys a *ConflictError that is
// workspace.ErrConflict, lost compare-and-swaps workspace.ErrStale.
var (
	// ErrUnavailable: the database cannot be reached, is full or read-only.
	// The unit has not been applied, or (after an ambiguous commit) it has
	// been looked up and was not.
	ErrUnavailable = errors.New("store unavailable")
	// ErrBusy: too many units wait.
	ErrBusy = errors.New("store busy")
	// ErrFenced: the lease that the unit writes under is lost (LE2).
	ErrFenced = errors.New("lease lost")
)

// ConflictError is a taken unique key. Key is the index's name without its
// table: email, external, user, name, exclusive, pending, e164.
type ConflictError struct{ Table, Key string }

// Options configure a store.
type Options struct {
	// URL is "sqlite:PATH" or "postgres://...".
	URL    string
	Logger *slog.Logger
	Now    func() time.Time
	// MaxBatch bounds the units of one group commit; zero is 64.
	MaxBatch int
}

// Store is an open database.
type Store struct{}

// Handle is a store bound to one workspace.
type Handle struct{}

// Open opens the database and checks that its schema is the binary's own.
func Open(ctx context.Context, opt Options) (*Store, error) { panic("unwritten") }

// In binds the store to a workspace.
func (s *Store) In(workspace string) *Handle { panic("unwritten") }

// Close waits for running units and closes the database.
func (s *Store) Close() error { panic("unwritten") }

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
// the unit rolls the unit back and is returned unchanged.
func (h *Handle) Update(ctx context.Context, opt UnitOptions, unit Unit) error { panic("unwritten") }

// View runs reads on one consistent snapshot, which lives for this call only.
func (h *Handle) View(ctx context.Context, fn func(r *Reader) error) error { panic("unwritten") }
