package storetest

import (
	"testing"

	"github.com/rollcall-sync/rollcall/store"
)

// waiters: who came first is named first; who waits already keeps the place,
// and gets a new one only when told so.
func waiters(t *testing.T, s *store.Store) {
	o := newOutbox(t, s)
	line := func(connection string) []string {
		return read(o.room, func(rd *store.Reader) ([]string, error) { return rd.Waiters(connection, false) })
	}
	same(t, "nobody", line("okta"), []string{})
	o.update(func(tx *store.Tx) error {
		for i, id := range []string{"b", "C", "c", "a"} {
			if err := tx.KeepWaiter("okta", id, 10, false); err != nil {
				return err
			}
			if err := tx.KeepWaiter("entra", id, 10, false); err != nil {
				return err
			}
			if i == 0 {
				if err := tx.PutWaiter("okta", id, 9, false); err != nil {
					return err
				}
			}
		}
		return tx.KeepWaiter("okta", "b", 99, true)
	})
	same(t, "in order", line("okta"), []string{"b", "C", "a", "c"})
	besides := read(o.room, func(rd *store.Reader) ([]string, error) { return rd.Waiters("okta", true) })
	same(t, "besides who waits for a number alone", besides, []string{"C", "a", "c"})
	o.update(func(tx *store.Tx) error {
		if err := tx.PutWaiter("okta", "b", 11, false); err != nil {
			return err
		}
		if err := tx.DropWaiter("okta", "nobody"); err != nil {
			return err
		}
		return tx.DropWaiter("okta", "a")
	})
	same(t, "after a new wish and a settled one", line("okta"), []string{"C", "c", "b"})
	same(t, "the other connection's", line("entra"), []string{"C", "a", "b", "c"})
}
