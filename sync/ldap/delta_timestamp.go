package ldap

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
)

// timestamp reads what changed after the server's own time, with an overlap
// (LD5). It is a hint: clocks jump, and deletions leave no trace. The sweep
// is the truth.
func (p *peopleRead) timestamp(ctx context.Context, at position, next *position) error {
	since, err := time.Parse(time.RFC3339, at.Time)
	if err != nil {
		return fmt.Errorf("%w: the server showed no %s in the last read", sync.ErrCursorGone, p.plan.changed)
	}
	began := p.now()
	server, err := p.serverTime(ctx, next.Mark)
	if err != nil {
		return err
	}
	format := "20060102150405Z"
	if p.plan.flavor == AD {
		format = "20060102150405.0Z"
	}
	from := since.Add(-overlap).UTC().Format(format)
	if err := p.read(ctx, "(&"+p.plan.people+"("+p.plan.changed+">="+from+"))", nil); err != nil {
		return err
	}
	next.Time = server
	next.latest(p.latest, p.now().Sub(began))
	if to, err := time.Parse(time.RFC3339, next.Time); err != nil || to.Before(since) {
		next.Time = at.Time // never back: the overlap is there for that
	}
	return nil
}
