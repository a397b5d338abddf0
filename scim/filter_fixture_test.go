package scim

import (
	"fmt"
	"strings"
)

// testUserType and testGroupType hold the attributes that the filter tests
// need.
var (
	testUserType  = newTestUserType()
	testGroupType = newTestGroupType()
)

func newTestUserType() *ResourceType {
	list := func(name string) Attribute {
		return Attribute{Name: name, Type: TypeComplex, MultiValued: true, Sub: []Attribute{
			{Name: "value"}, {Name: "display"}, {Name: "type"}, {Name: "primary", Type: TypeBoolean},
		}}
	}
	return &ResourceType{
		Name: "User", Endpoint: "/Users",
		Core: &Schema{ID: "urn:ietf:params:scim:schemas:core:2.0:User", Attributes: []Attribute{
			{Name: "userName", Required: true}, {Name: "displayName"}, {Name: "nickName"}, {Name: "title"}, {Name: "userType"}, {Name: "locale"},
			{Name: "profileUrl", Type: TypeReference}, {Name: "active", Type: TypeBoolean},
			{Name: "name", Type: TypeComplex, Sub: []Attribute{{Name: "formatted"}, {Name: "givenName"}, {Name: "familyName"}}},
			{Name: "password", Mutability: WriteOnly, Returned: ReturnedNever},
			list("emails"), list("phoneNumbers"), list("roles"),
			{Name: "groups", Type: TypeComplex, MultiValued: true, Sub: []Attribute{{Name: "value", CaseExact: true}}},
			{Name: "x509Certificates", Type: TypeComplex, MultiValued: true, Sub: []Attribute{{Name: "value", Type: TypeBinary}}},
		}},
		Extensions: []*Schema{
			{ID: enterpriseURN20, Attributes: []Attribute{
				{Name: "employeeNumber"}, {Name: "department"},
				{Name: "manager", Type: TypeComplex, Sub: []Attribute{{Name: "value", CaseExact: true}, {Name: "$ref", Type: TypeReference}}},
			}},
			{ID: "urn:ietf:params:scim:schemas:extension:rollcall:2.0:User", Attributes: []Attribute{
				{Name: "sharedNumbers", MultiValued: true}, {Name: "accessExpires", Type: TypeDateTime},
				{Name: "numberAssignments", Type: TypeComplex, MultiValued: true, Sub: []Attribute{
					{Name: "number"}, {Name: "ringPosition", Type: TypeInteger}, {Name: "weight", Type: TypeDecimal},
				}},
			}},
		},
	}
}

func newTestGroupType() *ResourceType {
	return &ResourceType{
		Name: "Group", Endpoint: "/Groups",
		Core: &Schema{ID: "urn:ietf:params:scim:schemas:core:2.0:Group", Attributes: []Attribute{
			{Name: "displayName", Required: true},
			{Name: "members", Type: TypeComplex, MultiValued: true, Sub: []Attribute{{Name: "value", CaseExact: true}, {Name: "type"}, {Name: "display"}}},
		}},
	}
}

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
