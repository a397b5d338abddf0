package storetest

import (
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
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
			if err := tx.KeepWaiter(store.Waiter{Connection: "okta", ID: id, Since: 10}); err != nil {
				return err
			}
			if err := tx.KeepWaiter(store.Waiter{Connection: "entra", ID: id, Since: 10, Seat: true}); err != nil {
				return err
			}
			if i == 0 {
				if err := tx.PutWaiter(store.Waiter{Connection: "okta", ID: id, Since: 9}); err != nil {
					return err
				}
			}
		}
		return tx.KeepWaiter(store.Waiter{Connection: "okta", ID: "b", Since: 99, OnlyNumber: true, Number: true})
	})
	same(t, "in order", line("okta"), []string{"b", "C", "a", "c"})
	besides := read(o.room, func(rd *store.Reader) ([]string, error) { return rd.Waiters("okta", true) })
	same(t, "besides who waits for a number alone", besides, []string{"C", "a", "c"})
	for _, id := range []string{"x", "c"} {
		o.update(func(tx *store.Tx) error {
			return tx.PutWaiter(store.Waiter{Connection: "entra", ID: id, Since: 12, Seat: true, Number: id == "x"})
		})
	}
	inTurn := func(what func(*store.Reader, store.Waiter, int) ([]store.Waiter, error), limit int) (names []string) {
		var last store.Waiter
		for {
			page := read(o.room, func(rd *store.Reader) ([]store.Waiter, error) { return what(rd, last, limit) })
			if len(page) == 0 {
				return names
			}
			for _, last = range page {
				names = append(names, last.Connection+"/"+last.ID)
			}
		}
	}
	for _, limit := range []int{1, 2, 50} {
		same(t, "for a number, of all connections", inTurn((*store.Reader).WaitersForNumber, limit), []string{"okta/b", "entra/x"})
		same(t, "for a seat", inTurn((*store.Reader).WaitersForSeat, limit), []string{"entra/C", "entra/a", "entra/b", "entra/c", "entra/x"})
	}
	newcomers := read(o.room, func(rd *store.Reader) ([]string, error) { return rd.WaitingNewcomers("okta", 2) })
	same(t, "without a record", newcomers, []string{"C", "a"})
	o.update(func(tx *store.Tx) error {
		if err := tx.DropWaiter("entra", "x"); err != nil {
			return err
		}
		if err := tx.PutWaiter(store.Waiter{Connection: "okta", ID: "b", Since: 11}); err != nil {
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

// freed: what became free is listed from the oldest on until a moment, and is
// gone once it was offered; an address reaches the records that state it and
// whose member has another one, or none.
func freed(t *testing.T, s *store.Store) {
	o := newOutbox(t, s)
	all := []store.Freed{
		{At: 10, ID: "a", Kind: store.FreedNumber, Object: "n1"},
		{At: 10, ID: "b", Kind: store.FreedSeat},
		{At: 11, ID: "a", Kind: store.FreedAddress, Object: "eve@acme.com"},
		{At: 30, ID: "c", Kind: store.FreedSeat},
	}
	o.update(func(tx *store.Tx) error {
		for _, f := range all {
			if err := tx.InsertFreed(f); err != nil {
				return err
			}
		}
		return nil
	})
	list := func(until workspace.Micros, limit int) []store.Freed {
		return read(o.room, func(rd *store.Reader) ([]store.Freed, error) { return rd.Freed(until, limit) })
	}
	same(t, "until 29", list(29, 9), all[:3])
	same(t, "two", list(30, 2), all[:2])
	o.update(func(tx *store.Tx) error { return tx.DeleteFreed(all[:3]) })
	o.update(func(tx *store.Tx) error { return tx.DeleteFreed(all[:1]) }) // once more is no error
	same(t, "the rest", list(99, 9), all[3:])
}

// stateEmail: who states an address that their member does not have.
func stateEmail(t *testing.T, s *store.Store) {
	o := newOutbox(t, s) // m1 is ann@acme.com, m2 bob@acme.com
	for i, is := range []struct{ connection, email, member string }{
		{"okta", "ann@acme.com", "m1"}, {"okta", "ann@acme.com", "m2"}, {"okta", "ann@acme.com", ""}, {"okta", "bob@acme.com", "m1"}, {"corp", "ann@acme.com", "m2"},
	} {
		row := person(is.connection, "x"+string(rune('a'+i)), i)
		row.Email, row.EmailKey, row.Member = is.email, is.email, is.member
		o.update(func(tx *store.Tx) error { return tx.InsertIdentity(row) })
	}
	o.update(func(tx *store.Tx) error {
		row := person("okta", "gone", 9)
		row.Email, row.EmailKey = "ann@acme.com", "ann@acme.com"
		if err := tx.InsertIdentity(row); err != nil {
			return err
		}
		return tx.DeleteIdentity(row.ID, "deleted", 5, 5)
	})
	states := func(connection, key string, limit int) []string {
		return read(o.room, func(rd *store.Reader) ([]string, error) { return rd.StateEmail(connection, key, limit) })
	}
	same(t, "another's, or nobody", states("okta", "ann@acme.com", 9), []string{"okta-000001", "okta-000002"})
	same(t, "the first", states("okta", "ann@acme.com", 1), []string{"okta-000001"})
	same(t, "one who has another", states("okta", "bob@acme.com", 9), []string{"okta-000003"})
	same(t, "nobody", states("corp", "eve@acme.com", 9), []string(nil))
	o.update(func(tx *store.Tx) error {
		for _, id := range []string{"ext-1", "ext-7"} {
			if err := tx.PutWaiter(store.Waiter{Connection: "okta", ID: id, Since: 3}); err != nil {
				return err
			}
		}
		return tx.PutWaiter(store.Waiter{Connection: "okta", ID: "ext-8", Since: 3, OnlyNumber: true, Number: true})
	})
	newcomers := read(o.room, func(rd *store.Reader) ([]string, error) { return rd.WaitingNewcomers("okta", 9) })
	same(t, "who waits without a record", newcomers, []string{"ext-7"})
}
