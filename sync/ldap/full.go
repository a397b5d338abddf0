package ldap

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/dn"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Full reads everybody and every group. The cursor is that of the moment
// before reading began (CU4), so that what changed meanwhile comes again.
func (s *Source) Full(ctx context.Context, from sync.Cursor, sink sync.Sink) (sync.Cursor, error) {
	if err := s.enter(ctx); err != nil {
		return sync.Cursor{}, err
	}
	defer s.leave()
	if s.cfg.file() {
		return s.fullDump(ctx, from, sink)
	}
	l, err := s.link(ctx)
	if err != nil {
		return sync.Cursor{}, err
	}
	r, err := s.newReader(l)
	if err != nil {
		return sync.Cursor{}, err
	}
	return r.full(ctx, from, sink)
}

func (r *reader) full(ctx context.Context, from sync.Cursor, sink sync.Sink) (sync.Cursor, error) {
	scope := r.plan.scope(&r.cfg)
	began := r.now()
	at, resumed := r.resumed(from, scope)
	if err := r.pinned(&r.l.root, at.Tenant); err != nil {
		return sync.Cursor{}, err
	}
	if !resumed {
		var err error
		if at, err = r.watermark(ctx); err != nil {
			return sync.Cursor{}, err
		}
		at.Since, at.Stage = began, stagePeople
	}
	if at.Stage == stagePeople {
		p := &peopleRead{reader: r, sink: sink, resume: at.cursor(scope, at.Since), seen: idSet{}}
		if err := p.read(ctx, r.plan.people, nil); err != nil {
			return sync.Cursor{}, err
		}
		var err error
		if at.Sentinel, err = r.sentinel(ctx, p.seen, p.sentinel); err != nil {
			return sync.Cursor{}, err
		}
		if len(p.seen) == 0 && !at.Sentinel {
			return sync.Cursor{}, &sync.IncompleteError{Why: "nobody was found: check people.base and people.filter; a lost right looks the same (LP6)"}
		}
		at.latest(p.latest, r.now().Sub(began))
		at.Stage, at.People, at.Pages = stageGroups, len(p.seen), r.pages
	}
	r.pages = at.Pages
	groups, err := r.groups(ctx, sink, at.cursor(scope, at.Since), nil)
	if err != nil {
		return sync.Cursor{}, err
	}
	proof := sync.Proof{
		Server: r.l.root.server, EndMark: "paging cookie empty", Pages: r.pages, People: at.People, Groups: groups,
		SentinelSeen: at.Sentinel, Since: at.Since,
	}
	// The link may have died after the last answer: then nobody knows whether
	// it was the last (LC1, RD2).
	if ctx.Err() != nil {
		return sync.Cursor{}, ctx.Err()
	}
	if !r.l.alive() {
		return sync.Cursor{}, errLinkDown
	}
	if r.l.referrals > 0 {
		r.log.Info("search references were not followed", "source", Kind, "connection", r.opt.Connection, "count", r.l.referrals)
	}
	if err := sink.Done(ctx, proof); err != nil {
		return sync.Cursor{}, err
	}
	at.Stage, at.People, at.Pages, at.Sentinel = "", 0, 0, false
	done := at.cursor(scope, at.Since)
	return done, nil
}

// resumed takes up a broken run on the same server; anything else starts at
// the beginning.
func (r *reader) resumed(from sync.Cursor, scope string) (position, bool) {
	at, err := readPosition(from, scope)
	if err != nil {
		return position{}, false
	}
	if at.Stage == "" || at.Server != r.l.root.server {
		return position{Tenant: at.Tenant}, false
	}
	return at, true
}

// peopleRead is the reading of people within one run.
type peopleRead struct {
	*reader
	sink     sync.Sink
	resume   sync.Cursor
	out      sync.Page
	bytes    int
	seen     idSet
	sentinel bool
	latest   time.Time // largest time of change seen
	hidden   int       // people without the disabled flag
	// outside takes those found outside the base; nil: the base is the
	// search's own.
	outside func(e *goldap.Entry) error
}

// read reads people by a filter; base is the configured one if empty.
func (p *peopleRead) read(ctx context.Context, filter string, extra []goldap.Control) error {
	sentinel, err := dn.Key(p.cfg.Sentinel)
	if err != nil {
		return err
	}
	base := p.cfg.People.Base
	if p.outside != nil {
		base = p.l.root.suffix
	}
	err = p.paged(ctx, search{
		what: "reading people", base: base, filter: filter, attrs: p.plan.ask, extra: extra,
		entry: func(e *goldap.Entry) (bool, error) { return p.entry(ctx, e, sentinel) },
		page:  func() error { return p.flush(ctx) },
	})
	if err != nil {
		return err
	}
	if p.hidden > 0 {
		return &sync.IncompleteError{Why: fmt.Sprintf("%d people show no %s, so nobody knows whether they are disabled: allow the account to read it",
			p.hidden, p.plan.disabledAttr)}
	}
	return nil
}

// end states when somebody who is not active was ended: when the entry was
// changed, or when its end date passed, whichever came later.
func (p *peopleRead) end(id *workspace.Identity, changed time.Time) {
	if id.Active || id.Reason == "" {
		return
	}
	if id.Reason == "expired" {
		end, _ := id.Attributes.First("accountExpires")
		if at, err := time.Parse(time.RFC3339, end); err == nil && at.After(changed) {
			changed = at
		}
	}
	if p.out.Ended == nil {
		p.out.Ended = map[string]time.Time{}
	}
	p.out.Ended[id.ExternalID] = changed
}

func (p *peopleRead) entry(ctx context.Context, e *goldap.Entry, sentinel string) (bool, error) {
	if p.outside != nil {
		name, err := dn.Parse(e.DN)
		if err != nil || !name.Under(p.people) {
			return true, p.outside(e)
		}
	}
	id, whole, err := p.person(e)
	if err != nil {
		return false, &sync.IncompleteError{Why: fmt.Sprintf("%s shows no readable %s: %s (LM1)", e.DN, p.plan.id.attr, p.idRemedy())}
	}
	if at, err := parseTime(e.GetEqualFoldAttributeValue(p.plan.changed)); err == nil {
		if at.After(p.latest) {
			p.latest = at
		}
		p.end(&id, at)
	}
	p.sentinel = p.sentinel || sentinel != "" && id.DN == sentinel
	fresh := p.seen.add(id.ExternalID)
	if !whole {
		p.hidden++
		if p.out.Partial == nil {
			p.out.Partial = map[string]bool{}
		}
		p.out.Partial[id.ExternalID] = true
	}
	p.out.Identities = append(p.out.Identities, id)
	p.bytes += len(id.DN) + 64
	for name, v := range id.Attributes {
		p.bytes += len(name) + 16
		for i := range v {
			p.bytes += len(v[i]) + 16
		}
	}
	if len(p.out.Identities) >= pagePeople || p.bytes >= pageBytes {
		return fresh, p.flush(ctx)
	}
	return fresh, nil
}

// flush hands the page over. While the sink works, nobody waits for the
// server, so no watchdog runs.
func (p *peopleRead) flush(ctx context.Context) error {
	if len(p.out.Identities) == 0 && len(p.out.Gone) == 0 && len(p.out.Present) == 0 {
		return nil
	}
	out := p.out
	p.out, p.bytes = sync.Page{}, 0
	return p.sink.Page(ctx, out, p.resume)
}
