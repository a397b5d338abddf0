package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// room is a workspace of its own, with the connections okta and corp.
type room struct {
	*testing.T
	h *store.Handle
}

var rooms atomic.Int64

// newRoom makes a workspace that no other test uses.
func newRoom(t *testing.T, s *store.Store) room {
	t.Helper()
	id := fmt.Sprintf("room-%d", rooms.Add(1))
	r := room{T: t, h: s.In(id)}
	r.update(func(tx *store.Tx) error {
		err := tx.PutWorkspace(store.WorkspaceRow{
			ID: id, Name: "Acme Inc", Plan: "business", Active: true, Zone: "UTC",
			CreatedAt: 1,
		})
		for _, c := range []string{"okta", "corp"} {
			err = errors.Join(err, tx.PutConnection(store.ConnectionRow{ID: c, Kind: "scim", CreatedAt: 1}))
		}
		return err
	})
	return r
}

// update runs a unit that has to succeed.
func (r room) update(unit func(tx *store.Tx) error) {
	r.Helper()
	if err := r.h.Update(r.Context(), store.UnitOptions{}, unit); err != nil {
		r.Fatal(err)
	}
}

// refused runs a unit that has to fail with target.
func (r room) refused(target error, unit func(tx *store.Tx) error) {
	r.Helper()
	if err := r.h.Update(r.Context(), store.UnitOptions{}, unit); !errors.Is(err, target) {
		r.Fatalf("got error %v, want %v", err, target)
	}
}

// conflicts runs a unit that has to fail on a unique key.
func (r room) conflicts(table, key string, unit func(tx *store.Tx) error) {
	r.Helper()
	isConflict(r.T, r.h.Update(r.Context(), store.UnitOptions{}, unit), table, key)
}

func isConflict(t *testing.T, err error, table, key string) {
	t.Helper()
	var conflict *store.ConflictError
	if !errors.As(err, &conflict) || conflict.Table != table || conflict.Key != key {
		t.Fatalf("got error %v, want a conflict on %s of %s", err, key, table)
	}
	if !errors.Is(err, workspace.ErrConflict) {
		t.Fatalf("%v is not workspace.ErrConflict", err)
	}
}

// view runs reads that have to succeed.
func (r room) view(fn func(rd *store.Reader) error) {
	r.Helper()
	if err := r.h.View(r.Context(), fn); err != nil {
		r.Fatal(err)
	}
}

// read gives what one query answers.
func read[T any](r room, query func(rd *store.Reader) (T, error)) T {
	r.Helper()
	var got T
	r.view(func(rd *store.Reader) (err error) {
		got, err = query(rd)
		return err
	})
	return got
}

// gone checks that a query finds nothing.
func gone[T any](r room, query func(rd *store.Reader) (T, error)) {
	r.Helper()
	err := r.h.View(r.Context(), func(rd *store.Reader) error {
		_, err := query(rd)
		return err
	})
	if !errors.Is(err, workspace.ErrNotFound) {
		r.Fatalf("got error %v, want %v", err, workspace.ErrNotFound)
	}
}

// same compares values; nil and empty lists are the same.
func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s differs (-want +got):\n%s", what, diff)
	}
}

// person makes an identity of a connection; its times grow with n.
func person(connection, userName string, n int) store.IdentityRow {
	at := workspace.Micros(1_000 * n)
	return store.IdentityRow{
		Identity: workspace.Identity{
			ID: fmt.Sprintf("%s-%06d", connection, n), Connection: connection, ExternalID: fmt.Sprintf("ext-%d", n),
			UserName: userName, Email: userName, Name: "Person " + userName, Active: true,
			Attributes: workspace.Attributes{"user_name": {userName}},
			Version:    1, CreatedAt: at, UpdatedAt: at, ObservedAt: at,
		},
		UserKey: fold.Key(userName), EmailKey: fold.Key(userName),
	}
}

// member makes an active member.
func member(id, email string) workspace.Member {
	return workspace.Member{
		ID: id, Name: "Name of " + id, Email: email, EmailKey: fold.Key(email),
		Role: workspace.RoleMember, RoleSource: "rule r-member", State: workspace.StateActive, Epoch: 1, Version: 1,
		JoinedAt: 1,
	}
}

// phone makes a free number.
func phone(id, e164, pool string) workspace.Number {
	return workspace.Number{
		ID: id, E164: e164, Name: "Line " + id, Type: "local", Pool: pool,
		State: workspace.NumberFree, Version: 1,
	}
}
