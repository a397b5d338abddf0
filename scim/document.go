package scim

import (
	"encoding/json"
	"slices"
	"strconv"
)

// clone returns a deep copy of the document.
func (d Document) clone() Document {
	c, _ := cloneValue(map[string]any(d)).(map[string]any)
	if c == nil {
		c = map[string]any{}
	}
	return c
}

// cloneValue copies maps and lists; other values are immutable.
func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if v == nil {
			return v
		}
		c := make(map[string]any, len(v))
		for k, e := range v {
			c[k] = cloneValue(e)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, e := range v {
			c[i] = cloneValue(e)
		}
		return c
	default:
		return v
	}
}

// equalValues compares two values of a document.
func equalValues(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, e := range a {
			f, ok := b[k]
			if !ok || !equalValues(e, f) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equalValues)
	case object:
		return false
	default:
		switch b.(type) {
		case map[string]any, []any, object:
			return false
		}
		return a == b
	}
}

// container returns the map that holds the attributes of a schema: the
// document itself for the core schema, the map under the URN for an extension.
// It is nil if the extension is absent, unless create is set. An extension
// that was stated empty comes back with every writable attribute stated empty.
func (d Document) container(ext *Schema, create bool) map[string]any {
	if ext == nil {
		return d
	}
	v, present := d[ext.ID]
	if m, ok := v.(map[string]any); ok {
		return m
	}
	if !create {
		return nil
	}
	m := make(map[string]any, len(ext.Attributes))
	if present {
		stateEmpty(m, ext.Attributes)
	}
	d[ext.ID] = m
	return m
}

// stateEmpty marks every writable attribute of a table as stated empty.
func stateEmpty(m map[string]any, table []Attribute) {
	for i := range table {
		if table[i].writable() {
			m[table[i].Name] = nil
		}
	}
}

// value returns what the document holds for an attribute; ok is false if it
// was never sent. A nil value was stated empty, also by way of the attribute
// or extension around it.
func (d Document) value(t target) (v any, ok bool) {
	m := map[string]any(d)
	if t.ext != nil {
		e, present := d[t.ext.ID]
		if m, _ = e.(map[string]any); m == nil {
			return nil, present
		}
	}
	if v, ok = m[t.attr.Name]; !ok || t.sub == nil {
		return v, ok
	}
	if v == nil {
		return nil, true
	}
	sub, isMap := v.(map[string]any)
	if !isMap {
		return nil, false
	}
	v, ok = sub[t.sub.Name]
	return v, ok
}

// text returns a string attribute; empty if it is absent or stated empty.
func (d Document) text(name string) string {
	s, _ := d[name].(string)
	return s
}

// UserName returns the login name of a User.
func (d Document) UserName() string { return d.text("userName") }

// ExternalID returns the client's id, empty if it gave none.
func (d Document) ExternalID() string { return d.text("externalId") }

// DisplayName returns the display name of a User or Group.
func (d Document) DisplayName() string { return d.text("displayName") }

// Active reports whether the User is enabled: absent means true (DA05).
func (d Document) Active() bool {
	active, ok := d["active"].(bool)
	return active || !ok
}

// ParseDocument reads a document as AppendStored wrote it. It trusts names and
// types, since nothing else writes that column.
func ParseDocument(stored []byte) (Document, error) {
	v, err := parseJSON(stored)
	if err != nil {
		return nil, err
	}
	o, ok := v.(object)
	if !ok {
		return nil, errInvalidSyntax("", "a stored document is no object")
	}
	return plain(o).(map[string]any), nil
}

// plain turns scanned objects into maps.
func plain(v any) any {
	switch v := v.(type) {
	case object:
		m := make(map[string]any, len(v))
		for i := range v {
			m[v[i].name] = plain(v[i].value)
		}
		return m
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
		return v
	default:
		return v
	}
}

// AppendStored appends the document as JSON with sorted keys, what was stated
// empty as null, so that equal documents are equal bytes.
func AppendStored(dst []byte, d Document) []byte {
	return appendValue(dst, map[string]any(d))
}

// appendValue appends any value of a document with sorted keys.
func appendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return appendString(dst, v)
	case bool:
		return strconv.AppendBool(dst, v)
	case json.Number:
		return append(dst, v...)
	case map[string]any:
		if v == nil {
			return append(dst, "null"...)
		}
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		dst = append(dst, '{')
		for i, k := range keys {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, k), ':')
			dst = appendValue(dst, v[k])
		}
		return append(dst, '}')
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, e)
		}
		return append(dst, ']')
	default:
		return append(dst, "null"...)
	}
}

// appendString appends a JSON string. Line separators and angle brackets are
// escaped as well, so that a body is safe inside a page or a log viewer.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' && c != 0x7f && c != 0xe2 {
			continue
		}
		if c == 0xe2 {
			if len(s)-i < 3 || s[i+1] != 0x80 || s[i+2]&^1 != 0xa8 {
				continue
			}
			dst = append(append(dst, s[from:i]...), `\u202`...)
			dst = append(dst, hex[s[i+2]&0xf])
			i += 2
			from = i + 1
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
	}
	return append(append(dst, s[from:]...), '"')
}
