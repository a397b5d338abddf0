package scim

import (
	"encoding/json"
	"strconv"

	"github.com/rollcall-sync/rollcall/internal/fold"
)

// Email returns the address of a User: the primary of emails, else the one of
// type work, else the first, else a userName that is an address. Values that
// are no address are passed over.
func (d Document) Email() (string, bool) {
	first, work := "", ""
	list, _ := d["emails"].([]any)
	for _, e := range list {
		m, _ := e.(map[string]any)
		value, _ := m["value"].(string)
		if fold.BadAddress(value) != "" {
			continue
		}
		if m["primary"] == true {
			return value, true
		}
		if kind, _ := m["type"].(string); work == "" && sameName(kind, "work") {
			work = value
		}
		if first == "" {
			first = value
		}
	}
	switch name := d.UserName(); {
	case work != "":
		return work, true
	case first != "":
		return first, true
	case fold.BadAddress(name) == "":
		return name, true
	}
	return "", false
}

// builtIn are the attributes of the mapping that come straight from one
// attribute of a User.
var builtIn = []struct{ name, ext, attr, sub string }{
	{"userName", "", "userName", ""},
	{"displayName", "", "displayName", ""},
	{"givenName", "", "name", "givenName"},
	{"familyName", "", "name", "familyName"},
	{"title", "", "title", ""},
	{"userType", "", "userType", ""},
	{"locale", "", "locale", ""},
	{"timezone", "", "timezone", ""},
	{"active", "", "active", ""},
	{"department", URNEnterpriseUser, "department", ""},
	{"division", URNEnterpriseUser, "division", ""},
	{"organization", URNEnterpriseUser, "organization", ""},
	{"costCenter", URNEnterpriseUser, "costCenter", ""},
	{"employeeNumber", URNEnterpriseUser, "employeeNumber", ""},
	{"manager", URNEnterpriseUser, "manager", "value"},
}

// Attributes states a User in the names of the mapping. A name that is missing
// is unknown: the client never sent it. A name with no values was stated empty
// (I14, MC1). Rollcall inputs are named rollcall.role and so on; every
// attribute of an extension is there under its full URN as well. Phone numbers
// are as sent. The document is not changed.
func (d Document) Attributes(rt *ResourceType) map[string][]string {
	attrs := make(map[string][]string, 2*len(builtIn))
	for _, b := range builtIn {
		ext := rt.extension(b.ext)
		table := rt.Core.Attributes
		if b.ext != "" {
			if ext == nil {
				continue
			}
			table = ext.Attributes
		}
		t := target{ext: ext, attr: findAttribute(table, b.attr)}
		if t.attr == nil {
			continue
		}
		if b.sub != "" {
			t.sub = t.attr.sub(b.sub)
		}
		if v, ok := d.value(t); ok {
			attrs[b.name] = texts(v)
		}
	}
	if _, stated := attrs["active"]; !stated && rt.Core.ID == URNUser {
		attrs["active"] = []string{"true"} // Absent is not false (DA05).
	}
	if email, ok := d.Email(); ok {
		attrs["email"] = []string{email}
	}
	d.listed(attrs)
	d.extensionAttributes(rt, attrs)
	d.roleAlias(attrs)
	return attrs
}

// extensionAttributes states every attribute of every extension by URN, and
// the Rollcall inputs by their short names.
func (d Document) extensionAttributes(rt *ResourceType, attrs map[string][]string) {
	for _, ext := range rt.Extensions {
		for i := range ext.Attributes {
			t := target{ext: ext, attr: &ext.Attributes[i]}
			v, ok := d.value(t)
			if !ok || !t.attr.writable() {
				continue
			}
			values := texts(v)
			attrs[ext.ID+":"+t.attr.Name] = values
			if ext.ID == URNRollcallUser {
				attrs["rollcall."+t.attr.Name] = values
			}
		}
	}
}

// roleAlias takes the wish for a role from the core attribute roles, if the
// extension does not state one. Roles that name no role of ours, or none at
// all, withdraw the wish.
func (d Document) roleAlias(attrs map[string][]string) {
	if _, stated := attrs["rollcall.role"]; stated {
		return
	}
	v, stated := d["roles"]
	if !stated {
		return
	}
	attrs["rollcall.role"] = []string{}
	list, _ := v.([]any)
	for _, e := range list {
		m, _ := e.(map[string]any)
		value, _ := m["value"].(string)
		for _, role := range []string{"Admin", "Member", "Owner"} {
			if sameName(value, role) && (len(attrs["rollcall.role"]) == 0 || m["primary"] == true) {
				attrs["rollcall.role"] = []string{role}
			}
		}
	}
}

// texts returns a value as the mapping reads it: strings, lists flattened,
// complex values by their `value`. What was stated empty is an empty list.
func texts(v any) []string {
	out := []string{}
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case bool:
		out = append(out, strconv.FormatBool(v))
	case json.Number:
		out = append(out, string(v))
	case map[string]any:
		out = append(out, texts(v["value"])...)
	case []any:
		for _, e := range v {
			out = append(out, texts(e)...)
		}
	}
	return out
}
