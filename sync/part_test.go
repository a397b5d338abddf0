package sync

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/mapping"
)

// mail gives somebody another address.
func (d *directory) mail(name, email string) {
	d.set(name, "email", email)
	x := d.people["id-"+name]
	x.Email = email
	d.people["id-"+name] = x
}

// name is the nth person of a directory.
func nth(n int) string { return fmt.Sprintf("p%03d", n) }

// plan is the one open plan, whose changes are so many.
func (w *world) plan(subject string, changes int) string {
	w.tb.Helper()
	holds := w.holds()
	if len(holds) != 1 || holds[0].Subject != subject {
		w.tb.Fatalf("%d plans are open, want one about %s: %+v", len(holds), subject, holds)
	}
	if n := strings.Count(string(holds[0].Changes), `"change_id"`); n != changes {
		w.tb.Errorf("the plan %s has %d changes, want %d", subject, n, changes)
	}
	return holds[0].PlanHash
}

func (w *world) mustApprove(plan string) Result {
	w.tb.Helper()
	res, err := w.approve(plan, "dan@acme.com")
	if err != nil {
		w.tb.Fatalf("approve: %v", err)
	}
	return res
}

// A rewritten mail domain is held whole, while joiners, leavers and other
// changes of the same people go on (BR1, BR3); an approval applies exactly
// what was shown or is stale (BR4).
func TestRewrittenAddressesAreHeldWhole(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales")
		w.polled(nil)
		d := newDirectory(w, 100)
		w.mustPoll(d)
		for i := range 20 {
			d.mail(nth(i), nth(i)+"@evil.example")
		}
		d.set(nth(3), "department", "Sales")
		d.join("zoe")
		d.disable(nth(40))
		run := w.mustPoll(d)
		if run.Joiners != 1 || run.LeaversN != 1 || run.ExitCode != 3 || !run.Brake.Tripped || run.Counts.Held != 20 {
			t.Fatalf("joiners %d leavers %d exit %d held %d brake %+v", run.Joiners, run.LeaversN, run.ExitCode, run.Counts.Held, run.Brake)
		}
		w.want("p000@acme.com", "member active")
		w.want("p003@acme.com", "member active Sales")
		w.want("zoe@acme.com", "member active")
		hash := w.plan("addresses:entra", 20)
		w.full(d)
		if again := w.plan("addresses:entra", 20); again != hash {
			t.Errorf("BR4: the next read made another plan")
		}
		// A word that comes alone about one of them does not let that one through.
		d.set(nth(5), "displayName", "Five")
		w.mustPoll(d)
		w.want("p005@acme.com", "member active")
		hash = w.plan("addresses:entra", 20)

		d.mail(nth(7), "p007@acme.com") // corrected
		w.mustPoll(d)
		var stale *StaleError
		if _, err := w.approve(hash, "dan@acme.com"); err == nil || errors.As(err, &stale) && stale.Now == hash {
			t.Fatalf("approval after a change: %v", err)
		}
		hash = w.plan("addresses:entra", 19)
		w.mustEdit("ann@acme.com", Edit{Kind: EditDeactivate, Member: "p009@acme.com"})
		if _, err := w.approve(hash, "dan@acme.com"); !errors.As(err, &stale) {
			t.Fatalf("approval after an edit: %v", err)
		}
		w.full(d)
		w.mustApprove(w.plan("addresses:entra", 18))
		w.want("p000@evil.example", "member active")
		w.want("p003@evil.example", "member active Sales")
		w.want("p007@acme.com", "member active")
		w.want("p009@acme.com", "member deactivated")
		if n := len(w.holds()); n != 0 {
			t.Errorf("%d plans are left", n)
		}
		// What a person has approved has left the window.
		d.mail(nth(50), "fifty@acme.com")
		w.mustPoll(d)
		w.want("fifty@acme.com", "member active")
		w.sound()
	})
}

// What is too much is found before anything is applied, though each unit of
// work has less of it than the limit.
func TestWholeReadIsCountedFirst(t *testing.T) {
	w := lite(t)
	w.polled(nil)
	const n = 600 // three units of 250; the limit is 30
	d := newDirectory(w, n)
	w.mustPoll(d)
	for i := range n {
		d.set(nth(i), "title", "Head")
		if i%15 == 0 {
			d.mail(nth(i), nth(i)+"@evil.example")
		}
	}
	if run := w.mustPoll(d); run.Counts.Held != n/15 || run.Counts.Applied != 0 {
		t.Errorf("%+v", run.Counts)
	}
	w.plan("addresses:entra", n/15)
	w.sound()
}

// Addresses that change one by one add up within a day.
func TestAddressesBleedIsStopped(t *testing.T) {
	w := lite(t)
	w.polled(nil)
	d := newDirectory(w, 40)
	w.mustPoll(d)
	for i := range 8 {
		d.mail(nth(i), nth(i)+"@evil.example")
		w.clock = w.clock.Add(time.Hour)
		w.mustPoll(d)
	}
	w.want("p004@evil.example", "member active")
	w.want("p005@acme.com", "member active")
	w.plan("addresses:entra", 1+1+1)
	w.sound()
}

// Numbers that are taken from too many at once wait in one plan; a rejection
// keeps it so, and the hold runs out and is opened anew (BR5).
func TestTakenNumbersAreHeldWhole(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales")
		w.polled(nil)
		for i := range 20 {
			w.numbers(fmt.Sprintf("+47220000%02d", i))
		}
		d := newDirectory(w, 60)
		for i := range 14 {
			d.set(nth(i), "office", "Oslo")
		}
		w.mustPoll(d)
		w.want("p000@acme.com", "member active +4722000000:exclusive")
		for i := range 8 {
			d.set(nth(i), "office", "Bergen")
			d.set(nth(i), "department", "Sales")
		}
		d.join("zoe")
		d.set("zoe", "office", "Oslo")
		run := w.mustPoll(d)
		if run.Counts.Held == 0 || run.Joiners != 1 || !run.Brake.Tripped {
			t.Fatalf("%+v joiners %d", run.Counts, run.Joiners)
		}
		w.want("p000@acme.com", "member active Sales +4722000000:exclusive")
		w.want("zoe@acme.com", "member active +4722000014:exclusive")
		holds := w.holds()
		if len(holds) != 1 || holds[0].Subject != "numbers:entra" {
			t.Fatalf("holds: %+v", holds)
		}
		hash := holds[0].PlanHash
		w.clock = w.clock.Add(25 * time.Hour)
		w.full(d)
		if now := w.holds(); len(now) != 1 || now[0].ID == holds[0].ID || now[0].PlanHash != hash {
			t.Fatalf("BR5: the hold ran out, and the next read opens it anew: %+v", now)
		}
		if err := w.e.Reject(context.Background(), Approval{Workspace: "acme", Plan: hash, As: "dan@acme.com", Reason: "the attribute was swapped"}); err != nil {
			t.Fatal(err)
		}
		d.set(nth(0), "displayName", "Zero")
		w.mustPoll(d)
		w.clock = w.clock.Add(25 * time.Hour)
		w.full(d)
		w.want("p000@acme.com", "member active Sales +4722000000:exclusive")
		w.want("p007@acme.com", "member active Sales +4722000007:exclusive")
		if n := len(w.holds()); n != 0 {
			t.Errorf("%d plans are open after the rejection", n)
		}
		w.sound()
	})
}

// A group that loses too many at once is held as a plan that a person can find
// and approve, and that later reads keep (BR1).
func TestHeldGroupCanBeApproved(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales")
		w.polled(nil)
		d := newDirectory(w, 40)
		for i := range 12 {
			d.groups["sales"] = append(d.groups["sales"], "id-"+nth(i))
		}
		w.mustPoll(d)
		d.groups["sales"] = d.groups["sales"][6:]
		d.mark++
		w.mustPoll(d)
		hash := w.plan("connection:entra", 6)
		w.full(d)
		if again := w.plan("connection:entra", 6); again != hash {
			t.Errorf("the next read made another plan")
		}
		w.want("p000@acme.com", "member active Sales")
		w.mustApprove(hash)
		w.want("p000@acme.com", "member active")
		w.want("p006@acme.com", "member active Sales")
		w.sound()
	})
}

// Numbers that come through groups are counted group by group, within the day.
func TestNumbersByGroupsAreHeld(t *testing.T) {
	w := lite(t)
	w.polled(nil)
	w.numbers("+4722000099")
	d := newDirectory(w, 60)
	d.groups["reception"] = nil
	for i := range 7 {
		d.groups["reception"] = append(d.groups["reception"], "id-"+nth(i))
	}
	w.cfg.Rules = mustRules(t, strings.ReplaceAll(testMapping, "reception: {okta: reception}", "reception: {entra: reception}"))
	w.open()
	w.mustPoll(d)
	w.want("p000@acme.com", "member active +4722000099:shared")
	d.groups["reception"] = d.groups["reception"][6:]
	d.mark++
	w.mustPoll(d)
	w.want("p000@acme.com", "member active +4722000099:shared")
	hash := w.plan("numbers:entra", 6)
	w.mustApprove(hash)
	w.want("p000@acme.com", "member active")
	w.want("p006@acme.com", "member active +4722000099:shared")
	w.sound()
}

// The first read adds everybody; later more than max(25, 20 %) new members at
// once wait in one plan, with their groups, and fewer come in.
func TestCreatesAreHeldWhole(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales")
		w.polled(nil)
		d := newDirectory(w, 60)
		if run := w.mustPoll(d); run.Joiners != 60 {
			t.Fatalf("first run: %d joiners", run.Joiners)
		}
		d.join("zoe")
		if run := w.mustPoll(d); run.Joiners != 1 {
			t.Fatalf("%d joiners", run.Joiners)
		}
		for i := range 25 {
			d.join(fmt.Sprintf("n%02d", i))
			d.groups["sales"] = append(d.groups["sales"], fmt.Sprintf("id-n%02d", i))
		}
		run := w.mustPoll(d)
		if run.Joiners != 0 || run.Counts.Held < 25 || !run.Brake.Tripped {
			t.Fatalf("joiners %d %+v %+v", run.Joiners, run.Counts, run.Brake)
		}
		w.want("n00@acme.com", "nobody")
		d.join("yan") // one more is one more (BR3)
		if run := w.mustPoll(d); run.Joiners != 1 {
			t.Errorf("%d joiners while a plan waits", run.Joiners)
		}
		w.full(d)
		holds := w.holds()
		if len(holds) != 1 || holds[0].Subject != "creates:entra" {
			t.Fatalf("holds: %+v", holds)
		}
		w.mustApprove(holds[0].PlanHash)
		w.want("n00@acme.com", "member active Sales")
		w.want("n24@acme.com", "member active Sales")
		if run := w.full(d); run.Counts.Applied+run.Counts.Held != 0 {
			t.Errorf("after the approval a read still finds %+v", run.Counts)
		}
		w.sound()
	})
}

// A dry run tells the same, and changes nothing.
func TestHeldPartsInDryRun(t *testing.T) {
	w := lite(t)
	w.polled(nil)
	d := newDirectory(w, 40)
	w.mustPoll(d)
	for i := range 10 {
		d.mail(nth(i), nth(i)+"@evil.example")
	}
	res, err := w.poll(d, SyncOptions{DryRun: true})
	if err != nil || res.Run.Counts.Held != 10 || res.Run.Counts.Applied != 0 {
		t.Fatalf("%v %+v", err, res.Run.Counts)
	}
	if n := len(w.holds()); n != 0 {
		t.Fatalf("a dry run left %d plans", n)
	}
	w.mustPoll(d)
	w.plan("addresses:entra", 10)
	w.sound()
}

// VW13: the first push is everybody; once a connection has settled, more than
// the limit wait, each with an answer that says so, and can be approved (VW08).
func TestCreatesThatArePushed(t *testing.T) {
	w := lite(t)
	for i := range 40 {
		w.push(&user{name: fmt.Sprintf("a%02d", i)})
	}
	w.clock = w.clock.Add(25 * time.Hour)
	for i := range 25 {
		if res := w.push(&user{name: fmt.Sprintf("b%02d", i)}); res.Refusal != nil {
			t.Fatalf("b%02d is refused: %+v", i, res.Refusal)
		}
	}
	late := &user{name: "late"}
	res := w.push(late)
	if res.Refusal == nil || res.Refusal.Rule != "BRAKE.creates" || res.Refusal.Kind != RefusedHeld {
		t.Fatalf("the 26th: %+v", res.Refusal)
	}
	w.want("late@acme.com", "nobody")
	w.mustApprove(res.Refusal.PlanHash)
	w.want("late@acme.com", "member active")
	w.sound()
}

// VW13: a connection that never rests settles after 14 days.
func TestConnectionSettlesAtLast(t *testing.T) {
	w := lite(t)
	n := 0
	for range 14 * 2 {
		w.clock = w.clock.Add(12 * time.Hour)
		for range 2 {
			n++
			if res := w.push(&user{name: fmt.Sprintf("a%02d", n)}); res.Refusal != nil {
				t.Fatalf("%d: %+v", n, res.Refusal)
			}
		}
	}
	w.clock = w.clock.Add(12 * time.Hour)
	refused := 0
	for range 30 {
		n++
		if res := w.push(&user{name: fmt.Sprintf("a%02d", n)}); res.Refusal != nil {
			refused++
		}
	}
	if refused != 5 {
		t.Errorf("%d of 30 are refused after 14 days, want all over 25", refused)
	}
}

// VW12: over the limit the record is as sent, and the member keeps the old
// address until a person agrees.
func TestPushedAddressesOverTheLimit(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		var people []*user
		for i := range 8 {
			x := &user{name: nth(i)}
			w.push(x)
			people = append(people, x)
		}
		w.clock = w.clock.Add(25 * time.Hour)
		for i, x := range people {
			x.email = fmt.Sprintf("new%d@acme.com", i)
			if res := w.push(x); res.Refusal != nil {
				t.Fatalf("VW12: %+v", res.Refusal)
			}
		}
		w.want("new4@acme.com", "member active")
		w.want("p005@acme.com", "member active")
		holds := w.holds()
		if len(holds) != 3 || !strings.HasPrefix(holds[0].Subject, "member:") {
			t.Fatalf("holds: %+v", holds)
		}
		w.clock = w.clock.Add(23 * time.Hour) // the window has slid meanwhile, the plan has not
		for _, h := range holds {
			w.mustApprove(h.PlanHash)
		}
		w.want("new5@acme.com", "member active")
		w.want("new7@acme.com", "member active")
		w.sound()
	})
}

// BU1: in a burst access ends at once; what the connection gives waits, and
// who is enabled again is back at once (BU3).
func TestBurstEndsAccess(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.polled(nil)
		d := newDirectory(w, 40)
		w.mustPoll(d)
		back := maps.Clone(d.people)
		for i := range 13 {
			d.disable(nth(i))
		}
		d.join("zoe")
		run := w.mustPoll(d)
		if run.LeaversN != 13 || run.Joiners != 0 || !run.Brake.Tripped {
			t.Fatalf("leavers %d joiners %d", run.LeaversN, run.Joiners)
		}
		w.want("p012@acme.com", "member deactivated")
		w.want("zoe@acme.com", "nobody")
		if !slices.ContainsFunc(run.Brake.Limits, func(l BrakeLimit) bool { return l.Name == "burst" && l.Seen == 13 && l.Limit == 12 }) {
			t.Errorf("limits: %+v", run.Brake.Limits)
		}
		d.people["id-p000"] = back["id-p000"]
		d.mark++
		w.mustPoll(d)
		w.want("p000@acme.com", "member active")
		for _, h := range w.holds() {
			if h.Subject == "creates:entra" {
				w.mustApprove(h.PlanHash)
			}
		}
		w.want("zoe@acme.com", "member active")
		w.sound()
	})
}

// BR8: where burst.access is hold a mass lay-off leaves access as it is, as one
// plan, and every report says so; below the limit people leave as ever.
func TestBurstHoldsAccess(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		brake := DefaultBrake()
		brake.Burst.Access = BurstHold
		w.polled(func(c *Workspace) { c.Connections[1].Brake = &brake })
		d := newDirectory(w, 40)
		w.mustPoll(d)
		d.disable(nth(39))
		w.mustPoll(d)
		w.want("p039@acme.com", "member deactivated")
		for i := range 13 {
			d.disable(nth(i))
		}
		run := w.mustPoll(d)
		if run.LeaversN != 0 || run.Counts.Held != 13 || !run.Brake.Tripped || !strings.Contains(strings.Join(run.Notices, "\n"), "ACCESS STANDS") {
			t.Fatalf("leavers %d %+v %v", run.LeaversN, run.Counts, run.Notices)
		}
		w.want("p000@acme.com", "member active")
		hash := w.plan("burst:entra", 13)
		w.clock = w.clock.Add(2 * time.Hour)
		run = w.full(d)
		if run.LeaversN != 0 || !strings.Contains(strings.Join(run.Notices, "\n"), "ACCESS STANDS") {
			t.Fatalf("two hours later: leavers %d %v", run.LeaversN, run.Notices)
		}
		if again := w.plan("burst:entra", 13); again != hash {
			t.Fatalf("another plan: %s", again)
		}
		w.mustApprove(hash)
		w.want("p000@acme.com", "member deactivated")
		w.want("p012@acme.com", "member deactivated")
		w.sound()
	})
}

// BR8 for what is pushed: the request must not look done (VW05).
func TestBurstHoldsAccessThatIsPushed(t *testing.T) {
	w := lite(t)
	brake := DefaultBrake()
	brake.Burst.Access = BurstHold
	w.cfg.Connections[0].Brake = &brake
	w.open()
	var people []*user
	for i := range 12 {
		x := &user{name: nth(i)}
		w.push(x)
		people = append(people, x)
	}
	for i, x := range people {
		x.off = true
		res := w.push(x)
		if held := res.Refusal != nil && res.Refusal.Rule == "BRAKE.burst"; held != (i >= 10) {
			t.Fatalf("%s: %+v", x.name, res.Refusal)
		}
		if i == 11 {
			w.want("p011@acme.com", "member active")
			w.mustApprove(res.Refusal.PlanHash)
			w.want("p011@acme.com", "member deactivated")
		}
	}
	w.want("p010@acme.com", "member active")
	w.sound()
}

// VW13: who sets a connection up makes people and deletes them again, and the next one comes in; once it has settled, what it
// gives waits while many leave.
func TestBurstWhileAConnectionSettles(t *testing.T) {
	w := lite(t)
	leave := func(from int) {
		for i := range 12 {
			x := &user{name: nth(from + i)}
			w.push(x)
			x.off = true
			w.push(x)
		}
	}
	leave(0)
	w.push(&user{name: "zoe"})
	w.want("zoe@acme.com", "member active")
	w.clock = w.clock.Add(25 * time.Hour)
	var people []*user
	for i := range 12 {
		people = append(people, &user{name: nth(20 + i)})
		w.push(people[i])
	}
	for _, x := range people {
		x.off = true
		w.push(x)
		w.want(x.name+"@acme.com", "member deactivated")
	}
	if res := w.push(&user{name: "yan"}); res.Refusal == nil || res.Refusal.Rule != "BRAKE.burst" {
		t.Errorf("in a burst: %+v", res.Refusal)
	}
	w.want("yan@acme.com", "nobody")
	w.sound()
}

// A small change is not counted: no statement per person, and no plan is made
// twice.
func TestCostOfCounting(t *testing.T) {
	t.Parallel()
	cost := func(people int) (cost, string) {
		w := counted(t)
		w.polled(nil)
		d := newDirectory(w, people)
		w.mustPoll(d)
		w.full(d)
		d.set(nth(0), "title", "Head")
		c, texts := w.spent(func() { w.full(d) })
		return c, strings.Join(texts, "\n")
	}
	few, said := cost(20)
	many, _ := cost(60)
	if many.statements-few.statements > 8 { // pages of ten
		t.Errorf("one change costs %d statements among 20 people and %d among 60:\n%s", few.statements, many.statements, said)
	}
	if strings.Contains(said, "ROLLBACK") {
		t.Errorf("one change is planned twice:\n%s", said)
	}
}

func mustRules(tb testing.TB, text string) *mapping.Rules {
	tb.Helper()
	rules, err := mapping.Load([]byte(text), mapping.LoadOptions{Connections: []string{"okta", "entra", "hr"}, File: "mapping.yaml"})
	if err != nil {
		tb.Fatal(err)
	}
	return rules
}
