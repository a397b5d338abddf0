package configs

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/rollcall-sync/rollcall/internal/yamldoc"
	"github.com/rollcall-sync/rollcall/mapping"
)

// Problem is one thing wrong with a configuration, with its place and the key
// that it concerns. Its text says what to write instead.
type Problem = mapping.Problem

// decoder reads YAML nodes into Go values and notes every problem on the way,
// where the YAML library's own strict mode stops at the first.
type decoder struct {
	file     string
	problems []*Problem
	places   map[string]yamldoc.Place // where each key path stands
}

// defaulted is a type that fills its own defaults before it is read.
type defaulted interface{ setDefaults() }

// oneOrMore is a list for which a single value may stand.
type oneOrMore interface{ OneOrMore() }

func (d *decoder) addf(n ast.Node, path, format string, args ...any) {
	at := yamldoc.Of(n)
	d.problems = append(d.problems, &Problem{
		File: d.file, Line: at.Line, Column: at.Column, Path: path, Text: fmt.Sprintf(format, args...),
	})
}

// document parses the text as one YAML document.
func (d *decoder) document(text []byte) (ast.Node, bool) {
	root, fault := yamldoc.Parse(text, "begin with `listen: 127.0.0.1:8080`")
	if fault != nil {
		d.problems = append(d.problems, &Problem{File: d.file, Line: fault.Line, Column: fault.Column, Text: fault.Text})
		return nil, false
	}
	return root, true
}

// read reads a node into a value.
func (d *decoder) read(n ast.Node, path string, into reflect.Value) {
	if _, null := n.(*ast.NullNode); null || n == nil {
		return // a key left empty keeps its default
	}
	if at := yamldoc.Of(n); d.places[path] == (yamldoc.Place{}) {
		d.places[path] = at
	}
	switch target := into.Addr().Interface().(type) {
	case *time.Duration:
		d.duration(n, path, target)
		return
	case *map[string]string:
		d.texts(n, path, target)
		return
	case yaml.InterfaceUnmarshaler:
		err := target.UnmarshalYAML(func(v any) error { return yaml.NodeToValue(n, v, yaml.Strict()) })
		if err != nil {
			d.addf(n, path, "%v", err)
		}
		return
	case encoding.TextUnmarshaler:
		if text, ok := d.text(n, path); ok {
			if err := target.UnmarshalText([]byte(text)); err != nil {
				d.addf(n, path, "%v", err)
			}
		}
		return
	case defaulted:
		target.setDefaults()
	}
	switch into.Kind() {
	case reflect.Struct:
		d.table(n, path, into)
	case reflect.Slice:
		d.list(n, path, into)
	case reflect.String:
		if text, ok := d.text(n, path); ok {
			into.SetString(text)
		}
	case reflect.Bool:
		if b, ok := n.(*ast.BoolNode); ok {
			into.SetBool(b.Value)
		} else {
			d.addf(n, path, "wants true or false, got %s", yamldoc.Describe(n))
		}
	case reflect.Int:
		text, ok := yamldoc.Scalar(n)
		number, err := strconv.Atoi(text)
		if !ok || err != nil {
			d.addf(n, path, "wants a whole number, got %s", yamldoc.Describe(n))
			return
		}
		into.SetInt(int64(number))
	default:
		panic("configs: no way to read " + into.Type().String())
	}
}

// table reads a mapping into a struct by its yaml tags.
func (d *decoder) table(n ast.Node, path string, into reflect.Value) {
	m, ok := n.(*ast.MappingNode)
	if _, text := yamldoc.Scalar(n); text && path == "" {
		// Perhaps the file of a secret: nothing of it is shown.
		d.addf(n, path, "is no configuration: begin with `listen: 127.0.0.1:8080`, or name the right file with --config")
		return
	}
	if !ok {
		d.addf(n, path, "wants a table of keys, got %s", yamldoc.Describe(n))
		return
	}
	fields, names := fieldsOf(into.Type())
	seen := map[string]bool{}
	for _, entry := range m.Values {
		key, ok := yamldoc.Scalar(entry.Key)
		if !ok {
			d.addf(entry.Key, path, "a key must be plain text, got %s", yamldoc.Describe(entry.Key))
			continue
		}
		sub := join(path, key)
		i, known := fields[key]
		switch {
		case !known:
			d.addf(entry.Key, sub, "unknown key%s", remedyFor(key, names))
		case seen[key]:
			d.addf(entry.Key, sub, "the key stands twice: remove one")
		default:
			seen[key] = true
			d.places[sub] = yamldoc.Of(entry.Key)
			d.read(entry.Value, sub, into.FieldByIndex(i))
		}
	}
}

// fieldsOf finds a struct's fields by their keys, and the keys in order; those
// of an inlined struct count as its own.
func fieldsOf(t reflect.Type) (fields map[string][]int, names []string) {
	fields = map[string][]int{}
	for i := range t.NumField() {
		f := t.Field(i)
		switch name := f.Tag.Get("yaml"); name {
		case "", "-":
		case ",inline":
			below, keys := fieldsOf(f.Type)
			for _, sub := range keys {
				fields[sub] = append([]int{i}, below[sub]...)
			}
			names = append(names, keys...)
		default:
			fields[name] = []int{i}
			names = append(names, name)
		}
	}
	return fields, names
}

// texts reads a mapping of plain text.
func (d *decoder) texts(n ast.Node, path string, into *map[string]string) {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.addf(n, path, "wants a table of keys, got %s", yamldoc.Describe(n))
		return
	}
	*into = map[string]string{}
	for _, entry := range m.Values {
		key, ok := yamldoc.Scalar(entry.Key)
		if !ok {
			d.addf(entry.Key, path, "a key must be plain text, got %s", yamldoc.Describe(entry.Key))
			continue
		}
		sub := join(path, key)
		if _, twice := (*into)[key]; twice {
			d.addf(entry.Key, sub, "the key stands twice: remove one")
			continue
		}
		d.places[sub] = yamldoc.Of(entry.Key)
		text := ""
		if _, null := entry.Value.(*ast.NullNode); !null {
			if text, ok = d.text(entry.Value, sub); !ok {
				continue
			}
		}
		(*into)[key] = text
	}
}

// list reads a sequence into a slice; an empty one is not nil.
func (d *decoder) list(n ast.Node, path string, into reflect.Value) {
	s, ok := n.(*ast.SequenceNode)
	if _, single := into.Interface().(oneOrMore); single && !ok {
		into.Set(reflect.MakeSlice(into.Type(), 1, 1))
		d.read(n, path, into.Index(0))
		return
	}
	if !ok {
		d.addf(n, path, "wants a list, got %s", yamldoc.Describe(n))
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(s.Values), len(s.Values)))
	for i, entry := range s.Values {
		sub := path + "[" + strconv.Itoa(i) + "]"
		if _, null := entry.(*ast.NullNode); null || entry == nil {
			d.places[sub] = yamldoc.Of(entry)
			d.addf(entry, sub, "an empty entry: remove it")
			continue
		}
		d.read(entry, sub, into.Index(i))
	}
}

func (d *decoder) text(n ast.Node, path string) (string, bool) {
	text, ok := yamldoc.Scalar(n)
	if b, isBool := n.(*ast.BoolNode); isBool {
		d.addf(n, path, "wants text, got %s: quote it if the word is meant", b.GetToken().Value)
		return "", false
	}
	if !ok {
		d.addf(n, path, "wants text, got %s", yamldoc.Describe(n))
	}
	return text, ok
}

func (d *decoder) duration(n ast.Node, path string, into *time.Duration) {
	text, _ := yamldoc.Scalar(n)
	length, err := ParseDuration(text)
	if err != nil {
		d.addf(n, path, "%s is no length of time: write it as 30s, 12h or 7d", yamldoc.Describe(n))
		return
	}
	*into = length
}

// ParseDuration reads 7d or what time.ParseDuration reads; days have 24 hours.
// Lengths below zero are refused.
func ParseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n <= 36500 {
			return time.Duration(n) * day, nil
		}
	} else if length, err := time.ParseDuration(text); err == nil && length >= 0 {
		return length, nil
	}
	return 0, fmt.Errorf("%q is no length of time: write it as 30s, 12h or 7d", text)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
