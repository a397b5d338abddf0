//go:build keycloak

package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/keycloaktest"
	"github.com/rollcall-sync/rollcall/store"
)

// TestSignInAtKeycloak goes through a real daemon and a real Keycloak: its
// login page, a refresh for somebody who is disabled there, and its
// back-channel logout.
func TestSignInAtKeycloak(t *testing.T) {
	const secret = "canary-keycloak-secret"
	k, f, port := keycloaktest.Start(t), newFront(t), freePort(t)
	ours := fmt.Sprintf("http://127.0.0.1:%d/signin/sso/", port)
	k.Admin(http.MethodPost, "", map[string]any{"realm": "acme", "enabled": true}, nil)
	k.Admin(http.MethodPost, "/acme/clients", map[string]any{
		"clientId": "rollcall", "secret": secret, "publicClient": false, "standardFlowEnabled": true, "redirectUris": []string{ours + "callback"},
		"attributes": map[string]string{"backchannel.logout.url": ours + "backchannel", "backchannel.logout.session.required": "true"},
	}, nil)
	id := k.Person("bo")
	k.Admin(http.MethodPut, "/acme/users/"+id+"/reset-password", map[string]any{"type": "password", "value": "x", "temporary": false}, nil)
	k.Admin(http.MethodPut, "/acme/users/"+id, map[string]any{"emailVerified": true}, nil)

	w := newSignInWorld(t, port, f, k.URL+"/realms/acme", secret)
	w.provision("bo", id)
	bo := map[string]string{"username": "bo@acme.com", "password": "x"}
	session := w.signIn(newBrowser(t, bo))
	if session["subject"] != id || session["issuer"] != k.URL+"/realms/acme" || !w.live(session) {
		t.Fatalf("%v", session)
	}

	w.due()
	time.Sleep(8 * time.Second) // a tick of the daemon
	if g := w.grant(id); g.Verdict != "alive" || !w.live(session) {
		t.Errorf("the account stands, but %+v", g)
	}
	k.Admin(http.MethodPut, "/acme/users/"+id, map[string]any{"enabled": false}, nil)
	w.due()
	t.Logf("sessions ended %s after the turn came", w.deadWithin(session, 8*time.Second))
	if g := w.grant(id); w.state("bo@acme.com") != "active" || g.State != store.GrantLost || g.Verdict != "E3" {
		t.Errorf("OL5: the member is %s, %+v", w.state("bo@acme.com"), g)
	}

	k.Admin(http.MethodPut, "/acme/users/"+id, map[string]any{"enabled": true}, nil)
	session = w.signIn(newBrowser(t, bo))
	k.Admin(http.MethodPost, "/acme/users/"+id+"/logout", nil, nil)
	t.Logf("sessions ended %s after the logout", w.deadWithin(session, 2*time.Second))
}
