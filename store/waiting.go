package store

import (
	"fmt"

	"github.com/rollcall-sync/rollcall/workspace"
)

const (
	sqlPutWaiter = `INSERT INTO waiting (workspace_id, connection_id, external_id, since, for_number, wants_number, wants_seat) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, connection_id, external_id) DO UPDATE
		SET since = excluded.since, for_number = excluded.for_number, wants_number = excluded.wants_number, wants_seat = excluded.wants_seat`
	sqlKeepWaiter = `INSERT INTO waiting (workspace_id, connection_id, external_id, since, for_number, wants_number, wants_seat) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, connection_id, external_id) DO UPDATE
		SET for_number = excluded.for_number, wants_number = excluded.wants_number, wants_seat = excluded.wants_seat
		WHERE waiting.for_number <> excluded.for_number OR waiting.wants_number <> excluded.wants_number OR waiting.wants_seat <> excluded.wants_seat`
	sqlDropWaiter = `DELETE FROM waiting WHERE workspace_id = ? AND connection_id = ? AND external_id = ?`
	sqlWaiters    = `SELECT external_id FROM waiting WHERE workspace_id = ? AND connection_id = ? AND NOT (for_number AND ?)
		ORDER BY since, external_id`
	sqlWaitersForNumber = `SELECT connection_id, external_id, since, for_number, wants_number, wants_seat FROM waiting
		WHERE workspace_id = ? AND (since, connection_id, external_id) > (?, ?, ?) AND wants_number
		ORDER BY since, connection_id, external_id LIMIT CAST(? AS BIGINT)`
	sqlWaitersForSeat = `SELECT connection_id, external_id, since, for_number, wants_number, wants_seat FROM waiting
		WHERE workspace_id = ? AND (since, connection_id, external_id) > (?, ?, ?) AND wants_seat
		ORDER BY since, connection_id, external_id LIMIT CAST(? AS BIGINT)`
	sqlWaitingNewcomers = `SELECT w.external_id FROM waiting w WHERE w.workspace_id = ? AND w.connection_id = ? AND NOT w.for_number
		AND NOT EXISTS (SELECT 1 FROM identity i WHERE i.workspace_id = w.workspace_id AND i.connection_id = w.connection_id
			AND i.external_id = w.external_id AND NOT i.deleted)
		ORDER BY w.since, w.external_id LIMIT CAST(? AS BIGINT)`
	sqlStock = `SELECT COUNT(*), CAST(COALESCE(SUM(version), 0) AS BIGINT) FROM number WHERE workspace_id = ?`
)

// Waiter is somebody who waits for what was denied, is held or could not be
// had.
type Waiter struct {
	Connection string
	// ID is the directory's immutable id; of a connection that pushes, the id
	// of the record.
	ID    string
	Since workspace.Micros
	// OnlyNumber: for nothing but a number. Number and Seat tell what is waited
	// for among other things; neither is an address, or a person's word.
	OnlyNumber, Number, Seat bool
}

// PutWaiter notes that somebody waits since a moment; what was noted before is
// replaced.
func (t *Tx) PutWaiter(w Waiter) error {
	return t.exec(sqlPutWaiter, t.ws, w.Connection, w.ID, w.Since, w.OnlyNumber, w.Number, w.Seat)
}

// KeepWaiter is PutWaiter for somebody who may be waiting already: they keep
// their place. A row that says the same is not written.
func (t *Tx) KeepWaiter(w Waiter) error {
	return t.exec(sqlKeepWaiter, t.ws, w.Connection, w.ID, w.Since, w.OnlyNumber, w.Number, w.Seat)
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

// WaitersForNumber lists people of all connections who wait for a number, who
// came first first, from the one after a place in that line; the zero Waiter
// is before everybody.
func (r *Reader) WaitersForNumber(after Waiter, limit int) ([]Waiter, error) {
	return list(r, scanWaiter, sqlWaitersForNumber, r.ws, after.Since, after.Connection, after.ID, limit)
}

// WaitersForSeat is WaitersForNumber for those who wait for a seat.
func (r *Reader) WaitersForSeat(after Waiter, limit int) ([]Waiter, error) {
	return list(r, scanWaiter, sqlWaitersForSeat, r.ws, after.Since, after.Connection, after.ID, limit)
}

func scanWaiter(s scanner, w *Waiter) error {
	return s.Scan(&w.Connection, &w.ID, &w.Since, &w.OnlyNumber, &w.Number, &w.Seat)
}

// WaitingNewcomers lists people of a connection that is read who wait and of
// whom there is no record, by immutable id, who came first first.
func (r *Reader) WaitingNewcomers(connection string, limit int) ([]string, error) {
	return list(r, func(s scanner, id *string) error { return s.Scan(id) }, sqlWaitingNewcomers, r.ws, connection, limit)
}

// Stock stands for the state of the whole inventory: whenever a number is
// added, or one changes or changes hands, it is another. Numbers are never
// deleted and their versions only rise, so no state comes twice.
func (r *Reader) Stock() (string, error) {
	var count, versions int64
	err := r.row(sqlStock, r.ws).Scan(&count, &versions)
	return fmt.Sprintf("%d/%d", count, versions), err
}
