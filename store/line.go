package store

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Delivery is one event at the head of its line, claimed for one attempt.
type Delivery struct {
	Sink  string
	Event EventRow
	// From is the first sequence that this event answers for: what lies
	// between From and Event.Seq was superseded, or is not for this sink
	// (covers, OB5).
	From int64
	// Part counts the tokens of this event that the sink has already (ST2).
	Part int
	// Tries counts this attempt; 1 is the first one.
	Tries int
	// JTI is the token handed out to a polling receiver, "" for none.
	JTI string

	superseded []EventRow
	attempt    int64
	leaverSeq  int64
}

// Leaver reports whether an event that ends access waits in the line, so that
// nothing else of the sink may be tried before it (OB6).
func (d *Delivery) Leaver() bool { return d.leaverSeq >= d.From }

// lineRow is a sink's place in the events of a subject.
type lineRow struct {
	subjectType, subject string
	done, last, leaver   int64
	part, tries, status  int
	attempt              int64
	jti                  string
	wait                 workspace.Micros // of events that are being queued
}

const (
	lineColumns = `subject_type, subject_id, done_seq, last_seq, leaver_seq, part, tries, status, attempt, jti`

	// A line that waits for a retry is due at once when a leaver event joins
	// it; the leaver's own schedule begins then (OB6).
	sqlQueue = `INSERT INTO delivery_line (workspace_id, sink_id, subject_type, subject_id, done_seq, last_seq, leaver_seq,
			part, jti, tries, due_at, holder, lease_us, attempt, status, fault)
		VALUES (?, ?, ?, ?, ?, ?, ?, 0, '', 0, ?, '', 0, 0, 0, '')
		ON CONFLICT (workspace_id, sink_id, subject_type, subject_id) DO UPDATE SET last_seq = excluded.last_seq,
			leaver_seq = CASE WHEN excluded.leaver_seq > 0 THEN excluded.leaver_seq ELSE delivery_line.leaver_seq END,
			tries = CASE WHEN excluded.leaver_seq > 0 THEN 0 ELSE delivery_line.tries END,
			due_at = CASE WHEN excluded.leaver_seq > 0 OR delivery_line.done_seq = delivery_line.last_seq
				THEN excluded.due_at ELSE delivery_line.due_at END`

	sqlDueLines = `SELECT ` + lineColumns + ` FROM delivery_line
		WHERE workspace_id = ? AND sink_id = ? AND done_seq < last_seq AND leaver_seq <= done_seq
			AND due_at <= ? AND lease_us < {now} ORDER BY due_at LIMIT CAST(? AS BIGINT){skip}`
	sqlDueLeaverLines = `SELECT ` + lineColumns + ` FROM delivery_line
		WHERE workspace_id = ? AND sink_id = ? AND leaver_seq > done_seq
			AND due_at <= ? AND lease_us < {now} ORDER BY due_at LIMIT CAST(? AS BIGINT){skip}`
	sqlLine = `SELECT ` + lineColumns + ` FROM delivery_line
		WHERE workspace_id = ? AND sink_id = ? AND subject_type = ? AND subject_id = ?{lock}`
	sqlLineByToken = `SELECT ` + lineColumns + ` FROM delivery_line
		WHERE workspace_id = ? AND sink_id = ? AND jti = ? AND jti <> ''{lock}`

	sqlClaimLine = `UPDATE delivery_line SET holder = ?, lease_us = {now} + ?, attempt = attempt + 1, tries = tries + 1
		WHERE workspace_id = ? AND sink_id = ? AND subject_type = ? AND subject_id = ? AND attempt = ?`
	sqlSkipLine = `UPDATE delivery_line SET done_seq = last_seq, part = 0, jti = '', tries = 0
		WHERE workspace_id = ? AND sink_id = ? AND subject_type = ? AND subject_id = ? AND attempt = ?`
	sqlAdvanceLine = `UPDATE delivery_line SET done_seq = ?, part = 0, jti = '', tries = 0, due_at = ?, holder = '',
			lease_us = 0, attempt = attempt + 1, status = ?, fault = ''
		WHERE workspace_id = ? AND sink_id = ? AND subject_type = ? AND subject_id = ? AND attempt = ?`
	// An event that ends access may have joined during the attempt: the line
	// is due for it, whatever the schedule of its head was.
	sqlDelayLine = `UPDATE delivery_line SET due_at = CASE WHEN leaver_seq = ? THEN CAST(? AS BIGINT) ELSE CAST(? AS BIGINT) END, jti = '', holder = '',
			lease_us = 0, attempt = attempt + 1, status = ?, fault = ?
		WHERE workspace_id = ? AND sink_id = ? AND subject_type = ? AND subject_id = ? AND attempt = ?`
	sqlPartLine = `UPDATE delivery_line SET part = ?, jti = ''
		WHERE workspace_id = ? AND sink_id = ? AND subject_type = ? AND subject_id = ? AND attempt = ?`
	sqlHandLine = `UPDATE delivery_line SET jti = ?, tries = tries + 1, attempt = attempt + 1
		WHERE workspace_id = ? AND sink_id = ? AND subject_type = ? AND subject_id = ? AND attempt = ?`
)

func scanLine(s scanner, l *lineRow) error {
	return s.Scan(&l.subjectType, &l.subject, &l.done, &l.last, &l.leaver, &l.part, &l.tries, &l.status, &l.attempt, &l.jti)
}

// queue puts events into the line of every sink that wants them, in the
// transaction that writes them (OB2). Rows of a subject come in order.
func (t *Tx) queue(rows []EventRow) error {
	sinks, err := t.Sinks()
	if err != nil {
		return err
	}
	for i := range sinks {
		s := &sinks[i]
		if s.State == SinkRetired {
			continue
		}
		lines := map[[2]string]*lineRow{}
		var order []*lineRow
		for k := range rows {
			e := &rows[k]
			if !s.Wants(e.Type) {
				continue
			}
			key := [2]string{e.SubjectType, e.Subject}
			l := lines[key]
			if l == nil {
				l = &lineRow{subjectType: e.SubjectType, subject: e.Subject, done: e.Seq - 1}
				lines[key] = l
				order = append(order, l)
			}
			l.last = e.Seq
			if !e.Leaver {
				l.wait = max(l.wait, e.Wait)
				continue
			}
			l.leaver = e.Seq
			if err := t.putDelivery(s.ID, e, DeliveryRow{State: DeliveryPending}); err != nil {
				return err
			}
		}
		for _, l := range order {
			due := rows[0].At
			if l.leaver == 0 {
				due += l.wait
			}
			if err := t.exec(sqlQueue, t.ws, s.ID, l.subjectType, l.subject, l.done, l.last, l.leaver, due); err != nil {
				return err
			}
		}
	}
	return nil
}

// Due reports whether any line of a sink is due.
func (r *Reader) Due(sink string, at workspace.Micros) (leaver, ordinary bool, err error) {
	for _, q := range []struct {
		text string
		due  *bool
	}{{sqlDueLeaverLines, &leaver}, {sqlDueLines, &ordinary}} {
		found, err := list(r, scanLine, q.text, r.ws, sink, at, 1)
		if err != nil {
			return false, false, err
		}
		*q.due = len(found) > 0
	}
	return leaver, ordinary, nil
}

// Claim takes up to limit lines that are due, for the time of a lease (OB4);
// leavers takes those in which an event waits that ends access, and no others.
// Rows that somebody else is claiming are passed over.
func (t *Tx) Claim(sink, holder string, leavers bool, at workspace.Micros, lease time.Duration, limit int) ([]Delivery, error) {
	text := sqlDueLines
	if leavers {
		text = sqlDueLeaverLines
	}
	s, lines, err := t.dueLines(sink, text, at, limit)
	if err != nil {
		return nil, err
	}
	var claimed []Delivery
	for i := range lines {
		d, ok, err := t.head(&s, &lines[i])
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if err := t.swap(sqlClaimLine, holder, lease.Microseconds(), t.ws, sink, d.Event.SubjectType, d.Event.Subject, d.attempt); err != nil {
			return nil, err
		}
		d.attempt++
		d.Tries++
		claimed = append(claimed, d)
	}
	return claimed, nil
}

// Hand gives up to limit events to a polling receiver, those that end access
// first: at most one of a subject. name tells the token that stands for an
// event's part, or "" when the event says nothing to this receiver, which
// acknowledges it. What was handed out and not acknowledged comes again
// (ST5). more says that further lines wait.
func (t *Tx) Hand(sink string, at workspace.Micros, limit int, name func(d *Delivery) (string, error)) (handed []Delivery, more bool, err error) {
	for _, text := range []string{sqlDueLeaverLines, sqlDueLines} {
		s, lines, err := t.dueLines(sink, text, at, limit-len(handed)+1)
		if err != nil {
			return nil, false, err
		}
		for i := range lines {
			if len(handed) == limit {
				return handed, true, nil
			}
			d, ok, err := t.handLine(&s, &lines[i], at, name)
			if err != nil {
				return nil, false, err
			}
			if ok {
				handed = append(handed, d)
			}
		}
	}
	return handed, false, nil
}

func (t *Tx) handLine(s *SinkRow, l *lineRow, at workspace.Micros, name func(d *Delivery) (string, error)) (Delivery, bool, error) {
	for {
		d, ok, err := t.head(s, l)
		if err != nil || !ok {
			return d, false, err
		}
		jti, err := name(&d)
		if err != nil {
			return d, false, err
		}
		if jti == "" {
			if err := t.Ack(d, Receipt{At: at}); err != nil {
				return d, false, err
			}
			l.done, l.part, l.attempt = d.Event.Seq, 0, l.attempt+1
			if l.done >= l.last {
				return d, false, nil
			}
			continue
		}
		if jti != d.JTI {
			if err := t.swap(sqlHandLine, jti, t.ws, s.ID, l.subjectType, l.subject, l.attempt); err != nil {
				return d, false, err
			}
			d.attempt++
			d.JTI = jti
		}
		return d, true, nil
	}
}

func (t *Tx) dueLines(sink, text string, at workspace.Micros, limit int) (s SinkRow, lines []lineRow, err error) {
	if s, err = t.Sink(sink); err != nil {
		return s, nil, err
	}
	if s.State != SinkActive || limit <= 0 {
		return s, nil, nil
	}
	lines, err = list(&t.Reader, scanLine, text, t.ws, sink, at, limit)
	return s, lines, err
}

// Handed finds the delivery that a token handed out stands for; a token that
// is unknown or acknowledged gives workspace.ErrNotFound.
func (t *Tx) Handed(sink, jti string) (Delivery, error) {
	s, err := t.Sink(sink)
	if err != nil {
		return Delivery{}, err
	}
	l, err := single(&t.Reader, scanLine, sqlLineByToken, t.ws, sink, jti)
	if err != nil {
		return Delivery{}, err
	}
	d, ok, err := t.head(&s, &l)
	if err == nil && !ok {
		err = workspace.ErrNotFound
	}
	return d, err
}

// readAhead bounds the events that are read for one attempt: a longer run of
// updates is superseded in several steps.
const readAhead = 64

// stubborn is how often an event may be refused before an event that ends
// access, waiting behind it, overrides it: two short retries.
const stubborn = 3

// refused tells that the receiver answers, and does not want the event at the
// head: waiting would not help. A receiver that is down, or busy (408, 429),
// gets everything once it is back.
func (l *lineRow) refused() bool {
	return l.tries >= stubborn && l.status >= 400 && l.status < 500 && l.status != 408 && l.status != 429
}

// head finds the event at the head of a line. A line in which nothing is left
// for the sink (its types have changed) is brought to its end.
func (t *Tx) head(s *SinkRow, l *lineRow) (d Delivery, ok bool, err error) {
	d = Delivery{Sink: s.ID, From: l.done + 1, Part: l.part, Tries: l.tries, JTI: l.jti, attempt: l.attempt, leaverSeq: l.leaver}
	override := l.leaver > l.done && l.refused()
	for after := l.done; after < l.last; {
		events, err := t.EventsOf(l.subjectType, l.subject, after, readAhead)
		if err != nil {
			return d, false, err
		}
		if len(events) == 0 {
			break
		}
		before, head, found := headOf(s, events, override)
		d.superseded = append(d.superseded, before...)
		if found {
			d.Event = head
			return d, true, nil
		}
		after = events[len(events)-1].Seq
	}
	return d, false, t.swap(sqlSkipLine, t.ws, s.ID, l.subjectType, l.subject, l.attempt)
}

// headOf finds the first event a sink wants, and the ones before it that it
// makes superfluous: every event tells the whole state of its subject, so an
// update says nothing beside a newer update or the end of access right behind
// it (OB5). With override, an event that ends access makes all before it
// superfluous: what a receiver keeps refusing must not keep access alive
// (OB6). An event that ends access is never superseded.
func headOf(s *SinkRow, events []EventRow, override bool) (superseded []EventRow, head EventRow, ok bool) {
	for _, e := range events {
		switch {
		case !s.Wants(e.Type):
		case override && !e.Leaver:
			superseded = append(superseded, e)
		case override, !ok && e.Leaver:
			return superseded, e, true
		case !ok:
			head, ok = e, true
		case strings.HasSuffix(head.Type, ".updated") && (e.Type == head.Type || e.Leaver):
			superseded, head = append(superseded, head), e
			if e.Leaver {
				return superseded, head, true
			}
		default:
			return superseded, head, true
		}
	}
	return superseded, head, ok
}

// Receipt is how a delivery was acknowledged.
type Receipt struct {
	At     workspace.Micros
	Status int // HTTP status
	// Epoch and Sessions are what the receiver said it did; zero: nothing.
	Epoch    int64
	Sessions int64
	// VerifyAt is when to read back at the sink, zero for never; VerifiedAt is
	// set when the answer itself was proof (T4).
	VerifyAt   workspace.Micros
	VerifiedAt workspace.Micros
}

// Ack takes a delivered event, and what it superseded, out of the line, and
// makes the next one due. An attempt that is no longer the line's newest
// gives workspace.ErrStale (OB4).
func (t *Tx) Ack(d Delivery, r Receipt) error {
	return t.advance(d, DeliveryRow{
		State: DeliveryAcked, Status: r.Status, DoneAt: r.At, Epoch: r.Epoch, Sessions: r.Sessions,
		VerifyAt: r.VerifyAt, VerifiedAt: r.VerifiedAt,
	})
}

// Bury gives an ordinary event up; the line goes on (OB9). One that ends
// access is refused: only a person settles it.
func (t *Tx) Bury(d Delivery, status int, reason string, at workspace.Micros) error {
	if d.Event.Leaver {
		return fmt.Errorf("store: event %s ends access and is never given up (OB9)", d.Event.ID)
	}
	return t.advance(d, DeliveryRow{State: DeliveryDead, Status: status, DoneAt: at, Reason: reason})
}

func (t *Tx) advance(d Delivery, end DeliveryRow) error {
	e := &d.Event
	if err := t.swap(sqlAdvanceLine, e.Seq, end.DoneAt, end.Status, t.ws, d.Sink, e.SubjectType, e.Subject, d.attempt); err != nil {
		return err
	}
	for i := range d.superseded {
		if err := t.putDelivery(d.Sink, &d.superseded[i], DeliveryRow{State: DeliverySuperseded, DoneAt: end.DoneAt}); err != nil {
			return err
		}
	}
	end.Tries = d.Tries
	return t.putDelivery(d.Sink, e, end)
}

// Delay ends an attempt that failed: the line is due again at due. Fault is a
// short word for listings, never what the receiver wrote (SS2). A stale
// attempt gives workspace.ErrStale.
func (t *Tx) Delay(d Delivery, due, now workspace.Micros, status int, fault string) error {
	e := &d.Event
	return t.swap(sqlDelayLine, d.leaverSeq, due, now, status, fault, t.ws, d.Sink, e.SubjectType, e.Subject, d.attempt)
}

// Progress remembers how many tokens of the claimed event have arrived.
func (t *Tx) Progress(d Delivery, part int) error {
	e := &d.Event
	return t.swap(sqlPartLine, part, t.ws, d.Sink, e.SubjectType, e.Subject, d.attempt)
}

// ErrNotHead refuses to settle an event that does not wait at the head of its
// line.
var ErrNotHead = errors.New("the event is not at the head of its line")

// Settle takes the event at the head of a line out of it without an answer of
// the receiver, on a person's word (OB9).
func (t *Tx) Settle(sink, eventID, by, reason string, at workspace.Micros) (EventRow, error) {
	e, err := t.Event(eventID)
	if err != nil {
		return e, err
	}
	s, err := t.Sink(sink)
	if err != nil {
		return e, err
	}
	l, err := single(&t.Reader, scanLine, sqlLine, t.ws, sink, e.SubjectType, e.Subject)
	if err != nil {
		return e, err
	}
	d, ok, err := t.head(&s, &l)
	if err != nil {
		return e, err
	}
	if !ok || d.Event.ID != eventID {
		if l.done >= e.Seq {
			return e, fmt.Errorf("%w: it has been delivered, superseded or settled", ErrNotHead)
		}
		return e, fmt.Errorf("%w: %s (%s) waits before it", ErrNotHead, d.Event.ID, d.Event.Type)
	}
	return e, t.advance(d, DeliveryRow{State: DeliverySettled, DoneAt: at, SettledBy: by, Reason: reason})
}
