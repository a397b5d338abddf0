package scim

import (
	"context"
	stdsync "sync"
)

// turns lets writers of one resource wait for each other inside this process,
// so that none of them loses the race for its version and has to read, decode
// and plan again. Between processes the version alone decides. The zero value
// is ready; it is safe for concurrent use.
type turns struct {
	mu   stdsync.Mutex
	held map[string]*turn // guarded by mu
}

// turn is held by whoever has put into it.
type turn struct {
	taken   chan struct{} // Of one place.
	waiting int           // Holder and waiters, guarded by turns.mu.
}

// take waits for the turn at a resource; release ends it. It fails only with
// the error of ctx.
func (t *turns) take(ctx context.Context, id string) (release func(), err error) {
	t.mu.Lock()
	if t.held == nil {
		t.held = make(map[string]*turn)
	}
	one := t.held[id]
	if one == nil {
		one = &turn{taken: make(chan struct{}, 1)}
		t.held[id] = one
	}
	one.waiting++
	t.mu.Unlock()
	select {
	case one.taken <- struct{}{}:
		return func() {
			<-one.taken
			t.leave(id, one)
		}, nil
	case <-ctx.Done():
		t.leave(id, one)
		return nil, ctx.Err()
	}
}

// leave forgets a turn that nobody waits for.
func (t *turns) leave(id string, one *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one.waiting--; one.waiting == 0 {
		delete(t.held, id)
	}
}
