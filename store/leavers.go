package store

import "github.com/rollcall-sync/rollcall/workspace"

// TombstoneRow is one tombstone (leavers-and-events section 6).
type TombstoneRow struct {
	Value, Kind, Member, Cause, Connection, LiftedBy string
	ByPerson                                         bool
	At, LiftedAt                                     workspace.Micros
}

// RepairRow is a tail step that failed and is tried again.
type RepairRow struct {
	Member, Step, Error string
	Tries               int
	At                  workspace.Micros
}

const (
	tombstoneColumns = `value, kind, member_id, cause, connection_id, lifted_by, by_person, at, lifted_at`
	selectTombstones = `SELECT ` + tombstoneColumns + ` FROM tombstone
		WHERE workspace_id = ? AND value IN (*) AND lifted_at = 0 ORDER BY value, member_id`
	selectTombstonesOf = `SELECT ` + tombstoneColumns + ` FROM tombstone
		WHERE workspace_id = ? AND member_id = ? AND lifted_at = 0 ORDER BY value`
	// What a person ended stays ended by a person, whoever says it again.
	putTombstone = `INSERT INTO tombstone (workspace_id, value, kind, member_id, cause, connection_id, by_person, at,
		lifted_at, lifted_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, '')
		ON CONFLICT (workspace_id, value, member_id) DO UPDATE SET kind = excluded.kind, cause = excluded.cause,
		connection_id = excluded.connection_id, at = excluded.at, lifted_at = 0, lifted_by = '',
		by_person = excluded.by_person OR (tombstone.by_person AND tombstone.lifted_at = 0)`
	liftTombstones = `UPDATE tombstone SET lifted_at = ?, lifted_by = ?
		WHERE workspace_id = ? AND member_id = ? AND lifted_at = 0`
	selectSnapshot = `SELECT body, taken_at FROM snapshot WHERE workspace_id = ? AND member_id = ?`
	putSnapshot    = `INSERT INTO snapshot (workspace_id, member_id, taken_at, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (workspace_id, member_id) DO UPDATE SET taken_at = excluded.taken_at, body = excluded.body`
	deleteSnapshot = `DELETE FROM snapshot WHERE workspace_id = ? AND member_id = ?`
	selectRepairs  = `SELECT member_id, step, error, tries, at FROM repair WHERE workspace_id = ?
		ORDER BY at, member_id, step LIMIT CAST(? AS BIGINT)`
	putRepair = `INSERT INTO repair (workspace_id, member_id, step, error, tries, at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, member_id, step) DO UPDATE SET error = excluded.error, tries = excluded.tries,
		at = excluded.at`
	deleteRepair  = `DELETE FROM repair WHERE workspace_id = ? AND member_id = ? AND step = ?`
	selectExpired = `SELECT ` + memberColumns + ` FROM member m
		WHERE m.workspace_id = ? AND m.access_end > 0 AND m.access_end <= ? AND m.state = 'active' AND NOT m.contained AND NOT m.break_glass
		ORDER BY m.access_end, m.member_id LIMIT CAST(? AS BIGINT)`
	selectGraceOver = `SELECT ` + memberColumns + ` FROM member m
		WHERE m.workspace_id = ? AND m.grace_until > 0 AND m.grace_until <= ?
		ORDER BY m.grace_until, m.member_id LIMIT CAST(? AS BIGINT)`
)

func scanTombstone(s scanner, v *TombstoneRow) error {
	return s.Scan(&v.Value, &v.Kind, &v.Member, &v.Cause, &v.Connection, &v.LiftedBy, &v.ByPerson, &v.At, &v.LiftedAt)
}

func scanRepair(s scanner, v *RepairRow) error {
	return s.Scan(&v.Member, &v.Step, &v.Error, &v.Tries, &v.At)
}

// Tombstones finds the tombstones in force for any of these values.
func (r *Reader) Tombstones(values []string) ([]TombstoneRow, error) {
	var found []TombstoneRow
	err := chunks(values, func(piece []string) error {
		rows, err := list(r, scanTombstone, in(selectTombstones, len(piece)), flat(r.ws, piece)...)
		found = append(found, rows...)
		return err
	})
	return found, err
}

// TombstonesOf lists the tombstones in force of a member.
func (r *Reader) TombstonesOf(member string) ([]TombstoneRow, error) {
	return list(r, scanTombstone, selectTombstonesOf, r.ws, member)
}

// PutTombstone writes a tombstone in force, or puts a lifted one into force
// again; LiftedAt and LiftedBy are not read.
func (t *Tx) PutTombstone(row TombstoneRow) error {
	t.none.tombstones = false
	return t.exec(putTombstone, t.ws, row.Value, row.Kind, row.Member, row.Cause, row.Connection, row.ByPerson, row.At)
}

// LiftTombstones lifts those of a member.
func (t *Tx) LiftTombstones(member, by string, at workspace.Micros) error {
	return t.exec(liftTombstones, at, by, t.ws, member)
}

// Snapshot reads a leaver's snapshot.
func (r *Reader) Snapshot(member string) (body []byte, takenAt workspace.Micros, err error) {
	err = r.row(selectSnapshot, r.ws, member).Scan(&body, &takenAt)
	return body, takenAt, err
}

// PutSnapshot writes it; a later one replaces it.
func (t *Tx) PutSnapshot(member string, body []byte, at workspace.Micros) error {
	return t.exec(putSnapshot, t.ws, member, at, body)
}

// DeleteSnapshot removes it, if it is there.
func (t *Tx) DeleteSnapshot(member string) error { return t.exec(deleteSnapshot, t.ws, member) }

// Repairs lists repair tasks, oldest first.
func (r *Reader) Repairs(limit int) ([]RepairRow, error) {
	return list(r, scanRepair, selectRepairs, r.ws, limit)
}

// PutRepair writes or replaces a repair task.
func (t *Tx) PutRepair(row RepairRow) error {
	return t.exec(putRepair, t.ws, row.Member, row.Step, row.Error, row.Tries, row.At)
}

// DeleteRepair removes it, if it is there.
func (t *Tx) DeleteRepair(member, step string) error { return t.exec(deleteRepair, t.ws, member, step) }

// DueMembers lists active members whose access has ended, and leavers whose
// grace has, at a moment; the longest due first, up to limit of each.
func (r *Reader) DueMembers(at workspace.Micros, limit int) (expired, graceOver []workspace.Member, err error) {
	if expired, err = list(r, scanMember, selectExpired, r.ws, at, limit); err != nil {
		return nil, nil, err
	}
	graceOver, err = list(r, scanMember, selectGraceOver, r.ws, at, limit)
	return expired, graceOver, err
}

const (
	selectDueNumbers = `SELECT number_id FROM number WHERE workspace_id = ? AND state = 'quarantined' AND quarantine_until <= ?
		ORDER BY number_id LIMIT ?`
	selectDueInvitations = `SELECT invitation_id FROM invitation WHERE workspace_id = ? AND state = 'pending' AND expires_at <= ?
		ORDER BY invitation_id LIMIT ?`
)

// DueNumbers lists numbers whose quarantine is over at a moment.
func (r *Reader) DueNumbers(at workspace.Micros, limit int) ([]string, error) {
	return list(r, scanOne[string], selectDueNumbers, r.ws, at, limit)
}

// DueInvitations lists pending invitations that have run out at a moment.
func (r *Reader) DueInvitations(at workspace.Micros, limit int) ([]string, error) {
	return list(r, scanOne[string], selectDueInvitations, r.ws, at, limit)
}
