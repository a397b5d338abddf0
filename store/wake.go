package store

import "sync"

// wakes are the listeners for committed outbox events of this process. Other
// replicas' events are found by polling (OB4).
type wakes struct {
	mu   sync.Mutex
	next int
	all  map[int]func(workspace string)
}

// OnEvents calls fn after each commit of this process that wrote outbox
// events, with the workspace, until stop is called. fn must not block: it runs
// before the writer gets its answer.
func (s *Store) OnEvents(fn func(workspace string)) (stop func()) {
	w := &s.wakes
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = make(map[int]func(string))
	}
	id := w.next
	w.next++
	w.all[id] = fn
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, id)
	}
}

func (w *wakes) wake(workspace string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fn := range w.all {
		fn(workspace)
	}
}

// AfterCommit calls fn once the unit is durable, before the writer gets its
// answer; a unit that is rolled back, or a dry run, calls nothing. fn must not
// block and must not use the Tx.
func (t *Tx) AfterCommit(fn func()) { t.after = append(t.after, fn) }
