package sync

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// joinSubject is what a wish to join waits under.
const joinSubject = "join:"

// holdTime is how long held changes may be decided on: a day, after which the
// next poll asks again; a wish to join, and a number that an invitation had
// promised, as long as an invitation, for nobody asks again in the person's
// place.
func (u *unit) holdTime(index []int) workspace.Micros {
	for _, i := range index {
		if p := &u.plan[i]; p.Cause.Kind == workspace.CauseJoin || p.losesPromise() {
			return workspace.Micros(u.s.cfg.InvitationTTL.Microseconds())
		}
	}
	return holdFor
}

// closeJoins closes the wishes of an address that are no longer what would
// happen: the person is in, or has asked for something else.
func (u *unit) closeJoins(address, keep string) error {
	open, err := u.tx.OpenHolds(joinSubject + emailKey(address))
	if err != nil {
		return err
	}
	for _, h := range open {
		if h.PlanHash == keep {
			continue
		}
		h.State, h.DecidedAt, h.DecidedBy, h.DecidedWhy = "withdrawn", u.now, "system", "the wish to join was settled otherwise"
		if err := u.tx.PutHold(h); err != nil {
			return err
		}
	}
	return nil
}

// AdmitQueued lets people in who wait for a seat, in the order in which they
// asked, as long as there is room (DC8). Everything else is judged anew: who
// has lost access meanwhile, or whose domain lapsed, stays out. It returns how
// many came in.
func (e *Engine) AdmitQueued(ctx context.Context, id string) (int, error) {
	s, _, err := e.space(id, "")
	if err != nil {
		return 0, err
	}
	limit, capped := s.policy.Limits.Seats.Get()
	if s.cfg.Domains.AutoJoin != AutoJoinOn {
		return 0, nil
	}
	var queue []store.HoldRow
	err = s.h.View(ctx, func(r *store.Reader) error {
		open, err := r.OpenHolds("")
		if err != nil {
			return err
		}
		row, err := r.Workspace()
		if err != nil || capped && row.Totals.Seats >= limit {
			return err
		}
		for _, h := range open {
			if strings.HasPrefix(h.Subject, joinSubject) && h.ExpiresAt > workspace.At(e.now()) {
				queue = append(queue, h)
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	slices.Reverse(queue) // listed newest first
	slices.SortStableFunc(queue, func(a, b store.HoldRow) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) })
	admitted := 0
	for _, h := range queue {
		var held heldEdits
		if err := json.Unmarshal(h.Observation, &held); err != nil || !enters(held.Edits) || held.Edits[0].Enter == nil {
			return admitted, fmt.Errorf("hold %s cannot be read: %w", h.ID, err)
		}
		edit := &held.Edits[0]
		j := Join{
			Workspace: id, Name: edit.Name, Evidence: edit.Enter.Evidence, Identity: edit.Enter.Identity, Channel: held.Channel,
			Txn: h.ID, DryRun: true, queued: true,
		}
		// Looking first keeps a wish that must go on waiting from filling the
		// reports.
		out, err := e.Join(ctx, j)
		if err == nil && out.State == JoinDone {
			j.DryRun = false
			if out, err = e.Join(ctx, j); err == nil && out.State == JoinDone {
				admitted++
			}
		}
		if err != nil {
			return admitted, err
		}
	}
	return admitted, nil
}
