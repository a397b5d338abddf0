package scim

import "strings"

// locate resolves a path. Plain names go through the tables; only what has
// brackets needs the guard and the parser. known is false for well-formed names
// that the resource type does not have.
func (w *patcher) locate(path string, byPath bool) (at place, known bool, err error) {
	at.byPath = byPath
	path = w.alias(path)
	name, rest, filtered := strings.Cut(path, "[")
	if !goodPathName(name) {
		return at, false, errInvalidPath("GD01", "the path %q is malformed", shorten(path))
	}
	at.target, known = w.rt.find(name)
	if known && at.attr != nil && !filtered {
		w.spelling(at.String(), name)
	}
	if !filtered || !known {
		return at, known, nil
	}
	opt := FilterOptions{
		Lenient:     !w.profile.Strict,
		OnTolerance: func(id string) { w.notes.add(id, name) },
	}
	if at.sub, at.filter, known = fastEntryPath(at.target, path, rest, opt); known {
		return at, true, nil
	}
	if dot := strings.LastIndexByte(rest, ']'); dot >= 0 && at.attr != nil && strings.HasPrefix(rest[dot:], "].") && at.attr.sub(rest[dot+2:]) == nil && goodName(rest[dot+2:], true) {
		return at, false, nil
	}
	parsed, err := ParsePath(path, w.rt, opt)
	if err != nil {
		return at, false, err
	}
	at.sub, at.filter = parsed.Sub, parsed.Filter
	return at, true, nil
}

// goodPathName admits what an attribute name with URN and sub-attribute may be
// made of (GD01).
func goodPathName(name string) bool {
	const longest = 256
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-_.:$/%+", c) >= 0:
		default:
			return false
		}
	}
	return name != "" && len(name) <= longest
}

// fastEntryPath reads what follows the bracket in the paths that identity
// providers send, list[type eq "work"].value and members[value eq "ID"],
// without guard and parser, which take a hundred times longer. It returns false
// for everything else, mistakes included; where it returns true it says what
// ParsePath says, and a test holds it to that.
func fastEntryPath(list target, path, rest string, opt FilterOptions) (sub *Attribute, filter Filter, ok bool) {
	if list.attr == nil || list.sub != nil || !list.attr.MultiValued || len(path) > maxPathBytes {
		return nil, nil, false
	}
	ref := Ref{Attribute: list.attr}
	if list.ext != nil {
		ref.Extension = list.ext.ID
	}
	name, rest, ok := strings.Cut(rest, " ")
	if !ok {
		return nil, nil, false
	}
	operand, err := entryOperand(ref, name)
	if err != nil {
		return nil, nil, false
	}
	if rest, ok = cutWord(rest, "eq "); !ok {
		return nil, nil, false
	}
	if filter, rest, ok = fastCompare(operand, rest, opt); !ok || rest == "" || rest[0] != ']' {
		return nil, nil, false
	}
	if rest == "]" {
		return nil, filter, true
	}
	if rest[1] != '.' {
		return nil, nil, false
	}
	sub = list.attr.sub(rest[2:])
	return sub, filter, sub != nil
}
