package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
)

type syncCmd struct {
	workspaceFlag
	formatFlag
	Connection string `arg:"" help:"Connection whose directory is read: kind ldap, or kind oidc with directory."`
	Full       bool   `help:"Read everything anew instead of what changed."`
	DryRun     bool   `help:"Print what would be done and change nothing."`
}

// Help is shown by --help.
func (syncCmd) Help() string {
	return `Reads the directory once, now, and prints the run's report; a back-off after failed runs does not count. Beside a running
daemon it waits for nobody: if the daemon is reading the connection at the moment, it says so and ends. How far a long run
is goes to stderr. A dry run rolls back what it would hold too: the real run gives the plan its hash. Exit 0 done, 3 something
was denied or held, 1 failed.

Example:
  rollcall sync corp --dry-run
  rollcall sync corp --full`
}

// syncView is a poll that found nothing moved, in JSON.
type syncView struct {
	ConnectionID string `json:"connection_id"`
	Unchanged    bool   `json:"unchanged"`
}

// Run polls once.
func (c *syncCmd) Run(ctx context.Context, env *environment) (err error) {
	s, err := c.openOrMake(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	connection, err := polledConnection(s.workspace, c.Connection)
	if err != nil {
		return err
	}
	e, err := s.engine(ctx)
	if err != nil {
		return err
	}
	d, err := openDirectory(s.workspace, connection, s.store, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.source.Close()) }()
	holder, err := holderName()
	if err != nil {
		return err
	}
	shown := newProgressView(env.err, time.Now)
	res, perr := e.Poll(ctx, d.Polled, holder, sync.SyncOptions{Full: c.Full, DryRun: c.DryRun, Trigger: "operator", Progress: shown.show})
	if err := shown.end(); err != nil {
		return err
	}
	return c.tell(ctx, env, s, res, perr)
}

// tell prints what became of the poll.
func (c *syncCmd) tell(ctx context.Context, env *environment, s *session, res sync.PollResult, perr error) error {
	switch {
	case errors.Is(perr, sync.ErrRunning):
		return fmt.Errorf("connection %s is being read at this moment, by the daemon or another command\ndo: wait until it is done "+
			"(`rollcall runs list --connection %s`), then ask again", c.Connection, c.Connection)
	case errors.Is(perr, store.ErrUnavailable), errors.Is(perr, store.ErrBusy):
		return perr
	case perr != nil && res.Run.RunID == "":
		return fmt.Errorf("%w\ndo: mend what is named; `rollcall connections test %s` says whether more is missing; nothing was changed", perr, c.Connection)
	case res.Unchanged && c.Format == "json":
		return writeJSON(env.out, syncView{ConnectionID: c.Connection, Unchanged: true})
	case res.Unchanged:
		_, err := fmt.Fprintf(env.out, "%s: nothing has changed since the last run, nothing was read (--full reads anyway)\n", c.Connection)
		return err
	}
	run := &res.Run
	if !run.DryRun {
		// A long run's changes are in the store, not in memory.
		err := s.view(ctx, func(r *store.Reader) error {
			changes, err := r.ChangesOfRun(run.RunID)
			if err != nil {
				return err
			}
			run.Changes, err = readChanges(changes)
			return err
		})
		if err != nil {
			return errors.Join(perr, err)
		}
	}
	if err := writeRun(env.out, run, c.Format); err != nil {
		return errors.Join(perr, err)
	}
	if perr != nil {
		return &exitError{code: exitFailed}
	}
	if run.ExitCode != exitDone {
		return &exitError{code: run.ExitCode}
	}
	return nil
}
