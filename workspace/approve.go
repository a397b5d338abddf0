package workspace

import (
	"slices"
	"strings"
)

// approve releases a held change if the plan's approvers may agree to it;
// else the hold stays and says why (BR6, F18).
func (j *judge) approve(c *Change, now *Member, d *Decision) {
	d.Remedy += j.but(c, now)
	first := j.p.Approver
	if first == nil {
		return
	}
	if why := j.unfit(first, c, now, d); why != "" {
		d.Reason += " " + first.name() + " may not approve it: " + why + " (F18)."
		return
	}
	by := first.name()
	if j.policy.SecondApprover != "" {
		second := j.p.Second
		var why string
		switch {
		case second == nil:
			why = "a second approval is missing"
		case second.ID == first.ID:
			why = "the second approval is by the same person"
		default:
			why = j.unfit(second, c, now, d)
			if why == "" && first.Role != RoleOwner && second.Role != RoleOwner {
				why = "neither approver is an Owner"
			}
		}
		if why != "" {
			d.Rule = RuleSecond
			d.Reason += " Two people approve here (second_approver: owner), and " + why + "."
			d.Remedy = "An Owner, other than " + by + ", approves the plan too."
			return
		}
		by += " and " + second.name()
	}
	d.Verdict, d.Remedy = Allow, ""
	d.Reason += " Approved by " + by + "."
}

// but names who may not approve a held change though their role would do, for
// its remedy; "" for nobody.
func (j *judge) but(c *Change, now *Member) string {
	var people, reasons []string
	add := func(id, why string) {
		if id == "" {
			return
		}
		if i := slices.Index(people, id); i >= 0 {
			reasons[i] += " and " + why
			return
		}
		people, reasons = append(people, id), append(reasons, why)
	}
	actor := &j.p.Actor
	if actor.Person() {
		add(actor.ID, "who asks for it")
	}
	if touchesAdmin(c, now) {
		if !actor.Person() {
			add(actor.Sponsor, "the sponsor of "+actor.name())
		}
		add(c.Cause.RuleOwner, "the owner of row "+c.Cause.Rule)
	}
	for i, id := range people {
		people[i] = j.labelOf(id) + ", " + reasons[i]
	}
	if len(people) == 0 {
		return ""
	}
	return " Not " + strings.Join(people, "; nor ") + "."
}

// unfit says why a person may not approve a change; empty if they may.
func (j *judge) unfit(who *Actor, c *Change, now *Member, d *Decision) string {
	m := j.view.Members[who.ID]
	gains := c.Direction() == Expansion &&
		(c.Member == who.ID || c.Subject.Type == "member" && c.Subject.ID == who.ID || transferredTo(c) == who.ID)
	switch {
	case !who.Person():
		return "only a person approves"
	case !m.Usable():
		return "only an active member approves"
	case who.ID == j.p.Actor.ID:
		return "nobody approves their own request"
	case gains:
		return "nobody approves what they gain"
	}
	role, need := who.Role.Min(m.Role), d.Approvers
	if d.Row != "" {
		need = max(need, j.policy.least(d.Row))
	}
	if role < need || d.Row != "" && !j.policy.can(role, d.Row) {
		return "it needs " + need.Title() + ", and they are " + role.Title()
	}
	if touchesAdmin(c, now) {
		switch who.ID {
		case j.p.Actor.Sponsor:
			return "the sponsor of a connection does not approve its changes of Admins"
		case c.Cause.RuleOwner:
			return "the owner of a mapping row does not approve the Admins it makes"
		}
	}
	return ""
}

// transferredTo returns who becomes primary Owner by a change, "" if nobody.
func transferredTo(c *Change) string {
	if c.Kind != OwnerTransfer {
		return ""
	}
	m, _ := c.After.(Member)
	return m.ID
}

// touchesAdmin reports whether a change gives or takes the role Admin, or
// more: sponsor and row owner then do not approve (BR6).
func touchesAdmin(c *Change, now *Member) bool {
	if raisedRole(c, now) >= RoleAdmin {
		return true
	}
	switch c.Kind {
	case MemberRole, MemberDeactivate, MemberRemove:
		return now != nil && now.Role >= RoleAdmin
	}
	return false
}
