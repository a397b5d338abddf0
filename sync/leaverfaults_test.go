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

// The faults of leavers-and-events section 17 that have no file of their own.

// TestSponsorLeaves is F12: the member on whose behalf a connection acts is
// ended. It goes on ending access, and what it would give waits for a person.
func TestSponsorLeaves(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales")
		w.cfg.Connections[0].Sponsor = "bea@acme.com"
		bea, bob := &user{name: "bea", conn: "entra"}, &user{name: "bob"}
		w.push(bea)
		w.mustEdit("ann@acme.com", Edit{Kind: EditRole, Member: "bea@acme.com", Role: workspace.RoleAdmin})
		w.open() // the sponsor is looked up at the start
		w.push(bob)
		bea.off = true
		w.push(bea)
		w.gone("bea@acme.com")
		bob.attrs = map[string]string{"department": "Sales"}
		if res := w.push(bob); outcome(res, workspace.GroupJoin) != "held" {
			t.Errorf("a connection without its sponsor goes on giving: %s", told(res))
		}
		w.push(&user{name: "eve"})
		w.want("eve@acme.com", "nobody")
		bob.off = true
		if res := w.push(bob); outcome(res, workspace.MemberDeactivate) != "applied" {
			t.Errorf("a connection without its sponsor ends nobody: %s", told(res))
		}
		w.gone("bob@acme.com")
		w.audited()
	})
}

// TestRuleAuthorLeaves is F12: a mapping row whose owner is ended gives nothing
// new, and takes as before.
func TestRuleAuthorLeaves(t *testing.T) {
	w := newWorld(t, liteURL(t), strings.Replace(testMapping, `{id: g-sales, to: Sales, if: {group: sales}}`, `{id: g-sales, to: Sales, if: {group: sales}, owner: bea@acme.com}`, 1))
	w.groups("Sales")
	bea, bob, cy := &user{name: "bea"}, &user{name: "bob"}, &user{name: "cy"}
	for _, x := range []*user{bea, bob, cy} {
		w.push(x)
	}
	w.mustEdit("ann@acme.com", Edit{Kind: EditRole, Member: "bea@acme.com", Role: workspace.RoleAdmin})
	sales := &group{name: "sales"}
	w.put(sales, []*user{bob}, nil)
	w.want("bob@acme.com", "member active Sales")
	bea.off = true
	w.push(bea)
	if res := w.put(sales, []*user{cy}, nil); outcome(res, workspace.GroupJoin) != "held" {
		t.Errorf("a row without its author goes on giving: %s", told(res))
	}
	w.put(sales, nil, []*user{bob})
	w.want("bob@acme.com", "member active")
	w.audited()
}

// burst lets five people leave where three may: two tails wait.
func (w *world) burst() []*user {
	w.tb.Helper()
	w.groups("Sales")
	var people []*user
	for i := range 5 {
		w.numbers(fmt.Sprintf("+472200000%d", i+1))
		x := &user{name: fmt.Sprintf("p%d", i), attrs: map[string]string{"department": "Sales", "office": "Oslo"}}
		w.push(x)
		people = append(people, x)
	}
	for _, x := range people {
		x.off = true
		w.push(x)
	}
	w.want("p4@acme.com", "member deactivated Sales +4722000005:exclusive")
	return people
}

// TestBurstIsRejected is BU2: people stay cut, with their rows, until the
// directory says enabled; then all takes effect again, exactly (BU1, BU3).
func TestBurstIsRejected(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		people := w.burst()
		for _, h := range w.holds() {
			if err := w.e.Reject(context.Background(), Approval{Workspace: "acme", Plan: h.ID, As: "dan@acme.com", Kind: workspace.ActorOperator, Reason: "the directory is wrong"}); err != nil {
				t.Fatal(err)
			}
		}
		w.want("p4@acme.com", "member deactivated Sales +4722000005:exclusive")
		if left := w.wayIn("p4@acme.com"); left.SignIn || left.Usable > 0 {
			t.Errorf("rejecting the tail gave access back: %+v", left)
		}
		w.push(people[4]) // said again: nothing opens
		if n := len(w.holds()); n != 0 {
			t.Errorf("%d holds after the rejection", n)
		}
		w.clock = w.clock.Add(time.Hour)
		people[4].off = false
		w.push(people[4])
		w.want("p4@acme.com", "member active Sales +4722000005:exclusive")
		w.audited()
	})
}

// TestGraceStandsStillWhileTheTailIsHeld is GR1: a number is not given away
// before a person has agreed, however long that takes.
func TestGraceStandsStillWhileTheTailIsHeld(t *testing.T) {
	w := lite(t)
	people := w.burst()
	w.clock = w.clock.Add(20 * 24 * time.Hour)
	for w.due() > 0 {
		t.Log("something was due")
	}
	w.want("p4@acme.com", "member deactivated Sales +4722000005:exclusive")
	w.push(people[4]) // the hold of a day ago has run out; the next word opens it anew
	for _, h := range w.holds() {
		if h.Subject == "member:"+w.member("p4@acme.com") {
			if _, err := w.approve(h.ID, "dan@acme.com"); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.want("p4@acme.com", "member deactivated")
	if got := w.numberNow("+4722000005"); !strings.Contains(got, "reserved=p4") {
		t.Errorf("the grace began before the tail was let go: %q", got)
	}
	w.clock = w.clock.Add(6 * 24 * time.Hour)
	people[4].off = false
	w.push(people[4])
	w.want("p4@acme.com", "member active Sales +4722000005:exclusive")
	w.audited()
}

// TestTestUserHasNoGrace: identity providers create and delete people to try
// themselves out. Who never signed in and held nothing is credited at once.
func TestTestUserHasNoGrace(t *testing.T) {
	w := lite(t)
	probe := &user{name: "probe"}
	seats := func() string { return w.auditor().rows(`SELECT CAST(seats AS TEXT) FROM workspace`)[0][0] }
	before := seats()
	w.push(probe)
	w.drop(probe)
	if now := seats(); now != before {
		t.Errorf("%s seats before, %s after", before, now)
	}
	w.audited()
}

// TestAbsentActiveEndsNobody is I14: a request that does not say active, or says
// nothing of it, deactivates nobody.
func TestAbsentActiveEndsNobody(t *testing.T) {
	w := lite(t)
	bob := &user{name: "bob"}
	w.push(bob)
	bob.attrs = map[string]string{"active": ""}
	w.push(bob)
	w.want("bob@acme.com", "member active")
	w.audited()
}

// ownSession gives somebody a session of our own.
func (w *world) ownSession(email string) {
	w.tb.Helper()
	id, epoch := w.member(email), w.wayIn(email).Epoch
	w.write(func(tx *store.Tx) error {
		return tx.InsertSession(store.SessionRow{
			ID: newID(), Member: id, Connection: "okta", Epoch: epoch, CookieHash: newID(), CreatedAt: workspace.At(w.clock), ExpiresAt: workspace.At(w.clock.Add(time.Hour)),
		})
	})
	if n := w.wayIn(email).Sessions; n != 1 {
		w.tb.Fatalf("%d sessions of %s", n, email)
	}
}

// TestSessionsEndWithAccess is LT4: our own sessions go in the transaction of
// the cut, those of a contained Owner too (CO2).
func TestSessionsEndWithAccess(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		bob, dan := &user{name: "bob"}, &user{name: "dan"}
		w.push(bob)
		w.linked(dan, "dan@acme.com")
		for who, x := range map[string]*user{"bob@acme.com": bob, "dan@acme.com": dan} {
			w.ownSession(who)
			x.off = true
			w.push(x)
			if left := w.wayIn(who); left.SignIn || left.Sessions != 0 {
				t.Errorf("%s: %+v", who, left)
			}
		}
		w.want("dan@acme.com", "owner active contained")
		w.audited()
	})
}
