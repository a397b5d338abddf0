package sync

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// prove judges whether the read was whole (sources section 2). If one of the
// rules fails the run still adds and updates, but nobody is missing.
func (p *poll) prove(ctx context.Context) error {
	st := p.stage
	if p.kind == RunFull {
		p.whole = st.proof != nil
	}
	if !p.whole {
		if p.kind == RunFull && len(p.why) == 0 {
			p.why = append(p.why, "no end mark: the source did not say that the read was whole (RD3)")
		}
		return nil
	}
	if len(p.why) > 0 {
		p.whole = false
		return nil
	}
	active, err := p.active(ctx)
	if err != nil {
		return err
	}
	if len(st.seen) == 0 && active > 0 {
		p.notWhole("nobody was read although people are known (RD4)")
	}
	if want := p.minExpected(); len(st.seen) < want {
		p.notWhole(fmt.Sprintf("below min_expected: %d people, at least %d are expected (RD6)", len(st.seen), want))
	}
	if p.kind == RunFull && st.proof != nil && st.proof.People != 0 && st.proof.People != len(st.seen) {
		p.notWhole(fmt.Sprintf("the source counts %d people, %d were staged (RD3)", st.proof.People, len(st.seen)))
	}
	return p.sentinel(ctx, active)
}

// notWhole marks the read as not whole, with the reason for the report.
func (p *poll) notWhole(why string) {
	p.whole = false
	p.why = append(p.why, why)
}

// minExpected is how many people a whole read must have.
func (p *poll) minExpected() int {
	if p.pl.MinExpected > 0 {
		return p.pl.MinExpected
	}
	counts := slices.Sorted(slices.Values(p.state.Counts))
	if len(counts) == 0 {
		return 0
	}
	return int(math.Ceil(float64(counts[len(counts)/2]) * 0.8))
}

// sentinel looks for people who must be visible: the source's own sentinel,
// else three of the five who are known longest (RD5).
func (p *poll) sentinel(ctx context.Context, active int) error {
	if active == 0 || p.stage.proof != nil && p.stage.proof.SentinelSeen {
		return nil
	}
	seen, looked := 0, 0
	err := p.view(ctx, func(r *store.Reader) error {
		_, oldest, err := r.Users(store.UserQuery{Connection: p.pl.Connection, Start: 1, Count: 5})
		for _, i := range oldest {
			looked++
			if p.stage.seen.has(i.ExternalID) {
				seen++
			}
		}
		return err
	})
	if need := (looked + 1) / 2; seen < need {
		p.notWhole(fmt.Sprintf("sentinel not seen: %d of the %d people known longest are visible (RD5)", seen, looked))
	}
	return err
}

// active counts the people of the connection.
func (p *poll) active(ctx context.Context) (n int, err error) {
	err = p.view(ctx, func(r *store.Reader) error {
		row, err := r.Connection(p.pl.Connection)
		n = row.UsersTotal
		return err
	})
	return n, err
}

// guard finds attributes that more than max(3, 5 %) of the known people lost
// at once: they count as unreadable in this run, not as empty (RD7).
func (p *poll) guard(_ context.Context) error {
	for name, n := range p.sink.losses {
		if n > max(3, int(math.Ceil(float64(p.sink.known)*0.05))) {
			p.guarded = append(p.guarded, name)
		}
	}
	slices.Sort(p.guarded)
	for _, name := range p.guarded {
		p.notices = append(p.notices, fmt.Sprintf("attribute %s was lost by %d of %d people at once: it counts as unreadable in this run (RD7)", name, p.sink.losses[name], p.sink.known))
	}
	return nil
}

// unguard takes guarded attributes out of a record: unknown, not empty.
func (p *poll) unguard(i *workspace.Identity, old *workspace.Identity) {
	for _, name := range p.guarded {
		if v, ok := i.Attributes[name]; ok && len(v) == 0 {
			delete(i.Attributes, name)
			if old != nil && len(old.Attributes[name]) > 0 {
				i.Attributes[name] = old.Attributes[name]
			}
			if name == "email" && old != nil {
				i.Email = old.Email
			}
		}
	}
}
