package main

import (
	"context"
	"fmt"
	"io"

	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// asFlag names the member in whose name the operator acts. The engine asks
// what that member may do now.
type asFlag struct {
	As string `help:"Member in whose name you act." required:"" placeholder:"EMAIL"`
}

// edit runs edits as one unit of work and prints what became of each.
func (f *workspaceFlag) edit(ctx context.Context, env *environment, as asFlag, dryRun bool, edits ...sync.Edit) error {
	return f.withEngine(ctx, func(s *session, engine *sync.Engine) error {
		result, err := engine.Edit(ctx, s.batch(as.As, dryRun, edits...))
		if err != nil {
			return err
		}
		if err := writeOutcomes(env.out, &result, dryRun); err != nil {
			return err
		}
		if !dryRun {
			if err := writeInvited(env.out, &result); err != nil {
				return err
			}
		}
		return verdict(&result)
	})
}

// batch is what an operator wants in a member's name.
func (s *session) batch(as string, dryRun bool, edits ...sync.Edit) sync.EditBatch {
	return sync.EditBatch{
		Workspace: s.workspace.ID, As: as, Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI, Txn: uuid.NewString(),
		Edits: edits, DryRun: dryRun,
	}
}

// writeInvited prints what the link of an invitation is made of: its secret
// is not kept, and one that was denied opens nothing.
func writeInvited(out io.Writer, r *sync.Result) error {
	for i := range r.Outcomes {
		c := &r.Outcomes[i].Decision.Change
		if c.Kind != workspace.InvitationSend || r.Outcomes[i].Outcome != "applied" {
			continue
		}
		if _, err := fmt.Fprintf(out, "id of the invitation: %s\nsecret of the link, shown this once: %s\n", c.Subject.ID, r.InvitationSecret); err != nil {
			return err
		}
	}
	return nil
}

// verdict is the exit code of a result.
func verdict(r *sync.Result) error {
	switch {
	case r.Counts.Failed > 0:
		return &exitError{code: exitFailed}
	case r.Counts.Held+r.Counts.Denied > 0:
		return &exitError{code: exitHeld}
	}
	return nil
}

// writeOutcomes prints one line per decision, exceptions with reason and
// remedy, then where the report is.
func writeOutcomes(out io.Writer, r *sync.Result, dryRun bool) error {
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		d := &o.Decision
		text := fmt.Sprintf("%-8s%s\n", o.Outcome, about(d.Change.Subject.Label, o.Summary))
		if o.Outcome != "applied" && d.Reason != "" {
			text += fmt.Sprintf("        rule %s: %s\n        do   %s\n", d.Rule, clean(d.Reason), clean(d.Remedy))
		}
		if o.PlanHash != "" && !(dryRun && o.Outcome == "held") { // a dry run's own plans were rolled back
			text += fmt.Sprintf("        plan %s\n", shortHash(o.PlanHash))
		}
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
	}
	for _, n := range r.Notices {
		if _, err := fmt.Fprintf(out, "note    %s\n", clean(n)); err != nil {
			return err
		}
	}
	var err error
	switch {
	case len(r.Outcomes) == 0:
		_, err = fmt.Fprintln(out, "nothing to change")
	case dryRun:
		_, err = fmt.Fprintln(out, "dry run: nothing was changed")
	default:
		_, err = fmt.Fprintf(out, "run %s\n", r.Run)
	}
	return err
}
