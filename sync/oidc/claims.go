package oidc

import (
	"slices"

	"github.com/rollcall-sync/rollcall/workspace"
)

// maxGroups bounds the groups of one token; more of them are overage.
const maxGroups = 1000

// stated are the claims that become attributes of the mapping (OpenID Connect
// Core section 5.1, and what the large providers add).
var stated = map[string][]string{
	"userName": {"preferred_username"}, "displayName": {"name"}, "givenName": {"given_name"}, "familyName": {"family_name"},
	"email": {"email"}, "locale": {"locale"}, "timezone": {"zoneinfo"}, "telephoneNumber": {"phone_number"}, "title": {"title", "jobTitle"},
	"department": {"department"}, "organization": {"organization", "companyName"}, "office": {"office", "physicalDeliveryOfficeName"},
	"employeeNumber": {"employee_number", "employeeNumber", "employeeid"}, "userType": {"userType", "user_type"},
}

// identity is the person as the token states them. What it does not state is
// unknown, not empty (EV3).
func (p *Provider) identity(c claims, subject string) workspace.Identity {
	i := workspace.Identity{
		ExternalID: subject, UserName: c.text("preferred_username"), Email: c.text("email"), Name: c.text("name"), Active: true,
		Attributes: workspace.Attributes{},
	}
	for attribute, names := range stated {
		for _, name := range names {
			if value := c.text(name); value != "" {
				i.Attributes[attribute] = []string{value}
				break
			}
		}
	}
	if i.UserName == "" {
		i.UserName = i.Email
	}
	if i.UserName == "" {
		i.UserName = subject
	}
	return i
}

// groups reads the groups claim: a list, empty too, is known; no claim, and a
// claim that Entra has put elsewhere because it was too large, are unknown.
// The address that such a token names is never called (OS5).
func (p *Provider) groups(c claims) (groups []string, known, overage bool) {
	name := p.cfg.SignIn.GroupsClaim
	if sources, ok := c["_claim_names"].(map[string]any); ok {
		_, overage = sources[name]
	}
	if overage || c.truth("hasgroups") {
		return nil, false, true
	}
	switch v := c[name].(type) {
	case []any:
		if len(v) > maxGroups {
			return nil, false, true
		}
		groups = []string{}
		for _, g := range v {
			text, ok := g.(string)
			if !ok || text == "" || len(text) > 256 {
				return nil, false, false // half a list is no list
			}
			if !slices.Contains(groups, text) {
				groups = append(groups, text)
			}
		}
		return groups, true, false
	case string:
		if v == "" || len(v) > 256 {
			return nil, false, false
		}
		return []string{v}, true, false // one group, not wrapped
	}
	return nil, false, false
}
