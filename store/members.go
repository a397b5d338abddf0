package store

import "github.com/rollcall-sync/rollcall/workspace"

const memberColumns = `m.member_id, m.name, m.email, m.email_key, m.role, m.role_source, m.state, m.contained,
	m.contained_since, m.contained_cause, m.is_primary, m.break_glass, m.epoch, m.version, m.seq, m.reason, m.joined_at,
	m.deactivated_at, m.last_active_at, m.access_end, m.grace_until, m.tail_held, m.unsettled`

func scanMember(s scanner, m *workspace.Member) error {
	var role string
	err := s.Scan(&m.ID, &m.Name, &m.Email, &m.EmailKey, &role, &m.RoleSource, (*string)(&m.State), &m.Contained,
		&m.ContainedSince, &m.ContainedCause, &m.Primary, &m.BreakGlass, &m.Epoch, &m.Version, &m.Seq, &m.Reason,
		&m.JoinedAt, &m.DeactivatedAt, &m.LastActiveAt, &m.AccessEnd, &m.GraceUntil, &m.TailHeld, &m.Unsettled)
	if err != nil {
		return err
	}
	m.Role, err = workspace.ParseRole(role)
	return err
}

const (
	selectMember = `SELECT ` + memberColumns + ` FROM member m
		WHERE m.workspace_id = ? AND m.member_id = ?{lock}`
	selectMemberByEmail = `SELECT ` + memberColumns + ` FROM member m
		WHERE m.workspace_id = ? AND m.email_key = ? AND m.state <> 'removed'{lock}`
	// The Owners are locked in the order of their ids, so that two units
	// cannot each take the other's last Owner away (I1).
	selectMembersByEmail = `SELECT ` + memberColumns + ` FROM member m
		WHERE m.workspace_id = ? AND m.email_key IN (*) AND m.state <> 'removed' ORDER BY m.member_id{lock}`
	selectOwners = `SELECT ` + memberColumns + ` FROM member m
		WHERE m.workspace_id = ? AND m.role = 'owner' AND m.state = 'active' ORDER BY m.member_id{lock}`
	insertMember = `INSERT INTO member (workspace_id, member_id, name, email, email_key, role, role_source, state,
		contained, contained_since, contained_cause, is_primary, break_glass, epoch, version, seq, reason, joined_at,
		deactivated_at, last_active_at, access_end, grace_until, tail_held, unsettled)
		VALUES `
	// As with identities: a write that changes no key leaves the indexes alone.
	updateMemberBody = `UPDATE member SET name = ?, email = ?, role_source = ?, contained = ?, contained_since = ?,
		contained_cause = ?, break_glass = ?, epoch = ?, version = ?, reason = ?, joined_at = ?, deactivated_at = ?,
		last_active_at = ?, tail_held = ?
		WHERE workspace_id = ? AND member_id = ? AND version = ? AND email_key = ? AND role = ? AND state = ?
			AND is_primary = ? AND access_end = ? AND grace_until = ?`
	updateMember = `UPDATE member SET name = ?, email = ?, email_key = ?, role = ?, role_source = ?, state = ?,
		contained = ?, contained_since = ?, contained_cause = ?, is_primary = ?, break_glass = ?, epoch = ?,
		version = ?, reason = ?, joined_at = ?, deactivated_at = ?, last_active_at = ?, access_end = ?,
		grace_until = ?, tail_held = ?
		WHERE workspace_id = ? AND member_id = ? AND version = ?`
	setUnsettled = `UPDATE member SET unsettled = ? WHERE workspace_id = ? AND member_id = ?`
)

// Member finds a member in any state.
func (r *Reader) Member(id string) (workspace.Member, error) {
	return single(r, scanMember, selectMember, r.ws, id)
}

// MemberByEmail finds the member with a folded address who is not removed.
func (r *Reader) MemberByEmail(key string) (workspace.Member, error) {
	return single(r, scanMember, selectMemberByEmail, r.ws, key)
}

// MembersByEmail finds the members with these folded addresses who are not
// removed, by address.
func (r *Reader) MembersByEmail(keys []string) (map[string]workspace.Member, error) {
	found := make(map[string]workspace.Member, len(keys))
	err := chunks(keys, func(piece []string) error {
		all, err := list(r, scanMember, in(selectMembersByEmail, len(piece)), flat(r.ws, piece)...)
		for i := range all {
			found[all[i].EmailKey] = all[i]
		}
		return err
	})
	return found, err
}

// Owners lists the active Owners by id.
func (r *Reader) Owners() ([]workspace.Member, error) {
	return list(r, scanMember, selectOwners, r.ws)
}

// InsertMember writes a new member. A taken address is a *ConflictError with
// Key "email" (I6), a second primary Owner one with Key "primary"; a later
// statement of the unit, or its end, may be the one that gives it.
func (t *Tx) InsertMember(m workspace.Member) error {
	b := &t.behind
	if t.failed != nil {
		return t.failed
	}
	if _, ok := b.memberAt[m.ID]; ok {
		return t.fail(&ConflictError{Table: "member", Key: "id"})
	}
	put(&b.memberAt, m.ID, len(b.members))
	b.members = append(b.members, m)
	b.waits |= inMember
	return nil
}

func (t *Tx) writeMembers(all []workspace.Member) error {
	const columns = 24
	return t.tuples(len(all), columns, func(from, size int, values string) error {
		args := make([]any, 0, size*columns)
		for i := range all[from : from+size] {
			m := &all[from+i]
			args = append(args, t.ws, m.ID, m.Name, m.Email, m.EmailKey, m.Role.String(), m.RoleSource, string(m.State),
				m.Contained, m.ContainedSince, m.ContainedCause, m.Primary, m.BreakGlass, m.Epoch, m.Version, m.Seq, m.Reason,
				m.JoinedAt, m.DeactivatedAt, m.LastActiveAt, m.AccessEnd, m.GraceUntil, m.TailHeld, m.Unsettled)
		}
		return t.exec(insertMember+values, args...)
	})
}

// UpdateMember replaces a member whose stored version is m.Version-1, or
// gives workspace.ErrStale. Seq and Unsettled are not written.
func (t *Tx) UpdateMember(m workspace.Member) error {
	n, err := t.execCount(updateMemberBody, m.Name, m.Email, m.RoleSource, m.Contained, m.ContainedSince,
		m.ContainedCause, m.BreakGlass, m.Epoch, m.Version, m.Reason, m.JoinedAt, m.DeactivatedAt, m.LastActiveAt,
		m.TailHeld, t.ws, m.ID, m.Version-1, m.EmailKey, m.Role.String(), string(m.State), m.Primary, m.AccessEnd,
		m.GraceUntil)
	if err != nil || n == 1 {
		return err
	}
	return t.swap(updateMember, m.Name, m.Email, m.EmailKey, m.Role.String(), m.RoleSource, string(m.State),
		m.Contained, m.ContainedSince, m.ContainedCause, m.Primary, m.BreakGlass, m.Epoch,
		m.Version, m.Reason, m.JoinedAt, m.DeactivatedAt, m.LastActiveAt, m.AccessEnd, m.GraceUntil, m.TailHeld,
		t.ws, m.ID, m.Version-1)
}

// sqlTouchMember is no new version: nothing that anybody decides by changes.
const sqlTouchMember = `UPDATE member SET last_active_at = ? WHERE workspace_id = ? AND member_id = ? AND last_active_at < ?`

// TouchMember notes that a member was active.
func (t *Tx) TouchMember(id string, at workspace.Micros) error {
	return t.exec(sqlTouchMember, at, t.ws, id, at)
}

// SetUnsettled writes a member's Unsettled without a new version.
func (t *Tx) SetUnsettled(id string, unsettled bool) error {
	if m, ok := t.waitingMember(id); ok {
		m.Unsettled = unsettled
		return nil
	}
	n, err := t.past(setUnsettled, unsettled, t.ws, id)
	if err == nil && n == 0 {
		return workspace.ErrNotFound
	}
	return err
}
