package events

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Reading back (T4): often in the first minute, then less so, for three days.
const (
	verifyFirst  = 5 * time.Second
	verifyAlarm  = time.Minute
	verifyLater  = 5 * time.Minute
	verifyHourly = time.Hour
	verifyLimit  = 72 * time.Hour
	// beatRetry is the wait after a heartbeat that failed.
	beatRetry = time.Minute
)

// aside starts what goes beside events: reading leavers back, and the
// heartbeat of a stream. One goroutine of them runs at a time.
func (p *pump) aside(calls context.Context, sink *store.SinkRow, verify []store.DeliveryRow) {
	now := p.d.opt.Now()
	beat := p.beats != nil && heartbeatDue(sink, workspace.At(now)) && !now.Before(p.nextAside)
	if p.asides > 0 || !beat && len(verify) == 0 {
		return
	}
	if beat {
		p.nextAside = now.Add(beatRetry)
	}
	p.asides++
	go func() {
		defer func() { p.done <- laneAside }()
		if beat {
			p.beat(calls)
		}
		for i := range verify {
			p.readBack(calls, &verify[i])
		}
	}()
}

// beat pushes a verification event (ST6).
func (p *pump) beat(ctx context.Context) {
	log := p.d.opt.Logger.With("workspace", p.workspace, "sink", p.row.ID)
	r, err := p.beats.heartbeat(ctx)
	switch {
	case err != nil:
		log.Error("events: heartbeat", "err", err)
		return
	case !r.acked:
		log.Warn("the receiver does not take the heartbeat (ST6)", "status", r.status, "fault", r.fault)
		return
	}
	err = p.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		return tx.TouchSink(p.row.ID, workspace.At(p.d.opt.Now()))
	})
	if err != nil {
		log.Error("events: heartbeat", "err", err)
	}
}

// verifyWait is the time between readings back, by how long ago the event was
// acknowledged; zero gives up.
func verifyWait(since time.Duration) time.Duration {
	switch {
	case since < verifyAlarm:
		return verifyFirst
	case since < verifyHourly:
		return verifyLater
	case since < verifyLimit:
		return verifyHourly
	default:
		return 0
	}
}

// readBack asks the sink once whether a leaver's access is gone (T4).
func (p *pump) readBack(ctx context.Context, row *store.DeliveryRow) {
	log := p.d.opt.Logger.With("workspace", p.workspace, "sink", p.row.ID, "event", row.EventID, "member", row.Subject)
	var epoch int64
	err := p.h.View(ctx, func(r *store.Reader) error {
		e, err := r.Event(row.EventID)
		if err != nil {
			return err
		}
		body, err := readPayload(&e)
		epoch = body.Data.Epoch
		return err
	})
	if err != nil {
		log.Error("events: reading back", "err", err)
		return
	}
	asked := p.verifier.verify(ctx, row, epoch)
	now := p.d.opt.Now()
	since := now.Sub(row.DoneAt.Time())
	err = p.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		if asked == nil {
			return tx.Verified(*row, workspace.At(now))
		}
		next := workspace.Micros(0)
		if pause := verifyWait(since); pause > 0 {
			next = workspace.At(now.Add(pause))
		}
		return tx.PostponeVerification(*row, next)
	})
	switch {
	case errors.Is(err, workspace.ErrStale): // another replica asked too
	case err != nil:
		log.Error("events: reading back", "err", err)
	case asked == nil:
		p.d.opt.Metrics.Verified(p.row.ID, since)
	case since >= verifyAlarm:
		log.Error("a receiver has not proved that access is gone (R37)", "since", row.DoneAt.String(), "err", asked)
	}
}
