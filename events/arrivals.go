package events

import "sync"

// arrivals wakes everybody who waits for new events in a long poll.
type arrivals struct {
	mu   sync.Mutex
	next chan struct{}
}

func newArrivals() *arrivals { return &arrivals{next: make(chan struct{})} }

// wait gives a channel that is closed at the next arrival. It is taken before
// the store is read, so that nothing arrives in between unseen.
func (a *arrivals) wait() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.next
}

func (a *arrivals) wake() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.next)
	a.next = make(chan struct{})
}
