package scim

// inputMutability makes an input writable only if a mapping row reads it.
func inputMutability(reads func(string) bool, name string) Mutability {
	if reads != nil && reads("rollcall."+name) {
		return ReadWrite
	}
	return ReadOnly
}

// rollcallUserSchema has flat inputs, because IdPs map flat strings best, and
// one read view of what is in force.
func rollcallUserSchema(reads func(string) bool) *Schema {
	s := &Schema{
		ID: URNRollcallUser, Name: "RollcallUser", Description: "What the person has, and wishes to have, in the phone workspace.",
		Attributes: []Attribute{
			{Name: "role", Description: "The role wished for; returns the role in force.", Canonical: []string{"Admin", "Member"}},
			{Name: "primaryNumber", Description: "A number in E.164, auto (from the pool) or none."},
			{Name: "sharedNumbers", Description: "Shared numbers wished for: E.164 or name of the inbox.", MultiValued: true},
			{Name: "viewOnlyNumbers", Description: "Numbers to read along: E.164 or name of the inbox.", MultiValued: true},
			{Name: "numberOwnerOf", Description: "Numbers to own: E.164 or name of the inbox.", MultiValued: true},
			{Name: "numberPool", Description: "The pool for an automatic number."},
			{Name: "site", Description: "The place for an automatic number."},
			{Name: "handoverTo", Description: "userName or id of who takes the numbers when the person leaves."},
			{Name: "accessReason", Description: "Why the person has access.", Canonical: []string{"new_hire", "role_change", "temporary_access", "offboarding"}},
			{Name: "accessExpires", Description: "When access ends; temporary_access needs it.", Type: TypeDateTime},
		},
	}
	for i := range s.Attributes {
		s.Attributes[i].Mutability = inputMutability(reads, s.Attributes[i].Name)
	}
	s.Attributes = append(s.Attributes,
		readOnly("effectiveRole", "The role in force: Owner, Admin or Member."),
		readOnly("roleSource", "What gives the role: a rule, manual, invitation or domain."),
		Attribute{Name: "state", Description: "State of the member.", Mutability: ReadOnly, Canonical: []string{"observed", "active", "contained", "deactivated"}},
		Attribute{
			Name: "numberAssignments", Description: "The numbers in force.", Type: TypeComplex, MultiValued: true, Mutability: ReadOnly,
			Sub: []Attribute{
				readOnly("number", "The number in E.164."),
				readOnly("access", "The kind of access: exclusive, shared or view_only."),
				{Name: "owner", Description: "True if the person owns the number.", Type: TypeBoolean, Mutability: ReadOnly},
				{Name: "ringPosition", Description: "The place in the ring order, from 1.", Type: TypeInteger, Mutability: ReadOnly},
				readOnly("source", "What gives the access."),
			},
		},
		Attribute{
			Name: "holds", Description: "Wishes that wait for an approval.", Type: TypeComplex, MultiValued: true, Mutability: ReadOnly,
			Sub: []Attribute{
				readOnly("id", "The reference of the hold."),
				readOnly("attribute", "The attribute that waits."),
				readOnly("wanted", "The value that waits."),
				readOnly("rule", "What holds it."),
				{Name: "since", Description: "When it was held first.", Type: TypeDateTime, Mutability: ReadOnly},
				readOnly("remedy", "What lifts the hold."),
			},
		},
		Attribute{Name: "memberId", Description: "The id of the member, for support.", CaseExact: true, Mutability: ReadOnly, Returned: ReturnedRequest},
		Attribute{Name: "lastActive", Description: "Last use of the phone product; absent means unknown.", Type: TypeDateTime, Mutability: ReadOnly, Returned: ReturnedRequest},
	)
	return s
}

// rollcallGroupSchema never says which role a group gives: that stands in the
// mapping alone, else every group editor at the IdP could make Admins.
func rollcallGroupSchema(reads func(string) bool) *Schema {
	return &Schema{
		ID: URNRollcallGroup, Name: "RollcallGroup", Description: "What the group means in the phone workspace.",
		Attributes: []Attribute{
			{Name: "numbers", Description: "Shared numbers of the group: E.164 or name of the inbox.", MultiValued: true, Mutability: inputMutability(reads, "numbers")},
			{Name: "kind", Description: "What the mapping does with the group.", Mutability: ReadOnly, Canonical: []string{"role", "ring", "department", "plain"}},
			readOnly("workspaceGroup", "Where the people of the group land."),
			readOnly("ringStrategy", "The order in which phones ring."),
		},
	}
}

// NewNumberType returns the read-only resource type /Numbers.
func NewNumberType() *ResourceType {
	return &ResourceType{
		Name: "Number", Endpoint: "/Numbers",
		Core: &Schema{
			ID: URNRollcallNumber, Name: "Number", Description: "A phone number of the workspace.",
			Attributes: []Attribute{
				readOnly("number", "The number in E.164."),
				readOnly("name", "The name of the inbox."),
				{Name: "type", Description: "The kind of number.", Mutability: ReadOnly, Canonical: []string{"local", "mobile", "tollfree"}},
				{Name: "state", Description: "The state of the number.", Mutability: ReadOnly, Canonical: []string{"free", "assigned", "reserved", "quarantined", "porting", "ported_out"}},
				readOnly("pool", "The pool it belongs to."),
				readOnly("site", "The place it belongs to."),
				{Name: "access", Description: "How it is used.", Mutability: ReadOnly, Canonical: []string{"exclusive", "shared", "none"}},
				{
					Name: "owners", Description: "The owners of the number.", Type: TypeComplex, MultiValued: true, Mutability: ReadOnly,
					Sub: []Attribute{
						{Name: "value", Description: "The id of the owner's User, if this connection knows it.", CaseExact: true, Mutability: ReadOnly},
						readOnly("display", "The owner's name."),
					},
				},
				{Name: "assignedCount", Description: "How many members, groups and invitations it is assigned to.", Type: TypeInteger, Mutability: ReadOnly},
			},
		},
	}
}

// NewRoleType returns the read-only resource type /Roles. urn is
// URNRollcallRole, or URNOktaRole under the profile okta.
func NewRoleType(urn string) *ResourceType {
	return &ResourceType{
		Name: "Role", Endpoint: "/Roles",
		Core: &Schema{
			ID: urn, Name: "Role", Description: "A role of the workspace.",
			Attributes: []Attribute{
				readOnly("displayName", "The name of the role."),
				readOnly("description", "What the role may do."),
				{Name: "assignable", Description: "False for the Owner, whom no directory makes.", Type: TypeBoolean, Mutability: ReadOnly},
				{Name: "rows", Description: "The rows of the permission matrix that the role has.", MultiValued: true, Mutability: ReadOnly},
			},
		},
	}
}

// readOnly is a string that only Rollcall states.
func readOnly(name, description string) Attribute {
	return Attribute{Name: name, Description: description, Mutability: ReadOnly}
}
