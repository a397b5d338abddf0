package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/internal/freeport"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// front stands before a real provider: it is the provider's address, it can
// fail in its place, and it remembers what secrets passed.
type front struct {
	t      *testing.T
	server *httptest.Server

	mu      stdsync.Mutex
	target  *url.URL // nil: nobody is there yet
	fault   http.HandlerFunc
	lose    bool // the provider gets the request, nobody its answer
	tokens  int  // requests to the token endpoint
	secrets []string
}

func newFront(t *testing.T) *front {
	t.Helper()
	f := &front{t: t}
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	return f
}

// aims sets where the provider really is.
func (f *front) aims(address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.target = &url.URL{Scheme: "http", Host: address}
}

func (f *front) breaks(fault http.HandlerFunc, lose bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.lose = fault, lose
}

func (f *front) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tokens
}

// secretFields are those of a token endpoint that nobody else may see.
var secretFields = regexp.MustCompile(`"(access_token|refresh_token|id_token)":"([^"]+)"`)

// ServeHTTP passes a request on, or fails.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	target, fault, lose := f.target, f.fault, f.lose
	token := strings.HasSuffix(r.URL.Path, "/token")
	if token {
		f.tokens++
	}
	f.mu.Unlock()
	switch {
	case target == nil:
		http.Error(w, "nobody is here yet", http.StatusBadGateway)
		return
	case token && fault != nil:
		fault(w, r)
		return
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target); p.Out.Host = r.Host },
		ModifyResponse: func(res *http.Response) error {
			if !token {
				return nil
			}
			body, err := io.ReadAll(res.Body)
			if err = errors.Join(err, res.Body.Close()); err != nil {
				return err
			}
			f.mu.Lock()
			for _, m := range secretFields.FindAllSubmatch(body, -1) {
				f.secrets = append(f.secrets, string(m[2]))
			}
			f.mu.Unlock()
			res.Body = io.NopCloser(bytes.NewReader(body))
			return nil
		},
	}
	if !token || !lose {
		proxy.ServeHTTP(w, r)
		return
	}
	proxy.ServeHTTP(httptest.NewRecorder(), r)
	drop(w, r)
}

// drop ends the connection without an answer.
func drop(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		err = conn.Close()
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
}

// answering is a fault that answers.
func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if _, err := io.WriteString(w, body); err != nil {
			return // the client went away
		}
	}
}

// process is a provider as a process: it prints its port or address first, and
// ends with its standard input.
type process struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func startProcess(t *testing.T, dir, name string, args ...string) (*process, string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	var problems bytes.Buffer
	cmd.Stderr = &problems
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil && t.Context().Err() == nil {
			t.Logf("%s: %v", name, err)
		}
		if t.Failed() {
			t.Logf("%s says:\n%s", name, problems.String())
		}
	})
	p := &process{in: in, out: bufio.NewReader(out)}
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%s says nothing: %v\n%s", name, err, problems.String())
	}
	return p, strings.TrimSpace(line)
}

// order tells the provider something and waits until it is so.
func (p *process) order(t *testing.T, v map[string]any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.in.Write(append(text, '\n')); err != nil {
		t.Fatal(err)
	}
	if line, err := p.out.ReadString('\n'); err != nil || strings.TrimSpace(line) != "ok" {
		t.Fatalf("%q, %v", line, err)
	}
}

// signInWorld is a running daemon whose people sign in at a real provider.
type signInWorld struct {
	t     *testing.T
	dir   string
	d     *daemon
	front *front
	log   *lockedBuffer
	token string // of the API
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu stdsync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

const signInConfig = `listen: 127.0.0.1:%d
database: sqlite:rollcall.db
key_ring: file:keys
log_level: debug
workspaces:
  - id: acme
    owners: [ann@acme.com, dan@acme.com]
    connections:
      - {id: okta, kind: scim, profile: okta}
      - id: sso
        kind: oidc
        issuer: %s
        allow_private_networks: [127.0.0.0/8]
        sign_in: {client_id: rollcall, %s, scopes: [openid, email, profile, offline_access], records: okta, return_to: ["http://127.0.0.1:9/after"]}
        liveness: {every: 1m}
        signals: {backchannel_logout: true}
      - {id: phone, kind: api}
`

// freePort finds a port for a provider that starts later, or again.
func freePort(t *testing.T) int {
	t.Helper()
	port, err := freeport.Reserve("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// newSignInWorld starts a daemon for an issuer that need not be there yet. The
// secret may be a private key. What the configuration says may be changed.
func newSignInWorld(t *testing.T, port int, f *front, issuer, secret string, change ...string) *signInWorld {
	t.Helper()
	w := &signInWorld{t: t, dir: t.TempDir(), front: f, log: &lockedBuffer{}}
	file := filepath.Join(w.dir, "rollcall.yaml")
	proof := "client_secret: file:secret"
	if strings.Contains(secret, "PRIVATE KEY") {
		proof = "key: file:secret, next_key: file:next"
	}
	for name, text := range map[string]string{
		"rollcall.yaml": strings.NewReplacer(change...).Replace(fmt.Sprintf(signInConfig, port, issuer, proof)), "secret": secret, "next": secret, "keys": "k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n",
	} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, problems bytes.Buffer
	args := []string{"token", "create", "--config", file, "--connection", "phone", "--api", "--scopes", "sessions:read,sessions:write,members:read"}
	if code := run(t.Context(), args, &environment{out: &out, err: &problems}); code != exitDone {
		t.Fatalf("token: exit %d, %s", code, problems.String())
	}
	w.token = strings.TrimSpace(out.String())
	config, err := configs.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	w.start(config, slog.LevelDebug)
	return w
}

// start starts the daemon; it ends with the test.
func (w *signInWorld) start(config *configs.Config, level slog.Level) {
	t := w.t
	t.Helper()
	var err error
	if w.d, err = startDaemon(t.Context(), config, slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: level}))); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- w.d.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the daemon: %v", err)
		}
		if t.Failed() {
			t.Logf("the daemon says:\n%s", w.log.String())
		}
	})
}

// provision makes a member by SCIM, with the immutable id at the provider.
func (w *signInWorld) provision(name, id string) {
	w.t.Helper()
	row := sync.PolledRow(workspace.Identity{
		ExternalID: id, UserName: name, Email: name + "@acme.com", Name: name, Active: true,
		Attributes: workspace.Attributes{"userName": {name}, "email": {name + "@acme.com"}, "active": {"true"}}, Document: []byte(`{}`),
	})
	_, err := w.d.engine.Apply(w.t.Context(), sync.Batch{
		Workspace: "acme", Connection: "okta", Kind: sync.RunSCIM, Channel: workspace.ChannelSCIM, SeenAt: time.Now(),
		Identities: []sync.IdentityObservation{{Row: row}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// signIn lets a browser sign in for the phone product, and gives what the
// product learns of the session.
func (w *signInWorld) signIn(b *browser) map[string]any {
	w.t.Helper()
	at := b.visit(w.d.url+"/signin/sso?state=product-state&return="+url.QueryEscape("http://127.0.0.1:9/after"), "http://127.0.0.1:9/after")
	if at.status != 0 || at.at.Query().Get("state") != "product-state" || at.at.Query().Get("code") == "" {
		w.t.Fatalf("came to %s, %d\n%s\n%s", at.at, at.status, at.body, strings.Join(b.trail, "\n"))
	}
	code := at.at.Query().Get("code")
	status, session := w.call(http.MethodPost, "/v1/sessions/redeem", `{"code":"`+code+`"}`)
	if status != http.StatusOK || session["live"] != true {
		w.t.Fatalf("%d %v", status, session)
	}
	if status, again := w.call(http.MethodPost, "/v1/sessions/redeem", `{"code":"`+code+`"}`); status != http.StatusNotFound {
		w.t.Errorf("a code twice: %d %v", status, again)
	}
	w.front.mu.Lock()
	w.front.secrets = append(w.front.secrets, code)
	w.front.mu.Unlock()
	return session
}

// call calls the API as the phone product.
func (w *signInWorld) call(method, path, body string) (int, map[string]any) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.d.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	var v map[string]any
	err = json.NewDecoder(res.Body).Decode(&v)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, v
}

// live asks the product's question about a session.
func (w *signInWorld) live(session map[string]any) bool {
	w.t.Helper()
	status, now := w.call(http.MethodGet, "/v1/sessions/"+session["id"].(string), "")
	if status != http.StatusOK {
		w.t.Fatalf("%d %v", status, now)
	}
	return now["live"] == true
}

// within waits until a session is dead, at most so long.
func (w *signInWorld) deadWithin(session map[string]any, most time.Duration) time.Duration {
	w.t.Helper()
	began := time.Now()
	for w.live(session) {
		if time.Since(began) > most {
			w.t.Fatalf("the session is alive after %s", most)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(began)
}

// due makes everybody's turn come now.
func (w *signInWorld) due() {
	w.t.Helper()
	err := w.d.store.In("acme").Update(w.t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
		rows, err := tx.Grants("sso", "", 100)
		if err != nil {
			return err
		}
		for _, g := range rows {
			g.NextAt = 0
			if err := tx.SettleGrant(g); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// grant is what is known of the liveness of a subject.
func (w *signInWorld) grant(subject string) (g store.GrantRow) {
	w.t.Helper()
	err := w.d.store.In("acme").View(w.t.Context(), func(r *store.Reader) (err error) {
		g, err = r.Grant("sso", subject)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// state is a member's state.
func (w *signInWorld) state(email string) (state string) {
	w.t.Helper()
	err := w.d.store.In("acme").View(w.t.Context(), func(r *store.Reader) error {
		m, err := r.MemberByEmail(email)
		state = string(m.State)
		if m.Contained {
			state = "contained"
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return state
}

// canary looks for secrets in everything that is kept or said (FT17).
func (w *signInWorld) canary(more ...string) {
	w.t.Helper()
	w.front.mu.Lock()
	secrets := append(slices.Clone(w.front.secrets), more...)
	w.front.mu.Unlock()
	if len(secrets) < 4 {
		w.t.Fatalf("only %d secrets passed", len(secrets))
	}
	said := map[string]string{"log": w.log.String()}
	files, err := filepath.Glob(filepath.Join(w.dir, "rollcall.db*"))
	if err != nil || len(files) == 0 {
		w.t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			w.t.Fatal(err)
		}
		said[filepath.Base(file)] = string(text)
	}
	var out bytes.Buffer
	for _, args := range [][]string{{"runs", "list", "--format", "json"}, {"report", "last", "--format", "json"}, {"connections", "show", "sso"}, {"audit", "export"}} {
		args = append(args, "--config", filepath.Join(w.dir, "rollcall.yaml"))
		var problems bytes.Buffer
		if code := run(w.t.Context(), args, &environment{out: &out, err: &problems}); code != exitDone && code != exitHeld && args[0] != "audit" {
			w.t.Errorf("%v: exit %d, %s", args, code, problems.String())
		}
		out.WriteString(problems.String())
	}
	said["commands"] = out.String()
	if args, err := os.ReadFile("/proc/self/cmdline"); err == nil {
		said["process list"] = string(args)
	}
	for where, text := range said {
		for _, s := range secrets {
			if len(s) > 8 && strings.Contains(text, s) {
				w.t.Errorf("%s holds a secret: %.12s...", where, s)
			}
		}
	}
}
