package sync

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Limit is one limit of the brake: max(Min, ceil(Percent of the base)), then
// Max. It trips when the count is greater. Off is no limit; the zero Limit
// allows nothing.
type Limit struct {
	Min     int  `yaml:"min"`
	Percent int  `yaml:"percent"`
	Max     int  `yaml:"max"`
	Off     bool `yaml:"-"`
}

// UnmarshalYAML reads off, a number of people, or {min, percent, max}, of
// which those left out keep what they were.
func (l *Limit) UnmarshalYAML(unmarshal func(any) error) error {
	var word string
	if unmarshal(&word) == nil {
		n, err := strconv.Atoi(word)
		if word != "off" && (err != nil || n < 0) {
			return fmt.Errorf("%q is no limit: write off, a number of people, or {min: 3, percent: 5, max: 100}", word)
		}
		*l = Limit{Min: n, Off: word == "off"}
		return nil
	}
	type keys Limit
	limit := keys(*l)
	if err := unmarshal(&limit); err != nil {
		return errors.New("is no limit: write off, a number of people, or {min: 3, percent: 5, max: 100}")
	}
	*l = Limit(limit)
	return nil
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
	Removals    Limit `yaml:"removals"`     // people ended by absence
	Tails       Limit `yaml:"tails"`        // people ended by an explicit no: their tails
	Burst       Burst `yaml:"burst"`        // people ended by an explicit no within an hour
	AdminLosses Limit `yaml:"admin_losses"` // Admins who would be lowered
	Group       Limit `yaml:"group"`        // people who leave one group of 8 or more
	Numbers     Limit `yaml:"numbers"`      // members whose numbers are taken or lowered
	Addresses   Limit `yaml:"addresses"`    // members who get another address
	Creates     Limit `yaml:"creates"`      // people who become members
}

// DefaultBrake are the limits of sources section 4.
func DefaultBrake() Brake {
	return Brake{
		Removals: Limit{Min: 3, Percent: 5, Max: 100}, Tails: Limit{Min: 3, Percent: 5, Max: 100}, AdminLosses: Limit{Min: 1},
		Group: Limit{Percent: 25}, Numbers: Limit{Min: 5, Percent: 5}, Addresses: Limit{Min: 5, Percent: 5}, Creates: Limit{Min: 25, Percent: 20},
		Burst: Burst{Limit: Limit{Min: 10, Percent: 30}, Window: time.Hour, Access: BurstEnd},
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
	brakeNumbers     = "numbers"
	brakeAddresses   = "addresses"
	brakeCreates     = "creates"
	brakeBurst       = "burst"
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
	// Subject is what the plan is about; "" is the connection.
	Subject string `json:"subject,omitempty"`
}

func (h *BrakeHold) ruling() *workspace.Decision {
	if h.Rule == RuleObserve {
		return &workspace.Decision{
			Verdict: workspace.Hold, Rule: h.Rule, Reason: h.Why, Approvers: workspace.RoleAdmin,
			Remedy: "look at the plan; an Admin or Owner approves it, then set mode: live",
		}
	}
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

// groupLoss is a directory group that loses people.
type groupLoss struct {
	group string
	gone  []store.Edge
}

// smallGroup is the size below which a group's losses are not counted.
const smallGroup = 8

// loses notes that a group loses people.
func (u *unit) loses(group string, gone []store.Edge) {
	if len(gone) > 0 && u.conn.ID != "" {
		u.left = append(u.left, groupLoss{group: group, gone: gone})
	}
}

// brakes lays the connection's limits over the plan: people ended without an
// explicit no, people taken out of one group, Admins lowered. Expansions and
// explicit leavers are not theirs to hold.
func (u *unit) brakes() error {
	if u.actor.Kind != workspace.ActorConnection || u.approver != nil {
		return nil
	}
	if u.b.Brake == nil {
		if err := u.brakeParts(); err != nil {
			return err
		}
		if err := u.brakeBurst(); err != nil {
			return err
		}
		if err := u.brakeGroups(); err != nil {
			return err
		}
	}
	if u.b.Brake != nil {
		for i := range u.plan {
			if u.plan[i].Kind != "" && !u.plan[i].fallback {
				u.plan[i].ruling, u.plan[i].subject = u.b.Brake.ruling(), orElse(u.b.Brake.Subject, "connection:"+u.conn.ID)
			}
		}
		return nil
	}
	if err := u.brakeAbsent(); err != nil {
		return err
	}
	return u.brakeAdmins()
}

// brakeAbsent holds the leavers of this unit who were ended by no explicit
// no, all of them, when they are too many.
func (u *unit) brakeAbsent() error {
	leavers := map[string]bool{}
	for i := range u.plan {
		if u.plan[i].leaver && u.plan[i].Cause.Class == workspace.EvidenceE2 {
			leavers[u.plan[i].Member] = true
		}
	}
	if len(leavers) == 0 {
		return nil
	}
	t, err := u.meter(brakeRemovals, u.brake().Removals, len(leavers), u.base)
	if err != nil || t == nil {
		return err
	}
	for i := range u.plan {
		p := &u.plan[i]
		if leavers[p.Cause.Leaver] && p.Cause.Tail || p.leaver && leavers[p.Member] {
			p.ruling = t.ruling()
		}
	}
	return nil
}

// brakeAdmins holds the Admins of this unit who would be lowered.
func (u *unit) brakeAdmins() error {
	var lowered []int
	for i := range u.plan {
		if was, ok := u.plan[i].Before.(workspace.Member); ok && u.plan[i].Kind == workspace.MemberRole && was.Role == workspace.RoleAdmin && u.plan[i].Direction() == workspace.Reduction {
			lowered = append(lowered, i)
		}
	}
	if len(lowered) == 0 {
		return nil
	}
	t, err := u.meter(brakeAdminLosses, u.brake().AdminLosses, len(lowered), u.view.Totals.Admins)
	if err != nil {
		return err
	}
	for _, i := range lowered {
		member := u.plan[i].Member
		if t != nil {
			u.plan[i].ruling = t.ruling()
			continue
		}
		u.plan[i].then = append(u.plan[i].then, func(tx *store.Tx) error { return tx.CountBrake(u.conn.ID, brakeAdminLosses, member, u.now) })
	}
	return nil
}

// brakeGroups holds the whole batch when it takes more than a quarter of the
// people out of a group of 8 or more, within 24 hours, and somebody would
// lose by it.
func (u *unit) brakeGroups() error {
	for _, l := range u.left {
		g, err := u.tx.DirectoryGroup(l.group)
		if err != nil {
			return err
		}
		name := brakeGroup + ":" + l.group
		size := int(g.MemberCount) + len(l.gone)
		past, err := u.tx.BrakeCount(u.conn.ID, name, u.now-brakeWindow)
		if err != nil {
			return err
		}
		if size+past < smallGroup {
			continue
		}
		limit, on := u.brake().Group.Of(size + past)
		if !on {
			continue
		}
		seen := BrakeLimit{Name: brakeGroup, Window: "24h", Limit: limit, Seen: past + len(l.gone), Base: size + past}
		u.limits = append(u.limits, seen)
		if seen.Seen > limit && u.reduces() {
			u.b.Brake = &BrakeHold{
				Rule: "BRAKE." + brakeGroup,
				Why:  fmt.Sprintf("would remove %d of %d members of group %q (limit %d)", seen.Seen, seen.Base, g.Name, limit),
			}
			return nil
		}
		for _, e := range l.gone {
			if err := u.tx.CountBrake(u.conn.ID, name, e.Child, u.now); err != nil {
				return err
			}
		}
	}
	return nil
}

// reduces reports whether the plan takes anything away.
func (u *unit) reduces() bool {
	for i := range u.plan {
		if u.plan[i].Kind != "" && u.plan[i].Direction() == workspace.Reduction {
			return true
		}
	}
	return false
}
