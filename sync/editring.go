package sync

import (
	"fmt"
	"slices"

	"github.com/rollcall-sync/rollcall/workspace"
)

// planSettings changes the settings of a number that Rollcall keeps: its
// inbox name (M08, or NUM-OWNER).
func (u *unit) planSettings(e *Edit, n *workspace.Number) error {
	name, err := plainName("name", e.Name)
	if err != nil {
		return err
	}
	if name == n.Name {
		return nil
	}
	after := *n
	after.Name = name
	u.add(planned{Change: workspace.Change{
		Kind: workspace.NumberUpdate, Subject: numberRef(n), Before: *n, After: after,
		Cause: u.editCause(e, "correction"),
	}, person: "number:" + n.ID})
	return nil
}

// planRing sets the whole ring order of a number (R13). It must name everybody
// who rings, once, and nobody else: an order that was made for other people
// is refused instead of guessed at.
func (u *unit) planRing(e *Edit, n *workspace.Number) error {
	var ringing []workspace.Assignment
	for _, a := range n.Assignments {
		if a.Access.Rings() && a.Kind != workspace.ToInvitation {
			ringing = append(ringing, a)
		}
	}
	wanted := make([]workspace.Assignment, 0, len(ringing))
	for _, id := range e.Order {
		i := slices.IndexFunc(ringing, func(a workspace.Assignment) bool { return a.To == id })
		if i < 0 {
			return &EditError{Field: "order", Reason: fmt.Sprintf("%q does not ring on %s", id, n.E164), Remedy: "name the ids of members and groups with shared or exclusive access"}
		}
		if slices.ContainsFunc(wanted, func(a workspace.Assignment) bool { return a.To == id }) {
			return &EditError{Field: "order", Reason: fmt.Sprintf("%q stands twice", id), Remedy: "name everybody who rings once"}
		}
		wanted = append(wanted, ringing[i])
	}
	if len(wanted) != len(ringing) {
		return &EditError{Field: "order", Reason: fmt.Sprintf("%d of %d who ring on %s are named", len(wanted), len(ringing), n.E164), Remedy: "name everybody who rings, first to last"}
	}
	// Places are taken from first to last, each by whom it is for: only those
	// who are not there yet when their turn comes are moved.
	now := slices.Clone(ringing)
	for i, a := range wanted {
		at := slices.IndexFunc(now, func(x workspace.Assignment) bool { return x.To == a.To })
		if at == i {
			continue
		}
		now = slices.Insert(slices.Delete(now, at, at+1), i, a)
		after := a
		after.Ring = i + 1
		c := workspace.Change{Kind: workspace.NumberRing, Subject: numberRef(n), Before: a, After: after, Cause: u.editCause(e, "correction")}
		if a.Kind == workspace.ToMember {
			c.Member = a.To
		}
		u.add(planned{Change: c, person: "number:" + n.ID})
	}
	return nil
}
