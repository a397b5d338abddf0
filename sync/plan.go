package sync

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Who supports a grant, besides "rule ID".
const (
	byManual     = "manual"
	byInvitation = "invitation"
	byDomain     = "domain"
	bySource     = "source" // the directory states the person as active
	byHandover   = "handover "
)

// byRule is the supporter's name of a mapping row.
func byRule(row string) string { return "rule " + row }

// planPerson compares what the person should be with what they are, and puts
// the difference on the plan.
func (u *unit) planPerson(p *person) error {
	if p.member != nil && p.member.BreakGlass {
		return nil // O5: no source touches a break-glass Owner.
	}
	if err := u.evaluate(p); err != nil {
		return err
	}
	if p.want.Excluded {
		u.excluded++
		return nil
	}
	if p.member == nil {
		if p.want.Active == mapping.False {
			return u.planDisabled(p)
		}
		if p.deleted || p.want.Active != mapping.True || p.want.Member != mapping.True {
			return nil
		}
		return u.planNewcomer(p)
	}
	switch {
	case u.leaving(p) && u.b.Kind == RunSignin:
		u.unproved = true // AB3: never from a token's claims
		return nil
	case u.leaving(p):
		if p.member.TailHeld {
			return u.planHeldTail(p)
		}
		if p.member.State != workspace.StateActive {
			return nil
		}
		return u.planLeaver(p, u.leaverCause(p))
	case p.member.State != workspace.StateActive:
		if p.deleted || p.want.Active != mapping.True || p.want.Member != mapping.True {
			return nil // that a record has gone brings nobody back
		}
		return u.planReturn(p)
	default:
		return u.planStay(p)
	}
}

// leaving reports whether the directory says that the person goes: an
// explicit no, which a deletion is whatever other directories said before it
// (MM3), the last record gone, or no longer eligible. What is unknown ends
// nothing (I14), and who is merely absent from one directory may be in another.
func (u *unit) leaving(p *person) bool {
	if p.want.Active == mapping.False || p.deleted && len(p.live) == 0 {
		return true
	}
	if p.deleted && p.obs != nil && p.obs.Class != workspace.EvidenceE2 && u.s.rules.MayEnd(p.trigger.Connection) {
		return true
	}
	return len(p.live) > 0 && p.want.Active == mapping.True && p.want.Member == mapping.False
}

// cause is the common part of every cause of this person's changes.
func (u *unit) cause(p *person, kind workspace.CauseKind) workspace.Cause {
	return workspace.Cause{
		Kind: kind, Identity: p.trigger.ID, Connection: u.conn.ID, ExternalID: p.trigger.ExternalID,
		ObservedAt: p.trigger.ObservedAt, Protected: p.want.Protected || u.protectedGroup(p), Direct: kind == workspace.CauseRequest,
	}
}

// protectedGroup reports whether the policy protects a group the person is in.
func (u *unit) protectedGroup(p *person) bool {
	for _, name := range u.s.policy.Protect.Groups {
		key := foldKey(name)
		for i := range p.groups {
			if p.groups[i].NameKey == key {
				return true
			}
		}
	}
	return false
}

// ruleCause is the cause of a change that a mapping row wants.
func (u *unit) ruleCause(p *person, row, owner, source string, direct bool) (workspace.Cause, error) {
	a, err := u.author(owner)
	if err != nil {
		return workspace.Cause{}, err
	}
	c := u.cause(p, workspace.CauseRule)
	c.Rule, c.RuleOwner, c.RuleRole, c.RuleOwnerLost = row, a.id, a.role, a.lost
	c.Source, c.Support = source, byRule(row)
	c.Direct = direct && p.obs != nil && p.obs.Wishes.Direct
	return c, nil
}

// memberRef names a member in reports.
func memberRef(m workspace.Member) workspace.Ref {
	return workspace.Ref{Type: "member", ID: m.ID, Label: m.Email}
}

// planNewcomer links a person with an existing member, or makes one.
func (u *unit) planNewcomer(p *person) error {
	found, err := u.memberByEmail(emailKey(p.want.Email))
	if err != nil {
		return err
	}
	if found != nil {
		return u.planLink(p, found)
	}
	recycled, err := u.recycled(p)
	if err != nil {
		return err
	}
	if !recycled || u.approver != nil {
		return u.planCreate(p, recycled)
	}
	m := workspace.Member{ID: newID(), Name: p.newName(), Email: p.want.Email, EmailKey: emailKey(p.want.Email), Role: workspace.RoleMember, State: workspace.StateActive}
	u.add(planned{
		Change:  workspace.Change{Kind: workspace.MemberCreate, Subject: memberRef(m), Member: m.ID, After: m, Cause: u.cause(p, workspace.CauseRequest)},
		subject: p.key, person: p.key, refuse: &Refusal{
			Verdict: workspace.Hold, Rule: "I9", Kind: RefusedConflict,
			Reason: fmt.Sprintf("%s was the address of somebody whose access was ended, and this is another immutable id", m.Email),
			Remedy: "confirm that this is another person: they inherit nothing",
		},
	})
	return nil
}

// newName is the name of a new member, who needs one whatever the directory
// states.
func (p *person) newName() string { return cmp.Or(p.want.Name, p.trigger.UserName) }

// planCreate makes a member of a person. Separated tells that a person has
// confirmed that they are somebody else than the leaver with their address.
func (u *unit) planCreate(p *person, separated bool) error {
	if p.want.Email == "" {
		u.notices = append(u.notices, p.trigger.UserName+": no e-mail address, so no member can be made")
		return nil
	}
	role := p.newRole()
	m := workspace.Member{
		ID: newID(), Name: p.newName(), Email: p.want.Email, EmailKey: emailKey(p.want.Email),
		Role: workspace.RoleMember, RoleSource: byRule(role.Row), State: workspace.StateActive, Epoch: 1, Version: 1,
		Reason: p.want.Reason, JoinedAt: u.now, AccessEnd: p.want.End,
	}
	cause := u.cause(p, workspace.CauseRequest)
	cause.Direct = p.obs != nil
	cause.Rule, cause.Support, cause.ReasonClass = p.want.MemberBy, bySource, "new_hire"
	var err error
	if cause.Tombstone, cause.Rehire, err = u.tombstone(p, emailKey(p.want.Email)); err != nil {
		return err
	}
	cause.Rehire = cause.Rehire || separated
	p.member = &m
	u.knowsRecords(m.ID, []workspace.Identity{p.trigger})
	_, ends := u.endOf(p)
	u.addFor(p, workspace.Change{Kind: workspace.MemberCreate, Subject: memberRef(m), Member: m.ID, After: m, Cause: cause},
		u.linkEffect(p.trigger.ID, m.ID), u.support(p, mapping.GrantMember, "", bySource, "", p.trigger.Connection),
		func(tx *store.Tx) error { return inOrder(tx, ends) })
	if err := u.consumeInvitation(p); err != nil {
		return err
	}
	return u.planGrants(p)
}

// newRole is the last wanted role that needs nobody's consent to begin with:
// a newcomer starts as Member, and more is a change of its own.
func (p *person) newRole() mapping.WantRole {
	if n := len(p.want.Roles); n > 0 {
		return p.want.Roles[n-1]
	}
	return mapping.WantRole{Role: workspace.RoleMember, Row: "default"}
}

// addFor puts a person's change on the plan.
func (u *unit) addFor(p *person, c workspace.Change, then ...effect) {
	u.add(planned{Change: c, subject: p.key, person: p.key, then: then})
}

// linkEffect links an identity with its member.
func (u *unit) linkEffect(identity, member string) effect {
	return func(tx *store.Tx) error {
		if i, ok := u.records[identity]; ok {
			i.Member = member
			u.records[identity] = i
		}
		u.restates("identity:" + identity)
		return tx.LinkIdentity(identity, member)
	}
}

// support writes a supporter of one of the person's grants.
func (u *unit) support(p *person, kind mapping.GrantKind, object, by, value, connection string) effect {
	row := store.SupportRow{
		Member: p.member.ID, Kind: string(kind), Object: object, By: by, Value: value, Connection: connection,
		Run: u.run, Since: u.now, Confirmed: u.now,
	}
	return func(tx *store.Tx) error {
		u.restatesSupport(&row)
		return tx.PutSupport(row)
	}
}

// unsupport removes a supporter.
func (u *unit) unsupport(p *person, s store.SupportRow) effect {
	return func(tx *store.Tx) error {
		u.restatesSupport(&s)
		return tx.DeleteSupport(s.Member, s.Kind, s.Object, s.By)
	}
}

// planLink links a person with the member who has their address, if that is
// safe (SX03): else it waits for a person, and the request is a conflict.
func (u *unit) planLink(p *person, m *workspace.Member) error {
	why, remedy, err := u.unlinkable(p, m)
	if err != nil {
		return err
	}
	cause := u.cause(p, workspace.CauseRequest)
	cause.Direct = p.obs != nil
	change := workspace.Change{
		Kind: workspace.MemberLink, Subject: memberRef(*m), Member: m.ID,
		Before: *m, After: *m, Cause: cause,
	}
	agreed := u.approver != nil && (m.Role != workspace.RoleOwner || u.approver.Role == workspace.RoleOwner)
	switch {
	case m.State != workspace.StateActive && agreed:
		return u.planSeparate(p, m)
	case m.State == workspace.StateActive && (why == "" || agreed):
		if err := u.loadMember(p, m.ID); err != nil {
			return err
		}
		u.addFor(p, change, u.linkEffect(p.trigger.ID, m.ID), u.support(p, mapping.GrantMember, "", bySource, "", p.trigger.Connection))
		p.live = append(p.live, p.trigger)
		p.member = m
		// What the rows want was asked of this record alone; the others that the
		// member has want more.
		if err := u.evaluate(p); err != nil || p.want.Excluded {
			return err
		}
		return u.planStay(p)
	}
	u.add(planned{Change: change, subject: p.key, person: p.key, refuse: &Refusal{
		Verdict: workspace.Hold, Rule: "I6", Kind: RefusedConflict,
		Reason: fmt.Sprintf("%s is a member this connection may not take over: %s", m.Email, why),
		Remedy: remedy,
	}})
	return nil
}

// planSeparate makes a new member of somebody who was given a leaver's old
// address, after a person has confirmed it. The leaver is removed for good,
// and the newcomer inherits nothing (leavers-and-events section 7).
func (u *unit) planSeparate(p *person, gone *workspace.Member) error {
	old := &person{key: p.key}
	if err := u.loadMember(old, gone.ID); err != nil {
		return err
	}
	after := *gone
	after.State, after.GraceUntil, after.TailHeld = workspace.StateRemoved, 0, false
	c := u.cause(p, workspace.CauseRequest)
	c.Class, c.Why, c.ReasonClass = workspace.EvidenceE1, "separated", "offboarding"
	u.addFor(p, workspace.Change{Kind: workspace.MemberRemove, Subject: memberRef(*gone), Member: gone.ID, Before: *gone, After: after, Cause: c},
		func(tx *store.Tx) error { return tx.DeleteSnapshot(gone.ID) })
	if gone.TailHeld { // whoever is removed holds nothing
		if err := u.planTail(old, tailCause(c, gone.ID), 0, nil); err != nil {
			return err
		}
	}
	for _, n := range old.numbers {
		if err := u.planReleased(old, n, c); err != nil {
			return err
		}
	}
	return u.planCreate(p, true)
}

// unlinkable tells why an identity may not be linked with a member whose
// address it states, and what to do about it; "" if it may. Two records of one
// connection come first: a verified domain would not join them (LM9).
func (u *unit) unlinkable(p *person, m *workspace.Member) (why, remedy string, err error) {
	if m.State != workspace.StateActive {
		return "access was ended and this is another immutable id", "confirm that this is another person: they inherit nothing", nil
	}
	if m.Role == workspace.RoleOwner || m.BreakGlass {
		return "Owners are linked by an Owner's approval", "an Owner approves the plan", nil
	}
	others, err := u.tx.IdentitiesOf(m.ID, false)
	if err != nil {
		return "", "", err
	}
	for _, o := range others {
		if o.Connection == p.trigger.Connection {
			return "the member is linked with another record of this connection, " + o.UserName,
				"give " + p.trigger.UserName + " an address of its own in the directory, or approve if both records are one person", nil
		}
	}
	domains, err := u.claimed()
	if err != nil {
		return "", "", err
	}
	if domain := domainOf(p.want.Email); !domains[domain] {
		return "the domain " + domain + " is not verified here", "verify the domain, or approve if they are one person", nil
	}
	why, _, err = u.tombstone(p, m.EmailKey)
	return why, "approve if they are one person", err
}

// consumeInvitation accepts the pending invitation of a person whom a
// directory has made a member: the role is the mapping's.
func (u *unit) consumeInvitation(p *person) error {
	inv, err := u.tx.PendingInvitation(p.member.EmailKey)
	if errors.Is(err, workspace.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	u.view.Invitations[inv.ID] = &inv
	after := inv
	after.State, after.TokenHash = workspace.InvitationAccepted, ""
	c := u.cause(p, workspace.CauseInvite)
	u.addFor(p, workspace.Change{
		Kind: workspace.InvitationAccept, Subject: workspace.Ref{Type: "invitation", ID: inv.ID, Label: inv.Email},
		Member: p.member.ID, Before: inv, After: after, Cause: c,
	})
	numbers, err := u.tx.NumbersTo(workspace.ToInvitation, inv.ID)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		u.releaseInvited(p, u.keep(n), inv.ID, c)
	}
	return nil
}

// releaseInvited frees a number from an invitation, so that the rows (strategy
// invitation) or the accepted invitation can give it.
func (u *unit) releaseInvited(p *person, n *workspace.Number, invitation string, c workspace.Cause) {
	c.Tail = false
	for _, a := range n.Assignments {
		if a.Kind == workspace.ToInvitation && a.To == invitation {
			u.addFor(p, workspace.Change{Kind: workspace.NumberUnassign, Subject: numberRef(n), Member: p.member.ID, Before: a, Cause: c})
		}
	}
	for _, r := range n.Reservations {
		if r.Kind == workspace.ToInvitation && r.For == invitation {
			u.addFor(p, workspace.Change{Kind: workspace.NumberReleased, Subject: numberRef(n), Member: p.member.ID, Before: r, Cause: c})
		}
	}
}

// numberRef names a number in reports.
func numberRef(n *workspace.Number) workspace.Ref {
	return workspace.Ref{Type: "number", ID: n.ID, Label: n.E164}
}

// planStay brings an active member's profile and grants up to date.
func (u *unit) planStay(p *person) error {
	if p.member.Contained && p.want.Active == mapping.True {
		after := *p.member
		after.Contained, after.ContainedSince, after.ContainedCause = false, 0, ""
		after.Epoch++
		u.addFor(p, workspace.Change{
			Kind: workspace.MemberRelease, Subject: memberRef(*p.member), Member: p.member.ID,
			Before: *p.member, After: after, Cause: u.cause(p, workspace.CauseRequest),
		})
	}
	if p.want.Active == mapping.True {
		if err := u.planProfile(p); err != nil {
			return err
		}
	}
	return u.planGrants(p)
}

// planProfile updates name, address, end of access and reason.
func (u *unit) planProfile(p *person) error {
	m := *p.member
	switch {
	case p.want.Name != "":
		m.Name = p.want.Name
	case p.obs != nil && p.obs.Before != nil && m.Name == p.obs.Before.UserName:
		m.Name = p.trigger.UserName // It has stood in for a name from the beginning.
	}
	end, ends := u.endOf(p)
	m.AccessEnd = end
	for _, e := range ends {
		u.always(p, e)
	}
	if p.want.Reason != "" {
		m.Reason = p.want.Reason
	}
	if emailKey(p.want.Email) == m.EmailKey {
		m.Email = p.want.Email // perhaps another spelling of the same address
	}
	if m != *p.member {
		u.addFor(p, workspace.Change{
			Kind: workspace.MemberUpdate, Subject: memberRef(*p.member), Member: m.ID,
			Before: *p.member, After: m, Cause: u.cause(p, workspace.CauseRequest),
		})
	}
	return u.planAddress(p, m)
}

// planAddress changes a member's address (VW12). An Owner's and one onto a
// domain that nobody has verified, for a member with several directories,
// wait for a person; somebody else's address stays theirs.
func (u *unit) planAddress(p *person, now workspace.Member) error {
	key := emailKey(p.want.Email)
	if key == "" || key == now.EmailKey {
		return nil
	}
	holder, err := u.memberByEmail(key)
	if err != nil {
		return err
	}
	domains, err := u.claimed()
	if err != nil {
		return err
	}
	after := now
	after.Email, after.EmailKey = p.want.Email, key
	cause := u.cause(p, workspace.CauseRequest)
	cause.Direct = false // the record keeps what the directory said; the member's address may wait
	change := planned{
		Change:  workspace.Change{Kind: workspace.MemberUpdate, Subject: memberRef(now), Member: now.ID, Before: now, After: after, Cause: cause},
		subject: p.key, person: p.key,
	}
	alone := len(p.live) == 1 && p.live[0].Connection == u.conn.ID && p.supportedBy(bySource, u.conn.ID)
	switch {
	case holder != nil && !u.givesUp(holder):
		change.ruling = &workspace.Decision{
			Verdict: workspace.Deny, Rule: "I6",
			Reason: fmt.Sprintf("%s is the address of another member, so %s keeps the old one.", p.want.Email, now.Email),
			Remedy: "correct the address in the directory, or change the other member's first",
		}
	case !alone && now.Role != workspace.RoleOwner && !domains[domainOf(p.want.Email)]:
		change.ruling = &workspace.Decision{
			Verdict: workspace.Hold, Rule: "DOM-CLAIM", Approvers: workspace.RoleAdmin,
			Reason: fmt.Sprintf("The domain %s is not verified here, so the new address of %s waits.", domainOf(p.want.Email), now.Email),
			Remedy: "verify the domain, or an Admin or Owner approves the plan",
		}
	}
	u.add(change)
	return nil
}

// givesUp reports whether this batch gives a member another address, so that
// the present one is free after it (LM9). Whether it really does is judged on
// the state after the batch (I6).
func (u *unit) givesUp(m *workspace.Member) bool {
	for i := range u.b.Identities {
		o := &u.b.Identities[i]
		if o.Op == OpUpsert && o.Row.Member == m.ID && o.Row.Active && o.Row.EmailKey != "" && o.Row.EmailKey != m.EmailKey {
			return true
		}
	}
	return false
}

// supportedBy reports whether this connection made the person a member.
func (p *person) supportedBy(by, connection string) bool {
	for _, s := range p.supports {
		if s.Kind == string(mapping.GrantMember) && s.By == by && s.Connection == connection {
			return true
		}
	}
	return false
}
