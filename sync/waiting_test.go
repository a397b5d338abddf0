package sync

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// polledWorld makes the connection that the tests poll one that does not push.
func (w *world) polled(change func(*Workspace)) {
	w.tb.Helper()
	w.cfg.Connections[1].Kind = "ldap"
	if change != nil {
		change(&w.cfg)
	}
	w.open()
}

// full polls everything anew, ten minutes later.
func (w *world) full(d *directory) SyncRun {
	w.tb.Helper()
	w.clock = w.clock.Add(10 * time.Minute)
	res, err := w.poll(d, SyncOptions{Full: true})
	if err != nil {
		w.tb.Fatalf("poll: %v", err)
	}
	return res.Run
}

// A number that becomes free reaches the one who waits, who came first first,
// and before somebody who joins in that very read.
func TestFreedNumberReachesWhoWaits(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.polled(nil)
		w.numbers("+4722000001")
		d := newDirectory(w, 2)
		d.set("p000", "office", "Oslo")
		w.mustPoll(d)
		w.want("p000@acme.com", "member active +4722000001:exclusive")
		d.set("p001", "office", "Oslo")
		w.mustPoll(d)
		for _, later := range []string{"b", "a"} {
			d.join(later)
			d.set(later, "office", "Oslo")
			w.mustPoll(d)
		}
		for _, who := range []string{"p001", "b", "a"} {
			w.want(who+"@acme.com", "member active")
		}
		for i, next := range []string{"p001", "b", "a"} {
			if run := w.full(d); run.Counts.Applied+run.Counts.Denied != 0 {
				t.Errorf("nothing is free, but %+v", run.Counts)
			}
			number := fmt.Sprintf("+472200000%d", i+2)
			w.numbers(number)
			if next == "a" {
				d.join("0late")
				d.set("0late", "office", "Oslo")
			}
			w.full(d)
			w.want(next+"@acme.com", "member active "+number+":exclusive")
		}
		w.want("0late@acme.com", "member active")
		w.sound()
	})
}

// Seats: who was refused is no member yet, and becomes one when there is room.
func TestFreedSeatReachesWhoWaits(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		seats := func(n int) func(*Workspace) {
			return func(c *Workspace) { c.Policy.Limits.Seats = workspace.LimitOf(n) }
		}
		w.polled(seats(3)) // ann and dan are there
		d := newDirectory(w, 1)
		w.mustPoll(d)
		for _, later := range []string{"z", "b"} {
			d.join(later)
			if run := w.mustPoll(d); run.Counts.Held != 1 {
				t.Errorf("no seat is left, but %+v", run.Counts)
			}
		}
		if run := w.full(d); run.Counts.Held+run.Counts.Denied+run.Counts.Applied != 0 || len(run.Notices) != 1 || !strings.HasPrefix(run.Notices[0], "2 people wait") {
			t.Errorf("what is refused once more is no news: %+v %v", run.Counts, run.Notices)
		}
		w.polled(seats(4))
		w.full(d)
		w.want("z@acme.com", "member active")
		w.want("b@acme.com", "nobody")
		w.polled(seats(5))
		if run := w.full(d); run.Joiners != 1 || len(run.Notices) != 0 {
			t.Errorf("the last one who waited: %+v %v", run.Counts, run.Notices)
		}
		w.want("b@acme.com", "member active")
		w.sound()
	})
}

// An address that another member gives up reaches the one who was refused it.
func TestFreedAddressReachesWhoWaits(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.polled(nil)
		d := newDirectory(w, 2)
		w.mustPoll(d)
		eve := &user{name: "eve"}
		w.push(eve)
		x := d.people["id-p001"]
		x.Email = "eve@acme.com"
		d.people["id-p001"] = x
		d.set("p001", "email", "eve@acme.com")
		w.mustPoll(d)
		w.want("p001@acme.com", "member active")
		eve.email = "other@acme.com"
		w.push(eve)
		w.full(d)
		w.want("eve@acme.com", "member active")
		w.want("p001@acme.com", "nobody")
		w.sound()
	})
}

// What was rejected stays rejected, and what waits for a person is asked for
// again only when nobody has decided in time (BR5).
func TestRejectedIsNotTriedAgain(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.polled(nil)
		d := newDirectory(w, 4)
		d.groups["phone-admins"] = []string{"id-p000", "id-p001"}
		w.mustPoll(d)
		holds := w.holds()
		if len(holds) != 2 {
			t.Fatalf("%d plans are held, want one for each raise", len(holds))
		}
		if err := w.e.Reject(context.Background(), Approval{Workspace: "acme", Plan: holds[0].ID, As: "dan@acme.com", Reason: "no"}); err != nil {
			t.Fatal(err)
		}
		if run := w.full(d); run.Counts.Held+run.Counts.Denied+run.Counts.Applied != 0 || len(w.holds()) != 1 {
			t.Errorf("a rejected and an open plan: %+v, %d open", run.Counts, len(w.holds()))
		}
		w.clock = w.clock.Add(25 * time.Hour)
		if run := w.full(d); run.Counts.Held != 1 || len(w.holds()) != 1 {
			t.Errorf("BR5: after a day the undecided one is asked for again: %+v, %d open", run.Counts, len(w.holds()))
		}
		w.sound()
	})
}

// A full read that finds nothing changed writes no row for anybody, whether
// people wait or not; those who wait cost statements, the others none.
func TestCostOfWaiting(t *testing.T) {
	t.Parallel()
	w := counted(t)
	w.polled(func(c *Workspace) {
		brake := DefaultBrake()
		brake.Creates = Limit{Off: true} // the directory grows in leaps
		c.Connections[1].Brake = &brake
	})
	w.numbers("+4722000001")
	cost := func(people, oslo int) (cost, string) {
		d := newDirectory(w, people)
		for i := range oslo {
			d.set(fmt.Sprintf("p%03d", i), "office", "Oslo")
		}
		w.mustPoll(d)
		w.full(d)
		c, texts := w.spent(func() { w.full(d) })
		return c, strings.Join(texts, "\n")
	}
	none, said := cost(20, 1)
	for _, table := range []string{"member", "identity", "change", "hold", "waiting"} {
		if strings.Contains(said, "INTO "+table+" ") || strings.Contains(said, "UPDATE "+table+" ") || strings.Contains(said, "DELETE FROM "+table+" ") {
			t.Errorf("an unchanged full read writes %s:\n%s", table, said)
		}
	}
	few, saidFew := cost(20, 4)
	if few.statements > none.statements {
		t.Errorf("three who wait for a number cost %d statements though no number has moved, nobody costs %d:\n%s", few.statements, none.statements, saidFew)
	}
	if few.rows != none.rows {
		t.Errorf("three who wait write %d rows, nobody writes %d:\n%s", few.rows, none.rows, saidFew)
	}
	more, _ := cost(60, 4)
	if more.statements-few.statements > few.statements/2 {
		t.Errorf("three who wait cost %d statements among 20 people and %d among 60", few.statements, more.statements)
	}
}
