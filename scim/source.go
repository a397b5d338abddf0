package scim

import (
	"strings"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// entry is one row of a list on its way to an answer.
type entry struct {
	part     int
	place    store.SortPlace
	identity *workspace.Identity       // Of a User.
	group    *workspace.DirectoryGroup // Of a Group.
	number   *workspace.Number         // Of a Number.
	res      *Resource                 // Set by fill.
}

// source reads the resources of one type for lists. Each belongs to one
// request.
type source interface {
	resourceType() *ResourceType
	// table says what SQL can filter by; nil is nothing.
	table() *SQLTable
	// sorts are the sort keys by canonical attribute name.
	sorts() map[string]store.SortKey
	// count counts what page would read without places and counts.
	count(r *store.Reader, q store.UserQuery) (int, error)
	// page reads entries in the order of q.
	page(r *store.Reader, q store.UserQuery) ([]entry, error)
	// fill makes the resources of entries, with what a projection shows beside
	// their documents.
	fill(r *store.Reader, entries []entry, p Projection) error
	// judge is fill for the eyes of a filter: what f may ask about is loaded.
	// It tells how many rows that took.
	judge(r *store.Reader, entries []entry, f Filter) (rows int, err error)
}

// userSource lists Users.
type userSource struct{ x *exchange }

func (s userSource) resourceType() *ResourceType     { return s.x.link.user }
func (s userSource) table() *SQLTable                { return &UserTable }
func (s userSource) sorts() map[string]store.SortKey { return userSorts }
func (s userSource) count(r *store.Reader, q store.UserQuery) (int, error) {
	return r.CountUsers(q)
}

func (s userSource) page(r *store.Reader, q store.UserQuery) ([]entry, error) {
	page, err := r.UsersFrom(q)
	entries := make([]entry, len(page))
	for i := range page {
		entries[i] = entry{place: page[i].Place, identity: &page[i].Row}
	}
	return entries, err
}

func (s userSource) fill(r *store.Reader, entries []entry, p Projection) error {
	return s.load(r, entries, shownViews(p, s.x.link.user, s.x.coreRole()))
}

func (s userSource) load(r *store.Reader, entries []entry, want views) error {
	identities := make([]workspace.Identity, len(entries))
	for i := range entries {
		identities[i] = *entries[i].identity
	}
	v, err := loadView(r, identities, want)
	if err != nil {
		return err
	}
	for i := range entries {
		if entries[i].res, err = s.x.userResource(&identities[i], &v); err != nil {
			return err
		}
	}
	return nil
}

func (s userSource) judge(r *store.Reader, entries []entry, f Filter) (int, error) {
	want := views{
		effective: mentions(f, func(ref Ref) bool { return ref.Extension == URNRollcallUser || ref.Attribute.Name == "roles" }),
		groups:    mentions(f, isGroups),
	}
	err := s.load(r, entries, want)
	rows := len(entries)
	for i := range entries {
		rows += len(entries[i].res.Groups)
	}
	return rows, err
}

// groupSource lists Groups.
type groupSource struct{ x *exchange }

func (s groupSource) resourceType() *ResourceType     { return s.x.link.group }
func (s groupSource) table() *SQLTable                { return &GroupTable }
func (s groupSource) sorts() map[string]store.SortKey { return groupSorts }
func (s groupSource) count(r *store.Reader, q store.UserQuery) (int, error) {
	return r.CountDirectoryGroups(q)
}

func (s groupSource) page(r *store.Reader, q store.UserQuery) ([]entry, error) {
	page, err := r.DirectoryGroupsFrom(q)
	entries := make([]entry, len(page))
	for i := range page {
		entries[i] = entry{place: page[i].Place, group: &page[i].Row}
	}
	return entries, err
}

func (s groupSource) fill(_ *store.Reader, entries []entry, p Projection) (err error) {
	rt := s.x.link.group
	asked := p.mode == showOnly && p.Shows(rt, "members")
	for i := range entries {
		if entries[i].res, err = s.x.groupResource(entries[i].group); err != nil {
			return err
		}
		if !s.x.link.profile.ListMembers && !asked {
			entries[i].res.Members = nil
		}
	}
	return nil
}

func (s groupSource) judge(r *store.Reader, entries []entry, f Filter) (rows int, err error) {
	members := mentions(f, func(ref Ref) bool { return ref.Extension == "" && ref.Attribute.Name == "members" })
	rows = len(entries)
	for i := range entries {
		if entries[i].res, err = s.x.groupResource(entries[i].group); err != nil {
			return rows, err
		}
		entries[i].res.Members = nil
		if !members {
			continue
		}
		var all []MemberOf
		for after := (store.Edge{}); ; {
			page, err := r.MembersPage(entries[i].group.ID, after, memberPage)
			if err != nil {
				return rows, err
			}
			for k := range page {
				all = append(all, s.x.memberOf(&page[k]))
				after = page[k].Edge
			}
			if rows += len(page); len(page) < memberPage || rows > maxScanned {
				break
			}
		}
		entries[i].res.Members = func(yield func(MemberOf, error) bool) {
			for _, m := range all {
				if !yield(m, nil) {
					return
				}
			}
		}
	}
	return rows, nil
}

// wholeProjection shows every attribute of a type, those that are returned on
// request too: what a filter may ask about.
func wholeProjection(rt *ResourceType) Projection {
	names := []string{rt.Core.ID, externalIDAttribute.Name, metaAttribute.Name}
	for _, ext := range rt.Extensions {
		names = append(names, ext.ID)
	}
	// A list of names that are there, shorter than the limit, is no error.
	p, err := ParseProjection(strings.Join(names, ","), "", rt)
	if err != nil {
		return Projection{}
	}
	return p
}

// judged is the document that a filter judges: all that an answer can show.
func (res *Resource) judged(whole Projection) (Document, error) {
	full := *res
	full.Full = true
	body, err := AppendResource(nil, &full, whole)
	if err != nil {
		return nil, err
	}
	return ParseDocument(body)
}
