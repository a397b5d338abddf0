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
	Body                 []byte
}

// A subject's sequence lives in its own row: two units that touch the same
// subject are in order by its row lock, and those of others do not meet (OB1).
const (
	sqlNextMemberSeq = `UPDATE member SET seq = seq + 1
		WHERE workspace_id = ? AND member_id = ? RETURNING seq`
	sqlNextNumberSeq = `UPDATE number SET seq = seq + 1
		WHERE workspace_id = ? AND number_id = ? RETURNING seq`
	sqlNextGroupSeq = `UPDATE groups SET seq = seq + 1
		WHERE workspace_id = ? AND group_id = ? RETURNING seq`
	sqlNextConnectionSeq = `UPDATE connection SET seq = seq + 1
		WHERE workspace_id = ? AND connection_id = ? RETURNING seq`
	sqlInsertEvent = `INSERT INTO event (workspace_id, subject_type, subject_id, seq, event_id, type, leaver,
			leaf_index, at, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlEventsOf = `SELECT subject_type, subject_id, seq, event_id, type, leaver, leaf_index, at, body
		FROM event WHERE workspace_id = ? AND subject_type = ? AND subject_id = ? AND seq > ?
		ORDER BY seq LIMIT ?`
)

// NextSeq takes the next outbox sequence of a subject from its own row (OB1);
// the subject's type is member, number, group, or connection. A subject that
// is not there gives workspace.ErrNotFound.
func (t *Tx) NextSeq(subjectType, subject string) (seq int64, err error) {
	var text string
	switch subjectType {
	case "member":
		text = sqlNextMemberSeq
	case "number":
		text = sqlNextNumberSeq
	case "group":
		text = sqlNextGroupSeq
	case "connection":
		text = sqlNextConnectionSeq
	default:
		return 0, fmt.Errorf("store: no outbox subject of type %q", subjectType)
	}
	err = t.row(text, t.ws, subject).Scan(&seq)
	return seq, err
}

// InsertEvents writes outbox rows.
func (t *Tx) InsertEvents(rows []EventRow) error {
	for i := range rows {
		e := &rows[i]
		if err := t.exec(sqlInsertEvent, t.ws, e.SubjectType, e.Subject, e.Seq, e.ID, e.Type, e.Leaver,
			e.Leaf, e.At, e.Body); err != nil {
			return err
		}
	}
	return nil
}

func scanEvent(s scanner, e *EventRow) error {
	return s.Scan(&e.SubjectType, &e.Subject, &e.Seq, &e.ID, &e.Type, &e.Leaver, &e.Leaf, &e.At, &e.Body)
}

// EventsOf lists a subject's events in order after a sequence.
func (r *Reader) EventsOf(subjectType, subject string, after int64, limit int) ([]EventRow, error) {
	return list(r, scanEvent, sqlEventsOf, r.ws, subjectType, subject, after, limit)
}
