package scim

// NewUserType returns the User resource type: core User, the enterprise
// extension, the Rollcall extension and further extensions that the mapping
// reads. reads says whether a mapping row reads a Rollcall input, named as the
// mapping does ("rollcall.role"); nil means that none is read. Inputs that
// nobody reads are readOnly, so that editing attributes at the IdP gives no
// power that nobody granted.
func NewUserType(reads func(input string) bool, further ...*Schema) *ResourceType {
	return &ResourceType{
		Name:       "User",
		Endpoint:   "/Users",
		Core:       &Schema{ID: URNUser, Name: "User", Description: "User Account", Attributes: userAttributes()},
		Extensions: append([]*Schema{enterpriseUserSchema(), rollcallUserSchema(reads)}, further...),
	}
}

// userAttributes is the table of RFC 7643 section 4.1 in the order in which a
// User is written.
func userAttributes() []Attribute {
	return []Attribute{
		{Name: "userName", Description: "The login name, unique per connection.", Required: true, Unique: "server"},
		{Name: "name", Description: "The components of the person's name.", Type: TypeComplex, Sub: []Attribute{
			{Name: "formatted", Description: "The full name, ready for display."},
			{Name: "familyName", Description: "The family name."},
			{Name: "givenName", Description: "The given name."},
			{Name: "middleName", Description: "The middle name(s)."},
			{Name: "honorificPrefix", Description: "The title before the name."},
			{Name: "honorificSuffix", Description: "The suffix after the name."},
		}},
		{Name: "displayName", Description: "The name shown to others, at most 256 characters."},
		{Name: "nickName", Description: "The casual name."},
		{Name: "profileUrl", Description: "A page about the person.", Type: TypeReference, CaseExact: true, References: []string{"external"}},
		{Name: "title", Description: "The job title."},
		{Name: "userType", Description: "The relation to the organization, such as Employee or Contractor."},
		{Name: "preferredLanguage", Description: "The preferred language, as in Accept-Language."},
		{Name: "locale", Description: "The locale for formats, such as nb-NO."},
		{Name: "timezone", Description: "The time zone, such as Europe/Oslo."},
		{Name: "active", Description: "False ends the person's access.", Type: TypeBoolean},
		{Name: "password", Description: "Accepted, never stored.", Mutability: WriteOnly, Returned: ReturnedNever, Hidden: true, CaseExact: true},
		plural("emails", "E-mail addresses; the primary one is used.", "work", "home", "other"),
		plural("phoneNumbers", "Phone numbers of the person, kept as sent.", "work", "home", "mobile", "fax", "pager", "other"),
		plural("ims", "Instant messaging addresses."),
		{
			Name: "photos", Description: "URLs of photos; they are never fetched.", Type: TypeComplex, MultiValued: true,
			Sub: []Attribute{
				{Name: "value", Description: "The URL.", Type: TypeReference, CaseExact: true, References: []string{"external"}},
				{Name: "display", Description: "A name for display.", Hidden: true},
				{Name: "type", Description: "The kind of photo.", Canonical: []string{"photo", "thumbnail"}},
				{Name: "primary", Description: "True for at most one value.", Type: TypeBoolean},
			},
		},
		{
			Name: "addresses", Description: "Postal addresses.", Type: TypeComplex, MultiValued: true,
			Sub: []Attribute{
				{Name: "formatted", Description: "The full address."},
				{Name: "streetAddress", Description: "Street and house number."},
				{Name: "locality", Description: "The city."},
				{Name: "region", Description: "The state or region."},
				{Name: "postalCode", Description: "The postal code."},
				{Name: "country", Description: "The country, ISO 3166-1 alpha-2."},
				{Name: "type", Description: "The kind of address.", Canonical: []string{"work", "home", "other"}},
				{Name: "primary", Description: "True for at most one value.", Type: TypeBoolean},
			},
		},
		{
			Name: "groups", Description: "The groups of the person, direct and indirect.", Type: TypeComplex, MultiValued: true, Mutability: ReadOnly,
			Sub: []Attribute{
				{Name: "value", Description: "The id of the group.", CaseExact: true, Mutability: ReadOnly},
				{Name: "$ref", Description: "The URL of the group.", Type: TypeReference, CaseExact: true, Mutability: ReadOnly, References: []string{"Group"}},
				{Name: "display", Description: "The name of the group.", Mutability: ReadOnly},
				{Name: "type", Description: "Direct or indirect membership.", Mutability: ReadOnly, Canonical: []string{"direct", "indirect"}},
			},
		},
		plural("entitlements", "Entitlements, read by the mapping only."),
		plural("roles", "Roles at the directory; a value Admin or Member is the wish of rollcall role."),
		{
			Name: "x509Certificates", Description: "Certificates of the person.", Type: TypeComplex, MultiValued: true,
			Sub: []Attribute{
				{Name: "value", Description: "The certificate, DER in base64.", Type: TypeBinary, CaseExact: true},
				{Name: "display", Description: "A name for display.", Hidden: true},
				{Name: "type", Description: "The kind of certificate."},
				{Name: "primary", Description: "True for at most one value.", Type: TypeBoolean},
			},
		},
	}
}

// plural is a list with the default sub-attributes of RFC 7643 section 2.4.
// Its canonical types are suggestions: others are kept as sent. `display` is
// accepted and stored, but not listed (Entra's schema test stumbles over it).
func plural(name, description string, types ...string) Attribute {
	return Attribute{
		Name: name, Description: description, Type: TypeComplex, MultiValued: true,
		Sub: []Attribute{
			{Name: "value", Description: "The value."},
			{Name: "display", Description: "A name for display.", Hidden: true},
			{Name: "type", Description: "The kind of value.", Canonical: types},
			{Name: "primary", Description: "True for at most one value.", Type: TypeBoolean},
		},
	}
}

// enterpriseUserSchema is the table of RFC 7643 section 4.3. manager.$ref is
// input only, because the resource it names may not exist yet.
func enterpriseUserSchema() *Schema {
	return &Schema{
		ID: URNEnterpriseUser, Name: "EnterpriseUser", Description: "Enterprise User",
		Attributes: []Attribute{
			{Name: "employeeNumber", Description: "The number given by the organization."},
			{Name: "costCenter", Description: "The cost center."},
			{Name: "organization", Description: "The organization."},
			{Name: "division", Description: "The division."},
			{Name: "department", Description: "The department."},
			{Name: "manager", Description: "The person's manager.", Type: TypeComplex, Sub: []Attribute{
				{Name: "value", Description: "The id of the manager's User.", CaseExact: true},
				{Name: "$ref", Description: "The URL of the manager's User.", Type: TypeReference, CaseExact: true, References: []string{"User"}},
				{Name: "displayName", Description: "The manager's name.", Mutability: ReadOnly},
			}},
		},
	}
}
