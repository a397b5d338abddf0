package sync

import (
	"context"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/mapping"
)

// TestReplay: another mapping is planned for everybody whom a connection has
// stated, its difference is told, and nothing is written.
func TestReplay(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales", "Support", "Everybody")
		w.push(&user{name: "bob", attrs: map[string]string{"department": "Sales"}})
		w.push(&user{name: "cy", attrs: map[string]string{"department": "Support"}})
		replay := func(from, to string) Replayed {
			t.Helper()
			rules, err := mapping.Load([]byte(strings.Replace(testMapping, from, to, 1)), mapping.LoadOptions{Connections: []string{"okta", "entra", "hr"}})
			if err != nil {
				t.Fatal(err)
			}
			before := w.dump()
			out, err := w.e.Replay(context.Background(), "acme", "okta", rules)
			if err != nil {
				t.Fatal(err)
			}
			if after := w.dump(); after != before {
				t.Errorf("a replay has written:\n%s\n%s", before, after)
			}
			return out
		}
		if out := replay("", ""); out.People != 2 || len(out.Added)+len(out.Missing) != 0 {
			t.Errorf("the same mapping: %+v", out)
		}
		out := replay("  - {id: g-dept, to: {attr: department}, allow: [Sales, Support]}",
			"  - {id: g-dept, to: {attr: department}, allow: [Support]}\n  - {id: g-all, to: Everybody}")
		var got []string
		for _, c := range out.Added {
			got = append(got, c.Outcome+" "+c.Kind+" "+c.Member.Label+" "+c.Target.Label)
		}
		want := "applied group.join bob@acme.com Everybody; applied group.leave bob@acme.com Sales; applied group.join cy@acme.com Everybody"
		if strings.Join(got, "; ") != want || len(out.Missing) != 0 {
			t.Errorf("got %s, want %s; missing %+v", strings.Join(got, "; "), want, out.Missing)
		}
		// What is only observed is replayed as if it were live.
		w.mode("okta", ModeObserve)
		w.push(&user{name: "dee", attrs: map[string]string{"department": "Sales"}})
		if out := replay("", ""); out.People != 3 || out.Counts.Applied == 0 || len(out.Added) != 0 {
			t.Errorf("with an observed person: %+v", out)
		}
		w.want("bob@acme.com", "member active Sales")
		w.want("dee@acme.com", "nobody")
		w.sound()
	})
}
