package sync

import (
	"context"
	"maps"
	"slices"

	"github.com/rollcall-sync/rollcall/workspace"
)

// apply brings the workspace in line with what was read: whoever must go
// first, each in a unit of work of its own (PR3), then everybody else, then
// the groups, then those who are missing.
func (p *poll) apply(ctx context.Context) error {
	st := p.stage
	if err := p.guardGroups(ctx); err != nil {
		return err
	}
	if err := p.countParts(ctx); err != nil {
		return err
	}
	total := len(st.people) + len(st.gorder)
	done := 0
	for i := range st.people {
		if !st.people[i].leaver {
			continue
		}
		if err := p.applyPeople(ctx, st.people[i:i+1]); err != nil {
			return err
		}
		done++
		p.progress("applying", done, total)
	}
	others := slices.DeleteFunc(slices.Clone(st.people), func(at place) bool { return at.leaver })
	waiting, err := p.waiting(ctx)
	if err != nil {
		return err
	}
	waited := len(waiting) > 0
	if waited && slices.ContainsFunc(others, func(at place) bool { return at.fresh }) {
		// Who waits has come before who is new.
		if others, err = p.knownFirst(ctx, others, waiting); err != nil {
			return err
		}
		if waiting, err = p.applyWaiting(ctx, waiting); err != nil {
			return err
		}
	}
	err = p.applyInTurn(ctx, others, func(n int) {
		done += n
		p.progress("applying", done, total)
	})
	if err != nil {
		return err
	}
	if err := p.applyAgain(ctx); err != nil {
		return err
	}
	if err := p.applyNewGroups(ctx); err != nil {
		return err
	}
	for _, id := range st.gorder {
		if err := p.applyGroup(ctx, st.groups[id]); err != nil {
			return err
		}
		done++
		p.progress("applying", done, total)
	}
	if err := p.sweep(ctx); err != nil {
		return err
	}
	if err := p.applyGone(ctx); err != nil {
		return err
	}
	if err := p.applyAbsence(ctx); err != nil {
		return err
	}
	if p.passed {
		all, err := p.waiting(ctx)
		if err != nil {
			return err
		}
		if !p.passed { // This read itself has moved a number.
			waiting, waited = all, true
		}
	}
	if waited {
		if _, err := p.applyWaiting(ctx, waiting); err != nil {
			return err
		}
	}
	if err := p.applyParts(ctx); err != nil {
		return err
	}
	if waited || p.passed {
		if err := p.tellWaiting(ctx); err != nil {
			return err
		}
	}
	return p.finish(ctx, p.good())
}

// ofRun makes a batch one of this run.
func (p *poll) ofRun(b Batch) Batch {
	b.Workspace, b.Connection, b.Kind, b.Channel, b.Run = p.pl.Workspace, p.pl.Connection, p.kind, workspace.ChannelSync, p.run
	b.Trigger, b.SeenAt, b.Lease, b.Token = orElse(p.opt.Trigger, "schedule"), p.began, p.lease.Name, p.lease.Token
	b.firstRun = !p.state.FirstRunHeld
	b.NewScope = b.firstRun || p.cursor.Scope != "" && p.after.Scope != "" && p.cursor.Scope != p.after.Scope
	return b
}

// submit runs one batch as a unit of work of this run and adds its report.
func (p *poll) submit(ctx context.Context, b Batch) (Result, error) {
	b = p.ofRun(b)
	b.sum = &p.report
	if b.Brake == nil {
		b.aside = maps.Clone(p.tripped)
		if hold := p.tripped[PartAccess]; hold != nil && b.deletes() {
			// A record that goes cannot be looked at again: its end waits by itself.
			delete(b.aside, PartAccess)
			b.Held = map[Part]*BrakeHold{PartAccess: hold}
		}
	}
	res, err := p.unit(ctx, b)
	if err == nil {
		p.collect(&res)
	}
	return res, err
}

// unit runs one batch as a unit of work, in the dry run's transaction if there
// is one.
func (p *poll) unit(ctx context.Context, b Batch) (Result, error) {
	if p.tx == nil {
		return p.e.Apply(ctx, b)
	}
	_, conn, err := p.e.space(b.Workspace, b.Connection)
	if err != nil {
		return Result{}, err
	}
	b.DryRun = true
	u, err := p.e.newUnit(p.s, conn, p.tx, b)
	if err != nil {
		return Result{}, err
	}
	u.careful = true
	res, err := u.observeAndCommit()
	if err == nil && res.summed != nil {
		p.report = *res.summed
	}
	return res, err
}
