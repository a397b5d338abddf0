package mapping

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/rollcall-sync/rollcall/internal/yamldoc"
)

// loader collects the problems of one file while it is read.
type loader struct {
	file     string
	problems []*Problem
}

// value is one YAML node with the path that leads to it.
type value struct {
	l    *loader
	n    ast.Node
	path string
}

// errorf records a problem at the value's place.
func (v value) errorf(format string, args ...any) {
	at := yamldoc.Of(v.n)
	p := &Problem{File: v.l.file, Line: at.Line, Column: at.Column, Path: v.path, Text: fmt.Sprintf(format, args...)}
	v.l.problems = append(v.l.problems, p)
}

// parse reads the text as one YAML document. ok is false if a problem was
// recorded.
func (l *loader) parse(text []byte) (root value, ok bool) {
	n, fault := yamldoc.Parse(text, "it needs at least `version: 1`")
	if fault != nil {
		l.problems = append(l.problems, &Problem{File: l.file, Line: fault.Line, Column: fault.Column, Text: fault.Text})
		return value{l: l}, false
	}
	return value{l: l, n: n}, true
}

// isNull reports whether the value is null or was left empty.
func (v value) isNull() bool {
	_, null := v.n.(*ast.NullNode)
	return v.n == nil || null
}

// isTable and isList tell the two kinds of collection apart.
func (v value) isTable() bool { _, ok := v.n.(*ast.MappingNode); return ok }
func (v value) isList() bool  { _, ok := v.n.(*ast.SequenceNode); return ok }

// plain gives the text of a string or number as it was written.
func (v value) plain() (string, bool) { return yamldoc.Scalar(v.n) }

// text reads a string; numbers count as the text that was written.
func (v value) text() (string, bool) {
	s, ok := v.plain()
	if !ok {
		if b, isBool := v.n.(*ast.BoolNode); isBool {
			v.errorf("wants text, got %s; quote it if the text is meant", b.GetToken().Value)
		} else {
			v.errorf("wants text, got %s", yamldoc.Describe(v.n))
		}
		return "", false
	}
	return s, true
}

// nonEmpty reads a string that must have a character besides blanks.
func (v value) nonEmpty() (string, bool) {
	s, ok := v.text()
	if ok && strings.TrimSpace(s) == "" {
		v.errorf("must not be empty")
		return "", false
	}
	return s, ok
}

// boolean reads true or false.
func (v value) boolean() (b, ok bool) {
	n, ok := v.n.(*ast.BoolNode)
	if !ok {
		v.errorf("wants true or false, got %s", yamldoc.Describe(v.n))
		return false, false
	}
	return n.Value, true
}

// positive reads a whole number from 1 to limit.
func (v value) positive(limit int) (int, bool) {
	if _, isInt := v.n.(*ast.IntegerNode); isInt {
		if i, err := strconv.Atoi(v.n.GetToken().Value); err == nil && i >= 1 && i <= limit {
			return i, true
		}
	}
	v.errorf("wants a whole number from 1 to %d, got %s", limit, yamldoc.Describe(v.n))
	return 0, false
}

// list reads a sequence.
func (v value) list() ([]value, bool) {
	n, ok := v.n.(*ast.SequenceNode)
	if !ok {
		v.errorf("wants a list, got %s", yamldoc.Describe(v.n))
		return nil, false
	}
	out := make([]value, len(n.Values))
	for i, e := range n.Values {
		out[i] = value{l: v.l, n: e, path: fmt.Sprintf("%s[%d]", v.path, i)}
	}
	return out, true
}

// texts reads a non-empty list of strings.
func (v value) texts() ([]string, bool) {
	items, ok := v.list()
	if !ok {
		return nil, false
	}
	if len(items) == 0 {
		v.errorf("must not be empty")
		return nil, false
	}
	out := make([]string, 0, len(items))
	for _, it := range items {
		s, fine := it.nonEmpty()
		ok = ok && fine
		out = append(out, s)
	}
	return out, ok
}

// oneOf reads a word of a closed set.
func (v value) oneOf(words ...string) (string, bool) {
	s, ok := v.text()
	if !ok {
		return "", false
	}
	for _, w := range words {
		if s == w {
			return s, true
		}
	}
	v.errorf("%q is not one of %s%s", s, strings.Join(words, ", "), didYouMean(s, words))
	return "", false
}

// field is one key of a table.
type field struct {
	key  string
	node ast.Node // the key, for its place
	val  value
}

// fields reads a table and remembers which keys were asked for, so that done
// can report the others as unknown.
type fields struct {
	at    value
	list  []field
	known []string
}

// fields reads a mapping; duplicate keys are problems.
func (v value) fields() (*fields, bool) {
	n, ok := v.n.(*ast.MappingNode)
	if !ok {
		v.errorf("wants a table of keys, got %s", yamldoc.Describe(v.n))
		return nil, false
	}
	f := &fields{at: v}
	seen := map[string]bool{}
	for _, mv := range n.Values {
		keyNode, isNode := mv.Key.(ast.Node)
		kv := value{l: v.l, n: keyNode, path: v.path}
		key, isText := kv.plain()
		if !isNode || !isText {
			if b, isBool := keyNode.(*ast.BoolNode); isBool {
				key = b.GetToken().Value
			} else {
				kv.errorf("a key must be text, got %s", yamldoc.Describe(keyNode))
				continue
			}
		}
		if seen[key] {
			kv.errorf("key %q stands twice", key)
			continue
		}
		seen[key] = true
		path := key
		if v.path != "" {
			path = v.path + "." + key
		}
		f.list = append(f.list, field{key: key, node: keyNode, val: value{l: v.l, n: mv.Value, path: path}})
	}
	return f, true
}

// get returns the value of a key and marks the key as known.
func (f *fields) get(key string) (value, bool) {
	f.known = append(f.known, key)
	for _, e := range f.list {
		if e.key == key {
			return e.val, true
		}
	}
	return value{}, false
}

// has reports whether a key is there without marking it as known.
func (f *fields) has(key string) bool {
	for _, e := range f.list {
		if e.key == key {
			return true
		}
	}
	return false
}

// keyValue returns the key's own place, for problems about the key.
func (f *fields) keyValue(key string) value {
	for _, e := range f.list {
		if e.key == key {
			return value{l: f.at.l, n: e.node, path: f.at.path}
		}
	}
	return f.at
}

// done reports every key that nobody asked for (LN01).
func (f *fields) done() {
	for _, e := range f.list {
		found := false
		for _, k := range f.known {
			found = found || k == e.key
		}
		if !found {
			f.keyValue(e.key).errorf("unknown key %q (LN01)%s", e.key, didYouMean(e.key, f.known))
		}
	}
}
