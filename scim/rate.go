package scim

import (
	"net/http"
	"net/netip"
	stdsync "sync"
	"time"
)

// The rates of scim section 11 and reliability section 8. A bucket holds two
// seconds of its rate: a client that sends evenly never waits.
const (
	defaultRate = 50 // Requests a second of one connection, for each of two buckets.
	burstOf     = 2  // Seconds of the rate that a full bucket holds.

	failedPerMinute = 20 // Wrong tokens of one address.
	openRate        = 5  // Discovery without a token, a second, of one address.
	openBurst       = 50

	// maxAddresses bounds how many addresses are remembered.
	maxAddresses = 10_000
)

// bucket is a token bucket. Its zero value is full at its first use; its owner
// guards it.
type bucket struct {
	level float64
	at    time.Time
}

// fill brings the level to now.
func (b *bucket) fill(now time.Time, rate, size float64) {
	if b.at.IsZero() {
		b.level = size
	} else if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.level = min(size, b.level+passed*rate)
	} else {
		return // The clock stood still or went back.
	}
	b.at = now
}

// take takes n if there is at least one; the level may fall below zero, and
// what follows then waits longer. wait is when there will be one.
func (b *bucket) take(now time.Time, rate, size, n float64) (wait time.Duration, ok bool) {
	b.fill(now, rate, size)
	if b.level < 1 {
		return time.Duration((1 - b.level) / rate * float64(time.Second)), false
	}
	b.level -= n
	return 0, true
}

// limiter holds the two buckets of a connection: reads and creations, and
// changes, so that an import cannot delay changes of groups. It is safe for
// concurrent use.
type limiter struct {
	rate float64

	mu      stdsync.Mutex
	reads   bucket // guarded by mu
	changes bucket // guarded by mu
}

// take takes one request of each kind out of its bucket, or none at all.
func (l *limiter) take(now time.Time, reads, changes int) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := l.rate * burstOf
	l.reads.fill(now, l.rate, size)
	l.changes.fill(now, l.rate, size)
	if changes > 0 && reads > 0 && l.changes.level < 1 {
		return l.changes.take(now, l.rate, size, 0)
	}
	if reads > 0 {
		if wait, ok = l.reads.take(now, l.rate, size, float64(reads)); !ok {
			return wait, false
		}
	}
	if changes > 0 {
		return l.changes.take(now, l.rate, size, float64(changes))
	}
	return 0, true
}

// isChange says which bucket a method counts in.
func isChange(method string) bool {
	return method == http.MethodPut || method == http.MethodPatch || method == http.MethodDelete
}

// withinRate refuses requests above the connection's rate, but never one that
// ends somebody's access (leaver lane).
func (x *exchange) withinRate() error {
	reads, changes := 1, 0
	if isChange(x.r.Method) {
		reads, changes = 0, 1
	}
	if x.route.endpoint == endpointBulk && x.r.Method == http.MethodPost {
		return nil // Each of its operations counts.
	}
	wait, ok := x.link.limit.take(x.start, reads, changes)
	if ok || x.route.endpoint == endpointUsers && x.leaves() {
		return nil
	}
	return x.tooFast(wait)
}

func (x *exchange) tooFast(wait time.Duration) error {
	return errTooManyRequests(wait, "more than %.0f requests a second come over this connection. Remedy: send again after the seconds in Retry-After, or raise rate of the connection", x.link.limit.rate)
}

// leaves reports whether a request on Users ends somebody's access. The body is
// kept for whoever reads it next.
func (x *exchange) leaves() bool {
	switch x.r.Method {
	case http.MethodDelete:
		return true
	case http.MethodPut, http.MethodPatch:
		body, err := x.body(x.h.userBody)
		if err != nil {
			return false
		}
		x.kept = body
		return x.link.leavingBody(x.r.Method, body)
	}
	return false
}

// leavingBody reports whether the body of a PUT or PATCH on a User ends access.
func (l *link) leavingBody(method string, body []byte) bool {
	if method == http.MethodPut {
		return LeavingBody(body, l.user, l.profile)
	}
	return leavingPatch(body, l.user, l.profile) != nil
}

// addressBuckets holds one bucket for each address, of one purpose. The zero
// value is empty; it is safe for concurrent use.
type addressBuckets struct {
	mu  stdsync.Mutex
	all map[string]*bucket // guarded by mu
}

// take takes one from the bucket of an address.
func (a *addressBuckets) take(address string, now time.Time, rate, size float64) (wait time.Duration, ok bool) {
	address = neighbourhood(address)
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.all[address]
	if b == nil {
		if len(a.all) >= maxAddresses {
			a.forget(now, rate, size)
		}
		if a.all == nil {
			a.all = make(map[string]*bucket)
		}
		b = &bucket{}
		a.all[address] = b
	}
	return b.take(now, rate, size, 1)
}

// forget drops the buckets that are full again, and some others if that is not
// enough: a flood of addresses costs no memory.
func (a *addressBuckets) forget(now time.Time, rate, size float64) {
	for address, b := range a.all {
		if b.fill(now, rate, size); b.level >= size {
			delete(a.all, address)
		}
	}
	for address := range a.all {
		if len(a.all) < maxAddresses*9/10 {
			return
		}
		delete(a.all, address)
	}
}

// neighbourhood is what counts as one address: an IPv4 address, or the network
// of 64 bits that one IPv6 subscriber has.
func neighbourhood(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Unmap().Is4() {
		return address
	}
	network, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return network.String()
}

// wrongToken is the answer to a token that is not good: 401, and 429 for an
// address that has sent too many. Good tokens from there still pass.
func (x *exchange) wrongToken() error {
	wait, ok := x.h.failed.take(x.ip, x.start, failedPerMinute/60.0, failedPerMinute)
	if ok {
		return errUnauthorized()
	}
	return errTooManyRequests(wait, "too many wrong tokens come from this address. Remedy: enter a good token; those are never refused for this")
}

// openly bounds discovery without a token.
func (x *exchange) openly() error {
	if wait, ok := x.h.open.take(x.ip, x.start, openRate, openBurst); !ok {
		return errTooManyRequests(wait, "too many requests without a token come from this address. Remedy: send the token of a connection, or come back later")
	}
	return nil
}
