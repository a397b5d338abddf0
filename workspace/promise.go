package workspace

// settlePromises judges numbers that invitations hold in advance (R17): whoever
// accepts has such a number alone, unless others use it then. So a number that
// is exclusive to somebody, or that nobody uses and another invitation
// promises, is promised to nobody else (R12, I4). What was promised before is
// no new promise; of several in one plan the first stands.
func (t *trial) settlePromises(after *View) int {
	withdrawn := 0
	promised := map[string]string{} // number -> invitation of this plan
	for _, i := range t.order {
		c := &t.ds[i].Change
		r, ok := c.promise()
		if !ok || !t.candidate(&t.ds[i]) || after == nil || t.view.promises(&r) {
			continue
		}
		n := after.Numbers[r.Number]
		if n == nil {
			continue
		}
		why := t.promisedElsewhere(after, n, &r, promised)
		if why == "" {
			promised[n.ID] = r.For
			continue
		}
		// An invitation that promises what it cannot give is not sent.
		at := i
		if send, made := t.created[r.For]; made && t.candidate(&t.ds[send]) {
			at = send
		}
		t.withdraw(at, Deny, "I4", why+inRow(t.ds[at].Row)+"; "+t.actor()+".", "Choose another number, or let it be shared first.")
		withdrawn++
	}
	return withdrawn
}

// promise is the reservation by which a change promises a number in an
// invitation.
func (c *Change) promise() (Reservation, bool) {
	r, ok := c.After.(Reservation)
	return r, ok && c.Kind == NumberReserve && r.Kind == ToInvitation
}

// promises reports whether a number is held for an invitation already.
func (v *View) promises(r *Reservation) bool {
	n := v.Numbers[r.Number]
	if n == nil {
		return false
	}
	for i := range n.Reservations {
		if n.Reservations[i].Kind == r.Kind && n.Reservations[i].For == r.For {
			return true
		}
	}
	return false
}

// promisedElsewhere tells why a number cannot be promised; "" if it can.
func (t *trial) promisedElsewhere(after *View, n *Number, r *Reservation, promised map[string]string) string {
	used := false
	for i := range n.Assignments {
		a := &n.Assignments[i]
		switch {
		case after.gone(a):
		case a.Access == AccessExclusive:
			return n.E164 + " is exclusive to " + after.assigneeLabel(a.To)
		default:
			used = used || a.Access.Rings()
		}
	}
	if used {
		return "" // it is shared, and so is what is promised
	}
	for i := range n.Reservations {
		x := &n.Reservations[i]
		if x.Kind != ToInvitation || x.For == r.For {
			continue
		}
		// Of those that this plan makes, the first stands.
		if t.view.promises(x) || promised[n.ID] == x.For {
			return n.E164 + " is promised in the invitation of " + after.assigneeLabel(x.For)
		}
	}
	return ""
}
