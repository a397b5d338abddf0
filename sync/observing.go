package sync

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// The modes of a connection (scim section 12).
const (
	ModeLive    = "live"    // what a connection states takes effect
	ModeObserve = "observe" // it is stored and answered, and its effects are only reported
)

// RuleObserve is the rule of effects that wait because their connection only
// observes.
const RuleObserve = "OBSERVE"

// observedPage is how many people one plan of a connection in observe mode is
// about: it is made and applied in one transaction, which keeps other writers
// waiting for less than a second or two.
const observedPage = 2000

// observing reports whether this unit's effects are only reported. What a
// person approves takes effect, and a plan that is being made for a person to
// look at is judged as it would be then.
func (u *unit) observing() bool {
	return u.conn.Mode == ModeObserve && u.approver == nil && u.b.Brake == nil && u.b.Kind != RunApproval
}

// onlyObserved holds what a connection in observe mode would bring about.
// Denials stay what they are, and so does a conflict with somebody else's
// record: the directory hears of both as it would live. Whoever was linked by
// earlier live traffic and leaves, leaves: a leaver is no rehearsal.
func (u *unit) onlyObserved(all []workspace.Decision) {
	leaving := slices.ContainsFunc(u.plan, func(p planned) bool { return p.leaver && p.Cause.Class == workspace.EvidenceE1 })
	for i := range u.plan {
		p, d := &u.plan[i], &all[i]
		if p.Kind == "" || p.refuse != nil || d.Verdict == workspace.Deny || leaving && p.ofLeaver() {
			continue
		}
		*d = workspace.Decision{
			Change: p.Change, Verdict: workspace.Hold, Row: d.Row, Rule: RuleObserve, Approvers: workspace.RoleAdmin, Invariants: d.Invariants,
			Reason: "The connection " + u.conn.ID + " only observes (mode: observe).",
			Remedy: "an Admin or Owner looks at the plan and approves it; then an administrator sets mode: live",
		}
	}
}

// keepsAbsent reports whether a record stays that the directory has not said to
// be gone, but that was missing: while the connection only observes, nobody
// leaves by absence, and the record is what the next read compares with.
func (u *unit) keepsAbsent(o *IdentityObservation) bool {
	return u.observing() && o.Class != workspace.EvidenceE1 && o.Class != workspace.EvidenceNone
}

// ofLeaver reports whether a change ends somebody's access on an explicit no,
// or follows from that.
func (p *planned) ofLeaver() bool {
	return p.leaver && p.Cause.Class == workspace.EvidenceE1 || p.fallback || p.Cause.Leaver != "" && p.Cause.Class == workspace.EvidenceE1 ||
		p.Cause.Kind == workspace.CauseSequence
}

// watched reports whether a change is held only because its connection
// observes: it stands in the report and in the connection's one plan, not in
// a hold of its own.
func (u *unit) watched(i int) bool {
	return u.outcomes[i].Outcome == "held" && u.outcomes[i].Decision.Rule == RuleObserve && u.observing()
}

// observedSubject is what the plans of a connection in observe mode are about.
func observedSubject(connection string, part int) string {
	if part == 0 {
		return "observe:" + connection
	}
	return fmt.Sprintf("observe:%s:%d", connection, part)
}

// PlanObserved brings the plans of all connections in observe mode up to date:
// what everything that they have stated so far would bring about, as one plan
// for 2,000 people. A plan that is still the same stays as it is, with its
// hash. It changes nothing of the workspace.
func (e *Engine) PlanObserved(ctx context.Context, id string) error {
	s, _, err := e.space(id, "")
	if err != nil {
		return err
	}
	for _, conn := range sortedKeys(s.conns) {
		if s.conns[conn].Mode != ModeObserve {
			continue
		}
		if err := e.planObserved(ctx, s, conn); err != nil {
			return fmt.Errorf("the plan of connection %s: %w", conn, err)
		}
	}
	return nil
}

// planIfObserved is PlanObserved if anything was stated since.
func (e *Engine) planIfObserved(ctx context.Context, id string) error {
	s, _, err := e.space(id, "")
	if err != nil || !s.observed.Swap(false) {
		return err
	}
	if err := e.PlanObserved(ctx, id); err != nil {
		s.observed.Store(true)
		return err
	}
	return nil
}

// planObserved plans one connection's people, in pages by id.
func (e *Engine) planObserved(ctx context.Context, s *space, conn string) error {
	now := map[string]bool{}
	after := ""
	for part := 0; ; part++ {
		page, err := knownPage(ctx, s, conn, after, observedPage)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return e.withdrawObserved(ctx, s, conn, now)
		}
		after = page[len(page)-1]
		b := Batch{
			Workspace: s.cfg.ID, Connection: conn, Kind: RunConfig, Trigger: "operator", Channel: workspace.ChannelSync, SeenAt: e.now(), People: page,
			Brake: &BrakeHold{
				Rule: RuleObserve, Subject: observedSubject(conn, part),
				Why: fmt.Sprintf("the connection %s only observes: this is what it would bring about", conn),
			},
			DryRun: true,
		}
		res, err := e.Apply(ctx, b)
		if err != nil {
			return err
		}
		if res.Refusal == nil || res.Refusal.PlanHash == "" {
			continue // nothing of this page would change
		}
		now[res.Refusal.PlanHash] = true
		if open, err := e.isOpen(ctx, s, res.Refusal.PlanHash); err != nil || open {
			if err != nil {
				return err
			}
			continue
		}
		b.DryRun = false
		if res, err = e.Apply(ctx, b); err != nil {
			return err
		}
		if res.Refusal != nil {
			now[res.Refusal.PlanHash] = true
		}
	}
}

// knownPage lists the ids of a connection's people after one of them.
func knownPage(ctx context.Context, s *space, conn, after string, limit int) (ids []string, err error) {
	err = s.h.View(ctx, func(r *store.Reader) error {
		page, err := r.Known(conn, after, limit)
		for i := range page {
			ids = append(ids, page[i].ID)
		}
		return err
	})
	return ids, err
}

// isOpen reports whether a plan is held that may still be approved.
func (e *Engine) isOpen(ctx context.Context, s *space, hash string) (open bool, err error) {
	err = s.h.View(ctx, func(r *store.Reader) error {
		holds, err := r.OpenHolds("")
		open = slices.ContainsFunc(holds, func(h store.HoldRow) bool { return h.PlanHash == hash && h.ExpiresAt > workspace.At(e.now()) })
		return err
	})
	return open, err
}

// withdrawObserved closes the plans of a connection that are not its present
// ones.
func (e *Engine) withdrawObserved(ctx context.Context, s *space, conn string, now map[string]bool) error {
	old := func(h *store.HoldRow) bool {
		return (h.Subject == observedSubject(conn, 0) || strings.HasPrefix(h.Subject, observedSubject(conn, 0)+":")) && !now[h.PlanHash]
	}
	var open []store.HoldRow
	err := s.h.View(ctx, func(r *store.Reader) (err error) {
		open, err = r.OpenHolds("")
		return err
	})
	open = slices.DeleteFunc(open, func(h store.HoldRow) bool { return !old(&h) })
	if err != nil || len(open) == 0 {
		return err
	}
	return s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		for i := range open {
			h, err := tx.HoldByHash(open[i].ID)
			if err != nil {
				return err
			}
			h.State, h.DecidedAt, h.DecidedBy, h.DecidedWhy = "withdrawn", workspace.At(e.now()), "system", "the directory has said something else since"
			if err := tx.PutHold(h); err != nil {
				return err
			}
		}
		return nil
	})
}
