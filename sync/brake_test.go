package sync

import (
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

func TestLimit(t *testing.T) {
	for _, tt := range []struct {
		l    Limit
		base int
		want int
	}{
		{Limit{Min: 3, Percent: 5, Max: 100}, 0, 3},
		{Limit{Min: 3, Percent: 5, Max: 100}, 61, 4},
		{Limit{Min: 3, Percent: 5, Max: 100}, 5000, 100},
		{Limit{}, 5000, 0},
	} {
		if got, on := tt.l.Of(tt.base); got != tt.want || !on {
			t.Errorf("%+v of %d is %d, want %d", tt.l, tt.base, got, tt.want)
		}
	}
	if _, on := (Limit{Off: true}).Of(10); on {
		t.Error("a limit that is off limits")
	}
}

// TestTailsAreHeldCutsAreNot: over the limit an explicit no still ends
// access at once, only the tail waits (BU1, BU2, BU3).
func TestTailsAreHeldCutsAreNot(t *testing.T) {
	engines(t, func(t *testing.T, w *world) {
		w.groups("Sales")
		w.numbers("+4722000001", "+4722000002", "+4722000003", "+4722000004", "+4722000005", "+4722000006")
		var people []*user
		for i := range 6 {
			x := &user{name: fmt.Sprintf("p%d", i), attrs: map[string]string{"department": "Sales", "office": "Oslo"}}
			w.push(x)
			people = append(people, x)
		}
		for _, x := range people[:5] {
			x.off = true
			if res := w.push(x); outcome(res, workspace.MemberDeactivate) != "applied" || res.Refusal != nil {
				t.Fatalf("the cut of %s did not go through: %s", x.name, told(res))
			}
		}
		w.want("p2@acme.com", "member deactivated")
		w.want("p3@acme.com", "member deactivated Sales +4722000004:exclusive")
		if n := len(w.holds()); n != 2 {
			t.Fatalf("%d holds, want one for each tail over the limit of 3", n)
		}
		w.push(people[3]) // the same again opens nothing
		if n := len(w.holds()); n != 2 {
			t.Fatalf("%d holds after a repeat", n)
		}
		for _, h := range w.holds() {
			if h.Subject == "member:"+w.member("p3@acme.com") {
				if _, err := w.approve(h.ID, "dan@acme.com"); err != nil {
					t.Fatalf("approve: %v", err)
				}
			}
		}
		w.want("p3@acme.com", "member deactivated")
		w.clock = w.clock.Add(time.Minute)
		people[4].off = false
		w.push(people[4])
		w.want("p4@acme.com", "member active Sales +4722000005:exclusive")
		if n := len(w.holds()); n != 0 {
			t.Errorf("%d holds are left", n)
		}
		w.sound()
	})
}
