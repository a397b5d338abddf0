package scim

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fold"
	parser "github.com/scim2/filter-parser/v2"
)

// Filter is a filter of RFC 7644 section 3.4.2.2 with every attribute resolved
// and every value typed. It is And, Or, Not, Present, Compare or ValuePath.
// Filters are immutable and safe for concurrent use.
type Filter interface{ isFilter() }

// And holds if all of its terms hold. It has at least two, none of them And.
type And struct{ Terms []Filter }

// Or holds if one of its terms holds. It has at least two, none of them Or.
type Or struct{ Terms []Filter }

// Not holds if its term does not: no comparison is ever unknown.
type Not struct{ Term Filter }

// Present holds if the attribute has a value that is neither empty text nor an
// empty list. "eq null" is read as Not{Present}, "ne null" as Present.
type Present struct{ Ref Ref }

// Compare compares an attribute with a value. On lists it holds if it holds
// for any entry; Ne also holds if the value is absent.
type Compare struct {
	Ref   Ref
	Op    Operator
	Value Value
}

// ValuePath holds if one entry of the list satisfies Filter, whose Refs name
// the same list; a Ref without Sub in it is an entry that is not complex.
type ValuePath struct {
	Ref    Ref
	Filter Filter
}

func (And) isFilter()       {}
func (Or) isFilter()        {}
func (Not) isFilter()       {}
func (Present) isFilter()   {}
func (Compare) isFilter()   {}
func (ValuePath) isFilter() {}

// Operator is an operator of RFC 7644 table 3.
type Operator uint8

// The operators of RFC 7644 table 3. Pr only occurs while reading: the tree
// has Present.
const (
	Eq Operator = iota
	Ne
	Co
	Sw
	Ew
	Gt
	Ge
	Lt
	Le
	Pr
)

var operatorTexts = [...]string{"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr"}

// String returns the operator as it is written in filters.
func (o Operator) String() string { return operatorTexts[o] }

var operatorNames = func() map[string]Operator {
	names := make(map[string]Operator, len(operatorTexts))
	for i, text := range operatorTexts {
		names[text] = Operator(i)
	}
	return names
}()

// Value is a comparison value of the type of its attribute.
type Value struct {
	Type    Type    // Of the attribute compared with.
	Text    string  // Strings: decoded, as sent.
	Key     string  // Strings: what is compared; the folded key unless letter case matters.
	Bool    bool    // Booleans.
	Int     int64   // Integers; dates as Unix microseconds.
	Decimal float64 // Decimals.
}

// JSON returns the value as a Document would hold it: string, bool or
// json.Number.
func (v Value) JSON() any {
	switch v.Type {
	case TypeBoolean:
		return v.Bool
	case TypeInteger:
		return json.Number(strconv.FormatInt(v.Int, 10))
	case TypeDecimal:
		return json.Number(strconv.FormatFloat(v.Decimal, 'g', -1, 64))
	}
	return v.Text
}

// FilterOptions are the reader's tolerances. The zero value is strict.
type FilterOptions struct {
	// Lenient accepts bare words (TL11), booleans and numbers as strings and
	// back (TL03, TL04) and SCIM 1.0 URNs (TL13).
	Lenient bool
	// OnTolerance, if not nil, is called with the id of each tolerance used.
	OnTolerance func(id string)
	// others are the other types of a search over several: their attributes may
	// be named too, and have no value here.
	others []*ResourceType
}

func (o FilterOptions) tolerated(id string) {
	if o.OnTolerance != nil {
		o.OnTolerance(id)
	}
}

// ParseFilter reads a filter over resources of type rt. Errors are *Error with
// status 400: invalidFilter, or tooMany over 64 terms (GD02).
func ParseFilter(text string, rt *ResourceType, opt FilterOptions) (Filter, error) {
	if f, ok := parseFast(text, rt, opt); ok {
		return f, nil
	}
	return parseGeneral(text, rt, opt)
}

// parseGeneral reads any filter: guard, parser, own tree.
func parseGeneral(text string, rt *ResourceType, opt FilterOptions) (Filter, error) {
	safe, err := guardFilter(text, opt)
	if err != nil {
		return nil, err
	}
	return builder{rt: rt, opt: opt, literals: safe.literals}.parse(safe.text)
}

// builder turns the parser's tree into ours; the parser's types stop here.
type builder struct {
	rt       *ResourceType
	opt      FilterOptions
	literals []literal
	list     *Ref // The list whose entries are filtered, inside brackets.
}

// parse calls the parser with text that the guard has made.
func (b builder) parse(text string) (Filter, error) {
	exp, err := parser.ParseFilterNumber([]byte(text))
	if err != nil {
		return nil, errInvalidFilter("", "the filter cannot be read").causedBy(err)
	}
	return b.build(exp)
}

func (b builder) build(exp parser.Expression) (Filter, error) {
	switch e := exp.(type) {
	case *parser.LogicalExpression:
		left, err := b.build(e.Left)
		if err != nil {
			return nil, err
		}
		right, err := b.build(e.Right)
		if err != nil {
			return nil, err
		}
		if e.Operator == parser.AND {
			return and(left, right), nil
		}
		return or(left, right), nil
	case *parser.NotExpression:
		term, err := b.build(e.Expression)
		if err != nil {
			return nil, err
		}
		return Not{term}, nil
	case *parser.AttributeExpression:
		return b.term(e)
	}
	// Value paths are literals by now, so the parser never makes one.
	return nil, errInvalidFilter("", "the filter cannot be read")
}

// and joins terms in reading order without nesting.
func and(left, right Filter) Filter {
	return And{append(termsOf[And](left), termsOf[And](right)...)}
}

// or joins terms in reading order without nesting.
func or(left, right Filter) Filter {
	return Or{append(termsOf[Or](left), termsOf[Or](right)...)}
}

func termsOf[T And | Or](f Filter) []Filter {
	if joined, ok := f.(T); ok {
		return struct{ Terms []Filter }(joined).Terms
	}
	return []Filter{f}
}

func (b builder) term(e *parser.AttributeExpression) (Filter, error) {
	op := operatorNames[string(e.Operator)]
	name := e.AttributePath.String()
	var value literal
	if op != Pr {
		// The guard has put the index of a literal in the place of every value.
		index, ok := e.CompareValue.(string)
		i, err := strconv.Atoi(index)
		if !ok || err != nil || i < 0 || i >= len(b.literals) {
			return nil, errInvalidFilter("", "the value of %q cannot be read", name)
		}
		value = b.literals[i]
	}
	if value.kind == literalValuePath {
		return b.valuePath(name, value.text)
	}
	ref, err := b.operand(name)
	if err != nil {
		return nil, err
	}
	return compare(ref, op, value, b.opt)
}

// valuePath reads name[inner], where inner went through the guard.
func (b builder) valuePath(name, inner string) (Filter, error) {
	ref, ok := b.resolve(name)
	if !ok {
		return nil, unknownAttribute(name, b.rt)
	}
	if err := isFilterableList(ref); err != nil {
		return nil, err
	}
	b.list = &ref
	f, err := b.parse(inner)
	if err != nil {
		return nil, err
	}
	return ValuePath{ref, f}, nil
}

// isFilterableList refuses brackets behind what is no list.
func isFilterableList(ref Ref) error {
	if !ref.Attribute.MultiValued || ref.Sub != nil {
		return errInvalidFilter("LB07", "%s is no list, so it takes no filter in brackets", ref)
	}
	return nil
}

// resolve finds an attribute of the type, else of the other types of a search.
func (b builder) resolve(name string) (Ref, bool) {
	ref, ok := b.rt.resolve(name, b.opt)
	for _, rt := range b.opt.others {
		if ok {
			break
		}
		ref, ok = rt.resolve(name, b.opt)
	}
	return ref, ok
}

// operand resolves the attribute on the left of an operator.
func (b builder) operand(name string) (Ref, error) {
	if b.list != nil {
		return entryOperand(*b.list, name)
	}
	ref, ok := b.resolve(name)
	if !ok {
		return Ref{}, unknownAttribute(name, b.rt)
	}
	// A bare complex attribute means its value: members eq "<id>".
	if ref.Sub == nil && ref.Attribute.Type == TypeComplex {
		ref.Sub = findAttribute(ref.Attribute.Sub, "value")
	}
	if isSecret(ref.Attribute) || isSecret(ref.leaf()) {
		return Ref{}, errInvalidFilter("", "%s cannot be filtered by", ref)
	}
	return ref, nil
}

// entryOperand resolves a name inside the brackets of list (LB07). Entries that
// are not complex are called value.
func entryOperand(list Ref, name string) (Ref, error) {
	if sub := findAttribute(list.Attribute.Sub, name); sub != nil && !isSecret(sub) {
		list.Sub = sub
		return list, nil
	}
	if list.Attribute.Type != TypeComplex && strings.EqualFold(name, "value") {
		return list, nil
	}
	return Ref{}, errInvalidFilter("LB07", "%s has no sub-attribute %q", list, name)
}

// isSecret: secret attributes would let a filter guess what no answer shows.
func isSecret(a *Attribute) bool {
	return a.Returned == ReturnedNever || a.Mutability == WriteOnly
}

func unknownAttribute(name string, rt *ResourceType) *Error {
	return errInvalidFilter("", "%s has no attribute %q", rt.Name, name)
}

// compare types one comparison: the table of operators and the conversions.
func compare(ref Ref, op Operator, l literal, opt FilterOptions) (Filter, error) {
	leaf := ref.leaf()
	if !fits(op, leaf.Type) {
		return nil, errInvalidFilter("LB07", "the operator %s does not fit %s, which is %s", op, ref, typeNames[leaf.Type])
	}
	switch {
	case op == Pr:
		return Present{ref}, nil
	case l.kind == literalNull && op == Eq:
		return Not{Present{ref}}, nil
	case l.kind == literalNull && op == Ne:
		return Present{ref}, nil
	}
	value, ok := typed(ref, l, opt)
	if !ok {
		return nil, errInvalidFilter("LB07", "the value does not fit %s, which is %s", ref, typeNames[leaf.Type])
	}
	return Compare{ref, op, value}, nil
}

// typeNames are used in errors.
var typeNames = [...]string{
	TypeString: "a string", TypeBoolean: "a boolean", TypeInteger: "an integer", TypeDecimal: "a decimal number",
	TypeDateTime: "a date", TypeBinary: "binary", TypeReference: "a reference", TypeComplex: "complex",
}

// fits is the table of operators by type (RFC 7644 section 3.4.2.2).
func fits(op Operator, t Type) bool {
	switch t {
	case TypeString, TypeReference:
		return true
	case TypeBoolean, TypeBinary:
		return op == Eq || op == Ne || op == Pr
	case TypeInteger, TypeDecimal, TypeDateTime:
		return op != Co && op != Sw && op != Ew
	}
	return op == Pr
}

// typed converts a literal to the type of ref's attribute, false if it does
// not fit.
func typed(ref Ref, l literal, opt FilterOptions) (Value, bool) {
	leaf := ref.leaf()
	quoted := l.kind == literalString || l.kind == literalBare
	v := Value{Type: leaf.Type}
	switch leaf.Type {
	case TypeBoolean:
		if l.kind != literalTrue && l.kind != literalFalse {
			if !opt.Lenient {
				return Value{}, false
			}
			opt.tolerated(TL03.String())
		}
		switch strings.ToLower(l.text) {
		case "true", "1":
			v.Bool = true
		case "false", "0":
		default:
			return Value{}, false
		}
		return v, l.kind != literalNull
	case TypeInteger, TypeDecimal:
		if quoted {
			if !opt.Lenient {
				return Value{}, false
			}
			opt.tolerated(TL04.String())
		} else if l.kind != literalNumber {
			return Value{}, false
		}
		var err error
		if leaf.Type == TypeInteger {
			// LB04: an integer out of range is refused, never wrapped.
			v.Int, err = strconv.ParseInt(l.text, 10, 64)
			return v, err == nil
		}
		v.Decimal, err = strconv.ParseFloat(l.text, 64)
		return v, err == nil && !math.IsNaN(v.Decimal) && !math.IsInf(v.Decimal, 0)
	case TypeDateTime:
		var ok bool
		v.Text = l.text
		v.Int, ok = parseInstant(l.text)
		return v, ok && quoted
	}
	if !quoted {
		if !opt.Lenient || l.kind == literalNull {
			return Value{}, false
		}
		opt.tolerated(TL04.String())
	}
	v.Text, v.Key = l.text, l.text
	if !ref.caseExact() {
		v.Key = fold.Key(l.text)
	}
	return v, true
}

// parseInstant reads an xsd:dateTime (RFC 7643 section 2.3.5) as Unix
// microseconds. A date without zone is UTC, one without time is its midnight;
// the decoder accepts both.
func parseInstant(text string) (int64, bool) {
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMicro(), true
		}
	}
	return 0, false
}
