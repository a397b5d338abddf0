package pull

import "github.com/rollcall-sync/rollcall/sync/oidc"

// kindOf is what differs between the kinds before a provider is made.
type kindOf struct {
	// limit is the published limit in requests a second (OD3).
	limit float64
	// flag is the property that tells whether a person is disabled (OD1).
	flag string
	// users and groups are the least rights, as an administrator grants them.
	users, groups string
	// attributes are the usual properties for attributes of the mapping.
	attributes map[string][]string
	provider   func(c *core) provider
}

// kinds are the APIs. Their limits as published in 2026: Graph 3,500 resource
// units per 10 s for an application in a small tenant, at most 5 of them a
// request; Okta 600 lists of users and 500 of groups a minute, 100 in a free
// organisation, which its answers tell; Google 2,400 a minute for a user of a
// project, here the administrator. Half of that is taken (OD3). Keycloak and
// SCIM servers publish none.
var kinds map[string]kindOf

func init() {
	kinds = map[string]kindOf{
		oidc.Graph:    {limit: 70, flag: "accountEnabled", users: graphReadUsers, groups: graphReadGroups, attributes: graphAttributes, provider: newGraph},
		oidc.Okta:     {limit: 10, flag: "status", users: oktaReadUsers, groups: oktaReadGroups, attributes: oktaAttributes, provider: newOkta},
		oidc.Google:   {limit: 40, flag: "suspended", users: googleReadUsers, groups: googleReadGroups, attributes: googleAttributes, provider: newGoogle},
		oidc.Keycloak: {limit: 100, flag: "enabled", users: keycloakReadUsers, groups: keycloakReadGroups, attributes: keycloakAttributes, provider: newKeycloak},
		oidc.SCIM:     {limit: 50, flag: "active", users: scimReadUsers, groups: scimReadGroups, attributes: scimAttributes, provider: newSCIM},
	}
}
