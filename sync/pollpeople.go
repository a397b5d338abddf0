package sync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// applyBatch is how many people one unit of work of a poll brings up to date.
const applyBatch = 250

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
