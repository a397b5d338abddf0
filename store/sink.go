package store

import (
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/workspace"
)

// The states of a sink. A disabled one answered 410, or said that it wants no
// more: its lines wait until a person resumes it. A retired one is no longer
// in the configuration: its lines stay where they are, and go on from there
// should it come back.
const (
	SinkActive   = "active"
	SinkDisabled = "disabled"
	SinkRetired  = "retired"
)

// SinkRow is one receiver of outbox events.
type SinkRow struct {
	ID   string
	Kind string // webhook, push, poll
	// Types are the event types it wants: exact, with .* for all of a noun, or
	// * for all.
	Types []string
	// ReadsBack: acknowledged leaver events are read back at the sink (T4).
	ReadsBack   bool
	State       string
	Reason      string           // why it is disabled
	Since       workspace.Micros // when it got into its state
	HeartbeatAt workspace.Micros // last verification event that arrived (ST6)
}

// Wants reports whether the sink receives events of a type.
func (s *SinkRow) Wants(eventType string) bool {
	return slices.ContainsFunc(s.Types, func(p string) bool {
		noun, all := strings.CutSuffix(p, "*")
		return p == eventType || all && strings.HasPrefix(eventType, noun)
	})
}

const (
	sqlSinks = `SELECT sink_id, kind, types, reads_back, state, reason, since, heartbeat_at FROM sink
		WHERE workspace_id = ? ORDER BY sink_id`
	sqlSink = `SELECT sink_id, kind, types, reads_back, state, reason, since, heartbeat_at FROM sink
		WHERE workspace_id = ? AND sink_id = ?`
	// A sink that a receiver disabled stays so over a restart; one that comes
	// back into the configuration is active.
	sqlPutSink = `INSERT INTO sink (workspace_id, sink_id, kind, types, reads_back, state, reason, since, heartbeat_at)
		VALUES (?, ?, ?, ?, ?, 'active', '', ?, 0)
		ON CONFLICT (workspace_id, sink_id) DO UPDATE SET kind = excluded.kind, types = excluded.types,
			reads_back = excluded.reads_back,
			since = CASE WHEN sink.state = 'retired' THEN excluded.since ELSE sink.since END,
			state = CASE WHEN sink.state = 'retired' THEN 'active' ELSE sink.state END`
	sqlSetSinkState  = `UPDATE sink SET state = ?, reason = ?, since = ? WHERE workspace_id = ? AND sink_id = ? AND state <> ?`
	sqlTouchSink     = `UPDATE sink SET heartbeat_at = ? WHERE workspace_id = ? AND sink_id = ? AND heartbeat_at < ?`
	sqlRetrySink     = `UPDATE delivery_line SET due_at = ?, tries = 0 WHERE workspace_id = ? AND sink_id = ? AND done_seq < last_seq AND leaver_seq <= done_seq AND due_at > ?`
	sqlRetryLeavers  = `UPDATE delivery_line SET due_at = ?, tries = 0 WHERE workspace_id = ? AND sink_id = ? AND leaver_seq > done_seq AND due_at > ?`
	sqlRetrySubject  = `UPDATE delivery_line SET due_at = ?, tries = 0 WHERE workspace_id = ? AND sink_id = ? AND subject_type = ? AND subject_id = ? AND done_seq < last_seq`
	sqlForgetHanding = `UPDATE delivery_line SET jti = '' WHERE workspace_id = ? AND sink_id = ? AND jti <> ''`
)

func scanSink(s scanner, v *SinkRow) error {
	var types string
	err := s.Scan(&v.ID, &v.Kind, &types, &v.ReadsBack, &v.State, &v.Reason, &v.Since, &v.HeartbeatAt)
	v.Types = strings.Fields(types)
	return err
}

// Sinks lists all sinks, retired ones too.
func (r *Reader) Sinks() ([]SinkRow, error) { return list(r, scanSink, sqlSinks, r.ws) }

// Sink finds one sink.
func (r *Reader) Sink(id string) (SinkRow, error) { return single(r, scanSink, sqlSink, r.ws, id) }

// RegisterSinks makes the configured sinks the ones that events are queued
// for from now on; State, Reason, Since and HeartbeatAt of the rows are not
// looked at. Sinks that are not named are retired.
func (t *Tx) RegisterSinks(rows []SinkRow, at workspace.Micros) error {
	t.none.sinks = false
	known, err := t.Sinks()
	if err != nil {
		return err
	}
	for i := range rows {
		s := &rows[i]
		if err := t.exec(sqlPutSink, t.ws, s.ID, s.Kind, strings.Join(s.Types, " "), s.ReadsBack, at); err != nil {
			return err
		}
		if k := slices.IndexFunc(known, func(k SinkRow) bool { return k.ID == s.ID }); k >= 0 && known[k].Kind != s.Kind {
			if err := t.exec(sqlForgetHanding, t.ws, s.ID); err != nil {
				return err
			}
		}
	}
	for i := range known {
		if slices.ContainsFunc(rows, func(s SinkRow) bool { return s.ID == known[i].ID }) {
			continue
		}
		if err := t.exec(sqlSetSinkState, SinkRetired, "no longer in the configuration", at, t.ws, known[i].ID, SinkRetired); err != nil {
			return err
		}
	}
	return nil
}

// DisableSink stops deliveries to a sink; changed is false when it was
// disabled already (OB8).
func (t *Tx) DisableSink(id, reason string, at workspace.Micros) (changed bool, err error) {
	n, err := t.execCount(sqlSetSinkState, SinkDisabled, reason, at, t.ws, id, SinkDisabled)
	return n == 1, err
}

// ResumeSink lets deliveries to a sink go on, at once. An unknown sink gives
// workspace.ErrNotFound, one that is retired workspace.ErrConflict.
func (t *Tx) ResumeSink(id string, at workspace.Micros) error {
	s, err := t.Sink(id)
	if err != nil {
		return err
	}
	if s.State == SinkRetired {
		return workspace.ErrConflict
	}
	if err := t.exec(sqlSetSinkState, SinkActive, "", at, t.ws, id, SinkActive); err != nil {
		return err
	}
	_, err = t.RetrySink(id, at)
	return err
}

// RetrySink makes every waiting line of a sink due, and tells how many were
// not before.
func (t *Tx) RetrySink(id string, at workspace.Micros) (int64, error) {
	n, err := t.execCount(sqlRetrySink, at, t.ws, id, at)
	if err != nil {
		return 0, err
	}
	leavers, err := t.execCount(sqlRetryLeavers, at, t.ws, id, at)
	return n + leavers, err
}

// RetryLine makes the line of one subject due; workspace.ErrNotFound when
// nothing of it waits.
func (t *Tx) RetryLine(sink, subjectType, subject string, at workspace.Micros) error {
	return t.found(sqlRetrySubject, at, t.ws, sink, subjectType, subject)
}

// TouchSink remembers a verification event that arrived (ST6).
func (t *Tx) TouchSink(id string, at workspace.Micros) error {
	return t.exec(sqlTouchSink, at, t.ws, id, at)
}
