package store

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestFence is LE5 shortened: replicas whose pauses outlast their leases
// write with the fence, with a plain SELECT instead, and without any check. A
// write is stale when, at its end, somebody else holds the lease already.
// Without the fence the test must see stale writes, or it is blind.
func TestFence(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, s *Store) {
		h := newWorkspace(t, s)
		_, lite := s.engine.(*liteEngine)
		for _, c := range []struct {
			check  string
			stale  bool
			leases int64
		}{
			{"fence", false, 120},
			{"plain", !lite, 0}, // BEGIN IMMEDIATE is the lock on SQLite
			{"none", true, 0},
		} {
			t.Run(c.check, func(t *testing.T) {
				stale, leases := race(t, s, h, c.check, func(stale, leases int64) bool {
					if c.stale {
						return stale > 0
					}
					return leases >= max(c.leases, 60)
				})
				t.Logf("%d stale writes in %d leases", stale, leases)
				if (stale > 0) != c.stale {
					t.Errorf("stale writes: %d, want some: %v", stale, c.stale)
				}
			})
		}
	})
}

// race lets 4 replicas fight for a lease until enough was seen.
func race(t *testing.T, s *Store, h *Handle, check string, enough func(stale, leases int64) bool) (int64, int64) {
	const ttl = 15 * time.Millisecond
	name := "poll/" + check
	var stale, leases atomic.Int64
	deadline := time.Now().Add(20 * time.Second)
	pause := func(atMost time.Duration) { time.Sleep(time.Duration(rand.Int64N(int64(atMost)))) }
	replica := func(holder string) error {
		for !enough(stale.Load(), leases.Load()) && time.Now().Before(deadline) {
			l, ok, err := s.Acquire(t.Context(), name, holder, ttl)
			if err != nil {
				return err
			}
			if !ok {
				pause(5 * time.Millisecond)
				continue
			}
			leases.Add(1)
			pause(2 * ttl)
			opt := UnitOptions{}
			if check == "fence" {
				opt.Lease, opt.Token = l.Name, l.Token
			}
			var late bool
			err = h.Update(t.Context(), opt, func(tx *Tx) error {
				late = false
				if check == "plain" {
					var token int64
					if err := tx.row(`SELECT token FROM lease WHERE name = ? AND token = ?`, l.Name, l.Token).Scan(&token); err != nil {
						return ErrFenced
					}
				}
				pause(2 * ttl)
				var now int64
				if err := tx.row(`SELECT token FROM lease WHERE name = ?`, l.Name).Scan(&now); err != nil {
					return err
				}
				late = now != l.Token
				return tx.PutCursor(CursorRow{Connection: "okta", Kind: "full", V: l.Token})
			})
			switch {
			case err == nil && late:
				stale.Add(1)
			case err != nil && !errors.Is(err, ErrFenced):
				return err
			}
		}
		return nil
	}
	var wg sync.WaitGroup
	for _, holder := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			if err := replica(holder); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return stale.Load(), leases.Load()
}
