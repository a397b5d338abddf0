package scim

import "slices"

// Create returns the document that a POST makes: as stated, a User active
// unless it says otherwise (DA05).
func Create(body Document, rt *ResourceType) Document {
	d := body.clone()
	if _, stated := d["active"]; !stated && rt.Core.ID == URNUser {
		d["active"] = true
	}
	return d
}

// Put returns the document that a PUT makes of old (RFC 7644 section 3.5.1),
// with the difference and the canonical names of the attributes that have
// become unknown. Neither argument is changed.
//
// What body leaves out is gone from the document. It is unknown to the mapping
// from then on, not empty, and so strips nothing (I14, MC1). Absent `active`,
// `externalId` and Rollcall inputs keep their values. What was stated empty
// stays so, since a client that sends back what it read cannot name it.
func Put(old, body Document, rt *ResourceType) (after Document, unknown []string, diff Diff) {
	after = body.clone()
	for _, name := range []string{"active", "externalId"} {
		keep(old, after, name)
	}
	for i := range rt.Core.Attributes {
		a := &rt.Core.Attributes[i]
		keepEmpty(old, after, a.Name)
		if a.Type == TypeComplex && !a.MultiValued {
			keepEmptySubs(old, after, a)
		}
	}
	for _, ext := range rt.Extensions {
		before := old.container(ext, false)
		if before == nil {
			keepEmpty(old, after, ext.ID)
			continue
		}
		m := after.container(ext, true)
		for i := range ext.Attributes {
			a := &ext.Attributes[i]
			if ext.ID == URNRollcallUser || ext.ID == URNRollcallGroup {
				keep(before, m, a.Name)
				continue
			}
			keepEmpty(before, m, a.Name)
			if a.Type == TypeComplex && !a.MultiValued {
				keepEmptySubs(before, m, a)
			}
		}
		if len(m) == 0 && len(before) > 0 {
			delete(after, ext.ID)
		}
	}
	markEmptied(old, after)
	diff = difference(old, after, rt)
	for _, c := range diff.Changes {
		if c.After == nil && !after.states(rt, c.Path) {
			unknown = append(unknown, c.Path)
		}
	}
	return after, append(unknown, slices.Clone(diff.Stated)...), diff
}

// states reports whether the document says anything about a canonical name.
func (d Document) states(rt *ResourceType, path string) bool {
	t, ok := rt.find(path)
	if !ok {
		return false
	}
	_, stated := d.value(t)
	return stated
}

// keep carries a value over that the new state does not name.
func keep(from, to map[string]any, name string) {
	v, had := from[name]
	if _, stated := to[name]; had && !stated {
		to[name] = cloneValue(v)
	}
}

// keepEmpty carries over that an attribute was stated empty.
func keepEmpty(from, to map[string]any, name string) {
	v, had := from[name]
	if _, stated := to[name]; had && v == nil && !stated {
		to[name] = nil
	}
}

// keepEmptySubs is keepEmpty for the sub-attributes of a single value.
func keepEmptySubs(from, to map[string]any, a *Attribute) {
	before, _ := from[a.Name].(map[string]any)
	after, _ := to[a.Name].(map[string]any)
	if after == nil {
		return
	}
	if v, had := from[a.Name]; had && v == nil && a.sub("value") == nil {
		before = map[string]any{}
		stateEmpty(before, a.Sub)
	}
	for i := range a.Sub {
		keepEmpty(before, after, a.Sub[i].Name)
	}
}
