package sync

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// snapshot is what a leaver held, kept for their return (LT3).
type snapshot struct {
	Role        string                 `json:"role"`
	RoleSource  string                 `json:"role_source"`
	Groups      []string               `json:"groups"`
	Assignments []workspace.Assignment `json:"assignments"`
	Owned       []string               `json:"owned"`
	Supports    []store.SupportRow     `json:"supports"`
}

// leaverCause tells why a person leaves, and on what evidence.
func (u *unit) leaverCause(p *person) workspace.Cause {
	c := u.cause(p, workspace.CauseRequest)
	c.Class, c.Why, c.ReasonClass = workspace.EvidenceE1, "disabled", "offboarding"
	c.Direct = p.obs != nil
	switch {
	case p.deleted:
		c.Why = "deleted"
	case p.want.Active != mapping.False:
		c.Class, c.Why, c.Rule = workspace.EvidenceE2, "ineligible", p.want.MemberBy
	}
	if p.obs != nil && p.obs.Why != "" {
		c.Why = p.obs.Why
	}
	if p.obs != nil && p.obs.Class != workspace.EvidenceNone {
		c.Class = p.obs.Class
	}
	return c
}

// planLeaver plans the cut, which ends access, and the tail, which is all the
// rest. The order is that of leavers-and-events section 3. For an Owner the
// plan also proposes containment, which stands if the cut is denied (O3). A
// cut that rests on absence may be held by the brake, whole; a cut that rests
// on an explicit no never is, only its tail (BU1).
func (u *unit) planLeaver(p *person, c workspace.Cause) error {
	m := *p.member
	held, err := u.tailTrip(c)
	if err != nil {
		return err
	}
	if u.b.Signal && len(p.numbers) == 0 && len(p.groups) == 0 {
		held = nil // nothing waits
	}
	after := m
	after.State, after.DeactivatedAt, after.Contained = workspace.StateDeactivated, u.now, false
	after.Epoch++
	after.TailHeld = held != nil
	if !after.TailHeld {
		after.GraceUntil = u.graceEnd(p)
	}
	if m.Role == workspace.RoleOwner && c.Kind != workspace.CauseEdit {
		contained := m
		contained.Contained, contained.ContainedSince, contained.ContainedCause = true, u.now, orElse(c.Connection, "a person")
		contained.Epoch++
		u.containable(p, workspace.Change{Kind: workspace.MemberContain, Subject: memberRef(m), Member: m.ID, Before: m, After: contained, Cause: c})
	}
	identities, err := u.tx.IdentitiesOf(m.ID, true)
	if err != nil {
		return err
	}
	if p.trigger.ID != "" && p.trigger.Member == "" { // linked in this very unit
		identities = append(identities, p.trigger)
	}
	cut := planned{
		Change:  workspace.Change{Kind: workspace.MemberDeactivate, Subject: memberRef(m), Member: m.ID, Before: m, After: after, Cause: c},
		subject: p.key, person: p.key, leaver: true,
		then: []effect{u.snap(p), u.bury(m, identities, c), u.countLeaver(m.ID, c), u.holdSent(m.ID), u.forgetSessions(m.ID, "access has ended")},
	}
	if err := u.planSuccession(p, c); err != nil {
		return err
	}
	u.add(cut)
	tail := tailCause(c, m.ID)
	if err := u.planInvitationsEnd(p, tail); err != nil {
		return err
	}
	grace, ruling := u.graceEnd(p), (*workspace.Decision)(nil)
	if held != nil {
		ruling = held.ruling()
	}
	u.tails = append(u.tails, func() error { return u.planTail(p, tail, grace, ruling) })
	return nil
}

// planTails plans the tails of all leavers of the unit, when everybody who
// leaves is known: nobody inherits who goes in the same plan.
func (u *unit) planTails() error {
	tails := u.tails
	u.tails = nil
	for _, plan := range tails {
		if err := plan(); err != nil {
			return err
		}
	}
	return nil
}

// leaves reports whether a member's access ends in this plan.
func (u *unit) leaves(member string) bool {
	return slices.ContainsFunc(u.plan, func(x planned) bool { return x.leaver && x.Member == member })
}

// stays reports whether an assignment outlives this plan's leavers.
func (u *unit) stays(a *workspace.Assignment) bool {
	return a.Kind != workspace.ToMember || !u.leaves(a.To)
}

// tailCause is the cause of what follows from a leaver's cut.
func tailCause(c workspace.Cause, leaver string) workspace.Cause {
	c.Kind, c.Tail, c.Leaver, c.Direct = workspace.CauseLeaver, true, leaver, false
	return c
}

// graceEnd is when stage two of a leaving is due; who held nothing and never
// signed in has no grace.
func (u *unit) graceEnd(p *person) workspace.Micros {
	grace := u.s.cfg.Leavers.Grace
	if grace <= 0 || p.final || len(p.numbers) == 0 && len(p.groups) == 0 && p.member.LastActiveAt == 0 {
		return 0
	}
	return u.now + workspace.Micros(grace.Microseconds())
}

// tailTrip tells whether the tails of a connection's explicit leavers wait
// for a person (BRAKE.tails); an approval lets them go.
func (u *unit) tailTrip(c workspace.Cause) (*trip, error) {
	if c.Class != workspace.EvidenceE1 || u.actor.Kind != workspace.ActorConnection || u.approver != nil {
		return nil, nil
	}
	if u.b.Signal {
		return &trip{limit: BrakeLimit{Name: signalTail}, why: signalWhy}, nil
	}
	if u.b.Part == PartAccess || u.b.aside[PartAccess] != nil || u.b.Held[PartAccess] != nil {
		return nil, nil // access waits, and all with it
	}
	u.leavers++
	if holds, err := u.holdsAccess(); err != nil || holds {
		return nil, err
	}
	return u.meter(brakeTails, u.brake().Tails, u.leavers, u.base)
}

// countLeaver counts a leaver against the connection's limits, unless a
// person has approved the plan.
func (u *unit) countLeaver(member string, c workspace.Cause) effect {
	name := brakeRemovals
	if c.Class == workspace.EvidenceE1 {
		name = brakeTails
	}
	return func(tx *store.Tx) error {
		if u.conn.ID == "" || u.approver != nil {
			return nil
		}
		return tx.CountBrake(u.conn.ID, name, member, u.now)
	}
}

// planTail plans what a leaver loses after access has ended: numbers by the
// handover chain, groups, and who supported them.
func (u *unit) planTail(p *person, c workspace.Cause, grace workspace.Micros, ruling *workspace.Decision) error {
	from := len(u.plan)
	for _, n := range p.numbers {
		if err := u.planHandover(p, n, c, grace); err != nil {
			return err
		}
	}
	for _, g := range p.groups {
		u.addFor(p, workspace.Change{
			Kind: workspace.GroupLeave, Subject: groupRef(g), Member: p.member.ID,
			Before: workspace.GroupMembership{Group: g.ID, Member: p.member.ID}, Cause: c,
		}, u.unsupportAll(p, mapping.GrantGroup, g.ID)...)
	}
	for i := from; i < len(u.plan); i++ {
		u.plan[i].subject = p.key
		u.plan[i].ruling = ruling
	}
	return nil
}

// unsupportAll drops every supporter of a grant that ends.
func (u *unit) unsupportAll(p *person, kind mapping.GrantKind, object string) []effect {
	var out []effect
	for _, s := range p.supported(kind, object) {
		out = append(out, u.unsupport(p, s))
	}
	return out
}

// planHeldTail plans the tail of a leaver again whose tail waits: until a
// person agrees it is held, whatever the limits say by then (BU2).
func (u *unit) planHeldTail(p *person) error {
	c := tailCause(u.leaverCause(p), p.member.ID)
	t := &trip{limit: BrakeLimit{Name: brakeTails}, why: "the tail of " + p.label() + " waits for a person: more people left than the limit allows"}
	signalled, err := u.heldBySignal(p)
	if err != nil {
		return err
	}
	if signalled {
		t = &trip{limit: BrakeLimit{Name: signalTail}, why: signalWhy}
	}
	confirmed := signalled && (u.b.Confirms || u.b.Kind == RunFull || u.b.Kind == RunDelta || u.b.Kind == RunSCIM) && p.obs != nil
	if confirmed { // from here on it is a leaver like others
		if t, err = u.tailTrip(c); err != nil {
			return err
		}
	}
	var ruling *workspace.Decision
	if t != nil {
		ruling = t.ruling()
	}
	if err := u.planTail(p, c, u.graceEnd(p), ruling); err != nil {
		return err
	}
	if u.approver == nil && (!confirmed || t != nil) {
		return nil
	}
	after := *p.member
	after.TailHeld, after.GraceUntil = false, u.graceEnd(p)
	c.Tail = false
	u.addFor(p, workspace.Change{Kind: workspace.MemberUpdate, Subject: memberRef(*p.member), Member: after.ID, Before: *p.member, After: after, Cause: c})
	return nil
}

// containable puts containment on the plan: it is applied only if the
// deactivation is denied.
func (u *unit) containable(p *person, c workspace.Change) {
	if p.member.Contained {
		return
	}
	u.add(planned{Change: c, subject: p.key, person: p.key, fallback: true, then: []effect{u.forgetSessions(p.member.ID, "access has ended (contained)")}})
}

// snap remembers what the leaver held (LT3).
func (u *unit) snap(p *person) effect {
	s := snapshot{Role: p.member.Role.String(), RoleSource: p.member.RoleSource, Supports: p.supports}
	for _, g := range p.groups {
		s.Groups = append(s.Groups, g.ID)
	}
	for _, n := range p.numbers {
		if a, ok := p.access(n); ok {
			s.Assignments = append(s.Assignments, a)
		}
		if slices.Contains(n.Owners, p.member.ID) {
			s.Owned = append(s.Owned, n.ID)
		}
	}
	member := p.member.ID
	return func(tx *store.Tx) error {
		body, err := json.Marshal(s)
		if err != nil {
			return err
		}
		if err := tx.PutSnapshot(member, body, u.now); err != nil {
			return err
		}
		if err := tx.DeleteExceptions(member); err != nil {
			return err
		}
		for _, row := range s.Supports {
			if row.Kind == string(mapping.GrantRole) {
				if err := tx.DeleteSupport(row.Member, row.Kind, row.Object, row.By); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// planInvitationsEnd revokes what is pending to the leaver's addresses and
// holds what the leaver has sent (LT6).
func (u *unit) planInvitationsEnd(p *person, c workspace.Cause) error {
	keys := map[string]bool{p.member.EmailKey: true}
	for _, i := range p.live {
		if i.Email != "" {
			keys[emailKey(i.Email)] = true
		}
	}
	for _, key := range sortedKeys(keys) {
		inv, err := u.tx.PendingInvitation(key)
		if errors.Is(err, workspace.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := u.planRevoke(p, inv, c); err != nil {
			return err
		}
	}
	return nil
}

// holdSent holds the invitations that the leaver has sent.
func (u *unit) holdSent(member string) effect {
	return func(tx *store.Tx) error {
		sent, err := tx.PendingBy(member)
		if err != nil {
			return err
		}
		for _, inv := range sent {
			inv.Held = true
			inv.Version++
			if err := tx.PutInvitation(inv); err != nil {
				return err
			}
		}
		return nil
	}
}

// planRevoke revokes an invitation.
func (u *unit) planRevoke(p *person, inv workspace.Invitation, c workspace.Cause) error {
	return u.planInvitationEnd(p, inv, workspace.InvitationRevoked, c)
}

// planInvitationEnd ends a pending invitation; the numbers in it return
// without quarantine.
func (u *unit) planInvitationEnd(p *person, inv workspace.Invitation, state workspace.InvitationState, c workspace.Cause) error {
	u.view.Invitations[inv.ID] = &inv
	after := inv
	after.State, after.TokenHash = state, ""
	u.addFor(p, workspace.Change{
		Kind: workspace.InvitationRevoke, Subject: workspace.Ref{Type: "invitation", ID: inv.ID, Label: inv.Email},
		Before: inv, After: after, Cause: c,
	})
	numbers, err := u.tx.NumbersTo(workspace.ToInvitation, inv.ID)
	for _, n := range numbers {
		kept := u.keep(n)
		for _, a := range kept.Assignments {
			if a.Kind == workspace.ToInvitation && a.To == inv.ID {
				u.addFor(p, workspace.Change{Kind: workspace.NumberUnassign, Subject: numberRef(kept), Before: a, Cause: c})
			}
		}
		for _, r := range kept.Reservations {
			if r.Kind == workspace.ToInvitation && r.For == inv.ID {
				u.addFor(p, workspace.Change{Kind: workspace.NumberReleased, Subject: numberRef(kept), Before: r, Cause: c})
			}
		}
	}
	return err
}
