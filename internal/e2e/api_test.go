package e2e

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/sync/oidc/pull"
	"github.com/rollcall-sync/rollcall/workspace"
)

// This file has a workspace that reads a directory API, as the daemon wires
// it, on the APIs' faithful fakes.

// apiKinds are the kinds of directory APIs.
var apiKinds = []string{oidc.Graph, oidc.Okta, oidc.Google, oidc.Keycloak, oidc.SCIM}

// canary begins every secret and every token of these tests.
const canary = "canary-4b9e-"

// apiKey signs the assertions.
var apiKey = stdsync.OnceValue(func() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
})

func pemOf(t testing.TB, key crypto.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// newAPI starts the fake of a kind and gives the configuration that reads it.
func newAPI(t testing.TB, kind string) (*fakeidp.Server, oidc.Config) {
	t.Helper()
	cfg := oidc.Config{AllowPrivateNetworks: []string{"127.0.0.0/8"}}
	d := &cfg.Directory
	d.Kind, d.Rate = kind, 10_000
	a := &d.Auth
	tokens := &fakeidp.Tokens{ClientID: "reader", ClientSecret: canary + "secret", Prefix: canary, Key: apiKey().Public()}
	a.Method, a.ClientID, a.Algorithm = "private_key_jwt", "reader", "ES256"
	var fake *fakeidp.Server
	switch kind {
	case oidc.Graph:
		g := fakeidp.NewGraph(tokens)
		fake, cfg.Issuer, cfg.Tenant, d.APIBase = g.Server, g.Issuer(), fakeidp.GraphTenant, g.URL
	case oidc.Okta:
		tokens.DPoP = true
		fake = fakeidp.NewOkta(tokens).Server
		cfg.Issuer, d.APIBase = fake.URL, fake.URL
	case oidc.Google:
		tokens.Account, tokens.Subject = "rollcall@acme.iam.example", "reader@acme.com"
		fake = fakeidp.NewGoogle(tokens).Server
		cfg.Issuer, d.APIBase = "https://accounts.google.com", fake.URL
		a.Method, a.ClientID, a.Subject, a.TokenEndpoint = "google_jwt", "", tokens.Subject, fake.URL+"/token"
		account, err := json.Marshal(map[string]string{"type": "service_account", "client_email": tokens.Account, "private_key": pemOf(t, apiKey())})
		if err != nil {
			t.Fatal(err)
		}
		a.Key = secretFile(t, string(account))
	case oidc.Keycloak:
		k := fakeidp.NewKeycloak(tokens)
		fake, cfg.Issuer = k.Server, k.Issuer()
		a.Method, a.Algorithm, a.ClientSecret = "client_secret_post", "", secretFile(t, tokens.ClientSecret)
	case oidc.SCIM:
		tokens.Fixed = canary + "fixed"
		fake = fakeidp.NewSCIM(tokens).Server
		cfg.Issuer, d.APIBase = fake.URL, fake.URL+"/scim/v2"
		a.Method, a.ClientID, a.Algorithm, a.Token = "bearer", "", "", secretFile(t, tokens.Fixed)
	}
	if a.Method == "private_key_jwt" {
		a.Key = secretFile(t, pemOf(t, apiKey()))
	}
	t.Cleanup(fake.Close)
	return fake, cfg
}

// apiWorld is a workspace with one directory API.
type apiWorld struct {
	url    string
	folder string
	fake   *fakeidp.Server
	cfg    oidc.Config
	store  *store.Store
	engine *sync.Engine
	source pull.Directory
	polled sync.Polled
	log    *logBuffer
}

// logBuffer keeps what was logged.
type logBuffer struct {
	mu   stdsync.Mutex
	text bytes.Buffer
}

// Write keeps a line.
func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

const apiRules = `
version: 1
owner: ann@acme.com
roles:
  - {id: r-admin, role: admin, if: {group: phone-admins}}
  - {id: r-member, role: member}
`

// newAPIWorld opens a workspace in a folder of its own, on SQLite; close it.
func newAPIWorld(folder string, fake *fakeidp.Server, cfg oidc.Config) (*apiWorld, error) {
	return openAPIWorld("sqlite:"+filepath.Join(folder, "rollcall.db"), folder, fake, cfg)
}

// openAPIWorld opens a workspace on a database.
func openAPIWorld(url, folder string, fake *fakeidp.Server, cfg oidc.Config) (*apiWorld, error) {
	w := &apiWorld{url: url, folder: folder, fake: fake, cfg: cfg, log: &logBuffer{}}
	var err error
	if w.store, err = store.Open(context.Background(), store.Options{URL: url, AutoMigrate: true}); err != nil {
		return nil, err
	}
	return w, w.start()
}

// start makes engine and source, as a start of the daemon does.
func (w *apiWorld) start() error {
	compiled, err := mapping.Load([]byte(apiRules), mapping.LoadOptions{Connections: []string{"dir"}, File: "mapping.yaml"})
	if err != nil {
		return err
	}
	policy := workspace.Default()
	policy.Approve, policy.Limits = []string{}, workspace.Limits{}
	brake := unbraked()
	log := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.engine, err = sync.New(context.Background(), sync.Options{Store: w.store, Now: w.fake.Now, Logger: log, Workspaces: []sync.Workspace{{
		ID: "acme", Owners: []string{"ann@acme.com"}, Rules: compiled, Policy: policy,
		Connections: []sync.Connection{{ID: "dir", Kind: oidc.Kind, ActsAs: workspace.RoleAdmin, Brake: &brake}},
		Leavers:     sync.Leavers{Grace: 7 * 24 * time.Hour, RestoreWindow: 90 * 24 * time.Hour},
	}}})
	if err != nil {
		return err
	}
	if w.source != nil {
		if err := w.source.Close(); err != nil {
			return err
		}
	}
	w.source, err = pull.New(w.cfg, pull.Options{
		Connection: "dir", Sentinel: "u001@acme.com", Now: w.fake.Now, Groups: w.groups, Log: log,
		Mapped: []pull.Group{{ID: "phone-admins", Name: "phone-admins"}},
		Pause: func(ctx context.Context, d time.Duration) error {
			w.fake.Wind(d)
			return ctx.Err()
		},
	})
	w.polled = sync.Polled{Workspace: "acme", Connection: "dir", Source: w.source, MinExpected: 1}
	return err
}

func (w *apiWorld) close() error {
	err := w.source.Close()
	if cerr := w.store.Close(); err == nil {
		err = cerr
	}
	return err
}

func (w *apiWorld) view(read func(r *store.Reader) error) error {
	return w.store.In("acme").View(context.Background(), read)
}

func (w *apiWorld) groups(context.Context) (ids []string, err error) {
	err = w.view(func(r *store.Reader) error {
		_, list, err := r.DirectoryGroups(store.UserQuery{Connection: "dir", Start: 1, Count: 1000})
		for i := range list {
			ids = append(ids, list[i].ExternalID)
		}
		return err
	})
	return ids, err
}

// poll reads once.
func (w *apiWorld) poll(ctx context.Context, full bool) (sync.PollResult, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return w.engine.Poll(ctx, w.polled, "test", sync.SyncOptions{Full: full, Trigger: "operator"})
}

// members shows active members but the Owner, with their roles, by address.
func (w *apiWorld) members() (map[string]string, error) {
	out := map[string]string{}
	err := w.view(func(r *store.Reader) error {
		list, err := r.Members(store.MemberFilter{States: []workspace.MemberState{workspace.StateActive}})
		for _, m := range list {
			if m.Role != workspace.RoleOwner {
				out[m.Email] = m.Role.String()
			}
		}
		return err
	})
	return out, err
}

// truth is what the workspace must be, by what the fake has: everybody who is
// there and enabled, Admins by the group and what it nests.
func (w *apiWorld) truth() map[string]string {
	inside := map[string]bool{}
	groups := map[string]fakeidp.Group{}
	var top string
	for _, g := range w.fake.Groups() {
		groups[g.ID] = g
		if g.Name == "phone-admins" {
			top = g.ID
		}
	}
	var within func(id string)
	within = func(id string) {
		if inside[id] {
			return
		}
		inside[id] = true
		for _, m := range groups[id].Members {
			if m.Group {
				within(m.ID)
			} else {
				inside[m.ID] = true
			}
		}
		for sub, g := range groups {
			if g.Parent == id {
				within(sub)
			}
		}
	}
	if top != "" {
		within(top)
	}
	out := map[string]string{}
	for _, p := range w.fake.People() {
		if p.Disabled || p.Status == "DEPROVISIONED" || p.Archived {
			continue
		}
		out[p.Email] = "member"
		if inside[p.ID] {
			out[p.Email] = "admin"
		}
	}
	return out
}

// leaks names the places that hold a secret of the tests: the store, which has
// reports too, the log, the process list.
func (w *apiWorld) leaks(ctx context.Context) (found []string, err error) {
	kept, err := w.kept(ctx)
	if err != nil {
		return nil, err
	}
	secrets := [][]byte{[]byte(canary), []byte("PRIVATE KEY"), []byte("client_assertion")}
	look := func(place string, text []byte) {
		for _, s := range secrets {
			if bytes.Contains(text, s) {
				found = append(found, fmt.Sprintf("%s holds %s", place, s))
			}
		}
	}
	for place, text := range kept {
		look(place, text)
	}
	if args, err := os.ReadFile("/proc/self/cmdline"); err == nil {
		look("the process list", args)
	}
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	look("the log", w.log.text.Bytes())
	return found, nil
}

// kept is all that the store holds: its files, or the rows of every table.
func (w *apiWorld) kept(ctx context.Context) (places map[string][]byte, err error) {
	places = map[string][]byte{}
	if !strings.HasPrefix(w.url, "sqlite:") {
		return places, tablesOf(ctx, w.url, places)
	}
	files, err := filepath.Glob(filepath.Join(w.folder, "rollcall.db*"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if places[f], err = os.ReadFile(f); err != nil {
			return nil, err
		}
	}
	return places, nil
}

// tablesOf reads every row of a PostgreSQL database as text.
func tablesOf(ctx context.Context, url string, places map[string][]byte) (err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	rows, err := conn.Query(ctx, `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		rows, err := conn.Query(ctx, `SELECT CAST(t AS TEXT) FROM `+pgx.Identifier{name}.Sanitize()+` t`)
		if err != nil {
			return err
		}
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		places["table "+name] = []byte(strings.Join(texts, "\n"))
	}
	if len(places["table member"]) == 0 {
		return errors.New("the dump holds no members, so it proves nothing")
	}
	return nil
}
