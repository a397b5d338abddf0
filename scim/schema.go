package scim

import (
	"errors"
	"fmt"
	"strings"
)

// The schemas of RFC 7643 section 8.7 and of Rollcall. The Rollcall URNs are
// not registered with IANA.
const (
	URNUser           = "urn:ietf:params:scim:schemas:core:2.0:User"
	URNGroup          = "urn:ietf:params:scim:schemas:core:2.0:Group"
	URNEnterpriseUser = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	URNRollcallUser   = "urn:ietf:params:scim:schemas:extension:rollcall:2.0:User"
	URNRollcallGroup  = "urn:ietf:params:scim:schemas:extension:rollcall:2.0:Group"
	URNRollcallNumber = "urn:ietf:params:scim:schemas:extension:rollcall:2.0:Number"
	URNRollcallRole   = "urn:ietf:params:scim:schemas:extension:rollcall:2.0:Role"
	// URNOktaRole is the only role schema that Okta's governance discovers.
	URNOktaRole = "urn:okta:scim:schemas:core:1.0:Role"
)

// urnAliases are the SCIM 1.0 names of TL13 for schemas of 2.0.
var urnAliases = map[string]string{
	"urn:scim:schemas:core:1.0":                      URNUser,
	"urn:scim:schemas:core:1.0:user":                 URNUser,
	"urn:scim:schemas:core:1.0:group":                URNGroup,
	"urn:scim:schemas:extension:enterprise:1.0":      URNEnterpriseUser,
	"urn:scim:schemas:extension:enterprise:1.0:user": URNEnterpriseUser,
}

// sharedAttributes are the common attributes of RFC 7643 section 3.1 with
// `schemas`. They belong to every resource and to no schema.
var sharedAttributes = []Attribute{
	{Name: "schemas", Type: TypeReference, MultiValued: true, CaseExact: true, Mutability: ReadOnly, Returned: ReturnedAlways},
	{Name: "id", CaseExact: true, Mutability: ReadOnly, Returned: ReturnedAlways, Unique: "server"},
	{Name: "externalId", CaseExact: true},
	{Name: "meta", Type: TypeComplex, Mutability: ReadOnly, Sub: []Attribute{
		{Name: "resourceType", CaseExact: true, Mutability: ReadOnly},
		{Name: "created", Type: TypeDateTime, Mutability: ReadOnly},
		{Name: "lastModified", Type: TypeDateTime, Mutability: ReadOnly},
		{Name: "location", Type: TypeReference, CaseExact: true, Mutability: ReadOnly},
		{Name: "version", CaseExact: true, Mutability: ReadOnly},
	}},
}

// The rows of sharedAttributes that other files point at.
var (
	schemasAttribute    = &sharedAttributes[0]
	externalIDAttribute = &sharedAttributes[2]
	metaAttribute       = &sharedAttributes[3]
)

// sameName compares two attribute names or URNs without regard to letter case
// (RFC 7643 section 2.1). Both must be of the same length in bytes, so that no
// Unicode letter folds into an ASCII name.
func sameName(a, b string) bool {
	return len(a) == len(b) && strings.EqualFold(a, b)
}

// findAttribute returns the row with this name, nil if there is none. The
// tables are short: a scan that compares lengths first beats a map.
func findAttribute(table []Attribute, name string) *Attribute {
	for i := range table {
		if sameName(table[i].Name, name) {
			return &table[i]
		}
	}
	return nil
}

// sub returns the sub-attribute with this name, nil if there is none.
func (a *Attribute) sub(name string) *Attribute { return findAttribute(a.Sub, name) }

// writable reports whether a client may state the attribute.
func (a *Attribute) writable() bool { return a.Mutability != ReadOnly }

// target is what an attribute name means for a resource type: a whole
// extension (attr is nil), an attribute, or a sub-attribute.
type target struct {
	ext  *Schema // Nil for the core schema and the common attributes.
	attr *Attribute
	sub  *Attribute
}

// String returns the canonical name: URN-qualified for extensions, dotted for
// sub-attributes.
func (t target) String() string {
	var b strings.Builder
	if t.ext != nil {
		b.WriteString(t.ext.ID)
		if t.attr != nil {
			b.WriteByte(':')
		}
	}
	if t.attr != nil {
		b.WriteString(t.attr.Name)
	}
	if t.sub != nil {
		b.WriteString("." + t.sub.Name)
	}
	return b.String()
}

// extension returns the extension whose URN this is, in any letter case.
func (rt *ResourceType) extension(urn string) *Schema {
	for _, s := range rt.Extensions {
		if sameName(s.ID, urn) {
			return s
		}
	}
	return nil
}

// find resolves an attribute name: plain, dotted, or qualified by a schema URN.
// A name that is a whole extension URN is that extension (LB06). Names without
// URN belong to the core schema or are common attributes.
func (rt *ResourceType) find(name string) (target, bool) {
	var ext *Schema
	if len(name) > 4 && strings.EqualFold(name[:4], "urn:") {
		rest, found := "", false
		if r, ok := cutURN(name, rt.Core.ID); ok && r != "" {
			rest, found = r, true
		}
		for _, s := range rt.Extensions {
			if r, ok := cutURN(name, s.ID); ok && (ext == nil || len(s.ID) > len(ext.ID)) {
				ext, rest, found = s, r, true
			}
		}
		if !found {
			return target{}, false
		}
		if rest == "" {
			return target{ext: ext}, true
		}
		name = rest
	}
	head, tail, dotted := strings.Cut(name, ".")
	t := target{ext: ext}
	if ext != nil {
		t.attr = findAttribute(ext.Attributes, head)
	} else if t.attr = findAttribute(rt.Core.Attributes, head); t.attr == nil {
		t.attr = findAttribute(sharedAttributes, head)
	}
	if t.attr == nil {
		return target{}, false
	}
	if dotted {
		if t.sub = t.attr.sub(tail); t.sub == nil {
			return target{}, false
		}
	}
	return t, true
}

// cutURN removes the URN of a schema and the colon after it from a name; the
// rest is empty if the name is the URN itself.
func cutURN(name, urn string) (rest string, ok bool) {
	if len(name) < len(urn) || !strings.EqualFold(name[:len(urn)], urn) {
		return "", false
	}
	if len(name) == len(urn) {
		return "", true
	}
	if name[len(urn)] != ':' {
		return "", false
	}
	return name[len(urn)+1:], true
}

// Check returns what is wrong with the tables, all problems at once: names of
// a strange form or given twice (in any letter case), complex attributes
// without sub-attributes, and the reverse. It is called at start (LB18).
func (rt *ResourceType) Check() error {
	var problems []error
	if rt.Core == nil || rt.Name == "" || !strings.HasPrefix(rt.Endpoint, "/") {
		return fmt.Errorf("resource type %q needs a name, an endpoint that begins with / and a core schema", rt.Name)
	}
	seen := map[string]bool{}
	for _, s := range append([]*Schema{rt.Core}, rt.Extensions...) {
		if key := strings.ToLower(s.ID); !strings.HasPrefix(key, "urn:") || seen[key] {
			problems = append(problems, fmt.Errorf("schema %q: the id is no URN or is given twice", s.ID))
		} else {
			seen[key] = true
		}
		problems = append(problems, checkTable(s.ID, s.Attributes, false)...)
	}
	for _, a := range rt.Core.Attributes {
		if findAttribute(sharedAttributes, a.Name) != nil {
			problems = append(problems, fmt.Errorf("schema %q: %s is a common attribute", rt.Core.ID, a.Name))
		}
	}
	return errors.Join(problems...)
}

// checkTable checks one level of a schema; sub says that it is the second one,
// which has no level below.
func checkTable(where string, table []Attribute, sub bool) []error {
	var problems []error
	seen := map[string]bool{}
	for i := range table {
		a := &table[i]
		key := strings.ToLower(a.Name)
		if !goodName(a.Name, sub) || seen[key] {
			problems = append(problems, fmt.Errorf("schema %q: the name %q is malformed or given twice", where, a.Name))
		}
		seen[key] = true
		switch {
		case a.Type == TypeComplex && (sub || len(a.Sub) == 0):
			problems = append(problems, fmt.Errorf("schema %q: complex attribute %q needs sub-attributes and may not be one", where, a.Name))
		case a.Type != TypeComplex && len(a.Sub) > 0:
			problems = append(problems, fmt.Errorf("schema %q: only complex attributes have sub-attributes, not %q", where, a.Name))
		case a.Type == TypeComplex:
			problems = append(problems, checkTable(where+":"+a.Name, a.Sub, true)...)
		}
	}
	return problems
}

// goodName follows the ATTRNAME rule of RFC 7643 section 2.1; `$ref` is a
// sub-attribute only.
func goodName(name string, sub bool) bool {
	if sub && name == "$ref" {
		return true
	}
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || !(r >= '0' && r <= '9' || r == '-' || r == '_')) {
			return false
		}
	}
	return name != ""
}

// ExtensionSchemas builds schemas of plain strings from full attribute URNs
// such as "urn:acme:scim:User:phoneSite", which a mapping may name beside the
// built-in attributes. The schema is what stands before the last colon.
func ExtensionSchemas(urns []string) ([]*Schema, error) {
	var schemas []*Schema
	for _, urn := range urns {
		at := strings.LastIndexByte(urn, ':')
		if at < 0 || !strings.HasPrefix(strings.ToLower(urn), "urn:") || !goodName(urn[at+1:], false) {
			return nil, fmt.Errorf("%q is no attribute URN: want urn:NAMESPACE:...:ATTRIBUTE", urn)
		}
		id, name := urn[:at], urn[at+1:]
		var schema *Schema
		for _, s := range schemas {
			if sameName(s.ID, id) {
				schema = s
			}
		}
		if schema == nil {
			schema = &Schema{ID: id, Name: name, Description: "Attributes that the mapping of this workspace reads."}
			schemas = append(schemas, schema)
		}
		if findAttribute(schema.Attributes, name) == nil {
			schema.Attributes = append(schema.Attributes, Attribute{Name: name, Description: "Read by the mapping."})
		}
	}
	return schemas, nil
}
