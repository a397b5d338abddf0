package sync

import (
	"slices"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// WayKind is how the end of somebody's account reaches us.
type WayKind string

// The ways to a revoke (sources 9.6), best first.
const (
	WayPush     WayKind = "scim_push"
	WaySignal   WayKind = "signal" // ends sessions and starts a targeted read
	WayLDAP     WayKind = "ldap_poll"
	WayPull     WayKind = "directory_pull"
	WayLiveness WayKind = "liveness" // ends sessions
	WaySignIn   WayKind = "sign_in"  // nothing but the end of the session
)

// Way is one way by which the end of a member's access would reach us.
type Way struct {
	Kind       WayKind `json:"kind" enum:"scim_push,signal,ldap_poll,directory_pull,liveness,sign_in"`
	Connection string  `json:"connection"`
	// Expected and Worst are in seconds, from the event at the directory; zero:
	// nobody states it.
	Expected int64 `json:"expected_seconds"`
	Worst    int64 `json:"worst_seconds"`
	// Measured is what it took lately at this connection.
	Measured Measured `json:"measured"`
}

// Measured are the last 30 days of a connection's leavers.
type Measured struct {
	Upstream Quantiles `json:"upstream"` // T2-T0: event to end of access, where the directory states the event
	Revoke   Quantiles `json:"revoke"`   // T2-T1: seen to end of access
	Verify   Quantiles `json:"verify"`   // T4-T2: until it was read back everywhere
}

// Ways are a member's ways to a revoke.
type Ways struct {
	Member string `json:"member" doc:"member id"`
	Ways   []Way  `json:"ways"`
	// None: nobody tells us when this person's job ends, but for the end of
	// their session.
	None bool `json:"no_path" doc:"no deprovisioning path: nobody tells when this person's job ends"`
	// Why says who is meant to have none, "" for everybody else.
	Why string `json:"why,omitempty"`
}

// pushes are what is known of the clients that push (PR4). Of others nobody
// states how long they take.
var pushes = map[string][2]time.Duration{
	"okta":  {30 * time.Second, 5 * time.Minute},
	"entra": {40 * time.Minute, 80 * time.Minute}, // its cycle, and one that fails
}

// ways is what a connection brings for a person of whom it has a record.
func (c Connection) ways() []Way {
	of := func(kind WayKind, expected, worst time.Duration) Way {
		return Way{Kind: kind, Connection: c.ID, Expected: int64(expected.Seconds()), Worst: int64(worst.Seconds())}
	}
	var out []Way
	switch {
	case c.Mode == ModeObserve, c.Kind == "api":
		return nil
	case c.Kind == "scim":
		return []Way{of(WayPush, pushes[c.Profile][0], pushes[c.Profile][1])}
	case c.Kind == "ldap":
		return []Way{of(WayLDAP, c.Every, max(c.Every, c.Worst))}
	case c.Signals:
		worst := c.SignIn.Every
		if c.Reads {
			worst = max(c.Every, c.Worst)
		}
		out = append(out, of(WaySignal, 10*time.Second, worst)) // if it is lost, the next poll or question
	}
	if c.Reads {
		out = append(out, of(WayPull, c.Every, max(2*c.Every, c.Worst)))
	}
	return out
}

// Directories lists the connections of a workspace that state who exists, and
// whose word counts.
func (e *Engine) Directories(id string) ([]string, error) {
	s, _, err := e.space(id, "")
	if err != nil {
		return nil, err
	}
	ids := []string{}
	for _, name := range sortedKeys(s.conns) {
		if c := s.conns[name]; c.directory() && c.Mode != ModeObserve {
			ids = append(ids, name)
		}
	}
	return ids, nil
}

// Ways tells the ways to a revoke of a member, best first, with what they
// took lately. It gives workspace.ErrNotFound for nobody.
func (e *Engine) Ways(r *store.Reader, id, member string) (Ways, error) {
	s, _, err := e.space(id, "")
	if err != nil {
		return Ways{}, err
	}
	m, err := r.Member(member)
	if err != nil {
		return Ways{}, err
	}
	w := Ways{Member: m.ID, Ways: []Way{}}
	records, err := r.IdentitiesOf(m.ID, false)
	if err != nil {
		return w, err
	}
	asked, err := r.LiveGrants(m.ID)
	if err != nil {
		return w, err
	}
	seen := map[string]bool{}
	for i := range records {
		c := s.conns[records[i].Connection]
		if c.ID == "" || seen[c.ID] {
			continue
		}
		seen[c.ID] = true
		w.Ways = append(w.Ways, c.ways()...)
		if c.Kind == "oidc" && !slices.Contains(asked, c.ID) {
			life := max(c.SignIn.Lifetime, 0)
			if life == 0 {
				life = defaultLifetime
			}
			w.Ways = append(w.Ways, Way{Kind: WaySignIn, Connection: c.ID, Expected: int64(life.Seconds()), Worst: int64(life.Seconds())})
		}
	}
	for _, connection := range asked {
		if every := s.conns[connection].SignIn.Every; every > 0 {
			w.Ways = append(w.Ways, Way{Kind: WayLiveness, Connection: connection, Expected: int64(every.Seconds()), Worst: int64(2 * every.Seconds())})
		}
	}
	order := []WayKind{WayPush, WaySignal, WayLDAP, WayPull, WayLiveness, WaySignIn}
	slices.SortStableFunc(w.Ways, func(a, b Way) int { return slices.Index(order, a.Kind) - slices.Index(order, b.Kind) })
	measured := map[string]Measured{}
	for i := range w.Ways {
		way := &w.Ways[i]
		if _, known := measured[way.Connection]; !known {
			if measured[way.Connection], err = e.measured(r, way.Connection); err != nil {
				return w, err
			}
		}
		if way.Kind != WaySignIn {
			way.Measured = measured[way.Connection]
		}
	}
	switch {
	case m.State != workspace.StateActive:
		w.Why = "access has ended"
	case m.BreakGlass:
		w.Why = "a break-glass Owner is in no directory on purpose (O5)"
	default:
		w.None = !slices.ContainsFunc(w.Ways, func(x Way) bool { return x.Kind != WaySignIn })
	}
	return w, nil
}

// wayRows bounds what is looked at for a connection's times: the newest count.
const wayRows = 1000

// measured are the times of a connection's leavers.
func (e *Engine) measured(r *store.Reader, connection string) (Measured, error) {
	rows, err := r.LeaversOf(connection, workspace.At(e.now())-speedWindow, wayRows)
	if err != nil {
		return Measured{}, err
	}
	var upstream, revoke, verify []workspace.Micros
	for i := range rows {
		v := &rows[i]
		revoke = append(revoke, v.T2-v.T1)
		if v.T0 > 0 && v.T0 <= v.T1 { // another clock: never subtracted when it lies after T1 (PR2)
			upstream = append(upstream, v.T2-v.T0)
		}
		if v.T4 > 0 {
			verify = append(verify, v.T4-v.T2)
		}
	}
	return Measured{Upstream: quantiles(upstream), Revoke: quantiles(revoke), Verify: quantiles(verify)}, nil
}

// wayOf is the way by which a unit's word came, for a leaver's line.
func (u *unit) wayOf() WayKind {
	switch {
	case u.b.Trigger == "signal":
		return WaySignal
	case u.conn.Kind == "scim":
		return WayPush
	case u.conn.Kind == "ldap":
		return WayLDAP
	case u.conn.Kind == "oidc":
		return WayPull
	}
	return "" // a person, or the clock
}

// PollInterval is the longest time between two polls of a schedule within a
// day; zero if it cannot be read.
func PollInterval(spec string) time.Duration {
	schedule, err := cronParser.Parse(spec)
	if err != nil {
		return 0
	}
	longest := time.Duration(0)
	at := schedule.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	for end := at.Add(24 * time.Hour); !at.IsZero() && at.Before(end); {
		next := schedule.Next(at)
		if next.IsZero() {
			break
		}
		longest = max(longest, next.Sub(at))
		at = next
	}
	return longest
}
