package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
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

	"github.com/go-jose/go-jose/v4"

	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// transmitter is an issuer that signs security event tokens, hands them out to
// whoever polls, and notes what is acknowledged.
type transmitter struct {
	t      *testing.T
	server *httptest.Server
	key    *ecdsa.PrivateKey

	mu      stdsync.Mutex
	waiting map[string]string
	acked   []string
	refused []string
	down    bool
	polls   int
}

func newTransmitter(t *testing.T) *transmitter {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := &transmitter{t: t, key: key, waiting: map[string]string{}}
	x.server = httptest.NewServer(x)
	t.Cleanup(x.server.Close)
	return x
}

// ServeHTTP is all endpoints of it.
func (x *transmitter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	u := x.server.URL
	var v any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		v = map[string]any{"issuer": u, "authorization_endpoint": u + "/auth", "token_endpoint": u + "/token", "jwks_uri": u + "/keys"}
	case "/.well-known/ssf-configuration":
		v = map[string]any{"issuer": u, "jwks_uri": u + "/keys"}
	case "/keys":
		v = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: x.key.Public(), KeyID: "k1", Use: "sig"}}}
	case "/poll":
		x.polls++
		var ask struct {
			Ack     []string                   `json:"ack"`
			SetErrs map[string]json.RawMessage `json:"setErrs"`
		}
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil || x.down || r.Header.Get("Authorization") != "Bearer canary-stream-token" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		for _, jti := range ask.Ack {
			x.acked = append(x.acked, jti)
			delete(x.waiting, jti)
		}
		for jti := range ask.SetErrs {
			x.refused = append(x.refused, jti)
			delete(x.waiting, jti)
		}
		v = map[string]any{"sets": x.waiting}
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		x.t.Error(err)
	}
}

// set makes a token about somebody.
func (x *transmitter) set(jti, event, subject string) string {
	x.t.Helper()
	text, err := json.Marshal(map[string]any{
		"iss": x.server.URL, "aud": "rollcall", "iat": time.Now().Unix(), "jti": jti,
		"sub_id": map[string]any{"format": "iss_sub", "iss": x.server.URL, "sub": subject}, "events": map[string]any{event: map[string]any{"event_timestamp": time.Now().Unix()}},
	})
	if err != nil {
		x.t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: x.key}, (&jose.SignerOptions{}).WithHeader("kid", "k1").WithType("secevent+jwt"))
	if err != nil {
		x.t.Fatal(err)
	}
	jws, err := signer.Sign(text)
	if err != nil {
		x.t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		x.t.Fatal(err)
	}
	return raw
}

// hand puts a token out for whoever polls.
func (x *transmitter) hand(jti, token string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.waiting[jti] = token
}

func (x *transmitter) breaks(down bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.down = down
}

const (
	caepRevoked  = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	riscDisabled = "https://schemas.openid.net/secevent/risc/event-type/account-disabled"
)

const signalsConfig = `listen: 127.0.0.1:0
database: sqlite:rollcall.db
key_ring: file:keys
workspaces:
  - id: acme
    owners: [ann@acme.com, dan@acme.com]
    connections:
      - {id: okta, kind: scim, profile: okta}
      - id: sso
        kind: oidc
        issuer: %[1]s
        allow_private_networks: [127.0.0.0/8]
        sign_in: {client_id: rollcall, client_secret: file:secret, scopes: [openid, offline_access], records: okta}
        liveness: {every: 1h}
        signals:
          backchannel_logout: true
          ssf: {mode: %[2]s, config: "%[1]s/.well-known/ssf-configuration", authorization: file:stream%[3]s}
      - {id: phone, kind: api}
`

// newSignalWorld starts a daemon that hears a transmitter.
func newSignalWorld(t *testing.T, x *transmitter, mode, more string) *signInWorld {
	t.Helper()
	w := &signInWorld{t: t, dir: t.TempDir(), log: &lockedBuffer{}}
	for name, text := range map[string]string{
		"rollcall.yaml": fmt.Sprintf(signalsConfig, x.server.URL, mode, more), "secret": "canary-client-secret", "stream": "canary-stream-token",
		"keys": "k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n",
	} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.token = strings.TrimSpace(w.command("token", "create", "--connection", "phone", "--api", "--scopes", "sessions:read"))
	config, err := configs.Load(filepath.Join(w.dir, "rollcall.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	w.start(config, slog.LevelDebug)
	w.provision("bo", "u-bo")
	return w
}

// command runs a command beside the daemon and gives what it prints.
func (w *signInWorld) command(args ...string) string {
	w.t.Helper()
	var out, problems bytes.Buffer
	if code := run(w.t.Context(), append(args, "--config", filepath.Join(w.dir, "rollcall.yaml")), &environment{out: &out, err: &problems}); code != exitDone {
		w.t.Fatalf("%v: exit %d, %s%s", args, code, out.String(), problems.String())
	}
	return out.String()
}

// begin begins a session, as a sign-in would.
func (w *signInWorld) begin(sealed string) map[string]any {
	w.t.Helper()
	n := time.Now().UnixNano()
	row, err := w.d.engine.SignIn(w.t.Context(), sync.SignIn{
		Workspace: "acme", Connection: "sso", CookieHash: fmt.Sprint("c", n), CodeHash: fmt.Sprint("k", n),
		Who: sync.SignedIn{Subject: "u-bo", SeenAt: time.Now(), Grant: sealed},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return map[string]any{"id": row.ID}
}

// A stream that is polled: what it says is taken within a poll, acknowledged
// after it is on disk, refused if it is not the transmitter's; that it cannot
// be heard is shown, and is no reason to do anything.
func TestPolledSignals(t *testing.T) {
	t.Parallel()
	x := newTransmitter(t)
	w := newSignalWorld(t, x, "poll", ", every: 5s, endpoint: \""+x.server.URL+"/poll\"")
	session := w.begin("")
	x.hand("j1", x.set("j1", caepRevoked, "u-bo"))
	x.hand("j2", "not a token")
	x.hand("j3", x.set("j3", caepRevoked, "somebody-else"))
	w.deadWithin(session, 10*time.Second)
	if state := w.state("bo@acme.com"); state != "active" {
		t.Errorf("bo is %s", state)
	}
	wait(t, func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return len(x.acked) == 2 && len(x.refused) == 1 && len(x.waiting) == 0
	})
	var shown map[string]any
	show := func() map[string]any {
		t.Helper()
		if err := json.Unmarshal([]byte(w.command("connections", "show", "sso", "--format", "json")), &shown); err != nil {
			t.Fatal(err)
		}
		return shown
	}
	if got := show(); got["state"] != "ready" || got["sign_in"].(map[string]any)["signals"] != 2.0 || got["sign_in"].(map[string]any)["unknown_signals"] != 1.0 {
		t.Errorf("%v", got)
	}
	session = w.begin("")
	x.breaks(true)
	wait(t, func() bool { return show()["state"] == "degraded" })
	if !w.live(session) || w.state("bo@acme.com") != "active" {
		t.Error("E4: a stream that cannot be heard ends something")
	}
	x.breaks(false)
	wait(t, func() bool { return show()["state"] == "ready" })
	if text := w.log.String(); strings.Contains(text, "canary") {
		t.Error("a secret in the log")
	}
}

// wait waits for something that comes by itself.
func wait(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come")
		}
	}
}

// A push of account-disabled ends access within a second; a polled directory
// is not there to confirm it, so the tail waits for a person, and is listed.
func TestPushedSignals(t *testing.T) {
	t.Parallel()
	x := newTransmitter(t)
	w := newSignalWorld(t, x, "push", "")
	w.number("+4722000001", "bo@acme.com")
	session := w.begin("")
	push := func(auth, body string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.d.url+"/v1/signals/sso", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/secevent+jwt")
		req.Header.Set("Authorization", "Bearer "+auth)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode
	}
	token := x.set("j1", riscDisabled, "u-bo")
	if got := push("x", token); got != http.StatusBadRequest || !w.live(session) {
		t.Errorf("without the stream's token: %d", got)
	}
	time.Sleep(1100 * time.Millisecond) // event times have seconds
	token = x.set("j2", riscDisabled, "u-bo")
	began := time.Now()
	if got := push("canary-stream-token", token); got != http.StatusAccepted || w.live(session) || w.state("bo@acme.com") != "deactivated" {
		t.Errorf("%d, live %t, %s", got, w.live(session), w.state("bo@acme.com"))
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("access ended after %s", took)
	}
	var held []map[string]any
	var out, problems bytes.Buffer
	if code := run(t.Context(), []string{"plan", "--format", "json", "--config", filepath.Join(w.dir, "rollcall.yaml")}, &environment{out: &out, err: &problems}); code != exitHeld {
		t.Fatalf("plan: exit %d, %s", code, problems.String())
	}
	if err := json.Unmarshal(out.Bytes(), &held); err != nil || len(held) != 1 || !strings.Contains(fmt.Sprint(held[0]["reason"]), "signal") {
		t.Errorf("%s, %v", out.String(), err)
	}
	if got := push("canary-stream-token", token); got != http.StatusAccepted {
		t.Errorf("the same token again: %d", got)
	}
}

// number gives somebody a number.
func (w *signInWorld) number(e164, to string) {
	w.t.Helper()
	for _, e := range []sync.Edit{
		{Kind: sync.EditImport, Import: &sync.NumberImport{E164: e164, Name: "line", Type: "local"}},
		{Kind: sync.EditAssign, Member: to, Number: e164, Access: workspace.AccessExclusive},
	} {
		res, err := w.d.engine.Edit(w.t.Context(), sync.EditBatch{
			Workspace: "acme", As: "ann@acme.com", Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI, Edits: []sync.Edit{e},
		})
		if err != nil || res.Counts.Applied == 0 {
			w.t.Fatalf("%+v, %v", res.Outcomes, err)
		}
	}
}

// The commands about sign-in: test, watched, rekey.
func TestSignInCommands(t *testing.T) {
	t.Parallel()
	x := newTransmitter(t)
	w := newSignalWorld(t, x, "push", "")
	if out := w.command("connections", "test", "sso"); !strings.Contains(out, "ok      the issuer's keys") || !strings.Contains(out, "sso is good; next: sign in at /signin/sso") {
		t.Error(out)
	}
	if out := w.command("connections", "watched", "sso", "--format", "csv"); !strings.Contains(out, "bo@acme.com,no,has not signed in; okta tells of leavers") {
		t.Error(out)
	}
	provider := w.d.providers[0]
	sealed, err := provider.Seal("u-bo", "canary-refresh")
	if err != nil {
		t.Fatal(err)
	}
	w.begin(sealed)
	if out := w.command("connections", "watched", "sso", "--format", "csv"); !strings.Contains(out, "bo@acme.com,yes,every 1h0m0s") {
		t.Error(out)
	}
	if out := w.command("connections", "watched", "sso", "--not"); strings.Contains(out, "bo@acme.com") {
		t.Error(out)
	}
	keys := filepath.Join(w.dir, "keys")
	old, err := os.ReadFile(keys)
	if err != nil {
		t.Fatal(err)
	}
	fresh := "k2:ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODk=\n"
	if err := os.WriteFile(keys, append([]byte(fresh), old...), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := w.command("rekey"); out != "1 secrets encrypted anew\n" {
		t.Error(out)
	}
	if out := w.command("rekey"); out != "0 secrets encrypted anew\n" {
		t.Error(out)
	}
	if err := os.WriteFile(keys, []byte(fresh), 0o600); err != nil {
		t.Fatal(err)
	}
	g := w.grant("u-bo")
	if again, err := provider.Reseal("u-bo", g.Sealed); err != nil || again != g.Sealed || !strings.HasPrefix(g.Sealed, "k2.") {
		t.Errorf("%q, %v", g.Sealed, err)
	}
}
