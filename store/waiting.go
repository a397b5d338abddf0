package store

import "github.com/rollcall-sync/rollcall/workspace"

const (
	sqlPutWaiter = `INSERT INTO waiting (workspace_id, connection_id, external_id, since) VALUES (?, ?, ?, ?)
		ON CONFLICT (workspace_id, connection_id, external_id) DO UPDATE SET since = excluded.since`
	sqlKeepWaiter = `INSERT INTO waiting (workspace_id, connection_id, external_id, since) VALUES (?, ?, ?, ?)
		ON CONFLICT (workspace_id, connection_id, external_id) DO NOTHING`
	sqlDropWaiter = `DELETE FROM waiting WHERE workspace_id = ? AND connection_id = ? AND external_id = ?`
	sqlWaiters    = `SELECT external_id FROM waiting WHERE workspace_id = ? AND connection_id = ? ORDER BY since, external_id`
)

// PutWaiter notes that somebody of a directory, by their immutable id, waits
// for something since a moment; what was noted before is replaced.
func (t *Tx) PutWaiter(connection, external string, since workspace.Micros) error {
	return t.exec(sqlPutWaiter, t.ws, connection, external, since)
}

// KeepWaiter is PutWaiter for somebody who may be waiting already: they keep
// their place.
func (t *Tx) KeepWaiter(connection, external string, since workspace.Micros) error {
	return t.exec(sqlKeepWaiter, t.ws, connection, external, since)
}

// DropWaiter forgets that somebody waits; one who does not is no error.
func (t *Tx) DropWaiter(connection, external string) error {
	return t.exec(sqlDropWaiter, t.ws, connection, external)
}

// Waiters lists a connection's people who wait, by immutable id, who came
// first first.
func (r *Reader) Waiters(connection string) ([]string, error) {
	return list(r, func(s scanner, id *string) error { return s.Scan(id) }, sqlWaiters, r.ws, connection)
}
