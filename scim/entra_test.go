package scim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// entraMapping gives groups and roles as the conversations expect them.
const entraMapping = `version: 1
roles:
  - {id: r-admin, role: admin, if: {attr: title, eq: Head of IT}}
  - {id: r-member, role: member}
groups:
  - {id: g-sales, to: Sales, if: {group: Sales}, create: true}
  - {id: g-dept, to: {attr: department}, create: true}
`

// entraBody is what Entra posts.
func entraBody(name, externalID string) string {
	return `{"schemas":["` + URNUser + `","` + URNEnterpriseUser + `"],"externalId":"` + externalID + `","userName":"` + name + `","active":true,"roles":[],
	"emails":[{"primary":true,"type":"work","value":"` + name + `"}],"name":{"givenName":"G","familyName":"F","formatted":"G F"},"displayName":"G F",
	"meta":{"resourceType":"User"},"title":"Clerk","` + URNEnterpriseUser + `":{"department":"Finance"}}`
}

// entraShape is one of the two dialects of Entra's PATCH.
type entraShape struct {
	name   string
	tenant string // query on the tenant URL
	// disable and enable replace active; update sets three attributes; remove
	// takes one member out.
	disable, enable, update string
	remove                  func(id string) string
}

var entraShapes = []entraShape{
	{
		name:    "default",
		disable: `{"op":"Replace","path":"active","value":"False"}`,
		enable:  `{"op":"Replace","path":"active","value":"True"}`,
		update: `{"op":"Replace","path":"displayName","value":"B"},{"op":"Replace","path":"name.givenName","value":"K"},
			{"op":"Add","path":"` + URNEnterpriseUser + `:employeeNumber","value":"7"}`,
		remove: func(id string) string {
			return `{"op":"Remove","path":"members","value":[{"$ref":null,"value":"` + id + `"}]}`
		},
	},
	{
		name: "aadOptscim062020", tenant: "aadOptscim062020",
		disable: `{"op":"replace","path":"active","value":false}`,
		enable:  `{"op":"replace","path":"active","value":true}`,
		update:  `{"op":"replace","value":{"displayName":"B","name.givenName":"K","` + URNEnterpriseUser + `:employeeNumber":"7"}}`,
		remove:  func(id string) string { return `{"op":"remove","path":"members[value eq \"` + id + `\"]"}` },
	},
}

// TestEntraConversation plays what Microsoft Entra ID sends, in both dialects
// (scim section 8, MV01 to MV04), and looks at the workspace in between.
func TestEntraConversation(t *testing.T) {
	for _, shape := range entraShapes {
		t.Run(shape.name, func(t *testing.T) {
			p := newProvider(t, providerOptions{mapping: entraMapping})
			send := func(method, path, body string) answer {
				t.Helper()
				if shape.tenant != "" {
					before, after, query := strings.Cut(path, "?")
					path = before + "?" + shape.tenant
					if query {
						path += "&" + after
					}
				}
				return p.request("entra", method, path, body, "User-Agent: Microsoft.Azure.SyncFabric")
			}
			find := func(endpoint, filter string) answer {
				t.Helper()
				return send("GET", endpoint+"?filter="+urlEncode(filter), "").is(http.StatusOK)
			}
			// Test connection: a guid that nobody has gives an empty list, never 404.
			find("/Users", `userName eq "9a2f1c60-5b5e-4f0e-8f0a-0a8f7d1f2f11"`).has(0, "totalResults").has([]any{}, "Resources")
			find("/Groups", `displayName eq "9a2f1c60-5b5e-4f0e-8f0a-0a8f7d1f2f11"`).has(0, "totalResults")

			ann := send("POST", "/Users", entraBody("ann@acme.com", "0a21")).is(http.StatusCreated).text("id")
			boss := send("POST", "/Users", entraBody("boss@acme.com", "0a22")).is(http.StatusCreated).text("id")
			p.member("ann@acme.com", "member active")
			p.inGroups("ann@acme.com", "Finance")
			send("POST", "/Users", entraBody("ann@acme.com", "0a21")).refuses(http.StatusConflict, "uniqueness", "")

			for _, filter := range []string{
				`userName eq "ann@acme.com"`, `userName eq "ANN@ACME.COM"`, `externalId eq "0a21"`,
				`emails[type eq "work"].value eq "ann@acme.com"`,
			} {
				find("/Users", filter).has(1, "totalResults").has(ann, "Resources", 0, "id")
			}
			find("/Users", `externalId eq "0A21"`).has(0, "totalResults")

			// Update, the answer shows values as sent.
			send("PATCH", "/Users/"+ann, patchBody(shape.update)).is(http.StatusOK).has("B", "displayName").has("K", "name", "givenName").
				has("7", URNEnterpriseUser, "employeeNumber").has("F", "name", "familyName")
			send("PATCH", "/Users/"+ann, patchBody(`{"op":"Replace","path":"emails[type eq \"work\"].value","value":"ann.lee@acme.com"}`)).is(http.StatusOK).
				has("ann.lee@acme.com", "emails", 0, "value").has(nil, "emails", 1)
			p.member("ann.lee@acme.com", "member active")
			p.member("ann@acme.com", "")
			send("PATCH", "/Users/"+ann, patchBody(`{"op":"Add","path":"phoneNumbers[type eq \"mobile\"].value","value":"+47 400 00 000"}`)).is(http.StatusOK).
				has("+47 400 00 000", "phoneNumbers", 0, "value").has("mobile", "phoneNumbers", 0, "type")
			send("PATCH", "/Users/"+ann, patchBody(`{"op":"Add","path":"roles[primary eq \"True\"].value","value":"CLERK"}`)).is(http.StatusOK).
				has("CLERK", "roles", 0, "value").has(true, "roles", 0, "primary")
			send("PATCH", "/Users/"+ann, patchBody(`{"op":"Replace","path":"title","value":null}`)).is(http.StatusOK).has(nil, "title")
			send("PATCH", "/Users/"+ann, patchBody(`{"op":"Replace","path":"`+URNEnterpriseUser+`:department","value":"Support"}`)).is(http.StatusOK)
			p.inGroups("ann.lee@acme.com", "Support")

			// The manager in its four forms, and gone again.
			for _, operation := range []string{
				`{"op":"Add","path":"` + URNEnterpriseUser + `:manager","value":"` + boss + `"}`,
				`{"op":"Add","path":"` + URNEnterpriseUser + `:manager","value":[{"$ref":"http://x/Users/` + boss + `","value":"` + boss + `"}]}`,
				`{"op":"Replace","path":"` + URNEnterpriseUser + `:manager","value":{"value":"` + boss + `"}}`,
				`{"op":"Replace","path":"` + URNEnterpriseUser + `:manager.value","value":"` + boss + `"}`,
			} {
				send("PATCH", "/Users/"+ann, patchBody(operation)).is(http.StatusOK).has(boss, URNEnterpriseUser, "manager", "value")
				find("/Users", URNEnterpriseUser+`:manager.value eq "`+boss+`"`).has(ann, "Resources", 0, "id")
				send("PATCH", "/Users/"+ann, patchBody(`{"op":"Remove","path":"`+URNEnterpriseUser+`:manager"}`)).is(http.StatusOK).has(nil, URNEnterpriseUser, "manager")
			}

			// Groups: without members first, then one by one.
			group := send("POST", "/Groups", `{"schemas":["`+URNGroup+`","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
				"externalId":"8aa1","displayName":"Sales","meta":{"resourceType":"Group"}}`).is(http.StatusCreated).text("id")
			find("/Groups", `externalId eq "8aa1"`).has(group, "Resources", 0, "id")
			find("/Groups", `displayName eq "sales"`).has(group, "Resources", 0, "id")
			send("PATCH", "/Groups/"+group, patchBody(`{"op":"Add","path":"members","value":[{"$ref":null,"value":"`+ann+`"},{"$ref":null,"value":"`+boss+`"}]}`)).is(http.StatusNoContent)
			p.inGroups("ann.lee@acme.com", "Sales", "Support")
			send("GET", "/Groups/"+group+"?excludedAttributes=members", "").is(http.StatusOK).has(nil, "members").has("Sales", "displayName")
			find("/Groups", fmt.Sprintf(`id eq "%s" and members eq "%s"`, group, boss)).has(1, "totalResults")
			send("PATCH", "/Groups/"+group, patchBody(shape.remove(boss))).is(http.StatusNoContent)
			find("/Groups", fmt.Sprintf(`id eq "%s" and members eq "%s"`, group, boss)).has(0, "totalResults")
			p.inGroups("boss@acme.com", "Finance")
			p.inGroups("ann.lee@acme.com", "Sales", "Support")
			send("PATCH", "/Groups/"+group, patchBody(`{"op":"Replace","path":"externalId","value":"8aa2"}`)).is(http.StatusNoContent)
			find("/Groups", `externalId eq "8aa2"`).has(1, "totalResults")
			// The mapping names the group by its name: renamed, it gives nothing.
			send("PATCH", "/Groups/"+group, patchBody(`{"op":"Replace","path":"displayName","value":"Sales 2"}`)).is(http.StatusNoContent)
			p.inGroups("ann.lee@acme.com", "Support")
			send("PATCH", "/Groups/"+group, patchBody(`{"op":"Replace","path":"displayName","value":"Sales"}`)).is(http.StatusNoContent)
			p.inGroups("ann.lee@acme.com", "Sales", "Support")

			// Disable: GET and filter still show the person (MV05).
			send("PATCH", "/Users/"+ann, patchBody(shape.disable)).is(http.StatusOK).has(false, "active")
			p.member("ann.lee@acme.com", "member deactivated")
			find("/Users", `userName eq "ann@acme.com"`).has(false, "Resources", 0, "active")
			send("PATCH", "/Users/"+ann, patchBody(shape.enable)).is(http.StatusOK).has(true, "active")
			p.member("ann.lee@acme.com", "member active")
			p.inGroups("ann.lee@acme.com", "Sales", "Support")

			// DELETE, and restore by a new POST with the same immutable id.
			send("DELETE", "/Users/"+ann, "").is(http.StatusNoContent)
			send("DELETE", "/Users/"+ann, "").is(http.StatusNotFound)
			p.member("ann.lee@acme.com", "member deactivated")
			back := send("POST", "/Users", strings.Replace(entraBody("ann@acme.com", "0a21"), `"value":"ann@acme.com"`, `"value":"ann.lee@acme.com"`, 1))
			back.is(http.StatusCreated)
			if back.text("id") == ann {
				t.Error("the id of a deleted User is used again")
			}
			p.member("ann.lee@acme.com", "member active")
			send("DELETE", "/Groups/"+group, "").is(http.StatusNoContent)
			send("GET", "/Groups/"+group, "").is(http.StatusNotFound)
		})
	}
}

// TestEntraPages reads 11 Users by 5 (MV04).
func TestEntraPages(t *testing.T) {
	p := newProvider(t, providerOptions{})
	for i := range 11 {
		p.request("entra", "POST", "/Users", entraBody(fmt.Sprintf("user%02d@acme.com", i), fmt.Sprint("ext", i))).is(http.StatusCreated)
	}
	seen := 0
	for start := 1; start <= 11; start += 5 {
		page := p.request("entra", "GET", fmt.Sprintf("/Users?startIndex=%d&count=5&attributes=userName", start), "").is(http.StatusOK).
			has(11, "totalResults").has(start, "startIndex").has(min(5, 12-start), "itemsPerPage")
		for i := 0; page.at("Resources", i) != nil; i++ {
			page.has(fmt.Sprintf("user%02d@acme.com", seen), "Resources", i, "userName").has(nil, "Resources", i, "active")
			seen++
		}
	}
	if seen != 11 {
		t.Errorf("%d Users over the pages, want 11", seen)
	}
	p.request("entra", "GET", "/Users?startIndex=12&count=5", "").is(http.StatusOK).has(0, "itemsPerPage").has(11, "totalResults")
}
