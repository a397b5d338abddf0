package scim

// MemberDelta is what one request does to the members of a Group, folded in
// order. The members themselves are never loaded. The zero value changes
// nothing (DA03).
type MemberDelta struct {
	// Reset says that Set is the whole list afterwards; Add and Remove are
	// then empty.
	Reset bool
	Set   []string
	// Add and Remove are disjoint, each in the order of first mention.
	Add    []string
	Remove []string
}

// Empty reports whether the delta changes nothing.
func (d MemberDelta) Empty() bool { return !d.Reset && len(d.Add) == 0 && len(d.Remove) == 0 }

// memberIDs reads the ids of a members value: a list of {value}, one object,
// or bare strings. nil and [] are an empty list. Each id stands once.
func (r *reader) memberIDs(raw any) ([]string, error) {
	list, ok := raw.([]any)
	if !ok {
		if raw == nil || raw == "" && r.tolerate(TL10, "members") {
			return nil, nil
		}
		if !r.tolerate(TL05, "members") {
			return nil, errInvalidValue("TL05", "members takes a list")
		}
		list = []any{raw}
	}
	ids := make([]string, 0, len(list))
	seen := make(map[string]struct{}, len(list))
	for _, e := range list {
		if e == nil {
			if !r.tolerate(TL06, "members") {
				return nil, errInvalidValue("TL06", "members has an entry that is null")
			}
			continue
		}
		id, err := r.memberID(e)
		if err != nil {
			return nil, err
		}
		if _, twice := seen[id]; !twice {
			seen[id] = struct{}{}
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// memberID reads one entry of members. Only value counts: type is found by id,
// display is ours, $ref is never followed (SX07).
func (r *reader) memberID(raw any) (string, error) {
	v := raw
	if o, ok := raw.(object); ok {
		v, _ = o.get("value")
		if r.profile.Strict {
			for i := range o {
				if r.rt.members().sub(o[i].name) == nil {
					return "", r.unknown("members." + o[i].name)
				}
			}
		}
	} else if _, isString := raw.(string); isString && !r.tolerate(TL05, "members.value") {
		return "", errInvalidValue("TL05", "an entry of members must be an object with value")
	}
	id, ok := v.(string)
	if !ok || id == "" || len(id) > maxKeyedBytes {
		return "", errInvalidValue("", "an entry of members has no value, the id of a User or Group")
	}
	return id, nil
}

// members returns the row of the member list of a Group.
func (rt *ResourceType) members() *Attribute { return findAttribute(rt.Core.Attributes, "members") }

// memberFold folds member operations in order.
type memberFold struct {
	reset bool
	state map[string]bool // True is added, false removed.
	order []string
}

// set notes that id is, or is not, a member from here on.
func (f *memberFold) set(id string, member bool) {
	if f.state == nil {
		f.state = map[string]bool{}
	}
	if _, known := f.state[id]; !known {
		f.order = append(f.order, id)
	}
	f.state[id] = member
}

// clear removes every member.
func (f *memberFold) clear() {
	f.reset, f.state, f.order = true, nil, nil
}

// delta returns what the operations come to.
func (f *memberFold) delta() MemberDelta {
	d := MemberDelta{Reset: f.reset}
	for _, id := range f.order {
		switch member := f.state[id]; {
		case f.reset && member:
			d.Set = append(d.Set, id)
		case f.reset:
		case member:
			d.Add = append(d.Add, id)
		default:
			d.Remove = append(d.Remove, id)
		}
	}
	return d
}
