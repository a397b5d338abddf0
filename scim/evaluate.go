package scim

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/fold"
)

// Match says whether a document of type rt satisfies a filter of ParseFilter
// for the same type. It is the twin of CompileSQL: both give the same answer
// for the same resource. The document is not changed.
func Match(f Filter, doc Document, rt *ResourceType) bool {
	return match(f, documentScope{doc, rt})
}

// MatchEntry says whether one entry of a list satisfies the filter of a Path
// or of a ValuePath. Entries are map[string]any, or scalars in lists that are
// not complex.
func MatchEntry(f Filter, entry any) bool {
	return match(f, entryScope{entry})
}

// scope finds the values that a Ref stands for; nil is an entry or document in
// which the attribute has no value.
type scope interface {
	values(ref Ref) []any
}

func match(f Filter, in scope) bool {
	switch f := f.(type) {
	case And:
		for _, term := range f.Terms {
			if !match(term, in) {
				return false
			}
		}
		return true
	case Or:
		for _, term := range f.Terms {
			if match(term, in) {
				return true
			}
		}
		return false
	case Not:
		return !match(f.Term, in)
	case Present:
		for _, v := range in.values(f.Ref) {
			if isPresent(v) {
				return true
			}
		}
		return false
	case Compare:
		values := in.values(f.Ref)
		for _, v := range values {
			if f.holds(v) {
				return true
			}
		}
		return f.Op == Ne && len(values) == 0
	case ValuePath:
		// Value paths do not nest, so the scope is a document.
		doc, ok := in.(documentScope)
		return ok && slices.ContainsFunc(doc.entries(f.Ref), func(entry any) bool { return MatchEntry(f.Filter, entry) })
	}
	return false
}

// documentScope resolves against a whole resource.
type documentScope struct {
	doc Document
	rt  *ResourceType
}

// entries returns the entries of a list, or the one value of what is no list.
func (s documentScope) entries(ref Ref) []any {
	attributes := map[string]any(s.doc)
	if ref.Extension != "" {
		attributes, _ = s.doc[ref.Extension].(map[string]any)
	}
	value := attributes[ref.Attribute.Name]
	if ref.Attribute.MultiValued {
		entries, _ := value.([]any)
		return entries
	}
	if value == nil && ref.Extension == "" && ref.Attribute.Name == "active" && s.rt.Name == "User" {
		// A User without active is active (scim.md section 1).
		value = true
	}
	return []any{value}
}

func (s documentScope) values(ref Ref) []any {
	entries := s.entries(ref)
	if ref.Sub == nil {
		return entries
	}
	values := make([]any, len(entries))
	for i, entry := range entries {
		values[i] = subValue(ref, entry)
	}
	return values
}

// entryScope resolves against one entry of a list.
type entryScope struct{ entry any }

func (s entryScope) values(ref Ref) []any {
	if ref.Sub == nil {
		return []any{s.entry}
	}
	return []any{subValue(ref, s.entry)}
}

// subValue reads a sub-attribute. An entry that does not say primary is not
// primary (RFC 7643 section 2.4).
func subValue(ref Ref, entry any) any {
	attributes, _ := entry.(map[string]any)
	value := attributes[ref.Sub.Name]
	if value == nil && ref.Attribute.MultiValued && ref.Sub.Name == "primary" {
		return false
	}
	return value
}

// isPresent implements pr: empty text, lists and objects are no value.
func isPresent(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		for _, sub := range v {
			if isPresent(sub) {
				return true
			}
		}
		return false
	}
	return true
}

// holds compares one value. A value that is absent, or not of the attribute's
// type, satisfies Ne only.
func (c Compare) holds(v any) bool {
	switch want := c.Value; want.Type {
	case TypeBoolean:
		if got, ok := v.(bool); ok {
			return c.ordered(boolOrder(got, want.Bool))
		}
	case TypeInteger:
		if number, ok := v.(json.Number); ok {
			if got, err := number.Int64(); err == nil {
				return c.ordered(cmp.Compare(got, want.Int))
			}
		}
	case TypeDecimal:
		if number, ok := v.(json.Number); ok {
			if got, err := number.Float64(); err == nil {
				return c.ordered(cmp.Compare(got, want.Decimal))
			}
		}
	case TypeDateTime:
		if text, ok := v.(string); ok {
			if got, ok := parseInstant(text); ok {
				return c.ordered(cmp.Compare(got, want.Int))
			}
		}
	default:
		if got, ok := v.(string); ok {
			return c.holdsText(got)
		}
	}
	return c.Op == Ne
}

// holdsText compares text by key. Letters of keys are compared by their bytes,
// as the databases do with COLLATE "C".
func (c Compare) holdsText(got string) bool {
	key := got
	if !c.Ref.caseExact() {
		key = fold.Key(got)
	}
	want := c.Value.Key
	switch c.Op {
	case Co, Sw, Ew:
		if want == "" {
			return key != ""
		}
		switch c.Op {
		case Co:
			return strings.Contains(key, want)
		case Sw:
			return strings.HasPrefix(key, want)
		default:
			return strings.HasSuffix(key, want)
		}
	}
	return c.ordered(cmp.Compare(key, want))
}

// ordered applies the operators that follow from an order.
func (c Compare) ordered(sign int) bool {
	switch c.Op {
	case Eq:
		return sign == 0
	case Ne:
		return sign != 0
	case Gt:
		return sign > 0
	case Ge:
		return sign >= 0
	case Lt:
		return sign < 0
	case Le:
		return sign <= 0
	}
	return false
}

func boolOrder(got, want bool) int {
	if got == want {
		return 0
	}
	return 1
}
