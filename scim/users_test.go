package scim

import (
	"net/http"
	"strings"
	"testing"
)

func TestUsersFromCreationToDeletion(t *testing.T) {
	p := newProvider(t, providerOptions{mapping: testMapping})
	made := p.request("okta", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated)
	id := made.text("id")
	location := "https://phone.acme.com/scim/v2/Users/" + id
	if made.header.Get("Location") != location || made.text("meta", "location") != location {
		t.Errorf("location %q and %q, want %q", made.header.Get("Location"), made.text("meta", "location"), location)
	}
	if made.header.Get("ETag") != made.text("meta", "version") {
		t.Errorf("ETag %q is not meta.version %q", made.header.Get("ETag"), made.text("meta", "version"))
	}
	made.has("active", URNRollcallUser, "state").has("Member", URNRollcallUser, "effectiveRole").has("rule r-member", URNRollcallUser, "roleSource")
	p.member("ann@acme.com", "member active")

	got := p.request("okta", "GET", "/Users/"+id, "").is(http.StatusOK)
	if got.body != made.body {
		t.Errorf("GET differs from the answer of POST:\n%s\n%s", got.body, made.body)
	}
	p.request("okta", "HEAD", "/Users/"+id, "").is(http.StatusOK)
	p.request("okta", "GET", "/Users?filter="+urlEncode(`userName eq "ANN@acme.com"`), "").is(http.StatusOK).
		has(1, "totalResults").has(id, "Resources", 0, "id").has(1, "itemsPerPage").has(1, "startIndex")

	again := p.request("okta", "POST", "/Users", userBody("ann@acme.com")).refuses(http.StatusConflict, "uniqueness", "userName")
	if again.header.Get("Location") != location {
		t.Errorf("409 has Location %q, want that of the first User %q", again.header.Get("Location"), location)
	}

	p.request("okta", "PATCH", "/Users/"+id, patchBody(`{"op":"replace","value":{"active":false}}`)).is(http.StatusOK).
		has(false, "active").has("deactivated", URNRollcallUser, "state")
	p.member("ann@acme.com", "member deactivated")
	p.request("okta", "PATCH", "/Users/"+id, patchBody(`{"op":"replace","value":{"active":true}}`)).is(http.StatusOK).has(true, "active")
	p.member("ann@acme.com", "member active")

	p.request("okta", "DELETE", "/Users/"+id, "").is(http.StatusNoContent)
	p.request("okta", "DELETE", "/Users/"+id, "").refuses(http.StatusNotFound, "", id)
	p.request("okta", "GET", "/Users/"+id, "").is(http.StatusNotFound)
	p.member("ann@acme.com", "member deactivated")
}

func TestGroupsFromCreationToDeletion(t *testing.T) {
	p := newProvider(t, providerOptions{mapping: testMapping})
	ann := p.request("okta", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated).text("id")
	bob := p.request("okta", "POST", "/Users", userBody("bob@acme.com")).is(http.StatusCreated).text("id")
	made := p.request("okta", "POST", "/Groups", `{"schemas":["`+URNGroup+`"],"displayName":"Sales","members":[{"value":"`+ann+`"}]}`).is(http.StatusCreated)
	id := made.text("id")
	made.has(ann, "members", 0, "value").has("Ann Lee", "members", 0, "display").has("User", "members", 0, "type")
	p.request("okta", "GET", "/Users/"+ann, "").is(http.StatusOK).has(id, "groups", 0, "value").has("Sales", "groups", 0, "display").has("direct", "groups", 0, "type")
	p.request("okta", "POST", "/Groups", `{"schemas":["`+URNGroup+`"],"displayName":"sales"}`).refuses(http.StatusConflict, "uniqueness", "displayName")

	p.request("okta", "PATCH", "/Groups/"+id, patchBody(`{"op":"add","path":"members","value":[{"value":"`+bob+`"}]},{"op":"remove","path":"members[value eq \"`+ann+`\"]"}`)).
		is(http.StatusNoContent)
	after := p.request("okta", "GET", "/Groups/"+id, "").is(http.StatusOK).has(bob, "members", 0, "value").has(nil, "members", 1)
	if after.header.Get("ETag") == made.header.Get("ETag") {
		t.Errorf("the version %s did not move with the members", after.header.Get("ETag"))
	}
	p.request("okta", "PATCH", "/Groups/"+id, patchBody(`{"op":"add","path":"members","value":[{"value":"nobody"}]}`)).
		refuses(http.StatusBadRequest, "invalidValue", "nobody")
	p.request("okta", "PATCH", "/Groups/"+id, patchBody(`{"op":"remove","path":"members[value eq \"nobody\"]"}`)).is(http.StatusNoContent)
	p.request("okta", "GET", "/Groups/"+id+"?excludedAttributes=members", "").is(http.StatusOK).has(nil, "members")
	p.request("okta", "PUT", "/Groups/"+id, `{"schemas":["`+URNGroup+`"],"displayName":"Sales EMEA"}`).is(http.StatusOK).
		has("Sales EMEA", "displayName").has(bob, "members", 0, "value")
	p.request("okta", "PATCH", "/Groups/"+id, patchBody(`{"op":"replace","path":"members","value":[]}`)).is(http.StatusNoContent)
	p.request("okta", "GET", "/Groups/"+id, "").is(http.StatusOK).has(nil, "members")
	p.request("okta", "DELETE", "/Groups/"+id, "").is(http.StatusNoContent)
	p.request("okta", "DELETE", "/Groups/"+id, "").is(http.StatusNotFound)
}

// urlEncode is the form of browsers and of Entra: %20 for a space.
func urlEncode(text string) string {
	return strings.NewReplacer(" ", "%20", `"`, "%22", "[", "%5B", "]", "%5D", "+", "%2B", "&", "%26", "(", "%28", ")", "%29").Replace(text)
}
