package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// TestJoinAtOIDCProvider: somebody whom nobody knows signs in at the npm
// package oidc-provider with a verified address of a claimed domain, is shown
// what joining means, and has joined when the button was pressed, not before
// (OS3, DC7). Who was removed stays out (I9).
func TestJoinAtOIDCProvider(t *testing.T) {
	t.Parallel()
	f, port := newFront(t), freePort(t)
	w := newSignInWorld(t, port, f, f.server.URL, "canary-node-secret",
		", records: okta", "", "kind: oidc\n", "kind: oidc\n        domains: [acme.com]\n        trust_email: verified_claim\n",
		"    connections:\n", "    claimed_domains: {evidence: [verified_claim]}\n    connections:\n")
	err := w.d.store.In("acme").Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
		return tx.PutDomain(workspace.DomainClaim{Domain: "acme.com", State: workspace.DomainVerified, ClaimedAt: 1, VerifiedAt: 1, ProvedAt: 1, Version: 1})
	})
	if err != nil {
		t.Fatal(err)
	}
	nodeProvider(t, f, port)
	eve := newBrowser(t, map[string]string{"login": "u-eve", "password": "x"})
	offer := w.d.url + "/signin/sso/join"
	after := "http://127.0.0.1:9/after"
	if at := eve.visit(w.d.url+"/signin/sso?return="+after, offer); at.at.String() != offer {
		t.Fatalf("came to %s, %d %s", at.at, at.status, at.body)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, offer, nil)
	if err != nil {
		t.Fatal(err)
	}
	page := eve.read(req)
	for _, word := range []string{"Join existing workspace", "acme", "<dd>Member</dd>", "u-eve@acme.com", "Nothing has happened yet"} {
		if !strings.Contains(page.body, word) {
			t.Errorf("the page has no %q:\n%s", word, page.body)
		}
	}
	if list := w.command("members", "list"); strings.Contains(list, "u-eve") {
		t.Fatalf("joined before the press: %s", list)
	}
	at := eve.visit(offer, after) // presses the button
	if at.at.Query().Get("code") == "" || w.state("u-eve@acme.com") != "active" {
		t.Fatalf("came to %s, %d %s", at.at, at.status, at.body)
	}
	if g := w.asked("u-eve"); g.Verdict != "alive" {
		t.Errorf("the refresh token of the first answer: %+v", g)
	}
	if again := eve.visit(w.d.url+"/signin/sso?return="+after, after); again.at.Query().Get("code") == "" {
		t.Errorf("the next sign-in came to %s, %d %s", again.at, again.status, again.body)
	}

	w.command("members", "remove", "u-eve@acme.com", "--as", "ann@acme.com", "--reason", "left")
	back := newBrowser(t, map[string]string{"login": "u-eve", "password": "x"}).visit(w.d.url+"/signin/sso?return="+after, offer)
	if back.status != http.StatusForbidden || strings.Contains(back.body, "Join existing") {
		t.Errorf("a leaver came to %s, %d %s", back.at, back.status, back.body)
	}
	w.canary("canary-node-secret")
}
