package scim

import (
	"net/http"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
)

// TestRequestsAreAsOldAsTheyAre is EV4 and SI3: each request that says
// something moves the moment as of which the record is known, so a signal of
// an event before it ends nobody's access again.
func TestRequestsAreAsOldAsTheyAre(t *testing.T) {
	p := newProvider(t, providerOptions{mapping: testMapping})
	id := p.request("okta", "POST", "/Users", userBody("bob@acme.com")).is(http.StatusCreated).text("id")
	p.request("okta", "PATCH", "/Users/"+id, patchBody(`{"op":"replace","value":{"active":false}}`)).is(http.StatusOK)
	disabled := time.Now()
	p.request("okta", "PATCH", "/Users/"+id, patchBody(`{"op":"replace","value":{"active":true}}`)).is(http.StatusOK)
	p.member("bob@acme.com", "member active")
	_, err := p.engine.Signal(t.Context(), sync.Signals{
		Workspace: "acme", Connection: "okta", JTI: "late", Until: time.Now().Add(time.Hour), SeenAt: time.Now(),
		Events: []sync.Signal{{Kind: sync.SignalDisabled, Subject: "ext-bob@acme.com", At: disabled}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.member("bob@acme.com", "member active")
}
