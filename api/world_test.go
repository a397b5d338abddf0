package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/bearer"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// world is the API over a real store and engine, with the workspaces acme and
// other.
type world struct {
	t      testing.TB
	h      *Handler
	engine *sync.Engine
	store  *store.Store
	token  string            // of acme, with every scope
	ids    map[string]string // of acme's members, by first name
	mu     stdsync.Mutex
	clock  time.Time // guarded by mu
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// empty is a database file that is made once.
var empty = stdsync.OnceValues(func() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "rollcall-api-test")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "empty.db")
	if _, err := store.Migrate(context.Background(), "sqlite:"+file); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})

// newWorld has ann (the primary Owner), olga (Owner), adam (Admin), mia and max
// (Members) in acme, and eve in other.
func newWorld(t testing.TB, policy *workspace.Policy) *world {
	t.Helper()
	file, err := empty()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rollcall.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, ids: map[string]string{}, clock: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)}
	if w.store, err = store.Open(t.Context(), store.Options{URL: "sqlite:" + path, Now: w.now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	w.configure(policy)
	w.token = w.newToken("acme", "phone", Scopes()...)
	for _, who := range []string{"adam", "mia", "max"} {
		role := workspace.RoleMember
		if who == "adam" {
			role = workspace.RoleAdmin
		}
		sent := w.as("ann@acme.com").post("/v1/invitations", obj{"email": who + "@acme.com", "role": role.String()}).is(201)
		w.as("").post("/v1/invitations/"+sent.text("id")+"/accept", obj{"secret": sent.text("secret"), "email": who + "@acme.com", "name": who}).is(201)
	}
	for _, who := range []string{"ann", "olga", "adam", "mia", "max"} {
		w.ids[who] = w.as("").post("/v1/members/lookup", obj{"email": who + "@acme.com"}).is(200).text("id")
	}
	return w
}

// configure starts engine and API anew, with another policy.
func (w *world) configure(policy *workspace.Policy) {
	w.t.Helper()
	phone := []sync.Connection{{ID: "phone", Kind: "api"}, {ID: "okta", Kind: "scim", Profile: "okta", ActsAs: workspace.RoleAdmin}}
	var err error
	w.engine, err = sync.New(w.t.Context(), sync.Options{Store: w.store, Now: w.now, Workspaces: []sync.Workspace{
		{ID: "acme", Name: "Acme Inc", Owners: []string{"ann@acme.com", "olga@acme.com"}, Policy: policy, Connections: phone},
		{ID: "other", Name: "Other Inc", Owners: []string{"eve@other.com"}, Connections: phone},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.serve()
}

// serve makes the handler for the engine.
func (w *world) serve() {
	w.t.Helper()
	h, err := NewHandler(Options{
		Engine: w.engine, Store: w.store, Now: w.now, Version: "test", Rate: 1e6,
		Connections: map[string][]string{"acme": {"phone"}, "other": {"phone"}},
	})
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

// newToken makes a token.
func (w *world) newToken(ws, connection string, scopes ...string) string {
	w.t.Helper()
	token, err := bearer.New(bearer.API)
	if err != nil {
		w.t.Fatal(err)
	}
	err = w.engine.IssueToken(w.t.Context(), store.TokenRow{
		Workspace: ws, ID: token.ID, Connection: connection, Hash: token.Hash(), Scopes: scopes,
		CreatedAt: workspace.At(w.now()), ExpiresAt: workspace.At(w.now().Add(time.Hour * 1000)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return token.Reveal()
}

type obj = map[string]any

// client sends requests of one acting member.
type client struct {
	w    *world
	head http.Header
}

// as is a client of acme with every scope; who is an address, "" for nobody.
func (w *world) as(who string) *client {
	c := &client{w: w, head: http.Header{"Authorization": {"Bearer " + w.token}}}
	if who != "" {
		c.head.Set(memberHeader, who)
	}
	return c
}

// with adds a header.
func (c *client) with(name, value string) *client {
	d := &client{w: c.w, head: c.head.Clone()}
	d.head.Set(name, value)
	return d
}

func (c *client) get(path string) answer            { return c.send("GET", path, nil) }
func (c *client) post(path string, body any) answer { return c.send("POST", path, body) }
func (c *client) put(path string, body any) answer  { return c.send("PUT", path, body) }
func (c *client) patch(path string, body any) answer {
	return c.send("PATCH", path, body)
}
func (c *client) drop(path string) answer { return c.send("DELETE", path, nil) }

// send sends one request; a body that is a string goes out as it is.
func (c *client) send(method, path string, body any) answer {
	c.w.t.Helper()
	var text []byte
	switch b := body.(type) {
	case nil:
	case string:
		text = []byte(b)
	default:
		var err error
		if text, err = json.Marshal(b); err != nil {
			c.w.t.Fatal(err)
		}
	}
	r := httptest.NewRequest(method, path, bytes.NewReader(text))
	r.Header = c.head.Clone()
	if len(text) > 0 && r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	rec := httptest.NewRecorder()
	c.w.h.ServeHTTP(rec, r)
	res := rec.Result()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		c.w.t.Fatal(err)
	}
	a := answer{t: c.w.t, what: method + " " + path, status: res.StatusCode, head: res.Header, raw: raw}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &a.body); err != nil {
			c.w.t.Fatalf("%s: %v: %s", a.what, err, raw)
		}
	}
	if a.status >= 400 && res.Header.Get("Content-Type") != "application/problem+json" {
		c.w.t.Errorf("%s: %d is no problem+json", a.what, a.status)
	}
	if res.Header.Get("X-Request-Id") == "" || res.Header.Get("Cache-Control") != "no-store" {
		c.w.t.Errorf("%s: no request id, or the answer may be stored", a.what)
	}
	return a
}

// answer is what came back.
type answer struct {
	t      testing.TB
	what   string
	status int
	head   http.Header
	raw    []byte
	body   any
}

func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: %d, want %d: %s", a.what, a.status, status, a.raw)
	}
	return a
}

// at gives a value of the body by field names and places.
func (a answer) at(path ...any) any {
	v := a.body
	for _, p := range path {
		switch key := p.(type) {
		case string:
			m, ok := v.(obj)
			if !ok {
				return nil
			}
			v = m[key]
		case int:
			list, ok := v.([]any)
			if !ok || key >= len(list) {
				return nil
			}
			v = list[key]
		}
	}
	return v
}

func (a answer) text(path ...any) string {
	s, ok := a.at(path...).(string)
	if !ok {
		return ""
	}
	return s
}

// says wants text somewhere in the body.
func (a answer) says(text string) answer {
	a.t.Helper()
	if !strings.Contains(string(a.raw), text) {
		a.t.Errorf("%s: %q is not in %s", a.what, text, a.raw)
	}
	return a
}
