package sync

import (
	"fmt"
	"math"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Limit is one limit of the brake: max(Min, ceil(Percent of the base)), then
// Max. It trips when the count is greater. Off is no limit; the zero Limit
// allows nothing.
type Limit struct {
	Min     int  `yaml:"min"`
	Percent int  `yaml:"percent"`
	Max     int  `yaml:"max"`
	Off     bool `yaml:"off"`
}

// Of gives the limit for a base, and whether there is one.
func (l Limit) Of(base int) (limit int, on bool) {
	if l.Off {
		return 0, false
	}
	n := max(l.Min, int(math.Ceil(float64(base)*float64(l.Percent)/100)))
	if l.Max > 0 {
		n = min(n, l.Max)
	}
	return n, true
}

// Brake are a connection's limits (sources section 4).
type Brake struct {
	Removals    Limit  `yaml:"removals"`     // people ended by absence
	Tails       Limit  `yaml:"tails"`        // people ended by an explicit no: their tails
	AdminLosses Limit  `yaml:"admin_losses"` // Admins who would be lowered
	Group       Limit  `yaml:"group"`        // people who leave one group of 8 or more
	Numbers     Limit  `yaml:"numbers"`      // assignments changed
	FirstRun    string `yaml:"first_run"`    // hold or adds
	WhileHeld   string `yaml:"while_held"`   // adds or nothing
}

// DefaultBrake are the limits of sources section 4.
func DefaultBrake() Brake {
	return Brake{
		Removals: Limit{Min: 3, Percent: 5, Max: 100}, Tails: Limit{Min: 3, Percent: 5, Max: 100}, AdminLosses: Limit{Min: 1},
		Group: Limit{Percent: 25}, Numbers: Limit{Min: 5, Percent: 5}, FirstRun: "hold", WhileHeld: "adds",
	}
}

// brakeWindow is the sliding window beside the run itself.
const brakeWindow = workspace.Micros(24 * 60 * 60 * 1_000_000)

// Names of what the brake counts; `BRAKE.<name>` is the rule.
const (
	brakeRemovals    = "removals"
	brakeTails       = "tails"
	brakeAdminLosses = "admin_losses"
	brakeGroup       = "group"
	brakeFirstRun    = "first_run"
	brakeScope       = "scope"
)

// trip is a limit that was passed.
type trip struct {
	limit BrakeLimit
	why   string
}

// rule is the rule's name in decisions.
func (t *trip) rule() string { return "BRAKE." + t.limit.Name }

// ruling is the verdict on what a tripped limit holds.
func (t *trip) ruling() *workspace.Decision { return (&BrakeHold{Rule: t.rule(), Why: t.why}).ruling() }

// BrakeHold holds a whole batch (BR1): its rule and the reason people read.
type BrakeHold struct {
	Rule string `json:"rule"`
	Why  string `json:"why"`
}

func (h *BrakeHold) ruling() *workspace.Decision {
	return &workspace.Decision{
		Verdict: workspace.Hold, Rule: h.Rule, Reason: h.Why, Approvers: workspace.RoleAdmin,
		Remedy: "look at the plan; an Admin or Owner approves it, or correct the directory and wait for the next poll",
	}
}

// brake gives the connection's limits.
func (u *unit) brake() Brake {
	if u.conn.Brake == nil {
		return DefaultBrake()
	}
	return *u.conn.Brake
}

// meter counts a number of subjects against a limit, in this run and in the
// sliding 24 hours, and gives the trip if it is passed.
func (u *unit) meter(name string, l Limit, count, base int) (*trip, error) {
	limit, on := l.Of(base)
	if !on {
		return nil, nil
	}
	past, err := u.tx.BrakeCount(u.conn.ID, name, u.now-brakeWindow)
	if err != nil {
		return nil, err
	}
	seen := BrakeLimit{Name: name, Window: "24h", Limit: limit, Seen: past + count, Base: base}
	if past == 0 {
		seen.Window = "run"
	}
	u.limits = append(u.limits, seen)
	if seen.Seen <= limit {
		return nil, nil
	}
	return &trip{limit: seen, why: fmt.Sprintf("%d people in %s are more than the limit of %d (%s, of %d)", seen.Seen, seen.Window, limit, name, base)}, nil
}
