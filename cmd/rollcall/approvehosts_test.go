package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/configs"
)

// movingProvider is a discovery document whose endpoints can move.
type movingProvider struct {
	server *httptest.Server
	mu     stdsync.Mutex
	keys   string // address of the keys
}

func newMovingProvider(t *testing.T) *movingProvider {
	t.Helper()
	m := &movingProvider{}
	m.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		u := m.server.URL
		err := json.NewEncoder(w).Encode(map[string]any{
			"issuer": u, "authorization_endpoint": u + "/auth", "token_endpoint": u + "/token", "jwks_uri": m.keys,
		})
		if err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(m.server.Close)
	m.moves(m.server.URL + "/keys")
	return m
}

func (m *movingProvider) moves(keys string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys = keys
}

// ON1: a provider whose endpoints have moved to another host signs nobody in,
// though the host is an allowed one, until a person approves it; a running
// daemon goes on by itself then.
func TestProviderMoves(t *testing.T) {
	t.Parallel()
	m, port, dir := newMovingProvider(t), freePort(t), t.TempDir()
	file := filepath.Join(dir, "rollcall.yaml")
	config := strings.Replace(fmt.Sprintf(signInConfig, port, m.server.URL, "client_secret: file:secret"),
		"allow_private_networks: [127.0.0.0/8]", "allow_private_networks: [127.0.0.0/8]\n        endpoint_hosts: [localhost]", 1)
	for name, text := range map[string]string{"rollcall.yaml": config, "secret": "x", "keys": "k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// within a daemon's life: begins a sign-in until it comes to a status.
	daemon := func(name string, do func(t *testing.T, begins func(status int, within time.Duration))) {
		t.Run(name, func(t *testing.T) {
			c, err := configs.Load(file)
			if err != nil {
				t.Fatal(err)
			}
			w := &signInWorld{t: t, dir: dir, log: &lockedBuffer{}}
			w.start(c, slog.LevelInfo)
			client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			do(t, func(status int, within time.Duration) {
				t.Helper()
				got := 0
				for until := time.Now().Add(within); got != status; time.Sleep(time.Second) {
					req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.d.url+"/signin/sso", nil)
					if err != nil {
						t.Fatal(err)
					}
					res, err := client.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					if err := res.Body.Close(); err != nil {
						t.Fatal(err)
					}
					if got = res.StatusCode; got != status && time.Now().After(until) {
						t.Fatalf("%d, want %d", got, status)
					}
				}
			})
		})
	}
	command := func(t *testing.T, want int, args ...string) string {
		t.Helper()
		var out, problems bytes.Buffer
		if code := run(t.Context(), append(args, "--config", file), &environment{out: &out, err: &problems}); code != want {
			t.Fatalf("%v: exit %d, %s", args, code, problems.String())
		}
		return out.String() + problems.String()
	}
	daemon("first", func(_ *testing.T, begins func(int, time.Duration)) { begins(http.StatusSeeOther, 0) })
	m.moves(strings.Replace(m.server.URL, "127.0.0.1", "localhost", 1) + "/keys")
	daemon("moved", func(t *testing.T, begins func(int, time.Duration)) {
		begins(http.StatusServiceUnavailable, 0)
		shown := command(t, exitDone, "connections", "show", "sso")
		if !strings.Contains(shown, "degraded") || !strings.Contains(shown, "jwks_uri on localhost:") {
			t.Error(shown)
		}
		if found := command(t, exitDone, "findings", "list"); !strings.Contains(found, "ON1") || !strings.Contains(found, "critical") {
			t.Error(found)
		}
		command(t, exitFailed, "connections", "approve-hosts", "sso", "evil.example", "--as", "ann@acme.com")
		if said := command(t, exitDone, "connections", "approve-hosts", "sso", "--as", "ann@acme.com", "--reason", "moved"); !strings.Contains(said, "approved  jwks_uri") {
			t.Error(said)
		}
		begins(http.StatusSeeOther, 15*time.Second)
		if report := command(t, exitDone, "report", "last"); !strings.Contains(report, "jwks_uri localhost:") {
			t.Error(report)
		}
		if found := command(t, exitDone, "findings", "list"); strings.Contains(found, "ON1") {
			t.Error(found)
		}
	})
}
