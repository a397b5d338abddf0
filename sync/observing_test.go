package sync

import (
	"context"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/workspace"
)

// mode sets a connection's mode, as a restart with another file does.
func (w *world) mode(conn, mode string) {
	w.tb.Helper()
	for i := range w.cfg.Connections {
		if w.cfg.Connections[i].ID == conn {
			w.cfg.Connections[i].Mode = mode
		}
	}
	w.open()
}

// observed gives the plans of connections that only observe.
func (w *world) observed() []string {
	w.tb.Helper()
	if err := w.e.PlanObserved(context.Background(), "acme"); err != nil {
		w.tb.Fatal(err)
	}
	var hashes []string
	for _, h := range w.holds() {
		if strings.HasPrefix(h.Subject, "observe:") {
			hashes = append(hashes, h.PlanHash)
		}
	}
	return hashes
}

// TestObserveChangesNothing: what a connection in observe mode states is
// stored, and only the report tells what it would bring about (scim section
// 12). One plan shows it all, and an approval applies exactly that.
func TestObserveChangesNothing(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales", "Support")
		w.numbers("+4722000001", "+4722000002")
		w.mode("okta", ModeObserve)
		bob := &user{name: "bob", attrs: map[string]string{"department": "Sales", "office": "Oslo"}}
		cy := &user{name: "cy", attrs: map[string]string{"department": "Support"}}
		for _, x := range []*user{bob, cy} {
			res := w.push(x)
			if res.Refusal != nil || res.Counts.Applied != 0 || res.Counts.Held == 0 {
				t.Errorf("push of %s: refusal %+v, %s", x.name, res.Refusal, told(res))
			}
			if id, err := w.identity(x.id); err != nil || id.Member != "" {
				t.Errorf("the record of %s: %+v %v", x.name, id, err)
			}
		}
		admins := &group{name: "phone-admins"}
		if res := w.put(admins, []*user{cy}, nil); res.Refusal != nil || res.Counts.Applied != 0 {
			t.Errorf("group: %s", told(res))
		}
		w.want("bob@acme.com", "nobody")
		if n := len(w.holds()); n != 0 {
			t.Errorf("%d holds, and a request in observe mode opens none", n)
		}
		w.sound()

		hashes := w.observed()
		if len(hashes) != 1 {
			t.Fatalf("plans: %v, want one", hashes)
		}
		if again := w.observed(); len(again) != 1 || again[0] != hashes[0] {
			t.Errorf("the same plan again: %v, want %v", again, hashes)
		}
		w.want("bob@acme.com", "nobody")

		dee := &user{name: "dee"}
		w.push(dee)
		newer := w.observed()
		if len(newer) != 1 || newer[0] == hashes[0] {
			t.Fatalf("the plan with one person more: %v", newer)
		}
		if _, err := w.approve(hashes[0], "dan@acme.com"); err == nil {
			t.Error("a plan of yesterday was approved")
		}
		if _, err := w.approve(newer[0], "dan@acme.com"); err != nil {
			t.Fatalf("approve: %v", err)
		}
		w.want("bob@acme.com", "member active Sales +4722000001:exclusive")
		w.want("cy@acme.com", "admin active Support")
		w.want("dee@acme.com", "member active")
		w.sound()
	})
}

// TestObserveIsNoRehearsalForLeavers: whoever was linked by live traffic
// leaves, and everything else about them waits.
func TestObserveIsNoRehearsalForLeavers(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales", "Support")
		bob := &user{name: "bob", attrs: map[string]string{"department": "Sales"}}
		cy := &user{name: "cy", attrs: map[string]string{"department": "Sales"}}
		w.push(bob)
		w.push(cy)
		w.mode("okta", ModeObserve)
		cy.attrs["department"] = "Support"
		if res := w.push(cy); res.Counts.Applied != 0 || res.Counts.Held == 0 {
			t.Errorf("a move: %s", told(res))
		}
		w.want("cy@acme.com", "member active Sales")
		bob.off = true
		if res := w.push(bob); outcome(res, workspace.MemberDeactivate) != "applied" {
			t.Fatalf("the leaver: %s", told(res))
		}
		w.want("bob@acme.com", "member deactivated")
		bob.off = false
		if res := w.push(bob); outcome(res, workspace.MemberReactivate) != "held" {
			t.Errorf("the return: %s", told(res))
		}
		w.want("bob@acme.com", "member deactivated")
		w.drop(cy)
		w.want("cy@acme.com", "member deactivated")
		w.sound()

		// Live again: what was observed is planned for everybody.
		w.mode("okta", ModeLive)
		if _, err := w.e.Replan(context.Background(), "acme", "test"); err != nil {
			t.Fatal(err)
		}
		w.want("bob@acme.com", "member active Sales")
		w.sound()
	})
}

// TestObserveRefusesWhatIsNeverGiven: M13 stands in observe mode too.
func TestObserveRefusesWhatIsNeverGiven(t *testing.T) {
	w := lite(t)
	w.mode("okta", ModeObserve)
	eve := &user{name: "eve", wishes: Wishes{Owner: true, Direct: true}}
	res := w.push(eve)
	if res.Refusal == nil || res.Refusal.Verdict != workspace.Deny {
		t.Fatalf("a wish for an Owner: %+v", res.Refusal)
	}
}

// TestObserveKeepsWhatWaited: holds of live traffic stay open and may be
// approved.
func TestObserveKeepsWhatWaited(t *testing.T) {
	w := lite(t)
	bob := &user{name: "bob"}
	w.push(bob)
	admins := &group{name: "phone-admins"}
	w.put(admins, []*user{bob}, nil)
	hash := w.holds()[0].PlanHash
	w.mode("okta", ModeObserve)
	bob.attrs = map[string]string{"department": "Sales"}
	w.push(bob)
	if len(w.holds()) != 1 || w.holds()[0].PlanHash != hash {
		t.Fatalf("holds: %+v", w.holds())
	}
	if _, err := w.approve(hash, "dan@acme.com"); err != nil {
		t.Fatal(err)
	}
	w.want("bob@acme.com", "admin active")
	w.sound()
}

// TestObserveOfAPolledDirectory: a directory that is read may be observed too:
// everything is stored, absence and joiners wait, an explicit no does not.
func TestObserveOfAPolledDirectory(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales")
		w.mode("entra", ModeObserve)
		d := newDirectory(w, 8)
		d.groups["sales"] = []string{"id-p001"}
		run := w.mustPoll(d)
		if run.Counts.Applied != 0 || run.Counts.Held < 8 || run.Joiners != 0 {
			t.Errorf("the first poll: %+v", run.Counts)
		}
		w.want("p001@acme.com", "nobody")
		hashes := w.observed()
		if len(hashes) != 1 {
			t.Fatalf("plans: %v", hashes)
		}
		if _, err := w.approve(hashes[0], "dan@acme.com"); err != nil {
			t.Fatal(err)
		}
		w.want("p001@acme.com", "member active Sales")
		w.want("p007@acme.com", "member active")
		d.disable("p002")
		d.leave("p003")
		d.join("zoe")
		w.mustPoll(d)
		w.want("p002@acme.com", "member deactivated")
		w.want("p003@acme.com", "member active")
		w.want("zoe@acme.com", "nobody")
		if hashes = w.observed(); len(hashes) != 1 {
			t.Fatalf("plans: %v", hashes)
		}
		// Live, what is still so takes effect with the next reads.
		w.mode("entra", ModeLive)
		if _, err := w.e.Replan(context.Background(), "acme", "test"); err != nil {
			t.Fatal(err)
		}
		w.want("zoe@acme.com", "member active")
		d.mark++
		w.mustPoll(d)
		w.want("p003@acme.com", "member deactivated")
		w.sound()
	})
}
