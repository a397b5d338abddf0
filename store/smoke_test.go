package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/workspace"
)

func TestSmoke(t *testing.T) {
	for name, url := range map[string]string{"sqlite": "sqlite:" + t.TempDir() + "/a b.db", "postgres": pgtest.NewDatabase(t)} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if _, err := Open(ctx, Options{URL: url}); !errors.Is(err, ErrSchema) {
				t.Fatal(err)
			}
			s, err := Open(ctx, Options{URL: url, AutoMigrate: true, AllowNoFsync: true})
			if err != nil {
				t.Fatal(err)
			}
			h := s.In("acme")
			if err := h.Update(ctx, UnitOptions{}, func(tx *Tx) error {
				return tx.PutWorkspace(WorkspaceRow{Name: "Acme", Plan: "business", Zone: "UTC", Active: true})
			}); err != nil {
				t.Fatal(err)
			}
			if err := h.View(ctx, func(r *Reader) error {
				w, err := r.Workspace()
				if err != nil || w.Name != "Acme" || !w.Active {
					t.Errorf("%+v %v", w, err)
				}
				_, err = r.Connection("x")
				if !errors.Is(err, workspace.ErrNotFound) {
					t.Error(err)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			l, ok, err := s.Acquire(context.Background(), "poll/x", "me", time.Second)
			if err != nil || !ok || l.Token != 1 {
				t.Fatal(l, ok, err)
			}
			if _, ok, err := s.Acquire(context.Background(), "poll/x", "you", time.Second); err != nil || ok {
				t.Fatal(ok, err)
			}
			if err := h.Update(ctx, UnitOptions{Lease: l.Name, Token: l.Token + 1}, func(tx *Tx) error { return nil }); !errors.Is(err, ErrFenced) {
				t.Fatal(err)
			}
			c := ConnectionRow{ID: "okta"}
			err = h.Update(ctx, UnitOptions{}, func(tx *Tx) error {
				return errors.Join(tx.PutConnection(c), tx.InsertToken(TokenRow{ID: "a", Connection: "okta"}), tx.InsertToken(TokenRow{ID: "a", Connection: "okta"}))
			})
			var ce *ConflictError
			if !errors.As(err, &ce) || ce.Table != "token" {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
