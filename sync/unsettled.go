package sync

import (
	"strings"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// immaterial reports whether the record of an active member changed only in
// what neither the rules nor the member show, and nothing is left over from the
// last plan: there is nothing to plan then. The version of the record has been compared
// by now, so Before is what the store had.
func (u *unit) immaterial(o *IdentityObservation) (bool, error) {
	if o.Before == nil || !o.Row.Active || o.Row.Member == "" || o.Row.Member != o.Before.Member || o.Wishes != (Wishes{}) || u.approver != nil ||
		u.s.rules.Timed() || !u.s.rules.Same(o.Before, &o.Row.Identity) {
		return false, nil
	}
	m, err := u.member(o.Row.Member)
	if err != nil {
		return false, err
	}
	return m.Usable() && !m.Unsettled, nil
}

// judged is what the rules said of a person in this unit, and the record that
// brought the person up.
type judged struct {
	// undecided: a row could not give what it wants. Only numbers change that,
	// beside the record and the rules.
	undecided bool
	// connection and waiter name the record in the line of those who wait.
	connection, waiter string
}

// waiterOf is a record's name in the line of those who wait: the directory's
// immutable id, by which a newcomer without a record is known too; for a
// connection that pushes, where that id is optional, the record's own.
func (u *unit) waiterOf(i *workspace.Identity) string {
	if u.s.conns[i.Connection].Kind == pushedKind {
		return i.ID
	}
	return i.ExternalID
}

// pushedKind is the kind of the connections that are not read.
const pushedKind = "scim"

// wish is what is left of what a person should have.
type wish struct{ besides, number, seat bool }

// left adds an outcome to what somebody goes on waiting for.
func (w *wish) left(p *planned, d *workspace.Decision) {
	w.besides = w.besides || !p.scarce
	switch p.Kind {
	case workspace.NumberAssign, workspace.NumberAccess:
		w.number = true
	case workspace.MemberCreate, workspace.MemberReactivate:
		w.seat = w.seat || d.Rule == ruleSeats
	}
}

// ruleSeats is the rule by which somebody waits for a seat (I11).
const ruleSeats = "I11"

// markUnsettled remembers of every member whom the rules were asked about in
// this unit whether all that they want was brought about. Nothing is written
// while that stays as it was.
func (u *unit) markUnsettled() error {
	if u.b.Part != "" {
		return nil // what else the people of the plan wait for is not looked at
	}
	members, left := map[string]string{}, map[string]*wish{}
	for key := range u.waits {
		left[key] = &wish{besides: true}
	}
	for key, j := range u.judged {
		if id, ok := strings.CutPrefix(key, "member:"); ok {
			members[key] = id
		}
		if j.undecided {
			left[key] = &wish{number: true, besides: u.waits[key]}
		}
	}
	for i := range u.outcomes {
		p := &u.plan[i]
		if p.Kind == workspace.MemberCreate {
			members[p.person] = p.Subject.ID
		}
		// What is held already, or denied, may be a noop of this unit.
		if o := &u.outcomes[i]; p.Kind != "" && (o.Decision.Verdict != workspace.Allow || o.Outcome != "applied" && o.Outcome != "noop") {
			if left[p.person] == nil {
				left[p.person] = &wish{}
			}
			left[p.person].left(p, &o.Decision)
		}
	}
	for _, key := range sortedKeys(members) {
		j, asked := u.judged[key]
		m := u.view.Members[members[key]]
		if !asked || m == nil {
			continue
		}
		want := left[key]
		if m.Unsettled == (want != nil) {
			if m.Unsettled && u.hasLine(&j) {
				if err := u.tx.KeepWaiter(u.waiter(&j, want)); err != nil {
					return err
				}
			}
			continue
		}
		m.Unsettled = !m.Unsettled
		if err := u.tx.SetUnsettled(m.ID, m.Unsettled); err != nil {
			return err
		}
		if m.Unsettled && u.mayWait(&j) {
			if err := u.tx.PutWaiter(u.waiter(&j, want)); err != nil {
				return err
			}
		}
	}
	return u.markWaiting(members, left)
}

// waiter is somebody's row in the line of those who wait.
func (u *unit) waiter(j *judged, w *wish) store.Waiter {
	return store.Waiter{Connection: j.connection, ID: j.waiter, Since: u.now, OnlyNumber: !w.besides, Number: w.number, Seat: w.seat}
}

// mayWait reports whether somebody who is refused gets a place in the line of
// those who are tried again.
func (u *unit) mayWait(j *judged) bool { return u.b.Again == nil && u.hasLine(j) }

// hasLine reports whether who was brought up by a record may stand in line. A
// person who was pushed and refused has no record, and the identity provider
// has been told so: it sends them again, or not at all when they leave there
// meanwhile, which nobody would tell us (VW08).
func (u *unit) hasLine(j *judged) bool {
	return j.waiter != "" && (u.s.conns[j.connection].Kind != pushedKind || u.refused == nil)
}

// markWaiting gives those a place who did not even become members, and takes
// it from those who have been tried again and want nothing more. The others'
// rows stay until then: who waits no more is found out by trying.
func (u *unit) markWaiting(members map[string]string, left map[string]*wish) error {
	waits := map[string]bool{}
	for _, key := range sortedKeys(u.judged) {
		j, want := u.judged[key], left[key]
		if want == nil {
			continue
		}
		waits[j.waiter] = true
		if m := u.view.Members[members[key]]; m == nil && u.mayWait(&j) {
			if err := u.tx.KeepWaiter(u.waiter(&j, want)); err != nil {
				return err
			}
		}
	}
	for _, id := range u.b.Again {
		if !waits[id] {
			if err := u.tx.DropWaiter(u.conn.ID, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepQuiet takes what is refused once more out of the report of a unit that
// tries people again, or makes the plan of those who wait.
func (u *unit) keepQuiet() {
	if u.b.Again == nil && (u.b.Part == "" || u.approver != nil) {
		return
	}
	for i := range u.outcomes {
		if u.outcomes[i].Outcome == "denied" {
			u.outcomes[i].Outcome = "dropped"
		}
	}
	u.notices = nil
}

// idle reports whether a unit brought nothing about that a report would tell.
func (u *unit) idle() bool {
	for i := range u.outcomes {
		if o := &u.outcomes[i]; u.plan[i].Kind != "" && o.Outcome != "dropped" && o.Outcome != "noop" {
			return false
		}
	}
	return len(u.decided) == 0 && len(u.findings) == 0
}
