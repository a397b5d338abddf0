package pull_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	stdsync "sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/sync/oidc/pull"
	"github.com/rollcall-sync/rollcall/sync/sourcetest"
)

// kindsUnderTest are the APIs whose fakes exist.
var kindsUnderTest = []string{oidc.Graph, oidc.Okta, oidc.Google, oidc.Keycloak, oidc.SCIM}

// rig is a fake with a configuration that reads it.
type rig struct {
	t      testing.TB
	kind   string
	fake   *fakeidp.Server
	scim   *fakeidp.SCIM
	cfg    oidc.Config
	opt    pull.Options
	key    string // path of the secret
	pauses pauses
}

// pauses records waits, which pass at once: the fake's clock is wound on.
type pauses struct {
	mu   stdsync.Mutex
	all  []time.Duration
	wind func(time.Duration)
}

func (p *pauses) pause(ctx context.Context, d time.Duration) error {
	p.mu.Lock()
	p.all = append(p.all, d)
	p.mu.Unlock()
	if p.wind != nil {
		p.wind(d)
	}
	return ctx.Err()
}

var (
	ecKey  = stdsync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	rsaKey = stdsync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// pemOf writes a private key as PKCS #8.
func pemOf(key crypto.Signer) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))}))
}

// canary begins every secret and token of these tests.
const canary = "canary-7c1f-"

// secretFile writes a secret that only we may read.
func secretFile(t testing.TB, text string) (secret.Ref, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return must(secret.ParseRef("file:" + path)), path
}

// newRig starts the fake of a kind, empty.
func newRig(t testing.TB, kind string) *rig {
	t.Helper()
	r := &rig{t: t, kind: kind}
	r.cfg = oidc.Config{AllowPrivateNetworks: []string{"127.0.0.0/8"}}
	d := &r.cfg.Directory
	d.Kind, d.Rate = kind, 10_000
	tokens := &fakeidp.Tokens{ClientID: "reader", ClientSecret: canary + "secret", Prefix: canary}
	a := &d.Auth
	a.ClientID = "reader"
	switch kind {
	case oidc.Graph:
		tokens.Key = rsaKey().Public()
		g := fakeidp.NewGraph(tokens)
		r.fake, r.cfg.Issuer, r.cfg.Tenant = g.Server, g.Issuer(), fakeidp.GraphTenant
		d.APIBase, a.Method = g.URL, "private_key_jwt"
		a.Key, r.key = secretFile(t, pemOf(rsaKey()))
	case oidc.Okta:
		tokens.Key, tokens.DPoP = ecKey().Public(), true
		o := fakeidp.NewOkta(tokens)
		r.fake, r.cfg.Issuer = o.Server, o.URL
		d.APIBase, a.Method = o.URL, "private_key_jwt"
		a.Key, r.key = secretFile(t, pemOf(ecKey()))
	case oidc.Google:
		tokens.Key, tokens.Account, tokens.Subject = rsaKey().Public(), "rollcall@acme.iam.example", "reader@acme.com"
		g := fakeidp.NewGoogle(tokens)
		r.fake, r.cfg.Issuer = g.Server, "https://accounts.google.com"
		d.APIBase, a.Method, a.Subject, a.ClientID, a.TokenEndpoint = g.URL, "google_jwt", "reader@acme.com", "", g.URL+"/token"
		account := must(json.Marshal(map[string]string{
			"type": "service_account", "client_email": tokens.Account, "private_key_id": "k1", "private_key": pemOf(rsaKey()), "token_uri": "https://thief.example/token",
		}))
		a.Key, r.key = secretFile(t, string(account))
	case oidc.Keycloak:
		k := fakeidp.NewKeycloak(tokens)
		r.fake, r.cfg.Issuer = k.Server, k.Issuer()
		a.Method = "client_secret_basic"
		a.ClientSecret, r.key = secretFile(t, tokens.ClientSecret)
	case oidc.SCIM:
		tokens.Fixed = canary + "fixed"
		r.scim = fakeidp.NewSCIM(tokens)
		r.fake, r.cfg.Issuer = r.scim.Server, r.scim.URL
		d.APIBase, a.Method, a.ClientID = r.scim.URL+"/scim/v2", "bearer", ""
		a.Token, r.key = secretFile(t, tokens.Fixed)
	}
	t.Cleanup(r.fake.Close)
	r.pauses.wind = r.fake.Wind
	r.opt = pull.Options{Connection: "dir", Now: r.fake.Now, Pause: r.pauses.pause}
	return r
}

// staff adds n people, u001 and on, and gives their ids.
func (r *rig) staff(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = r.person(fmt.Sprintf("u%03d", i+1))
	}
	return ids
}

func (r *rig) person(name string) string {
	return r.fake.Add(fakeidp.Person{UserName: name + "@acme.com", Email: name + "@acme.com", Given: "Person", Family: name, Dept: "Sales"})
}

// named is a mapped group.
func (r *rig) named(names ...string) {
	for _, n := range names {
		r.opt.Mapped = append(r.opt.Mapped, pull.Group{ID: n, Name: n})
	}
}

// readOnce is a rig with so many people who were read once, and the cursor of
// that.
func readOnce(t testing.TB, kind string, people int) (*rig, []string, pull.Directory, sync.Cursor) {
	t.Helper()
	r := newRig(t, kind)
	ids := r.staff(people)
	s := r.source()
	_, cursor := r.full(s)
	return r, ids, s, cursor
}

func (r *rig) source() pull.Directory {
	r.t.Helper()
	s, err := pull.New(r.cfg, r.opt)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return s
}

func (r *rig) ctx() context.Context {
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	r.t.Cleanup(cancel)
	return ctx
}

// full reads everything, and wants that to be whole.
func (r *rig) full(s sync.Source) (*sourcetest.Collector, sync.Cursor) {
	r.t.Helper()
	c := &sourcetest.Collector{}
	cursor, err := s.Full(r.ctx(), sync.Cursor{}, c)
	if err != nil {
		r.t.Fatal(err)
	}
	if !c.Whole() {
		r.t.Fatal("the read was not whole")
	}
	return c, cursor
}

// delta reads what changed.
func (r *rig) delta(s sync.Source, from sync.Cursor) (*sourcetest.Collector, sync.Cursor) {
	r.t.Helper()
	c := &sourcetest.Collector{}
	next, err := s.Delta(r.ctx(), from, c)
	if err != nil {
		r.t.Fatal(err)
	}
	return c, next
}
