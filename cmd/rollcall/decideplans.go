package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// plansFlag names the plans that a person decides on.
type plansFlag struct {
	formatFlag
	Plans []string `arg:"" name:"plan" help:"Plans' hashes (8 digits do) or holds' ids, see plan; each is judged on its own."`
}

// one reports whether a single plan is decided for a reader: it is answered
// with its changes. Several, and programs, get a line for each plan.
func (f *plansFlag) one() bool { return len(f.Plans) == 1 && f.Format == "text" }

// planDecision is what became of one plan, in JSON.
type planDecision struct {
	Plan string `json:"plan"` // as it was named
	// Outcome is approved, rejected or refused; of a dry run approvable,
	// rejectable or refused.
	Outcome string  `json:"outcome"`
	Applied int     `json:"applied"` // changes
	RunID   *string `json:"run_id"`  // null without a run of its own
	Reason  string  `json:"reason"`  // of a refusal, or of what was not applied
	Remedy  string  `json:"remedy"`
	failed  bool
	held    bool
}

// each decides on the plans in the order in which they were named, and writes
// a line for each. What is refused stops none of the others; a store that is
// away stops them all, after the lines of what was decided before it. The
// error is the exit code: 1 as soon as one plan was refused, 3 when something
// in an approved one was denied or held.
func (f *plansFlag) each(env *environment, dryRun bool, decide func(plan string) (planDecision, error)) error {
	decisions, seen := []planDecision{}, map[string]bool{}
	var stopped error
	for _, plan := range f.Plans {
		if seen[plan] {
			continue
		}
		seen[plan] = true
		d, err := decide(plan)
		if err != nil && !refusesPlan(err) {
			stopped = fmt.Errorf("plan %s, which is not decided, nor are those after it: %w", clean(plan), err)
			break
		}
		if err != nil {
			d = planDecision{Outcome: "refused", failed: true}
			d.Reason, d.Remedy, _ = strings.Cut(explain(err), "\ndo: ")
		}
		d.Plan = plan
		decisions = append(decisions, d)
	}
	if err := f.write(env, decisions, dryRun); err != nil {
		return err
	}
	if stopped != nil {
		return stopped
	}
	return exitOf(decisions)
}

// refusesPlan tells an error about one plan from one that every plan would
// meet.
func refusesPlan(err error) bool {
	var (
		refused *sync.ApprovalError
		edit    *sync.EditError
		taken   *store.ConflictError
	)
	if errors.As(err, &refused) || errors.As(err, &edit) || errors.As(err, &taken) {
		return true
	}
	for _, own := range []error{workspace.ErrStale, workspace.ErrConflict, workspace.ErrNotFound, sync.ErrExpired, sync.ErrUnknownConnection} {
		if errors.Is(err, own) {
			return true
		}
	}
	return false
}

func (f *plansFlag) write(env *environment, decisions []planDecision, dryRun bool) error {
	l := listing{items: decisions, header: []string{"plan", "outcome", "applied", "run", "why", "do"}, none: "nothing was decided"}
	for i := range decisions {
		d := &decisions[i]
		plan := d.Plan
		if f.Format == "text" && strings.HasPrefix(plan, "sha256:") {
			plan = shortHash(plan)
		}
		l.rows = append(l.rows, []string{plan, d.Outcome, fmt.Sprint(d.Applied), deref(d.RunID), d.Reason, d.Remedy})
	}
	if err := l.write(env.out, f.Format); err != nil || !dryRun || f.Format != "text" {
		return err
	}
	_, err := fmt.Fprintln(env.out, "dry run: nothing was changed")
	return err
}

// exitOf is the exit code of decisions on plans.
func exitOf(decisions []planDecision) error {
	var held error
	for i := range decisions {
		if decisions[i].failed {
			return &exitError{code: exitFailed}
		}
		if decisions[i].held {
			held = &exitError{code: exitHeld}
		}
	}
	return held
}
