package workspace

// quoted writes a row as reasons show it: M13 'Add/remove other owners'.
func (p Permission) quoted() string {
	i := p.index()
	if i < 0 {
		return string(p)
	}
	return rowWords[i].quoted
}

// rowWords are the sentences of the matrix, made once: Check runs on every
// request and most of its verdicts say one of them.
var rowWords = func() (words [len(matrix)]struct {
	quoted string
	given  [RoleOwner + 1]string
},
) {
	for i := range matrix {
		words[i].quoted = string(matrix[i].ID) + " '" + matrix[i].Text + "'"
		for r := RoleNone; r <= RoleOwner; r++ {
			words[i].given[r] = "Row " + words[i].quoted + " is given to " + r.Title() + "."
		}
	}
	return words
}()

// given writes the reason of an allowed change whose row is known and has
// been asked for. It returns false: nothing stands in the way.
func (j *judge) given(a authority, d *Decision) bool {
	if i := d.Row.index(); i >= 0 && d.Reason == "" {
		d.Reason = rowWords[i].given[a.role]
	}
	return false
}

// need asks for a row, in the name of a scope rule if that spoke for it.
func (j *judge) need(c *Change, a authority, row Permission, scope string, d *Decision) bool {
	if !j.policy.can(a.role, row) {
		return j.missing(c, a, row, d)
	}
	d.Row, d.Rule = row, scope
	return j.given(a, d)
}

// missing denies for want of a row's tick. Rule is the row and the missing
// tick, or P.clear if the customer's policy took it.
func (j *judge) missing(c *Change, a authority, row Permission, d *Decision) bool {
	if a.via == viaInviter && row != OwnerChange {
		// What the inviter may no longer give was given once: it waits.
		d.Row = row
		j.hold(d, ScopeInvite, "The inviter may no longer give this (row "+row.quoted()+"); "+j.words(c, a)+".",
			j.who(row)+" approves the plan.", false)
		j.approve(c, nil, d)
		return true
	}
	words := j.words(c, a)
	remedy := j.missingRemedy(c, a, row)
	if Can(a.role, row) && j.policy.cleared(row, a.role) {
		return d.deny(row, RulePolicyClear, "Row "+row.quoted()+" is taken from "+a.role.Title()+" by this workspace's policy (clear: "+
			string(row)+"."+a.role.Title()+"); "+words+".", remedy)
	}
	role := a.role.Title()
	if a.role == RoleNone {
		role = "None"
	}
	return d.deny(row, string(row)+"."+role, "Row "+row.quoted()+" needs "+j.leastTitle(row)+"; "+words+".", remedy)
}

// missingRemedy names an act that leads on when a tick is missing.
func (j *judge) missingRemedy(c *Change, a authority, row Permission) string {
	label := j.label(c)
	if row == OwnerChange {
		switch c.Kind {
		case MemberDeactivate, MemberRemove:
			if !a.person {
				return "An Owner removes " + label + " by hand or transfers ownership; until then " + label + " is contained."
			}
			return "Ask an Owner to remove " + label + "."
		case OwnerTransfer:
			return "The primary Owner transfers ownership by hand."
		}
		return "Ask an Owner to make this change of " + label + "."
	}
	who := j.who(row)
	switch {
	case a.via == viaRule:
		return "Somebody with row " + string(row) + " takes over mapping row " + c.Cause.Rule + ", or " + who + " makes this change."
	case a.via == viaInviter:
		return who + " invites " + label + " anew."
	case j.p.Actor.Kind == ActorSystem:
		return who + " makes this change by hand."
	case !a.person:
		return who + " makes this change by hand, or connection " + j.p.Actor.name() + " is given acts_as: admin and a sponsor with the row."
	}
	return "Ask " + lower(who) + " to make this change."
}

// who names the roles that have a row: "An Admin or Owner".
func (j *judge) who(row Permission) string { return j.policy.least(row).orAbove() }

// orAbove names a role and those above it, as the subject of a sentence.
func (r Role) orAbove() string {
	switch r {
	case RoleOwner:
		return "An Owner"
	case RoleAdmin:
		return "An Admin or Owner"
	case RoleMember:
		return "A member"
	default:
		return "Whoever edits the policy"
	}
}

func (j *judge) leastTitle(row Permission) string {
	if r := j.policy.least(row); r != RoleNone {
		return r.Title()
	}
	return "a tick that the policy cleared for everybody"
}

// name is how people know an actor.
func (a *Actor) name() string {
	if a.Label != "" {
		return a.Label
	}
	if a.ID != "" {
		return a.ID
	}
	return string(a.Kind)
}

// actor says who asks and as what: "connection okta acts as Admin (sponsor
// bob@acme.com)", "cy@acme.com is Member".
func (j *judge) actor() string {
	a := &j.p.Actor
	switch a.Kind {
	case ActorConnection:
		s := "connection " + a.name() + " acts as " + a.Role.Title()
		if sponsor := a.SponsorLabel; sponsor != "" {
			s += " (sponsor " + sponsor + ")"
		} else if a.Sponsor != "" {
			s += " (sponsor " + j.labelOf(a.Sponsor) + ")"
		}
		return s
	case ActorSystem:
		return "the system acts under the rules for connections"
	}
	if a.Role == RoleNone {
		return a.name() + " has no role here"
	}
	return a.name() + " is " + a.Role.Title()
}

// words is actor with what lowered its authority.
func (j *judge) words(c *Change, a authority) string {
	switch a.via {
	case viaRule:
		s := j.actor() + ", but mapping row " + c.Cause.Rule + " carries only " + a.role.Title()
		if c.Cause.RuleOwner != "" {
			s += " (owner " + j.labelOf(c.Cause.RuleOwner) + ")"
		}
		return s
	case viaInviter:
		if a.role == RoleNone {
			return "the inviter " + j.labelOf(a.member) + " is no longer active"
		}
		return "the inviter " + j.labelOf(a.member) + " is " + a.role.Title()
	}
	return j.actor()
}

// labelOf names a member by id.
func (j *judge) labelOf(id string) string {
	if m := j.view.Members[id]; m != nil {
		return labelMember(m)
	}
	return id
}

// label names the subject of a change.
func (j *judge) label(c *Change) string {
	if c.Subject.Label != "" {
		return c.Subject.Label
	}
	switch x := coalesce(c).(type) {
	case Member:
		return labelMember(&x)
	case Number:
		return x.E164
	case Group:
		return x.Name
	case Invitation:
		return x.Email
	case DomainClaim:
		return x.Domain
	}
	if n := j.view.Numbers[numberID(c)]; n != nil {
		return n.E164
	}
	return j.labelOf(c.Subject.ID)
}
