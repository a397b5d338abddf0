package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// maxConfirm is how many people one run asks for singly (AB1).
const maxConfirm = 50

// missing is a person whom a whole read did not name.
type missing struct {
	identity workspace.Identity
	why      string
	class    workspace.EvidenceClass
}

// applyGone ends people of whom the protocol itself says that they are
// deleted (E1). What only left the view is for the absence rules.
func (p *poll) applyGone(ctx context.Context) error {
	for _, g := range p.stage.gone {
		if g.Why != "deleted" {
			continue
		}
		known, err := p.knownBy(ctx, []string{g.ID})
		if err != nil {
			return err
		}
		old, ok := known[g.ID]
		if !ok || p.stage.isStaged(g.ID) || old.ObservedAt > g.seen {
			continue // EV4: who was asked about since is there again
		}
		at := p.ended(g.At, workspace.At(p.e.now()), &old)
		old.ObservedAt = g.seen
		o := IdentityObservation{Op: OpDelete, Row: store.IdentityRow{Identity: old}, Class: workspace.EvidenceE1, Why: "deleted", UpstreamAt: at}
		if _, err := p.submit(ctx, Batch{Identities: []IdentityObservation{o}}); err != nil {
			return err
		}
	}
	return nil
}

// applyAbsence finds who is missing from a whole read and ends whoever is
// proved gone: missed by two whole reads in a row, or by one and a confirming
// read (AB1). A set over the limit is held whole (BR1); a connection's first
// run removes nobody (BR2), nor does one under a changed scope (AB4).
func (p *poll) applyAbsence(ctx context.Context) error {
	if !p.whole {
		return p.confirmLeft(ctx)
	}
	pending, err := p.pending(ctx)
	if err != nil {
		return err
	}
	lost, err := p.missing(ctx)
	if err != nil {
		return err
	}
	p.report.Missing = len(lost)
	if err := p.forget(ctx, pending); err != nil {
		return err
	}
	if len(lost) == 0 {
		return p.closeBrake(ctx, "")
	}
	proved, err := p.confirm(ctx, lost, pending)
	if err != nil {
		return err
	}
	p.report.MissingConfirmed = len(proved)
	return p.remove(ctx, proved)
}

// pending lists who was missed before.
func (p *poll) pending(ctx context.Context) (map[string]store.AbsenceRow, error) {
	out := map[string]store.AbsenceRow{}
	err := p.view(ctx, func(r *store.Reader) error {
		rows, err := r.Absences(p.pl.Connection)
		for _, a := range rows {
			out[a.Identity] = a
		}
		return err
	})
	return out, err
}

// missing lists known people whom the read did not name, in pages.
func (p *poll) missing(ctx context.Context) ([]missing, error) {
	var lost []missing
	after := ""
	for {
		var page []store.KnownKey
		err := p.view(ctx, func(r *store.Reader) (err error) {
			if page, err = r.KnownKeys(p.pl.Connection, after, 1000); err != nil {
				return err
			}
			for _, k := range page {
				if p.stage.seen.has(k.ExternalID) || k.ObservedAt >= workspace.At(p.began) {
					continue
				}
				i, err := r.Identity(k.ID)
				if err != nil {
					return err
				}
				if out, err := p.s.excluded(r, i, workspace.At(p.began)); err != nil || out {
					if err != nil {
						return err
					}
					continue // AB6
				}
				lost = append(lost, missing{identity: i, why: "absent", class: workspace.EvidenceE2})
			}
			return nil
		})
		if err != nil || len(page) == 0 {
			return lost, err
		}
		after = page[len(page)-1].ID
		p.progress("comparing", len(lost), 0)
	}
}

// forget drops the memory of people who are back.
func (p *poll) forget(ctx context.Context, pending map[string]store.AbsenceRow) error {
	var back []string
	err := p.view(ctx, func(r *store.Reader) error {
		for id := range pending {
			i, err := r.Identity(id)
			if errors.Is(err, workspace.ErrNotFound) {
				back = append(back, id)
				continue
			}
			if err != nil {
				return err
			}
			if p.stage.seen.has(i.ExternalID) {
				back = append(back, id)
			}
		}
		return nil
	})
	if err != nil || len(back) == 0 {
		return err
	}
	return p.write(ctx, func(tx *store.Tx) error {
		for _, id := range back {
			if err := tx.DeleteAbsence(p.pl.Connection, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// write runs a small unit of the poll under its fence.
func (p *poll) write(ctx context.Context, fn store.Unit) error {
	if p.tx != nil {
		return fn(p.tx)
	}
	return p.s.h.Update(ctx, store.UnitOptions{Lease: p.lease.Name, Token: p.lease.Token}, fn)
}

// confirm proves who is gone. The others are remembered for the next read.
func (p *poll) confirm(ctx context.Context, lost []missing, pending map[string]store.AbsenceRow) ([]missing, error) {
	var proved []missing
	asked := 0
	for i, m := range lost {
		before, again := pending[m.identity.ID]
		twice := again && before.Run != p.run && before.Scope == p.after.Scope && before.Server == p.server() && before.FirstMissedAt < workspace.At(p.began)
		switch {
		case asked < maxConfirm && p.pl.Source.Describe().Caps&CapTargeted != 0:
			asked++
			p.progress("confirming", i+1, len(lost))
			gone, err := p.ask(ctx, &m)
			if err != nil {
				return nil, err
			}
			if gone {
				proved = append(proved, m)
				continue
			}
			if m.why == "present" {
				continue
			}
		case twice:
			proved = append(proved, m)
			continue
		}
		if twice {
			proved = append(proved, m)
			continue
		}
		if again {
			continue
		}
		row := store.AbsenceRow{Connection: p.pl.Connection, Identity: m.identity.ID, Run: p.run, Scope: p.after.Scope, Server: p.server(), FirstMissedAt: workspace.At(p.began)}
		if err := p.write(ctx, func(tx *store.Tx) error { return tx.PutAbsence(row) }); err != nil {
			return nil, err
		}
	}
	return proved, nil
}

func (p *poll) server() string {
	if p.stage.proof == nil {
		return ""
	}
	return p.stage.proof.Server
}

// ask is the confirming read: it finds the reason, which is never lumped
// together with others (AB3).
func (p *poll) ask(ctx context.Context, m *missing) (gone bool, err error) {
	m.identity.ObservedAt = workspace.At(p.e.now())
	found, err := p.pl.Source.Get(ctx, m.identity.ExternalID)
	switch {
	case errors.Is(err, ErrDeleted):
		m.why, m.class = "deleted", workspace.EvidenceE1
		return true, nil
	case errors.Is(err, ErrAbsent):
		return true, nil
	case err != nil && ctx.Err() != nil:
		return false, context.Cause(ctx)
	case err != nil:
		// Trouble is no answer: the next whole read looks again.
		p.notices = append(p.notices, fmt.Sprintf("confirming read of %s: %v", m.identity.ExternalID, err))
		return false, nil
	case !found.Active && (found.Reason == "disabled" || found.Reason == "expired"):
		m.why, m.class = found.Reason, workspace.EvidenceE1
		return true, nil
	case found.Reason == "moved" || found.Reason == "filtered":
		p.report.OutOfScope++
		m.why = found.Reason
		return p.pl.OutOfScope != "keep", nil
	}
	m.why = "present"
	p.notices = append(p.notices, fmt.Sprintf("%s was missing from the read, but is there when asked for", m.identity.ExternalID))
	return false, nil
}

// confirmLeft asks for people of whom a delta says that they left the view:
// only a confirming read ends anybody then (LP2).
func (p *poll) confirmLeft(ctx context.Context) error {
	var proved []missing
	asked := 0
	for _, g := range p.stage.gone {
		if g.Why == "deleted" || asked >= maxConfirm || p.pl.Source.Describe().Caps&CapTargeted == 0 {
			continue
		}
		known, err := p.knownBy(ctx, []string{g.ID})
		if err != nil {
			return err
		}
		old, ok := known[g.ID]
		if !ok || p.stage.seen.has(g.ID) {
			continue
		}
		asked++
		m := missing{identity: old, why: "absent", class: workspace.EvidenceE2}
		gone, err := p.ask(ctx, &m)
		if err != nil {
			return err
		}
		if gone {
			proved = append(proved, m)
		}
	}
	return p.remove(ctx, proved)
}

// remove ends people who are proved gone. Explicit ones go at once; those
// who are merely absent count against the limit, and over it nobody of them
// goes.
func (p *poll) remove(ctx context.Context, proved []missing) error {
	var absent []missing
	for _, m := range proved {
		if m.class != workspace.EvidenceE1 {
			absent = append(absent, m)
			continue
		}
		if _, err := p.submit(ctx, Batch{Identities: []IdentityObservation{m.observation()}}); err != nil {
			return err
		}
	}
	if len(absent) == 0 {
		return p.closeBrake(ctx, "")
	}
	hold, err := p.brake(ctx, len(absent))
	if err != nil {
		return err
	}
	if hold == nil {
		if err := p.closeBrake(ctx, ""); err != nil {
			return err
		}
		for _, m := range absent {
			if _, err := p.submit(ctx, Batch{Identities: []IdentityObservation{m.observation()}}); err != nil {
				return err
			}
		}
		return nil
	}
	b := Batch{Brake: hold}
	for _, m := range absent {
		b.Identities = append(b.Identities, m.observation())
	}
	res, err := p.submit(ctx, b)
	if err != nil {
		return err
	}
	hash := ""
	for _, o := range res.Outcomes {
		hash = orElse(hash, o.PlanHash)
	}
	return p.closeBrake(ctx, hash)
}

// observation is the end of a person's record.
func (m missing) observation() IdentityObservation {
	return IdentityObservation{Op: OpDelete, Row: store.IdentityRow{Identity: m.identity}, Class: m.class, Why: m.why}
}

// brake tells whether a set of removals must wait for a person.
func (p *poll) brake(ctx context.Context, n int) (*BrakeHold, error) {
	if !p.state.FirstRunHeld {
		return &BrakeHold{Rule: "BRAKE." + brakeFirstRun, Why: fmt.Sprintf("the first whole read of %s removes nobody: %d people it does not name wait for a person", p.pl.Connection, n)}, nil
	}
	if old := p.cursor.Scope; old != "" && p.after.Scope != "" && old != p.after.Scope {
		return &BrakeHold{Rule: "BRAKE." + brakeScope, Why: fmt.Sprintf("base, filter or attributes of %s were changed, which is no evidence: %d people who fell out wait for a person", p.pl.Connection, n)}, nil
	}
	if p.pl.OutOfScope == "hold" && p.report.OutOfScope > 0 {
		return &BrakeHold{Rule: "BRAKE." + brakeScope, Why: fmt.Sprintf("%d people of %s moved out of scope, and out_of_scope: hold is set", p.report.OutOfScope, p.pl.Connection)}, nil
	}
	_, conn, err := p.e.space(p.pl.Workspace, p.pl.Connection)
	if err != nil {
		return nil, err
	}
	limits := DefaultBrake()
	if conn.Brake != nil {
		limits = *conn.Brake
	}
	var hold *BrakeHold
	err = p.view(ctx, func(r *store.Reader) error {
		row, err := r.Connection(p.pl.Connection)
		if err != nil {
			return err
		}
		limit, on := limits.Removals.Of(row.UsersTotal)
		if !on {
			return nil
		}
		past, err := r.BrakeCount(p.pl.Connection, brakeRemovals, workspace.At(p.e.now())-brakeWindow)
		if err != nil {
			return err
		}
		p.report.Brake.Limits = append(p.report.Brake.Limits, BrakeLimit{Name: brakeRemovals, Window: "24h", Limit: limit, Seen: past + n, Base: row.UsersTotal})
		if past+n > limit {
			p.report.Brake.Tripped = true
			hold = &BrakeHold{
				Rule: "BRAKE." + brakeRemovals,
				Why:  fmt.Sprintf("%d people are missing from %s and %d were removed within 24 h; the limit is %d of %d", n, p.pl.Connection, past, limit, row.UsersTotal),
			}
		}
		return nil
	})
	return hold, err
}

// closeBrake withdraws the connection's held plans other than those that this
// run has found again; the run's last unit writes it. A read that named not
// everybody withdraws no removals, and one that named not every group nothing
// about groups.
func (p *poll) closeBrake(ctx context.Context, hash string) error {
	return p.view(ctx, func(r *store.Reader) error {
		open, err := r.OpenHolds("connection:" + p.pl.Connection)
		for _, h := range open {
			if h.PlanHash == hash || p.held[h.PlanHash] {
				continue
			}
			var held heldBatch
			if err := json.Unmarshal(h.Observation, &held); err != nil {
				return fmt.Errorf("hold %s: %w", h.ID, err)
			}
			if !p.whole || len(held.Groups) > 0 && p.kind != RunFull {
				continue
			}
			h.State, h.DecidedAt, h.DecidedBy, h.DecidedWhy = "withdrawn", workspace.At(p.e.now()), "system", "no longer so at the directory"
			p.withdrawn = append(p.withdrawn, h)
		}
		return err
	})
}
