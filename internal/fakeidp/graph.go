package fakeidp

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// GraphTenant is the fake tenant's id.
const GraphTenant = "6babcaad-604b-40ac-a9d7-9fd97c0b779f"

// Graph is a fake of Microsoft Graph for one tenant: users, groups, their
// delta queries and the recycle bin. Its token endpoint is
// /TENANT/oauth2/v2.0/token.
type Graph struct {
	*Server
	mu    sync.Mutex
	lists map[string]*graphList // by skip token
}

// graphList is a list that is being paged.
type graphList struct {
	path  string
	docs  []object
	delta string // the link at its end, "" for a plain list
	empty bool   // the next page has nothing
}

// deltaLife is how long delta tokens are known.
const deltaLife = 7 * 24 * time.Hour

// NewGraph starts a fake; close it.
func NewGraph(t *Tokens) *Graph {
	g := &Graph{lists: map[string]*graphList{}}
	g.Server = start(newDirectory(guid), t, func(s *Server, mux *http.ServeMux) {
		mux.HandleFunc("POST /"+GraphTenant+"/oauth2/v2.0/token", t.endpoint(s))
		for pattern, fn := range map[string]http.HandlerFunc{
			"/v1.0/organization":               g.organization,
			"/v1.0/users":                      g.users,
			"/v1.0/users/delta":                g.usersDelta,
			"/v1.0/users/{id}":                 g.user,
			"/v1.0/groups":                     g.groupList,
			"/v1.0/groups/delta":               g.groupsDelta,
			"/v1.0/groups/{id}":                g.group,
			"/v1.0/groups/{id}/members":        g.members,
			"/v1.0/directory/deletedItems/{i}": g.deletedItem,
		} {
			mux.HandleFunc("GET "+pattern, s.api(func(w http.ResponseWriter, r *http.Request) {
				if s.fault(Forbidden) || strings.HasPrefix(r.URL.Path, "/v1.0/groups") && s.fault(GroupsHidden) {
					graphFail(w, http.StatusForbidden, "Authorization_RequestDenied")
					return
				}
				fn(w, r)
			}))
		}
	})
	return g
}

// Issuer is the issuer in a configuration.
func (g *Graph) Issuer() string { return g.URL + "/" + GraphTenant + "/v2.0" }

func graphFail(w http.ResponseWriter, status int, code string) {
	reply(w, status, object{"error": object{"code": code, "message": "a sentence that says more than it should"}})
}

func (g *Graph) organization(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, object{"value": []object{{
		"id": GraphTenant, "verifiedDomains": []object{
			{"name": "acme.onmicrosoft.com", "isInitial": true, "isDefault": false, "type": "Managed"},
			{"name": "acme.com", "isInitial": false, "isDefault": true, "type": "Managed"},
		},
	}}})
}

// record is a user with all properties.
func (g *Graph) record(p *Person) object {
	o := object{
		"id": p.ID, "accountEnabled": !p.Disabled, "userPrincipalName": orNull(p.UserName), "mail": orNull(p.Email),
		"displayName": orNull(strings.TrimSpace(p.Given + " " + p.Family)), "givenName": orNull(p.Given), "surname": orNull(p.Family),
		"jobTitle": orNull(p.Title), "department": orNull(p.Dept), "employeeType": orNull(p.Type), "userType": "Member", "mobilePhone": nil,
		"businessPhones": []string{}, "companyName": nil, "employeeId": nil, "officeLocation": nil, "city": nil, "country": nil,
		"preferredLanguage": nil, "employeeOrgData": nil, "employeeHireDate": nil,
	}
	if p.Phone != "" {
		o["businessPhones"] = []string{p.Phone}
	}
	if p.Guest {
		o["userType"] = "Guest"
	}
	if p.Manager != "" {
		o["manager"] = object{"@odata.type": "#microsoft.graph.user", "id": p.Manager}
	}
	return o
}

// selected keeps the properties that were asked for.
func selected(o object, names []string) object {
	out := object{}
	for _, n := range names {
		if v, ok := o[n]; ok {
			out[n] = v
		}
	}
	return out
}

func names(q url.Values) []string { return strings.Split(q.Get("$select"), ",") }

// page answers with one page of a list, and keeps the rest under a token.
func (g *Graph) page(w http.ResponseWriter, r *http.Request, l *graphList) {
	n := g.size(r.URL.Query().Get("$top"), 999)
	out := object{"@odata.context": g.URL + "/v1.0/$metadata"}
	docs := l.docs[:min(n, len(l.docs))]
	rest := l.docs[len(docs):]
	if l.empty {
		docs, rest = []object{}, l.docs
	}
	if docs == nil {
		docs = []object{}
	}
	next := &graphList{path: l.path, docs: rest, delta: l.delta}
	if !l.empty && g.fault(EmptyPages) {
		next.empty = true
	}
	if len(docs) > 0 && g.fault(Repeats) {
		next.docs = append(slices.Clone(docs[:1]), rest...)
	}
	out["value"] = docs
	if g.fault(DataMissing) {
		delete(out, "value")
	}
	switch {
	case g.fault(ForeignNext):
		out["@odata.nextLink"] = elsewhere + l.path + "?$skiptoken=x"
	case g.fault(Circle):
		out["@odata.nextLink"] = g.URL + r.URL.RequestURI()
	case len(next.docs) > 0 || next.empty:
		token := mark()
		g.mu.Lock()
		g.lists[token] = next
		g.mu.Unlock()
		q := url.Values{"$skiptoken": {token}}
		if top := r.URL.Query().Get("$top"); top != "" {
			q.Set("$top", top)
		}
		out["@odata.nextLink"] = g.URL + l.path + "?" + q.Encode()
	case g.fault(ForeignDelta):
		out["@odata.deltaLink"] = elsewhere + l.path + "?$deltatoken=x"
	case l.delta != "":
		out["@odata.deltaLink"] = l.delta
	}
	reply(w, http.StatusOK, out)
}

// skipped continues a list, if the request does.
func (g *Graph) skipped(w http.ResponseWriter, r *http.Request) bool {
	token := r.URL.Query().Get("$skiptoken")
	if token == "" {
		return false
	}
	g.mu.Lock()
	l := g.lists[token]
	g.mu.Unlock()
	if l == nil || l.path != r.URL.Path {
		graphFail(w, http.StatusBadRequest, "Request_BadRequest")
		return true
	}
	g.page(w, r, l)
	return true
}

// expired answers for a delta token that is no longer known, in both forms.
func (g *Graph) expired(w http.ResponseWriter, r *http.Request, at time.Time) bool {
	switch {
	case g.fault(Expired410):
		w.Header().Set("Location", g.URL+r.URL.Path+"?$deltatoken=fresh")
		graphFail(w, http.StatusGone, "resyncRequired")
	case g.fault(Expired400), g.Now().Sub(at) > deltaLife:
		graphFail(w, http.StatusBadRequest, "syncStateNotFound")
	default:
		return false
	}
	return true
}

// deltaLink makes a delta link: where its changes begin, when it was made,
// and the properties that are frozen in it.
func (g *Graph) deltaLink(path string, seq int64, fields []string) string {
	q := url.Values{"$deltatoken": {fmt.Sprintf("%d.%d.%s", seq, g.Now().Unix(), strings.Join(fields, "-"))}}
	return g.URL + path + "?" + q.Encode()
}

// deltaFrom reads a delta token; latest is true for "from now".
func (g *Graph) deltaFrom(w http.ResponseWriter, r *http.Request) (seq int64, fields []string, latest, ok bool) {
	q := r.URL.Query()
	token := q.Get("$deltatoken")
	if token == "latest" {
		return 0, names(q), true, true
	}
	parts := strings.SplitN(token, ".", 3)
	if len(parts) != 3 || q.Get("$select") != "" {
		graphFail(w, http.StatusBadRequest, "Request_BadRequest")
		return 0, nil, false, false
	}
	seq, err := strconv.ParseInt(parts[0], 10, 64)
	made, merr := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || merr != nil {
		graphFail(w, http.StatusBadRequest, "syncStateNotFound")
		return 0, nil, false, false
	}
	if g.expired(w, r, time.Unix(made, 0)) {
		return 0, nil, false, false
	}
	return seq, strings.Split(parts[2], "-"), false, true
}

func (g *Graph) users(w http.ResponseWriter, r *http.Request) {
	if g.skipped(w, r) {
		return
	}
	q := r.URL.Query()
	l := &graphList{path: r.URL.Path}
	want := names(q)
	if strings.HasPrefix(q.Get("$expand"), "manager") {
		want = append(want, "manager")
	}
	people := g.People()
	if g.fault(MissingScope) {
		people = nil
	}
	for i := range people {
		l.docs = append(l.docs, g.shown(&people[i], want))
	}
	g.page(w, r, l)
}

// shown is a user as a list shows it.
func (g *Graph) shown(p *Person, want []string) object {
	o := selected(g.record(p), want)
	if g.fault(FlagMissing) {
		delete(o, "accountEnabled")
	}
	return o
}

func (g *Graph) user(w http.ResponseWriter, r *http.Request) {
	p, ok := g.Person(r.PathValue("id"))
	if !ok {
		graphFail(w, http.StatusNotFound, "Request_ResourceNotFound")
		return
	}
	want := names(r.URL.Query())
	if strings.HasPrefix(r.URL.Query().Get("$expand"), "manager") {
		want = append(want, "manager")
	}
	reply(w, http.StatusOK, g.shown(&p, want))
}

func (g *Graph) deletedItem(w http.ResponseWriter, r *http.Request) {
	if _, deleted, _ := g.state(r.PathValue("i")); deleted {
		reply(w, http.StatusOK, object{"id": r.PathValue("i")})
		return
	}
	graphFail(w, http.StatusNotFound, "Request_ResourceNotFound")
}

// deltaOf reads what a delta asks for: what has happened since, and the list to
// answer with; nil when it is answered already.
func (g *Graph) deltaOf(w http.ResponseWriter, r *http.Request) (events []event, fields []string, l *graphList) {
	if g.skipped(w, r) {
		return nil, nil, nil
	}
	seq, fields, latest, ok := g.deltaFrom(w, r)
	if !ok {
		return nil, nil, nil
	}
	events, last := g.since(seq)
	l = &graphList{path: r.URL.Path, delta: g.deltaLink(r.URL.Path, last, fields)}
	if latest {
		g.page(w, r, l)
		return nil, nil, nil
	}
	return events, fields, l
}

// usersDelta tells changed users, each as it is now.
func (g *Graph) usersDelta(w http.ResponseWriter, r *http.Request) {
	events, fields, l := g.deltaOf(w, r)
	if l == nil {
		return
	}
	changed := map[string][]string{}
	var order []string
	for _, e := range events {
		if e.group {
			continue
		}
		if _, met := changed[e.id]; !met {
			order = append(order, e.id)
		}
		changed[e.id] = append(changed[e.id], e.fields...)
	}
	for _, id := range order {
		l.docs = append(l.docs, g.mentions(id, changed[id], fields)...)
	}
	g.page(w, r, l)
}

// mentions are the records of one user in a delta: one, unless a fault makes
// them more, since a delta may name an object again, in any order.
func (g *Graph) mentions(id string, changed, fields []string) []object {
	now := g.change(id, changed, fields)
	stale, restorable := g.ghost(id)
	switch _, gone := now["@removed"]; {
	case gone && restorable && g.fault(Stale):
		return []object{now, selected(g.record(&stale), fields)}
	case !gone && restorable && g.fault(Stale):
		return []object{now, {"id": id, "@removed": object{"reason": "changed"}}}
	case !gone && len(changed) > 1 && g.fault(Split):
		p, _ := g.Person(id)
		var parts []object
		for _, name := range changed {
			parts = append(parts, selected(g.record(&p), []string{"id", "accountEnabled", name}))
		}
		return parts
	}
	return []object{now}
}

// change is one record of the users' delta.
func (g *Graph) change(id string, changed, fields []string) object {
	p, ok := g.Person(id)
	if !ok {
		reason := "deleted"
		if _, bin, _ := g.state(id); bin {
			reason = "changed"
		}
		return object{"id": id, "@removed": object{"reason": reason}}
	}
	o := g.record(&p)
	if m, has := o["manager"]; has {
		o["manager@delta"] = []any{m}
	}
	want := append(slices.Clone(fields), "manager@delta")
	if !slices.Contains(fields, "manager") {
		want = fields
	}
	if !slices.Contains(changed, "*") && g.fault(Sparse) {
		want = append([]string{"id"}, changed...)
	}
	o = selected(o, slices.DeleteFunc(slices.Clone(want), func(n string) bool { return n == "manager" }))
	if g.fault(FlagMissing) {
		delete(o, "accountEnabled")
	}
	return o
}

func (g *Graph) groupList(w http.ResponseWriter, r *http.Request) {
	if g.skipped(w, r) {
		return
	}
	l := &graphList{path: r.URL.Path}
	want, filtered := strings.CutPrefix(r.URL.Query().Get("$filter"), "displayName eq '")
	want = strings.ReplaceAll(strings.TrimSuffix(want, "'"), "''", "'")
	for _, x := range g.Groups() {
		if !filtered || strings.EqualFold(x.Name, want) {
			l.docs = append(l.docs, object{"id": x.ID, "displayName": x.Name})
		}
	}
	g.page(w, r, l)
}

func (g *Graph) group(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if len(id) != 36 {
		graphFail(w, http.StatusBadRequest, "Request_BadRequest")
		return
	}
	x, ok := g.Group(id)
	if !ok {
		graphFail(w, http.StatusNotFound, "Request_ResourceNotFound")
		return
	}
	reply(w, http.StatusOK, object{"id": x.ID, "displayName": x.Name})
}

func graphMember(m Member) object {
	if m.Group {
		return object{"@odata.type": "#microsoft.graph.group", "id": m.ID}
	}
	return object{"@odata.type": "#microsoft.graph.user", "id": m.ID}
}

func (g *Graph) members(w http.ResponseWriter, r *http.Request) {
	if g.skipped(w, r) {
		return
	}
	x, ok := g.Group(r.PathValue("id"))
	if !ok {
		graphFail(w, http.StatusNotFound, "Request_ResourceNotFound")
		return
	}
	l := &graphList{path: r.URL.Path}
	for _, m := range x.Members {
		l.docs = append(l.docs, graphMember(m))
	}
	g.page(w, r, l)
}

// deltaMembers is how many members one record of a group's delta holds: a
// large change comes over many records and pages.
const deltaMembers = 2

// groupsDelta tells changed groups with the members that came and left.
func (g *Graph) groupsDelta(w http.ResponseWriter, r *http.Request) {
	events, _, l := g.deltaOf(w, r)
	if l == nil {
		return
	}
	var order []string
	moved := map[string]map[Member]bool{}
	for _, e := range events {
		if !e.group {
			continue
		}
		if moved[e.id] == nil {
			order, moved[e.id] = append(order, e.id), map[Member]bool{}
		}
		if e.member != nil {
			moved[e.id][*e.member] = !e.left
		}
	}
	for _, id := range order {
		l.docs = append(l.docs, g.groupChange(id, moved[id])...)
	}
	g.page(w, r, l)
}

func (g *Graph) groupChange(id string, moved map[Member]bool) (out []object) {
	x, ok := g.Group(id)
	if !ok {
		return []object{{"id": id, "@removed": object{"reason": "deleted"}}}
	}
	var list []object
	for m, came := range moved {
		o := graphMember(m)
		if !came {
			o["@removed"] = object{"reason": "deleted"}
		}
		list = append(list, o)
	}
	for piece := range slices.Chunk(list, deltaMembers) {
		out = append(out, object{"id": id, "displayName": x.Name, "members@delta": piece})
	}
	if len(out) == 0 {
		out = []object{{"id": id, "displayName": x.Name}}
	}
	return out
}
