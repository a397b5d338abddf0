package workspace

import (
	"cmp"
	"slices"
	"strings"
)

// trial tries a plan on copies of its view and withdraws what breaks an
// invariant or a limit on the state after it.
type trial struct {
	*judge
	ds      []Decision
	order   []int          // changes in canonical order, independent of the input's
	created map[string]int // id of what the plan makes -> the change that makes it
	leavers map[string]int // member -> the change that ends their access
	scope   scope
	held    bool // the second round: what waits is tried too
}

// scope says which invariants a plan can break at all: the others are not
// computed.
type scope struct {
	owners, addresses, totals, caps, grants bool
	numbers                                 []string // sorted ids

	// The maps of the view that the plan writes to: the others are shared
	// with the copy.
	writesMembers, writesNumbers, writesOthers bool
}

// blind reports whether nothing needs the state after the plan.
func (s *scope) blind() bool {
	return !s.owners && !s.totals && !s.caps && !s.grants && len(s.numbers) == 0
}

// run settles the allowed changes first, then asks of those that wait
// whether they could ever pass beside them: a change that an invariant
// forbids is denied and not held, deny being the stricter verdict.
func (t *trial) run() {
	t.arrange()
	t.limitRaises()
	t.spread()
	t.settleAll()
	if slices.ContainsFunc(t.ds, func(d Decision) bool { return d.Verdict == Hold }) {
		t.held = true
		t.settleAll()
	}
	for i := range t.ds {
		if d := &t.ds[i]; d.Invariants == nil && d.Verdict == Allow {
			d.Invariants = judged[d.Change.Kind]
		}
	}
}

func (t *trial) settleAll() {
	t.survey()
	for {
		var after *View
		if !t.scope.blind() {
			after = t.after()
		}
		if t.settle(after) == 0 {
			return
		}
		t.spread()
	}
}

// candidate reports whether a decision may be withdrawn now.
func (t *trial) candidate(d *Decision) bool {
	if t.held {
		return d.Verdict == Hold
	}
	return d.Verdict == Allow
}

// tried reports whether a decision's change belongs to the state after.
func (t *trial) tried(d *Decision) bool { return d.Verdict == Allow || t.held && d.Verdict == Hold }

// onlyChange is the order of a plan of one change; it is never written to.
var onlyChange = []int{0}

// stage orders kinds so that what a change needs comes before it.
func stage(c *Change) int {
	switch c.Kind {
	case OwnerTransfer:
		return 0
	case MemberCreate, GroupCreate, NumberCreate, NumberBuy, InvitationSend, DomainClaimed:
		return 1
	case NumberRing:
		return 5
	}
	switch c.Direction() {
	case Reduction:
		return 2
	case Neutral:
		return 3
	default:
		return 4
	}
}

// arrange makes the canonical order. Ids that the engine makes anew for each
// run are compared last.
func (t *trial) arrange() {
	if len(t.ds) == 1 {
		t.order = onlyChange
		return
	}
	t.order = make([]int, len(t.ds))
	for i := range t.order {
		t.order[i] = i
	}
	t.created, t.leavers = make(map[string]int), make(map[string]int)
	for i := range t.ds {
		c := &t.ds[i].Change
		switch c.Kind {
		case MemberCreate, GroupCreate, NumberCreate, NumberBuy, InvitationSend:
			if k, twice := t.created[createdID(c)]; !twice || c.ID < t.ds[k].Change.ID {
				t.created[createdID(c)] = i
			}
		}
	}
	slices.SortFunc(t.order, t.compare)
	for _, i := range t.order {
		c := &t.ds[i].Change
		if _, twice := t.leavers[c.Subject.ID]; !twice && (c.Kind == MemberDeactivate || c.Kind == MemberRemove) {
			t.leavers[c.Subject.ID] = i
		}
	}
}

// Order returns the order in which a plan's changes are judged, as indexes
// into changes: what is made comes first, reductions before expansions, ring
// positions last. It does not depend on the order given. Where changes of
// one plan touch the same thing, apply them in this order to get the state
// that Check judged.
func Order(changes []Change) []int {
	t := trial{ds: make([]Decision, len(changes))}
	for i := range changes {
		t.ds[i].Change = changes[i]
	}
	t.arrange()
	return slices.Clone(t.order)
}

func createdID(c *Change) string {
	switch x := c.After.(type) {
	case Member:
		return x.ID
	case Group:
		return x.ID
	case Number:
		return x.ID
	case Invitation:
		return x.ID
	}
	return c.Subject.ID
}

// compare orders two changes by stage, by the person concerned, by subject;
// then by what they want.
func (t *trial) compare(a, b int) int {
	x, y := &t.ds[a].Change, &t.ds[b].Change
	if r := cmp.Compare(stage(x), stage(y)); r != 0 {
		return r
	}
	if r := compareRings(x, y); r != 0 {
		return r
	}
	if r := t.comparePersons(a, b); r != 0 {
		return r
	}
	if r := strings.Compare(string(x.Kind), string(y.Kind)); r != 0 {
		return r
	}
	_, madeX := t.created[x.Subject.ID]
	_, madeY := t.created[y.Subject.ID]
	if !madeX && !madeY {
		if r := strings.Compare(x.Subject.ID, y.Subject.ID); r != 0 {
			return r
		}
	}
	if r := strings.Compare(x.Cause.ExternalID, y.Cause.ExternalID); r != 0 {
		return r
	}
	return cmp.Or(strings.Compare(Fingerprint(*x), Fingerprint(*y)), strings.Compare(x.ID, y.ID))
}

// compareRings orders the places of a ring order from first to last: who is
// moved to a place stands on it then, whoever is moved behind it later. Kinds
// other than number.ring are of other stages.
func compareRings(x, y *Change) int {
	a, ok := x.After.(Assignment)
	b, okB := y.After.(Assignment)
	if x.Kind != NumberRing || y.Kind != NumberRing || !ok || !okB {
		return 0
	}
	return cmp.Or(strings.Compare(a.Number, b.Number), cmp.Compare(a.Ring, b.Ring))
}

// comparePersons orders changes by whom they concern: members there are by
// id, which is the order they came in, then those the plan makes, by address.
func (t *trial) comparePersons(a, b int) int {
	newA, keyA := t.personKey(&t.ds[a].Change)
	newB, keyB := t.personKey(&t.ds[b].Change)
	if newA != newB {
		if newA {
			return 1
		}
		return -1
	}
	return strings.Compare(keyA, keyB)
}

func (t *trial) personKey(c *Change) (isNew bool, key string) {
	id := c.Member
	if id == "" && c.Subject.Type == "member" {
		id = c.Subject.ID
	}
	if i, ok := t.created[id]; ok {
		if m, ok := t.ds[i].Change.After.(Member); ok {
			return true, cmp.Or(m.EmailKey, m.Email, m.Name)
		}
	}
	return false, id
}

// survey finds what the plan can break.
func (t *trial) survey() {
	t.scope = scope{}
	s := &t.scope
	l := &t.policy.Limits
	limited := l.Seats.on || l.Numbers.on || l.Administrators.on || l.SpendPerMonth.on
	for i := range t.ds {
		c := &t.ds[i].Change
		if !t.tried(&t.ds[i]) {
			continue
		}
		s.caps = s.caps || c.Cause.Cap > 0
		switch c.Kind {
		case MemberCreate, MemberReactivate:
			s.addresses, s.writesMembers = true, true
			s.totals = s.totals || limited
			s.owners = s.owners || t.concernsOwner(c)
			if c.Kind == MemberReactivate {
				s.numbers = append(s.numbers, t.numbersOf(c.Subject.ID)...)
			}
		case MemberUpdate:
			s.addresses = s.addresses || changesAddress(c)
			s.writesMembers = true
		case MemberRole, MemberDeactivate, MemberRemove:
			s.writesMembers = true
			s.totals = s.totals || limited && c.Direction() == Expansion
			s.owners = s.owners || t.concernsOwner(c)
		case OwnerTransfer:
			s.owners, s.writesMembers = true, true
			s.totals = s.totals || limited
		case MemberContain, MemberRelease, MemberSessions, MemberLink:
			s.writesMembers = true
		case NumberCreate, NumberBuy, NumberUpdate:
			s.totals = s.totals || limited
			s.writesNumbers = true
			s.numbers = append(s.numbers, numberID(c))
		case NumberAssign, NumberUnassign, NumberAccess, NumberOwner, NumberRing:
			s.grants = s.grants || c.Direction() == Expansion
			s.writesNumbers = true
			s.numbers = append(s.numbers, numberID(c))
		case NumberReserve, NumberReleased:
			_, promise := c.promise()
			s.grants = s.grants || promise
			s.writesNumbers = true
		case GroupDelete:
			s.writesNumbers, s.writesOthers = true, true
		case GroupJoin:
			s.grants, s.writesOthers = true, true
		default:
			s.writesOthers = true
		}
	}
	if len(s.numbers) > 1 {
		slices.Sort(s.numbers)
		s.numbers = slices.Compact(s.numbers)
	}
}

func changesAddress(c *Change) bool {
	before, ok := c.Before.(Member)
	after, okAfter := c.After.(Member)
	return !ok || !okAfter || before.EmailKey != after.EmailKey
}

func (t *trial) concernsOwner(c *Change) bool {
	now := t.now(c)
	after, _ := c.After.(Member)
	return after.Role == RoleOwner || now != nil && (now.Role == RoleOwner || now.Primary)
}

// numbersOf lists the view's numbers on which a member has rows.
func (t *trial) numbersOf(member string) []string {
	var ids []string
	for id, n := range t.view.Numbers {
		if slices.ContainsFunc(n.Assignments, func(a Assignment) bool { return a.Kind == ToMember && a.To == member }) {
			ids = append(ids, id)
		}
	}
	return ids
}

// after applies what is still allowed to a copy of the view.
func (t *trial) after() *View {
	v := t.view.shallow(t.scope.writesMembers, t.scope.writesNumbers, t.scope.writesOthers)
	for _, i := range t.order {
		if t.tried(&t.ds[i]) {
			v.apply(&t.ds[i].Change)
		}
	}
	return v
}

// needs calls f with every change of the plan that this one stands or falls
// with: what makes its member, group, number or invitation, and the leaving
// whose consequence it is.
func (t *trial) needs(i int, f func(int)) {
	c := &t.ds[i].Change
	made := func(id string) {
		if k, ok := t.created[id]; ok && k != i && id != "" {
			f(k)
		}
	}
	made(c.Member)
	made(c.Subject.ID)
	switch x := coalesce(c).(type) {
	case Assignment:
		made(x.To)
		made(x.Number)
	case Ownership:
		made(x.Member)
		made(x.Number)
	case Reservation:
		made(x.For)
		made(x.Number)
	case GroupMembership:
		made(x.Member)
		made(x.Group)
	}
	leaver := c.Cause.Leaver
	if leaver == "" && c.Cause.Tail {
		leaver = c.Member
	}
	ends := (c.Kind == MemberDeactivate || c.Kind == MemberRemove) && c.Subject.ID == leaver
	if k, ok := t.leavers[leaver]; ok && k != i && leaver != "" && !ends {
		f(k)
	}
}

// spread lets what depends on a held or denied change wait or fall with it
// (BR3), until nothing changes.
func (t *trial) spread() {
	if len(t.ds) == 1 || !slices.ContainsFunc(t.ds, func(d Decision) bool { return d.Verdict != Allow }) {
		return
	}
	for again := true; again; {
		again = false
		for _, i := range t.order {
			d := &t.ds[i]
			if d.Verdict == Deny {
				continue
			}
			t.needs(i, func(k int) {
				if b := &t.ds[k]; b.Verdict == Deny && d.Verdict != Deny || b.Verdict == Hold && d.Verdict == Allow {
					d.follow(b, t.label(&b.Change))
					again = true
				}
			})
		}
	}
}

// follow gives a change the verdict of the one it depends on.
func (d *Decision) follow(b *Decision, label string) {
	d.Verdict, d.Rule, d.Remedy = b.Verdict, b.Rule, b.Remedy
	d.Row = b.Row
	d.Approvers = max(d.Approvers, b.Approvers)
	if b.Verdict == Hold {
		d.Reason = "Waits for the " + string(b.Change.Kind) + " of " + label + ", which is held. " + b.Reason
	} else {
		d.Reason = "Depends on the " + string(b.Change.Kind) + " of " + label + ", which is denied. " + b.Reason
	}
}

// limitRaises is policy.limits.role_raises_per_run: over it the whole set is
// held, never the first few (BR1).
func (t *trial) limitRaises() {
	limit, on := t.policy.Limits.RoleRaisesPerRun.Get()
	if !on {
		return
	}
	var raises []int
	for i := range t.ds {
		c := &t.ds[i].Change
		if t.ds[i].Verdict != Deny && raisedRole(c, t.now(c)) != RoleNone {
			raises = append(raises, i)
		}
	}
	if len(raises) <= limit {
		return
	}
	for _, i := range raises {
		d := &t.ds[i]
		c := &d.Change
		t.hold(d, RuleLimits, counted(len(raises), "role raise")+" in one run, of at most "+t.policy.Limits.RoleRaisesPerRun.String()+
			" (limits.role_raises_per_run)"+inRow(d.Row)+"; "+t.actor()+".", "An Admin or Owner approves the plan.", false)
		if d.Rule == RuleLimits {
			t.approve(c, t.now(c), d)
		}
	}
}
