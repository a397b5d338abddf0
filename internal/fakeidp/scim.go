package fakeidp

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// SCIM is a fake of a SCIM 2.0 server below /scim/v2, with cursor paging
// (RFC 9865) unless Index is set. Its token endpoint is /token.
type SCIM struct {
	*Server
	// Index pages by startIndex alone.
	Index bool
	// NoFilter refuses filters.
	NoFilter bool
}

// NewSCIM starts a fake; close it.
func NewSCIM(t *Tokens) *SCIM {
	c := &SCIM{}
	c.Server = start(newDirectory(guid), t, func(s *Server, mux *http.ServeMux) {
		mux.HandleFunc("POST /token", t.endpoint(s))
		for pattern, fn := range map[string]http.HandlerFunc{
			"/ServiceProviderConfig": c.config,
			"/Users":                 c.users,
			"/Users/{id}":            c.user,
			"/Groups":                c.groupList,
			"/Groups/{id}":           c.group,
		} {
			mux.HandleFunc("GET /scim/v2"+pattern, s.api(func(w http.ResponseWriter, r *http.Request) {
				if s.fault(Forbidden) || strings.HasPrefix(pattern, "/Groups") && s.fault(GroupsHidden) {
					scimFail(w, http.StatusForbidden, "")
					return
				}
				fn(w, r)
			}))
		}
	})
	return c
}

func scimFail(w http.ResponseWriter, status int, kind string) {
	reply(w, status, object{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": strconv.Itoa(status), "scimType": kind})
}

func (c *SCIM) config(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, object{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		"filter":  object{"supported": !c.NoFilter, "maxResults": 200}, "pagination": object{"cursor": !c.Index, "index": true},
	})
}

func (c *SCIM) record(p *Person) object {
	o := object{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "id": p.ID, "userName": p.UserName, "active": !p.Disabled,
		"meta": object{"resourceType": "User", "lastModified": p.updated.UTC().Format(time.RFC3339Nano)},
	}
	if p.Given != "" {
		o["name"] = object{"givenName": p.Given, "familyName": p.Family}
	}
	if p.Email != "" {
		o["emails"] = []object{{"value": p.Email, "type": "work", "primary": true}}
	}
	if p.Phone != "" {
		o["phoneNumbers"] = []object{{"value": p.Phone, "type": "work"}}
	}
	if p.Dept != "" {
		o["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"] = object{"department": p.Dept}
	}
	if p.Type != "" {
		o["userType"] = p.Type
	}
	if c.fault(FlagMissing) {
		delete(o, "active")
	}
	return o
}

// page answers with a page of a list, by cursor if the request has one.
func (c *SCIM) page(w http.ResponseWriter, r *http.Request, docs []object) {
	q := r.URL.Query()
	n := c.size(q.Get("count"), 200)
	out := object{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"}, "totalResults": len(docs)}
	from := 0
	if text := q.Get("cursor"); text != "" {
		at, err := strconv.Atoi(strings.TrimPrefix(text, "at-"))
		if err != nil || c.Index {
			scimFail(w, http.StatusBadRequest, "invalidCursor")
			return
		}
		if c.fault(Expired400) {
			scimFail(w, http.StatusBadRequest, "expiredCursor")
			return
		}
		from = at
	} else if i, err := strconv.Atoi(q.Get("startIndex")); err == nil {
		from = max(0, i-1)
	}
	rest := docs[min(from, len(docs)):]
	page := rest[:min(n, len(rest))]
	if len(page) > 0 && !c.fault(MissingScope) {
		out["Resources"] = page
	} else {
		out["totalResults"] = 0
	}
	if q.Has("cursor") && len(rest) > n {
		out["nextCursor"] = "at-" + strconv.Itoa(from+n)
	}
	if c.fault(Circle) {
		out["nextCursor"] = "at-0"
	}
	if c.fault(DataMissing) {
		out = object{"itemsPerPage": 0}
	}
	reply(w, http.StatusOK, out)
}

// trimmed keeps the attributes that were asked for.
func trimmed(r *http.Request, o object) object {
	if list := r.URL.Query().Get("attributes"); list != "" {
		return selected(o, append(strings.Split(list, ","), "schemas"))
	}
	return o
}

func (c *SCIM) users(w http.ResponseWriter, r *http.Request) {
	filter := r.URL.Query().Get("filter")
	var since time.Time
	if filter != "" {
		text, ok := strings.CutPrefix(filter, `meta.lastModified gt "`)
		at, err := time.Parse(time.RFC3339, strings.TrimSuffix(text, `"`))
		if !ok || err != nil || c.NoFilter {
			scimFail(w, http.StatusBadRequest, "invalidFilter")
			return
		}
		since = at
	}
	var docs []object
	people := c.People()
	for i := range people {
		if people[i].updated.After(since) {
			docs = append(docs, trimmed(r, c.record(&people[i])))
		}
	}
	c.page(w, r, docs)
}

func (c *SCIM) user(w http.ResponseWriter, r *http.Request) {
	p, ok := c.Person(r.PathValue("id"))
	if !ok {
		scimFail(w, http.StatusNotFound, "")
		return
	}
	reply(w, http.StatusOK, c.record(&p))
}

func (c *SCIM) groupRecord(g *Group) object {
	members := []object{}
	for _, m := range g.Members {
		kind := "User"
		if m.Group {
			kind = "Group"
		}
		members = append(members, object{"value": m.ID, "type": kind})
	}
	return object{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "id": g.ID, "displayName": g.Name, "members": members}
}

func (c *SCIM) groupList(w http.ResponseWriter, r *http.Request) {
	filter := r.URL.Query().Get("filter")
	var docs []object
	for _, g := range c.Groups() {
		if filter == "" || filter == "displayName eq "+strconv.Quote(g.Name) {
			docs = append(docs, trimmed(r, c.groupRecord(&g)))
		}
	}
	c.page(w, r, docs)
}

func (c *SCIM) group(w http.ResponseWriter, r *http.Request) {
	g, ok := c.Group(r.PathValue("id"))
	if !ok {
		scimFail(w, http.StatusNotFound, "")
		return
	}
	reply(w, http.StatusOK, trimmed(r, c.groupRecord(&g)))
}
