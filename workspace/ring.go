package workspace

import "slices"

// place puts an assignment onto the number: a new one, or another access or
// ring position of one it has. Position 0 means last. The others keep their
// order, and positions stay dense 1..n over those who ring (R13, I5).
func (n *Number) place(a Assignment, kind ChangeKind) {
	list := make([]Assignment, 0, len(n.Assignments)+1)
	var had *Assignment
	for i := range n.Assignments {
		x := &n.Assignments[i]
		if x.Kind == a.Kind && x.To == a.To {
			had = x
			continue
		}
		list = append(list, *x)
	}
	if had != nil {
		kept := *had
		switch kind {
		case NumberAccess:
			kept.Access, kept.Notify = a.Access, a.Notify
		case NumberRing:
			kept.Ring = a.Ring
		default:
			kept.Access, kept.Notify, kept.Ring = a.Access, a.Notify, a.Ring
		}
		a = kept
	} else if kind != NumberAssign {
		return
	}
	at := len(list)
	if a.rings() && a.Ring > 0 {
		at = 0
		for at < len(list) && list[at].rings() && at < a.Ring-1 {
			at++
		}
	}
	n.Assignments = slices.Insert(list, at, a)
	n.closeRing()
	if kind == NumberAssign {
		n.Reservations = without(n.Reservations, func(r Reservation) bool { return r.Kind == a.Kind && r.For == a.To })
	}
}

// drop takes an assignee's access away and closes the gap in the ring.
func (n *Number) drop(kind AssigneeKind, to string) {
	n.Assignments = without(n.Assignments, func(a Assignment) bool { return a.Kind == kind && a.To == to })
	n.closeRing()
}

// rings reports whether the assignment has a place in the ring order:
// view-only access never does, an invitation not before it is accepted.
func (a *Assignment) rings() bool { return a.Access.Rings() && a.Kind != ToInvitation }

// closeRing orders the assignments as Number says and numbers those that
// ring 1..n. The order among those who ring is kept. n.Assignments must be a
// slice that nobody else holds.
func (n *Number) closeRing() {
	slices.SortStableFunc(n.Assignments, func(a, b Assignment) int {
		switch ar, br := a.rings(), b.rings(); {
		case ar && br:
			return 0
		case ar:
			return -1
		case br:
			return 1
		case a.To < b.To:
			return -1
		case a.To > b.To:
			return 1
		}
		return 0
	})
	position := 0
	for i := range n.Assignments {
		a := &n.Assignments[i]
		a.Ring = 0
		if a.rings() {
			position++
			a.Ring = position
		}
	}
}

// settleState moves the number between free, reserved and assigned by what
// hangs on it. Quarantine ends by being given again; porting stays.
func (n *Number) settleState() {
	switch n.State {
	case NumberPorting, NumberPortedOut:
		return
	case NumberQuarantined:
		if len(n.Assignments) == 0 && len(n.Reservations) == 0 {
			return
		}
		n.QuarantineUntil = 0
	case NumberFree, NumberAssigned, NumberReserved:
	}
	switch {
	case len(n.Assignments) > 0:
		n.State = NumberAssigned
	case len(n.Reservations) > 0:
		n.State = NumberReserved
	default:
		n.State = NumberFree
	}
}

// addOwner adds a member to the sorted owners.
func (n *Number) addOwner(id string) {
	at, found := slices.BinarySearch(n.Owners, id)
	if found {
		return
	}
	owners := make([]string, 0, len(n.Owners)+1)
	owners = append(owners, n.Owners[:at]...)
	owners = append(owners, id)
	n.Owners = append(owners, n.Owners[at:]...)
}

// without returns a new slice of the elements that do not match.
func without[T any](list []T, match func(T) bool) []T {
	out := make([]T, 0, len(list)+1)
	for _, x := range list {
		if !match(x) {
			out = append(out, x)
		}
	}
	return out
}
