package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

func revocations(t *testing.T, s *store.Store) {
	o := newOutbox(t, s)
	leaf := func(gen int64, types map[string]string) {
		o.Helper()
		o.update(func(tx *store.Tx) error {
			h, err := tx.LockAuditHead()
			if err != nil {
				return err
			}
			n := h.Size
			if gen > h.Gen {
				h.Gen, h.Size, n = gen, 0, 0
			}
			h.Size++
			if err := tx.AppendAudit(h, n, []byte("{}"), nil); err != nil {
				return err
			}
			var rows []store.EventRow
			for _, id := range []string{"m1", "m2"} {
				if types[id] == "" {
					continue
				}
				m, err := tx.Member(id)
				if err != nil {
					return err
				}
				m.Epoch++
				m.Version++
				if types[id] == "member.deactivated" {
					m.State = workspace.StateDeactivated
				}
				if err := tx.UpdateMember(m); err != nil {
					return err
				}
				seq, err := tx.NextSeq("member", id)
				if err != nil {
					return err
				}
				rows = append(rows, store.EventRow{
					SubjectType: "member", Subject: id, Seq: seq, ID: fmt.Sprintf("%d-%s-%d", gen, id, seq), Type: types[id],
					Leaver: endsAccess(types[id]), Leaf: n, At: workspace.Micros(100 * (n + 1)),
				})
			}
			return tx.InsertEvents(rows)
		})
	}
	end := func() store.RevocationPlace { return read(o.room, (*store.Reader).FeedEnd) }
	feed := func(after store.RevocationPlace, limit int) []store.RevocationRow {
		return read(o.room, func(rd *store.Reader) ([]store.RevocationRow, error) { return rd.Revocations(after, limit) })
	}
	stale := func(after store.RevocationPlace) {
		t.Helper()
		err := o.h.View(t.Context(), func(rd *store.Reader) error { _, err := rd.Revocations(after, 9); return err })
		if !errors.Is(err, workspace.ErrStale) {
			t.Errorf("%+v: %v", after, err)
		}
	}
	start := end()
	same(t, "empty", feed(start, 9), []store.RevocationRow{})
	leaf(1, map[string]string{"m1": "member.updated"}) // tells of no epoch
	leaf(1, map[string]string{"m1": "member.deactivated", "m2": "session.revoked"})
	leaf(1, map[string]string{"m2": "member.reactivated"})
	want := []store.RevocationRow{
		{Gen: 1, Leaf: 1, Member: "m1", Epoch: 3, State: "deactivated", At: 200},
		{Gen: 1, Leaf: 1, Member: "m2", Epoch: 2, State: "active", At: 200},
		{Gen: 1, Leaf: 2, Member: "m2", Epoch: 3, State: "active", At: 300},
	}
	same(t, "feed", feed(start, 9), want)
	same(t, "a page", feed(start, 1), want[:1])
	same(t, "the next", feed(store.RevocationPlace{Gen: 1, Leaf: 1, Member: "m1"}, 9), want[1:])
	same(t, "at the end", feed(end(), 9), []store.RevocationRow{})
	stale(store.RevocationPlace{Gen: 1, Leaf: 3})
	epochs := read(o.room, func(rd *store.Reader) ([]store.EpochRow, error) { return rd.Epochs("", 1) })
	same(t, "epochs", epochs, []store.EpochRow{{Member: "m1", Epoch: 3, State: "deactivated"}})
	epochs = read(o.room, func(rd *store.Reader) ([]store.EpochRow, error) { return rd.Epochs("m1", 9) })
	same(t, "more epochs", epochs, []store.EpochRow{{Member: "m2", Epoch: 3, State: "active"}})
	gone(o.room, func(rd *store.Reader) (store.EpochRow, error) { return rd.Epoch("m3") })
	o.update(func(tx *store.Tx) error { return tx.PruneRevocations(300) })
	stale(start)
	same(t, "after pruning", feed(store.RevocationPlace{Gen: 1, Leaf: 2}, 9), want[2:])
	before := end()
	leaf(2, map[string]string{"m1": "member.reactivated"}) // a restore
	stale(before)
	same(t, "a new generation", feed(store.RevocationPlace{Gen: 2, Leaf: -1}, 9), []store.RevocationRow{{
		Gen: 2, Leaf: 0, Member: "m1", Epoch: 4,
		State: "deactivated", At: 100,
	}})
}

func signingKeys(t *testing.T, s *store.Store) {
	for _, k := range []struct {
		kid string
		at  workspace.Micros
	}{{"k1", 1}, {"k1", 10}, {"k2", 20}} {
		if err := s.PutSigningKey(t.Context(), k.kid, []byte(`{"kid":"x"}`), k.at); err != nil {
			t.Fatal(err)
		}
	}
	for since, want := range map[workspace.Micros]int{0: 2, 10: 2, 11: 1, 21: 0} {
		keys, err := s.SigningKeys(t.Context(), since)
		if err != nil || len(keys) != want {
			t.Errorf("since %d: %+v, %v", since, keys, err)
		}
	}
}
