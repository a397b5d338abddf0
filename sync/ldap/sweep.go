package ldap

import (
	"context"
	"fmt"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/sync"
)

// Sweep lists the ids of everybody in scope. A lost right moves no tell-tale,
// so a clock starts it as well as a change.
func (s *Source) Sweep(ctx context.Context, sink sync.Sink) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if s.cfg.file() {
		return s.sweepDump(ctx, sink)
	}
	l, err := s.link(ctx)
	if err != nil {
		return err
	}
	r, err := s.newReader(l)
	if err != nil {
		return err
	}
	if err := r.pinned(&l.root, ""); err != nil {
		return err
	}
	began := r.now()
	seen := idSet{}
	var out []string
	hand := func() error {
		if len(out) == 0 {
			return nil
		}
		p := sync.Page{Present: out}
		out = nil
		return sink.Page(ctx, p, sync.Cursor{})
	}
	err = r.paged(ctx, search{
		what: "reading ids", base: r.cfg.People.Base, filter: r.plan.people, attrs: []string{r.plan.id.attr},
		entry: func(e *goldap.Entry) (bool, error) {
			id, err := r.plan.id.read(e.GetEqualFoldAttributeValues(r.plan.id.attr))
			if err != nil {
				return false, &sync.IncompleteError{Why: fmt.Sprintf("%s shows no readable %s", e.DN, r.plan.id.attr)}
			}
			if !seen.add(id) {
				return false, nil
			}
			if out = append(out, id); len(out) >= pagePresent {
				return true, hand()
			}
			return true, nil
		},
	})
	if err != nil {
		return err
	}
	if err := hand(); err != nil {
		return err
	}
	sentinel, err := r.sentinel(ctx, seen, false)
	switch {
	case err != nil:
		return err
	case len(seen) == 0 && !sentinel:
		return &sync.IncompleteError{Why: "nobody was found, which a lost right looks like as well (LP6)"}
	case ctx.Err() != nil:
		return ctx.Err()
	case !l.alive():
		return errLinkDown
	}
	return sink.Done(ctx, sync.Proof{
		Server: l.root.server, EndMark: "paging cookie empty", Pages: r.pages, People: len(seen), SentinelSeen: sentinel, Since: began,
	})
}
