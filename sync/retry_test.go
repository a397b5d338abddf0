package sync

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// retry offers what became free, as the scheduler does.
func (w *world) retry(ask AskOne) int {
	w.tb.Helper()
	w.clock = w.clock.Add(freedRest)
	n, err := w.e.Retry(context.Background(), "acme", "test", ask)
	if err != nil {
		w.tb.Fatalf("retry: %v", err)
	}
	return n
}

// pushed pushes people of the Oslo office, who want a number each.
func (w *world) pushed(names ...string) (all []*user) {
	w.tb.Helper()
	for _, n := range names {
		x := &user{name: n, attrs: map[string]string{"office": "Oslo"}}
		w.clock = w.clock.Add(time.Second)
		w.push(x)
		all = append(all, x)
	}
	return all
}

// A number that becomes free reaches a person who was pushed, who came first
// first, without another word of the identity provider, with a report.
func TestFreedNumberReachesWhoWasPushed(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.numbers("+4722000001")
		w.pushed("p1", "z", "b", "a")
		w.want("p1@acme.com", "member active +4722000001:exclusive")
		if n := w.retry(nil); n != 1 {
			t.Errorf("the import freed 1 number, %d were offered", n)
		}
		for i, next := range []string{"z", "b", "a"} {
			number := fmt.Sprintf("+472200000%d", i+2)
			w.numbers(number)
			w.retry(nil)
			w.want(next+"@acme.com", "member active "+number+":exclusive")
			run := w.lastRun()
			if run.Kind != RunTargeted || run.Counts.Applied != 1 || run.Counts.Denied+run.Counts.Held != 0 {
				t.Errorf("the report of the retry: %s %+v", run.Kind, run.Counts)
			}
		}
		w.numbers("+4722000005")
		w.retry(nil)
		if n := w.retry(nil); n != 0 {
			t.Errorf("nothing became free since, %d were offered", n)
		}
		w.sound()
	})
}

// lastRun gives the newest report.
func (w *world) lastRun() SyncRun {
	w.tb.Helper()
	var rows []store.RunRow
	w.read(func(r *store.Reader) (err error) {
		rows, err = r.RunsPage(store.Place{}, 1)
		return err
	})
	return w.reportOf(rows[0].ID)
}

// A number reaches who waits when its holder leaves for good, an invitation
// ends, or an exclusive access is taken away by hand.
func TestEveryWayToFreeANumber(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.numbers("+4722000001")
		w.pushed("first", "second")
		w.retry(nil)
		w.mustEdit("ann@acme.com", Edit{Kind: EditUnassign, Member: "first@acme.com", Number: "+4722000001"})
		w.retry(nil)
		w.want("second@acme.com", "member active") // it rests in quarantine
		w.clock = w.clock.Add(91 * 24 * time.Hour)
		if _, err := w.e.Due(context.Background(), "acme"); err != nil {
			t.Fatal(err)
		}
		w.retry(nil)
		w.want("second@acme.com", "member active +4722000001:exclusive")
		w.sound()
	})
}

// A seat that becomes free reaches a leaver who was stated enabled again while
// there was none (I11); a create that was refused for a seat does not come by
// itself: the identity provider knows that it was refused, and would not say
// when that person leaves (VW08).
func TestFreedSeatReachesWhoWasPushed(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.cfg.Leavers.Grace = 0
		w.cfg.Policy.Limits.Seats = workspace.LimitOf(4) // ann and dan are there
		w.open()
		p := &user{name: "p"}
		q := &user{name: "q"}
		w.push(p)
		w.push(q)
		p.off = true
		w.push(p)
		w.clock = w.clock.Add(time.Minute)
		if _, err := w.e.Due(context.Background(), "acme"); err != nil {
			t.Fatal(err)
		}
		r := &user{name: "r"}
		w.push(r)
		p.off = false
		w.push(p)
		w.want("p@acme.com", "member deactivated")
		if res, err := w.tryPush(&user{name: "s"}); err != nil || res.Refusal == nil {
			t.Fatalf("a create without a seat: %v %s", err, told(res))
		}
		w.retry(nil)
		w.want("p@acme.com", "member deactivated")
		w.drop(q)
		w.clock = w.clock.Add(time.Minute)
		if _, err := w.e.Due(context.Background(), "acme"); err != nil {
			t.Fatal(err)
		}
		w.retry(nil)
		w.want("p@acme.com", "member active")
		w.want("s@acme.com", "nobody")
		w.sound()
	})
}

// A raised limit is room too.
func TestRaisedSeatsReachWhoWasPushed(t *testing.T) {
	w := lite(t)
	w.cfg.Policy.Limits.Seats = workspace.LimitOf(3)
	w.cfg.Leavers.Grace = 0
	w.open()
	p := &user{name: "p"}
	w.push(p)
	p.off = true
	w.push(p)
	w.clock = w.clock.Add(time.Minute)
	if _, err := w.e.Due(context.Background(), "acme"); err != nil {
		t.Fatal(err)
	}
	w.push(&user{name: "q"})
	p.off = false
	w.push(p)
	w.retry(nil)
	w.want("p@acme.com", "member deactivated")
	more := *w.cfg.Policy
	more.Limits.Seats = workspace.LimitOf(4)
	w.cfg.Policy = &more
	w.open()
	w.retry(nil)
	w.want("p@acme.com", "member active")
}

// An address that a member gives up, or a removed one leaves, reaches the one
// whose directory states it.
func TestFreedAddressReachesWhoWasPushed(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		eve, p := &user{name: "eve"}, &user{name: "p"}
		w.push(eve)
		w.push(p)
		p.email = "eve@acme.com"
		w.push(p)
		w.want("p@acme.com", "member active")
		eve.email = "other@acme.com"
		w.push(eve)
		w.retry(nil)
		w.want("eve@acme.com", "member active")
		w.want("p@acme.com", "nobody")
		w.want("other@acme.com", "member active")
		w.sound()
	})
}

// What becomes free costs those who wait for it, and among them those who are
// before the one who gets it: not the workspace, and not the line.
func TestCostOfRetry(t *testing.T) {
	t.Parallel()
	w := counted(t)
	w.numbers("+4722000001")
	spent := func(people, waiting int) (cost, string) {
		for i := range people {
			x := &user{name: fmt.Sprintf("c%d-%d-%d", people, waiting, i)}
			if i < waiting {
				x.attrs = map[string]string{"office": "Oslo"}
			}
			w.push(x)
		}
		w.retry(nil)
		w.numbers(fmt.Sprintf("+47220%05d", people*100+waiting))
		c, texts := w.spent(func() { w.retry(nil) })
		return c, strings.Join(texts, "\n")
	}
	few, _ := spent(5, 3)
	many, said := spent(60, 20)
	if many.statements > few.statements || many.rows > few.rows+2 {
		t.Errorf("a freed number costs %+v among few and %+v among many:\n%s", few, many, said)
	}
	if idle, said := w.spent(func() { w.retry(nil) }); idle.statements > 1 {
		t.Errorf("nothing is free, but it costs %+v:\n%s", idle, said)
	}
}

// Between two whole reads, people of a polled connection are reached as well:
// who has a record by the record, a newcomer by asking the directory.
func TestFreedThingsReachWhoIsPolled(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.polled(func(c *Workspace) { c.Policy.Limits.Seats, c.Leavers.Grace = workspace.LimitOf(4), 0 })
		w.numbers("+4722000001")
		d := newDirectory(w, 2)
		d.set("p000", "office", "Oslo")
		w.mustPoll(d)
		d.set("p001", "office", "Oslo")
		w.mustPoll(d)
		d.join("late")
		w.mustPoll(d)
		w.want("late@acme.com", "nobody")
		w.numbers("+4722000002")
		ask := func(ctx context.Context, connection, person, trigger string) error {
			return w.e.Ask(ctx, Polled{Workspace: "acme", Connection: connection, Source: d}, person, trigger)
		}
		w.retry(ask)
		w.want("p001@acme.com", "member active +4722000002:exclusive")
		w.want("late@acme.com", "nobody")
		w.mustEdit("ann@acme.com", Edit{Kind: EditRemove, Member: "p000@acme.com", Reason: "left"})
		w.retry(ask)
		w.want("late@acme.com", "member active")
		w.sound()
	})
}
