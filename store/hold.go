package store

import (
	"errors"
	"strings"

	"github.com/rollcall-sync/rollcall/workspace"
)

// HoldRow is a held plan.
type HoldRow struct {
	ID          string // H-115
	PlanHash    string // sha256:...
	Connection  string
	Run         string
	Subject     string // what the plan is about: "member:ID", "identity:ID", "connection:ID"
	State       string // open, approved, rejected, expired, withdrawn
	Reason      string
	CreatedAt   workspace.Micros
	ExpiresAt   workspace.Micros
	DecidedAt   workspace.Micros
	DecidedBy   string
	DecidedWhy  string
	Observation []byte // the observation to apply on approval, "" if planning again is enough
	Changes     []byte // JSON list of the report's changes
}

const (
	sqlOpenHolds = `SELECT hold_id, plan_hash, connection_id, run_id, subject, state, reason, created_at,
			expires_at, decided_at, decided_by, decided_why, observation, changes
		FROM hold WHERE workspace_id = ? AND state = 'open' ORDER BY created_at DESC, hold_id DESC`
	sqlOpenHoldsOf = `SELECT hold_id, plan_hash, connection_id, run_id, subject, state, reason, created_at,
			expires_at, decided_at, decided_by, decided_why, observation, changes
		FROM hold WHERE workspace_id = ? AND state = 'open' AND subject = ? ORDER BY created_at DESC, hold_id DESC`
	sqlOpenHoldByID = `SELECT hold_id, plan_hash, connection_id, run_id, subject, state, reason, created_at,
			expires_at, decided_at, decided_by, decided_why, observation, changes
		FROM hold WHERE workspace_id = ? AND state = 'open' AND hold_id = ?{lock}`
	sqlOpenHoldsByHash = `SELECT hold_id, plan_hash, connection_id, run_id, subject, state, reason, created_at,
			expires_at, decided_at, decided_by, decided_why, observation, changes
		FROM hold WHERE workspace_id = ? AND state = 'open' AND plan_hash >= ? AND plan_hash < ?
		ORDER BY plan_hash LIMIT 2{lock}`
	sqlDecidedHold = `SELECT hold_id, plan_hash, connection_id, run_id, subject, state, reason, created_at,
			expires_at, decided_at, decided_by, decided_why, observation, changes
		FROM hold WHERE workspace_id = ? AND state <> 'open' AND (hold_id = ? OR plan_hash >= ? AND plan_hash < ?)
		ORDER BY decided_at DESC, hold_id DESC LIMIT 1`
	sqlPutHold = `INSERT INTO hold (workspace_id, hold_id, plan_hash, connection_id, run_id, subject, state, reason, created_at,
			expires_at, decided_at, decided_by, decided_why, observation, changes)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, hold_id) DO UPDATE SET plan_hash = excluded.plan_hash,
			connection_id = excluded.connection_id, run_id = excluded.run_id, subject = excluded.subject,
			state = excluded.state, reason = excluded.reason, created_at = excluded.created_at,
			expires_at = excluded.expires_at, decided_at = excluded.decided_at,
			decided_by = excluded.decided_by, decided_why = excluded.decided_why,
			observation = excluded.observation, changes = excluded.changes`
	sqlMoveRef = `UPDATE workspace SET ref_seq = ref_seq + 1 WHERE workspace_id = ?`
	sqlRef     = `SELECT ref_seq FROM workspace WHERE workspace_id = ?`
)

func scanHold(s scanner, h *HoldRow) error {
	return s.Scan(&h.ID, &h.PlanHash, &h.Connection, &h.Run, &h.Subject, &h.State, &h.Reason, &h.CreatedAt,
		&h.ExpiresAt, &h.DecidedAt, &h.DecidedBy, &h.DecidedWhy, &h.Observation, &h.Changes)
}

// OpenHolds lists open holds, newest first; subject "" lists all.
func (r *Reader) OpenHolds(subject string) ([]HoldRow, error) {
	if subject == "" {
		return list(r, scanHold, sqlOpenHolds, r.ws)
	}
	return list(r, scanHold, sqlOpenHoldsOf, r.ws, subject)
}

const hashScheme = "sha256:"

// HoldByHash finds the open hold of a plan hash, whole or a unique prefix of
// at least 8 hex digits (with or without "sha256:"), or by its hold id.
func (r *Reader) HoldByHash(hash string) (h HoldRow, err error) {
	err = scanHold(r.row(sqlOpenHoldByID, r.ws, hash), &h)
	if !errors.Is(err, workspace.ErrNotFound) {
		return h, err
	}
	digits := strings.TrimPrefix(hash, hashScheme)
	if len(digits) < minPrefix {
		return h, err
	}
	hash = hashScheme + strings.ToLower(digits)
	found, err := list(r, scanHold, sqlOpenHoldsByHash, r.ws, hash, hash+afterAll)
	if err != nil {
		return HoldRow{}, err
	}
	return unique(found, func(h HoldRow) string { return h.PlanHash }, hash)
}

// DecidedHold finds the hold that was last decided, withdrawn or left to
// expire with a plan hash, its beginning or a hold id, as HoldByHash finds
// open ones. It reads every hold of the workspace.
func (r *Reader) DecidedHold(hash string) (h HoldRow, err error) {
	from, to := hash, hash // no hash at all
	if digits := strings.TrimPrefix(hash, hashScheme); len(digits) >= minPrefix {
		from = hashScheme + strings.ToLower(digits)
		to = from + afterAll
	}
	err = scanHold(r.row(sqlDecidedHold, r.ws, hash, from, to), &h)
	return h, err
}

// PutHold inserts or replaces a hold by id.
func (t *Tx) PutHold(h HoldRow) error {
	t.none.holds = false
	return t.exec(sqlPutHold, t.ws, h.ID, h.PlanHash, h.Connection, h.Run, h.Subject, h.State, h.Reason, h.CreatedAt,
		h.ExpiresAt, h.DecidedAt, h.DecidedBy, h.DecidedWhy, h.Observation, h.Changes)
}

// NextRef takes the next reference number of the workspace (H-115, D-118).
func (t *Tx) NextRef() (int64, error) { return t.count(sqlMoveRef, sqlRef, t.ws) }

// RejectionRow remembers that a person rejected a change.
type RejectionRow struct {
	Fingerprint, By, Reason string
	At, Until               workspace.Micros
}

const (
	sqlRejection = `SELECT fingerprint, rejected_by, reason, at, until FROM rejection
		WHERE workspace_id = ? AND fingerprint = ? AND (until = 0 OR until > ?)`
	sqlAnyRejection = `SELECT fingerprint FROM rejection WHERE workspace_id = ? LIMIT 1`
	sqlPutRejection = `INSERT INTO rejection (workspace_id, fingerprint, rejected_by, reason, at, until)
		VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, fingerprint) DO UPDATE SET rejected_by = excluded.rejected_by,
			reason = excluded.reason, at = excluded.at, until = excluded.until`
)

// Rejection finds a rejection in force.
func (r *Reader) Rejection(fingerprint string, at workspace.Micros) (v RejectionRow, err error) {
	err = r.row(sqlRejection, r.ws, fingerprint, at).Scan(&v.Fingerprint, &v.By, &v.Reason, &v.At, &v.Until)
	return v, err
}

// HasRejections reports whether the workspace has any, in force or not.
func (r *Reader) HasRejections() (bool, error) {
	var fingerprint string
	err := r.row(sqlAnyRejection, r.ws).Scan(&fingerprint)
	if errors.Is(err, workspace.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// PutRejection inserts or replaces one; Until zero is for ever.
func (t *Tx) PutRejection(v RejectionRow) error {
	t.none.rejections = false
	return t.exec(sqlPutRejection, t.ws, v.Fingerprint, v.By, v.Reason, v.At, v.Until)
}
