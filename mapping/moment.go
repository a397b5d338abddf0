package mapping

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// moment is a time as a directory or a file states it. A date without a time
// is the whole day from start to end; with a time both are the same.
type moment struct {
	start, end workspace.Micros
}

// parseMoment reads an RFC 3339 time, a time without offset (taken in zone),
// or a date.
func parseMoment(s string, zone *time.Location) (moment, error) {
	s = strings.TrimSpace(s)
	if d, err := time.ParseInLocation(time.DateOnly, s, zone); err == nil {
		// The day after is found in calendar terms: a day of a clock change
		// has 23 or 25 hours.
		return moment{workspace.At(d), workspace.At(d.AddDate(0, 0, 1))}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return moment{workspace.At(t), workspace.At(t)}, nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return moment{workspace.At(t), workspace.At(t)}, nil
		}
	}
	return moment{}, fmt.Errorf("%q is neither a date (2027-01-31) nor a time (2027-01-31T17:00:00Z)", s)
}

// parseSpan reads a length of time: whole days (`14d`), weeks (`2w`) or hours
// (`36h`).
func parseSpan(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is not a length of time: write days, weeks or hours, like 14d, 2w, 36h", s)
	if len(s) < 2 {
		return 0, bad
	}
	n, err := strconv.Atoi(s[:len(s)-1])
	if err != nil || n < 1 || n > 36500 || s[0] == '+' {
		return 0, bad
	}
	switch s[len(s)-1] {
	case 'h':
		return time.Duration(n) * time.Hour, nil
	case 'd':
		return time.Duration(n) * 24 * time.Hour, nil
	case 'w':
		if n > 5200 {
			return 0, bad
		}
		return time.Duration(n) * 7 * 24 * time.Hour, nil
	}
	return 0, bad
}

// endOfDay is the end of the day that lies span after now, in zone.
func endOfDay(now workspace.Micros, span time.Duration, zone *time.Location) workspace.Micros {
	// Days are those of the calendar, which may have 23 or 25 hours.
	t := now.Time().In(zone).AddDate(0, 0, int(span/(24*time.Hour))).Add(span % (24 * time.Hour))
	return workspace.At(time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, zone))
}
