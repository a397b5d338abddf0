package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
)

// nodeProvider starts the npm package oidc-provider.
func nodeProvider(t *testing.T, f *front, port int, more ...string) *process {
	t.Helper()
	dir := filepath.Join("..", "..", "internal", "e2e", "oidcprovider")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "oidc-provider")); err != nil {
		t.Fatalf("the npm package oidc-provider is not there: run make prepare (%v)", err)
	}
	ours := fmt.Sprintf("http://127.0.0.1:%d/signin/sso/", port)
	p, at := startProcess(t, dir, "node", append([]string{"server.mjs", f.server.URL, ours + "callback", ours + "backchannel"}, more...)...)
	f.aims("127.0.0.1:" + at)
	return p
}

// TestSignInAtOIDCProvider goes through a real daemon and the npm package
// oidc-provider as a process of its own, a plain client playing the browser.
func TestSignInAtOIDCProvider(t *testing.T) {
	t.Parallel()
	f, port := newFront(t), freePort(t)
	w := newSignInWorld(t, port, f, f.server.URL, "canary-node-secret")
	w.provision("bo", "u-bo")
	bo := map[string]string{"login": "u-bo", "password": "x"}

	// OI1: the provider is not there when the daemon starts.
	if at := newBrowser(t, bo).visit(w.d.url+"/signin/sso", ""); at.status != http.StatusServiceUnavailable || !strings.Contains(at.body, "Nothing was changed") {
		t.Fatalf("%d %s", at.status, at.body)
	}
	provider := nodeProvider(t, f, port)
	time.Sleep(10 * time.Second) // a discovery that failed is not tried again sooner

	session := w.signIn(newBrowser(t, bo))
	member := session["member"].(map[string]any)
	if member["email"] != "bo@acme.com" || session["subject"] != "u-bo" || session["issuer"] != f.server.URL || !w.live(session) {
		t.Fatalf("%v", session)
	}
	// OS2: an account at the provider is no account here.
	if at := newBrowser(t, map[string]string{"login": "u-eve", "password": "x"}).visit(w.d.url+"/signin/sso", ""); at.status != http.StatusForbidden || !strings.Contains(at.body, "No account") {
		t.Errorf("%d %s", at.status, at.body)
	}

	t.Run("trouble", func(t *testing.T) { w.trouble(t, session) })

	// The sign-in anew brings a token again.
	session = w.signIn(newBrowser(t, bo))
	t.Run("two replicas", func(t *testing.T) { w.twoReplicas(t, session) })
	t.Run("disabled", func(t *testing.T) {
		provider.order(t, map[string]any{"disable": "u-bo"})
		w.due()
		took := w.deadWithin(session, 8*time.Second) // one tick of the daemon
		t.Logf("sessions ended %s after the turn came", took)
		if w.state("bo@acme.com") != "active" {
			t.Error("OL5: liveness alone has taken somebody's membership")
		}
		if g := w.grant("u-bo"); g.State != store.GrantLost || g.Verdict != "E3" || g.Sealed != "" {
			t.Errorf("%+v", g)
		}
		provider.order(t, map[string]any{"enable": "u-bo"})
	})
	t.Run("back-channel logout", func(t *testing.T) {
		b := newBrowser(t, bo)
		session := w.signIn(b)
		if at := b.visit(f.server.URL+"/session/end?client_id=rollcall", ""); at.status >= 400 {
			t.Fatalf("%d %s", at.status, at.body)
		}
		t.Logf("sessions ended %s after the logout", w.deadWithin(session, time.Second))
		if w.state("bo@acme.com") != "active" {
			t.Error("a logout has taken somebody's membership")
		}
	})
	w.canary("canary-node-secret")
}

// trouble is the list of things that say nothing about a person: every row
// leaves the member, and the session, as they were.
func (w *signInWorld) trouble(t *testing.T, session map[string]any) {
	ask := func() {
		t.Helper()
		w.due()
		if _, err := w.d.engine.AskAlive(t.Context(), w.d.watched(w.d.providers[0])); err != nil {
			t.Fatal(err)
		}
	}
	ask()
	if g := w.grant("u-bo"); g.Verdict != "alive" || g.State != store.GrantIdle {
		t.Fatalf("%+v", g)
	}
	for _, row := range []struct {
		name  string
		fault http.HandlerFunc
		lose  bool
	}{
		{"500", answering(500, ``), false},
		{"503", answering(503, `busy`), false},
		{"429", answering(429, `{"error":"invalid_grant"}`), false},
		{"invalid_client", answering(401, `{"error":"invalid_client"}`), false},
		{"temporarily_unavailable", answering(400, `{"error":"temporarily_unavailable"}`), false},
		{"interaction_required", answering(400, `{"error":"interaction_required"}`), false},
		{"an empty object", answering(200, `{}`), false},
		{"no answer", drop, false},
		{"the answer is lost on its way", nil, true},
		{"and the token is refused then", nil, false}, // the provider has rotated it
	} {
		w.front.breaks(row.fault, row.lose)
		ask()
		w.front.breaks(nil, false)
		g := w.grant("u-bo")
		if g.Verdict != "E4" || w.state("bo@acme.com") != "active" || !w.live(session) {
			t.Errorf("%s: %s, member %s, session live %t", row.name, g.Verdict, w.state("bo@acme.com"), w.live(session))
		}
	}
	if g := w.grant("u-bo"); g.State != store.GrantLost {
		t.Errorf("a token that the provider takes no more: %+v", g)
	}
}

// twoReplicas lets two processes ask at the same moment: one does, and the
// next question works (OL2).
func (w *signInWorld) twoReplicas(t *testing.T, session map[string]any) {
	for range 3 {
		w.due()
		before := w.front.asked()
		var wg stdsync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if _, err := w.d.engine.AskAlive(t.Context(), w.d.watched(w.d.providers[0])); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := w.front.asked() - before; n != 1 {
			t.Errorf("the token was sent %d times", n)
		}
		if g := w.grant("u-bo"); g.Verdict != "alive" || !w.live(session) {
			t.Errorf("%+v", g)
		}
	}
}

// zitadelProvider builds the provider over github.com/zitadel/oidc.
func zitadelProvider(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "zitadelop")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Dir = filepath.Join("..", "..", "internal", "e2e", "zitadelop")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return binary
}

// TestSignInAtZitadel does the same with github.com/zitadel/oidc: another
// provider, with habits of its own.
func TestSignInAtZitadel(t *testing.T) {
	t.Parallel()
	f, port := newFront(t), freePort(t)
	issuer := f.server.URL + "/"
	binary := zitadelProvider(t)
	w := newSignInWorld(t, port, f, issuer, "canary-zitadel-secret")
	w.provision("test", "id1")
	_, at := startProcess(t, t.TempDir(), binary, "-issuer", issuer, "-redirect", fmt.Sprintf("http://127.0.0.1:%d/signin/sso/callback", port))
	f.aims(at)

	host, err := url.Parse(f.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	person := map[string]string{"username": "test-user@" + host.Hostname(), "password": "verysecure"}
	session := w.signIn(newBrowser(t, person))
	if member := session["member"].(map[string]any); member["email"] != "test@acme.com" || !w.live(session) {
		t.Fatalf("%v", session)
	}
	ask := func() store.GrantRow { return w.asked("id1") }
	for range 3 {
		if g := ask(); g.Verdict != "alive" || !w.live(session) {
			t.Fatalf("%+v", g)
		}
	}
	w.front.breaks(answering(400, `{"error":"invalid_grant"}`), false)
	if g := ask(); g.Verdict != "E3" || w.live(session) || w.state("test@acme.com") != "active" {
		t.Errorf("%+v, live %t, %s", g, w.live(session), w.state("test@acme.com"))
	}
	w.canary("canary-zitadel-secret")
}

// asked asks about everybody, and gives what came of it for one.
func (w *signInWorld) asked(subject string) store.GrantRow {
	w.t.Helper()
	w.due()
	if _, err := w.d.engine.AskAlive(w.t.Context(), w.d.watched(w.d.providers[0])); err != nil {
		w.t.Fatal(err)
	}
	return w.grant(subject)
}
