package sync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Polled is a connection that is read on a schedule.
type Polled struct {
	Workspace, Connection string
	Source                Source
	// Poll and Full are cron specifications ("@every 1m", "17 3 * * *").
	Poll, Full string
	// Sweep is how often ids are swept at least; zero is 15 minutes.
	Sweep time.Duration
	// Deadline bounds one run; zero is 30 minutes.
	Deadline time.Duration
	// MinExpected is how many people a whole read must have; zero is 80 % of
	// the median of the last 10 good ones (RD6).
	MinExpected int
	// OutOfScope is what happens to people found outside the base or failing
	// the filter: deactivate (default), keep or hold.
	OutOfScope string
}

// Progress tells how a long run goes. Total is 0 while it is unknown.
type Progress struct {
	Phase string // reading, comparing, applying, confirming
	Done  int
	Total int
	Rate  float64 // per second
}

// SyncOptions say how one poll is run.
type SyncOptions struct {
	Full     bool
	DryRun   bool
	Trigger  string // schedule, operator
	Progress func(Progress)
}

// PollResult is what became of one poll.
type PollResult struct {
	// Unchanged: the tell-tale said that nothing moved, so no run was written.
	Unchanged bool
	Run       SyncRun
}

// ErrRunning says that another process, or another run of this one, polls the
// connection now.
var ErrRunning = errors.New("a poll of this connection is running")

// Lease times of a poll (LE1).
const (
	leaseTTL   = 15 * time.Second
	leaseRenew = 5 * time.Second
)

// poll is one run of one connection.
type poll struct {
	e      *Engine
	s      *space
	pl     Polled
	opt    SyncOptions
	log    *slog.Logger
	run    string
	lease  store.Lease
	state  store.PollState
	cursor store.CursorRow
	stage  *stage
	sink   *sink
	kind   RunKind
	began  time.Time
	after  Cursor
	mark   string
	moved  bool     // the tell-tale says that something changed
	why    []string // why the read was not whole
	whole  bool
	// guarded are attributes that count as unreadable in this run (RD7).
	guarded []string
	notices []string
	again   []place         // people whose new address was taken, to be tried once more
	tried   map[string]bool // those who were in again
	// unsettled: a name changed hands, so the next poll looks again although
	// the tell-tale stands still.
	unsettled bool
	held      map[string]bool     // plans of groups that this run holds, by hash
	tripped   map[Part]*BrakeHold // limits of parts that this run has passed
	aside     map[Part][]string   // identities whose part was left out
	withdrawn []store.HoldRow     // plans that are no longer wanted
	stock     string              // the inventory before those who wait for a number were tried, or passed over
	passed    bool                // they were passed over
	traffic   Traffic             // of the source before this run
	tx        *store.Tx           // set in a dry run: everything in one transaction
	report    SyncRun             // summed over the units of the run
}

// Poll reads a connection once and applies what differs. It returns
// ErrRunning when the connection's lease is held by another run.
func (e *Engine) Poll(ctx context.Context, pl Polled, holder string, opt SyncOptions) (PollResult, error) {
	s, _, err := e.space(pl.Workspace, pl.Connection)
	if err != nil {
		return PollResult{}, err
	}
	name := "poll/" + pl.Workspace + "/" + pl.Connection
	lease, ok, err := e.store.Acquire(ctx, name, holder, leaseTTL)
	if err != nil {
		return PollResult{}, err
	}
	if !ok {
		return PollResult{}, ErrRunning
	}
	deadline := pl.Deadline
	if deadline == 0 {
		deadline = 30 * time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, deadline, fmt.Errorf("the run took longer than its deadline of %s", deadline))
	defer cancel()
	lost, done := e.keepLease(ctx, lease, cancel), make(chan struct{})
	defer func() { close(done); <-lost(done) }()
	p := &poll{
		e: e, s: s, pl: pl, opt: opt, run: newID(), lease: lease, began: e.now(), tried: map[string]bool{}, aside: map[Part][]string{}, tripped: map[Part]*BrakeHold{}, held: map[string]bool{},
		log: e.log.With("workspace", pl.Workspace, "connection", pl.Connection),
	}
	res, err := p.do(ctx)
	if rerr := e.store.Release(context.WithoutCancel(ctx), lease); rerr != nil {
		e.log.Warn("a poll's lease could not be given back, it runs out by itself", "connection", pl.Connection, "err", rerr)
	}
	return res, err
}

// keepLease renews a lease until the run is done; losing it cancels the run,
// while the fence in each transaction gives safety (LE4).
func (e *Engine) keepLease(ctx context.Context, l store.Lease, cancel context.CancelFunc) func(done chan struct{}) chan struct{} {
	ended, stop := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(leaseRenew)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
				if ok, err := e.store.Renew(ctx, l, leaseTTL); err == nil && !ok {
					cancel()
					return
				}
			}
		}
	}()
	return func(done chan struct{}) chan struct{} {
		<-done
		close(stop)
		return ended
	}
}

// do runs the steps of one poll: tell-tale, read, compare, apply, absence.
func (p *poll) do(ctx context.Context) (PollResult, error) {
	p.traffic = trafficOf(p.pl.Source)
	if err := p.load(ctx); err != nil {
		return PollResult{}, err
	}
	if p.opt.Trigger == "schedule" && p.state.NextAt > workspace.At(p.e.now()) {
		return PollResult{Unchanged: true}, nil // backing off (QU2, QU3)
	}
	if quiet, err := p.quiet(ctx); err != nil || quiet {
		if err != nil {
			return p.fail(ctx, err)
		}
		return PollResult{Unchanged: true}, nil
	}
	var err error
	if p.stage, err = newStage(); err != nil {
		return PollResult{}, err
	}
	defer func() {
		if err := p.stage.close(); err != nil {
			p.log.Warn("a stage could not be closed", "err", err)
		}
	}()
	p.sink = &sink{p: p}
	p.sink.reset()
	if err := p.read(ctx); err != nil {
		return p.fail(ctx, err)
	}
	if p.opt.DryRun {
		err = p.s.h.Update(ctx, store.UnitOptions{DryRun: true}, func(tx *store.Tx) error {
			p.tx = tx
			return p.apply(ctx)
		})
	} else {
		err = p.apply(ctx)
	}
	if err != nil {
		return p.fail(ctx, err)
	}
	return PollResult{Run: p.report}, nil
}

// load reads what the last run left.
func (p *poll) load(ctx context.Context) error {
	return p.s.h.View(ctx, func(r *store.Reader) error {
		var err error
		if p.state, err = r.PollState(p.pl.Connection); err != nil {
			return err
		}
		p.cursor, err = r.Cursor(p.pl.Connection)
		if errors.Is(err, workspace.ErrNotFound) {
			return nil
		}
		return err
	})
}

// quiet asks the tell-tale. People missed once must be looked for again, so
// then it is not asked.
func (p *poll) quiet(ctx context.Context) (bool, error) {
	t, ok := p.pl.Source.(TellTaler)
	if !ok {
		return false, nil
	}
	mark, err := t.TellTale(ctx)
	if err != nil {
		return false, err
	}
	// No mark says nothing: then changes are read at every poll, and ids by the
	// sweep's own clock.
	p.mark, p.moved = mark, mark != "" && mark != p.state.Mark
	if p.opt.Full || p.opt.DryRun || p.moved || mark == "" || p.cursor.Kind == "" || p.state.Failures > 0 || p.state.Cause != "" || p.sweepDue() {
		return false, nil
	}
	missed := 0
	err = p.s.h.View(ctx, func(r *store.Reader) error {
		rows, err := r.Absences(p.pl.Connection)
		missed = len(rows)
		return err
	})
	return missed == 0, err
}

// sweepDue reports whether a look at all ids is due: a lost right moves no
// tell-tale, so a clock forces it.
func (p *poll) sweepDue() bool {
	every := p.pl.Sweep
	if every == 0 {
		every = 15 * time.Minute
	}
	return p.e.now().Sub(p.state.LastSweepAt.Time()) >= every
}

// from is the cursor of the last good run.
func (p *poll) from() Cursor {
	return Cursor{Kind: p.cursor.Kind, V: int(p.cursor.V), Scope: p.cursor.Scope, Data: p.cursor.Data, At: p.cursor.At.Time()}
}

// read runs Delta, or Full where Delta cannot serve.
func (p *poll) read(ctx context.Context) error {
	from := p.from()
	info := p.pl.Source.Describe()
	full := p.opt.Full || from.Zero() || info.Caps&CapDelta == 0 || from.V != info.CursorV
	var err error
	if !full {
		p.kind = RunDelta
		p.after, err = p.pl.Source.Delta(ctx, from, p.sink)
		err = p.sink.settled(err)
		if errors.Is(err, ErrCursorGone) {
			full = true
			p.log.Info("the cursor is gone, everything is read anew")
		}
	}
	if full {
		p.kind = RunFull
		p.sink.reset()
		// The cursor of a run that ended resumes nothing, but pins the directory
		// (RD8).
		p.after, err = p.pl.Source.Full(ctx, from, p.sink)
		err = p.sink.settled(err)
	}
	if err = p.incomplete(ctx, err); err != nil {
		return err
	}
	if err := p.guard(ctx); err != nil {
		return err
	}
	if full {
		return p.prove(ctx)
	}
	return nil
}

// sweep looks at all ids after what a delta brought has been applied, so that
// nobody waits for it. Trouble on the way proves nothing and undoes nothing:
// the run is incomplete, and the next poll looks again.
func (p *poll) sweep(ctx context.Context) error {
	s, ok := p.pl.Source.(Sweeper)
	if !ok || p.kind == RunFull || len(p.why) > 0 || !p.moved && !p.sweepDue() {
		return nil
	}
	p.sink.sweeping = true
	err := p.incomplete(ctx, p.sink.settled(s.Sweep(ctx, p.sink)))
	if err != nil && ctx.Err() != nil {
		return err
	}
	if err != nil {
		p.notWhole("the look at all ids failed: " + err.Error())
		return nil
	}
	return p.prove(ctx)
}

// incomplete sorts an error of a read: a read that was cut may still add and
// update; whatever else it is fails the run and changes nothing (E4).
func (p *poll) incomplete(ctx context.Context, err error) error {
	var cut *IncompleteError
	if errors.As(err, &cut) {
		p.why = append(p.why, cut.Why)
		return nil
	}
	if err == nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// fail records a failed run: nothing was applied, the cursor stays (QU1).
func (p *poll) fail(ctx context.Context, cause error) (PollResult, error) {
	ctx = context.WithoutCancel(ctx)
	p.log.Error("poll failed, nothing is changed", "run_id", p.run, "err", cause)
	if p.opt.DryRun {
		return PollResult{}, cause
	}
	p.withdrawn = nil
	p.report.Error = &ErrorReport{Code: errorCode(cause), Text: cause.Error(), Hint: hintFor(cause)}
	p.report.State = "failed"
	if errors.Is(cause, store.ErrFenced) {
		p.report.State = "aborted"
		return PollResult{}, cause
	}
	var wait *ThrottledError
	state := p.state
	state.Cause = cause.Error()
	if errors.As(cause, &wait) {
		state.NextAt = workspace.At(wait.Until)
	} else {
		state.Failures++
		if state.FailingSince == 0 {
			state.FailingSince = workspace.At(p.e.now())
		}
		state.NextAt = workspace.At(p.e.now().Add(backoff(cause, state.Failures)))
	}
	if err := p.finish(ctx, &state); err != nil {
		return PollResult{}, errors.Join(cause, err)
	}
	return PollResult{Run: p.report}, cause
}

// errorCode names the kind of a failure.
func errorCode(err error) string {
	var throttled *ThrottledError
	var scope *ScopeError
	switch {
	case errors.Is(err, ErrAuth):
		return "auth"
	case errors.Is(err, ErrTenantMismatch):
		return "tenant"
	case errors.As(err, &throttled):
		return "throttled"
	case errors.As(err, &scope):
		return "missing_right"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, store.ErrUnavailable):
		return "store"
	default:
		return "source"
	}
}

// hintFor tells an operator what to do.
func hintFor(err error) string {
	switch errorCode(err) {
	case "auth":
		return "check the account and its password, secret or key; the next try is in 15 minutes, or at once when an administrator runs rollcall sync"
	case "tenant":
		return "another directory answered: correct the address, or remove the connection and add it anew"
	case "missing_right":
		return "give the account the right that is named"
	case "throttled":
		return "nothing is to be done: the poll goes on when the directory allows it"
	default:
		return "nothing was changed; the next poll tries again"
	}
}

// backoff is how long a failed connection waits beyond its schedule: not at
// all for the first two failures, then doubling to an hour; after a refused
// password 15 minutes at once, since repeated binds lock the account (QU2, QU3).
func backoff(err error, failures int) time.Duration {
	if errors.Is(err, ErrAuth) {
		return min(15*time.Minute<<min(failures-1, 7), 24*time.Hour)
	}
	if failures < 3 {
		return 0
	}
	return min(time.Minute<<min(failures-3, 6), time.Hour)
}
