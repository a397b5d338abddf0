package sync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-sync/rollcall/internal/claim"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// domainBatch is how many claims of a workspace one turn looks after, and
// domainLease how long a turn may take before another replica takes over.
const (
	domainBatch = 10
	domainLease = 5 * time.Minute
)

// CheckDomains looks again for the proofs that are due in a workspace (DC2),
// and does what follows from what it finds. It returns how many claims it
// looked after; it is called again at once while there are any. One replica
// does it at a time, under a lease; the others find nothing to do.
func (e *Engine) CheckDomains(ctx context.Context, id, holder string) (looked int, err error) {
	s, _, err := e.space(id, "")
	if err != nil {
		return 0, err
	}
	due, err := e.dueDomains(ctx, s)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	lease, ok, err := e.store.Acquire(ctx, "domains/"+id, holder, domainLease)
	if err != nil || !ok {
		return 0, err
	}
	defer func() { err = errors.Join(err, e.store.Release(context.WithoutCancel(ctx), lease)) }()
	// Whoever had the lease before may have done it all.
	if due, err = e.dueDomains(ctx, s); err != nil {
		return 0, err
	}
	for i := range due {
		if err := e.checkDomain(ctx, s, lease, &due[i]); err != nil {
			return looked, fmt.Errorf("domain %s: %w", due[i].Domain, err)
		}
		looked++
	}
	return looked, nil
}

func (e *Engine) dueDomains(ctx context.Context, s *space) (due []workspace.DomainClaim, err error) {
	err = s.h.View(ctx, func(r *store.Reader) error {
		due, err = r.DueDomains(workspace.At(e.now()), domainBatch)
		return err
	})
	return due, err
}

// checkDomain looks after one claim. The question to DNS is asked outside of
// the transaction; a claim that changed meanwhile is looked after next time.
func (e *Engine) checkDomain(ctx context.Context, s *space, lease store.Lease, now *workspace.DomainClaim) error {
	var f *Finding
	if now.State != workspace.DomainPending {
		f = e.look(ctx, s, now)
	}
	contests := ""
	err := e.raced(func() error {
		return s.h.Update(ctx, store.UnitOptions{Lease: lease.Name, Token: lease.Token}, func(tx *store.Tx) error {
			u, err := e.newUnit(s, Connection{}, tx, Batch{Workspace: s.cfg.ID, Kind: RunExpiry, Trigger: "schedule", Channel: workspace.ChannelSync, SeenAt: e.now()})
			if err != nil {
				return err
			}
			u.actor = workspace.Actor{Kind: workspace.ActorSystem, ID: "system", Label: "the clock", Role: workspace.RoleOwner, Channel: workspace.ChannelSync}
			err = u.lookAfter(now, f)
			contests = u.contests
			return err
		})
	})
	switch {
	case errors.Is(err, workspace.ErrStale), errors.Is(err, workspace.ErrNotFound):
		return nil
	case err != nil:
		return err
	case contests != "":
		return e.tellHolder(ctx, contests, now.Domain)
	}
	return nil
}

// lookAfter does what follows from a look: a change with its report, or only
// a note that somebody has looked.
func (u *unit) lookAfter(read *workspace.DomainClaim, f *Finding) error {
	now, err := u.tx.Domain(read.Domain)
	if err != nil {
		return err
	}
	if now.Version != read.Version {
		return workspace.ErrStale
	}
	after, kind, err := u.after(&now, f)
	if err != nil {
		return err
	}
	if kind == "" {
		return u.tx.SeeDomain(after)
	}
	return u.moveClaim(kind, &now, &after)
}

// moveClaim writes a change that nobody asked for, with its report, and says so
// in the log.
func (u *unit) moveClaim(kind workspace.ChangeKind, now, after *workspace.DomainClaim) error {
	u.view.Domains[now.Domain] = now
	u.addDomain(kind, now, after, timerCause())
	if err := u.decide(); err != nil {
		return err
	}
	if err := u.apply(); err != nil {
		return err
	}
	u.tx.AfterCommit(func() {
		u.e.log.Warn("a claimed domain has changed", "workspace", u.s.cfg.ID, "domain", now.Domain, "was", string(now.State), "is", string(after.State),
			"change", string(kind), "why", after.Fault, "run_id", u.run)
	})
	return u.record()
}

// after is what becomes of a claim by what was found; an empty kind is a note
// alone. DNS removes nobody: members stay whatever becomes of the claim.
func (u *unit) after(now *workspace.DomainClaim, f *Finding) (after workspace.DomainClaim, kind workspace.ChangeKind, err error) {
	if now.State == workspace.DomainPending {
		return u.lapse(now, "it was not proved within 7 days"), workspace.DomainLapse, nil
	}
	if now.State == workspace.DomainContested {
		return u.afterContest(now, f)
	}
	if now.ContestedAt != 0 && f.Outcome != claim.Proved && now.ContestedAt+proveWithin <= u.now {
		return u.lapse(now, "another workspace proved it, and the record was not published anew within 7 days"), workspace.DomainLapse, nil
	}
	if f.Outcome == claim.Proved {
		if after, kind, err = u.proved(now, f); kind == workspace.DomainVerify && now.State == workspace.DomainVerified {
			kind = "" // nothing new
		}
		return after, kind, err
	}
	return u.notProved(now, f)
}

// notProved is DC2: missing for three days is lapsing, no proof for fourteen
// the end. Trouble counts for neither, but fourteen days of it are too long.
func (u *unit) notProved(now *workspace.DomainClaim, f *Finding) (after workspace.DomainClaim, kind workspace.ChangeKind, err error) {
	terms := &u.s.cfg.Domains.Reverify
	after = *now
	after.CheckedAt = f.At
	after.DueAt = u.nextLook(now.Domain, terms.Every)
	if now.ContestedAt != 0 {
		after.DueAt = u.nextLook(now.Domain, min(terms.Every, time.Hour))
	}
	if f.Outcome == claim.Trouble {
		after.Fault = f.Why
	} else {
		after.Fault = "the record is missing"
		if after.MissingSince == 0 {
			after.MissingSince = f.At
		}
	}
	switch {
	case now.ProvedAt+workspace.Micros(terms.OffAfter.Microseconds()) <= u.now:
		return u.lapse(now, "no proof since "+now.ProvedAt.Time().Format(time.DateOnly)+": "+after.Fault), workspace.DomainLapse, nil
	case changedServers(now, f):
		u.rechallenge(&after, f, "the name servers have changed, and may be another owner's: the record must be published anew")
		return after, workspace.DomainRenew, nil
	case now.State == workspace.DomainVerified && f.Outcome == claim.Missing &&
		after.MissingSince+workspace.Micros(terms.LapsingAfter.Microseconds()) <= u.now:
		after.State = workspace.DomainLapsing
		return after, workspace.DomainLapse, nil
	}
	return after, "", nil
}

// afterContest is what becomes of a claim that waits for another workspace to
// prove the domain again or to lose it (DC3).
func (u *unit) afterContest(now *workspace.DomainClaim, f *Finding) (after workspace.DomainClaim, kind workspace.ChangeKind, err error) {
	after = *now
	after.CheckedAt, after.DueAt = f.At, u.nextLook(now.Domain, time.Hour)
	holder, err := u.tx.DomainHolder(now.Domain)
	switch {
	case errors.Is(err, workspace.ErrNotFound):
		if f.Outcome == claim.Proved {
			return u.proved(now, f)
		}
		if now.ContestedAt+2*proveWithin <= u.now {
			return u.lapse(now, "the record is gone"), workspace.DomainLapse, nil
		}
		return after, "", nil
	case err != nil:
		return after, "", err
	case holder.ContestedAt == 0 && holder.ProvedAt > now.ContestedAt && holder.ChallengeAt >= now.ContestedAt:
		return u.lapse(now, "the workspace that holds this domain has proved it again"), workspace.DomainLapse, nil
	case holder.ContestedAt == 0:
		u.contests = holder.Workspace // nobody has told it yet
	}
	return after, "", nil
}

// lapse ends a claim: nobody joins by it, and a new one needs a new record.
func (u *unit) lapse(now *workspace.DomainClaim, why string) workspace.DomainClaim {
	after := *now
	after.State, after.Challenge, after.ChallengeAt, after.ContestedAt, after.DueAt, after.MissingSince = workspace.DomainLapsed, "", 0, 0, 0, 0
	after.Fault, after.Servers = why, nil
	return after
}

// tellHolder tells a workspace that another one has proved its domain: joining
// freezes, and it has seven days to publish a new record (DC3). Told once, it
// is not told again.
func (e *Engine) tellHolder(ctx context.Context, id, domain string) error {
	s := e.spaces[id]
	if s == nil {
		e.log.Warn("the workspace that holds a contested domain is not in the configuration, and cannot prove it again", "workspace", id, "domain", domain)
		return nil
	}
	return s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		now, err := tx.Domain(domain)
		if errors.Is(err, workspace.ErrNotFound) {
			return nil
		}
		if err != nil || !now.Open() {
			return err
		}
		u, err := e.newUnit(s, Connection{}, tx, Batch{Workspace: id, Kind: RunExpiry, Trigger: "signal", Channel: workspace.ChannelSync, SeenAt: e.now()})
		if err != nil {
			return err
		}
		u.actor = workspace.Actor{Kind: workspace.ActorSystem, ID: "system", Label: "the clock", Role: workspace.RoleOwner, Channel: workspace.ChannelSync}
		after := now
		after.ContestedAt = u.now
		u.rechallenge(&after, nil, "another workspace has proved this domain: publish the new record within 7 days, or the claim ends")
		after.MissingSince = now.MissingSince
		return u.moveClaim(workspace.DomainContest, &now, &after)
	})
}
