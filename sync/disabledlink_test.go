package sync

import (
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// EV7, SX03: a record that is first seen disabled ends the access of the
// member whom it would be linked with if it were enabled; "enabled" brings
// everything back.
func TestFirstSeenDisabledEndsAccess(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.verified("acme.com")
		w.numbers("+4722000001")
		id, secret := w.invite("ann@acme.com", Edit{Email: "eve@acme.com", Numbers: []string{"+4722000001"}})
		if _, err := w.accept(id, secret, "eve@acme.com"); err != nil {
			t.Fatal(err)
		}
		w.want("eve@acme.com", "member active +4722000001:exclusive")
		w.clock = w.clock.Add(time.Minute)
		eve := &user{name: "eve", off: true}
		if res := w.push(eve); outcome(res, workspace.MemberLink) != "applied" || outcome(res, workspace.MemberDeactivate) != "applied" {
			t.Errorf("a disabled record of a member:%s", told(res))
		}
		w.want("eve@acme.com", "member deactivated")
		w.sound()
		w.clock = w.clock.Add(time.Minute)
		eve.off = false
		w.push(eve)
		w.want("eve@acme.com", "member active +4722000001:exclusive")
		eve.off = true
		w.push(eve)
		w.want("eve@acme.com", "member deactivated")
		w.sound()
	})
}

// What could not be linked enabled is not linked disabled, and ends nothing:
// the connection has no say about that member.
func TestFirstSeenDisabledOfAnother(t *testing.T) {
	w := lite(t)
	in := func(email string) {
		id, secret := w.invite("ann@acme.com", Edit{Email: email})
		if _, err := w.accept(id, secret, email); err != nil {
			t.Fatal(err)
		}
	}
	in("eve@other.com")
	in("fay@acme.com")
	w.verified("acme.com")
	for _, x := range []*user{
		{name: "eve", email: "eve@other.com", off: true}, // an unverified domain
		{name: "ann", off: true},                         // an Owner
		{name: "new", off: true},                         // nobody
	} {
		res := w.push(x)
		if len(res.Outcomes) != 0 || res.Refusal != nil {
			t.Errorf("%s:%s", x.name, told(res))
		}
		if (x.name == "new") != (len(res.Notices) == 0) {
			t.Errorf("%s: the report says %q", x.name, res.Notices)
		}
	}
	w.want("eve@other.com", "member active")
	w.want("ann@acme.com", "owner active")
	// A member who has a record of this connection is another person.
	w.push(&user{name: "fay"})
	w.push(&user{name: "fay2", email: "fay@acme.com", off: true})
	w.want("fay@acme.com", "member active")
	w.sound()
}

// MM3 is about linked records: while another directory states the member as
// enabled, a person decides whether the disabled record is theirs.
func TestFirstSeenDisabledWhileEnabledElsewhere(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.verified("acme.com")
		w.push(&user{name: "eve"})
		other := &user{name: "eve", conn: "entra", ext: "e-eve", off: true}
		if res := w.push(other); res.Refusal != nil || outcome(res, workspace.MemberLink) != "held" {
			t.Fatalf("a second directory's disabled record:%s", told(res))
		}
		w.want("eve@acme.com", "member active")
		holds := w.holds()
		if len(holds) != 1 || !strings.Contains(holds[0].Reason, "okta states the member as enabled") {
			t.Fatalf("holds %+v", holds)
		}
		res, err := w.approve(holds[0].PlanHash, "ann@acme.com")
		if err != nil || outcome(res, workspace.MemberDeactivate) != "applied" {
			t.Fatalf("approve: %v%s", err, told(res))
		}
		w.want("eve@acme.com", "member deactivated")
		w.sound()
	})
}

// BR2, AB4: the first whole read of a connection ends nobody's access by
// records that are new; a later one does.
func TestFirstSeenDisabledInAFirstRead(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.polled(nil)
		w.verified("acme.com")
		for _, email := range []string{"p000@acme.com", "late@acme.com"} {
			id, secret := w.invite("ann@acme.com", Edit{Email: email})
			if _, err := w.accept(id, secret, email); err != nil {
				t.Fatal(err)
			}
		}
		d := newDirectory(w, 3)
		d.disable("p000")
		if run := w.mustPoll(d); run.Counts.Held != 1 || run.LeaversN != 0 {
			t.Errorf("the first read: %+v", run.Counts)
		}
		w.want("p000@acme.com", "member active")
		d.join("late")
		d.disable("late")
		if run := w.mustPoll(d); run.LeaversN != 1 {
			t.Errorf("a later read: %+v", run.Counts)
		}
		w.want("late@acme.com", "member deactivated")
		w.want("p000@acme.com", "member active") // a person decides
		w.clock = w.clock.Add(25 * time.Hour)
		if run := w.full(d); run.LeaversN != 0 || run.Counts.Held != 1 {
			t.Errorf("BR5: it is asked for again: %+v", run.Counts)
		}
		if err := w.e.Reject(t.Context(), Approval{Workspace: "acme", Plan: w.holds()[0].ID, As: "dan@acme.com", Reason: "another person"}); err != nil {
			t.Fatal(err)
		}
		d.set("p000", "office", "Bergen")
		if run := w.mustPoll(d); run.LeaversN != 0 {
			t.Errorf("it was rejected, but %+v", run.Counts)
		}
		w.want("p000@acme.com", "member active")
		w.sound()
	})
}

// A connection that only observes ends nobody's access by a record that is new
// to it.
func TestFirstSeenDisabledObserved(t *testing.T) {
	w := lite(t)
	w.verified("acme.com")
	id, secret := w.invite("ann@acme.com", Edit{Email: "eve@acme.com"})
	if _, err := w.accept(id, secret, "eve@acme.com"); err != nil {
		t.Fatal(err)
	}
	w.mode("okta", ModeObserve)
	w.push(&user{name: "eve", off: true})
	w.want("eve@acme.com", "member active")
	w.sound()
}
