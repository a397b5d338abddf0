package sync

import (
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// UnknownMembersError names members of a group that the connection has never
// stated: nothing is applied, a silent strip would be worse (scim section 6).
type UnknownMembersError struct{ IDs []string }

func (e *UnknownMembersError) Error() string {
	return "unknown members: " + strings.Join(e.IDs, ", ")
}

// touched collects the identities that must be planned again, in the order
// in which they were first named.
type touched struct {
	order []string
	seen  map[string]bool
}

func (t *touched) add(id string) {
	if t.seen == nil {
		t.seen = map[string]bool{}
	}
	if !t.seen[id] {
		t.seen[id] = true
		t.order = append(t.order, id)
	}
}

// observe writes what the source said to the directory side and plans
// everybody whom it concerns. Nobody else is looked at.
func (u *unit) observe() error {
	var who touched
	if err := u.lookAhead(); err != nil {
		return err
	}
	for i := range u.b.Identities {
		if err := u.observeIdentity(&u.b.Identities[i], &who); err != nil {
			return err
		}
	}
	for i := range u.b.Groups {
		if err := u.observeGroup(&u.b.Groups[i], &who); err != nil {
			return err
		}
	}
	if u.b.Cursor != nil {
		if err := u.tx.PutCursor(*u.b.Cursor); err != nil {
			return err
		}
	}
	for _, id := range u.b.People {
		who.add(id)
	}
	for _, id := range who.order {
		if err := u.planIdentity(id, u.observation(id)); err != nil {
			return err
		}
	}
	if err := u.planOwnerRows(); err != nil {
		return err
	}
	u.halve()
	return nil
}

// observation is what this batch says of an identity itself, nil if it only
// touches its groups.
func (u *unit) observation(id string) *IdentityObservation {
	for i := range u.b.Identities {
		if u.b.Identities[i].Row.ID == id {
			return &u.b.Identities[i]
		}
	}
	return nil
}

// observeIdentity writes one person's record.
func (u *unit) observeIdentity(o *IdentityObservation, who *touched) error {
	row := &o.Row
	row.Connection = u.conn.ID
	if row.ObservedAt == 0 {
		row.ObservedAt = workspace.At(u.b.SeenAt)
	}
	row.UpdatedAt = u.now
	switch {
	case o.Op == OpDelete:
		now, err := u.tx.Identity(row.ID)
		if err != nil {
			return err
		}
		if o.Expect != 0 && now.Version != o.Expect {
			return workspace.ErrStale
		}
		seen := max(row.ObservedAt, workspace.At(u.b.SeenAt))
		row.Identity = now
		if u.keepsAbsent(o) {
			break
		}
		if err := u.tx.DeleteIdentity(row.ID, orElse(o.Why, "deleted"), u.now, seen); err != nil {
			return err
		}
		delete(u.records, row.ID)
	case o.Expect == 0:
		if row.ID == "" {
			row.ID = newID()
		}
		row.CreatedAt, row.Version = u.now, 1
		if err := u.reunite(row); err != nil {
			return err
		}
		insert := u.tx.InsertIdentity
		if u.ahead != nil {
			insert = u.tx.InsertIdentityLater
		}
		if err := insert(*row); err != nil {
			return err
		}
		u.records[row.ID] = row.Identity
	default:
		if err := u.rewrite(o); err != nil {
			return err
		}
		if row.CreatedAt != 0 { // else the caller has not read it
			u.records[row.ID] = row.Identity
		}
		if same, err := u.immaterial(o); err != nil || same {
			return err
		}
	}
	who.add(row.ID)
	return nil
}

// rewrite writes a record that is there already.
func (u *unit) rewrite(o *IdentityObservation) error {
	row := &o.Row
	row.Version = o.Expect + 1
	moved, same, err := u.tx.UpdateIdentityBody(*row)
	if err != nil || same {
		row.Moved = moved
		return err
	}
	// An approval links without a new version: the link is the store's, not
	// the reader's.
	now, err := u.tx.Identity(row.ID)
	switch {
	case err == nil:
		row.Member, row.Moved = now.Member, now.Moved
	case !errors.Is(err, workspace.ErrNotFound):
		return err
	}
	return u.tx.UpdateIdentity(*row)
}

// reunite links a new record with the member whom the same immutable id
// stood for before its record was deleted: the same person, under a new id
// on the wire.
func (u *unit) reunite(row *store.IdentityRow) error {
	if row.ExternalID == "" || row.Member != "" {
		return nil
	}
	if u.ahead != nil {
		row.Member = u.ahead.gone[row.ExternalID].Member
		return nil
	}
	old, err := u.tx.IdentityGone(u.conn.ID, row.ExternalID)
	if errors.Is(err, workspace.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if row.ObservedAt < old.ObservedAt {
		return errOlder // read before the record was deleted
	}
	row.Member = old.Member
	return nil
}

// errOlder says that an observation of a new record is older than the deletion
// of the former one of the same immutable id (EV4): it is no evidence.
var errOlder = fmt.Errorf("%w: the record was deleted since", workspace.ErrStale)

// observeGroup writes one directory group and its edges.
func (u *unit) observeGroup(o *GroupObservation, who *touched) error {
	g := &o.Group
	g.Connection = u.conn.ID
	g.ObservedAt, g.UpdatedAt = workspace.At(u.b.SeenAt), u.now
	if o.Op == OpDelete {
		if err := u.below(g.ID, who); err != nil {
			return err
		}
		return u.tx.DeleteDirectoryGroup(g.ID, max(o.Expect, 0))
	}
	if o.Expect == 0 {
		if g.ID == "" {
			g.ID = newID()
		}
		g.CreatedAt, g.Version = u.now, 1
		if err := u.tx.InsertDirectoryGroup(*g, o.NameKey); err != nil {
			return err
		}
		_, err := u.observeMembers(o, who)
		return err
	}
	if o.Expect > 0 {
		// What changes nothing is conditional too.
		now, err := u.tx.DirectoryGroup(g.ID)
		if err != nil {
			return err
		}
		if now.Version != o.Expect {
			return workspace.ErrStale
		}
	}
	moved, err := u.observeMembers(o, who)
	if err != nil || !moved && !o.Write {
		return err
	}
	old, err := u.tx.DirectoryGroup(g.ID)
	if err != nil {
		return err
	}
	if !o.Write {
		old.UpdatedAt, old.ObservedAt = u.now, g.ObservedAt
		*g = old
	}
	if o.Write && old.Name != g.Name {
		// A mapping row may name the group by its display name.
		if err := u.below(g.ID, who); err != nil {
			return err
		}
	}
	g.Version = old.Version + 1
	if o.Expect > 0 {
		g.Version = o.Expect + 1
	}
	g.MemberCount = old.MemberCount
	return u.tx.UpdateDirectoryGroup(*g, o.NameKey)
}

// observeMembers applies a member delta and tells whether an edge moved.
// Members are never loaded but for a whole list, which is compared.
func (u *unit) observeMembers(o *GroupObservation, who *touched) (bool, error) {
	d := o.Members
	if d == nil {
		return false, nil
	}
	add, remove := d.Add, d.Remove
	if d.Reset || d.HasSet {
		want := map[store.Edge]bool{}
		set, err := u.resolve(d.Set, true)
		if err != nil {
			return false, err
		}
		for _, e := range set {
			want[e] = true
		}
		for e, err := range u.tx.Edges(o.Group.ID) {
			if err != nil {
				return false, err
			}
			if want[e] {
				delete(want, e)
			} else {
				remove = append(remove, e)
			}
		}
		for _, e := range set {
			if want[e] {
				add = append(add, e)
			}
		}
	}
	add, err := u.resolve(add, true)
	if err != nil {
		return false, err
	}
	if remove, err = u.resolve(remove, false); err != nil {
		return false, err
	}
	gone, err := u.tx.RemoveEdges(o.Group.ID, remove)
	if err != nil {
		return false, err
	}
	u.loses(o.Group.ID, gone)
	came, err := u.tx.AddEdges(o.Group.ID, add, u.now)
	if err != nil {
		return false, err
	}
	for _, edges := range [][]store.Edge{gone, came} {
		for _, e := range edges {
			if e.Kind == "group" {
				if err := u.below(e.Child, who); err != nil {
					return false, err
				}
				continue
			}
			who.add(e.Child)
		}
	}
	return len(gone)+len(came) > 0, nil
}

// resolve finds out what ids stand for. Unknown ones are an error when they
// are to be added, and nothing when they are to be removed.
func (u *unit) resolve(edges []store.Edge, must bool) ([]store.Edge, error) {
	var ids []string
	for _, e := range edges {
		if e.Kind == "" {
			ids = append(ids, e.Child)
		}
	}
	if len(ids) == 0 {
		return edges, nil
	}
	kinds, err := u.tx.KindsOf(u.conn.ID, ids)
	if err != nil {
		return nil, err
	}
	out := make([]store.Edge, 0, len(edges))
	var unknown []string
	for _, e := range edges {
		if e.Kind == "" {
			e.Kind = kinds[e.Child]
		}
		if e.Kind == "" {
			unknown = append(unknown, e.Child)
			continue
		}
		out = append(out, e)
	}
	if must && len(unknown) > 0 {
		return nil, &UnknownMembersError{IDs: unknown}
	}
	return out, nil
}

// below adds everybody in a group, directly or nested.
func (u *unit) below(group string, who *touched) error {
	for id, err := range u.tx.IdentitiesBelow(group) {
		if err != nil {
			return fmt.Errorf("people below group %s: %w", group, err)
		}
		who.add(id)
	}
	return nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
