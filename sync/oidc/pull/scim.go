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
	"sync/atomic"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

const (
	scimEnterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:"
	scimList       = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
)

// scimAttributes are the attributes of RFC 7643 sections 4.1 and 4.3.
var scimAttributes = map[string][]string{
	"userName": {"userName"}, "email": {"emails[primary].value", "emails[type=work].value", "emails"}, "displayName": {"displayName", "name.formatted"},
	"givenName": {"name.givenName"}, "familyName": {"name.familyName"}, "title": {"title"}, "userType": {"userType"}, "locale": {"locale"},
	"timezone": {"timezone"}, "department": {scimEnterprise + "department"}, "division": {scimEnterprise + "division"},
	"organization": {scimEnterprise + "organization"}, "costCenter": {scimEnterprise + "costCenter"},
	"employeeNumber": {scimEnterprise + "employeeNumber"}, "manager": {scimEnterprise + "manager.value"},
	"city": {"addresses[type=work].locality"}, "country": {"addresses[type=work].country"},
	"telephoneNumber": {"phoneNumbers[type=work].value"}, "mobile": {"phoneNumbers[type=mobile].value"},
}

const (
	scimReadUsers  = "the right to read /Users"
	scimReadGroups = "the right to read /Groups"
)

// scimPasses is how often a list is begun again: a cursor that ran out (RFC
// 9865 section 2.1), or an index that moved.
const scimPasses = 3

// scimPull is another SCIM 2.0 server. A Delta asks by meta.lastModified; who
// was deleted is found by the look at all ids, and by a Full.
type scimPull struct {
	*core
	// cursor and filter are what the server says it can; Check may ask beside
	// a run.
	cursor, filter atomic.Bool
}

func newSCIM(c *core) provider {
	c.schema.id = "id"
	c.schema.flag = func(doc map[string]any) (bool, string, bool) {
		if text, ok := doc["active"].(string); ok { // some servers write it as text
			b, err := strconv.ParseBool(strings.ToLower(text))
			doc = map[string]any{"active": b}
			if err != nil {
				return false, "", false
			}
		}
		return disabled("active", true)(doc)
	}
	return &scimPull{core: c}
}

func (p *scimPull) info() (sync.Capability, time.Duration) {
	return sync.CapDelta | sync.CapNestedGroups, 10 * time.Second
}

func (p *scimPull) describe() any { return nil }

// tenant is none: the address is all that names the server's tenant.
func (p *scimPull) tenant(context.Context) (string, error) { return "", nil }

// mark reads what the server can, and its time.
func (p *scimPull) mark(ctx context.Context, at *position) error {
	if err := p.configuration(ctx); err != nil {
		return err
	}
	_, err := p.anybody(ctx, at)
	return err
}

// configuration reads the server's own description (RFC 7643 section 5, RFC
// 9865 section 4). A server without one pages by index and does not filter.
func (p *scimPull) configuration(ctx context.Context) error {
	ans, err := p.api.get(ctx, p.api.url("/ServiceProviderConfig", nil), p.accept())
	if err != nil {
		return err
	}
	var body struct {
		Filter struct {
			Supported bool `json:"supported"`
		} `json:"filter"`
		Pagination struct {
			Cursor bool `json:"cursor"`
		} `json:"pagination"`
	}
	if ans.status == http.StatusOK {
		if err := ans.decode(&body); err != nil {
			return err
		}
	}
	p.cursor.Store(body.Pagination.Cursor)
	p.filter.Store(body.Filter.Supported)
	return nil
}

func (p *scimPull) accept() http.Header {
	return http.Header{"Accept": {"application/scim+json, application/json;q=0.9"}}
}

// anybody reads one person, and the server's clock.
func (p *scimPull) anybody(ctx context.Context, at *position) (bool, error) {
	ans, err := p.api.get(ctx, p.api.url("/Users", url.Values{"startIndex": {"1"}, "count": {"1"}, "attributes": {"id"}}), p.accept())
	if err != nil {
		return false, err
	}
	page, err := p.page(ans, "reading anybody", scimReadUsers)
	if err != nil {
		return false, err
	}
	if at.Time, err = http.ParseTime(ans.header.Get("Date")); err != nil {
		return false, errors.New("the server does not tell its time (Date)")
	}
	return len(page.Resources) > 0, nil
}

func (p *scimPull) visible(ctx context.Context) (bool, error) { return p.anybody(ctx, &position{}) }

// scimPage is a ListResponse (RFC 7644 section 3.4.2, RFC 9865 section 2).
type scimPage struct {
	Schemas    []string         `json:"schemas"`
	Total      *int             `json:"totalResults"`
	Resources  []map[string]any `json:"Resources"`
	NextCursor string           `json:"nextCursor"`
}

// errCursorExpired: the server no longer knows a cursor of this read.
var errCursorExpired = errors.New("the cursor ran out")

func (p *scimPull) refused(ans *answer, what, need string) error {
	var body struct {
		Type string `json:"scimType"`
	}
	if ans.decode(&body) != nil {
		body.Type = ""
	}
	switch {
	case ans.status == http.StatusNotFound:
		return errNotFound
	case ans.status == http.StatusBadRequest && (body.Type == "expiredCursor" || body.Type == "invalidCursor"):
		return errCursorExpired
	}
	return ans.refused(what, body.Type, need)
}

// page reads a ListResponse. Without resources it must say that there are
// none.
func (p *scimPull) page(ans *answer, what, need string) (scimPage, error) {
	var page scimPage
	if ans.status != http.StatusOK {
		return page, p.refused(ans, what, need)
	}
	if err := ans.decode(&page); err != nil {
		return page, err
	}
	empty := page.Resources == nil && (page.Total == nil || *page.Total != 0) && page.NextCursor == ""
	if !slices.Contains(page.Schemas, scimList) || empty && !p.cursor.Load() {
		return page, &sync.IncompleteError{Why: what + ": an answer 200 without its data"}
	}
	return page, nil
}

// list reads a list to its end, again from its beginning if the way through
// it was lost.
func (p *scimPull) list(ctx context.Context, r *reader, path string, q url.Values, what, need string, each func(ans *answer, docs []map[string]any) error) error {
	for range scimPasses {
		clear(r.links)
		var err error
		if p.cursor.Load() {
			err = p.byCursor(ctx, r, path, q, what, need, each)
		} else {
			err = p.byIndex(ctx, r, path, q, what, need, each)
		}
		if !errors.Is(err, errCursorExpired) && !errors.Is(err, errShifted) {
			return err
		}
	}
	return &sync.IncompleteError{Why: fmt.Sprintf("%s: the list was lost or moved during each of %d readings", what, scimPasses)}
}

// byCursor follows cursors (RFC 9865): the first request has an empty one.
func (p *scimPull) byCursor(ctx context.Context, r *reader, path string, q url.Values, what, need string, each func(ans *answer, docs []map[string]any) error) error {
	q.Set("count", strconv.Itoa(p.dir.PageSize))
	q.Del("startIndex")
	for cursor := ""; ; {
		q.Set("cursor", cursor)
		ans, err := r.scim(ctx, p, path, q)
		if err != nil {
			return err
		}
		page, err := p.page(ans, what, need)
		if err != nil {
			return err
		}
		if err := each(ans, page.Resources); err != nil {
			return err
		}
		if cursor = page.NextCursor; cursor == "" {
			return nil
		}
	}
}

// byIndex reads by startIndex, which is unstable: the total must stand still
// and be what was read.
func (p *scimPull) byIndex(ctx context.Context, r *reader, path string, q url.Values, what, need string, each func(ans *answer, docs []map[string]any) error) error {
	q.Set("count", strconv.Itoa(p.dir.PageSize))
	q.Del("cursor")
	total, ids := -1, map[string]bool{}
	for start := 1; ; {
		q.Set("startIndex", strconv.Itoa(start))
		ans, err := r.scim(ctx, p, path, q)
		if err != nil {
			return err
		}
		page, err := p.page(ans, what, need)
		if err != nil {
			return err
		}
		if page.Total == nil || total >= 0 && *page.Total != total {
			return errShifted
		}
		total = *page.Total
		for _, doc := range page.Resources {
			ids[scalar(doc["id"])] = true
		}
		if err := each(ans, page.Resources); err != nil {
			return err
		}
		start += len(page.Resources)
		switch {
		case start > total && len(ids) == total:
			return nil
		case start > total, len(page.Resources) == 0:
			return errShifted
		}
	}
}

// scim fetches a page with the media type of SCIM.
func (r *reader) scim(ctx context.Context, p *scimPull, path string, q url.Values) (*answer, error) {
	return r.fetchWith(ctx, p.api.url(path, q), p.accept())
}

// people reads everybody.
func (p *scimPull) people(ctx context.Context, r *reader) (string, error) {
	end := "no nextCursor"
	if !p.cursor.Load() {
		end = "as many as totalResults, which stood still"
	}
	return end, p.users(ctx, r, url.Values{})
}

func (p *scimPull) users(ctx context.Context, r *reader, q url.Values) error {
	err := p.list(ctx, r, "/Users", q, "reading people", scimReadUsers, func(ans *answer, docs []map[string]any) error {
		for _, doc := range docs {
			if _, _, err := r.person(ctx, doc, ans.at, true); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, errNotFound) {
		return errors.New("api_base has no /Users (404)")
	}
	return err
}

func (p *scimPull) get(ctx context.Context, id string) (workspace.Identity, error) {
	ans, err := p.api.get(ctx, p.api.url("/Users/"+url.PathEscape(id), nil), p.accept())
	if err != nil {
		return workspace.Identity{}, err
	}
	if ans.status != http.StatusOK {
		return workspace.Identity{}, p.refused(ans, "reading one person", scimReadUsers)
	}
	return p.single(ans, id)
}

// delta reads who changed, by the server's own clock, and the groups whole.
func (p *scimPull) delta(ctx context.Context, r *reader, from position) (position, error) {
	next := from
	if err := p.mark(ctx, &next); err != nil {
		return next, err
	}
	if !p.filter.Load() || from.Time.IsZero() {
		return next, fmt.Errorf("%w: the server does not filter", sync.ErrCursorGone)
	}
	since := from.Time.Add(-oktaOverlap).UTC().Format(time.RFC3339)
	if err := p.users(ctx, r, url.Values{"filter": {`meta.lastModified gt "` + since + `"`}}); err != nil {
		return next, err
	}
	var err error
	next.Closure, err = r.readGroups(ctx, r)
	return next, err
}

// scimGroups reads groups of a SCIM server. A group comes whole, with all of
// its members.
type scimGroups struct{ *scimPull }

func (p *scimPull) groups() groupAPI { return scimGroups{p} }

func (scimGroups) record(ans *answer, doc map[string]any) (workspace.DirectoryGroup, error) {
	return groupOf(ans, normalID(scalar(doc["id"])), doc, "displayName")
}

func (g scimGroups) lists(ctx context.Context, r *reader, q url.Values, each func(workspace.DirectoryGroup) error) error {
	q.Set("attributes", "id,displayName")
	return g.list(ctx, r, "/Groups", q, "reading groups", scimReadGroups, func(ans *answer, docs []map[string]any) error {
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

func (g scimGroups) named(ctx context.Context, r *reader, name string, each func(workspace.DirectoryGroup) error) error {
	if !g.filter.Load() {
		return g.lists(ctx, r, url.Values{}, each)
	}
	return g.lists(ctx, r, url.Values{"filter": {"displayName eq " + strconv.Quote(name)}}, each)
}

func (g scimGroups) all(ctx context.Context, r *reader, each func(workspace.DirectoryGroup) error) error {
	return g.lists(ctx, r, url.Values{}, each)
}

func (g scimGroups) document(ctx context.Context, id string, q url.Values) (*answer, map[string]any, error) {
	ans, err := g.api.get(ctx, g.api.url("/Groups/"+url.PathEscape(id), q), g.accept())
	if err != nil {
		return nil, nil, err
	}
	if ans.status != http.StatusOK {
		return nil, nil, g.refused(ans, "reading a group", scimReadGroups)
	}
	var doc map[string]any
	return ans, doc, ans.decode(&doc)
}

func (g scimGroups) one(ctx context.Context, _ *reader, id string) (workspace.DirectoryGroup, error) {
	ans, doc, err := g.document(ctx, id, url.Values{"attributes": {"id,displayName"}})
	if err != nil {
		return workspace.DirectoryGroup{}, err
	}
	return g.record(ans, doc)
}

func (g scimGroups) members(ctx context.Context, _ *reader, id string, each func([]sync.MemberRef) error) error {
	_, doc, err := g.document(ctx, id, nil)
	if err != nil {
		return err
	}
	if scalar(doc["id"]) == "" {
		return &sync.IncompleteError{Why: "a group shows no id (data is missing)"}
	}
	list, _ := doc["members"].([]any) // a group without members states none
	refs := make([]sync.MemberRef, 0, len(list))
	for _, e := range list {
		m, ok := e.(map[string]any)
		who := normalID(scalar(m["value"]))
		if !ok || who == "" {
			return &sync.IncompleteError{Why: "a member of a group shows no value (data is missing)"}
		}
		kind := strings.ToLower(scalar(m["type"]))
		if kind == "" && strings.Contains(scalar(m["$ref"]), "/Groups/") {
			kind = "group"
		}
		refs = append(refs, sync.MemberRef{ID: who, Kind: kind})
	}
	return each(refs)
}

// Sweeper is the source of a SCIM server: it can list the ids of everybody
// cheaply, and must, since no delta shows who was deleted.
type Sweeper struct{ *Source }

var _ sync.Sweeper = Sweeper{}

// Sweep lists the ids of everybody.
func (s Sweeper) Sweep(ctx context.Context, sink sync.Sink) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	p, ok := s.provider.(*scimPull)
	if !ok {
		return errors.New("this API cannot list ids")
	}
	began := s.now()
	r := s.newReader(sink, sync.Cursor{})
	if err := p.configuration(ctx); err != nil {
		return err
	}
	err := p.list(ctx, r, "/Users", url.Values{"attributes": {"id,userName"}}, "reading ids", scimReadUsers, func(_ *answer, docs []map[string]any) error {
		for _, doc := range docs {
			if err := r.present(ctx, doc); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = r.wholePeople(ctx)
	}
	if err != nil {
		return err
	}
	return sink.Done(ctx, sync.Proof{Server: s.server(), EndMark: "the list's end", Pages: r.pages, People: len(r.seen), SentinelSeen: r.sentinel, Since: began})
}
