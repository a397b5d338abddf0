package store

import "github.com/rollcall-sync/rollcall/workspace"

const (
	selectTotals = `SELECT members_active, owners, admins, seats, numbers FROM workspace WHERE workspace_id = ?`
	lockTotals   = selectTotals + `{lock}`
	// A seat is an active member or a leaver in grace.
	countTotals = `SELECT
		(SELECT COUNT(*) FROM member WHERE workspace_id = ? AND state = 'active'),
		(SELECT COUNT(*) FROM member WHERE workspace_id = ? AND state = 'active' AND role = 'owner'),
		(SELECT COUNT(*) FROM member WHERE workspace_id = ? AND state = 'active' AND role = 'admin'),
		(SELECT COUNT(*) FROM member WHERE workspace_id = ?
			AND (state = 'active' OR (state = 'deactivated' AND (grace_until > 0 OR tail_held)))),
		(SELECT COUNT(*) FROM number WHERE workspace_id = ? AND state <> 'ported_out')`
	addTotals = `UPDATE workspace SET members_active = members_active + ?, owners = owners + ?, admins = admins + ?,
		seats = seats + ?, numbers = numbers + ? WHERE workspace_id = ?`
)

func scanTotals(s scanner, t *workspace.Totals) error {
	return s.Scan(&t.Active, &t.Owners, &t.Admins, &t.Seats, &t.Numbers)
}

// Totals reads the maintained counters.
func (r *Reader) Totals() (workspace.Totals, error) { return single(r, scanTotals, selectTotals, r.ws) }

// LockTotals reads the maintained counters as they are now, and keeps other
// units from moving them until this one ends.
func (t *Tx) LockTotals() (workspace.Totals, error) {
	return single(&t.Reader, scanTotals, lockTotals, t.ws)
}

// CountTotals counts them anew, for checks.
func (r *Reader) CountTotals() (workspace.Totals, error) {
	return single(r, scanTotals, countTotals, r.ws, r.ws, r.ws, r.ws, r.ws)
}

// AddTotals moves the counters by a difference. The zero difference writes
// nothing.
func (t *Tx) AddTotals(d workspace.Totals) error {
	if t.failed != nil || d == (workspace.Totals{}) {
		return t.failed
	}
	s := &t.behind.totals
	*s = workspace.Totals{
		Active: s.Active + d.Active, Owners: s.Owners + d.Owners, Admins: s.Admins + d.Admins, Seats: s.Seats + d.Seats, Numbers: s.Numbers + d.Numbers,
	}
	t.behind.waits |= inWorkspace
	return nil
}
