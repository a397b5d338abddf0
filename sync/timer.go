package sync

import (
	"context"
	"errors"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// timerBatch is how much one unit of the timers does.
const timerBatch = 50

// Due does what time alone brings about in a workspace: access that has run
// out ends, what people gave until a date ends, the grace of leavers ends,
// quarantined numbers become free, invitations expire, receivers that have not
// heard of a leaver become a finding (F19), as do tokens that end (F13) and
// traffic of another client (F20). It returns how many changes and findings there were; it is called again at once while there are any.
// Replicas may call it at the same time: whoever is second finds nothing due.
func (e *Engine) Due(ctx context.Context, id string) (int, error) {
	s, _, err := e.space(id, "")
	if err != nil {
		return 0, err
	}
	due, err := e.anythingDue(ctx, s)
	if err != nil || !due {
		return 0, err
	}
	applied, findings := 0, 0
	err = e.raced(func() error {
		return s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
			u, err := e.newUnit(s, Connection{}, tx, Batch{Workspace: id, Kind: RunExpiry, Trigger: "schedule", Channel: workspace.ChannelSync, SeenAt: e.now()})
			if err != nil {
				return err
			}
			u.actor = workspace.Actor{Kind: workspace.ActorSystem, ID: "system", Label: "the clock", Role: workspace.RoleOwner, Channel: workspace.ChannelSync}
			if err := u.planDue(); err != nil {
				return err
			}
			if err := u.decide(); err != nil {
				return err
			}
			if err := u.apply(); err != nil {
				return err
			}
			if err := u.endRepairs(); err != nil {
				return err
			}
			applied, findings = 0, len(u.findings)
			for _, o := range u.outcomes {
				if o.Outcome == "applied" {
					applied++
				}
			}
			return u.record()
		})
	})
	return applied + findings, err
}

// anythingDue looks without writing, so that an idle clock writes no run.
func (e *Engine) anythingDue(ctx context.Context, s *space) (due bool, err error) {
	now := workspace.At(e.now())
	err = s.h.View(ctx, func(r *store.Reader) error {
		expired, over, err := r.DueMembers(now, 1)
		if err != nil {
			return err
		}
		numbers, err := r.DueNumbers(now, 1)
		if err != nil {
			return err
		}
		invitations, err := r.DueInvitations(now, 1)
		if err != nil {
			return err
		}
		lapsed, err := r.DueSupports(now, 1)
		if err != nil {
			return err
		}
		untold, err := r.UntoldLeavers(now-workspace.Micros(OverdueAfter.Microseconds()), 1)
		if err != nil {
			return err
		}
		told, err := r.ToldFindings(1)
		if err != nil {
			return err
		}
		warn, over13, err := tokenWarnings(r, now)
		if err != nil {
			return err
		}
		others, err := otherClients(r, s, now)
		if err != nil {
			return err
		}
		repairs, err := r.Repairs(1)
		due = len(others) > 0 || len(warn)+len(over13) > 0 || len(expired)+len(over)+len(numbers)+len(invitations)+len(lapsed)+len(untold)+len(told) > 0 || len(repairs) > 0 && repairs[0].At <= now-repairAfter
		return err
	})
	return due, err
}

// planDue plans everything that is due, up to a batch of each.
func (u *unit) planDue() error {
	expired, over, err := u.tx.DueMembers(u.now, timerBatch)
	if err != nil {
		return err
	}
	for _, m := range expired {
		p := &person{key: "member:" + m.ID}
		if err := u.loadMember(p, m.ID); err != nil {
			return err
		}
		c := workspace.Cause{
			Kind: workspace.CauseTimer, Class: workspace.EvidenceE1, Why: "expired", ReasonClass: "offboarding", ObservedAt: m.AccessEnd,
			Connection: endedBy(p),
		}
		if err := u.planLeaver(p, c); err != nil {
			return err
		}
	}
	lapsed, err := u.tx.DueSupports(u.now, timerBatch)
	if err != nil {
		return err
	}
	for _, id := range lapsed {
		if err := u.planLapsed(id); err != nil {
			return err
		}
	}
	if err := u.planRepairs(); err != nil {
		return err
	}
	for _, m := range over {
		if err := u.planGraceOver(m); err != nil {
			return err
		}
	}
	numbers, err := u.tx.DueNumbers(u.now, timerBatch)
	if err != nil {
		return err
	}
	for _, id := range numbers {
		read, err := u.tx.Number(id)
		if err != nil {
			return err
		}
		n := u.keep(read)
		after := *n
		after.State, after.QuarantineUntil = workspace.NumberFree, 0
		u.add(planned{person: "number:" + id, Change: workspace.Change{Kind: workspace.NumberUpdate, Subject: numberRef(n), Before: *n, After: after, Cause: timerCause()}})
	}
	if err := u.planInvitationsDue(); err != nil {
		return err
	}
	if err := u.planTokens(); err != nil {
		return err
	}
	if err := u.planOtherClients(); err != nil {
		return err
	}
	return u.planFindings()
}

func timerCause() workspace.Cause {
	return workspace.Cause{Kind: workspace.CauseTimer, ReasonClass: "correction"}
}

// repairAfter is how long a failed tail rests before it is tried again.
const repairAfter = workspace.Micros(60 * 1_000_000)

// planRepairs tries the tails again that have failed, until nothing of them is
// left (LT1). A tail that a brake has come to hold waits for a person instead.
func (u *unit) planRepairs() error {
	tasks, err := u.tx.Repairs(timerBatch)
	if err != nil {
		return err
	}
	for _, task := range tasks {
		if task.At > u.now-repairAfter {
			continue
		}
		p := &person{key: "member:" + task.Member}
		if err := u.loadMember(p, task.Member); err != nil {
			return err
		}
		c := workspace.Cause{Kind: workspace.CauseLeaver, Tail: true, Leaver: task.Member, Class: workspace.EvidenceE1, ReasonClass: "offboarding"}
		if p.member.State != workspace.StateActive && !p.member.TailHeld {
			if err := u.planTail(p, c, p.member.GraceUntil, nil); err != nil {
				return err
			}
		}
		u.repairs = append(u.repairs, task)
	}
	return nil
}

// endRepairs forgets the tasks whose tail is written now, and counts a try of
// the others.
func (u *unit) endRepairs() error {
	for _, task := range u.repairs {
		failed := false
		for i := range u.plan {
			failed = failed || u.plan[i].Cause.Leaver == task.Member && u.plan[i].Cause.Tail && u.outcomes[i].Outcome == "failed"
		}
		if !failed {
			if err := u.tx.DeleteRepair(task.Member, task.Step); err != nil {
				return err
			}
			continue
		}
		task.Tries, task.At = task.Tries+1, u.now
		if err := u.tx.PutRepair(task); err != nil {
			return err
		}
	}
	return nil
}

// planGraceOver is stage two of a leaving: reservations fall, interim holders
// become final, the seat is credited (GR2). Who was deleted at the directory
// is removed.
func (u *unit) planGraceOver(m workspace.Member) error {
	p := &person{key: "member:" + m.ID}
	if err := u.loadMember(p, m.ID); err != nil {
		return err
	}
	c := timerCause()
	c.ReasonClass = "offboarding"
	for _, n := range p.numbers {
		if err := u.planReleased(p, n, c); err != nil {
			return err
		}
	}
	after := m
	after.GraceUntil = 0
	kind := workspace.MemberUpdate
	if len(p.live) == 0 {
		kind, after.State = workspace.MemberRemove, workspace.StateRemoved
		c.Class, c.Why = workspace.EvidenceE1, "deleted"
	}
	u.addFor(p, workspace.Change{Kind: kind, Subject: memberRef(m), Member: m.ID, Before: m, After: after, Cause: c})
	return nil
}

// planReleased ends the reservation of a number for a leaver; who answers it
// keeps it, and a number that nobody answers goes to rest.
func (u *unit) planReleased(p *person, n *workspace.Number, c workspace.Cause) error {
	for _, r := range n.Reservations {
		if r.Kind == workspace.ToMember && r.For == p.member.ID {
			u.addFor(p, workspace.Change{Kind: workspace.NumberReleased, Subject: numberRef(n), Member: p.member.ID, Before: r, Cause: c})
			return u.planRest(p, n, c)
		}
	}
	return nil
}

// planInvitationsDue ends invitations nobody has accepted; the numbers in
// them return without quarantine.
func (u *unit) planInvitationsDue() error {
	ids, err := u.tx.DueInvitations(u.now, timerBatch)
	if err != nil {
		return err
	}
	for _, id := range ids {
		inv, err := u.tx.InvitationByID(id)
		if errors.Is(err, workspace.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		p := &person{key: "invitation:" + id, member: &workspace.Member{}}
		if err := u.planInvitationEnd(p, inv, workspace.InvitationExpired, timerCause()); err != nil {
			return err
		}
	}
	return nil
}
