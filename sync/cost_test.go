package sync

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
)

// cost is what one unit of work costs the store.
type cost struct {
	statements int   // its own, beside BEGIN and COMMIT
	rows       int64 // inserted, changed or deleted
}

// spent counts what the units of a function cost.
func (w *world) spent(work func()) (c cost, texts []string) {
	w.counts = func(text string, rows int64) {
		if !strings.HasPrefix(text, "BEGIN") && !strings.HasPrefix(text, "PRAGMA") && text != "COMMIT" {
			c.statements++
			c.rows += rows
			texts = append(texts, fmt.Sprintf("%d  %.90s", rows, strings.Join(strings.Fields(text), " ")))
		}
	}
	work()
	w.counts = nil
	return c, texts
}

// counted is a world on SQLite whose statements are counted.
func counted(tb testing.TB) *world {
	w := lite(tb)
	w.close()
	w.trace = func(text string, rows int64) {
		if w.counts != nil {
			w.counts(text, rows)
		}
	}
	w.open()
	return w
}

// TestCost holds what a unit of work may cost: dearer ones are noticed here,
// cheaper ones may lower the bars. Rows are exact, for they are what a unit
// writes: grants, run, changes, leaf and its hashes, events. A record's own
// row is written and read by one statement, whose rows are not counted.
func TestCost(t *testing.T) {
	t.Parallel()
	w := counted(t)
	w.groups("Sales", "Support")
	bob := &user{name: "bob", attrs: map[string]string{"department": "Sales"}}
	w.push(bob)
	for _, tt := range []struct {
		name       string
		work       func()
		statements int
		rows       int64
	}{
		{"attribute of the record alone", func() { bob.attrs["employeeNumber"] = "7"; w.push(bob) }, 8, 3},
		{"the same again, with the workspace's rows hot", func() { bob.attrs["employeeNumber"] = "8"; w.push(bob) }, 5, 3},
		{"department: out of one group, into another", func() { bob.attrs["department"] = "Support"; w.push(bob) }, 23, 14},
		{"name of the member", func() { bob.attrs["displayName"] = "Bob B."; w.push(bob) }, 16, 7},
		{"a new person", func() { w.push(&user{name: "eve", attrs: map[string]string{"department": "Sales"}}) }, 23, 18},
	} {
		c, texts := w.spent(tt.work)
		if c.statements > tt.statements || c.rows != tt.rows {
			t.Errorf("%s: %d statements write %d rows, want at most %d and exactly %d:\n%s", tt.name, c.statements, c.rows, tt.statements, tt.rows, strings.Join(texts, "\n"))
		}
	}
}

// TestRowsOfGroupAdd: adding one person to a group of 20,000 and to one of 10
// runs the same statements and writes the same number of rows.
func TestRowsOfGroupAdd(t *testing.T) {
	t.Parallel()
	w := counted(t)
	who := &user{name: "zoe"}
	w.push(who)
	var first []string
	for _, size := range []int{10, 20_000} {
		g := &group{name: fmt.Sprintf("group of %d", size)}
		w.put(g, nil, nil)
		edges := make([]store.Edge, size)
		for i := range edges {
			edges[i] = store.Edge{Kind: "user", Child: fmt.Sprintf("somebody-%d", i)}
		}
		err := w.e.spaces["acme"].h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
			_, err := tx.AddEdges(g.id, edges, 1)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		_, texts := w.spent(func() { w.put(g, []*user{who}, nil) })
		switch {
		case first == nil:
			first = texts
		case !slices.Equal(first, texts):
			t.Errorf("into a group of %d:\n%s\ninto a group of 10:\n%s", size, strings.Join(texts, "\n"), strings.Join(first, "\n"))
		}
	}
	if len(first) == 0 {
		t.Error("nothing was counted: the test is blind")
	}
}
