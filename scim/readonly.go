package scim

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// readOnlyResources answers /Numbers and /Roles: lists, searches and single
// resources; nothing is written there.
func (x *exchange) readOnlyResources(list source, get func() (*Resource, error)) error {
	switch id := x.route.id; {
	case id == ".search" && x.r.Method == http.MethodPost:
		return x.search(list)
	case id == ".search":
		return errMethodNotAllowed(x.r.Method, http.MethodPost)
	case !plainID(id):
		return errNotFound(list.resourceType().Name, shorten(id))
	case !isRead(x.r.Method):
		return errMethodNotAllowed(x.r.Method, http.MethodGet, http.MethodHead)
	case id == "":
		return x.search(list)
	}
	p, err := x.projection(list.resourceType())
	if err != nil {
		return err
	}
	res, err := get()
	if err != nil {
		return x.missing(list.resourceType(), x.route.id, err)
	}
	return x.resource(http.StatusOK, res, p)
}

// numberSource lists the numbers of the workspace, in the order of their ids.
type numberSource struct{ x *exchange }

func (s numberSource) resourceType() *ResourceType     { return s.x.link.number }
func (s numberSource) table() *SQLTable                { return nil }
func (s numberSource) sorts() map[string]store.SortKey { return idSorts }
func (s numberSource) count(r *store.Reader, _ store.UserQuery) (int, error) {
	return r.CountNumbers()
}

func (s numberSource) page(r *store.Reader, q store.UserQuery) ([]entry, error) {
	behind := ""
	if q.Behind != nil {
		behind = q.Behind.ID
	}
	page, err := r.NumbersFrom(q.Sort.Desc, behind, q.Start-1, q.Count)
	entries := make([]entry, len(page))
	for i := range page {
		entries[i] = entry{place: store.SortPlace{Text: page[i].ID, ID: page[i].ID}, number: &page[i]}
	}
	return entries, err
}

func (s numberSource) fill(r *store.Reader, entries []entry, _ Projection) error {
	var owners []string
	for i := range entries {
		owners = append(owners, entries[i].number.Owners...)
	}
	slices.Sort(owners)
	people, err := r.People(s.x.link.connection, slices.Compact(owners))
	for i := range entries {
		entries[i].res = s.x.numberResource(entries[i].number, people)
	}
	return err
}

func (s numberSource) judge(r *store.Reader, entries []entry, _ Filter) (int, error) {
	return len(entries), s.fill(r, entries, Projection{})
}

// getNumber reads one number.
func (x *exchange) getNumber() (res *Resource, err error) {
	err = x.link.handle.View(x.r.Context(), func(r *store.Reader) error {
		n, err := r.Number(x.route.id)
		if err != nil {
			return err
		}
		one := []entry{{number: &n}}
		err = numberSource{x}.fill(r, one, Projection{})
		res = one[0].res
		return err
	})
	return res, err
}

// numberResource makes the resource of a number. Owners are named by their User
// in this connection, if they have one there.
func (x *exchange) numberResource(n *workspace.Number, people map[string]store.PersonSeen) *Resource {
	access := workspace.AccessNone
	for _, a := range n.Assignments {
		access = max(access, a.Access)
	}
	kind := access.String()
	if access < workspace.AccessShared {
		kind = "none"
	}
	var owners []any
	for _, id := range n.Owners {
		owner := map[string]any{"display": people[id].Name}
		if user := people[id].Identity; user != "" {
			owner["value"] = user
		}
		owners = append(owners, owner)
	}
	doc := Document{
		"number": n.E164, "state": string(n.State), "access": kind, "assignedCount": json.Number(strconv.Itoa(len(n.Assignments))),
	}
	for name, value := range map[string]string{"name": n.Name, "type": n.Type, "pool": n.Pool, "site": n.Site} {
		if value != "" {
			doc[name] = value
		}
	}
	if owners != nil {
		doc["owners"] = owners
	}
	return &Resource{
		Type: x.link.number, ID: n.ID, Document: doc, Full: x.link.profile.Strict,
		Meta: Meta{Version: n.Version, Location: x.location(x.link.number, n.ID)},
	}
}

// roles are the roles of every workspace, the highest first.
var roles = []struct {
	role        workspace.Role
	description string
	assignable  bool
}{
	{workspace.RoleOwner, "Everything, other Owners included; no directory makes one.", false},
	{workspace.RoleAdmin, "Everything but adding and removing Owners.", true},
	{workspace.RoleMember, "Calls, texts, contacts and invitations.", true},
}

// roleSorts are the sort keys of roles; the expression is the attribute.
var roleSorts = map[string]store.SortKey{"id": {Expr: "id", NotNull: true}, "displayName": {Expr: "displayName", NotNull: true}}

// roleSource lists the roles.
type roleSource struct{ x *exchange }

func (s roleSource) resourceType() *ResourceType     { return s.x.link.role }
func (s roleSource) table() *SQLTable                { return nil }
func (s roleSource) sorts() map[string]store.SortKey { return roleSorts }
func (s roleSource) count(*store.Reader, store.UserQuery) (int, error) {
	return len(roles), nil
}

func (s roleSource) page(_ *store.Reader, q store.UserQuery) ([]entry, error) {
	order := sorting{desc: q.Sort.Desc}
	var entries []entry
	for i := range roles {
		e := entry{res: s.x.roleResource(i)}
		e.place = store.SortPlace{ID: e.res.ID}
		switch q.Sort.Expr {
		case "":
			e.place.Number = int64(i)
		case "id":
			e.place.Text = e.res.ID
		default:
			e.place.Text = strings.ToLower(e.res.Document.text(q.Sort.Expr))
		}
		if q.Behind == nil || order.compare(&e.place, q.Behind) > 0 {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(order.compare(&a.place, &b.place), 0) })
	entries = entries[min(max(q.Start-1, 0), len(entries)):]
	return entries[:min(max(q.Count, 0), len(entries))], nil
}

// fill has nothing to do: a role stands in its entry whole.
func (s roleSource) fill(*store.Reader, []entry, Projection) error { return nil }

func (s roleSource) judge(_ *store.Reader, entries []entry, _ Filter) (int, error) {
	return len(entries), nil
}

// getRole finds one role.
func (x *exchange) getRole() (*Resource, error) {
	for i := range roles {
		if roles[i].role.String() == x.route.id {
			return x.roleResource(i), nil
		}
	}
	return nil, workspace.ErrNotFound
}

func (x *exchange) roleResource(i int) *Resource {
	role := &roles[i]
	var rows []any
	for _, row := range workspace.Rows() {
		if row.Allows(role.role) {
			rows = append(rows, string(row.ID))
		}
	}
	id := role.role.String()
	return &Resource{
		Type: x.link.role, ID: id, Meta: Meta{Location: x.location(x.link.role, id)},
		Document: Document{"displayName": title(id), "description": role.description, "assignable": role.assignable, "rows": rows},
	}
}
