package sync

import (
	"slices"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// markFreed notes what the unit has freed that somebody may wait for: a
// number that may be given, a seat where seats are limited, an address. The
// rows are read by Retry; they cost what was freed, whether anybody waits or
// not: who does is not known for sure before this unit is committed.
func (u *unit) markFreed() error {
	numbers, addresses := map[string]bool{}, map[string]bool{}
	for i := range u.plan {
		p := &u.plan[i]
		if u.outcomes[i].Outcome != "applied" {
			continue
		}
		if u.freesNumber(&p.Change) && u.offers(p.Subject.ID) {
			numbers[p.Subject.ID] = true
		}
		if key := freedAddress(&p.Change); key != "" {
			addresses[key] = true
		}
	}
	var all []store.Freed
	for _, id := range sortedKeys(numbers) {
		all = append(all, store.Freed{Kind: store.FreedNumber, Object: id})
	}
	for _, key := range sortedKeys(addresses) {
		all = append(all, store.Freed{Kind: store.FreedAddress, Object: key})
	}
	if u.view.Totals.Seats < u.standing.Totals.Seats && u.s.limitsSeats() {
		all = append(all, store.Freed{Kind: store.FreedSeat})
	}
	for _, f := range all {
		f.At, f.ID = u.now, newID()
		if err := u.tx.InsertFreed(f); err != nil {
			return err
		}
	}
	return nil
}

// limitsSeats reports whether the policy makes people wait for seats (I11).
func (s *space) limitsSeats() bool {
	_, seats := s.policy.Limits.Seats.Get()
	_, spend := s.policy.Limits.SpendPerMonth.Get()
	return seats || spend
}

// freesNumber reports whether a change may give a number to somebody who could
// not have it: most that happens to shared numbers does not.
func (u *unit) freesNumber(c *workspace.Change) bool {
	switch c.Kind {
	case workspace.NumberCreate, workspace.NumberBuy, workspace.NumberReleased, workspace.NumberReserve:
		return true
	case workspace.NumberUnassign:
		was, ok := c.Before.(workspace.Assignment)
		n := u.view.Numbers[c.Subject.ID]
		return ok && (was.Access == workspace.AccessExclusive || n != nil && len(n.Assignments) == 0)
	case workspace.NumberAccess:
		was, ok := c.Before.(workspace.Assignment)
		return ok && was.Access == workspace.AccessExclusive
	case workspace.NumberAssign: // a group's number is shared with its people
		is, ok := c.After.(workspace.Assignment)
		return ok && is.Kind == workspace.ToGroup
	case workspace.NumberUpdate:
		was, ok := c.Before.(workspace.Number)
		is, also := c.After.(workspace.Number)
		return ok && also && (was.State != is.State || was.Pool != is.Pool || was.Site != is.Site)
	}
	return false
}

// offers reports whether a number, as the unit leaves it, can be given to
// anybody.
func (u *unit) offers(id string) bool {
	n := u.view.Numbers[id]
	return n != nil && mayBeGiven(n)
}

// mayBeGiven reports whether a number can be given: it rests nowhere, and
// nobody has it alone.
func mayBeGiven(n *workspace.Number) bool {
	switch n.State {
	case workspace.NumberQuarantined, workspace.NumberPorting, workspace.NumberPortedOut:
		return false
	}
	return !slices.ContainsFunc(n.Assignments, func(a workspace.Assignment) bool { return a.Access == workspace.AccessExclusive })
}

// freedAddress is the address that a change takes from a member, folded; "" if
// it takes none.
func freedAddress(c *workspace.Change) string {
	was, ok := c.Before.(workspace.Member)
	is, also := c.After.(workspace.Member)
	switch {
	case !ok || !also:
		return ""
	case c.Kind == workspace.MemberRemove, c.Kind == workspace.MemberUpdate && was.EmailKey != is.EmailKey:
		return was.EmailKey
	}
	return ""
}
