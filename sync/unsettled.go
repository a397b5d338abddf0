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

// markUnsettled remembers of every member whom the rules were asked about in
// this unit whether all that they want was brought about. Nothing is written
// while that stays as it was.
func (u *unit) markUnsettled() error {
	members, left := map[string]string{}, map[string]bool{}
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
		}
	}
	for _, key := range sortedKeys(members) {
		undecided, judged := u.judged[key]
		m := u.view.Members[members[key]]
		if !judged || m == nil || m.Unsettled == (undecided || left[key]) {
			continue
		}
		m.Unsettled = !m.Unsettled
		if err := u.tx.SetUnsettled(m.ID, m.Unsettled); err != nil {
			return err
		}
	}
	return nil
}
