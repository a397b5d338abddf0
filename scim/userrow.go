package scim

import (
	"strings"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// userRow makes the row of an identity from its document: columns, keys to
// filter by, attributes for the mapping. base is the identity as it was read,
// or a new one.
func (l *link) userRow(base workspace.Identity, doc Document) store.IdentityRow {
	row := store.IdentityRow{Identity: base}
	row.Connection = l.connection
	row.ObservedAt = 0 // what a request says is as old as the request (EV4)
	row.ExternalID, row.UserName = doc.ExternalID(), doc.UserName()
	row.Email, _ = doc.Email()
	row.Name = doc.personName()
	row.Active, row.Reason = doc.Active(), ""
	if !row.Active {
		row.Reason = "disabled"
	}
	row.Attributes = doc.Attributes(l.user)
	row.Document = AppendStored(nil, doc)
	row.UserKey, row.EmailKey = fold.Key(row.UserName), fold.Email(row.Email)
	row.DisplayKey, row.NickKey = fold.Key(doc.DisplayName()), fold.Key(doc.text("nickName"))
	row.TitleKey, row.UserTypeKey = fold.Key(doc.text("title")), fold.Key(doc.text("userType"))
	row.LocaleKey = fold.Key(doc.text("locale"))
	name, _ := doc["name"].(map[string]any)
	row.GivenKey, row.FamilyKey, row.FormattedKey = keyOf(name, "givenName"), keyOf(name, "familyName"), keyOf(name, "formatted")
	enterprise, _ := doc[URNEnterpriseUser].(map[string]any)
	row.DepartmentKey, row.EmployeeKey = keyOf(enterprise, "department"), keyOf(enterprise, "employeeNumber")
	manager, _ := enterprise["manager"].(map[string]any)
	row.ManagerValue, _ = manager["value"].(string)
	row.Values = listedValues(doc)
	return row
}

// listedValues are the entries of all lists that filters may name.
func listedValues(doc Document) []store.IdentityValue {
	return append(valuesOf(doc, "emails"), valuesOf(doc, "phoneNumbers")...)
}

// keyOf is the folded key of a text in an object.
func keyOf(in map[string]any, name string) string {
	text, _ := in[name].(string)
	return fold.Key(text)
}

// valuesOf are the entries of a list that filters may name. The result is
// never nil: an empty list is written too.
func valuesOf(doc Document, attribute string) []store.IdentityValue {
	list, _ := doc[attribute].([]any)
	values := make([]store.IdentityValue, 0, len(list))
	for _, e := range list {
		m, _ := e.(map[string]any)
		value, _ := m["value"].(string)
		if value == "" {
			continue
		}
		primary, _ := m["primary"].(bool)
		values = append(values, store.IdentityValue{Attr: attribute, Value: value, Key: fold.Key(value), Type: keyOf(m, "type"), Primary: primary})
	}
	return values
}

// personName is the name that people read: displayName, else the formatted
// name, else given and family name, else the login name.
func (d Document) personName() string {
	if name := strings.TrimSpace(d.DisplayName()); name != "" {
		return name
	}
	name, _ := d["name"].(map[string]any)
	text := func(part string) string {
		s, _ := name[part].(string)
		return strings.TrimSpace(s)
	}
	if formatted := text("formatted"); formatted != "" {
		return formatted
	}
	if both := strings.TrimSpace(text("givenName") + " " + text("familyName")); both != "" {
		return both
	}
	return d.UserName()
}
