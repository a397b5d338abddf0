package sync

import (
	"context"
	"fmt"
	"testing"

	"github.com/rollcall-sync/rollcall/workspace"
)

// BenchmarkChange is one changed person per unit of work, through the whole
// engine, committed with synchronous=FULL.
func BenchmarkChange(b *testing.B) {
	w := lite(b)
	w.groups("Sales", "Support")
	bob := &user{name: "bob", attrs: map[string]string{"department": "Sales"}}
	w.push(bob)
	dept := []string{"Support", "Sales"}
	for i := 0; b.Loop(); i++ {
		bob.attrs["department"] = dept[i%2]
		w.push(bob)
	}
}

// BenchmarkCreate is one new person per unit of work.
func BenchmarkCreate(b *testing.B) {
	w := lite(b)
	w.groups("Sales")
	for i := 0; b.Loop(); i++ {
		w.push(&user{name: fmt.Sprintf("p%07d", i), attrs: map[string]string{"department": "Sales"}})
	}
}

// BenchmarkProfile is a change that concerns the record only.
func BenchmarkProfile(b *testing.B) {
	w := lite(b)
	bob := &user{name: "bob"}
	w.push(bob)
	for i := 0; b.Loop(); i++ {
		bob.attrs = map[string]string{"employeeNumber": fmt.Sprint(i)}
		w.push(bob)
	}
}

// BenchmarkGroupAdd adds one person to a group of 10 and to one of 20,000;
// the cost must not follow the size of the group.
func BenchmarkGroupAdd(b *testing.B) {
	for _, size := range []int{10, 20_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			w := lite(b)
			g := &group{name: "sales"}
			w.put(g, nil, nil)
			var people []*user
			for i := range size {
				people = append(people, &user{name: fmt.Sprintf("p%07d", i)})
			}
			w.pushMany(people)
			for at := 0; at < len(people); at += 1000 {
				w.put(g, people[at:min(at+1000, len(people))], nil)
			}
			x := &user{name: "zoe"}
			w.push(x)
			for b.Loop() {
				w.put(g, []*user{x}, nil)
				w.put(g, nil, []*user{x})
			}
		})
	}
}

// pushMany pushes people in batches of 500.
func (w *world) pushMany(people []*user) {
	w.tb.Helper()
	for at := 0; at < len(people); at += 500 {
		chunk := people[at:min(at+500, len(people))]
		b := Batch{Workspace: "acme", Connection: "okta", Kind: RunFull, Channel: workspace.ChannelSCIM, SeenAt: w.clock}
		for _, x := range chunk {
			b.Identities = append(b.Identities, IdentityObservation{Row: x.row()})
		}
		res, err := w.e.Apply(context.Background(), b)
		if err != nil {
			w.tb.Fatal(err)
		}
		for i, x := range chunk {
			x.id, x.ver = res.Identities[i].ID, res.Identities[i].Version
		}
	}
}
