package sync

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

const (
	// freedBatch is how many freed things one round offers.
	freedBatch = 200
	// retryBatch is how many of those who wait one unit of work tries at most.
	retryBatch = 50
	// freedRest is how old a freed thing is when it is offered: by then the
	// units are committed that began before it was free, and whose people wait
	// since then. What many units free together is offered in one round, too.
	freedRest = 5 * time.Second
	// retryLease bounds a round of one replica; a longer one is harmless: who
	// is tried twice gets a thing once.
	retryLease = time.Minute
)

// AskOne reads one person of a polled connection, now, for a trigger. A
// connection that cannot be asked about one person is no error.
type AskOne func(ctx context.Context, connection, person, trigger string) error

// retry is one round of Retry.
type retry struct {
	e    *Engine
	s    *space
	now  time.Time
	sum  map[string]*SyncRun // the report of each connection's run
	runs map[string]string   // its id
}

// Retry offers what became free since the last round to those who wait for it,
// of pushed and polled connections, who came first first: a number and a seat
// to the line of those who wait for one, until nothing is left, an address to
// those whose directory states it. It looks at nobody else, and costs nothing
// while nothing becomes free. Newcomers of polled connections, of whom there
// is no record, are asked about when a seat or an address is free; ask may be
// nil. It returns how many freed things it has dealt with.
//
// Everything goes the usual way, with a report of its own for each connection;
// who is refused once more is no news. A round that does not end is begun
// again.
func (e *Engine) Retry(ctx context.Context, id, holder string, ask AskOne) (int, error) {
	s, _, err := e.space(id, "")
	if err != nil {
		return 0, err
	}
	now := e.now()
	var freed []store.Freed
	err = s.h.View(ctx, func(r *store.Reader) error {
		freed, err = r.Freed(workspace.At(now.Add(-freedRest)), freedBatch)
		return err
	})
	if err != nil || len(freed) == 0 {
		return 0, err
	}
	lease, ok, err := e.store.Acquire(ctx, "retry/"+id, holder, retryLease)
	if err != nil || !ok {
		return 0, err // another replica does it
	}
	r := &retry{e: e, s: s, now: now, sum: map[string]*SyncRun{}, runs: map[string]string{}}
	err = r.offer(ctx, freed, ask)
	if err == nil {
		err = s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error { return tx.DeleteFreed(freed) })
	}
	return len(freed), errors.Join(err, e.store.Release(context.WithoutCancel(ctx), lease))
}

// offer deals with what became free: addresses, whose takers are known, then
// seats and numbers.
func (r *retry) offer(ctx context.Context, freed []store.Freed, ask AskOne) error {
	numbers, addresses, seats := map[string]bool{}, map[string]bool{}, false
	for _, f := range freed {
		switch f.Kind {
		case store.FreedNumber:
			numbers[f.Object] = true
		case store.FreedAddress:
			addresses[f.Object] = true
		default:
			seats = true
		}
	}
	for _, key := range sortedKeys(addresses) {
		if err := r.address(ctx, key); err != nil {
			return err
		}
	}
	if seats {
		if err := r.inTurn(ctx, (*store.Reader).WaitersForSeat, r.seatsLeft); err != nil {
			return err
		}
	}
	if len(numbers) > 0 {
		if err := r.inTurn(ctx, (*store.Reader).WaitersForNumber, numbersLeft(sortedKeys(numbers))); err != nil {
			return err
		}
	}
	if ask == nil || !seats && len(addresses) == 0 {
		return nil
	}
	return r.newcomers(ctx, ask)
}

// address tries those again whose directory states an address that is free
// now.
func (r *retry) address(ctx context.Context, key string) error {
	for _, conn := range sortedKeys(r.s.conns) {
		var people []string
		err := r.s.h.View(ctx, func(rd *store.Reader) error {
			var err error
			people, err = rd.StateEmail(conn, key, retryBatch)
			return err
		})
		if err != nil {
			return err
		}
		if err := r.try(ctx, conn, people, []string{}); err != nil {
			return err
		}
	}
	return nil
}

// seatsLeft counts the seats that are free: as many people are tried at once.
func (r *retry) seatsLeft(rd *store.Reader) (int, error) {
	totals, err := rd.Totals()
	if err != nil {
		return 0, err
	}
	limit, on := r.s.policy.Limits.Seats.Get()
	if !on {
		return retryBatch, nil // spending is limited: each try finds out by itself
	}
	return max(limit-totals.Seats, 0), nil
}

// numbersLeft counts those of the freed numbers that nobody has taken.
func numbersLeft(ids []string) func(*store.Reader) (int, error) {
	return func(rd *store.Reader) (left int, err error) {
		for _, id := range ids {
			n, err := rd.Number(id)
			if err != nil {
				return 0, err
			}
			if mayBeGiven(&n) {
				left++
			}
		}
		return left, nil
	}
}

// inTurn goes along a line of those who wait until nothing is left for them,
// in small steps first: mostly the first one takes what there is.
func (r *retry) inTurn(ctx context.Context, line func(*store.Reader, store.Waiter, int) ([]store.Waiter, error), left func(*store.Reader) (int, error)) error {
	var last store.Waiter
	for step := 1; ; step *= 2 {
		var page []store.Waiter
		err := r.s.h.View(ctx, func(rd *store.Reader) error {
			n, err := left(rd)
			if err != nil || n == 0 {
				return err
			}
			page, err = line(rd, last, min(max(step, n), retryBatch))
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		last = page[len(page)-1]
		for len(page) > 0 {
			n := 1
			for n < len(page) && page[n].Connection == page[0].Connection {
				n++
			}
			if err := r.tryWaiters(ctx, page[:n]); err != nil {
				return err
			}
			page = page[n:]
		}
	}
}

// tryWaiters tries those of one connection who stand next to each other in a
// line; newcomers without a record are passed over.
func (r *retry) tryWaiters(ctx context.Context, line []store.Waiter) error {
	conn, known := line[0].Connection, r.s.conns[line[0].Connection]
	if known.ID == "" || known.Mode == ModeObserve {
		return nil // it is configured no more, or takes no effect
	}
	var people, again []string
	if known.Kind == pushedKind {
		for _, w := range line {
			people, again = append(people, w.ID), append(again, w.ID)
		}
		return r.try(ctx, conn, people, again)
	}
	ids := make([]string, len(line))
	for i, w := range line {
		ids[i] = w.ID
	}
	err := r.s.h.View(ctx, func(rd *store.Reader) error {
		list, err := rd.KnownByExternal(conn, ids)
		slices.SortFunc(list, func(a, b workspace.Identity) int {
			return slices.Index(ids, a.ExternalID) - slices.Index(ids, b.ExternalID)
		})
		for _, i := range list {
			people, again = append(people, i.ID), append(again, i.ExternalID)
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.try(ctx, conn, people, again)
}

// try plans people again in one unit of work; one about whom that fails keeps
// no others out.
func (r *retry) try(ctx context.Context, conn string, people, again []string) error {
	if len(people) == 0 || r.s.conns[conn].Mode == ModeObserve {
		return nil
	}
	if r.sum[conn] == nil {
		r.sum[conn], r.runs[conn] = &SyncRun{}, newID()
	}
	_, err := r.e.Apply(ctx, Batch{
		Workspace: r.s.cfg.ID, Connection: conn, Kind: RunTargeted, Trigger: "schedule", Channel: workspace.ChannelSync, SeenAt: r.now,
		Run: r.runs[conn], People: people, Again: again, sum: r.sum[conn],
	})
	if err == nil || ctx.Err() != nil || errors.Is(err, store.ErrUnavailable) {
		return err
	}
	if len(people) == 1 {
		r.e.log.Error("somebody who waits could not be tried again", "workspace", r.s.cfg.ID, "connection", conn, "identity", people[0], "err", err)
		return nil
	}
	for i := range people {
		if err := r.try(ctx, conn, people[i:i+1], again[min(i, len(again)):min(i+1, len(again))]); err != nil {
			return err
		}
	}
	return nil
}

// newcomers has those read who wait and of whom there is no record, as many
// as one run confirms.
func (r *retry) newcomers(ctx context.Context, ask AskOne) error {
	for _, conn := range sortedKeys(r.s.conns) {
		c := r.s.conns[conn]
		if c.Kind == pushedKind || c.Mode == ModeObserve {
			continue
		}
		var ids []string
		err := r.s.h.View(ctx, func(rd *store.Reader) error {
			var err error
			ids, err = rd.WaitingNewcomers(conn, maxConfirm)
			return err
		})
		if err != nil {
			return err
		}
		for _, id := range ids {
			n := 0
			err := r.s.h.View(ctx, func(rd *store.Reader) error {
				var err error
				n, err = r.seatsLeft(rd)
				return err
			})
			if err != nil || n == 0 {
				return err
			}
			if err := ask(ctx, conn, id, "schedule"); err != nil {
				// The directory does not answer: the next whole read brings them.
				r.e.log.Warn("who waits could not be asked about", "workspace", r.s.cfg.ID, "connection", conn, "err", err)
				break
			}
		}
	}
	return nil
}
