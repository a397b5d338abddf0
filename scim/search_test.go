package scim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/store/storetest"
	"github.com/rollcall-sync/rollcall/workspace"
)

// found lists one attribute of the resources of a list, "-" where it is absent.
func (a answer) found(attribute ...any) []string {
	a.t.Helper()
	list := []string{}
	for i := 0; a.at("Resources", i) != nil; i++ {
		text := a.text(append([]any{"Resources", i}, attribute...)...)
		if text == "" {
			text = "-"
		}
		list = append(list, text)
	}
	return list
}

// staff makes people whose keys tell bytes from letters, and two groups.
func (p *provider) staff(connection string) {
	p.t.Helper()
	for i, name := range []string{"bob", "Ann", "zoe", "_x", "éva", "ann2"} {
		display := []string{"B", "a", "", "A", "z", ""}[i]
		body := map[string]any{"schemas": []string{URNUser}, "userName": name + "@acme.com", "active": i%2 == 0}
		if display != "" {
			body["displayName"] = display
		}
		body["emails"] = []any{map[string]any{"value": fmt.Sprintf("m%d@acme.com", 9-i), "type": "work", "primary": true}, map[string]any{"value": "a@home.example"}}
		text, err := json.Marshal(body)
		if err != nil {
			p.t.Fatal(err)
		}
		p.request(connection, "POST", "/Users", string(text)).is(http.StatusCreated)
	}
	for _, name := range []string{"Sales", "aa"} {
		p.request(connection, "POST", "/Groups", `{"schemas":["`+URNGroup+`"],"displayName":"`+name+`"}`).is(http.StatusCreated)
	}
}

func searchBody(members string) string {
	return `{"schemas":["` + searchSchema + `"],` + members + `}`
}

// TestSearchIsGet: a search by POST gives what the same GET gives, on types and
// on the root (RFC 7644 section 3.4.3).
func TestSearchIsGet(t *testing.T) {
	p := newProvider(t, providerOptions{})
	p.staff("okta")
	for _, tt := range []struct{ path, query, body string }{
		{"/Users", "", `"count":100`},
		{"/Users", "?filter=" + urlEncode(`userName sw "ann"`), `"filter":"userName sw \"ann\""`},
		{"/Users", "?attributes=userName,emails.value", `"attributes":["userName","emails.value"]`},
		{"/Users", "?excludedAttributes=emails,meta", `"excludedAttributes":["emails","meta"]`},
		{"/Users", "?startIndex=3&count=2", `"startIndex":3,"count":2`},
		{"/Users", "?sortBy=userName&sortOrder=descending&count=4", `"sortBy":"userName","sortOrder":"descending","count":4`},
		{"/Groups", "?filter=" + urlEncode(`displayName eq "sales"`), `"filter":"displayName eq \"sales\""`},
		{"", "", `"startIndex":1`},
		{"/", "?startIndex=6&count=2", `"startIndex":6,"count":2`},
		{"/", "?filter=" + urlEncode(`displayName pr`) + "&sortBy=displayName", `"filter":"displayName pr","sortBy":"displayName"`},
	} {
		get := p.request("okta", "GET", tt.path+tt.query, "").is(http.StatusOK)
		post := p.request("okta", "POST", strings.TrimSuffix(tt.path, "/")+"/.search", searchBody(tt.body)).is(http.StatusOK)
		if get.body != post.body {
			t.Errorf("%s%s: GET gives\n%s\nPOST gives\n%s", tt.path, tt.query, get.body, post.body)
		}
		p.request("strict", "POST", strings.TrimSuffix(tt.path, "/")+"/.search", searchBody(tt.body)).is(http.StatusOK)
	}
	reader := p.newToken(tokenOf("okta", "read")).Reveal()
	p.tokens["reader"] = reader
	p.request("reader", "POST", "/.search", searchBody(`"count":1`)).is(http.StatusOK)
	p.request("reader", "POST", "/Users", userBody("x@acme.com")).is(http.StatusForbidden)
}

// TestRoot: Users then Groups, one total, attributes of either type in one
// filter; what a type does not have has no value there (RFC 7644 3.4.2.1).
func TestRoot(t *testing.T) {
	p := newProvider(t, providerOptions{})
	p.staff("okta")
	p.request("entra", "POST", "/Users", userBody("eve@acme.com")).is(http.StatusCreated) // Seen by its own connection alone (SX02).
	all := p.request("okta", "GET", "/", "").is(http.StatusOK).has(8, "totalResults")
	if got := all.found("meta", "resourceType"); !slices.Equal(got, []string{"User", "User", "User", "User", "User", "User", "Group", "Group"}) {
		t.Errorf("the root lists %v", got)
	}
	for filter, want := range map[string]int{
		`meta.resourceType eq "Group"`:                               2,
		`meta.resourceType ne "Group"`:                               6,
		`userName pr`:                                                6,
		`not (userName pr)`:                                          2,
		`userName ne "bob@acme.com"`:                                 7,
		`displayName eq "sales" or userName eq "bob@acme.com"`:       2,
		`members pr or emails[value eq "m9@acme.com"]`:               1,
		`id pr and displayName eq "a"`:                               2,
		`urn:ietf:params:scim:schemas:core:2.0:User:userName sw "_"`: 1,
		`schemas eq "` + URNGroup + `"`:                              2,
	} {
		p.request("okta", "GET", "/?filter="+urlEncode(filter), "").is(http.StatusOK).has(want, "totalResults")
	}
	for start := 1; start <= 9; start++ {
		a := p.request("okta", "GET", fmt.Sprintf("/?startIndex=%d&count=3&attributes=id", start), "").has(8, "totalResults")
		if got, want := a.found("id"), all.found("id")[min(start-1, 8):min(start+2, 8)]; !slices.Equal(got, want) {
			t.Errorf("from %d: %v, want %v", start, got, want)
		}
	}
	sorted := p.request("okta", "GET", "/?sortBy=displayName&count=5&startIndex=2", "").has(8, "totalResults")
	if got := sorted.found("displayName"); !slices.Equal(got, []string{"A", "aa", "B", "Sales", "z"}) {
		t.Errorf("the root sorts as %v", got)
	}
}

// TestSort: by the bytes of folded keys, absent values last (first when
// descending), ties by id, with paging by index (scim 4.9).
func TestSort(t *testing.T) {
	for name, url := range map[string]string{"sqlite": "", "postgres": storetest.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t, providerOptions{url: url})
			p.staff("okta")
			for _, tt := range []struct {
				by    string
				shown []any
				want  string
			}{
				{"userName", []any{"userName"}, "_x@acme.com ann2@acme.com Ann@acme.com bob@acme.com zoe@acme.com éva@acme.com"},
				{"urn:ietf:params:scim:schemas:core:2.0:User:USERNAME", []any{"userName"}, "_x@acme.com ann2@acme.com Ann@acme.com bob@acme.com zoe@acme.com éva@acme.com"},
				{"displayName", []any{"displayName"}, "a A B z - -"},
				{"emails", []any{"emails", 0, "value"}, "m4@acme.com m5@acme.com m6@acme.com m7@acme.com m8@acme.com m9@acme.com"},
				{"name.familyName", []any{"name", "familyName"}, "- - - - - -"},
				{"meta.created", []any{"userName"}, "bob@acme.com Ann@acme.com zoe@acme.com _x@acme.com éva@acme.com ann2@acme.com"},
			} {
				up := p.request("okta", "GET", "/Users?sortBy="+tt.by, "").is(http.StatusOK).has(6, "totalResults")
				if got := strings.Join(up.found(tt.shown...), " "); got != tt.want {
					t.Errorf("%s: %s, want %s", tt.by, got, tt.want)
				}
				down := p.request("okta", "GET", "/Users?sortOrder=Descending&sortBy="+tt.by, "").is(http.StatusOK)
				want := strings.Fields(tt.want)
				slices.Reverse(want)
				if tt.by == "displayName" {
					want[4], want[5] = "a", "A" // The tie stays in the order of ids.
				}
				if got := down.found(tt.shown...); !slices.Equal(got, want) {
					t.Errorf("%s descending: %v, want %v", tt.by, got, want)
				}
				for start := 1; start <= 7; start += 2 {
					page := p.request("okta", "GET", fmt.Sprintf("/Users?sortBy=%s&startIndex=%d&count=2", tt.by, start), "").has(6, "totalResults")
					if got, want := page.found("id"), up.found("id")[min(start-1, 6):min(start+1, 6)]; !slices.Equal(got, want) {
						t.Errorf("%s from %d: %v, want %v", tt.by, start, got, want)
					}
				}
			}
			ties := p.request("okta", "GET", "/Users?sortBy=name.familyName&sortOrder=descending", "").found("id")
			if !slices.IsSorted(ties) {
				t.Errorf("ties do not stand by id: %v", ties)
			}
			active := p.request("okta", "GET", "/Users?sortBy=active&filter="+urlEncode(`emails pr`), "").is(http.StatusOK)
			active.has(false, "Resources", 2, "active").has(true, "Resources", 3, "active")
			p.request("okta", "GET", "/Groups?sortBy=displayName", "").is(http.StatusOK).has("aa", "Resources", 0, "displayName")
		})
	}
}

// TestCursor walks lists by cursor: everything once, nextCursor missing only on
// the last page, and no cursor is good for anything but its own list (RFC 9865).
func TestCursor(t *testing.T) {
	now := time.Now()
	p := newProvider(t, providerOptions{options: func(o *Options) { o.Now = func() time.Time { return now } }})
	p.tokens["okta"] = p.newToken(store.TokenRow{Connection: "okta", ExpiresAt: workspace.At(now.Add(48 * time.Hour))}).Reveal()
	p.staff("okta")
	for _, query := range []string{
		"/Users?", "/Users?sortBy=displayName", "/Users?sortBy=displayName&sortOrder=descending", "/Users?sortBy=active&sortOrder=descending",
		"/Users?filter=" + urlEncode("emails pr"), "/Users?filter=" + urlEncode("ims pr or userName pr") + "&sortBy=emails",
		"/?", "/?sortBy=displayName", "/?sortBy=meta.created&sortOrder=descending", "/?filter=" + urlEncode("not (ims pr)"), "/Groups?sortBy=id",
	} {
		want := p.request("okta", "GET", query, "").is(http.StatusOK).found("id")
		for count := 1; count <= len(want)+1; count++ {
			var got []string
			for next := ""; ; {
				a := p.request("okta", "GET", fmt.Sprintf("%s&count=%d&cursor=%s", query, count, next), "").is(http.StatusOK).
					has(len(want), "totalResults").has(nil, "startIndex")
				got = append(got, a.found("id")...)
				if next = a.text("nextCursor"); next == "" {
					break
				}
				a.has(count, "itemsPerPage")
				if len(got) > len(want) {
					t.Fatalf("%s by %d does not end", query, count)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s by %d (-want +got):\n%s", query, count, diff)
			}
		}
	}
	next := p.request("okta", "GET", "/Users?count=2&cursor=", "").text("nextCursor")
	p.request("okta", "GET", "/Users?cursor="+next, "").is(http.StatusOK).has(2, "itemsPerPage")
	p.request("okta", "POST", "/Users/.search", searchBody(`"count":2,"cursor":"`+next+`"`)).is(http.StatusOK).has(2, "itemsPerPage")
	other := "A"
	if next[0] == 'A' {
		other = "B"
	}
	for name, query := range map[string]string{
		"another endpoint": "/Groups?count=2&cursor=" + next, "the root": "/?count=2&cursor=" + next, "another filter": "/Users?count=2&filter=id%20pr&cursor=" + next,
		"another order": "/Users?count=2&sortBy=id&cursor=" + next, "with an index": "/Users?count=2&startIndex=1&cursor=" + next,
		"cut": "/Users?count=2&cursor=" + next[:len(next)-2], "changed": "/Users?count=2&cursor=" + other + next[1:],
	} {
		a := p.request("okta", "GET", query, "").refuses(http.StatusBadRequest, "invalidCursor", "start again")
		if a.body != p.request("okta", "GET", "/Users?cursor=x", "").body {
			t.Errorf("%s: another text than for any wrong cursor: %s", name, a.body)
		}
	}
	p.request("entra", "GET", "/Users?count=2&cursor="+next, "").refuses(http.StatusBadRequest, "invalidCursor", "")
	p.request("okta", "GET", "/Users?count=3&cursor="+next, "").refuses(http.StatusBadRequest, "invalidCount", "same")
	// What comes and goes between pages moves nobody else.
	first := p.request("okta", "GET", "/Users?count=2&cursor=", "")
	p.request("okta", "DELETE", "/Users/"+first.text("Resources", 1, "id"), "").is(http.StatusNoContent)
	rest := p.request("okta", "GET", "/Users?count=2&cursor="+first.text("nextCursor"), "").is(http.StatusOK)
	if got := rest.found("userName"); !slices.Equal(got, []string{"zoe@acme.com", "_x@acme.com"}) {
		t.Errorf("behind the cursor stand %v", got)
	}
	now = now.Add(cursorLife + time.Second)
	p.request("okta", "GET", "/Users?count=2&cursor="+next, "").refuses(http.StatusBadRequest, "expiredCursor", "expired")
}

// FuzzCursor: no text opens that was not sealed.
func FuzzCursor(f *testing.F) {
	seal := cursorSeal{key: []byte("k"), bound: []string{"okta", "/Users"}}
	now := time.Unix(1_800_000_000, 0)
	good, err := seal.encode(cursor{ID: "x", Count: 2, At: now.UnixMicro()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := seal.decode(text, now); err == nil && strings.TrimRight(text, "=") != good {
			t.Errorf("%q opens", text)
		}
	})
}

// TestFilterOnEverything: any filter over any attribute finds the resources
// that the evaluator accepts, as they stand in answers, with the exact total.
func TestFilterOnEverything(t *testing.T) { onBoth(t, filterOnEverything) }

func filterOnEverything(t *testing.T, url string) {
	p := newProvider(t, providerOptions{mapping: testMapping, url: url})
	ann := p.request("okta", "POST", "/Users", `{"schemas":["`+URNUser+`"],"userName":"ann@acme.com","externalId":"E1","title":"Lead","profileUrl":"https://acme.com/a",
		"name":{"middleName":"Mia"},"addresses":[{"type":"work","locality":"Oslo"},{"type":"home","locality":"Bergen"}],"roles":[{"value":"Member"}],
		"urn:acme:scim:User":{"phoneSite":"Oslo"},"`+URNEnterpriseUser+`":{"costCenter":"7","manager":{"value":"x"}},
		"`+URNRollcallUser+`":{"role":"Member"}}`).is(http.StatusCreated).text("id")
	p.request("okta", "POST", "/Users", `{"userName":"bob@acme.com","active":false,"ims":[{"value":"Bob","type":"x"}],"timezone":"Europe/Oslo"}`).is(http.StatusCreated)
	p.request("okta", "POST", "/Users", `{"userName":"eve@acme.com","title":"lead","locale":"nb-NO"}`).is(http.StatusCreated)
	group := p.request("okta", "POST", "/Groups", `{"displayName":"Sales","externalId":"G1","members":[{"value":"`+ann+`"}]}`).is(http.StatusCreated).text("id")
	p.request("okta", "POST", "/Groups", `{"displayName":"Empty"}`).is(http.StatusCreated)

	for filter, want := range map[string]int{
		`profileUrl pr`:                                             1,
		`name.middleName eq "MIA"`:                                  1,
		`not (timezone co "oslo")`:                                  2,
		`addresses[type eq "work" and locality eq "oslo"]`:          1,
		`addresses[type eq "work" and locality eq "bergen"]`:        0,
		`addresses.locality ne "Oslo"`:                              3,
		`addresses pr and title eq "LEAD"`:                          1,
		`title eq "lead" and not (addresses pr)`:                    1,
		`urn:acme:scim:User:phoneSite eq "oslo"`:                    1,
		URNEnterpriseUser + `:costCenter eq "7" or ims pr`:          2,
		URNRollcallUser + `:state eq "deactivated"`:                 0,
		URNRollcallUser + `:effectiveRole eq "member"`:              2,
		URNRollcallUser + `:memberId pr`:                            2,
		`roles.value eq "Member"`:                                   1,
		`schemas eq "` + URNEnterpriseUser + `"`:                    1,
		`meta.version eq "W/\"1\"" or meta.location pr`:             3,
		`meta.resourceType eq "User"`:                               3,
		`meta.resourceType eq "user"`:                               0,
		`groups.display eq "sales"`:                                 1,
		`groups eq "` + group + `" and profileUrl ew "/a"`:          1,
		`meta.created gt "2001-01-01T00:00:00Z" and nickName ne ""`: 3,
	} {
		p.request("okta", "GET", "/Users?count=1&filter="+urlEncode(filter), "").is(http.StatusOK).has(want, "totalResults").has(min(want, 1), "itemsPerPage")
	}
	for filter, want := range map[string]int{
		`members.display co "ann"`: 1, `members[type eq "User" and display pr]`: 1, `not (members.$ref pr)`: 2, `schemas pr`: 2, URNRollcallGroup + `:kind pr`: 0,
	} {
		p.request("strict", "GET", "/Groups?filter="+urlEncode(filter), "").is(http.StatusOK).has(0, "totalResults")
		p.request("okta", "GET", "/Groups?filter="+urlEncode(filter), "").is(http.StatusOK).has(want, "totalResults")
	}

	// The documents as answers show them, and the evaluator over them.
	everything := strings.Join([]string{URNUser, URNEnterpriseUser, URNRollcallUser, "urn:acme:scim:User", "externalId", "meta"}, ",")
	whole := p.request("okta", "GET", "/Users?attributes="+urlEncode(everything), "").is(http.StatusOK)
	rt := p.handler.links[linkKey{"acme", "okta"}].user
	var docs []Document
	for i := 0; whole.at("Resources", i) != nil; i++ {
		body, err := json.Marshal(whole.at("Resources", i))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := ParseDocument(body)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, doc)
	}
	terms := trees(rapid.Custom(func(t *rapid.T) string {
		return rapid.SampledFrom([]string{
			`userName sw "ann"`, `title eq "lead"`, `active eq false`, `externalId eq "E1"`, `emails pr`, `locale pr`, `ims.type eq "x"`, `profileUrl pr`,
			`name.middleName co "i"`, `addresses[locality sw "o"]`, `addresses.locality ne "oslo"`, `timezone eq null`, URNEnterpriseUser + `:costCenter ge "7"`,
			URNEnterpriseUser + `:manager pr`, `urn:acme:scim:User:phoneSite ne "x"`, URNRollcallUser + `:state eq "active"`, URNRollcallUser + `:role pr`,
			`roles pr`, `meta.version pr`, `meta.location ew "x"`, `groups.type eq "direct"`, `groups pr`, `emails[type eq "work"].value co "a"`,
		}).Draw(t, "term")
	}))
	rapid.Check(t, func(rt2 *rapid.T) {
		text := terms.Draw(rt2, "filter")
		f, err := ParseFilter(text, rt, FilterOptions{})
		if err != nil {
			rt2.Skip(err)
		}
		want := []string{}
		for _, doc := range docs {
			if Match(f, doc, rt) {
				want = append(want, doc.UserName())
			}
		}
		a := p.request("okta", "POST", "/Users/.search", searchBody(`"filter":`+string(appendString(nil, text))))
		if a.status != http.StatusOK {
			rt2.Fatalf("%s: %s", text, a.body)
		}
		if got := a.found("userName"); !slices.Equal(got, want) {
			rt2.Errorf("%s finds %v, want %v", text, got, want)
		}
		if total, ok := a.at("totalResults").(float64); !ok || int(total) != len(want) {
			rt2.Errorf("%s: total %v, want %d", text, a.at("totalResults"), len(want))
		}
	})
}

// TestFilterIsBounded: a walk over too many resources is refused, unless SQL
// narrows it; pages of a walk are those of the whole.
func TestFilterIsBounded(t *testing.T) {
	p := filledProvider(t)
	filter := urlEncode("not (ims pr)")
	p.request("okta", "GET", "/Users?filter="+filter+"&startIndex=2498&count=100", "").is(http.StatusOK).has(filledUsers, "totalResults").has(3, "itemsPerPage").
		has("user002497@acme.com", "Resources", 0, "userName")
	p.request("okta", "GET", "/Users?sortBy=userName&sortOrder=descending&count=1&filter="+filter, "").has("user002499@acme.com", "Resources", 0, "userName")
	l := &listing{x: &exchange{}, scanned: maxScanned, parts: []part{{source: stuck{}}}}
	w := walker{l: l}
	if _, err := w.next(nil); err == nil || ToError(err).ScimType != "tooMany" {
		t.Errorf("over the bound: %v", err)
	}
}

// stuck is a source that has one more entry than may be looked at.
type stuck struct{ source }

func (stuck) page(*store.Reader, store.UserQuery) ([]entry, error) { return []entry{{}}, nil }

// tokenOf are the terms of a token with scopes.
func tokenOf(connection string, scopes ...string) store.TokenRow {
	return store.TokenRow{Connection: connection, Scopes: scopes}
}
