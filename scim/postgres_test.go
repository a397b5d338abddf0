package scim

import (
	"net/http"
	"testing"

	"github.com/rollcall-sync/rollcall/store/storetest"
)

// TestOnPostgres plays one short conversation over PostgreSQL, filters and
// lists included: what an answer shows is the same on both engines.
func TestOnPostgres(t *testing.T) {
	p := newProvider(t, providerOptions{mapping: entraMapping, url: storetest.Postgres(t)})
	ann := p.request("entra", "POST", "/Users", entraBody("ann@acme.com", "0a21")).is(http.StatusCreated).has("active", URNRollcallUser, "state").text("id")
	group := p.request("entra", "POST", "/Groups", `{"displayName":"Sales","members":[{"value":"`+ann+`"}]}`).is(http.StatusCreated).has("G F", "members", 0, "display").text("id")
	p.inGroups("ann@acme.com", "Finance", "Sales")
	p.request("entra", "POST", "/Users", entraBody("ann@acme.com", "other")).refuses(http.StatusConflict, "uniqueness", "userName")
	p.request("entra", "POST", "/Users", entraBody("other@acme.com", "0a21")).refuses(http.StatusConflict, "uniqueness", "externalId")
	for _, filter := range []string{
		`userName eq "ANN@acme.com"`, `externalId eq "0a21"`, `emails[type eq "work"].value eq "ann@acme.com"`, `not (active eq false)`,
		`title co "ler" and name.familyName sw "f"`, `groups eq "` + group + `"`, `meta.created gt "2001-01-01T00:00:00Z"`,
	} {
		p.request("entra", "GET", "/Users?filter="+urlEncode(filter), "").is(http.StatusOK).has(1, "totalResults").has("Sales", "Resources", 0, "groups", 0, "display")
	}
	p.request("entra", "GET", "/Groups?filter="+urlEncode(`id eq "`+group+`" and members eq "`+ann+`"`), "").is(http.StatusOK).has(1, "totalResults")
	p.request("entra", "GET", "/Users/%00", "").is(http.StatusNotFound)
	p.request("entra", "GET", "/Users?startIndex=1&count=1", "").is(http.StatusOK).has(1, "totalResults")
	p.request("entra", "PATCH", "/Users/"+ann, patchBody(`{"op":"Replace","path":"active","value":"False"}`)).is(http.StatusOK).has("deactivated", URNRollcallUser, "state")
	p.request("entra", "DELETE", "/Users/"+ann, "").is(http.StatusNoContent)
	p.request("entra", "GET", "/Groups/"+group, "").is(http.StatusOK).has(nil, "members")
}
