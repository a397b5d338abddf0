package sync

import (
	"errors"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// FillLeavers adds to a run's report what came after its commit: when the
// receivers of events acknowledged each leaver's end (T3), and when store and
// receivers were read back and showed no way in (T4). What has not happened
// yet stays null and is listed as pending, with the finding about it. Beside
// them stands how fast the run's connection has been lately.
func FillLeavers(r *store.Reader, run *SyncRun) error {
	for i := range run.Leavers {
		if err := fillLeaver(r, run.RunID, &run.Leavers[i]); err != nil {
			return err
		}
	}
	if len(run.Leavers) == 0 || run.EndedAt == 0 {
		return nil
	}
	all, err := LeaverSpeeds(r, run.EndedAt-speedWindow)
	if err != nil {
		return err
	}
	connection := ""
	if run.ConnectionID != nil {
		connection = *run.ConnectionID
	}
	speed := all[connection]
	speed.Window = "30d"
	run.LeaverSpeed = &speed
	return nil
}

func fillLeaver(r *store.Reader, run string, l *LeaverReport) error {
	t, err := r.LeaverTimes(l.MemberID, run)
	if err != nil {
		return err
	}
	l.T3, l.T4, l.DeliverMS = moment(t.Delivered), moment(t.Verified), nil
	if t.Delivered > 0 {
		ms := int64(t.Delivered-l.T2) / 1000
		l.DeliverMS = &ms
	}
	l.SessionsEnded += int(t.Sessions)
	for _, sink := range t.Pending {
		l.Pending = append(l.Pending, "receiver "+sink+" has not acknowledged")
	}
	for _, sink := range t.Unproved {
		l.Pending = append(l.Pending, "receiver "+sink+" has not proved it")
	}
	clock, err := r.Leaver(l.MemberID, run)
	if errors.Is(err, workspace.ErrNotFound) {
		return nil // from before clocks were kept
	}
	if err != nil {
		return err
	}
	l.T4 = moment(clock.T4)
	if clock.ClosedAt == 0 {
		l.Pending = append(l.Pending, "the store has not been read back")
	}
	found, err := r.FindingsOf("F19", "member", l.MemberID)
	for i := range found {
		l.Findings = append(l.Findings, found[i].Code+" "+found[i].Text)
	}
	return err
}

// startClocks starts the clock of each end of access, from T0 to T2: what comes
// after the commit is filled in by whoever reads it back. It comes when all but
// the log is written, so that T2 is as near to the commit as a row can say; the
// report has the same moment.
func (u *unit) startClocks(all []recorded) error {
	for i := range all {
		c := &u.plan[all[i].index].Change
		after, ok := c.After.(workspace.Member)
		if !ok || all[i].report.Outcome != "applied" || c.Kind != workspace.MemberDeactivate && c.Kind != workspace.MemberContain {
			continue
		}
		if u.endedAt == 0 {
			u.endedAt = workspace.At(u.e.now())
		}
		err := u.tx.PutLeaver(store.LeaverRow{
			Member: after.ID, Run: u.run, Connection: u.conn.ID, Epoch: after.Epoch, T0: u.upstream(after.ID), T1: u.seen(), T2: u.endedAt, CheckAt: u.now,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// upstream is when the directory says that it happened (T0); zero if it says
// nothing.
func (u *unit) upstream(member string) workspace.Micros {
	at := workspace.Micros(0)
	for i := range u.b.Identities {
		if o := &u.b.Identities[i]; o.Row.Member == member && !o.UpstreamAt.IsZero() {
			at = workspace.At(o.UpstreamAt)
		}
	}
	for i := range u.plan {
		// A date that the directory had stated before has passed.
		if p := &u.plan[i]; p.leaver && p.Member == member && p.Cause.Kind == workspace.CauseTimer {
			at = p.Cause.ObservedAt
		}
	}
	return at
}

// moment is a time in JSON, null for none.
func moment(m workspace.Micros) *workspace.Micros {
	if m == 0 {
		return nil
	}
	return &m
}
