package scim

import (
	"net/http"
	stdsync "sync"
	"time"

	"github.com/rollcall-sync/rollcall/internal/admission"
)

// The rates of scim section 11 and reliability section 8. A bucket holds two
// seconds of its rate: a client that sends evenly never waits.
const (
	defaultRate = 50 // Requests a second of one connection, for each of two buckets.
	burstOf     = 2  // Seconds of the rate that a full bucket holds.

	failedPerMinute = 20 // Wrong tokens of one address.
	openRate        = 5  // Discovery without a token, a second, of one address.
	openBurst       = 50
)

// limiter holds the two buckets of a connection: reads and creations, and
// changes, so that an import cannot delay changes of groups. It is safe for
// concurrent use.
type limiter struct {
	rate float64

	mu      stdsync.Mutex
	reads   admission.Bucket // guarded by mu
	changes admission.Bucket // guarded by mu
}

// take takes one request of each kind out of its bucket, or none at all.
func (l *limiter) take(now time.Time, reads, changes int) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := l.rate * burstOf
	l.reads.Fill(now, l.rate, size)
	l.changes.Fill(now, l.rate, size)
	if changes > 0 && reads > 0 && l.changes.Level < 1 {
		return l.changes.Take(now, l.rate, size, 0)
	}
	if reads > 0 {
		if wait, ok = l.reads.Take(now, l.rate, size, float64(reads)); !ok {
			return wait, false
		}
	}
	if changes > 0 {
		return l.changes.Take(now, l.rate, size, float64(changes))
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
