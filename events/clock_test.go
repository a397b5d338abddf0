package events

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// cut ends a member's access as the engine does: row, clock and event in one
// unit. The member stays active when the cut is one that did not work.
func (w *world) cut(member string, works bool) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		m, err := tx.Member(member)
		if err != nil {
			return err
		}
		m.Version++
		m.Epoch++
		if works {
			m.State = workspace.StateDeactivated
		}
		now := workspace.At(w.now())
		err = errors.Join(tx.UpdateMember(m), tx.PutLeaver(store.LeaverRow{Member: member, Run: "run-1", Connection: "okta", Epoch: m.Epoch, T1: now, T2: now, CheckAt: now}))
		if err != nil {
			return err
		}
		_, err = insertEvent(tx, member, "member.deactivated", w.now())
		return err
	})
}

func (w *world) clockOf(member string) (row store.LeaverRow) {
	w.view(func(r *store.Reader) (err error) { row, err = r.Leaver(member, "run-1"); return err })
	return row
}

// TestClockOfALeaver: T4 is when the store was read back and showed no way in,
// and every receiver has acknowledged and, where asked, proved it (PR2).
func TestClockOfALeaver(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, w *world) {
		w.clock, w.poll = time.Now(), 20*time.Millisecond
		var up atomic.Bool
		r := newReceiver(t, func(rw http.ResponseWriter, _ arrival) {
			if !up.Load() {
				rw.WriteHeader(http.StatusServiceUnavailable)
			}
		})
		w.run(hooked(t, r))
		w.member("m1")
		w.member("m2")
		w.cut("m1", true)
		w.until("the store is read back", func() bool { return w.clockOf("m1").ClosedAt > 0 })
		if c := w.clockOf("m1"); c.T3 != 0 || c.T4 != 0 || c.CheckAt == 0 || c.ClosedAt < c.T2 {
			t.Errorf("before the receiver knows: %+v", c)
		}
		// A cut that the store does not show is never called verified (R37).
		w.cut("m2", false)
		up.Store(true)
		w.until("both are told", func() bool {
			w.pass(10 * time.Second)
			return w.clockOf("m1").T4 > 0 && w.clockOf("m2").T3 > 0
		})
		if c := w.clockOf("m1"); c.T3 <= c.T2 || c.T4 < c.ClosedAt || c.CheckAt != 0 {
			t.Errorf("at the end: %+v", c)
		}
		if c := w.clockOf("m2"); c.ClosedAt != 0 || c.T4 != 0 || c.CheckAt == 0 {
			t.Errorf("the store lets m2 in, and the clock says %+v", c)
		}
		// A later epoch ends every session from before it (EP3).
		w.update(func(tx *store.Tx) error {
			m, err := tx.Member("m2")
			if err != nil {
				return err
			}
			m.Version++
			m.Epoch++
			return tx.UpdateMember(m)
		})
		w.until("a later epoch is proof", func() bool { w.pass(10 * time.Second); return w.clockOf("m2").T4 > 0 })
	})
}

// TestClockWithoutReceivers: where nobody is told, reading the store back is
// all there is.
func TestClockWithoutReceivers(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, w *world) {
		w.poll = 20 * time.Millisecond
		w.run(Config{})
		w.member("m1")
		w.cut("m1", true)
		w.until("it is proved", func() bool { return w.clockOf("m1").T4 > 0 })
		if c := w.clockOf("m1"); c.T3 != 0 || c.T4 != c.ClosedAt {
			t.Errorf("%+v", c)
		}
	})
}
