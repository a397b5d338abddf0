package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/store/storetest"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// testMapping reads a wish for a role and gives roles and groups by directory
// groups.
const testMapping = `version: 1
attributes:
  phoneSite: {type: string, from: {okta: "urn:acme:scim:User:phoneSite"}}
roles:
  - {id: r-admin, role: admin, if: {group: Admins}, approve: always}
  - {id: r-wish, role: {attr: rollcall.role}, allow: [admin, member]}
  - {id: r-member, role: member}
groups:
  - {id: g-sales, to: Sales, if: {group: Sales}, create: true}
  - {id: g-site, to: {attr: phoneSite}, create: true}
`

// provider is a SCIM service provider over a real store and engine.
type provider struct {
	t       testing.TB
	handler *Handler
	engine  *sync.Engine
	store   *store.Store
	tokens  map[string]string // by connection

	workspace string
}

// providerOptions change what newProvider makes.
type providerOptions struct {
	mapping     string
	url         string // of the store; "" is SQLite
	options     func(*Options)
	connections []sync.Connection
	policy      *workspace.Policy
	// beside is a connection of a second workspace, beta; "" makes none.
	beside string
}

// liteURL makes a database of its own for a test.
func liteURL(t testing.TB) string {
	t.Helper()
	return storetest.SQLite(t, "scim.db")
}

// newProvider makes a provider with the connections okta, entra, other and
// strict of one workspace.
func newProvider(t testing.TB, opt providerOptions) *provider {
	t.Helper()
	if opt.url == "" {
		opt.url = liteURL(t)
	}
	s, err := store.Open(t.Context(), store.Options{URL: opt.url, AutoMigrate: true, AllowNoFsync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if opt.mapping == "" {
		opt.mapping = "version: 1\nroles:\n  - {id: r-member, role: member}\n"
	}
	rules, err := mapping.Load([]byte(opt.mapping), mapping.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if opt.connections == nil {
		for _, c := range [][2]string{{"okta", "okta"}, {"entra", "entra"}, {"other", "entra"}, {"strict", "strict"}, {"ping", "ping"}} {
			opt.connections = append(opt.connections, sync.Connection{ID: c[0], Kind: "scim", Profile: c[1], ActsAs: workspace.RoleAdmin})
		}
	}
	workspaces := []sync.Workspace{{
		ID: "acme", Name: "Acme Inc", Plan: "business", Owners: []string{"olga@acme.com", "otto@acme.com"}, Rules: rules, Policy: opt.policy,
		Connections: opt.connections,
	}}
	if opt.beside != "" {
		workspaces = append(workspaces, sync.Workspace{
			ID: "beta", Name: "Beta Ltd", Plan: "business", Owners: []string{"bea@beta.example"}, Rules: rules,
			Connections: []sync.Connection{{ID: opt.beside, Kind: "scim", Profile: "entra", ActsAs: workspace.RoleAdmin}},
		})
	}
	e, err := sync.New(t.Context(), sync.Options{Store: s, Build: "test", Workspaces: workspaces})
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{t: t, engine: e, store: s, tokens: map[string]string{}, workspace: "acme"}
	options := Options{Engine: e, Store: s, PublicURL: "https://phone.acme.com", Terms: func(string, string) Terms { return Terms{Rate: 1_000_000, Keep: time.Hour, Most: 1000} }}
	if opt.options != nil {
		opt.options(&options)
	}
	if p.handler, err = NewHandler(options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.handler.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	for _, c := range opt.connections {
		p.tokens[c.ID] = p.newToken(store.TokenRow{Connection: c.ID}).Reveal()
	}
	if opt.beside != "" {
		p.workspace = "beta"
		p.tokens[opt.beside] = p.newToken(store.TokenRow{Connection: opt.beside}).Reveal()
		p.workspace = "acme"
	}
	return p
}

// filledUsers is how many people filledProvider has.
const filledUsers = 2500

// filled is a database with that many Users of okta, made once: under the race
// detector that takes many seconds.
var filled stdsync.Once

// filledFile is its text, written by filled.
var filledFile []byte

// filledProvider is a provider with filledUsers Users of okta.
func filledProvider(t *testing.T) *provider {
	t.Helper()
	filled.Do(func() {
		url := liteURL(t)
		p := newProvider(t, providerOptions{url: url})
		p.fill("okta", filledUsers)
		if err := errors.Join(p.handler.Close(t.Context()), p.store.Close()); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(strings.TrimPrefix(url, "sqlite:"))
		if err != nil {
			t.Fatal(err)
		}
		filledFile = text
	})
	file := filepath.Join(t.TempDir(), "filled.db")
	if err := os.WriteFile(file, filledFile, 0o600); err != nil {
		t.Fatal(err)
	}
	return newProvider(t, providerOptions{url: "sqlite:" + file})
}

// newToken makes a token with the terms of row.
func (p *provider) newToken(row store.TokenRow) Token {
	p.t.Helper()
	token, err := NewToken()
	if err != nil {
		p.t.Fatal(err)
	}
	row.ID, row.Hash, row.CreatedAt = token.ID, token.Hash(), workspace.At(time.Now())
	if row.ExpiresAt == 0 {
		row.ExpiresAt = workspace.At(time.Now().Add(time.Hour))
	}
	err = p.store.In(p.workspace).Update(p.t.Context(), store.UnitOptions{}, func(tx *store.Tx) error { return tx.InsertToken(row) })
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

// answer is what a request got.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   string
	what   string
}

// request sends one request of a connection. Headers are "Name: value" lines.
func (p *provider) request(connection, method, path, body string, headers ...string) answer {
	p.t.Helper()
	r := httptest.NewRequest(method, "/scim/v2"+path, strings.NewReader(body))
	if token := p.tokens[connection]; token != "" {
		r.Header["Authorization"] = []string{"Bearer " + token}
	}
	if body != "" {
		r.Header.Set("Content-Type", mediaType)
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	res := p.serve(r).Result()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer{t: p.t, status: res.StatusCode, header: res.Header, body: string(text), what: method + " " + path + " " + clip(body, 300)}
}

// newRequest makes a request without a body.
func newRequest(method, path, token string) *http.Request {
	r := httptest.NewRequest(method, "/scim/v2"+path, nil)
	r.Header["Authorization"] = []string{"Bearer " + token}
	return r
}

// serve runs a request.
func (p *provider) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	return w
}

// is demands a status, and that an answer with a body is one of SCIM.
func (a answer) is(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d: %s", a.what, a.status, status, a.body)
	}
	if a.body != "" && (a.header.Get("Content-Type") != mediaType || !json.Valid([]byte(a.body))) {
		a.t.Fatalf("%s: the answer is no SCIM body: %q %s", a.what, a.header.Get("Content-Type"), a.body)
	}
	if a.header.Get("X-Request-Id") == "" || a.header.Get("Cache-Control") != "no-store" {
		a.t.Fatalf("%s: head without X-Request-Id or no-store: %v", a.what, a.header)
	}
	if status >= 400 && a.at("status") == nil {
		a.t.Fatalf("%s: the error body has no status: %s", a.what, a.body)
	}
	return a
}

// refuses demands an error with this status, scimType and part of the detail.
func (a answer) refuses(status int, scimType, detail string) answer {
	a.t.Helper()
	a.is(status)
	if got, _ := a.at("scimType").(string); got != scimType {
		a.t.Errorf("%s: scimType %q, want %q: %s", a.what, got, scimType, a.body)
	}
	if got, _ := a.at("detail").(string); !strings.Contains(got, detail) {
		a.t.Errorf("%s: detail %q does not say %q", a.what, got, detail)
	}
	return a
}

// decode gives the body as plain JSON.
func (a answer) decode() any {
	a.t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader([]byte(a.body)))
	if err := d.Decode(&v); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
	return v
}

// at gives the value at a path of keys and indexes; nil if there is none.
func (a answer) at(path ...any) any {
	a.t.Helper()
	v := a.decode()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			list, _ := v.([]any)
			if step >= len(list) {
				return nil
			}
			v = list[step]
		}
	}
	return v
}

// text is at for strings.
func (a answer) text(path ...any) string {
	a.t.Helper()
	s, _ := a.at(path...).(string)
	return s
}

// has demands a value.
func (a answer) has(want any, path ...any) answer {
	a.t.Helper()
	if got := a.at(path...); !equalPlain(got, want) {
		a.t.Errorf("%s: %v is %v, want %v: %s", a.what, path, got, want, a.body)
	}
	return a
}

func equalPlain(a, b any) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}

// members lists the workspace's members by address as "role state".
func (p *provider) members() map[string]string {
	p.t.Helper()
	found := map[string]string{}
	err := p.store.In("acme").View(p.t.Context(), func(r *store.Reader) error {
		list, err := r.Members(store.MemberFilter{})
		for _, m := range list {
			state := string(m.State)
			if m.Contained {
				state = "contained"
			}
			found[m.Email] = m.Role.String() + " " + state
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return found
}

// member demands what the workspace has of an address.
func (p *provider) member(email, want string) {
	p.t.Helper()
	if got := p.members()[email]; got != want {
		p.t.Errorf("member %s is %q, want %q", email, got, want)
	}
}

// userBody is a User as a client creates it.
func userBody(name string) string {
	return `{"schemas":["` + URNUser + `"],"userName":"` + name + `","externalId":"ext-` + name + `","active":true,` +
		`"name":{"givenName":"Ann","familyName":"Lee"},"displayName":"Ann Lee","emails":[{"primary":true,"type":"work","value":"` + name + `"}]}`
}

// patchBody wraps operations.
func patchBody(operations string) string {
	return `{"schemas":["` + patchSchema + `"],"Operations":[` + operations + `]}`
}

// inGroups demands the workspace groups of an address.
func (p *provider) inGroups(email string, want ...string) {
	p.t.Helper()
	err := p.store.In("acme").View(p.t.Context(), func(r *store.Reader) error {
		list, err := r.Members(store.MemberFilter{Person: email})
		if err != nil {
			return err
		}
		if len(list) != 1 {
			p.t.Errorf("%d members %s", len(list), email)
			return nil
		}
		if !slices.Equal(list[0].Groups, want) {
			p.t.Errorf("%s is in the groups %q, want %q", email, list[0].Groups, want)
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
}
