package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

var deliveryTests = []test{
	{"a line per sink and subject (OB1 to OB3)", lines},
	{"updates are superseded (OB5)", supersede},
	{"an event that ends access (OB6)", leaverLine},
	{"a quiet connection", quietLine},
	{"a refused event before the end of access (OB6)", stubbornHead},
	{"two deliverers on one line (OB4)", twoDeliverers},
	{"retry, death, settling (OB8, OB9)", retryAndSettle},
	{"sinks come and go", sinks},
	{"handing out and polling (ST5)", handOut},
	{"T3 and T4", leaverTimes},
	{"events committed in parallel", parallelEvents},
	{"wake after commit", wake},
	{"pruning (OB7)", pruneDeliveries},
	{"pruning of events", pruneEvents},
	{"queues", queues},
	{"clocks of leavers (T2 to T4)", leaverClocks},
	{"findings (F19)", findings},
	{"successors (O4)", successors},
	{"revocation feed (RF1 to RF3)", revocations},
	{"signing keys", signingKeys},
}

// outbox is a room with the member m1 and m2 and sinks.
type outbox struct {
	room
	seen map[string]int64
}

func newOutbox(t *testing.T, s *store.Store, sinks ...store.SinkRow) *outbox {
	t.Helper()
	o := &outbox{newRoom(t, s), map[string]int64{}}
	o.update(func(tx *store.Tx) error {
		return errors.Join(tx.InsertMember(member("m1", "ann@acme.com")), tx.InsertMember(member("m2", "bob@acme.com")),
			tx.RegisterSinks(sinks, 1))
	})
	return o
}

// hook is a sink for members' events and the end of sessions.
func hook(id string) store.SinkRow {
	return store.SinkRow{ID: id, Kind: "webhook", Types: []string{"member.*", "session.revoked"}}
}

func endsAccess(eventType string) bool {
	return eventType == "member.deactivated" || eventType == "session.revoked"
}

// say commits one event per type, each in a unit of its own; ids are MEMBER-SEQ.
func (o *outbox) say(at workspace.Micros, member string, types ...string) {
	o.Helper()
	for _, eventType := range types {
		o.update(func(tx *store.Tx) error {
			seq, err := tx.NextSeq("member", member)
			if err != nil {
				return err
			}
			o.seen[member] = seq
			return tx.InsertEvents([]store.EventRow{{
				SubjectType: "member", Subject: member, Seq: seq,
				ID: fmt.Sprintf("%s-%d", member, seq), Type: eventType, Leaver: endsAccess(eventType), At: at, Run: "r1",
				Body: []byte(`{}`),
			}})
		})
	}
}

// claim takes what is due in one lane.
func (o *outbox) claim(sink string, leavers bool, at workspace.Micros) (claimed []store.Delivery) {
	o.Helper()
	o.update(func(tx *store.Tx) (err error) {
		claimed, err = tx.Claim(sink, "here", leavers, at, time.Minute, 10)
		return err
	})
	return claimed
}

// one takes what is due in a lane and has to be one event.
func (o *outbox) one(sink string, leavers bool, at workspace.Micros) store.Delivery {
	o.Helper()
	claimed := o.claim(sink, leavers, at)
	if len(claimed) != 1 {
		o.Fatalf("%d lines of %s claimed, want 1: %+v", len(claimed), sink, claimed)
	}
	return claimed[0]
}

// none wants nothing due in either lane.
func (o *outbox) none(sink string, at workspace.Micros) {
	o.Helper()
	if got := append(o.claim(sink, true, at), o.claim(sink, false, at)...); len(got) > 0 {
		o.Fatalf("%s: %d lines due: %+v", sink, len(got), got)
	}
}

func (o *outbox) ack(d store.Delivery, at workspace.Micros) {
	o.Helper()
	o.update(func(tx *store.Tx) error { return tx.Ack(d, store.Receipt{At: at, Status: 204}) })
}

// told is a delivery as text: id, the sequences it answers for, tries.
func told(d store.Delivery) string {
	return fmt.Sprintf("%s [%d,%d] try %d", d.Event.ID, d.From, d.Event.Seq, d.Tries)
}

func (o *outbox) states(sink string) string {
	o.Helper()
	rows := read(o.room, func(rd *store.Reader) ([]store.DeliveryRow, error) { return rd.Deliveries(false, 0, 100) })
	var out []string
	for _, d := range rows {
		if d.Sink == sink {
			out = append(out, fmt.Sprintf("%s:%s", d.EventID, d.State))
		}
	}
	return strings.Join(out, " ")
}

func lines(t *testing.T, s *store.Store) {
	o := newOutbox(t, s)
	o.say(1, "m1", "member.created") // nobody listens yet
	o.update(func(tx *store.Tx) error { return tx.RegisterSinks([]store.SinkRow{hook("a"), hook("b")}, 2) })
	o.none("a", 9)
	o.say(3, "m1", "group.joined", "member.role_changed", "number.assigned", "member.reactivated")
	o.say(4, "m2", "member.created", "group.left")
	for _, sink := range []string{"a", "b"} {
		first := o.claim(sink, false, 5)
		if len(first) != 2 || told(first[0]) != "m1-3 [3,3] try 1" || told(first[1]) != "m2-1 [1,1] try 1" {
			t.Fatalf("%s: %+v", sink, first)
		}
		o.none(sink, 5) // claimed
		o.ack(first[0], 6)
		d := o.one(sink, false, 7)
		if told(d) != "m1-5 [4,5] try 1" { // 4 is not for this sink
			t.Errorf("%s: %s", sink, told(d))
		}
		o.ack(d, 8)
		o.ack(first[1], 8)
		o.none(sink, 99)
	}
	same(t, "deliveries", o.states("a"), "m1-5:acked m2-1:acked m1-3:acked")
	// Two events of one subject and one unit.
	o.update(func(tx *store.Tx) error {
		var rows []store.EventRow
		for range 2 {
			seq, err := tx.NextSeq("member", "m2")
			if err != nil {
				return err
			}
			rows = append(rows, store.EventRow{SubjectType: "member", Subject: "m2", Seq: seq, ID: fmt.Sprintf("m2-%d", seq), Type: "member.role_changed", At: 9})
		}
		return tx.InsertEvents(rows)
	})
	for _, want := range []string{"m2-3 [2,3] try 1", "m2-4 [4,4] try 1"} {
		d := o.one("a", false, 20)
		if told(d) != want {
			t.Errorf("%s, want %s", told(d), want)
		}
		o.ack(d, 20)
	}
}

func supersede(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"))
	o.say(1, "m1", "member.updated", "group.joined", "member.updated", "member.updated", "member.role_changed", "member.updated")
	d := o.one("a", false, 2)
	if told(d) != "m1-4 [1,4] try 1" {
		t.Fatal(told(d))
	}
	// The attempt fails; the next update waits behind another event and takes
	// nothing of it away: the same event comes again.
	o.update(func(tx *store.Tx) error { return tx.Delay(d, 5, 3, 500, "refused") })
	o.say(3, "m1", "member.updated")
	o.none("a", 4)
	d = o.one("a", false, 5)
	if told(d) != "m1-4 [1,4] try 2" {
		t.Fatal(told(d))
	}
	o.ack(d, 6)
	for _, want := range []string{"m1-5 [5,5] try 1", "m1-7 [6,7] try 1"} {
		d := o.one("a", false, 9)
		if told(d) != want {
			t.Errorf("%s, want %s", told(d), want)
		}
		o.ack(d, 9)
	}
	same(t, "deliveries", o.states("a"), "m1-5:acked m1-6:superseded m1-7:acked m1-1:superseded m1-3:superseded m1-4:acked")
	// A run longer than what is read at once.
	for range 150 {
		o.say(10, "m2", "member.updated")
	}
	next := int64(1)
	for next <= 150 {
		d := o.one("a", false, 20)
		if d.From != next || d.Event.Seq < next {
			t.Fatalf("%s after %d", told(d), next-1)
		}
		next = d.Event.Seq + 1
		o.ack(d, 20)
	}
}

// quietLine: what waits on purpose is due later, and what ends access is not
// kept waiting by it.
func quietLine(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"))
	quiet := func(at workspace.Micros, member, eventType string) {
		t.Helper()
		o.update(func(tx *store.Tx) error {
			seq, err := tx.NextSeq("member", member)
			if err != nil {
				return err
			}
			return tx.InsertEvents([]store.EventRow{{
				SubjectType: "member", Subject: member, Seq: seq, ID: fmt.Sprintf("%s-%d", member, seq), Type: eventType,
				Leaver: endsAccess(eventType), At: at, Run: "r1", Body: []byte(`{}`), Wait: 100,
			}})
		})
	}
	quiet(1, "m1", "member.created")
	quiet(1, "m2", "member.created")
	o.none("a", 100)
	quiet(50, "m1", "member.updated") // waits no longer than what waits already
	first := o.claim("a", false, 101)
	if len(first) != 2 {
		t.Errorf("%d lines are due after the wait, want 2", len(first))
	}
	for claimed := first; len(claimed) > 0; claimed = o.claim("a", false, 101) {
		for _, d := range claimed {
			o.ack(d, 101)
		}
	}
	quiet(200, "m1", "member.updated")
	o.none("a", 299)
	quiet(210, "m1", "member.deactivated")
	if d := o.one("a", true, 211); !d.Leaver() {
		t.Errorf("%s", told(d))
	}
}

func leaverLine(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"), store.SinkRow{ID: "n", Kind: "webhook", Types: []string{"number.*"}})
	o.say(1, "m1", "member.role_changed")
	d := o.one("a", false, 2)
	o.update(func(tx *store.Tx) error { return tx.Delay(d, 1_000, 3, 0, "timeout") })
	o.say(4, "m1", "member.updated", "member.deactivated", "session.revoked")
	o.say(4, "m2", "member.created")
	if got := o.claim("a", false, 5); len(got) != 1 || got[0].Event.Subject != "m2" {
		t.Fatalf("the ordinary lane took %+v", got)
	}
	// The line does not wait for its retry any more, and keeps its order.
	for _, want := range []string{"m1-1 [1,1] try 1", "m1-3 [2,3] try 1", "m1-4 [4,4] try 1"} {
		d := o.one("a", true, 5)
		if told(d) != want || !d.Leaver() {
			t.Fatalf("%s (leaver %v), want %s", told(d), d.Leaver(), want)
		}
		o.ack(d, 5)
	}
	o.none("n", 99)
	// An event that ends access joins while the head is on its way and fails.
	o.say(10, "m1", "member.reactivated")
	d = o.one("a", false, 11)
	o.say(12, "m1", "member.deactivated")
	o.update(func(tx *store.Tx) error { return tx.Delay(d, 9_000, 13, 503, "refused") })
	d = o.one("a", true, 13)
	if told(d) != "m1-5 [5,5] try 1" {
		t.Error(told(d))
	}
	o.ack(d, 14)
	d = o.one("a", true, 14)
	if err := o.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error { return tx.Bury(d, 500, "old", 15) }); err == nil {
		t.Error("an event that ends access was given up (OB6)")
	}
	undelivered := func(before workspace.Micros) int {
		return len(read(o.room, func(rd *store.Reader) ([]store.DeliveryRow, error) { return rd.Undelivered(before, 9) }))
	}
	if undelivered(11) != 0 || undelivered(12) != 1 {
		t.Errorf("undelivered: %d before, %d since (F19)", undelivered(11), undelivered(12))
	}
	o.ack(d, 16)
	if undelivered(99) != 0 {
		t.Error("acknowledged, and undelivered still")
	}
}

// stubbornHead: what a receiver keeps refusing does not keep access alive.
func stubbornHead(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"))
	o.say(1, "m1", "member.created", "member.role_changed", "group.left", "member.deactivated", "session.revoked")
	for range 3 {
		d := o.one("a", true, 2)
		if d.Event.ID != "m1-1" {
			t.Fatal(told(d))
		}
		o.update(func(tx *store.Tx) error { return tx.Delay(d, 2, 2, 400, "refused") })
	}
	for _, want := range []string{"m1-4 [1,4] try 4", "m1-5 [5,5] try 1"} {
		d := o.one("a", true, 2)
		if told(d) != want {
			t.Errorf("%s, want %s", told(d), want)
		}
		o.ack(d, 2)
	}
	same(t, "deliveries", o.states("a"), "m1-1:superseded m1-2:superseded m1-4:acked m1-5:acked")
}

func twoDeliverers(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"))
	o.say(1, "m1", "member.role_changed", "member.role_changed")
	slow := o.one("a", false, 2)
	o.none("a", 3)
	// A person's retry does not break the lease, settling does.
	o.update(func(tx *store.Tx) error { return tx.RetryLine("a", "member", "m1", 3) })
	o.none("a", 3)
	o.update(func(tx *store.Tx) error {
		_, err := tx.Settle("a", "m1-1", "ann@acme.com", "known there", 4)
		return err
	})
	for what, act := range map[string]func(tx *store.Tx) error{
		"ack":      func(tx *store.Tx) error { return tx.Ack(slow, store.Receipt{At: 5}) },
		"delay":    func(tx *store.Tx) error { return tx.Delay(slow, 9, 5, 0, "timeout") },
		"bury":     func(tx *store.Tx) error { return tx.Bury(slow, 0, "", 5) },
		"progress": func(tx *store.Tx) error { return tx.Progress(slow, 1) },
	} {
		if err := o.h.Update(t.Context(), store.UnitOptions{}, act); !errors.Is(err, workspace.ErrStale) {
			t.Errorf("%s of an attempt that is over: %v", what, err)
		}
	}
	var lost []store.Delivery
	o.update(func(tx *store.Tx) (err error) {
		lost, err = tx.Claim("a", "gone", false, 6, time.Millisecond, 1)
		return err
	})
	time.Sleep(5 * time.Millisecond) // the database's clock decides
	if d := o.one("a", false, 6); told(d) != "m1-2 [2,2] try 2" || d.Event.ID != lost[0].Event.ID {
		t.Error(told(d))
	}
	o.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.Ack(lost[0], store.Receipt{At: 7}) })
	// Many claim at once: each line goes to one of them.
	for i := range 8 {
		id := fmt.Sprintf("p%d", i)
		o.update(func(tx *store.Tx) error { return tx.InsertMember(member(id, id+"@acme.com")) })
		o.say(10, id, "member.created")
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	owners := map[string]int{}
	for range 8 {
		wg.Go(func() {
			var got []store.Delivery
			err := o.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) (err error) {
				got, err = tx.Claim("a", "x", false, 11, time.Minute, 3)
				return err
			})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, d := range got {
				owners[d.Event.ID]++
			}
		})
	}
	wg.Wait()
	for id, n := range owners {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
	if len(owners) == 0 {
		t.Error("nobody claimed anything")
	}
}

func retryAndSettle(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"))
	o.say(1, "m1", "member.created", "member.deactivated", "member.reactivated")
	settle := func(id string) error {
		return o.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error { _, err := tx.Settle("a", id, "ann", "why", 7); return err })
	}
	if err := settle("m1-2"); !errors.Is(err, store.ErrNotHead) || !strings.Contains(err.Error(), "m1-1") {
		t.Errorf("settled out of order: %v", err)
	}
	if err := settle("m9-9"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("settled an unknown event: %v", err)
	}
	d := o.one("a", true, 2)
	o.update(func(tx *store.Tx) error { return tx.Delay(d, 100, 3, 502, "refused") })
	o.none("a", 99)
	w := read(o.room, func(rd *store.Reader) ([]store.WaitingLine, error) { return rd.Waiting("a", 9) })
	same(t, "waiting", w, []store.WaitingLine{{
		Sink: "a", SubjectType: "member", Subject: "m1", Seq: 1, EventID: "m1-1", Type: "member.created",
		At: 1, Last: 3, Tries: 1, DueAt: 100, Status: 502, Fault: "refused", EndsAccess: true,
	}})
	var retried int64
	o.update(func(tx *store.Tx) (err error) { retried, err = tx.RetrySink("a", 4); return err })
	if retried != 1 {
		t.Errorf("%d lines retried", retried)
	}
	d = o.one("a", true, 4)
	if d.Tries != 1 {
		t.Error(told(d))
	}
	o.update(func(tx *store.Tx) error { return tx.Bury(d, 502, "72 hours", 5) })
	if err := settle("m1-1"); !errors.Is(err, store.ErrNotHead) {
		t.Errorf("a dead event was settled: %v", err)
	}
	if err := settle("m1-2"); err != nil {
		t.Fatal(err)
	}
	dead := read(o.room, func(rd *store.Reader) ([]store.DeliveryRow, error) { return rd.Deliveries(true, 0, 9) })
	if len(dead) != 1 || dead[0].EventID != "m1-1" || dead[0].Reason != "72 hours" || dead[0].Status != 502 {
		t.Errorf("dead letters: %+v", dead)
	}
	all := read(o.room, func(rd *store.Reader) ([]store.DeliveryRow, error) { return rd.Deliveries(false, 0, 9) })
	if len(all) != 2 || all[0].State != store.DeliverySettled || all[0].SettledBy != "ann" || all[0].Reason != "why" || all[0].Run != "r1" {
		t.Errorf("deliveries: %+v", all)
	}
	if d = o.one("a", false, 9); told(d) != "m1-3 [3,3] try 1" {
		t.Error(told(d))
	}
}

func sinks(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"), hook("b"))
	o.say(1, "m1", "member.created")
	disable := func(id string) (changed bool) {
		o.update(func(tx *store.Tx) (err error) { changed, err = tx.DisableSink(id, "410 Gone", 5); return err })
		return changed
	}
	if !disable("a") || disable("a") {
		t.Error("disabling twice")
	}
	o.none("a", 9)
	o.say(6, "m1", "member.deactivated") // waits too: nothing is thrown away
	// A restart leaves it disabled; b is gone from the configuration.
	o.update(func(tx *store.Tx) error { return tx.RegisterSinks([]store.SinkRow{hook("a")}, 7) })
	a := read(o.room, func(rd *store.Reader) (store.SinkRow, error) { return rd.Sink("a") })
	want := hook("a")
	want.State, want.Reason, want.Since = store.SinkDisabled, "410 Gone", 5
	same(t, "sink", a, want)
	o.none("b", 99)
	undelivered := read(o.room, func(rd *store.Reader) ([]store.DeliveryRow, error) { return rd.Undelivered(99, 9) })
	if len(undelivered) != 1 || undelivered[0].Sink != "a" {
		t.Errorf("undelivered: %+v", undelivered)
	}
	o.refused(workspace.ErrConflict, func(tx *store.Tx) error { return tx.ResumeSink("b", 8) })
	o.refused(workspace.ErrNotFound, func(tx *store.Tx) error { return tx.ResumeSink("c", 8) })
	o.update(func(tx *store.Tx) error { return tx.ResumeSink("a", 8) })
	d := o.one("a", true, 9)
	if told(d) != "m1-1 [1,1] try 1" {
		t.Error(told(d))
	}
	// b comes back and goes on where it was.
	o.update(func(tx *store.Tx) error { return tx.RegisterSinks([]store.SinkRow{hook("a"), hook("b")}, 9) })
	if d := o.one("b", true, 10); told(d) != "m1-1 [1,1] try 1" {
		t.Error(told(d))
	}
	// A sink that no longer wants what waits comes to the end of its line.
	o.update(func(tx *store.Tx) error {
		return tx.RegisterSinks([]store.SinkRow{hook("a"), {ID: "b", Kind: "webhook", Types: []string{"number.*"}}}, 11)
	})
	o.say(12, "m2", "member.created")
	o.none("b", 99)
}

func handOut(t *testing.T, s *store.Store) {
	sink := hook("p")
	sink.Kind = "poll"
	o := newOutbox(t, s, sink)
	o.say(1, "m1", "member.created", "member.role_changed")
	o.say(1, "m2", "member.updated", "member.deactivated", "member.reactivated")
	name := func(d *store.Delivery) (string, error) {
		if d.Event.Type == "member.role_changed" {
			return "", nil
		}
		return fmt.Sprintf("%s.%d", d.Event.ID, d.Part), nil
	}
	hand := func(limit int) (jtis []string, more bool) {
		o.update(func(tx *store.Tx) error {
			handed, m, err := tx.Hand("p", 9, limit, name)
			jtis, more = nil, m
			for _, d := range handed {
				jtis = append(jtis, d.JTI)
			}
			return err
		})
		return jtis, more
	}
	ack := func(jti string, part int) error {
		return o.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
			d, err := tx.Handed("p", jti)
			switch {
			case err != nil:
				return err
			case part == 0:
				return tx.Ack(d, store.Receipt{At: 9})
			default:
				return tx.Progress(d, part)
			}
		})
	}
	for range 2 { // what is not acknowledged comes again
		if got, more := hand(9); more || strings.Join(got, " ") != "m2-2.0 m1-1.0" {
			t.Fatal(got, more)
		}
	}
	if got, more := hand(1); !more || strings.Join(got, " ") != "m2-2.0" {
		t.Error(got, more)
	}
	if err := errors.Join(ack("m2-2.0", 1), ack("m1-1.0", 0)); err != nil {
		t.Fatal(err)
	}
	for _, jti := range []string{"m1-1.0", "m2-2.0", "unknown", ""} {
		if err := ack(jti, 0); !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("ack of %q: %v", jti, err)
		}
	}
	if got, more := hand(9); more || strings.Join(got, " ") != "m2-2.1" { // m1-2 says nothing here
		t.Error(got, more)
	}
	if err := ack("m2-2.1", 0); err != nil {
		t.Fatal(err)
	}
	if got, _ := hand(9); strings.Join(got, " ") != "m2-3.0" {
		t.Error(got)
	}
}

func leaverTimes(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"), hook("b"))
	o.say(1, "m1", "member.deactivated")
	times := func() store.LeaverTimes {
		return read(o.room, func(rd *store.Reader) (store.LeaverTimes, error) { return rd.LeaverTimes("m1", "r1") })
	}
	same(t, "at first", times(), store.LeaverTimes{Sinks: 2, Pending: []string{"a", "b"}})
	o.update(func(tx *store.Tx) error {
		got, err := tx.Claim("a", "x", true, 2, time.Minute, 1)
		return errors.Join(err, tx.Ack(got[0], store.Receipt{At: 5, Status: 200, Epoch: 2, Sessions: 3, VerifyAt: 6}))
	})
	same(t, "one", times(), store.LeaverTimes{Sinks: 2, Pending: []string{"b"}, Unproved: []string{"a"}, Sessions: 3})
	o.update(func(tx *store.Tx) error {
		got, err := tx.Claim("b", "x", true, 2, time.Minute, 1)
		return errors.Join(err, tx.Ack(got[0], store.Receipt{At: 7, Status: 200, VerifiedAt: 7}))
	})
	due := read(o.room, func(rd *store.Reader) ([]store.DeliveryRow, error) { return rd.DueVerifications("a", 6, 9) })
	if len(due) != 1 || due[0].EventID != "m1-1" {
		t.Fatalf("due: %+v", due)
	}
	o.update(func(tx *store.Tx) error { return tx.PostponeVerification(due[0], 20) })
	o.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.Verified(due[0], 8) })
	due = read(o.room, func(rd *store.Reader) ([]store.DeliveryRow, error) { return rd.DueVerifications("a", 20, 9) })
	o.update(func(tx *store.Tx) error { return tx.Verified(due[0], 21) })
	same(t, "whole", times(), store.LeaverTimes{Sinks: 2, Delivered: 7, Verified: 21, Sessions: 3})
	other := read(o.room, func(rd *store.Reader) (store.LeaverTimes, error) { return rd.LeaverTimes("m1", "r2") })
	same(t, "another run", other, store.LeaverTimes{})
}

// parallelEvents writes events of few members from many units while others
// deliver: nothing is lost, nothing out of order, whichever commits first.
func parallelEvents(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"))
	const each, writers = 25, 6
	var write, deliver sync.WaitGroup
	for i := range writers {
		id := []string{"m1", "m2"}[i%2]
		write.Go(func() {
			for range each {
				err := o.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
					seq, err := tx.NextSeq("member", id)
					if err != nil {
						return err
					}
					return tx.InsertEvents([]store.EventRow{{
						SubjectType: "member", Subject: id, Seq: seq, ID: fmt.Sprintf("%s-%d", id, seq),
						Type: "member.role_changed", Leaver: seq%7 == 0, At: 1,
					}})
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	written := make(chan struct{})
	go func() { write.Wait(); close(written) }()
	var mu sync.Mutex
	got := map[string][]int64{}
	for i := range 4 {
		deliver.Go(func() {
			for {
				last := false
				select {
				case <-written:
					last = true
				default:
				}
				var claimed []store.Delivery
				err := o.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) (err error) {
					claimed, err = tx.Claim("a", "x", i%2 == 0, 2, time.Minute, 4)
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
				for _, d := range claimed {
					mu.Lock()
					got[d.Event.Subject] = append(got[d.Event.Subject], d.Event.Seq)
					mu.Unlock()
					if err := o.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error { return tx.Ack(d, store.Receipt{At: 2}) }); err != nil {
						t.Error(err)
						return
					}
				}
				if last && len(claimed) == 0 {
					waiting := read(o.room, func(rd *store.Reader) ([]store.WaitingLine, error) { return rd.Waiting("a", 9) })
					if len(waiting) == 0 {
						return
					}
				}
			}
		})
	}
	deliver.Wait()
	for _, id := range []string{"m1", "m2"} {
		if len(got[id]) != each*writers/2 {
			t.Fatalf("%s: %d events, want %d", id, len(got[id]), each*writers/2)
		}
		for i, seq := range got[id] {
			if seq != int64(i+1) {
				t.Fatalf("%s: %d came at place %d", id, seq, i+1)
			}
		}
	}
}

func wake(t *testing.T, s *store.Store) {
	o := newOutbox(t, s)
	ws := read(o.room, (*store.Reader).Workspace).ID
	var mu sync.Mutex
	woken := 0
	stop := s.OnEvents(func(workspace string) {
		mu.Lock()
		defer mu.Unlock()
		if workspace == ws {
			woken++
		}
	})
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return woken
	}
	o.say(1, "m1", "member.created")
	if count() != 1 {
		t.Fatalf("woken %d times", count())
	}
	event := func(tx *store.Tx) error {
		return tx.InsertEvents([]store.EventRow{{SubjectType: "member", Subject: "m1", Seq: 2, ID: "x", Type: "member.updated"}})
	}
	o.update(func(tx *store.Tx) error { return tx.TouchSink("none", 1) })
	if err := o.h.Update(t.Context(), store.UnitOptions{DryRun: true}, event); err != nil {
		t.Fatal(err)
	}
	o.refused(workspace.ErrStale, func(tx *store.Tx) error { return errors.Join(event(tx), workspace.ErrStale) })
	stop()
	o.update(event)
	if count() != 1 {
		t.Errorf("woken %d times without a commit of events, or after stop", count())
	}
}

func pruneDeliveries(t *testing.T, s *store.Store) {
	o := newOutbox(t, s, hook("a"))
	o.say(1, "m1", "member.created", "member.role_changed", "member.deactivated")
	o.ack(o.one("a", true, 2), 10)
	d := o.one("a", true, 20)
	o.update(func(tx *store.Tx) error { return tx.Bury(d, 500, "old", 20) })
	prune := func(done, dead workspace.Micros, limit int) (more bool) {
		o.update(func(tx *store.Tx) (err error) { more, err = tx.PruneDeliveries(done, dead, limit); return err })
		return more
	}
	prune(15, 15, 10)
	same(t, "younger", o.states("a"), "m1-2:dead")
	prune(99, 15, 10)
	same(t, "dead letters stay longer", o.states("a"), "m1-2:dead")
	if !prune(99, 99, 1) || prune(99, 99, 1) {
		t.Error("a full piece says that there may be more, an empty one that there is nothing")
	}
	same(t, "all", o.states("a"), "")
	if got := read(o.room, func(rd *store.Reader) ([]store.DeliveryRow, error) { return rd.Undelivered(99, 9) }); len(got) != 1 {
		t.Errorf("a pending leaver event was pruned: %+v", got)
	}
	// A clock that was years ahead holds nothing up (FT08).
	d = o.one("a", true, 20)
	o.update(func(tx *store.Tx) error { return tx.Delay(d, 1<<50, 1<<50, 0, "timeout") })
	o.update(func(tx *store.Tx) error { return tx.ClampLines("a", 30, 1_000) })
	o.one("a", true, 30)
}

func revocations(t *testing.T, s *store.Store) {
	o := newOutbox(t, s)
	leaf := func(gen int64, types map[string]string) {
		o.Helper()
		o.update(func(tx *store.Tx) error {
			h, err := tx.LockAuditHead()
			if err != nil {
				return err
			}
			n := h.Size
			if gen > h.Gen {
				h.Gen, h.Size, n = gen, 0, 0
			}
			h.Size++
			if err := tx.AppendAudit(h, n, []byte("{}"), nil); err != nil {
				return err
			}
			var rows []store.EventRow
			for _, id := range []string{"m1", "m2"} {
				if types[id] == "" {
					continue
				}
				m, err := tx.Member(id)
				if err != nil {
					return err
				}
				m.Epoch++
				m.Version++
				if types[id] == "member.deactivated" {
					m.State = workspace.StateDeactivated
				}
				if err := tx.UpdateMember(m); err != nil {
					return err
				}
				seq, err := tx.NextSeq("member", id)
				if err != nil {
					return err
				}
				rows = append(rows, store.EventRow{
					SubjectType: "member", Subject: id, Seq: seq, ID: fmt.Sprintf("%d-%s-%d", gen, id, seq), Type: types[id],
					Leaver: endsAccess(types[id]), Leaf: n, At: workspace.Micros(100 * (n + 1)),
				})
			}
			return tx.InsertEvents(rows)
		})
	}
	end := func() store.RevocationPlace { return read(o.room, (*store.Reader).FeedEnd) }
	feed := func(after store.RevocationPlace, limit int) []store.RevocationRow {
		return read(o.room, func(rd *store.Reader) ([]store.RevocationRow, error) { return rd.Revocations(after, limit) })
	}
	stale := func(after store.RevocationPlace) {
		t.Helper()
		err := o.h.View(t.Context(), func(rd *store.Reader) error { _, err := rd.Revocations(after, 9); return err })
		if !errors.Is(err, workspace.ErrStale) {
			t.Errorf("%+v: %v", after, err)
		}
	}
	start := end()
	same(t, "empty", feed(start, 9), []store.RevocationRow{})
	leaf(1, map[string]string{"m1": "member.updated"}) // tells of no epoch
	leaf(1, map[string]string{"m1": "member.deactivated", "m2": "session.revoked"})
	leaf(1, map[string]string{"m2": "member.reactivated"})
	want := []store.RevocationRow{
		{Gen: 1, Leaf: 1, Member: "m1", Epoch: 3, State: "deactivated", At: 200},
		{Gen: 1, Leaf: 1, Member: "m2", Epoch: 2, State: "active", At: 200},
		{Gen: 1, Leaf: 2, Member: "m2", Epoch: 3, State: "active", At: 300},
	}
	same(t, "feed", feed(start, 9), want)
	same(t, "a page", feed(start, 1), want[:1])
	same(t, "the next", feed(store.RevocationPlace{Gen: 1, Leaf: 1, Member: "m1"}, 9), want[1:])
	same(t, "at the end", feed(end(), 9), []store.RevocationRow{})
	stale(store.RevocationPlace{Gen: 1, Leaf: 3})
	epochs := read(o.room, func(rd *store.Reader) ([]store.EpochRow, error) { return rd.Epochs("", 1) })
	same(t, "epochs", epochs, []store.EpochRow{{Member: "m1", Epoch: 3, State: "deactivated"}})
	epochs = read(o.room, func(rd *store.Reader) ([]store.EpochRow, error) { return rd.Epochs("m1", 9) })
	same(t, "more epochs", epochs, []store.EpochRow{{Member: "m2", Epoch: 3, State: "active"}})
	gone(o.room, func(rd *store.Reader) (store.EpochRow, error) { return rd.Epoch("m3") })
	o.update(func(tx *store.Tx) error { return tx.PruneRevocations(300) })
	stale(start)
	same(t, "after pruning", feed(store.RevocationPlace{Gen: 1, Leaf: 2}, 9), want[2:])
	before := end()
	leaf(2, map[string]string{"m1": "member.reactivated"}) // a restore
	stale(before)
	same(t, "a new generation", feed(store.RevocationPlace{Gen: 2, Leaf: -1}, 9), []store.RevocationRow{{
		Gen: 2, Leaf: 0, Member: "m1", Epoch: 4,
		State: "deactivated", At: 100,
	}})
}

func signingKeys(t *testing.T, s *store.Store) {
	for _, k := range []struct {
		kid string
		at  workspace.Micros
	}{{"k1", 1}, {"k1", 10}, {"k2", 20}} {
		if err := s.PutSigningKey(t.Context(), k.kid, []byte(`{"kid":"x"}`), k.at); err != nil {
			t.Fatal(err)
		}
	}
	for since, want := range map[workspace.Micros]int{0: 2, 10: 2, 11: 1, 21: 0} {
		keys, err := s.SigningKeys(t.Context(), since)
		if err != nil || len(keys) != want {
			t.Errorf("since %d: %+v, %v", since, keys, err)
		}
	}
}
