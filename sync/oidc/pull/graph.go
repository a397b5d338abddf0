package pull

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/workspace"
)

// graphAttributes are the properties of Microsoft Graph's user resource. A
// person's `mail` is not made up from the user principal name, which need not
// be an address.
var graphAttributes = map[string][]string{
	"userName": {"userPrincipalName"}, "email": {"mail"}, "displayName": {"displayName"}, "givenName": {"givenName"},
	"familyName": {"surname"}, "title": {"jobTitle"}, "department": {"department"}, "division": {"employeeOrgData.division"},
	"costCenter": {"employeeOrgData.costCenter"}, "organization": {"companyName"}, "employeeNumber": {"employeeId"},
	"userType": {"employeeType"}, "office": {"officeLocation"}, "city": {"city"}, "country": {"country"},
	"locale": {"preferredLanguage"}, "telephoneNumber": {"businessPhones"}, "mobile": {"mobilePhone"}, "startDate": {"employeeHireDate"},
}

// The least application permissions; each reads only.
const (
	graphReadUsers  = "User.Read.All (application permission of Microsoft Graph, with the administrator's consent)"
	graphReadGroups = "GroupMember.Read.All (application permission of Microsoft Graph, with the administrator's consent)"
)

// graph is Microsoft Graph. A Full lists people and reads the members of the
// mapped groups; a Delta follows the delta links of both.
type graph struct {
	*core
	selected string // $select, frozen in every delta token (CU3)
	manager  bool   // the mapping's manager comes by $expand
}

func newGraph(c *core) provider {
	g := &graph{core: c}
	names := []string{"id", "accountEnabled", "userType"}
	for _, name := range roots(c.schema.fields) {
		if name == "manager" {
			g.manager = true
		} else if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	g.selected = strings.Join(names, ",")
	c.schema.id, c.schema.nulls = "id", true
	c.schema.flag = disabled("accountEnabled", true)
	c.schema.extra = func(doc map[string]any, a workspace.Attributes) {
		if kind, ok := doc["userType"].(string); ok {
			a["guest"] = []string{fmt.Sprint(strings.EqualFold(kind, "Guest"))}
		}
	}
	return g
}

func (g *graph) info() (sync.Capability, time.Duration) {
	return sync.CapDelta | sync.CapTombstones | sync.CapNestedGroups, time.Minute
}

func (g *graph) describe() any { return []any{g.selected, g.manager} }

// graphPage is a page of any list.
type graphPage struct {
	Value     *[]map[string]any `json:"value"`
	NextLink  string            `json:"@odata.nextLink"`
	DeltaLink string            `json:"@odata.deltaLink"`
	Error     *graphError       `json:"error"`
}

type graphError struct {
	Code string `json:"code"`
}

// pageOf reads a page. An answer 200 that lacks its data is no page.
func (g *graph) pageOf(ans *answer, what, need string) (graphPage, error) {
	var p graphPage
	if ans.status != http.StatusOK {
		return p, g.refused(ans, what, need)
	}
	if err := ans.decode(&p); err != nil {
		return p, err
	}
	if p.Error != nil || p.Value == nil {
		return p, &sync.IncompleteError{Why: what + ": an answer 200 without its data"}
	}
	return p, nil
}

// refused sorts a refusal. A delta token that is no longer known is 410, or
// 400 with a code of its own; the Location that comes with it begins a read
// of everything, which is what a Full does better.
func (g *graph) refused(ans *answer, what, need string) error {
	var body struct {
		Error graphError `json:"error"`
	}
	code := ""
	if ans.decode(&body) == nil {
		code = body.Error.Code
	}
	switch {
	case ans.status == http.StatusGone,
		ans.status == http.StatusBadRequest && (strings.EqualFold(code, "syncStateNotFound") || strings.EqualFold(code, "syncStateInvalid") || strings.EqualFold(code, "resyncRequired")):
		return fmt.Errorf("%w: %d %s", sync.ErrCursorGone, ans.status, showable(code))
	case ans.status == http.StatusNotFound:
		return errNotFound
	}
	return ans.refused(what, code, need)
}

// list follows a list from its first address to its end, and gives its delta
// link if it has one. Empty pages with a next link are legal.
func (g *graph) list(ctx context.Context, r *reader, u *url.URL, what, need string, each func(ans *answer, docs []map[string]any) error) (delta string, err error) {
	for {
		ans, err := r.fetch(ctx, u)
		if err != nil {
			return "", err
		}
		p, err := g.pageOf(ans, what, need)
		if err != nil {
			return "", err
		}
		if err := each(ans, *p.Value); err != nil {
			return "", err
		}
		switch {
		case p.NextLink != "":
			if u, err = g.api.link(p.NextLink); err != nil {
				return "", err
			}
		case p.DeltaLink != "":
			_, err := g.api.link(p.DeltaLink)
			return p.DeltaLink, err
		default:
			return "", nil
		}
	}
}

// tenant reads the tenant's id, where the right to see it was given. The
// tokens are of the tenant in the issuer's address anyway.
func (g *graph) tenant(ctx context.Context) (string, error) {
	o, err := g.organization(ctx, "id")
	if err != nil || o == nil {
		return g.cfg.Tenant, err
	}
	return normalID(scalar(o["id"])), nil
}

// organization reads properties of the tenant, nil without the right to see
// them.
func (g *graph) organization(ctx context.Context, properties string) (map[string]any, error) {
	ans, err := g.api.get(ctx, g.api.url("/v1.0/organization", url.Values{"$select": {properties}}), nil)
	if err != nil || ans.status == http.StatusForbidden {
		return nil, err
	}
	p, err := g.pageOf(ans, "reading the tenant", "")
	if err != nil {
		return nil, err
	}
	if len(*p.Value) != 1 {
		return nil, &sync.IncompleteError{Why: "the API shows no tenant"}
	}
	return (*p.Value)[0], nil
}

// domains are those that the tenant has verified; of another tenant than the
// pinned one they prove nothing (DC7).
func (g *graph) domains(ctx context.Context) ([]string, error) {
	o, err := g.organization(ctx, "id,verifiedDomains")
	if err != nil {
		return nil, err
	}
	if o == nil {
		return nil, &sync.ScopeError{Need: "Organization.Read.All"}
	}
	if g.cfg.Tenant != "" && normalID(scalar(o["id"])) != g.cfg.Tenant {
		return nil, sync.ErrTenantMismatch
	}
	list, ok := o["verifiedDomains"].([]any)
	if !ok {
		return nil, &sync.IncompleteError{Why: "the API shows no domains of the tenant"}
	}
	var names []string
	for _, d := range list {
		if m, ok := d.(map[string]any); ok && scalar(m["name"]) != "" {
			names = append(names, scalar(m["name"]))
		}
	}
	return names, nil
}

// mark asks for delta links of this moment.
func (g *graph) mark(ctx context.Context, at *position) error {
	var err error
	if at.Users, err = g.latest(ctx, "/v1.0/users/delta", g.deltaSelect(), graphReadUsers); err != nil {
		return err
	}
	if g.dir.Groups != oidc.GroupsNone {
		at.Groups, err = g.latest(ctx, "/v1.0/groups/delta", "id,displayName,members", graphReadGroups)
	}
	return err
}

func (g *graph) deltaSelect() string {
	if g.manager {
		return g.selected + ",manager"
	}
	return g.selected
}

// latest gives the delta link from which only later changes come.
func (g *graph) latest(ctx context.Context, path, selected, need string) (string, error) {
	u := g.api.url(path, url.Values{"$select": {selected}, "$deltatoken": {"latest"}})
	seen := map[string]bool{}
	for {
		ans, err := g.api.get(ctx, u, nil)
		if err != nil {
			return "", err
		}
		p, err := g.pageOf(ans, "asking for a delta token", need)
		if err != nil {
			return "", err
		}
		switch {
		case p.DeltaLink != "":
			_, err := g.api.link(p.DeltaLink)
			return p.DeltaLink, err
		case p.NextLink == "" || seen[p.NextLink] || len(seen) > 100:
			return "", &sync.IncompleteError{Why: "the API gave no delta token (RD1)"}
		}
		seen[p.NextLink] = true
		if u, err = g.api.link(p.NextLink); err != nil {
			return "", err
		}
	}
}

// userQuery selects what is read of a person.
func (g *graph) userQuery() url.Values {
	q := url.Values{"$select": {g.selected}}
	if g.manager {
		q.Set("$expand", "manager($select=id)")
	}
	return q
}

// people lists everybody.
func (g *graph) people(ctx context.Context, r *reader) (string, error) {
	q := g.userQuery()
	q.Set("$top", fmt.Sprint(g.dir.PageSize))
	_, err := g.list(ctx, r, g.api.url("/v1.0/users", q), "reading people", graphReadUsers, func(ans *answer, docs []map[string]any) error {
		for _, doc := range docs {
			if _, _, err := r.person(ctx, doc, ans.at, true); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errNotFound) {
		err = errors.New("the API has no list of people at api_base (404)")
	}
	return "no @odata.nextLink", err
}

// get reads one person; a person in the recycle bin is deleted.
func (g *graph) get(ctx context.Context, id string) (workspace.Identity, error) {
	ans, err := g.api.get(ctx, g.api.url("/v1.0/users/"+url.PathEscape(id), g.userQuery()), nil)
	if err != nil {
		return workspace.Identity{}, err
	}
	if ans.status == http.StatusNotFound {
		return workspace.Identity{}, g.deleted(ctx, id)
	}
	if ans.status != http.StatusOK {
		return workspace.Identity{}, g.refused(ans, "reading one person", graphReadUsers)
	}
	return g.single(ans, id)
}

// single reads an answer about one person.
func (c *core) single(ans *answer, id string) (workspace.Identity, error) {
	var doc map[string]any
	if err := ans.decode(&doc); err != nil {
		return workspace.Identity{}, err
	}
	found, known, err := c.schema.identity(doc, c.opt.Connection, ans.at, true)
	switch {
	case err != nil || found.ExternalID != id:
		return workspace.Identity{}, &sync.IncompleteError{Why: "asked for one person, the API showed another record"}
	case !known:
		return workspace.Identity{}, &sync.IncompleteError{Why: id + " shows no " + kinds[c.dir.Kind].flag + ", so nobody knows whether it is disabled (OD1)"}
	}
	return found, nil
}

// deleted tells whether an id lies in the recycle bin, where it does for 30
// days.
func (g *graph) deleted(ctx context.Context, id string) error {
	ans, err := g.api.get(ctx, g.api.url("/v1.0/directory/deletedItems/"+url.PathEscape(id), url.Values{"$select": {"id"}}), nil)
	switch {
	case err != nil:
		return err
	case ans.status == http.StatusOK:
		return fmt.Errorf("%w: %s", sync.ErrDeleted, id)
	case ans.status == http.StatusNotFound || ans.status == http.StatusForbidden:
		return errNotFound
	}
	return g.refused(ans, "looking for a deleted person", graphReadUsers)
}

func (g *graph) visible(ctx context.Context) (bool, error) {
	ans, err := g.api.get(ctx, g.api.url("/v1.0/users", url.Values{"$select": {"id"}, "$top": {"1"}}), nil)
	if err != nil {
		return false, err
	}
	p, err := g.pageOf(ans, "reading anybody", graphReadUsers)
	return err == nil && len(*p.Value) > 0, err
}
