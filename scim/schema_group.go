package scim

// NewGroupType returns the Group resource type: core Group and the Rollcall
// extension. reads is that of NewUserType; its input here is
// "rollcall.numbers".
func NewGroupType(reads func(input string) bool) *ResourceType {
	return &ResourceType{
		Name:     "Group",
		Endpoint: "/Groups",
		Core: &Schema{
			ID: URNGroup, Name: "Group", Description: "Group",
			Attributes: []Attribute{
				{Name: "displayName", Description: "The name, unique per connection, at most 256 characters.", Required: true, Unique: "server"},
				{
					Name: "members", Description: "The members of the group.", Type: TypeComplex, MultiValued: true,
					Sub: []Attribute{
						{Name: "value", Description: "The id of a User or Group.", CaseExact: true, Mutability: Immutable},
						{Name: "$ref", Description: "The URL of the member.", Type: TypeReference, CaseExact: true, Mutability: Immutable, References: []string{"User", "Group"}, Hidden: true},
						{Name: "type", Description: "User or Group.", Mutability: Immutable, Canonical: []string{"User", "Group"}},
						{Name: "display", Description: "The name of the member.", Mutability: ReadOnly},
					},
				},
			},
		},
		Extensions: []*Schema{rollcallGroupSchema(reads)},
	}
}

// isMembers reports whether a is the member list of a Group, which is never
// loaded into a document.
func (rt *ResourceType) isMembers(a *Attribute) bool {
	return rt.Name == "Group" && a != nil && a.Name == "members"
}
