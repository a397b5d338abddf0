package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// sortedPages: every order is the one that Go makes of the same keys, by bytes,
// absent values last (first downwards), ties by id; and a list that is read
// place by place is the whole of it.
func sortedPages(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	titles := []string{"", "a", "A", "Z", "z", "é", "ß", "_", "a b", "a-b", "😀"}
	titleOf, activeOf := map[string]string{}, map[string]bool{}
	var ids []string
	r.update(func(tx *store.Tx) error {
		for n := range 60 {
			row := person("okta", fmt.Sprintf("u%03d", n), n)
			row.TitleKey, row.Active = titles[n*7%len(titles)], n%3 != 0
			ids = append(ids, row.ID)
			titleOf[row.ID], activeOf[row.ID] = row.TitleKey, row.Active
			if err := tx.InsertIdentity(row); err != nil {
				return err
			}
			if err := tx.InsertDirectoryGroup(dirGroup("okta", fmt.Sprintf("g%03d", n), n), fmt.Sprintf("g%03d", (n*11)%60)); err != nil {
				return err
			}
		}
		return nil
	})
	slices.Sort(ids)
	number := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	for _, tt := range []struct {
		name  string
		key   store.SortKey
		order func(a, b string) int
	}{
		{"creation", store.SortKey{}, func(_, _ string) int { return 0 }},
		{"title", store.SortKey{Expr: "i.title_key"}, func(a, b string) int {
			x, y := titleOf[a], titleOf[b]
			return cmp.Or(number(x == "")-number(y == ""), cmp.Compare(x, y))
		}},
		{"active", store.SortKey{Expr: "CASE WHEN i.active THEN 1 ELSE 0 END", NotNull: true, Number: true}, func(a, b string) int {
			return number(activeOf[a]) - number(activeOf[b])
		}},
		{"nothing has it", store.SortKey{Expr: "CAST(NULL AS TEXT)"}, func(_, _ string) int { return 0 }},
	} {
		for _, desc := range []bool{false, true} {
			if tt.key.Expr == "" && desc {
				continue
			}
			key := tt.key
			key.Desc = desc
			want := slices.Clone(ids)
			slices.SortStableFunc(want, func(a, b string) int {
				if desc {
					return cmp.Or(tt.order(b, a), cmp.Compare(a, b))
				}
				return cmp.Or(tt.order(a, b), cmp.Compare(a, b))
			})
			r.view(func(rd *store.Reader) error {
				whole, err := rd.UsersFrom(store.UserQuery{Connection: "okta", Sort: key, Count: 1000})
				if err != nil {
					return err
				}
				var got []string
				for _, p := range whole {
					got = append(got, p.Row.ID)
				}
				same(t, tt.name, got, want)
				got = nil
				for q := (store.UserQuery{Connection: "okta", Sort: key, Count: 7}); ; {
					page, err := rd.UsersFrom(q)
					if err != nil {
						return err
					}
					for _, p := range page {
						got = append(got, p.Row.ID)
					}
					if len(page) < q.Count {
						break
					}
					place := page[len(page)-1].Place
					q.Behind = &place
				}
				same(t, tt.name+", place by place", got, want)
				part, err := rd.UsersFrom(store.UserQuery{Connection: "okta", Sort: key, Start: 11, Count: 3, Where: "i.active"})
				if err != nil {
					return err
				}
				live := slices.DeleteFunc(slices.Clone(want), func(id string) bool { return !activeOf[id] })
				for i, p := range part {
					if p.Row.ID != live[10+i] {
						t.Errorf("%s: entry %d is %s, want %s", tt.name, 11+i, p.Row.ID, live[10+i])
					}
				}
				n, err := rd.CountUsers(store.UserQuery{Connection: "okta", Where: "i.active"})
				if err != nil || n != len(live) || len(part) != 3 {
					t.Errorf("%s: %d counted of %d, %d on the page, %v", tt.name, n, len(live), len(part), err)
				}
				return nil
			})
		}
	}
	r.view(func(rd *store.Reader) error {
		page, err := rd.DirectoryGroupsFrom(store.UserQuery{Connection: "okta", Sort: store.SortKey{Expr: "g.display_key", NotNull: true, Desc: true}, Count: 2})
		if err != nil || len(page) != 2 || page[0].Place.Text != "g059" || page[1].Place.Text != "g058" {
			t.Errorf("groups downwards: %+v, %v", page, err)
		}
		n, err := rd.CountDirectoryGroups(store.UserQuery{Connection: "okta"})
		if err != nil || n != 60 {
			t.Errorf("%d groups counted, %v", n, err)
		}
		return nil
	})
}

// numberPages: numbers in the order of ids, both ways, place by place.
func numberPages(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	var want []string
	r.update(func(tx *store.Tx) error {
		for n := range 9 {
			number := workspace.Number{ID: fmt.Sprintf("n%d", n), E164: fmt.Sprintf("+1415555010%d", 9-n), Type: "local", State: workspace.NumberFree, Version: 1}
			want = append(want, number.ID)
			if err := tx.InsertNumber(number); err != nil {
				return err
			}
		}
		return nil
	})
	for _, desc := range []bool{false, true} {
		r.view(func(rd *store.Reader) error {
			var got []string
			for behind := ""; ; {
				page, err := rd.NumbersFrom(desc, behind, 0, 4)
				if err != nil {
					return err
				}
				for _, n := range page {
					got = append(got, n.ID)
					behind = n.ID
				}
				if len(page) < 4 {
					break
				}
			}
			same(t, fmt.Sprintf("downwards %v", desc), got, want)
			return nil
		})
		slices.Reverse(want)
	}
	r.view(func(rd *store.Reader) error {
		page, err := rd.NumbersFrom(false, "", 7, 4)
		if err != nil || len(page) != 2 || page[0].ID != "n7" {
			t.Errorf("skipping seven: %+v, %v", page, err)
		}
		n, err := rd.CountNumbers()
		if err != nil || n != 9 {
			t.Errorf("%d numbers, %v", n, err)
		}
		people, err := rd.People("okta", []string{"nobody"})
		if err != nil || len(people) != 0 {
			t.Errorf("people nobody knows: %v, %v", people, err)
		}
		return nil
	})
}
