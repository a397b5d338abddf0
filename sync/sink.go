package sync

import (
	"context"
	"maps"
	"slices"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// sink compares what a source reads with the store, and stages what differs.
type sink struct {
	p        *poll
	sweeping bool
	// losses counts, per attribute, known people who lost it in this run (RD7).
	losses map[string]int
	known  int              // known people who were named
	asked  workspace.Micros // the source asked for the next page after this moment
	// behind is the page that is being compared while the source reads the next
	// one, nil if there is none. It belongs to nobody else until settled.
	behind chan error
}

// reset forgets what a read named, for a read that begins anew.
func (k *sink) reset() {
	k.losses, k.known, k.asked = map[string]int{}, 0, workspace.At(k.p.e.now())
}

// Page stages one page.
func (k *sink) Page(ctx context.Context, page Page, resume Cursor) error {
	if err := k.settle(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	asked := k.asked
	if len(page.Identities) == 0 || k.p.tx != nil {
		err := k.take(ctx, page, resume, asked)
		k.asked = workspace.At(k.p.e.now())
		return err
	}
	behind := make(chan error, 1)
	k.behind, k.asked = behind, workspace.At(k.p.e.now())
	go func() { behind <- k.take(ctx, page, resume, asked) }()
	return nil
}

// settle waits for the page that is being compared, and gives its error once.
func (k *sink) settle() error {
	if k.behind == nil {
		return nil
	}
	err := <-k.behind
	k.behind = nil
	return err
}

// settled is settle at the end of a read that ended as err says.
func (k *sink) settled(err error) error {
	if serr := k.settle(); serr != nil {
		return serr
	}
	return err
}

// take compares and stages one page, which the source asked for after a moment.
func (k *sink) take(ctx context.Context, page Page, resume Cursor, asked workspace.Micros) error {
	st := k.p.stage
	st.counts.pages++
	st.counts.entries += len(page.Identities) + len(page.Groups) + len(page.Present)
	st.resume = resume
	if err := k.people(ctx, page); err != nil {
		return err
	}
	for i := range page.Groups {
		g := page.Groups[i]
		st.names.put(g.DN, g.ExternalID)
		st.counts.groups++
		if err := st.group(&stagedGroup{Group: &g, ID: g.ExternalID}); err != nil {
			return err
		}
	}
	for _, m := range page.Members {
		st.counts.edges += len(m.Add) + len(m.Remove)
		if err := st.group(&stagedGroup{ID: m.Group, Add: m.Add, Remove: m.Remove, Complete: m.Complete}); err != nil {
			return err
		}
	}
	for _, id := range page.Present {
		st.seen.add(id)
	}
	for _, g := range page.Gone {
		st.gone = append(st.gone, stagedGone{g, asked})
	}
	k.p.progress("reading", st.counts.entries, 0)
	return nil
}

// people stages the people of a page who differ from what is known.
func (k *sink) people(ctx context.Context, page Page) error {
	if len(page.Identities) == 0 {
		return nil
	}
	st := k.p.stage
	ids := make([]string, 0, len(page.Identities))
	for i := range page.Identities {
		ids = append(ids, page.Identities[i].ExternalID)
	}
	known, err := k.p.knownBy(ctx, ids)
	if err != nil {
		return err
	}
	for i := range page.Identities {
		x := page.Identities[i]
		again := st.seen.has(x.ExternalID)
		st.seen.add(x.ExternalID)
		st.names.put(x.DN, x.ExternalID)
		partial := page.Partial[x.ExternalID]
		old, ok := known[x.ExternalID]
		if ok && x.DN != "" && old.DN != "" && old.DN != x.DN {
			st.vacated[old.DN] = true
		}
		switch {
		case !ok && again: // named twice, the last mention wins (CU1)
		case !ok:
			st.counts.fresh++
		case !partial:
			k.known++
			for name, had := range old.Attributes {
				if now, stated := x.Attributes[name]; stated && len(now) == 0 && len(had) > 0 {
					k.losses[name]++
				}
			}
			fallthrough
		default:
			if same(&old, overlay(&old, &x, partial)) {
				st.counts.unchanged++
				continue
			}
			st.counts.changed++
		}
		if err := st.person(&stagedPerson{Identity: x, Partial: partial, Ended: page.Ended[x.ExternalID]}, ok && old.Active && !x.Active, !ok); err != nil {
			return err
		}
	}
	return nil
}

// Done takes the proof that a read was whole.
func (k *sink) Done(_ context.Context, proof Proof) error {
	if err := k.settle(); err != nil {
		return err
	}
	k.p.stage.proof = &proof
	if k.sweeping {
		k.p.whole = true
	}
	return nil
}

// knownBy reads what the store knows of people, by immutable id.
func (p *poll) knownBy(ctx context.Context, ids []string) (map[string]workspace.Identity, error) {
	out := make(map[string]workspace.Identity, len(ids))
	err := p.view(ctx, func(r *store.Reader) error {
		list, err := r.KnownByExternal(p.pl.Connection, ids)
		for _, i := range list {
			out[i.ExternalID] = i
		}
		return err
	})
	return out, err
}

// view reads through the dry run's transaction where there is one.
func (p *poll) view(ctx context.Context, fn func(r *store.Reader) error) error {
	if p.tx != nil {
		return fn(&p.tx.Reader)
	}
	return p.s.h.View(ctx, fn)
}

// overlay lays a read over what is known: a partial entry carries changed
// attributes only.
func overlay(old, x *workspace.Identity, partial bool) *workspace.Identity {
	if !partial {
		return x
	}
	now := *old
	now.Attributes = maps.Clone(old.Attributes)
	if now.Attributes == nil {
		now.Attributes = workspace.Attributes{}
	}
	maps.Copy(now.Attributes, x.Attributes)
	if _, stated := x.Attributes["active"]; stated {
		now.Active, now.Reason = x.Active, x.Reason
	}
	now.UserName, now.Email = orElse(x.UserName, old.UserName), orElse(x.Email, old.Email)
	now.Name, now.DN = orElse(x.Name, old.Name), orElse(x.DN, old.DN)
	now.ObservedAt = x.ObservedAt
	return &now
}

// same reports whether two records of a person say the same.
func same(a, b *workspace.Identity) bool {
	return a.UserName == b.UserName && a.Email == b.Email && a.Name == b.Name && a.DN == b.DN && a.Active == b.Active && a.Reason != reasonSignal &&
		maps.EqualFunc(a.Attributes, b.Attributes, slices.Equal[[]string])
}

// progress tells how far the run is, if anybody listens.
func (p *poll) progress(phase string, done, total int) {
	if p.opt.Progress == nil {
		return
	}
	rate := 0.0
	if spent := p.e.now().Sub(p.began).Seconds(); spent > 0 {
		rate = float64(done) / spent
	}
	p.opt.Progress(Progress{Phase: phase, Done: done, Total: total, Rate: rate})
}
