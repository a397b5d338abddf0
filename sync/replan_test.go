package sync

import (
	"context"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/mapping"
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
