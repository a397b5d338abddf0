package sync

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"
	stdsync "sync"
	"time"

	"github.com/robfig/cron/v3"
)

// timerEvery is how often the timers look for what is due.
const timerEvery = 15 * time.Second

// Scheduler runs polls on their schedules and the timers beside them. It is
// started once; Stop ends it.
type Scheduler struct {
	e      *Engine
	log    *slog.Logger
	holder string
	polled []Polled
	onPoll func(Polled, PollResult, time.Duration, error)
	cron   *cron.Cron
	cancel context.CancelFunc
	wg     stdsync.WaitGroup
	slots  chan struct{}
}

// NewScheduler checks the schedules. Holder names this process in leases; at
// most four polls run at once.
func NewScheduler(e *Engine, polled []Polled, holder string) (*Scheduler, error) {
	s := &Scheduler{
		e: e, log: e.log, holder: holder, polled: polled, slots: make(chan struct{}, 4),
		cron: cron.New(cron.WithParser(cronParser), cron.WithLocation(time.UTC)),
	}
	for _, pl := range polled {
		for _, spec := range []string{pl.Poll, pl.Full} {
			if spec == "" {
				continue
			}
			if err := CheckSchedule(spec); err != nil {
				return nil, fmt.Errorf("connection %s: %w", pl.Connection, err)
			}
		}
	}
	return s, nil
}

// OnPoll calls back after each poll that read something or failed, with how
// long it took; call it before Start. The callback may be run by several
// goroutines at once.
func (s *Scheduler) OnPoll(fn func(Polled, PollResult, time.Duration, error)) { s.onPoll = fn }

// cronParser reads five fields, or @every and its like.
var cronParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// CheckSchedule tells what is wrong with a schedule.
func CheckSchedule(spec string) error {
	schedule, err := cronParser.Parse(spec)
	if err != nil {
		return fmt.Errorf("schedule %q: %w; write five fields such as \"17 3 * * *\", or \"@every 1m\"", spec, err)
	}
	// The library makes a second of what is shorter, and of a date that never
	// comes the zero time.
	if every, ok := strings.CutPrefix(spec, "@every "); ok {
		if d, err := time.ParseDuration(every); err == nil && d < time.Second {
			return fmt.Errorf("schedule %q: shorter than a second; write \"@every 1m\"", spec)
		}
	}
	if schedule.Next(time.Unix(0, 0)).IsZero() {
		return fmt.Errorf("schedule %q: that day never comes; write five fields such as \"17 3 * * *\"", spec)
	}
	return nil
}

// Start begins polling: each connection once soon after the start, then on
// its schedule.
func (s *Scheduler) Start(ctx context.Context) error {
	ctx, s.cancel = context.WithCancel(ctx)
	for _, pl := range s.polled {
		// Replicas and connections spread over the interval by their names.
		delay := jitter(pl.Workspace + "/" + pl.Connection)
		var busy stdsync.Mutex
		run := func(full bool) {
			if !busy.TryLock() {
				return // the run before is still going; the next tick comes
			}
			defer busy.Unlock()
			select {
			case <-ctx.Done():
				return
			case <-time.After(delay):
			}
			s.poll(ctx, pl, full)
		}
		for spec, full := range map[string]bool{pl.Poll: false, pl.Full: true} {
			if spec == "" {
				continue
			}
			if _, err := s.cron.AddFunc(spec, func() { run(full) }); err != nil {
				return fmt.Errorf("connection %s: %w", pl.Connection, err)
			}
		}
		s.wg.Go(func() { run(false) })
	}
	for id := range s.e.spaces {
		s.wg.Go(func() { s.timers(ctx, id) })
		s.wg.Go(func() { s.domains(ctx, id) })
		s.wg.Go(func() { s.freed(ctx, id) })
		s.wg.Go(func() { s.questions(ctx, id) })
	}
	s.cron.Start()
	return nil
}

// jitter spreads starts over five seconds, always the same for a name (CU5).
func jitter(name string) time.Duration {
	return time.Duration(crc32.ChecksumIEEE([]byte(name))%5000) * time.Millisecond
}

// poll runs one scheduled poll.
func (s *Scheduler) poll(ctx context.Context, pl Polled, full bool) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return
	}
	log := s.log.With("workspace", pl.Workspace, "connection", pl.Connection)
	began := time.Now()
	res, err := s.e.Poll(ctx, pl, s.holder, SyncOptions{Full: full, Trigger: "schedule", Progress: logProgress(log)})
	if s.onPoll != nil && !res.Unchanged && !errors.Is(err, ErrRunning) {
		s.onPoll(pl, res, time.Since(began), err)
	}
	log = log.With("run_id", res.Run.RunID)
	switch {
	case errors.Is(err, ErrRunning):
		log.Debug("another replica polls")
	case err != nil && ctx.Err() == nil && res.Run.RunID == "":
		log.Warn("poll failed", "err", err) // a failed run has said so itself
	case err == nil && !res.Unchanged:
		c := res.Run.Counts
		log.Info("poll done", "applied", c.Applied, "held", c.Held, "denied", c.Denied, "failed", c.Failed, "complete", res.Run.Complete, "duration_ms", res.Run.DurationMS)
	}
}

// progressEvery is how often a long run says how far it is.
const progressEvery = 10 * time.Second

// logProgress tells the log how a long run goes.
func logProgress(log *slog.Logger) func(Progress) {
	last := time.Now()
	return func(p Progress) {
		if time.Since(last) < progressEvery {
			return
		}
		last = time.Now()
		log.Info("poll goes on", "phase", p.Phase, "done", p.Done, "total", p.Total, "per_second", int(p.Rate))
	}
}

// timers does what is due in a workspace, until the context ends.
func (s *Scheduler) timers(ctx context.Context, id string) {
	tick := time.NewTicker(timerEvery)
	defer tick.Stop()
	for {
		s.replan(ctx, id)
		if err := s.e.planIfObserved(ctx, id); err != nil && ctx.Err() == nil {
			s.log.Error("the plan of what is only observed could not be made", "workspace", id, "err", err)
		}
		for {
			n, err := s.e.Due(ctx, id)
			if err != nil && ctx.Err() == nil {
				s.log.Error("timers failed", "workspace", id, "err", err)
			}
			if err != nil || n == 0 {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// domains looks for the proofs of claimed domains that are due, and lets in
// who waits for a seat, until the context ends. It is no part of the timers: a name server that does not
// answer must not hold up the end of anybody's access.
func (s *Scheduler) domains(ctx context.Context, id string) {
	tick := time.NewTicker(timerEvery)
	defer tick.Stop()
	var forgot time.Time
	for {
		if time.Since(forgot) > codesKept/24 {
			if err := s.e.ForgetCodes(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("old codes were not forgotten", "err", err)
			}
			forgot = time.Now()
		}
		n, err := s.e.CheckDomains(ctx, id, s.holder)
		if err == nil && ctx.Err() == nil {
			_, err = s.e.AdmitQueued(ctx, id)
		}
		if err != nil && ctx.Err() == nil {
			s.log.Error("looking after claimed domains failed", "workspace", id, "err", err)
		}
		if err == nil && n == domainBatch {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// freed offers what became free to those who wait for it, until the context
// ends. It is no part of the timers: a long line must not hold up the end of
// anybody's access.
func (s *Scheduler) freed(ctx context.Context, id string) {
	tick := time.NewTicker(timerEvery)
	defer tick.Stop()
	for {
		n, err := s.e.Retry(ctx, id, s.holder, s.asks(id))
		if err != nil && ctx.Err() == nil {
			s.log.Error("offering what became free failed, it is tried again", "workspace", id, "err", err)
		}
		if err == nil && n == freedBatch {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// questions asks directories about the people about whom they are to be
// asked still, until the context ends. A directory that does not answer holds
// up nothing else.
func (s *Scheduler) questions(ctx context.Context, id string) {
	tick := time.NewTicker(timerEvery)
	defer tick.Stop()
	for {
		if err := s.e.AskDue(ctx, id, s.asks(id)); err != nil && ctx.Err() == nil {
			s.log.Error("asking about people failed, it is tried again", "workspace", id, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// asks reads single people of a workspace.
func (s *Scheduler) asks(id string) AskOne {
	return func(ctx context.Context, connection, person, trigger string) error {
		return s.Ask(ctx, id, connection, person, trigger)
	}
}

// replan plans everybody again under a mapping that is new since the last
// start, or some row of which has come into force or left it.
func (s *Scheduler) replan(ctx context.Context, id string) {
	c, err := s.e.Replan(ctx, id, s.holder)
	switch {
	case err != nil && ctx.Err() == nil:
		s.log.Error("planning under the new mapping failed, it is tried again", "workspace", id, "err", err)
	case c.Applied+c.Held+c.Denied > 0:
		s.log.Info("planned under the new mapping", "workspace", id, "applied", c.Applied, "held", c.Held, "denied", c.Denied)
	}
}

// Stop ends polls and timers and waits for them; a poll that is cut applies
// nothing.
func (s *Scheduler) Stop() {
	if s.cancel == nil {
		return
	}
	running := s.cron.Stop()
	s.cancel()
	<-running.Done()
	s.wg.Wait()
}
