package scim

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// oktaBody is what Okta posts.
func oktaBody(name, externalID string) string {
	return `{"schemas":["` + URNUser + `","` + URNEnterpriseUser + `"],"userName":"` + name + `","name":{"givenName":"Ann","familyName":"Lee"},
	"emails":[{"primary":true,"value":"` + name + `","type":"work"}],"displayName":"Ann Lee","locale":"en-US","externalId":"` + externalID + `",
	"groups":[],"password":"1mz050nq","active":true,"` + URNEnterpriseUser + `":{"department":"Finance"},"urn:acme:scim:User":{"phoneSite":"Oslo"}}`
}

// edited is a body with some attributes replaced, as Okta sends back what it
// read.
func edited(t *testing.T, a answer, changes map[string]any) string {
	t.Helper()
	m, _ := a.decode().(map[string]any)
	for name, v := range changes {
		m[name] = v
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestOktaConversation plays what Okta sends in both dialects: apps of the
// integration network PATCH activation and groups and PUT the rest; apps of the
// wizard PUT everything (scim section 8, OK01 to OK12).
func TestOktaConversation(t *testing.T) {
	for _, dialect := range []string{"PATCH", "PUT"} {
		t.Run(dialect, func(t *testing.T) {
			p := newProvider(t, providerOptions{mapping: strings.Replace(entraMapping, "version: 1\n",
				"version: 1\nattributes:\n  phoneSite: {type: string, from: {okta: \"urn:acme:scim:User:phoneSite\"}}\n", 1) + "  - {id: g-site, to: {attr: phoneSite}, create: true}\n"})
			send := func(method, path, body string) answer {
				t.Helper()
				return p.request("okta", method, path, body, "User-Agent: Okta SCIM Client 1.0.0", "Content-Type: application/scim+json; charset=utf-8", "Accept: application/scim+json")
			}
			read := func(path string) answer {
				t.Helper()
				return send("GET", path, "").is(http.StatusOK)
			}
			activate := func(id string, active bool) {
				t.Helper()
				if dialect == "PATCH" {
					value := map[bool]string{true: "true", false: "false"}[active]
					send("PATCH", "/Users/"+id, patchBody(`{"op":"replace","value":{"active":`+value+`}}`)).is(http.StatusOK).has(active, "active")
					return
				}
				send("PUT", "/Users/"+id, edited(t, read("/Users/"+id), map[string]any{"active": active})).is(http.StatusOK).has(active, "active")
			}
			members := func(group, name string, ids ...string) {
				t.Helper()
				if dialect == "PATCH" {
					operations := `{"op":"replace","value":{"id":"` + group + `","displayName":"` + name + `"}},{"op":"replace","path":"members","value":[]}`
					for _, id := range ids {
						operations += `,{"op":"add","path":"members","value":[{"value":"` + id + `","display":"x"}]}`
					}
					send("PATCH", "/Groups/"+group, patchBody(operations)).is(http.StatusNoContent)
					return
				}
				list := []any{}
				for _, id := range ids {
					list = append(list, map[string]any{"value": id, "display": "x"})
				}
				send("PUT", "/Groups/"+group, edited(t, read("/Groups/"+group), map[string]any{"displayName": name, "members": list})).is(http.StatusOK).has(name, "displayName")
			}
			// Test API credentials.
			read("/Users?startIndex=1&count=2").has(0, "totalResults").has("urn:ietf:params:scim:api:messages:2.0:ListResponse", "schemas", 0)
			read("/Groups?startIndex=1&count=100").has(0, "totalResults")
			read("/ServiceProviderConfig")

			read("/Users?filter="+urlEncode(`userName eq "ann@acme.com"`)+"&startIndex=1&count=100").has(0, "totalResults")
			made := send("POST", "/Users", oktaBody("ann@acme.com", "00u1")).is(http.StatusCreated)
			ann := made.text("id")
			if strings.Contains(made.body, "1mz050nq") || strings.Contains(read("/Users/"+ann).body, "password") {
				t.Error("a password came back")
			}
			made.has("Oslo", "urn:acme:scim:User", "phoneSite").has("en-US", "locale")
			p.member("ann@acme.com", "member active")
			p.inGroups("ann@acme.com", "Finance", "Oslo")
			bob := send("POST", "/Users", oktaBody("bob@acme.com", "00u2")).is(http.StatusCreated).text("id")
			send("POST", "/Users", oktaBody("ann@acme.com", "00u1")).refuses(http.StatusConflict, "uniqueness", "")
			read("/Users?filter="+urlEncode(`userName eq "Ann@ACME.com"`)).has(ann, "Resources", 0, "id")

			// Profile push: PUT of what GET gave, changed.
			enterprise := map[string]any{"department": "Support", "manager": map[string]any{"value": bob}}
			send("PUT", "/Users/"+ann, edited(t, read("/Users/"+ann), map[string]any{"displayName": "Ann B. Lee", URNEnterpriseUser: enterprise})).is(http.StatusOK).
				has("Ann B. Lee", "displayName").has(bob, URNEnterpriseUser, "manager", "value").has("00u1", "externalId").has("en-US", "locale")
			p.inGroups("ann@acme.com", "Oslo", "Support")
			// What a PUT leaves out is gone from the document, but strips nothing (I14).
			send("PUT", "/Users/"+ann, `{"schemas":["`+URNUser+`"],"userName":"ann@acme.com","emails":[{"value":"ann@acme.com","primary":true}]}`).is(http.StatusOK).
				has(nil, "displayName").has(nil, URNEnterpriseUser).has("00u1", "externalId").has(true, "active")
			p.inGroups("ann@acme.com", "Oslo", "Support")
			p.member("ann@acme.com", "member active")
			send("PUT", "/Users/"+ann, oktaBody("ann@acme.com", "00u1")).is(http.StatusOK)
			p.inGroups("ann@acme.com", "Finance", "Oslo")

			// Group push: create, rename, members, "Push now" of an empty group.
			group := send("POST", "/Groups", `{"schemas":["`+URNGroup+`"],"displayName":"Sales","members":[{"value":"`+ann+`","display":"ann@acme.com"}]}`).is(http.StatusCreated).text("id")
			p.inGroups("ann@acme.com", "Finance", "Oslo", "Sales")
			read("/Groups?filter="+urlEncode(`displayName eq "Sales"`)).has(group, "Resources", 0, "id").has(ann, "Resources", 0, "members", 0, "value")
			members(group, "Sales", ann, bob)
			p.inGroups("bob@acme.com", "Finance", "Oslo", "Sales")
			if dialect == "PATCH" {
				send("PATCH", "/Groups/"+group, `{"schemas":["`+patchSchema+`"],"Operations":[{"op":"remove","path":"members[value eq \"`+ann+`\"]"},
					{"op":"add","path":"members","value":[{"value":"`+bob+`","display":"bob@acme.com"}]}]}`).is(http.StatusNoContent)
			} else {
				members(group, "Sales", bob)
			}
			p.inGroups("ann@acme.com", "Finance", "Oslo")
			p.inGroups("bob@acme.com", "Finance", "Oslo", "Sales")
			members(group, "Sales EMEA", bob)
			p.inGroups("bob@acme.com", "Finance", "Oslo")
			members(group, "Sales", bob)
			p.inGroups("bob@acme.com", "Finance", "Oslo", "Sales")
			members(group, "Sales")
			p.inGroups("bob@acme.com", "Finance", "Oslo")

			// OK10: active false, then true, truly ends and restores.
			activate(ann, false)
			p.member("ann@acme.com", "member deactivated")
			read("/Users/"+ann).has("deactivated", URNRollcallUser, "state")
			activate(ann, true)
			p.member("ann@acme.com", "member active")
			p.inGroups("ann@acme.com", "Finance", "Oslo")

			// Unlink deletes the group, never a User.
			send("DELETE", "/Groups/"+group, "").is(http.StatusNoContent)
			send("GET", "/Groups/"+group, "").refuses(http.StatusNotFound, "", group)
			read("/Users?startIndex=1&count=100").has(2, "totalResults").has(ann, "Resources", 0, "id").has(bob, "Resources", 1, "id")
		})
	}
}

// TestOktaReadBackFreezesNothing: what Okta reads and puts back is no wish,
// though a mapping row reads one; roles that it stated itself show what is in
// force.
func TestOktaReadBackFreezesNothing(t *testing.T) {
	p := newProvider(t, providerOptions{mapping: testMapping})
	made := p.request("okta", "POST", "/Users", oktaBody("ann@acme.com", "00u1")).is(http.StatusCreated).has(nil, "roles")
	path := "/Users/" + made.text("id")
	p.request("okta", "PUT", path, edited(t, made, map[string]any{"title": "Clerk"})).is(http.StatusOK).has(nil, "roles").has(nil, URNRollcallUser, "role")
	p.request("okta", "POST", "/Groups", `{"displayName":"Admins","members":[{"value":"`+made.text("id")+`"}]}`).is(http.StatusCreated)
	p.request("okta", "GET", path, "").has("Admin", URNRollcallUser, "holds", 0, "wanted").has(nil, "roles")
	p.request("okta", "PATCH", path, patchBody(`{"op":"replace","path":"roles","value":[{"value":"Admin","primary":true}]}`)).is(http.StatusOK).
		has("Member", "roles", 0, "value").has("Member", URNRollcallUser, "effectiveRole")
}
