package storetest

import (
	"errors"
	"fmt"
	"strings"
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
	{"people who wait, in order", waiters},
	{"what became free", freed},
	{"who states an address", stateEmail},
	{"people to ask about", questions},
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
