package scim

// UserTable maps the attributes of Users to the columns of table identity,
// alias i. A further attribute is one more line here and its column.
var UserTable = SQLTable{
	Resources: "Users",
	Columns: map[string]SQLColumn{
		"id":                                  "i.identity_id",
		"externalId":                          "i.external_id",
		"userName":                            "i.user_key",
		"displayName":                         "i.display_key",
		"name.formatted":                      "i.formatted_key",
		"name.givenName":                      "i.given_key",
		"name.familyName":                     "i.family_key",
		"nickName":                            "i.nick_key",
		"title":                               "i.title_key",
		"userType":                            "i.user_type_key",
		"locale":                              "i.locale_key",
		"active":                              "i.active",
		"meta.created":                        "i.created_at",
		"meta.lastModified":                   "i.updated_at",
		URNEnterpriseUser + ":department":     "i.department_key",
		URNEnterpriseUser + ":employeeNumber": "i.employee_key",
		URNEnterpriseUser + ":manager.value":  "i.manager_id",
	},
	Lists: map[string]SQLList{
		"emails":       identityValues("emails"),
		"phoneNumbers": identityValues("phoneNumbers"),
		"groups": {
			Entries: "i.identity_id IN (SELECT m.child_id FROM membership m WHERE m.workspace_id = ? AND m.child_kind = 'user'",
			Columns: map[string]SQLColumn{
				"value": "m.group_id",
			},
		},
	},
}

// GroupTable maps the attributes of Groups to the columns of table dirgroup,
// alias g.
var GroupTable = SQLTable{
	Resources: "Groups",
	Columns: map[string]SQLColumn{
		"id":                "g.group_id",
		"externalId":        "g.external_id",
		"displayName":       "g.display_key",
		"meta.created":      "g.created_at",
		"meta.lastModified": "g.updated_at",
	},
	Lists: map[string]SQLList{
		"members": {
			Entries: "g.group_id IN (SELECT m.group_id FROM membership m WHERE m.workspace_id = ?",
			Columns: map[string]SQLColumn{
				"value": "m.child_id",
				// The folded keys of the types User and Group.
				"type": "m.child_kind",
			},
		},
	},
}

// identityValues is a list whose entries stand in table identity_value.
func identityValues(attribute string) SQLList {
	return SQLList{
		Entries: "i.identity_id IN (SELECT v.identity_id FROM identity_value v WHERE v.workspace_id = ? AND v.attr = '" + attribute + "'",
		Columns: map[string]SQLColumn{
			"value":   "v.value_key",
			"type":    "v.type_key",
			"primary": "v.is_primary",
		},
	}
}
