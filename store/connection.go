package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
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

const sqlWorkspace = `SELECT workspace_id, name, plan, active, zone, period_from, period_to,
		mapping_hash, mapping_version, policy_hash, tombstone_key, cursor_key, created_at,
		members_active, owners, admins, seats, numbers
	FROM workspace WHERE workspace_id = ?{lock}`

// Workspace reads the row.
func (r *Reader) Workspace() (w WorkspaceRow, err error) {
	err = r.row(sqlWorkspace, r.ws).Scan(&w.ID, &w.Name, &w.Plan, &w.Active, &w.Zone, &w.PeriodFrom, &w.PeriodTo,
		&w.MappingHash, &w.MappingVersion, &w.PolicyHash, &w.TombstoneKey, &w.CursorKey, &w.CreatedAt,
		&w.Totals.Active, &w.Totals.Owners, &w.Totals.Admins, &w.Totals.Seats, &w.Totals.Numbers)
	return w, err
}

const sqlPutWorkspace = `INSERT INTO workspace (workspace_id, name, plan, active, zone, period_from, period_to,
		mapping_hash, mapping_version, policy_hash, tombstone_key, cursor_key, created_at,
		members_active, owners, admins, seats, numbers, ref_seq)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0)
	ON CONFLICT (workspace_id) DO UPDATE SET name = excluded.name, plan = excluded.plan,
		active = excluded.active, zone = excluded.zone, period_from = excluded.period_from,
		period_to = excluded.period_to, mapping_hash = excluded.mapping_hash,
		mapping_version = excluded.mapping_version, policy_hash = excluded.policy_hash`

// PutWorkspace inserts the workspace, or updates name, plan, zone, period and
// hashes; keys and counters of an existing row stay.
func (t *Tx) PutWorkspace(w WorkspaceRow) error {
	return t.exec(sqlPutWorkspace, t.ws, w.Name, w.Plan, w.Active, w.Zone, w.PeriodFrom, w.PeriodTo,
		w.MappingHash, w.MappingVersion, w.PolicyHash, w.TombstoneKey, w.CursorKey, w.CreatedAt)
}

// ConnectionRow is a connection's own row.
type ConnectionRow struct {
	ID, Kind, Profile, ActsAs string
	Authority                 string // role last held, for a lost sponsor
	Sponsor                   string // member id
	Mode, State, Scope        string
	// FirstCreateAt is when it made its first member since it is counted, and
	// SettledAt the moment from which its new members count (VW13); both are zero
	// until then.
	FirstCreateAt, SettledAt workspace.Micros
	UsersTotal, GroupsTotal  int
	CreatedAt, LastSeenAt    workspace.Micros
	LastGoodRunAt            workspace.Micros
}

const (
	sqlConnection = `SELECT connection_id, kind, profile, acts_as, authority, sponsor, mode, state, scope,
			first_create_at, settled_at, users_total, groups_total, created_at, last_seen_at, last_good_run_at
		FROM connection WHERE workspace_id = ? AND connection_id = ?{lock}`
	sqlConnections = `SELECT connection_id, kind, profile, acts_as, authority, sponsor, mode, state, scope,
			first_create_at, settled_at, users_total, groups_total, created_at, last_seen_at, last_good_run_at
		FROM connection WHERE workspace_id = ? ORDER BY connection_id`
	sqlPutConnection = `INSERT INTO connection (workspace_id, connection_id, kind, profile, acts_as, authority,
			sponsor, mode, state, scope, first_create_at, settled_at, users_total, users_removed, groups_total, groups_removed,
			created_at, last_seen_at, last_good_run_at, seq)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, ?, ?, ?, 0)
		ON CONFLICT (workspace_id, connection_id) DO UPDATE SET kind = excluded.kind,
			profile = excluded.profile, acts_as = excluded.acts_as, authority = excluded.authority,
			sponsor = excluded.sponsor, mode = excluded.mode, state = excluded.state, scope = excluded.scope,
			first_create_at = excluded.first_create_at, settled_at = excluded.settled_at, last_seen_at = excluded.last_seen_at,
			last_good_run_at = excluded.last_good_run_at`
)

func scanConnection(s scanner, c *ConnectionRow) error {
	return s.Scan(&c.ID, &c.Kind, &c.Profile, &c.ActsAs, &c.Authority, &c.Sponsor, &c.Mode, &c.State, &c.Scope,
		&c.FirstCreateAt, &c.SettledAt, &c.UsersTotal, &c.GroupsTotal, &c.CreatedAt, &c.LastSeenAt, &c.LastGoodRunAt)
}

// Connection reads one.
func (r *Reader) Connection(id string) (c ConnectionRow, err error) {
	err = scanConnection(r.row(sqlConnection, r.ws, id), &c)
	return c, err
}

// Connections lists all connections by id.
func (r *Reader) Connections() ([]ConnectionRow, error) {
	return list(r, scanConnection, sqlConnections, r.ws)
}

// PutConnection inserts a connection, or updates all but its creation and its
// counters: read it first and change what is to change.
func (t *Tx) PutConnection(c ConnectionRow) error {
	return t.exec(sqlPutConnection, t.ws, c.ID, c.Kind, c.Profile, c.ActsAs, c.Authority, c.Sponsor, c.Mode,
		c.State, c.Scope, c.FirstCreateAt, c.SettledAt, c.CreatedAt, c.LastSeenAt, c.LastGoodRunAt)
}

// The kinds of token.
const (
	TokenBearer = "bearer" // a static bearer token
	TokenClient = "client" // an OAuth client: it gets access tokens with its secret or its key
	TokenAccess = "access" // an access token of a client
)

// TokenRow is a bearer token, or an OAuth client: only its hash is kept.
type TokenRow struct {
	Workspace, ID, Connection string
	Kind                      string // TokenBearer if ""
	// Client is the client that an access token was given to.
	Client           string
	Hash             string // hex SHA-256 of the whole token or secret, "" for a client with keys
	JWKS             string // public keys of a client that signs, as a JSON Web Key Set
	Scopes, Networks []string

	CreatedAt, ExpiresAt  workspace.Micros
	RevokedAt, LastUsedAt workspace.Micros
	Warned                int // least number of days before the end that was warned of, 0 for none
}

const (
	tokenColumns = `workspace_id, token_id, connection_id, kind, client_id, hash, jwks, scopes, networks, created_at,
			expires_at, revoked_at, last_used_at, warned`
	sqlToken  = `SELECT ` + tokenColumns + ` FROM token WHERE token_id = ?`
	sqlTokens = `SELECT ` + tokenColumns + ` FROM token WHERE workspace_id = ? AND kind <> 'access' ORDER BY created_at, token_id`

	sqlTokensOf = `SELECT ` + tokenColumns + ` FROM token
		WHERE workspace_id = ? AND connection_id = ? AND kind <> 'access' ORDER BY created_at, token_id`
	sqlInsertToken = `INSERT INTO token (` + tokenColumns + `)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	// With a client end the access tokens that it was given.
	sqlRevokeToken = `UPDATE token SET revoked_at = CASE WHEN revoked_at = 0 THEN ? ELSE revoked_at END
		WHERE workspace_id = ? AND token_id = ?`
	sqlRevokeAccess = `UPDATE token SET revoked_at = CASE WHEN revoked_at = 0 THEN ? ELSE revoked_at END
		WHERE workspace_id = ? AND client_id = ? AND client_id <> ''`
	sqlPruneAccess     = `DELETE FROM token WHERE workspace_id = ? AND client_id = ? AND client_id <> '' AND expires_at < ?`
	sqlWarnToken       = `UPDATE token SET warned = ? WHERE workspace_id = ? AND token_id = ? AND warned = ?`
	sqlInsertAssertion = `INSERT INTO oauth_assertion (workspace_id, client_id, jti, expires_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (workspace_id, client_id, jti) DO NOTHING`
	sqlPruneAssertions = `DELETE FROM oauth_assertion WHERE workspace_id = ? AND client_id = ? AND expires_at < ?`
	sqlTouchToken      = `UPDATE token SET last_used_at = ? WHERE token_id = ? AND last_used_at < ?`
)

func scanToken(s scanner, t *TokenRow) error {
	var scopes, networks string
	err := s.Scan(&t.Workspace, &t.ID, &t.Connection, &t.Kind, &t.Client, &t.Hash, &t.JWKS, &scopes, &networks, &t.CreatedAt,
		&t.ExpiresAt, &t.RevokedAt, &t.LastUsedAt, &t.Warned)
	t.Scopes, t.Networks = strings.Fields(scopes), strings.Fields(networks)
	return err
}

// Token finds a token of any workspace by its id: the one look-up that knows
// no workspace yet (SX10). It gives workspace.ErrNotFound for unknown ids.
func (s *Store) Token(ctx context.Context, id string) (row TokenRow, err error) {
	err = s.engine.view(ctx, "", true, func(r *Reader) error {
		return scanToken(r.row(sqlToken, id), &row)
	})
	return row, err
}

// TouchTokens stamps the last use of tokens, in one transaction, off the
// request path. An earlier use than the one stored changes nothing.
func (s *Store) TouchTokens(ctx context.Context, used map[string]time.Time) error {
	if len(used) == 0 {
		return nil
	}
	// One order for all: two replicas that lock the same rows do not meet.
	ids := slices.Sorted(maps.Keys(used))
	return s.engine.update(ctx, "", UnitOptions{}, func(t *Tx) error {
		for _, id := range ids {
			at := workspace.At(used[id])
			if err := t.exec(sqlTouchToken, at, id, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// Tokens lists a connection's bearer tokens and clients, all when connection
// is "", oldest first.
func (r *Reader) Tokens(connection string) ([]TokenRow, error) {
	if connection == "" {
		return list(r, scanToken, sqlTokens, r.ws)
	}
	return list(r, scanToken, sqlTokensOf, r.ws, connection)
}

// InsertToken writes a token.
func (t *Tx) InsertToken(row TokenRow) error {
	return t.exec(sqlInsertToken, t.ws, row.ID, row.Connection, cmp.Or(row.Kind, TokenBearer), row.Client, row.Hash, row.JWKS,
		strings.Join(row.Scopes, " "), strings.Join(row.Networks, " "), row.CreatedAt, row.ExpiresAt, row.RevokedAt, row.LastUsedAt, row.Warned)
}

// RevokeToken ends a token, and with a client the access tokens that it has;
// one that is revoked keeps its time. Unknown ids give
// workspace.ErrNotFound.
func (t *Tx) RevokeToken(id string, at workspace.Micros) error {
	n, err := t.execCount(sqlRevokeToken, at, t.ws, id)
	if err == nil && n == 0 {
		return workspace.ErrNotFound
	}
	if err != nil {
		return err
	}
	return t.exec(sqlRevokeAccess, at, t.ws, id)
}

// PruneAccess deletes a client's access tokens and signed requests that ended
// before a moment.
func (t *Tx) PruneAccess(client string, before workspace.Micros) error {
	if err := t.exec(sqlPruneAccess, t.ws, client, before); err != nil {
		return err
	}
	return t.exec(sqlPruneAssertions, t.ws, client, before)
}

// UseAssertion notes the id of a client's signed request; false if it was used
// before.
func (t *Tx) UseAssertion(client, jti string, expires workspace.Micros) (fresh bool, err error) {
	n, err := t.execCount(sqlInsertAssertion, t.ws, client, jti, expires)
	return n > 0, err
}

// WarnToken notes that the end of a token was warned of, days before it.
// Somebody else's note gives workspace.ErrStale.
func (t *Tx) WarnToken(row TokenRow, days int) error {
	return t.swap(sqlWarnToken, days, t.ws, row.ID, row.Warned)
}

// CursorRow is a source's cursor (sources section 7).
type CursorRow struct {
	Connection, Kind string
	V                int64
	Scope            string
	Data             []byte
	At               workspace.Micros
}

const (
	sqlCursor = `SELECT connection_id, kind, v, scope, data, at
		FROM cursor WHERE workspace_id = ? AND connection_id = ?{lock}`
	sqlPutCursor = `INSERT INTO cursor (workspace_id, connection_id, kind, v, scope, data, at)
		VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, connection_id) DO UPDATE SET kind = excluded.kind, v = excluded.v,
			scope = excluded.scope, data = excluded.data, at = excluded.at`
)

// Cursor reads a connection's cursor.
func (r *Reader) Cursor(connection string) (c CursorRow, err error) {
	err = r.row(sqlCursor, r.ws, connection).Scan(&c.Connection, &c.Kind, &c.V, &c.Scope, &c.Data, &c.At)
	return c, err
}

// PutCursor writes it.
func (t *Tx) PutCursor(c CursorRow) error {
	return t.exec(sqlPutCursor, t.ws, c.Connection, c.Kind, c.V, c.Scope, c.Data, c.At)
}
