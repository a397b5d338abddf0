package sync

import (
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Committed is what one unit of work did, told once it is durable.
type Committed struct {
	Workspace, Connection string // Connection is "" for a person and for the clock
	// Changes counts the decisions by kind of change and outcome.
	Changes map[ChangeOutcome]int
	// Denials counts refused changes by the matrix row that refused them, ""
	// for a rule that belongs to no row.
	Denials map[string]int
	// Revoked tells for each member whose access ended how long that took from
	// the moment it was seen until now (T2-T1).
	Revoked []time.Duration
}

// ChangeOutcome names what became of changes of one kind.
type ChangeOutcome struct{ Kind, Outcome string }

// tellCommitted calls back after the commit, if somebody listens.
func (u *unit) tellCommitted(all []recorded) {
	if u.e.onCommit == nil || u.b.DryRun {
		return
	}
	c := Committed{Workspace: u.s.cfg.ID, Connection: u.conn.ID, Changes: map[ChangeOutcome]int{}, Denials: map[string]int{}}
	ended := 0
	for i := range all {
		r := &all[i].report
		c.Changes[ChangeOutcome{r.Kind, r.Outcome}]++
		switch {
		case r.Outcome == "denied":
			row := ""
			if r.Decision.Row != nil {
				row = *r.Decision.Row
			}
			c.Denials[row]++
		case r.Outcome == "applied" && (r.Kind == string(workspace.MemberDeactivate) || r.Kind == string(workspace.MemberContain)):
			ended++
		}
	}
	seen := u.seen().Time()
	u.tx.AfterCommit(func() {
		took := u.e.now().Sub(seen)
		for range ended {
			c.Revoked = append(c.Revoked, took)
		}
		u.e.onCommit(c)
	})
}

// seen is when what the unit is about was seen (T1).
func (u *unit) seen() workspace.Micros {
	if at := workspace.At(u.b.SeenAt); at != 0 {
		return at
	}
	return u.now
}
