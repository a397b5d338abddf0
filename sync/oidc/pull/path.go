package pull

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// path names a property of a JSON document: names joined by dots
// (`name.givenName`); an extension of SCIM by its whole URN
// (`urn:ietf:...:2.0:User:department`); behind a list, a choice of its
// elements, `phones[type=work].value` or `emails[primary].value`. A list of
// objects stands for their `value`.
type path []step

// step is a name, with the choice that follows it.
type step struct {
	name       string
	key, value string // the choice; "" takes all elements
}

// parsePath reads a path; "" is none.
func parsePath(text string) (path, error) {
	var p path
	rest := text
	if strings.HasPrefix(rest, "urn:") {
		at := strings.LastIndexByte(rest, ':')
		if at < len("urn:x") || at == len(rest)-1 {
			return nil, fmt.Errorf("%q is no path: an extension is urn:...:NAME", text)
		}
		p, rest = append(p, step{name: rest[:at]}), rest[at+1:]
	}
	for rest != "" {
		var part string
		part, rest = cutStep(rest)
		s := step{name: part}
		if name, choice, ok := strings.Cut(part, "["); ok {
			inner, closed := strings.CutSuffix(choice, "]")
			key, value, equals := strings.Cut(inner, "=")
			if !closed || key == "" || equals && value == "" || strings.ContainsAny(inner, "[]") {
				return nil, fmt.Errorf("%q is no path: a choice is [type=work] or [primary]", text)
			}
			if !equals {
				value = "true"
			}
			s = step{name, key, value}
		}
		if s.name == "" || strings.ContainsAny(s.name, "[]") {
			return nil, fmt.Errorf("%q is no path: write names joined by dots", text)
		}
		p = append(p, s)
	}
	if len(p) == 0 || strings.HasSuffix(text, ".") {
		return nil, fmt.Errorf("%q is no path: write names joined by dots", text)
	}
	return p, nil
}

// cutStep takes the text up to the next dot outside brackets.
func cutStep(text string) (part, rest string) {
	depth := 0
	for i, c := range []byte(text) {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == '.' && depth <= 0:
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}

// values gives what stands at the path as text. Present is false when the
// document does not speak of it: that is unknown, not empty (EV3).
func (p path) values(doc map[string]any) (values []string, present bool) {
	var at any = doc
	for _, s := range p {
		m, ok := at.(map[string]any)
		if !ok {
			return nil, at == nil // null above: nothing below it
		}
		if at, ok = m[s.name]; !ok {
			return nil, false
		}
		if s.key != "" {
			at = s.choose(at)
		}
	}
	return texts(at), true
}

// choose gives the first element of a list that has the value; nil for none.
func (s step) choose(at any) any {
	list, ok := at.([]any)
	if !ok {
		return nil
	}
	for _, e := range list {
		if m, ok := e.(map[string]any); ok && strings.EqualFold(scalar(m[s.key]), s.value) {
			return m
		}
	}
	return nil
}

// texts flattens a value.
func texts(at any) (out []string) {
	switch v := at.(type) {
	case []any:
		for _, e := range v {
			out = append(out, texts(e)...)
		}
	case map[string]any:
		return texts(v["value"])
	default:
		if s := scalar(v); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// scalar gives a text, number or truth value as text. Text with a NUL is none:
// no store and no program on the way would agree about its end.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		if strings.IndexByte(v, 0) >= 0 {
			return ""
		}
		return v
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	}
	return ""
}
