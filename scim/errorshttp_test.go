package scim

import (
	"fmt"
	"hash/crc32"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// TestErrorsOnTheWire holds every refusal that needs no state to its status,
// scimType and a detail that an administrator can act on.
func TestErrorsOnTheWire(t *testing.T) {
	p := newProvider(t, providerOptions{mapping: testMapping})
	ann := p.request("okta", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated).text("id")
	strict := p.request("strict", "POST", "/Users", userBody("eve@acme.com")).is(http.StatusCreated).text("id")
	for _, tt := range []struct {
		name, connection, method, path, body string
		headers                              []string
		status                               int
		scimType, detail                     string
	}{
		{"no JSON", "okta", "POST", "/Users", `userName=ann`, nil, 400, "invalidSyntax", "no valid JSON at byte 0"},
		{"JSON that breaks off", "okta", "PUT", "/Users/" + ann, `{"userName":`, nil, 400, "invalidSyntax", "no valid JSON"},
		{"empty body", "okta", "PATCH", "/Users/" + ann, ``, []string{"Content-Type: application/json"}, 400, "invalidSyntax", "empty"},
		{"duplicate key", "okta", "POST", "/Users", `{"userName":"a@b.c","USERNAME":"x"}`, nil, 400, "invalidSyntax", "twice"},
		{"unknown attribute in strict", "strict", "POST", "/Users", `{"schemas":["` + URNUser + `"],"userName":"x@acme.com","costCentre":"7"}`, nil, 400, "invalidSyntax", "costCentre"},
		{"unknown path in strict", "strict", "PATCH", "/Users/" + strict, patchBody(`{"op":"replace","path":"costCentre","value":"7"}`), nil, 400, "invalidPath", "costCentre"},
		{"no e-mail", "okta", "POST", "/Users", `{"userName":"ann"}`, nil, 400, "invalidValue", "no e-mail"},
		{"no userName", "okta", "POST", "/Users", `{"displayName":"Ann"}`, nil, 400, "invalidValue", "userName is required"},
		{"duplicate userName in another letter case", "okta", "POST", "/Users", `{"userName":"ANN@ACME.com","externalId":"other"}`, nil, 409, "uniqueness", "userName"},
		{"duplicate externalId", "okta", "POST", "/Users", `{"userName":"other@acme.com","externalId":"ext-ann@acme.com"}`, nil, 409, "uniqueness", "externalId"},
		{"stale If-Match on PUT", "okta", "PUT", "/Users/" + ann, userBody("ann@acme.com"), []string{`If-Match: W/"77"`}, 412, "", "read the resource again"},
		{"stale If-Match on PATCH", "okta", "PATCH", "/Users/" + ann, patchBody(`{"op":"replace","path":"title","value":"x"}`), []string{`If-Match: "77", W/"78"`}, 412, "", "If-Match"},
		{"stale If-Match on DELETE", "okta", "DELETE", "/Users/" + ann, "", []string{`If-Match: W/"77"`}, 412, "", "If-Match"},
		{"unknown id", "okta", "GET", "/Users/nobody", "", nil, 404, "", "nobody"},
		{"id of a strange form (4.1)", "okta", "GET", "/Users/%00%ff%22", "", nil, 404, "", "User"},
		{"User of another connection (SX02)", "entra", "GET", "/Users/" + ann, "", nil, 404, "", ann},
		{"User as Group", "okta", "GET", "/Groups/" + ann, "", nil, 404, "", "Group"},
		{"unknown endpoint", "okta", "GET", "/Devices", "", nil, 404, "", "no such endpoint"},
		{"write to the root", "okta", "POST", "/", "{}", nil, 405, "", "GET, HEAD"},
		{"path too deep", "okta", "GET", "/Users/a/b", "", nil, 404, "", "no such endpoint"},
		{"endpoint in another letter case in strict (TL15)", "strict", "GET", "/users", "", nil, 404, "", "no such endpoint"},
		{"Me", "okta", "GET", "/Me", "", nil, 501, "", "not to a person"},
		{"Bulk by GET", "okta", "GET", "/Bulk", "", nil, 405, "", "POST"},
		{"Bulk of nothing", "okta", "POST", "/Bulk", "{}", nil, 400, "invalidSyntax", "Operations"},
		{"Bulk without schemas in strict", "strict", "POST", "/Bulk", `{"Operations":[{}]}`, nil, 400, "invalidSyntax", "BulkRequest"},
		{"Bulk that stops at once", "okta", "POST", "/Bulk", `{"failOnErrors":0,"Operations":[{}]}`, nil, 400, "invalidValue", "failOnErrors"},
		{"Bulk with a bulkId twice", "okta", "POST", "/Bulk", `{"Operations":[{"bulkId":"a"},{"bulkId":"a"}]}`, nil, 400, "invalidValue", "twice"},
		{"Bulk with too many operations (GD05)", "okta", "POST", "/Bulk", `{"Operations":[` + strings.TrimSuffix(strings.Repeat("{},", 1001), ",") + `]}`, nil, 413, "", "at most 1000"},
		{"Bulk that is too large (GD04)", "okta", "POST", "/Bulk", strings.Repeat(" ", maxGroupBody+1), nil, 413, "", "4194304"},
		{"search by GET", "okta", "GET", "/Users/.search", "", nil, 405, "", "POST"},
		{"search over all by GET", "okta", "GET", "/.search", "", nil, 405, "", "POST"},
		{"search without schemas in strict", "strict", "POST", "/.search", "{}", nil, 400, "invalidSyntax", "SearchRequest"},
		{"search with a number as filter", "okta", "POST", "/.search", `{"filter":7}`, nil, 400, "invalidSyntax", "filter must be a string"},
		{"search with half a resource", "okta", "POST", "/.search", `{"count":1.5}`, nil, 400, "invalidValue", "count"},
		{"search for nothing known", "okta", "POST", "/.search", `{"filter":"shoe eq \"9\""}`, nil, 400, "invalidFilter", "shoe"},
		{"sort by what has no column (SX06)", "okta", "GET", "/Users?sortBy=title", "", nil, 400, "invalidPath", "title"},
		{"sort by nothing known", "okta", "GET", "/Users?sortBy=shoe", "", nil, 400, "invalidPath", "shoe"},
		{"sort order", "okta", "GET", "/Users?sortBy=id&sortOrder=up", "", nil, 400, "invalidValue", "ascending or descending"},
		{"cursor of nobody", "okta", "GET", "/Users?cursor=AAAA", "", nil, 400, "invalidCursor", "not valid here"},
		{"cursor and index", "okta", "GET", "/Users?cursor&startIndex=1", "", nil, 400, "invalidCursor", "not valid here"},
		{"cursor without a page", "okta", "GET", "/Users?cursor&count=0", "", nil, 400, "invalidCount", "count"},
		{"DELETE of all Users", "okta", "DELETE", "/Users", "", nil, 405, "", "possible: GET, HEAD, POST"},
		{"POST on one User", "okta", "POST", "/Users/" + ann, userBody("x@acme.com"), nil, 405, "", "possible: GET, HEAD, PUT, PATCH, DELETE"},
		{"write to Numbers", "okta", "POST", "/Numbers", "{}", nil, 405, "", "GET, HEAD"},
		{"write to a Role", "okta", "DELETE", "/Roles/admin", "", nil, 405, "", "GET, HEAD"},
		{"unknown Role", "okta", "GET", "/Roles/king", "", nil, 404, "", "king"},
		{"unknown Number", "okta", "GET", "/Numbers/%00", "", nil, 404, "", "Number"},
		{"write to discovery", "okta", "POST", "/Schemas", "{}", nil, 405, "", "GET"},
		{"filter on discovery", "okta", "GET", "/Schemas?filter=id%20pr", "", nil, 403, "", "no filter"},
		{"unknown schema", "okta", "GET", "/Schemas/urn:nothing", "", nil, 404, "", "urn:nothing"},
		{"unreadable filter", "okta", "GET", "/Users?filter=userName%20eq", "", nil, 400, "invalidFilter", ""},
		{"filter on an unknown attribute", "okta", "GET", "/Users?filter=shoe%20eq%20%229%22", "", nil, 400, "invalidFilter", "shoe"},
		{"filter on a secret", "okta", "GET", "/Users?filter=password%20pr", "", nil, 400, "invalidFilter", "password"},
		{"two filters", "okta", "GET", "/Users?filter=userName%20pr&filter=userName%20pr", "", nil, 400, "invalidFilter", "twice"},
		{"count that is no number", "okta", "GET", "/Users?count=many", "", nil, 400, "invalidValue", "count"},
		{"count of two signs", "okta", "GET", "/Users?count=1-2", "", nil, 400, "invalidValue", "count"},
		{"both projections (4.7)", "okta", "GET", "/Users?attributes=id&excludedAttributes=name", "", nil, 400, "invalidValue", "together"},
		{"Content-Type", "okta", "POST", "/Users", "userName=ann", []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "", "application/scim+json"},
		{"Content-Encoding (GD04)", "okta", "POST", "/Users", "x", []string{"Content-Encoding: gzip"}, 415, "", "gzip"},
		{"Accept", "okta", "GET", "/Users", "", []string{"Accept: text/html"}, 406, "", "application/scim+json"},
		{"Accept with weight 0", "okta", "GET", "/Users", "", []string{"Accept: application/json;q=0, text/html"}, 406, "", "accept"},
		{"operations on a User (GD03)", "okta", "PATCH", "/Users/" + ann, patchBody(strings.TrimSuffix(strings.Repeat(`{"op":"replace","path":"title","value":"x"},`, 101), ",")), nil, 413, "", "at most 100"},
		{"readOnly by path", "okta", "PATCH", "/Users/" + ann, patchBody(`{"op":"replace","path":"groups","value":[]}`), nil, 400, "mutability", "readOnly"},
		{"required attribute removed", "okta", "PATCH", "/Users/" + ann, patchBody(`{"op":"remove","path":"userName"}`), nil, 400, "mutability", "required"},
		{"active is no boolean (DA05)", "okta", "PATCH", "/Users/" + ann, patchBody(`{"op":"replace","path":"active","value":"no"}`), nil, 400, "invalidValue", "active"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := p.request(tt.connection, tt.method, tt.path, tt.body, tt.headers...)
			a.t = t
			a.refuses(tt.status, tt.scimType, tt.detail)
			if a.header.Get("Allow") == "" && tt.status == http.StatusMethodNotAllowed {
				t.Error("405 without Allow")
			}
			for _, internal := range []string{"sql", "SQL", "goroutine", ".go:", "identity_by", "workspace_id"} {
				if strings.Contains(a.body, internal) {
					t.Errorf("the answer has internal text %q: %s", internal, a.body)
				}
			}
		})
	}
	p.member("ann@acme.com", "member active")
}

func TestToleratedRequests(t *testing.T) {
	p := newProvider(t, providerOptions{})
	ann := p.request("entra", "POST", "/users/", userBody("ann@acme.com"), "Content-Type: application/json; charset=utf-8").is(http.StatusCreated).text("id")
	for _, path := range []string{"/Users/", "/USERS?aadOptscim062020", "/Users?startIndex=-3&count=2", "/Users?filter=", "/Users?unknown=1&filter=userName+eq+ann@acme.com"} {
		p.request("entra", "GET", path, "").is(http.StatusOK).has(1, "totalResults").has(1, "startIndex")
	}
	p.request("entra", "GET", "/Users?count=0", "").is(http.StatusOK).has(1, "totalResults").has(0, "itemsPerPage").has([]any{}, "Resources")
	p.request("entra", "GET", "/serviceconfiguration", "").is(http.StatusOK)
	for _, accept := range []string{"*/*", "application/json", "text/html, application/scim+json;q=0.5", "application/*"} {
		p.request("entra", "GET", "/Users/"+ann, "", "Accept: "+accept).is(http.StatusOK)
	}
	for _, match := range []string{"*", `W/"1", W/"9"`, `"1"`, `W/"2"`} {
		a := p.request("entra", "PATCH", "/Users/"+ann, patchBody(`{"op":"replace","path":"title","value":"`+urlEncode(match)+`x"}`), "If-Match: "+match)
		if version := a.header.Get("ETag"); a.status == http.StatusOK && version == "" {
			t.Errorf("If-Match %s: no ETag", match)
		}
	}
	notes := p.handler.Tolerated("acme", "entra")
	if notes.Count("TL15") < 2 || notes.Count("TL11") != 1 {
		t.Errorf("tolerances are not counted: %+v", notes)
	}
}

// TestTokens holds wrong tokens to one text (4.10), and each term of a token to
// what it promises.
func TestTokens(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	p := newProvider(t, providerOptions{options: func(o *Options) {
		o.Now = clock
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	}})
	good := p.newToken(store.TokenRow{Connection: "okta"})
	expired := p.newToken(store.TokenRow{Connection: "okta", ExpiresAt: workspace.At(now.Add(-time.Second))})
	revoked := p.newToken(store.TokenRow{Connection: "okta", RevokedAt: workspace.At(now)})
	stranger, err := NewToken()
	if err != nil {
		t.Fatal(err)
	}
	last := good.Reveal()
	forged := "rcs_" + good.ID + "_" + strings.Repeat("a", 52)
	forged += fmt.Sprintf("_%08x", crc32.ChecksumIEEE([]byte(forged)))
	send := func(method, path, authorization string, headers ...string) answer {
		p.tokens["raw"] = ""
		return p.request("raw", method, path, "", append(headers, "Authorization: "+authorization)...)
	}
	send("GET", "/Users", "Bearer "+last).is(http.StatusOK)
	send("GET", "/Users", "bearer  "+last).is(http.StatusOK)
	text := ""
	for name, authorization := range map[string]string{
		"unknown": "Bearer " + stranger.Reveal(), "expired": "Bearer " + expired.Reveal(), "revoked": "Bearer " + revoked.Reveal(),
		"forged": "Bearer " + forged, "no token": "Bearer x", "empty": "Bearer ", "basic": "Basic " + last, "without scheme": last,
	} {
		a := send("GET", "/Users", authorization).is(http.StatusUnauthorized)
		if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="rollcall", error="invalid_token"` {
			t.Errorf("%s: WWW-Authenticate %q", name, got)
		}
		if text != "" && a.body != text {
			t.Errorf("%s: another text than for other wrong tokens: %s", name, a.body)
		}
		text = a.body
		if strings.Contains(a.body, "rcs_") {
			t.Errorf("%s: the answer shows a token: %s", name, a.body)
		}
	}
	p.tokens["none"] = ""
	if got := p.request("none", "GET", "/Users", "").is(http.StatusUnauthorized).header.Get("WWW-Authenticate"); got != `Bearer realm="rollcall"` {
		t.Errorf("without a token: WWW-Authenticate %q", got)
	}
	p.request("none", "POST", "/Users", "{{{{").is(http.StatusUnauthorized) // SX10
	p.request("none", "GET", "/nowhere", "").is(http.StatusUnauthorized)
	send("GET", "/ServiceProviderConfig", "Bearer x").is(http.StatusUnauthorized)

	reader := p.newToken(store.TokenRow{Connection: "okta", Scopes: []string{"read"}}).Reveal()
	send("GET", "/Users", "Bearer "+reader).is(http.StatusOK)
	send("DELETE", "/Users/x", "Bearer "+reader).refuses(http.StatusForbidden, "", "scope users")
	groups := p.newToken(store.TokenRow{Connection: "okta", Scopes: []string{"groups"}}).Reveal()
	send("GET", "/Groups", "Bearer "+groups).is(http.StatusOK)
	send("GET", "/Schemas", "Bearer "+groups).is(http.StatusOK)
	send("GET", "/Users", "Bearer "+groups).refuses(http.StatusForbidden, "", "scope users")

	bound := p.newToken(store.TokenRow{Connection: "okta", Networks: []string{"203.0.113.0/24"}}).Reveal()
	send("GET", "/Users", "Bearer "+bound).refuses(http.StatusForbidden, "", "192.0.2.1")
	from := func(remote, forwarded string) int {
		r := newRequest("GET", "/Users", bound)
		r.RemoteAddr = remote
		r.Header.Set("X-Forwarded-For", forwarded)
		return p.serve(r).Code
	}
	for _, tt := range []struct {
		remote, forwarded string
		want              int
	}{
		{"203.0.113.7:1", "", 200},
		{"[::ffff:203.0.113.7]:1", "", 200},
		{"198.51.100.1:1", "203.0.113.7", 403}, // no proxy of ours
		{"10.1.1.1:1", "203.0.113.7", 200},
		{"10.1.1.1:1", "203.0.113.7, 198.51.100.1", 403}, // read from the right
		{"10.1.1.1:1", "198.51.100.1, 203.0.113.7, 10.2.2.2", 200},
	} {
		if got := from(tt.remote, tt.forwarded); got != tt.want {
			t.Errorf("from %s, X-Forwarded-For %q: %d, want %d", tt.remote, tt.forwarded, got, tt.want)
		}
	}

	// A token that is revoked ends within a second, also for those who used it.
	err = p.store.In("acme").Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
		return tx.RevokeToken(good.ID, workspace.At(now))
	})
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	send("GET", "/Users", "Bearer "+last).is(http.StatusUnauthorized)
}

func TestLastUseOfTokens(t *testing.T) {
	p := newProvider(t, providerOptions{})
	p.request("okta", "GET", "/Users", "").is(http.StatusOK)
	if err := p.handler.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var rows []store.TokenRow
	err := p.store.In("acme").View(t.Context(), func(r *store.Reader) (err error) {
		rows, err = r.Tokens("okta")
		return err
	})
	if err != nil || len(rows) != 1 || rows[0].LastUsedAt == 0 {
		t.Errorf("last use is not stamped: %+v, %v", rows, err)
	}
}

// TestStoreAway: no path answers 2xx while the store is away, each says when to
// come back.
func TestStoreAway(t *testing.T) {
	p := newProvider(t, providerOptions{})
	ann := p.request("okta", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated).text("id")
	if err := p.handler.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.store.Close(); err != nil {
		t.Fatal(err)
	}
	fresh := time.Now()
	for _, cached := range []bool{true, false} {
		p.handler.now = func() time.Time {
			if cached {
				return fresh
			}
			return fresh.Add(time.Minute)
		}
		for _, tt := range []struct{ method, path, body string }{
			{"GET", "/Users", ""},
			{"GET", "/Users/" + ann, ""},
			{"GET", "/Users?filter=" + urlEncode(`userName eq "ann@acme.com"`), ""},
			{"POST", "/Users", userBody("bob@acme.com")},
			{"PUT", "/Users/" + ann, userBody("ann@acme.com")},
			{"PATCH", "/Users/" + ann, patchBody(`{"op":"replace","path":"active","value":false}`)},
			{"DELETE", "/Users/" + ann, ""},
			{"GET", "/Groups", ""},
			{"POST", "/Groups", `{"displayName":"Sales"}`},
			{"PATCH", "/Groups/g", patchBody(`{"op":"replace","path":"displayName","value":"x"}`)},
			{"DELETE", "/Groups/g", ""},
		} {
			a := p.request("okta", tt.method, tt.path, tt.body).refuses(http.StatusServiceUnavailable, "", "send the request again")
			if a.header.Get("Retry-After") == "" {
				t.Errorf("%s: 503 without Retry-After", a.what)
			}
		}
	}
	p.request("okta", "GET", "/ServiceProviderConfig", "").is(http.StatusServiceUnavailable)
	p.tokens["none"] = ""
	p.request("none", "GET", "/ServiceProviderConfig", "").is(http.StatusOK)
}
