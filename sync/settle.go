package sync

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Settlement is a person's word that a receiver needs no event any more.
type Settlement struct {
	Workspace   string
	Sink, Event string
	As          string // address of the member who says so
	Reason      string
}

// SettleEvent takes the event at the head of a receiver's line out of it, with
// a report and a leaf of the log (OB9). It gives workspace.ErrNotFound for an
// unknown event, receiver or member, and store.ErrNotHead when the event does
// not wait, or another waits before it.
func (e *Engine) SettleEvent(ctx context.Context, s Settlement) error {
	if s.Reason == "" {
		return errors.New("settling an event needs a reason")
	}
	return e.tokenUnit(ctx, s.Workspace, func(u *unit) error {
		by, err := u.tx.MemberByEmail(emailKey(s.As))
		if err != nil {
			return fmt.Errorf("member %s: %w", s.As, err)
		}
		if !by.Usable() || by.Role < workspace.RoleAdmin {
			return fmt.Errorf("%w: %s is no active Owner or Admin", ErrMayNotSettle, s.As)
		}
		u.actor.ID, u.actor.Label, u.actor.Kind, u.actor.Role = by.ID, by.Email, workspace.ActorOperator, by.Role
		u.add(planned{
			Change: workspace.Change{
				Kind: workspace.EventSettle, Subject: workspace.Ref{Type: "event", ID: s.Event, Label: s.Sink},
				Cause: workspace.Cause{Kind: workspace.CauseEdit, Note: s.Reason, ReasonClass: "correction"},
			},
			person: "event:" + s.Event,
			ruling: &workspace.Decision{Verdict: workspace.Allow, Rule: "operator", Reason: "An Owner or Admin takes an undelivered event out of a receiver's line."},
			then: []effect{func(tx *store.Tx) error {
				_, err := tx.Settle(s.Sink, s.Event, by.Email, s.Reason, u.now)
				return err
			}},
		})
		return nil
	})
}

// ErrMayNotSettle says that only Owners and Admins settle events.
var ErrMayNotSettle = errors.New("may not settle events")
