package scim

// The constants of a settled filter: And without terms always holds, Or
// without terms never does.
var (
	always Filter = And{}
	never  Filter = Or{}
)

// settle replaces what does not depend on the row: attributes that rt does not
// have, in a search over several types, have no value (RFC 7644 section
// 3.4.2.1), and meta.resourceType is the name of rt. The result has no Ref of
// another type.
func settle(f Filter, rt *ResourceType) Filter {
	switch f := f.(type) {
	case And:
		var terms []Filter
		for _, term := range f.Terms {
			switch term = settle(term, rt); {
			case isConstant(term, false):
				return never
			case !isConstant(term, true):
				terms = append(terms, term)
			}
		}
		if len(terms) == 1 {
			return terms[0]
		}
		return And{terms}
	case Or:
		var terms []Filter
		for _, term := range f.Terms {
			switch term = settle(term, rt); {
			case isConstant(term, true):
				return always
			case !isConstant(term, false):
				terms = append(terms, term)
			}
		}
		if len(terms) == 1 {
			return terms[0]
		}
		return Or{terms}
	case Not:
		switch term := settle(f.Term, rt); {
		case isConstant(term, true):
			return never
		case isConstant(term, false):
			return always
		default:
			return Not{term}
		}
	case Present:
		return settleLeaf(f, f.Ref, rt)
	case Compare:
		return settleLeaf(f, f.Ref, rt)
	case ValuePath:
		return settleLeaf(f, f.Ref, rt)
	}
	return f
}

// settleLeaf decides a term about what every resource of rt has, or none.
func settleLeaf(f Filter, ref Ref, rt *ResourceType) Filter {
	kind := ref.Attribute == metaAttribute && ref.Sub != nil && ref.Sub.Name == "resourceType"
	if rt.has(ref) && !kind {
		return f
	}
	if match(f, documentScope{Document{"meta": map[string]any{"resourceType": rt.Name}}, &ResourceType{}}) {
		return always
	}
	return never
}

// isConstant reports whether a settled filter always holds, or never does.
func isConstant(f Filter, holds bool) bool {
	switch f := f.(type) {
	case And:
		return holds && len(f.Terms) == 0
	case Or:
		return !holds && len(f.Terms) == 0
	}
	return false
}

// has reports whether ref points into the tables of this type.
func (rt *ResourceType) has(ref Ref) bool {
	own := func(table []Attribute) bool {
		for i := range table {
			if &table[i] == ref.Attribute {
				return true
			}
		}
		return false
	}
	if ref.Extension == "" {
		return own(rt.Core.Attributes) || own(sharedAttributes)
	}
	ext := rt.extension(ref.Extension)
	return ext != nil && own(ext.Attributes)
}

// narrow gives the strictest filter that table can answer and that holds for
// every resource for which f holds; always if there is none. exact says that
// it is f itself.
func narrow(f Filter, table *SQLTable) (weaker Filter, exact bool) {
	if _, _, err := CompileSQL(f, table, "", ""); err == nil {
		return f, true
	}
	switch f := f.(type) {
	case And:
		var terms []Filter
		for _, term := range f.Terms {
			if term, _ = narrow(term, table); !isConstant(term, true) {
				terms = append(terms, term)
			}
		}
		return And{terms}, false
	case Or:
		terms := make([]Filter, len(f.Terms))
		for i, term := range f.Terms {
			if terms[i], _ = narrow(term, table); isConstant(terms[i], true) {
				return always, false
			}
		}
		return Or{terms}, false
	}
	return always, false
}

// mentions reports whether a filter asks about an attribute for which the test
// is true.
func mentions(f Filter, test func(Ref) bool) bool {
	switch f := f.(type) {
	case And:
		return anyMentions(f.Terms, test)
	case Or:
		return anyMentions(f.Terms, test)
	case Not:
		return mentions(f.Term, test)
	case Present:
		return test(f.Ref)
	case Compare:
		return test(f.Ref)
	case ValuePath:
		return test(f.Ref)
	}
	return false
}

func anyMentions(terms []Filter, test func(Ref) bool) bool {
	for _, term := range terms {
		if mentions(term, test) {
			return true
		}
	}
	return false
}
