package ldap

import (
	"context"
	"fmt"

	"github.com/rollcall-sync/rollcall/sync"
)

// Delta reads what changed since the cursor: people by the server's own way,
// then groups whole, since a group's change may move no counter (LP5). What
// it cannot see, absence, is the sweep's.
func (s *Source) Delta(ctx context.Context, from sync.Cursor, sink sync.Sink) (sync.Cursor, error) {
	if err := s.enter(ctx); err != nil {
		return sync.Cursor{}, err
	}
	defer s.leave()
	if s.cfg.file() {
		return s.deltaDump(from)
	}
	l, err := s.link(ctx)
	if err != nil {
		return sync.Cursor{}, err
	}
	r, err := s.newReader(l)
	if err != nil {
		return sync.Cursor{}, err
	}
	return r.delta(ctx, from, sink)
}

func (r *reader) delta(ctx context.Context, from sync.Cursor, sink sync.Sink) (sync.Cursor, error) {
	scope := r.plan.scope(&r.cfg)
	at, err := readPosition(from, scope)
	if err != nil {
		return sync.Cursor{}, err
	}
	if err := r.pinned(&r.l.root, at.Tenant); err != nil {
		return sync.Cursor{}, err
	}
	switch {
	case at.Stage != "":
		return sync.Cursor{}, fmt.Errorf("%w: it is that of a broken full read", sync.ErrCursorGone)
	case at.Server != r.l.root.server:
		return sync.Cursor{}, fmt.Errorf("%w: another server answers, %s instead of %s", sync.ErrCursorGone, r.l.root.server, at.Server)
	case at.Mode == modeNone:
		return sync.Cursor{}, fmt.Errorf("%w: delta is none", sync.ErrCursorGone)
	}
	began := r.now()
	next := at
	if next.Mark, err = r.mark(ctx); err != nil {
		return sync.Cursor{}, err
	}
	if want, err := r.mode(next.Mark); err != nil {
		return sync.Cursor{}, err
	} else if want != at.Mode {
		return sync.Cursor{}, fmt.Errorf("%w: changes are read by %s now", sync.ErrCursorGone, want)
	}
	p := &peopleRead{reader: r, sink: sink, resume: from, seen: idSet{}}
	switch at.Mode {
	case modeSyncrepl:
		err = p.syncrepl(ctx, at, &next)
	case modeUSN:
		err = p.usn(ctx, at, &next)
	case modeDirSync:
		err = p.dirSync(ctx, at, &next)
	case modeEntryUSN:
		err = p.entryUSN(ctx, at, &next)
	default:
		err = p.timestamp(ctx, at, &next)
	}
	if err != nil {
		return sync.Cursor{}, err
	}
	if err := r.deltaGroups(ctx, sink, from); err != nil {
		return sync.Cursor{}, err
	}
	if ctx.Err() != nil {
		return sync.Cursor{}, ctx.Err()
	}
	if !r.l.alive() {
		return sync.Cursor{}, errLinkDown
	}
	return next.cursor(scope, began), nil
}

// deltaGroups reads groups again, after making sure that we still see: a
// group read with lost rights looks emptied.
func (r *reader) deltaGroups(ctx context.Context, sink sync.Sink, resume sync.Cursor) error {
	if r.cfg.Groups.Base == "" {
		return nil
	}
	if _, err := r.sentinel(ctx, nil, false); err != nil {
		return err
	}
	var only []string
	if r.opt.Groups != nil {
		ids, err := r.opt.Groups(ctx)
		if err != nil {
			return err
		}
		only = append([]string{}, ids...)
	}
	_, err := r.groups(ctx, sink, resume, only)
	return err
}
