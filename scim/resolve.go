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

// caseExact says whether letter case matters to comparisons: where the schema
// says so and in references; ids of other resources are marked so in the
// tables.
func (r Ref) caseExact() bool {
	leaf := r.leaf()
	return leaf.CaseExact || leaf.Type == TypeReference || leaf.Type == TypeBinary
}

// resolve finds the attribute that name spells, in any letter case (LB08): of
// the core schema, of an extension by its URN, or common to all resources. It
// returns false if there is none; a whole schema is none.
func (rt *ResourceType) resolve(name string, opt FilterOptions) (Ref, bool) {
	t, ok := rt.find(rt.canonicalURN(name, opt))
	if !ok && opt.Lenient && sameName(name, "email") {
		// Ping asks for `email co "u"`; no schema has that name.
		if t, ok = rt.find("emails"); ok {
			opt.tolerated(TL12.String())
		}
	}
	if !ok || t.attr == nil {
		return Ref{}, false
	}
	ref := Ref{Attribute: t.attr, Sub: t.sub}
	if t.ext != nil {
		ref.Extension = t.ext.ID
	}
	return ref, true
}

// canonicalURN replaces a SCIM 1.0 URN at the start of name by that of 2.0, in
// lenient mode (TL13). The core URN of 1.0 means the core schema of rt.
func (rt *ResourceType) canonicalURN(name string, opt FilterOptions) string {
	const prefix = "urn:scim:schemas:"
	if _, old := cutWord(name, prefix); !old || !opt.Lenient {
		return name
	}
	for at := len(name); at > 0; at = strings.LastIndexByte(name[:at], ':') {
		urn, ok := urnAliases[strings.ToLower(name[:at])]
		if !ok {
			continue
		}
		if urn == URNUser || urn == URNGroup {
			urn = rt.Core.ID
		}
		opt.tolerated(TL13.String())
		return urn + name[at:]
	}
	return name
}
