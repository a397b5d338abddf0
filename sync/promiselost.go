package sync

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// A number that an invitation had promised and that somebody else has alone by
// the time of the acceptance is the strategy `ask` (domain section 11): the
// person is in, and a hold names what could be had instead. A person chooses by
// assigning a number; there is nothing in the hold that a word could apply.

// lostCandidates is how many numbers are named instead of a lost one, as for
// the strategy ask (mapping section 6).
const lostCandidates = 5

// chooseInstead is the remedy for a lost number: free numbers of its pool, or
// of its place if it has no pool.
func (u *unit) chooseInstead(lost *workspace.Number) (string, error) {
	free, skip := inventory{u: u}, map[string]bool{}
	var names []string
	for len(names) < lostCandidates {
		n, ok, err := free.LowestFree(mapping.Pool{Name: lost.Pool, Site: lost.Site}, skip)
		if err != nil {
			return "", err
		}
		if !ok {
			break
		}
		skip[n.ID] = true
		names = append(names, n.E164)
	}
	choice := "another number"
	if len(names) > 0 {
		choice = "one of " + strings.Join(names, ", ")
	}
	return "assign " + choice + " by hand, then reject this plan", nil
}

// losesPromise reports whether it is a promised number that was lost.
func (p *planned) losesPromise() bool {
	return p.Kind == workspace.NumberAssign && p.Cause.Kind == workspace.CauseInvite && p.ruling != nil && p.ruling.Verdict == workspace.Hold
}

// lostPromise tells an approver that a hold has only numbers that an accepted
// invitation has lost, and what to do instead; nil for any other hold.
func lostPromise(hold *store.HoldRow) error {
	var changes []ChangeReport
	if err := json.Unmarshal(hold.Changes, &changes); err != nil {
		return fmt.Errorf("hold %s: %w", hold.ID, err)
	}
	other := func(c ChangeReport) bool { return c.Kind != string(workspace.NumberAssign) || c.Decision.Rule != "I4" }
	if len(changes) == 0 || slices.ContainsFunc(changes, other) {
		return nil
	}
	d := &changes[0].Decision
	return &ApprovalError{Rule: d.Rule, Reason: d.Reason, Remedy: d.Remedy}
}
