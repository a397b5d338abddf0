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
	end, ends := u.endOf(p)
	if end != 0 && end <= u.now {
		return nil // the directory's own end date has passed
	}
	after.State, after.DeactivatedAt, after.GraceUntil, after.TailHeld = workspace.StateActive, 0, 0, false
	after.Role, after.RoleSource = workspace.RoleMember, byRule(p.newRole().Row)
	after.Epoch++
	if p.want.Name != "" {
		after.Name = p.want.Name
	}
	after.AccessEnd, after.Reason = end, p.want.Reason
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
		if r.ByPerson || r.Connection != u.conn.ID && !p.statedSince(r.Connection, r.At) {
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
		u.support(p, mapping.GrantMember, "", bySource, "", u.conn.ID), func(tx *store.Tx) error { return inOrder(tx, ends) })
	returned := after
	p.member, p.cutAt = &returned, m.DeactivatedAt
	if err := u.planAddress(p, returned); err != nil {
		return err
	}
	if snap != nil && !m.TailHeld { // with the tail held, everything is still there (BU3)
		if err := u.planRestore(p, snap, c); err != nil {
			return err
		}
	}
	if err := u.planGrants(p); err != nil {
		return err
	}
	return u.planUnclaimed(p, c)
}

// statedSince reports whether a connection has stated the person enabled after
// a moment. Its word may have come while another directory still said no.
func (p *person) statedSince(connection string, at workspace.Micros) bool {
	return slices.ContainsFunc(p.live, func(i workspace.Identity) bool {
		return i.Connection == connection && i.Active && i.ObservedAt > at
	})
}

// planUnclaimed ends the reservations of a leaver who is back and whom no row
// gives these numbers now: nobody would ever ask for them again.
func (u *unit) planUnclaimed(p *person, c workspace.Cause) error {
	for _, n := range p.numbers {
		if u.planned(workspace.NumberAssign, n.ID, p.member.ID) {
			continue
		}
		if err := u.planReleased(p, n, c); err != nil {
			return err
		}
	}
	return nil
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
// snapshot (GR4). The rows are asked again as if the person had everything
// back: what a row wants, or is unsure of now, returns with it, and so does
// what people had given by hand.
func (u *unit) planRestore(p *person, s *snapshot, c workspace.Cause) error {
	back, err := u.restorable(p, s)
	if err != nil {
		return err
	}
	p.snap, p.back = s, back
	if len(p.live) > 0 {
		if err := u.evaluate(p); err != nil {
			return err
		}
	}
	for _, id := range s.Groups {
		rows := p.returning(mapping.GrantGroup, id)
		if len(rows) == 0 {
			continue
		}
		g, err := u.group(id)
		if errors.Is(err, workspace.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		u.addFor(p, workspace.Change{
			Kind: workspace.GroupJoin, Subject: groupRef(*g), Member: p.member.ID,
			After: workspace.GroupMembership{Group: id, Member: p.member.ID, Since: u.now}, Cause: c,
		}, putRows(rows)...)
	}
	lost := map[string]bool{}
	for _, a := range s.Assignments {
		lost[a.Number] = true
	}
	for _, a := range back {
		if err := u.planRestoreNumber(p, a, c); err != nil {
			return err
		}
		delete(lost, a.Number)
	}
	for _, id := range s.Owned {
		read, err := u.tx.Number(id)
		if lost[id] || errors.Is(err, workspace.ErrNotFound) {
			continue // finally given away
		}
		if err != nil {
			return err
		}
		if err := u.planRestoreOwner(p, u.keep(read), c); err != nil {
			return err
		}
	}
	return nil
}

// restorable lists what of the leaver's numbers can come back: what nobody
// but an interim holder has taken.
func (u *unit) restorable(p *person, s *snapshot) ([]workspace.Assignment, error) {
	var back []workspace.Assignment
	for _, a := range s.Assignments {
		read, err := u.tx.Number(a.Number)
		if errors.Is(err, workspace.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		n := u.keep(read)
		_, free, err := u.interim(p, n)
		if err != nil {
			return nil, err
		}
		if a.Access == workspace.AccessExclusive && !free {
			u.notices = append(u.notices, fmt.Sprintf("%s: %s was given away meanwhile", p.label(), n.E164))
			continue
		}
		back = append(back, a)
	}
	return back, nil
}

// returning lists the supporters with which a grant of the snapshot comes
// back: people's, and rows that want it or are unsure of it now.
func (p *person) returning(kind mapping.GrantKind, object string) []store.SupportRow {
	var out []store.SupportRow
	for _, r := range p.snap.Supports {
		if r.Kind != string(kind) || r.Object != object || strings.HasPrefix(r.By, byHandover) {
			continue
		}
		row, isRule := strings.CutPrefix(r.By, "rule ")
		wanted := kind == mapping.GrantNumber && slices.ContainsFunc(p.want.Numbers, func(w mapping.WantNumber) bool {
			return w.Row == row && w.Number == object && w.Denied == "" && !w.Ask
		})
		wanted = wanted || kind == mapping.GrantOwner && slices.ContainsFunc(p.want.Owns, func(w mapping.WantOwn) bool {
			return w.Row == row && w.Number == object && w.Denied == ""
		})
		if !isRule || wanted || p.want.UnknownRows[row] {
			out = append(out, r)
		}
	}
	return out
}

func putRow(row store.SupportRow) effect {
	return func(tx *store.Tx) error { return tx.PutSupport(row) }
}

func putRows(rows []store.SupportRow) []effect {
	var out []effect
	for _, r := range rows {
		out = append(out, putRow(r))
	}
	return out
}

// planRestoreNumber gives one number back: interim access and ownership end,
// the reservation is used up.
func (u *unit) planRestoreNumber(p *person, a workspace.Assignment, c workspace.Cause) error {
	rows := p.returning(mapping.GrantNumber, a.Number)
	if len(rows) == 0 {
		return nil
	}
	n := u.view.Numbers[a.Number]
	interim, _, err := u.interim(p, n)
	if err != nil {
		return err
	}
	by := byHandover + p.member.ID
	for _, x := range interim {
		if x.Kind == workspace.ToGroup { // it looks on again, as before
			after := x
			after.Access = workspace.AccessViewOnly
			u.addFor(p, workspace.Change{Kind: workspace.NumberAccess, Subject: numberRef(n), Before: x, After: after, Cause: c})
			continue
		}
		u.addFor(p, workspace.Change{Kind: workspace.NumberUnassign, Subject: numberRef(n), Member: x.To, Before: x, Cause: c},
			func(tx *store.Tx) error { return tx.DeleteSupport(x.To, string(mapping.GrantNumber), n.ID, by) })
	}
	for _, r := range n.Reservations {
		if r.Kind == workspace.ToMember && r.For == p.member.ID {
			u.addFor(p, workspace.Change{Kind: workspace.NumberReleased, Subject: numberRef(n), Member: p.member.ID, Before: r, Cause: c})
		}
	}
	back := a
	back.Since = u.now
	u.addFor(p, workspace.Change{Kind: workspace.NumberAssign, Subject: numberRef(n), Member: p.member.ID, After: back, Cause: c}, putRows(rows)...)
	return nil
}

// planRestoreOwner gives ownership back, and takes it from whoever had it for
// the leaver's sake. Where somebody has become the owner for good (NH3, GR2) it
// stays theirs.
func (u *unit) planRestoreOwner(p *person, n *workspace.Number, c workspace.Cause) error {
	rows := p.returning(mapping.GrantOwner, n.ID)
	if len(rows) == 0 {
		return nil
	}
	type holder struct {
		id   string
		only bool // has it for the leaver's sake alone
	}
	var interim []holder
	for _, id := range n.Owners {
		supports, err := u.tx.Supports(id)
		if err != nil {
			return err
		}
		mine, final, others := u.heldFor(p, supports, mapping.GrantOwner, n.ID)
		if final {
			u.notices = append(u.notices, fmt.Sprintf("%s: %s has another owner for good", p.label(), n.E164))
			return nil
		}
		if mine {
			interim = append(interim, holder{id, !others})
		}
	}
	by := byHandover + p.member.ID
	u.addFor(p, workspace.Change{
		Kind: workspace.NumberOwner, Subject: numberRef(n), Member: p.member.ID,
		After: workspace.Ownership{Number: n.ID, Member: p.member.ID}, Cause: c,
	}, putRows(rows)...)
	for _, x := range interim {
		drop := func(tx *store.Tx) error { return tx.DeleteSupport(x.id, string(mapping.GrantOwner), n.ID, by) }
		if !x.only {
			u.always(p, drop)
			continue
		}
		if _, err := u.member(x.id); err != nil {
			return err
		}
		u.addFor(p, workspace.Change{
			Kind: workspace.NumberOwner, Subject: numberRef(n), Member: x.id,
			Before: workspace.Ownership{Number: n.ID, Member: x.id}, Cause: c,
		}, drop)
	}
	return nil
}

// heldFor tells why somebody has a grant: for the leaver's sake until the grace
// ends (mine), for the leaver's sake and for good (final: named, or past the
// grace), or for reasons of their own (others).
func (u *unit) heldFor(p *person, supports []store.SupportRow, kind mapping.GrantKind, object string) (mine, final, others bool) {
	for i := range supports {
		s := &supports[i]
		switch {
		case s.Kind != string(kind) || s.Object != object:
		case s.By != byHandover+p.member.ID:
			others = true
		case s.Until > u.now:
			mine = true
		default:
			final = true
		}
	}
	return mine, final, others
}

// interim lists who holds a number for the leaver's sake only, and tells
// whether it is free for the leaver otherwise.
func (u *unit) interim(p *person, n *workspace.Number) (held []workspace.Assignment, free bool, err error) {
	free = true
	for _, a := range n.Assignments {
		if a.Kind != workspace.ToMember {
			if u.groupAnswers(p, n, &a) {
				held = append(held, a)
			} else {
				free = free && !a.Access.Rings()
			}
			continue
		}
		supports, err := u.tx.Supports(a.To)
		if err != nil {
			return nil, false, err
		}
		if mine, final, others := u.heldFor(p, supports, mapping.GrantNumber, n.ID); mine && !final && !others {
			held = append(held, a)
		} else {
			free = free && !a.Access.Rings()
		}
	}
	return held, free, nil
}

// groupAnswers reports whether a group rings for the leaver's sake: it could
// only look at the number before, which was the leaver's alone and is reserved
// for them.
func (u *unit) groupAnswers(p *person, n *workspace.Number, a *workspace.Assignment) bool {
	return a.Kind == workspace.ToGroup && a.Access.Rings() && a.Since < p.cutAt && slices.ContainsFunc(n.Reservations, func(r workspace.Reservation) bool {
		return r.Kind == workspace.ToMember && r.For == p.member.ID
	})
}
