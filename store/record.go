package store

import (
	"cmp"
	"fmt"
	"math"

	"github.com/rollcall-sync/rollcall/workspace"
)

// RunRow is one run; Body is its SyncRun without changes, as JSON.
type RunRow struct {
	ID, Connection, Kind, State         string
	StartedAt, EndedAt                  workspace.Micros
	Applied, Noop, Held, Denied, Failed int
	Body                                []byte
}

const (
	sqlPutRun = `INSERT INTO run (workspace_id, run_id, connection_id, kind, state, started_at, ended_at,
			applied, noop, held, denied, failed, body)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, run_id) DO UPDATE SET connection_id = excluded.connection_id,
			kind = excluded.kind, state = excluded.state, started_at = excluded.started_at,
			ended_at = excluded.ended_at, applied = excluded.applied, noop = excluded.noop,
			held = excluded.held, denied = excluded.denied, failed = excluded.failed, body = excluded.body`
	sqlRunsByID = `SELECT run_id, connection_id, kind, state, started_at, ended_at,
			applied, noop, held, denied, failed, body
		FROM run WHERE workspace_id = ? AND run_id >= ? AND run_id < ? ORDER BY run_id LIMIT 2`
	sqlRuns = `SELECT run_id, connection_id, kind, state, started_at, ended_at,
			applied, noop, held, denied, failed, body
		FROM run WHERE workspace_id = ? AND started_at < ? ORDER BY started_at DESC, run_id DESC LIMIT CAST(? AS BIGINT)`
	sqlRunsOf = `SELECT run_id, connection_id, kind, state, started_at, ended_at,
			applied, noop, held, denied, failed, body
		FROM run WHERE workspace_id = ? AND connection_id = ? AND started_at < ?
		ORDER BY started_at DESC, run_id DESC LIMIT CAST(? AS BIGINT)`
)

// PutRun inserts a run, or replaces one with the same id.
func (t *Tx) PutRun(r RunRow) error {
	return t.exec(sqlPutRun, t.ws, r.ID, r.Connection, r.Kind, r.State, r.StartedAt, r.EndedAt,
		r.Applied, r.Noop, r.Held, r.Denied, r.Failed, r.Body)
}

func scanRun(s scanner, r *RunRow) error {
	return s.Scan(&r.ID, &r.Connection, &r.Kind, &r.State, &r.StartedAt, &r.EndedAt,
		&r.Applied, &r.Noop, &r.Held, &r.Denied, &r.Failed, &r.Body)
}

// minPrefix is the least that a person may type of an id or a hash.
const minPrefix = 8

// afterAll sorts behind every text with the same beginning.
const afterAll = "\U0010FFFF"

// unique takes the one row that a prefix may find; an exact id wins over a
// longer one that begins with it.
func unique[T any](found []T, id func(T) string, exact string) (v T, err error) {
	switch {
	case len(found) == 0:
		return v, workspace.ErrNotFound
	case id(found[0]) == exact || len(found) == 1:
		return found[0], nil
	default:
		return v, fmt.Errorf("%w: several begin with %q, give more of it", workspace.ErrNotFound, exact)
	}
}

// Run reads a run; id may be a unique prefix of at least 8 characters, or
// "last" for the newest.
func (r *Reader) Run(id string) (RunRow, error) {
	if id == "last" {
		runs, err := r.Runs("", 0, 1)
		if err != nil || len(runs) == 0 {
			return RunRow{}, cmp.Or(err, workspace.ErrNotFound)
		}
		return runs[0], nil
	}
	upper := id + "\x01" // the id alone: no text has a NUL
	if len(id) >= minPrefix {
		upper = id + afterAll
	}
	found, err := list(r, scanRun, sqlRunsByID, r.ws, id, upper)
	if err != nil {
		return RunRow{}, err
	}
	return unique(found, func(r RunRow) string { return r.ID }, id)
}

// Runs lists runs, newest first, before a moment (zero: from the newest).
func (r *Reader) Runs(connection string, before workspace.Micros, limit int) ([]RunRow, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	if connection == "" {
		return list(r, scanRun, sqlRuns, r.ws, before, limit)
	}
	return list(r, scanRun, sqlRunsOf, r.ws, connection, before, limit)
}

// ChangeRow is one recorded change. Record is the audit record as hashed;
// Body is what the report says beside the columns, as JSON.
type ChangeRow struct {
	ID, Run, Commit       string
	Seq                   int
	Kind                  string
	TargetType, TargetID  string
	Member                string
	ActorKind, Connection string
	Verdict, Outcome      string
	Row, Rule             string
	At                    workspace.Micros
	Leaf                  int64
	AbsenceProof          string // "" stored as NULL
	Record, Body          []byte
	// Opened is what opens the record's commitments (audit.Opened as JSON), nil
	// if it has none. It is not hashed: erasing it leaves the log's proofs valid.
	Opened []byte
}

const (
	sqlInsertChange = `INSERT INTO change (workspace_id, change_id, run_id, commit_id, seq, kind, target_type, target_id, member_id,
			actor_kind, connection_id, verdict, outcome, matrix_row, rule, at, leaf_index, absence_proof_id, record, body, opened)
		VALUES `
	sqlChangesOfRun = `SELECT change_id, run_id, commit_id, seq, kind, target_type, target_id, member_id,
			actor_kind, connection_id, verdict, outcome, matrix_row, rule, at, leaf_index, absence_proof_id, record, body, opened
		FROM change WHERE workspace_id = ? AND run_id = ? ORDER BY leaf_index, seq`
	sqlChangesOfMember = `SELECT change_id, run_id, commit_id, seq, kind, target_type, target_id, member_id,
			actor_kind, connection_id, verdict, outcome, matrix_row, rule, at, leaf_index, absence_proof_id, record, body, opened
		FROM change WHERE workspace_id = ? AND member_id = ? ORDER BY at DESC, change_id DESC LIMIT CAST(? AS BIGINT)`
)

// InsertChanges writes recorded changes.
func (t *Tx) InsertChanges(rows []ChangeRow) error {
	const columns = 21
	return t.tuples(len(rows), columns, func(from, size int, values string) error {
		args := make([]any, 0, size*columns)
		for i := range rows[from : from+size] {
			c := &rows[from+i]
			args = append(args, t.ws, c.ID, c.Run, c.Commit, c.Seq, c.Kind, c.TargetType, c.TargetID,
				c.Member, c.ActorKind, c.Connection, c.Verdict, c.Outcome, c.Row, c.Rule, c.At, c.Leaf,
				null(c.AbsenceProof), c.Record, c.Body, document(c.Opened))
		}
		return t.exec(sqlInsertChange+values, args...)
	})
}

func scanChange(s scanner, c *ChangeRow) error {
	return s.Scan(&c.ID, &c.Run, &c.Commit, &c.Seq, &c.Kind, &c.TargetType, &c.TargetID, &c.Member,
		&c.ActorKind, &c.Connection, &c.Verdict, &c.Outcome, &c.Row, &c.Rule, &c.At, &c.Leaf,
		&c.AbsenceProof, &c.Record, &c.Body, &c.Opened)
}

// ChangesOfRun lists a run's changes in the order of their commits.
func (r *Reader) ChangesOfRun(run string) ([]ChangeRow, error) {
	return list(r, scanChange, sqlChangesOfRun, r.ws, run)
}

// ChangesOfMember lists a member's newest changes first.
func (r *Reader) ChangesOfMember(member string, limit int) ([]ChangeRow, error) {
	return list(r, scanChange, sqlChangesOfMember, r.ws, member, limit)
}

// AbsenceProofRow is the stored proof of one removal (EV5).
type AbsenceProofRow struct {
	ID, Run, Identity, Connection, Class, Reason string
	FirstMissed, Confirmed                       workspace.Micros
	Reads, Confirm                               []byte
}

const sqlInsertAbsenceProof = `INSERT INTO absence_proof (workspace_id, proof_id, run_id, identity_id,
		connection_id, class, reason, first_missed_at, confirmed_at, reads, confirm)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// InsertAbsenceProof writes a proof.
func (t *Tx) InsertAbsenceProof(p AbsenceProofRow) error {
	return t.exec(sqlInsertAbsenceProof, t.ws, p.ID, p.Run, p.Identity, p.Connection, p.Class, p.Reason,
		p.FirstMissed, p.Confirmed, p.Reads, p.Confirm)
}
