package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// dirGroup makes a directory group whose name is its id.
func dirGroup(connection, id string, n int) workspace.DirectoryGroup {
	at := workspace.Micros(1_000 * n)
	return workspace.DirectoryGroup{
		ID: id, Connection: connection, ExternalID: "ext-" + id, Name: id, Version: 1,
		CreatedAt: at, UpdatedAt: at, ObservedAt: at,
	}
}

func user(id string) store.Edge  { return store.Edge{Child: id, Kind: "user"} }
func group(id string) store.Edge { return store.Edge{Child: id, Kind: "group"} }

// directoryGroups: columns, keys, versions and the end of a group.
func directoryGroups(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	g := workspace.DirectoryGroup{
		ID: "g1", Connection: "corp", ExternalID: "S-1-5", Name: "Vertrieb Köln",
		DN: "cn=vertrieb,dc=acme", Managers: []string{"cn=ann", "cn=\"bob\""}, Attributes: workspace.Attributes{"mail": {"v@acme.com"}},
		Document: []byte(`{"a":1}`), Version: 1, CreatedAt: 5, UpdatedAt: 6, ObservedAt: 7,
	}
	key := fold.Key(g.Name)
	r.update(func(tx *store.Tx) error { return tx.InsertDirectoryGroup(g, key) })
	for what, query := range map[string]func(rd *store.Reader) (workspace.DirectoryGroup, error){
		"id": func(rd *store.Reader) (workspace.DirectoryGroup, error) { return rd.DirectoryGroup("g1") },
		"external": func(rd *store.Reader) (workspace.DirectoryGroup, error) {
			return rd.DirectoryGroupByExternal("corp", "S-1-5")
		},
		"name": func(rd *store.Reader) (workspace.DirectoryGroup, error) {
			return rd.DirectoryGroupByName("corp", "vertrieb köln")
		},
	} {
		same(t, "group by "+what, read(r, query), g)
	}
	gone(r, func(rd *store.Reader) (workspace.DirectoryGroup, error) { return rd.DirectoryGroupByName("okta", key) })
	twin := dirGroup("corp", "g2", 2)
	r.conflicts("dirgroup", "name", func(tx *store.Tx) error { return tx.InsertDirectoryGroup(twin, key) })
	twin.ExternalID = "S-1-5"
	r.conflicts("dirgroup", "external", func(tx *store.Tx) error { return tx.InsertDirectoryGroup(twin, "g2") })
	twin.ExternalID = ""
	r.update(func(tx *store.Tx) error {
		if err := tx.InsertDirectoryGroup(twin, "g2"); err != nil {
			return err
		}
		_, err := tx.AddEdges("g2", []store.Edge{group("g1"), user("u1")}, 8)
		return err
	})
	next := g
	next.Version, next.Name, next.MemberCount = 2, "Sales", 99
	r.update(func(tx *store.Tx) error { return tx.UpdateDirectoryGroup(next, "sales") })
	r.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.UpdateDirectoryGroup(next, "sales") })
	next.MemberCount = 0
	same(t, "group", read(r, func(rd *store.Reader) (workspace.DirectoryGroup, error) { return rd.DirectoryGroup("g1") }), next)
	r.refused(workspace.ErrStale, func(tx *store.Tx) error { return tx.DeleteDirectoryGroup("g1", 1) })
	r.update(func(tx *store.Tx) error { return tx.DeleteDirectoryGroup("g1", 2) })
	r.refused(workspace.ErrNotFound, func(tx *store.Tx) error { return tx.DeleteDirectoryGroup("g1", 0) })
	for _, edges := range [][]store.Edge{{user("u1")}, {user("u1"), user("u2")}} {
		r.refused(workspace.ErrNotFound, func(tx *store.Tx) error {
			_, err := tx.AddEdges("g1", edges, 9)
			return err
		})
	}
	checkCounts(r, "g2")
	total, page := 0, []workspace.DirectoryGroup(nil)
	r.view(func(rd *store.Reader) (err error) {
		total, page, err = rd.DirectoryGroups(store.UserQuery{Connection: "corp", Start: 1, Count: 10})
		return err
	})
	if total != 1 || len(page) != 1 || page[0].ID != "g2" || page[0].MemberCount != 1 {
		t.Errorf("%d groups, page %+v", total, page)
	}
}

// checkCounts compares member_count with the edges, which stand in order.
func checkCounts(r room, groups ...string) {
	r.Helper()
	r.view(func(rd *store.Reader) error {
		for _, id := range groups {
			g, err := rd.DirectoryGroup(id)
			if err != nil {
				return err
			}
			edges, err := edgesOf(rd, id)
			if err != nil {
				return err
			}
			if int64(len(edges)) != g.MemberCount {
				r.Fatalf("group %s counts %d and has %d edges", id, g.MemberCount, len(edges))
			}
			if !slices.IsSortedFunc(edges, func(a, b store.Edge) int {
				return slices.Compare([]string{a.Kind, a.Child}, []string{b.Kind, b.Child})
			}) {
				r.Fatalf("edges are out of order: %v", edges)
			}
		}
		return nil
	})
}

func edgesOf(rd *store.Reader, group string) ([]store.Edge, error) {
	var edges []store.Edge
	for e, err := range rd.Edges(group) {
		if err != nil {
			return nil, err
		}
		edges = append(edges, e)
	}
	return edges, nil
}

// edges: counters equal counted truth through random additions and removals,
// the changed edges are told in the caller's order, others not.
func edges(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	r.update(func(tx *store.Tx) error { return tx.InsertDirectoryGroup(dirGroup("okta", "g", 1), "g") })
	random := rand.New(rand.NewPCG(1, 2))
	truth := map[store.Edge]bool{}
	for step := range 40 {
		some := make([]store.Edge, random.IntN(1+step*10))
		for i := range some {
			some[i] = store.Edge{Child: fmt.Sprintf("c%03d", random.IntN(500)), Kind: []string{"user", "group"}[random.IntN(4)/3]}
		}
		add := random.IntN(3) > 0
		var want []store.Edge
		for _, e := range some {
			if truth[e] != add {
				truth[e] = add
				want = append(want, e)
			}
		}
		var got []store.Edge
		r.update(func(tx *store.Tx) (err error) {
			if add {
				got, err = tx.AddEdges("g", some, workspace.Micros(step+1))
			} else {
				got, err = tx.RemoveEdges("g", some)
			}
			return err
		})
		same(t, fmt.Sprintf("step %d, add %v: changed edges", step, add), got, want)
		checkCounts(r, "g")
	}
	r.view(func(rd *store.Reader) error {
		for e, there := range truth {
			if has, err := rd.HasEdge("g", e); err != nil || has != there {
				t.Errorf("edge %v: has %v, %v, want %v", e, has, err, there)
			}
		}
		for _, err := range rd.Edges("g") {
			if err != nil {
				t.Error(err)
			}
			break
		}
		for e, err := range rd.Edges("none") {
			t.Errorf("a group that is not there has an edge %v, %v", e, err)
		}
		return nil
	})
	// An unit that fails leaves no edge and no count behind.
	boom := errors.New("boom")
	r.refused(boom, func(tx *store.Tx) error {
		if _, err := tx.AddEdges("g", []store.Edge{user("new")}, 1); err != nil {
			return err
		}
		return boom
	})
	checkCounts(r, "g")
}

// bigGroup: pages of edges, and reads and writes while they are walked.
func bigGroup(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	const size = 2500
	all := make([]store.Edge, size)
	for i := range all {
		all[i] = store.Edge{Child: fmt.Sprintf("u%05d", i), Kind: "user"}
	}
	r.update(func(tx *store.Tx) error {
		if err := tx.InsertDirectoryGroup(dirGroup("okta", "big", 1), "big"); err != nil {
			return err
		}
		added, err := tx.AddEdges("big", all, 1)
		if len(added) != size {
			t.Errorf("%d edges were new", len(added))
		}
		return err
	})
	checkCounts(r, "big")
	r.update(func(tx *store.Tx) error {
		walked := 0
		for id, err := range tx.IdentitiesBelow("big") {
			if err != nil {
				return err
			}
			if walked%100 == 0 {
				e := []store.Edge{user(id)}
				if removed, err := tx.RemoveEdges("big", e); err != nil || len(removed) != 1 {
					return fmt.Errorf("removed %v: %w", removed, err)
				}
			}
			walked++
		}
		if walked != size {
			t.Errorf("walked over %d of %d", walked, size)
		}
		return nil
	})
	checkCounts(r, "big")
}

// kinds: ids are told apart, the dead and the foreign are not known.
func kinds(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	var ids []string
	want := map[string]string{}
	r.update(func(tx *store.Tx) error {
		for n := range 130 {
			row := person("okta", fmt.Sprintf("u%d", n), n)
			ids = append(ids, row.ID)
			if err := tx.InsertIdentity(row); err != nil {
				return err
			}
			if n == 7 {
				if err := tx.DeleteIdentity(row.ID, "deleted", 1, 1); err != nil {
					return err
				}
				continue
			}
			want[row.ID] = "user"
		}
		want["g"] = "group"
		foreign := person("corp", "x", 1)
		ids = append(ids, "g", "h", foreign.ID, "nobody", "")
		return errors.Join(tx.InsertIdentity(foreign), tx.InsertDirectoryGroup(dirGroup("okta", "g", 1), "g"),
			tx.InsertDirectoryGroup(dirGroup("corp", "h", 1), "h"))
	})
	same(t, "kinds", read(r, func(rd *store.Reader) (map[string]string, error) { return rd.KindsOf("okta", ids) }), want)
	same(t, "kinds", read(r, func(rd *store.Reader) (map[string]string, error) { return rd.KindsOf("okta", nil) }), map[string]string{})
}

// nesting: a chain of 20 groups that ends in a loop is followed to depth 16.
func nesting(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	name := func(i int) string { return fmt.Sprintf("n%02d", i) }
	r.update(func(tx *store.Tx) error {
		for i := range 20 {
			if err := tx.InsertDirectoryGroup(dirGroup("corp", name(i), i), name(i)); err != nil {
				return err
			}
		}
		for i := range 20 {
			if _, err := tx.AddEdges(name((i+1)%20), []store.Edge{group(name(i)), user(fmt.Sprintf("u%d", i))}, 1); err != nil {
				return err
			}
		}
		_, err := tx.AddEdges(name(3), []store.Edge{user("u0")}, 1)
		return err
	})
	// u0 is in n01 and n03: n17 is 17 groups above n01, yet 15 above n03.
	above := read(r, func(rd *store.Reader) ([]store.GroupRef, error) { return rd.GroupsAbove([]string{"u0"}) })
	via := map[string]string{}
	for _, g := range above {
		if _, twice := via[g.ID]; twice || g.Connection != "corp" || g.ExternalID != "ext-"+g.ID || g.Name != g.ID {
			t.Errorf("wrong or twice: %+v", g)
		}
		via[g.ID] = g.Via
	}
	want := map[string]string{"n01": "", "n03": "", "n02": "n01"}
	for i := 4; i <= 18; i++ {
		want[name(i)] = "n03"
	}
	same(t, "groups above u0", via, want)
	if above[0].Via != "" || above[1].Via != "" {
		t.Errorf("direct groups are not first: %+v", above[:3])
	}
	if none := read(r, func(rd *store.Reader) ([]store.GroupRef, error) { return rd.GroupsAbove([]string{"nobody"}) }); none != nil {
		t.Errorf("nobody is in %v", none)
	}
	below := map[string]bool{}
	r.view(func(rd *store.Reader) error {
		for id, err := range rd.IdentitiesBelow(name(16)) {
			if err != nil {
				return err
			}
			if below[id] {
				t.Errorf("%s twice", id)
			}
			below[id] = true
		}
		return nil
	})
	// n16 and the 15 groups below it hold u15 to u0.
	wantBelow := map[string]bool{}
	for i := range 16 {
		wantBelow[fmt.Sprintf("u%d", i)] = true
	}
	same(t, "identities below n16", below, wantBelow)
	var many []string
	for i := range 120 {
		many = append(many, fmt.Sprintf("u%d", i%20))
	}
	if all := read(r, func(rd *store.Reader) ([]store.GroupRef, error) { return rd.GroupsAbove(many) }); len(all) != 20 {
		t.Errorf("%d groups above everybody", len(all))
	}
}

// loops: two groups that hold each other, and one that holds itself, end.
func loops(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	r.update(func(tx *store.Tx) error {
		for i, id := range []string{"a", "b", "self"} {
			if err := tx.InsertDirectoryGroup(dirGroup("corp", id, i), id); err != nil {
				return err
			}
		}
		for _, e := range [][3]string{
			{"a", "b", "group"},
			{"b", "a", "group"},
			{"self", "self", "group"},
			{"self", "a", "group"},
			{"a", "u", "user"},
			{"b", "u", "user"},
			{"b", "v", "user"},
			{"self", "w", "user"},
		} {
			if _, err := tx.AddEdges(e[0], []store.Edge{{Child: e[1], Kind: e[2]}}, 1); err != nil {
				return err
			}
		}
		return nil
	})
	above := func(id string) (ids []string) {
		for _, g := range read(r, func(rd *store.Reader) ([]store.GroupRef, error) { return rd.GroupsAbove([]string{id}) }) {
			ids = append(ids, g.ID+"/"+g.Via)
		}
		return ids
	}
	same(t, "above u", above("u"), []string{"a/", "b/", "self/a"})
	same(t, "above v", above("v"), []string{"b/", "a/b", "self/b"})
	same(t, "above w", above("w"), []string{"self/"})
	for group, want := range map[string][]string{"a": {"u", "v"}, "b": {"u", "v"}, "self": {"u", "v", "w"}} {
		var got []string
		r.view(func(rd *store.Reader) error {
			for id, err := range rd.IdentitiesBelow(group) {
				if err != nil {
					return err
				}
				got = append(got, id)
			}
			return nil
		})
		slices.Sort(got)
		same(t, "below "+group, got, want)
	}
	r.update(func(tx *store.Tx) error { return tx.DeleteDirectoryGroup("self", 0) })
	checkCounts(r, "a", "b")
}

// vanishingChildren: a user or a group is deleted while another unit adds it to
// a group. Whichever comes first, no edge is left that leads nowhere, and the
// counts are right.
func vanishingChildren(t *testing.T, s *store.Store) {
	for _, vanishing := range []struct {
		edge   store.Edge
		remove func(tx *store.Tx) error
	}{
		{group("g1"), func(tx *store.Tx) error { return tx.DeleteDirectoryGroup("g1", 0) }},
		{user("okta-000001"), func(tx *store.Tx) error { return tx.DeleteIdentity("okta-000001", "deleted", 9, 9) }},
	} {
		t.Run(vanishing.edge.Kind, func(t *testing.T) {
			r := newRoom(t, s)
			r.update(func(tx *store.Tx) error {
				return errors.Join(tx.InsertDirectoryGroup(dirGroup("okta", "parent", 1), "parent"),
					tx.InsertDirectoryGroup(dirGroup("okta", "g1", 2), "g1"), tx.InsertIdentity(person("okta", "ann@acme.com", 1)))
			})
			looked, removed := make(chan struct{}), make(chan error, 1)
			go func() {
				<-looked
				removed <- r.h.Update(t.Context(), store.UnitOptions{}, vanishing.remove)
			}()
			var once sync.Once
			err := r.h.Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
				kinds, err := tx.KindsOf("okta", []string{vanishing.edge.Child})
				if err != nil || kinds[vanishing.edge.Child] == "" {
					return err
				}
				once.Do(func() { close(looked) })
				select {
				case err := <-removed: // it did not wait for this unit
					removed <- err
				case <-time.After(200 * time.Millisecond):
				}
				_, err = tx.AddEdges("parent", []store.Edge{vanishing.edge}, 5)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := <-removed; err != nil {
				t.Fatal(err)
			}
			edges := read(r, func(rd *store.Reader) ([]store.Edge, error) { return edgesOf(rd, "parent") })
			if len(edges) > 0 {
				t.Errorf("edges that lead nowhere: %v", edges)
			}
			checkCounts(r, "parent")
		})
	}
}
