package main

import (
	"context"
	"fmt"

	"github.com/rollcall-sync/rollcall/sync"
)

type approveHostsCmd struct {
	workspaceFlag
	asFlag
	Connection string   `arg:"" help:"Connection of kind oidc."`
	Hosts      []string `arg:"" optional:"" help:"Hosts to approve; all that wait if none is named."`
	Reason     string   `help:"Why."`
}

// Help is shown by --help.
func (approveHostsCmd) Help() string {
	return `Where a provider's discovery document and its stream of signals lead is remembered when a connection is first used. When
one of them leads to another host later, nobody signs in through the connection and nobody is asked about, until an Owner or
Admin has approved it: ask whoever runs the provider whether it has moved. rollcall connections show says what waits.

Example:
  rollcall connections approve-hosts sso keys.idp.acme.com --as ann@acme.com`
}

// Run approves.
func (c *approveHostsCmd) Run(ctx context.Context, env *environment) error {
	return c.withEngine(ctx, func(s *session, engine *sync.Engine) error { return c.approve(ctx, env, s, engine) })
}

func (c *approveHostsCmd) approve(ctx context.Context, env *environment, s *session, engine *sync.Engine) error {
	if _, err := oidcConnection(s.workspace, c.Connection); err != nil {
		return err
	}
	rows, err := engine.ApproveHosts(ctx, sync.HostApproval{Workspace: s.workspace.ID, Connection: c.Connection, As: c.As, Hosts: c.Hosts, Reason: c.Reason})
	if err != nil {
		return err
	}
	for i := range rows {
		if _, err := fmt.Fprintf(env.out, "approved  %s of %s on %s\n", clean(rows[i].Name), clean(rows[i].Document), clean(rows[i].Waiting)); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		_, err = fmt.Fprintln(env.out, "nothing waits")
	}
	return err
}
