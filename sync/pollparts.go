package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// countParts counts what this read would do, part by part, before anything of
// it is applied, as guard counts attributes (RD7). People who differ are
// planned and rolled back for that, unless there are so few of them that no
// limit can be passed: a small change costs nothing here.
func (p *poll) countParts(ctx context.Context) error {
	p.tripped = map[Part]*BrakeHold{}
	conn := p.s.conns[p.pl.Connection]
	if conn.Mode == ModeObserve || !p.state.FirstRunHeld {
		return nil // what is only observed is held anyway, and a first run adds everybody
	}
	brake := DefaultBrake()
	if conn.Brake != nil {
		brake = *conn.Brake
	}
	var known, fresh []place
	leavers := 0
	for _, at := range p.stage.people {
		switch {
		case at.leaver:
			leavers++
		case at.fresh:
			fresh = append(fresh, at)
		default:
			known = append(known, at)
		}
	}
	for _, g := range p.stage.gone {
		if g.Why == "deleted" {
			leavers++
		}
	}
	if err := p.countBurst(ctx, &brake, leavers); err != nil {
		return err
	}
	if err := p.countAmong(ctx, &brake, known, PartAddresses, PartNumbers); err != nil {
		return err
	}
	if p.tripped[PartCreates] != nil {
		return nil
	}
	return p.countAmong(ctx, &brake, fresh, PartCreates)
}

// countBurst holds what the connection gives, and by burst.access also what it
// takes from explicit leavers, when they are too many for an hour.
func (p *poll) countBurst(ctx context.Context, brake *Brake, leavers int) error {
	if leavers == 0 {
		return nil
	}
	return p.view(ctx, func(r *store.Reader) error {
		row, err := r.Connection(p.pl.Connection)
		if err != nil {
			return err
		}
		t, err := brake.Burst.trips(r, p.pl.Connection, leavers, row.UsersTotal, workspace.At(p.e.now()))
		if err != nil || t == nil {
			return err
		}
		p.reportTrip(t.limit)
		p.tripped[PartCreates] = &BrakeHold{Rule: t.rule(), Why: t.why + ": whom this connection makes a member waits"}
		if brake.Burst.holds() {
			p.tripped[PartAccess] = t.accessHold()
		}
		return nil
	})
}

// reportTrip puts a limit that was passed into the run's report.
func (p *poll) reportTrip(l BrakeLimit) {
	p.report.Brake.Limits = append(p.report.Brake.Limits, l)
	p.report.Brake.Tripped = true
}

// countAmong counts parts among staged people.
func (p *poll) countAmong(ctx context.Context, brake *Brake, places []place, parts ...Part) error {
	if len(places) == 0 {
		return nil
	}
	limits, rooms := map[Part]BrakeLimit{}, map[Part]int{}
	err := p.view(ctx, func(r *store.Reader) error {
		row, err := r.Connection(p.pl.Connection)
		if err != nil {
			return err
		}
		for _, part := range parts {
			past, err := r.BrakeCount(p.pl.Connection, string(part), workspace.At(p.e.now())-brakeWindow)
			if err != nil {
				return err
			}
			base := row.UsersTotal
			if part == PartCreates {
				base = max(base-past, 0)
			}
			if limit, on := brake.limit(part).Of(base); on && len(places) > limit-past {
				limits[part], rooms[part] = BrakeLimit{Name: string(part), Window: "24h", Limit: limit, Seen: past, Base: base}, limit-past
			}
		}
		return nil
	})
	if err != nil || len(limits) == 0 {
		return err
	}
	counts := map[Part]map[string]bool{PartAddresses: {}, PartNumbers: {}, PartCreates: {}}
	done := 0
	for piece := range slices.Chunk(places, applyBatch) {
		if err := p.count(ctx, piece, counts); err != nil {
			return err
		}
		done += len(piece)
		p.progress("counting", done, len(places))
	}
	for _, part := range parts {
		l, limited := limits[part]
		n := len(counts[part])
		if !limited || n <= rooms[part] {
			continue
		}
		why := fmt.Sprintf("%s of %d people at once, and of %d in the 24 h before, are more than the limit of %d of %d", partWords[part], n, l.Seen, l.Limit, l.Base)
		l.Seen += n
		p.reportTrip(l)
		p.tripped[part] = &BrakeHold{Rule: "BRAKE." + string(part), Why: why}
	}
	return nil
}

// partWords name the parts in reasons.
var partWords = map[Part]string{
	PartNumbers: "changed numbers", PartAddresses: "new addresses", PartCreates: "new memberships",
}

// count plans staged people, rolls it back and adds who counts, by part. One
// who cannot be written does not stop the others.
func (p *poll) count(ctx context.Context, places []place, counts map[Part]map[string]bool) error {
	batch := p.loadPeople(ctx, places)
	if batch.err != nil {
		return batch.err
	}
	b := p.batchOf(&batch)
	if len(b.Identities) == 0 {
		return nil
	}
	res, err := p.rehearse(ctx, b)
	switch {
	case err == nil:
	case !singleFault(err):
		return err
	case len(places) == 1:
		return nil
	default:
		half := len(places) / 2
		if err := p.count(ctx, places[:half], counts); err != nil {
			return err
		}
		return p.count(ctx, places[half:], counts)
	}
	for i := range res.Outcomes {
		o := &res.Outcomes[i]
		c := &o.Decision.Change
		part := partOf(c)
		if c.Kind == workspace.MemberCreate {
			part = PartCreates
		}
		// Addresses that people swap are refused at first (LM9).
		if tells(part, c) && c.Cause.Leaver == "" && (o.Outcome == "applied" || o.Decision.Rule == "I6") {
			counts[part][c.Cause.ExternalID] = true
		}
	}
	return nil
}

// rehearse runs a batch and takes it back.
func (p *poll) rehearse(ctx context.Context, b Batch) (res Result, err error) {
	b = p.ofRun(b)
	b.counts, b.DryRun, b.sum = true, true, &SyncRun{}
	if p.tx == nil {
		return p.e.Apply(ctx, b)
	}
	err = p.tx.Savepoint(func() error {
		u, err := p.e.newUnit(p.s, p.s.conns[p.pl.Connection], p.tx, b)
		if err != nil {
			return err
		}
		u.careful = true
		if res, err = u.observeAndCommit(); err != nil {
			return err
		}
		return errPreview
	})
	if errors.Is(err, errPreview) {
		err = nil
	}
	return res, err
}

// collect remembers what a unit has left out, which limits it has passed, and
// the plan that it holds.
func (p *poll) collect(res *Result) {
	if res.Refusal != nil && res.Refusal.PlanHash != "" {
		p.held[res.Refusal.PlanHash] = true
	}
	for part, ids := range res.aside {
		p.aside[part] = append(p.aside[part], ids...)
	}
	for part, hold := range res.tripped {
		p.tripped[part] = hold
	}
}

// applyParts makes one plan of each part that waits: of those whom this run
// has left out, and those who waited before. What is the same as before stays
// the same plan; what nobody wants any more is withdrawn.
func (p *poll) applyParts(ctx context.Context) error {
	for _, part := range []Part{PartAccess, PartNumbers, PartAddresses, PartCreates} {
		var old []partPlan
		err := p.view(ctx, func(r *store.Reader) (err error) {
			old, err = partPlans(r, p.pl.Connection, part)
			return err
		})
		if err != nil {
			return err
		}
		people, hold := slices.Clone(p.aside[part]), p.tripped[part]
		for i := range old {
			people = append(people, old[i].people...)
			if hold == nil {
				hold = old[i].hold
			}
		}
		slices.Sort(people)
		people = slices.Compact(people)
		kept := map[string]bool{}
		for n := 0; n*partPage < len(people); n++ {
			piece := people[n*partPage : min((n+1)*partPage, len(people))]
			b := Batch{People: piece, Part: part, Brake: &BrakeHold{Rule: hold.Rule, Why: hold.Why, Subject: partSubject(part, p.pl.Connection, n)}}
			res, err := p.submit(ctx, b)
			if err != nil {
				return err
			}
			for i := range res.Outcomes {
				kept[res.Outcomes[i].PlanHash] = true
			}
		}
		if part == PartAccess && len(kept) > 0 {
			p.notices = append(p.notices, fmt.Sprintf("ACCESS STANDS: of people whom the directory has ended, up to %d keep their access until somebody decides on the plan (burst.access: hold)", len(people)))
		}
		for i := range old {
			if h := old[i].row; !kept[h.PlanHash] {
				h.State, h.DecidedAt, h.DecidedBy, h.DecidedWhy = "withdrawn", workspace.At(p.e.now()), "system", "the directory says something else since"
				p.withdrawn = append(p.withdrawn, h)
			}
		}
	}
	return nil
}
