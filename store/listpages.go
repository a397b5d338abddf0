package store

import (
	"math"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Place is a place in a listing, newest first: behind this row. The zero
// Place is before all rows.
type Place struct {
	At workspace.Micros
	ID string
}

// bounds are the values that rows of a listing, newest first, stand below.
func (p Place) bounds() (workspace.Micros, string) {
	if p == (Place{}) {
		return math.MaxInt64, afterAll
	}
	return p.At, p.ID
}

const (
	sqlGroupsPage = `SELECT ` + groupColumns + ` FROM groups g
		WHERE g.workspace_id = ? AND g.name_key > ? ORDER BY g.name_key LIMIT CAST(? AS BIGINT)`
	// Ids are made in the order of time, so the primary key has them newest
	// first.
	sqlInvitationsPage = `SELECT ` + invitationColumns + ` FROM invitation
		WHERE workspace_id = ? AND invitation_id < ? AND (? = '' OR state = ?)
		ORDER BY invitation_id DESC LIMIT CAST(? AS BIGINT)`
	sqlRunsPage = `SELECT run_id, connection_id, kind, state, started_at, ended_at,
			applied, noop, held, denied, failed, body
		FROM run WHERE workspace_id = ? AND (started_at, run_id) < (?, ?)
		ORDER BY started_at DESC, run_id DESC LIMIT CAST(? AS BIGINT)`
	sqlHoldsPage = `SELECT hold_id, plan_hash, connection_id, run_id, subject, state, reason, created_at,
			expires_at, decided_at, decided_by, decided_why, observation, changes
		FROM hold WHERE workspace_id = ? AND (? = '' OR state = ?) AND (created_at, hold_id) < (?, ?)
		ORDER BY created_at DESC, hold_id DESC LIMIT CAST(? AS BIGINT)`
	sqlHold = `SELECT hold_id, plan_hash, connection_id, run_id, subject, state, reason, created_at,
			expires_at, decided_at, decided_by, decided_why, observation, changes
		FROM hold WHERE workspace_id = ? AND hold_id = ?`
)

// GroupsPage lists up to limit groups behind a folded name, by folded name.
func (r *Reader) GroupsPage(afterKey string, limit int) ([]workspace.Group, error) {
	return list(r, scanGroup, sqlGroupsPage, r.ws, afterKey, limit)
}

// InvitationsPage lists up to limit invitations behind an id ("": from the
// newest), newest first; state "" lists all.
func (r *Reader) InvitationsPage(state, after string, limit int) ([]workspace.Invitation, error) {
	if after == "" {
		after = afterAll
	}
	return list(r, scanInvitation, sqlInvitationsPage, r.ws, after, state, state, limit)
}

// RunsPage lists up to limit runs behind a place, newest first.
func (r *Reader) RunsPage(after Place, limit int) ([]RunRow, error) {
	at, id := after.bounds()
	return list(r, scanRun, sqlRunsPage, r.ws, at, id, limit)
}

// HoldsPage lists up to limit holds behind a place, newest first; state ""
// lists all.
func (r *Reader) HoldsPage(state string, after Place, limit int) ([]HoldRow, error) {
	at, id := after.bounds()
	return list(r, scanHold, sqlHoldsPage, r.ws, state, state, at, id, limit)
}

// Hold finds a hold in any state by its id.
func (r *Reader) Hold(id string) (HoldRow, error) {
	return single(r, scanHold, sqlHold, r.ws, id)
}
