package pull

import (
	"context"
	"errors"
	"slices"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/workspace"
)

// maxDepth is how deep groups within groups are followed (LM3).
const maxDepth = 16

// groupAPI is how one kind of API reads groups. It states records without a
// connection.
type groupAPI interface {
	// named finds the groups of a display name; the caller compares again.
	named(ctx context.Context, r *reader, name string, each func(workspace.DirectoryGroup) error) error
	// one reads a group by id: errNotFound.
	one(ctx context.Context, r *reader, id string) (workspace.DirectoryGroup, error)
	// all reads every group's record.
	all(ctx context.Context, r *reader, each func(workspace.DirectoryGroup) error) error
	// members reads a group's direct members, in pieces.
	members(ctx context.Context, r *reader, id string, each func([]sync.MemberRef) error) error
}

// groupOf is the record of a group whose name stands in a property: without
// id or name, data is missing.
func groupOf(ans *answer, id string, doc map[string]any, property string) (workspace.DirectoryGroup, error) {
	x := workspace.DirectoryGroup{ExternalID: id, Name: scalar(doc[property]), ObservedAt: ans.at, Attributes: workspace.Attributes{}}
	if x.ExternalID == "" || x.Name == "" {
		return x, &sync.IncompleteError{Why: "a group shows no id or no " + property + " (data is missing)"}
	}
	return x, nil
}

// groupRead reads groups and whatever they nest: mapped ones only, unless all
// are asked for (OD2).
type groupRead struct {
	*reader
	api   groupAPI
	depth map[string]int // by id, of groups whose record was stated
	queue []string
}

// readGroups reads groups whole and gives the ids of those that were read.
func (s *Source) readGroups(ctx context.Context, r *reader) ([]string, error) {
	if s.dir.Groups == oidc.GroupsNone {
		return nil, r.flush(ctx)
	}
	g := &groupRead{reader: r, api: s.provider.groups(), depth: map[string]int{}}
	if err := g.start(ctx); err != nil {
		return nil, err
	}
	if err := g.drain(ctx); err != nil {
		return nil, err
	}
	closure := g.closure()
	if err := g.vanished(ctx); err != nil {
		return nil, err
	}
	return closure, r.flush(ctx)
}

// none reports whether an error says that the group's id is none. A bare name
// that is asked for as an id may also be refused, as Google does; a right that
// is missing then shows when the name is asked for.
func (m Group) none(err error) bool {
	var refused *sync.ScopeError
	return errors.Is(err, errNotFound) || m.Name != "" && errors.As(err, &refused)
}

// names reports whether a group is the one that the mapping names.
func (m Group) names(x *workspace.DirectoryGroup) bool {
	return m.ID != "" && normalID(m.ID) == x.ExternalID || m.Name != "" && fold.Equal(x.Name, m.Name)
}

func (g *groupRead) closure() []string {
	out := make([]string, 0, len(g.depth))
	for id := range g.depth {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// start states the groups that the mapping names, or all.
func (g *groupRead) start(ctx context.Context) error {
	take := func(x workspace.DirectoryGroup) error { return g.take(ctx, x, 0) }
	if g.dir.Groups == oidc.GroupsAll {
		return g.api.all(ctx, g.reader, take)
	}
	for _, m := range g.opt.Mapped {
		if m.ID != "" && safeID(m.ID) {
			x, err := g.api.one(ctx, g.reader, normalID(m.ID))
			if err == nil {
				err = take(x)
			}
			if err != nil && !m.none(err) {
				return err
			}
		}
		if m.Name == "" {
			continue
		}
		err := g.api.named(ctx, g.reader, m.Name, func(x workspace.DirectoryGroup) error {
			if !m.names(&x) {
				return nil
			}
			return take(x)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// take states a group's record, once, and puts it in line.
func (g *groupRead) take(ctx context.Context, x workspace.DirectoryGroup, depth int) error {
	if _, known := g.depth[x.ExternalID]; known {
		return nil
	}
	g.depth[x.ExternalID] = depth
	g.queue = append(g.queue, x.ExternalID)
	x.Connection = g.opt.Connection
	return g.group(ctx, x)
}

// drain reads the members of the groups in line and puts the groups among
// them in line. Groups that hold each other are legal.
func (g *groupRead) drain(ctx context.Context) error {
	for len(g.queue) > 0 {
		id := g.queue[0]
		g.queue = g.queue[1:]
		if err := g.read(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// read states all members of one group. A group that goes away meanwhile has
// none.
func (g *groupRead) read(ctx context.Context, id string) error {
	var nested []string
	err := g.api.members(ctx, g.reader, id, func(refs []sync.MemberRef) error {
		for _, ref := range refs {
			if ref.Kind == "group" {
				nested = append(nested, ref.ID)
			}
		}
		for piece := range slices.Chunk(refs, pageMembers) {
			if err := g.members(ctx, sync.Members{Group: id, Add: piece}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errNotFound) {
		return err
	}
	if err := g.members(ctx, sync.Members{Group: id, Complete: true}); err != nil {
		return err
	}
	depth := g.depth[id] + 1
	if depth > maxDepth {
		return nil
	}
	for _, sub := range nested {
		if _, known := g.depth[sub]; known || !safeID(sub) {
			continue
		}
		x, err := g.api.one(ctx, g.reader, sub)
		if err == nil {
			err = g.take(ctx, x, depth)
		}
		if err != nil && !errors.Is(err, errNotFound) {
			return err
		}
	}
	return nil
}

// vanished looks for groups that the store knows and this run has not read:
// one that the API no longer has, has no members; one that the mapping no
// longer names keeps its record up to date, so that an old name finds it not.
func (g *groupRead) vanished(ctx context.Context) error {
	if g.opt.Groups == nil {
		return nil
	}
	known, err := g.opt.Groups(ctx)
	if err != nil {
		return err
	}
	for _, id := range known {
		if _, read := g.depth[id]; read || !safeID(id) {
			continue
		}
		x, err := g.api.one(ctx, g.reader, id)
		switch {
		case errors.Is(err, errNotFound):
			err = g.members(ctx, sync.Members{Group: id, Complete: true})
		case err == nil:
			x.Connection = g.opt.Connection
			err = g.group(ctx, x)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
