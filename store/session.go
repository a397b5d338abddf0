package store

import "github.com/rollcall-sync/rollcall/workspace"

// SessionRow is the session of somebody who signed in. It is good while its
// epoch is the member's (EP3), EndedAt is zero and ExpiresAt has not come.
type SessionRow struct {
	ID, Member, Connection string
	Issuer, Subject        string // who signed in, as the provider names them
	SID                    string // the provider's session, "" if it names none
	Epoch                  int64  // the member's, when the session began
	CookieHash             string // hex SHA-256
	CodeHash               string // of the one-time code, "" once it is redeemed
	CodeUntil              workspace.Micros
	CreatedAt, AuthAt      workspace.Micros
	ExpiresAt, EndedAt     workspace.Micros
	EndedWhy               string
}

const (
	sessionColumns = `session_id, member_id, connection_id, issuer, subject, sid, epoch, cookie_hash, code_hash, code_until,
		created_at, auth_at, expires_at, ended_at, ended_why`
	sqlInsertSession = `INSERT INTO session (workspace_id, ` + sessionColumns + `)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlSession         = `SELECT ` + sessionColumns + ` FROM session WHERE workspace_id = ? AND session_id = ?{lock}`
	sqlSessionByCookie = `SELECT ` + sessionColumns + ` FROM session WHERE workspace_id = ? AND cookie_hash = ?{lock}`
	sqlSessionByCode   = `SELECT ` + sessionColumns + ` FROM session
		WHERE workspace_id = ? AND code_hash = ? AND code_hash <> '' AND code_until > ?{lock}`
	sqlSpendCode     = `UPDATE session SET code_hash = '' WHERE workspace_id = ? AND session_id = ? AND code_hash <> ''`
	sqlSessionsBySID = `SELECT ` + sessionColumns + ` FROM session
		WHERE workspace_id = ? AND connection_id = ? AND sid = ? AND sid <> '' ORDER BY session_id{lock}`
	sqlSessionsBySubject = `SELECT ` + sessionColumns + ` FROM session
		WHERE workspace_id = ? AND connection_id = ? AND subject = ? ORDER BY session_id DESC LIMIT 1`
	sqlEndSession = `UPDATE session SET ended_at = ?, ended_why = ?, code_hash = ''
		WHERE workspace_id = ? AND session_id = ? AND ended_at = 0`
	sqlEndSessionsOf = `UPDATE session SET ended_at = ?, ended_why = ?, code_hash = ''
		WHERE workspace_id = ? AND member_id = ? AND ended_at = 0`
	sqlPruneSessions = `DELETE FROM session WHERE workspace_id = ? AND expires_at < ?`
)

func scanSession(s scanner, v *SessionRow) error {
	return s.Scan(&v.ID, &v.Member, &v.Connection, &v.Issuer, &v.Subject, &v.SID, &v.Epoch, &v.CookieHash, &v.CodeHash, &v.CodeUntil,
		&v.CreatedAt, &v.AuthAt, &v.ExpiresAt, &v.EndedAt, &v.EndedWhy)
}

// InsertSession writes a new session.
func (t *Tx) InsertSession(v SessionRow) error {
	return t.exec(sqlInsertSession, t.ws, v.ID, v.Member, v.Connection, v.Issuer, v.Subject, v.SID, v.Epoch, v.CookieHash, v.CodeHash,
		v.CodeUntil, v.CreatedAt, v.AuthAt, v.ExpiresAt, v.EndedAt, v.EndedWhy)
}

// Session finds a session by its id, whether it is still good or not.
func (r *Reader) Session(id string) (SessionRow, error) {
	return single(r, scanSession, sqlSession, r.ws, id)
}

// SessionByCookie finds a session by the hash of its cookie.
func (r *Reader) SessionByCookie(hash string) (SessionRow, error) {
	return single(r, scanSession, sqlSessionByCookie, r.ws, hash)
}

// SpendCode finds the session of a one-time code that has not run out, and
// makes the code useless. Of two who spend it the second finds nothing.
func (t *Tx) SpendCode(hash string, now workspace.Micros) (SessionRow, error) {
	v, err := single(&t.Reader, scanSession, sqlSessionByCode, t.ws, hash, now)
	if err != nil {
		return v, err
	}
	return v, t.found(sqlSpendCode, t.ws, v.ID)
}

// SessionsBySID lists the sessions that belong to a session of the provider.
func (r *Reader) SessionsBySID(connection, sid string) ([]SessionRow, error) {
	return list(r, scanSession, sqlSessionsBySID, r.ws, connection, sid)
}

// LastSession finds the newest session of a subject at a connection.
func (r *Reader) LastSession(connection, subject string) (SessionRow, error) {
	return single(r, scanSession, sqlSessionsBySubject, r.ws, connection, subject)
}

// EndSession ends one session; ending it twice changes nothing.
func (t *Tx) EndSession(id, why string, at workspace.Micros) error {
	return t.exec(sqlEndSession, at, why, t.ws, id)
}

// EndSessionsOf ends every session of a member.
func (t *Tx) EndSessionsOf(member, why string, at workspace.Micros) error {
	return t.exec(sqlEndSessionsOf, at, why, t.ws, member)
}

// PruneSessions forgets sessions that had run out before a moment.
func (t *Tx) PruneSessions(before workspace.Micros) error {
	return t.exec(sqlPruneSessions, t.ws, before)
}
