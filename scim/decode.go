package scim

import (
	"strings"
)

// Decoded is the body of a POST or PUT in canonical form.
type Decoded struct {
	// Document holds what the client stated: no id, meta, schemas, groups,
	// password, members or other readOnly value.
	Document Document
	// Members is what the body says about the members of a Group: zero if it
	// does not name them (DA03), else a reset to the list given (DA02).
	Members MemberDelta
	// Owner says that the body asks for the role Owner in the Rollcall
	// extension, even where that input is readOnly and dropped.
	Owner bool
	// Notes counts the tolerances used.
	Notes Notes
}

// Decode reads the body of a POST or PUT (RFC 7644 sections 3.3 and 3.5.1)
// under the guard GD06. Values for readOnly attributes are dropped, unknown
// attributes dropped and counted, null, [] and (lenient) "" kept as stated
// empty. It fails with *Error if the body is malformed or leaves a required
// attribute out, so the caller may count that nothing was taken. The size of
// the body (GD04) is the caller's to limit.
func Decode(body []byte, rt *ResourceType, p Profile) (Decoded, error) {
	r := reader{rt: rt, profile: p}
	raw, err := parseJSON(body)
	if err != nil {
		return Decoded{}, err
	}
	o, ok := raw.(object)
	if !ok {
		return Decoded{}, errInvalidSyntax("", "the body must be a JSON object, not %s", describe(raw))
	}
	d := Decoded{Document: make(Document, len(o))}
	schemas := false
	for i := range o {
		if sameName(o[i].name, schemasAttribute.Name) {
			schemas = true
			err = r.schemas(o[i].value)
		} else {
			err = r.state(&d, o[i].name, o[i].value)
		}
		if err != nil {
			return Decoded{}, err
		}
	}
	if !schemas && !r.tolerate(TL02, "schemas") {
		return Decoded{}, errInvalidSyntax("TL02", "schemas is missing; it must list %s", rt.Core.ID)
	}
	if err := d.Document.check(rt); err != nil {
		return Decoded{}, err
	}
	d.Notes = r.notes
	return d, nil
}

// schemas checks the list of URNs. Lenient profiles ignore what they do not
// know: Entra adds one of Microsoft's, OneLogin one of SCIM 1.0.
func (r *reader) schemas(raw any) error {
	list, ok := raw.([]any)
	core := false
	for _, e := range list {
		urn, isString := e.(string)
		urn = r.alias(urn)
		switch {
		case isString && sameName(urn, r.rt.Core.ID):
			core = true
			r.spelling(r.rt.Core.ID, urn)
		case isString && r.rt.extension(urn) != nil:
			r.spelling(r.rt.extension(urn).ID, urn)
		default:
			name, _ := e.(string)
			if !r.tolerate(TL02, "schemas "+name) {
				return errInvalidSyntax("TL02", "schemas has %s, which %s does not have", describe(e), r.rt.Name)
			}
		}
	}
	if (!ok || !core) && !r.tolerate(TL02, "schemas") {
		return errInvalidSyntax("TL02", "schemas must be a list with %s", r.rt.Core.ID)
	}
	return nil
}

// alias replaces a URN of SCIM 1.0 at the beginning of a name, if the profile
// takes those (TL13).
func (r *reader) alias(name string) string {
	const prefix = "urn:scim:schemas:"
	if !r.profile.Tolerate.Has(TL13) || len(name) < len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
		return name
	}
	head, tail := name, ""
	for {
		if urn, ok := urnAliases[strings.ToLower(head)]; ok {
			r.notes.add(TL13.String(), head)
			return urn + tail
		}
		at := strings.LastIndexByte(head, ':')
		if at < 0 {
			return name
		}
		head, tail = head[:at], name[at:]
	}
}

// state takes one key of the body into the document.
func (r *reader) state(d *Decoded, name string, raw any) error {
	if o, ok := raw.(object); ok && sameName(name, r.rt.Core.ID) && r.tolerate(TL08, r.rt.Core.ID) {
		for i := range o {
			if err := r.state(d, o[i].name, o[i].value); err != nil {
				return err
			}
		}
		return nil
	}
	t, ok := r.rt.find(r.alias(name))
	if !ok {
		return r.unknown(name)
	}
	if t.attr == nil {
		return r.stateExtension(d, t.ext, name, raw)
	}
	if err := r.qualified(t, name); err != nil {
		return err
	}
	return r.stateAttribute(d, t, raw)
}

// qualified counts dotted and URN-qualified keys (TL08). Strict refuses them in
// bodies, where RFC 7643 has nested objects.
func (r *reader) qualified(t target, name string) error {
	if t.sub == nil && !strings.ContainsRune(name, ':') {
		r.spelling(t.attr.Name, name)
		return nil
	}
	if r.tolerate(TL08, t.String()) {
		return nil
	}
	return errInvalidSyntax("TL08", "%q must be a nested object", shorten(name))
}

// stateExtension takes the object under the URN of an extension.
func (r *reader) stateExtension(d *Decoded, ext *Schema, name string, raw any) error {
	r.spelling(ext.ID, name)
	if raw == nil {
		return nil
	}
	o, ok := raw.(object)
	if !ok {
		return errInvalidValue("", "%s must be an object, not %s", ext.ID, describe(raw))
	}
	for i := range o {
		t, ok := r.inExtension(ext, o[i].name)
		if !ok {
			if err := r.unknown(ext.ID + ":" + o[i].name); err != nil {
				return err
			}
			continue
		}
		if err := r.qualified(t, o[i].name); err != nil {
			return err
		}
		if err := r.stateAttribute(d, t, o[i].value); err != nil {
			return err
		}
	}
	return nil
}

// inExtension resolves a key inside the object of an extension, plain or
// dotted.
func (r *reader) inExtension(ext *Schema, name string) (target, bool) {
	head, tail, dotted := strings.Cut(name, ".")
	t := target{ext: ext, attr: findAttribute(ext.Attributes, head)}
	if t.attr == nil {
		return t, false
	}
	if dotted {
		t.sub = t.attr.sub(tail)
	}
	return t, !dotted || t.sub != nil
}

// stateAttribute takes one value. Two spellings of one attribute in a body
// contradict each other and are refused, as duplicate keys are.
func (r *reader) stateAttribute(d *Decoded, t target, raw any) error {
	d.Owner = d.Owner || isOwnerWish(t, raw)
	switch {
	case r.rt.isMembers(t.attr) && t.ext == nil:
		if t.sub != nil {
			return errInvalidSyntax("", "members must be a list")
		}
		ids, err := r.memberIDs(raw)
		d.Members = MemberDelta{Reset: true, Set: ids}
		return err
	case !t.attr.writable():
		// RFC 7644 section 3.5.1: values for readOnly attributes are ignored.
		r.notes.add(TL07.String(), t.String())
		return nil
	case t.sub != nil && !t.sub.writable():
		r.notes.add(TL07.String(), t.String())
		return nil
	case t.sub != nil && t.attr.MultiValued:
		return errInvalidSyntax("", "%s must be a list of objects", t.attr.Name)
	}
	a, parent := t.attr, (*Attribute)(nil)
	if t.sub != nil {
		a, parent = t.sub, t.attr
	}
	v, stated, err := r.value(parent, a, raw)
	if err != nil || !stated || t.attr.Mutability == WriteOnly {
		return err
	}
	m := d.Document.container(t.ext, true)
	if t.sub != nil {
		inner, _ := m[t.attr.Name].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
		}
		m[t.attr.Name], m = inner, inner
	}
	if _, twice := m[a.Name]; twice {
		return errInvalidSyntax("GD06", "%s is given twice", t)
	}
	m[a.Name] = v
	return nil
}

// check holds a whole document to the rules that no single value can break:
// required attributes, and an e-mail for a User.
func (d Document) check(rt *ResourceType) error {
	for i := range rt.Core.Attributes {
		a := &rt.Core.Attributes[i]
		if !a.Required {
			continue
		}
		if s, ok := d[a.Name].(string); !ok || strings.TrimSpace(s) == "" {
			return errInvalidValue("", "%s is required", a.Name)
		}
	}
	if rt.Core.ID != URNUser {
		return nil
	}
	if _, ok := d.Email(); !ok {
		return errInvalidValue("", "the User has no e-mail. Remedy: map an address to emails, or to userName")
	}
	return nil
}
