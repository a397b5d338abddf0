// Package events is the outbox's way out: Standard Webhooks, security event
// tokens by push and poll, the revocation feed (leavers-and-events 10 to 15).
//
// Events arrive at least once, each with the same id on every try, and in the
// order of their sequence per subject; what ends access is never dropped,
// skipped or overtaken (DU4).
package events

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/internal/safedial"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Options are what a Dispatcher needs.
type Options struct {
	Store      *store.Store
	Workspaces []string
	Config     Config
	// Issuer names us in tokens: the public URL.
	Issuer  string
	Logger  *slog.Logger
	Now     func() time.Time
	Metrics Metrics
	// Lease is how long a claimed line belongs to its deliverer, should it die
	// (OB4); zero is 30 s. A shorter one than a call takes delivers twice.
	Lease time.Duration
	// RootCAs are trusted instead of the system's; Resolver looks names up
	// instead of the system's.
	RootCAs  *x509.CertPool
	Resolver *net.Resolver
	// Transport carries the calls instead of the guarded one (tests).
	Transport http.RoundTripper
}

// Limits of one sink (OB7), and times of the loop (OB4).
const (
	ordinaryWorkers = 8
	leaverWorkers   = 4
	pollEvery       = 500 * time.Millisecond
	drainFor        = 20 * time.Second
	upkeepEvery     = time.Hour
	// watchRounds is how many polls pass between two looks at what is overdue.
	watchRounds = 30
	// overdueAfter is when a leaver event that a sink has not acknowledged is
	// an alarm (F19).
	overdueAfter = 5 * time.Minute
)

// Dispatcher delivers outbox events. One runs in each replica; they share the
// work through the store.
type Dispatcher struct {
	opt    Options
	holder string
	lease  time.Duration
	poll   time.Duration
	signer *signer
	pumps  []*pump
	polled map[string]*stream // polled streams by id
	arrive *arrivals
	// stopping is closed when Run is to end: long polls are answered then.
	stopping chan struct{}
}

// sender delivers to one sink.
type sender interface {
	types() []string
	// deliver makes one try. progress remembers how many tokens of the event
	// have arrived. An error is ours, not the receiver's.
	deliver(ctx context.Context, workspace string, d *store.Delivery, progress func(part int) error) (result, error)
}

// New checks the options and reads secrets and key once, so that a missing
// one is known at the start.
func New(opt Options) (*Dispatcher, error) {
	if opt.Store == nil {
		return nil, errors.New("events: Options.Store is missing")
	}
	if err := errors.Join(opt.Config.Validate()...); err != nil {
		return nil, err
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Metrics == nil {
		opt.Metrics = discard{}
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	d := &Dispatcher{
		opt: opt, holder: host + "/" + uuid.NewString(), lease: cmp.Or(opt.Lease, leaseTime), poll: pollEvery, polled: map[string]*stream{}, arrive: newArrivals(), stopping: make(chan struct{}),
		signer: &signer{ref: opt.Config.SigningKey, store: opt.Store, now: opt.Now, published: map[string]time.Time{}},
	}
	if err := d.readSecrets(); err != nil {
		return nil, err
	}
	d.wire()
	return d, nil
}

// readSecrets resolves everything once.
func (d *Dispatcher) readSecrets() error {
	var errs []error
	c := &d.opt.Config
	for i := range c.Webhooks {
		for _, ref := range c.Webhooks[i].Secret {
			v, err := ref.Resolve()
			if err == nil {
				_, err = secretBytes(v)
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("events.webhooks[%d].secret: %w", i, err))
			}
		}
	}
	for i := range c.Streams {
		if ref := c.Streams[i].Authorization; !ref.IsZero() {
			if _, err := ref.Resolve(); err != nil {
				errs = append(errs, fmt.Errorf("events.streams[%d].authorization: %w", i, err))
			}
		}
	}
	if !c.SigningKey.IsZero() {
		v, err := c.SigningKey.Resolve()
		if err == nil {
			_, err = parseKey(v)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("events.signing_key: %w", err))
		}
	}
	return errors.Join(errs...)
}

// wire makes the sinks of the configuration. Each has a client of its own, so
// that none waits for another's connections.
func (d *Dispatcher) wire() {
	c := &d.opt.Config
	allowed, _ := parseNetworks(c.AllowPrivateNetworks)
	guard := safedial.New(safedial.Options{Allowed: allowed, RootCAs: d.opt.RootCAs, Resolver: d.opt.Resolver})
	client := func() *http.Client {
		made := guard.Client()
		if d.opt.Transport != nil {
			made.Transport = d.opt.Transport
		}
		return made
	}
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		h := &hook{cfg: w, client: client(), now: d.opt.Now}
		for _, ws := range d.opt.Workspaces {
			p := d.newPump(ws, store.SinkRow{ID: w.ID, Kind: "webhook", Types: h.types(), ReadsBack: w.Verify != ""}, h)
			if w.Verify != "" {
				p.verifier = h
			}
			d.pumps = append(d.pumps, p)
		}
	}
	for i := range c.Streams {
		s := &c.Streams[i]
		base := stream{cfg: s, issuer: d.opt.Issuer, signer: d.signer, store: d.opt.Store}
		if s.Deliver == deliverPoll {
			d.polled[s.ID] = &base
			continue
		}
		for _, ws := range d.opt.Workspaces {
			sends := &push{stream: base, client: client(), now: d.opt.Now}
			p := d.newPump(ws, store.SinkRow{ID: s.ID, Kind: "push", Types: base.types()}, sends)
			p.beats = sends
			d.pumps = append(d.pumps, p)
		}
	}
}

// Start makes the sinks known to the store: from now on events are queued for
// them, so it comes before the first change that they are to hear of. The
// workspaces must exist.
func (d *Dispatcher) Start(ctx context.Context) error {
	for _, ws := range d.opt.Workspaces {
		var rows []store.SinkRow
		for _, p := range d.pumps {
			if p.workspace == ws {
				rows = append(rows, p.row)
			}
		}
		for id, s := range d.polled {
			rows = append(rows, store.SinkRow{ID: id, Kind: "poll", Types: s.types()})
		}
		err := d.opt.Store.In(ws).Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
			return tx.RegisterSinks(rows, workspace.At(d.opt.Now()))
		})
		if err != nil {
			return fmt.Errorf("events: registering sinks of %s: %w", ws, err)
		}
	}
	if d.opt.Config.SigningKey.IsZero() {
		return nil
	}
	_, _, err := d.signer.key(ctx)
	return err
}

// Run delivers until ctx ends; then it waits for the calls under way, at most
// 20 s, and long polls are answered. It is called once.
func (d *Dispatcher) Run(ctx context.Context) {
	stop := d.opt.Store.OnEvents(func(ws string) {
		for _, p := range d.pumps {
			if p.workspace == ws {
				p.poke()
			}
		}
		d.arrive.wake()
	})
	defer stop()
	context.AfterFunc(ctx, func() { close(d.stopping) })
	var running sync.WaitGroup
	for _, p := range d.pumps {
		running.Go(func() { p.run(ctx) })
	}
	running.Go(func() { d.every(ctx, upkeepEvery, d.upkeep) })
	running.Go(func() { d.every(ctx, watchRounds*d.poll, d.watch) })
	running.Go(func() { d.every(ctx, d.poll, d.clocks) })
	running.Wait()
}

// every runs work for each workspace, now and then.
func (d *Dispatcher) every(ctx context.Context, period time.Duration, work func(ctx context.Context, h *store.Handle, ws string) error) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	said := time.Time{} // a store that is away is no news twice a second
	for {
		for _, ws := range d.opt.Workspaces {
			if err := work(ctx, d.opt.Store.In(ws), ws); err != nil && ctx.Err() == nil && time.Since(said) >= time.Minute {
				said = time.Now()
				d.opt.Logger.Error("events: upkeep", "workspace", ws, "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// How long things are kept (OB7, RF3).
const (
	keepDone        = 30 * 24 * time.Hour
	keepDead        = 90 * 24 * time.Hour
	keepRevocations = 90 * 24 * time.Hour
	// keepEvents is as long as anything that names an event is kept.
	keepEvents = keepRevocations
	// One round of upkeep deletes at most so much.
	pruneBatch  = 500
	pruneRounds = 200
	// farthest is later than any wait: a line that is due after it was put
	// off by a clock that was wrong.
	farthest = 15 * time.Hour
)

// upkeep deletes what is old and frees lines that a wrong clock put off.
func (d *Dispatcher) upkeep(ctx context.Context, h *store.Handle, ws string) error {
	now := d.opt.Now()
	if !d.opt.Config.SigningKey.IsZero() {
		if _, _, err := d.signer.key(ctx); err != nil {
			return err
		}
	}
	if err := d.prune(ctx, h, now); err != nil {
		return err
	}
	return h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		if err := tx.PruneRevocations(workspace.At(now.Add(-keepRevocations))); err != nil {
			return err
		}
		for _, p := range d.pumps {
			if p.workspace != ws {
				continue
			}
			if err := tx.ClampLines(p.row.ID, workspace.At(now), workspace.At(now.Add(farthest))); err != nil {
				return err
			}
		}
		return nil
	})
}

// prune deletes in small pieces what nobody needs: the writer has others to
// serve, and what is left over waits for the next round.
func (d *Dispatcher) prune(ctx context.Context, h *store.Handle, now time.Time) error {
	more, after := true, ""
	for round := 0; round < pruneRounds && more; round++ {
		err := h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) (err error) {
			more, err = tx.PruneDeliveries(workspace.At(now.Add(-keepDone)), workspace.At(now.Add(-keepDead)), pruneBatch)
			return err
		})
		if err != nil {
			return err
		}
	}
	for range pruneRounds {
		err := h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) (err error) {
			after, err = tx.PruneEvents(workspace.At(now.Add(-keepEvents)), after, pruneBatch)
			return err
		})
		if err != nil || after == "" {
			return err
		}
	}
	return nil
}

// watch counts the leaver events that are overdue, and says so (F19).
func (d *Dispatcher) watch(ctx context.Context, h *store.Handle, ws string) error {
	var rows []store.DeliveryRow
	err := h.View(ctx, func(r *store.Reader) (err error) {
		rows, err = r.Undelivered(workspace.At(d.opt.Now().Add(-overdueAfter)), 1000)
		return err
	})
	if err != nil {
		return err
	}
	d.opt.Metrics.Waiting(ws, len(rows))
	if len(rows) > 0 {
		d.opt.Logger.Error("a receiver has not acknowledged that access ended (F19)", "workspace", ws, "events", len(rows), "oldest", rows[0].EventID,
			"sink", rows[0].Sink, "since", rows[0].EventAt.String(), "remedy", "rollcall events list; rollcall events retry "+rows[0].Sink)
	}
	return nil
}
