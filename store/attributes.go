package store

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-sync/rollcall/workspace"
)

// appendAttributes writes attributes as a JSON object of lists of strings,
// names in bytewise order. A list that is nil is stated empty, as one without
// values. Invalid UTF-8 becomes U+FFFD, as in encoding/json.
func appendAttributes(b []byte, a workspace.Attributes) []byte {
	names := make([]string, 0, len(a))
	for name := range a {
		names = append(names, name)
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, name)
		b = append(b, ':')
		b = appendStrings(b, a[name])
	}
	return append(b, '}')
}

// appendStrings writes a JSON list of strings.
func appendStrings(b []byte, values []string) []byte {
	b = append(b, '[')
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, value)
	}
	return append(b, ']')
}

const hexDigits = "0123456789abcdef"

func appendString(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// parseAttributes reads what appendAttributes writes, and leaves any other
// spelling of the same JSON to encoding/json. The values share the memory of
// text.
func parseAttributes(text string) (workspace.Attributes, error) {
	p := listParser{text: text}
	if a, ok := p.object(); ok && p.at == len(text) {
		return a, nil
	}
	var a workspace.Attributes
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return nil, fmt.Errorf("stored attributes cannot be read: %w", err)
	}
	if a == nil {
		a = workspace.Attributes{}
	}
	for name, values := range a {
		if values == nil {
			a[name] = []string{}
		}
	}
	return a, nil
}

// parseStrings reads a JSON list of strings; the empty list is nil.
func parseStrings(text string) ([]string, error) {
	p := listParser{text: text}
	values, ok := p.list()
	if !ok || p.at != len(text) {
		values = nil
		if err := json.Unmarshal([]byte(text), &values); err != nil {
			return nil, fmt.Errorf("stored list cannot be read: %w", err)
		}
	}
	if len(values) == 0 {
		return nil, nil
	}
	return values, nil
}

// listParser reads the spelling of appendAttributes; ok is false for others.
type listParser struct {
	text string
	at   int
}

func (p *listParser) take(c byte) bool {
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *listParser) object() (workspace.Attributes, bool) {
	if !p.take('{') {
		return nil, false
	}
	a := make(workspace.Attributes, strings.Count(p.text, "]"))
	if p.take('}') {
		return a, true
	}
	for {
		name, ok := p.string()
		if !ok || !p.take(':') {
			return nil, false
		}
		values, ok := p.list()
		if !ok {
			return nil, false
		}
		a[name] = values
		if p.take('}') {
			return a, true
		}
		if !p.take(',') {
			return nil, false
		}
	}
}

func (p *listParser) list() ([]string, bool) {
	if !p.take('[') {
		return nil, false
	}
	if p.take(']') {
		return []string{}, true
	}
	values := make([]string, 0, 1)
	for {
		value, ok := p.string()
		if !ok {
			return nil, false
		}
		values = append(values, value)
		if p.take(']') {
			return values, true
		}
		if !p.take(',') {
			return nil, false
		}
	}
}

func (p *listParser) string() (string, bool) {
	if !p.take('"') {
		return "", false
	}
	start := p.at
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '"':
			s := p.text[start:p.at]
			p.at++
			return s, utf8.ValidString(s)
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", false
		}
	}
	return "", false
}

// escaped reads a string in which a backslash stands at p.at.
func (p *listParser) escaped(start int) (string, bool) {
	for ; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case '\\':
			p.at++
		case '"':
			p.at++
			var s string
			if err := json.Unmarshal([]byte(p.text[start-1:p.at]), &s); err != nil {
				return "", false
			}
			return s, true
		}
	}
	return "", false
}
