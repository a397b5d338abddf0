package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

type runsCmd struct {
	List runListCmd `cmd:"" default:"withargs" help:"List runs, newest first (the default)."`
	Show runShowCmd `cmd:"" help:"Show one run without its changes; report shows it whole."`
}

type runListCmd struct {
	workspaceFlag
	formatFlag
	Connection string `help:"Only this connection's." placeholder:"ID"`
	Limit      int    `help:"How many at most." default:"50"`
	All        bool   `help:"Text: show each SCIM request instead of one line per connection and hour."`
}

// Help is shown by --help.
func (runListCmd) Help() string { return "Example:\n  rollcall runs list --connection okta --all" }

// Run lists runs.
func (c *runListCmd) Run(ctx context.Context, env *environment) (err error) {
	if err := checkLimit(c.Limit); err != nil {
		return err
	}
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	var rows []store.RunRow
	err = s.view(ctx, func(r *store.Reader) (err error) {
		rows, err = r.Runs(c.Connection, 0, c.Limit)
		return err
	})
	if err == nil && len(rows) == 0 && c.Connection != "" {
		err = knownConnection(s.workspace, c.Connection) // those of a former connection are listed
	}
	if err != nil {
		return err
	}
	runs := []*sync.SyncRun{}
	for i := range rows {
		run, err := readRun(&rows[i])
		if err != nil {
			return err
		}
		runs = append(runs, run)
	}
	l := listing{items: runs, header: []string{"run", "connection", "kind", "state", "started", "applied", "held", "denied", "failed"}, none: "no runs yet"}
	if c.Format == "text" && !c.All {
		l.rows = groupRuns(runs)
	} else {
		for _, run := range runs {
			id := run.RunID
			if c.Format == "text" {
				id = shortRun(id)
			}
			l.rows = append(l.rows, runCells(id, run.Counts, run, stamp(run.StartedAt)))
		}
	}
	return l.write(env.out, c.Format)
}

func runCells(id string, n sync.Counts, run *sync.SyncRun, started string) []string {
	return []string{
		id, deref(run.ConnectionID), string(run.Kind), run.State, started,
		strconv.Itoa(n.Applied), strconv.Itoa(n.Held), strconv.Itoa(n.Denied), strconv.Itoa(n.Failed),
	}
}

// groupRuns lists SCIM requests per connection and hour, in the place of the
// newest of them (reports-and-audit section 2).
func groupRuns(runs []*sync.SyncRun) (rows [][]string) {
	type hour struct {
		connection string
		at         time.Time
	}
	type group struct {
		row   int
		n     int
		sum   sync.Counts
		first *sync.SyncRun
	}
	groups := map[hour]*group{}
	for _, run := range runs {
		if run.Kind != sync.RunSCIM {
			rows = append(rows, runCells(shortRun(run.RunID), run.Counts, run, stamp(run.StartedAt)))
			continue
		}
		key := hour{deref(run.ConnectionID), run.StartedAt.Time().UTC().Truncate(time.Hour)}
		g := groups[key]
		if g == nil {
			g = &group{row: len(rows), first: run}
			groups[key] = g
			rows = append(rows, nil)
		}
		g.n++
		g.sum.Applied += run.Counts.Applied
		g.sum.Held += run.Counts.Held
		g.sum.Denied += run.Counts.Denied
		g.sum.Failed += run.Counts.Failed
	}
	for key, g := range groups {
		id, started := shortRun(g.first.RunID), stamp(g.first.StartedAt)
		if g.n > 1 {
			id, started = count(g.n, "request"), key.at.Format("2006-01-02 15")+"h"
		}
		rows[g.row] = runCells(id, g.sum, g.first, started)
	}
	return rows
}

// readRun reads a stored report without its changes.
func readRun(row *store.RunRow) (*sync.SyncRun, error) {
	run := &sync.SyncRun{}
	if err := json.Unmarshal(row.Body, run); err != nil {
		return nil, fmt.Errorf("run %s: %w", row.ID, err)
	}
	run.Changes = nil
	return run, nil
}

// shortRun shows a run's id as people type it. Ids made in the same moment
// begin alike, so the whole time part and some of the rest are shown.
func shortRun(id string) string { return id[:min(18, len(id))] }

type runShowCmd struct {
	workspaceFlag
	ID     string `arg:"" name:"run" help:"Run's id, its beginning, or last."`
	Format string `help:"Output: ${enum}." enum:"text,json" default:"text"`
}

// Help is shown by --help.
func (runShowCmd) Help() string { return "Example:\n  rollcall runs show last --format json" }

// Run shows one run without its changes.
func (c *runShowCmd) Run(ctx context.Context, env *environment) (err error) {
	run, err := c.run(ctx, c.ID)
	if err != nil {
		return err
	}
	run.Changes = nil
	if c.Format == "json" {
		return writeJSON(env.out, run)
	}
	return writeReport(env.out, run)
}

// run reads one run with its changes.
func (f *workspaceFlag) run(ctx context.Context, id string) (run *sync.SyncRun, err error) {
	s, err := f.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close(&err)
	err = s.view(ctx, func(r *store.Reader) error {
		row, err := r.Run(id)
		if errors.Is(err, workspace.ErrNotFound) && id == "last" {
			return fmt.Errorf("workspace %s has no run yet\ndo: let a connection push, or read one with `rollcall sync CONNECTION`, then ask again", s.workspace.ID)
		}
		if errors.Is(err, workspace.ErrNotFound) {
			return fmt.Errorf("no run %q (%w)\ndo: give at least 8 characters of an id of `rollcall runs list --all`", id, err)
		}
		if err != nil {
			return err
		}
		if run, err = readRun(&row); err != nil {
			return err
		}
		if err := sync.FillLeavers(r, run); err != nil {
			return err
		}
		changes, err := r.ChangesOfRun(row.ID)
		if err != nil {
			return err
		}
		run.Changes, err = readChanges(changes)
		return err
	})
	return run, err
}

func readChanges(rows []store.ChangeRow) ([]sync.ChangeReport, error) {
	changes := make([]sync.ChangeReport, len(rows))
	for i := range rows {
		var err error
		if changes[i], err = sync.ReadChange(&rows[i]); err != nil {
			return nil, err
		}
	}
	return changes, nil
}
