package store

import "github.com/rollcall-sync/rollcall/workspace"

// LeaverRow is the clock of one end of access (leavers-and-events section 1).
// A zero time is not yet; of T0, that the directory stated none.
type LeaverRow struct {
	Member, Run string
	Connection  string // "" for a person and for the clock
	Epoch       int64  // the session epoch that the cut left
	T0, T1, T2  workspace.Micros
	T3, T4      workspace.Micros
	// ClosedAt is when the store itself was read back and showed no way in.
	ClosedAt workspace.Micros
	// CheckAt is when to look next, zero for never again.
	CheckAt workspace.Micros
}

const (
	leaverColumns = `member_id, run_id, connection_id, epoch, t0, t1, t2, t3, t4, closed_at, check_at`

	putLeaver = `INSERT INTO leaver (workspace_id, ` + leaverColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, member_id, run_id) DO UPDATE SET epoch = excluded.epoch, t2 = excluded.t2, check_at = excluded.check_at`
	moveLeaver = `UPDATE leaver SET t3 = ?, t4 = ?, closed_at = ?, check_at = ?
		WHERE workspace_id = ? AND member_id = ? AND run_id = ? AND check_at = ?`
	selectLeaver     = `SELECT ` + leaverColumns + ` FROM leaver WHERE workspace_id = ? AND member_id = ? AND run_id = ?`
	selectDueLeavers = `SELECT ` + leaverColumns + ` FROM leaver
		WHERE workspace_id = ? AND check_at > 0 AND check_at <= ? ORDER BY check_at LIMIT CAST(? AS BIGINT)`
	selectLeaversSince = `SELECT ` + leaverColumns + ` FROM leaver
		WHERE workspace_id = ? AND t2 >= ? ORDER BY t2 DESC LIMIT CAST(? AS BIGINT)`
	// Usable is computed, never stored (leavers-and-events 3): no access that
	// rings or writes, of somebody who may not sign in, is usable.
	selectWayIn = `SELECT epoch, state = 'active' AND NOT contained,
			(SELECT COUNT(*) FROM assignment a WHERE a.workspace_id = m.workspace_id AND a.kind = 'member' AND a.to_id = m.member_id
				AND a.access <> 'view_only' AND m.state = 'active' AND NOT m.contained),
			(SELECT COUNT(*) FROM session s WHERE s.workspace_id = m.workspace_id AND s.member_id = m.member_id AND s.ended_at = 0 AND s.expires_at > ?)
		FROM member m WHERE m.workspace_id = ? AND m.member_id = ?`
)

func scanLeaver(s scanner, v *LeaverRow) error {
	return s.Scan(&v.Member, &v.Run, &v.Connection, &v.Epoch, &v.T0, &v.T1, &v.T2, &v.T3, &v.T4, &v.ClosedAt, &v.CheckAt)
}

// PutLeaver starts the clock of an end of access, in the transaction of the
// cut.
func (t *Tx) PutLeaver(v LeaverRow) error {
	return t.exec(putLeaver, t.ws, v.Member, v.Run, v.Connection, v.Epoch, v.T0, v.T1, v.T2, v.T3, v.T4, v.ClosedAt, v.CheckAt)
}

// MoveLeaver stores T3, T4, ClosedAt and CheckAt of a row as it was read; was
// is the CheckAt that was read. Somebody else's move gives workspace.ErrStale.
func (t *Tx) MoveLeaver(v LeaverRow, was workspace.Micros) error {
	return t.swap(moveLeaver, v.T3, v.T4, v.ClosedAt, v.CheckAt, t.ws, v.Member, v.Run, was)
}

// Leaver reads the clock of a member who left in a run.
func (r *Reader) Leaver(member, run string) (LeaverRow, error) {
	return single(r, scanLeaver, selectLeaver, r.ws, member, run)
}

// DueLeavers lists those to look at again at a moment, the longest due first.
func (r *Reader) DueLeavers(at workspace.Micros, limit int) ([]LeaverRow, error) {
	return list(r, scanLeaver, selectDueLeavers, r.ws, at, limit)
}

// LeaversSince lists ends of access from a moment on, the newest first.
func (r *Reader) LeaversSince(from workspace.Micros, limit int) ([]LeaverRow, error) {
	return list(r, scanLeaver, selectLeaversSince, r.ws, from, limit)
}

// WayIn is what is left of a member's access, as the store has it now.
type WayIn struct {
	Epoch  int64 // sessions of another epoch are dead (EP3)
	SignIn bool  // may sign in
	Usable int   // numbers that ring for the member
	// Sessions are those of our own that have neither ended nor run out.
	Sessions int
}

// WayIn reads back what is left of a member's access at a moment (T4).
func (r *Reader) WayIn(member string, at workspace.Micros) (v WayIn, err error) {
	err = r.row(selectWayIn, at, r.ws, member).Scan(&v.Epoch, &v.SignIn, &v.Usable, &v.Sessions)
	return v, err
}
