package sync

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-sync/rollcall/store"
)

// waiting lists the immutable ids of those who wait for what was denied, is
// held or could not be had, who came first first. They are tried again at a
// full read: a number that has become free, a seat, an address that another
// has given up reaches the one who waits, though nothing is new about them.
// What it costs follows their number, not that of all.
//
// Those who wait for nothing but a number are left out, and passed is set,
// while no number has moved since they were tried last: the answer would be the
// same. Once a day they are tried all the same: a hold may have expired.
func (p *poll) waiting(ctx context.Context) (ids []string, err error) {
	if p.kind != RunFull || p.s.conns[p.pl.Connection].Mode == ModeObserve {
		return nil, nil
	}
	err = p.view(ctx, func(r *store.Reader) error {
		if p.stock, err = r.Stock(); err != nil {
			return err
		}
		p.stock += p.began.UTC().Format(" 2006-01-02 ") + p.s.policyHash
		if p.cursor.Kind == "" {
			return nil // The first read tries everybody.
		}
		p.passed = p.stock == p.state.Stock
		ids, err = r.Waiters(p.pl.Connection, p.passed)
		return err
	})
	return ids, err
}

// applyWaiting tries people again. Newcomers who were refused have no record:
// they come again by themselves with each full read, and are given back.
func (p *poll) applyWaiting(ctx context.Context, ids []string) (newcomers []string, err error) {
	for piece := range slices.Chunk(ids, applyBatch) {
		known, err := p.knownBy(ctx, piece)
		if err != nil {
			return nil, err
		}
		b := Batch{Again: []string{}}
		for _, id := range piece {
			i, ok := known[id]
			if ok {
				b.People = append(b.People, i.ID)
			}
			if ok || p.whole && !p.stage.seen.has(id) {
				b.Again = append(b.Again, id)
				continue
			}
			newcomers = append(newcomers, id)
		}
		if len(b.Again) == 0 {
			continue
		}
		if _, err := p.submit(ctx, b); err != nil {
			return nil, err
		}
	}
	return newcomers, nil
}

// tellWaiting says in the run's report that people still wait.
func (p *poll) tellWaiting(ctx context.Context) error {
	return p.view(ctx, func(r *store.Reader) error {
		left, err := r.Waiters(p.pl.Connection, false)
		who := fmt.Sprintf("%d people wait", len(left))
		if len(left) == 1 {
			who = "1 person waits"
		}
		if len(left) > 0 {
			p.notices = append(p.notices, who+" for something that was denied, is held or is not to be had; it is tried again when something becomes free and at each full read")
		}
		return err
	})
}

// knownFirst brings those up to date who are known, with their groups, and
// gives back the newcomers: those first who were refused before. Groups that
// name newcomers are looked at once more afterwards, so what they said about
// those does not count yet.
func (p *poll) knownFirst(ctx context.Context, others []place, waiting []string) (newcomers []place, err error) {
	var known []place
	for _, at := range others {
		if at.fresh {
			newcomers = append(newcomers, at)
		} else {
			known = append(known, at)
		}
	}
	for piece := range slices.Chunk(known, applyBatch) {
		if err := p.applyPeople(ctx, piece); err != nil {
			return nil, err
		}
	}
	if err := p.applyAgain(ctx); err != nil {
		return nil, err
	}
	notices, dangling := len(p.notices), p.report.Ambiguous
	if err := p.applyNewGroups(ctx); err != nil {
		return nil, err
	}
	for _, id := range p.stage.gorder {
		if err := p.applyGroup(ctx, p.stage.groups[id]); err != nil {
			return nil, err
		}
	}
	p.notices, p.report.Ambiguous = p.notices[:notices], dangling
	turn := make(map[int64]int, len(waiting)) // by place in the stage
	for i, id := range waiting {
		if at, ok := p.stage.staged[digestOf(id)]; ok {
			turn[p.stage.people[at].at] = i - len(waiting)
		}
	}
	slices.SortStableFunc(newcomers, func(a, b place) int { return cmp.Compare(turn[a.at], turn[b.at]) })
	return newcomers, nil
}
