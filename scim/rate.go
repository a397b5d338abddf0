package scim

import (
	"math"
	"net/http"
	stdsync "sync"
	"time"

	"github.com/rollcall-sync/rollcall/internal/admission"
)

// The rates of scim section 11 and reliability section 8. A bucket holds two
// seconds of its rate: a client that sends evenly never waits.
const (
	defaultRate = 50 // Requests a second of one connection, for each of two buckets.
	floorRate   = 25 // Of these each connection has its own, whatever the others of its workspace send (MV05).
	sharedRate  = 200
	burstOf     = 2 // Seconds of the rate that a full bucket holds.

	failedPerMinute = 20 // Wrong tokens of one address.
	openRate        = 5  // Discovery without a token, a second, of one address.
	openBurst       = 50
)

// limiter holds the two buckets of a connection: reads and creations, and
// changes, so that an import cannot delay changes of groups; and its floor,
// which no other connection can use up. It is safe for concurrent use.
type limiter struct {
	rate   float64
	shared *ceiling // the workspace's; nil has none

	mu      stdsync.Mutex
	reads   admission.Bucket // guarded by mu
	changes admission.Bucket // guarded by mu
	floor   admission.Bucket // guarded by mu
}

// take takes so many requests of each kind out of their buckets, or none at
// all. Of several there must be one of each kind; what is more than there is
// makes those that follow wait longer.
func (l *limiter) take(now time.Time, reads, changes int) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := l.rate * burstOf
	l.reads.Fill(now, l.rate, size)
	l.changes.Fill(now, l.rate, size)
	if reads > 0 && l.reads.Level < 1 {
		return l.reads.Take(now, l.rate, size, 0)
	}
	if changes > 0 && l.changes.Level < 1 {
		return l.changes.Take(now, l.rate, size, 0)
	}
	if wait, ok = l.withinWorkspace(now, float64(reads+changes)); ok {
		l.reads.Level -= float64(reads)
		l.changes.Level -= float64(changes)
	}
	return wait, ok
}

// withinWorkspace takes n requests from the connection's own floor as far as
// that goes, and the rest from what the workspace's connections share. Its
// caller holds mu.
func (l *limiter) withinWorkspace(now time.Time, n float64) (wait time.Duration, ok bool) {
	if l.shared == nil {
		return 0, true
	}
	l.floor.Fill(now, floorRate, floorRate*burstOf)
	own := min(n, math.Floor(max(l.floor.Level, 0)))
	if own == n {
		l.floor.Level -= n
		return 0, true
	}
	if wait, ok = l.shared.take(now, n-own); ok {
		l.floor.Level -= own
		return 0, true
	}
	if mine, ok := l.floor.Take(now, floorRate, floorRate*burstOf, n); ok {
		return 0, true
	} else if mine < wait {
		wait = mine
	}
	return wait, false
}

// ceiling is what the connections of one workspace may send together beyond
// the floor of each, so that a workspace with many of them does not take the
// store from the others (FT13). It is safe for concurrent use.
type ceiling struct {
	mu     stdsync.Mutex
	rate   float64          // guarded by mu
	bucket admission.Bucket // guarded by mu
}

// take takes n, or none if there is not one; wait is when there will be.
func (c *ceiling) take(now time.Time, n float64) (wait time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bucket.Take(now, c.rate, c.rate*burstOf, n)
}

// ceiling finds or makes the ceiling of a workspace. Its connections state the
// same rate; if they do not, the largest counts.
func (h *Handler) ceiling(workspaceID string, rate float64) *ceiling {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.ceilings[workspaceID]
	if c == nil {
		c = &ceiling{}
		h.ceilings[workspaceID] = c
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rate = max(c.rate, rate)
	return c
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
	return errTooManyRequests(wait, "more than %.0f requests a second come over this connection, or too many over all of its workspace. "+
		"Remedy: send again after the seconds in Retry-After, or raise rate of the connection or of the workspace", x.link.limit.rate)
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

// wrongToken is the answer to a token that is not good: 401, and 429 for an
// address that has sent too many. Good tokens from there still pass.
func (x *exchange) wrongToken() error {
	wait, ok := x.h.failed.Take(x.ip, x.start)
	if ok {
		return errUnauthorized()
	}
	return errTooManyRequests(wait, "too many wrong tokens come from this address. Remedy: enter a good token; those are never refused for this")
}

// openly bounds discovery without a token.
func (x *exchange) openly() error {
	if wait, ok := x.h.open.Take(x.ip, x.start); !ok {
		return errTooManyRequests(wait, "too many requests without a token come from this address. Remedy: send the token of a connection, or come back later")
	}
	return nil
}
