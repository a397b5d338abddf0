package scim

// list adds to a list or replaces it.
func (w *patcher) list(kind OperationKind, at place, raw any) error {
	v, err := w.reader.list(at.attr, raw)
	if err != nil {
		return err
	}
	given, _ := v.([]any)
	m := w.doc.container(at.ext, true)
	if kind == OpReplace {
		setList(m, at.attr, given)
		return nil
	}
	if len(given) == 0 {
		return nil // Adding nothing says nothing.
	}
	list, _ := m[at.attr.Name].([]any)
	for _, e := range given {
		list = addEntry(at.attr, list, e)
	}
	return w.storeList(m, at.attr, list)
}

// storeList stores a list that grew, within the limit on values.
func (w *patcher) storeList(m map[string]any, a *Attribute, list []any) error {
	if len(list) > maxListValues {
		return errInvalidValue("GD06", "%s would have %d values; at most %d are allowed", a.Name, len(list), maxListValues)
	}
	setList(m, a, list)
	return nil
}

// addEntry adds an entry. The same value and type again is the same entry: what
// is given besides is merged into it, so that a replay is a noop.
func addEntry(a *Attribute, list []any, entry any) []any {
	given, ok := entry.(map[string]any)
	if !ok {
		for _, e := range list {
			if equalValues(e, entry) {
				return list
			}
		}
		return append(list, entry)
	}
	for i, e := range list {
		have, ok := e.(map[string]any)
		if !ok || !sameEntry(a, have, given) {
			continue
		}
		for name, v := range given {
			have[name] = v
		}
		primaryWins(list, i)
		return list
	}
	list = append(list, given)
	primaryWins(list, len(list)-1)
	return list
}

// sameEntry compares by value and type; entries of lists without value, such
// as addresses, by everything but primary.
func sameEntry(a *Attribute, have, given map[string]any) bool {
	if a.sub("value") != nil {
		return equalValues(have["value"], given["value"]) && equalValues(have["type"], given["type"])
	}
	for i := range a.Sub {
		if name := a.Sub[i].Name; name != "primary" && !equalValues(have[name], given[name]) {
			return false
		}
	}
	return true
}

// primaryWins clears primary on the other entries if entry i has it (RFC 7644
// section 3.5.2).
func primaryWins(list []any, i int) {
	if m, ok := list[i].(map[string]any); !ok || m["primary"] != true {
		return
	}
	for j, e := range list {
		if m, ok := e.(map[string]any); ok && j != i && m["primary"] == true {
			m["primary"] = false
		}
	}
}

// onlyEntry sets a sub-attribute of a list without a filter, such as
// emails.value. That is clear only while the list has at most one entry.
func (w *patcher) onlyEntry(at place, raw any) error {
	v, stated, err := w.value(at.attr, at.sub, raw)
	if err != nil || !stated {
		return err
	}
	m := w.doc.container(at.ext, true)
	list, _ := m[at.attr.Name].([]any)
	switch {
	case len(list) > 1:
		return errInvalidPath("", "%s has %d entries. Remedy: say which, as in %s[type eq \"work\"].%s", at.attr.Name, len(list), at.attr.Name, at.sub.Name)
	case len(list) == 1:
		return w.setSub(m, at, list, []int{0}, v)
	case v == nil:
		return nil
	}
	return w.create(m, at, nil, map[string]any{at.sub.Name: v})
}

// entries applies an operation to the entries that a filter selects.
func (w *patcher) entries(kind OperationKind, at place, raw any) error {
	m := w.doc.container(at.ext, true)
	list, _ := m[at.attr.Name].([]any)
	var hits []int
	for i, e := range list {
		if MatchEntry(at.filter, e) {
			hits = append(hits, i)
		}
	}
	if kind == OpRemove {
		return w.removeEntries(m, at, list, hits)
	}
	if at.sub != nil {
		v, stated, err := w.value(at.attr, at.sub, raw)
		switch {
		case err != nil || !stated:
			return err
		case len(hits) > 0:
			return w.setSub(m, at, list, hits, v)
		case v == nil:
			return nil // Nothing there to clear.
		}
		return w.create(m, at, at.filter, map[string]any{at.sub.Name: v})
	}
	if one, ok := raw.([]any); ok && len(one) == 1 && w.tolerate(TL05, at.String()) {
		raw = one[0]
	}
	if raw == nil || raw == "" {
		return w.removeEntries(m, at, list, hits)
	}
	if at.attr.Type != TypeComplex {
		return w.replaceScalars(m, at, list, hits, raw)
	}
	v, stated, err := w.complex(at.attr, raw, true)
	if err != nil || !stated {
		return err
	}
	given, _ := v.(map[string]any)
	if len(hits) == 0 {
		return w.create(m, at, at.filter, given)
	}
	for _, i := range hits {
		if have, ok := list[i].(map[string]any); ok {
			for name, v := range given {
				have[name] = v
			}
			primaryWins(list, i)
		}
	}
	return nil
}

// replaceScalars replaces the entries of a list of plain values.
func (w *patcher) replaceScalars(m map[string]any, at place, list []any, hits []int, raw any) error {
	v, err := w.simple(nil, at.attr, raw)
	if err != nil {
		return err
	}
	if len(hits) == 0 {
		if !w.tolerate(TL09, at.String()) {
			return errNoTarget("TL09", "no entry of %s matches the filter", at.attr.Name)
		}
	}
	kept := without(list, hits)
	return w.storeList(m, at.attr, addEntry(at.attr, kept, v))
}

// setSub sets or clears a sub-attribute of some entries. An entry that is left
// empty goes.
func (w *patcher) setSub(m map[string]any, at place, list []any, hits []int, v any) error {
	var gone []int
	for _, i := range hits {
		have, ok := list[i].(map[string]any)
		if !ok {
			continue
		}
		if v == nil {
			delete(have, at.sub.Name)
		} else {
			have[at.sub.Name] = v
			primaryWins(list, i)
		}
		if emptyEntry(at.attr, have) {
			gone = append(gone, i)
		}
	}
	setList(m, at.attr, without(list, gone))
	return nil
}

// removeEntries removes the entries selected, or a sub-attribute of them. A
// filter that matches nothing removes nothing (DA06).
func (w *patcher) removeEntries(m map[string]any, at place, list []any, hits []int) error {
	if len(hits) == 0 {
		w.notes.add("DA06", at.String())
		return nil
	}
	if at.sub != nil {
		return w.setSub(m, at, list, hits, nil)
	}
	setList(m, at.attr, without(list, hits))
	return nil
}

// without returns the list without the entries at these ascending indexes.
func without(list []any, indexes []int) []any {
	kept := make([]any, 0, len(list))
	for i, e := range list {
		if len(indexes) > 0 && indexes[0] == i {
			indexes = indexes[1:]
			continue
		}
		kept = append(kept, e)
	}
	return kept
}

// create makes the entry that a value path asks for and that is not there: the
// literals of the filter's equalities with what was given (TL09). Entra relies
// on it.
func (w *patcher) create(m map[string]any, at place, filter Filter, given map[string]any) error {
	if !w.tolerate(TL09, at.String()) {
		return errNoTarget("TL09", "no entry of %s matches the filter", at.attr.Name)
	}
	entry := map[string]any{}
	if !literals(filter, entry) {
		return errNoTarget("TL09", "no entry of %s matches the filter, and it does not say what to create", at.attr.Name)
	}
	for name, v := range given {
		entry[name] = v
	}
	if emptyEntry(at.attr, entry) {
		// Entra sends type, display and value in turn; the value makes it.
		return nil
	}
	list, _ := m[at.attr.Name].([]any)
	return w.storeList(m, at.attr, addEntry(at.attr, list, entry))
}

// literals collects the equalities that a filter demands all of; false if it
// leaves a choice.
func literals(filter Filter, entry map[string]any) bool {
	switch f := filter.(type) {
	case nil:
		return true
	case Compare:
		if f.Op != Eq || f.Ref.Sub == nil {
			return false
		}
		entry[f.Ref.Sub.Name] = f.Value.JSON()
		return true
	case And:
		for _, t := range f.Terms {
			if !literals(t, entry) {
				return false
			}
		}
		return true
	default:
		return false
	}
}
