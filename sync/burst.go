package sync

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Burst is the limit of people whom a connection ends by an explicit no within
// a short window.
type Burst struct {
	Limit
	// Window is how long people count; an hour by default.
	Window time.Duration
	// Access says what a burst does with the access of those who are ended.
	Access BurstAccess
}

// BurstAccess says what becomes of access in a burst (BR8).
type BurstAccess string

// The values of burst.access.
const (
	BurstEnd  BurstAccess = "end"  // access ends at once, and only tails wait
	BurstHold BurstAccess = "hold" // access stays until a person decides
)

// errBurst tells how the key is written.
var errBurst = errors.New("is no limit: write off, a number of people, or {min: 10, percent: 30, window: 1h, access: end}")

// UnmarshalYAML reads off, a number of people, or {min, percent, max, window,
// access}, of which those left out keep what they were.
func (b *Burst) UnmarshalYAML(unmarshal func(any) error) error {
	var word string
	if unmarshal(&word) == nil {
		if b.Limit.UnmarshalYAML(unmarshal) != nil {
			return errBurst
		}
		return nil
	}
	keys := struct {
		Min     int         `yaml:"min"`
		Percent int         `yaml:"percent"`
		Max     int         `yaml:"max"`
		Window  string      `yaml:"window"`
		Access  BurstAccess `yaml:"access"`
	}{b.Min, b.Percent, b.Max, b.Window.String(), b.Access}
	if err := unmarshal(&keys); err != nil {
		return errBurst
	}
	window, err := time.ParseDuration(keys.Window)
	if err != nil || window < time.Minute || window > 24*time.Hour {
		return fmt.Errorf("window is %q: write a time from 1m to 24h", keys.Window)
	}
	if keys.Access != BurstEnd && keys.Access != BurstHold {
		return fmt.Errorf("access is %q: write end or hold", keys.Access)
	}
	*b = Burst{Limit: Limit{Min: keys.Min, Percent: keys.Percent, Max: keys.Max}, Window: window, Access: keys.Access}
	return nil
}

// holds reports whether the connection's bursts leave access as it is.
func (b *Burst) holds() bool { return b.Access == BurstHold && !b.Off }

// window gives how long people count for the burst.
func (b *Burst) window() workspace.Micros {
	if b.Window == 0 {
		return workspace.Micros(time.Hour.Microseconds())
	}
	return workspace.Micros(b.Window.Microseconds())
}

// brakeCounter counts the distinct subjects of a limit since a moment.
type brakeCounter interface {
	BrakeCount(connection, name string, since workspace.Micros) (int, error)
}

// trips measures leavers against the limit, with those who left before within
// the window; nil if it is not passed.
func (b *Burst) trips(r brakeCounter, connection string, leavers, base int, now workspace.Micros) (*trip, error) {
	limit, on := b.Of(base)
	if !on {
		return nil, nil
	}
	past, err := r.BrakeCount(connection, brakeTails, now-b.window())
	if err != nil || past+leavers <= limit {
		return nil, err
	}
	window := time.Duration(b.window()) * time.Microsecond
	return &trip{
		limit: BrakeLimit{Name: brakeBurst, Window: window.String(), Limit: limit, Seen: past + leavers, Base: base},
		why:   fmt.Sprintf("%d people left within %s, the limit is %d of %d", past+leavers, window, limit, base),
	}, nil
}

// holdsAccess reports whether the access of this unit's explicit leavers waits
// for a person, which the connection's burst.access allows (BR8).
func (u *unit) holdsAccess() (bool, error) {
	burst := u.brake().Burst
	if !burst.holds() || !u.metered() {
		return false, nil
	}
	t, err := burst.trips(u.tx, u.conn.ID, u.leavers, u.base, u.now)
	if err != nil || t == nil {
		return false, err
	}
	u.limits = append(u.limits, t.limit)
	held := map[Part]*BrakeHold{PartAccess: t.accessHold()}
	maps.Copy(held, u.b.Held)
	u.b.Held = held
	return true, nil
}

// accessHold holds access that an explicit no should end: it says so.
func (t *trip) accessHold() *BrakeHold {
	return &BrakeHold{Rule: t.rule(), Why: t.why + ": their access STANDS until a person decides (burst.access: hold)"}
}

// brakeBurst holds all that a connection gives while more people leave by it
// than the limit of bursts allows. Who comes back is not held: a wrong cut is
// undone at once (BU3), nor anything while the connection settles: who sets it
// up makes people and deletes them again (VW13).
func (u *unit) brakeBurst() error {
	gives, back := false, map[string]bool{}
	for i := range u.plan {
		gives = gives || u.plan[i].gives()
		back[u.plan[i].person] = back[u.plan[i].person] || u.plan[i].Kind == workspace.MemberReactivate
	}
	if !gives {
		return nil
	}
	hold := u.b.Held[partGains]
	if hold == nil {
		if !u.metered() || u.unsettled() {
			return nil
		}
		burst := u.brake().Burst
		t, err := burst.trips(u.tx, u.conn.ID, u.leavers, u.base, u.now)
		if err != nil || t == nil {
			return err
		}
		u.limits = append(u.limits, t.limit)
		hold = &BrakeHold{Rule: t.rule(), Why: t.why + ": what this connection gives waits meanwhile"}
	}
	return u.holdItems(partGains, hold, func(p *planned) bool { return p.gives() && !back[p.person] && p.ruling == nil })
}

// gives reports whether the item gives somebody something.
func (p *planned) gives() bool {
	return p.Kind != "" && p.Direction() == workspace.Expansion && p.Cause.Leaver == "" && p.Kind != workspace.MemberReactivate && p.Kind != workspace.MemberRelease
}
