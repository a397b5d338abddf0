package scim

import (
	"github.com/elimity-com/scim/optional"
	"github.com/elimity-com/scim/schema"
)

// LibrarySchema builds the library's form of a schema: it describes it in
// /Schemas and, in tests, is a second opinion on our decoding. The password is
// never in it, other hidden attributes only with hidden.
func LibrarySchema(s *Schema, hidden bool) schema.Schema {
	return schema.Schema{
		ID: s.ID, Name: optional.NewString(s.Name), Description: optional.NewString(s.Description),
		Attributes: libraryAttributes(s.Attributes, hidden),
	}
}

func libraryAttributes(table []Attribute, hidden bool) schema.Attributes {
	var list schema.Attributes
	for i := range table {
		a := &table[i]
		switch {
		case a.Hidden && (!hidden || a.Mutability == WriteOnly):
		case a.Type == TypeComplex:
			var subs []schema.SimpleParams
			for j := range a.Sub {
				if !a.Sub[j].Hidden || hidden {
					subs = append(subs, libraryParams(&a.Sub[j]))
				}
			}
			list = append(list, schema.ComplexCoreAttribute(schema.ComplexParams{
				Name: a.Name, Description: optional.NewString(a.Description), MultiValued: a.MultiValued, Required: a.Required,
				Mutability: libraryMutability(a.Mutability), Returned: libraryReturned(a.Returned), SubAttributes: subs,
			}))
		default:
			list = append(list, schema.SimpleCoreAttribute(libraryParams(a)))
		}
	}
	return list
}

func libraryParams(a *Attribute) schema.SimpleParams {
	description := optional.NewString(a.Description)
	mutability, returned := libraryMutability(a.Mutability), libraryReturned(a.Returned)
	switch a.Type {
	case TypeBoolean:
		return schema.SimpleBooleanParams(schema.BooleanParams{Name: a.Name, Description: description, MultiValued: a.MultiValued, Required: a.Required, Mutability: mutability, Returned: returned})
	case TypeInteger, TypeDecimal:
		kind := schema.AttributeTypeInteger()
		if a.Type == TypeDecimal {
			kind = schema.AttributeTypeDecimal()
		}
		return schema.SimpleNumberParams(schema.NumberParams{Name: a.Name, Description: description, MultiValued: a.MultiValued, Required: a.Required, Mutability: mutability, Returned: returned, Type: kind})
	case TypeDateTime:
		return schema.SimpleDateTimeParams(schema.DateTimeParams{Name: a.Name, Description: description, MultiValued: a.MultiValued, Required: a.Required, Mutability: mutability, Returned: returned})
	case TypeBinary:
		return schema.SimpleBinaryParams(schema.BinaryParams{Name: a.Name, Description: description, MultiValued: a.MultiValued, Required: a.Required, Mutability: mutability, Returned: returned})
	case TypeReference:
		references := make([]schema.AttributeReferenceType, len(a.References))
		for i, r := range a.References {
			references[i] = schema.AttributeReferenceType(r)
		}
		return schema.SimpleReferenceParams(schema.ReferenceParams{Name: a.Name, Description: description, MultiValued: a.MultiValued, Required: a.Required, Mutability: mutability, Returned: returned, ReferenceTypes: references})
	default:
		uniqueness := schema.AttributeUniquenessNone()
		switch a.Unique {
		case "server":
			uniqueness = schema.AttributeUniquenessServer()
		case "global":
			uniqueness = schema.AttributeUniquenessGlobal()
		}
		return schema.SimpleStringParams(schema.StringParams{Name: a.Name, Description: description, MultiValued: a.MultiValued, Required: a.Required, CaseExact: a.CaseExact, CanonicalValues: a.Canonical, Mutability: mutability, Returned: returned, Uniqueness: uniqueness})
	}
}

func libraryMutability(m Mutability) schema.AttributeMutability {
	switch m {
	case ReadOnly:
		return schema.AttributeMutabilityReadOnly()
	case Immutable:
		return schema.AttributeMutabilityImmutable()
	case WriteOnly:
		return schema.AttributeMutabilityWriteOnly()
	default:
		return schema.AttributeMutabilityReadWrite()
	}
}

func libraryReturned(r Returned) schema.AttributeReturned {
	switch r {
	case ReturnedAlways:
		return schema.AttributeReturnedAlways()
	case ReturnedNever:
		return schema.AttributeReturnedNever()
	case ReturnedRequest:
		return schema.AttributeReturnedRequest()
	default:
		return schema.AttributeReturnedDefault()
	}
}
