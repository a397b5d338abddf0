package scim

// Type is the data type of an attribute (RFC 7643 section 2.3).
type Type uint8

// The data types of RFC 7643 section 2.3 that Rollcall's schemas use.
const (
	TypeString Type = iota
	TypeBoolean
	TypeInteger
	TypeDecimal
	TypeDateTime
	TypeBinary
	TypeReference
	TypeComplex
)

// Mutability says who may write an attribute (RFC 7643 section 2.2).
type Mutability uint8

// The mutabilities of RFC 7643 section 2.2.
const (
	ReadWrite Mutability = iota
	ReadOnly
	Immutable
	WriteOnly
)

// Returned says when an attribute stands in an answer (RFC 7643 section 2.2).
type Returned uint8

// The values of "returned" of RFC 7643 section 2.2.
const (
	ReturnedDefault Returned = iota
	ReturnedAlways
	ReturnedNever
	ReturnedRequest
)

// Attribute is one row of the tables that validate, filter, patch and
// describe resources. The zero value is an optional, singular, case-folded,
// read-write string that is returned by default.
type Attribute struct {
	Name        string
	Description string
	Type        Type
	MultiValued bool
	Required    bool
	CaseExact   bool
	Mutability  Mutability
	Returned    Returned
	// Unique is "server" or "global" (RFC 7643 section 7); empty means "none".
	Unique     string
	Canonical  []string
	References []string
	// Hidden attributes are accepted and stored, yet left out of /Schemas.
	Hidden bool
	Sub    []Attribute
}

// Schema is one schema: the core one of a resource type, or an extension.
type Schema struct {
	ID          string
	Name        string
	Description string
	Attributes  []Attribute
}

// ResourceType is a resource type with its core schema and extensions
// (RFC 7643 section 6). It is built at start and never changed afterwards,
// so it may be shared between goroutines.
type ResourceType struct {
	Name       string
	Endpoint   string
	Core       *Schema
	Extensions []*Schema
}

// Document is a decoded resource in canonical form: attribute names as the
// schema spells them, extensions nested under their URN, strings, bools,
// json.Number, map[string]any and []any as values. An attribute that is
// missing was never sent; one that is present and null was stated empty.
type Document map[string]any
