package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Statements that frame a transaction.
const (
	sqlBeginRead = `BEGIN`
	sqlBegin     = `BEGIN IMMEDIATE`
	sqlCommit    = `COMMIT`
	// The number changes when another connection has committed (SQLite's
	// documentation of the pragma).
	sqlDataVersion = `PRAGMA data_version`
	sqlRollback    = `ROLLBACK`
	sqlSavepoint   = `SAVEPOINT unit`
	sqlRelease     = `RELEASE unit`
	sqlRollbackTo  = `ROLLBACK TO unit`
)

// A job is a unit that waits for the writer.
type job struct {
	ctx   context.Context
	ws    string
	opt   UnitOptions
	unit  Unit
	taken atomic.Bool // by the writer, or by a caller who gave up
	done  chan error
	err   error
}

// liteWriter is the one goroutine that writes. Units that wait share one SQL
// transaction and are answered after its COMMIT: with synchronous=FULL the
// sync to disk is what a write costs, and waiting units share it.
//
// A unit that fails must not take the others with it. While units fail, each
// runs in a savepoint; but that costs a copy of every page it changes, so
// while none does they run without, and when one fails after it has written,
// all is rolled back and the others are run again.
type liteWriter struct {
	conn     *liteConn
	maxBatch int
	gather   time.Duration // gatherFor; longer in tests
	queue    chan *job
	urgent   chan *job
	stopped  chan struct{}

	mu     sync.RWMutex // held for reading while a job is queued
	closed bool

	// The rest belongs to the goroutine.
	batch     []*job
	begun     bool          // a transaction is open
	keep      bool          // it holds a unit to commit
	wary      int           // groups to come whose units get savepoints
	lastSync  time.Duration // what the last COMMIT took
	lastUnits int           // how many units shared it
}

func newLiteWriter(conn *liteConn, maxBatch int) *liteWriter {
	w := &liteWriter{
		conn: conn, maxBatch: maxBatch, gather: gatherFor,
		queue:   make(chan *job, maxWaiting),
		urgent:  make(chan *job, maxWaiting),
		stopped: make(chan struct{}),
	}
	go w.run()
	return w
}

// update queues a unit and waits for its answer.
func (w *liteWriter) update(ctx context.Context, ws string, opt UnitOptions, unit Unit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{ctx: ctx, ws: ws, opt: opt, unit: unit, done: make(chan error, 1)}
	if err := w.enqueue(j); err != nil {
		return err
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		if j.taken.CompareAndSwap(false, true) {
			return ctx.Err() // it had not begun and never will
		}
		return <-j.done
	}
}

func (w *liteWriter) enqueue(j *job) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return unavailable("closed", nil)
	}
	queue := w.queue
	if j.opt.Urgent {
		queue = w.urgent
	}
	select {
	case queue <- j:
		return nil
	default:
		return ErrBusy
	}
}

// close lets the waiting units finish.
func (w *liteWriter) close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	close(w.queue)
	close(w.urgent)
	w.mu.Unlock()
	<-w.stopped
	return w.conn.close()
}

func (w *liteWriter) run() {
	defer close(w.stopped)
	queue, urgent := w.queue, w.urgent
	for queue != nil || urgent != nil {
		j := w.next()
		if j == nil {
			var ok bool
			select {
			case j, ok = <-urgent:
				if !ok {
					urgent = nil
					continue
				}
			case j, ok = <-queue:
				if !ok {
					queue = nil
					continue
				}
			}
		}
		w.group(j)
	}
}

// next takes a waiting unit, urgent ones first, without waiting for one.
func (w *liteWriter) next() *job {
	select {
	case j := <-w.urgent: // nil when closed and empty
		if j != nil {
			return j
		}
	default:
	}
	select {
	case j := <-w.queue:
		return j
	default:
		return nil
	}
}

// follow takes the next unit of a group. Where the group before had several,
// more are on their way, and each commit that they share is one sync less: it
// waits for them as long as the last sync took. At worst that doubles the wait
// of one group, whose successor does not wait then. Measured with 64 clients on
// two cores: a twelfth more units a second.
func (w *liteWriter) follow(several bool, end time.Time) *job {
	j := w.next()
	if j != nil || !several {
		return j
	}
	late := time.NewTimer(min(w.lastSync, time.Until(end)))
	defer late.Stop()
	select {
	case j = <-w.urgent: // nil when closed and empty
	case j = <-w.queue:
	case <-late.C:
	}
	return j
}

// gatherFor bounds how long a group is gathered while units wait: the first in
// it is answered that much later. Measured with 64 clients on two cores, 8 to 12
// ms give a fifth more units a second than 2 ms, and longer gives no more: each
// commit costs a walk through the scheduler's queues beside the sync. On a slow
// disk a longer gathering saves more than it costs.
const gatherFor = 10 * time.Millisecond

// group runs j and what waits behind it as one commit.
func (w *liteWriter) group(j *job) {
	w.batch, w.begun, w.keep = w.batch[:0], false, false
	w.wary = max(w.wary-1, 0)
	start := time.Now()
	limit := max(w.gather, w.lastSync)
	several := w.lastUnits > 1
	for ; j != nil; j = w.follow(several, start.Add(limit)) {
		if !j.taken.CompareAndSwap(false, true) {
			continue // its caller gave up
		}
		w.batch = append(w.batch, j)
		j.err = w.one(j)
		if isUnavailable(j.err) {
			w.failWaiting(j.err)
			break // the transaction is lost
		}
		if j.opt.Urgent || len(w.batch) >= w.maxBatch || time.Since(start) >= limit {
			break
		}
	}
	lost := w.end()
	w.lastUnits = len(w.batch)
	for i, j := range w.batch {
		if lost != nil && !isUnavailable(j.err) {
			j.err = lost
		}
		j.done <- j.err
		w.batch[i] = nil
	}
}

// failWaiting gives units the same answer when not even a transaction could
// begin: each would wait the whole busy timeout in vain.
func (w *liteWriter) failWaiting(err error) {
	for !w.begun && len(w.batch) < w.maxBatch {
		j := w.next()
		if j == nil {
			return
		}
		if j.taken.CompareAndSwap(false, true) {
			j.err = err
			w.batch = append(w.batch, j)
		}
	}
}

// one runs one unit inside the group's transaction. The error is the unit's;
// one that is ErrUnavailable means that the group's transaction is lost.
func (w *liteWriter) one(j *job) error {
	if !w.begun {
		if err := w.conn.begin(); err != nil {
			return unavailable("no write transaction", err)
		}
		w.begun = true
	}
	// The first unit to be kept needs no savepoint: to undo it is to roll back.
	guarded := w.keep && (w.wary > 0 || j.opt.DryRun)
	if guarded {
		if err := w.conn.do(sqlSavepoint); err != nil {
			return unavailable("no savepoint", err)
		}
	}
	before := w.conn.writes
	tx := &Tx{Reader: Reader{ctx: context.WithoutCancel(j.ctx), ws: j.ws, on: w.conn}, alone: true, hot: w.conn.hot}
	err := runUnit(tx, j.opt, j.unit)
	if cerr := w.conn.closeRows(); err == nil {
		err = cerr
	}
	if isUnavailable(tx.failed) {
		return tx.failed // whatever the unit made of it
	}
	if err == nil && !j.opt.DryRun {
		if guarded {
			if rerr := w.conn.do(sqlRelease); rerr != nil {
				return unavailable("savepoint lost", rerr)
			}
		}
		w.keep = true
		return nil
	}
	if w.keep && !guarded && w.conn.writes == before {
		return err // there is nothing to undo
	}
	return w.undo(err, guarded)
}

// waryFor is for how many groups savepoints are used after a unit among others
// has failed.
const waryFor = 64

// undo rolls one unit back and gives its error.
func (w *liteWriter) undo(err error, guarded bool) error {
	if w.keep {
		w.wary = waryFor
	}
	if w.keep && !guarded {
		return w.again(err)
	}
	if !w.keep {
		w.begun = false
		if rerr := w.conn.do(sqlRollback); rerr != nil {
			return unavailable("no rollback", errors.Join(rerr, err))
		}
		return err
	}
	if rerr := w.conn.do(sqlRollbackTo); rerr != nil {
		return unavailable("no rollback to the savepoint", errors.Join(rerr, err))
	}
	if rerr := w.conn.do(sqlRelease); rerr != nil {
		return unavailable("savepoint lost", errors.Join(rerr, err))
	}
	return err
}

// again rolls the whole group back and runs the units again that were to be
// kept, behind savepoints now. It gives the error of the unit that failed.
func (w *liteWriter) again(err error) error {
	if rerr := w.conn.do(sqlRollback); rerr != nil {
		return unavailable("no rollback", errors.Join(rerr, err))
	}
	w.begun, w.keep = false, false
	kept := slices.DeleteFunc(slices.Clone(w.batch[:len(w.batch)-1]), func(j *job) bool { return j.err != nil || j.opt.DryRun })
	for i, j := range kept {
		if j.err = w.one(j); isUnavailable(j.err) {
			for _, behind := range kept[i+1:] {
				behind.err = j.err // it was rolled back and does not run again
			}
			return j.err
		}
	}
	return err
}

// end commits the group, and gives an error when nothing of it is kept.
func (w *liteWriter) end() error {
	if !w.begun {
		return nil
	}
	last := w.batch[len(w.batch)-1]
	if isUnavailable(last.err) {
		return errors.Join(unavailable("a unit of the same commit failed", last.err), w.abandon())
	}
	start := time.Now()
	if err := w.conn.do(sqlCommit); err != nil {
		return errors.Join(unavailable("not committed", err), w.abandon())
	}
	w.lastSync = time.Since(start)
	return nil
}

// abandon ends a transaction that SQLite may have ended already: after a full
// disk or a disk error it rolls back by itself.
func (w *liteWriter) abandon() error {
	var rolledBack interface{ Code() int }
	err := w.conn.do(sqlRollback)
	if errors.As(err, &rolledBack) && rolledBack.Code() == liteGenericError {
		return nil // "no transaction is active"
	}
	return err
}
