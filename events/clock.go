package events

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// clockBatch bounds one look at the clocks of leavers.
const clockBatch = 200

// clockWait is the time until a leaver's clock is looked at again, by how long
// ago access ended.
func clockWait(since time.Duration) time.Duration {
	switch {
	case since < time.Minute:
		return time.Second
	case since < 10*time.Minute:
		return 5 * time.Second
	case since < verifyHourly:
		return time.Minute
	default:
		return 10 * time.Minute
	}
}

// clocks fills in what comes after a leaver's commit (T3, T4): the store is
// read back, and the receivers' answers are gathered.
func (d *Dispatcher) clocks(ctx context.Context, h *store.Handle, ws string) error {
	now := workspace.At(d.opt.Now())
	var due, moved []store.LeaverRow
	err := h.View(ctx, func(r *store.Reader) (err error) {
		if due, err = r.DueLeavers(now, clockBatch); err != nil {
			return err
		}
		moved = moved[:0]
		for i := range due {
			row, err := tick(r, due[i], now)
			if err != nil {
				return err
			}
			moved = append(moved, row)
		}
		return nil
	})
	if err != nil || len(due) == 0 {
		return err
	}
	err = h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		for i := range moved {
			if err := tx.MoveLeaver(moved[i], due[i].CheckAt); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, workspace.ErrStale) {
		return nil // another replica looked too; it stores the same
	}
	if err == nil {
		d.alarmOpen(ws, moved, now)
	}
	return err
}

// tick looks at one leaver. Access is gone when the store lets the member
// neither sign in nor ring, or has a later epoch: then no session from before
// the cut is good (EP3).
func tick(r *store.Reader, row store.LeaverRow, now workspace.Micros) (store.LeaverRow, error) {
	if row.ClosedAt == 0 {
		left, err := r.WayIn(row.Member, now)
		if err != nil {
			return row, err
		}
		if left.Epoch > row.Epoch || left.Epoch == row.Epoch && !left.SignIn && left.Usable == 0 && left.Sessions == 0 {
			row.ClosedAt = max(now, row.T2)
		}
	}
	told, err := r.LeaverTimes(row.Member, row.Run)
	if err != nil {
		return row, err
	}
	row.T3 = told.Delivered
	if row.ClosedAt > 0 && len(told.Pending)+len(told.Unproved) == 0 {
		row.T4 = max(row.ClosedAt, told.Verified)
	}
	since := now.Time().Sub(row.T2.Time())
	row.CheckAt = 0
	// A receiver that was asked for three days and has proved nothing is not
	// asked again; one that has not acknowledged is waited for.
	if row.T4 == 0 && (since < verifyLimit || row.ClosedAt == 0 || len(told.Pending) > 0) {
		row.CheckAt = workspace.At(now.Time().Add(clockWait(since)))
	}
	return row, nil
}

// alarmOpen says that the store itself still lets a leaver in.
func (d *Dispatcher) alarmOpen(ws string, rows []store.LeaverRow, now workspace.Micros) {
	for i := range rows {
		row := &rows[i]
		if row.ClosedAt == 0 && now.Time().Sub(row.T2.Time()) >= verifyAlarm {
			d.opt.Logger.Error("access has ended, and the store still lets the member in (R37)", "workspace", ws, "member_id", row.Member,
				"run_id", row.Run, "since", row.T2.String())
		}
	}
}
