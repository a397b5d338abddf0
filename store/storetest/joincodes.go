package storetest

import (
	"errors"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// joinCodes: codes are found by their browser, counted three ways, forgotten.
func joinCodes(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	c := store.JoinCodeRow{
		Browser: "jc-b1", Workspace: "w", Email: "A@acme.org", Address: "a@jc.org", Domain: "jc.org", Client: "jc-192.0.2.1", Code: "h", SentAt: 100,
	}
	other := c
	other.Browser, other.Address, other.Client, other.SentAt = "jc-b2", "b@jc.org", "jc-192.0.2.2", 200
	r.update(func(tx *store.Tx) error { return tx.InsertJoinCode(c) })
	r.update(func(tx *store.Tx) error { return tx.InsertJoinCode(other) })
	get := func(rr *store.Reader) (store.JoinCodeRow, error) { return rr.JoinCode("jc-b1") }
	same(t, "found", read(r, get), c)
	count := func(since workspace.Micros) store.JoinCodeCounts {
		return read(r, func(rr *store.Reader) (store.JoinCodeCounts, error) {
			return rr.JoinCodesSince("a@jc.org", "jc.org", "jc-192.0.2.1", since)
		})
	}
	same(t, "counts", count(99), store.JoinCodeCounts{Address: 1, Domain: 2, Client: 1})
	same(t, "counts later", count(100), store.JoinCodeCounts{Domain: 1})
	c.Code, c.Tries, c.ProvedAt, c.UsedAt = "", 3, 300, 400
	r.update(func(tx *store.Tx) error { return tx.UpdateJoinCode(c) })
	same(t, "used", read(r, get), c)
	r.conflicts("join_code", "id", func(tx *store.Tx) error { return tx.InsertJoinCode(c) })
	r.update(func(tx *store.Tx) error { return tx.DeleteJoinCodes(200) })
	r.view(func(rr *store.Reader) error {
		if _, err := rr.JoinCode("jc-b1"); !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("forgotten: %v", err)
		}
		return nil
	})
}
