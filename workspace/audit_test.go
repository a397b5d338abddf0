package workspace

import (
	"cmp"
	"slices"
	"strconv"
)

// audit judges a whole view and returns what is broken, ordered by id and
// subject. Of the invariants it judges those that a state shows: I1 to I6,
// I8 and I11. I7, I9, I10 and I14 are judged on changes (Check), I12 and I13
// by the writer. A nil policy is the default.
func audit(v *View, p *Policy) []violation {
	if p == nil {
		p = Default()
	}
	var out []violation
	if x, ok := v.ownersBroken(); ok {
		out = append(out, x)
	}
	for _, n := range v.Numbers {
		out = v.numberBroken(n, p, out)
	}
	out = append(out, v.addressesBroken()...)
	for _, m := range v.Members {
		if m.State == StateActive && m.RoleSource == "" {
			out = append(out, violation{"I8", memberRef(m), 1, labelMember(m) + " has a role from no known source"})
		}
	}
	out = append(out, v.capsBroken(p)...)
	slices.SortFunc(out, func(a, b violation) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Subject.Type, b.Subject.Type), cmp.Compare(a.Subject.ID, b.Subject.ID))
	})
	return out
}

func memberRef(m *Member) Ref { return Ref{Type: "member", ID: m.ID, Label: m.Email} }

func numberRef(n *Number) Ref { return Ref{Type: "number", ID: n.ID, Label: n.E164} }

// numberBroken appends what is broken on one number: I2 to I5.
func (v *View) numberBroken(n *Number, p *Policy, out []violation) []violation {
	if !v.responsible(n) {
		out = append(out, violation{"I2", numberRef(n), 1, n.E164 + " has nobody who answers for it"})
	}
	if lost := v.leftovers(n); lost > 0 {
		out = append(out, violation{"I3", numberRef(n), lost, n.E164 + " is assigned to members who have left"})
	}
	if size, text := v.overused(n, p.Numbers.ViewBesideExclusive); size > 0 {
		out = append(out, violation{"I4", numberRef(n), size, text})
	}
	if gaps := ringGaps(n); gaps > 0 {
		out = append(out, violation{"I5", numberRef(n), gaps, "the ring positions of " + n.E164 + " are not 1 to n"})
	}
	return out
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
func (v *View) addressesBroken() []violation {
	holders := make(map[string]int, len(v.Members))
	for _, m := range v.Members {
		if m.State != StateRemoved && m.EmailKey != "" {
			holders[m.EmailKey]++
		}
	}
	var out []violation
	for key, n := range holders {
		if n > 1 {
			out = append(out, violation{"I6", Ref{Type: "address", ID: key}, n - 1, key + " belongs to " + strconv.Itoa(n) + " members"})
		}
	}
	return out
}

// capsBroken is I11: seats, numbers and spending within the policy's limits.
func (v *View) capsBroken(p *Policy) []violation {
	var out []violation
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
			out = append(out, violation{
				"I11",
				Ref{Type: "limit", ID: c.key},
				c.have - n,
				strconv.Itoa(c.have) + " of at most " + strconv.Itoa(n) + " " + c.key,
			})
		}
	}
	return out
}
