package scim

import "strings"

// maxProjection bounds the names in attributes and excludedAttributes.
const maxProjection = 200

// Projection says which attributes an answer shows (RFC 7644 section 3.9). The
// zero value shows the default. It is immutable and safe for concurrent use.
type Projection struct {
	mode  projectionMode
	names map[projected]bool
	exts  map[*Schema]bool // Extensions named as a whole.
	some  map[*Schema]bool // Extensions with something named in them.
}

type projectionMode uint8

const (
	showDefault projectionMode = iota
	showOnly
	showAllBut
)

// projected is a row of the tables; sub is nil for a whole attribute.
type projected struct{ attr, sub *Attribute }

// ParseProjection reads the parameters attributes and excludedAttributes: lists
// with commas of names, sub-attributes and URN forms, in any letter case. Names
// that the type does not have show nothing. Both at once fail with *Error 400
// invalidValue.
func ParseProjection(attributes, excluded string, rt *ResourceType) (Projection, error) {
	attributes, excluded = strings.Trim(attributes, " ,"), strings.Trim(excluded, " ,")
	var p Projection
	switch {
	case attributes != "" && excluded != "":
		return p, errInvalidValue("", "attributes and excludedAttributes cannot be given together")
	case attributes != "":
		p.mode = showOnly
	case excluded != "":
		p.mode, attributes = showAllBut, excluded
	default:
		return p, nil
	}
	names := strings.Split(attributes, ",")
	if len(names) > maxProjection {
		return Projection{}, errInvalidValue("", "more than %d attributes are named", maxProjection)
	}
	p.names, p.exts, p.some = map[projected]bool{}, map[*Schema]bool{}, map[*Schema]bool{}
	for _, name := range names {
		name = strings.TrimSpace(name)
		if sameName(name, rt.Core.ID) {
			for i := range rt.Core.Attributes {
				p.names[projected{attr: &rt.Core.Attributes[i]}] = true
			}
			continue
		}
		t, ok := rt.find(name)
		switch {
		case !ok:
		case t.attr == nil:
			p.exts[t.ext], p.some[t.ext] = true, true
		default:
			p.names[projected{t.attr, t.sub}] = true
			if t.sub != nil && p.mode == showOnly {
				// The attribute is shown for the sake of its part.
				if !p.names[projected{attr: t.attr}] {
					p.names[projected{attr: t.attr}] = false
				}
			}
			if t.ext != nil {
				p.some[t.ext] = true
			}
		}
	}
	return p, nil
}

// Shows reports whether an attribute of this canonical or dotted name can stand
// in an answer. The caller uses it to leave rows unread: with
// excludedAttributes=members no member row is.
func (p Projection) Shows(rt *ResourceType, name string) bool {
	t, ok := rt.find(name)
	if !ok || t.attr == nil {
		return false
	}
	return p.attribute(t.ext, t.attr) && (t.sub == nil || p.sub(t.ext, t.attr, t.sub))
}

// attribute reports whether an attribute, or a part of it, is shown.
func (p Projection) attribute(ext *Schema, a *Attribute) bool {
	switch {
	case a.Returned == ReturnedAlways:
		return true
	case a.Returned == ReturnedNever:
		return false
	}
	switch p.mode {
	case showOnly:
		_, named := p.names[projected{attr: a}]
		return named || ext != nil && p.exts[ext]
	case showAllBut:
		return a.Returned == ReturnedDefault && !p.names[projected{attr: a}] && !(ext != nil && p.exts[ext])
	default:
		return a.Returned == ReturnedDefault
	}
}

// sub reports whether a sub-attribute of a shown attribute is shown.
func (p Projection) sub(ext *Schema, a, sub *Attribute) bool {
	switch {
	case sub.Returned == ReturnedAlways:
		return true
	case sub.Returned == ReturnedNever:
		return false
	}
	switch p.mode {
	case showOnly:
		return p.names[projected{attr: a}] || p.names[projected{a, sub}] || a.Returned == ReturnedAlways || ext != nil && p.exts[ext]
	case showAllBut:
		return sub.Returned == ReturnedDefault && !p.names[projected{a, sub}]
	default:
		return sub.Returned == ReturnedDefault
	}
}
