package fakeidp

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Okta is a fake of one Okta organisation: users, groups, the System Log. Its
// token endpoint is /oauth2/v1/token.
type Okta struct{ *Server }

// oktaTime is how Okta writes moments.
const oktaTime = "2006-01-02T15:04:05.000Z"

// NewOkta starts a fake; close it.
func NewOkta(t *Tokens) *Okta {
	o := &Okta{}
	d := newDirectory(func(n int, group bool) string {
		if group {
			return fmt.Sprintf("00g%017d", n)
		}
		return fmt.Sprintf("00u%017d", n)
	})
	o.Server = start(d, t, func(s *Server, mux *http.ServeMux) {
		mux.HandleFunc("POST /oauth2/v1/token", t.endpoint(s))
		mux.HandleFunc("GET /.well-known/okta-organization", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, http.StatusOK, object{"id": "00o00000000000000001", "pipeline": "idx"})
		})
		for pattern, fn := range map[string]http.HandlerFunc{
			"/api/v1/users":             o.users,
			"/api/v1/users/{id}":        o.user,
			"/api/v1/groups":            o.groupList,
			"/api/v1/groups/{id}":       o.group,
			"/api/v1/groups/{id}/users": o.members,
			"/api/v1/logs":              o.logs,
		} {
			mux.HandleFunc("GET "+pattern, s.api(func(w http.ResponseWriter, r *http.Request) {
				hidden := strings.HasPrefix(r.URL.Path, "/api/v1/groups") && s.fault(GroupsHidden) || strings.HasPrefix(r.URL.Path, "/api/v1/logs") && s.fault(LogsHidden)
				if hidden || s.fault(Forbidden) {
					reply(w, http.StatusForbidden, object{"errorCode": "E0000006"})
					return
				}
				w.Header().Set("X-Rate-Limit-Limit", "60000")
				fn(w, r)
			}))
		}
	})
	return o
}

// status is a person's status.
func (p *Person) status() string {
	switch {
	case p.Status != "":
		return p.Status
	case p.Disabled:
		return "SUSPENDED"
	}
	return "ACTIVE"
}

func (o *Okta) record(p *Person) object {
	x := object{
		"id": p.ID, "status": p.status(), "created": p.created.UTC().Format(oktaTime), "lastUpdated": p.updated.UTC().Format(oktaTime),
		"profile": object{
			"login": p.UserName, "email": orNull(p.Email), "firstName": orNull(p.Given), "lastName": orNull(p.Family), "title": orNull(p.Title),
			"department": orNull(p.Dept), "primaryPhone": orNull(p.Phone), "userType": orNull(p.Type), "managerId": orNull(p.Manager),
		},
	}
	if o.fault(FlagMissing) {
		delete(x, "status")
	}
	if o.fault(DataMissing) {
		delete(x, "profile")
	}
	return x
}

// page answers with one page; `after` is the id of the last record before it.
func (o *Okta) page(w http.ResponseWriter, r *http.Request, most int, docs []object) {
	q := r.URL.Query()
	n := o.size(q.Get("limit"), most)
	from := 0
	if after := q.Get("after"); after != "" {
		for from < len(docs) && docs[from]["id"] != after {
			from++
		}
		from = min(from+1, len(docs))
	}
	rest := docs[from:]
	docs = rest[:min(n, len(rest))]
	self := o.URL + r.URL.RequestURI()
	w.Header().Add("Link", "<"+self+`>; rel="self"`)
	switch {
	case o.fault(ForeignNext):
		w.Header().Add("Link", "<"+elsewhere+r.URL.Path+`?after=x>; rel="next"`)
	case o.fault(Circle):
		w.Header().Add("Link", "<"+self+`>; rel="next"`)
	case len(rest) > n:
		next := url.Values{}
		for k, v := range q {
			next[k] = v
		}
		next.Set("after", fmt.Sprint(docs[len(docs)-1]["id"]))
		w.Header().Add("Link", "<"+o.URL+r.URL.Path+"?"+next.Encode()+`>; rel="next"`)
	}
	if docs == nil || o.fault(MissingScope) {
		docs = []object{}
		w.Header().Del("Link")
	}
	reply(w, http.StatusOK, docs)
}

var (
	oktaGt = regexp.MustCompile(`^(lastUpdated|lastMembershipUpdated) gt "([^"]+)"$`)
	oktaEq = regexp.MustCompile(`^status eq "([A-Z_]+)"$`)
)

// matches judges one term of a filter.
func matches(term, status string, updated, moved time.Time) bool {
	if m := oktaEq.FindStringSubmatch(term); m != nil {
		return status == m[1]
	}
	if m := oktaGt.FindStringSubmatch(term); m != nil {
		at, err := time.Parse(oktaTime, m[2])
		if err != nil {
			panic(err)
		}
		if m[1] == "lastMembershipUpdated" {
			return moved.After(at)
		}
		return updated.After(at)
	}
	panic("the fake does not know the filter " + term)
}

// users lists people. Without a filter that names the status, those who are
// deprovisioned are not shown.
func (o *Okta) users(w http.ResponseWriter, r *http.Request) {
	filter := r.URL.Query().Get("filter")
	var docs []object
	people := o.People()
	for i := range people {
		p := &people[i]
		show := strings.Contains(filter, "status eq") || p.status() != "DEPROVISIONED"
		if filter != "" {
			for term := range strings.SplitSeq(filter, " and ") {
				show = show && matches(term, p.status(), p.updated, time.Time{})
			}
		}
		if show {
			docs = append(docs, o.record(p))
		}
	}
	o.page(w, r, 200, docs)
}

func (o *Okta) user(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	p, ok := o.Person(id)
	if !ok {
		reply(w, http.StatusNotFound, object{"errorCode": "E0000007"})
		return
	}
	reply(w, http.StatusOK, o.record(&p))
}

func (o *Okta) groupList(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var docs []object
	for _, g := range o.Groups() {
		show := strings.HasPrefix(strings.ToLower(g.Name), strings.ToLower(q.Get("q")))
		if f := q.Get("filter"); f != "" {
			any := false
			for term := range strings.SplitSeq(f, " or ") {
				any = any || matches(term, "", g.updated, g.moved)
			}
			show = show && any
		}
		if show {
			docs = append(docs, oktaGroup(&g))
		}
	}
	o.page(w, r, 200, docs)
}

func oktaGroup(g *Group) object {
	return object{
		"id": g.ID, "lastUpdated": g.updated.UTC().Format(oktaTime), "lastMembershipUpdated": g.moved.UTC().Format(oktaTime),
		"type": "OKTA_GROUP", "profile": object{"name": g.Name},
	}
}

func (o *Okta) group(w http.ResponseWriter, r *http.Request) {
	g, ok := o.Group(r.PathValue("id"))
	if !ok {
		reply(w, http.StatusNotFound, object{"errorCode": "E0000007"})
		return
	}
	reply(w, http.StatusOK, oktaGroup(&g))
}

func (o *Okta) members(w http.ResponseWriter, r *http.Request) {
	g, ok := o.Group(r.PathValue("id"))
	if !ok {
		reply(w, http.StatusNotFound, object{"errorCode": "E0000007"})
		return
	}
	var docs []object
	for _, m := range g.Members {
		if p, there := o.Person(m.ID); there && p.status() != "DEPROVISIONED" {
			docs = append(docs, o.record(&p))
		}
	}
	o.page(w, r, 200, docs)
}

// logs lists deletions between two moments. A list without an end always has
// a next link.
func (o *Okta) logs(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	since, err := time.Parse(oktaTime, q.Get("since"))
	if err != nil || q.Get("filter") != `eventType eq "user.lifecycle.delete.completed"` {
		reply(w, http.StatusBadRequest, object{"errorCode": "E0000031"})
		return
	}
	until, err := time.Parse(oktaTime, q.Get("until"))
	events, _ := o.since(0)
	var docs []object
	for _, e := range events {
		if e.gone && !e.group && e.at.After(since) && (err != nil || !e.at.After(until.Add(time.Second))) {
			docs = append(docs, object{
				"id": fmt.Sprint(e.seq), "eventType": "user.lifecycle.delete.completed", "published": e.at.UTC().Format(oktaTime),
				"target": []object{{"id": e.id, "type": "User"}},
			})
		}
	}
	if err != nil {
		w.Header().Add("Link", "<"+o.URL+r.URL.Path+"?"+q.Encode()+`&after=`+mark()+`>; rel="next"`)
	}
	o.page(w, r, 1000, docs)
}
