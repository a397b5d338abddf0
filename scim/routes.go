package scim

import (
	"net/http"
	"strings"
)

// endpoint is the first part of a path behind /scim/v2.
type endpoint uint8

const (
	endpointNone endpoint = iota
	endpointUsers
	endpointGroups
	endpointConfig
	endpointSchemas
	endpointTypes
	endpointMe
	endpointBulk
	endpointSearch
	endpointRoot
	endpointNumbers
	endpointRoles
)

// endpointNames are the names on the wire (RFC 7644 section 3.2, table 2). The
// last one is what some clients call ServiceProviderConfig (TL15).
var endpointNames = []struct {
	name string
	endpoint
}{
	{"Users", endpointUsers},
	{"Groups", endpointGroups},
	{"Numbers", endpointNumbers},
	{"Roles", endpointRoles},
	{"ServiceProviderConfig", endpointConfig},
	{"Schemas", endpointSchemas},
	{"ResourceTypes", endpointTypes},
	{"Me", endpointMe},
	{"Bulk", endpointBulk},
	{".search", endpointSearch},
	{"serviceConfiguration", endpointConfig},
}

// String returns the name on the wire, empty for none.
func (e endpoint) String() string {
	for _, n := range endpointNames {
		if n.endpoint == e {
			return n.name
		}
	}
	return ""
}

// route is where a request goes.
type route struct {
	endpoint
	id string // of one resource, "" for the endpoint itself
}

// lookupEndpoint finds an endpoint; exact says that its name was spelt as it
// is.
func lookupEndpoint(name string) (e endpoint, exact bool) {
	for _, n := range endpointNames[:len(endpointNames)-1] {
		if n.name == name {
			return n.endpoint, true
		}
	}
	for _, n := range endpointNames {
		if sameName(n.name, name) {
			return n.endpoint, false
		}
	}
	return endpointNone, false
}

// splitPath cuts a path into endpoint and id. A slash at the end is ignored; a
// path with more parts has none.
func splitPath(path string) (name, id string, ok bool) {
	path = strings.TrimPrefix(path, basePath)
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	name, id, _ = strings.Cut(path, "/")
	return name, id, name != "" && strings.IndexByte(id, '/') < 0
}

// isDiscovery reports whether a path is one that is open without a token.
func isDiscovery(path string) bool {
	name, _, _ := splitPath(path)
	e, _ := lookupEndpoint(name)
	return e == endpointConfig || e == endpointSchemas || e == endpointTypes
}

// findRoute resolves the path of a request.
func (x *exchange) findRoute() (route, error) {
	name, id, ok := splitPath(x.r.URL.Path)
	if name == "" && id == "" {
		return route{endpoint: endpointRoot}, nil
	}
	if !ok {
		return route{}, errNoEndpoint()
	}
	e, exact := lookupEndpoint(name)
	if e == endpointNone {
		return route{}, errNoEndpoint()
	}
	if !exact && x.link != nil {
		if !x.link.profile.Tolerate.Has(TL15) {
			return route{}, errNoEndpoint()
		}
		x.note(Notes{{Rule: TL15.String(), Attribute: e.String(), Count: 1}})
	}
	return route{endpoint: e, id: id}, nil
}

// dispatch runs the method of the route.
func (x *exchange) dispatch() error {
	switch x.route.endpoint {
	case endpointUsers:
		return x.resources(userMethods)
	case endpointGroups:
		return x.resources(groupMethods)
	case endpointMe:
		return errNotImplemented("this token belongs to a connection, not to a person, so there is no Me")
	case endpointBulk:
		return x.bulk()
	case endpointNumbers:
		return x.readOnlyResources(numberSource{x}, x.getNumber)
	case endpointRoles:
		return x.readOnlyResources(roleSource{x}, x.getRole)
	case endpointRoot:
		if !isRead(x.r.Method) {
			return errMethodNotAllowed(x.r.Method, http.MethodGet, http.MethodHead)
		}
		return x.search(userSource{x}, groupSource{x})
	case endpointSearch:
		if x.route.id != "" {
			return errNoEndpoint()
		}
		if x.r.Method != http.MethodPost {
			return errMethodNotAllowed(x.r.Method, http.MethodPost)
		}
		return x.search(userSource{x}, groupSource{x})
	default:
		return x.discover()
	}
}

// methods are what one resource type answers; all of them are set.
type methods struct {
	list, create, get, put, patch, remove func(*exchange) error
}

var (
	userMethods = methods{
		list: (*exchange).listUsers, create: (*exchange).createUser, get: (*exchange).getUser,
		put: (*exchange).putUser, patch: (*exchange).patchUser, remove: (*exchange).deleteUser,
	}
	groupMethods = methods{
		list: (*exchange).listGroups, create: (*exchange).createGroup, get: (*exchange).getGroup,
		put: (*exchange).putGroup, patch: (*exchange).patchGroup, remove: (*exchange).deleteGroup,
	}
)

// resources runs a method on the resources of one type, or on one of them.
func (x *exchange) resources(m methods) error {
	if x.route.id == ".search" {
		if x.r.Method != http.MethodPost {
			return errMethodNotAllowed(x.r.Method, http.MethodPost)
		}
		return m.list(x)
	}
	if !plainID(x.route.id) {
		return errNotFound(strings.TrimSuffix(x.route.endpoint.String(), "s"), shorten(x.route.id))
	}
	if x.route.id == "" {
		switch x.r.Method {
		case http.MethodGet, http.MethodHead:
			return m.list(x)
		case http.MethodPost:
			return m.create(x)
		}
		return errMethodNotAllowed(x.r.Method, http.MethodGet, http.MethodHead, http.MethodPost)
	}
	switch x.r.Method {
	case http.MethodGet, http.MethodHead:
		return m.get(x)
	case http.MethodPut:
		return m.put(x)
	case http.MethodPatch:
		return m.patch(x)
	case http.MethodDelete:
		return m.remove(x)
	}
	return errMethodNotAllowed(x.r.Method, http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete)
}

// maxID is the longest id that is looked up; ours are UUIDs.
const maxID = 64

// plainID reports whether an id could be one of ours. Others are not found, in
// whatever form they come: no engine need see them.
func plainID(id string) bool {
	if len(id) > maxID {
		return false
	}
	for i := 0; i < len(id); i++ {
		if c := id[i]; c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}
