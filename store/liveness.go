package store

import (
	"errors"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// The states of a grant.
const (
	GrantIdle       = "idle"       // nothing is under way
	GrantRefreshing = "refreshing" // the mark: the token was, or may have been, sent (OL3)
	GrantLost       = "lost"       // the provider takes it no more: the person signs in anew
	GrantRevoke     = "revoke"     // the member left: it is revoked, then forgotten
)

// GrantRow is what asks a provider whether a person's account still answers.
type GrantRow struct {
	Connection, Subject, Member string
	// Sealed is the refresh token, encrypted; "" when there is none any more.
	Sealed string
	State  string
	// Turn counts the leases; who writes with another one is too late.
	Turn              int64
	NextAt            workspace.Micros
	Tries             int    // questions without an answer in a row
	Verdict           string // of the last answer: alive, E3, E4; "" before the first
	Code              string // the provider's word for it, "" if it had none
	AskedAt, AliveAt  workspace.Micros
	CreatedAt         workspace.Micros
	leaseUntil, clock workspace.Micros
}

const (
	grantColumns = `connection_id, subject, member_id, sealed, state, turn, lease_until, next_at, tries, verdict, code, asked_at,
		alive_at, created_at, {now}`
	// A new sign-in brings a new token: whoever asks with the old one now is too late.
	sqlPutGrant = `INSERT INTO liveness (workspace_id, connection_id, subject, member_id, sealed, state, turn, lease_until, next_at,
			tries, verdict, code, asked_at, alive_at, created_at)
		VALUES (?, ?, ?, ?, ?, 'idle', 1, 0, ?, 0, 'alive', '', 0, ?, ?)
		ON CONFLICT (workspace_id, connection_id, subject) DO UPDATE SET member_id = excluded.member_id, sealed = excluded.sealed,
			state = 'idle', turn = liveness.turn + 1, lease_until = 0, next_at = excluded.next_at, tries = 0, verdict = 'alive',
			code = '', alive_at = excluded.alive_at`
	sqlGrant = `SELECT ` + grantColumns + ` FROM liveness WHERE workspace_id = ? AND connection_id = ? AND subject = ?{lock}`
	// OL1: who has neither a live session nor a number is not watched.
	watched = `(EXISTS (SELECT 1 FROM session s JOIN member w ON w.workspace_id = s.workspace_id AND w.member_id = s.member_id
				AND w.epoch = s.epoch
			WHERE s.workspace_id = x.workspace_id AND s.member_id = x.member_id AND s.ended_at = 0 AND s.expires_at > ?)
		OR EXISTS (SELECT 1 FROM assignment a WHERE a.workspace_id = x.workspace_id AND a.kind = 'member' AND a.to_id = x.member_id))`
	sqlDueGrants = `SELECT x.subject FROM liveness x
		WHERE x.workspace_id = ? AND x.connection_id = ? AND x.state <> 'lost' AND x.next_at <= ? AND x.lease_until < {now}
			AND (x.state = 'revoke' OR ` + watched + `)
		ORDER BY x.next_at, x.subject LIMIT CAST(? AS BIGINT)`
	sqlLeaseGrant = `UPDATE liveness SET state = ?, turn = turn + 1, lease_until = {now} + ?, asked_at = ?
		WHERE workspace_id = ? AND connection_id = ? AND subject = ? AND turn = ?`
	sqlSettleGrant = `UPDATE liveness SET sealed = ?, state = ?, lease_until = 0, next_at = ?, tries = ?, verdict = ?, code = ?,
			alive_at = ?
		WHERE workspace_id = ? AND connection_id = ? AND subject = ? AND turn = ?`
	// The new token before anything else is done with the answer (OL3).
	sqlKeepToken = `UPDATE liveness SET sealed = ?, state = 'idle'
		WHERE workspace_id = ? AND connection_id = ? AND subject = ? AND turn = ?`
	sqlForgetGrant  = `DELETE FROM liveness WHERE workspace_id = ? AND connection_id = ? AND subject = ? AND turn = ?`
	sqlRevokeGrants = `UPDATE liveness SET state = 'revoke', turn = turn + 1, lease_until = 0, next_at = 0, tries = 0
		WHERE workspace_id = ? AND member_id = ? AND sealed <> ''`
	sqlDropGrants = `DELETE FROM liveness WHERE workspace_id = ? AND member_id = ? AND sealed = ''`
	sqlReseal     = `UPDATE liveness SET sealed = ? WHERE workspace_id = ? AND connection_id = ? AND subject = ? AND sealed = ?`
	sqlGrants     = `SELECT ` + grantColumns + ` FROM liveness WHERE workspace_id = ? AND connection_id = ? AND subject > ?
		ORDER BY subject LIMIT CAST(? AS BIGINT)`
	// People of a connection and whether they are asked about.
	sqlWatch = `SELECT x.member_id, x.email,
			COALESCE(MAX(CASE WHEN l.sealed <> '' AND l.state IN ('idle', 'refreshing') THEN 1 ELSE 0 END), 0),
			MAX(CASE WHEN ` + watched + ` THEN 1 ELSE 0 END), COALESCE(MAX(l.state), ''), COALESCE(MAX(l.verdict), ''),
			COALESCE(MAX(l.code), ''), COALESCE(MAX(l.asked_at), 0), COALESCE(MAX(l.alive_at), 0)
		FROM member x
		LEFT JOIN liveness l ON l.workspace_id = x.workspace_id AND l.member_id = x.member_id AND l.connection_id = ?
		WHERE x.workspace_id = ? AND x.state = 'active' AND x.member_id > ?
			AND EXISTS (SELECT 1 FROM identity i WHERE i.workspace_id = x.workspace_id AND i.member_id = x.member_id
				AND i.connection_id = ? AND NOT i.deleted)
		GROUP BY x.workspace_id, x.member_id, x.email ORDER BY x.member_id LIMIT CAST(? AS BIGINT)`
)

func scanGrant(s scanner, v *GrantRow) error {
	return s.Scan(&v.Connection, &v.Subject, &v.Member, &v.Sealed, &v.State, &v.Turn, &v.leaseUntil, &v.NextAt, &v.Tries, &v.Verdict,
		&v.Code, &v.AskedAt, &v.AliveAt, &v.CreatedAt, &v.clock)
}

// PutGrant keeps the token that a sign-in brought, instead of the one before.
func (t *Tx) PutGrant(v GrantRow, now workspace.Micros) error {
	return t.exec(sqlPutGrant, t.ws, v.Connection, v.Subject, v.Member, v.Sealed, v.NextAt, now, now)
}

// Grant finds a subject's grant.
func (r *Reader) Grant(connection, subject string) (GrantRow, error) {
	return single(r, scanGrant, sqlGrant, r.ws, connection, subject)
}

// Grants lists a connection's grants after a subject.
func (r *Reader) Grants(connection, after string, limit int) ([]GrantRow, error) {
	return list(r, scanGrant, sqlGrants, r.ws, connection, after, limit)
}

// DueGrants lists the subjects that are to be asked about, longest due first:
// nobody else asks about them now, and they have a live session or a number
// (OL1). Grants to be revoked are due in any case.
func (r *Reader) DueGrants(connection string, now workspace.Micros, limit int) ([]string, error) {
	return list(r, scanOne[string], sqlDueGrants, r.ws, connection, now, now, limit)
}

// LeaseGrant takes a grant for a while on the database's clock and, unless it
// is to be revoked, leaves the mark that its token is being sent (OL2, OL3).
// It gives the row as it was, with the new turn; ok is false if somebody else
// has it, or it is not due any more.
func (t *Tx) LeaseGrant(connection, subject string, now workspace.Micros, ttl time.Duration) (v GrantRow, ok bool, err error) {
	v, err = t.Grant(connection, subject)
	if errors.Is(err, workspace.ErrNotFound) {
		return v, false, nil
	}
	if err != nil || v.leaseUntil >= v.clock || v.NextAt > now || v.State == GrantLost || v.Sealed == "" {
		return v, false, err
	}
	mark := GrantRefreshing
	if v.State == GrantRevoke {
		mark = GrantRevoke
	}
	n, err := t.execCount(sqlLeaseGrant, mark, ttl.Microseconds(), now, t.ws, connection, subject, v.Turn)
	v.Turn++
	return v, n == 1, err
}

// KeepToken writes the token of a refresh before its answer is used (OL3), or
// gives workspace.ErrStale to whoever has lost the lease.
func (t *Tx) KeepToken(v GrantRow) error {
	return t.swap(sqlKeepToken, v.Sealed, t.ws, v.Connection, v.Subject, v.Turn)
}

// SettleGrant writes what became of a question and gives the lease back, or
// gives workspace.ErrStale to whoever has lost it.
func (t *Tx) SettleGrant(v GrantRow) error {
	return t.swap(sqlSettleGrant, v.Sealed, v.State, v.NextAt, v.Tries, v.Verdict, v.Code, v.AliveAt, t.ws, v.Connection, v.Subject, v.Turn)
}

// ForgetGrant deletes a grant whose turn is still this one.
func (t *Tx) ForgetGrant(v GrantRow) error {
	return t.exec(sqlForgetGrant, t.ws, v.Connection, v.Subject, v.Turn)
}

// RevokeGrants puts a leaver's tokens up for revocation and forgets what has
// none.
func (t *Tx) RevokeGrants(member string) error {
	if err := t.exec(sqlRevokeGrants, t.ws, member); err != nil {
		return err
	}
	return t.exec(sqlDropGrants, t.ws, member)
}

// ResealGrant replaces a sealed text that is still there by another seal of
// the same token.
func (t *Tx) ResealGrant(connection, subject, was, is string) error {
	return t.exec(sqlReseal, is, t.ws, connection, subject, was)
}

// WatchRow says whether a person of a connection is asked about (OL1).
type WatchRow struct {
	Member, Email    string
	Token, Reason    bool // there is a token to ask with; there is a live session or a number to ask for
	State            string
	Verdict, Code    string
	AskedAt, AliveAt workspace.Micros
}

// Watch lists the active members with a record at a connection, after a
// member, with what is known of their liveness at another one (or the same).
func (r *Reader) Watch(records, connection, after string, now workspace.Micros, limit int) ([]WatchRow, error) {
	return list(r, func(s scanner, v *WatchRow) error {
		var token, reason int
		err := s.Scan(&v.Member, &v.Email, &token, &reason, &v.State, &v.Verdict, &v.Code, &v.AskedAt, &v.AliveAt)
		v.Token, v.Reason = token == 1, reason == 1
		return err
	}, sqlWatch, now, connection, r.ws, after, records, limit)
}
