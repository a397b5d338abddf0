package scim

import "strings"

// Patch applies operations in order to a copy of the document (RFC 7644
// section 3.5.2), all or nothing: after an error nothing is returned, and doc
// is never changed. An empty Diff means that the request is a noop. Operations
// on the members of a Group need PatchGroup. Errors are *Error with status 400.
func Patch(doc Document, ops []Operation, rt *ResourceType, p Profile) (Document, Diff, Notes, error) {
	after, _, diff, notes, err := patch(doc, ops, rt, p)
	return after, diff, notes, err
}

// PatchGroup is Patch for a Group. Operations on members come back as a folded
// delta, since the members are never loaded.
func PatchGroup(doc Document, ops []Operation, rt *ResourceType, p Profile) (Document, MemberDelta, Diff, Notes, error) {
	return patch(doc, ops, rt, p)
}

func patch(doc Document, ops []Operation, rt *ResourceType, p Profile) (Document, MemberDelta, Diff, Notes, error) {
	w := patcher{reader: reader{rt: rt, profile: p}, doc: doc.clone()}
	for i := range ops {
		if err := w.apply(&ops[i]); err != nil {
			return nil, MemberDelta{}, Diff{}, nil, err
		}
	}
	markEmptied(doc, w.doc)
	diff := difference(doc, w.doc, rt)
	if diff.Visible() {
		if err := w.doc.check(rt); err != nil {
			return nil, MemberDelta{}, Diff{}, nil, err
		}
	}
	return w.doc, w.members.delta(), diff, w.notes, nil
}

// patcher is the state of one PATCH: the copy that it changes and the members
// folded so far.
type patcher struct {
	reader
	doc     Document
	members memberFold
}

// place is where an operation acts.
type place struct {
	target
	filter Filter // Over the entries of a list; nil if there is none.
	// byPath says that the client named the place as path. readOnly attributes
	// are then refused; in an object they are ignored, since clients send back
	// what they read.
	byPath bool
}

// apply runs one operation.
func (w *patcher) apply(op *Operation) error {
	if op.Path == "" || sameName(op.Path, w.rt.Core.ID) {
		if op.Path != "" && !w.tolerate(TL08, w.rt.Core.ID) {
			return errInvalidPath("TL08", "a path must name an attribute")
		}
		return w.withoutPath(op)
	}
	at, known, err := w.locate(op.Path, true)
	if err != nil {
		return err
	}
	if !known {
		if w.tolerate(TL12, op.Path) {
			return nil
		}
		return errInvalidPath("TL12", "%s has no attribute %q", w.rt.Name, shorten(op.Path))
	}
	return w.at(op.Kind, at, op.value, op.hasValue)
}

// withoutPath merges the object of an operation that has no path; its keys may
// be dotted, qualified by a URN, or value paths (TL08).
func (w *patcher) withoutPath(op *Operation) error {
	if op.Kind == OpRemove {
		return errNoTarget("", "a remove needs a path to an attribute")
	}
	o, ok := op.value.(object)
	if !ok {
		return errInvalidValue("", "%s without path takes an object, not %s", op.Kind, describe(op.value))
	}
	for i := range o {
		name := o[i].name
		if sameName(name, schemasAttribute.Name) {
			continue // Part of every object that a client has read.
		}
		if _, ok := o[i].value.(object); ok && sameName(name, w.rt.Core.ID) && w.tolerate(TL08, w.rt.Core.ID) {
			if err := w.withoutPath(&Operation{Kind: op.Kind, value: o[i].value, hasValue: true}); err != nil {
				return err
			}
			continue
		}
		at, known, err := w.locate(name, false)
		if err != nil {
			return err
		}
		if !known {
			if err := w.unknown(name); err != nil {
				return err
			}
			continue
		}
		if at.attr != nil && (at.sub != nil || at.filter != nil || strings.ContainsRune(name, ':')) && !w.tolerate(TL08, at.String()) {
			return errInvalidSyntax("TL08", "%q must be a nested object, or the path of an operation", shorten(name))
		}
		if err := w.at(op.Kind, at, o[i].value, true); err != nil {
			return err
		}
	}
	return nil
}

// at applies one operation at one place. A remove's value is raw too: some
// clients name the entries to remove in it.
func (w *patcher) at(kind OperationKind, at place, raw any, hasValue bool) error {
	switch {
	case at.attr == nil:
		return w.wholeExtension(kind, at, raw)
	case at.ext == nil && w.rt.isMembers(at.attr):
		return w.applyMembers(kind, at, raw, hasValue)
	case !at.attr.writable() || at.sub != nil && !at.sub.writable():
		if at.byPath {
			return errMutability("", "%s is readOnly", at)
		}
		w.notes.add(TL07.String(), at.String())
		return nil
	case at.attr.Mutability == WriteOnly:
		return nil // A password: accepted, never stored.
	case at.filter != nil:
		return w.entries(kind, at, raw)
	case kind == OpRemove:
		return w.remove(at, raw, hasValue)
	case at.attr.MultiValued && at.sub != nil:
		return w.onlyEntry(at, raw)
	case at.attr.MultiValued:
		return w.list(kind, at, raw)
	default:
		return w.single(kind, at, raw)
	}
}

// wholeExtension merges an object into an extension (TL08); remove and null
// state all its attributes empty.
func (w *patcher) wholeExtension(kind OperationKind, at place, raw any) error {
	if at.byPath && !w.tolerate(TL08, at.ext.ID) {
		return errInvalidPath("TL08", "the path %q is a schema, not an attribute", at.ext.ID)
	}
	if kind == OpRemove || raw == nil {
		if m := w.doc.container(at.ext, true); m != nil {
			stateEmpty(m, at.ext.Attributes)
		}
		return nil
	}
	o, ok := raw.(object)
	if !ok {
		return errInvalidValue("", "%s takes an object, not %s", at.ext.ID, describe(raw))
	}
	for i := range o {
		t, known := w.inExtension(at.ext, o[i].name)
		if !known {
			if err := w.unknown(at.ext.ID + ":" + o[i].name); err != nil {
				return err
			}
			continue
		}
		if err := w.at(kind, place{target: t}, o[i].value, true); err != nil {
			return err
		}
	}
	return nil
}

// single sets a single attribute, or a sub-attribute of one.
func (w *patcher) single(kind OperationKind, at place, raw any) error {
	if kind == OpAdd && raw == nil && !w.tolerate(TL10, at.String()) {
		return errInvalidValue("TL10", "add of %s needs a value", at)
	}
	a, parent := at.attr, (*Attribute)(nil)
	if at.sub != nil {
		a, parent = at.sub, at.attr
		if a.Name == "value" {
			// manager.value may come as the whole manager, and as a list of one.
			if inner, ok := w.wholeForValue(raw); ok {
				a, parent, raw, at.sub = at.attr, nil, inner, nil
			}
		}
	}
	v, stated, err := w.value(parent, a, raw)
	if err != nil || !stated {
		return err
	}
	if v == nil {
		return w.clear(at)
	}
	m := w.doc.container(at.ext, true)
	switch {
	case at.sub != nil:
		w.merge(m, at.attr, map[string]any{at.sub.Name: v})
	case a.Type == TypeComplex:
		given, _ := v.(map[string]any)
		w.merge(m, at.attr, given)
	default:
		m[a.Name] = v
	}
	return nil
}

// wholeForValue recognises a complex value given at `manager.value`.
func (w *patcher) wholeForValue(raw any) (any, bool) {
	if list, ok := raw.([]any); ok && len(list) == 1 {
		raw = list[0]
	}
	_, isObject := raw.(object)
	return raw, isObject && w.tolerate(TL05, "value")
}

// merge puts the sub-attributes given over those present: what is not named
// stays (DA07). If the value of a reference changes, the rest of it belonged to
// the old one and goes.
func (w *patcher) merge(m map[string]any, a *Attribute, given map[string]any) {
	old, present := m[a.Name]
	merged, _ := old.(map[string]any)
	if merged == nil {
		merged = map[string]any{}
		if present && a.sub("value") == nil {
			stateEmpty(merged, a.Sub)
		}
	}
	if v, ok := given["value"]; ok && !equalValues(v, merged["value"]) {
		merged = map[string]any{}
	}
	for name, v := range given {
		merged[name] = v
	}
	m[a.Name] = merged
}

// clear states an attribute, or a sub-attribute of a single one, empty.
func (w *patcher) clear(at place) error {
	switch {
	case at.attr.Required && at.sub == nil:
		return errMutability("", "%s is required and cannot be removed", at)
	case at.attr.Type == TypeBoolean && !at.attr.MultiValued:
		return errInvalidValue("DA05", "%s must be true or false; it cannot be removed", at)
	}
	m := w.doc.container(at.ext, true)
	if at.sub == nil || at.sub.Name == "value" {
		m[at.attr.Name] = nil
		return nil
	}
	if old, present := m[at.attr.Name]; present && old == nil {
		return nil
	}
	w.merge(m, at.attr, map[string]any{at.sub.Name: nil})
	return nil
}

// remove removes an attribute; on a list with a value it removes only the
// entries named (as DA01 for members).
func (w *patcher) remove(at place, raw any, hasValue bool) error {
	if !at.attr.MultiValued {
		return w.clear(at)
	}
	if at.sub != nil {
		return errInvalidPath("", "%s needs a filter that says which entry", at)
	}
	if !hasValue || raw == nil {
		return w.clear(at)
	}
	if w.profile.Strict {
		return errInvalidValue("DA01", "remove takes no value; name the entries of %s with a filter", at)
	}
	w.notes.add("DA01", at.String())
	v, err := w.reader.list(at.attr, raw)
	if err != nil {
		return err
	}
	unwanted, _ := v.([]any)
	m := w.doc.container(at.ext, true)
	present, _ := m[at.attr.Name].([]any)
	var kept []any
	for _, e := range present {
		if !containsEntry(unwanted, e) {
			kept = append(kept, e)
		}
	}
	if len(present) > 0 {
		setList(m, at.attr, kept)
	}
	return nil
}

// containsEntry reports whether a list names this entry: by value and, if given,
// type; entries without value by everything that is given.
func containsEntry(list []any, entry any) bool {
	have, _ := entry.(map[string]any)
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			if equalValues(e, entry) {
				return true
			}
			continue
		}
		all := len(m) > 0
		for name, v := range m {
			if (m["value"] == nil || name == "value" || name == "type") && !equalValues(v, have[name]) {
				all = false
			}
		}
		if all {
			return true
		}
	}
	return false
}

// setList stores a list; one without entries is stated empty.
func setList(m map[string]any, a *Attribute, list []any) {
	if len(list) == 0 {
		m[a.Name] = nil
		return
	}
	m[a.Name] = list
}
