package sync

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// groupBatch is how many members one unit of work takes into a group.
const groupBatch = 100

// applyNewGroups makes the records of groups that are new, so that groups
// that hold them find them, whatever the order.
func (p *poll) applyNewGroups(ctx context.Context) error {
	var b Batch
	submit := func() error {
		if len(b.Groups) == 0 {
			return nil
		}
		_, err := p.submit(ctx, b)
		b.Groups = nil
		return err
	}
	for _, id := range p.stage.gorder {
		var g stagedGroup
		if err := p.stage.get(p.stage.groups[id], &g); err != nil {
			return err
		}
		if g.Group == nil {
			continue
		}
		err := p.view(ctx, func(r *store.Reader) error {
			_, err := r.DirectoryGroupByExternal(p.pl.Connection, id)
			return err
		})
		if err == nil {
			continue
		}
		if !errors.Is(err, workspace.ErrNotFound) {
			return err
		}
		b.Groups = append(b.Groups, GroupObservation{Group: *g.Group, NameKey: fold.Key(g.Group.Name) + "\x1f" + id, Write: true, Members: &MemberDelta{}})
		if len(b.Groups) == applyBatch {
			if err := submit(); err != nil {
				return err
			}
		}
	}
	return submit()
}

// applyGroup applies one staged group: its record and its members.
func (p *poll) applyGroup(ctx context.Context, at place) error {
	var g stagedGroup
	if err := p.stage.get(at, &g); err != nil {
		return err
	}
	var old workspace.DirectoryGroup
	err := p.view(ctx, func(r *store.Reader) error {
		var err error
		old, err = r.DirectoryGroupByExternal(p.pl.Connection, g.ID)
		return err
	})
	fresh := errors.Is(err, workspace.ErrNotFound)
	if err != nil && !fresh {
		return err
	}
	if fresh && g.Group == nil {
		return nil // members of a group that no read has named
	}
	o := GroupObservation{Expect: -1, Members: &MemberDelta{}}
	if fresh {
		o.Expect = 0
	}
	o.Group, o.NameKey = old, fold.Key(old.Name)+"\x1f"+g.ID
	if g.Group != nil {
		o.Write = fresh || old.Name != g.Group.Name || old.DN != g.Group.DN || !slices.Equal(old.Managers, g.Group.Managers)
		id := old.ID
		o.Group, o.NameKey = *g.Group, fold.Key(g.Group.Name)+"\x1f"+g.ID
		o.Group.ID = id
	}
	had := map[store.Edge]bool{}
	if !fresh {
		if had, err = p.edgesOf(ctx, old.ID); err != nil {
			return err
		}
	}
	added, err := p.edges(ctx, g.Add)
	if err != nil {
		return err
	}
	if o.Members.Add, err = p.undoubted(ctx, g.ID, had, added); err != nil {
		return err
	}
	removed, err := p.edges(ctx, g.Remove)
	if err != nil {
		return err
	}
	for _, n := range removed {
		o.Members.Remove = append(o.Members.Remove, n.Edge)
	}
	if g.Complete {
		o.Members.Add, o.Members.Remove = difference(had, o.Members.Add)
	}
	if !o.Write && len(o.Members.Add)+len(o.Members.Remove) == 0 {
		return nil
	}
	return p.submitGroup(ctx, g.ID, o)
}

// submitGroup applies a group's difference: what goes in one unit, so that
// the brake sees it whole, what comes in units of groupBatch, so that no
// transaction outlasts the lease (LE2).
func (p *poll) submitGroup(ctx context.Context, external string, o GroupObservation) error {
	come := o.Members.Add
	o.Members.Add = come[:min(groupBatch, len(come))]
	come = come[len(o.Members.Add):]
	for {
		res, err := p.submit(ctx, Batch{Groups: []GroupObservation{o}})
		if err != nil {
			return p.tolerate(err, []string{external})
		}
		if len(come) == 0 {
			return nil
		}
		if o.Group.ID == "" && len(res.Groups) > 0 {
			o.Group.ID = res.Groups[0].ID
		}
		next := come[:min(groupBatch, len(come))]
		come = come[len(next):]
		o = GroupObservation{Expect: -1, Group: workspace.DirectoryGroup{ID: o.Group.ID}, NameKey: o.NameKey, Members: &MemberDelta{Add: next}}
	}
}

// difference tells what a whole list of members adds and what it leaves out.
func difference(had map[store.Edge]bool, want []store.Edge) (add, remove []store.Edge) {
	wanted := make(map[store.Edge]bool, len(want))
	for _, e := range want {
		wanted[e] = true
		if !had[e] {
			add = append(add, e)
		}
	}
	for e := range had {
		if !wanted[e] {
			remove = append(remove, e)
		}
	}
	slices.SortFunc(remove, func(a, b store.Edge) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Child, b.Child)) })
	return add, remove
}

// edgesOf reads a group's direct members.
func (p *poll) edgesOf(ctx context.Context, group string) (map[store.Edge]bool, error) {
	had := map[store.Edge]bool{}
	err := p.view(ctx, func(r *store.Reader) error {
		for e, err := range r.Edges(group) {
			if err != nil {
				return err
			}
			had[e] = true
		}
		return nil
	})
	return had, err
}

// namedEdge is a member of a group with the name by which the group has it.
type namedEdge struct {
	store.Edge
	dn string
}

// edges resolves references to members: by immutable id, or by DN within this
// run and then in the store (LP9). What stands for nobody is dangling and
// counted. Groups within groups count where the source says so.
func (p *poll) edges(ctx context.Context, refs []MemberRef) ([]namedEdge, error) {
	names := map[string]string{}
	var users, dns []string
	for i := range refs {
		if refs[i].ID == "" {
			refs[i].ID = p.stage.names.id(refs[i].DN)
		}
		if refs[i].ID != "" {
			users = append(users, refs[i].ID)
			names[refs[i].ID] = refs[i].DN
		} else if refs[i].DN != "" {
			dns = append(dns, refs[i].DN)
		}
	}
	out := make([]namedEdge, 0, len(refs))
	err := p.view(ctx, func(r *store.Reader) error {
		found, err := r.IDsByExternal(p.pl.Connection, users)
		if err != nil {
			return err
		}
		for external, e := range found {
			out = append(out, namedEdge{e, names[external]})
		}
		byDN, err := r.IDsByDN(p.pl.Connection, dns)
		for dn, e := range byDN {
			out = append(out, namedEdge{e, dn})
		}
		p.report.Ambiguous += len(dns) - len(byDN) + len(users) - len(found)
		return err
	})
	if p.pl.Source.Describe().Caps&CapNestedGroups == 0 {
		out = slices.DeleteFunc(out, func(n namedEdge) bool { return n.Kind == "group" })
	}
	slices.SortFunc(out, func(a, b namedEdge) int { return cmp.Compare(a.Child, b.Child) })
	return slices.CompactFunc(out, func(a, b namedEdge) bool { return a.Edge == b.Edge }), err
}
