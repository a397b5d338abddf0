package scim

import (
	"encoding/json"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// The limits of GD06. Depth counts objects and lists that are open at once.
const (
	maxJSONDepth  = 32
	maxTextBytes  = 8 << 10
	maxNumberText = 64
	// maxListEntries is more than the members that fit a body (GD04): a list of
	// nothing much must not cost more than its bytes.
	maxListEntries = 50_000
)

// object is a JSON object in the order of its keys. Lists are []any; the other
// values are nil, string, bool and json.Number.
type object []member

// member is one key of an object with its value.
type member struct {
	name  string
	value any
}

// jsonScanner reads one JSON document. encoding/json is not used for request
// bodies: it keeps the last of two equal keys, replaces invalid UTF-8, and has
// no limits on depth and text.
type jsonScanner struct {
	text  string
	pos   int
	depth int
	// What open objects and lists hold so far; each copies its part out at its
	// end, so that a document costs one allocation per object and list.
	members []member
	values  []any
}

// parseJSON reads exactly one document (GD06, LB10): depth 32, text 8 KiB,
// valid UTF-8 without NUL, no duplicate keys in any letter case, nothing after
// the end.
func parseJSON(body []byte) (any, error) {
	if !utf8.Valid(body) {
		return nil, errInvalidSyntax("GD06", "the body is not valid UTF-8")
	}
	s, _ := scanners.Get().(*jsonScanner)
	s.text = string(body)
	defer s.release()
	s.space()
	if s.pos == len(s.text) {
		return nil, errInvalidSyntax("GD06", "the body is empty; a JSON document is expected")
	}
	v, err := s.value()
	if err != nil {
		return nil, err
	}
	s.space()
	if s.pos != len(s.text) {
		return nil, errInvalidSyntax("GD06", "there is text after the JSON document, at byte %d", s.pos)
	}
	return v, nil
}

// scanners keeps the stacks of scanners between requests.
var scanners = sync.Pool{New: func() any {
	return &jsonScanner{members: make([]member, 0, 64), values: make([]any, 0, 64)}
}}

// release forgets the document and returns the scanner. Stacks that a large
// document has grown are left to the collector.
func (s *jsonScanner) release() {
	const largest = 1024
	members, values := s.members[:cap(s.members)], s.values[:cap(s.values)]
	if len(members) > largest || len(values) > largest {
		return
	}
	clear(members)
	clear(values)
	*s = jsonScanner{members: members[:0], values: values[:0]}
	scanners.Put(s)
}

// malformed is the error for text that is no JSON.
func (s *jsonScanner) malformed() error {
	return errInvalidSyntax("GD06", "the body is no valid JSON at byte %d", s.pos)
}

// space skips white space (RFC 8259 section 2).
func (s *jsonScanner) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// value reads the value that begins here; white space was skipped.
func (s *jsonScanner) value() (any, error) {
	if s.pos == len(s.text) {
		return nil, s.malformed()
	}
	switch c := s.text[s.pos]; c {
	case '{', '[':
		if s.depth++; s.depth > maxJSONDepth {
			return nil, errInvalidSyntax("GD06", "the JSON is nested deeper than %d", maxJSONDepth)
		}
		s.pos++
		var v any
		var err error
		if c == '{' {
			v, err = s.object()
		} else {
			v, err = s.list()
		}
		s.depth--
		return v, err
	case '"':
		return boxed(s.string())
	case 't':
		return true, s.word("true")
	case 'f':
		return false, s.word("false")
	case 'n':
		return nil, s.word("null")
	default:
		return s.number()
	}
}

// boxed makes the result of string a value.
func boxed(text string, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return text, nil
}

// word reads one of the three literals.
func (s *jsonScanner) word(w string) error {
	if !strings.HasPrefix(s.text[s.pos:], w) {
		return s.malformed()
	}
	s.pos += len(w)
	return nil
}

// Empty values need no memory of their own: a body may hold a million of them.
var (
	emptyObject any = object{}
	emptyList   any = []any{}
)

// object reads what follows an opening brace.
func (s *jsonScanner) object() (any, error) {
	start := len(s.members)
	var keys map[string]struct{} // Only for large objects.
	s.space()
	if s.skip('}') {
		return emptyObject, nil
	}
	for {
		s.space()
		if s.pos == len(s.text) || s.text[s.pos] != '"' {
			return nil, s.malformed()
		}
		name, err := s.string()
		if err != nil {
			return nil, err
		}
		if keys, err = object(s.members[start:]).admit(keys, name); err != nil {
			return nil, err
		}
		s.space()
		if !s.skip(':') {
			return nil, s.malformed()
		}
		s.space()
		v, err := s.value()
		if err != nil {
			return nil, err
		}
		s.members = append(s.members, member{name, v})
		s.space()
		if s.skip('}') {
			o := make(object, len(s.members)-start)
			copy(o, s.members[start:])
			s.members = s.members[:start]
			return o, nil
		}
		if !s.skip(',') {
			return nil, s.malformed()
		}
	}
}

// admit refuses a name that the object already has, in any letter case: which
// of the two would count is a guess that attackers like. Small objects are
// scanned; larger ones get a set, so that the cost stays linear.
func (o object) admit(keys map[string]struct{}, name string) (map[string]struct{}, error) {
	const small = 24
	duplicate := false
	if len(o) < small {
		for i := range o {
			if sameName(o[i].name, name) {
				duplicate = true
			}
		}
	} else {
		if keys == nil {
			keys = make(map[string]struct{}, 4*small)
			for i := range o {
				keys[strings.ToLower(o[i].name)] = struct{}{}
			}
		}
		key := strings.ToLower(name)
		_, duplicate = keys[key]
		keys[key] = struct{}{}
	}
	if duplicate {
		return nil, errInvalidSyntax("GD06", "the key %q is given twice", shorten(name))
	}
	return keys, nil
}

// list reads what follows an opening bracket.
func (s *jsonScanner) list() (any, error) {
	start := len(s.values)
	s.space()
	if s.skip(']') {
		return emptyList, nil
	}
	for {
		s.space()
		v, err := s.value()
		if err != nil {
			return nil, err
		}
		if s.values = append(s.values, v); len(s.values)-start > maxListEntries {
			return nil, errTooLarge("GD06", "a list has more than %d entries", maxListEntries)
		}
		s.space()
		if s.skip(']') {
			list := make([]any, len(s.values)-start)
			copy(list, s.values[start:])
			s.values = s.values[:start]
			return list, nil
		}
		if !s.skip(',') {
			return nil, s.malformed()
		}
	}
}

// skip steps over c if it is next.
func (s *jsonScanner) skip(c byte) bool {
	if s.pos < len(s.text) && s.text[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// string reads a string that begins at a quote. Without escapes the result
// shares the memory of the body.
func (s *jsonScanner) string() (string, error) {
	s.pos++
	start := s.pos
	end := min(len(s.text), start+maxTextBytes+1)
	for s.pos < end {
		switch c := s.text[s.pos]; {
		case c == '"':
			text := s.text[start:s.pos]
			s.pos++
			return text, nil
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			return "", s.malformed()
		default:
			s.pos++
		}
	}
	if end < len(s.text) {
		return "", tooLong(s.text[start:end])
	}
	return "", s.malformed()
}

// escaped reads on at the first escape of a string that began at start.
func (s *jsonScanner) escaped(start int) (string, error) {
	var b strings.Builder
	b.WriteString(s.text[start:s.pos])
	for s.pos < len(s.text) {
		if b.Len() > maxTextBytes {
			return "", tooLong(b.String())
		}
		c := s.text[s.pos]
		switch {
		case c == '"':
			s.pos++
			return b.String(), nil
		case c < ' ':
			return "", s.malformed()
		case c != '\\':
			b.WriteByte(c)
			s.pos++
			continue
		}
		r, err := s.escape()
		if err != nil {
			return "", err
		}
		b.WriteRune(r)
	}
	return "", s.malformed()
}

// escape reads one escape sequence, surrogate pairs included. NUL and lone
// surrogates are refused: no text of the store can hold them.
func (s *jsonScanner) escape() (rune, error) {
	if s.pos+1 >= len(s.text) {
		return 0, s.malformed()
	}
	c := s.text[s.pos+1]
	if at := strings.IndexByte(`"\/bfnrt`, c); at >= 0 {
		s.pos += 2
		return rune("\"\\/\b\f\n\r\t"[at]), nil
	}
	r, ok := s.codeUnit()
	if !ok {
		return 0, s.malformed()
	}
	if utf16.IsSurrogate(r) {
		low, ok := s.codeUnit()
		if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
			return 0, errInvalidSyntax("GD06", "the body has half a surrogate pair before byte %d", s.pos)
		}
	}
	if r == 0 {
		return 0, errInvalidSyntax("GD06", "the body has a NUL character before byte %d", s.pos)
	}
	return r, nil
}

// codeUnit reads \uXXXX.
func (s *jsonScanner) codeUnit() (rune, bool) {
	if len(s.text)-s.pos < 6 || s.text[s.pos] != '\\' || s.text[s.pos+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s.text[s.pos+2 : s.pos+6]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	s.pos += 6
	return r, true
}

// tooLong is the error for text over the limit. It comes as soon as the limit
// is passed, so that a long text costs no more than a short one.
func tooLong(text string) error {
	return errInvalidValue("GD06", "a text is longer than %d bytes; it begins with %q", maxTextBytes, shorten(text))
}

// number reads a number (RFC 8259 section 6), kept as text so that no digit is
// lost.
func (s *jsonScanner) number() (any, error) {
	start := s.pos
	s.skip('-')
	if !s.skip('0') && !s.digits() {
		return nil, s.malformed()
	}
	if s.skip('.') && !s.digits() {
		return nil, s.malformed()
	}
	if s.skip('e') || s.skip('E') {
		if !s.skip('+') {
			s.skip('-')
		}
		if !s.digits() {
			return nil, s.malformed()
		}
	}
	if s.pos-start > maxNumberText {
		return nil, errInvalidValue("GD06", "a number has more than %d characters", maxNumberText)
	}
	return json.Number(s.text[start:s.pos]), nil
}

// digits steps over digits, a few more than are allowed at most; false if
// there is none.
func (s *jsonScanner) digits() bool {
	start := s.pos
	for s.pos < len(s.text) && s.pos-start <= maxNumberText && s.text[s.pos] >= '0' && s.text[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

// shorten cuts text from a client for an error text or a note.
func shorten(text string) string {
	const longest = 64
	if len(text) <= longest {
		return text
	}
	cut := longest
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}
