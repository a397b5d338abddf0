package sync

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// planReturn brings a leaver back whom the directory states enabled again
// (leavers-and-events section 7). Who was removed by a person comes back by a
// person only; a role above Member comes from the mapping or an approval.
func (u *unit) planReturn(p *person) error {
	m := p.member
	after := *m
	after.State, after.DeactivatedAt, after.GraceUntil, after.TailHeld = workspace.StateActive, 0, 0, false
	after.Role, after.RoleSource = workspace.RoleMember, byRule(p.newRole().Row)
	after.Epoch++
	if p.want.Name != "" {
		after.Name = p.want.Name
	}
	after.AccessEnd, after.Reason = p.want.End, p.want.Reason
	c := u.cause(p, workspace.CauseRehire)
	c.Direct = p.obs != nil
	c.Support, c.ReasonClass = bySource, "new_hire"
	rows, err := u.tx.TombstonesOf(m.ID)
	if err != nil {
		return err
	}
	c.Rehire = true
	for _, r := range rows {
		c.Tombstone = fmt.Sprintf("access was ended by %s on %s", r.Cause, r.At.Time().Format("2006-01-02"))
		if r.ByPerson || r.Connection != u.conn.ID {
			c.Rehire = false
		}
	}
	if c.Tombstone != "" && !c.Rehire && p.obs == nil {
		// Drift that the review shows (F08); saying it again at each change of
		// a group would bury what is new.
		return nil
	}
	snap, err := u.snapshot(m)
	if err != nil {
		return err
	}
	u.addFor(p, workspace.Change{Kind: workspace.MemberReactivate, Subject: memberRef(*m), Member: m.ID, Before: *m, After: after, Cause: c},
		func(tx *store.Tx) error { return tx.LiftTombstones(m.ID, orElse(u.conn.ID, u.actor.ID), u.now) },
		func(tx *store.Tx) error { return tx.DeleteSnapshot(m.ID) },
		u.support(p, mapping.GrantMember, "", bySource, "", u.conn.ID))
	returned := after
	p.member = &returned
	u.view.Members[m.ID] = m
	if snap != nil && !m.TailHeld { // with the tail held, everything is still there (BU3)
		if err := u.planRestore(p, snap, c); err != nil {
			return err
		}
	}
	return u.planGrants(p)
}

// snapshot reads what a leaver held, if the restore window is still open.
func (u *unit) snapshot(m *workspace.Member) (*snapshot, error) {
	body, taken, err := u.tx.Snapshot(m.ID)
	if errors.Is(err, workspace.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	window := max(u.s.cfg.Leavers.RestoreWindow, u.s.cfg.Leavers.Grace)
	if u.now > taken+workspace.Micros(window.Microseconds()) {
		return nil, nil
	}
	var s snapshot
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, fmt.Errorf("snapshot of %s: %w", m.ID, err)
	}
	return &s, nil
}

// planRestore gives back what is still free: what changed meanwhile beats the
// snapshot (GR4). What rows gave is for the rows to give again; here come the
// numbers, which must be the same ones, and what people had given by hand.
func (u *unit) planRestore(p *person, s *snapshot, c workspace.Cause) error {
	manual := func(kind mapping.GrantKind, object string) (store.SupportRow, bool) {
		i := slices.IndexFunc(s.Supports, func(r store.SupportRow) bool {
			return r.Kind == string(kind) && r.Object == object && !strings.HasPrefix(r.By, "rule ") && !strings.HasPrefix(r.By, byHandover)
		})
		if i < 0 {
			return store.SupportRow{}, false
		}
		return s.Supports[i], true
	}
	for _, id := range s.Groups {
		row, ok := manual(mapping.GrantGroup, id)
		if !ok {
			continue
		}
		g, err := u.group(id)
		if errors.Is(err, workspace.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		u.addFor(p, workspace.Change{Kind: workspace.GroupJoin, Subject: groupRef(*g), Member: p.member.ID,
			After: workspace.GroupMembership{Group: id, Member: p.member.ID, Since: u.now}, Cause: c}, putRow(row))
	}
	for _, a := range s.Assignments {
		row, manually := manual(mapping.GrantNumber, a.Number)
		if err := u.planRestoreNumber(p, s, a, c, row, manually); err != nil {
			return err
		}
	}
	return nil
}

func putRow(row store.SupportRow) effect {
	return func(tx *store.Tx) error { return tx.PutSupport(row) }
}

// planRestoreNumber gives one number back: an interim holder's access ends,
// the reservation is used up. A number that was finally given away stays.
func (u *unit) planRestoreNumber(p *person, s *snapshot, a workspace.Assignment, c workspace.Cause, manual store.SupportRow, manually bool) error {
	read, err := u.tx.Number(a.Number)
	if errors.Is(err, workspace.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	n := u.keep(read)
	interim, free, err := u.interim(p, n)
	if err != nil {
		return err
	}
	if a.Access == workspace.AccessExclusive && !free {
		u.notices = append(u.notices, fmt.Sprintf("%s: %s was given away meanwhile", p.label(), n.E164))
		return nil
	}
	for _, x := range interim {
		u.addFor(p, workspace.Change{Kind: workspace.NumberUnassign, Subject: numberRef(n), Member: x.To, Before: x, Cause: c},
			func(tx *store.Tx) error {
				return tx.DeleteSupport(x.To, string(mapping.GrantNumber), n.ID, byHandover+p.member.ID)
			})
	}
	for _, r := range n.Reservations {
		if r.Kind == workspace.ToMember && r.For == p.member.ID {
			u.addFor(p, workspace.Change{Kind: workspace.NumberReleased, Subject: numberRef(n), Member: p.member.ID, Before: r, Cause: c})
		}
	}
	back := a
	back.Since = u.now
	var then []effect
	for _, row := range s.Supports {
		if row.Kind == string(mapping.GrantNumber) && row.Object == n.ID && (manually && row.By == manual.By || strings.HasPrefix(row.By, "rule ")) {
			then = append(then, putRow(row))
		}
	}
	u.addFor(p, workspace.Change{Kind: workspace.NumberAssign, Subject: numberRef(n), Member: p.member.ID, After: back, Cause: c}, then...)
	if slices.Contains(s.Owned, n.ID) {
		u.addFor(p, workspace.Change{Kind: workspace.NumberOwner, Subject: numberRef(n), Member: p.member.ID,
			After: workspace.Ownership{Number: n.ID, Member: p.member.ID}, Cause: c})
	}
	p.numbers = append(p.numbers, n)
	p.supports = append(p.supports, supportsOf(s, n.ID)...)
	return nil
}

func supportsOf(s *snapshot, number string) []store.SupportRow {
	var out []store.SupportRow
	for _, row := range s.Supports {
		if row.Kind == string(mapping.GrantNumber) && row.Object == number {
			out = append(out, row)
		}
	}
	return out
}

// interim lists who holds a number for the leaver's sake only, and tells
// whether it is free for the leaver otherwise.
func (u *unit) interim(p *person, n *workspace.Number) (held []workspace.Assignment, free bool, err error) {
	free = true
	for _, a := range n.Assignments {
		if a.Kind != workspace.ToMember {
			free = free && !a.Access.Rings()
			continue
		}
		supports, err := u.tx.Supports(a.To)
		if err != nil {
			return nil, false, err
		}
		only, any := true, false
		for _, s := range supports {
			if s.Kind == string(mapping.GrantNumber) && s.Object == n.ID {
				any = true
				only = only && s.By == byHandover+p.member.ID
			}
		}
		if any && only {
			held = append(held, a)
		} else {
			free = free && !a.Access.Rings()
		}
	}
	return held, free, nil
}
