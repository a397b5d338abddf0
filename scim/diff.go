package scim

// Change is one attribute that reads differently afterwards.
type Change struct {
	// Path is the canonical name, URN-qualified for extensions and dotted for
	// sub-attributes of single values.
	Path string
	// Before and After are the values; nil if there is none.
	Before, After any
}

// Diff is what a write did to a document.
type Diff struct {
	// Changes are those that a client can see, in the order of the schema.
	Changes []Change
	// Stated names attributes that were unknown and are now stated empty, or
	// the reverse (by PUT): the mapping sees that, no client does.
	Stated []string
}

// Empty reports whether nothing changed: the write is a noop.
func (d Diff) Empty() bool { return len(d.Changes) == 0 && len(d.Stated) == 0 }

// Visible reports whether a client can see a change, so that the version must
// move.
func (d Diff) Visible() bool { return len(d.Changes) > 0 }

// Changed reports whether the attribute of this canonical name changed.
func (d Diff) Changed(path string) bool {
	for _, c := range d.Changes {
		if c.Path == path {
			return true
		}
	}
	return false
}

// difference compares two documents of one type.
func difference(before, after Document, rt *ResourceType) Diff {
	var d Diff
	d.attribute(before, after, target{attr: externalIDAttribute})
	for i := range rt.Core.Attributes {
		d.attribute(before, after, target{attr: &rt.Core.Attributes[i]})
	}
	for _, ext := range rt.Extensions {
		if before[ext.ID] == nil && after[ext.ID] == nil {
			continue
		}
		for i := range ext.Attributes {
			d.attribute(before, after, target{ext: ext, attr: &ext.Attributes[i]})
		}
	}
	return d
}

// attribute compares one attribute; single complex values by sub-attribute.
func (d *Diff) attribute(before, after Document, t target) {
	a, knownBefore := before.value(t)
	b, knownAfter := after.value(t)
	if equalValues(a, b) && knownBefore == knownAfter {
		return
	}
	if t.attr.Type == TypeComplex && !t.attr.MultiValued && t.sub == nil && (a != nil || b != nil) {
		for i := range t.attr.Sub {
			d.attribute(before, after, target{ext: t.ext, attr: t.attr, sub: &t.attr.Sub[i]})
		}
		return
	}
	switch {
	case a != nil || b != nil:
		d.Changes = append(d.Changes, Change{Path: t.String(), Before: a, After: b})
	case knownBefore != knownAfter:
		d.Stated = append(d.Stated, t.String())
	}
}
