package fakeidp

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Keycloak is a fake of the Admin REST API of one realm. Its token endpoint
// is /realms/acme/protocol/openid-connect/token.
type Keycloak struct{ *Server }

// NewKeycloak starts a fake; close it.
func NewKeycloak(t *Tokens) *Keycloak {
	k := &Keycloak{}
	k.Server = start(newDirectory(guid), t, func(s *Server, mux *http.ServeMux) {
		mux.HandleFunc("POST /realms/acme/protocol/openid-connect/token", t.endpoint(s))
		for pattern, fn := range map[string]http.HandlerFunc{
			"/users":                k.users,
			"/users/count":          k.count,
			"/users/{id}":           k.user,
			"/groups":               k.groupList,
			"/groups/{id}":          k.group,
			"/groups/{id}/members":  k.members,
			"/groups/{id}/children": k.children,
		} {
			mux.HandleFunc("GET /admin/realms/acme"+pattern, s.api(func(w http.ResponseWriter, r *http.Request) {
				if s.fault(Forbidden) || strings.HasPrefix(pattern, "/groups") && s.fault(GroupsHidden) {
					reply(w, http.StatusForbidden, object{"error": "HTTP 403 Forbidden"})
					return
				}
				fn(w, r)
			}))
		}
	})
	return k
}

// Issuer is the issuer in a configuration.
func (k *Keycloak) Issuer() string { return k.URL + "/realms/acme" }

func (k *Keycloak) record(p *Person, brief bool) object {
	o := object{"id": p.ID, "username": p.UserName, "enabled": !p.Disabled, "emailVerified": true}
	for name, v := range map[string]string{"email": p.Email, "firstName": p.Given, "lastName": p.Family} {
		if v != "" {
			o[name] = v
		}
	}
	attributes := map[string][]string{}
	for name, v := range map[string]string{"department": p.Dept, "title": p.Title, "phoneNumber": p.Phone, "userType": p.Type} {
		if v != "" {
			attributes[name] = []string{v}
		}
	}
	if !brief && len(attributes) > 0 {
		o["attributes"] = attributes
	}
	if k.fault(FlagMissing) {
		delete(o, "enabled")
	}
	return o
}

// page answers with a piece of a list, by offset.
func (k *Keycloak) page(w http.ResponseWriter, r *http.Request, docs []object) {
	q := r.URL.Query()
	first, err := strconv.Atoi(q.Get("first"))
	if err != nil {
		first = 0
	}
	n, err := strconv.Atoi(q.Get("max"))
	if err != nil {
		n = 100
	}
	docs = docs[min(first, len(docs)):]
	docs = docs[:min(n, len(docs))]
	if docs == nil || k.fault(MissingScope) {
		docs = []object{}
	}
	if k.fault(DataMissing) {
		reply(w, http.StatusOK, nil)
		return
	}
	reply(w, http.StatusOK, docs)
}

// sorted are the people by login name, which is the order of the list.
func (k *Keycloak) sorted() []Person {
	list := k.People()
	slices.SortFunc(list, func(a, b Person) int { return cmp.Compare(a.UserName, b.UserName) })
	return list
}

func (k *Keycloak) users(w http.ResponseWriter, r *http.Request) {
	var docs []object
	list := k.sorted()
	for i := range list {
		docs = append(docs, k.record(&list[i], r.URL.Query().Get("briefRepresentation") != "false"))
	}
	k.page(w, r, docs)
}

func (k *Keycloak) count(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, len(k.People()))
}

func (k *Keycloak) user(w http.ResponseWriter, r *http.Request) {
	p, ok := k.Person(r.PathValue("id"))
	if !ok {
		reply(w, http.StatusNotFound, object{"error": "User not found"})
		return
	}
	reply(w, http.StatusOK, k.record(&p, false))
}

func keycloakGroup(g *Group) object {
	return object{"id": g.ID, "name": g.Name, "path": "/" + g.Name, "subGroups": []object{}}
}

func (k *Keycloak) groupList(w http.ResponseWriter, r *http.Request) {
	search := r.URL.Query().Get("search")
	var docs []object
	for _, g := range k.Groups() {
		if search != "" && g.Name == search || search == "" && g.Parent == "" {
			docs = append(docs, keycloakGroup(&g))
		}
	}
	k.page(w, r, docs)
}

func (k *Keycloak) group(w http.ResponseWriter, r *http.Request) {
	g, ok := k.Group(r.PathValue("id"))
	if !ok {
		reply(w, http.StatusNotFound, object{"error": "Could not find group by id"})
		return
	}
	reply(w, http.StatusOK, keycloakGroup(&g))
}

func (k *Keycloak) members(w http.ResponseWriter, r *http.Request) {
	g, ok := k.Group(r.PathValue("id"))
	if !ok {
		reply(w, http.StatusNotFound, object{"error": "Could not find group by id"})
		return
	}
	var docs []object
	for _, m := range g.Members {
		if p, there := k.Person(m.ID); there {
			docs = append(docs, k.record(&p, true))
		}
	}
	k.page(w, r, docs)
}

func (k *Keycloak) children(w http.ResponseWriter, r *http.Request) {
	var docs []object
	for _, g := range k.Groups() {
		if g.Parent == r.PathValue("id") {
			docs = append(docs, keycloakGroup(&g))
		}
	}
	k.page(w, r, docs)
}
