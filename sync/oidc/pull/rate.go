package pull

import (
	"context"
	stdsync "sync"
	"time"
)

// Buckets are the rate buckets of hosts, one a host however many sources call
// it (OD3). The zero value is ready; it is safe for concurrent use.
type Buckets struct {
	mu stdsync.Mutex
	by map[string]*bucket
}

// of gives the bucket of a host; the first to ask sets the rate.
func (b *Buckets) of(host string, perSecond float64) *bucket {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.by == nil {
		b.by = map[string]*bucket{}
	}
	if b.by[host] == nil {
		b.by[host] = &bucket{rate: perSecond, burst: max(1, perSecond), level: max(1, perSecond)}
	}
	return b.by[host]
}

// bucket lets so many requests a second pass, a second's worth at once.
type bucket struct {
	mu          stdsync.Mutex
	rate, burst float64 // requests a second, requests at once
	level       float64 // requests that may pass now
	at          time.Time
	closed      time.Time // nothing passes until then
}

// take waits until a request may pass.
func (b *bucket) take(ctx context.Context, now func() time.Time, pause func(context.Context, time.Duration) error) error {
	for {
		wait := b.reserve(now())
		if wait <= 0 {
			return ctx.Err()
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// shut gives the moment until which the host wants no request; zero or past:
// it takes them.
func (b *bucket) shut() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// reserve takes a place, or tells how long to wait for one.
func (b *bucket) reserve(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.closed) {
		return b.closed.Sub(now)
	}
	if !b.at.IsZero() && now.After(b.at) {
		b.level = min(b.burst, b.level+now.Sub(b.at).Seconds()*b.rate)
	}
	b.at = now
	if b.level >= 1 {
		b.level--
		return 0
	}
	return max(time.Millisecond, time.Duration((1-b.level)/b.rate*float64(time.Second)))
}

// close lets nothing pass until a moment that the host has named.
func (b *bucket) close(until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(b.closed) {
		b.closed = until
	}
}

// learn lowers the rate to half of what the host says is its limit.
func (b *bucket) learn(perMinute float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if half := perMinute / 60 / 2; half > 0 && half < b.rate {
		b.rate, b.burst = half, max(1, half)
		b.level = min(b.level, b.burst)
	}
}
