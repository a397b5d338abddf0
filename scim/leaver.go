package scim

// Leaving reports whether PATCH operations end with `active` false, and returns
// the one operation that says so. A lenient caller applies it alone if the rest
// of the request is refused, so that a leaver's access ends whatever else was
// wrong (VW11); it also tells which requests pass the rate limit.
func Leaving(ops []Operation, rt *ResourceType, p Profile) ([]Operation, bool) {
	if rt.Core.ID != URNUser {
		return nil, false
	}
	w := patcher{reader: reader{rt: rt, profile: p}, doc: Document{}}
	leaving := false
	for i := range ops {
		for _, raw := range w.statedActive(&ops[i]) {
			if v, ok := w.active(raw); ok {
				leaving = !v
			}
		}
	}
	if !leaving {
		return nil, false
	}
	return leavingOperations(), true
}

// LeavingBody is Leaving for the body of a PUT. A body that is no JSON states
// nothing.
func LeavingBody(body []byte, rt *ResourceType, p Profile) bool {
	raw, err := parseJSON(body)
	o, isObject := raw.(object)
	if err != nil || !isObject || rt.Core.ID != URNUser {
		return false
	}
	w := patcher{reader: reader{rt: rt, profile: p}, doc: Document{}}
	for _, raw := range w.statedActive(&Operation{Kind: OpReplace, value: o, hasValue: true}) {
		if v, ok := w.active(raw); ok && !v {
			return true
		}
	}
	return false
}

// statedActive finds what one operation says about active, by path or by key.
func (w *patcher) statedActive(op *Operation) []any {
	if op.Kind == OpRemove {
		return nil
	}
	var found []any
	isActive := func(name string) bool {
		t, ok := w.rt.find(w.alias(name))
		return ok && t.ext == nil && t.attr != nil && t.attr.Name == "active"
	}
	if op.Path != "" {
		if isActive(op.Path) {
			found = append(found, op.value)
		}
		return found
	}
	o, _ := op.value.(object)
	for i := range o {
		if isActive(o[i].name) {
			found = append(found, o[i].value)
		}
	}
	return found
}

// active reads a value of active; ok is false if it is neither true nor false.
func (w *patcher) active(raw any) (active, ok bool) {
	v, stated, err := w.value(nil, findAttribute(w.rt.Core.Attributes, "active"), raw)
	if err != nil || !stated {
		return false, false
	}
	active, ok = v.(bool)
	return active, ok
}

// leavingOperations is the one operation that ends a leaver's access.
func leavingOperations() []Operation {
	return []Operation{{Kind: OpReplace, Path: "active", value: false, hasValue: true}}
}

// leavingPatch is Leaving for a PATCH body that DecodePatch refuses: operations
// that cannot be read say nothing. It is nil unless the rest ends access.
func leavingPatch(body []byte, rt *ResourceType, p Profile) []Operation {
	r := reader{rt: rt, profile: p}
	raw, err := parseJSON(body)
	if err != nil {
		return nil
	}
	list, err := r.operations(raw)
	if err != nil {
		return nil
	}
	var ops []Operation
	for i, e := range list {
		if op, err := r.operation(i+1, e); err == nil {
			ops = append(ops, op)
		}
	}
	leave, leaving := Leaving(ops, rt, p)
	if !leaving {
		return nil
	}
	return leave
}
