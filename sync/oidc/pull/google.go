package pull

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// googleAttributes are the properties of the Directory API's user resource.
var googleAttributes = map[string][]string{
	"userName": {"primaryEmail"}, "email": {"primaryEmail"}, "displayName": {"name.fullName"}, "givenName": {"name.givenName"},
	"familyName": {"name.familyName"}, "title": {"organizations[primary].title"}, "department": {"organizations[primary].department"},
	"costCenter": {"organizations[primary].costCenter"}, "organization": {"organizations[primary].name"},
	"employeeNumber": {"externalIds[type=organization].value"}, "userType": {"organizations[primary].description"},
	"office": {"locations[type=desk].buildingId"}, "locale": {"languages[preference=preferred].languageCode"},
	"manager": {"relations[type=manager].value"}, "telephoneNumber": {"phones[type=work].value"}, "mobile": {"phones[type=mobile].value"},
}

// The least rights: read-only scopes in the domain-wide delegation of the
// service account, and an administrator role of the subject that reads.
const (
	googleReadUsers  = "the scope https://www.googleapis.com/auth/admin.directory.user.readonly in the domain-wide delegation, and for the subject an administrator role with Users > Read"
	googleReadGroups = "the scope https://www.googleapis.com/auth/admin.directory.group.readonly in the domain-wide delegation, and for the subject an administrator role with Groups > Read"
)

// googleDir is Google's Directory API. It tells no changes, so every poll
// reads everybody.
type googleDir struct{ *core }

func newGoogle(c *core) provider {
	g := &googleDir{c}
	c.schema.id = "id"
	suspended := disabled("suspended", false)
	c.schema.flag = func(doc map[string]any) (bool, string, bool) {
		if archived, ok := doc["archived"].(bool); ok && archived {
			return false, "disabled", true
		}
		return suspended(doc)
	}
	c.api.busy = func(ans *answer) bool {
		return ans.status == http.StatusForbidden && slices.Contains([]string{"quotaExceeded", "rateLimitExceeded", "userRateLimitExceeded"}, reasonOf(ans))
	}
	return g
}

// reasonOf gives the reason of a refusal.
func reasonOf(ans *answer) string {
	var body struct {
		Error struct {
			Errors []struct {
				Reason string `json:"reason"`
			} `json:"errors"`
		} `json:"error"`
	}
	if ans.decode(&body) != nil || len(body.Error.Errors) == 0 {
		return ""
	}
	return body.Error.Errors[0].Reason
}

func (g *googleDir) info() (sync.Capability, time.Duration) {
	return sync.CapTombstones | sync.CapNestedGroups, 5 * time.Minute
}

func (g *googleDir) describe() any { return g.dir.Customer }

func (g *googleDir) refused(ans *answer, what, need string) error {
	if ans.status == http.StatusNotFound {
		return errNotFound
	}
	return ans.refused(what, reasonOf(ans), need)
}

// list follows a list by its page tokens. A page without the key is empty,
// not missing: only `kind` and the absence of an error tell the two apart.
func (g *googleDir) list(ctx context.Context, r *reader, path string, q url.Values, key, kind, need string, each func(ans *answer, docs []map[string]any) error) error {
	for {
		ans, err := r.fetch(ctx, g.api.url(path, q))
		if err != nil {
			return err
		}
		if ans.status != http.StatusOK {
			return g.refused(ans, "reading "+key, need)
		}
		var page map[string]any
		if err := ans.decode(&page); err != nil {
			return err
		}
		docs, err := googlePage(page, key, kind)
		if err != nil {
			return err
		}
		if err := each(ans, docs); err != nil {
			return err
		}
		token := scalar(page["nextPageToken"])
		if token == "" {
			return nil
		}
		q.Set("pageToken", token)
	}
}

// googlePage takes the records out of a page.
func googlePage(page map[string]any, key, kind string) ([]map[string]any, error) {
	if page["error"] != nil || scalar(page["kind"]) != kind {
		return nil, &sync.IncompleteError{Why: "reading " + key + ": an answer 200 without its data"}
	}
	list, stated := page[key]
	if !stated {
		return nil, nil
	}
	records, ok := list.([]any)
	if !ok {
		return nil, &sync.IncompleteError{Why: "reading " + key + ": an answer 200 whose list is none"}
	}
	docs := make([]map[string]any, 0, len(records))
	for _, e := range records {
		doc, ok := e.(map[string]any)
		if !ok {
			return nil, &sync.IncompleteError{Why: "reading " + key + ": a record that is none"}
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

func (g *googleDir) query() url.Values {
	return url.Values{"customer": {g.dir.Customer}, "projection": {"full"}, "maxResults": {fmt.Sprint(g.dir.PageSize)}}
}

// tenant is the account's id, which stands on every person.
func (g *googleDir) tenant(ctx context.Context) (string, error) {
	docs, err := g.first(ctx)
	if err != nil || len(docs) == 0 {
		return "", err
	}
	return scalar(docs[0]["customerId"]), nil
}

// first reads one person.
func (g *googleDir) first(ctx context.Context) ([]map[string]any, error) {
	q := g.query()
	q.Set("maxResults", "1")
	ans, err := g.api.get(ctx, g.api.url("/admin/directory/v1/users", q), nil)
	if err != nil {
		return nil, err
	}
	if ans.status != http.StatusOK {
		return nil, g.refused(ans, "reading anybody", googleReadUsers)
	}
	var page map[string]any
	if err := ans.decode(&page); err != nil {
		return nil, err
	}
	return googlePage(page, "users", "admin#directory#users")
}

func (g *googleDir) visible(ctx context.Context) (bool, error) {
	docs, err := g.first(ctx)
	return len(docs) > 0, err
}

func (g *googleDir) mark(context.Context, *position) error { return nil }

func (g *googleDir) delta(context.Context, *reader, position) (position, error) {
	return position{}, sync.ErrCursorGone
}

// people reads everybody, and who was deleted within the last 20 days.
func (g *googleDir) people(ctx context.Context, r *reader) (string, error) {
	customer := ""
	err := g.list(ctx, r, "/admin/directory/v1/users", g.query(), "users", "admin#directory#users", googleReadUsers, func(ans *answer, docs []map[string]any) error {
		for _, doc := range docs {
			of := scalar(doc["customerId"])
			if customer == "" {
				customer = of
			}
			if of != customer {
				return fmt.Errorf("%w: people of two accounts in one list", sync.ErrTenantMismatch)
			}
			if scalar(doc["deletionTime"]) != "" {
				continue
			}
			if _, _, err := r.person(ctx, doc, ans.at, true); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return "no nextPageToken", g.deleted(ctx, r)
}

// deleted states who was deleted. A person who was restored meanwhile is in
// the other list, which counts.
func (g *googleDir) deleted(ctx context.Context, r *reader) error {
	q := g.query()
	q.Set("showDeleted", "true")
	return g.list(ctx, r, "/admin/directory/v1/users", q, "users", "admin#directory#users", googleReadUsers, func(ans *answer, docs []map[string]any) error {
		for _, doc := range docs {
			id := scalar(doc["id"])
			if _, there := r.seen[id]; id == "" || there {
				continue
			}
			at, err := time.Parse(time.RFC3339, scalar(doc["deletionTime"]))
			if err != nil {
				at = ans.at.Time()
			}
			r.out.Gone = append(r.out.Gone, sync.Gone{ID: id, Why: "deleted", At: at})
		}
		return nil
	})
}

// get reads one person: 412 is one who was deleted a short while ago.
func (g *googleDir) get(ctx context.Context, id string) (workspace.Identity, error) {
	ans, err := g.api.get(ctx, g.api.url("/admin/directory/v1/users/"+url.PathEscape(id), url.Values{"projection": {"full"}}), nil)
	if err != nil {
		return workspace.Identity{}, err
	}
	switch {
	case ans.status == http.StatusPreconditionFailed:
		return workspace.Identity{}, fmt.Errorf("%w: %s", sync.ErrDeleted, id)
	case ans.status != http.StatusOK:
		return workspace.Identity{}, g.refused(ans, "reading one person", googleReadUsers)
	}
	var doc map[string]any
	if err := ans.decode(&doc); err != nil {
		return workspace.Identity{}, err
	}
	if scalar(doc["deletionTime"]) != "" && scalar(doc["id"]) == id {
		return workspace.Identity{}, fmt.Errorf("%w: %s", sync.ErrDeleted, id)
	}
	return g.single(ans, id)
}

// googleGroups reads groups of the Directory API: a call a group.
type googleGroups struct{ *googleDir }

func (g *googleDir) groups() groupAPI { return googleGroups{g} }

func (googleGroups) record(ans *answer, doc map[string]any) (workspace.DirectoryGroup, error) {
	return groupOf(ans, scalar(doc["id"]), doc, "name")
}

func (g googleGroups) lists(ctx context.Context, r *reader, q url.Values, each func(workspace.DirectoryGroup) error) error {
	q.Set("customer", g.dir.Customer)
	q.Set("maxResults", "200")
	return g.list(ctx, r, "/admin/directory/v1/groups", q, "groups", "admin#directory#groups", googleReadGroups, func(ans *answer, docs []map[string]any) error {
		for _, doc := range docs {
			x, err := g.record(ans, doc)
			if err == nil {
				err = each(x)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// named asks for a display name.
func (g googleGroups) named(ctx context.Context, r *reader, name string, each func(workspace.DirectoryGroup) error) error {
	quoted := "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(name) + "'"
	return g.lists(ctx, r, url.Values{"query": {"name=" + quoted}}, each)
}

func (g googleGroups) all(ctx context.Context, r *reader, each func(workspace.DirectoryGroup) error) error {
	return g.lists(ctx, r, url.Values{}, each)
}

func (g googleGroups) one(ctx context.Context, _ *reader, id string) (workspace.DirectoryGroup, error) {
	var x workspace.DirectoryGroup
	ans, err := g.api.get(ctx, g.api.url("/admin/directory/v1/groups/"+url.PathEscape(id), nil), nil)
	switch {
	case err != nil:
		return x, err
	case ans.status == http.StatusForbidden && reasonOf(ans) == "notFound", ans.status == http.StatusBadRequest:
		return x, errNotFound
	case ans.status != http.StatusOK:
		return x, g.refused(ans, "reading a group", googleReadGroups)
	}
	var doc map[string]any
	if err := ans.decode(&doc); err != nil {
		return x, err
	}
	return g.record(ans, doc)
}

func (g googleGroups) members(ctx context.Context, r *reader, id string, each func([]sync.MemberRef) error) error {
	path := "/admin/directory/v1/groups/" + url.PathEscape(id) + "/members"
	return g.list(ctx, r, path, url.Values{"maxResults": {"200"}}, "members", "admin#directory#members", googleReadGroups, func(_ *answer, docs []map[string]any) error {
		var refs []sync.MemberRef
		for _, doc := range docs {
			who, kind := scalar(doc["id"]), scalar(doc["type"])
			switch {
			case kind == "CUSTOMER" || kind == "EXTERNAL":
				// Everybody, or somebody elsewhere: no person of this directory.
			case who == "":
				return &sync.IncompleteError{Why: "a member of a group shows no id (data is missing)"}
			case kind == "GROUP":
				refs = append(refs, sync.MemberRef{ID: who, Kind: "group"})
			default:
				refs = append(refs, sync.MemberRef{ID: who, Kind: "user"})
			}
		}
		return each(refs)
	})
}
