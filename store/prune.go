package store

import (
	"errors"
	"fmt"

	"github.com/rollcall-sync/rollcall/workspace"
)

const (
	sqlPruneDeliveries = `DELETE FROM delivery WHERE workspace_id = ? AND (event_id, sink_id) IN (
			SELECT d.event_id, d.sink_id FROM delivery d
			WHERE d.workspace_id = ? AND d.done_at > 0 AND d.done_at < ? AND d.state <> 'dead' LIMIT CAST(? AS BIGINT))`
	sqlPruneDead = `DELETE FROM delivery WHERE workspace_id = ? AND (event_id, sink_id) IN (
			SELECT d.event_id, d.sink_id FROM delivery d
			WHERE d.workspace_id = ? AND d.state = 'dead' AND d.done_at < ? LIMIT CAST(? AS BIGINT))`

	// Ids of events begin with their time, so their index is one by time too.
	sqlOldEvents = `SELECT MAX(event_id) FROM (SELECT e.event_id FROM event e
			WHERE e.workspace_id = ? AND e.event_id > ? AND e.event_id < ? ORDER BY e.event_id LIMIT CAST(? AS BIGINT)) old`
	// What a receiver still waits for stays, and so does what ends access and
	// nobody has acknowledged, whether its receiver is in the configuration now
	// or not (OB6).
	sqlPruneEvents = `DELETE FROM event WHERE workspace_id = ? AND event_id > ? AND event_id <= ?
		AND NOT EXISTS (SELECT 1 FROM sink JOIN delivery_line l ON l.workspace_id = sink.workspace_id AND l.sink_id = sink.sink_id
			AND l.subject_type = event.subject_type AND l.subject_id = event.subject_id
			WHERE sink.workspace_id = event.workspace_id AND sink.state <> 'retired' AND l.done_seq < event.seq AND l.last_seq >= event.seq)
		AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.workspace_id = event.workspace_id AND d.event_id = event.event_id AND d.state = 'pending')`
)

// PruneDeliveries deletes, up to limit of each, what was done before done, and
// dead letters that died before dead (OB7). more says that there may be others.
func (t *Tx) PruneDeliveries(done, dead workspace.Micros, limit int) (more bool, err error) {
	n, err := t.execCount(sqlPruneDeliveries, t.ws, t.ws, done, limit)
	if err != nil {
		return false, err
	}
	letters, err := t.execCount(sqlPruneDead, t.ws, t.ws, dead, limit)
	return n == int64(limit) || letters == int64(limit), err
}

// PruneEvents looks at up to limit events from before a moment, behind the one
// named after ("" for the first), and deletes those that no receiver waits
// for. next is where to go on, "" when there are no others.
func (t *Tx) PruneEvents(before workspace.Micros, after string, limit int) (next string, err error) {
	var last *string
	err = t.row(sqlOldEvents, t.ws, after, eventIDAt(before), limit).Scan(&last)
	if errors.Is(err, workspace.ErrNotFound) || err == nil && last == nil {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return *last, t.exec(sqlPruneEvents, t.ws, after, *last)
}

// eventIDAt is below the id of every event that is made at a moment or later:
// evt_ and a UUIDv7, which begins with 48 bits of milliseconds (RFC 9562 5.7).
func eventIDAt(at workspace.Micros) string {
	ms := fmt.Sprintf("%012x", max(0, at.Time().UnixMilli()))
	return "evt_" + ms[:8] + "-" + ms[8:]
}
