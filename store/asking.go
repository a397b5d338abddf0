package store

import "github.com/rollcall-sync/rollcall/workspace"

const (
	sqlPutAsking = `INSERT INTO asking (workspace_id, connection_id, external_id, noted_at, next_at, tries, trigger_name) VALUES (?, ?, ?, ?, ?, 0, ?)
		ON CONFLICT (workspace_id, connection_id, external_id) DO UPDATE
		SET noted_at = excluded.noted_at, next_at = excluded.next_at, tries = 0, trigger_name = excluded.trigger_name`
	sqlDueAsking = `SELECT connection_id, external_id, noted_at, next_at, tries, trigger_name FROM asking WHERE workspace_id = ? AND next_at <= ?
		ORDER BY next_at, connection_id, external_id LIMIT CAST(? AS BIGINT)`
	sqlDelayAsking  = `UPDATE asking SET next_at = ?, tries = tries + 1 WHERE workspace_id = ? AND connection_id = ? AND external_id = ? AND noted_at = ?`
	sqlDeleteAsking = `DELETE FROM asking WHERE workspace_id = ? AND connection_id = ? AND external_id = ? AND noted_at <= ?`
)

// Asking is a person about whom a directory is to be asked.
type Asking struct {
	Connection, ID string // ID is the directory's immutable id
	// NotedAt is when there was reason to ask last, NextAt when to.
	NotedAt, NextAt workspace.Micros
	Tries           int
	Trigger         string // signal, liveness
}

// PutAsking notes that a directory is to be asked about a person, with what
// gives reason to; Tries begins anew.
func (t *Tx) PutAsking(a Asking) error {
	return t.exec(sqlPutAsking, t.ws, a.Connection, a.ID, a.NotedAt, a.NextAt, a.Trigger)
}

// DueAsking lists the people about whom a directory is to be asked by now.
func (r *Reader) DueAsking(now workspace.Micros, limit int) ([]Asking, error) {
	return list(r, func(s scanner, a *Asking) error {
		return s.Scan(&a.Connection, &a.ID, &a.NotedAt, &a.NextAt, &a.Tries, &a.Trigger)
	}, sqlDueAsking, r.ws, now, limit)
}

// DelayAsking puts a question off that got no answer, and counts the try; one
// that was noted anew, or is answered, stays as it is.
func (t *Tx) DelayAsking(a Asking, until workspace.Micros) error {
	return t.exec(sqlDelayAsking, until, t.ws, a.Connection, a.ID, a.NotedAt)
}

// DeleteAsking forgets a question that was answered as of a moment; one that
// was noted later stays, and one that is not there is no error.
func (t *Tx) DeleteAsking(connection, external string, asOf workspace.Micros) error {
	return t.exec(sqlDeleteAsking, t.ws, connection, external, asOf)
}
