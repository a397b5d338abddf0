package scim

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	stdsync "sync"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// The record of requests is written beside the requests: what it costs them is
// one append to a list. A crash loses the last of it, and no change: those
// stand in the reports.
const (
	recordEvery = 500 * time.Millisecond
	pruneEvery  = time.Minute
	// Under pressure reads go unrecorded first, and changes only when the store
	// takes nothing any more.
	maxPendingReads  = 256
	maxPending       = 4096
	maxPendingBodies = 16 << 20
)

// pastRequest is a request that was answered, on its way into the record.
type pastRequest struct {
	key   linkKey
	terms Terms
	row   store.RequestRow
	query url.Values
	body  []byte
	notes Notes
}

// timeline keeps what requests were sent and what became of each. It is safe
// for concurrent use.
type timeline struct {
	store *store.Store
	log   *slog.Logger
	wake  chan struct{}
	stop  func()
	quit  <-chan struct{} // Closed by stop.
	done  chan struct{}   // Closed when run has ended.

	mu      stdsync.Mutex
	pending []*pastRequest        // guarded by mu
	bytes   int                   // of the bodies in pending, guarded by mu
	reads   int                   // of pending, guarded by mu
	dropped int                   // since the last write, guarded by mu
	refused map[linkKey]time.Time // last 429 that was recorded, guarded by mu

	writing stdsync.Mutex
	terms   map[linkKey]Terms // of connections seen since the start, guarded by writing
	pruned  time.Time         // guarded by writing
}

func newTimeline(s *store.Store, log *slog.Logger) *timeline {
	quit := make(chan struct{})
	t := &timeline{
		store: s, log: log, wake: make(chan struct{}, 1), stop: stdsync.OnceFunc(func() { close(quit) }), quit: quit,
		done: make(chan struct{}), refused: map[linkKey]time.Time{}, terms: map[linkKey]Terms{},
	}
	go t.run()
	return t
}

// add takes a request that was answered.
func (t *timeline) add(q *pastRequest) {
	read := isRead(q.row.Method) && len(q.notes) == 0
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.row.Status == http.StatusTooManyRequests {
		// A client that does not heed 429 fills no record: one a second is kept.
		if last := t.refused[q.key]; q.row.At.Time().Sub(last) < time.Second {
			return
		}
		t.refused[q.key] = q.row.At.Time()
	}
	if len(t.pending) >= maxPending || t.bytes+len(q.body) > maxPendingBodies || read && t.reads >= maxPendingReads {
		t.dropped++
		return
	}
	if read {
		t.reads++
	}
	t.bytes += len(q.body)
	t.pending = append(t.pending, q)
	if len(t.pending) == 1 {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// run writes some time after something came, until it is stopped.
func (t *timeline) run() {
	defer close(t.done)
	for {
		select {
		case <-t.quit:
			return
		case <-t.wake:
		}
		select {
		case <-t.quit:
			return
		case <-time.After(recordEvery):
		}
		if err := t.write(context.Background()); err != nil {
			t.log.Warn("requests could not be recorded", "err", err)
		}
	}
}

// write stores what is pending, and from time to time forgets what is old.
func (t *timeline) write(ctx context.Context) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	t.mu.Lock()
	batch, dropped := t.pending, t.dropped
	t.pending, t.bytes, t.reads, t.dropped = nil, 0, 0, 0
	t.mu.Unlock()
	if dropped > 0 {
		t.log.Warn("more requests came than are recorded", "not_recorded", dropped)
	}
	byWorkspace := map[string][]*pastRequest{}
	var newest time.Time // The clock of the requests, which tests move.
	for _, q := range batch {
		if at := q.row.At.Time(); at.After(newest) {
			newest = at
		}
		q.finish()
		t.terms[q.key] = q.terms
		byWorkspace[q.key.workspace] = append(byWorkspace[q.key.workspace], q)
	}
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(byWorkspace)) {
		errs = append(errs, t.writeTo(ctx, id, byWorkspace[id]))
	}
	if newest.Sub(t.pruned) >= pruneEvery {
		t.pruned = newest
		errs = append(errs, t.prune(ctx, newest))
	}
	return errors.Join(errs...)
}

// recordedAtOnce is how many requests one transaction writes: others wait for
// the store's writer meanwhile.
const recordedAtOnce = 128

// writeTo stores requests of one workspace.
func (t *timeline) writeTo(ctx context.Context, id string, batch []*pastRequest) error {
	handle := t.store.In(id)
	for piece := range slices.Chunk(batch, recordedAtOnce) {
		rows := make([]*store.RequestRow, 0, len(piece))
		uses := map[string]Notes{}
		var at workspace.Micros
		for _, q := range piece {
			at = max(at, q.row.At)
			if q.terms.Keep > 0 {
				rows = append(rows, &q.row)
			}
			for _, n := range q.notes {
				noted := uses[q.key.connection]
				noted.addCount(n)
				uses[q.key.connection] = noted
			}
		}
		err := handle.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
			for _, connection := range slices.Sorted(maps.Keys(uses)) {
				if err := tx.AddTolerances(connection, uses[connection].uses(), at); err != nil {
					return err
				}
			}
			return tx.InsertRequests(rows)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// prune forgets what is older, or more, than the configuration says.
func (t *timeline) prune(ctx context.Context, now time.Time) error {
	var errs []error
	for key, terms := range t.terms {
		errs = append(errs, t.store.In(key.workspace).Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
			return tx.PruneRequests(key.connection, now.Add(-terms.Keep), terms.Most)
		}))
	}
	return errors.Join(errs...)
}

// close writes what is pending and ends the background work. It may be called
// again.
func (t *timeline) close(ctx context.Context) error {
	t.stop()
	<-t.done
	return t.write(ctx)
}

// finish works out what need not be known while the client waits.
func (q *pastRequest) finish() {
	var asked, stated string
	q.row.Query, asked = redactedQuery(q.query)
	q.row.BodyBytes = len(q.body)
	q.row.Body, stated = redactedBody(q.body)
	q.row.PersonKey = fold.Key(clip(cmp.Or(stated, asked), 256))
	q.row.Tolerances = q.notes.uses()
	q.body, q.query = nil, nil
}

// uses are notes as the store keeps them.
func (n Notes) uses() []store.ToleranceUse {
	list := make([]store.ToleranceUse, len(n))
	for i, note := range n {
		list[i] = store.ToleranceUse{Rule: note.Rule, Attribute: note.Attribute, Count: note.Count}
	}
	return list
}

// note counts tolerances that the request used.
func (x *exchange) note(notes Notes) {
	for _, n := range notes {
		x.notes.addCount(n)
	}
	x.link.note(notes)
}

// judged remembers what the engine made of a request.
func (x *exchange) judged(res *sync.Result) {
	switch {
	case res.Refusal != nil:
		x.verdict = string(res.Refusal.Verdict)
	case res.Counts.Denied > 0:
		x.verdict = string(workspace.Deny)
	case res.Counts.Held > 0:
		x.verdict = string(workspace.Hold)
	default:
		x.verdict = string(workspace.Allow)
	}
}

// verdictNoop is the verdict on a write that says nothing new.
const verdictNoop = "noop"

// recorded hands a request that was answered to the record.
func (x *exchange) recorded() {
	if x.link == nil {
		return // Nobody knows whose it is.
	}
	x.otherClient()
	if x.link.terms.Keep <= 0 && len(x.notes) == 0 {
		return
	}
	subject := ""
	if x.route.endpoint == endpointUsers || x.route.endpoint == endpointGroups {
		if subject = x.route.id; subject == "" && x.status == http.StatusCreated {
			location := x.w.Header().Get("Location")
			subject = location[strings.LastIndexByte(location, '/')+1:]
		}
	}
	if subject == ".search" || !plainID(subject) {
		subject = ""
	}
	x.h.timeline.add(&pastRequest{
		key: x.link.linkKey, terms: x.link.terms, query: x.query, body: x.sent, notes: x.notes,
		row: store.RequestRow{
			Connection: x.link.connection, ID: x.txn, At: workspace.At(x.start), Method: clip(x.r.Method, 16),
			Path: clip(strings.TrimPrefix(x.r.URL.Path, basePath), 128), Status: x.status, Verdict: x.verdict, Detail: x.detail, Run: x.run,
			Subject: subject, Token: x.token, IP: x.ip, UserAgent: clip(x.r.UserAgent(), maxUserAgent), Took: x.h.now().Sub(x.start),
		},
	})
}
