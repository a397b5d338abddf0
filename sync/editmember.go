package sync

import (
	"slices"
	"time"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// planMemberEdit plans an edit of a member.
func (u *unit) planMemberEdit(e *Edit) error {
	m, err := u.find(e.Member)
	if err != nil {
		return err
	}
	p := &person{key: "member:" + m.ID}
	if err := u.loadMember(p, m.ID); err != nil {
		return err
	}
	switch e.Kind {
	case EditRole:
		return u.planRoleEdit(p, e)
	case EditUnpin:
		return u.planUnpin(p, e)
	case EditDeactivate, EditRemove:
		return u.planRemoval(p, e)
	case EditReactivate:
		return u.planRestoreEdit(p, e)
	case EditProfile:
		return u.planProfileEdit(p, e)
	case EditSessions:
		after := *m
		after.Epoch++
		u.addFor(p, workspace.Change{Kind: workspace.MemberSessions, Subject: memberRef(*m), Member: m.ID, Before: *m, After: after, Cause: u.editCause(e, "correction")})
		return nil
	default:
		return u.planTransfer(p, e)
	}
}

// planRoleEdit sets a role by hand: a pin that wins over the rows until it is
// lifted or past its end (MP2).
func (u *unit) planRoleEdit(p *person, e *Edit) error {
	if e.Role == workspace.RoleNone {
		return &EditError{Field: "role", Reason: "no role is named", Remedy: "use owner, admin or member"}
	}
	if p.member.State != workspace.StateActive {
		return &EditError{Field: "member", Reason: p.member.Email + " is not active", Remedy: "restore the member first", Settled: true}
	}
	pin := u.pin(p, mapping.GrantRole, "", e.Role.String(), e)
	if p.member.Role == e.Role {
		u.pinOnly(p, u.roleChange(p, e.Role, byManual, u.editCause(e, "correction")), u.roleRow(p), nil, pin)
		return nil
	}
	class := "role_change"
	if !e.Until.IsZero() {
		class = "temporary_access"
	}
	u.addFor(p, u.roleChange(p, e.Role, byManual, u.editCause(e, class)), pin)
	return nil
}

// planUnpin lifts a role set by hand: the rows decide again, at once.
func (u *unit) planUnpin(p *person, e *Edit) error {
	if p.member.Role == workspace.RoleOwner {
		return &EditError{Field: "member", Reason: p.member.Email + " is an Owner, and no row makes one (O1)", Remedy: "give another role instead", Settled: true}
	}
	at := slices.IndexFunc(p.supports, func(s store.SupportRow) bool { return s.Kind == string(mapping.GrantRole) && s.By == byManual })
	if at < 0 {
		return nil
	}
	from := len(u.plan)
	u.pinOnly(p, u.roleChange(p, p.member.Role, byManual, u.editCause(e, "correction")), u.roleRow(p), nil, u.unsupport(p, p.supports[at]))
	if u.plan[from].Kind != "" || p.member.State != workspace.StateActive {
		return nil // refused, or nobody whom rows give a role
	}
	p.supports = slices.Delete(p.supports, at, at+1)
	if err := u.reconsider(p); err != nil {
		return err
	}
	return u.planRole(p)
}

// pin writes a person as the supporter of a grant.
func (u *unit) pin(p *person, kind mapping.GrantKind, object, value string, e *Edit) effect {
	row := store.SupportRow{
		Member: p.member.ID, Kind: string(kind), Object: object, By: byManual, Value: value, Source: e.Reason,
		Run: u.run, Author: u.actor.ID, Since: u.now, Confirmed: u.now, Until: workspace.At(e.Until),
	}
	return putRow(row)
}

// planRemoval ends a member's access by hand: the same cut and tail as for a
// directory's no. Removal is final: whoever removes chooses the handover
// first, so there is no grace (R22).
func (u *unit) planRemoval(p *person, e *Edit) error {
	if p.member.State == workspace.StateRemoved {
		return &EditError{Field: "member", Reason: p.member.Email + " is removed already", Remedy: "nothing is to be done", Settled: true}
	}
	c := u.editCause(e, "offboarding")
	c.Why = "removed"
	p.want.HandoverTo = e.Handover
	if e.Handover != "" {
		heir, err := u.findIn("handover", e.Handover)
		if err != nil {
			return err
		}
		if !heir.Usable() || heir.ID == p.member.ID {
			return &EditError{Field: "handover", Reason: heir.Email + " cannot take numbers over", Remedy: "name an active member"}
		}
	}
	p.final = e.Kind == EditRemove
	switch {
	case p.member.State == workspace.StateActive:
		if err := u.planLeaver(p, c); err != nil {
			return err
		}
	case p.final && p.member.TailHeld:
		// Whoever is removed holds nothing, and a person has decided it.
		if err := u.planTail(p, tailCause(c, p.member.ID), 0, nil); err != nil {
			return err
		}
	}
	if !p.final {
		return nil
	}
	after := *p.member
	after.State, after.GraceUntil, after.TailHeld, after.DeactivatedAt = workspace.StateRemoved, 0, false, u.now
	u.addFor(p, workspace.Change{Kind: workspace.MemberRemove, Subject: memberRef(*p.member), Member: p.member.ID, Before: *p.member, After: after, Cause: c},
		func(tx *store.Tx) error { return tx.DeleteSnapshot(after.ID) })
	for _, n := range p.numbers {
		if err := u.planReleased(p, n, c); err != nil {
			return err
		}
	}
	return nil
}

// planRestoreEdit is a stated rehire by a person (RB11): with a reason.
func (u *unit) planRestoreEdit(p *person, e *Edit) error {
	if p.member.State == workspace.StateActive {
		return &EditError{Field: "member", Reason: p.member.Email + " is active", Remedy: "nothing is to be done", Settled: true}
	}
	if e.Reason == "" {
		return &EditError{Field: "reason", Reason: "bringing somebody back whose access was ended needs a reason", Remedy: "say why this person comes back"}
	}
	m := p.member
	after := *m
	after.State, after.DeactivatedAt, after.GraceUntil, after.TailHeld = workspace.StateActive, 0, 0, false
	after.Role, after.RoleSource = workspace.RoleMember, byManual
	after.Epoch++
	after.Reason, after.AccessEnd = e.Reason, workspace.At(e.Until)
	c := u.editCause(e, "new_hire")
	c.Rehire = true
	snap, err := u.snapshot(m)
	if err != nil {
		return err
	}
	u.addFor(p, workspace.Change{Kind: workspace.MemberReactivate, Subject: memberRef(*m), Member: m.ID, Before: *m, After: after, Cause: c},
		func(tx *store.Tx) error { return tx.LiftTombstones(m.ID, u.actor.ID, u.now) },
		func(tx *store.Tx) error { return tx.DeleteSnapshot(m.ID) },
		u.support(p, mapping.GrantMember, "", byManual, "", ""), u.endByHand(p, after.AccessEnd))
	returned := after
	p.member, p.cutAt = &returned, m.DeactivatedAt
	if snap != nil && !m.TailHeld { // with the tail held, everything is still there (BU3)
		if err := u.planRestore(p, snap, c); err != nil {
			return err
		}
	}
	return u.planUnclaimed(p, c)
}

// planTransfer moves primary ownership (R31, O6).
func (u *unit) planTransfer(p *person, e *Edit) error {
	for i := range u.owners {
		o := u.view.Members[u.owners[i].ID]
		if !o.Primary {
			continue
		}
		if o.ID == p.member.ID {
			return &EditError{Field: "member", Reason: o.Email + " is the primary Owner already", Remedy: "nothing is to be done", Settled: true}
		}
		after := *p.member
		after.Role, after.Primary, after.RoleSource = workspace.RoleOwner, true, byManual
		pins := *e
		pins.Until = time.Time{} // ownership has no end, nor what the former primary becomes
		u.addFor(p, workspace.Change{
			Kind: workspace.OwnerTransfer, Subject: memberRef(*p.member), Member: p.member.ID, Before: *o, After: after,
			Cause: u.editCause(e, "role_change"),
		}, u.pin(p, mapping.GrantRole, "", workspace.RoleOwner.String(), &pins),
			u.pin(&person{member: o}, mapping.GrantRole, "", workspace.RoleAdmin.String(), &pins))
		return nil
	}
	return &EditError{Field: "member", Reason: "the workspace has no primary Owner", Remedy: "add one to owners: in the configuration"}
}
