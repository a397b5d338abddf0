package scim

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// TestServiceProviderConfigIsTrue walks ServiceProviderConfig: what it claims
// behaves, what it does not claim is refused, and a flag that nobody proves
// fails (scim 4.11).
func TestServiceProviderConfigIsTrue(t *testing.T) {
	now := time.Now()
	p := newProvider(t, providerOptions{options: func(o *Options) {
		o.Now = func() time.Time { return now }
		o.GroupBody = 1 << 20
	}})
	p.tokens["okta"] = p.newToken(store.TokenRow{Connection: "okta", ExpiresAt: workspace.At(now.Add(48 * time.Hour))}).Reveal()
	config := p.request("okta", "GET", "/ServiceProviderConfig", "").is(http.StatusOK)
	document, ok := config.decode().(map[string]any)
	if !ok {
		t.Fatal(config.body)
	}
	number := func(path ...any) int {
		n, ok := config.at(path...).(float64)
		if !ok {
			t.Fatalf("%v is no number", path)
		}
		return int(n)
	}
	claimed := func(path ...any) bool { return config.at(path...) == true }
	ann := p.request("okta", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated).text("id")
	p.fill("okta", 1005)

	proofs := map[string]func(t *testing.T){
		"schemas": func(t *testing.T) {
			if config.text("schemas", 0) != "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig" {
				t.Error(config.body)
			}
		},
		"meta": func(t *testing.T) {
			if config.text("meta", "location") != "https://phone.acme.com/scim/v2/ServiceProviderConfig" {
				t.Error(config.body)
			}
		},
		"patch": func(t *testing.T) {
			a := p.request("okta", "PATCH", "/Users/"+ann, patchBody(`{"op":"replace","path":"title","value":"Lead"}`))
			if claimed("patch", "supported") {
				a.is(http.StatusOK).has("Lead", "title")
			} else {
				a.is(http.StatusNotImplemented)
			}
		},
		"etag": func(t *testing.T) {
			tag := p.request("okta", "GET", "/Users/"+ann, "").header.Get("ETag")
			if !claimed("etag", "supported") {
				if tag != "" {
					t.Error("an ETag that is not claimed")
				}
				return
			}
			p.request("okta", "PATCH", "/Users/"+ann, patchBody(`{"op":"replace","path":"title","value":"A"}`), "If-Match: "+tag).is(http.StatusOK)
			p.request("okta", "PATCH", "/Users/"+ann, patchBody(`{"op":"replace","path":"title","value":"B"}`), "If-Match: "+tag).is(http.StatusPreconditionFailed)
		},
		"filter": func(t *testing.T) {
			a := p.request("okta", "GET", "/Users?filter="+urlEncode(`userName eq "ann@acme.com"`), "")
			if !claimed("filter", "supported") {
				a.is(http.StatusNotImplemented)
				return
			}
			a.is(http.StatusOK).has(1, "totalResults")
			p.request("okta", "GET", "/Users?count=5000&attributes=id&filter="+urlEncode(`id pr`), "").has(number("filter", "maxResults"), "itemsPerPage")
		},
		"sort": func(t *testing.T) {
			if !claimed("sort", "supported") {
				p.request("okta", "GET", "/Users?sortBy=userName", "").is(http.StatusNotImplemented)
				return
			}
			got := p.request("okta", "GET", "/Users?sortBy=userName&sortOrder=descending&count=10", "").is(http.StatusOK).found("userName")
			if up := slices.Clone(got); !slices.IsSortedFunc(up, func(a, b string) int { return strings.Compare(b, a) }) {
				t.Errorf("sorted as %v", got)
			}
		},
		"bulk": func(t *testing.T) {
			if !claimed("bulk", "supported") {
				p.request("okta", "POST", "/Bulk", bulkBody("", `{}`)).is(http.StatusNotImplemented)
				return
			}
			most := number("bulk", "maxOperations")
			operation := `{"method":"DELETE","path":"/Groups/none"}`
			a := p.request("okta", "POST", "/Bulk", bulkBody("", slices.Repeat([]string{operation}, most)...)).is(http.StatusOK)
			a.has("404", "Operations", most-1, "status")
			p.request("okta", "POST", "/Bulk", bulkBody("", slices.Repeat([]string{operation}, most+1)...)).is(http.StatusRequestEntityTooLarge)
			body := bulkBody("", operation)
			size := number("bulk", "maxPayloadSize")
			p.request("okta", "POST", "/Bulk", body+strings.Repeat(" ", size-len(body))).is(http.StatusOK)
			p.request("okta", "POST", "/Bulk", body+strings.Repeat(" ", size-len(body)+1)).is(http.StatusRequestEntityTooLarge)
		},
		"changePassword": func(t *testing.T) {
			if claimed("changePassword", "supported") {
				t.Error("nobody changes passwords here")
			}
			before := p.request("okta", "GET", "/Users/"+ann, "").body
			p.request("okta", "PATCH", "/Users/"+ann, patchBody(`{"op":"replace","path":"password","value":"hunter2"}`)).is(http.StatusOK)
			if after := p.request("okta", "GET", "/Users/"+ann, "").body; after != before {
				t.Errorf("a password changed\n%s\ninto\n%s", before, after)
			}
		},
		"pagination": func(t *testing.T) {
			size, most := number("pagination", "defaultPageSize"), number("pagination", "maxPageSize")
			p.request("okta", "GET", "/Users?attributes=id", "").is(http.StatusOK).has(size, "itemsPerPage")
			p.request("okta", "GET", "/Users?attributes=id&count=100000", "").is(http.StatusOK).has(most, "itemsPerPage")
			if got := config.text("pagination", "defaultPaginationMethod"); got != "index" || p.request("okta", "GET", "/Users?count=1", "").at("nextCursor") != nil {
				t.Errorf("the default method is %q", got)
			}
			if claimed("pagination", "index") {
				p.request("okta", "GET", "/Users?startIndex=1000&attributes=id", "").is(http.StatusOK).has(1000, "startIndex").has(7, "itemsPerPage")
			}
			a := p.request("okta", "GET", "/Users?count=3&attributes=id&cursor", "")
			if !claimed("pagination", "cursor") {
				a.is(http.StatusNotImplemented)
				return
			}
			next := a.is(http.StatusOK).text("nextCursor")
			now = now.Add(time.Duration(number("pagination", "cursorTimeout")) * time.Second).Truncate(time.Microsecond)
			p.request("okta", "GET", "/Users?count=3&cursor="+next, "").is(http.StatusOK)
			now = now.Add(2 * time.Second)
			p.request("okta", "GET", "/Users?count=3&cursor="+next, "").refuses(http.StatusBadRequest, "expiredCursor", "expired")
		},
		"authenticationSchemes": func(t *testing.T) {
			p.tokens["nobody"] = ""
			for i := 0; config.at("authenticationSchemes", i) != nil; i++ {
				switch kind := config.text("authenticationSchemes", i, "type"); kind {
				case "oauthbearertoken":
					p.request("okta", "GET", "/Users?count=0", "").is(http.StatusOK)
				default:
					t.Errorf("nobody proves the scheme %q", kind)
				}
			}
			p.request("nobody", "GET", "/Users?count=0", "", "Authorization: Basic YTpi").is(http.StatusUnauthorized)
		},
	}
	for name := range document {
		proof := proofs[name]
		if proof == nil {
			t.Errorf("nobody proves %q", name)
			continue
		}
		t.Run(name, proof)
	}
	for name := range proofs {
		if document[name] == nil {
			t.Errorf("%q is not said", name)
		}
	}
	// What is listed answers; what is not listed does not.
	types := p.request("okta", "GET", "/ResourceTypes", "").is(http.StatusOK)
	for i := 0; types.at("Resources", i) != nil; i++ {
		endpoint := types.text("Resources", i, "endpoint")
		p.request("okta", "GET", endpoint+"?count=1", "").is(http.StatusOK)
		p.request("okta", "POST", endpoint+"/.search", searchBody(`"count":1`)).is(http.StatusOK)
		p.request("okta", "GET", "/Schemas/"+types.text("Resources", i, "schema"), "").is(http.StatusOK)
	}
	for _, endpoint := range []string{"/Devices", "/Entitlements", "/Events"} {
		p.request("okta", "GET", endpoint, "").is(http.StatusNotFound)
	}
	p.request("okta", "GET", "/Me", "").is(http.StatusNotImplemented)
}
