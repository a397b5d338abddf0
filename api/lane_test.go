package api

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// narrow serves anew with a rate of two requests at once and one a second.
func (w *world) narrow() {
	w.t.Helper()
	h, err := NewHandler(Options{Engine: w.engine, Store: w.store, Now: w.now, Rate: 1, Connections: map[string][]string{"acme": {"phone"}}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.h = h
	w.t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			w.t.Error(err)
		}
	})
}

// TestRateRefusesNoLeaver (PR3): what ends access passes when the token has
// used up its rate, and when the engine's places are taken; a dry run does not.
func TestRateRefusesNoLeaver(t *testing.T) {
	w := newWorld(t, nil)
	w.narrow()
	ann := w.as("ann@acme.com")
	for range 2 {
		ann.get("/v1/members").is(200)
	}
	ann.get("/v1/members").is(429)
	for range defaultEngine {
		w.h.busy <- struct{}{}
	}
	ann.post("/v1/members/"+w.ids["mia"]+"/deactivate?dry_run=true", obj{}).is(429)
	ann.post("/v1/members/"+w.ids["mia"]+"/sessions/end", obj{}).is(200)
	ann.post("/v1/members/"+w.ids["mia"]+"/deactivate", obj{}).is(200).says(`"state":"deactivated"`)
	ann.post("/v1/members/"+w.ids["mia"]+"/remove", obj{}).is(200).says(`"state":"removed"`)
	ann.post("/v1/groups", obj{"name": "X"}).is(429)
}

// TestRateIsNoBadToken: whoever reads the revocation feed too often is told to
// come back, not that the token is bad.
func TestRateIsNoBadToken(t *testing.T) {
	w := newWorld(t, nil)
	w.narrow()
	r := httptest.NewRequest("GET", "/v1/revocations", nil)
	r.Header.Set("Authorization", "Bearer "+w.token)
	for range 2 {
		if ws, err := w.h.Authorize(r, ScopeRevocationsRead); ws != "acme" || err != nil {
			t.Fatalf("%q, %v", ws, err)
		}
	}
	_, err := w.h.Authorize(r, ScopeRevocationsRead)
	if p := toProblem(err); p.Status != 429 || p.RetryAfter() <= 0 {
		t.Errorf("too often: %v", err)
	}
}

// TestNumberIsFoundAsTyped: a plus that nobody escaped finds the number too,
// and what is no number is an error, not an empty list.
func TestNumberIsFoundAsTyped(t *testing.T) {
	w := newWorld(t, nil)
	w.as("ann@acme.com").post("/v1/numbers", obj{"number": "+4722000001", "name": "Desk"}).is(201)
	for _, typed := range []string{"%2B4722000001", "+4722000001"} {
		if got := w.as("").get("/v1/numbers?number="+typed).is(200).text("items", 0, "number"); got != "+4722000001" {
			t.Errorf("%s finds %q", typed, got)
		}
	}
	for _, typed := range []string{"", "4722000001", "22000001", "abc"} {
		w.as("").get("/v1/numbers?number=" + typed).is(422).says(`"field":"number"`)
	}
}

// TestWishesNameTheirField: an error names the field that was sent, and the
// end of a grant is not in the past.
func TestWishesNameTheirField(t *testing.T) {
	w := newWorld(t, nil)
	ann := w.as("ann@acme.com")
	id := ann.post("/v1/numbers", obj{"number": "+4722000001", "name": "Desk"}).is(201).text("id")
	mia := "/v1/members/" + w.ids["mia"]
	const past = "2020-01-01T00:00:00Z"
	ann.post(mia+"/deactivate", obj{"handover": "nobody@acme.com"}).is(422).says(`"field":"/handover"`)
	ann.post("/v1/numbers", obj{"number": "+4722000002", "name": "Desk", "owner": "nobody@acme.com"}).is(422).says(`"field":"/owner"`)
	ann.post("/v1/invitations", obj{"email": "new@acme.com", "numbers": []string{"+4799"}}).is(422).says(`"field":"/numbers"`)
	ann.put("/v1/numbers/"+id+"/members/"+w.ids["mia"], obj{"access": "shared", "until": past}).is(422).says(`"field":"/until"`)
	ann.patch(mia, obj{"role": "admin", "role_until": past}).is(422).says(`"field":"/role_until"`)
	ann.patch(mia, obj{"access_end": past}).is(422).says(`"field":"/access_end"`)
	ann.post(mia+"/deactivate", obj{}).is(200)
	ann.post(mia+"/restore", obj{"reason": "back", "access_end": past}).is(422).says(`"field":"/access_end"`)
}

// TestPreviewNamesPeople: what a person is to confirm (R22) speaks of
// addresses, not of ids.
func TestPreviewNamesPeople(t *testing.T) {
	w := newWorld(t, nil)
	ann := w.as("ann@acme.com")
	id := ann.post("/v1/numbers", obj{"number": "+4722000001", "name": "Desk"}).is(201).text("id")
	ann.put("/v1/numbers/"+id+"/members/"+w.ids["mia"], obj{"access": "exclusive"}).is(200)
	shown := ann.post("/v1/members/"+w.ids["mia"]+"/deactivate?dry_run=true", obj{}).is(200).says("+4722000001 taken from mia@acme.com").says("gets owner ann@acme.com")
	for _, id := range w.ids {
		if strings.Contains(string(shown.raw), id) {
			t.Errorf("%s stands in %s", id, shown.raw)
		}
	}
}

// TestEndOfAccessIsAnEdge: to set the end of somebody's access is to remove
// them later: an Owner's is M13, anybody's M05 (OWNER-EDGE).
func TestEndOfAccessIsAnEdge(t *testing.T) {
	w := newWorld(t, &workspace.Policy{Clear: []string{"M05.Admin"}})
	later := obj{"access_end": workspace.At(w.now().Add(24 * time.Hour)).String()}
	w.as("adam@acme.com").patch("/v1/members/"+w.ids["olga"], later).is(403).says(`"row":"M13"`)
	w.as("adam@acme.com").patch("/v1/members/"+w.ids["mia"], later).is(403).says(`"row":"M05"`)
	w.as("adam@acme.com").patch("/v1/members/"+w.ids["olga"], obj{"name": "Olga"}).is(200)
	w.as("ann@acme.com").patch("/v1/members/"+w.ids["olga"], later).is(200)
	w.as("ann@acme.com").patch("/v1/members/"+w.ids["mia"], later).is(200)
}

// TestRefusalsNamePeople: who holds a number is named by address, a number is
// given in advance once, and an acting member who is no text is no 404.
func TestRefusalsNamePeople(t *testing.T) {
	w := newWorld(t, nil)
	ann := w.as("ann@acme.com")
	id := ann.post("/v1/numbers", obj{"number": "+4722000001", "name": "Desk"}).is(201).text("id")
	ann.put("/v1/numbers/"+id+"/members/"+w.ids["mia"], obj{"access": "exclusive"}).is(200)
	ann.put("/v1/numbers/"+id+"/members/"+w.ids["max"], obj{"access": "shared"}).is(403).says(`"rule":"I4"`).says("mia@acme.com")
	ann.post("/v1/invitations", obj{"email": "new@acme.com", "numbers": []string{"+4722000001", id}}).is(422).says(`"field":"/numbers"`)
	w.as("b\xf8@acme.com").post("/v1/groups", obj{"name": "X"}).is(400).says(memberHeader)
}
