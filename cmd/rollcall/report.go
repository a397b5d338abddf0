package main

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

type reportCmd struct {
	workspaceFlag
	formatFlag
	ID string `arg:"" name:"run" optional:"" default:"last" help:"Run's id, its beginning, or last."`
}

// Help is shown by --help.
func (reportCmd) Help() string {
	return `First what needs you (failed, held, denied), then leavers, privileged changes, money, source and audit log, then what
was done. Exit 3 if anything was denied or held, 1 if anything failed, in every format.

Example:
  rollcall report last
  rollcall report 0199f3a2 --format csv > run.csv`
}

// Run prints the report of one run.
func (c *reportCmd) Run(ctx context.Context, env *environment) error {
	run, err := c.run(ctx, c.ID)
	if err != nil {
		return err
	}
	err = writeRun(env.out, run, c.Format)
	if err == nil && run.ExitCode != exitDone {
		return &exitError{code: run.ExitCode}
	}
	return err
}

// writeRun writes a run with its changes in a format.
func writeRun(out io.Writer, run *sync.SyncRun, format string) error {
	if run.DryRun {
		run = preview(run)
	}
	switch format {
	case "json":
		return writeRunJSON(out, run)
	case "csv":
		return writeRunCSV(out, run)
	}
	return writeReport(out, run)
}

// preview takes the plans that a dry run would open out of it. They were rolled
// back with it: the hold's id is free again, and the hash of a plan about
// people who do not exist yet is another one when they do (BR4 hashes ids).
// Nobody can approve them, so nobody is told what to approve.
func preview(run *sync.SyncRun) *sync.SyncRun {
	out := *run
	out.Changes = slices.Clone(run.Changes)
	for i := range out.Changes {
		if c := &out.Changes[i]; c.Outcome == "held" {
			c.Decision.HoldID, c.Decision.PlanHash = nil, nil
			c.Decision.Remedy = afterDryRun + c.Decision.Remedy
		}
	}
	return &out
}

// afterDryRun is what to do about what a dry run says would be held.
const afterDryRun = "run it without --dry-run, then see rollcall plan: "

// writeRunJSON writes the run with its changes, [] if it has none.
func writeRunJSON(out io.Writer, run *sync.SyncRun) error {
	head := *run
	head.Changes = nil
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	changes, err := json.Marshal(orEmpty(run.Changes))
	if err != nil {
		return err
	}
	whole := append(text[:len(text)-1], `,"changes":`...)
	whole = append(append(whole, changes...), '}')
	return writeJSON(out, json.RawMessage(whole))
}

// reportColumns are the columns of a report in CSV (reports-and-audit section 4).
var reportColumns = strings.Split("run_id,outcome,verdict,row,rule,reason,remedy,target_type,target_id,target,change_id,kind,attr,old,new,"+
	"mapping_rule,actor_kind,actor_id,actor_role,reason_class,class,at,hold_id,plan_hash,approver,sessions_revoked,revoke_ms,"+
	"charge_cents,credit_cents,leaf_index", ",")

// chargeColumn is the place of charge_cents; credit_cents stands behind it.
var chargeColumn = slices.Index(reportColumns, "charge_cents")

// writeRunCSV writes one row per changed attribute, exceptions first.
func writeRunCSV(out io.Writer, run *sync.SyncRun) error {
	var rows [][]string
	priced := false
	for _, c := range inOrder(run.Changes) {
		modified := c.Modified
		if len(modified) == 0 {
			modified = []workspace.Modified{{}} // a change without attributes is a row too
		}
		for _, m := range modified {
			row := csvRow(run, c, &m)
			// Money is known for the run as a whole: it stands once, in the
			// first applied row, so that the columns can be summed.
			if c.Outcome == "applied" && !priced {
				priced = true
				row[chargeColumn] = strconv.FormatInt(run.Billing.ChargeCents, 10)
				row[chargeColumn+1] = strconv.FormatInt(run.Billing.CreditCents, 10)
			}
			rows = append(rows, row)
		}
	}
	return writeCSV(out, reportColumns, rows)
}

func csvRow(run *sync.SyncRun, c *sync.ChangeReport, m *workspace.Modified) []string {
	class, sessions, revoke := "", "", ""
	if c.SourceIdentity != nil {
		class = c.SourceIdentity.Class
	}
	if c.Kind == string(workspace.MemberDeactivate) && c.Outcome == "applied" {
		for i := range run.Leavers {
			if l := &run.Leavers[i]; l.MemberID == c.Target.ID {
				sessions, revoke = strconv.Itoa(l.SessionsEnded), strconv.FormatInt(l.RevokeMS, 10)
			}
		}
	}
	d := &c.Decision
	return []string{
		run.RunID, c.Outcome, d.Verdict, deref(d.Row), d.Rule, d.Reason, d.Remedy, c.Target.Type, c.Target.ID, c.Target.Label,
		c.ChangeID, c.Kind, m.Attr, deref(m.Old), deref(m.New), deref(c.MappingRule), c.Actor.Kind, c.Actor.ID, c.Actor.Role,
		c.ReasonClass, class, c.At.String(), deref(d.HoldID), deref(d.PlanHash), deref(d.Approver), sessions, revoke,
		"", "", strconv.FormatInt(c.LeafIndex, 10),
	}
}

// rank is the order of outcomes in every format: exceptions first.
var rank = map[string]int{"failed": 0, "held": 1, "denied": 2, "applied": 3}

// inOrder gives the changes in the order of a report.
func inOrder(changes []sync.ChangeReport) []*sync.ChangeReport {
	out := make([]*sync.ChangeReport, len(changes))
	for i := range changes {
		out[i] = &changes[i]
	}
	slices.SortStableFunc(out, func(a, b *sync.ChangeReport) int { return rank[a.Outcome] - rank[b.Outcome] })
	return out
}
