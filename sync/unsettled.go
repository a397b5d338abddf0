package sync

import (
	"strings"

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
	undecided            bool
	external, connection string
}

// markUnsettled remembers of every member whom the rules were asked about in
// this unit whether all that they want was brought about. Nothing is written
// while that stays as it was.
func (u *unit) markUnsettled() error {
	members, left, besides := map[string]string{}, map[string]bool{}, map[string]bool{}
	for key := range u.judged {
		if id, ok := strings.CutPrefix(key, "member:"); ok {
			members[key] = id
		}
	}
	for i := range u.outcomes {
		p := &u.plan[i]
		if p.Kind == workspace.MemberCreate {
			members[p.person] = p.Subject.ID
		}
		// What is held already, or denied, may be a noop of this unit.
		if o := &u.outcomes[i]; p.Kind != "" && (o.Decision.Verdict != workspace.Allow || o.Outcome != "applied" && o.Outcome != "noop") {
			left[p.person] = true
			besides[p.person] = besides[p.person] || !p.scarce
		}
	}
	for _, key := range sortedKeys(members) {
		j, asked := u.judged[key]
		m := u.view.Members[members[key]]
		if !asked || m == nil {
			continue
		}
		if m.Unsettled == (j.undecided || left[key]) {
			if m.Unsettled && u.read(&j) {
				if err := u.tx.KeepWaiter(j.connection, j.external, u.now, !besides[key]); err != nil {
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
			if err := u.tx.PutWaiter(j.connection, j.external, u.now, !besides[key]); err != nil {
				return err
			}
		}
	}
	return u.markWaiting(members, left, besides)
}

// mayWait reports whether somebody who is refused gets a place in the line of
// those who are tried again at the next full read: connections that push are
// not read.
func (u *unit) mayWait(j *judged) bool { return u.b.Again == nil && u.read(j) }

// read reports whether the record that brought somebody up is read, not pushed.
func (u *unit) read(j *judged) bool {
	return j.external != "" && u.s.conns[j.connection].Kind != "scim"
}

// markWaiting gives those a place who did not even become members, and takes
// it from those who have been tried again and want nothing more. The others'
// rows stay until then: who waits no more is found out by trying.
func (u *unit) markWaiting(members map[string]string, left, besides map[string]bool) error {
	waits := map[string]bool{}
	for _, key := range sortedKeys(u.judged) {
		j := u.judged[key]
		if !j.undecided && !left[key] {
			continue
		}
		waits[j.external] = true
		if m := u.view.Members[members[key]]; m == nil && u.mayWait(&j) {
			if err := u.tx.KeepWaiter(j.connection, j.external, u.now, !besides[key]); err != nil {
				return err
			}
		}
	}
	for _, external := range u.b.Again {
		if !waits[external] {
			if err := u.tx.DropWaiter(u.conn.ID, external); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepQuiet takes what is refused once more out of the report of a unit that
// tries people again.
func (u *unit) keepQuiet() {
	if u.b.Again == nil {
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
