package sync

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Half is which half of a plan a batch is about: under a changed mapping what
// is given is applied, and what is taken away waits for a person.
type Half string

// The halves of a plan; the zero value is the whole.
const (
	HalfGive Half = "give"
	HalfTake Half = "take"
)

// replanBatch is how many people one unit of work plans again.
const replanBatch = 100

// Replan plans everybody again when the mapping has changed since everybody
// was planned last, or when a row has come into force or left it (RO2, RO5):
// stored observations are enough, no directory is
// asked. What the new mapping gives follows the policy; what it takes away is
// held, connection by connection and a hundred people a plan (AB4). A crash
// in between begins anew at the next start. It returns how many changes were
// applied and held.
func (e *Engine) Replan(ctx context.Context, id, holder string) (Counts, error) {
	s, _, err := e.space(id, "")
	if err != nil {
		return Counts{}, err
	}
	planned, current := "", s.mappingHash
	if n := s.rules.Stage(workspace.At(e.now())); n > 0 {
		current += fmt.Sprintf(" stage %d", n)
	}
	err = s.h.View(ctx, func(r *store.Reader) error {
		var err error
		planned, err = r.Planned()
		return err
	})
	if err != nil || planned == current {
		return Counts{}, err
	}
	lease, ok, err := e.store.Acquire(ctx, "replan/"+id, holder, 10*time.Minute)
	if err != nil || !ok {
		return Counts{}, err // another replica plans
	}
	var total Counts
	for _, conn := range sortedKeys(s.conns) {
		if s.conns[conn].Mode == ModeObserve {
			continue // PlanObserved shows what it would bring about
		}
		c, err := e.replanConnection(ctx, s, conn)
		total.Applied += c.Applied
		total.Held += c.Held
		total.Denied += c.Denied
		if err != nil {
			return total, err
		}
	}
	err = s.h.Update(ctx, store.UnitOptions{Lease: lease.Name, Token: lease.Token}, func(tx *store.Tx) error { return tx.SetPlanned(current) })
	if err != nil {
		return total, err
	}
	return total, e.store.Release(ctx, lease)
}

// replanConnection plans a connection's people again, in pages.
func (e *Engine) replanConnection(ctx context.Context, s *space, conn string) (Counts, error) {
	if err := e.withdrawMapping(ctx, s, conn); err != nil {
		return Counts{}, err
	}
	var sum SyncRun
	run, after := newID(), ""
	for {
		var page []workspace.Identity
		err := s.h.View(ctx, func(r *store.Reader) error {
			var err error
			page, err = r.Known(conn, after, replanBatch)
			return err
		})
		if err != nil || len(page) == 0 {
			return sum.Counts, err
		}
		after = page[len(page)-1].ID
		b := Batch{
			Workspace: s.cfg.ID, Connection: conn, Kind: RunConfig, Trigger: "start", Channel: workspace.ChannelSync, SeenAt: e.now(),
			Run: run, Half: HalfGive, sum: &sum,
		}
		for _, i := range page {
			b.People = append(b.People, i.ID)
		}
		res, err := e.Apply(ctx, b)
		if err != nil {
			return sum.Counts, err
		}
		if res.otherHalf == 0 {
			continue
		}
		b.Half = HalfTake
		b.Brake = &BrakeHold{Rule: "BRAKE.mapping", Subject: "mapping:" + conn, Why: "the mapping was changed: what its first plan takes away waits for a person"}
		if _, err := e.Apply(ctx, b); err != nil {
			return sum.Counts, err
		}
	}
}

// withdrawMapping closes what an earlier mapping wanted to take away.
func (e *Engine) withdrawMapping(ctx context.Context, s *space, conn string) error {
	return s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		open, err := tx.OpenHolds("mapping:" + conn)
		if err != nil || len(open) == 0 {
			return err
		}
		u, err := e.newUnit(s, s.conns[conn], tx, Batch{Workspace: s.cfg.ID, Connection: conn, Kind: RunConfig, Trigger: "start", SeenAt: e.now()})
		if err != nil {
			return err
		}
		for _, h := range open {
			h.State, h.DecidedAt, h.DecidedBy, h.DecidedWhy = "withdrawn", u.now, "system", "the mapping was changed again"
			if err := u.closeHold(h); err != nil {
				return err
			}
		}
		return u.record()
	})
}

// halve keeps one half of the plan. What belongs to a leaver goes with the
// half that takes, and so does what follows from a number that is taken.
func (u *unit) halve() {
	if u.b.Half == "" {
		return
	}
	all := len(u.plan)
	u.plan = slices.DeleteFunc(u.plan, func(p planned) bool {
		takes := p.leaver || p.fallback || p.Cause.Leaver != "" || p.Cause.Kind == workspace.CauseSequence || p.Direction() == workspace.Reduction
		return takes != (u.b.Half == HalfTake)
	})
	u.otherHalf = all - len(u.plan)
}
