package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

type approveCmd struct {
	workspaceFlag
	asFlag
	Plan   string `arg:"" help:"Plan's hash (8 digits do) or hold's id, see plan."`
	Reason string `help:"Why; stands in the report."`
	DryRun bool   `help:"Only say what would happen."`
}

// Help is shown by --help.
func (approveCmd) Help() string {
	return `Applies exactly the plan that was shown. If the situation has changed since, the plan is stale: exit 1 and the hash of
the present one. Nobody approves what they asked for or gain by.

Example:
  rollcall approve 7f3a9c21e0b4 --as ann@acme.com --reason "agreed with his team lead"`
}

// Run approves a plan.
func (c *approveCmd) Run(ctx context.Context, env *environment) error {
	return c.withEngine(ctx, func(s *session, engine *sync.Engine) error {
		result, err := engine.Approve(ctx, approval(s, c.asFlag, c.Plan, c.Reason, c.DryRun))
		if err != nil {
			return unknownPlan(err, c.Plan)
		}
		if err := writeOutcomes(env.out, &result, c.DryRun); err != nil {
			return err
		}
		return verdict(&result)
	})
}

// approval is a person's word on a plan, said on the command line.
func approval(s *session, as asFlag, plan, reason string, dryRun bool) sync.Approval {
	return sync.Approval{
		Workspace: s.workspace.ID, Plan: plan, As: as.As, Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI,
		Reason: reason, Txn: uuid.NewString(), DryRun: dryRun,
	}
}

// unknownPlan says where plans are to be found.
func unknownPlan(err error, plan string) error {
	if errors.Is(err, workspace.ErrNotFound) {
		return fmt.Errorf("no open plan %q (%w)\ndo: see `rollcall plan`", plan, err)
	}
	return err
}

type rejectCmd struct {
	workspaceFlag
	asFlag
	Plan   string `arg:"" help:"Plan's hash (8 digits do) or hold's id, see plan."`
	Reason string `help:"Why; who asks again is told." required:""`
	DryRun bool   `help:"Only check that it can be rejected."`
}

// Help is shown by --help.
func (rejectCmd) Help() string {
	return `The changes are denied with the reason instead of asked again, until the wish or the rule changes or 30 days pass.

Example:
  rollcall reject 7f3a9c21e0b4 --as ann@acme.com --reason "three administrators are enough"`
}

// Run rejects a plan.
func (c *rejectCmd) Run(ctx context.Context, env *environment) error {
	return c.withEngine(ctx, func(s *session, engine *sync.Engine) error {
		if err := engine.Reject(ctx, approval(s, c.asFlag, c.Plan, c.Reason, c.DryRun)); err != nil {
			return unknownPlan(err, c.Plan)
		}
		said := "rejected"
		if c.DryRun {
			said = "it can be rejected; dry run: nothing was changed"
		}
		_, err := fmt.Fprintln(env.out, said)
		return err
	})
}
