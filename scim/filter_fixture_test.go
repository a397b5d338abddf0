package scim

import (
	"fmt"
	"strings"
)

// urnAcme is an extension with a type that no built-in attribute has.
const urnAcme = "urn:acme:scim:User"

// testUserType and testGroupType are the tables of the service provider.
var (
	testUserType = NewUserType(nil, &Schema{ID: urnAcme, Name: "Acme", Attributes: []Attribute{
		{Name: "load", Type: TypeDecimal}, {Name: "badge", Type: TypeString, CaseExact: true},
	}})
	testGroupType = NewGroupType(nil)
)

// lenientFilter accepts what every profile but strict accepts.
var lenientFilter = FilterOptions{Lenient: true}

// show spells a tree so that types and folding can be seen.
func show(f Filter) string {
	switch f := f.(type) {
	case And:
		return showTerms("and", f.Terms)
	case Or:
		return showTerms("or", f.Terms)
	case Not:
		return "(not " + show(f.Term) + ")"
	case Present:
		return f.Ref.String() + " pr"
	case ValuePath:
		return f.Ref.String() + "[" + show(f.Filter) + "]"
	case Compare:
		return f.Ref.String() + " " + f.Op.String() + " " + showValue(f.Value)
	}
	return fmt.Sprintf("%T", f)
}

func showTerms(word string, terms []Filter) string {
	texts := make([]string, len(terms))
	for i, term := range terms {
		texts[i] = show(term)
	}
	return "(" + strings.Join(texts, " "+word+" ") + ")"
}

func showValue(v Value) string {
	switch v.Type {
	case TypeBoolean:
		return fmt.Sprint(v.Bool)
	case TypeInteger:
		return fmt.Sprint(v.Int)
	case TypeDateTime:
		return fmt.Sprintf("@%d", v.Int)
	case TypeDecimal:
		return fmt.Sprint(v.Decimal)
	}
	if v.Key != v.Text {
		return fmt.Sprintf("%q~%q", v.Text, v.Key)
	}
	return fmt.Sprintf("%q", v.Text)
}
