package ldap

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// plan is what the configuration means on one flavour of server: which
// attributes are asked for and what they become.
type plan struct {
	flavor       Flavor
	id           idKind
	people       string // filter
	groups       string // filter
	fields       []field
	disabled     Disabled
	ask          []string // attributes of a person, by name, never * (LC11)
	askGroup     []string
	changed      string // attribute with the time of the last change
	disabledAttr string
}

// field is one attribute of the mapping and where it comes from: the first
// attribute of the list that an entry has.
type field struct {
	name string
	from []string
}

// inetOrg are the attributes of RFC 2798 and RFC 4519, on OpenLDAP and 389.
var inetOrg = map[string][]string{
	"userName": {"uid"}, "email": {"mail"}, "displayName": {"displayName", "cn"}, "givenName": {"givenName"},
	"familyName": {"sn"}, "title": {"title"}, "department": {"departmentNumber"}, "organization": {"o"},
	"employeeNumber": {"employeeNumber"}, "userType": {"employeeType"}, "office": {"physicalDeliveryOfficeName"},
	"city": {"l"}, "locale": {"preferredLanguage"}, "manager": {"manager"},
	"telephoneNumber": {"telephoneNumber"}, "mobile": {"mobile"},
}

// activeDirectory are the attributes that its own tools fill in.
var activeDirectory = map[string][]string{
	"userName": {"userPrincipalName", "sAMAccountName"}, "email": {"mail"}, "displayName": {"displayName", "cn"},
	"givenName": {"givenName"}, "familyName": {"sn"}, "title": {"title"}, "department": {"department"},
	"division": {"division"}, "organization": {"company"}, "employeeNumber": {"employeeNumber", "employeeID"},
	"userType": {"employeeType"}, "office": {"physicalDeliveryOfficeName"}, "city": {"l"}, "country": {"c"},
	"locale": {"preferredLanguage"}, "manager": {"manager"}, "telephoneNumber": {"telephoneNumber"}, "mobile": {"mobile"},
}

// expiry are the attributes from which accountExpires is worked out (LM7).
var expiry = map[Flavor][]string{
	AD:       {"accountExpires"},
	OpenLDAP: {"shadowExpire", "krbPrincipalExpiration"},
	DS389:    {"shadowExpire", "krbPrincipalExpiration"},
}

// flags are the attributes that say "disabled" (LM6), asked for by name:
// servers do not send operational ones otherwise.
var flags = map[Flavor]string{AD: "userAccountControl", OpenLDAP: "pwdAccountLockedTime", DS389: "nsAccountLock"}

// newPlan works out what to ask for.
func newPlan(c *Config, f Flavor) plan {
	p := plan{flavor: f, people: c.People.Filter, groups: c.Groups.Filter, disabled: c.Disabled, changed: "modifyTimestamp"}
	defaults := inetOrg
	if p.people == "" {
		p.people = "(objectClass=inetOrgPerson)"
	}
	if p.groups == "" {
		p.groups = "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))"
	}
	if f == AD {
		defaults, p.changed = activeDirectory, "whenChanged"
		if c.People.Filter == "" {
			p.people = "(&(objectCategory=person)(objectClass=user))"
		}
		if c.Groups.Filter == "" {
			p.groups = "(objectClass=group)"
		}
	}
	attr := c.IDAttribute
	if attr == "auto" || attr == "" {
		attr = defaultID(f)
	}
	p.id = newIDKind(attr)
	names := maps.Clone(defaults)
	for name, from := range c.Attributes {
		if from == "" {
			delete(names, name)
			continue
		}
		names[name] = []string{from}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		p.fields = append(p.fields, field{name, names[name]})
	}
	p.disabledAttr = flags[f]
	if p.disabled.Attr != "" {
		p.disabledAttr = p.disabled.Attr
	}
	ask := []string{p.id.attr, p.disabledAttr}
	for _, x := range p.fields {
		ask = append(ask, x.from...)
	}
	ask = append(ask, expiry[f]...)
	p.ask = distinct(append(ask, p.changed))
	p.askGroup = distinct([]string{p.id.attr, "cn", "description", "member", "uniqueMember", "owner", "managedBy"})
	if f == AD {
		p.askGroup = distinct([]string{p.id.attr, "cn", "description", "member", "managedBy", "objectSid", "uSNChanged"})
	}
	return p
}

// distinct drops repeats; attribute names do not differ by letter case.
func distinct(names []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(names, func(n string) bool {
		k := strings.ToLower(n)
		if n == "" || seen[k] {
			return true
		}
		seen[k] = true
		return false
	})
}

// scope is the hash of everything that decides who is read and what is read
// of them (CU3). A cursor with another scope is worthless.
func (p *plan) scope(c *Config) string {
	text, err := json.Marshal([]any{
		cursorVersion, p.flavor, c.People.Base, p.people, c.Groups.Base, p.groups, p.id.attr, p.ask, p.askGroup, p.disabled, p.named(),
	})
	if err != nil {
		panic(err) // plain strings and lists only
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// scopeMark is the scope as far as a tell-tale needs it.
func (p *plan) scopeMark(c *Config) string {
	return "#" + strings.TrimPrefix(p.scope(c), "sha256:")[:16]
}

func (p *plan) named() [][]string {
	out := make([][]string, len(p.fields))
	for i, f := range p.fields {
		out[i] = append([]string{f.name}, f.from...)
	}
	return out
}
