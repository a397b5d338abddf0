package api

import (
	stdsync "sync"
	"time"
)

// maxBuckets bounds the memory for callers; a full table is emptied, which
// forgives and never blocks.
const maxBuckets = 8192

// buckets are token buckets by name: rate a second, burst at once. They are
// safe for concurrent use.
type buckets struct {
	rate, burst float64

	mu  stdsync.Mutex
	all map[string]bucket // guarded by mu
}

type bucket struct {
	left float64
	at   time.Time
}

func newBuckets(rate, burst float64) *buckets {
	return &buckets{rate: rate, burst: burst, all: map[string]bucket{}}
}

// take takes one from a bucket; false if it is empty.
func (b *buckets) take(name string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.all) >= maxBuckets {
		clear(b.all)
	}
	k, ok := b.all[name]
	if !ok {
		k = bucket{left: b.burst, at: now}
	}
	if passed := now.Sub(k.at).Seconds(); passed > 0 {
		k.left, k.at = min(b.burst, k.left+passed*b.rate), now
	}
	full := k.left >= 1
	if full {
		k.left--
	}
	b.all[name] = k
	return full
}

// wait is when one more will be there.
func (b *buckets) wait() time.Duration {
	return max(time.Second, time.Duration(float64(time.Second)/b.rate))
}
