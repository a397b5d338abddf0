package workspace

import "strings"

// judge holds what the verdict on a single change needs. It judges layer one
// (matrix and scope rules) and what policy says of one change alone; the
// state after the whole plan is judged by trial.
type judge struct {
	p      *Proposal
	policy *Policy
	view   *View // before the plan
	frozen *Window
	looked bool // frozen has been looked up
}

// now returns the record of the member that a change is about: the view's,
// else the change's own Before; nil if there is none.
func (j *judge) now(c *Change) *Member {
	if c.Subject.Type == "member" {
		if m := j.view.Members[c.Subject.ID]; m != nil {
			return m
		}
	}
	if m, ok := c.Before.(Member); ok {
		if known := j.view.Members[m.ID]; known != nil {
			return known
		}
		return &m
	}
	return nil
}

// authority is the effective authority behind a change: that of the actor,
// lowered to the owner of the mapping row (RO3), or the inviter's.
func (j *judge) authority(c *Change) authority {
	a := authority{role: j.p.Actor.Role, person: j.p.Actor.Person()}
	if j.p.Actor.Kind == ActorSystem {
		a.role = RoleOwner
	}
	if a.person {
		a.member = j.p.Actor.ID
	}
	switch c.Cause.Kind {
	case CauseInvite:
		if i := j.invitation(c); i != nil {
			a = authority{member: i.Inviter, person: true, via: viaInviter}
			if m := j.view.Members[i.Inviter]; m.Usable() {
				a.role = m.Role
			}
		}
	case CauseRule:
		// A row whose owner is lost holds instead (RO4): denying would turn
		// its reductions away too.
		if c.Cause.RuleRole != RoleNone && !c.Cause.RuleOwnerLost && c.Cause.RuleRole < a.role {
			a.role, a.via = c.Cause.RuleRole, viaRule
		}
	}
	return a
}

// invitation finds the invitation that brings a change about.
func (j *judge) invitation(c *Change) *Invitation {
	if i := j.view.Invitations[c.Cause.Invitation]; i != nil {
		return i
	}
	if i, ok := c.Before.(Invitation); ok {
		if known := j.view.Invitations[i.ID]; known != nil {
			return known
		}
		return &i
	}
	key := ""
	if m, ok := c.After.(Member); ok {
		key = m.EmailKey
	} else if m := j.view.Members[c.Member]; m != nil {
		key = m.EmailKey
	}
	var found *Invitation
	for _, i := range j.view.Invitations {
		if i.EmailKey == key && key != "" && (found == nil || i.ID > found.ID) {
			found = i
		}
	}
	return found
}

// one gives the verdict on one change, not looking at the rest of the plan.
func (j *judge) one(c *Change, d *Decision) {
	d.Change, d.Verdict = *c, Allow
	now := j.now(c)
	a := j.authority(c)
	if j.channel(c, d) || j.untouchable(c, d) || j.ownRole(c, now, d) || j.returns(c, a, d) ||
		j.edge(c, now, a, d) || j.evidence(c, d) || j.kept(c, d) || j.protects(c, d) || j.buying(c, d) || j.base(c, now, a, d) {
		return
	}
	j.holds(c, now, a, d)
	if d.Verdict == Hold {
		j.approve(c, now, d)
	}
}

// deny writes a denial and returns true, so that checks read as a chain.
func (d *Decision) deny(row Permission, rule, reason, remedy string) bool {
	d.Verdict, d.Row, d.Rule, d.Reason, d.Remedy = Deny, row, rule, reason, remedy
	return true
}

// channel is CHANNEL: no removal from a mobile device (R23).
func (j *judge) channel(c *Change, d *Decision) bool {
	if j.p.Actor.Channel != ChannelMobile || (c.Kind != MemberDeactivate && c.Kind != MemberRemove) {
		return false
	}
	return d.deny(MemberRemoving, ScopeChannel,
		"Members are removed on web or desktop only, not from a mobile device (row M05 'Remove team members'); "+j.actor()+".",
		"Remove "+j.label(c)+" on web or desktop.")
}

// untouchable is O5: no source touches a break-glass Owner. Numbers that a
// leaver's handover brings are no change of the Owner and pass.
func (j *judge) untouchable(c *Change, d *Decision) bool {
	if j.p.Actor.Person() {
		return false
	}
	id := c.Member
	if c.Subject.Type == "member" {
		id = c.Subject.ID
	}
	m := j.view.Members[id]
	if m == nil || !j.policy.breakGlass(m) {
		return false
	}
	if c.Cause.Leaver != "" && c.Cause.Leaver != id && c.Direction() == Expansion || c.Cause.Kind == CauseSequence {
		return false
	}
	return d.deny(OwnerChange, RuleBreakGlass,
		labelMember(m)+" is a break-glass Owner, whom no source may touch (row M13 'Add/remove other owners'); "+j.actor()+".",
		"An Owner makes this change by hand, or takes "+labelMember(m)+" off policy.break_glass.")
}

// ownRole is I7 and SELF: nobody changes their own role, no connection
// raises its sponsor's.
func (j *judge) ownRole(c *Change, now *Member, d *Decision) bool {
	if c.Kind != MemberRole && c.Kind != MemberReactivate || now == nil {
		return false
	}
	to := RoleNone
	if m, ok := c.After.(Member); ok {
		to = m.Role
	}
	actor := &j.p.Actor
	switch {
	case actor.Person() && actor.ID == now.ID && to > now.Role:
		return d.deny(MemberRoles, "I7", "Nobody raises their own role (row M06 'Update member roles'); "+j.actor()+".",
			"Another Admin or Owner changes the role of "+labelMember(now)+".")
	case actor.Person() && actor.ID == now.ID && to != now.Role:
		return d.deny(MemberRoles, ScopeSelf, "Nobody changes their own role (row M06 'Update member roles'); "+j.actor()+".",
			"Another Admin or Owner changes the role of "+labelMember(now)+"; a primary Owner transfers ownership.")
	case actor.Kind == ActorConnection && actor.Sponsor == now.ID && to > now.Role:
		return d.deny(MemberRoles, "I7", "No connection raises its sponsor's role (row M06 'Update member roles'); "+j.actor()+".",
			"An Admin or Owner other than "+labelMember(now)+" changes this role by hand.")
	}
	return false
}

// edge is OWNER-EDGE with O1 and O2: whatever makes or touches an Owner is
// M13; a connection may at most end one.
func (j *judge) edge(c *Change, now *Member, a authority, d *Decision) bool {
	if c.Kind == OwnerTransfer {
		return j.transfer(c, a, d)
	}
	if c.Kind == MemberContain {
		return j.contain(now, a, d)
	}
	if c.Kind == MemberRelease && j.p.Actor.Kind == ActorConnection && now != nil && now.Contained && now.ContainedCause == j.p.Actor.ID {
		// Whose "no" contained the Owner may take it back (CO4).
		d.Row, d.Rule, d.Reason = OwnerChange, ruleContained, "The directory that contained "+labelMember(now)+" states them enabled again."
		return false
	}
	makes := makesOwner(c, now)
	if !makes && !touchesOwner(c, now) {
		return false
	}
	d.Row, d.Rule = OwnerChange, ScopeOwnerEdge
	if !j.policy.can(a.role, OwnerChange) {
		return j.missing(c, a, OwnerChange, d)
	}
	if a.person {
		return false
	}
	switch {
	case makes:
		return d.deny(OwnerChange, ScopeOwnerEdge, "Row M13 'Add/remove other owners': no connection makes an Owner (O1); "+j.actor()+".",
			"An Owner makes "+j.label(c)+" an Owner by hand.")
	case c.Kind == MemberRole || c.Kind == MemberReactivate:
		return d.deny(OwnerChange, ScopeOwnerEdge,
			"Row M13 'Add/remove other owners': no connection changes the role of an Owner ("+RuleOwnersStay+"); "+j.actor()+".",
			"An Owner changes the role of "+j.label(c)+" by hand.")
	}
	return false
}

// ruleContained is the rule of containment and of its end.
const ruleContained = "O3"

// contain allows O3: a directory's "no" blocks an Owner without taking them.
// Among people only Owners block an Owner.
func (j *judge) contain(now *Member, a authority, d *Decision) bool {
	row := MemberRemoving
	if now != nil && now.Role == RoleOwner {
		row = OwnerChange
	}
	d.Row, d.Rule = row, ruleContained
	if a.person && !j.policy.can(a.role, row) {
		return j.missing(&d.Change, a, row, d)
	}
	d.Reason = "Access ends, role and numbers stay (containment)."
	return false
}

// transfer is O6, and O4 inside a leaver's plan: ownership moves from the
// primary to an active member, asked by the primary; a contained primary's
// flag may be taken by another Owner (CO3).
func (j *judge) transfer(c *Change, a authority, d *Decision) bool {
	from, _ := c.Before.(Member)
	to, _ := c.After.(Member)
	d.Row, d.Rule = OwnerChange, RuleTransfer
	if known := j.view.Members[from.ID]; known != nil {
		from = *known
	}
	if !j.policy.can(a.role, OwnerChange) {
		return j.missing(c, a, OwnerChange, d)
	}
	next := j.view.Members[to.ID]
	switch {
	case !a.person && (c.Cause.Kind != CauseLeaver || c.Cause.Leaver != from.ID):
		return d.deny(OwnerChange, ScopeOwnerEdge,
			"Row M13 'Add/remove other owners': a connection moves ownership only when the primary Owner leaves (O4); "+j.actor()+".",
			"The primary Owner transfers ownership by hand.")
	case a.person && j.p.Actor.ID != from.ID && !from.Contained:
		return d.deny(OwnerChange, RuleTransfer,
			"Only the primary Owner transfers ownership (R31, row M13 'Add/remove other owners'); "+j.actor()+".",
			"Ask "+labelMember(&from)+", the primary Owner.")
	case !from.Primary || from.ID == to.ID:
		return d.deny(OwnerChange, RuleTransfer,
			"Ownership moves from the primary Owner to somebody else (row M13 'Add/remove other owners'); "+j.actor()+".",
			"Name the present primary Owner and another active member.")
	case !next.Usable():
		return d.deny(OwnerChange, RuleTransfer,
			"Ownership goes to an active member only (row M13 'Add/remove other owners'); "+j.labelOf(to.ID)+" is not one; "+j.actor()+".",
			"Choose an active member, or restore "+j.labelOf(to.ID)+" first.")
	}
	return false
}

// base asks the row or scope rule of an ordinary change.
func (j *judge) base(c *Change, now *Member, a authority, d *Decision) bool {
	if d.Row != "" && c.Kind != MemberCreate { // an Owner edge has spoken; newcomers need M04 too
		return j.given(a, d)
	}
	switch {
	case c.Cause.Kind == CauseSequence && c.Direction() == Neutral:
		d.Reason = "Kept in order beside another change."
		return false
	case c.Cause.Tail && c.Direction() != Expansion:
		return j.need(c, a, MemberRemoving, "", d)
	}
	switch c.Kind {
	case MemberCreate:
		return j.joins(c, a, d)
	case MemberUpdate:
		return j.profile(c, now, a, d)
	case MemberLink:
		if a.person {
			return j.need(c, a, IntegrationConfigure, "", d)
		}
		return j.need(c, a, MemberInvite, "", d)
	case MemberRole:
		return j.need(c, a, MemberRoles, "", d)
	case MemberDeactivate, MemberRemove:
		return j.need(c, a, MemberRemoving, "", d)
	case MemberReactivate:
		// A return with more than Member is a role change come at once.
		if row := grantRow(raisedRole(c, now)); row != "" && !j.policy.can(a.role, row) {
			return j.missing(c, a, row, d)
		}
		return j.need(c, a, MemberRemoving, "", d)
	case MemberRelease:
		if a.person && now != nil && now.Role == RoleOwner {
			return j.need(c, a, OwnerChange, ScopeOwnerEdge, d)
		}
		return j.need(c, a, MemberRemoving, "", d)
	case MemberSessions:
		return j.sessions(c, now, a, d)
	case NumberCreate, NumberBuy:
		return j.need(c, a, NumberAdd, "", d)
	case NumberUpdate, NumberAssign, NumberUnassign, NumberAccess, NumberOwner, NumberRing, NumberReserve, NumberReleased:
		if a.ownsNumber(j.view.Numbers[numberID(c)]) && !j.policy.can(a.role, NumberSettings) {
			d.Row, d.Rule, d.Reason = NumberSettings, ScopeNumberOwner, "Number owner."
			return false
		}
		return j.need(c, a, NumberSettings, "", d)
	case GroupCreate:
		return j.need(c, a, GroupCreating, "", d)
	case GroupUpdate, GroupDelete, GroupJoin, GroupLeave:
		return j.need(c, a, GroupCreating, ScopeGroupEdit, d)
	case InvitationSend, InvitationAccept:
		i, _ := coalesce(c).(Invitation)
		// Who sends another's invitation again takes it over: that ends the other's, as revoking does.
		if sent, again := c.Before.(Invitation); again && c.Kind == InvitationSend && a.member != "" && sent.Inviter != a.member &&
			j.need(c, a, MemberRemoving, "", d) {
			return true
		}
		return j.invites(c, a, i.Role, i.Numbers, d)
	case InvitationRevoke:
		if i, ok := coalesce(c).(Invitation); ok && a.member != "" && i.Inviter == a.member {
			return j.need(c, a, MemberInvite, "", d)
		}
		return j.need(c, a, MemberRemoving, "", d)
	case DomainClaimed, DomainVerify, DomainLapse, DomainRenew, DomainContest, DomainRelease:
		if a.role < RoleAdmin {
			return d.deny("", ScopeDomainClaim, "Mail domains are claimed by Owners and Admins; "+j.words(c, a)+".",
				"An Admin or Owner claims the domain.")
		}
		d.Rule, d.Reason = ScopeDomainClaim, "Owners and Admins claim mail domains."
		return false
	}
	return d.deny("", "M00", "No row of the role matrix speaks of "+string(c.Kind)+"; "+j.words(c, a)+".",
		"Make this change in the product itself.")
}

// profile judges a change of what a profile says, the end of access included.
func (j *judge) profile(c *Change, now *Member, a authority, d *Decision) bool {
	after, ok := c.After.(Member)
	moves := ok && now != nil && after.AccessEnd != now.AccessEnd
	if a.member != "" && now != nil && now.ID == a.member {
		if moves {
			return d.deny("", ScopeSelf, "Nobody moves the end of their own access; "+j.words(c, a)+".", "Another Admin or Owner does.")
		}
		d.Rule, d.Reason = ScopeSelf, "Everybody edits their own profile."
		return false
	}
	if a.role < RoleAdmin {
		return d.deny("", ScopeSelf, "A profile is edited by its owner, an Admin or an Owner; "+j.words(c, a)+".",
			j.label(c)+" edits this, or an Admin or Owner does.")
	}
	switch { // to set the end of somebody's access is to end it, later
	case a.person && moves && now.Role == RoleOwner:
		return j.need(c, a, OwnerChange, ScopeOwnerEdge, d)
	case a.person && moves:
		return j.need(c, a, MemberRemoving, "", d)
	}
	d.Rule, d.Reason = ScopeSelf, "Admins and Owners edit profiles."
	return false
}

// sessions judges the end of somebody's sessions.
func (j *judge) sessions(c *Change, now *Member, a authority, d *Decision) bool {
	switch {
	case a.member != "" && now != nil && now.ID == a.member:
		d.Rule, d.Reason = ScopeSelf, "Everybody ends their own sessions."
		return false
	case a.person && now != nil && now.Role == RoleOwner:
		return j.need(c, a, OwnerChange, ScopeOwnerEdge, d)
	}
	return j.need(c, a, MemberRemoving, "", d)
}

// joins judges the making of a member: by a directory, an invitation or a
// claimed domain.
func (j *judge) joins(c *Change, a authority, d *Decision) bool {
	m, _ := c.After.(Member)
	if known := j.view.Members[m.ID]; known != nil && known.State != StateRemoved {
		return d.deny(MemberInvite, "I6", labelMember(known)+" is a member already (row M04 'Invite team members'); "+j.actor()+".",
			"Change the member that exists.")
	}
	if c.Cause.Kind != CauseJoin {
		return j.invites(c, a, m.Role, nil, d)
	}
	domain := m.EmailKey[strings.LastIndexByte(m.EmailKey, '@')+1:]
	if m.Role > RoleMember {
		return d.deny(MemberInvite, "I10", "Who joins by domain becomes Member, never "+m.Role.Title()+" (row M04 'Invite team members'); "+j.actor()+".",
			"Join as Member; an Admin or Owner raises the role afterwards.")
	}
	claim := j.view.Covering(domain)
	if !claim.Open() {
		return d.deny(MemberInvite, ScopeDomainClaim, "Domain "+domain+" is not claimed and verified here, so nobody joins by it (row M04 'Invite team members'); "+j.actor()+".",
			"An Admin or Owner claims and verifies "+domain+", or invites "+j.label(c)+".")
	}
	d.Rule, d.Reason = ScopeDomainClaim, "The domain "+claim.Domain+" is claimed and verified."
	return false
}

// invites is INVITE-GRANT. On acceptance what the inviter may no longer give
// holds; it was given once, so it is not wrong in itself.
func (j *judge) invites(c *Change, a authority, role Role, numbers []string, d *Decision) bool {
	row := MemberInvite
	if j.policy.can(a.role, MemberInvite) {
		row = grantRow(role)
		if row == OwnerChange && !j.policy.can(a.role, MemberRoles) {
			row = MemberRoles
		}
	}
	if row != "" && (!j.policy.can(a.role, row) || row == OwnerChange && !a.person) {
		return j.inviteRefused(c, a, row, role, d)
	}
	if !j.policy.can(a.role, NumberSettings) {
		for _, id := range numbers {
			if n := j.view.Numbers[id]; !a.ownsNumber(n) {
				name := id
				if n != nil {
					name = n.E164
				}
				return d.deny(NumberSettings, ScopeInvite, "A Member gives only numbers they own, and "+name+" is not theirs (row M08 'Update phone number settings'); "+j.words(c, a)+".",
					"Invite without "+name+", or ask an owner of the number.")
			}
		}
	}
	d.Row = MemberInvite
	if row != "" {
		d.Row, d.Rule = row, ScopeInvite
	}
	return j.given(a, d)
}

func (j *judge) inviteRefused(c *Change, a authority, row Permission, role Role, d *Decision) bool {
	if a.via == viaInviter {
		d.Row = row
		j.hold(d, ScopeInvite, "The inviter may no longer give "+role.Title()+" (row "+row.quoted()+"); "+j.words(c, a)+".", "approves", true)
		j.approve(c, nil, d)
		return true
	}
	if row == MemberInvite {
		return j.missing(c, a, row, d)
	}
	if !a.person && row == OwnerChange {
		return j.missing(c, a, row, d)
	}
	return d.deny(row, ScopeInvite,
		"Inviting as "+role.Title()+" is a role change, row "+row.quoted()+", not given to "+a.role.Title()+"; "+j.words(c, a)+".",
		"Invite as Member; "+lower(j.who(row))+" raises the role afterwards.")
}
