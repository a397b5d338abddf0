package fakeidp

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Google is a fake of Google's Directory API for one account. Its token
// endpoint is /token.
type Google struct{ *Server }

// GoogleCustomer is the fake account's id.
const GoogleCustomer = "C01abc234"

// NewGoogle starts a fake; close it.
func NewGoogle(t *Tokens) *Google {
	g := &Google{}
	d := newDirectory(func(n int, group bool) string {
		if group {
			return fmt.Sprintf("0grp%08d", n)
		}
		return fmt.Sprintf("1%020d", n)
	})
	g.Server = start(d, t, func(s *Server, mux *http.ServeMux) {
		mux.HandleFunc("POST /token", t.endpoint(s))
		for pattern, fn := range map[string]http.HandlerFunc{
			"/admin/directory/v1/users":               g.users,
			"/admin/directory/v1/users/{id}":          g.user,
			"/admin/directory/v1/groups":              g.groupList,
			"/admin/directory/v1/groups/{id}":         g.group,
			"/admin/directory/v1/groups/{id}/members": g.members,
		} {
			mux.HandleFunc("GET "+pattern, s.api(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case s.fault(Quota):
					googleFail(w, http.StatusForbidden, "quotaExceeded")
				case s.fault(Forbidden), strings.HasPrefix(r.URL.Path, "/admin/directory/v1/groups") && s.fault(GroupsHidden):
					googleFail(w, http.StatusForbidden, "forbidden")
				default:
					fn(w, r)
				}
			}))
		}
	})
	return g
}

func googleFail(w http.ResponseWriter, status int, reason string) {
	reply(w, status, object{"error": object{"code": status, "errors": []object{{"domain": "global", "reason": reason}}}})
}

// page answers with one page. An empty list has no key for its records.
func (g *Google) page(w http.ResponseWriter, r *http.Request, key string, most int, docs []object) {
	q := r.URL.Query()
	n := g.size(q.Get("maxResults"), most)
	from, err := strconv.Atoi(q.Get("pageToken"))
	if err != nil {
		from = 0
	}
	from = min(from, len(docs))
	rest := docs[from:]
	out := object{"kind": "admin#directory#" + key, "etag": mark()}
	if len(rest) > 0 && !g.fault(MissingScope) {
		out[key] = rest[:min(n, len(rest))]
	}
	if len(rest) > n {
		out["nextPageToken"] = strconv.Itoa(from + n)
	}
	if g.fault(Circle) {
		out["nextPageToken"] = strconv.Itoa(from)
	}
	if g.fault(DataMissing) {
		out = object{"etag": mark()}
	}
	reply(w, http.StatusOK, out)
}

func (g *Google) record(p *Person) object {
	o := object{
		"kind": "admin#directory#user", "id": p.ID, "primaryEmail": p.UserName, "customerId": GoogleCustomer,
		"name":      object{"givenName": p.Given, "familyName": p.Family, "fullName": strings.TrimSpace(p.Given + " " + p.Family)},
		"suspended": p.Disabled, "archived": p.Archived, "isAdmin": false,
	}
	if p.Dept != "" || p.Title != "" || p.Type != "" {
		o["organizations"] = []object{{"primary": true, "title": p.Title, "department": p.Dept, "description": p.Type}}
	}
	if p.Phone != "" {
		o["phones"] = []object{{"type": "work", "value": p.Phone}}
	}
	if g.fault(FlagMissing) {
		delete(o, "suspended")
	}
	return o
}

func (g *Google) users(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("customer") == "" {
		googleFail(w, http.StatusBadRequest, "badRequest")
		return
	}
	var docs []object
	if r.URL.Query().Get("showDeleted") == "true" {
		events, _ := g.since(0)
		for _, e := range events {
			if _, deleted, at := g.state(e.id); e.gone && deleted && g.Now().Sub(at) < 20*24*time.Hour {
				docs = append(docs, object{"id": e.id, "customerId": GoogleCustomer, "suspended": false, "deletionTime": at.UTC().Format(time.RFC3339)})
			}
		}
	} else {
		people := g.People()
		for i := range people {
			docs = append(docs, g.record(&people[i]))
		}
	}
	g.page(w, r, "users", 500, docs)
}

func (g *Google) user(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	p, ok := g.Person(id)
	if ok {
		reply(w, http.StatusOK, g.record(&p))
		return
	}
	if _, deleted, _ := g.state(id); deleted {
		googleFail(w, http.StatusPreconditionFailed, "conditionNotMet")
		return
	}
	googleFail(w, http.StatusNotFound, "notFound")
}

func googleGroup(x *Group) object {
	return object{"kind": "admin#directory#group", "id": x.ID, "name": x.Name, "email": strings.ToLower(strings.ReplaceAll(x.Name, " ", "-")) + "@acme.com"}
}

func (g *Google) groupList(w http.ResponseWriter, r *http.Request) {
	want, filtered := strings.CutPrefix(r.URL.Query().Get("query"), "name='")
	want = strings.NewReplacer(`\'`, "'", `\\`, `\`).Replace(strings.TrimSuffix(want, "'"))
	var docs []object
	for _, x := range g.Groups() {
		if !filtered || x.Name == want {
			docs = append(docs, googleGroup(&x))
		}
	}
	g.page(w, r, "groups", 200, docs)
}

func (g *Google) group(w http.ResponseWriter, r *http.Request) {
	x, ok := g.Group(r.PathValue("id"))
	switch {
	case !ok && !strings.HasPrefix(r.PathValue("id"), "0grp"):
		googleFail(w, http.StatusForbidden, "forbidden") // no key of a group of this account
		return
	case !ok:
		googleFail(w, http.StatusNotFound, "notFound")
		return
	}
	reply(w, http.StatusOK, googleGroup(&x))
}

func (g *Google) members(w http.ResponseWriter, r *http.Request) {
	x, ok := g.Group(r.PathValue("id"))
	if !ok {
		googleFail(w, http.StatusNotFound, "notFound")
		return
	}
	var docs []object
	for _, m := range x.Members {
		kind := "USER"
		if m.Group {
			kind = "GROUP"
		}
		docs = append(docs, object{"kind": "admin#directory#member", "id": m.ID, "type": kind, "role": "MEMBER"})
	}
	g.page(w, r, "members", 200, docs)
}
