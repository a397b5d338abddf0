package admission

import (
	"context"
	"log/slog"
	"maps"
	stdsync "sync"
	"time"

	"github.com/rollcall-sync/rollcall/store"
)

// useEvery is how often uses of tokens are written, all in one transaction;
// useStep is the least step of what is remembered about one token, so that a
// busy one does not cost a write each time.
const (
	useEvery = 10 * time.Second
	useStep  = time.Minute
)

// LastUses collects when tokens were used and writes it off the request path,
// all in one transaction every ten seconds. It is safe for concurrent use.
type LastUses struct {
	store *store.Store
	log   *slog.Logger
	stop  func()
	quit  <-chan struct{} // Closed by stop.
	done  chan struct{}   // Closed when run has ended.

	mu      stdsync.Mutex
	pending map[string]time.Time // guarded by mu
	known   map[string]time.Time // last written, guarded by mu
}

// NewLastUses starts the background work that Close stops.
func NewLastUses(s *store.Store, log *slog.Logger) *LastUses {
	quit := make(chan struct{})
	u := &LastUses{
		store: s, log: log, stop: stdsync.OnceFunc(func() { close(quit) }), quit: quit, done: make(chan struct{}),
		pending: map[string]time.Time{}, known: map[string]time.Time{},
	}
	go u.run()
	return u
}

// Used notes a use.
func (u *LastUses) Used(token string, at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at.Sub(u.known[token]) >= useStep {
		u.pending[token] = at
	}
}

// run writes from time to time until it is stopped.
func (u *LastUses) run() {
	defer close(u.done)
	tick := time.NewTicker(useEvery)
	defer tick.Stop()
	for {
		select {
		case <-u.quit:
			return
		case <-tick.C:
			if err := u.write(context.Background()); err != nil {
				u.log.Warn("the last use of tokens could not be written, it will be tried again", "err", err)
			}
		}
	}
}

// write stores what is pending; after an error it stays pending.
func (u *LastUses) write(ctx context.Context) error {
	u.mu.Lock()
	batch := u.pending
	u.pending = make(map[string]time.Time, len(batch))
	u.mu.Unlock()
	err := u.store.TouchTokens(ctx, batch)
	u.mu.Lock()
	defer u.mu.Unlock()
	var newest time.Time
	for token, at := range batch {
		if at.After(newest) {
			newest = at
		}
		if err == nil {
			u.known[token] = at
		} else if u.pending[token].Before(at) {
			u.pending[token] = at
		}
	}
	// What is older holds no write back: access tokens come and go by the hour.
	maps.DeleteFunc(u.known, func(_ string, last time.Time) bool { return newest.Sub(last) >= useStep })
	return err
}

// Close stops the background work and writes what is pending. It may be called
// again.
func (u *LastUses) Close(ctx context.Context) error {
	u.stop()
	<-u.done
	return u.write(ctx)
}
