package sync

import (
	"errors"

	"github.com/rollcall-sync/rollcall/workspace"
)

// result tells the caller what became of the batch.
func (u *unit) result() (Result, error) {
	r := Result{Run: u.run, Counts: u.counts, Refusal: u.refused, InvitationSecret: u.secret, summed: u.summed, otherHalf: u.otherHalf, contests: u.contests, Notices: u.notices, aside: u.aside, tripped: u.tripped}
	for i := range u.outcomes {
		if u.plan[i].Kind != "" && u.outcomes[i].Outcome != "dropped" {
			o := u.outcomes[i]
			o.Decision.Change = u.plan[i].Change
			if o.Summary == "" { // nothing new: the report counts it only
				o.Summary = u.view.Describe(o.Decision.Change)
			}
			r.Outcomes = append(r.Outcomes, o)
		}
	}
	if u.refused != nil {
		return r, nil
	}
	for i := range u.b.Identities {
		id, err := u.identity(u.b.Identities[i].Row.ID)
		if err != nil && !errors.Is(err, workspace.ErrNotFound) {
			return r, err
		}
		r.Identities = append(r.Identities, id)
	}
	for i := range u.b.Groups {
		g, err := u.tx.DirectoryGroup(u.b.Groups[i].Group.ID)
		if err != nil && !errors.Is(err, workspace.ErrNotFound) {
			return r, err
		}
		r.Groups = append(r.Groups, g)
	}
	return r, nil
}
