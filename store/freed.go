package store

import "github.com/rollcall-sync/rollcall/workspace"

const (
	sqlInsertFreed = `INSERT INTO freed (workspace_id, freed_at, freed_id, kind, object) VALUES (?, ?, ?, ?, ?)`
	sqlFreed       = `SELECT freed_at, freed_id, kind, object FROM freed WHERE workspace_id = ? AND freed_at <= ?
		ORDER BY freed_at, freed_id LIMIT CAST(? AS BIGINT)`
	sqlDeleteFreed = `DELETE FROM freed WHERE workspace_id = ? AND freed_at = ? AND freed_id = ?`
	sqlStatesEmail = `SELECT i.identity_id FROM identity i LEFT JOIN member m ON m.workspace_id = i.workspace_id AND m.member_id = i.member_id
		WHERE i.workspace_id = ? AND i.connection_id = ? AND i.email_key = ? AND NOT i.deleted AND (m.email_key IS NULL OR m.email_key <> i.email_key)
		ORDER BY i.created_at, i.identity_id LIMIT CAST(? AS BIGINT)`
)

// FreedKind is what became free.
type FreedKind string

// The kinds of things that people wait for.
const (
	FreedNumber  FreedKind = "number"  // the object is the number's id
	FreedSeat    FreedKind = "seat"    // no object
	FreedAddress FreedKind = "address" // the object is the folded address
)

// Freed is one thing that a unit of work has freed.
type Freed struct {
	At     workspace.Micros
	ID     string // unique among those of a moment
	Kind   FreedKind
	Object string
}

// InsertFreed notes what this unit frees, to be offered once it is committed.
func (t *Tx) InsertFreed(f Freed) error {
	return t.exec(sqlInsertFreed, t.ws, f.At, f.ID, f.Kind, f.Object)
}

// Freed lists what became free up to a moment, the oldest first.
func (r *Reader) Freed(until workspace.Micros, limit int) ([]Freed, error) {
	return list(r, func(s scanner, f *Freed) error { return s.Scan(&f.At, &f.ID, &f.Kind, &f.Object) }, sqlFreed, r.ws, until, limit)
}

// DeleteFreed forgets what has been offered; what is gone already is no error.
func (t *Tx) DeleteFreed(all []Freed) error {
	for _, f := range all {
		if err := t.exec(sqlDeleteFreed, t.ws, f.At, f.ID); err != nil {
			return err
		}
	}
	return nil
}

// StateEmail lists records of a connection, by id, that state a folded address
// which their member, if they have one, does not have: the oldest first.
func (r *Reader) StateEmail(connection, emailKey string, limit int) ([]string, error) {
	return list(r, func(s scanner, id *string) error { return s.Scan(id) }, sqlStatesEmail, r.ws, connection, emailKey, limit)
}
