package store

import "github.com/rollcall-sync/rollcall/workspace"

// JoinCodeRow is a code on its way to a mailbox, or back. It stands outside of
// the workspaces: nobody is anything yet (OS3).
type JoinCodeRow struct {
	Browser   string // hex SHA-256 of the browser's secret: the key
	Workspace string // "" if the address may not join anywhere; nobody can tell from outside
	Email     string // as typed
	Address   string // folded
	Domain    string
	Client    string // network address that asked
	Code      string // hash of the browser's secret with the code; "" once it came back
	Tries     int
	SentAt    workspace.Micros
	ProvedAt  workspace.Micros // when the code came back, zero: it has not
	UsedAt    workspace.Micros // when somebody joined by it, zero: nobody has
}

const (
	insertJoinCode = `INSERT INTO join_code (browser, workspace_id, email, address, domain, client, code, tries, sent_at, proved_at, used_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	selectJoinCode = `SELECT browser, workspace_id, email, address, domain, client, code, tries, sent_at, proved_at, used_at
		FROM join_code WHERE browser = ?{lock}`
	updateJoinCode = `UPDATE join_code SET code = ?, tries = ?, proved_at = ?, used_at = ? WHERE browser = ?`
	// Three counts in one statement: each by an index of its own.
	countJoinCodes = `SELECT
		(SELECT COUNT(*) FROM join_code WHERE address = ? AND sent_at > ?),
		(SELECT COUNT(*) FROM join_code WHERE domain = ? AND sent_at > ?),
		(SELECT COUNT(*) FROM join_code WHERE client = ? AND sent_at > ?)`
	deleteJoinCodes = `DELETE FROM join_code WHERE sent_at < ?`
)

// JoinCodeCounts are how many codes were asked for lately.
type JoinCodeCounts struct{ Address, Domain, Client int }

// JoinCodesSince counts the codes for an address, a domain and a client since
// a moment.
func (r *Reader) JoinCodesSince(address, domain, client string, since workspace.Micros) (n JoinCodeCounts, err error) {
	err = r.row(countJoinCodes, address, since, domain, since, client, since).Scan(&n.Address, &n.Domain, &n.Client)
	return n, err
}

// JoinCode finds a code by its browser; inside a unit of work the row is
// locked.
func (r *Reader) JoinCode(browser string) (JoinCodeRow, error) {
	scan := func(s scanner, c *JoinCodeRow) error {
		return s.Scan(&c.Browser, &c.Workspace, &c.Email, &c.Address, &c.Domain, &c.Client, &c.Code, &c.Tries, &c.SentAt, &c.ProvedAt, &c.UsedAt)
	}
	return single(r, scan, selectJoinCode, browser)
}

// InsertJoinCode keeps a code that is sent now.
func (t *Tx) InsertJoinCode(c JoinCodeRow) error {
	return t.exec(insertJoinCode, c.Browser, c.Workspace, c.Email, c.Address, c.Domain, c.Client, c.Code, c.Tries, c.SentAt, c.ProvedAt, c.UsedAt)
}

// UpdateJoinCode writes what became of a code.
func (t *Tx) UpdateJoinCode(c JoinCodeRow) error {
	return t.exec(updateJoinCode, c.Code, c.Tries, c.ProvedAt, c.UsedAt, c.Browser)
}

// DeleteJoinCodes forgets codes sent before a moment.
func (t *Tx) DeleteJoinCodes(before workspace.Micros) error { return t.exec(deleteJoinCodes, before) }
