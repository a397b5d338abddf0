package sync

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// holdFor is how long a held plan may be approved (BR5).
const holdFor = workspace.Micros(24 * 60 * 60 * 1_000_000)

// openHold is a held plan of this unit: all held changes of one subject.
type openHold struct {
	row   store.HoldRow
	over  *store.HoldRow // the one before, which has run out (BR5)
	fresh bool           // not open already
	index []int
}

// decide puts the plan before the role matrix, the invariants and the policy.
// What is denied or held does not stop the rest.
func (u *unit) decide() error {
	if err := u.planTails(); err != nil {
		return err
	}
	if err := u.setAside(); err != nil {
		return err
	}
	observing := u.observing() // before a brake holds the batch
	if !observing {
		if err := u.brakes(); err != nil {
			return err
		}
	}
	if err := u.lockTotals(); err != nil {
		return err
	}
	all := u.judge()
	if u.approver != nil {
		u.holdUnseen(all)
	}
	u.followReturns(all)
	u.followNumbers(all)
	if observing {
		u.onlyObserved(all)
	}
	u.outcomes = make([]Outcome, len(u.plan))
	for i, d := range all {
		if u.plan[i].Kind == "" {
			continue
		}
		o := Outcome{Decision: d}
		switch d.Verdict {
		case workspace.Allow:
			o.Outcome = "applied"
		case workspace.Hold:
			o.Outcome = "held"
		default:
			o.Outcome = "denied"
		}
		u.outcomes[i] = o
	}
	u.containOnDeny()
	if err := u.applyRejections(); err != nil {
		return err
	}
	u.keepQuiet()
	return u.openHolds()
}

// lockTotals takes the counters that limits are measured by, if the plan may
// pass one: of two units that both see the last seat free, one waits for the
// other (I11). They come after members and numbers in the order of locks (L5).
func (u *unit) lockTotals() error {
	l := &u.s.policy.Limits
	limited := false
	for _, limit := range []workspace.Limit{l.Seats, l.Numbers, l.Administrators, l.SpendPerMonth} {
		_, on := limit.Get()
		limited = limited || on
	}
	grows := func(p planned) bool {
		switch p.Kind {
		case workspace.MemberCreate, workspace.MemberReactivate, workspace.MemberRole, workspace.NumberCreate, workspace.NumberBuy:
			return true
		}
		return false
	}
	if !limited || !slices.ContainsFunc(u.plan, grows) {
		return nil
	}
	totals, err := u.tx.LockTotals()
	if err == nil {
		u.view.Totals, u.standing.Totals = totals, totals
	}
	return err
}

// judge gives one decision per planned item: that of the domain's Check, or
// a stricter one that is known already.
func (u *unit) judge() []workspace.Decision {
	changes := make([]workspace.Change, 0, len(u.plan))
	index := make([]int, 0, len(u.plan))
	for i := range u.plan {
		if u.plan[i].checked() {
			changes = append(changes, u.plan[i].Change)
			index = append(index, i)
		}
	}
	out := make([]workspace.Decision, len(u.plan))
	if len(changes) > 0 {
		for k, d := range workspace.Check(workspace.Proposal{
			Actor: u.actor, Approver: u.approver, Changes: changes, View: u.view, Policy: u.s.policy, Now: u.now,
		}) {
			out[index[k]] = d
		}
	}
	for i := range u.plan {
		p := &u.plan[i]
		switch {
		case p.Kind == "":
		case p.refuse != nil && p.ruling == nil:
			out[i] = workspace.Decision{
				Change: p.Change, Verdict: p.refuse.Verdict, Rule: p.refuse.Rule,
				Reason: p.refuse.Reason, Remedy: p.refuse.Remedy, Approvers: workspace.RoleAdmin,
			}
		case p.fallback:
			out[i] = workspace.Decision{Change: p.Change, Verdict: workspace.Allow, Row: "M13", Rule: "O3", Reason: "Access ends, role and numbers stay (containment)."}
		case !p.checked():
			out[i] = *p.ruling
			out[i].Change = p.Change
		case p.ruling != nil && out[i].Verdict == workspace.Allow && !u.agreed(p.ruling):
			out[i] = *p.ruling
			out[i].Change = p.Change
		}
	}
	return out
}

// followReturns lets all that a return brings wait or fall with it: nobody
// loses an interim number to somebody who does not come back, and no supporter
// is written for somebody who is not there.
func (u *unit) followReturns(all []workspace.Decision) {
	for i := range u.plan {
		back := &u.plan[i]
		if back.Kind != workspace.MemberReactivate && back.Kind != workspace.MemberCreate || all[i].Verdict == workspace.Allow {
			continue
		}
		if u.absent == nil {
			u.absent = map[string]bool{}
		}
		u.absent[back.person] = true
		for k := range u.plan {
			d := &all[k]
			if u.plan[k].person != back.person || u.plan[k].Kind == "" || d.Verdict == workspace.Deny || d.Verdict == all[i].Verdict {
				continue
			}
			d.Verdict, d.Row, d.Rule, d.Remedy, d.Approvers = all[i].Verdict, all[i].Row, all[i].Rule, all[i].Remedy, all[i].Approvers
			d.Reason = "It waits for or falls with the " + string(back.Kind) + " of " + back.Subject.Label + ". " + all[i].Reason
		}
	}
}

// followNumbers lets a number's rest wait or fall with the change that would
// leave nobody to answer it: a number that still rings is not quarantined.
func (u *unit) followNumbers(all []workspace.Decision) {
	for i := range u.plan {
		rest := &u.plan[i]
		if rest.Kind != workspace.NumberUpdate || rest.Cause.Kind != workspace.CauseSequence {
			continue
		}
		for k := range u.plan {
			p, d := &u.plan[k], &all[k]
			if p.Kind != workspace.NumberUnassign && p.Kind != workspace.NumberOwner || p.Subject.ID != rest.Subject.ID || d.Verdict == workspace.Allow {
				continue
			}
			follow := &all[i]
			follow.Verdict, follow.Row, follow.Rule, follow.Remedy, follow.Approvers = d.Verdict, d.Row, d.Rule, d.Remedy, d.Approvers
			follow.Reason = "It waits for or falls with another change of " + rest.Subject.Label + ". " + d.Reason
		}
	}
}

// holdUnseen takes the approver's word back from what the plan that they saw
// does not hold: a link may bring a raise with it, which waits for a word of
// its own.
func (u *unit) holdUnseen(all []workspace.Decision) {
	approver := u.approver
	u.approver = nil
	alone := u.judge()
	u.approver = approver
	var lifted []int
	var held, whole []workspace.Decision // whole: with what no word lifts
	for i := range all {
		if u.plan[i].Kind == "" || alone[i].Verdict != workspace.Hold {
			continue
		}
		switch all[i].Verdict {
		case workspace.Allow:
			lifted, held, whole = append(lifted, i), append(held, alone[i]), append(whole, alone[i])
		case workspace.Hold:
			whole = append(whole, alone[i])
		}
	}
	if u.hashOf(held) == u.shownHash || u.hashOf(whole) == u.shownHash {
		return
	}
	for k, i := range lifted {
		if !u.shown[workspace.Fingerprint(u.plan[i].Change)] {
			all[i] = held[k]
		}
	}
}

// checked reports whether the domain judges the item. A hold that a person
// may lift is laid over the domain's verdict; whatever else is known already
// stands for itself.
func (p *planned) checked() bool {
	if p.Kind == "" || p.fallback || p.refuse != nil {
		return false
	}
	return p.ruling == nil || p.ruling.Verdict == workspace.Hold && p.ruling.Approvers != workspace.RoleNone
}

// agreed reports whether the approver lifts a hold.
func (u *unit) agreed(d *workspace.Decision) bool {
	return u.approver != nil && u.approver.Role >= d.Approvers
}

// containOnDeny keeps a containment only where the deactivation of the same
// member was denied (O3), and takes back what depends on a cut that is not
// made.
func (u *unit) containOnDeny() {
	for i := range u.plan {
		p := &u.plan[i]
		if p.succeeds() && !slices.ContainsFunc(u.cuts(), func(k int) bool { return u.plan[k].Member == p.Cause.Leaver && u.outcomes[k].Outcome == "applied" }) {
			u.outcomes[i].Outcome = "dropped" // nobody follows who has not gone
		}
		if !p.fallback {
			continue
		}
		cut := slices.IndexFunc(u.plan, func(x planned) bool { return x.leaver && x.Member == p.Member })
		if cut < 0 || u.outcomes[cut].Outcome != "denied" {
			u.outcomes[i].Outcome = "dropped"
		}
	}
}

// cuts gives the places of the cuts in the plan.
func (u *unit) cuts() (at []int) {
	for i := range u.plan {
		if u.plan[i].leaver {
			at = append(at, i)
		}
	}
	return at
}

// applyRejections denies what a person has rejected lately, instead of
// asking again.
func (u *unit) applyRejections() error {
	if u.approver != nil {
		return nil
	}
	for i := range u.outcomes {
		o := &u.outcomes[i]
		if o.Outcome != "held" {
			continue
		}
		r, err := u.tx.Rejection(workspace.Fingerprint(u.plan[i].Change), u.now)
		if errors.Is(err, workspace.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		o.Outcome = "denied"
		o.Decision.Verdict = workspace.Deny
		o.Decision.Reason = fmt.Sprintf("rejected by %s on %s: %s", r.By, r.At.Time().Format("2006-01-02"), r.Reason)
		o.Decision.Remedy = "change what is wanted or the mapping row, or wait until " + r.Until.Time().Format("2006-01-02")
	}
	return nil
}

// openHolds keeps held changes with their plan. The same wish while its hold
// is open is a noop; a wish that is withdrawn closes it.
func (u *unit) openHolds() error {
	bySubject := map[string][]int{}
	var order []string
	for i := range u.outcomes {
		if u.outcomes[i].Outcome != "held" || u.watched(i) {
			continue
		}
		s := u.holdSubject(i)
		if _, ok := bySubject[s]; !ok {
			order = append(order, s)
		}
		bySubject[s] = append(bySubject[s], i)
	}
	people := sortedKeys(u.people)
	if u.observing() || u.b.Part != "" {
		people = nil // what waits from live traffic, or of another part, goes on waiting
	}
	for _, key := range people {
		open, err := u.tx.OpenHolds(key)
		if err != nil {
			return err
		}
		if len(open) > 0 {
			if err := u.closeWithdrawn(key, open, bySubject[key]); err != nil {
				return err
			}
		}
	}
	for _, subject := range order {
		if err := u.openHold(subject, bySubject[subject]); err != nil {
			return err
		}
	}
	return nil
}

// holdSubject is whom a held change is kept under: their own member once this
// unit has made or linked it.
func (u *unit) holdSubject(i int) string {
	p := &u.plan[i]
	if p.Member == "" || p.Kind == workspace.MemberCreate || p.Kind == workspace.MemberLink || !strings.HasPrefix(p.subject, "identity:") {
		return p.subject
	}
	for k := range u.plan {
		x := &u.plan[k]
		if (x.Kind == workspace.MemberCreate || x.Kind == workspace.MemberLink) && x.Member == p.Member && u.outcomes[k].Outcome == "applied" {
			return "member:" + p.Member
		}
	}
	return p.subject
}

// holdID is a hold's name for people.
func holdID(ref int64) string { return fmt.Sprintf("H-%d", ref) }

// planHashOf hashes the held changes of one subject.
func (u *unit) planHashOf(index []int) string {
	ds := make([]workspace.Decision, 0, len(index))
	for _, i := range index {
		ds = append(ds, u.outcomes[i].Decision)
	}
	return u.hashOf(ds)
}

func (u *unit) hashOf(ds []workspace.Decision) string {
	return workspace.PlanHash(u.s.cfg.ID, u.conn.ID, "", u.s.mappingHash, u.s.policyHash, ds)
}

// closeWithdrawn closes the holds of a subject that nobody wants any more.
func (u *unit) closeWithdrawn(subject string, open []store.HoldRow, index []int) error {
	hash := ""
	if len(index) > 0 {
		hash = u.planHashOf(index)
	}
	for _, h := range open {
		if h.PlanHash == hash || h.Connection != u.conn.ID || len(h.Observation) > 0 && u.observedOf(subject) == nil {
			continue
		}
		h.State, h.DecidedAt, h.DecidedBy, h.DecidedWhy = "withdrawn", u.now, "system", "no longer wanted"
		if u.approver != nil && h.PlanHash == u.shownHash {
			h.State, h.DecidedBy, h.DecidedWhy = "approved", u.approver.ID, "approved"
		}
		if err := u.closeHold(h); err != nil {
			return err
		}
	}
	return nil
}

// observedOf is what this batch says of a subject's own record.
func (u *unit) observedOf(subject string) *IdentityObservation {
	for i := range u.b.Identities {
		o := &u.b.Identities[i]
		if subject == "identity:"+o.Row.ID || o.Row.Member != "" && subject == "member:"+o.Row.Member {
			return o
		}
	}
	return nil
}

// openHold opens, or finds open, the hold of one subject's held changes.
func (u *unit) openHold(subject string, index []int) error {
	hash := u.planHashOf(index)
	row, err := u.tx.HoldByHash(hash)
	fresh := errors.Is(err, workspace.ErrNotFound)
	if err != nil && !fresh {
		return err
	}
	var over *store.HoldRow
	if !fresh && row.ExpiresAt <= u.now {
		row.State, row.DecidedAt, row.DecidedBy, row.DecidedWhy = "expired", u.now, "system", "nobody decided in time"
		if err := u.closeHold(row); err != nil {
			return err
		}
		old := row
		fresh, over = true, &old
	}
	if fresh {
		ref, err := u.tx.NextRef()
		if err != nil {
			return err
		}
		row = store.HoldRow{
			ID: holdID(ref), PlanHash: hash, Connection: u.conn.ID, Run: u.run, Subject: subject, State: "open",
			Reason: u.outcomes[index[0]].Decision.Reason, CreatedAt: u.now, ExpiresAt: u.now + u.holdTime(index),
		}
		for _, i := range index {
			if len(u.plan[i].observation) > 0 {
				row.Observation = u.plan[i].observation
			}
		}
	}
	for _, i := range index {
		o := &u.outcomes[i]
		o.HoldID, o.PlanHash, o.Ref = row.ID, row.PlanHash, row.ID
		if !fresh {
			o.Outcome = "noop"
		}
	}
	u.opened = append(u.opened, openHold{row: row, over: over, fresh: fresh, index: index})
	return nil
}

// refusal tells whether the request as a whole is refused: a direct wish that
// is denied, a removal that must not look done, a person who must wait.
func (u *unit) refusal() *Refusal {
	if u.b.Brake != nil && u.approver == nil {
		for i := range u.outcomes {
			if o := &u.outcomes[i]; o.PlanHash != "" {
				return &Refusal{
					Verdict: workspace.Hold, Kind: RefusedHeld, Rule: u.b.Brake.Rule, Reason: u.b.Brake.Why,
					Remedy: "an Admin or Owner decides on the plan " + short(o.PlanHash), Ref: o.Ref, PlanHash: o.PlanHash,
				}
			}
		}
		return nil
	}
	if len(u.b.Identities)+len(u.b.Groups) == 0 {
		return nil // people are planned again: nobody waits for an answer, and one must not keep the others out
	}
	var out *Refusal
	for i := range u.plan {
		p, o := &u.plan[i], &u.outcomes[i]
		if p.Kind == "" || o.Outcome != "denied" && o.Outcome != "held" && o.Outcome != "noop" || u.watched(i) {
			continue
		}
		r := u.refusalOf(p, o)
		if r == nil {
			continue
		}
		r.Ref, r.PlanHash = o.Ref, o.PlanHash
		if out == nil || r.Verdict == workspace.Deny && out.Verdict != workspace.Deny {
			out = r
		}
	}
	return out
}

func (u *unit) refusalOf(p *planned, o *Outcome) *Refusal {
	d := o.Decision
	r := &Refusal{Verdict: d.Verdict, Rule: d.Rule, Reason: d.Reason, Remedy: d.Remedy}
	switch {
	case p.refuse != nil:
		*r = *p.refuse
		return r
	case !p.Cause.Direct:
		return nil
	case d.Verdict == workspace.Deny:
		return r // VW03, VW05, VW07
	case p.Kind == workspace.MemberCreate, p.Change.Direction() == workspace.Reduction:
		r.Kind = RefusedHeld // VW08, VW05
		return r
	case u.s.policy.HeldReply == workspace.HeldReplyReject:
		r.Kind = RefusedHeld
		return r
	}
	return nil
}

// heldBatch is a batch as a hold keeps it.
type heldBatch struct {
	Identities []IdentityObservation `json:"identities"`
	Groups     []GroupObservation    `json:"groups"`
	Brake      *BrakeHold            `json:"brake"`
	People     []string              `json:"people,omitempty"`
	Half       Half                  `json:"half,omitempty"`
	Part       Part                  `json:"part,omitempty"`
	Held       map[Part]*BrakeHold   `json:"held,omitempty"`
}

// heldObservation is what a hold keeps of a refused request, so that an
// approval can apply it.
func (u *unit) heldObservation() ([]byte, error) {
	return json.Marshal(heldBatch{u.b.Identities, u.b.Groups, u.b.Brake, u.b.People, u.b.Half, u.b.Part, u.held})
}
