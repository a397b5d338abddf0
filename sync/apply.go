package sync

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// apply writes what the plan may do. Access ends first (the cut); what a
// leaver loses afterwards (the tail) cannot hold it up; then comes the rest.
func (u *unit) apply() error {
	u.ahead = nil // what is written now may differ
	var cut, tail, rest []int
	for i := range u.plan {
		p := &u.plan[i]
		switch {
		case p.Kind == "":
			if !u.absent[p.person] && !u.observing() {
				rest = append(rest, i)
			}
		case u.outcomes[i].Outcome != "applied":
		case p.leaver, p.fallback, p.succeeds(), p.Cause.Tail && p.Kind == workspace.InvitationRevoke:
			cut = append(cut, i)
		case p.Cause.Tail:
			tail = append(tail, i)
		default:
			rest = append(rest, i)
		}
	}
	if err := u.write(cut); err != nil {
		return err
	}
	if err := u.writeTail(tail); err != nil {
		return err
	}
	return u.write(rest)
}

// writeTail writes the tail behind a savepoint: if it fails, the cut stands
// and a repair task remains (LT7 to LT10).
func (u *unit) writeTail(tail []int) error {
	if len(tail) == 0 {
		return nil
	}
	view := shallow(u.view)
	err := u.tx.Savepoint(func() error { return u.write(tail) })
	if err == nil || errors.Is(err, store.ErrUnavailable) {
		return err
	}
	u.view = view
	u.e.log.Error("tail of a leaver failed, the cut stands", "workspace", u.s.cfg.ID, "run_id", u.run, "err", err)
	for _, i := range tail {
		o := &u.outcomes[i]
		o.Outcome = "failed"
		o.Decision.Rule, o.Decision.Reason = orElse(o.Decision.Rule, ruleRepair), "Access has ended, but this could not be written: the store failed. It has no effect meanwhile."
		o.Decision.Remedy = "nothing is to be done: it is tried again by itself; if it stays, look at the daemon's log"
		if err := u.tx.PutRepair(store.RepairRow{Member: u.plan[i].Cause.Leaver, Step: "tail", Error: "tail failed", Tries: 1, At: u.now}); err != nil {
			return err
		}
	}
	return nil
}

// ruleRepair is the rule of a leaver's tail that failed (LT7 to LT10).
const ruleRepair = "LT7"

// write applies changes to the view and writes the rows that differ then:
// what a change does is defined once, in workspace.
func (u *unit) write(items []int) error {
	if len(items) == 0 {
		return nil
	}
	old := shallow(u.view)
	changes := make([]workspace.Change, 0, len(items))
	for _, i := range items {
		if u.plan[i].Kind != "" {
			changes = append(changes, u.plan[i].Change)
		}
	}
	for _, i := range workspace.Order(changes) {
		u.view.Apply(changes[i])
	}
	if err := u.writeNouns(old); err != nil {
		return err
	}
	for _, i := range items {
		if err := u.writeMembership(&u.plan[i]); err != nil {
			return err
		}
		if err := inOrder(u.tx, u.plan[i].then); err != nil {
			return err
		}
	}
	t := u.view.Totals
	o := old.Totals
	d := workspace.Totals{Active: t.Active - o.Active, Owners: t.Owners - o.Owners, Admins: t.Admins - o.Admins, Seats: t.Seats - o.Seats, Numbers: t.Numbers - o.Numbers}
	if d == (workspace.Totals{}) {
		return nil
	}
	return u.tx.AddTotals(d)
}

// writeNouns writes members, groups, invitations, domains and numbers that
// differ from the old view, each kind in the order of ids (L5).
func (u *unit) writeNouns(old *workspace.View) error {
	if err := u.parkAddresses(old); err != nil {
		return err
	}
	for _, id := range u.memberOrder(old) {
		was, m := old.Members[id], *u.view.Members[id]
		switch {
		case was == u.view.Members[id]:
			continue
		case was == nil:
			if err := u.tx.InsertMember(m); err != nil {
				return err
			}
			u.restates("member:" + id)
		case *was != m:
			m.Version = was.Version + 1
			if err := u.tx.UpdateMember(m); err != nil {
				return err
			}
			u.view.Members[id] = &m
			if !sameOnTheWire(was, &m) {
				u.restates("member:" + id)
			}
		}
	}
	if err := u.writeGroups(old); err != nil {
		return err
	}
	for _, id := range sortedKeys(u.view.Invitations) {
		was, inv := old.Invitations[id], *u.view.Invitations[id]
		if was == u.view.Invitations[id] {
			continue
		}
		if was != nil {
			inv.Version = was.Version + 1
		}
		if err := u.tx.PutInvitation(inv); err != nil {
			return err
		}
		u.view.Invitations[id] = &inv
	}
	if err := u.writeDomains(old); err != nil {
		return err
	}
	return u.writeNumbers(old)
}

// parkAddresses takes members off their addresses who get those of others in
// the same batch: an address is one member's at any time, and two who swap
// have no order.
func (u *unit) parkAddresses(old *workspace.View) error {
	held := map[string]string{}
	for id, was := range old.Members {
		if was.EmailKey != "" {
			held[was.EmailKey] = id
		}
	}
	for _, id := range sortedKeys(u.view.Members) {
		was, m := old.Members[id], u.view.Members[id]
		if was == nil || was == m || was.EmailKey == m.EmailKey {
			continue
		}
		other := held[m.EmailKey]
		if other == "" || other == id {
			continue
		}
		parked := *old.Members[other]
		parked.Version++
		parked.EmailKey = "\x1f" + parked.ID
		if err := u.tx.UpdateMember(parked); err != nil {
			return err
		}
		old.Members[other] = &parked
	}
	return nil
}

// memberOrder is the order of ids, but whoever stops being the primary Owner
// comes first: there is one of them at any time.
func (u *unit) memberOrder(old *workspace.View) []string {
	ids := sortedKeys(u.view.Members)
	slices.SortStableFunc(ids, func(a, b string) int {
		return cmp.Compare(u.keepsPrimary(old, a), u.keepsPrimary(old, b))
	})
	return ids
}

func (u *unit) keepsPrimary(old *workspace.View, id string) int {
	if was := old.Members[id]; was != nil && was.Primary && !u.view.Members[id].Primary {
		return 0
	}
	return 1
}

func (u *unit) writeGroups(old *workspace.View) error {
	for _, id := range sortedKeys(u.view.Groups) {
		was, g := old.Groups[id], *u.view.Groups[id]
		switch {
		case was == nil:
			g.MemberCount = 0 // joins count themselves
			if err := u.tx.InsertGroup(g); err != nil {
				return err
			}
		case was.Name != g.Name:
			g.Version = was.Version + 1
			if err := u.tx.UpdateGroup(g); err != nil {
				return err
			}
			u.view.Groups[id] = &g
		}
	}
	for _, id := range sortedKeys(old.Groups) {
		if _, ok := u.view.Groups[id]; !ok {
			if err := u.tx.DeleteGroup(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeNumbers writes what differs of numbers: what is taken before what is
// given, so that the unique index on exclusive access never sees two.
func (u *unit) writeNumbers(old *workspace.View) error {
	var changed []string
	for _, id := range sortedKeys(u.view.Numbers) {
		was, n := old.Numbers[id], u.view.Numbers[id]
		if was == n {
			continue
		}
		if was == nil {
			if err := u.tx.InsertNumber(*n); err != nil {
				return err
			}
			old.Numbers[id] = &workspace.Number{ID: id}
		}
		changed = append(changed, id)
	}
	for _, id := range changed {
		if err := u.writeTaken(old.Numbers[id], u.view.Numbers[id]); err != nil {
			return err
		}
	}
	for _, id := range changed {
		u.restatesHolding(old.Numbers[id], u.view.Numbers[id])
		if err := u.writeGiven(old.Numbers[id], u.view.Numbers[id]); err != nil {
			return err
		}
	}
	return nil
}

type assignee struct {
	kind workspace.AssigneeKind
	to   string
}

func assignments(n *workspace.Number) map[assignee]workspace.Assignment {
	out := make(map[assignee]workspace.Assignment, len(n.Assignments))
	for _, a := range n.Assignments {
		out[assignee{a.Kind, a.To}] = a
	}
	return out
}

func reservations(n *workspace.Number) map[assignee]workspace.Reservation {
	out := make(map[assignee]workspace.Reservation, len(n.Reservations))
	for _, r := range n.Reservations {
		out[assignee{r.Kind, r.For}] = r
	}
	return out
}

// writeTaken removes rows that are gone, and lowers access.
func (u *unit) writeTaken(was, now *workspace.Number) error {
	after := assignments(now)
	for _, a := range was.Assignments {
		b, ok := after[assignee{a.Kind, a.To}]
		var err error
		switch {
		case !ok:
			err = u.tx.DeleteAssignment(a.Number, a.Kind, a.To)
		case b.Access < a.Access:
			err = u.tx.PutAssignment(b)
		}
		if err != nil {
			return err
		}
	}
	for _, id := range was.Owners {
		if !slices.Contains(now.Owners, id) {
			if err := u.tx.RemoveOwner(workspace.Ownership{Number: now.ID, Member: id}); err != nil {
				return err
			}
		}
	}
	kept := reservations(now)
	for _, r := range was.Reservations {
		if _, ok := kept[assignee{r.Kind, r.For}]; !ok {
			if err := u.tx.DeleteReservation(r.Number, r.Kind, r.For); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeGiven writes rows that are new or raised, and the number's own row.
func (u *unit) writeGiven(was, now *workspace.Number) error {
	before := assignments(was)
	for _, a := range now.Assignments {
		if b, ok := before[assignee{a.Kind, a.To}]; ok && (b == a || a.Access < b.Access) {
			continue
		}
		if err := u.tx.PutAssignment(a); err != nil {
			return err
		}
	}
	for _, id := range now.Owners {
		if !slices.Contains(was.Owners, id) {
			if err := u.tx.AddOwner(workspace.Ownership{Number: now.ID, Member: id}); err != nil {
				return err
			}
		}
	}
	held := reservations(was)
	for _, r := range now.Reservations {
		if held[assignee{r.Kind, r.For}] == r {
			continue
		}
		if err := u.tx.PutReservation(r); err != nil {
			return err
		}
	}
	if was.E164 == "" || sameNumber(was, now) {
		return nil
	}
	n := *now
	n.Version = was.Version + 1
	if err := u.tx.UpdateNumber(n); err != nil {
		return err
	}
	u.view.Numbers[n.ID] = &n
	return nil
}

// sameNumber compares a number's own columns.
func sameNumber(a, b *workspace.Number) bool {
	return a.State == b.State && a.Name == b.Name && a.Type == b.Type && a.Pool == b.Pool && a.Site == b.Site &&
		a.QuarantineUntil == b.QuarantineUntil && a.LegalHold == b.LegalHold
}

// writeMembership writes one member into or out of one group.
func (u *unit) writeMembership(p *planned) error {
	var err error
	switch p.Kind {
	case workspace.GroupJoin:
		_, err = u.tx.JoinGroup(p.After.(workspace.GroupMembership))
	case workspace.GroupLeave:
		g := p.Before.(workspace.GroupMembership)
		_, err = u.tx.LeaveGroup(g.Group, g.Member)
	}
	return err
}

// applyRefused writes what stands after a request was refused and rolled
// back: access that must end has ended, and holds wait with what was asked.
func (u *unit) applyRefused() error {
	observation, err := u.heldObservation()
	if err != nil {
		return err
	}
	u.decided = nil // closed holds were rolled back with the request
	var contain []int
	for i := range u.plan {
		o := &u.outcomes[i]
		switch {
		case u.plan[i].fallback && o.Outcome == "applied":
			contain = append(contain, i)
		case o.Outcome == "applied":
			o.Outcome = "dropped" // rolled back with the request
		}
	}
	for x := range u.opened {
		h := &u.opened[x]
		if !h.fresh {
			continue
		}
		if err := u.reopen(h, observation); err != nil {
			return err
		}
	}
	return u.write(contain)
}

// reopen writes a hold again that was rolled back with its request.
func (u *unit) reopen(h *openHold, observation []byte) error {
	if h.over != nil {
		if err := u.closeHold(*h.over); err != nil {
			return err
		}
	}
	ref, err := u.tx.NextRef()
	if err != nil {
		return err
	}
	h.row.ID, h.row.Observation = holdID(ref), observation
	for _, i := range h.index {
		u.outcomes[i].HoldID, u.outcomes[i].Ref = h.row.ID, h.row.ID
	}
	if u.refused != nil && u.refused.PlanHash == h.row.PlanHash {
		u.refused.Ref = h.row.ID
	}
	return nil
}

// refer gives a denied request its reference, by which people find it in the
// reports (D-118).
func (u *unit) refer() error {
	if u.refused == nil || u.refused.Verdict != workspace.Deny || u.refused.Ref != "" {
		return nil
	}
	ref, err := u.tx.NextRef()
	if err != nil {
		return err
	}
	u.refused.Ref = fmt.Sprintf("D-%d", ref)
	return nil
}
