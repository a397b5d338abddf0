package sync

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rollcall-sync/rollcall/audit"
	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// foldKey is the caseless key of a name.
func foldKey(s string) string { return fold.Key(s) }

// domainOf gives the domain part of an address in ASCII form, "" if it has
// none.
func domainOf(email string) string {
	key := fold.Email(email)
	for i := len(key) - 1; i >= 0; i-- {
		if key[i] == '@' {
			return key[i+1:]
		}
	}
	return ""
}

// recorded is one outcome on its way into report, log and outbox.
type recorded struct {
	index  int
	report ChangeReport
	record []byte
	opened []byte // what opens the record's commitments
}

// record writes report, changes, proofs, outbox rows and the audit leaf of
// the unit (I13). The log's head is locked last (L5).
func (u *unit) record() error {
	var all []recorded
	for i := range u.outcomes {
		o := &u.outcomes[i]
		if u.plan[i].Kind == "" || o.Outcome == "dropped" {
			continue
		}
		u.counts.count(o.Outcome)
		if o.Outcome == "noop" {
			continue
		}
		r, err := u.recordChange(i, len(all))
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	if err := u.markUnsettled(); err != nil {
		return err
	}
	if err := u.writeProofs(all); err != nil {
		return err
	}
	events, err := u.events(all)
	if err != nil {
		return err
	}
	for _, h := range u.opened {
		if h.fresh {
			if h.row.Changes, err = u.heldChanges(h, all); err != nil {
				return err
			}
			if err := u.tx.PutHold(h.row); err != nil {
				return err
			}
			u.restates(h.row.Subject)
		}
	}
	if err := u.startClocks(all); err != nil {
		return err
	}
	if err := u.markFreed(); err != nil {
		return err
	}
	u.tellCommitted(all)
	if err := u.moveVersions(); err != nil {
		return err
	}
	return u.seal(all, events)
}

// count counts one outcome.
func (c *Counts) count(outcome string) {
	switch outcome {
	case "applied":
		c.Applied++
	case "noop":
		c.Noop++
	case "held":
		c.Held++
	case "denied":
		c.Denied++
	case "failed":
		c.Failed++
	}
}

// seal appends the leaf and writes run, changes and outbox rows with the
// leaf's number.
func (u *unit) seal(all []recorded, events []store.EventRow) error {
	head, err := u.tx.LockAuditHead()
	if err != nil {
		return err
	}
	records := make([][]byte, len(all))
	for i := range all {
		records[i] = all[i].record
	}
	gen := max(head.Gen, 1)
	leaf, err := json.Marshal(audit.Leaf{
		V: 1, Type: leafType(u.b.Kind, len(all)), Workspace: u.s.cfg.ID, Gen: gen, N: head.Size, At: u.now.String(), Run: u.run, Commit: u.commit,
		Changes: len(all), ChangesRoot: audit.RecordsRoot(records), Counts: u.counts.nonZero(), Mapping: u.s.mappingHash, Policy: u.s.policyHash,
	})
	if err != nil {
		return err
	}
	next, stored, err := audit.Append(audit.Head{Gen: gen, Size: head.Size, Root: head.Root, Edge: head.Edge}, leaf)
	if err != nil {
		return err
	}
	if err := u.tx.AppendAudit(store.AuditHead{Gen: next.Gen, Size: next.Size, Root: next.Root, Edge: next.Edge}, head.Size, leaf, stored); err != nil {
		return err
	}
	if err := u.writeRun(all, head.Size, next); err != nil {
		return err
	}
	rows := make([]store.ChangeRow, 0, len(all))
	for i := range all {
		r := &all[i]
		r.report.LeafIndex = head.Size
		body, err := r.report.body()
		if err != nil {
			return err
		}
		rows = append(rows, u.changeRow(r, head.Size, body))
	}
	if len(rows) > 0 {
		if err := u.tx.InsertChanges(rows); err != nil {
			return err
		}
	}
	if len(events) > 0 {
		for i := range events {
			events[i].Leaf = head.Size
		}
		return u.tx.InsertEvents(events)
	}
	return nil
}

// leafType names the leaf: a unit that changed nothing is a run.
func leafType(k RunKind, changes int) string {
	if changes == 0 && k != RunConfig {
		return "run"
	}
	return "commit"
}

// nonZero lists the counts that are not zero.
func (c Counts) nonZero() map[string]int {
	out := map[string]int{}
	for name, n := range map[string]int{"applied": c.Applied, "noop": c.Noop, "held": c.Held, "denied": c.Denied, "failed": c.Failed} {
		if n != 0 {
			out[name] = n
		}
	}
	return out
}

// recordChange makes the report and the log's record of one outcome.
func (u *unit) recordChange(i, seq int) (recorded, error) {
	var commit audit.Committer
	p, o := &u.plan[i], &u.outcomes[i]
	d := o.Decision
	c := p.Change
	rep := ChangeReport{
		Schema: ChangeSchema, ChangeID: c.ID, RunID: u.run, CommitID: u.commit, WorkspaceID: u.s.cfg.ID, Seq: seq, At: u.now, Txn: u.b.Txn,
		Actor: u.actorReport(u.actor), Channel: string(u.actor.Channel), ReasonClass: c.Cause.ReasonClass, Note: optional(c.Cause.Note),
		MappingRule: optional(c.Cause.Rule), RuleAuthor: optional(c.Cause.RuleOwner), Kind: string(c.Kind), Target: c.Subject,
		Summary: u.view.Describe(c), Modified: workspace.Modify(c), Invariants: d.Invariants, Outcome: o.Outcome,
		Decision: DecisionReport{Verdict: string(d.Verdict), Rule: d.Rule, Reason: d.Reason, Remedy: d.Remedy, HoldID: optional(o.HoldID), PlanHash: optional(o.PlanHash)},
	}
	o.Summary = rep.Summary
	if row, ok := workspace.Lookup(d.Row); ok {
		rep.Decision.Row, rep.Decision.RowText = optional(string(row.ID)), optional(row.Text)
	}
	if d.Verdict == workspace.Hold {
		rep.Decision.Approves = optional(d.Approvers.String())
	}
	if u.approver != nil {
		rep.Decision.Approver = optional(u.approver.ID)
	}
	if rep.Modified == nil {
		rep.Modified = []workspace.Modified{}
	}
	if rep.Invariants == nil {
		rep.Invariants = []workspace.InvariantResult{}
	}
	if c.Member != "" && c.Subject.Type != "member" {
		ref := workspace.Ref{Type: "member", ID: c.Member}
		if m := u.view.Members[c.Member]; m != nil {
			ref.Label = m.Email
		}
		rep.Member = &ref
	}
	if c.Cause.Identity != "" {
		rep.SourceIdentity = &SourceIdentity{
			ConnectionID: c.Cause.Connection, IdentityID: c.Cause.Identity, ExternalID: c.Cause.ExternalID,
			ObservedAt: c.Cause.ObservedAt, Class: string(c.Cause.Class), Why: c.Cause.Why,
		}
	}
	rec := audit.Record{
		V: 1, ID: c.ID, Kind: string(c.Kind), Actor: audit.Actor{Kind: string(u.actor.Kind), ID: u.actor.ID, Role: u.actor.Role.String()},
		Target: audit.Target{Type: c.Subject.Type, ID: c.Subject.ID}, Member: c.Member, Verdict: string(d.Verdict), Row: string(d.Row),
		Rule: d.Rule, Outcome: o.Outcome, Class: string(c.Cause.Class), Modified: []audit.Modified{},
	}
	if u.approver != nil {
		rec.Approver = u.approver.ID
	}
	for _, m := range rep.Modified {
		before, err := commit.Value(m.Attr, m.Old)
		if err != nil {
			return recorded{}, err
		}
		after, err := commit.Value(m.Attr, m.New)
		if err != nil {
			return recorded{}, err
		}
		rec.Modified = append(rec.Modified, audit.Modified{Attr: m.Attr, Old: before, New: after})
	}
	record, err := json.Marshal(rec)
	if err != nil {
		return recorded{}, err
	}
	sum := sha256.Sum256(record)
	rep.RecordHash = "sha256:" + hex.EncodeToString(sum[:])
	opened, err := audit.EncodeOpened(commit.Opened)
	return recorded{index: i, report: rep, record: record, opened: opened}, err
}

// actorReport is an actor as reports show them.
func (u *unit) actorReport(a workspace.Actor) ActorReport {
	kind := string(a.Kind)
	if a.Person() {
		kind = "person"
	}
	return ActorReport{
		Kind: kind, ID: a.ID, Label: a.Label, Role: a.Role.String(), Sponsor: optional(a.Sponsor),
		TokenID: optional(a.TokenID), IP: optional(a.IP), UserAgent: optional(a.UserAgent),
	}
}

// changeRow is a change as the store keeps it.
func (u *unit) changeRow(r *recorded, leaf int64, body []byte) store.ChangeRow {
	c := u.plan[r.index].Change
	d := u.outcomes[r.index].Decision
	member := c.Member
	if c.Subject.Type == "member" {
		member = c.Subject.ID
	}
	row := store.ChangeRow{
		ID: c.ID, Run: u.run, Commit: u.commit, Seq: r.report.Seq, Kind: string(c.Kind), TargetType: c.Subject.Type, TargetID: c.Subject.ID,
		Member: member, ActorKind: string(u.actor.Kind), Connection: u.conn.ID, Verdict: string(d.Verdict), Outcome: r.report.Outcome,
		Row: string(d.Row), Rule: d.Rule, At: u.now, Leaf: leaf, Record: r.record, Body: body, Opened: r.opened,
	}
	if r.report.AbsenceProofID != nil {
		row.AbsenceProof = *r.report.AbsenceProofID
	}
	return row
}

// writeProofs stores why each person whom a connection ended was ended (EV5).
func (u *unit) writeProofs(all []recorded) error {
	for i := range all {
		r := &all[i]
		c := u.plan[r.index].Change
		if c.Kind != workspace.MemberDeactivate || r.report.Outcome != "applied" || u.actor.Kind != workspace.ActorConnection {
			continue
		}
		p := store.AbsenceProofRow{
			ID: newID(), Run: u.run, Identity: c.Cause.Identity, Connection: c.Cause.Connection, Class: string(c.Cause.Class), Reason: c.Cause.Why,
			FirstMissed: c.Cause.ObservedAt, Confirmed: u.now, Reads: []byte("[]"), Confirm: []byte("null"),
		}
		if err := u.tx.InsertAbsenceProof(p); err != nil {
			return err
		}
		r.report.AbsenceProofID = &p.ID
	}
	return nil
}

// heldChanges is what a hold shows: its changes as reported.
func (u *unit) heldChanges(h openHold, all []recorded) ([]byte, error) {
	out := make([]ChangeReport, 0, len(h.index))
	for _, i := range h.index {
		for k := range all {
			if all[k].index == i {
				out = append(out, all[k].report)
			}
		}
	}
	return json.Marshal(out)
}

// writeRun writes the run's report.
func (u *unit) writeRun(all []recorded, leaf int64, head audit.Head) error {
	run, err := u.report(all, leaf, head)
	if err != nil {
		return err
	}
	if u.b.sum != nil {
		if u.b.DryRun {
			for i := range all {
				u.b.sum.Changes = append(u.b.sum.Changes, all[i].report)
			}
		}
		sum := *u.b.sum
		sum.ByKind = maps.Clone(sum.ByKind)
		if sum.ByKind == nil {
			sum.ByKind = map[string]Counts{}
		}
		sum.addUp(run)
		u.summed = &sum
		run = sum
	}
	body, err := run.encode()
	if err != nil {
		return err
	}
	c := run.Counts
	return u.tx.PutRun(store.RunRow{
		ID: u.run, Connection: u.conn.ID, Kind: string(u.b.Kind), State: run.State, StartedAt: run.StartedAt, EndedAt: run.EndedAt,
		Applied: c.Applied, Noop: c.Noop, Held: c.Held, Denied: c.Denied, Failed: c.Failed, Body: body,
	})
}

// report makes the run's report.
func (u *unit) report(all []recorded, leaf int64, head audit.Head) (SyncRun, error) {
	started := workspace.At(u.b.SeenAt)
	if started == 0 {
		started = u.now
	}
	ended := workspace.At(u.e.now())
	actor := u.actor
	run := SyncRun{
		Schema: RunSchema, RunID: u.run, WorkspaceID: u.s.cfg.ID, ConnectionID: optional(u.conn.ID), Txn: u.b.Txn, Kind: u.b.Kind,
		SourceKind: orElse(u.conn.Kind, string(u.b.Channel)), Trigger: orElse(u.b.Trigger, "request"), DryRun: u.b.DryRun,
		Actor: u.actorReport(actor), Channel: string(actor.Channel), State: "done", StartedAt: started, EndedAt: ended,
		DurationMS: int64(ended-started) / 1000, Build: u.e.build, ConfigHash: u.s.cfg.ConfigHash, MappingHash: u.s.mappingHash,
		PolicyHash: u.s.policyHash, MatrixHash: u.s.matrixHash, Counts: u.counts, ByKind: map[string]Counts{},
		Privileged: []string{}, Brake: u.brakeReport(), Leavers: []LeaverReport{}, Notices: append(append([]string{}, u.b.Notices...), u.notices...),
		Audit:        AuditReport{FirstLeaf: &leaf, LastLeaf: &leaf, Size: head.Size, Root: head.Root},
		SourceReport: u.source(), Unowned: u.unowned(),
	}
	run.FindingsOpened, run.FindingsClosed = u.findingLists()
	if u.approver != nil {
		run.Actor = u.actorReport(*u.approver)
		run.Actor.Kind = "approver"
	}
	switch {
	case u.counts.Failed > 0:
		run.ExitCode = 1
	case u.counts.Denied+u.counts.Held > 0:
		run.ExitCode = 3
	}
	if u.refused != nil {
		r := u.refused
		run.Refusal = &RefusalReport{Verdict: string(r.Verdict), Rule: r.Rule, Reason: r.Reason, Remedy: r.Remedy, Ref: r.Ref}
	}
	movers := map[string]bool{}
	for i := range all {
		r := &all[i].report
		k := run.ByKind[r.Kind]
		k.count(r.Outcome)
		run.ByKind[r.Kind] = k
		c := u.plan[all[i].index].Change
		if r.Outcome != "applied" {
			continue
		}
		switch c.Kind {
		case workspace.MemberCreate:
			run.Joiners++
		case workspace.MemberDeactivate:
			run.LeaversN++
			run.Leavers = append(run.Leavers, u.leaverReport(c, all))
		case workspace.MemberRole:
			movers[c.Member] = true
			if m, ok := c.After.(workspace.Member); ok && m.Role > workspace.RoleMember {
				run.Privileged = append(run.Privileged, c.Member)
			}
		case workspace.MemberUpdate, workspace.GroupJoin, workspace.GroupLeave:
			movers[c.Member] = true
		}
	}
	run.Movers = len(movers)
	billing, err := u.billing()
	run.Billing = billing
	return run, err
}

// source counts what a request stated.
func (u *unit) source() SourceReport {
	r := SourceReport{IncompleteWhy: []string{}, Requests: 1, Excluded: u.excluded, Entries: len(u.b.Identities) + len(u.b.Groups), Seen: len(u.b.Identities), Complete: true}
	for i := range u.b.Identities {
		if u.b.Identities[i].Expect == 0 && u.b.Identities[i].Op == OpUpsert {
			r.New++
		} else {
			r.Matched++
			r.Changed++
		}
	}
	return r
}

// unowned lists the numbers that the unit left with nobody responsible but
// the primary Owner: no owner, no group, no pool (I2, F09).
func (u *unit) unowned() []string {
	out := []string{}
	for _, id := range sortedKeys(u.view.Numbers) {
		n := u.view.Numbers[id]
		grouped := slices.ContainsFunc(n.Assignments, func(a workspace.Assignment) bool { return a.Kind == workspace.ToGroup })
		if len(n.Owners) == 0 && n.Pool == "" && !grouped && u.touchedNumber(id) {
			out = append(out, n.E164)
		}
	}
	return out
}

// touchedNumber reports whether a change that was applied is about a number.
func (u *unit) touchedNumber(id string) bool {
	for i := range u.plan {
		if u.plan[i].Subject.ID == id && u.plan[i].Subject.Type == "number" && u.outcomes[i].Outcome == "applied" {
			return true
		}
	}
	return false
}

// brakeReport tells which limits were looked at and which were passed.
func (u *unit) brakeReport() BrakeReport {
	r := BrakeReport{Limits: append([]BrakeLimit{}, u.limits...), Tripped: u.b.Brake != nil}
	for _, l := range u.limits {
		r.Tripped = r.Tripped || l.Seen > l.Limit
	}
	if u.approver != nil && u.b.Brake != nil {
		r.ReleasedBy, r.ReleasedAt = &u.approver.ID, &u.now
	}
	return r
}

// leaverReport is one leaver's line: seen, committed, and where the numbers
// went.
func (u *unit) leaverReport(c workspace.Change, all []recorded) LeaverReport {
	seen := u.seen()
	took := u.endedAt - seen
	l := LeaverReport{
		MemberID: c.Member, Label: c.Subject.Label, Class: string(c.Cause.Class), Why: c.Cause.Why, Path: u.wayOf(), T1: seen, T2: u.endedAt,
		RevokeMS: int64(took) / 1000, Numbers: []LeaverNumber{}, Pending: []string{}, SLOOK: took <= 1_000_000,
	}
	l.T0 = moment(u.upstream(c.Member))
	l.Contacts = *lostContacts(c.Member, u.tailOf(c.Member, all))
	for i := range all {
		x := u.plan[all[i].index].Change
		if x.Cause.Leaver != c.Member {
			continue
		}
		if all[i].report.Outcome != "applied" {
			l.Pending = append(l.Pending, all[i].report.Summary)
			continue
		}
		var to string
		switch x.Kind {
		case workspace.NumberAssign, workspace.NumberAccess:
			a := x.After.(workspace.Assignment)
			to = a.To
			if m := u.view.Members[a.To]; m != nil {
				to = m.Email
			} else if g := u.view.Groups[a.To]; g != nil {
				to = "group " + g.Name
			}
		case workspace.NumberReserve:
			to = "reserved for the leaver"
		case workspace.NumberUpdate:
			to = "pool, in quarantine"
		default:
			continue
		}
		l.Numbers = append(l.Numbers, LeaverNumber{NumberID: x.Subject.ID, Number: x.Subject.Label, To: to, Strategy: orElse(x.Cause.Source, "grace")})
	}
	return l
}

// billing is what the unit does to the bill.
func (u *unit) billing() (BillingReport, error) {
	row := &u.standing
	plan, err := workspace.ParsePlan(row.Plan)
	if err != nil {
		return BillingReport{}, err
	}
	zone := u.s.location
	if row.Zone != u.s.cfg.Zone {
		if zone, err = time.LoadLocation(row.Zone); err != nil {
			return BillingReport{}, fmt.Errorf("zone of workspace %s: %w", u.s.cfg.ID, err)
		}
	}
	b := workspace.Effect(row.Totals, u.view.Totals, plan, workspace.Period{First: row.PeriodFrom.Time(), Last: row.PeriodTo.Time()}, u.now.Time().In(zone))
	return BillingReport{
		SeatsBefore: b.SeatsBefore, SeatsAfter: b.SeatsAfter, NumbersBefore: b.NumbersBefore, NumbersAfter: b.NumbersAfter,
		ChargeCents: int64(b.Charge), CreditCents: int64(b.Credit), NetCents: int64(b.Charge - b.Credit), Currency: "USD",
		PeriodEnd: row.PeriodTo, Basis: "seats are active members and leavers in grace; a number is charged once, sharing is free (assumption C14)",
	}, nil
}
