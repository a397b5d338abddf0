package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

type planCmd struct {
	workspaceFlag
	formatFlag
	Plan string `arg:"" optional:"" help:"Plan's hash (8 digits do) or hold's id; all that is held if left out."`
}

// Help is shown by --help.
func (planCmd) Help() string {
	return `Without a hash: everything that waits for a person, newest first; exit 3 if anything does. For a connection with
mode: observe that is one plan: what everything that it has stated would bring about.

Example:
  rollcall plan
  rollcall plan 7f3a9c21e0b4`
}

// planView is a held plan in JSON (the contract of architecture.md).
type planView struct {
	PlanHash     string              `json:"plan_hash"`
	HoldID       string              `json:"hold_id"`
	ConnectionID *string             `json:"connection_id"`
	RunID        string              `json:"run_id"`
	CreatedAt    workspace.Micros    `json:"created_at"`
	ExpiresAt    workspace.Micros    `json:"expires_at"`
	Reason       string              `json:"reason"`
	Changes      []sync.ChangeReport `json:"changes"`
}

func viewPlan(h *store.HoldRow) (planView, error) {
	v := planView{PlanHash: h.PlanHash, HoldID: h.ID, RunID: h.Run, CreatedAt: h.CreatedAt, ExpiresAt: h.ExpiresAt, Reason: h.Reason}
	if h.Connection != "" {
		v.ConnectionID = &h.Connection
	}
	if err := json.Unmarshal(h.Changes, &v.Changes); err != nil {
		return v, fmt.Errorf("plan %s: %w", shortHash(h.PlanHash), err)
	}
	v.Changes = orEmpty(v.Changes)
	return v, nil
}

// Run lists what is held, or shows one plan.
func (c *planCmd) Run(ctx context.Context, env *environment) (err error) {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	if err := s.planObserved(ctx); err != nil {
		return err
	}
	var holds []store.HoldRow
	err = s.view(ctx, func(r *store.Reader) (err error) {
		if c.Plan == "" {
			holds, err = r.OpenHolds("")
			return err
		}
		hold, err := r.HoldByHash(c.Plan)
		holds = append(holds, hold)
		return err
	})
	if err != nil {
		return s.unknownPlan(ctx, err, c.Plan)
	}
	views := []planView{}
	for i := range holds {
		v, err := viewPlan(&holds[i])
		if err != nil {
			return err
		}
		views = append(views, v)
	}
	if err := c.show(env, views); err != nil {
		return err
	}
	if len(views) > 0 {
		return &exitError{code: exitHeld}
	}
	return nil
}

// planObserved brings the plans of connections that only observe up to date.
func (s *session) planObserved(ctx context.Context) error {
	observes := func(c configs.Connection) bool { return c.Mode == sync.ModeObserve }
	if !slices.ContainsFunc(s.workspace.Connections, observes) {
		return nil
	}
	engine, err := s.engine(ctx)
	if err != nil {
		return err
	}
	return engine.PlanObserved(ctx, s.workspace.ID)
}

// planShown is how many changes of a plan the list shows to readers.
const planShown = 3

func (c *planCmd) show(env *environment, views []planView) error {
	if c.Plan != "" && c.Format == "json" {
		return writeJSON(env.out, views[0])
	}
	if c.Plan != "" && c.Format == "text" {
		return writePlan(env, &views[0])
	}
	l := listing{
		items: views, header: []string{"plan", "connection", "expires", "changes", "what", "why"},
		none: "nothing is held",
	}
	for i := range views {
		v := &views[i]
		what := make([]string, len(v.Changes))
		for i := range v.Changes {
			what[i] = subject(&v.Changes[i])
		}
		hash := v.PlanHash
		if c.Format == "text" {
			hash = shortHash(hash)
			if more := len(what) - planShown; more > 0 {
				what = append(what[:planShown], fmt.Sprintf("and %d more, see rollcall plan %s", more, hash))
			}
		}
		l.rows = append(l.rows, []string{hash, deref(v.ConnectionID), stamp(v.ExpiresAt), strconv.Itoa(len(v.Changes)), strings.Join(what, "; "), v.Reason})
	}
	return l.write(env.out, c.Format)
}

// writePlan shows one held plan as its report shows it.
func writePlan(env *environment, v *planView) error {
	var b strings.Builder
	fmt.Fprintf(&b, "plan %s  %s  %s  until %s\n", shortHash(v.PlanHash), v.HoldID, orDash(deref(v.ConnectionID)), stamp(v.ExpiresAt))
	for i := range v.Changes {
		exception(&b, &v.Changes[i])
		for _, m := range v.Changes[i].Modified {
			fmt.Fprintf(&b, "        %s %s -> %s\n", m.Attr, orDash(deref(m.Old)), orDash(deref(m.New)))
		}
	}
	fmt.Fprintf(&b, "or      rollcall reject %s --as EMAIL --reason TEXT\n", shortHash(v.PlanHash))
	_, err := env.out.Write([]byte(b.String()))
	return err
}
