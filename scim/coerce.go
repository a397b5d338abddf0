package scim

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of GD06 on values. Keyed attributes stand in unique indexes, whose
// entries are bounded.
const (
	maxListValues  = 100
	maxDisplayName = 256
	maxKeyedBytes  = 1024
)

// reader turns scanned JSON into canonical values of a resource type, under
// the tolerances of a profile. It belongs to one request.
type reader struct {
	rt      *ResourceType
	profile Profile
	notes   Notes
}

// tolerate reports whether the profile allows t, and counts the use.
func (r *reader) tolerate(t Tolerance, attribute string) bool {
	if !r.profile.Tolerate.Has(t) {
		return false
	}
	r.notes.add(t.String(), attribute)
	return true
}

// unknown settles a name that the resource type does not have: dropped and
// counted, or refused by name if the profile is strict.
func (r *reader) unknown(name string) error {
	if r.tolerate(TL12, name) {
		return nil
	}
	return errInvalidSyntax("TL12", "%q is no attribute of %s. Remedy: remove it from the attribute mapping", shorten(name), r.rt.Name)
}

// label names an attribute for notes and errors.
func label(parent, a *Attribute) string {
	if parent == nil {
		return a.Name
	}
	return parent.Name + "." + a.Name
}

// value makes the canonical value of attribute a (inside parent, if that is
// not nil) from scanned JSON. A nil value is stated empty (RFC 7643 section
// 2.5); stated is false if the JSON says nothing, as {} does.
func (r *reader) value(parent, a *Attribute, raw any) (v any, stated bool, err error) {
	if a.MultiValued {
		v, err = r.list(a, raw)
		return v, true, err
	}
	if list, ok := raw.([]any); ok {
		if raw, err = r.onlyOne(parent, a, list); err != nil {
			return nil, false, err
		}
	}
	if a.Type == TypeComplex {
		return r.complex(a, raw, false)
	}
	v, err = r.simple(parent, a, raw)
	return v, true, err
}

// onlyOne unwraps a list that was given for a single value (TL05). [] is
// unassigned everywhere (RFC 7643 section 2.5).
func (r *reader) onlyOne(parent, a *Attribute, list []any) (any, error) {
	var one any
	n := 0
	for _, e := range list {
		if e != nil || len(list) == 1 {
			one = e
			n++
		}
	}
	if n == 0 {
		return nil, nil
	}
	if n > 1 || !r.tolerate(TL05, label(parent, a)) {
		return nil, errInvalidValue("TL05", "%s takes one value, not a list", label(parent, a))
	}
	return one, nil
}

// list makes the value of a multi-valued attribute: nil or a list with at
// least one entry.
func (r *reader) list(a *Attribute, raw any) (any, error) {
	values, ok := raw.([]any)
	if !ok {
		if raw == nil {
			return nil, nil
		}
		if raw == "" && r.tolerate(TL10, a.Name) {
			return nil, nil
		}
		if !r.tolerate(TL05, a.Name) {
			return nil, errInvalidValue("TL05", "%s takes a list", a.Name)
		}
		values = []any{raw}
	}
	if len(values) > maxListValues {
		return nil, errInvalidValue("GD06", "%s has %d values; at most %d are allowed", a.Name, len(values), maxListValues)
	}
	list := make([]any, 0, len(values))
	for _, e := range values {
		if e == nil {
			if !r.tolerate(TL06, a.Name) {
				return nil, errInvalidValue("TL06", "%s has an entry that is null", a.Name)
			}
			continue
		}
		v, err := r.entry(a, e)
		if err != nil {
			return nil, err
		}
		if v != nil {
			list = append(list, v)
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	return list, r.onePrimary(a, list)
}

// entry makes one entry of a list; nil if nothing is left of it.
func (r *reader) entry(a *Attribute, raw any) (any, error) {
	if a.Type != TypeComplex {
		return r.simple(nil, a, raw)
	}
	v, _, err := r.complex(a, raw, true)
	if err != nil || v == nil {
		return nil, err
	}
	m, _ := v.(map[string]any)
	if emptyEntry(a, m) {
		return nil, nil
	}
	return m, nil
}

// emptyEntry reports whether an entry says nothing: an entry of a list with
// `value` has none, or only marks such as type and primary are left.
func emptyEntry(a *Attribute, entry map[string]any) bool {
	if a.sub("value") != nil {
		return entry["value"] == nil
	}
	for name, v := range entry {
		switch name {
		case "type", "primary", "display", "$ref":
		default:
			if v != nil {
				return false
			}
		}
	}
	return true
}

// onePrimary keeps primary on the first entry that has it (TL14).
func (r *reader) onePrimary(a *Attribute, list []any) error {
	found := false
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok || m["primary"] != true {
			continue
		}
		if found {
			if !r.tolerate(TL14, a.Name) {
				return errInvalidValue("TL14", "%s has several primary values", a.Name)
			}
			m["primary"] = false
		}
		found = true
	}
	return nil
}

// complex makes the map of a complex attribute or, with inList, of one entry.
// Sub-attributes stated empty stay as nil in a single value, where they mean
// something, and go from an entry.
func (r *reader) complex(a *Attribute, raw any, inList bool) (v any, stated bool, err error) {
	o, ok := raw.(object)
	if !ok {
		value := a.sub("value")
		switch {
		case raw == nil:
			return nil, true, nil
		case raw == "" && r.tolerate(TL10, a.Name):
			return nil, true, nil
		case value == nil || isList(raw) || !r.tolerate(TL05, a.Name):
			return nil, false, errInvalidValue("TL05", "%s takes an object", a.Name)
		}
		o = object{{value.Name, raw}}
	}
	m := make(map[string]any, len(o))
	for i := range o {
		if err := r.subValue(a, m, &o[i], inList); err != nil {
			return nil, false, err
		}
	}
	if value, given := m["value"]; given && value == nil && !inList {
		return nil, true, nil
	}
	if len(m) == 0 {
		return nil, false, nil
	}
	return m, true, nil
}

// subValue adds one member of an object to the map of complex attribute a.
func (r *reader) subValue(a *Attribute, m map[string]any, o *member, inList bool) error {
	sub := a.sub(o.name)
	if sub == nil {
		return r.unknown(a.Name + "." + o.name)
	}
	r.spelling(sub.Name, o.name)
	if sub.Mutability == ReadOnly && a.Mutability != ReadOnly {
		return nil
	}
	if o.value == nil && sub.Name == "$ref" {
		r.notes.add(TL06.String(), a.Name+".$ref")
		return nil
	}
	v, stated, err := r.value(a, sub, o.value)
	if err != nil || !stated {
		return err
	}
	if v != nil || !inList {
		m[sub.Name] = v
	}
	return nil
}

// spelling counts names in another letter case than the schema's. They are
// allowed in every profile (RFC 7643 section 2.1).
func (r *reader) spelling(canonical, given string) {
	if canonical != given {
		r.notes.add(TL01.String(), canonical)
	}
}

// isList reports whether scanned JSON is a list.
func isList(raw any) bool {
	_, ok := raw.([]any)
	return ok
}

// simple makes a value that is not complex; nil is stated empty.
func (r *reader) simple(parent, a *Attribute, raw any) (any, error) {
	if o, ok := raw.(object); ok {
		// Older Entra jobs send [{"$ref":null,"value":"x"}] for everything.
		inner, ok := o.get("value")
		if _, nested := inner.(object); !ok || nested || isList(inner) || !r.tolerate(TL05, label(parent, a)) {
			return nil, errInvalidValue("TL05", "%s takes a plain value, not an object", label(parent, a))
		}
		raw = inner
	}
	if isList(raw) {
		return nil, errInvalidValue("TL05", "%s takes a plain value, not a list", label(parent, a))
	}
	if raw == "" && a.Type != TypeBoolean && r.tolerate(TL10, label(parent, a)) {
		return nil, nil
	}
	if a.Type == TypeBoolean {
		return r.boolean(parent, a, raw)
	}
	if raw == nil {
		return nil, nil
	}
	switch a.Type {
	case TypeInteger, TypeDecimal:
		return r.number(parent, a, raw)
	default:
		return r.string(parent, a, raw)
	}
}

// get returns the value of a key in any letter case.
func (o object) get(name string) (any, bool) {
	for i := range o {
		if sameName(o[i].name, name) {
			return o[i].value, true
		}
	}
	return nil, false
}

// boolean makes a boolean (TL03). For a top-level attribute such as active
// neither null nor "" nor an unknown word is false, or unset: that would
// deactivate, or hide that the client meant to (DA05).
func (r *reader) boolean(parent, a *Attribute, raw any) (any, error) {
	word := ""
	switch v := raw.(type) {
	case bool:
		return v, nil
	case nil:
		if parent != nil {
			return nil, nil
		}
	case string:
		if v == "" && parent != nil && r.tolerate(TL10, label(parent, a)) {
			return nil, nil
		}
		word = v
	case json.Number:
		word = string(v)
	}
	var value, known bool
	switch {
	case word == "1" || sameName(word, "true"):
		value, known = true, true
	case word == "0" || sameName(word, "false"):
		known = true
	}
	if known && r.tolerate(TL03, label(parent, a)) {
		return value, nil
	}
	rule := "TL03"
	if parent == nil {
		rule = "DA05"
	}
	return nil, errInvalidValue(rule, "%s must be true or false, not %s", label(parent, a), describe(raw))
}

// number makes an integer or decimal (TL04).
func (r *reader) number(parent, a *Attribute, raw any) (any, error) {
	var text string
	switch v := raw.(type) {
	case json.Number:
		text = string(v)
	case string:
		s := jsonScanner{text: v}
		if _, err := s.number(); err == nil && s.pos == len(v) && r.tolerate(TL04, label(parent, a)) {
			text = v
		}
	}
	var err error
	if a.Type == TypeInteger {
		_, err = strconv.ParseInt(text, 10, 64)
	} else {
		_, err = strconv.ParseFloat(text, 64)
	}
	if err != nil {
		return nil, errInvalidValue("TL04", "%s must be a number, not %s", label(parent, a), describe(raw))
	}
	return json.Number(text), nil
}

// string makes a value that is written as a JSON string.
func (r *reader) string(parent, a *Attribute, raw any) (any, error) {
	var text string
	switch v := raw.(type) {
	case string:
		text = v
	case json.Number:
		if !r.tolerate(TL04, label(parent, a)) {
			return nil, errInvalidValue("TL04", "%s must be a string, not %s", label(parent, a), describe(raw))
		}
		text = string(v)
	default:
		return nil, errInvalidValue("TL04", "%s must be a string, not %s", label(parent, a), describe(raw))
	}
	if err := checkLength(parent, a, text); err != nil {
		return nil, err
	}
	switch a.Type {
	case TypeDateTime:
		if !isDateTime(text) {
			return nil, errInvalidValue("", "%s must be a date and time such as 2027-01-31T00:00:00Z, not %s", label(parent, a), describe(raw))
		}
	case TypeBinary:
		if _, err := base64.StdEncoding.DecodeString(text); err != nil {
			return nil, errInvalidValue("", "%s must be base64", label(parent, a)).causedBy(err)
		}
	default:
		if parent == nil && len(a.Canonical) > 0 {
			return closedValue(a, text)
		}
	}
	return text, nil
}

// checkLength applies the limits that are narrower than that on all text.
func checkLength(parent, a *Attribute, text string) error {
	switch {
	case parent == nil && a.Name == "displayName" && len(text) > maxDisplayName && utf8.RuneCountInString(text) > maxDisplayName:
		return errInvalidValue("GD06", "displayName is longer than %d characters", maxDisplayName)
	case len(text) <= maxKeyedBytes:
		return nil
	case a.Unique != "" || a == externalIDAttribute || parent != nil && parent.Name == "emails" && a.Name == "value":
		return errInvalidValue("GD06", "%s is longer than %d bytes", label(parent, a), maxKeyedBytes)
	}
	return nil
}

// closedValue spells a value as the schema does. Canonical values of top-level
// attributes (the Rollcall inputs) are closed; those of `type` in lists are
// only suggestions (RFC 7643 section 7). The role Owner is let through: the
// role matrix denies it with a reason (M13), which a decoder cannot give.
func closedValue(a *Attribute, text string) (any, error) {
	for _, c := range a.Canonical {
		if sameName(c, text) {
			return c, nil
		}
	}
	if a.Name == "role" && sameName(text, "Owner") {
		return "Owner", nil
	}
	return nil, errInvalidValue("", "%s must be one of %s, not %s", a.Name, strings.Join(a.Canonical, ", "), describe(text))
}

// isDateTime accepts RFC 3339, the xsd:dateTime without zone, and a bare date.
func isDateTime(text string) bool {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}

// describe shows a value in an error text.
func describe(raw any) string {
	switch v := raw.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(shorten(v))
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return string(v)
	case []any:
		return "a list"
	default:
		return "an object"
	}
}
