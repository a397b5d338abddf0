package workspace

// returns is I9: a deprovisioned identity comes back only by its directory
// or by an Owner or Admin who says so.
func (j *judge) returns(c *Change, a authority, d *Decision) bool {
	if c.Cause.Tombstone == "" || c.Direction() != Expansion || c.Kind == MemberRole && c.Cause.Rehire {
		return false
	}
	row := MemberInvite
	if c.Kind == MemberReactivate {
		row = MemberRemoving
	}
	if c.Cause.Rehire && (!a.person || a.role >= RoleAdmin) {
		return false
	}
	reason := "Access was ended: " + c.Cause.Tombstone + " (row " + row.quoted() + " does not bring it back); "
	if c.Cause.Rehire {
		reason = "Only an Admin or Owner rehires whose access was ended: " + c.Cause.Tombstone + " (row " + row.quoted() + "); "
	}
	return d.deny(row, "I9", reason+j.words(c, a)+".",
		"The directory that ended "+j.label(c)+" states them enabled again, or an Admin or Owner restores them with a reason.")
}

// evidence is I14: a connection ends access only on an explicit no or on
// proved absence; what it does not state is neither.
func (j *judge) evidence(c *Change, d *Decision) bool {
	if j.p.Actor.Kind != ActorConnection || c.Kind != MemberDeactivate && c.Kind != MemberRemove {
		return false
	}
	switch c.Cause.Class {
	case EvidenceE1, EvidenceE2:
		return false
	}
	class := string(c.Cause.Class)
	if class == "" {
		class = "none"
	}
	return d.deny(MemberRemoving, "I14", "An absent or unclear statement ends nobody's access (evidence "+class+
		", row M05 'Remove team members'); "+j.actor()+".",
		"The directory states "+j.label(c)+" as disabled or deleted, or an Admin or Owner removes them.")
}

// kept refuses what porting and legal hold forbid: new assignments of a
// porting number, porting by a sync (M12), release under a legal hold (NH5).
func (j *judge) kept(c *Change, d *Decision) bool {
	switch c.Kind {
	case NumberAssign, NumberUpdate, NumberReleased, NumberReserve:
	default:
		return false
	}
	n := j.view.Numbers[numberID(c)]
	if n == nil {
		return false
	}
	after, updated := c.After.(Number)
	switch {
	case !updated && c.Kind != NumberReleased && (n.State == NumberPorting || n.State == NumberPortedOut):
		return d.deny(PortManage, RuleKept, n.E164+" is being ported and takes no new assignments (row M12 'Submit/manage port requests'); "+j.actor()+".",
			"Finish or cancel the port, or choose another number.")
	case updated && after.State != n.State && !j.p.Actor.Person() &&
		(after.State == NumberPorting || after.State == NumberPortedOut || n.State == NumberPorting || n.State == NumberPortedOut):
		return d.deny(PortManage, "M12", "Numbers are ported by people, never by a sync (row M12 'Submit/manage port requests'); "+j.actor()+".",
			"An Admin or Owner handles the port of "+n.E164+" by hand.")
	case updated && n.LegalHold && after.LegalHold &&
		(after.State == NumberPortedOut || n.State == NumberQuarantined && after.State == NumberFree):
		return d.deny(NumberSettings, RuleKept, n.E164+" is under a legal hold, which blocks release and the end of its quarantine (row M08 'Update phone number settings'); "+j.actor()+".",
			"An Owner or Admin lifts the legal hold of "+n.E164+" first.")
	}
	return false
}

// protects is policy.protect and the mapping's protection: no sync lowers
// these people or takes their groups or numbers. An explicit no (E1), with
// its tail, still ends access.
func (j *judge) protects(c *Change, d *Decision) bool {
	leaving := c.Kind == MemberDeactivate || c.Kind == MemberRemove || c.Cause.Tail || c.Cause.Kind == CauseLeaver
	if j.p.Actor.Person() || c.Direction() != Reduction || leaving && c.Cause.Class == EvidenceE1 {
		return false
	}
	row := NumberSettings
	switch c.Kind {
	case MemberRole:
		row = MemberRoles
	case MemberDeactivate, MemberRemove:
		if j.p.Actor.Kind == ActorSystem {
			return false // a timer only finishes what evidence or a date began
		}
		row = MemberRemoving
	case GroupLeave:
		row = GroupCreating
	case NumberUnassign, NumberAccess, NumberOwner:
		if c.Cause.Tail && j.p.Actor.Kind == ActorSystem {
			return false
		}
	default:
		return false
	}
	id := c.Member
	if id == "" && c.Subject.Type == "member" {
		id = c.Subject.ID
	}
	m := j.view.Members[id]
	if !c.Cause.Protected && (m == nil || !named(j.policy.Protect.Members, m)) {
		return false
	}
	return d.deny(row, RuleProtect, j.labelOf(id)+" is protected: no sync lowers them or takes what they have (row "+row.quoted()+"); "+j.actor()+".",
		"An Admin or Owner makes this change by hand, or takes "+j.labelOf(id)+" out of protect.")
}

// buying is off until the customer sets a spending limit (R30).
func (j *judge) buying(c *Change, d *Decision) bool {
	if c.Kind != NumberBuy {
		return false
	}
	if _, on := j.policy.Limits.SpendPerMonth.Get(); on {
		return false
	}
	return d.deny(NumberAdd, RuleLimits, "Buying numbers is off in this workspace (row M09 'Add new phone numbers'); "+j.actor()+".",
		"Use a number of the pool, or set policy.limits.spend_per_month.")
}

// hold holds a change, or adds to the ways in which it is held: the first
// rule speaks, the highest approver counts.
func (j *judge) hold(d *Decision, rule, reason, remedy string, ownersOnly bool) {
	least := RoleAdmin
	if d.Row != "" {
		if l := j.policy.least(d.Row); l > least || l == RoleNone {
			least = RoleOwner
		}
	}
	if ownersOnly {
		least = RoleOwner
	}
	d.Approvers = max(d.Approvers, least)
	if d.Verdict == Hold {
		return
	}
	d.Verdict, d.Rule, d.Reason, d.Remedy = Hold, rule, reason, remedy
}

// holds finds what another person must agree to. Reductions never wait here,
// and neither does what follows from somebody leaving.
func (j *judge) holds(c *Change, now *Member, a authority, d *Decision) {
	actor := &j.p.Actor
	if c.Kind == MemberUpdate {
		j.holdOwnerEmail(c, now, d)
	}
	edge := d.Row == OwnerChange && c.Kind != MemberContain && c.Kind != MemberRelease && c.Kind != MemberSessions
	if edge && j.policy.Approves(OpOwnerChange) && (a.person || c.Direction() != Reduction) {
		j.hold(d, RuleApprove, "Changes of Owners need a second person here (row M13 'Add/remove other owners'); "+j.words(c, a)+".",
			"Another Owner approves the plan.", true)
	}
	if c.Direction() != Expansion || c.Cause.Kind == CauseLeaver || c.Cause.Tail {
		return
	}
	// A contained sponsor comes back by the directory that contained them.
	if actor.Kind == ActorConnection && actor.SponsorLost && d.Rule != ruleContained {
		j.hold(d, RuleSponsor, "The sponsor of connection "+actor.name()+" is gone or lowered, so what it grants waits"+inRow(d.Row)+"; "+j.actor()+".",
			"An Owner or Admin with row M11 becomes the sponsor of "+actor.name()+", or "+lower(j.who(IntegrationConfigure))+" approves the plan.", false)
	}
	if c.Cause.RuleOwnerLost {
		j.hold(d, RuleSponsor, "Mapping row "+c.Cause.Rule+" lost its force with its owner "+j.labelOf(c.Cause.RuleOwner)+inRow(d.Row)+"; "+j.actor()+".",
			"Another person with the row's rights takes `owner:` of "+c.Cause.Rule+" over, or an Admin or Owner approves the plan.", false)
	}
	raise := raisedRole(c, now)
	if raise != RoleNone && c.Cause.Kind != CauseInvite { // agreed to when it was sent (C3)
		j.holdRaise(c, raise, a, d)
	}
	if c.Cause.ApproveAlways {
		j.hold(d, RuleApprove, "Mapping row "+c.Cause.Rule+" says `approve: always`"+inRow(d.Row)+"; "+j.words(c, a)+".",
			"An Admin or Owner approves the plan.", false)
	}
	for _, op := range [...]struct {
		kind ChangeKind
		op   string
		what string
	}{
		{NumberBuy, OpNumberBuy, "Buying a number"},
		{DomainClaimed, OpDomainClaim, "Claiming a domain"},
		{MemberCreate, OpSeatBuy, "A further seat"},
		{MemberReactivate, OpSeatBuy, "A further seat"},
	} {
		if op.kind != c.Kind || !j.policy.Approves(op.op) || op.op == OpSeatBuy && now != nil && now.takesSeat() {
			continue
		}
		j.hold(d, RuleApprove, op.what+" needs a second person here ("+op.op+")"+inRow(d.Row)+"; "+j.words(c, a)+".",
			"An Admin or Owner approves the plan.", false)
	}
	j.holdFrozen(c, a, d)
}

func (j *judge) holdRaise(c *Change, to Role, a authority, d *Decision) {
	person := j.p.Actor.Person()
	if !j.policy.raiseNeedsApproval(person) {
		return
	}
	why := "A connection may not raise a role alone"
	if person {
		why = "Raising a role needs a second person here"
	}
	j.hold(d, RuleApprove, why+": "+to.Title()+" for "+j.label(c)+" waits"+inRow(d.Row)+"; "+j.words(c, a)+".",
		j.policy.least(grantRow(to)).orAbove()+" approves the plan.", to == RoleOwner)
}

// holdOwnerEmail holds a new address of an Owner (VW12): whoever holds the
// mailbox signs in.
func (j *judge) holdOwnerEmail(c *Change, now *Member, d *Decision) {
	after, ok := c.After.(Member)
	if !ok || now == nil || now.Role != RoleOwner || now.State != StateActive || after.EmailKey == now.EmailKey {
		return
	}
	actor := &j.p.Actor
	if actor.Person() && (actor.Role == RoleOwner || actor.ID == now.ID) {
		return
	}
	d.Row = OwnerChange
	j.hold(d, ScopeOwnerEdge, "A new address of an Owner decides who signs in as one (row M13 'Add/remove other owners'); "+j.actor()+".",
		"An Owner approves the new address of "+labelMember(now)+".", true)
}

func (j *judge) holdFrozen(c *Change, a authority, d *Decision) {
	if len(j.policy.Freeze) == 0 {
		return
	}
	if !j.looked {
		j.frozen, j.looked = j.policy.frozen(j.p.Now, j.view.Zone), true
	}
	if w := j.frozen; w != nil {
		j.hold(d, RuleFreeze, "Changes that give access are frozen from "+w.From+" to "+w.To+inRow(d.Row)+"; "+j.words(c, a)+".",
			"Send this again after "+w.To+", or an Admin or Owner approves the plan.", false)
	}
}

func inRow(row Permission) string {
	if row == "" {
		return ""
	}
	return " (row " + row.quoted() + ")"
}

func lower(s string) string {
	if s != "" && 'A' <= s[0] && s[0] <= 'Z' {
		return string(s[0]+'a'-'A') + s[1:]
	}
	return s
}
