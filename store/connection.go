package store

import (
	"context"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// WorkspaceRow is a workspace's own row.
type WorkspaceRow struct {
	ID, Name, Plan, Zone    string
	Active                  bool
	PeriodFrom, PeriodTo    workspace.Micros
	MappingHash, PolicyHash string
	MappingVersion          int64
	TombstoneKey, CursorKey string // hex, made at creation
	CreatedAt               workspace.Micros
	Totals                  workspace.Totals
}

// Workspace reads the row.
func (r *Reader) Workspace() (WorkspaceRow, error) { panic("unwritten") }

// PutWorkspace inserts the workspace, or updates name, plan, zone, period and
// hashes; keys and counters of an existing row stay.
func (t *Tx) PutWorkspace(w WorkspaceRow) error { panic("unwritten") }

// ConnectionRow is a connection's own row.
type ConnectionRow struct {
	ID, Kind, Profile, ActsAs string
	Authority                 string // role last held, for a lost sponsor
	Sponsor                   string // member id
	Mode, State, Scope        string
	SettledAt                 workspace.Micros
	UsersTotal, GroupsTotal   int
	CreatedAt, LastSeenAt     workspace.Micros
	LastGoodRunAt             workspace.Micros
}

// Connection reads one; Connections lists all by id.
func (r *Reader) Connection(id string) (ConnectionRow, error) { panic("unwritten") }

// Connections lists all connections by id.
func (r *Reader) Connections() ([]ConnectionRow, error) { panic("unwritten") }

// PutConnection inserts a connection, or updates what the configuration
// states; counters stay.
func (t *Tx) PutConnection(c ConnectionRow) error { panic("unwritten") }

// TokenRow is a bearer token: only its hash is kept.
type TokenRow struct {
	Workspace, ID, Connection string
	Hash                      string // hex SHA-256 of the whole token
	Scopes, Networks          []string
	CreatedAt, ExpiresAt      workspace.Micros
	RevokedAt, LastUsedAt     workspace.Micros
}

// Token finds a token of any workspace by its id: the one look-up that knows
// no workspace yet (SX10). It gives workspace.ErrNotFound for unknown ids.
func (s *Store) Token(ctx context.Context, id string) (TokenRow, error) { panic("unwritten") }

// TouchTokens stamps the last use of tokens, in one transaction, off the
// request path.
func (s *Store) TouchTokens(ctx context.Context, used map[string]time.Time) error {
	panic("unwritten")
}

// Tokens lists a connection's tokens, all when connection is "".
func (r *Reader) Tokens(connection string) ([]TokenRow, error) { panic("unwritten") }

// InsertToken writes a token.
func (t *Tx) InsertToken(row TokenRow) error { panic("unwritten") }

// RevokeToken ends a token.
func (t *Tx) RevokeToken(id string, at workspace.Micros) error { panic("unwritten") }

// CursorRow is a source's cursor (sources section 7).
type CursorRow struct {
	Connection, Kind string
	V                int64
	Scope            string
	Data             []byte
	At               workspace.Micros
}

// Cursor reads a connection's cursor.
func (r *Reader) Cursor(connection string) (CursorRow, error) { panic("unwritten") }

// PutCursor writes it.
func (t *Tx) PutCursor(c CursorRow) error { panic("unwritten") }

// Lease is a held lease with its fencing token (LE1).
type Lease struct {
	Name  string
	Token int64
}

// Acquire takes a lease that is free or has run out, on the database's clock;
// ok is false when somebody else holds it.
func (s *Store) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (l Lease, ok bool, err error) {
	panic("unwritten")
}

// Renew prolongs a lease that is still held; false when it is lost.
func (s *Store) Renew(ctx context.Context, l Lease, ttl time.Duration) (bool, error) {
	panic("unwritten")
}

// Release gives a lease back.
func (s *Store) Release(ctx context.Context, l Lease) error { panic("unwritten") }
