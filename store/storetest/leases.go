package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
)

var leaseTests = []test{
	{"one holder (LE1)", oneHolder},
	{"take-over and fence (LE2)", takeOver},
	{"release (LE4)", release},
	{"many at once", manyAtOnce},
}

func acquire(t *testing.T, s *store.Store, name, holder string, ttl time.Duration) (store.Lease, bool) {
	t.Helper()
	l, ok, err := s.Acquire(t.Context(), name, holder, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return l, ok
}

func oneHolder(t *testing.T, s *store.Store) {
	l, ok := acquire(t, s, "poll/one", "a", time.Minute)
	if !ok || l.Token != 1 || l.Name != "poll/one" {
		t.Fatalf("first: %+v, %v", l, ok)
	}
	if _, ok := acquire(t, s, "poll/one", "b", time.Minute); ok {
		t.Error("two hold one lease")
	}
	if _, ok := acquire(t, s, "poll/one", "a", time.Minute); ok {
		t.Error("the holder's second replica process got it too")
	}
	if _, ok := acquire(t, s, "poll/two", "b", time.Minute); !ok {
		t.Error("another lease was not free")
	}
	if held, err := s.Renew(t.Context(), l, time.Minute); err != nil || !held {
		t.Errorf("renew: %v, %v", held, err)
	}
}

func takeOver(t *testing.T, s *store.Store) {
	r := newRoom(t, s)
	write := func(l store.Lease) error {
		return r.h.Update(t.Context(), store.UnitOptions{Lease: l.Name, Token: l.Token}, func(tx *store.Tx) error {
			return tx.PutCursor(store.CursorRow{Connection: "okta", Kind: "full", V: l.Token})
		})
	}
	old, ok := acquire(t, s, "poll/over", "a", time.Millisecond)
	if !ok {
		t.Fatal("the lease was not free")
	}
	if err := write(old); err != nil {
		t.Fatalf("holder: %v", err)
	}
	var next store.Lease
	for ok = false; !ok; time.Sleep(2 * time.Millisecond) {
		next, ok = acquire(t, s, "poll/over", "b", time.Minute)
	}
	if next.Token != old.Token+1 {
		t.Errorf("token %d after %d", next.Token, old.Token)
	}
	if err := write(old); !errors.Is(err, store.ErrFenced) {
		t.Errorf("the old holder wrote: %v", err)
	}
	if held, err := s.Renew(t.Context(), old, time.Minute); err != nil || held {
		t.Errorf("the old holder renewed: %v, %v", held, err)
	}
	if err := s.Release(t.Context(), old); err != nil {
		t.Errorf("release of a lost lease: %v", err)
	}
	if err := write(next); err != nil {
		t.Errorf("new holder: %v", err)
	}
	c := read(r, func(rd *store.Reader) (store.CursorRow, error) { return rd.Cursor("okta") })
	if c.V != next.Token {
		t.Errorf("cursor %d, want %d", c.V, next.Token)
	}
}

func release(t *testing.T, s *store.Store) {
	l, _ := acquire(t, s, "poll/release", "a", time.Minute)
	if err := s.Release(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	next, ok := acquire(t, s, "poll/release", "b", time.Minute)
	if !ok || next.Token != l.Token+1 {
		t.Errorf("after release: %+v, %v", next, ok)
	}
}

func manyAtOnce(t *testing.T, s *store.Store) {
	var won atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			_, ok, err := s.Acquire(t.Context(), "poll/many", fmt.Sprint(i), time.Minute)
			if err != nil {
				t.Error(err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 16 got the lease", won.Load())
	}
}
