package store

import (
	"cmp"
	"math"

	"github.com/rollcall-sync/rollcall/workspace"
)

// The states of a delivery (OB2).
const (
	DeliveryPending    = "pending"    // a leaver event on its way
	DeliveryAcked      = "acked"      // the sink has it
	DeliverySuperseded = "superseded" // a newer event of the subject told it
	DeliveryDead       = "dead"       // given up after 72 hours
	DeliverySettled    = "settled"    // taken out by a person
)

// DeliveryRow is what became of one event at one sink.
type DeliveryRow struct {
	EventID, Sink        string
	SubjectType, Subject string
	Seq                  int64
	Type                 string
	Leaver               bool
	Run                  string
	State                string
	Tries, Status        int
	EventAt, DoneAt      workspace.Micros
	// Epoch and Sessions are what the sink said in its answer.
	Epoch, Sessions int64
	// VerifyAt is when the sink is read back next, zero for never; VerifiedAt
	// is T4 at this sink.
	VerifyAt    workspace.Micros
	VerifyTries int
	VerifiedAt  workspace.Micros
	SettledBy   string
	Reason      string
}

const (
	deliveryColumns = `event_id, sink_id, subject_type, subject_id, seq, type, leaver, run_id, state, tries, status, event_at,
		done_at, epoch, sessions, verify_at, verify_tries, verified_at, settled_by, reason`

	sqlPutDelivery = `INSERT INTO delivery (workspace_id, ` + deliveryColumns + `)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, event_id, sink_id) DO UPDATE SET state = excluded.state, tries = excluded.tries,
			status = excluded.status, done_at = excluded.done_at, epoch = excluded.epoch, sessions = excluded.sessions,
			verify_at = excluded.verify_at, verified_at = excluded.verified_at, settled_by = excluded.settled_by,
			reason = excluded.reason`
	sqlDeliveriesOfLeaver = `SELECT ` + deliveryColumns + ` FROM delivery
		WHERE workspace_id = ? AND subject_id = ? AND leaver AND run_id = ? ORDER BY seq, sink_id`
	sqlDeliveriesDone = `SELECT ` + deliveryColumns + ` FROM delivery
		WHERE workspace_id = ? AND done_at > 0 AND done_at < ? ORDER BY done_at DESC, event_id LIMIT CAST(? AS BIGINT)`
	sqlDeadDeliveries = `SELECT ` + deliveryColumns + ` FROM delivery
		WHERE workspace_id = ? AND state = 'dead' AND done_at < ? ORDER BY done_at DESC, event_id LIMIT CAST(? AS BIGINT)`
	// F19: what nobody has acknowledged; a retired sink is nobody's concern.
	sqlUndelivered = `SELECT ` + deliveryColumns + ` FROM delivery
		WHERE workspace_id = ? AND leaver AND state = 'pending' AND event_at <= ?
			AND sink_id NOT IN (SELECT sink.sink_id FROM sink WHERE sink.workspace_id = ? AND sink.state = 'retired')
		ORDER BY event_at, event_id LIMIT CAST(? AS BIGINT)`
	sqlDueVerifications = `SELECT ` + deliveryColumns + ` FROM delivery
		WHERE workspace_id = ? AND sink_id = ? AND verify_at > 0 AND verify_at <= ? ORDER BY verify_at LIMIT CAST(? AS BIGINT)`
	sqlMoveVerification = `UPDATE delivery SET verify_at = ?, verify_tries = verify_tries + ?, verified_at = ?
		WHERE workspace_id = ? AND event_id = ? AND sink_id = ? AND verify_at = ?`
	sqlClampLines = `UPDATE delivery_line SET due_at = ?
		WHERE workspace_id = ? AND sink_id = ? AND done_seq < last_seq AND leaver_seq <= done_seq AND due_at > ?`
	sqlClampLeavers = `UPDATE delivery_line SET due_at = ?
		WHERE workspace_id = ? AND sink_id = ? AND leaver_seq > done_seq AND due_at > ?`

	waitingColumns = `l.sink_id, l.subject_type, l.subject_id, e.seq, e.event_id, e.type, e.leaver, e.at,
		l.last_seq, l.tries, l.due_at, l.status, l.fault, l.leaver_seq > l.done_seq`
	// Only the first event behind a line's place is read, and not yet judged
	// by what the sink wants.
	sqlWaiting = `SELECT ` + waitingColumns + ` FROM delivery_line l
		JOIN event e ON e.workspace_id = l.workspace_id AND e.subject_type = l.subject_type AND e.subject_id = l.subject_id
			AND e.seq = (SELECT MIN(f.seq) FROM event f WHERE f.workspace_id = l.workspace_id
				AND f.subject_type = l.subject_type AND f.subject_id = l.subject_id AND f.seq > l.done_seq)
		WHERE l.workspace_id = ? AND l.sink_id = ? AND l.done_seq < l.last_seq AND l.leaver_seq <= l.done_seq
		ORDER BY l.due_at LIMIT CAST(? AS BIGINT)`
	sqlWaitingLeavers = `SELECT ` + waitingColumns + ` FROM delivery_line l
		JOIN event e ON e.workspace_id = l.workspace_id AND e.subject_type = l.subject_type AND e.subject_id = l.subject_id
			AND e.seq = (SELECT MIN(f.seq) FROM event f WHERE f.workspace_id = l.workspace_id
				AND f.subject_type = l.subject_type AND f.subject_id = l.subject_id AND f.seq > l.done_seq)
		WHERE l.workspace_id = ? AND l.sink_id = ? AND l.leaver_seq > l.done_seq
		ORDER BY l.due_at LIMIT CAST(? AS BIGINT)`
)

// QueueRow is how much waits for a sink.
type QueueRow struct {
	Sink   string
	Lines  int              // in which an event waits
	Oldest workspace.Micros // of the events at their heads, zero for none
	Dead   int              // dead letters that are kept
}

// A line's head is the first event behind its place, wanted or not: its age is
// that of the line. Each subquery is the condition of a partial index, so that
// lines in which nothing waits cost nothing.
const (
	queueOrdinary = ` FROM delivery_line l WHERE l.workspace_id = s.workspace_id AND l.sink_id = s.sink_id
			AND l.done_seq < l.last_seq AND l.leaver_seq <= l.done_seq`
	queueLeavers = ` FROM delivery_line l WHERE l.workspace_id = s.workspace_id AND l.sink_id = s.sink_id AND l.leaver_seq > l.done_seq`
	queueHead    = `(SELECT e.at FROM event e WHERE e.workspace_id = l.workspace_id AND e.subject_type = l.subject_type
			AND e.subject_id = l.subject_id AND e.seq = l.done_seq + 1)`
	sqlQueues = `SELECT s.sink_id, (SELECT COUNT(*)` + queueOrdinary + `) + (SELECT COUNT(*)` + queueLeavers + `),
			COALESCE((SELECT MIN(` + queueHead + `)` + queueOrdinary + `), 0), COALESCE((SELECT MIN(` + queueHead + `)` + queueLeavers + `), 0),
			(SELECT COUNT(*) FROM delivery d WHERE d.workspace_id = s.workspace_id AND d.sink_id = s.sink_id AND d.state = 'dead')
		FROM sink s WHERE s.workspace_id = ? AND s.state <> 'retired' ORDER BY s.sink_id`
)

func scanQueue(s scanner, v *QueueRow) error {
	var leavers workspace.Micros
	err := s.Scan(&v.Sink, &v.Lines, &v.Oldest, &leavers, &v.Dead)
	if v.Oldest == 0 || leavers != 0 && leavers < v.Oldest {
		v.Oldest = leavers
	}
	return err
}

// Queues tells how much waits for each sink that is not retired.
func (r *Reader) Queues() ([]QueueRow, error) { return list(r, scanQueue, sqlQueues, r.ws) }

func scanDelivery(s scanner, d *DeliveryRow) error {
	return s.Scan(&d.EventID, &d.Sink, &d.SubjectType, &d.Subject, &d.Seq, &d.Type, &d.Leaver, &d.Run, &d.State, &d.Tries,
		&d.Status, &d.EventAt, &d.DoneAt, &d.Epoch, &d.Sessions, &d.VerifyAt, &d.VerifyTries, &d.VerifiedAt, &d.SettledBy, &d.Reason)
}

// putDelivery writes what became of an event; d gives its end, the event the
// rest. The run of a row that is there stays.
func (t *Tx) putDelivery(sink string, e *EventRow, d DeliveryRow) error {
	return t.exec(sqlPutDelivery, t.ws, e.ID, sink, e.SubjectType, e.Subject, e.Seq, e.Type, e.Leaver, e.Run, d.State, d.Tries,
		d.Status, e.At, d.DoneAt, d.Epoch, d.Sessions, d.VerifyAt, 0, d.VerifiedAt, d.SettledBy, d.Reason)
}

// DeliveriesOfLeaver lists, for each sink that wants them, the leaver events
// of a member in a run.
func (r *Reader) DeliveriesOfLeaver(member, run string) ([]DeliveryRow, error) {
	return list(r, scanDelivery, sqlDeliveriesOfLeaver, r.ws, member, run)
}

// LeaverTimes are the moments at which a leaver's end was told and proved
// (T3, T4). Zero: not yet, or (for Verified) no sink can be asked.
type LeaverTimes struct {
	Sinks     int              // that want it
	Delivered workspace.Micros // T3: the last sink acknowledged
	Verified  workspace.Micros // T4: the last sink that can be asked has proved it
	Sessions  int64            // that receivers say they ended
	// Pending names sinks that have not acknowledged, Unproved those that have
	// not proved it.
	Pending, Unproved []string
}

// LeaverTimes reads T3 and T4 of a member who left in a run.
func (r *Reader) LeaverTimes(member, run string) (v LeaverTimes, err error) {
	rows, err := r.DeliveriesOfLeaver(member, run)
	if err != nil {
		return v, err
	}
	sinks := map[string]bool{}
	for i := range rows {
		d := &rows[i]
		if !sinks[d.Sink] {
			sinks[d.Sink] = true
			v.Sinks++
		}
		switch d.State {
		case DeliveryPending:
			v.Pending = append(v.Pending, d.Sink)
		case DeliveryAcked:
			v.Delivered = max(v.Delivered, d.DoneAt)
			v.Verified = max(v.Verified, d.VerifiedAt)
			v.Sessions += d.Sessions
			if d.VerifiedAt == 0 && d.VerifyAt+workspace.Micros(d.VerifyTries) > 0 {
				v.Unproved = append(v.Unproved, d.Sink)
			}
		}
	}
	if len(v.Pending) > 0 {
		v.Delivered = 0
	}
	if len(v.Pending)+len(v.Unproved) > 0 {
		v.Verified = 0
	}
	return v, nil
}

// Deliveries lists what became of events, newest first, before a moment
// (zero: from the newest); dead lists dead letters alone.
func (r *Reader) Deliveries(dead bool, before workspace.Micros, limit int) ([]DeliveryRow, error) {
	text := sqlDeliveriesDone
	if dead {
		text = sqlDeadDeliveries
	}
	return list(r, scanDelivery, text, r.ws, cmp.Or(before, math.MaxInt64), limit)
}

// Undelivered lists leaver events that are older than a moment and that a
// sink has not acknowledged (F19), oldest first.
func (r *Reader) Undelivered(before workspace.Micros, limit int) ([]DeliveryRow, error) {
	return list(r, scanDelivery, sqlUndelivered, r.ws, before, r.ws, limit)
}

// WaitingLine is a line in which an event waits, with its head.
type WaitingLine struct {
	Sink, SubjectType, Subject string
	Seq                        int64
	EventID, Type              string
	Leaver                     bool
	At                         workspace.Micros
	Last                       int64 // newest sequence that waits
	Tries                      int
	DueAt                      workspace.Micros
	Status                     int    // of the last try, zero for none
	Fault                      string // of the last try, "" for none
	EndsAccess                 bool   // a leaver event waits in the line
}

func scanWaiting(s scanner, w *WaitingLine) error {
	return s.Scan(&w.Sink, &w.SubjectType, &w.Subject, &w.Seq, &w.EventID, &w.Type, &w.Leaver, &w.At, &w.Last, &w.Tries, &w.DueAt,
		&w.Status, &w.Fault, &w.EndsAccess)
}

// Waiting lists lines of a sink that wait, those that end access first.
func (r *Reader) Waiting(sink string, limit int) ([]WaitingLine, error) {
	leavers, err := list(r, scanWaiting, sqlWaitingLeavers, r.ws, sink, limit)
	if err != nil || len(leavers) >= limit {
		return leavers, err
	}
	rest, err := list(r, scanWaiting, sqlWaiting, r.ws, sink, limit-len(leavers))
	return append(leavers, rest...), err
}

// DueVerifications lists acknowledged leaver events that are to be read back.
func (r *Reader) DueVerifications(sink string, at workspace.Micros, limit int) ([]DeliveryRow, error) {
	return list(r, scanDelivery, sqlDueVerifications, r.ws, sink, at, limit)
}

// PostponeVerification plans the next reading back; zero gives up. Somebody
// else's move of the same row gives workspace.ErrStale.
func (t *Tx) PostponeVerification(d DeliveryRow, next workspace.Micros) error {
	return t.swap(sqlMoveVerification, next, 1, 0, t.ws, d.EventID, d.Sink, d.VerifyAt)
}

// Verified stores T4 of a leaver event at a sink.
func (t *Tx) Verified(d DeliveryRow, at workspace.Micros) error {
	return t.swap(sqlMoveVerification, 0, 1, at, t.ws, d.EventID, d.Sink, d.VerifyAt)
}

// ClampLines makes lines due that wait for a moment after limit: a clock that
// was far ahead must not hold them up.
func (t *Tx) ClampLines(sink string, at, limit workspace.Micros) error {
	if err := t.exec(sqlClampLines, at, t.ws, sink, limit); err != nil {
		return err
	}
	return t.exec(sqlClampLeavers, at, t.ws, sink, limit)
}
