package sync

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// applyBatch is how many people one unit of work of a poll brings up to date.
const applyBatch = 250

// groupBatch is how many members one unit of work takes into a group.
const groupBatch = 100

// apply brings the workspace in line with what was read: whoever must go
// first, each in a unit of work of its own (PR3), then everybody else, then
// the groups, then those who are missing.
func (p *poll) apply(ctx context.Context) error {
	st := p.stage
	if err := p.guardGroups(ctx); err != nil {
		return err
	}
	if err := p.countParts(ctx); err != nil {
		return err
	}
	total := len(st.people) + len(st.gorder)
	done := 0
	for i := range st.people {
		if !st.people[i].leaver {
			continue
		}
		if err := p.applyPeople(ctx, st.people[i:i+1]); err != nil {
			return err
		}
		done++
		p.progress("applying", done, total)
	}
	others := slices.DeleteFunc(slices.Clone(st.people), func(at place) bool { return at.leaver })
	waiting, err := p.waiting(ctx)
	if err != nil {
		return err
	}
	waited := len(waiting) > 0
	if waited && slices.ContainsFunc(others, func(at place) bool { return at.fresh }) {
		// Who waits has come before who is new.
		if others, err = p.knownFirst(ctx, others, waiting); err != nil {
			return err
		}
		if waiting, err = p.applyWaiting(ctx, waiting); err != nil {
			return err
		}
	}
	err = p.applyInTurn(ctx, others, func(n int) {
		done += n
		p.progress("applying", done, total)
	})
	if err != nil {
		return err
	}
	if err := p.applyAgain(ctx); err != nil {
		return err
	}
	if err := p.applyNewGroups(ctx); err != nil {
		return err
	}
	for _, id := range st.gorder {
		if err := p.applyGroup(ctx, st.groups[id]); err != nil {
			return err
		}
		done++
		p.progress("applying", done, total)
	}
	if err := p.sweep(ctx); err != nil {
		return err
	}
	if err := p.applyGone(ctx); err != nil {
		return err
	}
	if err := p.applyAbsence(ctx); err != nil {
		return err
	}
	if p.passed {
		all, err := p.waiting(ctx)
		if err != nil {
			return err
		}
		if !p.passed { // This read itself has moved a number.
			waiting, waited = all, true
		}
	}
	if waited {
		if _, err := p.applyWaiting(ctx, waiting); err != nil {
			return err
		}
	}
	if err := p.applyParts(ctx); err != nil {
		return err
	}
	if waited || p.passed {
		if err := p.tellWaiting(ctx); err != nil {
			return err
		}
	}
	return p.finish(ctx, p.good())
}

// ofRun makes a batch one of this run.
func (p *poll) ofRun(b Batch) Batch {
	b.Workspace, b.Connection, b.Kind, b.Channel, b.Run = p.pl.Workspace, p.pl.Connection, p.kind, workspace.ChannelSync, p.run
	b.Trigger, b.SeenAt, b.Lease, b.Token = orElse(p.opt.Trigger, "schedule"), p.began, p.lease.Name, p.lease.Token
	b.firstRun = !p.state.FirstRunHeld
	b.NewScope = b.firstRun || p.cursor.Scope != "" && p.after.Scope != "" && p.cursor.Scope != p.after.Scope
	return b
}

// submit runs one batch as a unit of work of this run and adds its report.
func (p *poll) submit(ctx context.Context, b Batch) (Result, error) {
	b = p.ofRun(b)
	b.sum = &p.report
	if b.Brake == nil {
		b.aside = maps.Clone(p.tripped)
		if hold := p.tripped[PartAccess]; hold != nil && b.deletes() {
			// A record that goes cannot be looked at again: its end waits by itself.
			delete(b.aside, PartAccess)
			b.Held = map[Part]*BrakeHold{PartAccess: hold}
		}
	}
	res, err := p.unit(ctx, b)
	if err == nil {
		p.collect(&res)
	}
	return res, err
}

// unit runs one batch as a unit of work, in the dry run's transaction if there
// is one.
func (p *poll) unit(ctx context.Context, b Batch) (Result, error) {
	if p.tx == nil {
		return p.e.Apply(ctx, b)
	}
	_, conn, err := p.e.space(b.Workspace, b.Connection)
	if err != nil {
		return Result{}, err
	}
	b.DryRun = true
	u, err := p.e.newUnit(p.s, conn, p.tx, b)
	if err != nil {
		return Result{}, err
	}
	u.careful = true
	res, err := u.observeAndCommit()
	if err == nil && res.summed != nil {
		p.report = *res.summed
	}
	return res, err
}

// applyInTurn applies staged people batch by batch. While one batch is applied
// the next one is read: its people are others, and a record that changes
// between is found out by its version.
func (p *poll) applyInTurn(ctx context.Context, places []place, done func(n int)) error {
	pieces := slices.Collect(slices.Chunk(places, applyBatch))
	var next chan loaded
	for i, piece := range pieces {
		var batch loaded
		if next != nil {
			batch = <-next
		} else {
			batch = p.loadPeople(ctx, piece)
		}
		next = nil
		if i+1 < len(pieces) && p.tx == nil {
			ahead := make(chan loaded, 1)
			next = ahead
			go func() { ahead <- p.loadPeople(ctx, pieces[i+1]) }()
		}
		if err := p.applyLoaded(ctx, piece, batch); err != nil {
			if next != nil {
				<-next // the stage is closed when nobody reads it
			}
			return err
		}
		done(len(piece))
	}
	return nil
}

// loaded are staged people with what the store knows of them.
type loaded struct {
	people []stagedPerson
	known  map[string]workspace.Identity // by immutable id
	err    error
}

func (p *poll) loadPeople(ctx context.Context, places []place) (b loaded) {
	b.people = make([]stagedPerson, len(places))
	ids := make([]string, len(places))
	for i := range places {
		if b.err = p.stage.get(places[i], &b.people[i]); b.err != nil {
			return b
		}
		ids[i] = b.people[i].Identity.ExternalID
	}
	b.known, b.err = p.knownBy(ctx, ids)
	return b
}

// applyPeople applies a few staged people. One whose record cannot be written
// (a name that is taken) or who is refused (an Owner of that address) does not
// stop the others: the batch is halved until that one stands alone.
func (p *poll) applyPeople(ctx context.Context, places []place) error {
	if len(places) == 0 {
		return nil
	}
	return p.applyLoaded(ctx, places, p.loadPeople(ctx, places))
}

func (p *poll) applyLoaded(ctx context.Context, places []place, batch loaded) error {
	if batch.err != nil {
		return batch.err
	}
	b := p.batchOf(&batch)
	if len(b.Identities) == 0 {
		return nil
	}
	res, err := p.submit(ctx, b)
	if err == nil || len(b.Identities) == 1 {
		p.waits(res)
		return p.tolerate(err, []string{b.Identities[0].Row.ExternalID})
	}
	if !singleFault(err) {
		return err
	}
	half := len(places) / 2
	if err := p.applyPeople(ctx, places[:half]); err != nil {
		return err
	}
	return p.applyPeople(ctx, places[half:])
}

// batchOf is what was read of people, laid over what is known, without those
// of whom nothing is new.
func (p *poll) batchOf(batch *loaded) (b Batch) {
	for i := range batch.people {
		x := &batch.people[i]
		id := x.Identity.ExternalID
		old, ok := batch.known[id]
		o := IdentityObservation{}
		if ok {
			if old.ObservedAt > x.Identity.ObservedAt && x.Identity.ObservedAt != 0 {
				continue // EV4: older never overwrites newer
			}
			x.Identity = *overlay(&old, &x.Identity, x.Partial)
			p.unguard(&x.Identity, &old)
			if same(&old, &x.Identity) && !p.tried[id] {
				continue
			}
			x.Identity.ID, x.Identity.Member, o.Expect, o.Before = old.ID, old.Member, old.Version, &old
		} else {
			p.unguard(&x.Identity, nil)
		}
		if !x.Identity.Active {
			o.Class, o.Why = workspace.EvidenceE1, orElse(x.Identity.Reason, "disabled")
			if ok && old.Active {
				o.UpstreamAt = p.ended(x.Ended, x.Identity.ObservedAt, &old)
			}
		}
		o.Row = PolledRow(x.Identity)
		b.Identities = append(b.Identities, o)
	}
	return b
}

// ended is T0 of somebody who was active when last seen. The source's clock is
// not ours: what it puts after the moment at which we asked is not believed,
// and nobody ended before they were last seen active.
func (p *poll) ended(at time.Time, asked workspace.Micros, old *workspace.Identity) time.Time {
	seen := max(old.ObservedAt, p.state.LastFullAt)
	switch {
	case at.IsZero(), asked != 0 && workspace.At(at) > asked:
		return time.Time{}
	case workspace.At(at) < seen:
		return seen.Time()
	}
	return at
}

// singleFault reports whether an error is about one record and not about the
// store: the record is then tried by itself.
func singleFault(err error) bool {
	var conflict *store.ConflictError
	return errors.Is(err, errSplit) || errors.As(err, &conflict) || errors.Is(err, workspace.ErrStale) || errors.Is(err, store.ErrText)
}

// tolerate notes a record that cannot be written, and goes on.
func (p *poll) tolerate(err error, ids []string) error {
	if errors.Is(err, errOlder) {
		return nil
	}
	if err == nil || !singleFault(err) {
		return err
	}
	p.report.Invalid++
	p.notices = append(p.notices, fmt.Sprintf("record %s was left as it is: %v", ids[0], err))
	return nil
}

// PolledRow makes the row of a polled record, or of somebody who signed in. Login names may be swapped
// between people within one read, so the key carries the immutable id.
func PolledRow(i workspace.Identity) store.IdentityRow {
	return store.IdentityRow{
		Identity: i, UserKey: fold.Key(i.UserName) + "\x1f" + i.ExternalID, EmailKey: fold.Email(i.Email), DisplayKey: fold.Key(i.Name),
		TitleKey: foldFirst(i, "title"), DepartmentKey: foldFirst(i, "department"), EmployeeKey: foldFirst(i, "employeeNumber"),
		ManagerValue: first(i, "manager"),
	}
}

func first(i workspace.Identity, name string) string {
	v, _ := i.Attributes.First(name)
	return v
}

func foldFirst(i workspace.Identity, name string) string { return fold.Key(first(i, name)) }

// applyAgain tries those again whose new address was another member's when
// their turn came: by now that one may have given it up, or both stand in
// one batch and swap (LM9).
func (p *poll) applyAgain(ctx context.Context) error {
	again := p.again
	p.again = nil
	for piece := range slices.Chunk(again, applyBatch) {
		if err := p.applyPeople(ctx, piece); err != nil {
			return err
		}
	}
	return nil
}

// waits notes people of a batch whose address was refused because another
// member has it.
func (p *poll) waits(res Result) {
	for i := range res.Outcomes {
		o := &res.Outcomes[i]
		if o.Outcome != "denied" || o.Decision.Rule != "I6" || o.Decision.Change.Kind != workspace.MemberUpdate {
			continue
		}
		for k := range res.Identities {
			if x := &res.Identities[k]; x.Member == o.Decision.Change.Member && !p.tried[x.ExternalID] {
				p.tried[x.ExternalID] = true
				p.again = append(p.again, p.stage.people[p.stage.staged[digestOf(x.ExternalID)]])
			}
		}
	}
}

// applyNewGroups makes the records of groups that are new, so that groups
// that hold them find them, whatever the order.
func (p *poll) applyNewGroups(ctx context.Context) error {
	var b Batch
	submit := func() error {
		if len(b.Groups) == 0 {
			return nil
		}
		_, err := p.submit(ctx, b)
		b.Groups = nil
		return err
	}
	for _, id := range p.stage.gorder {
		var g stagedGroup
		if err := p.stage.get(p.stage.groups[id], &g); err != nil {
			return err
		}
		if g.Group == nil {
			continue
		}
		err := p.view(ctx, func(r *store.Reader) error {
			_, err := r.DirectoryGroupByExternal(p.pl.Connection, id)
			return err
		})
		if err == nil {
			continue
		}
		if !errors.Is(err, workspace.ErrNotFound) {
			return err
		}
		b.Groups = append(b.Groups, GroupObservation{Group: *g.Group, NameKey: fold.Key(g.Group.Name) + "\x1f" + id, Write: true, Members: &MemberDelta{}})
		if len(b.Groups) == applyBatch {
			if err := submit(); err != nil {
				return err
			}
		}
	}
	return submit()
}

// applyGroup applies one staged group: its record and its members.
func (p *poll) applyGroup(ctx context.Context, at place) error {
	var g stagedGroup
	if err := p.stage.get(at, &g); err != nil {
		return err
	}
	var old workspace.DirectoryGroup
	err := p.view(ctx, func(r *store.Reader) error {
		var err error
		old, err = r.DirectoryGroupByExternal(p.pl.Connection, g.ID)
		return err
	})
	fresh := errors.Is(err, workspace.ErrNotFound)
	if err != nil && !fresh {
		return err
	}
	if fresh && g.Group == nil {
		return nil // members of a group that no read has named
	}
	o := GroupObservation{Expect: -1, Members: &MemberDelta{}}
	if fresh {
		o.Expect = 0
	}
	o.Group, o.NameKey = old, fold.Key(old.Name)+"\x1f"+g.ID
	if g.Group != nil {
		o.Write = fresh || old.Name != g.Group.Name || old.DN != g.Group.DN || !slices.Equal(old.Managers, g.Group.Managers)
		id := old.ID
		o.Group, o.NameKey = *g.Group, fold.Key(g.Group.Name)+"\x1f"+g.ID
		o.Group.ID = id
	}
	had := map[store.Edge]bool{}
	if !fresh {
		if had, err = p.edgesOf(ctx, old.ID); err != nil {
			return err
		}
	}
	added, err := p.edges(ctx, g.Add)
	if err != nil {
		return err
	}
	if o.Members.Add, err = p.undoubted(ctx, g.ID, had, added); err != nil {
		return err
	}
	removed, err := p.edges(ctx, g.Remove)
	if err != nil {
		return err
	}
	for _, n := range removed {
		o.Members.Remove = append(o.Members.Remove, n.Edge)
	}
	if g.Complete {
		o.Members.Add, o.Members.Remove = difference(had, o.Members.Add)
	}
	if !o.Write && len(o.Members.Add)+len(o.Members.Remove) == 0 {
		return nil
	}
	return p.submitGroup(ctx, g.ID, o)
}

// submitGroup applies a group's difference: what goes in one unit, so that
// the brake sees it whole, what comes in units of groupBatch, so that no
// transaction outlasts the lease (LE2).
func (p *poll) submitGroup(ctx context.Context, external string, o GroupObservation) error {
	come := o.Members.Add
	o.Members.Add = come[:min(groupBatch, len(come))]
	come = come[len(o.Members.Add):]
	for {
		res, err := p.submit(ctx, Batch{Groups: []GroupObservation{o}})
		if err != nil {
			return p.tolerate(err, []string{external})
		}
		if len(come) == 0 {
			return nil
		}
		if o.Group.ID == "" && len(res.Groups) > 0 {
			o.Group.ID = res.Groups[0].ID
		}
		next := come[:min(groupBatch, len(come))]
		come = come[len(next):]
		o = GroupObservation{Expect: -1, Group: workspace.DirectoryGroup{ID: o.Group.ID}, NameKey: o.NameKey, Members: &MemberDelta{Add: next}}
	}
}

// difference tells what a whole list of members adds and what it leaves out.
func difference(had map[store.Edge]bool, want []store.Edge) (add, remove []store.Edge) {
	wanted := make(map[store.Edge]bool, len(want))
	for _, e := range want {
		wanted[e] = true
		if !had[e] {
			add = append(add, e)
		}
	}
	for e := range had {
		if !wanted[e] {
			remove = append(remove, e)
		}
	}
	slices.SortFunc(remove, func(a, b store.Edge) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Child, b.Child)) })
	return add, remove
}

// edgesOf reads a group's direct members.
func (p *poll) edgesOf(ctx context.Context, group string) (map[store.Edge]bool, error) {
	had := map[store.Edge]bool{}
	err := p.view(ctx, func(r *store.Reader) error {
		for e, err := range r.Edges(group) {
			if err != nil {
				return err
			}
			had[e] = true
		}
		return nil
	})
	return had, err
}

// namedEdge is a member of a group with the name by which the group has it.
type namedEdge struct {
	store.Edge
	dn string
}

// edges resolves references to members: by immutable id, or by DN within this
// run and then in the store (LP9). What stands for nobody is dangling and
// counted. Groups within groups count where the source says so.
func (p *poll) edges(ctx context.Context, refs []MemberRef) ([]namedEdge, error) {
	names := map[string]string{}
	var users, dns []string
	for i := range refs {
		if refs[i].ID == "" {
			refs[i].ID = p.stage.names.id(refs[i].DN)
		}
		if refs[i].ID != "" {
			users = append(users, refs[i].ID)
			names[refs[i].ID] = refs[i].DN
		} else if refs[i].DN != "" {
			dns = append(dns, refs[i].DN)
		}
	}
	out := make([]namedEdge, 0, len(refs))
	err := p.view(ctx, func(r *store.Reader) error {
		found, err := r.IDsByExternal(p.pl.Connection, users)
		if err != nil {
			return err
		}
		for external, e := range found {
			out = append(out, namedEdge{e, names[external]})
		}
		byDN, err := r.IDsByDN(p.pl.Connection, dns)
		for dn, e := range byDN {
			out = append(out, namedEdge{e, dn})
		}
		p.report.Ambiguous += len(dns) - len(byDN) + len(users) - len(found)
		return err
	})
	if p.pl.Source.Describe().Caps&CapNestedGroups == 0 {
		out = slices.DeleteFunc(out, func(n namedEdge) bool { return n.Kind == "group" })
	}
	slices.SortFunc(out, func(a, b namedEdge) int { return cmp.Compare(a.Child, b.Child) })
	return slices.CompactFunc(out, func(a, b namedEdge) bool { return a.Edge == b.Edge }), err
}

// good is the connection's state after a run that ended well.
func (p *poll) good() *store.PollState {
	s := p.state
	s.Failures, s.FailingSince, s.Cause, s.NextAt = 0, 0, "", 0
	now := workspace.At(p.began)
	if len(p.why) > 0 {
		s.Cause = p.why[0]
	}
	if p.mark != "" && len(p.why) == 0 && !p.unsettled {
		s.Mark = p.mark
	}
	if p.stage.proof != nil {
		s.Server = orElse(p.stage.proof.Server, s.Server)
	}
	s.Stock = orElse(p.stock, s.Stock)
	if p.whole {
		s.LastSweepAt = now
		if p.kind == RunFull {
			s.LastFullAt = now
		}
		s.Counts = append(slices.Clone(s.Counts), len(p.stage.seen))
		s.Counts = s.Counts[max(0, len(s.Counts)-10):]
		s.FirstRunHeld = true
	}
	return &s
}

// finish writes the run's report, the cursor and the connection's state in
// one unit of work: after a crash before it everything is read again and
// finds little to do (CU2).
func (p *poll) finish(ctx context.Context, state *store.PollState) error {
	b := Batch{
		Workspace: p.pl.Workspace, Connection: p.pl.Connection, Kind: orKind(p.kind), Channel: workspace.ChannelSync, Run: p.run,
		Trigger: orElse(p.opt.Trigger, "schedule"), SeenAt: p.began, DryRun: p.opt.DryRun, sum: &p.report,
	}
	_, conn, err := p.e.space(b.Workspace, b.Connection)
	if err != nil {
		return err
	}
	p.describe()
	var summed *SyncRun
	unit := func(tx *store.Tx) error {
		u, err := p.e.newUnit(p.s, conn, tx, b)
		if err != nil {
			return err
		}
		u.notices, u.finished = p.notices, &p.report
		for _, h := range p.withdrawn {
			if err := u.closeHold(h); err != nil {
				return err
			}
		}
		if err := u.record(); err != nil {
			return err
		}
		summed = u.summed
		if err := tx.PutPollState(*state); err != nil {
			return err
		}
		if p.report.State != "failed" && p.report.State != "aborted" && len(p.why) == 0 && !p.after.Zero() {
			c := p.after
			if err := tx.PutCursor(store.CursorRow{Connection: p.pl.Connection, Kind: c.Kind, V: int64(c.V), Scope: c.Scope, Data: c.Data, At: workspace.At(c.At)}); err != nil {
				return err
			}
		}
		row, err := tx.Connection(p.pl.Connection)
		if err != nil {
			return err
		}
		row.LastSeenAt = u.now
		if state.Failures == 0 {
			row.LastGoodRunAt, row.State, row.Scope = u.now, "ready", p.after.Scope
		} else {
			row.State = "degraded"
		}
		return tx.PutConnection(row)
	}
	if p.tx != nil {
		err = unit(p.tx)
	} else {
		err = p.s.h.Update(ctx, store.UnitOptions{DryRun: p.opt.DryRun, Lease: p.lease.Name, Token: p.lease.Token}, unit)
	}
	if err == nil && summed != nil {
		p.report = *summed
	}
	return err
}

func orKind(k RunKind) RunKind {
	if k == "" {
		return RunDelta
	}
	return k
}

// describe fills the part of the report that is about the read.
func (p *poll) describe() {
	if p.stage == nil {
		p.report.IncompleteWhy = []string{}
		return
	}
	c := p.stage.counts
	r := &p.report.SourceReport
	now, was := trafficOf(p.pl.Source), p.traffic
	r.Requests, r.Bytes, r.Referrals = now.Requests-was.Requests, now.Bytes-was.Bytes, now.Referrals-was.Referrals
	r.ThrottledMS = (now.Throttled - was.Throttled).Milliseconds()
	r.CursorBefore, r.CursorAfter = cursorHash(p.cursor.Kind, p.cursor.Data), cursorHash(p.after.Kind, p.after.Data)
	r.Pages, r.Entries, r.Seen, r.New, r.Changed, r.Unchanged = c.pages, c.entries, len(p.stage.seen), c.fresh, c.changed, c.unchanged
	r.Matched = len(p.stage.seen) - c.fresh
	r.Complete, r.IncompleteWhy = p.whole && len(p.why) == 0, append([]string{}, p.why...)
	if p.mark != "" {
		r.MarkBefore, r.MarkAfter = optional(p.state.Mark), optional(p.mark)
	}
}

// cursorHash stands for a cursor in a report: it may hold secrets. Nil is none.
func cursorHash(kind string, data []byte) *string {
	if kind == "" {
		return nil
	}
	sum := sha256.Sum256(append([]byte(kind+"\x00"), data...))
	return optional("sha256:" + hex.EncodeToString(sum[:]))
}

// addUp sums a unit's report into its run's.
func (r *SyncRun) addUp(u SyncRun) {
	source, started, kinds := r.SourceReport, r.StartedAt, r.ByKind
	counts, joiners, movers, leavers, privileged := r.Counts, r.Joiners, r.Movers, r.LeaversN, r.Privileged
	lines, notices, limits, changes, first := r.Leavers, r.Notices, r.Brake, r.Changes, r.Audit.FirstLeaf
	fault, state, billing, unowned := r.Error, r.State, r.Billing, r.Unowned
	had := r.RunID != ""
	*r = u
	r.SourceReport = source
	r.Excluded += u.Excluded
	r.Brake.Limits = append(limits.Limits, u.Brake.Limits...)
	r.Brake.Tripped = limits.Tripped || u.Brake.Tripped
	if !had {
		r.Error, r.Changes = fault, changes
		if state != "" {
			r.State = state
		}
		return
	}
	r.StartedAt = started
	r.DurationMS = int64(r.EndedAt-r.StartedAt) / 1000
	r.Counts = Counts{counts.Applied + u.Counts.Applied, counts.Noop + u.Counts.Noop, counts.Held + u.Counts.Held, counts.Denied + u.Counts.Denied, counts.Failed + u.Counts.Failed}
	for k, c := range u.ByKind {
		n := kinds[k]
		kinds[k] = Counts{n.Applied + c.Applied, n.Noop + c.Noop, n.Held + c.Held, n.Denied + c.Denied, n.Failed + c.Failed}
	}
	r.ByKind = kinds
	r.Joiners, r.Movers, r.LeaversN = joiners+u.Joiners, movers+u.Movers, leavers+u.LeaversN
	r.Privileged = append(privileged, u.Privileged...)
	r.Leavers = append(lines, u.Leavers...)
	r.Notices = append(notices, u.Notices...)
	r.Unowned = append(unowned, u.Unowned...)
	r.Notices = r.Notices[:min(len(r.Notices), 200)]
	r.Audit.FirstLeaf = first
	r.Billing.SeatsBefore, r.Billing.NumbersBefore = billing.SeatsBefore, billing.NumbersBefore
	r.Billing.ChargeCents, r.Billing.CreditCents = billing.ChargeCents+u.Billing.ChargeCents, billing.CreditCents+u.Billing.CreditCents
	r.Billing.NetCents = r.Billing.ChargeCents - r.Billing.CreditCents
	r.Changes = changes
	r.Error, r.State = fault, orElse(state, u.State)
	switch {
	case r.Counts.Failed > 0 || r.Error != nil:
		r.ExitCode = 1
	case r.Counts.Denied+r.Counts.Held > 0:
		r.ExitCode = 3
	default:
		r.ExitCode = 0
	}
}

// encode makes the run's row body.
func (r *SyncRun) encode() ([]byte, error) {
	body := *r
	body.Changes = nil
	return json.Marshal(body)
}
