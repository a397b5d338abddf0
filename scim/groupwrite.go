package scim

import (
	"errors"
	"net/http"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// createGroup answers POST /Groups (RFC 7644 section 3.3).
func (x *exchange) createGroup() error {
	rt := x.link.group
	p, err := x.projection(rt)
	if err != nil {
		return err
	}
	body, err := x.body(x.h.groupBody)
	if err != nil {
		return err
	}
	d, err := Decode(body, rt, x.link.profile)
	if err != nil {
		return err
	}
	x.note(d.Notes)
	doc := Create(d.Document, rt)
	o := x.link.groupRow(workspace.DirectoryGroup{}, doc)
	o.Write, o.Members = true, delta(d.Members)
	res, err := x.apply(sync.Batch{Groups: []sync.GroupObservation{o}})
	if err != nil {
		return x.groupConflict(doc, err)
	}
	return x.answerGroupAfter(http.StatusCreated, res, p)
}

// groupRow makes the observation of a group from its document. base is the
// group as it was read, or a new one.
func (l *link) groupRow(base workspace.DirectoryGroup, doc Document) sync.GroupObservation {
	g := base
	g.Connection, g.ExternalID, g.Name = l.connection, doc.ExternalID(), doc.DisplayName()
	g.Document = AppendStored(nil, doc)
	return sync.GroupObservation{Group: g, NameKey: fold.Key(g.Name)}
}

// delta is a change of members in the engine's words; nil if there is none.
// What an id stands for, User or Group, is the engine's to find out.
func delta(d MemberDelta) *sync.MemberDelta {
	if d.Empty() {
		return nil
	}
	return &sync.MemberDelta{Reset: d.Reset, HasSet: d.Reset, Set: edges(d.Set), Add: edges(d.Add), Remove: edges(d.Remove)}
}

func edges(ids []string) []store.Edge {
	list := make([]store.Edge, len(ids))
	for i, id := range ids {
		list[i] = store.Edge{Child: id}
	}
	return list
}

// answerGroupAfter sends the Group that a write left behind.
func (x *exchange) answerGroupAfter(status int, res sync.Result, p Projection) error {
	if len(res.Groups) != 1 || res.Groups[0].ID == "" {
		return errors.New("the engine gave no group back")
	}
	return x.answerGroup(status, &res.Groups[0], nil, p)
}

// groupConflict turns a taken key into an answer that names the attribute and
// where the other Group is.
func (x *exchange) groupConflict(doc Document, err error) error {
	var taken *store.ConflictError
	if !errors.As(err, &taken) || taken.Table != "dirgroup" {
		return err
	}
	attribute, value := "displayName", doc.DisplayName()
	if taken.Key == "external" {
		attribute, value = "externalId", doc.ExternalID()
	}
	e := errUniqueness("", "another Group of this connection has %s %q. Remedy: match the existing Group, or delete it first", attribute, value)
	return x.conflict(e, err, x.link.group, func(r *store.Reader) (string, error) {
		if taken.Key == "external" {
			other, err := r.DirectoryGroupByExternal(x.link.connection, value)
			return other.ID, err
		}
		other, err := r.DirectoryGroupByName(x.link.connection, fold.Key(value))
		return other.ID, err
	})
}

// groupChange is what a write makes of a group.
type groupChange struct {
	doc     Document
	diff    Diff
	members MemberDelta
}

// putGroup answers PUT /Groups/{id} (RFC 7644 section 3.5.1). A body without
// members leaves them alone (DA03).
func (x *exchange) putGroup() error {
	rt := x.link.group
	body, err := x.body(x.h.groupBody)
	if err != nil {
		return err
	}
	d, err := Decode(body, rt, x.link.profile)
	if err != nil {
		return err
	}
	x.note(d.Notes)
	return x.changeGroup(true, func(old Document) (groupChange, error) {
		after, _, diff := Put(old, d.Document, rt)
		return groupChange{after, diff, d.Members}, nil
	})
}

// patchGroup answers PATCH /Groups/{id} (RFC 7644 section 3.5.2): 204, or 200
// with what the client names in attributes.
func (x *exchange) patchGroup() error {
	rt := x.link.group
	body, err := x.body(x.h.groupBody)
	if err != nil {
		return err
	}
	ops, notes, err := DecodePatch(body, rt, x.link.profile)
	if err != nil {
		return err
	}
	x.note(notes)
	return x.changeGroup(x.query.Has("attributes"), func(old Document) (groupChange, error) {
		after, members, diff, notes, err := PatchGroup(old, ops, rt, x.link.profile)
		if err == nil {
			x.note(notes)
		}
		return groupChange{after, diff, members}, err
	})
}

// changeGroup reads a Group, changes it and gives it to the engine. Its own row
// is written by compare-and-swap; changes of members alone commute and need
// none, unless the client sent an If-Match.
func (x *exchange) changeGroup(withBody bool, compute func(old Document) (groupChange, error)) error {
	p, err := x.projection(x.link.group)
	if err != nil {
		return err
	}
	return x.swap(maxGroupTries, func() error { return x.tryGroup(withBody, p, compute) }, x.groupVersion)
}

// groupVersion is the version of the Group of the request now.
func (x *exchange) groupVersion() (int64, error) {
	g, err := x.readGroup(x.route.id)
	return g.Version, err
}

// tryGroup is one try of changeGroup.
func (x *exchange) tryGroup(withBody bool, p Projection, compute func(old Document) (groupChange, error)) error {
	g, err := x.readGroup(x.route.id)
	if err != nil {
		return err
	}
	if err := x.precondition(g.Version); err != nil {
		return err
	}
	old, err := ParseDocument(g.Document)
	if err != nil {
		return err
	}
	c, err := compute(old)
	if err != nil {
		return err
	}
	if !c.diff.Empty() || !c.members.Empty() {
		o := x.link.groupRow(g, c.doc)
		o.Write, o.Members, o.Expect = !c.diff.Empty(), delta(c.members), -1
		if o.Write || x.conditional() {
			o.Expect = g.Version
		}
		res, err := x.apply(sync.Batch{Groups: []sync.GroupObservation{o}})
		if err != nil {
			return x.missing(x.link.group, x.route.id, x.groupConflict(c.doc, err))
		}
		if len(res.Groups) != 1 || res.Groups[0].ID == "" {
			return errors.New("the engine gave no group back")
		}
		g = res.Groups[0]
	}
	if !withBody {
		return x.empty(g.Version)
	}
	return x.answerGroup(http.StatusOK, &g, nil, p)
}

// deleteGroup answers DELETE /Groups/{id} (RFC 7644 section 3.6): the
// memberships end, then 204, then 404.
func (x *exchange) deleteGroup() error {
	return x.swap(maxGroupTries, func() error {
		g, err := x.readGroup(x.route.id)
		if err != nil {
			return err
		}
		if err := x.precondition(g.Version); err != nil {
			return err
		}
		o := sync.GroupObservation{Op: sync.OpDelete, Group: g}
		if x.conditional() {
			o.Expect = g.Version
		}
		if _, err = x.apply(sync.Batch{Groups: []sync.GroupObservation{o}}); err != nil {
			return x.missing(x.link.group, x.route.id, err)
		}
		return x.empty(0)
	}, x.groupVersion)
}
