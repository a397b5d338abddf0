package main

import (
	"context"
	"time"

	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

type memberRoleCmd struct {
	workspaceFlag
	asFlag
	Person string `arg:"" help:"Address or id."`
	Role   string `arg:"" help:"New role: ${enum}." enum:"owner,admin,member"`
	Reason string `help:"Why; stands in the report." required:""`
	For    string `help:"How long; for good if left out." placeholder:"30d"`
	DryRun bool   `help:"Only say what would happen."`
}

// Help is shown by --help.
func (memberRoleCmd) Help() string {
	return `A role set by hand wins over the mapping until it is lifted or runs out.

Example:
  rollcall members role bo@acme.com admin --as ann@acme.com --reason "covers for Carl" --for 14d`
}

// Run sets a role.
func (c *memberRoleCmd) Run(ctx context.Context, env *environment) error {
	role, err := workspace.ParseRole(c.Role)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	edit := sync.Edit{Kind: sync.EditRole, Member: c.Person, Role: role, Reason: c.Reason}
	if c.For != "" {
		length, err := configs.ParseDuration(c.For)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		edit.Until = time.Now().Add(length)
	}
	return c.edit(ctx, env, c.asFlag, c.DryRun, edit)
}

type memberRemoveCmd struct {
	workspaceFlag
	asFlag
	Person   string `arg:"" help:"Address or id."`
	Handover string `help:"Who takes the numbers; the handover chain if left out." placeholder:"EMAIL"`
	Reason   string `help:"Why; stands in the report."`
	DryRun   bool   `help:"Only say what would happen."`
}

// Help is shown by --help.
func (memberRemoveCmd) Help() string {
	return `Access ends at once, and there is no grace: look at the handover with --dry-run first.

Example:
  rollcall members remove eve@acme.com --as ann@acme.com --handover bo@acme.com --dry-run`
}

// Run removes a member.
func (c *memberRemoveCmd) Run(ctx context.Context, env *environment) error {
	edit := sync.Edit{Kind: sync.EditRemove, Member: c.Person, Handover: c.Handover, Reason: c.Reason}
	return c.edit(ctx, env, c.asFlag, c.DryRun, edit)
}

type memberSuccessorsCmd struct {
	workspaceFlag
	asFlag
	People []string `arg:"" optional:"" help:"Addresses or ids, first to last, at most three; nobody if left out."`
	Reason string   `help:"Why; stands in the report."`
	DryRun bool     `help:"Only say what would happen."`
}

// Help is shown by --help.
func (memberSuccessorsCmd) Help() string {
	return `The primary Owner names who follows when the directory ends them: the first who is active becomes Owner and primary Owner in
the same moment. Without one the primary Owner is contained. A naming counts for 180 days; name them again to confirm. It needs a
connection with acts_as: owner.

Example:
  rollcall members successors dan@acme.com bo@acme.com --as ann@acme.com`
}

// Run names successors.
func (c *memberSuccessorsCmd) Run(ctx context.Context, env *environment) error {
	return c.edit(ctx, env, c.asFlag, c.DryRun, sync.Edit{Kind: sync.EditSuccessors, Successors: c.People, Reason: c.Reason})
}

type memberRestoreCmd struct {
	workspaceFlag
	asFlag
	Person string `arg:"" help:"Address or id."`
	Reason string `help:"Why; stands in the report." required:""`
	DryRun bool   `help:"Only say what would happen."`
}

// Help is shown by --help.
func (memberRestoreCmd) Help() string {
	return `A stated rehire: the member comes back as Member, with groups and numbers that are still free.

Example:
  rollcall members restore eve@acme.com --as ann@acme.com --reason "back from leave"`
}

// Run brings a member back.
func (c *memberRestoreCmd) Run(ctx context.Context, env *environment) error {
	return c.edit(ctx, env, c.asFlag, c.DryRun, sync.Edit{Kind: sync.EditReactivate, Member: c.Person, Reason: c.Reason})
}
