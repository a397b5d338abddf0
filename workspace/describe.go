package workspace

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Modify returns the attributes that a change changes, before and after, in
// a fixed order, for reports. What stays the same is left out; versions,
// sequence numbers and epochs are not attributes.
func Modify(c Change) []Modified {
	var out []Modified
	before, after := attributes(c.Kind, c.Before, false), attributes(c.Kind, c.After, true)
	source := modifiedSource(&c)
	for _, name := range attributeOrder {
		b, hadB := before[name]
		a, hadA := after[name]
		if hadB == hadA && a == b {
			continue
		}
		m := Modified{Attr: name, Source: source}
		if hadB {
			m.Old = &b
		}
		if hadA {
			m.New = &a
		}
		out = append(out, m)
	}
	return out
}

// modifiedSource says what stated the new values.
func modifiedSource(c *Change) string {
	switch c.Cause.Kind {
	case CauseRule:
		return "rule"
	case CauseRehire:
		return "restore"
	case CauseSequence, CauseTimer, CauseLeaver:
		return "default"
	default:
		return "request"
	}
}

// attributeOrder is the order in which Modify lists attributes.
var attributeOrder = []string{
	"state", "contained", "role", "role_source", "primary", "name", "email", "reason", "access_end", "grace_until", "tail_held", "sessions",
	"number", "pool", "site", "type", "legal_hold", "quarantine_until", "to", "access", "ring", "notify", "owner", "reserved_for",
	"reserved_until", "group", "member", "inviter", "numbers", "expires_at", "held", "domain", "claimer",
}

// attributes gives the attributes of a noun that a kind of change is about.
// Empty values count as absent.
func attributes(kind ChangeKind, noun any, isAfter bool) map[string]string {
	m := make(map[string]string)
	set := func(name, value string) {
		if value != "" {
			m[name] = value
		}
	}
	switch x := noun.(type) {
	case Member:
		memberAttributes(kind, &x, isAfter, set)
	case Number:
		set("number", x.E164)
		set("name", x.Name)
		set("state", string(x.State))
		set("pool", x.Pool)
		set("site", x.Site)
		set("type", x.Type)
		set("quarantine_until", x.QuarantineUntil.String())
		set("legal_hold", flag(x.LegalHold))
	case Assignment:
		set("to", string(x.Kind)+":"+x.To)
		set("access", x.Access.String())
		if x.Ring > 0 {
			set("ring", strconv.Itoa(x.Ring))
		}
		set("notify", strconv.FormatBool(x.Notify))
	case Ownership:
		set("owner", x.Member)
	case Reservation:
		set("reserved_for", string(x.Kind)+":"+x.For)
		set("reserved_until", x.Until.String())
		set("reason", x.Why)
	case Group:
		set("name", x.Name)
	case GroupMembership:
		set("member", x.Member)
		set("group", x.Group)
	case Invitation:
		set("email", x.Email)
		set("role", x.Role.String())
		set("state", string(x.State))
		set("inviter", x.Inviter)
		set("numbers", strings.Join(slices.Sorted(slices.Values(x.Numbers)), " "))
		set("expires_at", x.ExpiresAt.String())
		set("held", flag(x.Held))
	case DomainClaim:
		set("domain", x.Domain)
		set("state", string(x.State))
		set("claimer", x.Claimer)
		set("reason", x.Fault)
	}
	return m
}

func memberAttributes(kind ChangeKind, x *Member, isAfter bool, set func(name, value string)) {
	switch kind {
	case MemberCreate:
		set("name", x.Name)
		set("email", x.Email)
		set("role", x.Role.String())
		set("role_source", x.RoleSource)
		set("state", string(x.State))
		set("reason", x.Reason)
		set("access_end", x.AccessEnd.String())
	case MemberUpdate:
		set("name", x.Name)
		set("email", x.Email)
		set("reason", x.Reason)
		set("access_end", x.AccessEnd.String())
	case MemberRole:
		set("role", x.Role.String())
		set("role_source", x.RoleSource)
	case MemberDeactivate, MemberRemove:
		set("state", string(x.State))
		set("grace_until", x.GraceUntil.String())
		set("tail_held", flag(x.TailHeld))
	case MemberReactivate:
		set("state", string(x.State))
		set("role", x.Role.String())
		set("role_source", x.RoleSource)
		set("reason", x.Reason)
		set("access_end", x.AccessEnd.String())
	case MemberContain, MemberRelease:
		set("contained", strconv.FormatBool(x.Contained))
	case MemberSessions:
		if isAfter {
			set("sessions", "ended")
		}
	case OwnerTransfer:
		set("primary", cmp.Or(x.Email, x.ID))
	}
}

func flag(b bool) string {
	if b {
		return "true"
	}
	return ""
}

// Describe writes a change as one line for people, without its subject's
// name where the line stands under it: "role member -> admin",
// "+4722000002 -> dan@acme.com exclusive". Nouns that the view does not have
// are named by their ids.
func (v *View) Describe(c Change) string {
	return describe(c, func(id string) string {
		if n := v.Numbers[id]; n != nil {
			return n.E164
		}
		return v.assigneeLabel(id)
	})
}

func describe(c Change, name func(id string) string) string {
	label := cmp.Or(c.Subject.Label, name(c.Subject.ID))
	switch x := coalesce(&c).(type) {
	case Member:
		return describeMember(&c, &x, label)
	case Assignment:
		return describeAssignment(&c, &x, label, name)
	case Ownership:
		if c.After == nil {
			return label + " loses owner " + name(x.Member)
		}
		return label + " gets owner " + name(x.Member)
	case Reservation:
		if c.After == nil {
			return label + " no longer reserved for " + name(x.For)
		}
		return label + " reserved for " + name(x.For)
	case GroupMembership:
		if c.After == nil {
			return name(x.Member) + " leaves group " + name(x.Group)
		}
		return name(x.Member) + " joins group " + name(x.Group)
	case Invitation:
		return "invitation " + x.Email + " as " + x.Role.String() + " " + string(c.Kind[len("invitation."):])
	}
	return describePlain(&c, label)
}

func describeMember(c *Change, after *Member, label string) string {
	before, _ := c.Before.(Member)
	switch c.Kind {
	case MemberCreate:
		return label + " joins as " + after.Role.String()
	case MemberRole:
		return "role " + before.Role.String() + " -> " + after.Role.String()
	case MemberDeactivate:
		return "access ends"
	case MemberReactivate:
		return "access returns as " + after.Role.String()
	case MemberContain:
		return "contained: access ends, role and numbers stay"
	case MemberRelease:
		return "containment lifted"
	case MemberRemove:
		return "removed"
	case MemberLink:
		return "identity linked"
	case MemberSessions:
		return "sessions ended"
	case OwnerTransfer:
		return "primary Owner " + cmp.Or(before.Email, before.ID) + " -> " + cmp.Or(after.Email, after.ID)
	}
	return describePlain(c, label)
}

func describeAssignment(c *Change, x *Assignment, label string, name func(string) string) string {
	before, _ := c.Before.(Assignment)
	switch c.Kind {
	case NumberUnassign:
		return label + " taken from " + name(x.To) + " (" + x.Access.String() + ")"
	case NumberAccess:
		return label + " " + name(x.To) + " " + before.Access.String() + " -> " + x.Access.String()
	case NumberRing:
		return label + " rings " + name(x.To) + " at place " + strconv.Itoa(x.Ring) + " (was " + strconv.Itoa(before.Ring) + ")"
	}
	return label + " -> " + name(x.To) + " " + x.Access.String()
}

// describePlain lists the changed attributes, or the kind if there is none.
func describePlain(c *Change, label string) string {
	_, act, _ := strings.Cut(string(c.Kind), ".")
	if c.Before == nil || c.After == nil {
		return act + " " + c.Subject.Type + " " + label
	}
	var parts []string
	for _, m := range Modify(*c) {
		was, is := "none", "none"
		if m.Old != nil {
			was = *m.Old
		}
		if m.New != nil {
			is = *m.New
		}
		parts = append(parts, m.Attr+" "+was+" -> "+is)
	}
	if len(parts) == 0 {
		return act + " " + label
	}
	return strings.Join(parts, ", ")
}
