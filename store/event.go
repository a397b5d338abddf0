package store

import (
	"fmt"

	"github.com/rollcall-sync/rollcall/workspace"
)

// EventRow is one outbox event.
type EventRow struct {
	SubjectType, Subject string
	Seq                  int64
	ID, Type             string
	Leaver               bool
	Leaf                 int64
	At                   workspace.Micros
	// Run is the run that caused a leaver event, for its line in the report;
	// it is kept with the deliveries only.
	Run  string
	Body []byte
	// Wait is how long nobody is told yet (quiet); an event that ends access,
	// and what comes before it in its line, waits for nothing. It is not kept.
	Wait workspace.Micros
}

// A subject's sequence lives in its own row: two units that touch the same
// subject are in order by its row lock, and those of others do not meet (OB1).
const (
	sqlMoveMemberSeq     = `UPDATE member SET seq = seq + ? WHERE workspace_id = ? AND member_id = ?`
	sqlMemberSeq         = `SELECT seq FROM member WHERE workspace_id = ? AND member_id = ?`
	sqlMoveNumberSeq     = `UPDATE number SET seq = seq + ? WHERE workspace_id = ? AND number_id = ?`
	sqlNumberSeq         = `SELECT seq FROM number WHERE workspace_id = ? AND number_id = ?`
	sqlMoveGroupSeq      = `UPDATE groups SET seq = seq + ? WHERE workspace_id = ? AND group_id = ?`
	sqlGroupSeq          = `SELECT seq FROM groups WHERE workspace_id = ? AND group_id = ?`
	sqlMoveConnectionSeq = `UPDATE connection SET seq = seq + ? WHERE workspace_id = ? AND connection_id = ?`
	sqlConnectionSeq     = `SELECT seq FROM connection WHERE workspace_id = ? AND connection_id = ?`

	sqlInsertEvent = `INSERT INTO event (workspace_id, subject_type, subject_id, seq, event_id, type, leaver,
			leaf_index, at, body)
		VALUES `
	sqlEventsOf = `SELECT subject_type, subject_id, seq, event_id, type, leaver, leaf_index, at, body
		FROM event WHERE workspace_id = ? AND subject_type = ? AND subject_id = ? AND seq > ?
		ORDER BY seq LIMIT CAST(? AS BIGINT)`
	sqlEvent = `SELECT subject_type, subject_id, seq, event_id, type, leaver, leaf_index, at, body
		FROM event WHERE workspace_id = ? AND event_id = ?`
)

// NextSeq takes the next outbox sequence of a subject; see NextSeqs.
func (t *Tx) NextSeq(subjectType, subject string) (int64, error) {
	return t.NextSeqs(subjectType, subject, 1)
}

// NextSeqs takes the next n outbox sequences of a subject from its own row
// (OB1) and gives the last of them; the subject's type is member, number,
// group, or connection. A subject that is not there gives
// workspace.ErrNotFound.
func (t *Tx) NextSeqs(subjectType, subject string, n int) (last int64, err error) {
	var move, read string
	if m, ok := t.waitingMember(subject); ok && subjectType == "member" {
		m.Seq += int64(n)
		return m.Seq, nil
	}
	switch subjectType {
	case "member":
		move, read = sqlMoveMemberSeq, sqlMemberSeq
	case "number":
		move, read = sqlMoveNumberSeq, sqlNumberSeq
	case "group":
		move, read = sqlMoveGroupSeq, sqlGroupSeq
	case "connection":
		move, read = sqlMoveConnectionSeq, sqlConnectionSeq
	default:
		return 0, fmt.Errorf("store: no outbox subject of type %q", subjectType)
	}
	// The row is none of those that wait, and its sequence is nobody else's.
	moved, err := t.past(move, n, t.ws, subject)
	if err == nil && moved == 0 {
		err = workspace.ErrNotFound
	}
	if err != nil {
		return 0, err
	}
	err = one(t.rowsPast(read, t.ws, subject)).Scan(&last)
	return last, err
}

// InsertEvents writes outbox rows, puts them into the lines of the sinks that
// want them, and writes the revocation feed (OB2, RF2). It comes after
// AppendAudit and after the members' rows.
func (t *Tx) InsertEvents(rows []EventRow) error {
	const columns = 10
	err := t.tuples(len(rows), columns, func(from, size int, values string) error {
		args := make([]any, 0, size*columns)
		for i := range rows[from : from+size] {
			e := &rows[from+i]
			args = append(args, t.ws, e.SubjectType, e.Subject, e.Seq, e.ID, e.Type, e.Leaver, e.Leaf, e.At, e.Body)
		}
		return t.exec(sqlInsertEvent+values, args...)
	})
	if err != nil {
		return err
	}
	for i := range rows {
		if err := t.revoke(&rows[i]); err != nil {
			return err
		}
	}
	t.queued = len(rows) > 0
	return t.queue(rows)
}

func scanEvent(s scanner, e *EventRow) error {
	return s.Scan(&e.SubjectType, &e.Subject, &e.Seq, &e.ID, &e.Type, &e.Leaver, &e.Leaf, &e.At, &e.Body)
}

// EventsOf lists a subject's events in order after a sequence.
func (r *Reader) EventsOf(subjectType, subject string, after int64, limit int) ([]EventRow, error) {
	return list(r, scanEvent, sqlEventsOf, r.ws, subjectType, subject, after, limit)
}

// Event finds an event by its id.
func (r *Reader) Event(id string) (EventRow, error) { return single(r, scanEvent, sqlEvent, r.ws, id) }
