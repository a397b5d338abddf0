package workspace

import (
	"fmt"
	"strings"
	stdsync "sync"
	"time"
)

// Window is a weekly time in which expansions wait, by the wall clock of its
// zone. From and To are a weekday and a time, "fri 18:00"; a window may run
// over the end of the week. An empty Zone is the workspace's.
type Window struct {
	From string `yaml:"from" json:"from"`
	To   string `yaml:"to" json:"to"`
	Zone string `yaml:"zone" json:"zone,omitempty"`
}

const (
	minutesOfDay  = 24 * 60
	minutesOfWeek = 7 * minutesOfDay
)

var weekdays = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// minuteOfWeek reads "fri 18:00" as minutes since Sunday 00:00.
func minuteOfWeek(s string) (int, error) {
	day, clock, ok := strings.Cut(strings.ToLower(strings.TrimSpace(s)), " ")
	if ok {
		clock = strings.TrimSpace(clock)
		for i, name := range weekdays {
			if name != day || len(clock) != 5 || clock[2] != ':' {
				continue
			}
			h, hok := twoDigits(clock[:2])
			m, mok := twoDigits(clock[3:])
			if hok && mok && h < 24 && m < 60 {
				return i*minutesOfDay + h*60 + m, nil
			}
		}
	}
	return 0, fmt.Errorf("%q is no weekday and time: write it as \"fri 18:00\"", s)
}

func twoDigits(s string) (int, bool) {
	a, b := int(s[0])-'0', int(s[1])-'0'
	return a*10 + b, a >= 0 && a <= 9 && b >= 0 && b <= 9
}

// zones caches locations by name: loading one reads a file, and a freeze is
// looked up for every expansion.
var zones stdsync.Map // string -> *time.Location

func location(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if l, ok := zones.Load(name); ok {
		return l.(*time.Location), nil
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("unknown time zone %q: use an IANA name such as Europe/Oslo", name)
	}
	zones.Store(name, l)
	return l, nil
}

// holds reports whether a moment lies in the window. A window that cannot be
// read always holds: Policy.Validate refuses it, and a refused policy must
// not be the looser one.
func (w *Window) holds(now Micros, workspaceZone string) bool {
	from, err := minuteOfWeek(w.From)
	if err != nil {
		return true
	}
	to, err := minuteOfWeek(w.To)
	if err != nil {
		return true
	}
	zone := w.Zone
	if zone == "" {
		zone = workspaceZone
	}
	l, err := location(zone)
	if err != nil {
		return true
	}
	t := now.Time().In(l)
	at := int(t.Weekday())*minutesOfDay + t.Hour()*60 + t.Minute()
	length := (to - from + minutesOfWeek) % minutesOfWeek
	return (at-from+minutesOfWeek)%minutesOfWeek < length
}

// validate returns the problems of the i-th window of a policy.
func (w *Window) validate(i int) []error {
	var errs []error
	from, err := minuteOfWeek(w.From)
	if err != nil {
		errs = append(errs, fmt.Errorf("freeze[%d].from: %w", i, err))
	}
	to, errTo := minuteOfWeek(w.To)
	if errTo != nil {
		errs = append(errs, fmt.Errorf("freeze[%d].to: %w", i, errTo))
	}
	if err == nil && errTo == nil && from == to {
		errs = append(errs, fmt.Errorf("freeze[%d]: from and to are the same moment: give the window a length", i))
	}
	if _, err := location(w.Zone); err != nil {
		errs = append(errs, fmt.Errorf("freeze[%d].zone: %w", i, err))
	}
	return errs
}
