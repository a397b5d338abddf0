package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/api"
	"github.com/rollcall-sync/rollcall/internal/fakeidp"
	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/scim"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/sync/oidc"
	"github.com/rollcall-sync/rollcall/sync/oidc/pull"
	"github.com/rollcall-sync/rollcall/workspace"
)

// sequenceRules is the mapping: roles and numbers by groups of the directory
// that is polled, a workspace group by one that is pushed. %s is a row that
// comes and goes with a reload.
const sequenceRules = `
version: 1
owner: dan@acme.com
default_country: "NO"
source_groups:
  phone-admins: {dir: {name: phone-admins}}
  desk: {dir: {name: desk}}
  sales: {push: {name: sales}}
pools:
  oslo: {prefix: "+4722"}
eligible: {id: e-staff, if: {not: {attr: title, eq: Contractor}}}
roles:
  - {id: r-admin, role: admin, if: {group: phone-admins}}
  - {id: r-member, role: member}
groups:
  - {id: g-sales, to: Sales, if: {group: sales}}
%s
numbers:
  - {id: n-desk, access: exclusive, if: {group: desk}, from: [keep, reserved, {pool: oslo}]}
`

// otherRow is in every second mapping.
const otherRow = `  - {id: g-all, to: Team, if: {active: true}}`

// sequenceWorld is Rollcall as the daemon wires it, with a directory API that
// it polls (dir), a client that pushes the same people (push), and an OpenID
// provider at which they sign in (sso).
type sequenceWorld struct {
	url    string
	fake   *fakeidp.Server
	open   *openID
	dir    oidc.Config
	sso    oidc.Config
	ring   *oidc.Ring
	brake  sync.Brake
	other  bool // the mapping has otherRow
	bearer string

	store    *store.Store
	engine   *sync.Engine
	source   pull.Directory
	polled   sync.Polled
	provider *oidc.Provider
	scim     *scim.Handler
	signIn   *api.SignIn
	door     *httptest.Server // SCIM and sign-in, over HTTP

	mu    stdsync.Mutex
	fuse  int      // statements until the crash, 0 for none
	dead  bool     // the daemon has crashed: nothing is written any more
	asked []string // people whom a signal wants to be asked about
}

func newSequenceWorld(t testing.TB, url, kind string) *sequenceWorld {
	t.Helper()
	w := &sequenceWorld{url: url, ring: oidc.NewRing(secretFile(t, "k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n"))}
	w.fake, w.dir = newAPI(t, kind)
	w.open = newOpenID(w.fake.Now)
	t.Cleanup(w.open.Close)
	w.sso = oidc.Config{
		Issuer: w.open.URL, AllowPrivateNetworks: []string{"127.0.0.0/8"},
		SignIn:   oidc.SignIn{ClientID: openIDClient, ClientSecret: secretFile(t, canary+"sso"), Scopes: []string{"openid", "offline_access"}, Records: "dir"},
		Liveness: oidc.Liveness{Every: 15 * time.Minute},
		Signals:  oidc.Signals{BackchannelLogout: true, SSF: oidc.SSF{Mode: "push", Config: w.open.URL + "/ssf"}},
	}
	return w
}

// start starts the daemon, again after a crash.
func (w *sequenceWorld) start(ctx context.Context) error {
	w.mu.Lock()
	w.fuse, w.dead, w.asked = 0, false, nil
	w.mu.Unlock()
	var err error
	if w.store, err = store.Open(ctx, store.Options{URL: w.url, AutoMigrate: true, AllowNoFsync: true, Now: w.fake.Now, Trace: w.burn}); err != nil {
		return err
	}
	row := ""
	if w.other {
		row = otherRow
	}
	rules, err := mapping.Load(fmt.Appendf(nil, sequenceRules, row), mapping.LoadOptions{Connections: []string{"dir", "push", "sso"}, File: "mapping.yaml"})
	if err != nil {
		return err
	}
	policy := workspace.Default()
	policy.Approve, policy.Limits = []string{}, workspace.Limits{}
	w.engine, err = sync.New(ctx, sync.Options{Store: w.store, Now: w.fake.Now, Workspaces: []sync.Workspace{{
		ID: "acme", Owners: []string{"dan@acme.com", "olga@acme.com"}, Rules: rules, Policy: policy,
		Connections: []sync.Connection{
			{ID: "dir", Kind: oidc.Kind, ActsAs: workspace.RoleAdmin, Reads: true, Brake: &w.brake, Domains: []string{"acme.com"}},
			{ID: "push", Kind: "scim", Profile: "okta", ActsAs: workspace.RoleAdmin, Brake: &w.brake, Domains: []string{"acme.com"}},
			{
				ID: "sso", Kind: oidc.Kind, ActsAs: workspace.RoleAdmin, Signals: true, TrustEmail: sync.TrustVerifiedClaim, Domains: []string{"acme.com"},
				SignIn: sync.SignInTerms{Records: "dir", Every: w.sso.Liveness.Every},
			},
		},
		Leavers: sync.Leavers{Grace: 7 * 24 * time.Hour, RestoreWindow: 90 * 24 * time.Hour},
		Domains: sync.DomainTerms{AutoJoin: sync.AutoJoinOn, Evidence: sync.EvidenceRows()},
	}}})
	if err != nil {
		return err
	}
	w.source, err = pull.New(w.dir, pull.Options{
		Connection: "dir", Sentinel: "sentinel@acme.com", Now: w.fake.Now, Groups: w.groups,
		Mapped: []pull.Group{{ID: "phone-admins", Name: "phone-admins"}, {ID: "desk", Name: "desk"}},
		Pause: func(ctx context.Context, d time.Duration) error {
			w.fake.Wind(d)
			return ctx.Err()
		},
	})
	if err != nil {
		return err
	}
	w.polled = sync.Polled{Workspace: "acme", Connection: "dir", Source: w.source, MinExpected: 1}
	if w.provider, err = oidc.New(w.sso, oidc.Options{Connection: "sso", Ring: w.ring, Now: w.fake.Now}); err != nil {
		return err
	}
	return w.serve()
}

// serve opens the public listener.
func (w *sequenceWorld) serve() (err error) {
	w.door = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/scim/") {
			w.scim.ServeHTTP(rw, r)
		} else {
			w.signIn.ServeHTTP(rw, r)
		}
	}))
	w.door.Start()
	w.scim, err = scim.NewHandler(scim.Options{
		Engine: w.engine, Store: w.store, Now: w.fake.Now, PublicURL: w.door.URL, Terms: func(string, string) scim.Terms { return scim.Terms{Rate: 1_000_000} },
	})
	if err != nil {
		return err
	}
	w.signIn, err = api.NewSignIn(api.SignInOptions{
		Engine: w.engine, Now: w.fake.Now, PublicURL: w.door.URL,
		Connections: []api.SignInConnection{{Workspace: "acme", ID: "sso", Provider: w.provider, SignIn: true, Backchannel: true, Push: true, Records: "dir"}},
		Ask: func(ctx context.Context, _, _, person, trigger string) error {
			if trigger == "signin" {
				return w.engine.Ask(ctx, w.polled, person, trigger)
			}
			w.mu.Lock() // the sequence decides when, or never if the daemon crashes
			defer w.mu.Unlock()
			w.asked = append(w.asked, person)
			return nil
		},
	})
	return err
}

// burn is told every statement of a unit of work; behind the last one that is
// left the daemon crashes, and no unit ends well any more.
func (w *sequenceWorld) burn(text string, _ int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fuse > 0 {
		if w.fuse--; w.fuse == 0 {
			w.dead = true
		}
	}
	if verb, _, _ := strings.Cut(text, " "); w.dead && slices.Contains([]string{"INSERT", "UPDATE", "DELETE", "SELECT", "WITH"}, verb) {
		panic("the daemon has crashed")
	}
}

func (w *sequenceWorld) light(statements int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fuse = statements
}

func (w *sequenceWorld) crashed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead
}

// stop ends the daemon; what does not reach the disk any more is lost, as in
// a crash.
func (w *sequenceWorld) stop() error {
	w.door.Close()
	w.signIn.Close()
	w.provider.Close()
	err := w.scim.Close(context.Background())
	if w.crashed() {
		err = nil
	}
	return errors.Join(err, w.source.Close(), w.store.Close())
}

// groups are the directory's groups that are known.
func (w *sequenceWorld) groups(context.Context) (ids []string, err error) {
	err = w.view(func(r *store.Reader) error {
		_, list, err := r.DirectoryGroups(store.UserQuery{Connection: "dir", Start: 1, Count: 1000})
		for i := range list {
			ids = append(ids, list[i].ExternalID)
		}
		return err
	})
	return ids, err
}

func (w *sequenceWorld) view(read func(r *store.Reader) error) error {
	return w.store.In("acme").View(context.Background(), read)
}

// prepare makes what no source brings: numbers, groups, the claimed domain and
// the token of the client that pushes.
func (w *sequenceWorld) prepare(ctx context.Context) error {
	var edits []sync.Edit
	for _, g := range []string{"Sales", "Team"} {
		edits = append(edits, sync.Edit{Kind: sync.EditGroupNew, Name: g})
	}
	for i := range 9 {
		edits = append(edits, sync.Edit{Kind: sync.EditImport, Import: &sync.NumberImport{E164: fmt.Sprintf("+472200000%d", i), Name: "line", Type: "local", Pool: "oslo"}})
	}
	res, err := w.engine.Edit(ctx, sync.EditBatch{Workspace: "acme", As: "dan@acme.com", Kind: workspace.ActorOperator, Channel: workspace.ChannelCLI, Edits: edits})
	if err != nil || res.Counts.Applied != len(edits) {
		return fmt.Errorf("preparing: %+v, %w", res.Counts, err)
	}
	token, err := scim.NewToken()
	if err != nil {
		return err
	}
	w.bearer = token.Reveal()
	at := workspace.At(w.fake.Now())
	return w.store.In("acme").Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		if err := tx.PutDomain(workspace.DomainClaim{Domain: "acme.com", State: workspace.DomainVerified, ClaimedAt: at, VerifiedAt: at, CheckedAt: at, Version: 1}); err != nil {
			return err
		}
		return tx.InsertToken(store.TokenRow{ID: token.ID, Connection: "push", Hash: token.Hash(), CreatedAt: at, ExpiresAt: workspace.At(w.fake.Now().AddDate(5, 0, 0))})
	})
}

// call sends one request of the client that pushes, and gives status and body;
// status 0 says that no answer came.
func (w *sequenceWorld) call(method, path string, body any) (int, map[string]any) {
	return w.post(method, w.door.URL+"/scim/v2"+path, body, "application/scim+json", "Bearer "+w.bearer)
}

// post sends a request; a text is sent as it is, all else as JSON.
func (w *sequenceWorld) post(method, url string, body any, media, authorization string) (int, map[string]any) {
	text, plain := body.(string)
	if !plain && body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		text = string(b)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, url, bytes.NewReader([]byte(text)))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", media)
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	res, err := noRedirects.Do(req)
	if err != nil {
		return 0, nil
	}
	answer, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return 0, nil
	}
	var v map[string]any
	if len(answer) > 0 && json.Unmarshal(answer, &v) != nil {
		v = map[string]any{"text": string(answer)}
	}
	return res.StatusCode, v
}

var noRedirects = &http.Client{
	Timeout:       time.Minute,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}
