package store

import (
	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/workspace"
)

const (
	insertNumber = `INSERT INTO number (workspace_id, number_id, e164, name, name_key, type, pool, site, state,
		quarantine_until, legal_hold, version, seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	updateNumber = `UPDATE number SET e164 = ?, name = ?, name_key = ?, type = ?, pool = ?, site = ?, state = ?,
		quarantine_until = ?, legal_hold = ?, version = ?
		WHERE workspace_id = ? AND number_id = ? AND version = ?`
	putAssignment = `INSERT INTO assignment (workspace_id, number_id, kind, to_id, access, ring, notify, since)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, number_id, kind, to_id) DO UPDATE SET access = excluded.access,
		ring = excluded.ring, notify = excluded.notify, since = excluded.since`
	deleteAssignment = `DELETE FROM assignment WHERE workspace_id = ? AND number_id = ? AND kind = ? AND to_id = ?`
	addOwner         = `INSERT INTO number_owner (workspace_id, number_id, member_id) VALUES (?, ?, ?)
		ON CONFLICT (workspace_id, number_id, member_id) DO NOTHING`
	removeOwner    = `DELETE FROM number_owner WHERE workspace_id = ? AND number_id = ? AND member_id = ?`
	putReservation = `INSERT INTO reservation (workspace_id, number_id, kind, for_id, until, why)
		VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, number_id, kind, for_id) DO UPDATE SET until = excluded.until, why = excluded.why`
	deleteReservation = `DELETE FROM reservation WHERE workspace_id = ? AND number_id = ? AND kind = ? AND for_id = ?`
)

// InsertNumber writes a number of the inventory, without its lists. A number
// that is there already is a *ConflictError with Key "e164".
func (t *Tx) InsertNumber(n workspace.Number) error {
	return t.exec(insertNumber, t.ws, n.ID, n.E164, n.Name, fold.Key(n.Name), n.Type, n.Pool, n.Site, string(n.State),
		n.QuarantineUntil, n.LegalHold, n.Version, n.Seq)
}

// UpdateNumber replaces a number's own columns (compare-and-swap on
// version-1); its lists are written by the calls below. Seq is not written.
func (t *Tx) UpdateNumber(n workspace.Number) error {
	return t.swap(updateNumber, n.E164, n.Name, fold.Key(n.Name), n.Type, n.Pool, n.Site, string(n.State),
		n.QuarantineUntil, n.LegalHold, n.Version, t.ws, n.ID, n.Version-1)
}

// PutAssignment inserts or replaces one assignment. A second exclusive one of
// a number is a *ConflictError with Key "exclusive" (I4).
func (t *Tx) PutAssignment(a workspace.Assignment) error {
	return t.exec(putAssignment, t.ws, a.Number, string(a.Kind), a.To, a.Access.String(), a.Ring, a.Notify, a.Since)
}

// DeleteAssignment removes one assignment, if it is there.
func (t *Tx) DeleteAssignment(number string, kind workspace.AssigneeKind, to string) error {
	return t.exec(deleteAssignment, t.ws, number, string(kind), to)
}

// AddOwner writes an ownership, if it is not there.
func (t *Tx) AddOwner(o workspace.Ownership) error { return t.exec(addOwner, t.ws, o.Number, o.Member) }

// RemoveOwner takes an ownership away, if it is there.
func (t *Tx) RemoveOwner(o workspace.Ownership) error {
	return t.exec(removeOwner, t.ws, o.Number, o.Member)
}

// PutReservation inserts or replaces a reservation.
func (t *Tx) PutReservation(v workspace.Reservation) error {
	return t.exec(putReservation, t.ws, v.Number, string(v.Kind), v.For, v.Until, v.Why)
}

// DeleteReservation removes one, if it is there.
func (t *Tx) DeleteReservation(number string, kind workspace.AssigneeKind, forID string) error {
	return t.exec(deleteReservation, t.ws, number, string(kind), forID)
}
