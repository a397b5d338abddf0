package workspace

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// judged lists, per kind, the invariants that Check judges for a change
// which passes. The lists are shared by all decisions.
var judged = func() map[ChangeKind][]InvariantResult {
	m := make(map[ChangeKind][]InvariantResult)
	for kind, ids := range map[ChangeKind]string{
		MemberCreate:     "I6 I8 I9 I10 I11",
		MemberUpdate:     "I6",
		MemberRole:       "I1 I7 I8",
		MemberDeactivate: "I1 I14",
		MemberRemove:     "I1 I14",
		MemberReactivate: "I4 I6 I9 I11",
		OwnerTransfer:    "I1",
		NumberCreate:     "I11",
		NumberBuy:        "I11",
		NumberUpdate:     "I2",
		NumberAssign:     "I3 I4 I5",
		NumberUnassign:   "I2 I5",
		NumberAccess:     "I3 I4 I5",
		NumberRing:       "I5",
		NumberOwner:      "I2 I3",
		GroupJoin:        "I3",
		InvitationSend:   "I4 I9",
		InvitationAccept: "I9",
	} {
		for _, id := range strings.Fields(ids) {
			m[kind] = append(m[kind], InvariantResult{ID: id, OK: true})
		}
	}
	return m
}()

// settle withdraws what breaks an invariant or a limit on the state after
// the plan, and returns how many changes it withdrew. Each pass withdraws at
// most what is surely too much; the caller tries again until nothing is.
func (t *trial) settle(after *View) int {
	n := 0
	if t.scope.owners {
		n += t.settleOwners(after)
	}
	for _, id := range t.scope.numbers {
		n += t.settleNumber(after, id)
	}
	if t.scope.addresses {
		n += t.settleAddresses(after)
	}
	n += t.settleEach(after)
	n += t.settlePromises(after)
	if t.held {
		return n // what waits already waits for room too
	}
	if t.scope.totals {
		n += t.settleLimits(after)
	}
	if t.scope.caps {
		n += t.settleRowCaps(after)
	}
	return n
}

// standing collects the changes that may be withdrawn and match, in canonical
// order.
func (t *trial) standing(match func(c *Change) bool) []int {
	var out []int
	for _, i := range t.order {
		if t.candidate(&t.ds[i]) && match(&t.ds[i].Change) {
			out = append(out, i)
		}
	}
	return out
}

// withdraw denies or holds a change for an invariant.
func (t *trial) withdraw(i int, verdict Verdict, rule, reason, remedy string) {
	d := &t.ds[i]
	d.Verdict, d.Rule, d.Reason, d.Remedy = verdict, rule, reason, remedy
	if verdict == Hold {
		d.Approvers = max(d.Approvers, RoleAdmin)
	}
	results := slices.Clone(judged[d.Change.Kind])
	found := false
	for k := range results {
		if results[k].ID == rule {
			results[k].OK, found = false, true
		}
	}
	if !found && rule[0] == 'I' {
		results = append(results, InvariantResult{ID: rule})
	}
	d.Invariants = results
}

// settleOwners is I1: expansions are withdrawn first, then reductions, of
// the primary Owner first, then the longest-serving, then by id.
func (t *trial) settleOwners(after *View) int {
	broken, bad := after.ownersBroken()
	if !bad {
		return 0
	}
	if old, was := t.view.ownersBroken(); was && old.Size >= broken.Size {
		return 0
	}
	list := t.standing(func(c *Change) bool {
		return c.Kind == OwnerTransfer || makesOwner(c, t.now(c)) || touchesOwner(c, t.now(c))
	})
	if len(list) == 0 {
		return 0
	}
	slices.SortStableFunc(list, func(a, b int) int {
		x, y := &t.ds[a].Change, &t.ds[b].Change
		if r := cmp.Compare(boolOrder(x.Direction() == Reduction), boolOrder(y.Direction() == Reduction)); r != 0 {
			return r
		}
		m, n := t.now(x), t.now(y)
		if m == nil || n == nil {
			return 0
		}
		return cmp.Or(cmp.Compare(boolOrder(!m.Primary), boolOrder(!n.Primary)), cmp.Compare(m.JoinedAt, n.JoinedAt), cmp.Compare(m.ID, n.ID))
	})
	i := list[0]
	c := &t.ds[i].Change
	label := t.label(c)
	owners, _ := after.owners()
	reason := label + " is the primary Owner and has no successor"
	remedy := "Transfer the primary ownership to another active member, then send this again."
	if owners == 0 {
		reason = label + " would be the last Owner"
		remedy = "Make another Owner, then send this again."
	}
	if c.Direction() != Reduction {
		reason = "The plan would leave " + broken.Text
		remedy = "Choose another successor who stays, then send this again."
	} else if !t.p.Actor.Person() && (c.Kind == MemberDeactivate || c.Kind == MemberRemove) {
		reason += "; their access ends all the same (contained)"
	}
	t.withdraw(i, Deny, "I1", reason+" (row M13 'Add/remove other owners'); "+t.actor()+".", remedy)
	t.ds[i].Row = OwnerChange
	return 1
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// settleNumber is I2, I4 and I5 on one number. Who came last gives way.
func (t *trial) settleNumber(after *View, id string) int {
	n := after.Numbers[id]
	if n == nil {
		return 0
	}
	old := t.view.Numbers[id]
	size, _ := after.overused(n, t.policy.Numbers.ViewBesideExclusive)
	if size > 0 {
		was := 0
		if old != nil {
			was, _ = t.view.overused(old, t.policy.Numbers.ViewBesideExclusive)
		}
		if size > was && t.withdrawUser(after, n, old) {
			return 1
		}
	}
	if !after.responsible(n) && (old == nil || t.view.responsible(old)) {
		list := t.standing(func(c *Change) bool { return numberID(c) == id && c.Direction() != Expansion })
		if len(list) > 0 {
			t.withdraw(list[0], Deny, "I2", n.E164+" would have nobody who answers for it"+inRow(t.ds[list[0]].Row)+"; "+t.actor()+".",
				"Give the number another owner, a group or a pool first.")
			return 1
		}
	}
	return 0
}

// withdrawUser withdraws the change that puts one user too many on a number:
// the last of its expansions, else the return of somebody who still has rows
// on it, else whatever of the plan touches it.
func (t *trial) withdrawUser(after *View, n, old *Number) bool {
	list := t.standing(func(c *Change) bool {
		return numberID(c) == n.ID && (c.Kind == NumberAssign || c.Kind == NumberAccess)
	})
	if len(list) == 0 {
		list = t.standing(func(c *Change) bool {
			return c.Kind == MemberReactivate && slices.ContainsFunc(n.Assignments, func(a Assignment) bool { return a.To == c.Subject.ID })
		})
	}
	if len(list) == 0 {
		return false
	}
	i := slices.MaxFunc(list, func(a, b int) int {
		x, y := &t.ds[a].Change, &t.ds[b].Change
		return cmp.Or(cmp.Compare(boolOrder(x.Direction() == Expansion), boolOrder(y.Direction() == Expansion)), t.comparePersons(a, b))
	})
	d := &t.ds[i]
	holder, keeper := t.userOf(after, n, &d.Change)
	reason := n.E164 + " is exclusive to " + holder
	if holder == "" {
		reason = n.E164 + " cannot become exclusive: it is used by " + keeper
	}
	verdict := Deny
	remedy := "Choose another number, or let it be shared (`taken: share`)."
	if w := t.waitsFor(n.ID, old); w != nil && !t.held {
		// Somebody is to leave the number, but that waits: so does this.
		verdict = Hold
		remedy = w.Remedy
		d.Approvers = max(d.Approvers, w.Approvers)
		reason += ", which is to change but is held [" + w.Rule + "]"
	}
	t.withdraw(i, verdict, "I4", reason+inRow(d.Row)+"; "+t.actor()+".", remedy)
	return true
}

// userOf names who has the number exclusively beside the one the change is
// about, else somebody who uses it.
func (t *trial) userOf(after *View, n *Number, c *Change) (exclusive, other string) {
	mine, _ := coalesce(c).(Assignment)
	for i := range n.Assignments {
		a := &n.Assignments[i]
		if a.Kind == mine.Kind && a.To == mine.To || c.Subject.ID == a.To || after.gone(a) {
			continue
		}
		if a.Access == AccessExclusive {
			exclusive = after.assigneeLabel(a.To)
		}
		other = after.assigneeLabel(a.To)
	}
	return exclusive, other
}

// waitsFor returns the held change that would take a present user off a
// number, nil if there is none.
func (t *trial) waitsFor(id string, old *Number) *Decision {
	if old == nil {
		return nil
	}
	for _, i := range t.order {
		d := &t.ds[i]
		if d.Verdict == Hold && numberID(&d.Change) == id && d.Change.Direction() == Reduction {
			return d
		}
	}
	return nil
}

// settleAddresses is I6: of several members with one address the last to
// take it gives way.
func (t *trial) settleAddresses(after *View) int {
	if len(t.ds) == 1 && t.free(&t.ds[0].Change) {
		return 0
	}
	if after == nil {
		after = t.after()
	}
	taken := make(map[string]int)
	for _, i := range t.order {
		if m, ok := t.ds[i].Change.After.(Member); ok && t.candidate(&t.ds[i]) {
			taken[m.EmailKey] = 0
		}
	}
	for _, m := range after.Members {
		if _, asked := taken[m.EmailKey]; asked && m.State != StateRemoved {
			taken[m.EmailKey]++
		}
	}
	before := make(map[string]int)
	for _, m := range t.view.Members {
		if taken[m.EmailKey] > 1 && m.State != StateRemoved {
			before[m.EmailKey]++
		}
	}
	withdrawn := 0
	for k := len(t.order) - 1; k >= 0; k-- {
		i := t.order[k]
		d := &t.ds[i]
		c := &d.Change
		m, ok := c.After.(Member)
		if !ok || !t.candidate(d) || m.EmailKey == "" || taken[m.EmailKey] < 2 || taken[m.EmailKey] <= before[m.EmailKey] {
			continue
		}
		switch c.Kind {
		case MemberCreate, MemberReactivate:
		case MemberUpdate:
			if !changesAddress(c) {
				continue
			}
		default:
			continue
		}
		taken[m.EmailKey]--
		withdrawn++
		t.withdraw(i, Deny, "I6", m.Email+" is a member already; one address belongs to one member"+inRow(d.Row)+"; "+t.actor()+".",
			"Verify the domain or link the identity in Rollcall, or use another address.")
	}
	return withdrawn
}

// free reports whether no member of the view has the address that the only
// change of a plan asks for.
func (t *trial) free(c *Change) bool {
	m, ok := c.After.(Member)
	if !ok || m.EmailKey == "" {
		return true
	}
	for id, x := range t.view.Members {
		if x.EmailKey == m.EmailKey && id != m.ID && x.State != StateRemoved {
			return false
		}
	}
	return true
}

// settleEach judges what a change must find on the state after the plan: a
// grant goes to somebody who is there (I3) and has a source (I8).
func (t *trial) settleEach(after *View) int {
	withdrawn := 0
	for _, i := range t.order {
		d := &t.ds[i]
		if !t.candidate(d) {
			continue
		}
		c := &d.Change
		switch c.Kind {
		case MemberCreate, MemberRole:
			m, _ := c.After.(Member)
			if m.RoleSource == "" && c.Cause.Support == "" {
				t.withdraw(i, Deny, "I8", "The role of "+t.label(c)+" would have no known source"+inRow(d.Row)+"; "+t.actor()+".",
					"State the mapping row, invitation, domain or person that gives it.")
				withdrawn++
			}
		case NumberAssign, NumberAccess, NumberOwner, GroupJoin:
			if after == nil || c.Direction() != Expansion {
				continue
			}
			id := ""
			switch x := c.After.(type) {
			case Assignment:
				if x.Kind == ToMember {
					id = x.To
				}
			case Ownership:
				id = x.Member
			case GroupMembership:
				id = x.Member
			}
			if m := after.Members[id]; m != nil && m.State != StateActive {
				t.withdraw(i, Deny, "I3", labelMember(m)+" is not active and gets neither numbers nor groups"+inRow(d.Row)+"; "+t.actor()+".",
					"Restore "+labelMember(m)+" first, or choose an active member.")
				withdrawn++
			}
		}
	}
	return withdrawn
}

// settleLimits is I11 and policy.limits on the end state. What is over a
// limit waits; agreeing does not lift a limit, only room or another limit does.
func (t *trial) settleLimits(after *View) int {
	l := &t.policy.Limits
	was, is := &t.view.Totals, &after.Totals
	seats := func(c *Change) bool {
		return c.Kind == MemberCreate || c.Kind == MemberReactivate && !t.seated(c)
	}
	numbers := func(c *Change) bool { return c.Kind == NumberCreate || c.Kind == NumberBuy }
	n := t.over(l.Seats, was.Seats, is.Seats, 1, seats, "I11", "seats", "Free a seat or raise limits.seats, then send this again.")
	n += t.over(l.Numbers, was.Numbers, is.Numbers, 1, numbers, "I11", "numbers", "Release a number or raise limits.numbers, then send this again.")
	n += t.over(l.Administrators, was.Owners+was.Admins, is.Owners+is.Admins, 1,
		func(c *Change) bool { return raisedRole(c, t.now(c)) >= RoleAdmin && c.Kind != InvitationSend },
		RuleLimits, "administrators", "Lower an administrator or raise limits.administrators, then send this again.")
	if n == 0 {
		seat := int(max(t.view.Plan.Seat(), extraNumber) / 100)
		n = t.over(l.SpendPerMonth, dollarsUp(was.Monthly(t.view.Plan)), dollarsUp(is.Monthly(t.view.Plan)), seat,
			func(c *Change) bool { return seats(c) || numbers(c) },
			"I11", "spend_per_month", "Free a seat or number or raise limits.spend_per_month, then send this again.")
	}
	return n
}

func (t *trial) seated(c *Change) bool {
	m := t.now(c)
	return m != nil && m.takesSeat()
}

// over holds the last of the matching changes that a count above a limit is
// due to; each takes `each` of it.
func (t *trial) over(limit Limit, was, is, each int, match func(*Change) bool, rule, key, remedy string) int {
	if !limit.Exceeded(is) || is <= was {
		return 0
	}
	n, _ := limit.Get()
	excess := (is - max(n, was) + each - 1) / each
	list := t.standing(match)
	if excess > len(list) {
		excess = len(list)
	}
	reason := strconv.Itoa(is) + " " + key + " would be more than limits." + key + " allows (" + strconv.Itoa(n) + ")"
	if rule == "I11" && key != "spend_per_month" {
		reason = strconv.Itoa(min(was, n)) + " of " + strconv.Itoa(n) + " " + key + " are in use, and the plan needs " + strconv.Itoa(is)
	}
	for _, i := range list[len(list)-excess:] {
		t.withdraw(i, Hold, rule, reason+inRow(t.ds[i].Row)+"; "+t.actor()+".", remedy)
	}
	return excess
}

// settleRowCaps is MR2: at most so many active holders of a row's role after
// the plan, those set by hand counted; the last to come wait.
func (t *trial) settleRowCaps(after *View) int {
	withdrawn := 0
	seen := map[string]bool{}
	for _, first := range t.order {
		c := &t.ds[first].Change
		rule, limit, role := c.Cause.Rule, c.Cause.Cap, raisedRole(c, t.now(c))
		if limit == 0 || role == RoleNone || seen[rule] || !t.candidate(&t.ds[first]) {
			continue
		}
		seen[rule] = true
		holders := after.Totals.Admins
		if role == RoleOwner {
			holders = after.Totals.Owners
		}
		if holders <= limit {
			continue
		}
		list := t.standing(func(c *Change) bool {
			return c.Cause.Rule == rule && c.Cause.Cap > 0 && raisedRole(c, t.now(c)) == role
		})
		excess := min(holders-limit, len(list))
		for _, i := range list[len(list)-excess:] {
			t.withdraw(i, Hold, rule, "Mapping row "+rule+" gives "+role.Title()+" to at most "+strconv.Itoa(limit)+"; the plan would make it "+
				strconv.Itoa(holders)+inRow(t.ds[i].Row)+"; "+t.actor()+".", "Lower a present "+role.Title()+" or raise the cap of "+rule+".")
		}
		withdrawn += excess
	}
	return withdrawn
}

// counted writes "1 role raise", "3 role raises".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
