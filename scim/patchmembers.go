package scim

// applyMembers folds one operation on the members of a Group.
func (w *patcher) applyMembers(kind OperationKind, at place, raw any, hasValue bool) error {
	if at.filter != nil {
		return w.filteredMembers(kind, at, raw)
	}
	if at.sub != nil {
		return errInvalidPath("", "%s needs a filter such as members[value eq \"ID\"]", at)
	}
	switch kind {
	case OpRemove:
		if !hasValue || raw == nil {
			w.notes.add("DA02", "members")
			w.members.clear()
			return nil
		}
		if w.profile.Strict {
			return errInvalidValue("DA01", "remove takes no value; name the member as members[value eq \"ID\"]")
		}
		w.notes.add("DA01", "members")
	case OpReplace:
		// DA04: done as said; the brake holds a loss that is too large.
		w.members.clear()
	default:
		if raw == nil && !w.tolerate(TL10, "members") {
			return errInvalidValue("TL10", "add of members needs a value")
		}
	}
	ids, err := w.memberIDs(raw)
	if err != nil {
		return err
	}
	if kind == OpReplace && len(ids) == 0 {
		w.notes.add("DA02", "members")
	}
	for _, id := range ids {
		w.members.set(id, kind != OpRemove)
	}
	return nil
}

// filteredMembers folds an operation on members[value eq "ID"]. Other filters
// would need the list, which is not loaded.
func (w *patcher) filteredMembers(kind OperationKind, at place, raw any) error {
	ids, ok := memberIDsOf(at.filter)
	if !ok {
		return errInvalidFilter("DA06", "members can be selected by value eq \"ID\" only")
	}
	if at.sub != nil && (at.sub.Name != "value" || kind != OpRemove) {
		return errMutability("", "%s of a member cannot be changed", at.sub.Name)
	}
	switch kind {
	case OpRemove:
		for _, id := range ids {
			w.members.set(id, false)
		}
		return nil
	case OpReplace:
		for _, id := range ids {
			w.members.set(id, false)
		}
		if ids = nil; raw == nil {
			return nil
		}
	default:
		if !w.tolerate(TL09, "members") {
			return errNoTarget("TL09", "add takes the path members and the members as value")
		}
	}
	added, err := w.memberIDs(raw)
	if err != nil {
		return err
	}
	for _, id := range append(ids, added...) {
		w.members.set(id, true)
	}
	return nil
}

// memberIDsOf reads the ids that a filter names: one equality of value, or
// several joined by or.
func memberIDsOf(filter Filter) ([]string, bool) {
	switch f := filter.(type) {
	case Compare:
		ok := f.Op == Eq && f.Ref.Sub != nil && f.Ref.Sub.Name == "value" && f.Value.Text != ""
		return []string{f.Value.Text}, ok
	case Or:
		var ids []string
		for _, t := range f.Terms {
			more, ok := memberIDsOf(t)
			if !ok {
				return nil, false
			}
			ids = append(ids, more...)
		}
		return ids, true
	}
	return nil, false
}
