package scim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
)

func bulkBody(members string, operations ...string) string {
	return `{"schemas":["` + bulkRequestSchema + `"],` + members + `"Operations":[` + strings.Join(operations, ",") + `]}`
}

// post is one creating operation.
func post(path, bulkID, data string) string {
	return fmt.Sprintf(`{"method":"POST","path":%q,"bulkId":%q,"data":%s}`, path, bulkID, data)
}

func bulkUser(name, more string) string {
	return `{"schemas":["` + URNUser + `"],"userName":"` + name + `"` + more + `}`
}

func managedBy(id string) string {
	return `,"` + URNEnterpriseUser + `":{"manager":{"value":"` + id + `"}}`
}

// statuses lists the statuses of a Bulk answer.
func (a answer) statuses() string {
	a.t.Helper()
	var list []string
	for i := 0; a.at("Operations", i) != nil; i++ {
		list = append(list, a.text("Operations", i, "status"))
	}
	return strings.Join(list, " ")
}

// idOf is the id in the location of operation i.
func (a answer) idOf(i int) string {
	a.t.Helper()
	location := a.text("Operations", i, "location")
	return location[strings.LastIndexByte(location, '/')+1:]
}

// TestBulk does one of each in one request, every operation a run of its own
// (RFC 7644 section 3.7).
func TestBulk(t *testing.T) {
	for _, profile := range []string{"okta", "strict"} {
		p := newProvider(t, providerOptions{mapping: testMapping})
		old := p.request(profile, "POST", "/Users", bulkUser("old@acme.com", "")).is(http.StatusCreated).text("id")
		gone := p.request(profile, "POST", "/Users", bulkUser("gone@acme.com", "")).is(http.StatusCreated).text("id")
		before := p.runs()
		a := p.request(profile, "POST", "/Bulk", bulkBody("",
			post("/Users", "ann", bulkUser("ann@acme.com", "")),
			post("/Groups", "sales", `{"schemas":["`+URNGroup+`"],"displayName":"Sales","members":[{"value":"bulkId:ann"},{"value":"`+old+`"}]}`),
			`{"method":"PATCH","path":"/Users/`+old+`","version":"W/\"1\"","data":`+patchBody(`{"op":"replace","path":"title","value":"Lead"}`)+`}`,
			`{"method":"PUT","path":"/Users/bulkId:ann","data":`+bulkUser("ann@acme.com", `,"displayName":"Ann"`)+`}`,
			`{"method":"PATCH","path":"/Groups/bulkId:sales","data":`+patchBody(`{"op":"remove","path":"members[value eq \"bulkId:ann\"]"}`)+`}`,
			`{"method":"DELETE","path":"/Users/`+gone+`"}`,
		)).is(http.StatusOK).has([]string{bulkResponseSchema}, "schemas")
		if got, want := a.statuses(), "201 201 200 200 204 204"; got != want {
			t.Fatalf("%s: %s, want %s: %s", profile, got, want, a.body)
		}
		a.has("ann", "Operations", 0, "bulkId").has("POST", "Operations", 0, "method").has(nil, "Operations", 0, "response").has(`W/"1"`, "Operations", 0, "version")
		p.request(profile, "GET", "/Users/"+a.idOf(0), "").is(http.StatusOK).has("Ann", "displayName").has(a.text("Operations", 3, "version"), "meta", "version").
			has(a.text("Operations", 0, "location"), "meta", "location")
		p.request(profile, "GET", "/Groups/"+a.idOf(1), "").is(http.StatusOK).has(old, "members", 0, "value").has(nil, "members", 1)
		p.request(profile, "GET", "/Users/"+gone, "").is(http.StatusNotFound)
		p.member("gone@acme.com", "member deactivated")
		p.member("ann@acme.com", "member active")
		if got := p.runs() - before; got != 6 {
			t.Errorf("%s: six operations are %d runs", profile, got)
		}
	}
}

// TestBulkReferences: what is referred to is made first, whatever the order;
// resources that name each other are made first and linked second; what names
// nothing is 400 for that one alone.
func TestBulkReferences(t *testing.T) {
	p := newProvider(t, providerOptions{})
	a := p.request("okta", "POST", "/Bulk", bulkBody("",
		post("/Groups", "g", `{"displayName":"Team","members":[{"value":"bulkId:ann"},{"value":"bulkId:sub"}]}`),
		post("/Groups", "sub", `{"displayName":"Sub","members":[{"value":"bulkId:bob"}]}`),
		post("/Users", "ann", bulkUser("ann@acme.com", managedBy("bulkId:bob"))),
		post("/Users", "bob", bulkUser("bob@acme.com", managedBy("bulkId:ann"))),
		post("/Users", "eve", bulkUser("eve@acme.com", managedBy("bulkId:eve"))),
		post("/Users", "lost", bulkUser("lost@acme.com", managedBy("bulkId:nobody"))),
		post("/Users", "bad", `{"userName":""}`),
		post("/Users", "under", bulkUser("under@acme.com", managedBy("bulkId:bad"))),
		post("/Users", "x", bulkUser("x@acme.com", managedBy("bulkId:y"))),
		post("/Users", "y", bulkUser("ann@acme.com", managedBy("bulkId:x"))),
	)).is(http.StatusOK)
	if got, want := a.statuses(), "201 201 201 201 201 400 400 400 400 409"; got != want {
		t.Fatalf("%s, want %s: %s", got, want, a.body)
	}
	a.has("invalidValue", "Operations", 5, "response", "scimType").has("invalidValue", "Operations", 7, "response", "scimType")
	ids := []string{a.idOf(2), a.idOf(3), a.idOf(4)}
	for i, boss := range []string{ids[1], ids[0], ids[2]} {
		p.request("okta", "GET", "/Users/"+ids[i], "").is(http.StatusOK).has(boss, URNEnterpriseUser, "manager", "value").
			has(a.text("Operations", i+2, "version"), "meta", "version")
	}
	team := p.request("okta", "GET", "/Groups/"+a.idOf(0), "").is(http.StatusOK)
	members := []string{team.text("members", 0, "value"), team.text("members", 1, "value")}
	if !slices.Contains(members, ids[0]) || !slices.Contains(members, a.idOf(1)) {
		t.Errorf("the team has %v", members)
	}
	p.member("lost@acme.com", "")
	p.member("under@acme.com", "")
}

// TestBulkStops: failOnErrors ends the request; what was done stays and is all
// that is answered.
func TestBulkStops(t *testing.T) {
	p := newProvider(t, providerOptions{})
	operations := []string{
		post("/Users", "a", bulkUser("a@acme.com", "")), post("/Users", "b", `{}`), post("/Users", "c", bulkUser("c@acme.com", "")),
		`{"method":"GET","path":"/Users"}`, post("/Users", "d", bulkUser("d@acme.com", "")),
	}
	if got := p.request("okta", "POST", "/Bulk", bulkBody(`"failOnErrors":2,`, operations...)).is(http.StatusOK).statuses(); got != "201 400 201 400" {
		t.Errorf("statuses %s", got)
	}
	p.member("d@acme.com", "")
	if got := p.request("okta", "POST", "/Bulk", bulkBody(`"failOnErrors":1,`, operations[1:]...)).is(http.StatusOK).statuses(); got != "400" {
		t.Errorf("statuses %s", got)
	}
	if got := p.request("okta", "POST", "/Bulk", bulkBody("", operations...)).is(http.StatusOK).statuses(); got != "409 400 409 400 201" {
		t.Errorf("statuses %s", got)
	}
}

// TestBulkRefuses holds what an operation cannot be, each with its own error.
func TestBulkRefuses(t *testing.T) {
	p := newProvider(t, providerOptions{})
	ann := p.request("strict", "POST", "/Users", bulkUser("ann@acme.com", "")).is(http.StatusCreated).text("id")
	for _, tt := range []struct{ name, operation, status, scimType string }{
		{"no object", `7`, "400", "invalidSyntax"},
		{"no bulkId", `{"method":"POST","path":"/Users","data":{}}`, "400", "invalidSyntax"},
		{"nested Bulk", post("/Bulk", "n", bulkBody("", `{}`)), "400", "invalidPath"},
		{"discovery", post("/Schemas", "n", `{}`), "400", "invalidPath"},
		{"POST on one", post("/Users/"+ann, "n", `{}`), "400", "invalidPath"},
		{"DELETE of all", `{"method":"DELETE","path":"/Users"}`, "400", "invalidPath"},
		{"no data", `{"method":"PUT","path":"/Users/` + ann + `"}`, "400", "invalidSyntax"},
		{"unknown endpoint", post("/Devices", "n", `{}`), "404", ""},
		{"unknown id", `{"method":"DELETE","path":"/Users/nobody"}`, "404", ""},
		{"stale version", `{"method":"DELETE","path":"/Users/` + ann + `","version":"W/\"7\""}`, "412", ""},
		{"path that names nothing", `{"method":"DELETE","path":"/Users/bulkId:n"}`, "400", "invalidValue"},
		{"another connection's", `{"method":"DELETE","path":"/Users/` + p.request("okta", "POST", "/Users", bulkUser("bob@acme.com", "")).text("id") + `"}`, "404", ""},
		{"path of a strange form", `{"method":"DELETE","path":"/Users/%00\u0001"}`, "404", ""},
		{"path as number", `{"method":"DELETE","path":7}`, "400", "invalidSyntax"},
	} {
		a := p.request("strict", "POST", "/Bulk", bulkBody("", tt.operation)).is(http.StatusOK).has(tt.status, "Operations", 0, "status").
			has(tt.status, "Operations", 0, "response", "status")
		if got := a.text("Operations", 0, "response", "scimType"); got != tt.scimType {
			t.Errorf("%s: scimType %q, want %q: %s", tt.name, got, tt.scimType, a.body)
		}
	}
	p.tokens["groups"] = p.newToken(store.TokenRow{Connection: "strict", Scopes: []string{"groups"}}).Reveal()
	a := p.request("groups", "POST", "/Bulk", bulkBody("", post("/Users", "n", bulkUser("eve@acme.com", "")), post("/Groups", "g", `{"schemas":["`+URNGroup+`"],"displayName":"G"}`))).is(http.StatusOK)
	if got := a.statuses(); got != "403 201" {
		t.Errorf("a token for groups: %s", a.body)
	}
	if a := p.request("groups", "POST", "/Users", "{}"); a.status != http.StatusForbidden {
		t.Errorf("a token for groups writes Users: %d", a.status)
	}
}

// TestBulkCountsInTheRate: a Bulk request is carried out whole, and what it
// took the next requests wait for; leavers do not wait.
func TestBulkCountsInTheRate(t *testing.T) {
	p, _ := metered(t)
	operations := []string{post("/Users", "0", bulkUser("u0@acme.com", "")), post("/Users", "1", bulkUser("u1@acme.com", ""))}
	for i := range 148 {
		operations = append(operations, post("/Users", fmt.Sprintf("x%d", i), "{}"))
	}
	a := p.request("okta", "POST", "/Bulk", bulkBody("", operations...)).is(http.StatusOK).has("201", "Operations", 1, "status").has("400", "Operations", 149, "status")
	p.request("okta", "GET", "/Users", "").is(http.StatusTooManyRequests)
	p.request("okta", "POST", "/Bulk", bulkBody("", operations[0])).is(http.StatusTooManyRequests)
	var changes []string
	for range 101 {
		changes = append(changes, `{"method":"PATCH","path":"/Groups/x","data":{}}`)
	}
	p.request("okta", "POST", "/Bulk", bulkBody("", changes...)).is(http.StatusOK)
	p.request("okta", "POST", "/Bulk", bulkBody("", changes[0])).is(http.StatusTooManyRequests)
	p.request("okta", "POST", "/Bulk", bulkBody("", `{"method":"DELETE","path":"/Users/`+a.idOf(0)+`"}`,
		`{"method":"PATCH","path":"/Users/`+a.idOf(1)+`","data":`+patchBody(`{"op":"replace","path":"active","value":false}`)+`}`)).is(http.StatusOK)
	p.member("u1@acme.com", "member deactivated")
}

// FuzzBulk: whatever comes, the answer is one of SCIM and nothing breaks.
func FuzzBulk(f *testing.F) {
	p := newProvider(f, providerOptions{})
	f.Add(bulkBody("", post("/Users", "a", bulkUser("a@acme.com", managedBy("bulkId:b"))), post("/Users", "b", bulkUser("b@acme.com", managedBy("bulkId:a")))))
	f.Add(bulkBody(`"failOnErrors":1,`, `{"method":"PATCH","path":"/Groups/bulkId:x","data":{"Operations":[{"op":"add","path":"members[value eq \"bulkId:\"]"}]}}`))
	f.Add(`{"Operations":[{"method":"DELETE","path":"/Users/bulkId:bulkId:"}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		inner := *p
		inner.t = t
		a := inner.request("okta", "POST", "/Bulk", body)
		if a.status >= 500 {
			t.Errorf("status %d: %s", a.status, a.body)
		}
		if a.status != http.StatusOK {
			return
		}
		for i := 0; a.at("Operations", i) != nil; i++ {
			if status := a.text("Operations", i, "status"); status == "" || status[0] == '5' {
				t.Errorf("operation %d has the status %q", i, status)
			}
		}
	})
}

// TestBulkOfManyReferences: what one operation names costs no more than its
// bytes, however much of it there is.
func TestBulkOfManyReferences(t *testing.T) {
	p := newProvider(t, providerOptions{})
	var list strings.Builder
	for i := range maxListEntries {
		fmt.Fprintf(&list, `"bulkId:%d",`, i)
	}
	entries := strings.TrimSuffix(list.String(), ",")
	before := cpuTime(t)
	p.request("okta", "POST", "/Bulk", bulkBody("", post("/Groups", "g", `{"a":[`+entries+`],"b":[`+strings.ReplaceAll(entries, ":", ":x")+`]}`))).
		is(http.StatusOK).has("400", "Operations", 0, "status")
	if took := cpuTime(t) - before; took > 3*time.Second*raceFactor {
		t.Errorf("100,000 references took %v", took)
	}
}
