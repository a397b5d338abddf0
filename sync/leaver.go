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
// plan also proposes containment, which stands if the cut is denied (O3).
func (u *unit) planLeaver(p *person, c workspace.Cause) error {
	m := *p.member
	grace := u.s.cfg.Leavers.Grace
	held := len(p.numbers) > 0 || len(p.groups) > 0
	after := m
	after.State, after.DeactivatedAt, after.Contained = workspace.StateDeactivated, u.now, false
	after.Epoch++
	if grace > 0 && (held || m.LastActiveAt != 0) {
		after.GraceUntil = u.now + workspace.Micros(grace.Microseconds())
	}
	if m.Role == workspace.RoleOwner && c.Kind != workspace.CauseEdit {
		contained := m
		contained.Contained, contained.ContainedSince, contained.ContainedCause = true, u.now, orElse(c.Connection, "a person")
		contained.Epoch++
		cc := c
		cc.Tail = false
		u.containable(p, workspace.Change{Kind: workspace.MemberContain, Subject: memberRef(m), Member: m.ID, Before: m, After: contained, Cause: cc})
	}
	identities, err := u.tx.IdentitiesOf(m.ID, true)
	if err != nil {
		return err
	}
	u.add(planned{
		Change:  workspace.Change{Kind: workspace.MemberDeactivate, Subject: memberRef(m), Member: m.ID, Before: m, After: after, Cause: c},
		subject: p.key, person: p.key, leaver: true,
		then: []effect{u.snap(p), u.bury(m, identities, c)},
	})
	tail := c
	tail.Kind, tail.Tail, tail.Leaver, tail.Direct = workspace.CauseLeaver, true, m.ID, false
	if err := u.planInvitationsEnd(p, tail); err != nil {
		return err
	}
	for _, n := range p.numbers {
		if err := u.planHandover(p, n, tail, after.GraceUntil); err != nil {
			return err
		}
	}
	for _, g := range p.groups {
		u.addFor(p, workspace.Change{Kind: workspace.GroupLeave, Subject: groupRef(g), Member: m.ID,
			Before: workspace.GroupMembership{Group: g.ID, Member: m.ID}, Cause: tail})
	}
	return nil
}

// containable puts containment on the plan: it is applied only if the
// deactivation is denied.
func (u *unit) containable(p *person, c workspace.Change) {
	if p.member.Contained {
		return
	}
	u.add(planned{Change: c, subject: p.key, person: p.key, fallback: true})
}

// snap remembers what the leaver held (LT3), and drops the supporters of what
// they lose.
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
			if row.Kind != string(mapping.GrantMember) {
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
	sent, err := u.tx.PendingBy(p.member.ID)
	for _, inv := range sent {
		inv.Held = true
		inv.Version++
		u.always(p, func(tx *store.Tx) error { return tx.PutInvitation(inv) })
	}
	return err
}

// planRevoke revokes an invitation; the numbers in it return without
// quarantine.
func (u *unit) planRevoke(p *person, inv workspace.Invitation, c workspace.Cause) error {
	u.view.Invitations[inv.ID] = &inv
	after := inv
	after.State, after.TokenHash = workspace.InvitationRevoked, ""
	u.addFor(p, workspace.Change{Kind: workspace.InvitationRevoke, Subject: workspace.Ref{Type: "invitation", ID: inv.ID, Label: inv.Email},
		Before: inv, After: after, Cause: c})
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
