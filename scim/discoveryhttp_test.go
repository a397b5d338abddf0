package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDiscoveryIsOpenAndTrue(t *testing.T) {
	p := newProvider(t, providerOptions{mapping: testMapping})
	p.tokens["nobody"] = ""
	for _, connection := range []string{"nobody", "okta", "strict"} {
		config := p.request(connection, "GET", "/ServiceProviderConfig", "").is(http.StatusOK)
		for flag, want := range map[string]bool{"patch": true, "etag": true, "filter": true, "sort": true, "bulk": true, "changePassword": false} {
			config.has(want, flag, "supported")
		}
		schemas := p.request(connection, "GET", "/Schemas", "").is(http.StatusOK)
		for i := 0; schemas.at("Resources", i) != nil; i++ {
			id := schemas.text("Resources", i, "id")
			one := p.request(connection, "GET", "/Schemas/"+strings.ToUpper(id), "").is(http.StatusOK).has(id, "id")
			if !strings.HasPrefix(one.text("meta", "location"), "https://phone.acme.com/scim/v2/Schemas/urn:") {
				t.Errorf("%s: location %q", id, one.text("meta", "location"))
			}
		}
		p.request(connection, "GET", "/ResourceTypes", "").is(http.StatusOK).has(4, "totalResults")
		p.request(connection, "GET", "/ResourceTypes/user", "").is(http.StatusOK).has("/Users", "endpoint")
		p.request(connection, "GET", "/ResourceTypes/Number", "").is(http.StatusOK).has("/Numbers", "endpoint")
		p.request(connection, "GET", "/ResourceTypes/Device", "").is(http.StatusNotFound)
		p.request(connection, "GET", "/ServiceProviderConfig/x", "").is(http.StatusNotFound)
	}
	// With a token it is this connection's truth: the mapping reads an
	// extension attribute of okta, and the wish for a role.
	p.request("okta", "GET", "/Schemas/urn:acme:scim:User", "").is(http.StatusOK).has("phoneSite", "attributes", 0, "name")
	p.request("entra", "GET", "/Schemas/urn:acme:scim:User", "").is(http.StatusNotFound)
	p.request("okta", "GET", "/Schemas/"+URNRollcallUser, "").is(http.StatusOK).has("readWrite", "attributes", 0, "mutability")
	p.request("nobody", "GET", "/Schemas/"+URNRollcallUser, "").is(http.StatusOK).has("readOnly", "attributes", 0, "mutability")
}

// sample is a value for an attribute of a schema as discovery describes it.
func sample(a map[string]any) any {
	name, _ := a["name"].(string)
	var v any
	switch a["type"] {
	case "boolean":
		v = true
	case "dateTime":
		v = "2027-01-31T00:00:00Z"
	case "reference":
		v = "https://acme.com/x"
	case "binary":
		v = "MIIB"
	case "complex":
		m := map[string]any{}
		subs, _ := a["subAttributes"].([]any)
		for _, sub := range subs {
			sub, _ := sub.(map[string]any)
			subName, _ := sub["name"].(string)
			if sub["mutability"] != "readOnly" {
				m[subName] = sample(sub)
			}
		}
		v = m
	default:
		v = "value of " + name
		if canonical, ok := a["canonicalValues"].([]any); ok && len(canonical) > 0 {
			v = canonical[0]
		}
	}
	if a["multiValued"] == true {
		return []any{v}
	}
	return v
}

// TestEachAttributeComesBack writes a value for every writable attribute of
// /Schemas and finds it in the answer, as Microsoft's validator does (MV04).
func TestEachAttributeComesBack(t *testing.T) {
	p := newProvider(t, providerOptions{mapping: testMapping})
	schemas := p.request("okta", "GET", "/Schemas", "").is(http.StatusOK)
	body := map[string]any{"externalId": "e1"}
	type written struct{ urn, name string }
	var all []written
	for i := 0; schemas.at("Resources", i) != nil; i++ {
		urn := schemas.text("Resources", i, "id")
		if slices.Contains([]string{URNGroup, URNRollcallGroup, URNRollcallNumber, URNRollcallRole, URNOktaRole}, urn) {
			continue
		}
		in := body
		if urn != URNUser {
			in = map[string]any{}
			body[urn] = in
		}
		for k := 0; schemas.at("Resources", i, "attributes", k) != nil; k++ {
			a, _ := schemas.at("Resources", i, "attributes", k).(map[string]any)
			name, _ := a["name"].(string)
			if a["mutability"] == "readWrite" {
				in[name] = sample(a)
				all = append(all, written{urn, name})
			}
		}
	}
	body["userName"] = "ann@acme.com"
	body["emails"] = []any{map[string]any{"value": "ann@acme.com", "type": "work", "primary": true}}
	body["roles"] = []any{map[string]any{"value": "Member", "primary": true}}
	body[URNRollcallUser] = map[string]any{"role": "Member"}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	made := p.request("okta", "POST", "/Users", string(text)).is(http.StatusCreated)
	got := p.request("okta", "GET", "/Users/"+made.text("id"), "").is(http.StatusOK)
	for _, w := range all {
		want, have := body[w.name], got.at(w.name)
		if w.urn != URNUser {
			inner, _ := body[w.urn].(map[string]any)
			want, have = inner[w.name], got.at(w.urn, w.name)
		}
		if !equalPlain(have, want) {
			t.Errorf("%s:%s is %v, sent %v", w.urn, w.name, have, want)
		}
	}
	if len(all) < 25 {
		t.Errorf("only %d writable attributes are described", len(all))
	}
}

// TestProjectionOverHTTP: what is asked for comes, and only that, in every kind of
// answer (4.7).
func TestProjectionOverHTTP(t *testing.T) {
	p := newProvider(t, providerOptions{})
	made := p.request("okta", "POST", "/Users?attributes=userName", userBody("ann@acme.com")).is(http.StatusCreated).
		has("ann@acme.com", "userName").has(nil, "emails").has(nil, "meta").has(nil, URNRollcallUser)
	path := "/Users/" + made.text("id")
	p.request("okta", "GET", path+"?attributes="+URNRollcallUser+":memberId,name.familyName", "").is(http.StatusOK).
		has(map[string]any{"familyName": "Lee"}, "name").has(nil, URNRollcallUser, "state").has(nil, "userName")
	member := p.request("okta", "GET", path+"?attributes="+URNRollcallUser+":memberId", "").text(URNRollcallUser, "memberId")
	if member == "" {
		t.Error("memberId was asked for and is not there")
	}
	p.request("okta", "GET", path, "").has(nil, URNRollcallUser, "memberId")
	p.request("okta", "GET", path+"?excludedAttributes=groups,"+URNRollcallUser, "").is(http.StatusOK).has(nil, URNRollcallUser).has("ann@acme.com", "userName")
	p.request("okta", "PATCH", path+"?attributes=title", patchBody(`{"op":"replace","path":"title","value":"x"}`)).is(http.StatusOK).has("x", "title").has(nil, "userName")
	p.request("okta", "GET", "/Users?attributes=id", "").has(nil, "Resources", 0, "userName").has(made.text("id"), "Resources", 0, "id")
}

// TestThousandMembers: 1,000 members in one PATCH take less than a second, and
// a group of more than one page of members is read whole.
func TestThousandMembers(t *testing.T) {
	p := filledProvider(t)
	const n = filledUsers
	group := p.request("okta", "POST", "/Groups", `{"displayName":"All"}`).is(http.StatusCreated).text("id")
	p.fillGroup(group, n)
	second := p.request("okta", "POST", "/Groups", `{"displayName":"Thousand"}`).is(http.StatusCreated).text("id")
	var values []string
	for i := range 1000 {
		values = append(values, fmt.Sprintf(`{"value":"0199f3a2-7c1e-7d60-9a53-%012d"}`, i))
	}
	before := cpuTime(t) // Others use the machine too.
	p.request("okta", "PATCH", "/Groups/"+second, patchBody(`{"op":"add","path":"members","value":[`+strings.Join(values, ",")+`]}`)).is(http.StatusNoContent)
	if took := cpuTime(t) - before; took > time.Second*raceFactor {
		t.Errorf("1,000 members took %v of CPU", took)
	}
	p.request("okta", "GET", "/Groups/"+second, "").is(http.StatusOK).has("0199f3a2-7c1e-7d60-9a53-000000000999", "members", 999, "value").has(nil, "members", 1000)
	a := p.request("okta", "GET", "/Groups/"+group, "").is(http.StatusOK)
	if got := strings.Count(a.body, `"type":"User"`); got != n {
		t.Errorf("%d members are read of %d", got, n)
	}
	list := p.request("okta", "GET", "/Groups", "").is(http.StatusOK).has(2, "totalResults")
	if got := strings.Count(list.body, `"type":"User"`); got != n+1000 {
		t.Errorf("%d members in the list of Groups, want %d", got, n+1000)
	}
	// The profile ping leaves members out of lists unless they are asked for.
	ann := p.request("ping", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated).text("id")
	p.request("ping", "POST", "/Groups", `{"displayName":"One","members":[{"value":"`+ann+`"}]}`).is(http.StatusCreated).has(ann, "members", 0, "value")
	p.request("ping", "GET", "/Groups", "").is(http.StatusOK).has("One", "Resources", 0, "displayName").has(nil, "Resources", 0, "members")
	p.request("ping", "GET", "/Groups?attributes=members", "").is(http.StatusOK).has(ann, "Resources", 0, "members", 0, "value")
}

// breaking closes the store when the first bytes of a body come.
type breaking struct {
	*httptest.ResponseRecorder
	p *provider
}

func (w breaking) Write(b []byte) (int, error) {
	if w.Body.Len() == 0 {
		if err := w.p.handler.Close(w.p.t.Context()); err != nil {
			w.p.t.Error(err)
		}
		if err := w.p.store.Close(); err != nil {
			w.p.t.Error(err)
		}
	}
	return w.ResponseRecorder.Write(b)
}

// TestTornList: an error after the head has gone out breaks the connection; a
// list that ends early must not look whole.
func TestTornList(t *testing.T) {
	p := filledProvider(t)
	group := p.request("okta", "POST", "/Groups", `{"displayName":"All"}`).is(http.StatusCreated).text("id")
	p.fillGroup(group, 1500)
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
			t.Errorf("the handler ended with %v, want http.ErrAbortHandler", err)
		}
	}()
	p.handler.ServeHTTP(breaking{httptest.NewRecorder(), p}, newRequest("GET", "/Groups", p.tokens["okta"]))
}

// TestPanicIsAnAnswer: a bug answers 500 without internal text and is logged.
func TestPanicIsAnAnswer(t *testing.T) {
	var log strings.Builder
	p := newProvider(t, providerOptions{options: func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) }})
	p.request("okta", "GET", "/Users", "").is(http.StatusOK)
	p.handler.links[linkKey{"acme", "okta"}].handle = nil
	a := p.request("okta", "GET", "/Users", "").refuses(http.StatusInternalServerError, "", "internal error")
	if strings.Contains(a.body, "nil pointer") || !strings.Contains(log.String(), "nil pointer") || !strings.Contains(log.String(), a.header.Get("X-Request-Id")) {
		t.Errorf("answer %s, log %s", a.body, clip(log.String(), 500))
	}
}
