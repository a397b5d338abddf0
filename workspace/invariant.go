package workspace

import (
	"cmp"
	"slices"
	"strconv"
)

// violation is one broken invariant on one subject. Size grows with how
// badly it is broken: a plan may neither create a violation nor worsen one.
type violation struct {
	ID      string // I1..I14
	Subject Ref
	Size    int
	Text    string
}

// labelMember is how people know a member.
func labelMember(m *Member) string { return cmp.Or(m.Email, m.Name, m.ID) }

// owners counts active Owners and active primary Owners.
func (v *View) owners() (owners, primaries int) {
	for _, m := range v.Members {
		if m.State == StateActive && m.Role == RoleOwner {
			owners++
			if m.Primary {
				primaries++
			}
		}
	}
	return owners, primaries
}

// ownersBroken is I1: an active Owner, and exactly one primary among them.
// Containment leaves the state active.
func (v *View) ownersBroken() (violation, bool) {
	owners, primaries := v.owners()
	size := max(primaries-1, 1-primaries)
	text := strconv.Itoa(primaries) + " active primary Owners instead of one"
	if owners == 0 {
		size, text = size+1, "no active Owner"
	}
	return violation{"I1", Ref{Type: "workspace", ID: v.Workspace}, size, text}, size > 0
}

// responsible is I2: an owner, a group, a pool, else the primary Owner.
func (v *View) responsible(n *Number) bool {
	if n.Pool != "" || n.State == NumberPortedOut {
		return true
	}
	for _, id := range n.Owners {
		if m := v.Members[id]; m == nil || m.State == StateActive {
			return true
		}
	}
	if slices.ContainsFunc(n.Assignments, func(a Assignment) bool { return a.Kind == ToGroup }) {
		return true
	}
	_, primaries := v.owners()
	return primaries > 0
}

// gone reports whether an assignee is a member known to have left. Whom the
// view does not hold is taken to be there.
func (v *View) gone(a *Assignment) bool {
	if a.Kind != ToMember {
		return false
	}
	m := v.Members[a.To]
	return m != nil && m.State != StateActive
}

// overused is I4 (R12): at most one exclusive assignment, to a member or an
// invitation and never to a group, no shared one beside it, and view-only
// ones only if the policy says so. Access through a group counts as the
// group's own assignment. Rows of members who have left have no effect; a
// contained Owner keeps theirs.
func (v *View) overused(n *Number, viewBeside bool) (size int, text string) {
	exclusive, shared, viewing := 0, 0, 0
	holder := ""
	for i := range n.Assignments {
		a := &n.Assignments[i]
		if v.gone(a) {
			continue
		}
		switch a.Access {
		case AccessExclusive:
			if a.Kind == ToGroup {
				size++
				text = n.E164 + " is exclusive to a group, which only a member can have"
			}
			exclusive++
			holder = a.To
		case AccessShared:
			shared++
		case AccessViewOnly:
			viewing++
		case AccessNone:
		}
	}
	if exclusive == 0 {
		return size, text
	}
	size += exclusive - 1 + shared
	if !viewBeside {
		size += viewing
	}
	if size > 0 && text == "" {
		text = n.E164 + " is exclusive to " + v.assigneeLabel(holder) + " and used by others"
	}
	return size, text
}

func (v *View) assigneeLabel(id string) string {
	if m := v.Members[id]; m != nil {
		return labelMember(m)
	}
	if g := v.Groups[id]; g != nil {
		return g.Name
	}
	if i := v.Invitations[id]; i != nil {
		return i.Email
	}
	return id
}

// dollarsUp rounds cents up to whole dollars, the unit of the limit.
func dollarsUp(c Cents) int { return int((c + 99) / 100) }
