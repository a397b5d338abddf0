package storetest

import (
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// questions: what is due comes, the longest due first; an answer settles what
// was noted until then and nothing later, and a delay moves only the question
// that was put.
func questions(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	due := func(now workspace.Micros, limit int) (ids []string) {
		t.Helper()
		for _, a := range read(r, func(rd *store.Reader) ([]store.Asking, error) { return rd.DueAsking(now, limit) }) {
			ids = append(ids, a.Connection+"/"+a.ID)
		}
		return ids
	}
	b := store.Asking{Connection: "okta", ID: "b", NotedAt: 10, NextAt: 20, Trigger: "signal"}
	r.update(func(tx *store.Tx) error {
		for _, a := range []store.Asking{b, {Connection: "corp", ID: "b", NotedAt: 10, NextAt: 19, Trigger: "liveness"}, {Connection: "okta", ID: "B", NotedAt: 10, NextAt: 30, Trigger: "signal"}} {
			if err := tx.PutAsking(a); err != nil {
				return err
			}
		}
		return nil
	})
	same(t, "by 20", due(20, 9), []string{"corp/b", "okta/b"})
	same(t, "one", due(20, 1), []string{"corp/b"})
	r.update(func(tx *store.Tx) error { return tx.DelayAsking(b, 50) })
	same(t, "after the delay", due(49, 9), []string{"corp/b", "okta/B"})
	tried := read(r, func(rd *store.Reader) ([]store.Asking, error) { return rd.DueAsking(50, 9) })[2]
	same(t, "the one that was delayed", tried, store.Asking{Connection: "okta", ID: "b", NotedAt: 10, NextAt: 50, Tries: 1, Trigger: "signal"})
	anew := store.Asking{Connection: "okta", ID: "b", NotedAt: 40, NextAt: 45, Trigger: "liveness"}
	r.update(func(tx *store.Tx) error { return tx.PutAsking(anew) })
	r.update(func(tx *store.Tx) error { return tx.DelayAsking(b, 99) }) // an older question
	r.update(func(tx *store.Tx) error { return tx.DeleteAsking("okta", "b", 39) })
	same(t, "noted anew", read(r, func(rd *store.Reader) ([]store.Asking, error) { return rd.DueAsking(50, 9) })[2], anew)
	r.update(func(tx *store.Tx) error { return tx.DeleteAsking("okta", "b", 40) })
	r.update(func(tx *store.Tx) error { return tx.DeleteAsking("okta", "b", 40) }) // once more is no error
	same(t, "the rest", due(99, 9), []string{"corp/b", "okta/B"})
}
