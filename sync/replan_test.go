package sync

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/workspace"
)

// remap changes the mapping, as a restart with another file does.
func (w *world) remap(from, to string) Counts {
	w.tb.Helper()
	text := strings.Replace(testMapping, from, to, 1)
	if text == testMapping {
		w.tb.Fatalf("the mapping has no %q", from)
	}
	rules, err := mapping.Load([]byte(text), mapping.LoadOptions{Connections: []string{"okta", "entra", "hr"}})
	if err != nil {
		w.tb.Fatal(err)
	}
	w.cfg.Rules = rules
	w.open()
	c, err := w.e.Replan(context.Background(), "acme", "test")
	if err != nil {
		w.tb.Fatal(err)
	}
	return c
}

// TestNewMappingGivesAtOnceAndTakesOnApproval: RO2, AB4.
func TestNewMappingGivesAtOnceAndTakesOnApproval(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales", "Support", "Everybody")
		bob := &user{name: "bob", attrs: map[string]string{"department": "Sales"}}
		cy := &user{name: "cy", attrs: map[string]string{"department": "Support"}}
		w.push(bob)
		w.push(cy)
		if _, err := w.e.Replan(context.Background(), "acme", "test"); err != nil {
			t.Fatal(err)
		}
		// Sales is no longer given by department, and everybody gets a group.
		c := w.remap("  - {id: g-dept, to: {attr: department}, allow: [Sales, Support]}",
			"  - {id: g-dept, to: {attr: department}, allow: [Support]}\n  - {id: g-all, to: Everybody}")
		if c.Applied != 2 || c.Held != 1 {
			t.Errorf("applied %d, held %d: want 2 and 1", c.Applied, c.Held)
		}
		w.want("bob@acme.com", "member active Everybody Sales")
		w.want("cy@acme.com", "member active Everybody Support")
		holds := w.holds()
		if len(holds) != 1 || holds[0].Subject != "mapping:okta" {
			t.Fatalf("holds: %+v", holds)
		}
		if c, err := w.e.Replan(context.Background(), "acme", "test"); err != nil || c != (Counts{}) {
			t.Errorf("the same mapping again: %+v %v", c, err)
		}
		if _, err := w.approve(holds[0].PlanHash, "dan@acme.com"); err != nil {
			t.Fatalf("approve: %v", err)
		}
		w.want("bob@acme.com", "member active Everybody")
		w.want("cy@acme.com", "member active Everybody Support")
		w.sound()
	})
}

// TestReturnForAnotherReason is BR4: a return that waits is approved with the
// business reason that was shown. Another reason is another plan.
func TestReturnForAnotherReason(t *testing.T) {
	rules := strings.Replace(testMapping, "eligible:", "access_reason: {id: a1, from: {attr: costCenter}}\neligible:", 1)
	w := newWorld(t, liteURL(t), rules)
	bob := &user{name: "bob", attrs: map[string]string{"costCenter": "project A"}}
	w.push(bob)
	bob.off = true
	w.push(bob)
	w.clock = w.clock.Add(8 * day)
	w.due() // the grace is over, the seat is credited
	policy := *workspace.Default()
	policy.Approve = append(slices.Clone(policy.Approve), workspace.OpSeatBuy)
	w.cfg.Policy = &policy
	w.open()
	bob.off = false
	w.push(bob)
	shown := w.holds()
	if len(shown) != 1 {
		t.Fatalf("%+v", shown)
	}
	bob.attrs["costCenter"] = "project B"
	w.push(bob)
	if _, err := w.approve(shown[0].PlanHash, "dan@acme.com"); !errors.Is(err, workspace.ErrNotFound) && !errors.Is(err, workspace.ErrStale) {
		t.Fatalf("approved with another reason than was shown: %v", err)
	}
	w.want("bob@acme.com", "member deactivated")
	now := w.holds()
	if len(now) != 1 || !strings.Contains(string(now[0].Changes), "project B") {
		t.Fatalf("%+v", now)
	}
	if _, err := w.approve(now[0].PlanHash, "dan@acme.com"); err != nil {
		t.Fatal(err)
	}
	w.want("bob@acme.com", "member active")
	w.audited()
}
