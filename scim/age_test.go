package scim

import (
	"net/http"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
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

// TestNewerYesIsHeard is EV6 and CO4 where the record says active already: a
// signal has ended somebody's access, or an Owner is contained, and the client
// says once more that they are enabled. That is the newer yes.
func TestNewerYesIsHeard(t *testing.T) {
	for how, request := range map[string]func(p *provider, id, name string) answer{
		"PATCH": func(p *provider, id, _ string) answer {
			return p.request("okta", "PATCH", "/Users/"+id, patchBody(`{"op":"replace","value":{"active":true}}`))
		},
		"PUT": func(p *provider, id, name string) answer {
			return p.request("okta", "PUT", "/Users/"+id, userBody(name))
		},
	} {
		t.Run(how, func(t *testing.T) {
			p := newProvider(t, providerOptions{mapping: testMapping})
			id := p.request("okta", "POST", "/Users", userBody("bob@acme.com")).is(http.StatusCreated).text("id")
			_, err := p.engine.Signal(t.Context(), sync.Signals{
				Workspace: "acme", Connection: "okta", JTI: "now", Until: time.Now().Add(time.Hour), SeenAt: time.Now(),
				Events: []sync.Signal{{Kind: sync.SignalDisabled, Subject: "ext-bob@acme.com", At: time.Now()}},
			})
			if err != nil {
				t.Fatal(err)
			}
			p.member("bob@acme.com", "member deactivated")
			request(p, id, "bob@acme.com").is(http.StatusOK)
			p.member("bob@acme.com", "member active")

			p.request("okta", "POST", "/Users", userBody("otto@acme.com")).is(http.StatusConflict)
			p.approveAll("olga@acme.com")
			id = p.request("okta", "GET", "/Users?filter="+urlEncode(`userName eq "otto@acme.com"`), "").text("Resources", 0, "id")
			p.request("okta", "PATCH", "/Users/"+id, patchBody(`{"op":"replace","value":{"active":false}}`)).is(http.StatusForbidden)
			p.member("otto@acme.com", "owner contained")
			request(p, id, "otto@acme.com").is(http.StatusOK)
			p.member("otto@acme.com", "owner active")
		})
	}
}

// approveAll approves what is held.
func (p *provider) approveAll(as string) {
	p.t.Helper()
	var open []store.HoldRow
	err := p.store.In("acme").View(p.t.Context(), func(r *store.Reader) (err error) {
		open, err = r.OpenHolds("")
		return err
	})
	if err != nil || len(open) == 0 {
		p.t.Fatalf("%d plans wait, %v", len(open), err)
	}
	for _, h := range open {
		a := sync.Approval{Workspace: "acme", Plan: h.ID, As: as, Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI}
		if _, err := p.engine.Approve(p.t.Context(), a); err != nil {
			p.t.Fatal(err)
		}
	}
}
