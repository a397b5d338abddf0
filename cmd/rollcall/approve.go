package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

type approveCmd struct {
	workspaceFlag
	asFlag
	plansFlag
	Reason string `help:"Why; stands in the report."`
	DryRun bool   `help:"Only say what would happen."`
}

// Help is shown by --help.
func (approveCmd) Help() string {
	return `Applies exactly the plan that was shown. If the situation has changed since, the plan is stale: exit 1 and the hash of
the present one. Nobody approves what they asked for or gain by. Of several plans each is judged on its own, in the order
given, with a line for each: what is stale or not yours is refused and named, the others are applied. Exit 1 if one was refused.

Example:
  rollcall approve 7f3a9c21e0b4 --as ann@acme.com --reason "agreed with his team lead"
  rollcall approve 7f3a9c21e0b4 c09be1d25a77 --as ann@acme.com`
}

// Run approves a plan.
func (c *approveCmd) Run(ctx context.Context, env *environment) error {
	return c.withEngine(ctx, func(s *session, engine *sync.Engine) error {
		if !c.one() {
			return c.each(env, c.DryRun, func(plan string) (planDecision, error) { return c.approve(ctx, s, engine, plan) })
		}
		result, err := engine.Approve(ctx, approval(s, c.asFlag, c.Plans[0], c.Reason, c.DryRun))
		if err != nil {
			return s.unknownPlan(ctx, err, c.Plans[0])
		}
		if err := writeOutcomes(env.out, &result, c.DryRun); err != nil {
			return err
		}
		return verdict(&result)
	})
}

// approve approves one plan of several.
func (c *approveCmd) approve(ctx context.Context, s *session, engine *sync.Engine, plan string) (planDecision, error) {
	result, err := engine.Approve(ctx, approval(s, c.asFlag, plan, c.Reason, c.DryRun))
	if err != nil {
		return planDecision{}, s.unknownPlan(ctx, err, plan)
	}
	n := &result.Counts
	d := planDecision{Outcome: "approvable", Applied: n.Applied, held: n.Held+n.Denied > 0, failed: n.Failed > 0}
	if !c.DryRun {
		d.Outcome, d.RunID = "approved", &result.Run
	}
	if d.held || d.failed {
		d.Reason = fmt.Sprintf("not everything was applied: failed %d, held %d, denied %d", n.Failed, n.Held, n.Denied)
		d.Remedy = "see the run's report"
	}
	return d, nil
}

// approval is a person's word on a plan, said on the command line.
func approval(s *session, as asFlag, plan, reason string, dryRun bool) sync.Approval {
	return sync.Approval{
		Workspace: s.workspace.ID, Plan: plan, As: as.As, Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI,
		Reason: reason, Txn: uuid.NewString(), DryRun: dryRun,
	}
}

type rejectCmd struct {
	workspaceFlag
	asFlag
	plansFlag
	Reason string `help:"Why; who asks again is told." required:""`
	DryRun bool   `help:"Only check that it can be rejected."`
}

// Help is shown by --help.
func (rejectCmd) Help() string {
	return `The changes are denied with the reason instead of asked again, until the wish or the rule changes or 30 days pass.

Of several plans each is judged on its own, with a line for each. Exit 1 if one could not be rejected.

Example:
  rollcall reject 7f3a9c21e0b4 --as ann@acme.com --reason "three administrators are enough"
  rollcall reject 7f3a9c21e0b4 c09be1d25a77 --as ann@acme.com --reason "not before the audit"`
}

// Run rejects a plan.
func (c *rejectCmd) Run(ctx context.Context, env *environment) error {
	return c.withEngine(ctx, func(s *session, engine *sync.Engine) error {
		if !c.one() {
			return c.each(env, c.DryRun, func(plan string) (planDecision, error) { return c.reject(ctx, s, engine, plan) })
		}
		if err := engine.Reject(ctx, approval(s, c.asFlag, c.Plans[0], c.Reason, c.DryRun)); err != nil {
			return s.unknownPlan(ctx, err, c.Plans[0])
		}
		said := "rejected"
		if c.DryRun {
			said = "it can be rejected; dry run: nothing was changed"
		}
		_, err := fmt.Fprintln(env.out, said)
		return err
	})
}

// reject rejects one plan of several.
func (c *rejectCmd) reject(ctx context.Context, s *session, engine *sync.Engine, plan string) (planDecision, error) {
	d := planDecision{Outcome: "rejected"}
	if c.DryRun {
		d.Outcome = "rejectable"
	}
	return d, s.unknownPlan(ctx, engine.Reject(ctx, approval(s, c.asFlag, plan, c.Reason, c.DryRun)), plan)
}
