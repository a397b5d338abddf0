package events

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// steps are the waits after the first tries that failed; lastStep is the wait
// after all later ones (OB11).
var steps = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour}

const (
	lastStep = 12 * time.Hour
	jitter   = 0.2
	// deadAfter is when an ordinary event is given up (OB9).
	deadAfter = 72 * time.Hour
	// alarmTries is from which failed try on people are told (OB8, F19).
	alarmTries = 3
	// How long a receiver may ask us to wait (OB8).
	maxRetryAfter       = time.Hour
	maxLeaverRetryAfter = time.Minute
)

// backoff is the wait after a number of failed tries, give or take 20 %;
// random is in [0, 1).
func backoff(tries int, random float64) time.Duration {
	wait := lastStep
	if tries >= 1 && tries <= len(steps) {
		wait = steps[tries-1]
	}
	return time.Duration(float64(wait) * (1 - jitter + 2*jitter*random))
}

// wait is how long to leave a line alone after a failed try.
func wait(tries int, r *result, leaver bool) time.Duration {
	if r.retryAfter <= 0 {
		return backoff(tries, rand.Float64())
	}
	if leaver {
		return min(r.retryAfter, maxLeaverRetryAfter)
	}
	return min(r.retryAfter, maxRetryAfter)
}

// retryAfter reads the header of 429 and 503: seconds or a date (RFC 9110
// 10.2.3); zero if there is none to obey.
func retryAfter(res *http.Response, now time.Time) time.Duration {
	if res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	text := strings.TrimSpace(res.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return max(time.Duration(seconds)*time.Second, time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), time.Second)
	}
	return 0
}
