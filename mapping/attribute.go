package mapping

import "sort"

// attrType is the type of an attribute's values.
type attrType uint8

// The types of section 3.
const (
	typeString attrType = iota
	typeList
	typeBool
	typeInt
	typeTime
)

// typeNames are the types as a file names them, by attrType.
var typeNames = [...]string{"string", "list", "bool", "int", "time"}

func (t attrType) String() string { return typeNames[t] }

// textual reports whether text operators fit.
func (t attrType) textual() bool { return t == typeString || t == typeList }

// builtin are the attributes every mapping knows (section 3), by name. Those
// with the prefix `rollcall.` are the inputs of the SCIM extension: what a
// row takes from them was written by the request itself.
var builtin = map[string]attrType{
	"userName": typeString, "email": typeString, "displayName": typeString,
	"givenName": typeString, "familyName": typeString, "title": typeString,
	"department": typeString, "division": typeString, "organization": typeString,
	"costCenter": typeString, "employeeNumber": typeString, "userType": typeString,
	"office": typeString, "city": typeString, "country": typeString,
	"locale": typeString, "timezone": typeString, "manager": typeString,
	"telephoneNumber": typeString, "mobile": typeString,
	"accountExpires": typeTime, "startDate": typeTime,
	"active": typeBool, "guest": typeBool,
	attrRole: typeString, attrPrimary: typeString,
	"rollcall.sharedNumbers": typeList, "rollcall.viewOnlyNumbers": typeList,
	"rollcall.numberOwnerOf": typeList,
	attrPool:                 typeString, attrSite: typeString,
	"rollcall.handoverTo": typeString, "rollcall.accessReason": typeString,
	"rollcall.accessExpires": typeTime,
}

// Attributes that the engine of this package treats in a way of their own.
const (
	directPrefix = "rollcall."
	attrRole     = "rollcall.role"
	attrPrimary  = "rollcall.primaryNumber"
	attrPool     = "rollcall.numberPool"
	attrSite     = "rollcall.site"
)

// attribute is one attribute that the rules read, numbered by its place in
// the compiled table.
type attribute struct {
	name    string
	typ     attrType
	private bool // values never stand in reasons
	// from names the source's own attribute per connection; nil for built-in
	// names, which every connection uses.
	from map[string]string
	// order is the rank of connections for this attribute, first wins.
	order map[string]int
}

// sourceName is what the attribute is called at a connection, "" if that
// connection does not state it.
func (a *attribute) sourceName(connection string) string {
	if a.from == nil {
		return a.name
	}
	return a.from[connection]
}

// builtinNames lists the built-in names, sorted.
func builtinNames() []string {
	out := make([]string, 0, len(builtin))
	for n := range builtin {
		out = append(out, n)
	}
	sort.Strings(out)
	return out
}
