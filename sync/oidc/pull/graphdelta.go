package pull

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Bounds of what a delta keeps in memory or asks for singly; beyond them a
// Full is the cheaper way.
const (
	maxAsked   = 500
	maxChanges = 50_000
)

// graphDelta is one run over the delta links.
type graphDelta struct {
	*graph
	r *reader
	// removed and named are ids that the run has met as gone, and as there.
	// Records come in any order and may come again, so that an id in both
	// must be asked for.
	removed map[string]time.Time
	named   map[string]bool
	unclear map[string]bool // without the flag, named twice, or gone and there
	// came are people who came into groups.
	came map[string]bool
}

// delta reads what changed of groups, then of people: whoever has just been
// made and put into a group is then met as a person too, since no later delta
// names the membership again.
func (g *graph) delta(ctx context.Context, r *reader, from position) (position, error) {
	d := &graphDelta{
		graph: g, r: r, removed: map[string]time.Time{}, named: map[string]bool{}, unclear: map[string]bool{}, came: map[string]bool{},
	}
	next := from
	if from.Users == "" {
		return next, fmt.Errorf("%w: it has no delta link", sync.ErrCursorGone)
	}
	var err error
	if g.dir.Groups != oidc.GroupsNone {
		if next.Groups, next.Closure, err = d.changedGroups(ctx, from.Groups, from.Closure); err != nil {
			return next, err
		}
	}
	if next.Users, err = d.users(ctx, from.Users); err != nil {
		return next, err
	}
	return next, d.strangers(ctx)
}

// strangers asks for people who came into a group and whom neither this run
// nor the store knows: the two deltas lag behind each other. As long as one
// of them is not there, the delta is not taken for read.
func (d *graphDelta) strangers(ctx context.Context) error {
	ids := slices.DeleteFunc(slices.Sorted(maps.Keys(d.came)), func(id string) bool {
		_, seen := d.r.seen[id]
		return seen || !d.removed[id].IsZero()
	})
	if d.opt.Unknown != nil && len(ids) > 0 {
		var err error
		if ids, err = d.opt.Unknown(ctx, ids); err != nil {
			return err
		}
	}
	if len(ids) > maxAsked {
		return fmt.Errorf("%w: %d people came into groups and are not known", sync.ErrCursorGone, len(ids))
	}
	missing := 0
	for _, id := range ids {
		found, err := d.get(ctx, id)
		switch {
		case errors.Is(err, sync.ErrDeleted):
		case errors.Is(err, errNotFound):
			missing++
		case err != nil:
			return err
		default:
			if err := d.r.identity(ctx, found, true, true); err != nil {
				return err
			}
		}
	}
	if missing > 0 {
		return &sync.IncompleteError{Why: fmt.Sprintf("groups name %d people whom the directory does not show yet: the next poll looks again", missing)}
	}
	return nil
}

// follow reads the pages of a delta link and gives the next one.
func (d *graphDelta) follow(ctx context.Context, link, what, need string, each func(ans *answer, doc map[string]any) error) (string, error) {
	u, err := d.api.link(link)
	if err != nil {
		return "", fmt.Errorf("the stored delta link: %w", err)
	}
	next, err := d.list(ctx, d.r, u, what, need, func(ans *answer, docs []map[string]any) error {
		for _, doc := range docs {
			if err := each(ans, doc); err != nil {
				return err
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, errNotFound):
		return "", fmt.Errorf("%w: 404", sync.ErrCursorGone)
	case err != nil:
		return "", err
	case next == "":
		return "", &sync.IncompleteError{Why: what + ": the pages ended without a delta link (RD1)"}
	}
	return next, nil
}

// users reads changed people. A person who is unclear is asked for at the
// end, and that answer counts.
func (d *graphDelta) users(ctx context.Context, link string) (string, error) {
	next, err := d.follow(ctx, link, "reading changed people", graphReadUsers, func(ans *answer, doc map[string]any) error {
		return d.user(ctx, ans, doc)
	})
	if err != nil {
		return "", err
	}
	for id := range d.removed {
		if !d.named[id] {
			continue
		}
		if err := d.ask(id); err != nil {
			return "", err
		}
	}
	for id := range d.unclear {
		if err := d.settle(ctx, id); err != nil {
			return "", err
		}
	}
	for id, at := range d.removed {
		if !d.named[id] {
			d.r.out.Gone = append(d.r.out.Gone, sync.Gone{ID: id, Why: "deleted", At: at})
		}
	}
	return next, d.r.flush(ctx)
}

// user takes one record of the delta.
func (d *graphDelta) user(ctx context.Context, ans *answer, doc map[string]any) error {
	id := normalID(scalar(doc["id"]))
	if id == "" {
		return &sync.IncompleteError{Why: "a changed person shows no id (data is missing)"}
	}
	if _, gone := doc["@removed"]; gone {
		// `changed` is the recycle bin, `deleted` the end: both end access (E1).
		d.removed[id] = ans.at.Time()
		return nil
	}
	if d.named[id] {
		// A second mention may be older than the first, and each may state
		// another part.
		return d.ask(id)
	}
	d.named[id] = true
	if list, ok := doc["manager@delta"].([]any); ok {
		doc["manager"] = lastManager(list)
	}
	if _, _, known := d.schema.flag(doc); !known {
		// Changed records may come with what changed alone.
		return d.ask(id)
	}
	_, _, err := d.r.person(ctx, doc, ans.at, false)
	return err
}

// ask notes a person to be asked for.
func (d *graphDelta) ask(id string) error {
	d.unclear[id] = true
	if len(d.unclear) > maxAsked {
		return fmt.Errorf("%w: the delta is unclear about more than %d people", sync.ErrCursorGone, maxAsked)
	}
	return nil
}

// lastManager is the manager who was not removed, nil for none.
func lastManager(list []any) any {
	for _, e := range list {
		if m, ok := e.(map[string]any); ok && m["@removed"] == nil {
			return m
		}
	}
	return nil
}

// settle asks for one person of whom the delta was unclear.
func (d *graphDelta) settle(ctx context.Context, id string) error {
	found, err := d.get(ctx, id)
	switch {
	case errors.Is(err, sync.ErrDeleted), errors.Is(err, errNotFound) && !d.removed[id].IsZero():
		if d.removed[id].IsZero() {
			d.removed[id] = d.now()
		}
		if !d.named[id] {
			return nil
		}
		// An earlier page may have stated the person as present.
		return d.r.identity(ctx, d.tombstone(id), true, false)
	case errors.Is(err, errNotFound):
		d.r.out.Gone = append(d.r.out.Gone, sync.Gone{ID: id, Why: "left", At: d.now()})
		return nil
	case err != nil:
		return err
	}
	delete(d.removed, id)
	return d.r.identity(ctx, found, true, true)
}

// tombstone states that a person is deleted and nothing else.
func (d *graphDelta) tombstone(id string) workspace.Identity {
	return workspace.Identity{
		Connection: d.opt.Connection, ExternalID: id, Reason: "deleted", ObservedAt: workspace.At(d.now()),
		Attributes: workspace.Attributes{"active": {"false"}},
	}
}

// groupChange is what a delta says of one group: the last mention of each
// member counts.
type groupChange struct {
	record  *workspace.DirectoryGroup
	gone    bool
	members map[string]memberChange // by id
}

// memberChange is the last word about one member.
type memberChange struct {
	kind string
	came bool
}

// changedGroups reads changed groups. One that has come into the closure,
// by its name or by a group that holds it, is read whole.
func (d *graphDelta) changedGroups(ctx context.Context, link string, closure []string) (string, []string, error) {
	changes, count := map[string]*groupChange{}, 0
	g := &groupRead{reader: d.r, api: d.groups(), depth: map[string]int{}}
	for _, id := range closure {
		g.depth[id] = 0
	}
	next, err := d.follow(ctx, link, "reading changed groups", graphReadGroups, func(ans *answer, doc map[string]any) error {
		n, err := d.group(ans, doc, changes)
		if count += n; count > maxChanges {
			return fmt.Errorf("%w: more than %d changes of groups", sync.ErrCursorGone, maxChanges)
		}
		return err
	})
	if err != nil {
		return "", nil, err
	}
	for id, c := range changes {
		if err := d.apply(ctx, g, id, c); err != nil {
			return "", nil, err
		}
	}
	if err := g.drain(ctx); err != nil {
		return "", nil, err
	}
	return next, g.closure(), nil
}

// group notes one record of the groups' delta.
func (d *graphDelta) group(ans *answer, doc map[string]any, changes map[string]*groupChange) (int, error) {
	id := normalID(scalar(doc["id"]))
	if id == "" {
		return 0, &sync.IncompleteError{Why: "a changed group shows no id (data is missing)"}
	}
	c := changes[id]
	if c == nil {
		c = &groupChange{members: map[string]memberChange{}}
		changes[id] = c
	}
	if _, gone := doc["@removed"]; gone {
		c.gone = true
		return 1, nil
	}
	c.gone = false
	if scalar(doc["displayName"]) != "" {
		x, err := graphGroups{d.graph}.record(ans, doc)
		if err != nil {
			return 0, err
		}
		c.record = &x
	}
	list, _ := doc["members@delta"].([]any) // no list: no member changed
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return 0, &sync.IncompleteError{Why: "a changed member of a group cannot be read (data is missing)"}
		}
		refs, err := graphRefs([]map[string]any{m})
		if err != nil {
			return 0, err
		}
		for _, ref := range refs {
			c.members[ref.ID] = memberChange{kind: ref.Kind, came: m["@removed"] == nil}
		}
	}
	return 1 + len(list), nil
}

// apply states what changed of one group.
func (d *graphDelta) apply(ctx context.Context, g *groupRead, id string, c *groupChange) error {
	_, read := g.depth[id]
	switch {
	case !read && c.record != nil && !c.gone && d.wanted(c.record):
		return g.take(ctx, *c.record, 0)
	case !read:
		return nil
	case c.gone:
		delete(g.depth, id)
		return d.r.members(ctx, sync.Members{Group: id, Complete: true})
	}
	if c.record != nil {
		x := *c.record
		x.Connection = d.opt.Connection
		if err := d.r.group(ctx, x); err != nil {
			return err
		}
	}
	m := sync.Members{Group: id}
	for id, x := range c.members {
		ref := sync.MemberRef{ID: id, Kind: x.kind}
		if !x.came {
			m.Remove = append(m.Remove, ref)
			continue
		}
		m.Add = append(m.Add, ref)
		if ref.Kind == "user" {
			d.came[id] = true
		}
		if err := d.nested(ctx, g, ref); err != nil {
			return err
		}
	}
	return d.pieces(ctx, m)
}

// wanted tells whether the mapping names a group.
func (d *graphDelta) wanted(x *workspace.DirectoryGroup) bool {
	return d.dir.Groups == oidc.GroupsAll || slices.ContainsFunc(d.opt.Mapped, func(m Group) bool { return m.names(x) })
}

// nested takes up a group that has become a member of one that is read.
func (d *graphDelta) nested(ctx context.Context, g *groupRead, ref sync.MemberRef) error {
	if _, read := g.depth[ref.ID]; ref.Kind != "group" || read || !safeID(ref.ID) {
		return nil
	}
	x, err := g.api.one(ctx, d.r, ref.ID)
	if errors.Is(err, errNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return g.take(ctx, x, 1)
}

// pieces hands a change of members over in pieces.
func (d *graphDelta) pieces(ctx context.Context, m sync.Members) error {
	for piece := range slices.Chunk(m.Add, pageMembers) {
		if err := d.r.members(ctx, sync.Members{Group: m.Group, Add: piece}); err != nil {
			return err
		}
	}
	for piece := range slices.Chunk(m.Remove, pageMembers) {
		if err := d.r.members(ctx, sync.Members{Group: m.Group, Remove: piece}); err != nil {
			return err
		}
	}
	return nil
}
