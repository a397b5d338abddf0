package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// leaverClocks: a clock starts with the cut and is moved by one at a time; the
// way in is read from what the store has now.
func leaverClocks(t *testing.T, s *store.Store) {
	o := newOutbox(t, s)
	first := store.LeaverRow{Member: "m1", Run: "r1", Connection: "okta", Epoch: 8, T0: 1, T1: 2, T2: 3, CheckAt: 10}
	second := store.LeaverRow{Member: "m2", Run: "r1", T1: 4, T2: 5, CheckAt: 20}
	o.update(func(tx *store.Tx) error {
		if err := tx.PutLeaver(second); err != nil {
			return err
		}
		return tx.PutLeaver(first)
	})
	due := func(at workspace.Micros) []store.LeaverRow {
		return read(o.room, func(rd *store.Reader) ([]store.LeaverRow, error) { return rd.DueLeavers(at, 10) })
	}
	same(t, "due", due(9), []store.LeaverRow{})
	same(t, "due", due(20), []store.LeaverRow{first, second})
	moved := first
	moved.T3, moved.T4, moved.ClosedAt, moved.CheckAt = 30, 40, 35, 0
	o.update(func(tx *store.Tx) error { return tx.MoveLeaver(moved, 10) })
	o.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.MoveLeaver(first, 10) })
	same(t, "due", due(99), []store.LeaverRow{second})
	same(t, "row", read(o.room, func(rd *store.Reader) (store.LeaverRow, error) { return rd.Leaver("m1", "r1") }), moved)
	gone(o.room, func(rd *store.Reader) (store.LeaverRow, error) { return rd.Leaver("m1", "r2") })
	same(t, "since", read(o.room, func(rd *store.Reader) ([]store.LeaverRow, error) { return rd.LeaversSince(4, 10) }), []store.LeaverRow{second})

	wayIn := func() store.WayIn {
		return read(o.room, func(rd *store.Reader) (store.WayIn, error) { return rd.WayIn("m1", 100) })
	}
	o.update(func(tx *store.Tx) error {
		for i, access := range []workspace.Access{workspace.AccessShared, workspace.AccessViewOnly} {
			n := workspace.Number{ID: fmt.Sprintf("n%d", i), E164: fmt.Sprintf("+472200000%d", i), State: workspace.NumberAssigned, Version: 1}
			if err := tx.InsertNumber(n); err != nil {
				return err
			}
			if err := tx.PutAssignment(workspace.Assignment{Number: n.ID, Kind: workspace.ToMember, To: "m1", Access: access, Ring: 1 - i}); err != nil {
				return err
			}
		}
		return nil
	})
	m := read(o.room, func(rd *store.Reader) (workspace.Member, error) { return rd.Member("m1") })
	same(t, "active", wayIn(), store.WayIn{Epoch: m.Epoch, SignIn: true, Usable: 1})
	o.update(func(tx *store.Tx) error {
		for i, v := range []store.SessionRow{{ExpiresAt: 101}, {ExpiresAt: 100}, {ExpiresAt: 200, EndedAt: 50}} {
			v.ID, v.Member, v.CookieHash = fmt.Sprint("s", i), "m1", fmt.Sprint("c", i)
			if err := tx.InsertSession(v); err != nil {
				return err
			}
		}
		return nil
	})
	same(t, "signed in", wayIn(), store.WayIn{Epoch: m.Epoch, SignIn: true, Usable: 1, Sessions: 1})
	o.update(func(tx *store.Tx) error { return tx.EndSessionsOf("m1", "left", 60) })
	for _, change := range []func(*workspace.Member){
		func(m *workspace.Member) { m.Contained = true },
		func(m *workspace.Member) { m.Contained, m.State = false, workspace.StateDeactivated },
	} {
		change(&m)
		m.Version++
		m.Epoch++
		o.update(func(tx *store.Tx) error { return tx.UpdateMember(m) })
		same(t, "contained or gone", wayIn(), store.WayIn{Epoch: m.Epoch})
	}
}

// findings: one of a code is open for a subject; F19 knows who waits.
func findings(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"), hook("b"))
	o.say(10, "m1", "member.deactivated")
	o.say(20, "m2", "member.updated")
	untold := func(before workspace.Micros) (ids []string) {
		for _, d := range read(o.room, func(rd *store.Reader) ([]store.DeliveryRow, error) { return rd.UntoldLeavers(before, 10) }) {
			ids = append(ids, d.EventID+" "+d.Sink)
		}
		slices.Sort(ids)
		return ids
	}
	same(t, "too early", len(untold(9)), 0)
	same(t, "both wait", untold(10), []string{"m1-1 a", "m1-1 b"})
	f := store.FindingRow{
		ID: "f1", Code: "F19", Severity: "high", SubjectType: "member", Subject: "m1", Text: "t", Remedy: "r", OpenedAt: 30, OpenedRun: "r1",
	}
	o.update(func(tx *store.Tx) error { return tx.OpenFinding(f) })
	same(t, "it is known now", len(untold(99)), 0)
	open := func() []store.FindingRow {
		return read(o.room, func(rd *store.Reader) ([]store.FindingRow, error) { return rd.OpenFindings(10) })
	}
	same(t, "open", open(), []store.FindingRow{f})
	same(t, "of m1", read(o.room, func(rd *store.Reader) ([]store.FindingRow, error) { return rd.FindingsOf("F19", "member", "m1") }), []store.FindingRow{f})
	o.conflicts("finding", "open", func(tx *store.Tx) error {
		again := f
		again.ID = "f2"
		return tx.OpenFinding(again)
	})
	toldNow := func() int {
		return len(read(o.room, func(rd *store.Reader) ([]store.FindingRow, error) { return rd.ToldFindings(10) }))
	}
	o.ack(o.one("a", true, 40), 40)
	same(t, "b still waits", toldNow(), 0)
	o.ack(o.one("b", true, 40), 40)
	same(t, "nobody waits", toldNow(), 1)
	o.update(func(tx *store.Tx) error { return tx.CloseFinding("f1", "r2", 50) })
	o.refused(workspace.ErrNotFound, func(tx *store.Tx) error { return tx.CloseFinding("f1", "r2", 50) })
	same(t, "open", open(), []store.FindingRow{})
}

// successors: named in an order, and all at once.
func successors(t *testing.T, s *store.Store) {
	o := newOutbox(t, s)
	of := func() []store.SuccessorRow {
		return read(o.room, func(rd *store.Reader) ([]store.SuccessorRow, error) { return rd.Successors("m1") })
	}
	same(t, "nobody", of(), []store.SuccessorRow{})
	o.update(func(tx *store.Tx) error {
		return errors.Join(tx.InsertMember(member("m3", "cy@acme.com")), tx.PutSuccessors("m1", []string{"m3", "m2"}, 5))
	})
	same(t, "two", of(), []store.SuccessorRow{{Member: "m3", ConfirmedAt: 5}, {Member: "m2", ConfirmedAt: 5}})
	o.update(func(tx *store.Tx) error { return tx.PutSuccessors("m1", []string{"m2"}, 9) })
	same(t, "one", of(), []store.SuccessorRow{{Member: "m2", ConfirmedAt: 9}})
	o.update(func(tx *store.Tx) error { return tx.PutSuccessors("m1", nil, 10) })
	same(t, "nobody again", of(), []store.SuccessorRow{})
}

// queues: what waits for each sink, and since when.
func queues(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"), store.SinkRow{ID: "b", Kind: "webhook", Types: []string{"session.revoked"}})
	o.say(10, "m1", "member.created", "member.role_changed")
	o.say(20, "m2", "member.deactivated")
	of := func() []store.QueueRow { return read(o.room, (*store.Reader).Queues) }
	same(t, "queues", of(), []store.QueueRow{{Sink: "a", Lines: 2, Oldest: 10}, {Sink: "b"}})
	d := o.one("a", false, 30)
	o.update(func(tx *store.Tx) error { return tx.Bury(d, 500, "old", 40) })
	o.ack(o.one("a", false, 50), 50)
	same(t, "later", of(), []store.QueueRow{{Sink: "a", Lines: 1, Oldest: 20, Dead: 1}, {Sink: "b"}})
}

// pruneEvents: old events go in pieces, but what a receiver waits for stays, and
// what ends access until somebody has it.
func pruneEvents(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"), hook("b"))
	day := func(n int) workspace.Micros { return workspace.At(time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC)) }
	say := func(n int, member, eventType string) {
		o.Helper()
		o.update(func(tx *store.Tx) error {
			seq, err := tx.NextSeq("member", member)
			if err != nil {
				return err
			}
			ms := fmt.Sprintf("%012x", day(n).Time().UnixMilli())
			return tx.InsertEvents([]store.EventRow{{
				SubjectType: "member", Subject: member, Seq: seq, ID: fmt.Sprintf("evt_%s-%s-7000-8000-%012d", ms[:8], ms[8:], seq), Type: eventType,
				Leaver: endsAccess(eventType), At: day(n), Run: "r1", Body: []byte(`{}`),
			}})
		})
	}
	left := func() (seqs []string) {
		for _, m := range []string{"m1", "m2"} {
			for _, e := range read(o.room, func(rd *store.Reader) ([]store.EventRow, error) { return rd.EventsOf("member", m, 0, 100) }) {
				seqs = append(seqs, fmt.Sprintf("%s-%d", m, e.Seq))
			}
		}
		return seqs
	}
	prune := func(before workspace.Micros) {
		o.Helper()
		rounds := 0
		for after := ""; rounds == 0 || after != ""; rounds++ {
			o.update(func(tx *store.Tx) (err error) { after, err = tx.PruneEvents(before, after, 2); return err })
			if rounds > 10 {
				t.Fatal("no end")
			}
		}
	}
	for n := 1; n <= 5; n++ {
		say(n, "m1", "member.role_changed")
	}
	say(2, "m2", "member.deactivated")
	say(3, "m2", "group.joined") // nobody wants it
	for range 5 {
		o.ack(o.one("a", false, day(6)), day(6))
	}
	o.ack(o.one("a", true, day(6)), day(6))
	prune(day(9))
	same(t, "b has nothing yet", left(), []string{"m1-1", "m1-2", "m1-3", "m1-4", "m1-5", "m2-1"})
	for range 2 {
		o.ack(o.one("b", false, day(6)), day(6))
	}
	prune(day(2))
	same(t, "young ones stay", left(), []string{"m1-2", "m1-3", "m1-4", "m1-5", "m2-1"})
	prune(day(9))
	same(t, "what b has too", left(), []string{"m1-3", "m1-4", "m1-5", "m2-1"})
	// b is taken out of the configuration: only what ends access waits for it.
	o.update(func(tx *store.Tx) error { return tx.RegisterSinks([]store.SinkRow{hook("a")}, day(7)) })
	prune(day(9))
	same(t, "b is retired", left(), []string{"m2-1"})
	o.update(func(tx *store.Tx) error { return tx.RegisterSinks([]store.SinkRow{hook("a"), hook("b")}, day(8)) })
	d := o.one("b", true, day(8))
	same(t, "b is back", d.Event.Seq, int64(1))
	o.ack(d, day(8))
	o.none("b", day(8)) // lines of which nothing is left come to their end
	prune(day(9))
	same(t, "all", len(left()), 0)
}
