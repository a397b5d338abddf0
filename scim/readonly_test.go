package scim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// TestRoles: the three roles with the rows that the matrix gives them; Okta's
// governance finds them under its own schema.
func TestRoles(t *testing.T) {
	p := newProvider(t, providerOptions{})
	for connection, urn := range map[string]string{"entra": URNRollcallRole, "okta": URNOktaRole} {
		list := p.request(connection, "GET", "/Roles", "").is(http.StatusOK).has(3, "totalResults").has([]string{urn}, "Resources", 0, "schemas")
		if got := list.found("id"); !slices.Equal(got, []string{"owner", "admin", "member"}) {
			t.Errorf("roles %v", got)
		}
		p.request(connection, "GET", "/Schemas/"+urn, "").is(http.StatusOK).has("Role", "name")
		p.request(connection, "GET", "/ResourceTypes/Role", "").is(http.StatusOK).has(urn, "schema").has("/Roles", "endpoint")
	}
	p.request("entra", "GET", "/Roles/owner", "").is(http.StatusOK).has(false, "assignable").has("M13", "rows", 12)
	p.request("entra", "GET", "/Roles/admin?attributes=rows", "").is(http.StatusOK).has("M12", "rows", 11).has(nil, "rows", 12).has(nil, "displayName")
	p.request("entra", "GET", "/Roles/member", "").is(http.StatusOK).has("M04", "rows", 3).has(nil, "rows", 4).has("Member", "displayName").
		has("https://phone.acme.com/scim/v2/Roles/member", "meta", "location").has("Role", "meta", "resourceType")
	for filter, want := range map[string]string{
		`assignable eq true`: "admin member", `rows eq "M13"`: "owner", `displayName eq "ADMIN"`: "admin", `id sw "m" or rows ew "13"`: "owner member", `userName pr`: "",
	} {
		a := p.request("entra", "GET", "/Roles?filter="+urlEncode(filter), "")
		if filter == `userName pr` {
			a.refuses(http.StatusBadRequest, "invalidFilter", "userName")
			continue
		}
		if got := strings.Join(a.is(http.StatusOK).found("id"), " "); got != want {
			t.Errorf("%s: %s, want %s", filter, got, want)
		}
	}
	for query, want := range map[string]string{
		"sortBy=id": "admin member owner", "sortBy=displayName&sortOrder=descending": "owner member admin", "startIndex=2&count=1": "admin", "count=0": "",
	} {
		if got := strings.Join(p.request("entra", "GET", "/Roles?"+query, "").is(http.StatusOK).has(3, "totalResults").found("id"), " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// numbers puts an inventory into the workspace: one number with an owner, the
// rest free.
func (p *provider) numbers(owner string) {
	p.t.Helper()
	err := p.store.In("acme").Update(p.t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
		for i := range 5 {
			n := workspace.Number{
				ID: fmt.Sprintf("0199f3a2-0000-7000-8000-%012d", i), E164: fmt.Sprintf("+1415555010%d", 9-i), Name: fmt.Sprintf("Line %d", i),
				Type: "local", Pool: "oslo", State: workspace.NumberFree, Version: int64(i + 1),
			}
			if i == 0 {
				n.State = workspace.NumberAssigned
			}
			if err := tx.InsertNumber(n); err != nil {
				return err
			}
		}
		first := fmt.Sprintf("0199f3a2-0000-7000-8000-%012d", 0)
		if err := tx.PutAssignment(workspace.Assignment{Number: first, Kind: workspace.ToMember, To: owner, Access: workspace.AccessExclusive, Ring: 1}); err != nil {
			return err
		}
		return tx.AddOwner(workspace.Ownership{Number: first, Member: owner})
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// TestNumbers: the inventory, with the owner's User of this very connection.
func TestNumbers(t *testing.T) {
	p := newProvider(t, providerOptions{})
	ann := p.request("okta", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated).text("id")
	member := p.request("okta", "GET", "/Users/"+ann+"?attributes="+URNRollcallUser+":memberId", "").text(URNRollcallUser, "memberId")
	p.numbers(member)
	list := p.request("okta", "GET", "/Numbers", "").is(http.StatusOK).has(5, "totalResults").has(5, "itemsPerPage")
	list.has(ann, "Resources", 0, "owners", 0, "value").has("Ann Lee", "Resources", 0, "owners", 0, "display").has("exclusive", "Resources", 0, "access").
		has(1, "Resources", 0, "assignedCount").has("none", "Resources", 1, "access").has(nil, "Resources", 1, "owners").has("Number", "Resources", 0, "meta", "resourceType")
	one := p.request("okta", "GET", "/Numbers/"+list.text("Resources", 2, "id"), "").is(http.StatusOK).has("Line 2", "name").has("+14155550107", "number")
	if got := one.header.Get("ETag"); got != `W/"3"` {
		t.Errorf("ETag %q", got)
	}
	p.request("entra", "GET", "/Numbers", "").is(http.StatusOK).has(nil, "Resources", 0, "owners", 0, "value").has("Ann Lee", "Resources", 0, "owners", 0, "display")
	for filter, want := range map[string]int{
		`state eq "free"`: 4, `number sw "+1415"`: 5, `pool eq "OSLO" and not (assignedCount gt 0)`: 4, `owners.value eq "` + ann + `"`: 1,
		`owners pr`: 1, `assignedCount eq 1`: 1, `name ew "3"`: 1, `site pr`: 0, `meta.version eq "W/\"2\""`: 1,
	} {
		p.request("okta", "GET", "/Numbers?count=2&filter="+urlEncode(filter), "").is(http.StatusOK).has(want, "totalResults").has(min(want, 2), "itemsPerPage")
	}
	all := list.found("id")
	var got []string
	for next := ""; ; {
		a := p.request("okta", "POST", "/Numbers/.search", searchBody(`"count":2,"cursor":"`+next+`"`)).is(http.StatusOK).has(5, "totalResults")
		got = append(got, a.found("id")...)
		if next = a.text("nextCursor"); next == "" {
			break
		}
	}
	if !slices.Equal(got, all) {
		t.Errorf("by cursor %v, want %v", got, all)
	}
	slices.Reverse(all)
	if got := p.request("okta", "GET", "/Numbers?sortBy=id&sortOrder=descending", "").found("id"); !slices.Equal(got, all) {
		t.Errorf("descending %v, want %v", got, all)
	}
	p.request("okta", "GET", "/Numbers?sortBy=name", "").refuses(http.StatusBadRequest, "invalidPath", "name")
}
