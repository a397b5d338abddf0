package events

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// pump delivers the events of one workspace to one sink. Its loop owns every
// field below; deliveries run beside it and report through done.
type pump struct {
	d         *Dispatcher
	workspace string
	row       store.SinkRow
	send      sender
	verifier  *hook // nil: nothing is read back
	beats     *push // nil: no heartbeat
	h         *store.Handle
	wakeup    chan struct{}
	done      chan lane

	ordinary, leaver, asides int // calls under way
	nextAside                time.Time

	mu       sync.Mutex
	failures int // tries that failed since the last one that did not
}

// lane is whose worker a call occupies.
type lane int

const (
	laneOrdinary lane = iota
	laneLeaver
	laneAside // reading back, heartbeat
)

func (d *Dispatcher) newPump(ws string, row store.SinkRow, send sender) *pump {
	return &pump{
		d: d, workspace: ws, row: row, send: send, h: d.opt.Store.In(ws), wakeup: make(chan struct{}, 1),
		done: make(chan lane, ordinaryWorkers+leaverWorkers+1),
	}
}

// poke wakes the loop.
func (p *pump) poke() {
	select {
	case p.wakeup <- struct{}{}:
	default:
	}
}

// run claims what is due whenever something may be, until ctx ends.
func (p *pump) run(ctx context.Context) {
	// Calls under way outlive the signal: what arrived is to be acknowledged.
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		if err := p.round(ctx, calls); err != nil && ctx.Err() == nil {
			p.d.opt.Logger.Error("events: claiming", "workspace", p.workspace, "sink", p.row.ID, "err", err)
		}
		// Replicas that poll should not do so in step.
		timer.Reset(p.d.poll/2 + rand.N(p.d.poll))
		select {
		case <-ctx.Done():
		case <-p.wakeup:
		case <-timer.C:
		case l := <-p.done:
			p.free(l)
		}
	}
	p.drain(cancel)
}

// drain waits for the calls under way.
func (p *pump) drain(cancel context.CancelFunc) {
	limit := time.AfterFunc(drainFor, cancel)
	defer limit.Stop()
	for p.ordinary+p.leaver+p.asides > 0 {
		p.free(<-p.done)
	}
}

func (p *pump) free(l lane) {
	switch l {
	case laneOrdinary:
		p.ordinary--
	case laneLeaver:
		p.leaver--
	case laneAside:
		p.asides--
	}
}

// round looks for what is due and starts as many calls as workers are free.
// Leavers have workers of their own and may take the others' too (OB6).
func (p *pump) round(ctx, calls context.Context) error {
	now := workspace.At(p.d.opt.Now())
	var sink store.SinkRow
	var leavers, ordinary bool
	var verify []store.DeliveryRow
	err := p.h.View(ctx, func(r *store.Reader) (err error) {
		if sink, err = r.Sink(p.row.ID); err != nil || sink.State != store.SinkActive {
			return err
		}
		if p.verifier != nil && p.asides == 0 {
			if verify, err = r.DueVerifications(sink.ID, now, 8); err != nil {
				return err
			}
		}
		leavers, ordinary, err = r.Due(sink.ID, now)
		return err
	})
	if err != nil || sink.State != store.SinkActive {
		return err
	}
	if free := leaverWorkers - p.leaver + ordinaryWorkers - p.ordinary; leavers && free > 0 {
		if err := p.claim(ctx, calls, true, free); err != nil {
			return err
		}
	}
	if free := ordinaryWorkers - p.ordinary; ordinary && free > 0 {
		if err := p.claim(ctx, calls, false, free); err != nil {
			return err
		}
	}
	p.aside(calls, &sink, verify)
	return nil
}

// claim takes lines and delivers their heads, each in a goroutine.
func (p *pump) claim(ctx, calls context.Context, leavers bool, limit int) error {
	var claimed []store.Delivery
	err := p.h.Update(ctx, store.UnitOptions{Urgent: leavers}, func(tx *store.Tx) (err error) {
		claimed, err = tx.Claim(p.row.ID, p.d.holder, leavers, workspace.At(p.d.opt.Now()), p.d.lease, limit)
		return err
	})
	if err != nil {
		return err
	}
	for i := range claimed {
		l := laneOrdinary
		if leavers && p.leaver < leaverWorkers {
			l = laneLeaver
			p.leaver++
		} else {
			p.ordinary++
		}
		go func() {
			defer func() { p.done <- l }()
			p.attempt(calls, &claimed[i])
		}()
	}
	return nil
}

// A claimed line belongs to its deliverer for the time of a lease (OB4); one
// attempt, tokens of several parts included, ends well within it.
const (
	leaseTime   = 30 * time.Second
	attemptTime = 25 * time.Second
)

// attempt makes one try and settles its outcome.
func (p *pump) attempt(calls context.Context, d *store.Delivery) {
	ctx, cancel := context.WithTimeout(calls, attemptTime)
	defer cancel()
	r, err := p.send.deliver(ctx, p.workspace, d, func(part int) error {
		return p.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error { return tx.Progress(*d, part) })
	})
	log := p.d.opt.Logger.With("workspace", p.workspace, "sink", p.row.ID, "event", d.Event.ID, "type", d.Event.Type, "try", d.Tries)
	if err != nil {
		// A secret that cannot be read, a store that cannot be written: ours to
		// mend, and tried again like everything else.
		log.Error("events: delivery", "err", err)
		r = result{fault: "our fault"}
	}
	// The outcome is stored even when the process is asked to stop meanwhile.
	keep, stop := context.WithTimeout(context.WithoutCancel(calls), 5*time.Second)
	defer stop()
	outcome, err := p.settle(keep, d, &r)
	switch {
	case errors.Is(err, workspace.ErrStale):
		log.Warn("events: somebody else has this line now")
		return
	case err != nil:
		log.Error("events: outcome not stored, the event will come again", "err", err)
		return
	}
	p.d.opt.Metrics.Tried(p.row.ID, outcome)
	switch {
	case outcome == "gone":
		log.Error("the receiver answers 410: the sink is disabled, its events wait", "remedy", "rollcall events resume "+p.row.ID)
	case outcome == "dead":
		log.Error("event given up after 72 hours (F19)", "status", r.status, "fault", r.fault)
	case outcome == "failed" && (r.alarm || d.Tries >= alarmTries):
		log.Warn("event not delivered (F19)", "status", r.status, "fault", r.fault)
	}
}

// settle stores what a try came to and names it.
func (p *pump) settle(ctx context.Context, d *store.Delivery, r *result) (outcome string, err error) {
	now := p.d.opt.Now()
	at := workspace.At(now)
	recovered := p.count(r.acked)
	err = p.h.Update(ctx, store.UnitOptions{Urgent: d.Event.Leaver}, func(tx *store.Tx) error {
		switch {
		case r.acked:
			outcome = "acked"
			if err := tx.Ack(*d, p.receipt(d, r, at)); err != nil || !recovered {
				return err
			}
			// The sink is back: whatever waits for a retry need not (OB11).
			_, err := tx.RetrySink(p.row.ID, at)
			return err
		case r.gone:
			outcome = "gone"
			if _, err := tx.DisableSink(p.row.ID, "answered 410 Gone", at); err != nil {
				return err
			}
			return tx.Delay(*d, at, at, r.status, r.fault)
		case !d.Event.Leaver && now.Sub(d.Event.At.Time()) >= deadAfter:
			outcome = "dead"
			return tx.Bury(*d, r.status, r.fault, at)
		default:
			outcome = "failed"
			return tx.Delay(*d, workspace.At(now.Add(wait(d.Tries, r, d.Leaver()))), at, r.status, r.fault)
		}
	})
	if err == nil && r.acked {
		p.d.opt.Metrics.Delivered(p.row.ID, d.Event.Leaver, now.Sub(d.Event.At.Time()))
	}
	return outcome, err
}

// receipt is what is kept of an acknowledgement; a leaver's is proved by the
// answer itself, or read back.
func (p *pump) receipt(d *store.Delivery, r *result, at workspace.Micros) store.Receipt {
	receipt := store.Receipt{At: at, Status: r.status, Epoch: r.epoch, Sessions: r.sessions}
	switch {
	case !d.Event.Leaver:
	case p.verifier != nil:
		receipt.VerifyAt = at
	case r.epoch > 0:
		if body, err := readPayload(&d.Event); err == nil && r.epoch >= body.Data.Epoch {
			receipt.VerifiedAt = at
		}
	}
	return receipt
}

// downAfter failures in a row, over all its lines, make a sink one that is
// down.
const downAfter = 3

// count keeps the run of failures, and reports whether a sink that was down
// has come back.
func (p *pump) count(acked bool) (recovered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !acked {
		p.failures++
		return false
	}
	recovered = p.failures >= downAfter
	p.failures = 0
	return recovered
}
