package workspace

import (
	"slices"
	"strings"
)

// The scope rules stand beside the rows of the matrix (domain section 1): a
// Decision's Rule names the one that spoke.
const (
	ScopeNumberOwner = "NUM-OWNER"
	ScopeInvite      = "INVITE-GRANT"
	ScopeOwnerEdge   = "OWNER-EDGE"
	ScopeGroupEdit   = "GROUP-EDIT"
	ScopeDomainClaim = "DOM-CLAIM"
	ScopeSelf        = "SELF"
	ScopeChannel     = "CHANNEL"
)

// Rules of decisions that are no row, invariant or policy key.
const (
	RuleSponsor     = "SPONSOR"
	RuleOwnersStay  = "O2"  // no sync changes an Owner
	RuleBreakGlass  = "O5"  // no source touches a break-glass Owner
	RuleTransfer    = "O6"  // transfer: by the primary, to an active member
	RuleKept        = "NH5" // porting numbers and legal holds
	RulePolicyClear = "P.clear"
	RuleApprove     = "P.approve"
	RuleSecond      = "P.second_approver"
	RuleLimits      = "P.limits"
	RuleProtect     = "P.protect"
	RuleFreeze      = "P.freeze"
)

// ScopeRule is a scope rule with the sentence that documents it.
type ScopeRule struct {
	ID   string
	Text string
}

// ScopeRules returns the scope rules in the order of the documents.
func ScopeRules() []ScopeRule {
	return []ScopeRule{
		{ScopeNumberOwner, "A number owner passes M08 on that number alone: settings, access list, ring order. Not M09, not M12, not deletion."},
		{ScopeInvite, "An invitation needs M04, plus M06 if it carries more than Member, plus M13 if it carries Owner. A Member gives only numbers they own."},
		{ScopeOwnerEdge, "Any change of role or state that touches an Owner is M13, never M05 or M06. No connection makes, changes or demotes an Owner."},
		{ScopeGroupEdit, "Renaming and deleting groups and changing their members follows the ticks of M10."},
		{ScopeDomainClaim, "Owners and Admins claim a mail domain. Who joins by a verified domain needs no invitation and becomes Member."},
		{ScopeSelf, "Everybody edits their own profile, nobody their own role (I7). The profiles of others are edited by Owners and Admins."},
		{ScopeChannel, "Members are removed on the web, by API, command line or sync, never from a mobile device (R23)."},
	}
}

// authority is the power that one change is judged by.
type authority struct {
	role   Role
	member string // whose number ownership counts; "" for none
	person bool
	// via says what lowered the actor's own role: a mapping row or an
	// inviter's role; empty if nothing did.
	via authorityVia
}

type authorityVia uint8

const (
	viaActor authorityVia = iota
	viaRule
	viaInviter
)

// ownsNumber is NUM-OWNER: the authority is an owner of the number.
func (a authority) ownsNumber(n *Number) bool {
	return a.member != "" && n != nil && slices.Contains(n.Owners, a.member)
}

// grantRow is INVITE-GRANT: the row that giving a role needs beside M04, ""
// if none.
func grantRow(role Role) Permission {
	switch role {
	case RoleOwner:
		return OwnerChange
	case RoleAdmin:
		return MemberRoles
	default:
		return ""
	}
}

// makesOwner and touchesOwner are OWNER-EDGE: whether a change of role or
// state gives somebody the role Owner, or touches a present Owner. A
// deactivated Owner has no power left: their removal is an ordinary one.
func makesOwner(c *Change, now *Member) bool {
	after, ok := c.After.(Member)
	switch c.Kind {
	case MemberCreate:
		return ok && after.Role == RoleOwner
	case MemberRole:
		return ok && after.Role == RoleOwner && (now == nil || now.Role != RoleOwner)
	case MemberReactivate:
		if ok && after.Role != RoleNone {
			return after.Role == RoleOwner
		}
		return now != nil && now.Role == RoleOwner
	default:
		return false
	}
}

func touchesOwner(c *Change, now *Member) bool {
	switch c.Kind {
	case MemberRole:
		return now != nil && now.Role == RoleOwner
	case MemberDeactivate, MemberRemove, MemberReactivate:
		return now != nil && now.Role == RoleOwner && now.State == StateActive
	default:
		return false
	}
}

// raisedRole returns the role that a change gives somebody who did not have
// it, above Member; RoleNone if it gives none. An invitation counts as if
// the role change came at once (C3), a return as coming back as Member (GR3).
func raisedRole(c *Change, now *Member) Role {
	var to Role
	from := RoleMember
	switch x := c.After.(type) {
	case Member:
		switch c.Kind {
		case MemberCreate, MemberReactivate:
			to = x.Role
			if to == RoleNone && now != nil {
				to = now.Role
			}
		case MemberRole:
			to = x.Role
			if now != nil {
				from = max(from, now.Role)
			}
		}
	case Invitation:
		if c.Kind == InvitationSend {
			to = x.Role
		}
	}
	if to > from {
		return to
	}
	return RoleNone
}

// PolicyKey is a key of the customer's policy with the rule that a decision
// made by it shows.
type PolicyKey struct {
	Key, Rule, Text string
}

// PolicyKeys returns the policy's keys for the documents.
func PolicyKeys() []PolicyKey {
	return []PolicyKey{
		{"policy.clear", RulePolicyClear, "Takes single ticks of the matrix away."},
		{"policy.approve", RuleApprove, "These operations wait for a second person: " + strings.Join(operations, ", ") + ". Absent: role raises asked by a connection wait. Empty: nothing waits for approval."},
		{"policy.limits.administrators", RuleLimits, "At most so many active Owners and Admins after a plan."},
		{"policy.limits.role_raises_per_run", RuleLimits, "More raises in one run wait, all of them."},
		{"policy.limits.seats", "I11", "At most so many seats after a plan."},
		{"policy.limits.numbers", "I11", "At most so many numbers after a plan."},
		{"policy.limits.spend_per_month", "I11", "At most so many dollars a month after a plan. Numbers are bought only if this is set (`P.limits`)."},
		{"policy.protect", RuleProtect, "No sync lowers these people or takes their groups or numbers; an explicit \"no\" still ends access."},
		{"policy.break_glass", RuleBreakGlass, "No source touches these Owners."},
		{"policy.freeze", RuleFreeze, "In these windows what gives access waits; what takes it never does."},
		{"policy.second_approver", RuleSecond, "Two people approve, one of them an Owner."},
		{"policy.numbers.view_beside_exclusive", "I4", "Lets view-only access stand beside exclusive access."},
	}
}
