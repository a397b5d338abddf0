package sync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// good is the connection's state after a run that ended well.
func (p *poll) good() *store.PollState {
	s := p.state
	s.Failures, s.FailingSince, s.Cause, s.NextAt = 0, 0, "", 0
	now := workspace.At(p.began)
	if len(p.why) > 0 {
		s.Cause = p.why[0]
	}
	if p.mark != "" && len(p.why) == 0 && !p.unsettled {
		s.Mark = p.mark
	}
	if p.stage.proof != nil {
		s.Server = orElse(p.stage.proof.Server, s.Server)
	}
	s.Stock = orElse(p.stock, s.Stock)
	if p.whole {
		s.LastSweepAt = now
		if p.kind == RunFull {
			s.LastFullAt = now
		}
		s.Counts = append(slices.Clone(s.Counts), len(p.stage.seen))
		s.Counts = s.Counts[max(0, len(s.Counts)-10):]
		s.FirstRunHeld = true
	}
	return &s
}

// finish writes the run's report, the cursor and the connection's state in
// one unit of work: after a crash before it everything is read again and
// finds little to do (CU2).
func (p *poll) finish(ctx context.Context, state *store.PollState) error {
	b := Batch{
		Workspace: p.pl.Workspace, Connection: p.pl.Connection, Kind: orKind(p.kind), Channel: workspace.ChannelSync, Run: p.run,
		Trigger: orElse(p.opt.Trigger, "schedule"), SeenAt: p.began, DryRun: p.opt.DryRun, sum: &p.report,
	}
	_, conn, err := p.e.space(b.Workspace, b.Connection)
	if err != nil {
		return err
	}
	p.describe()
	var summed *SyncRun
	unit := func(tx *store.Tx) error {
		u, err := p.e.newUnit(p.s, conn, tx, b)
		if err != nil {
			return err
		}
		u.notices, u.finished = p.notices, &p.report
		for _, h := range p.withdrawn {
			if err := u.closeHold(h); err != nil {
				return err
			}
		}
		if err := u.record(); err != nil {
			return err
		}
		summed = u.summed
		if err := tx.PutPollState(*state); err != nil {
			return err
		}
		if p.report.State != "failed" && p.report.State != "aborted" && len(p.why) == 0 && !p.after.Zero() {
			c := p.after
			if err := tx.PutCursor(store.CursorRow{Connection: p.pl.Connection, Kind: c.Kind, V: int64(c.V), Scope: c.Scope, Data: c.Data, At: workspace.At(c.At)}); err != nil {
				return err
			}
		}
		row, err := tx.Connection(p.pl.Connection)
		if err != nil {
			return err
		}
		row.LastSeenAt = u.now
		if state.Failures == 0 {
			row.LastGoodRunAt, row.State, row.Scope = u.now, "ready", p.after.Scope
		} else {
			row.State = "degraded"
		}
		return tx.PutConnection(row)
	}
	if p.tx != nil {
		err = unit(p.tx)
	} else {
		err = p.s.h.Update(ctx, store.UnitOptions{DryRun: p.opt.DryRun, Lease: p.lease.Name, Token: p.lease.Token}, unit)
	}
	if err == nil && summed != nil {
		p.report = *summed
	}
	return err
}

func orKind(k RunKind) RunKind {
	if k == "" {
		return RunDelta
	}
	return k
}

// describe fills the part of the report that is about the read.
func (p *poll) describe() {
	if p.stage == nil {
		p.report.IncompleteWhy = []string{}
		return
	}
	c := p.stage.counts
	r := &p.report.SourceReport
	now, was := trafficOf(p.pl.Source), p.traffic
	r.Requests, r.Bytes, r.Referrals = now.Requests-was.Requests, now.Bytes-was.Bytes, now.Referrals-was.Referrals
	r.ThrottledMS = (now.Throttled - was.Throttled).Milliseconds()
	r.CursorBefore, r.CursorAfter = cursorHash(p.cursor.Kind, p.cursor.Data), cursorHash(p.after.Kind, p.after.Data)
	r.Pages, r.Entries, r.Seen, r.New, r.Changed, r.Unchanged = c.pages, c.entries, len(p.stage.seen), c.fresh, c.changed, c.unchanged
	r.Matched = len(p.stage.seen) - c.fresh
	r.Complete, r.IncompleteWhy = p.whole && len(p.why) == 0, append([]string{}, p.why...)
	if p.mark != "" {
		r.MarkBefore, r.MarkAfter = optional(p.state.Mark), optional(p.mark)
	}
	if p.kind == RunFull && r.Complete && r.Seen == 0 {
		p.notices = append(p.notices, "nobody was found: if that is not so, what is read (people.base and people.filter) or the account's rights are wrong")
	}
}

// cursorHash stands for a cursor in a report: it may hold secrets. Nil is none.
func cursorHash(kind string, data []byte) *string {
	if kind == "" {
		return nil
	}
	sum := sha256.Sum256(append([]byte(kind+"\x00"), data...))
	return optional("sha256:" + hex.EncodeToString(sum[:]))
}
