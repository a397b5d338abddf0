package pull

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// keycloakAttributes are the properties of Keycloak's user representation;
// what it calls attributes is each realm's own, so these are usual names.
var keycloakAttributes = map[string][]string{
	"userName": {"username"}, "email": {"email"}, "givenName": {"firstName"}, "familyName": {"lastName"},
	"displayName": {"attributes.displayName"}, "title": {"attributes.title"}, "department": {"attributes.department"},
	"employeeNumber": {"attributes.employeeNumber"}, "userType": {"attributes.userType"}, "office": {"attributes.office"},
	"city": {"attributes.city"}, "country": {"attributes.country"}, "locale": {"attributes.locale"},
	"telephoneNumber": {"attributes.phoneNumber"}, "mobile": {"attributes.mobile"},
}

// The least roles of the client `realm-management`, for the service account
// of the client that reads.
const (
	keycloakReadUsers  = "the role view-users of realm-management (which holds query-users and query-groups) for the client's service account"
	keycloakReadGroups = "the role query-groups of realm-management (view-users holds it) for the client's service account"
)

// Offsets shift while people come and go. Each page repeats the end of the
// one before it, so that a shift shows; then everything is read again.
const (
	offsetOverlap = 5
	offsetPasses  = 4
)

// keycloak is Keycloak's Admin REST API. It tells no changes, so every poll
// reads everybody.
type keycloak struct {
	*core
	realm string
}

func newKeycloak(c *core) provider {
	c.schema.id = "id"
	c.schema.flag = disabled("enabled", true)
	_, realm, _ := strings.Cut(c.cfg.Issuer, "/realms/")
	return &keycloak{c, strings.Trim(realm, "/")}
}

func (k *keycloak) info() (sync.Capability, time.Duration) {
	return sync.CapNestedGroups, time.Minute
}

func (k *keycloak) describe() any { return k.realm }

// tenant is the realm, which stands in every address.
func (k *keycloak) tenant(context.Context) (string, error) { return k.realm, nil }

func (k *keycloak) mark(context.Context, *position) error { return nil }

func (k *keycloak) delta(context.Context, *reader, position) (position, error) {
	return position{}, sync.ErrCursorGone
}

func (k *keycloak) path(rest string) string {
	return "/admin/realms/" + url.PathEscape(k.realm) + rest
}

func (k *keycloak) refused(ans *answer, what, need string) error {
	if ans.status == http.StatusNotFound {
		return errNotFound
	}
	return ans.refused(what, "", need)
}

// array reads one answer that is a list of records.
func (k *keycloak) array(ans *answer, what, need string) ([]map[string]any, error) {
	if ans.status != http.StatusOK {
		return nil, k.refused(ans, what, need)
	}
	var docs *[]map[string]any
	if err := ans.decode(&docs); err != nil {
		return nil, err
	}
	if docs == nil {
		return nil, &sync.IncompleteError{Why: what + ": an answer 200 without its data"}
	}
	return *docs, nil
}

// errShifted: the list moved while it was read.
var errShifted = errors.New("the list moved while it was read")

// offsets reads a list by first and max, with an overlap.
func (k *keycloak) offsets(ctx context.Context, r *reader, path string, q url.Values, what, need string, each func(ans *answer, docs []map[string]any) error) error {
	size := max(k.dir.PageSize, 2*offsetOverlap)
	var tail []string
	for first := 0; ; {
		q.Set("first", strconv.Itoa(first))
		q.Set("max", strconv.Itoa(size))
		ans, err := r.fetch(ctx, k.api.url(k.path(path), q))
		if err != nil {
			return err
		}
		docs, err := k.array(ans, what, need)
		if err != nil {
			return err
		}
		ids := make([]string, len(docs))
		for i := range docs {
			ids[i] = scalar(docs[i]["id"])
		}
		if len(ids) < len(tail) || !slices.Equal(ids[:len(tail)], tail) {
			return errShifted
		}
		if err := each(ans, docs[len(tail):]); err != nil {
			return err
		}
		if len(docs) < size {
			return nil
		}
		tail = ids[size-offsetOverlap:]
		first += size - offsetOverlap
	}
}

// steady reads a list again until it stood still: nothing shifted, and the
// count, if there is one, was the same before and after.
func (k *keycloak) steady(ctx context.Context, r *reader, what string, count func() (int, error), read func() error) error {
	for range offsetPasses {
		clear(r.links)
		before, err := count()
		if err != nil {
			return err
		}
		if err := read(); errors.Is(err, errShifted) {
			continue
		} else if err != nil {
			return err
		}
		after, err := count()
		if err != nil {
			return err
		}
		if before == after {
			return nil
		}
	}
	return &sync.IncompleteError{Why: fmt.Sprintf("%s: the list moved during each of %d readings", what, offsetPasses)}
}

// number counts people.
func (k *keycloak) number(ctx context.Context) (int, error) {
	ans, err := k.api.get(ctx, k.api.url(k.path("/users/count"), nil), nil)
	if err != nil {
		return 0, err
	}
	if ans.status != http.StatusOK {
		return 0, k.refused(ans, "counting people", keycloakReadUsers)
	}
	var n int
	return n, ans.decode(&n)
}

// people reads everybody.
func (k *keycloak) people(ctx context.Context, r *reader) (string, error) {
	err := k.steady(ctx, r, "reading people", func() (int, error) { return k.number(ctx) }, func() error {
		// The full representation: the brief one leaves attributes out.
		q := url.Values{"briefRepresentation": {"false"}}
		return k.offsets(ctx, r, "/users", q, "reading people", keycloakReadUsers, func(ans *answer, docs []map[string]any) error {
			for _, doc := range docs {
				if _, _, err := r.person(ctx, doc, ans.at, true); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if errors.Is(err, errNotFound) {
		err = fmt.Errorf("realm %s is not found at api_base (404)", clean(k.realm))
	}
	return "a page shorter than max, and the same count before and after", err
}

func (k *keycloak) get(ctx context.Context, id string) (workspace.Identity, error) {
	ans, err := k.api.get(ctx, k.api.url(k.path("/users/"+url.PathEscape(id)), nil), nil)
	if err != nil {
		return workspace.Identity{}, err
	}
	if ans.status != http.StatusOK {
		return workspace.Identity{}, k.refused(ans, "reading one person", keycloakReadUsers)
	}
	return k.single(ans, id)
}

func (k *keycloak) visible(ctx context.Context) (bool, error) {
	ans, err := k.api.get(ctx, k.api.url(k.path("/users"), url.Values{"max": {"1"}}), nil)
	if err != nil {
		return false, err
	}
	docs, err := k.array(ans, "reading anybody", keycloakReadUsers)
	return len(docs) > 0, err
}

// keycloakGroups reads groups of a realm. A group holds its members and, as
// nested groups, its sub-groups.
type keycloakGroups struct{ *keycloak }

func (k *keycloak) groups() groupAPI { return keycloakGroups{k} }

func (keycloakGroups) record(ans *answer, doc map[string]any) (workspace.DirectoryGroup, error) {
	return groupOf(ans, normalID(scalar(doc["id"])), doc, "name")
}

// walk states groups and the sub-groups that came with them.
func (k keycloakGroups) walk(ans *answer, docs []map[string]any, depth int, each func(workspace.DirectoryGroup) error) error {
	for _, doc := range docs {
		x, err := k.record(ans, doc)
		if err == nil {
			err = each(x)
		}
		if err != nil {
			return err
		}
		if depth >= maxDepth {
			continue
		}
		if err := k.walk(ans, children(doc), depth+1, each); err != nil {
			return err
		}
	}
	return nil
}

// children are the sub-groups within a representation.
func children(doc map[string]any) (out []map[string]any) {
	list, _ := doc["subGroups"].([]any) // newer versions leave them out
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// named searches by name. The answer is a tree in some versions.
func (k keycloakGroups) named(ctx context.Context, r *reader, name string, each func(workspace.DirectoryGroup) error) error {
	q := url.Values{"search": {name}, "exact": {"true"}, "briefRepresentation": {"true"}}
	return k.lists(ctx, r, q, each)
}

func (k keycloakGroups) all(ctx context.Context, r *reader, each func(workspace.DirectoryGroup) error) error {
	return k.lists(ctx, r, url.Values{"briefRepresentation": {"true"}}, each)
}

func (k keycloakGroups) lists(ctx context.Context, r *reader, q url.Values, each func(workspace.DirectoryGroup) error) error {
	return k.steady(ctx, r, "reading groups", uncounted, func() error {
		return k.offsets(ctx, r, "/groups", q, "reading groups", keycloakReadGroups, func(ans *answer, docs []map[string]any) error {
			return k.walk(ans, docs, 0, each)
		})
	})
}

// uncounted is for lists whose number nobody tells.
func uncounted() (int, error) { return 0, nil }

func (k keycloakGroups) one(ctx context.Context, _ *reader, id string) (workspace.DirectoryGroup, error) {
	var x workspace.DirectoryGroup
	ans, err := k.api.get(ctx, k.api.url(k.path("/groups/"+url.PathEscape(id)), nil), nil)
	if err != nil {
		return x, err
	}
	if ans.status != http.StatusOK {
		return x, k.refused(ans, "reading a group", keycloakReadGroups)
	}
	var doc map[string]any
	if err := ans.decode(&doc); err != nil {
		return x, err
	}
	return k.record(ans, doc)
}

func (k keycloakGroups) members(ctx context.Context, r *reader, id string, each func([]sync.MemberRef) error) error {
	for _, part := range []struct{ path, kind string }{{"/members", "user"}, {"/children", "group"}} {
		err := k.steady(ctx, r, "reading the members of a group", uncounted, func() error {
			q := url.Values{"briefRepresentation": {"true"}}
			return k.offsets(ctx, r, "/groups/"+url.PathEscape(id)+part.path, q, "reading the members of a group", keycloakReadGroups, func(_ *answer, docs []map[string]any) error {
				refs := make([]sync.MemberRef, 0, len(docs))
				for _, doc := range docs {
					who := normalID(scalar(doc["id"]))
					if who == "" {
						return &sync.IncompleteError{Why: "a member of a group shows no id (data is missing)"}
					}
					refs = append(refs, sync.MemberRef{ID: who, Kind: part.kind})
				}
				return each(refs)
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
