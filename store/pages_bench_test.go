package store

import (
	"fmt"
	"testing"

	"github.com/rollcall-sync/rollcall/workspace"
)

// benchPeople fills the connection okta with n people whose rows look like
// real ones, and corp with as many groups as given, of these sizes.
func benchPeople(b *testing.B, s *Store, n int, groups ...int) {
	b.Helper()
	insert := func(from, to int) {
		err := s.In("acme").Update(b.Context(), UnitOptions{}, func(t *Tx) error {
			for i := from; i < to; i++ {
				user := fmt.Sprintf("user%06d@acme.com", i)
				id := fmt.Sprintf("0199f3a2-7c1e-7d60-9a53-%012x", i)
				row := IdentityRow{
					Identity: workspace.Identity{
						ID: id, Connection: "okta", ExternalID: "00u" + id, UserName: user, Email: user,
						Name: "Person " + user, Active: true, Version: 1, CreatedAt: workspace.Micros(i), Attributes: workspace.Attributes{
							"user_name": {user}, "email": {user}, "display_name": {"Person " + user}, "given_name": {"Person"}, "family_name": {user},
							"title": {"Engineer"}, "department": {"Research"},
						},
						Document: []byte(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"` + user +
							`","displayName":"Person","name":{"givenName":"Person","familyName":"of Acme"},"active":true}`),
					},
					UserKey: user, EmailKey: user, DisplayKey: "person " + user, TitleKey: "engineer", DepartmentKey: "research",
					Values: []IdentityValue{{Attr: "emails", Value: user, Key: user, Type: "work", Primary: true}},
				}
				if err := t.InsertIdentity(row); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for i := 0; i < n; i += 5000 {
		insert(i, min(i+5000, n))
	}
	for g, size := range groups {
		id := fmt.Sprintf("g%d", g)
		edges := make([]Edge, size)
		for i := range edges {
			edges[i] = Edge{Child: fmt.Sprintf("0199f3a2-7c1e-7d60-9a53-%012x", i), Kind: "user"}
		}
		err := s.In("acme").Update(b.Context(), UnitOptions{}, func(t *Tx) error {
			err := t.InsertDirectoryGroup(workspace.DirectoryGroup{ID: id, Connection: "okta", Name: id, Version: 1}, id)
			if err != nil {
				return err
			}
			_, err = t.AddEdges(id, edges, 1)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUsers reads among 100,000 users. The last page may cost 1.5 times
// the first; a look-up stays under 5 ms (p99).
func BenchmarkUsers(b *testing.B) {
	const people = 100_000
	s := openBench(b)
	benchPeople(b, s, people)
	h := s.In("acme")
	query := func(name string, q UserQuery, total, length int) {
		q.Connection = "okta"
		b.Run(name, func(b *testing.B) {
			report := perOp(b)
			for b.Loop() {
				err := h.View(b.Context(), func(r *Reader) error {
					n, page, err := r.Users(q)
					if err == nil && (n != total || len(page) != length) {
						return fmt.Errorf("%d of %d", len(page), n)
					}
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			report()
		})
	}
	query("page=first", UserQuery{Start: 1, Count: 100}, people, 100)
	query("page=middle", UserQuery{Start: 50_051, Count: 100}, people, 100)
	query("page=last", UserQuery{Start: people - 99, Count: 100}, people, 100)
	last := fmt.Sprintf("user%06d@acme.com", people-1)
	query("userName", UserQuery{Start: 1, Count: 100, Where: "i.user_key IS NOT NULL AND i.user_key = ?", Args: []any{last}}, 1, 1)
	query("userName=absent", UserQuery{Start: 1, Count: 100, Where: "i.user_key IS NOT NULL AND i.user_key = ?", Args: []any{"x"}}, 0, 0)
	query("id", UserQuery{Start: 1, Count: 100, Where: "i.identity_id = ?", Args: []any{"0199f3a2-7c1e-7d60-9a53-000000000005"}}, 1, 1)
	query("email", UserQuery{
		Start: 1, Count: 100, Where: `i.identity_id IN (SELECT v.identity_id FROM identity_value v WHERE v.workspace_id = ?
		AND v.attr = 'emails' AND (v.type_key IS NOT NULL AND v.type_key = ?) AND (v.value_key IS NOT NULL AND v.value_key = ?))`,
		Args: []any{"acme", "work", last},
	}, 1, 1)
	query("title", UserQuery{Start: 1, Count: 100, Where: "i.title_key IS NOT NULL AND i.title_key = ?", Args: []any{"engineer"}}, people, 100)
	b.Run("keys", func(b *testing.B) {
		for b.Loop() {
			s.pages.maps = nil
			err := h.View(b.Context(), func(r *Reader) error {
				_, _, err := r.Users(UserQuery{Connection: "okta", Start: people, Count: 1})
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkAddEdge adds one person to a group of 10 and of 20,000: two rows
// are written, and the cost is the same within a factor of 1.5.
func BenchmarkAddEdge(b *testing.B) {
	s := openBench(b)
	sizes := []int{10, 20_000}
	benchPeople(b, s, 1, sizes...)
	for g, size := range sizes {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			h := s.In("acme")
			id := fmt.Sprintf("g%d", g)
			added := 0
			report := perOp(b)
			for b.Loop() {
				child := []Edge{{Child: fmt.Sprintf("new%09d", added), Kind: "user"}}
				added++
				// Taken away again in the same unit, so that the group
				// keeps its size.
				err := h.Update(b.Context(), UnitOptions{}, func(t *Tx) error {
					if _, err := t.AddEdges(id, child, 1); err != nil {
						return err
					}
					_, err := t.RemoveEdges(id, child)
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			report()
		})
	}
}
