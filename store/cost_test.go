package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/rollcall-sync/rollcall/workspace"
)

// counting counts the statements that a session runs.
type counting struct {
	session
	n int
}

func (c *counting) query(ctx context.Context, text string, args []any) (*rows, error) {
	c.n++
	return c.session.query(ctx, text, args)
}

func (c *counting) exec(ctx context.Context, text string, args []any) (int64, error) {
	c.n++
	return c.session.exec(ctx, text, args)
}

// costs opens a store with one member, people in groups of 10 and of 20,000,
// and numbers.
func costs(t *testing.T) *Handle {
	t.Helper()
	s, err := Open(t.Context(), Options{URL: liteScheme + filepath.Join(t.TempDir(), "costs.db"), AutoMigrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	h := s.In("acme")
	err = h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
		err := errors.Join(tx.PutWorkspace(WorkspaceRow{Name: "Acme", Plan: "business", Zone: "UTC", Active: true}),
			tx.PutConnection(ConnectionRow{ID: "okta", Kind: "scim"}))
		for _, id := range []string{"busy", "bare"} {
			err = errors.Join(err, tx.InsertMember(workspace.Member{
				ID: id, EmailKey: id, Role: workspace.RoleMember,
				State: workspace.StateActive, Version: 1,
			}))
		}
		for g, size := range []int{10, 20_000} {
			id := fmt.Sprint("g", g)
			edges := make([]Edge, size)
			for i := range edges {
				edges[i] = Edge{Child: fmt.Sprint("i", i), Kind: "user"}
			}
			addErr := tx.InsertDirectoryGroup(workspace.DirectoryGroup{ID: id, Connection: "okta", Version: 1}, id)
			if addErr == nil {
				_, addErr = tx.AddEdges(id, edges, 1)
			}
			err = errors.Join(err, addErr, tx.InsertGroup(workspace.Group{ID: id, NameKey: id, Version: 1}))
			_, joinErr := tx.JoinGroup(workspace.GroupMembership{Group: id, Member: "busy"})
			err = errors.Join(err, joinErr)
		}
		for n := range 30 {
			id := fmt.Sprint("n", n)
			err = errors.Join(err, tx.InsertNumber(workspace.Number{ID: id, E164: id, State: workspace.NumberAssigned, Version: 1}),
				tx.AddOwner(workspace.Ownership{Number: id, Member: "busy"}),
				tx.PutSupport(SupportRow{Member: "busy", Kind: "owner", Object: id, By: "manual"}))
		}
		for i := range 3 {
			id := fmt.Sprint("i", i)
			err = errors.Join(err, tx.InsertIdentity(IdentityRow{Identity: workspace.Identity{
				ID: id, Connection: "okta", UserName: id,
				Version: 1, Member: "busy",
			}, UserKey: id}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestStatements counts the statements of the hot path: none depends on how
// much there is.
func TestStatements(t *testing.T) {
	t.Parallel()
	h := costs(t)
	for _, c := range []struct {
		name string
		want int
		read func(r *Reader) error
	}{
		{"Member", 1, func(r *Reader) error { _, err := r.Member("busy"); return err }},
		{"Supports", 1, func(r *Reader) error { _, err := r.Supports("busy"); return err }},
		{"GroupsOf", 1, func(r *Reader) error { _, err := r.GroupsOf("busy"); return err }},
		{"GroupsAbove", 1, func(r *Reader) error { _, err := r.GroupsAbove([]string{"i0", "i1", "i2"}); return err }},
		{"NumbersOf", 2, func(r *Reader) error { _, err := r.NumbersOf("busy"); return err }},
		{"NumbersOf nobody", 1, func(r *Reader) error { _, err := r.NumbersOf("bare"); return err }},
		{"IdentitiesOf", 1, func(r *Reader) error { _, err := r.IdentitiesOf("busy", true); return err }},
		{"KindsOf users", 1, func(r *Reader) error { _, err := r.KindsOf("okta", []string{"i0", "i1", "i2"}); return err }},
		{"Members", 4, func(r *Reader) error { _, err := r.Members(MemberFilter{}); return err }},
		{"Users by name", 1, func(r *Reader) error {
			total, _, err := r.Users(UserQuery{Connection: "okta", Where: "i.user_key = ?", Args: []any{"i1"}, Start: 1, Count: 1})
			if total != 1 {
				t.Errorf("found %d", total)
			}
			return err
		}},
		{"Users by an absent name", 1, func(r *Reader) error {
			_, _, err := r.Users(UserQuery{Connection: "okta", Where: "i.user_key = ?", Args: []any{"x"}, Start: 1, Count: 100})
			return err
		}},
		{"Users", 2, func(r *Reader) error {
			_, _, err := r.Users(UserQuery{Connection: "okta", Start: 1, Count: 2})
			return err
		}},
	} {
		err := h.View(t.Context(), func(r *Reader) error {
			count := &counting{session: r.on}
			r.on = count
			defer func() { r.on = count.session }()
			err := c.read(r)
			if count.n != c.want {
				t.Errorf("%s runs %d statements, want %d", c.name, count.n, c.want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestRowsWritten counts the rows that one more person in a group costs: the
// edge and the counter, whatever the group's size.
func TestRowsWritten(t *testing.T) {
	t.Parallel()
	h := costs(t)
	for _, group := range []string{"g0", "g1"} {
		err := h.Update(t.Context(), UnitOptions{}, func(tx *Tx) error {
			written := func(what string, want int, write func() error) error {
				before, err := single(&tx.Reader, scanOne[int], "SELECT total_changes()")
				if err != nil {
					return err
				}
				if err := write(); err != nil {
					return err
				}
				after, err := single(&tx.Reader, scanOne[int], "SELECT total_changes()")
				if after-before != want {
					t.Errorf("%s of group %s writes %d rows, want %d", what, group, after-before, want)
				}
				return err
			}
			edge := []Edge{{Child: "new", Kind: "user"}}
			return errors.Join(
				written("AddEdges", 2, func() error { _, err := tx.AddEdges(group, edge, 1); return err }),
				written("AddEdges again", 0, func() error { _, err := tx.AddEdges(group, edge, 1); return err }),
				written("RemoveEdges", 2, func() error { _, err := tx.RemoveEdges(group, edge); return err }),
				written("RemoveEdges again", 0, func() error { _, err := tx.RemoveEdges(group, edge); return err }),
				written("JoinGroup", 2, func() error {
					_, err := tx.JoinGroup(workspace.GroupMembership{Group: group, Member: "bare"})
					return err
				}),
				written("LeaveGroup", 2, func() error { _, err := tx.LeaveGroup(group, "bare"); return err }))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
