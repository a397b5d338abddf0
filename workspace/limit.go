package workspace

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limit is an upper bound of the customer's policy: a count, 0 for "none
// allowed", or off. The zero value is off. A text that is neither is kept
// and reported by Policy.Validate, so that all problems of a file come
// together.
type Limit struct {
	on   bool
	n    int
	text string // as written, when it could not be read
}

// LimitOf returns the limit of n; n must not be negative.
func LimitOf(n int) Limit { return Limit{on: true, n: n} }

// Get returns the limit and whether there is one.
func (l Limit) Get() (n int, on bool) { return l.n, l.on }

// Exceeded reports whether a count is above the limit.
func (l Limit) Exceeded(count int) bool { return l.on && count > l.n }

// String returns the number, or "off".
func (l Limit) String() string {
	if !l.on {
		return "off"
	}
	return strconv.Itoa(l.n)
}

// MarshalText implements encoding.TextMarshaler.
func (l Limit) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads a count or "off". It never fails: what it cannot read
// becomes a limit of 0, the strictest, and a problem of Policy.Validate.
func (l *Limit) UnmarshalText(b []byte) error {
	s := strings.TrimSpace(string(b))
	*l = Limit{}
	switch s {
	case "", "off", "null", "~", "false":
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		*l = Limit{on: true, text: s}
		return nil
	}
	*l = LimitOf(n)
	return nil
}

// Span is a length of time written as "90d", "12h" or "30m"; days have 24
// hours. The zero value is no time at all. A text that cannot be read is
// kept and reported by Policy.Validate.
type Span struct {
	d    time.Duration
	text string
}

// SpanOf returns the span of a duration.
func SpanOf(d time.Duration) Span { return Span{d: d} }

// Duration returns the span's length.
func (s Span) Duration() time.Duration { return s.d }

// String writes whole days as "90d" and everything else as Go durations.
func (s Span) String() string {
	const day = 24 * time.Hour
	if s.d != 0 && s.d%day == 0 {
		return strconv.FormatInt(int64(s.d/day), 10) + "d"
	}
	return s.d.String()
}

// MarshalText implements encoding.TextMarshaler.
func (s Span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads "90d" or a Go duration. It never fails, as Limit's.
func (s *Span) UnmarshalText(b []byte) error {
	d, err := parseSpan(strings.TrimSpace(string(b)))
	if err != nil {
		*s = Span{text: string(b)}
		return nil
	}
	*s = Span{d: d}
	return nil
}

func parseSpan(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return 0, fmt.Errorf("%q is no number of days from 0 to 36500", text)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no length of time", text)
	}
	return d, nil
}
