package sync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Ask reads one person from a directory, now, because a signal or a sign-in
// gave reason to (CU6). What the directory says is applied like a poll's
// page; that it cannot be asked, or does not find the person, changes nothing:
// absence is for whole reads to prove (AB1).
//
// An answer settles what was noted to be asked before (AskDue).
func (e *Engine) Ask(ctx context.Context, pl Polled, id, trigger string) error {
	s, _, err := e.space(pl.Workspace, pl.Connection)
	if err != nil {
		return err
	}
	began := e.now() // EV4: what is learnt is as old as the question
	if err := e.askNow(ctx, s, pl, id, trigger, began); err != nil {
		return err
	}
	return s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		return tx.DeleteAsking(pl.Connection, id, workspace.At(began))
	})
}

// askNow puts the question and applies the answer.
func (e *Engine) askNow(ctx context.Context, s *space, pl Polled, id, trigger string, began time.Time) error {
	found, err := pl.Source.Get(ctx, id)
	o := IdentityObservation{}
	switch {
	case errors.Is(err, ErrDeleted):
		o.Op, o.Class, o.Why = OpDelete, workspace.EvidenceE1, "deleted"
	case errors.Is(err, ErrAbsent):
		return nil
	case err != nil:
		return fmt.Errorf("asking connection %s about one person: %w", pl.Connection, err)
	case !found.Active && found.Reason != "disabled" && found.Reason != "expired":
		return nil // outside the scope: for the next whole read to judge
	case !found.Active:
		o.Class, o.Why = workspace.EvidenceE1, found.Reason
	}
	for try := 0; ; try++ {
		known, err := e.recordOf(ctx, s, pl.Connection, id)
		if err != nil {
			return err
		}
		if known.ObservedAt > workspace.At(began) || o.Op == OpDelete && known.ID == "" {
			return nil // something newer was heard meanwhile
		}
		if o.Op == OpDelete {
			o.Row = store.IdentityRow{Identity: known}
		} else {
			o.Row = PolledRow(found)
			o.Row.ID, o.Row.Member, o.Row.CreatedAt = known.ID, known.Member, known.CreatedAt
			o.Row.ObservedAt = workspace.At(began)
		}
		o.Expect = known.Version
		_, err = e.Apply(ctx, Batch{
			Workspace: pl.Workspace, Connection: pl.Connection, Kind: RunTargeted, Trigger: trigger, Channel: workspace.ChannelSync, SeenAt: began,
			Identities: []IdentityObservation{o}, Confirms: true,
		})
		if errors.Is(err, errOlder) {
			return nil // deleted while we asked
		}
		if err == nil || !errors.Is(err, workspace.ErrStale) && !errors.Is(err, workspace.ErrConflict) || try == 2 {
			return err
		}
	}
}

// recordOf reads a live record by its immutable id; zero if there is none.
func (e *Engine) recordOf(ctx context.Context, s *space, connection, id string) (known workspace.Identity, err error) {
	err = s.h.View(ctx, func(r *store.Reader) error {
		var err error
		known, err = r.IdentityByExternal(connection, id, false)
		if errors.Is(err, workspace.ErrNotFound) {
			return nil
		}
		return err
	})
	return known, err
}

// Ask reads one person of a connection that is polled here, in the time of
// one call; a connection that is not polled knows nobody to ask.
func (s *Scheduler) Ask(ctx context.Context, id, connection, person, trigger string) error {
	for _, pl := range s.polled {
		if pl.Workspace == id && pl.Connection == connection && pl.Source.Describe().Caps&CapTargeted != 0 {
			return s.e.Ask(ctx, pl, person, trigger)
		}
	}
	return nil
}
