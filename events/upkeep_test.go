package events

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// TestUpkeepForgetsOldEvents: what everybody has is gone after 90 days, in
// pieces; younger events, and old ones that a receiver waits for, stay (OB7).
func TestUpkeepForgetsOldEvents(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, w *world) {
		w.clock = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
		w.member("m1")
		w.member("m2")
		say := func(member, eventType string, days int) {
			w.Helper()
			at := w.clock.Add(-time.Duration(days) * 24 * time.Hour)
			w.update(func(tx *store.Tx) error {
				seq, err := tx.NextSeq("member", member)
				ms := fmt.Sprintf("%012x", at.UnixMilli())
				return errors.Join(err, tx.InsertEvents([]store.EventRow{{
					SubjectType: "member", Subject: member, Seq: seq, ID: fmt.Sprintf("evt_%s-%s-7000-8000-%s%010d", ms[:8], ms[8:], member, seq), Type: eventType, Leaver: eventType == "member.deactivated",
					At: workspace.At(at), Run: "run-1", Body: []byte(`{"type":"member.role_changed","timestamp":"x","data":{}}`),
				}}))
			})
		}
		for range pruneBatch + 50 { // more than one piece, told to nobody
			say("m1", "member.role_changed", 100)
		}
		say("m1", "member.role_changed", 80)
		r := newReceiver(t, status(503))
		c := hooked(t, r)
		w.update(func(tx *store.Tx) error {
			return tx.RegisterSinks([]store.SinkRow{{ID: "s0", Kind: "webhook", Types: []string{"*"}}}, workspace.At(w.clock))
		})
		say("m2", "member.deactivated", 100) // never given up (OB9)
		left := func(member string) (n int) {
			w.view(func(rd *store.Reader) error {
				rows, err := rd.EventsOf("member", member, 0, 10_000)
				n = len(rows)
				return err
			})
			return n
		}
		w.run(c)
		w.until("old events are gone", func() bool { return left("m1") == 1 })
		if n := left("m2"); n != 1 {
			t.Errorf("%d events wait for the receiver, want 1", n)
		}
	})
}
