package main

import (
	"context"
	"fmt"
	"os"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/sync"
)

type replayCmd struct {
	workspaceFlag
	Connection string `help:"Connection whose people are planned." required:"" placeholder:"ID"`
	Mapping    string `help:"The other mapping." required:"" type:"existingfile" placeholder:"FILE"`
	Format     string `help:"Output: ${enum}." enum:"text,json" default:"text"`
}

// Help is shown by --help.
func (replayCmd) Help() string {
	return `Everything that the connection has stated so far is planned under the other mapping and under the present one, and rolled
back: no directory is asked and nothing is changed. + is what only the other mapping would do now, - what only the present
one would. Exit 3 if the other mapping would have something denied or held.

Example:
  rollcall replay --connection okta --mapping next.yaml`
}

// replayView is the difference in JSON.
type replayView struct {
	Connection string              `json:"connection_id"`
	Mapping    string              `json:"mapping"`
	People     int                 `json:"people"`
	Counts     sync.Counts         `json:"counts"` // under the other mapping
	Added      []sync.ChangeReport `json:"added"`
	Missing    []sync.ChangeReport `json:"missing"`
}

// Run shows what another mapping would do.
func (c *replayCmd) Run(ctx context.Context, env *environment) (err error) {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	if err := knownConnection(s.workspace, c.Connection); err != nil {
		return err
	}
	text, err := os.ReadFile(c.Mapping)
	if err != nil {
		return err
	}
	var ids []string
	for i := range s.workspace.Connections {
		ids = append(ids, s.workspace.Connections[i].ID)
	}
	rules, err := mapping.Load(text, mapping.LoadOptions{Connections: ids, File: c.Mapping})
	if err != nil {
		return &exitError{exitUsage, err}
	}
	engine, err := s.engine(ctx)
	if err != nil {
		return err
	}
	out, err := engine.Replay(ctx, s.workspace.ID, c.Connection, rules)
	if err != nil {
		return err
	}
	if c.Format == "json" {
		err = writeJSON(env.out, replayView{c.Connection, c.Mapping, out.People, out.Counts, out.Added, out.Missing})
	} else {
		err = writeReplay(env, &out)
	}
	if err == nil && out.Counts.Held+out.Counts.Denied > 0 {
		return &exitError{code: exitHeld}
	}
	return err
}

func writeReplay(env *environment, out *sync.Replayed) error {
	for _, side := range []struct {
		mark    string
		changes []sync.ChangeReport
	}{{"+", out.Added}, {"-", out.Missing}} {
		for i := range side.changes {
			ch := &side.changes[i]
			line := fmt.Sprintf("%s %-7s %s", side.mark, ch.Outcome, subject(ch))
			if ch.Member != nil && ch.Member.Label != ch.Target.Label {
				line += "  (" + ch.Member.Label + ")"
			}
			if rule := deref(ch.MappingRule); rule != "" {
				line += "  row " + rule
			}
			if ch.Outcome != "applied" {
				line += "  why " + ch.Decision.Reason
			}
			if _, err := fmt.Fprintln(env.out, clean(line)); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(env.out, "%d people, %d more changes, %d fewer; nothing was changed\n", out.People, len(out.Added), len(out.Missing))
	return err
}
