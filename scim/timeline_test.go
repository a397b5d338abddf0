package scim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/store/storetest"
	"github.com/rollcall-sync/rollcall/sync"
)

// onBoth runs a test on both databases.
func onBoth(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, "") })
	t.Run("postgres", func(t *testing.T) { test(t, storetest.Postgres(t)) })
}

// past waits for the record and gives a connection's requests, oldest first.
func (p *provider) past(f store.RequestFilter) []store.RequestRow {
	p.t.Helper()
	if err := p.handler.timeline.write(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	if f.Connection == "" {
		f.Connection = "okta"
	}
	f.Limit = 1000
	var rows []store.RequestRow
	err := p.store.In("acme").View(p.t.Context(), func(r *store.Reader) (err error) {
		rows, err = r.Requests(f)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
		rows[i], rows[j] = rows[j], rows[i]
	}
	return rows
}

// TestTimeline: every request of a connection stands in its record with what
// became of it and what it needed, and no secret does.
func TestTimeline(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		p := newProvider(t, providerOptions{url: url})
		const secret = "hunter2-canary"
		made := p.request("okta", "POST", "/Users", `{"schemas":["`+URNUser+`"],"userName":"bo@acme.com","active":"True","password":"`+secret+`"}`).is(http.StatusCreated)
		id := made.at("id").(string)
		p.request("okta", "POST", "/Users", `{"schemas":["`+URNUser+`"],"userName":"bo@acme.com"}`).is(http.StatusConflict)
		p.request("okta", "GET", "/Users?filter="+escapeQuery(`userName eq "BO@acme.com"`)+"&x="+secret, "").is(http.StatusOK)
		p.request("okta", "PATCH", "/Users/"+id, `{"schemas":["`+patchSchema+`"],"Operations":[{"op":"Replace","path":"password","value":"`+secret+`"},{"op":"replace","path":"title","value":"Chef"}]}`).is(http.StatusOK)
		p.request("okta", "PUT", "/Users/"+id, `{"broken`+secret).is(http.StatusBadRequest)
		p.request("okta", "GET", "/Users/nobody", "").is(http.StatusNotFound)
		p.request("okta", "DELETE", "/Users/"+id, "").is(http.StatusNoContent)
		rows := p.past(store.RequestFilter{})
		var got []string
		for _, q := range rows {
			got = append(got, fmt.Sprintf("%s %s %d %s %s", q.Method, strings.ReplaceAll(q.Path, id, "ID"), q.Status, q.Verdict, used(&q)))
			whole := fmt.Sprintf("%+v", q)
			if strings.Contains(whole, secret) || strings.Contains(whole, p.tokens["okta"]) {
				t.Errorf("a secret stands in the record: %s", whole)
			}
			if judgedByEngine := q.Verdict != "" && q.Verdict != verdictNoop; judgedByEngine != (q.Run != "") {
				t.Errorf("%s: verdict %q and run %q", got[len(got)-1], q.Verdict, q.Run)
			}
			if q.Token == "" || q.IP == "" || q.At == 0 {
				t.Errorf("no token, address or time: %+v", q)
			}
		}
		want := []string{
			"POST /Users 201 allow TL03 active",
			"POST /Users 409  ",
			"GET /Users 200  ",
			"PATCH /Users/ID 200 allow TL01 op",
			"PUT /Users/ID 400  ",
			"GET /Users/nobody 404  ",
			"DELETE /Users/ID 204 allow ",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if want := `{"schemas":["` + URNUser + `"],"userName":"bo@acme.com","active":"True","password":"***"}`; rows[0].Body != want {
			t.Errorf("body %s, want %s", rows[0].Body, want)
		}
		if q := rows[2].Query; q != `filter=userName eq "BO@acme.com"&x=***` {
			t.Errorf("query %s", q)
		}
		if rows[1].Detail == "" || rows[4].Body != "" || rows[4].BodyBytes == 0 {
			t.Errorf("a refused request: %+v, a broken one: %+v", rows[1], rows[4])
		}
		// By person: what names them, what goes to their User.
		if n := len(p.past(store.RequestFilter{UserKey: fold.Key("Bo@acme.com"), EmailKey: fold.Email("bo@acme.com")})); n != 6 {
			t.Errorf("%d requests about Bo, want 6", n)
		}
		if n := len(p.past(store.RequestFilter{Connection: "entra"})); n != 0 {
			t.Errorf("another connection has %d requests", n)
		}
	})
}

// used are the tolerances of a request.
func used(q *store.RequestRow) string {
	var list []string
	for _, u := range q.Tolerances {
		list = append(list, u.Rule+" "+u.Attribute)
	}
	return strings.Join(list, ", ")
}

func escapeQuery(text string) string { return url.QueryEscape(text) }

// TestTimelineOfBulk: each operation of a Bulk request has its own line.
func TestTimelineOfBulk(t *testing.T) {
	p := newProvider(t, providerOptions{})
	p.request("okta", "POST", "/Bulk", `{"schemas":["`+bulkRequestSchema+`"],"Operations":[
		{"method":"POST","path":"/Users","bulkId":"a","data":{"schemas":["`+URNUser+`"],"userName":"a@acme.com","password":"x1"}},
		{"method":"POST","path":"/Users","bulkId":"b","data":{"schemas":["`+URNUser+`"],"userName":"a@acme.com"}}]}`).is(http.StatusOK)
	rows := p.past(store.RequestFilter{})
	if len(rows) != 3 || rows[0].Path != "/Bulk" || rows[0].Body != "" || rows[1].Status != 201 || rows[2].Status != 409 || strings.Contains(rows[1].Body, "x1") {
		t.Errorf("%+v", rows)
	}
}

// TestRedaction: a secret is masked wherever it stands, and long lists are cut.
func TestRedaction(t *testing.T) {
	t.Parallel()
	long := make([]string, 30)
	for i := range long {
		long[i] = fmt.Sprintf(`{"value":"u%d"}`, i)
	}
	for _, c := range []struct{ body, want string }{
		{`{"userName":"a","Password":"p1","x":{"apiKey":"k","n":1}}`, `{"userName":"a","Password":"***","x":{"apiKey":"***","n":1}}`},
		{`{"Operations":[{"op":"add","value":{"password":"p"}}]}`, `{"Operations":[{"op":"add","value":{"password":"***"}}]}`},
		{`{"op":"add","path":"urn:x:User:password","value":["p",1,true,null]}`, `{"op":"add","path":"urn:x:User:password","value":["***","***","***",null]}`},
		{`{"secret":{"a":{"b":"p"}}}`, `{"secret":{"a":{"b":"***"}}}`},
		{`{"nick":"rcs_aaaaaaaa_bbbb","t":"Bearer abc","j":"eyJhbGciOiJIUzI1NiJ9.x.y"}`, `{"nick":"***","t":"***","j":"***"}`},
		{`{"pin":1234,"spinner":"x"}`, `{"pin":"***","spinner":"x"}`},
		{`{"members":[` + strings.Join(long, ",") + `]}`, `{"members":[` + strings.Join(long[:maxKeptList], ",") + `,"10 more"]}`},
		{`{"a`, ``},
		{``, ``},
	} {
		if got, _ := redactedBody([]byte(c.body)); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.body, got, c.want)
		}
	}
	if _, person := redactedBody([]byte(`{"UserName":"Bo"}`)); person != "Bo" {
		t.Errorf("person %q", person)
	}
}

// TestOtherClient: traffic that looks like another client is noted, and
// changes nothing.
func TestOtherClient(t *testing.T) {
	p := newProvider(t, providerOptions{})
	p.request("okta", "GET", "/Users", "", "User-Agent: Okta SCIM Client 1.0.0").is(http.StatusOK)
	p.request("okta", "GET", "/Users", "", "User-Agent: OneLogin SCIM").is(http.StatusOK)
	p.request("okta", "POST", "/Users", `{"schemas":["`+URNUser+`","http://schemas.microsoft.com/2006/11/x"],"userName":"a@acme.com"}`).is(http.StatusCreated)
	p.request("strict", "GET", "/Users", "", "User-Agent: OneLogin SCIM").is(http.StatusOK)
	p.past(store.RequestFilter{})
	var got []string
	err := p.store.In("acme").View(t.Context(), func(r *store.Reader) error {
		for _, c := range []string{"okta", "strict"} {
			list, err := r.Tolerances(c)
			if err != nil {
				return err
			}
			for _, v := range list {
				if v.Rule == sync.NoteOtherClient {
					got = append(got, c+" "+v.Attribute)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"okta entra by the schema http://schemas.microsoft.com/ under okta", "okta onelogin by User-Agent under okta"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestNetworksOfConnection: tokens of a connection are good in its networks
// only.
func TestNetworksOfConnection(t *testing.T) {
	p := newProvider(t, providerOptions{options: func(o *Options) {
		o.Terms = func(_, connection string) Terms {
			if connection == "okta" {
				return Terms{Networks: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}
			}
			return Terms{}
		}
	}})
	p.request("okta", "GET", "/Users", "").refuses(http.StatusForbidden, "", "networks of this connection")
	p.request("entra", "GET", "/Users", "").is(http.StatusOK)
}

// FuzzRedactedBody: what is kept of a body is JSON, bounded, and holds no
// value of an attribute that is named like a secret.
func FuzzRedactedBody(f *testing.F) {
	f.Add(`{"userName":"a","password":"CANARY"}`)
	f.Add(`{"Operations":[{"op":"add","path":"password","value":{"x":["CANARY"]}}]}`)
	f.Add(`{"urn:x:User":{"clientSecret":{"CANARYx":"CANARY"}}}`)
	for _, form := range []string{"x RCA_abcdefgh_", "EyJhbGciOiJub25l.", "-----begin x", " bearer x", "\tBa\u017fic x"} {
		if !isSecretText(form) {
			f.Errorf("%q is not taken for a credential", form)
		}
		f.Add(form)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if got, want := isSecretText(body), secretText.MatchString(body); got != want {
			t.Fatalf("a quick look at %q says %t, the expression %t", body, got, want)
		}
		kept, _ := redactedBody([]byte(body))
		if kept == "" {
			return
		}
		if !json.Valid([]byte(kept)) || len(kept) > maxKeptBody {
			t.Fatalf("%q becomes %q", body, kept)
		}
		// Whatever stands under such a name has gone.
		wrapped, err := json.Marshal(map[string]any{"password": json.RawMessage(kept)})
		if err != nil {
			t.Fatal(err)
		}
		again, _ := redactedBody(wrapped)
		var values func(v any)
		values = func(v any) {
			switch v := v.(type) {
			case map[string]any:
				for name, e := range v {
					if !sameName(name, "op") && !sameName(name, "path") {
						values(e)
					}
				}
			case []any:
				for _, e := range v {
					values(e)
				}
			case string:
				if v != "" && v != masked && !strings.HasSuffix(v, " more") {
					t.Fatalf("%q is left in %q", v, again)
				}
			case float64, bool:
				t.Fatalf("%v is left in %q", v, again)
			}
		}
		if again != "" {
			var v any
			if err := json.Unmarshal([]byte(again), &v); err != nil {
				t.Fatal(err)
			}
			values(v)
		}
	})
}

// TestTimelineTakesAnyText: what a client may put into a header or an address
// and no store takes loses nobody's requests from the record: neither its own
// nor those that are written with them.
func TestTimelineTakesAnyText(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		p := newProvider(t, providerOptions{url: url})
		many := strings.Builder{}
		for i := range 2 * maxKeptNames {
			fmt.Fprintf(&many, "&a%02d=1", i)
		}
		for _, r := range []struct{ method, path, body, agent string }{
			{"GET", "/Users?count=1", "", "caf\xe9"},
			{"GET", "/Users?filter=%ff&x%00y=1", "", "curl"},
			{"GET", "/Users?filter=" + escapeQuery("userName eq \"\x00bo\xff\""), "", "curl"},
			{"GET", "/Users/%ff%00", "", "curl"},
			{"POST", "/Users", strings.Replace(userBody("bo@acme.com"), "{", `{"x`+strings.Repeat("\u00e9", 100)+`":1,`, 1), "curl"},
			{"GET", "/Users?count=1" + many.String(), "", "curl"},
		} {
			p.request("okta", r.method, r.path, r.body, "User-Agent: "+r.agent)
		}
		rows := p.past(store.RequestFilter{})
		var got []string
		for i := range rows {
			got = append(got, fmt.Sprintf("%s %s %d %s", rows[i].Path, rows[i].UserAgent, rows[i].Status, rows[i].Query))
		}
		shown := "count=1"
		for i := range maxKeptNames - 1 {
			shown += fmt.Sprintf("&a%02d=***", i)
		}
		want := []string{
			"/Users caf 200 count=1", "/Users curl 400 filter=&xy=***", `/Users curl 400 filter=userName eq "bo"`, "/Users/ curl 404 ", "/Users curl 201 ",
			fmt.Sprintf("/Users curl 200 %s&%d more", shown, maxKeptNames+1),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
