// Package yamldoc reads a file as one YAML document: the guard before the
// parser, which recurses, and the words for what stands at a place. What the
// keys mean is the caller's matter.
package yamldoc

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Bounds on a file. They keep the recursive parser within its stack; a
// configuration or a mapping of a thousand rows stays far below them.
const (
	MaxBytes   = 1 << 20
	MaxNesting = 64
)

// Place is where something stands, counted from 1; the zero Place is nowhere.
type Place struct{ Line, Column int }

// Fault is why a text is not one document.
type Fault struct {
	Place
	Text string
}

// Parse reads the text as one document and gives its root. empty is the remedy
// for a file without anything in it. Duplicate keys are left to the caller,
// who can report all of them. A fault inside the parser is a Fault too: one
// file must not end the process.
func Parse(text []byte, empty string) (ast.Node, *Fault) {
	if len(text) > MaxBytes {
		return nil, &Fault{Text: fmt.Sprintf("the file has %d bytes: at most %d are read", len(text), MaxBytes)}
	}
	if !shallow(string(text)) {
		return nil, &Fault{Text: fmt.Sprintf("the file nests deeper than %d levels: no key needs that", MaxNesting)}
	}
	f, err := parse(text)
	if err != nil {
		fault := &Fault{Text: err.Error()}
		var faulty yaml.Error
		if errors.As(err, &faulty) {
			fault.Text = faulty.GetMessage()
			if t := faulty.GetToken(); t != nil && t.Position != nil {
				fault.Place = Place{t.Position.Line, t.Position.Column}
			}
		}
		fault.Text = "not readable as YAML: " + fault.Text
		return nil, fault
	}
	switch {
	case len(f.Docs) == 0 || f.Docs[0].Body == nil:
		return nil, &Fault{Text: "the file is empty: " + empty}
	case len(f.Docs) > 1:
		return nil, &Fault{Of(f.Docs[1].Body), "a second document: a file is one document, remove the line ---"}
	}
	return f.Docs[0].Body, nil
}

func parse(text []byte) (f *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
}

// shallow bounds flow and block nesting before the parser recurses. Brackets
// inside quotes are counted too, so the bound is on the net depth.
func shallow(text string) bool {
	depth := 0
	for line := range strings.Lines(text) {
		inside := strings.TrimLeft(line, " ")
		if len(line)-len(inside) > 4*MaxNesting || marks(inside) > MaxNesting {
			return false
		}
		for _, c := range []byte(line) {
			switch c {
			case '[', '{':
				if depth++; depth > MaxNesting {
					return false
				}
			case ']', '}':
				depth = max(0, depth-1)
			}
		}
	}
	return true
}

// marks counts the marks of lists and keys that a line begins with.
func marks(line string) (n int) {
	for strings.HasPrefix(line, "- ") || strings.HasPrefix(line, "? ") {
		line = strings.TrimLeft(line[2:], " ")
		n++
	}
	return n
}

// Of is where a node begins; nil is nowhere. The token of a block mapping is
// its first colon, so the place of its first key is taken.
func Of(n ast.Node) Place {
	if n == nil {
		return Place{}
	}
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return Of(m.Values[0].Key)
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return Place{t.Position.Line, t.Position.Column}
	}
	return Place{}
}

// Scalar gives the text of a string or number as it was written.
func Scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return strings.TrimRight(n.Value.Value, "\n"), true
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// longest is how much of a value a message shows, in bytes.
const longest = 40

// excerpt is the beginning of a text. What stands in the wrong place may be a
// whole file.
func excerpt(text string) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "..."
}

// Describe names what stands at a node, for "wants X, got Y". Long text is
// cut.
func Describe(n ast.Node) string {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.MappingNode:
		return "a table of keys"
	case *ast.SequenceNode:
		return "a list"
	case *ast.BoolNode:
		return n.GetToken().Value
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias, which this file does not use"
	case *ast.TagNode:
		return "a YAML tag, which this file does not use"
	default:
		if t := n.GetToken(); t != nil {
			return strconv.Quote(excerpt(t.Value))
		}
		return "something else"
	}
}
