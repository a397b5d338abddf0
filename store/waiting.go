package store

import (
	"fmt"

	"github.com/rollcall-sync/rollcall/workspace"
)

const (
	sqlPutWaiter = `INSERT INTO waiting (workspace_id, connection_id, external_id, since, for_number) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, connection_id, external_id) DO UPDATE SET since = excluded.since, for_number = excluded.for_number`
	sqlKeepWaiter = `INSERT INTO waiting (workspace_id, connection_id, external_id, since, for_number) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, connection_id, external_id) DO UPDATE SET for_number = excluded.for_number
		WHERE waiting.for_number <> excluded.for_number`
	sqlDropWaiter = `DELETE FROM waiting WHERE workspace_id = ? AND connection_id = ? AND external_id = ?`
	sqlWaiters    = `SELECT external_id FROM waiting WHERE workspace_id = ? AND connection_id = ? AND NOT (for_number AND ?)
		ORDER BY since, external_id`
	sqlStock = `SELECT COUNT(*), CAST(COALESCE(SUM(version), 0) AS BIGINT) FROM number WHERE workspace_id = ?`
)

// PutWaiter notes that somebody of a directory, by their immutable id, waits
// for something since a moment, and whether for nothing but a number; what was
// noted before is replaced.
func (t *Tx) PutWaiter(connection, external string, since workspace.Micros, forNumber bool) error {
	return t.exec(sqlPutWaiter, t.ws, connection, external, since, forNumber)
}

// KeepWaiter is PutWaiter for somebody who may be waiting already: they keep
// their place. A row that says the same is not written.
func (t *Tx) KeepWaiter(connection, external string, since workspace.Micros, forNumber bool) error {
	return t.exec(sqlKeepWaiter, t.ws, connection, external, since, forNumber)
}

// DropWaiter forgets that somebody waits; one who does not is no error.
func (t *Tx) DropWaiter(connection, external string) error {
	return t.exec(sqlDropWaiter, t.ws, connection, external)
}

// Waiters lists a connection's people who wait, by immutable id, who came
// first first; on demand without those who wait for nothing but a number.
func (r *Reader) Waiters(connection string, besidesNumbers bool) ([]string, error) {
	return list(r, func(s scanner, id *string) error { return s.Scan(id) }, sqlWaiters, r.ws, connection, besidesNumbers)
}

// Stock stands for the state of the whole inventory: whenever a number is
// added, or one changes or changes hands, it is another. Numbers are never
// deleted and their versions only rise, so no state comes twice.
func (r *Reader) Stock() (string, error) {
	var count, versions int64
	err := r.row(sqlStock, r.ws).Scan(&count, &versions)
	return fmt.Sprintf("%d/%d", count, versions), err
}
