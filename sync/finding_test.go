package sync

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// sinks registers receivers that want everything.
func (w *world) sinks(ids ...string) {
	w.tb.Helper()
	var rows []store.SinkRow
	for _, id := range ids {
		rows = append(rows, store.SinkRow{ID: id, Kind: "webhook", Types: []string{"*"}})
	}
	w.write(func(tx *store.Tx) error { return tx.RegisterSinks(rows, workspace.At(w.clock)) })
}

func (w *world) write(unit store.Unit) {
	w.tb.Helper()
	if err := w.e.spaces["acme"].h.Update(context.Background(), store.UnitOptions{}, unit); err != nil {
		w.tb.Fatal(err)
	}
}

func (w *world) read(fn func(r *store.Reader) error) {
	w.tb.Helper()
	if err := w.e.spaces["acme"].h.View(context.Background(), fn); err != nil {
		w.tb.Fatal(err)
	}
}

// deliver acknowledges everything that waits for a receiver.
func (w *world) deliver(sink string) {
	w.tb.Helper()
	for {
		n := 0
		w.write(func(tx *store.Tx) error {
			for _, leavers := range []bool{true, false} {
				claimed, err := tx.Claim(sink, "test", leavers, workspace.At(w.clock), time.Minute, 100)
				if err != nil {
					return err
				}
				for i := range claimed {
					if err := tx.Ack(claimed[i], store.Receipt{At: workspace.At(w.clock), Status: 204}); err != nil {
						return err
					}
				}
				n += len(claimed)
			}
			return nil
		})
		if n == 0 {
			return
		}
	}
}

// reportOf reads a run's report as people see it.
func (w *world) reportOf(run string) (report SyncRun) {
	w.tb.Helper()
	w.read(func(r *store.Reader) error {
		row, err := r.Run(run)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(row.Body, &report); err != nil {
			return err
		}
		return FillLeavers(r, &report)
	})
	return report
}

// TestUntoldLeaverIsAFinding is F19: a receiver that has not acknowledged a
// leaver after five minutes is a finding, an event and a line of the leaver's
// report, once; it ends when the receiver knows.
func TestUntoldLeaverIsAFinding(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.sinks("phone", "siem")
		bob := &user{name: "bob"}
		w.push(bob)
		w.deliver("phone")
		w.deliver("siem")
		bob.off = true
		res := w.push(bob)
		w.clock = w.clock.Add(time.Second)
		w.deliver("siem")
		w.clock = w.clock.Add(4 * time.Minute)
		if n := w.due(); n != 0 {
			t.Errorf("%d findings after four minutes", n)
		}
		w.clock = w.clock.Add(2 * time.Minute)
		if n := w.due(); n != 1 {
			t.Errorf("%d findings after six minutes, want 1", n)
		}
		if n := w.due(); n != 0 {
			t.Errorf("the same was found again: %d", n)
		}
		l := w.reportOf(res.Run).Leavers
		if len(l) != 1 || len(l[0].Findings) != 1 || !slices.Contains(l[0].Pending, "receiver phone has not acknowledged") || l[0].T3 != nil || l[0].T4 != nil {
			t.Errorf("the leaver's report: %+v", l)
		}
		opened := w.outbox("finding.opened")
		if len(opened) != 1 || opened[0].Data.Member != w.member("bob@acme.com") || opened[0].Data.Finding.Code != "F19" {
			t.Errorf("%+v", opened)
		}
		w.deliver("phone")
		if n := w.due(); n != 1 {
			t.Errorf("%d findings were closed, want 1", n)
		}
		if n := w.due(); n != 0 {
			t.Errorf("closed twice: %d", n)
		}
		if closed := w.outbox("finding.closed"); len(closed) != 1 || closed[0].Data.Finding.ID != opened[0].Data.Finding.ID {
			t.Errorf("%+v", closed)
		}
		if l := w.reportOf(res.Run).Leavers; len(l[0].Findings) != 0 || l[0].T3 == nil {
			t.Errorf("the leaver's report at the end: %+v", l[0])
		}
		w.audited()
	})
}

// TestQuantiles are nearest ranks, in milliseconds.
func TestQuantiles(t *testing.T) {
	var times []workspace.Micros
	for i := 200; i >= 1; i-- {
		times = append(times, workspace.Micros(i*1000))
	}
	if got, want := quantiles(times), (Quantiles{200, 100, 190, 198}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := quantiles([]workspace.Micros{-5000}), (Quantiles{N: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := quantiles(nil); got != (Quantiles{}) {
		t.Errorf("%+v", got)
	}
}

// TestSpeedIsByConnection: each connection has its own figures.
func TestSpeedIsByConnection(t *testing.T) {
	w := lite(t)
	for i, conn := range []string{"okta", "okta", "entra"} {
		x := &user{name: "p" + string(rune('a'+i)), conn: conn}
		w.push(x)
		x.off = true
		w.push(x)
	}
	var speeds map[string]LeaverSpeed
	w.read(func(r *store.Reader) (err error) { speeds, err = LeaverSpeeds(r, 0); return err })
	if len(speeds) != 2 || speeds["okta"].Leavers != 2 || speeds["entra"].Leavers != 1 || speeds["okta"].Deliver.N != 0 {
		t.Errorf("%+v", speeds)
	}
}

// TestCommittedIsTold: the counters are told what was committed, and nothing of
// what was only tried.
func TestCommittedIsTold(t *testing.T) {
	w := lite(t)
	var told []Committed
	w.e.onCommit = func(c Committed) { told = append(told, c) }
	bob := &user{name: "bob"}
	w.push(bob)
	if _, err := w.e.Edit(t.Context(), EditBatch{Workspace: "acme", As: "ann@acme.com", DryRun: true, Edits: []Edit{{Kind: EditDeactivate, Member: "bob@acme.com"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.edit("bob@acme.com", Edit{Kind: EditRemove, Member: "ann@acme.com"}); err != nil {
		t.Fatal(err)
	}
	bob.off = true
	w.push(bob)
	if len(told) != 3 || told[0].Changes[ChangeOutcome{"member.create", "applied"}] != 1 || len(told[0].Revoked) != 0 ||
		told[1].Denials["M13"] == 0 || len(told[2].Revoked) != 1 || told[2].Connection != "okta" {
		t.Errorf("%+v", told)
	}
}

// TestOneMomentOfCommit: the report and the clock that percentiles are made of
// say the same T2, and it is behind the tail (leavers-and-events section 1).
func TestOneMomentOfCommit(t *testing.T) {
	w := lite(t)
	w.numbers("+4722000001")
	bob := &user{name: "bob", attrs: map[string]string{"office": "Oslo"}}
	w.push(bob)
	calls := 0
	w.e.now = func() time.Time {
		calls++
		return w.clock.Add(time.Duration(calls) * time.Millisecond)
	}
	bob.off = true
	w.push(bob)
	w.read(func(r *store.Reader) error {
		row, err := r.Run("last")
		if err != nil {
			return err
		}
		var run SyncRun
		if err := json.Unmarshal(row.Body, &run); err != nil {
			return err
		}
		if len(run.Leavers) != 1 {
			t.Fatalf("%d leavers", len(run.Leavers))
		}
		clock, err := r.Leaver(run.Leavers[0].MemberID, row.ID)
		if clock.T2 != run.Leavers[0].T2 || run.Leavers[0].RevokeMS != int64(clock.T2-clock.T1)/1000 || clock.T2 <= clock.T1 {
			t.Errorf("report: %s after %d ms, clock: %s after %s", run.Leavers[0].T2, run.Leavers[0].RevokeMS, clock.T1, clock.T2)
		}
		return err
	})
}
