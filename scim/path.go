package scim

import "strings"

// Path is the target of a PATCH operation (RFC 7644 section 3.5.2). The zero
// value is the whole resource; with Extension alone it is that extension.
type Path struct {
	Extension string     // URN of the extension as its schema spells it; empty for the core schema.
	Attribute *Attribute // Nil if the path is a whole schema.
	Sub       *Attribute // Of attr.sub and attr[filter].sub, else nil.
	Filter    Filter     // Over one entry, see MatchEntry; nil if there is none.
}

// ParsePath reads a PATCH path over resources of type rt: attr, attr.sub,
// attr[filter], attr[filter].sub, each perhaps behind a schema URN, or a whole
// URN (LB06). Errors are *Error with status 400: invalidPath, or invalidFilter
// and tooMany for what stands in brackets.
func ParsePath(text string, rt *ResourceType, opt FilterOptions) (Path, error) {
	// LB06: to the general grammar a whole URN is an attribute called User.
	if len(text) <= maxPathBytes {
		urn := rt.canonicalURN(strings.Trim(text, " \t"), opt)
		if sameName(urn, rt.Core.ID) {
			return Path{}, nil
		}
		if ext := rt.extension(urn); ext != nil {
			return Path{Extension: ext.ID}, nil
		}
	}
	guarded, err := guardPath(text, opt)
	if err != nil {
		return Path{}, err
	}
	ref, ok := rt.resolve(guarded.name, opt)
	if !ok {
		return Path{}, errInvalidPath("", "%s has no attribute %q", rt.Name, guarded.name)
	}
	path := Path{Extension: ref.Extension, Attribute: ref.Attribute, Sub: ref.Sub}
	if !guarded.hasFilter {
		return path, nil
	}
	if err := isFilterableList(ref); err != nil {
		return Path{}, err
	}
	b := builder{rt: rt, opt: opt, literals: guarded.filter.literals, list: &ref}
	if path.Filter, err = b.parse(guarded.filter.text); err != nil {
		return Path{}, err
	}
	if guarded.sub != "" {
		if path.Sub = findAttribute(ref.Attribute.Sub, guarded.sub); path.Sub == nil {
			return Path{}, errInvalidPath("", "%s has no sub-attribute %q", ref, guarded.sub)
		}
	}
	return path, nil
}
