package admission

import (
	stdsync "sync"
	"time"
)

// Bucket is a token bucket. Its zero value is full at its first use; its owner
// guards it.
type Bucket struct {
	Level float64 // How many may be taken; below zero after more was taken than there was.
	at    time.Time
}

// Fill brings the level to now, at rate a second up to size.
func (b *Bucket) Fill(now time.Time, rate, size float64) {
	if b.at.IsZero() {
		b.Level = size
	} else if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.Level = min(size, b.Level+passed*rate)
	} else {
		return // The clock stood still or went back.
	}
	b.at = now
}

// Take takes n if there is at least one; the level may fall below zero, and
// what follows then waits longer. wait is when there will be one.
func (b *Bucket) Take(now time.Time, rate, size, n float64) (wait time.Duration, ok bool) {
	b.Fill(now, rate, size)
	if b.Level < 1 {
		return time.Duration((1 - b.Level) / rate * float64(time.Second)), false
	}
	b.Level -= n
	return 0, true
}

// maxNames bounds how many names are remembered.
const maxNames = 10_000

// Buckets holds one bucket for each name: an address (all addresses of one
// IPv6 network of 64 bits are one) or an id. It is safe for concurrent use.
type Buckets struct {
	rate, size float64

	mu  stdsync.Mutex
	all map[string]*Bucket // guarded by mu
}

// NewBuckets makes buckets that take rate a second steadily, and size at once.
func NewBuckets(rate, size float64) *Buckets {
	return &Buckets{rate: rate, size: size, all: map[string]*Bucket{}}
}

// Take takes one from the bucket of a name. wait is when there will be one.
func (a *Buckets) Take(name string, now time.Time) (wait time.Duration, ok bool) {
	name = neighbourhood(name)
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.all[name]
	if b == nil {
		if len(a.all) >= maxNames {
			a.forget(now)
		}
		b = &Bucket{}
		a.all[name] = b
	}
	return b.Take(now, a.rate, a.size, 1)
}

// forget drops the buckets that are full again, and some others if that is not
// enough: a flood of names costs no memory.
func (a *Buckets) forget(now time.Time) {
	for name, b := range a.all {
		if b.Fill(now, a.rate, a.size); b.Level >= a.size {
			delete(a.all, name)
		}
	}
	for name := range a.all {
		if len(a.all) < maxNames*9/10 {
			return
		}
		delete(a.all, name)
	}
}
