package scim

import (
	"net/http"
	"strings"
)

// discovery holds the documents of discovery (RFC 7644 section 4) as they are
// sent, built once. It is immutable.
type discovery struct {
	config, schemas, types []byte
	// oauth is config while an OAuth client exists.
	oauth        []byte
	schema       map[string][]byte // by lower-case URN
	resourceType map[string][]byte // by lower-case name
}

// newDiscovery builds the documents of these types.
func newDiscovery(base string, types []*ResourceType, c Capabilities) (*discovery, error) {
	d := &discovery{schema: map[string][]byte{}, resourceType: map[string][]byte{}}
	var err error
	if d.config, err = ServiceProviderConfig(base, c); err != nil {
		return nil, err
	}
	c.ClientCredentials = true
	if d.oauth, err = ServiceProviderConfig(base, c); err != nil {
		return nil, err
	}
	if d.schemas, err = SchemasBody(base, types, c); err != nil {
		return nil, err
	}
	if d.types, err = ResourceTypesBody(base, types); err != nil {
		return nil, err
	}
	for _, s := range schemasOf(types) {
		if d.schema[strings.ToLower(s.ID)], _, err = SchemaBody(base, types, s.ID, c); err != nil {
			return nil, err
		}
	}
	for _, rt := range types {
		if d.resourceType[strings.ToLower(rt.Name)], _, err = ResourceTypeBody(base, types, rt.Name); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// discover answers the three endpoints of discovery: general documents without
// a token, the connection's own ones with it.
func (x *exchange) discover() error {
	if !isRead(x.r.Method) {
		return errMethodNotAllowed(x.r.Method, http.MethodGet, http.MethodHead)
	}
	if x.query.Has("filter") {
		// RFC 7644 section 4: so that nobody takes a part for the whole.
		return errDenied("", "discovery takes no filter. Remedy: read the whole list")
	}
	d := x.h.general
	if x.link != nil {
		d = x.link.discovery
	}
	id := x.route.id
	var body []byte
	found := true
	switch {
	case x.route.endpoint == endpointConfig && id == "":
		body = d.config
		if x.link != nil {
			offered, err := x.offersOAuth()
			if err != nil {
				return err
			}
			if offered {
				body = d.oauth
			}
		}
	case x.route.endpoint == endpointSchemas && id == "":
		body = d.schemas
	case x.route.endpoint == endpointTypes && id == "":
		body = d.types
	case x.route.endpoint == endpointSchemas:
		body, found = d.schema[strings.ToLower(id)]
	case x.route.endpoint == endpointTypes:
		body, found = d.resourceType[strings.ToLower(id)]
	default:
		found = false
	}
	if !found {
		return errNotFound(strings.TrimSuffix(x.route.endpoint.String(), "s"), shorten(id))
	}
	return x.write(http.StatusOK, body)
}
