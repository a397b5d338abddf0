package events

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/pgtest"
	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/store/storetest"
	"github.com/rollcall-sync/rollcall/workspace"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(killedStore); url != "" {
		fmt.Fprintln(os.Stderr, "deliverer:", deliverUntilKilled(url, os.Getenv(killedSink)))
		os.Exit(1)
	}
	pgtest.Main(m)
}

// engines runs a test on a store of each engine.
func engines(t *testing.T, run func(t *testing.T, w *world)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		run(t, newWorld(t, storetest.SQLite(t, "test.db")))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		run(t, newWorld(t, storetest.Postgres(t)))
	})
}

// world is the workspace acme with the connections okta (SCIM) and corp
// (LDAP), and a dispatcher.
type world struct {
	*testing.T
	store *store.Store
	h     *store.Handle
	d     *Dispatcher
	poll  time.Duration // zero: the dispatcher's own

	mu    sync.Mutex
	clock time.Time // zero: the real one
}

func newWorld(t *testing.T, url string) *world {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: url, AutoMigrate: true, AllowNoFsync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{T: t, store: s, h: s.In("acme")}
	w.update(prepare)
	return w
}

// prepare writes the workspace and its connections.
func prepare(tx *store.Tx) error {
	return errors.Join(tx.PutWorkspace(store.WorkspaceRow{ID: "acme", Name: "Acme Inc", Plan: "business", Active: true, Zone: "UTC"}),
		tx.PutConnection(store.ConnectionRow{ID: "okta", Kind: "scim"}), tx.PutConnection(store.ConnectionRow{ID: "corp", Kind: "ldap"}))
}

func (w *world) update(unit store.Unit) {
	w.Helper()
	if err := w.h.Update(w.Context(), store.UnitOptions{}, unit); err != nil {
		w.Fatal(err)
	}
}

func (w *world) view(read func(r *store.Reader) error) {
	w.Helper()
	if err := w.h.View(w.Context(), read); err != nil {
		w.Fatal(err)
	}
}

// now is the injected clock.
func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.clock.IsZero() {
		return time.Now()
	}
	return w.clock
}

// pass moves the clock and lets the dispatcher look.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	w.clock = w.clock.Add(d)
	w.mu.Unlock()
	for _, p := range w.d.pumps {
		p.poke()
	}
}

// run starts a dispatcher that ends with the test.
func (w *world) run(c Config, change ...func(*Options)) {
	w.Helper()
	opt := Options{
		Store: w.store, Workspaces: []string{"acme"}, Config: c, Issuer: "https://rollcall.acme.com", Now: w.now,
		Logger: slog.New(slog.NewTextHandler(logWriter{w}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for _, f := range change {
		f(&opt)
	}
	d, err := New(opt)
	if err != nil {
		w.Fatal(err)
	}
	if err := d.Start(w.Context()); err != nil {
		w.Fatal(err)
	}
	w.d = d
	if w.poll > 0 {
		d.poll = w.poll
	}
	ctx, cancel := context.WithCancel(w.Context())
	var running sync.WaitGroup
	running.Go(func() { d.Run(ctx) })
	w.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

type logWriter struct{ t testing.TB }

func (l logWriter) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// member makes a member with SCIM Users of okta.
func (w *world) member(id string, users ...string) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		if err := insertMember(tx, id); err != nil {
			return err
		}
		for _, u := range users {
			err := tx.InsertIdentity(store.IdentityRow{Identity: workspace.Identity{
				ID: u, Connection: "okta", UserName: u, Active: true, Member: id,
				Attributes: workspace.Attributes{},
			}, UserKey: u})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func insertMember(tx *store.Tx, id string) error {
	email := id + "@acme.com"
	return tx.InsertMember(workspace.Member{
		ID: id, Name: id, Email: email, EmailKey: email, Role: workspace.RoleMember, RoleSource: "manual",
		State: workspace.StateActive, Epoch: 7, Version: 1,
	})
}

// say commits events of a member, each in a unit of its own, and gives their
// ids: MEMBER-SEQ.
func (w *world) say(member string, types ...string) (ids []string) {
	w.Helper()
	for _, eventType := range types {
		w.update(func(tx *store.Tx) error {
			id, err := insertEvent(tx, member, eventType, w.now())
			ids = append(ids, id)
			return err
		})
	}
	return ids
}

var ends = []string{"member.deactivated", "member.contained", "member.removed", "session.revoked"}

// insertEvent writes an event as the engine does.
func insertEvent(tx *store.Tx, member, eventType string, at time.Time) (string, error) {
	seq, err := tx.NextSeq("member", member)
	if err != nil {
		return "", err
	}
	id := fmt.Sprintf("evt_%s-%d", member, seq)
	body := fmt.Appendf(nil, `{"type":%q,"timestamp":"2026-11-21T08:00:00.412907Z","data":{"workspace":"acme","member":%q,"seq":%d,"epoch":7,`+
		`"attributes":["name","access_end"],"cause":{"connection":"okta","class":"E1","run":"run-1","change":"c"}}}`, eventType, member, seq)
	return id, tx.InsertEvents([]store.EventRow{{
		SubjectType: "member", Subject: member, Seq: seq, ID: id, Type: eventType,
		Leaver: slices.Contains(ends, eventType), Leaf: seq, At: workspace.At(at), Run: "run-1", Body: body,
	}})
}

// until waits for a condition; what says which one.
func (w *world) until(what string, ok func() bool) {
	w.Helper()
	end := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(end) {
			w.Fatalf("in vain: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// waiting lists the lines of a sink in which something waits.
func (w *world) waiting(sink string) (lines []store.WaitingLine) {
	w.view(func(r *store.Reader) (err error) {
		lines, err = r.Waiting(sink, 1000)
		return err
	})
	return lines
}

// idle waits until nothing waits for a sink.
func (w *world) idle(sink string) {
	w.Helper()
	w.until(sink+" has everything", func() bool { return len(w.waiting(sink)) == 0 })
}

// arrival is one call at a receiver.
type arrival struct {
	id, member, eventType string
	seq                   int64
	covers                [2]int64
	header                http.Header
	path                  string
	body                  []byte
	at                    time.Time
}

// receiver is a real HTTP server. Its answer decides; nil is 204.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	all    []arrival
	answer func(w http.ResponseWriter, a arrival)
}

func newReceiver(t testing.TB, answer func(w http.ResponseWriter, a arrival)) *receiver {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// ServeHTTP notes the call, then answers.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	a := arrival{id: req.Header.Get("webhook-id"), header: req.Header.Clone(), path: req.URL.Path, body: body, at: time.Now()}
	var said struct {
		Type string `json:"type"`
		Data struct {
			Member string   `json:"member"`
			Seq    int64    `json:"seq"`
			Covers [2]int64 `json:"covers"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &said) == nil {
		a.eventType, a.member, a.seq, a.covers = said.Type, said.Data.Member, said.Data.Seq, said.Data.Covers
	}
	r.mu.Lock()
	r.all = append(r.all, a)
	answer := r.answer
	r.mu.Unlock()
	if answer == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answer(w, a)
}

// set changes the answer.
func (r *receiver) set(answer func(w http.ResponseWriter, a arrival)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *receiver) arrivals() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// ids lists the ids that arrived, of one member or of all ("").
func (r *receiver) ids(member string) (ids []string) {
	for _, a := range r.arrivals() {
		if member == "" || a.member == member {
			ids = append(ids, a.id)
		}
	}
	return ids
}

func status(code int) func(http.ResponseWriter, arrival) {
	return func(w http.ResponseWriter, _ arrival) { w.WriteHeader(code) }
}

// secretFile writes a secret and gives its reference.
func secretFile(t testing.TB, text string) secret.Ref {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ref, err := secret.ParseRef("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// hooked is a configuration of webhooks on loopback.
func hooked(t testing.TB, receivers ...*receiver) Config {
	c := Config{AllowPrivateNetworks: []string{"127.0.0.0/8"}}
	for i, r := range receivers {
		c.Webhooks = append(c.Webhooks, Webhook{ID: fmt.Sprintf("s%d", i), URL: r.URL + "/hook", Secret: Secrets{secretFile(t, testSecret)}})
	}
	return c
}

// signingKey makes a key and its PEM file.
func signingKey(t testing.TB) (*ecdsa.PrivateKey, secret.Ref) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, secretFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})))
}

// decode reads a part of a compact token.
func decode(t testing.TB, token string, part int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no compact token", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[part])
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
