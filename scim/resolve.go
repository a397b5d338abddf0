package scim

import "strings"

// Ref names one attribute of a resource type. Attribute and Sub point into the
// schema tables and must not be changed.
type Ref struct {
	Extension string     // URN of the extension as its schema spells it; empty for the core schema.
	Attribute *Attribute // The top attribute.
	Sub       *Attribute // The sub-attribute; nil if the whole attribute is meant.
}

// String spells the attribute as RFC 7644 section 3.10 does.
func (r Ref) String() string {
	s := r.Attribute.Name
	if r.Sub != nil {
		s += "." + r.Sub.Name
	}
	if r.Extension != "" {
		s = r.Extension + ":" + s
	}
	return s
}

// leaf is the attribute whose type the value has.
func (r Ref) leaf() *Attribute {
	if r.Sub != nil {
		return r.Sub
	}
	return r.Attribute
}

// Attributes that every resource has, and that no core schema lists
// (RFC 7643 section 3.1).
var commonAttributes = []Attribute{
	{Name: "id", CaseExact: true, Mutability: ReadOnly, Returned: ReturnedAlways, Unique: "server"},
	{Name: "externalId", CaseExact: true},
	{Name: "schemas", Type: TypeReference, MultiValued: true, CaseExact: true, Returned: ReturnedAlways},
	{Name: "meta", Type: TypeComplex, Mutability: ReadOnly, Sub: []Attribute{
		{Name: "resourceType", CaseExact: true, Mutability: ReadOnly},
		{Name: "created", Type: TypeDateTime, Mutability: ReadOnly},
		{Name: "lastModified", Type: TypeDateTime, Mutability: ReadOnly},
		{Name: "location", Type: TypeReference, CaseExact: true, Mutability: ReadOnly},
		{Name: "version", CaseExact: true, Mutability: ReadOnly},
	}},
}

// Schema URNs of SCIM 1.0, as OneLogin and JumpCloud send them (TL13).
const (
	coreURN10       = "urn:scim:schemas:core:1.0"
	enterpriseURN10 = "urn:scim:schemas:extension:enterprise:1.0"
	enterpriseURN20 = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// splitName takes "URN:attribute.sub" apart. The URN is empty if there is
// none; dotted says whether a dot follows the attribute.
func splitName(name string) (urn, attribute, sub string, dotted bool) {
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		urn, name = name[:i], name[i+1:]
	}
	attribute, sub, dotted = strings.Cut(name, ".")
	return urn, attribute, sub, dotted
}

// findSchema finds a schema of rt by its URN in any letter case (LB08).
func (rt *ResourceType) findSchema(urn string, opt FilterOptions) *Schema {
	if strings.EqualFold(urn, rt.Core.ID) {
		return rt.Core
	}
	for _, s := range rt.Extensions {
		if strings.EqualFold(urn, s.ID) {
			return s
		}
	}
	if !opt.Lenient {
		return nil
	}
	if strings.EqualFold(urn, coreURN10) {
		opt.tolerated("TL13")
		return rt.Core
	}
	if strings.EqualFold(urn, enterpriseURN10) || strings.EqualFold(urn, enterpriseURN10+":User") {
		for _, s := range rt.Extensions {
			if s.ID == enterpriseURN20 {
				opt.tolerated("TL13")
				return s
			}
		}
	}
	return nil
}

// resolve finds the attribute that name spells, in any letter case: of the
// core schema, of an extension by its URN, or common to all resources. It
// returns false if there is none.
func (rt *ResourceType) resolve(name string, opt FilterOptions) (Ref, bool) {
	urn, attribute, sub, dotted := splitName(name)
	schema := rt.Core
	if urn != "" {
		if schema = rt.findSchema(urn, opt); schema == nil {
			return Ref{}, false
		}
	}
	var ref Ref
	ref.Attribute = attributeNamed(schema.Attributes, attribute)
	if schema != rt.Core {
		ref.Extension = schema.ID
	} else if ref.Attribute == nil {
		ref.Attribute = attributeNamed(commonAttributes, attribute)
	}
	if ref.Attribute == nil {
		return Ref{}, false
	}
	if dotted {
		if ref.Sub = attributeNamed(ref.Attribute.Sub, sub); ref.Sub == nil {
			return Ref{}, false
		}
	}
	return ref, true
}

// attributeNamed finds an attribute by name in any letter case (RFC 7643
// section 2.1), nil if there is none.
func attributeNamed(attributes []Attribute, name string) *Attribute {
	for i := range attributes {
		if len(attributes[i].Name) == len(name) && strings.EqualFold(attributes[i].Name, name) {
			return &attributes[i]
		}
	}
	return nil
}

// caseExact says whether letter case matters to comparisons of ref: where the
// schema says so and in references; ids of other resources are marked so in the
// tables.
func caseExact(ref Ref) bool {
	leaf := ref.leaf()
	return leaf.CaseExact || leaf.Type == TypeReference || leaf.Type == TypeBinary
}
