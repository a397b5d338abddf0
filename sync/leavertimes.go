package sync

import (
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// FillLeavers adds to a run's report what came after its commit: when the
// receivers of events acknowledged each leaver's end (T3), and when they
// proved it (T4). What has not happened yet stays null and is listed as
// pending.
func FillLeavers(r *store.Reader, run *SyncRun) error {
	for i := range run.Leavers {
		l := &run.Leavers[i]
		t, err := r.LeaverTimes(l.MemberID, run.RunID)
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
	}
	return nil
}

// moment is a time in JSON, null for none.
func moment(m workspace.Micros) *workspace.Micros {
	if m == 0 {
		return nil
	}
	return &m
}
