package scim

// ownerRole is the role that no directory may give (M13).
const ownerRole = "Owner"

// isOwnerWish reports whether a value stated for an attribute asks for the
// role Owner in the Rollcall extension. Where no mapping row reads the input it
// is readOnly and would be dropped: asking for an Owner is refused instead.
func isOwnerWish(t target, raw any) bool {
	if t.ext == nil || t.ext.ID != URNRollcallUser || t.attr == nil || t.attr.Name != "role" {
		return false
	}
	if list, ok := raw.([]any); ok && len(list) == 1 {
		raw = list[0]
	}
	text, ok := raw.(string)
	return ok && sameName(text, ownerRole)
}

// asksOwner reports whether PATCH operations ask for the role Owner, by path,
// by key or inside the object of the extension.
func asksOwner(ops []Operation, rt *ResourceType, p Profile) bool {
	r := reader{rt: rt, profile: p}
	for i := range ops {
		if ops[i].Kind != OpRemove && r.ownerAt(ops[i].Path, ops[i].value) {
			return true
		}
	}
	return false
}

// ownerAt looks for the wish at a path, or in the object of a path-less
// operation.
func (r *reader) ownerAt(path string, raw any) bool {
	o, isObject := raw.(object)
	if path == "" || sameName(path, r.rt.Core.ID) {
		for i := range o {
			if o[i].name != "" && r.ownerAt(o[i].name, o[i].value) {
				return true
			}
		}
		return false
	}
	t, ok := r.rt.find(r.alias(path))
	switch {
	case !ok:
		return false
	case t.attr != nil:
		return isOwnerWish(t, raw)
	case !isObject:
		return false
	}
	for i := range o {
		if inner, ok := r.inExtension(t.ext, o[i].name); ok && isOwnerWish(inner, o[i].value) {
			return true
		}
	}
	return false
}
