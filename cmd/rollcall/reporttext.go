package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// writeReport writes a run for people, in the one order of all formats:
// verdict; failed; held; denied; leavers; privileged changes; billing; absence
// proofs; source; audit; applied changes.
func writeReport(out io.Writer, run *sync.SyncRun) error {
	var b strings.Builder
	headline(&b, run)
	if run.Refusal != nil {
		fmt.Fprintf(&b, "REFUSED the request as a whole   rule %s   ref %s\n", run.Refusal.Rule, orDash(run.Refusal.Ref))
		reasons(&b, run.Refusal.Reason, run.Refusal.Remedy)
	}
	ordered := inOrder(run.Changes)
	for _, c := range ordered {
		if c.Outcome != "applied" {
			exception(&b, c)
		}
	}
	leavers(&b, run)
	privileged(&b, run, ordered)
	billing(&b, run)
	absences(&b, ordered)
	provenance(&b, run)
	for _, notice := range run.Notices {
		fmt.Fprintf(&b, "NOTE    %s\n", clean(notice))
	}
	for _, c := range ordered {
		if c.Outcome == "applied" {
			applied(&b, c)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return clean(s)
}

// headline is the verdict line: what the run was, and how many need a person.
func headline(b *strings.Builder, run *sync.SyncRun) {
	source := deref(run.ConnectionID)
	if source == "" {
		source = run.Channel + " by " + run.Actor.Label
	}
	n := run.Counts
	verdict := strings.ToUpper(run.State)
	if need := n.Failed + n.Held + n.Denied; need == 1 {
		verdict += ", 1 needs you"
	} else if need > 1 {
		verdict += fmt.Sprintf(", %d need you", need)
	}
	if run.DryRun {
		verdict += ", DRY RUN"
	}
	fmt.Fprintf(b, "run %s %s %s  %s  %s  %s  failed %d  held %d  denied %d  applied %d  noop %d\n",
		shortRun(run.RunID), clean(source), run.Kind, stamp(run.StartedAt),
		(time.Duration(run.DurationMS) * time.Millisecond).String(), verdict, n.Failed, n.Held, n.Denied, n.Applied, n.Noop)
	if run.Error != nil {
		fmt.Fprintf(b, "ERROR   %s: %s\n        do   %s\n", clean(run.Error.Code), clean(run.Error.Text), clean(run.Error.Hint))
	}
}

// reasons writes why, and what a person can do.
func reasons(b *strings.Builder, why, do string) {
	if why != "" {
		fmt.Fprintf(b, "        why  %s\n", clean(why))
	}
	if do != "" {
		fmt.Fprintf(b, "        do   %s\n", clean(do))
	}
}

// subject is what a change is about and does.
func subject(c *sync.ChangeReport) string { return about(c.Target.Label, c.Summary) }

// about puts the label of a change's subject before its summary. Summaries
// that name their subject themselves stand alone.
func about(label, summary string) string {
	if strings.Contains(summary, label) {
		return clean(summary)
	}
	return orDash(label) + "  " + clean(summary)
}

// leaves are the changes that end somebody's access. A set of them that is
// held as one has one reason, and each person their own evidence (AB3).
var leaves = map[string]bool{string(workspace.MemberDeactivate): true, string(workspace.MemberRemove): true}

// exception is a change that failed, is held or was denied.
func exception(b *strings.Builder, c *sync.ChangeReport) {
	d := &c.Decision
	fmt.Fprintf(b, "%-8s%s", strings.ToUpper(c.Outcome), subject(c))
	if d.Row != nil {
		fmt.Fprintf(b, "   row %s %s", *d.Row, deref(d.RowText))
	}
	if d.Rule != "" {
		fmt.Fprintf(b, "   rule %s", clean(d.Rule))
	}
	if s := c.SourceIdentity; s != nil && s.Why != "" && leaves[c.Kind] {
		fmt.Fprintf(b, "   evidence %s %s", orDash(s.Class), clean(s.Why))
	}
	b.WriteByte('\n')
	if c.Error != nil {
		fmt.Fprintf(b, "        error %s: %s\n", clean(c.Error.Code), clean(c.Error.Text))
	}
	do := d.Remedy
	if c.Outcome == "held" && d.PlanHash != nil {
		do = fmt.Sprintf("rollcall approve %s --as EMAIL   (%s)", shortHash(*d.PlanHash), d.Remedy)
	}
	reasons(b, d.Reason, do)
}

// leavers lists who left, how fast, and where their numbers went.
func leavers(b *strings.Builder, run *sync.SyncRun) {
	if len(run.Leavers) == 0 {
		return
	}
	took := make([]int64, len(run.Leavers))
	for i := range run.Leavers {
		took[i] = run.Leavers[i].RevokeMS
	}
	slices.Sort(took)
	fmt.Fprintf(b, "LEAVERS %d    revoked in p50 %d ms, worst %d ms\n", len(run.Leavers), took[(len(took)-1)/2], took[len(took)-1])
	for i := range run.Leavers {
		l := &run.Leavers[i]
		fmt.Fprintf(b, "        %s %d ms, evidence %s %s", orDash(l.Label), l.RevokeMS, orDash(l.Class), clean(l.Why))
		if l.DeliverMS != nil {
			fmt.Fprintf(b, ", receivers told in %d ms", *l.DeliverMS)
		}
		if l.T4 != nil {
			fmt.Fprintf(b, ", proved at %s", stamp(*l.T4))
		}
		for _, n := range l.Numbers {
			fmt.Fprintf(b, ", %s -> %s", clean(n.Number), clean(n.To))
		}
		for _, p := range l.Pending {
			fmt.Fprintf(b, ", waits: %s", clean(p))
		}
		b.WriteByte('\n')
		for _, f := range l.Findings {
			fmt.Fprintf(b, "        FINDING %s\n", clean(f))
		}
	}
	if s := run.LeaverSpeed; s != nil && s.Leavers > 0 {
		fmt.Fprintf(b, "        over %s, p50/p95/p99: %s revoked in %s", s.Window, count(s.Leavers, "leaver"), quantileText(s.Revoke))
		if s.Deliver.N > 0 {
			fmt.Fprintf(b, ", receivers told %d in %s", s.Deliver.N, quantileText(s.Deliver))
		}
		if s.Verify.N > 0 {
			fmt.Fprintf(b, ", proved %d in %s", s.Verify.N, quantileText(s.Verify))
		}
		b.WriteByte('\n')
	}
}

// quantileText writes 50th, 95th and 99th percentile.
func quantileText(q sync.Quantiles) string { return fmt.Sprintf("%d/%d/%d ms", q.P50, q.P95, q.P99) }

// privileged lists applied changes that touch Owner or Admin.
func privileged(b *strings.Builder, run *sync.SyncRun, ordered []*sync.ChangeReport) {
	for _, c := range ordered {
		if c.Outcome == "applied" && c.Kind == string(workspace.MemberRole) && slices.Contains(run.Privileged, c.Target.ID) {
			fmt.Fprintf(b, "PRIVILEGED %s  %s", orDash(c.Target.Label), clean(c.Summary))
			if c.Decision.Approver != nil {
				fmt.Fprintf(b, "   approved by %s", clean(*c.Decision.Approver))
			}
			b.WriteByte('\n')
		}
	}
}

func billing(b *strings.Builder, run *sync.SyncRun) {
	l := &run.Billing
	fmt.Fprintf(b, "BILLING seats %d -> %d, numbers %d -> %d, credit %s %s, charge %s %s", l.SeatsBefore, l.SeatsAfter, l.NumbersBefore,
		l.NumbersAfter, workspace.Cents(l.CreditCents), l.Currency, workspace.Cents(l.ChargeCents), l.Currency)
	if l.Basis != "" {
		fmt.Fprintf(b, " (%s)", l.Basis)
	}
	b.WriteByte('\n')
}

// absences counts the proofs that removals rest on.
func absences(b *strings.Builder, ordered []*sync.ChangeReport) {
	proofs := map[string]bool{}
	for _, c := range ordered {
		if c.AbsenceProofID != nil {
			proofs[*c.AbsenceProofID] = true
		}
	}
	if len(proofs) > 0 {
		fmt.Fprintf(b, "ABSENCE %d proved\n", len(proofs))
	}
}

// provenance is what was read, and where the run stands in the log.
func provenance(b *strings.Builder, run *sync.SyncRun) {
	s, a := &run.SourceReport, &run.Audit
	fmt.Fprintf(b, "SOURCE  entries %d, seen %d, matched %d, new %d, missing %d", s.Entries, s.Seen, s.Matched, s.New, s.Missing)
	if a.LastLeaf != nil {
		root := a.Root
		if len(root) > 8 {
			root = root[:8] + "..."
		}
		fmt.Fprintf(b, "    AUDIT leaf %d, root %s", *a.LastLeaf, root)
	}
	b.WriteByte('\n')
	for _, why := range s.IncompleteWhy {
		fmt.Fprintf(b, "INCOMPLETE %s; so nobody counts as missing\n", clean(why))
	}
}

// applied is one change that was made, with its values before and after.
func applied(b *strings.Builder, c *sync.ChangeReport) {
	fmt.Fprintf(b, "APPLIED %s", subject(c))
	if c.MappingRule != nil {
		fmt.Fprintf(b, "   rule %s", clean(*c.MappingRule))
	}
	if d := &c.Decision; d.Row != nil {
		fmt.Fprintf(b, "   row %s", *d.Row)
	}
	b.WriteByte('\n')
	for _, m := range c.Modified {
		if m.Old != nil && m.New != nil {
			fmt.Fprintf(b, "        %s %s -> %s\n", m.Attr, clean(*m.Old), clean(*m.New))
		}
	}
}
