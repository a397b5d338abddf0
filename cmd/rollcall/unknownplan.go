package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// unknownPlanError is a plan that is not open. It wraps workspace.ErrNotFound.
type unknownPlanError struct{ text string }

func (e *unknownPlanError) Error() string { return e.text }

func (e *unknownPlanError) Unwrap() error { return workspace.ErrNotFound }

// unknownPlan says what became of a plan that is no longer open, and where
// plans are to be found; other errors come back as they are.
func (s *session) unknownPlan(ctx context.Context, err error, plan string) error {
	if !errors.Is(err, workspace.ErrNotFound) {
		return err
	}
	text := fmt.Sprintf("no open plan %q", plan)
	verr := s.view(ctx, func(r *store.Reader) error {
		h, err := r.DecidedHold(plan)
		if errors.Is(err, workspace.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		by := h.DecidedBy
		m, err := r.Member(h.DecidedBy)
		switch {
		case err == nil:
			by = m.Email
		case !errors.Is(err, workspace.ErrNotFound):
			return err
		}
		switch h.State {
		case "approved", "rejected":
			text += fmt.Sprintf(": it was %s by %s at %s", h.State, by, stamp(h.DecidedAt))
		default: // expired, withdrawn
			text += fmt.Sprintf(": it was %s at %s (%s)", h.State, stamp(h.DecidedAt), h.DecidedWhy)
		}
		return nil
	})
	if verr != nil {
		return verr
	}
	return &unknownPlanError{text + "\ndo: see `rollcall plan`"}
}
