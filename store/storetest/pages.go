package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// pages: whatever came, went and came back, in order of time or not, a page
// is the slice of the whole list, and the total is its length.
func pages(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	random := rand.New(rand.NewPCG(3, 4))
	type entry struct {
		row     store.IdentityRow
		deleted bool
	}
	var rows []*entry
	next := 0
	insert := func(tx *store.Tx, created int) error {
		next++
		row := person("okta", fmt.Sprintf("u%06d", next), next)
		row.CreatedAt = workspace.Micros(created)
		rows = append(rows, &entry{row: row})
		return tx.InsertIdentity(row)
	}
	check := func(what string) {
		t.Helper()
		var want []string
		live := slices.DeleteFunc(slices.Clone(rows), func(e *entry) bool { return e.deleted })
		slices.SortFunc(live, func(a, b *entry) int {
			if a.row.CreatedAt != b.row.CreatedAt {
				return int(a.row.CreatedAt - b.row.CreatedAt)
			}
			return strings.Compare(a.row.ID, b.row.ID)
		})
		for _, e := range live {
			want = append(want, e.row.ID)
		}
		starts := []int{-3, 0, 1, 100, 101, 102, 200, 201, 777, len(want) - 100, len(want) - 1, len(want), len(want) + 1, len(want) + 500}
		for range 5 {
			starts = append(starts, 1+random.IntN(len(want)))
		}
		r.view(func(rd *store.Reader) error {
			for _, start := range starts {
				for _, count := range []int{-1, 0, 1, 100, 300} {
					total, page, err := rd.Users(store.UserQuery{Connection: "okta", Start: start, Count: count})
					if err != nil {
						return err
					}
					var got []string
					for _, i := range page {
						got = append(got, i.ID)
					}
					from := min(max(start, 1)-1, len(want))
					same(t, fmt.Sprintf("%s: page at %d of %d", what, start, count), got, want[from:min(from+max(count, 0), len(want))])
					if total != len(want) {
						t.Fatalf("%s: total is %d, want %d", what, total, len(want))
					}
				}
			}
			return nil
		})
	}
	r.update(func(tx *store.Tx) error {
		for n := range 1234 {
			if err := insert(tx, 1000*(n/3)); err != nil {
				return err
			}
		}
		return nil
	})
	check("first")
	for step := range 12 {
		what := fmt.Sprintf("step %d", step)
		r.update(func(tx *store.Tx) error {
			for range 1 + random.IntN(150) {
				var err error
				switch {
				case step%3 == 0: // the list grows at its end
					err = insert(tx, 1_000_000+1000*next)
				case step%3 == 1: // somebody goes, somebody comes back
					e := rows[random.IntN(len(rows))]
					if e.deleted {
						e.row.Version += 2
						e.row.Deleted = false
						err = tx.UpdateIdentity(e.row)
					} else {
						err = tx.DeleteIdentity(e.row.ID, "deleted", 1, 1)
					}
					e.deleted = !e.deleted
				default: // a clock that stands behind
					err = insert(tx, random.IntN(400_000))
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		check(what)
	}
	// What a unit saw and lost is not remembered.
	boom := errors.New("boom")
	r.refused(boom, func(tx *store.Tx) error {
		for range 250 {
			row := person("okta", fmt.Sprintf("lost%d", next), 900_000+next)
			next++
			if err := tx.InsertIdentity(row); err != nil {
				return err
			}
		}
		total, page, err := tx.Users(store.UserQuery{Connection: "okta", Start: 900, Count: 5000})
		if err != nil || total-899 != len(page) {
			t.Errorf("inside a unit: total %d, %d on the page at 900, %v", total, len(page), err)
		}
		return boom
	})
	check("after a unit that was rolled back")
}

// filteredPages: exact totals under a filter, whichever part is asked for.
func filteredPages(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	r.update(func(tx *store.Tx) error {
		for n := range 250 {
			row := person("okta", fmt.Sprintf("u%03d", n), n)
			row.TitleKey = []string{"a", "b"}[n%2]
			if err := tx.InsertIdentity(row); err != nil {
				return err
			}
			if err := tx.InsertDirectoryGroup(dirGroup("okta", fmt.Sprintf("g%03d", n), n), fmt.Sprintf("g%03d", n)); err != nil {
				return err
			}
		}
		return tx.DeleteIdentity("okta-000000", "deleted", 1, 1)
	})
	for _, q := range []struct {
		where        string
		args         []any
		start, count int
		total, page  int
		first        string
	}{
		{"i.title_key IS NOT NULL AND i.title_key = ?", []any{"a"}, 1, 10, 124, 10, "okta-000002"},
		{"i.title_key = ?", []any{"a"}, 1, 124, 124, 124, "okta-000002"},
		{"i.title_key = ?", []any{"a"}, 1, 123, 124, 123, "okta-000002"},
		{"i.title_key = ?", []any{"a"}, 101, 100, 124, 24, "okta-000202"},
		{"i.title_key = ?", []any{"a"}, 125, 100, 124, 0, ""},
		{"i.title_key = ?", []any{"a"}, 1, 0, 124, 0, ""},
		{"i.title_key = ? OR i.title_key = ?", []any{"a", "b"}, 1, 1, 249, 1, "okta-000001"},
		{"i.user_key = ?", []any{"u007"}, 1, 1, 1, 1, "okta-000007"},
		{"i.user_key = ?", []any{"U007"}, 1, 1, 0, 0, ""},
		{"i.identity_id = ?", []any{"okta-000000"}, 1, 100, 0, 0, ""},
		{"NOT (i.department_key IS NOT NULL AND i.department_key = ?)", []any{"x"}, 1, 5, 249, 5, "okta-000001"},
	} {
		r.view(func(rd *store.Reader) error {
			total, page, err := rd.Users(store.UserQuery{Connection: "okta", Where: q.where, Args: q.args, Start: q.start, Count: q.count})
			if err != nil {
				return err
			}
			if total != q.total || len(page) != q.page || (q.page > 0 && page[0].ID != q.first) {
				t.Errorf("%s %v at %d, %d: total %d, page of %d", q.where, q.args, q.start, q.count, total, len(page))
			}
			return nil
		})
	}
	r.view(func(rd *store.Reader) error {
		total, page, err := rd.DirectoryGroups(store.UserQuery{Connection: "okta", Where: "g.display_key >= ?", Args: []any{"g240"}, Start: 3, Count: 4})
		if err != nil || total != 10 || len(page) != 4 || page[0].ID != "g242" {
			t.Errorf("groups: total %d, page %v, %v", total, page, err)
		}
		total, page, err = rd.DirectoryGroups(store.UserQuery{Connection: "okta", Start: 241, Count: 100})
		if err != nil || total != 250 || len(page) != 10 || page[0].ID != "g240" {
			t.Errorf("groups: total %d, page of %d, %v", total, len(page), err)
		}
		_, _, err = rd.Users(store.UserQuery{Connection: "nobody", Start: 1, Count: 1})
		if !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("a connection that is not there: %v", err)
		}
		return nil
	})
}

// pagesInParallel: many readers on snapshots of their own share the
// remembered keys while people come and go.
func pagesInParallel(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	next := 0
	grow := func(tx *store.Tx, by int) error {
		for range by {
			next++
			if err := tx.InsertIdentity(person("okta", fmt.Sprintf("u%06d", next), next)); err != nil {
				return err
			}
		}
		return nil
	}
	r.update(func(tx *store.Tx) error { return grow(tx, 500) })
	done := make(chan struct{})
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				err := r.h.View(t.Context(), func(rd *store.Reader) error {
					total, whole, err := rd.Users(store.UserQuery{Connection: "okta", Start: 1, Count: 10_000})
					if err != nil || total != len(whole) {
						return fmt.Errorf("total %d, listed %d, %w", total, len(whole), err)
					}
					start := total - 150
					_, page, err := rd.Users(store.UserQuery{Connection: "okta", Start: start, Count: 100})
					if err == nil && (len(page) != 100 || page[0].ID != whole[start-1].ID) {
						err = fmt.Errorf("page at %d of %d is not the list's", start, total)
					}
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for step := range 30 {
		r.update(func(tx *store.Tx) error {
			if err := grow(tx, 37); err != nil || step%3 > 0 {
				return err
			}
			return tx.DeleteIdentity(fmt.Sprintf("okta-%06d", 10+step), "deleted", 1, 1)
		})
	}
	close(done)
	wait.Wait()
}
