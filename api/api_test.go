package api

import (
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

func TestInvitationLife(t *testing.T) {
	w := newWorld(t, nil)
	desk := w.as("ann@acme.com").post("/v1/numbers", obj{"number": "+4722000001", "name": "Desk", "owner": "mia@acme.com"}).is(201)
	w.as("ann@acme.com").post("/v1/numbers", obj{"number": "+4722000002", "name": "Sales"}).is(201)

	// A Member invites as Member, with numbers they own (INVITE-GRANT).
	w.as("mia@acme.com").post("/v1/invitations", obj{"email": "new@acme.com", "role": "admin"}).is(403).says(`"rule":"INVITE-GRANT"`).says(`"row":"M06"`)
	w.as("mia@acme.com").post("/v1/invitations", obj{"email": "new@acme.com", "numbers": []string{"+4722000002"}}).is(403).says(`"rule":"INVITE-GRANT"`)
	sent := w.as("mia@acme.com").post("/v1/invitations", obj{"email": "New@acme.com", "numbers": []string{"+4722000001"}}).is(201)
	id, old := sent.text("id"), sent.text("secret")
	if old == "" || sent.head.Get("Location") != "/v1/invitations/"+id {
		t.Errorf("no secret or no location: %s", sent.raw)
	}
	if got := w.as("").get("/v1/invitations/" + id).is(200); got.at("secret") != nil || got.text("state") != "pending" || got.text("numbers", 0) != "+4722000001" {
		t.Errorf("read again: %s", got.raw)
	}
	w.as("mia@acme.com").post("/v1/invitations", obj{"email": "new@acme.com"}).is(409)

	// Resend: the old link dies (R18).
	fresh := w.as("mia@acme.com").post("/v1/invitations/"+id+"/resend", nil).is(200).text("secret")
	accept := func(secret, email string) answer {
		return w.as("").post("/v1/invitations/"+id+"/accept", obj{"secret": secret, "email": email, "name": "New"})
	}
	accept(old, "new@acme.com").is(422).says(`"field":"/secret"`)
	accept(fresh, "else@acme.com").is(422).says(`"field":"/email"`)
	member := accept(fresh, "NEW@acme.com").is(201)
	if member.text("role") != "member" || member.text("numbers", 0, "number") != "+4722000001" {
		t.Errorf("joined as %s", member.raw)
	}
	accept(fresh, "new@acme.com").is(409)
	w.as("mia@acme.com").post("/v1/invitations/"+id+"/revoke", nil).is(409)

	// Revoke: the link is dead, the number is free again.
	again := w.as("mia@acme.com").post("/v1/invitations", obj{"email": "other@acme.com"}).is(201)
	w.as("max@acme.com").post("/v1/invitations/"+again.text("id")+"/revoke", nil).is(403).says(`"row":"M05"`)
	w.as("mia@acme.com").post("/v1/invitations/"+again.text("id")+"/revoke", nil).is(200).says("revoked")
	w.as("").post("/v1/invitations/"+again.text("id")+"/accept", obj{"secret": again.text("secret"), "email": "other@acme.com"}).is(409)
	if n := w.as("").get("/v1/invitations?state=pending").is(200).at("items"); len(n.([]any)) != 0 {
		t.Errorf("still pending: %v", n)
	}
	if got := w.as("").get("/v1/numbers/" + desk.text("id")).is(200); got.text("assignments", 0, "to") != "New@acme.com" {
		t.Errorf("number: %s", got.raw)
	}
}

// TestMobileRemovesNobody is R23: whatever the role, no removal from a mobile
// device; the same removal passes elsewhere.
func TestMobileRemovesNobody(t *testing.T) {
	w := newWorld(t, nil)
	for _, path := range []string{"/remove", "/deactivate"} {
		w.as("ann@acme.com").with(channelHeader, "mobile").post("/v1/members/"+w.ids["mia"]+path, obj{}).is(403).says(`"rule":"CHANNEL"`).says(`"row":"M05"`)
	}
	w.as("ann@acme.com").with(channelHeader, "watch").post("/v1/members/"+w.ids["mia"]+"/remove", obj{}).is(422).says(channelHeader)
	w.as("").post("/v1/check", obj{"member": "ann@acme.com", "permission": "M05", "channel": "mobile"}).is(200).says(`"rule":"CHANNEL"`)
	w.as("ann@acme.com").with(channelHeader, "console").post("/v1/members/"+w.ids["mia"]+"/remove", obj{"handover": "max@acme.com"}).is(200).says(`"state":"removed"`)
}

// TestNumberOwnerRulesTheirNumber is NUM-OWNER: settings, access and ring
// order of that number alone.
func TestNumberOwnerRulesTheirNumber(t *testing.T) {
	w := newWorld(t, nil)
	mine := w.as("ann@acme.com").post("/v1/numbers", obj{"number": "+4722000001", "name": "Mine", "owner": "mia@acme.com"}).is(201).text("id")
	other := w.as("ann@acme.com").post("/v1/numbers", obj{"number": "+4722000002", "name": "Other"}).is(201).text("id")
	mia := w.as("mia@acme.com")
	mia.patch("/v1/numbers/"+mine, obj{"name": "Front desk"}).is(200).says("Front desk")
	mia.patch("/v1/numbers/"+other, obj{"name": "Front desk"}).is(403).says(`"row":"M08"`).says(`"rule":"M08.Member"`)
	for _, who := range []string{"mia", "max", "adam"} {
		mia.put("/v1/numbers/"+mine+"/members/"+w.ids[who], obj{"access": "shared"}).is(200)
	}
	order := []string{w.ids["adam"], w.ids["mia"], w.ids["max"]}
	got := mia.put("/v1/numbers/"+mine+"/ring", obj{"order": order}).is(200)
	for i, id := range order {
		if got.text("assignments", i, "id") != id || got.at("assignments", i, "ring") != float64(i+1) {
			t.Errorf("place %d: %s", i+1, got.raw)
		}
	}
	mia.put("/v1/numbers/"+mine+"/ring", obj{"order": order[1:]}).is(422).says("/order")
	slices.Reverse(order)
	w.as("max@acme.com").put("/v1/numbers/"+mine+"/ring", obj{"order": order}).is(403).says(`"row":"M08"`)
	mia.drop("/v1/numbers/" + mine + "/members/" + w.ids["adam"]).is(200)
	mia.put("/v1/numbers/"+mine+"/owners/"+w.ids["max"], nil).is(200)
	mia.drop("/v1/numbers/" + mine + "/owners/" + w.ids["mia"]).is(200)
	mia.patch("/v1/numbers/"+mine, obj{"name": "Mine again"}).is(403)
	w.as("").post("/v1/check", obj{"member": "max@acme.com", "permission": "number.settings", "number": "+4722000001"}).is(200).says(`"rule":"NUM-OWNER"`)
}

// TestForeignIdsAreNotThere: whatever belongs to another workspace is 404, and
// a member of another workspace acts for nobody here.
func TestForeignIdsAreNotThere(t *testing.T) {
	w := newWorld(t, nil)
	number := w.as("ann@acme.com").post("/v1/numbers", obj{"number": "+4722000001", "name": "Desk"}).is(201).text("id")
	group := w.as("ann@acme.com").post("/v1/groups", obj{"name": "Sales"}).is(201).text("id")
	invited := w.as("ann@acme.com").post("/v1/invitations", obj{"email": "x@acme.com"}).is(201).text("id")
	run := w.as("").get("/v1/runs").is(200).text("items", 0, "run_id")
	eve := &client{w: w, head: http.Header{"Authorization": {"Bearer " + w.newToken("other", "phone", Scopes()...)}, memberHeader: {"eve@other.com"}}}
	for _, path := range []string{"/v1/members/" + w.ids["mia"], "/v1/numbers/" + number, "/v1/groups/" + group, "/v1/groups/" + group + "/members", "/v1/invitations/" + invited, "/v1/runs/" + run} {
		eve.get(path).is(404)
		w.as("").get(path).is(200)
	}
	eve.patch("/v1/members/"+w.ids["mia"], obj{"role": "admin"}).is(404)
	eve.post("/v1/members/"+w.ids["mia"]+"/remove", obj{}).is(404)
	eve.drop("/v1/groups/" + group).is(404)
	eve.patch("/v1/numbers/"+number, obj{"name": "Hers"}).is(404)
	eve.post("/v1/invitations/"+invited+"/resend", nil).is(404)
	w.as("eve@other.com").post("/v1/groups", obj{"name": "Hers"}).is(403).says(`"code":"actor"`)
}

func TestRepeatedRequestTakesEffectOnce(t *testing.T) {
	w := newWorld(t, nil)
	c := w.as("ann@acme.com").with(keyHeader, "k-1")
	first := c.post("/v1/invitations", obj{"email": "new@acme.com"}).is(201)
	second := c.post("/v1/invitations", obj{"email": "new@acme.com"}).is(201)
	if second.text("secret") != first.text("secret") || first.text("secret") == "" || second.head.Get("Idempotent-Replayed") != "true" || second.head.Get("Location") == "" {
		t.Errorf("not the first answer: %s", second.raw)
	}
	c.post("/v1/invitations", obj{"email": "else@acme.com"}).is(422).says(keyHeader)
	w.as("olga@acme.com").with(keyHeader, "k-1").post("/v1/invitations", obj{"email": "new@acme.com"}).is(422)
	// A denial is an answer too; another token has keys of its own.
	denied := w.as("mia@acme.com").with(keyHeader, "k-2")
	one, two := denied.post("/v1/groups", obj{"name": "Sales"}).is(403), denied.post("/v1/groups", obj{"name": "Sales"}).is(403)
	if string(one.raw) != string(two.raw) {
		t.Errorf("another denial: %s %s", one.raw, two.raw)
	}
	w.pass(25 * time.Hour)
	c.post("/v1/invitations", obj{"email": "else@acme.com"}).is(201)
}

// TestKeptAnswersAreSealed: the secret of an invitation stands nowhere in the
// store.
func TestKeptAnswersAreSealed(t *testing.T) {
	w := newWorld(t, nil)
	c := w.as("ann@acme.com").with(keyHeader, "k")
	secret := c.post("/v1/invitations", obj{"email": "new@acme.com"}).is(201).text("secret")
	r, err := http.NewRequest("POST", "/v1/invitations", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = c.head
	x := &exchange{h: w.h, r: r, start: w.now()}
	if x.route, _, err = w.h.routes.find(r); err != nil {
		t.Fatal(err)
	}
	if err := x.authenticate(); err != nil {
		t.Fatal(err)
	}
	err = x.caller.handle.View(t.Context(), func(rd *store.Reader) error {
		row, err := rd.Answer(x.answerKey(), 0)
		if strings.Contains(string(row.Body), secret) || strings.Contains(string(row.Body), "new@acme.com") || len(row.Body) == 0 {
			t.Errorf("kept in the clear: %s", row.Body)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLostUpdate: of two who read the same state the second is refused.
func TestLostUpdate(t *testing.T) {
	w := newWorld(t, nil)
	path := "/v1/members/" + w.ids["mia"]
	tag := w.as("").get(path).is(200).head.Get("ETag")
	w.as("").with("If-None-Match", tag).get(path).is(304)
	w.as("ann@acme.com").with("If-Match", tag).patch(path, obj{"reason": "support"}).is(200)
	w.as("ann@acme.com").with("If-Match", tag).patch(path, obj{"reason": "sales"}).is(412)
	now := w.as("").with("If-None-Match", tag).get(path).is(200)
	if now.text("reason") != "support" {
		t.Errorf("lost: %s", now.raw)
	}
	w.as("ann@acme.com").with("If-Match", now.head.Get("ETag")).patch(path, obj{"reason": "sales"}).is(200)
	w.as("ann@acme.com").with("If-Match", "*").patch(path, obj{"reason": ""}).is(200)
}

func TestHoldsOverHTTP(t *testing.T) {
	p := *workspace.Default()
	p.Approve = []string{workspace.OpRoleRaise}
	w := newWorld(t, nil)
	w.configure(&p)
	path := "/v1/members/" + w.ids["mia"]
	held := w.as("ann@acme.com").patch(path, obj{"role": "admin"}).is(202)
	id, hash := held.text("hold_id"), held.text("plan_hash")
	w.as("").get(path).is(200).says(`"role":"member"`)
	w.as("ann@acme.com").post("/v1/holds/"+id+"/approve", obj{"plan_hash": hash}).is(403)
	w.as("mia@acme.com").post("/v1/holds/"+id+"/approve", obj{"plan_hash": hash}).is(403)
	w.as("olga@acme.com").post("/v1/holds/"+id+"/approve", obj{"plan_hash": "sha256:00"}).is(409).says("stale_plan")
	w.as("olga@acme.com").post("/v1/holds/"+id+"/approve", obj{"plan_hash": hash}).is(200).says(`"approved"`)
	w.as("").get(path).is(200).says(`"role":"admin"`)
	w.as("olga@acme.com").post("/v1/holds/"+id+"/approve", obj{"plan_hash": hash}).is(409)
	next := w.as("ann@acme.com").patch("/v1/members/"+w.ids["max"], obj{"role": "admin"}).is(202)
	w.as("olga@acme.com").post("/v1/holds/"+next.text("hold_id")+"/reject", obj{"plan_hash": next.text("plan_hash"), "reason": "no"}).is(200).says(`"rejected"`)
	if n := w.as("").get("/v1/holds?state=open").is(200).at("items"); len(n.([]any)) != 0 {
		t.Errorf("open: %v", n)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.as("ann@acme.com").post("/v1/members/"+w.ids["mia"]+"/remove?dry_run=true", obj{}).is(200).says(`"verdict":"allow"`).says("member.deactivate")
	w.as("").get("/v1/members/" + w.ids["mia"]).is(200).says(`"state":"active"`)
	w.as("mia@acme.com").post("/v1/groups?dry_run=true", obj{"name": "Sales"}).is(200).says(`"verdict":"deny"`)
}

func TestPagesHoldEverybodyOnce(t *testing.T) {
	w := newWorld(t, nil)
	for _, name := range []string{"Alpha", "Beta", "Gamma", "Delta", "Epsilon"} {
		id := w.as("ann@acme.com").post("/v1/groups", obj{"name": name}).is(201).text("id")
		w.as("ann@acme.com").put("/v1/groups/"+id+"/members/"+w.ids["mia"], nil).is(200)
	}
	for _, path := range []string{"/v1/members", "/v1/groups", "/v1/runs", "/v1/invitations"} {
		all := w.as("").get(path + "?limit=200").is(200).at("items").([]any)
		var got []any
		next := ""
		for {
			a := w.as("").get(path + "?limit=2&cursor=" + next).is(200)
			got = append(got, a.at("items").([]any)...)
			if next = a.text("next"); next == "" {
				break
			}
		}
		if !reflect.DeepEqual(all, got) {
			t.Errorf("%s: %d in one page, %d in pages of two", path, len(all), len(got))
		}
	}
	next := w.as("").get("/v1/groups?limit=2").is(200).text("next")
	w.as("").get("/v1/members?cursor=" + next).is(422).says("cursor")
	w.as("").get("/v1/members?state=active&cursor=" + w.as("").get("/v1/members?limit=2").is(200).text("next")).is(422)
	w.as("").get("/v1/groups?limit=0").is(422)
	w.as("").get("/v1/groups?color=red").is(422).says("color")
}

// TestUnknownParameters: no operation of the API overlooks a parameter that it
// does not have; the answer names it and those that it has. The feed, which
// another package serves, does the same.
func TestUnknownParameters(t *testing.T) {
	w := newWorld(t, nil)
	h, err := NewHandler(Options{Engine: w.engine, Store: w.store, Now: w.now, Connections: map[string][]string{"acme": {"phone"}}, Feed: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	w.h = h
	for i := range h.routes.table {
		r := &h.routes.table[i]
		path := strings.NewReplacer("{id}", "none", "{member}", "none", "{group}", "none", "{domain}", "none.org", "{stream}", "none").Replace(r.path)
		if r.feed && r.scope == "" {
			continue // served as their standards have it
		}
		w.pass(time.Second)
		a := w.as("ann@acme.com").send(r.method, path+"?color=red", nil).is(422).says(`"field":"color"`)
		for _, p := range r.parameters() {
			a.says(p.name)
		}
	}
}

func TestWhoMayCall(t *testing.T) {
	w := newWorld(t, nil)
	for name, header := range map[string]string{
		"none": "", "no token": "Bearer x", "basic": "Basic " + w.token, "cut": "Bearer " + w.token[:70],
		"of SCIM": "Bearer rcs" + strings.TrimPrefix(w.token, "rca"),
	} {
		c := &client{w: w, head: http.Header{"Authorization": {header}}}
		if a := c.get("/v1/members").is(401); a.head.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no challenge", name)
		}
	}
	narrow := &client{w: w, head: http.Header{"Authorization": {"Bearer " + w.newToken("acme", "phone", ScopeGroupsRead)}, memberHeader: {"ann@acme.com"}}}
	narrow.get("/v1/groups").is(200)
	narrow.get("/v1/members").is(403).says(ScopeMembersRead)
	narrow.post("/v1/groups", obj{"name": "X"}).is(403).says(ScopeGroupsWrite)
	pushed := &client{w: w, head: http.Header{"Authorization": {"Bearer " + w.newToken("acme", "okta", Scopes()...)}}}
	pushed.get("/v1/members").is(401) // no connection of kind api
	w.as("").post("/v1/groups", obj{"name": "X"}).is(400).says(memberHeader)
	w.as("nobody@acme.com").post("/v1/groups", obj{"name": "X"}).is(403)
	w.as("ann@acme.com").post("/v1/members/"+w.ids["adam"]+"/deactivate", obj{}).is(200)
	w.as("adam@acme.com").post("/v1/groups", obj{"name": "X"}).is(403).says(`"code":"actor"`)
	for range 30 {
		(&client{w: w, head: http.Header{"Authorization": {"Bearer x"}}}).get("/v1/members")
	}
	if a := (&client{w: w, head: http.Header{"Authorization": {"Bearer x"}}}).get("/v1/members").is(429); a.head.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	w.as("").get("/v1/members").is(200) // a valid token passes from there too
	if a := w.as("").drop("/v1/members").is(405); a.head.Get("Allow") != "GET" {
		t.Errorf("Allow: %q", a.head.Get("Allow"))
	}
	w.as("").get("/v1/nothing").is(404)
}

func TestBodies(t *testing.T) {
	w := newWorld(t, nil)
	for body, field := range map[string]string{
		`{"name":"X","colour":"red"}`: "/colour", `{"name":"X","name":"Y"}`: "/name", `{"Name":"X"}`: "/Name", `{}`: "/name", `{"name":7}`: "/name",
		`{"name":""}`: "/name", `{"name":["X"]}`: "/name", `{"name":"` + strings.Repeat("x", 300) + `"}`: "/name",
	} {
		w.as("ann@acme.com").post("/v1/groups", body).is(422).says(`"field":"` + field + `"`)
	}
	for _, body := range []string{`{`, `[]x`, `{"name":"X"} {}`, `null null`, "{\"name\":\"\xff\"}", strings.Repeat(`{"a":`, 50)} {
		if a := w.as("ann@acme.com").post("/v1/groups", body); a.status != 400 && a.status != 422 {
			t.Errorf("%q: %d", body, a.status)
		}
	}
	w.as("ann@acme.com").with("Content-Type", "text/plain").post("/v1/groups", `{"name":"X"}`).is(415)
	w.as("ann@acme.com").post("/v1/groups", `{"name":"`+strings.Repeat("x", 2<<20)+`"}`).is(413)
	w.as("ann@acme.com").patch("/v1/members/"+w.ids["mia"], obj{"role": "king", "access_end": "tomorrow"}).is(422).says("/role").says("/access_end")
}

// TestDocument: every route is in the document and every operation of it is a
// route, with its scope, its parameters and the statuses it answers with.
func TestDocument(t *testing.T) {
	w := newWorld(t, nil)
	c := &client{w: w, head: http.Header{}}
	doc := c.get("/v1/openapi.json").is(200)
	count := 0
	for path, item := range doc.at("paths").(obj) {
		for method := range item.(obj) {
			count++
			i := slices.IndexFunc(w.h.routes.table, func(r route) bool { return r.path == path && strings.EqualFold(r.method, method) })
			if i < 0 {
				t.Errorf("%s %s is no route", method, path)
				continue
			}
			r := &w.h.routes.table[i]
			filled := strings.NewReplacer("{id}", "none", "{member}", "none", "{group}", "none").Replace(path)
			responses := doc.at("paths", path, method, "responses").(obj)
			if doc.at("paths", path, method, "operationId") != r.id || r.scope != "" && doc.at("paths", path, method, "x-rollcall-scope") != r.scope {
				t.Errorf("%s: another id or scope", r.id)
			}
			// Without a token; with a token that has no scope; with all of them.
			w.pass(10 * time.Second) // failed tokens are counted by address
			bare := c.send(r.method, filled, nil)
			full := w.as("ann@acme.com").send(r.method, filled, nil)
			for _, a := range []answer{bare, full} {
				if responses[strconv.Itoa(a.status)] == nil {
					t.Errorf("%s: %d is not in the document: %s", r.id, a.status, a.raw)
				}
			}
			if (bare.status == http.StatusUnauthorized) != (r.scope != "") {
				t.Errorf("%s: %d without a token", r.id, bare.status)
			}
		}
	}
	if count != len(w.h.routes.table) || count < 40 {
		t.Errorf("%d operations for %d routes", count, len(w.h.routes.table))
	}
}

// TestDocumentOfEvents: every type of event is a webhook of the document, the
// feed's answers have shapes, and every reference leads somewhere.
func TestDocumentOfEvents(t *testing.T) {
	w := newWorld(t, nil)
	h, err := NewHandler(Options{Engine: w.engine, Store: w.store, Now: w.now, Feed: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	w.h = h
	doc := (&client{w: w, head: http.Header{}}).get("/v1/openapi.json").is(200)
	schemas := doc.at("components", "schemas").(obj)
	told := doc.at("webhooks").(obj)
	for _, e := range workspace.EventTypes() {
		if doc.at("webhooks", e.Name, "post", "requestBody", "content", "application/json", "schema", "allOf", 1, "properties", "type", "const") != e.Name {
			t.Errorf("%s is not in the document", e.Name)
		}
	}
	if len(told) != len(workspace.EventTypes()) {
		t.Errorf("%d webhooks in the document", len(told))
	}
	for _, name := range []string{"seq", "epoch", "ring", "numbers", "cause", "covers", "leaf"} {
		if doc.at("components", "schemas", "EventData", "properties", name) == nil {
			t.Errorf("events have no %s in the document", name)
		}
	}
	for _, path := range []string{"/v1/epochs", "/v1/revocations", "/v1/members/{id}/epoch", "/v1/jwks"} {
		if doc.at("paths", path, "get", "responses", "200", "content", "application/json", "schema", "$ref") == nil {
			t.Errorf("%s answers without a shape", path)
		}
	}
	for _, ref := range regexp.MustCompile(`"#/components/schemas/([^"]+)"`).FindAllStringSubmatch(string(doc.raw), -1) {
		if schemas[ref[1]] == nil {
			t.Errorf("nothing is called %s", ref[1])
		}
	}
	if doc.at("components", "schemas", "GroupBody", "properties", "name", "maxLength") != 255.0 || doc.at("paths", "/v1/members/{id}/deactivate", "post", "requestBody", "required") != false {
		t.Error("bodies are documented narrower or wider than they are")
	}
}

// TestAnswersAreAsDocumented reads one of each and compares the fields of the
// answer with its schema.
func TestAnswersAreAsDocumented(t *testing.T) {
	w := newWorld(t, nil)
	w.as("ann@acme.com").post("/v1/groups", obj{"name": "Sales"}).is(201)
	w.as("ann@acme.com").post("/v1/numbers", obj{"number": "+4722000001", "name": "Desk", "owner": "mia@acme.com"}).is(201)
	doc := (&client{w: w, head: http.Header{}}).get("/v1/openapi.json").is(200)
	var fits func(at string, schema any, v any)
	fits = func(at string, schema, v any) {
		s, _ := schema.(obj)
		if ref, ok := s["$ref"].(string); ok {
			s = doc.at("components", "schemas", strings.TrimPrefix(ref, "#/components/schemas/")).(obj)
		}
		switch v := v.(type) {
		case obj:
			properties, ok := s["properties"].(obj)
			if !ok {
				return
			}
			for name, x := range v {
				if properties[name] == nil {
					t.Errorf("%s/%s is not in the document", at, name)
				}
				fits(at+"/"+name, properties[name], x)
			}
			required, _ := s["required"].([]any)
			for _, name := range required {
				if _, there := v[name.(string)]; !there {
					t.Errorf("%s/%s is required and not there", at, name)
				}
			}
		case []any:
			for _, x := range v {
				fits(at+"[]", s["items"], x)
			}
		default:
			if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, v) {
				t.Errorf("%s: %v is not one of %v", at, v, enum)
			}
			kinds, _ := s["type"].([]any)
			if kind, one := s["type"].(string); one {
				kinds = []any{kind}
			}
			if v == nil && len(kinds) > 0 && !slices.Contains(kinds, any("null")) {
				t.Errorf("%s: null is not one of %v", at, kinds)
			}
		}
	}
	id := func(path string) string { return w.as("").get(path).is(200).text("items", 0, "id") }
	for path, real := range map[string]string{
		"/v1/members": "/v1/members", "/v1/members/{id}": "/v1/members/" + w.ids["mia"], "/v1/groups": "/v1/groups", "/v1/groups/{id}": "/v1/groups/" + id("/v1/groups"),
		"/v1/numbers": "/v1/numbers", "/v1/numbers/{id}": "/v1/numbers/" + id("/v1/numbers"), "/v1/invitations": "/v1/invitations",
		"/v1/invitations/{id}": "/v1/invitations/" + id("/v1/invitations"), "/v1/holds": "/v1/holds", "/v1/runs": "/v1/runs", "/v1/runs/{id}": "/v1/runs/last",
		"/v1/workspace": "/v1/workspace", "/v1/matrix": "/v1/matrix",
	} {
		fits(path, doc.at("paths", path, "get", "responses", "200", "content", "application/json", "schema"), w.as("").get(real).is(200).body)
	}
	denied := w.as("mia@acme.com").post("/v1/groups", obj{"name": "X"}).is(403)
	fits("problem", obj{"$ref": "#/components/schemas/Problem"}, denied.body)
}

// TestOwnerWithoutAccess: who only owns a number has no access and no place in
// its ring order; both are null, as on the command line, and so is the place
// of who only looks on (R13).
func TestOwnerWithoutAccess(t *testing.T) {
	w := newWorld(t, nil)
	ann := w.as("ann@acme.com")
	id := ann.post("/v1/numbers", obj{"number": "+4722000001", "name": "Desk", "owner": "mia@acme.com"}).is(201).text("id")
	ann.put("/v1/numbers/"+id+"/members/"+w.ids["max"], obj{"access": "view_only"}).is(200)
	ann.put("/v1/numbers/"+id+"/members/"+w.ids["adam"], obj{"access": "shared"}).is(200)
	for who, want := range map[string]string{
		"mia":  `"numbers":[{"number":"+4722000001","access":null,"owner":true,"ring":null}]`,
		"max":  `"numbers":[{"number":"+4722000001","access":"view_only","owner":false,"ring":null}]`,
		"adam": `"numbers":[{"number":"+4722000001","access":"shared","owner":false,"ring":1}]`,
	} {
		ann.get("/v1/members/" + w.ids[who]).is(200).says(want)
	}
	for i, a := range ann.get("/v1/numbers/" + id).is(200).at("assignments").([]any) {
		if a, want := a.(obj), map[any]any{"adam@acme.com": 1.0, "max@acme.com": nil}[a.(obj)["to"]]; a["ring"] != want {
			t.Errorf("assignment %d: %v", i, a)
		}
	}
}

// FuzzBody: whatever is sent, the answer is one of those documented, and no
// failure of ours.
func FuzzBody(f *testing.F) {
	w := newWorld(f, nil)
	for _, seed := range []string{`{"name":"X"}`, `{"email":"a@b.c","role":"admin","numbers":["+4722000001"]}`, `{"order":[""]}`, `[[[[`, `{"name":{"name":1e999}}`, `{"":""}`, "{\"name\":\"\\u0000\"}"} {
		f.Add(seed)
	}
	number := w.as("ann@acme.com").post("/v1/numbers", obj{"number": "+4722000001", "name": "Desk"}).is(201).text("id")
	f.Fuzz(func(t *testing.T, body string) {
		w.t = t
		c := w.as("ann@acme.com")
		for _, a := range []answer{
			c.post("/v1/groups?dry_run=true", body), c.post("/v1/invitations?dry_run=true", body), c.patch("/v1/members/"+w.ids["mia"]+"?dry_run=true", body),
			c.put("/v1/numbers/"+number+"/ring?dry_run=true", body), c.post("/v1/numbers?dry_run=true", body), c.post("/v1/check", body),
			c.put("/v1/numbers/"+number+"/members/"+w.ids["mia"]+"?dry_run=true", body),
		} {
			if a.status >= 500 {
				t.Errorf("%s: %d for %q: %s", a.what, a.status, body, a.raw)
			}
		}
	})
}
