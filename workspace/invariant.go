package workspace

import (
	"cmp"
	"slices"
	"strconv"
)

// Violation is one broken invariant on one subject. Size grows with how
// badly it is broken: a plan may neither create a violation nor worsen one.
type Violation struct {
	ID      string // I1..I14
	Subject Ref
	Size    int
	Text    string
}

// Audit judges a whole view and returns what is broken, ordered by id and
// subject. Of the invariants it judges those that a state shows: I1 to I6,
// I8 and I11. I7, I9, I10 and I14 are judged on changes (Check), I12 and I13
// by the writer. A nil policy is the default.
func Audit(v *View, p *Policy) []Violation {
	if p == nil {
		p = Default()
	}
	var out []Violation
	if x, ok := v.ownersBroken(); ok {
		out = append(out, x)
	}
	for _, n := range v.Numbers {
		out = v.numberBroken(n, p, out)
	}
	out = append(out, v.addressesBroken()...)
	for _, m := range v.Members {
		if m.State == StateActive && m.RoleSource == "" {
			out = append(out, Violation{"I8", memberRef(m), 1, labelMember(m) + " has a role from no known source"})
		}
	}
	out = append(out, v.capsBroken(p)...)
	slices.SortFunc(out, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Subject.Type, b.Subject.Type), cmp.Compare(a.Subject.ID, b.Subject.ID))
	})
	return out
}

func memberRef(m *Member) Ref { return Ref{Type: "member", ID: m.ID, Label: m.Email} }

func numberRef(n *Number) Ref { return Ref{Type: "number", ID: n.ID, Label: n.E164} }

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
func (v *View) ownersBroken() (Violation, bool) {
	owners, primaries := v.owners()
	size := max(primaries-1, 1-primaries)
	text := strconv.Itoa(primaries) + " active primary Owners instead of one"
	if owners == 0 {
		size, text = size+1, "no active Owner"
	}
	return Violation{"I1", Ref{Type: "workspace", ID: v.Workspace}, size, text}, size > 0
}

// numberBroken appends what is broken on one number: I2 to I5.
func (v *View) numberBroken(n *Number, p *Policy, out []Violation) []Violation {
	if !v.responsible(n) {
		out = append(out, Violation{"I2", numberRef(n), 1, n.E164 + " has nobody who answers for it"})
	}
	if lost := v.leftovers(n); lost > 0 {
		out = append(out, Violation{"I3", numberRef(n), lost, n.E164 + " is assigned to members who have left"})
	}
	if size, text := v.overused(n, p.Numbers.ViewBesideExclusive); size > 0 {
		out = append(out, Violation{"I4", numberRef(n), size, text})
	}
	if gaps := ringGaps(n); gaps > 0 {
		out = append(out, Violation{"I5", numberRef(n), gaps, "the ring positions of " + n.E164 + " are not 1 to n"})
	}
	return out
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

// leftovers counts assignments of members who have left (I3). While a tail
// is held its rows stay, without effect.
func (v *View) leftovers(n *Number) int {
	count := 0
	for i := range n.Assignments {
		if a := &n.Assignments[i]; v.gone(a) && !v.Members[a.To].TailHeld {
			count++
		}
	}
	return count
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

// ringGaps is I5: it counts the positions that are not dense 1..n over those
// who ring, and positions of those who do not.
func ringGaps(n *Number) int {
	ringing, wrong := 0, 0
	for i := range n.Assignments {
		if n.Assignments[i].rings() {
			ringing++
		} else if n.Assignments[i].Ring != 0 {
			wrong++
		}
	}
	if ringing == 0 {
		return wrong
	}
	seen := make([]bool, ringing)
	for i := range n.Assignments {
		a := &n.Assignments[i]
		if !a.rings() {
			continue
		}
		if a.Ring < 1 || a.Ring > ringing || seen[a.Ring-1] {
			wrong++
			continue
		}
		seen[a.Ring-1] = true
	}
	return wrong
}

// addressesBroken is I6: one member per folded address.
func (v *View) addressesBroken() []Violation {
	holders := make(map[string]int, len(v.Members))
	for _, m := range v.Members {
		if m.State != StateRemoved && m.EmailKey != "" {
			holders[m.EmailKey]++
		}
	}
	var out []Violation
	for key, n := range holders {
		if n > 1 {
			out = append(out, Violation{"I6", Ref{Type: "address", ID: key}, n - 1, key + " belongs to " + strconv.Itoa(n) + " members"})
		}
	}
	return out
}

// capsBroken is I11: seats, numbers and spending within the policy's limits.
func (v *View) capsBroken(p *Policy) []Violation {
	var out []Violation
	for _, c := range [...]struct {
		key   string
		limit Limit
		have  int
	}{
		{"seats", p.Limits.Seats, v.Totals.Seats},
		{"numbers", p.Limits.Numbers, v.Totals.Numbers},
		{"spend_per_month", p.Limits.SpendPerMonth, dollarsUp(v.Totals.Monthly(v.Plan))},
	} {
		if c.limit.Exceeded(c.have) {
			n, _ := c.limit.Get()
			out = append(out, Violation{
				"I11",
				Ref{Type: "limit", ID: c.key},
				c.have - n,
				strconv.Itoa(c.have) + " of at most " + strconv.Itoa(n) + " " + c.key,
			})
		}
	}
	return out
}

// dollarsUp rounds cents up to whole dollars, the unit of the limit.
func dollarsUp(c Cents) int { return int((c + 99) / 100) }
