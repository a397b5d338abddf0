package scim

import (
	"iter"
	"net/http"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// memberPage is how many members of a group are read at a time. Between pages
// no connection to the store is held, so a slow client holds nothing up.
const memberPage = 1000

// getGroup answers GET /Groups/{id} (RFC 7644 section 3.4.1). With
// excludedAttributes=members no row of a member is read.
func (x *exchange) getGroup() error {
	p, err := x.projection(x.link.group)
	if err != nil {
		return err
	}
	g, first, err := x.readWholeGroup(x.route.id, p)
	if err != nil {
		return err
	}
	return x.answerGroup(http.StatusOK, &g, first, p)
}

// readWholeGroup reads a directory group of this connection and, if they are
// shown, its first page of members, of one moment: a version goes with the
// members that it stands for. Of a group with more than a page the rest may
// have moved on.
func (x *exchange) readWholeGroup(id string, p Projection) (g workspace.DirectoryGroup, first *[]store.MemberOfGroup, err error) {
	err = x.link.handle.View(x.r.Context(), func(r *store.Reader) error {
		if g, err = r.DirectoryGroup(id); err != nil {
			return err
		}
		if err := x.link.owns(g.Connection); err != nil {
			return err
		}
		if g.MemberCount == 0 || !p.Shows(x.link.group, "members") {
			return nil
		}
		page, err := r.MembersPage(id, store.Edge{}, memberPage)
		first = &page
		return err
	})
	return g, first, x.missing(x.link.group, id, err)
}

// readGroup reads a directory group of this connection.
func (x *exchange) readGroup(id string) (g workspace.DirectoryGroup, err error) {
	err = x.link.handle.View(x.r.Context(), func(r *store.Reader) error {
		if g, err = r.DirectoryGroup(id); err != nil {
			return err
		}
		return x.link.owns(g.Connection)
	})
	return g, x.missing(x.link.group, id, err)
}

// answerGroup sends one Group. first is its first page of members if that was
// read with it, else nil.
func (x *exchange) answerGroup(status int, g *workspace.DirectoryGroup, first *[]store.MemberOfGroup, p Projection) error {
	res, err := x.groupResource(g)
	if err != nil {
		return err
	}
	if first != nil {
		res.Members = x.members(g.ID, first)
	}
	return x.resource(status, res, p)
}

// groupResource makes the resource of a directory group. Its members are read
// while it is written.
func (x *exchange) groupResource(g *workspace.DirectoryGroup) (*Resource, error) {
	doc, err := ParseDocument(g.Document)
	if err != nil {
		return nil, err
	}
	res := &Resource{
		Type: x.link.group, ID: g.ID, Document: doc, Full: x.link.profile.Strict,
		Meta: Meta{
			Created: g.CreatedAt.Time(), LastModified: g.UpdatedAt.Time(), Version: g.Version,
			Location: x.location(x.link.group, g.ID),
		},
	}
	if g.MemberCount > 0 {
		res.Members = x.members(g.ID, nil)
	}
	return res, nil
}

// members streams the direct members of a group, page by page, after the first
// one if that was read already.
func (x *exchange) members(group string, first *[]store.MemberOfGroup) iter.Seq2[MemberOf, error] {
	return func(yield func(MemberOf, error) bool) {
		var after store.Edge
		for {
			var page []store.MemberOfGroup
			if first != nil {
				page, first = *first, nil
			} else {
				err := x.link.handle.View(x.r.Context(), func(r *store.Reader) (err error) {
					page, err = r.MembersPage(group, after, memberPage)
					return err
				})
				if err != nil {
					yield(MemberOf{}, err)
					return
				}
			}
			for i := range page {
				if !yield(x.memberOf(&page[i]), nil) {
					return
				}
			}
			if len(page) < memberPage {
				return
			}
			after = page[len(page)-1].Edge
		}
	}
}

// memberOf is one member as answers show it.
func (x *exchange) memberOf(m *store.MemberOfGroup) MemberOf {
	rt := x.link.user
	if m.Kind == "group" {
		rt = x.link.group
	}
	out := MemberOf{ID: m.Child, Display: m.Name, Type: rt.Name}
	if x.link.profile.Strict {
		out.Location = x.location(rt, m.Child)
	}
	return out
}

// listGroups answers GET /Groups (RFC 7644 section 3.4.2) and a search by POST.
func (x *exchange) listGroups() error { return x.search(groupSource{x}) }
