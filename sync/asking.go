package sync

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

const (
	// askRest is how long whoever took a signal has for asking by itself, which
	// it does at once: after that the question is put for it.
	askRest = workspace.Micros(10 * 1_000_000)
	// askWithin bounds one question.
	askWithin = time.Minute
	// askDelayMax is the longest wait between two tries.
	askDelayMax = time.Hour
)

// mustAsk notes, with what gives reason to, that a directory is to be asked
// about somebody: what ended access on a signal is confirmed or taken back
// though the process ends before it has asked, or the directory is away (SI2).
// A connection that pushes cannot be asked.
func (s *space) mustAsk(tx *store.Tx, records Connection, subject, trigger string, now workspace.Micros) error {
	if records.Kind == pushedKind {
		return nil
	}
	return tx.PutAsking(store.Asking{Connection: records.ID, ID: subject, NotedAt: now, NextAt: now + askRest, Trigger: trigger})
}

// AskDue asks directories about the people about whom they are to be asked
// still: after a crash, and when they did not answer. Who is not answered for
// waits twice as long each time, at most an hour, and the other people of that
// connection wait too; while a connection backs off (QU2, QU3), nobody of it is
// asked about. Replicas may ask at the same time: the newest answer counts.
func (e *Engine) AskDue(ctx context.Context, id string, ask AskOne) error {
	s, _, err := e.space(id, "")
	if err != nil {
		return err
	}
	now := e.now()
	var due []store.Asking
	away := map[string]error{} // why nobody of a connection is asked about now
	err = s.h.View(ctx, func(r *store.Reader) error {
		if due, err = r.DueAsking(workspace.At(now), askBatch); err != nil {
			return err
		}
		for _, a := range due {
			state, err := r.PollState(a.Connection)
			if err != nil {
				return err
			}
			if state.NextAt > workspace.At(now) {
				away[a.Connection] = &ThrottledError{Until: state.NextAt.Time()}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, a := range due {
		why := away[a.Connection]
		if why == nil {
			if why = e.askBounded(ctx, &a, ask); ctx.Err() != nil {
				return nil // the next start asks
			}
			if why != nil {
				away[a.Connection] = why
				e.log.Warn("the directory could not be asked about somebody", "workspace", id, "connection", a.Connection, "trigger", a.Trigger, "try", a.Tries+1, "err", why)
			}
		}
		err := s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
			if why == nil {
				return tx.DeleteAsking(a.Connection, a.ID, a.NotedAt)
			}
			return tx.DelayAsking(a, workspace.At(now.Add(askDelay(why, a.Tries, now))))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) askBounded(ctx context.Context, a *store.Asking, ask AskOne) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return ask(ctx, a.Connection, a.ID, a.Trigger)
}

// askDelay is how long a question waits that got no answer.
func askDelay(why error, tries int, now time.Time) time.Duration {
	wait := min(timerEvery<<min(tries, 10), askDelayMax)
	var throttled *ThrottledError
	if errors.As(why, &throttled) {
		return max(wait, throttled.Until.Sub(now))
	}
	return max(wait, backoff(why, 1))
}
