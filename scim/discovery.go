package scim

import (
	"encoding/json"
	"strings"
	"time"
)

// Capabilities are the optional parts of the protocol that are really built.
// Discovery says these and nothing else; each flag has a test that does what
// the flag says.
type Capabilities struct {
	Patch, ETag, Filter, Sort, Bulk, ChangePassword bool
	IndexPaging, CursorPaging                       bool

	MaxResults        int // Most resources in one page.
	DefaultPageSize   int
	BulkOperations    int // Most operations of a Bulk request.
	BulkPayload       int // Bytes.
	CursorSeconds     int // Life of a cursor.
	DocumentationURL  string
	EventURIs         []string // Events that are really sent (RFC 9967).
	ClientCredentials bool     // OAuth clients exist for this workspace.
	// ListHidden lists attributes that some clients' schema tests stumble over
	// (profile strict); password is never listed.
	ListHidden bool
}

// DefaultCapabilities are those of this release.
func DefaultCapabilities() Capabilities {
	return Capabilities{
		Patch: true, ETag: true, Filter: true, Sort: true, IndexPaging: true, CursorPaging: true,
		Bulk: true, BulkOperations: maxBulkOperations, BulkPayload: maxGroupBody,
		MaxResults: maxCount, DefaultPageSize: defaultCount, CursorSeconds: int(cursorLife / time.Second),
	}
}

type supported struct {
	Supported bool `json:"supported"`
}

type bulkFlag struct {
	Supported      bool `json:"supported"`
	MaxOperations  int  `json:"maxOperations"`
	MaxPayloadSize int  `json:"maxPayloadSize"`
}

type filterFlag struct {
	Supported  bool `json:"supported"`
	MaxResults int  `json:"maxResults"`
}

type pagination struct {
	Cursor        bool   `json:"cursor"`
	Index         bool   `json:"index"`
	DefaultMethod string `json:"defaultPaginationMethod"`
	DefaultSize   int    `json:"defaultPageSize"`
	MaxSize       int    `json:"maxPageSize"`
	CursorTimeout int    `json:"cursorTimeout,omitempty"`
}

type securityEvents struct {
	AsyncRequest string   `json:"asyncRequest"`
	EventURIs    []string `json:"eventUris"`
}

type authenticationScheme struct {
	Type        string `json:"type"`
	Name        string `json:"name"`
	Description string `json:"description"`
	SpecURI     string `json:"specUri"`
	Primary     bool   `json:"primary,omitempty"`
}

type discoveryMeta struct {
	ResourceType string `json:"resourceType"`
	Location     string `json:"location"`
}

// ServiceProviderConfig builds the body of /ServiceProviderConfig (RFC 7643
// section 5, RFC 9865 section 2). base is the absolute URL of the service
// without a slash at the end.
func ServiceProviderConfig(base string, c Capabilities) ([]byte, error) {
	config := struct {
		Schemas        []string               `json:"schemas"`
		Documentation  string                 `json:"documentationUri,omitempty"`
		Patch          supported              `json:"patch"`
		Bulk           bulkFlag               `json:"bulk"`
		Filter         filterFlag             `json:"filter"`
		ChangePassword supported              `json:"changePassword"`
		Sort           supported              `json:"sort"`
		ETag           supported              `json:"etag"`
		Pagination     pagination             `json:"pagination"`
		SecurityEvents *securityEvents        `json:"securityEvents,omitempty"`
		Authentication []authenticationScheme `json:"authenticationSchemes"`
		Meta           discoveryMeta          `json:"meta"`
	}{
		Schemas:       []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		Documentation: c.DocumentationURL,
		Patch:         supported{c.Patch}, ChangePassword: supported{c.ChangePassword}, Sort: supported{c.Sort}, ETag: supported{c.ETag},
		Bulk:       bulkFlag{c.Bulk, c.BulkOperations, c.BulkPayload},
		Filter:     filterFlag{c.Filter, c.MaxResults},
		Pagination: pagination{c.CursorPaging, c.IndexPaging, "index", c.DefaultPageSize, c.MaxResults, c.CursorSeconds},
		Authentication: []authenticationScheme{{
			Type: "oauthbearertoken", Name: "Bearer token", Primary: true,
			Description: "A token of this connection, made by an administrator of Rollcall, in the Authorization header.",
			SpecURI:     "https://www.rfc-editor.org/rfc/rfc6750",
		}},
		Meta: discoveryMeta{"ServiceProviderConfig", base + "/ServiceProviderConfig"},
	}
	if len(c.EventURIs) > 0 {
		config.SecurityEvents = &securityEvents{"none", c.EventURIs}
	}
	if c.ClientCredentials {
		config.Authentication = append(config.Authentication, authenticationScheme{
			Type: "oauth2", Name: "OAuth 2.0 client credentials",
			Description: "Access tokens from the token endpoint of this service.",
			SpecURI:     "https://www.rfc-editor.org/rfc/rfc6749",
		})
	}
	return json.Marshal(config)
}

// ResourceTypeBody builds the body of /ResourceTypes/{name} (RFC 7643 section
// 6). The name is matched in any letter case; ok is false if there is none.
func ResourceTypeBody(base string, types []*ResourceType, name string) (body []byte, ok bool, err error) {
	for _, rt := range types {
		if strings.EqualFold(rt.Name, name) {
			body, err = json.Marshal(resourceTypeMap(base, rt))
			return body, true, err
		}
	}
	return nil, false, nil
}

// ResourceTypesBody builds the list /ResourceTypes.
func ResourceTypesBody(base string, types []*ResourceType) ([]byte, error) {
	list := make([]any, len(types))
	for i, rt := range types {
		list[i] = resourceTypeMap(base, rt)
	}
	return json.Marshal(listMap(list))
}

func resourceTypeMap(base string, rt *ResourceType) map[string]any {
	m := map[string]any{
		"schemas":     []string{"urn:ietf:params:scim:schemas:core:2.0:ResourceType"},
		"id":          rt.Name,
		"name":        rt.Name,
		"description": rt.Core.Description,
		"endpoint":    rt.Endpoint,
		"schema":      rt.Core.ID,
		"meta":        discoveryMeta{"ResourceType", base + "/ResourceTypes/" + rt.Name},
	}
	if len(rt.Extensions) > 0 {
		extensions := make([]map[string]any, len(rt.Extensions))
		for i, ext := range rt.Extensions {
			extensions[i] = map[string]any{"schema": ext.ID, "required": false}
		}
		m["schemaExtensions"] = extensions
	}
	return m
}

// SchemaBody builds the body of /Schemas/{urn} (RFC 7643 section 7). The URN is
// matched in any letter case; ok is false if there is none.
func SchemaBody(base string, types []*ResourceType, urn string, c Capabilities) (body []byte, ok bool, err error) {
	for _, s := range schemasOf(types) {
		if sameName(s.ID, urn) {
			body, err = json.Marshal(schemaMap(base, s, c))
			return body, true, err
		}
	}
	return nil, false, nil
}

// SchemasBody builds the list /Schemas.
func SchemasBody(base string, types []*ResourceType, c Capabilities) ([]byte, error) {
	schemas := schemasOf(types)
	list := make([]any, len(schemas))
	for i, s := range schemas {
		list[i] = schemaMap(base, s, c)
	}
	return json.Marshal(listMap(list))
}

// schemasOf lists the schemas of all types once each, in order.
func schemasOf(types []*ResourceType) []*Schema {
	var list []*Schema
	seen := map[string]bool{}
	for _, rt := range types {
		for _, s := range append([]*Schema{rt.Core}, rt.Extensions...) {
			if !seen[s.ID] {
				seen[s.ID] = true
				list = append(list, s)
			}
		}
	}
	return list
}

// listMap wraps resources of discovery, which are never paged.
func listMap(list []any) map[string]any {
	return map[string]any{
		"schemas": []string{listSchema}, "totalResults": len(list), "startIndex": 1, "itemsPerPage": len(list), "Resources": list,
	}
}

// schemaMap describes a schema by the library's own form of it. Empty texts
// are left out, and the location is added (LB17).
func schemaMap(base string, s *Schema, c Capabilities) map[string]any {
	m := LibrarySchema(s, c.ListHidden).ToMap()
	dropEmpty(m)
	m["meta"] = discoveryMeta{"Schema", base + "/Schemas/" + s.ID}
	return m
}

// dropEmpty removes empty texts from a description, at every level.
func dropEmpty(m map[string]any) {
	for key, v := range m {
		switch v := v.(type) {
		case string:
			if v == "" {
				delete(m, key)
			}
		case []map[string]any:
			for _, e := range v {
				dropEmpty(e)
			}
		}
	}
}
