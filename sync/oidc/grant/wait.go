package grant

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxWait bounds what a server may ask us to wait for.
const maxWait = time.Hour

// Wait tells how long an answer asks us to wait (OD3): Retry-After in seconds,
// which may have a fraction, or as a date (RFC 9110 section 10.2.3), or
// X-Rate-Limit-Reset in Unix seconds. Dates are read by the answer's own Date,
// since two clocks differ. Without any of them it is otherwise.
func Wait(h http.Header, now time.Time, otherwise time.Duration) time.Duration {
	there := now
	if d, err := http.ParseTime(h.Get("Date")); err == nil {
		there = d
	}
	if text := strings.TrimSpace(h.Get("Retry-After")); text != "" {
		if s, err := strconv.ParseFloat(text, 64); err == nil {
			return clamp(s)
		}
		if at, err := http.ParseTime(text); err == nil {
			return clamp(at.Sub(there).Seconds())
		}
	}
	for _, name := range []string{"X-Rate-Limit-Reset", "RateLimit-Reset"} {
		s, err := strconv.ParseFloat(h.Get(name), 64)
		switch {
		case err != nil:
			continue
		case s > 1e9: // a moment
			return clamp(s - float64(there.UnixMilli())/1000)
		default: // a number of seconds
			return clamp(s)
		}
	}
	return otherwise
}

// clamp makes a wait of seconds: never below a second, since clocks are
// rounded, and never beyond maxWait.
func clamp(seconds float64) time.Duration {
	if math.IsNaN(seconds) || seconds < 1 {
		return time.Second
	}
	if seconds > maxWait.Seconds() {
		return maxWait
	}
	return time.Duration(seconds * float64(time.Second))
}
