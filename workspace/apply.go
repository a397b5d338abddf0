package workspace

import (
	"maps"
	"slices"
)

// Apply applies one change to the view, with the totals. It is the one
// definition of what a change does: ring positions, number states and
// counters after a plan are those of the view after Apply. A kind touches
// only the fields it is about, whatever else its After holds. What a change
// names and the view does not hold is taken from the change's Before.
//
// Apply replaces the nouns it changes and never writes through the pointers
// that the view held before, so shallow copies of a view stay as they were.
func (v *View) Apply(c Change) { v.apply(&c) }

func (v *View) apply(c *Change) {
	switch c.Kind {
	case MemberCreate, MemberUpdate, MemberRole, MemberDeactivate, MemberReactivate, MemberContain, MemberRelease,
		MemberRemove, MemberSessions:
		v.applyMember(c)
	case MemberLink:
		// Links are rows of their own; the member stays as it is.
	case NumberCreate, NumberBuy, NumberUpdate:
		v.applyNumber(c)
	case NumberAssign, NumberUnassign, NumberAccess, NumberRing, NumberOwner, NumberReserve, NumberReleased:
		v.applyHolding(c)
	case GroupCreate, GroupUpdate, GroupDelete, GroupJoin, GroupLeave:
		v.applyGroup(c)
	case InvitationSend, InvitationAccept, InvitationRevoke:
		v.applyInvitation(c)
	case DomainClaimed, DomainVerify, DomainLapse, DomainRenew, DomainContest, DomainRelease:
		if d, ok := c.After.(DomainClaim); ok {
			put(&v.Domains, d.Domain, &d)
		} else if d, ok := c.Before.(DomainClaim); ok {
			delete(v.Domains, d.Domain)
		}
	case OwnerTransfer:
		v.applyTransfer(c)
	}
}

// put sets a map's entry and makes the map if there is none.
func put[T any](m *map[string]*T, id string, x *T) {
	if *m == nil {
		*m = make(map[string]*T)
	}
	(*m)[id] = x
}

// replaceMember puts a member's new record into the view and moves the totals.
func (v *View) replaceMember(before, after *Member) {
	if before != nil {
		v.Totals.count(before, -1)
	}
	v.Totals.count(after, 1)
	put(&v.Members, after.ID, after)
}

// count adds what one member contributes to the totals, n times.
func (t *Totals) count(m *Member, n int) {
	if m.State == StateActive {
		t.Active += n
		switch m.Role {
		case RoleOwner:
			t.Owners += n
		case RoleAdmin:
			t.Admins += n
		case RoleNone, RoleMember:
		}
	}
	if m.takesSeat() {
		t.Seats += n
	}
}

// takesSeat reports whether a member's seat is paid: active, or a leaver
// whose grace runs or stands still because the tail is held (GR1, GR2).
func (m *Member) takesSeat() bool {
	return m.State == StateActive || m.State == StateDeactivated && (m.GraceUntil != 0 || m.TailHeld)
}

// raiseEpoch ends all sessions: epochs only grow (EP1).
func (m *Member) raiseEpoch(to int64) { m.Epoch = max(m.Epoch+1, to) }

func (v *View) applyMember(c *Change) {
	after, ok := c.After.(Member)
	if !ok {
		after, ok = c.Before.(Member)
		if !ok {
			return
		}
	}
	old := v.Members[after.ID]
	if c.Kind == MemberCreate {
		v.replaceMember(old, &after)
		return
	}
	if old == nil {
		before, known := c.Before.(Member)
		if !known {
			return
		}
		old = &before
	}
	m := *old
	switch c.Kind {
	case MemberUpdate:
		m.update(c.Before, &after)
	case MemberRole:
		m.Role, m.RoleSource = after.Role, after.RoleSource
	case MemberDeactivate:
		if m.State == StateRemoved {
			return // removal is final: ending access once more does not undo it
		}
		m.State, m.DeactivatedAt, m.GraceUntil, m.TailHeld = StateDeactivated, after.DeactivatedAt, after.GraceUntil, after.TailHeld
		m.Contained, m.ContainedSince, m.ContainedCause = false, 0, ""
		m.raiseEpoch(after.Epoch)
	case MemberReactivate:
		m.State, m.DeactivatedAt, m.GraceUntil, m.TailHeld = StateActive, 0, 0, false
		m.Reason, m.AccessEnd = after.Reason, after.AccessEnd
		if after.Role != RoleNone {
			m.Role, m.RoleSource = after.Role, after.RoleSource
		}
		m.raiseEpoch(after.Epoch)
	case MemberContain:
		m.Contained, m.ContainedSince, m.ContainedCause = true, after.ContainedSince, after.ContainedCause
		m.raiseEpoch(after.Epoch)
	case MemberRelease:
		m.Contained, m.ContainedSince, m.ContainedCause = false, 0, ""
		m.raiseEpoch(after.Epoch)
	case MemberRemove:
		m.State, m.GraceUntil, m.TailHeld = StateRemoved, 0, false
		m.raiseEpoch(after.Epoch)
	case MemberSessions:
		m.raiseEpoch(after.Epoch)
	default:
		return
	}
	v.replaceMember(old, &m)
}

// update sets the fields that the change is about: those in which its After
// differs from its Before, so that two updates of one plan (a name, an address
// that is judged by itself) do not undo each other. Without a Before all count.
func (m *Member) update(before any, after *Member) {
	was, known := before.(Member)
	if !known || was.Name != after.Name {
		m.Name = after.Name
	}
	if !known || was.Email != after.Email || was.EmailKey != after.EmailKey {
		m.Email, m.EmailKey = after.Email, after.EmailKey
	}
	if !known || was.Reason != after.Reason {
		m.Reason = after.Reason
	}
	if !known || was.AccessEnd != after.AccessEnd {
		m.AccessEnd = after.AccessEnd
	}
	if !known || was.GraceUntil != after.GraceUntil {
		m.GraceUntil = after.GraceUntil
	}
	if !known || was.TailHeld != after.TailHeld {
		m.TailHeld = after.TailHeld
	}
}

// applyTransfer moves the primary flag and the role at once; the former
// primary becomes Admin (C6).
func (v *View) applyTransfer(c *Change) {
	from, okFrom := c.Before.(Member)
	to, okTo := c.After.(Member)
	if !okFrom || !okTo || from.ID == to.ID {
		return
	}
	if old := v.Members[from.ID]; old != nil {
		m := *old
		m.Primary, m.Role, m.RoleSource = false, RoleAdmin, SourceManual
		v.replaceMember(old, &m)
	}
	if old := v.Members[to.ID]; old != nil {
		m := *old
		m.Primary = true
		if m.Role != RoleOwner {
			m.Role, m.RoleSource = RoleOwner, SourceManual
		}
		v.replaceMember(old, &m)
	}
}

func (v *View) applyNumber(c *Change) {
	after, ok := c.After.(Number)
	if !ok {
		return
	}
	old := v.Numbers[after.ID]
	n := after
	if old != nil {
		n = *old
		n.Name, n.Type, n.Pool, n.Site, n.State = after.Name, after.Type, after.Pool, after.Site, after.State
		n.QuarantineUntil, n.LegalHold = after.QuarantineUntil, after.LegalHold
		if old.State != NumberPortedOut {
			v.Totals.Numbers--
		}
	}
	if n.State != NumberPortedOut {
		v.Totals.Numbers++
	}
	put(&v.Numbers, n.ID, &n)
}

func (v *View) applyGroup(c *Change) {
	switch x := coalesce(c).(type) {
	case Group:
		old := v.Groups[x.ID]
		switch {
		case c.Kind == GroupDelete:
			delete(v.Groups, x.ID)
			v.dropAssignee(ToGroup, x.ID)
		case old == nil:
			put(&v.Groups, x.ID, &x)
		default:
			g := *old
			g.Name, g.NameKey = x.Name, x.NameKey
			put(&v.Groups, x.ID, &g)
		}
	case GroupMembership:
		old := v.Groups[x.Group]
		if old == nil {
			return
		}
		g := *old
		if c.Kind == GroupJoin {
			g.MemberCount++
		} else {
			g.MemberCount--
		}
		put(&v.Groups, x.Group, &g)
	}
}

// coalesce gives what the change leaves, or what it takes away.
func coalesce(c *Change) any {
	if c.After != nil {
		return c.After
	}
	return c.Before
}

func (v *View) applyInvitation(c *Change) {
	x, ok := coalesce(c).(Invitation)
	if !ok {
		return
	}
	old := v.Invitations[x.ID]
	if old == nil || c.Kind == InvitationSend {
		put(&v.Invitations, x.ID, &x)
		old = &x
	}
	i := *old
	switch c.Kind {
	case InvitationAccept:
		i.State = InvitationAccepted
	case InvitationRevoke:
		i.State = InvitationRevoked
		if x.State == InvitationExpired {
			i.State = InvitationExpired
		}
	default:
		i.State, i.Held, i.ExpiresAt, i.TokenHash = x.State, x.Held, x.ExpiresAt, x.TokenHash
	}
	put(&v.Invitations, i.ID, &i)
}

// shallow returns a view that may be applied to without touching v. Apply
// never writes through pointers, so copies of the maps that it writes to are
// enough; the others are shared.
func (v *View) shallow(members, numbers, others bool) *View {
	c := *v
	if members {
		c.Members = maps.Clone(v.Members)
	}
	if numbers {
		c.Numbers = maps.Clone(v.Numbers)
	}
	if others {
		c.Groups, c.Invitations, c.Domains = maps.Clone(v.Groups), maps.Clone(v.Invitations), maps.Clone(v.Domains)
	}
	return &c
}

// numberID returns the number that a change of a holding is about.
func numberID(c *Change) string {
	switch x := coalesce(c).(type) {
	case Assignment:
		return x.Number
	case Ownership:
		return x.Number
	case Reservation:
		return x.Number
	case Number:
		return x.ID
	}
	return ""
}

func (v *View) applyHolding(c *Change) {
	old := v.Numbers[numberID(c)]
	if old == nil {
		return
	}
	n := *old
	switch c.Kind {
	case NumberAssign, NumberAccess, NumberRing:
		if a, ok := c.After.(Assignment); ok {
			n.place(a, c.Kind)
		}
	case NumberUnassign:
		if a, ok := coalesce(c).(Assignment); ok {
			n.drop(a.Kind, a.To)
		}
	case NumberOwner:
		if o, ok := c.After.(Ownership); ok {
			n.addOwner(o.Member)
		} else if o, ok := c.Before.(Ownership); ok {
			n.Owners = without(n.Owners, func(id string) bool { return id == o.Member })
		}
	case NumberReserve:
		if r, ok := c.After.(Reservation); ok {
			n.Reservations = append(without(n.Reservations, func(x Reservation) bool { return x.Kind == r.Kind && x.For == r.For }), r)
		}
	case NumberReleased:
		if r, ok := coalesce(c).(Reservation); ok {
			n.Reservations = without(n.Reservations, func(x Reservation) bool { return x.Kind == r.Kind && x.For == r.For })
		}
	default:
		return
	}
	n.settleState()
	v.Numbers[n.ID] = &n
}

// dropAssignee takes an assignee from every number of the view.
func (v *View) dropAssignee(kind AssigneeKind, to string) {
	for id, old := range v.Numbers {
		if !slices.ContainsFunc(old.Assignments, func(a Assignment) bool { return a.Kind == kind && a.To == to }) {
			continue
		}
		n := *old
		n.drop(kind, to)
		n.settleState()
		v.Numbers[id] = &n
	}
}
