package sync

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Part is a part of a plan that has a limit of its own and is held whole: it
// is counted over all that a poll has read before anything of it is applied,
// and waits in one plan while the rest goes on (BR1, BR3). What is pushed is
// counted request by request, and waits person by person (BR7).
type Part string

// The parts of a plan; the zero value is none of them.
const (
	PartNumbers   Part = brakeNumbers   // numbers of members who stay
	PartAddresses Part = brakeAddresses // members' new addresses
	PartCreates   Part = brakeCreates   // new members, with all that they get
	PartAccess    Part = brakeBurst     // people ended by an explicit no, where burst.access is hold
)

// partGains is what a connection gives while a burst goes on.
const partGains Part = "gains"

// countedParts have limits that are counted in every unit.
var countedParts = []Part{PartCreates, PartAddresses, PartNumbers}

// limit gives the limit of a part.
func (b Brake) limit(part Part) Limit {
	switch part {
	case PartNumbers:
		return b.Numbers
	case PartAddresses:
		return b.Addresses
	case PartCreates:
		return b.Creates
	default:
		return b.Burst.Limit
	}
}

// partSubject is what the plan of a connection's part is about; a part of more
// than partPage people is several plans.
func partSubject(part Part, conn string, n int) string {
	if n > 0 {
		return fmt.Sprintf("%s:%s:%d", part, conn, n)
	}
	return string(part) + ":" + conn
}

// partPage is how many people one plan of a part is about, for the reason of
// observedPage.
const partPage = observedPage

// comers are the keys of people whom the plan makes members.
func (u *unit) comers() map[string]bool {
	out := map[string]bool{}
	for i := range u.plan {
		if u.plan[i].Kind == workspace.MemberCreate && u.plan[i].refuse == nil {
			out[u.plan[i].person] = true
		}
	}
	return out
}

// part tells which part an item belongs to, "" if none.
func (p *planned) part(comers map[string]bool) Part {
	switch {
	case p.leaver, p.fallback, p.Cause.Leaver != "":
		if p.Cause.Class == workspace.EvidenceE1 {
			return PartAccess
		}
		return ""
	case comers[p.person]:
		return PartCreates
	default:
		return partOf(&p.Change)
	}
}

// partOf is part for a change of somebody who is a member already.
func partOf(c *workspace.Change) Part {
	switch c.Kind {
	case workspace.MemberUpdate:
		was, ok := c.Before.(workspace.Member)
		if now, also := c.After.(workspace.Member); ok && also && was.EmailKey != now.EmailKey {
			return PartAddresses
		}
	case workspace.NumberAssign, workspace.NumberUnassign, workspace.NumberAccess, workspace.NumberOwner, workspace.NumberBuy,
		workspace.NumberReserve, workspace.NumberReleased, workspace.NumberUpdate:
		if c.Cause.Kind != workspace.CauseRehire && c.Cause.Kind != workspace.CauseInvite {
			return PartNumbers
		}
	}
	return ""
}

// tells reports whether a change counts against the limit of its part: of
// numbers only what somebody loses or has lowered does.
func tells(part Part, c *workspace.Change) bool {
	switch part {
	case PartCreates:
		return c.Kind == workspace.MemberCreate
	case PartNumbers:
		return (c.Kind == workspace.NumberUnassign || c.Kind == workspace.NumberAccess) && c.Direction() == workspace.Reduction
	default:
		return part != ""
	}
}

// setAside keeps of the plan the part that the batch is about; or it leaves
// out what waits elsewhere: parts whose limit this run has passed, and people
// who stand in an open plan of their part. What a person has rejected is not
// asked again one by one either.
func (u *unit) setAside() error {
	if u.conn.ID == "" || u.actor.Kind != workspace.ActorConnection {
		return nil
	}
	comers := u.comers()
	if u.b.Part != "" {
		u.plan = slices.DeleteFunc(u.plan, func(p planned) bool { return p.part(comers) != u.b.Part })
		return nil
	}
	for part, hold := range u.b.aside {
		u.takeAside(part, hold)
	}
	if u.unsettled() {
		return nil // nothing has been held or rejected yet
	}
	pending := map[Part]map[string]bool{}
	for i := range u.plan {
		p := &u.plan[i]
		part := p.part(comers)
		if _, asked := pending[part]; asked || part == "" || p.Kind == "" {
			continue
		}
		plans, err := partPlans(u.tx, u.conn.ID, part)
		if err != nil {
			return err
		}
		pending[part] = map[string]bool{}
		for _, plan := range plans {
			for _, id := range plan.people {
				pending[part][id] = true
			}
		}
	}
	if len(pending) == 0 {
		return nil
	}
	for part, people := range pending {
		if len(people) > 0 && !u.b.deletes() {
			who := map[string]bool{}
			for i := range u.plan {
				who[u.plan[i].person] = who[u.plan[i].person] || people[u.plan[i].Cause.Identity]
			}
			u.leaveOut(func(p *planned) bool { return p.part(comers) == part && who[p.person] }, part)
		}
	}
	return u.heedRejections(comers)
}

// deletes reports whether the batch deletes a record: who is gone for good
// waits in no plan that looks at records.
func (b *Batch) deletes() bool {
	return slices.ContainsFunc(b.Identities, func(o IdentityObservation) bool { return o.Op == OpDelete })
}

// heedRejections lets changes that a person has rejected meet the rejection,
// although no limit is passed now.
func (u *unit) heedRejections(comers map[string]bool) error {
	if u.approver != nil || u.b.Held != nil {
		return nil
	}
	some, err := u.tx.HasRejections()
	if err != nil || !some {
		return err
	}
	for i := range u.plan {
		p := &u.plan[i]
		part := p.part(comers)
		if part == "" || p.Kind == "" || p.ruling != nil || p.refuse != nil {
			continue
		}
		_, err := u.tx.Rejection(workspace.Fingerprint(p.Change), u.now)
		switch {
		case err == nil:
			p.ruling = (&BrakeHold{Rule: "BRAKE." + string(part), Why: "it was rejected"}).ruling()
		case !errors.Is(err, workspace.ErrNotFound):
			return err
		}
	}
	return nil
}

// takeAside leaves a part out of the plan and remembers whom it is about.
func (u *unit) takeAside(part Part, hold *BrakeHold) {
	comers := u.comers()
	if u.tripped == nil {
		u.tripped = map[Part]*BrakeHold{}
	}
	u.tripped[part] = hold
	u.leaveOut(func(p *planned) bool { return p.part(comers) == part }, part)
}

// leaveOut takes items out of the plan, whose people go on waiting.
func (u *unit) leaveOut(of func(p *planned) bool, part Part) {
	u.plan = slices.DeleteFunc(u.plan, func(p planned) bool {
		if !of(&p) {
			return false
		}
		if id := p.Cause.Identity; id != "" && !slices.Contains(u.aside[part], id) {
			if u.aside == nil {
				u.aside, u.waits = map[Part][]string{}, map[string]bool{}
			}
			u.aside[part] = append(u.aside[part], id)
		}
		if u.waits == nil {
			u.waits = map[string]bool{}
		}
		u.waits[p.person] = true
		return true
	})
}

// metered reports whether the unit's changes count against the limits of
// parts: what a directory states does, and not what a person or the
// configuration brings about.
func (u *unit) metered() bool {
	switch u.b.Kind {
	case RunSCIM, RunFull, RunDelta, RunTargeted:
		return !u.b.counts && u.approver == nil && u.b.Brake == nil
	}
	return false
}

// brakeParts lays the limits of the parts over the plan.
func (u *unit) brakeParts() error {
	if hold := u.b.Held[PartAccess]; hold != nil {
		if err := u.holdPart(PartAccess, hold); err != nil {
			return err
		}
	}
	for _, part := range countedParts {
		if hold := u.b.Held[part]; hold != nil {
			if err := u.holdPart(part, hold); err != nil {
				return err
			}
			continue
		}
		if err := u.brakePart(part); err != nil {
			return err
		}
	}
	return nil
}

// brakePart counts one part, and holds it over its limit: in a poll it is left
// out, for the poll makes one plan of it, else it waits person by person.
func (u *unit) brakePart(part Part) error {
	comers := u.comers()
	var who []string
	at := map[string]int{}
	for i := range u.plan {
		p := &u.plan[i]
		if p.part(comers) == part && tells(part, &p.Change) && p.ruling == nil && p.refuse == nil && !slices.Contains(who, p.Cause.Identity) {
			who = append(who, p.Cause.Identity)
			at[p.Cause.Identity] = i
		}
	}
	if len(who) == 0 || !u.metered() {
		return nil
	}
	base := u.base
	if part != PartCreates && u.unsettled() {
		return nil
	}
	if part == PartCreates {
		if settling, err := u.settling(); err != nil || settling {
			return err
		}
		past, err := u.tx.BrakeCount(u.conn.ID, brakeCreates, u.now-brakeWindow)
		if err != nil {
			return err
		}
		base = max(base-past, 0) // as it was when the window began
	}
	t, err := u.meter(string(part), u.brake().limit(part), len(who), base)
	switch {
	case err != nil:
		return err
	case t == nil:
		for id, i := range at {
			u.plan[i].then = append(u.plan[i].then, func(tx *store.Tx) error { return tx.CountBrake(u.conn.ID, string(part), id, u.now) })
		}
		return nil
	case u.b.aside != nil:
		u.takeAside(part, &BrakeHold{Rule: t.rule(), Why: t.why})
		return nil
	}
	return u.holdPart(part, &BrakeHold{Rule: t.rule(), Why: t.why})
}

// holdPart rules that a part waits for a person.
func (u *unit) holdPart(part Part, hold *BrakeHold) error {
	comers := u.comers()
	return u.holdItems(part, hold, func(p *planned) bool {
		return p.part(comers) == part && p.refuse == nil && (p.ruling == nil || part == PartAccess) && !p.fallback
	})
}

// holdItems rules that items wait for a person, and keeps with each why: the
// approval plans them anew, when the count may be another.
func (u *unit) holdItems(part Part, hold *BrakeHold, of func(p *planned) bool) error {
	if u.held == nil {
		u.held = map[Part]*BrakeHold{}
	}
	u.held[part] = hold
	for i := range u.plan {
		p := &u.plan[i]
		if p.Kind == "" || !of(p) {
			continue
		}
		body, err := json.Marshal(heldBatch{People: []string{p.Cause.Identity}, Held: u.held})
		if err != nil {
			return err
		}
		p.ruling = hold.ruling()
		p.observation = body
	}
	return nil
}

// partPlan is an open plan of a connection's part.
type partPlan struct {
	row    store.HoldRow
	people []string // identities
	hold   *BrakeHold
}

// holdReader lists the open holds of a subject.
type holdReader interface {
	OpenHolds(subject string) ([]store.HoldRow, error)
}

// partPlans reads the open plans of a connection's part, those that have run
// out included: what they hold waits until a poll makes them anew (BR5).
func partPlans(r holdReader, conn string, part Part) (plans []partPlan, err error) {
	for n := 0; ; n++ {
		rows, err := r.OpenHolds(partSubject(part, conn, n))
		if err != nil || len(rows) == 0 {
			return plans, err
		}
		for i := range rows {
			var held heldBatch
			if err := json.Unmarshal(rows[i].Observation, &held); err != nil {
				return nil, fmt.Errorf("hold %s: %w", rows[i].ID, err)
			}
			plans = append(plans, partPlan{rows[i], held.People, held.Brake})
		}
	}
}
