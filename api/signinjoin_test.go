package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// newJoining is a world whose claimed domain lets accounts of idp join.
func newJoining(t *testing.T, mode sync.AutoJoin) *signingIn {
	t.Helper()
	x := newSigningIn(t, "https://rollcall.acme.com")
	e, err := sync.New(t.Context(), sync.Options{Store: x.store, Now: x.now, Workspaces: []sync.Workspace{{
		ID: "acme", Name: "Acme Inc", Owners: []string{"ann@acme.com", "olga@acme.com"},
		Connections: []sync.Connection{
			{ID: "phone", Kind: "api"},
			{ID: "sso", Kind: "oidc", ActsAs: workspace.RoleAdmin, TrustEmail: sync.TrustVerifiedClaim, Domains: []string{"acme.org"}},
		},
		Domains: sync.DomainTerms{AutoJoin: mode, Evidence: sync.EvidenceRows()},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	x.engine, x.s.opt.Engine = e, e
	x.s.of["sso"].Claims, x.s.of["sso"].Records = true, "sso"
	err = x.store.In("acme").Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
		at := workspace.At(x.now())
		return tx.PutDomain(workspace.DomainClaim{Domain: "acme.org", State: workspace.DomainVerified, ClaimedAt: at, VerifiedAt: at, ProvedAt: at, Version: 1})
	})
	if err != nil {
		t.Fatal(err)
	}
	x.proves("yan@acme.org", "Yan Li", true)
	return x
}

// proves makes the provider prove an account.
func (x *signingIn) proves(email, name string, verified bool) {
	x.idp.who = sync.SignedIn{
		Issuer: "https://idp.acme.com", Subject: "u-" + email, SeenAt: x.now(), Grant: "sealed-grant",
		Identity: workspace.Identity{ExternalID: "u-" + email, UserName: email, Email: email, Name: name, Active: true, Attributes: workspace.Attributes{"email": {email}}},
		Evidence: sync.Evidence{Email: email, At: x.now(), Connection: "sso", Subject: "u-" + email, EmailVerified: verified},
	}
}

// back ends the attempt at the provider.
func (x *signingIn) back(path string) (answered, string) {
	attempt, state := x.begin(path)
	return x.do(visit("/signin/sso/callback?code=c&state="+state), attempt)
}

// offered signs somebody in who may join: the cookie of the offer.
func (x *signingIn) offered(path string) *http.Cookie {
	x.t.Helper()
	res, body := x.back(path)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/signin/sso/join" {
		x.t.Fatalf("%d %s", res.StatusCode, body)
	}
	for _, c := range res.Cookies() {
		if c.Name == "__Host-rollcall-offer" && c.HttpOnly && c.Secure && c.SameSite == http.SameSiteLaxMode {
			return c
		}
	}
	x.t.Fatalf("no cookie of an offer: %v", res.Cookies())
	return nil
}

func press(form url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/signin/sso/join", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

// list is the first page of a listing.
func (x *signingIn) list(path string) []any {
	x.t.Helper()
	return x.as("").get(path + "?limit=200").is(200).at("items").([]any)
}

// state of a member, "" for none; and how many runs there are.
func (x *signingIn) state(email string) (state string, runs int) {
	x.t.Helper()
	for _, m := range x.list("/v1/members") {
		if m.(obj)["email"] == email {
			state = m.(obj)["state"].(string)
		}
	}
	return state, len(x.list("/v1/runs"))
}

// OS3: who signs in and may join is shown workspace, role, price and what
// happens; until the button is pressed nothing has happened, and it is pressed
// once, in the same browser, on our own page.
func TestSignInOffersJoin(t *testing.T) {
	t.Parallel()
	x := newJoining(t, sync.AutoJoinOn)
	offer := x.offered("/signin/sso?state=abc&return=" + url.QueryEscape("https://phone.acme.com/after"))
	state, runs := x.state("yan@acme.org")
	if state != "" {
		t.Fatalf("joined without a press: %s", state)
	}
	for range 2 { // a reload changes nothing
		res, page := x.do(visit("/signin/sso/join"), offer)
		if res.StatusCode != http.StatusOK || !strings.Contains(res.Header.Get("Content-Security-Policy"), "form-action 'self' https://phone.acme.com;") {
			t.Errorf("%d %v", res.StatusCode, res.Header)
		}
		for _, word := range []string{"Join existing workspace", "Acme Inc", "<dd>Member</dd>", "yan@acme.org", "Yan Li", `method="post" action="/signin/sso/join"`, "$", "Nothing has happened yet", "are signed in"} {
			if !strings.Contains(page, word) {
				t.Errorf("the page has no %q:\n%s", word, page)
			}
		}
		if strings.Contains(page, `name="name"`) {
			t.Errorf("the provider's name is asked for: %s", page)
		}
	}
	foreign := press(nil)
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	if res, _ := x.do(foreign, offer); res.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form: %d", res.StatusCode)
	}
	if res, page := x.do(press(nil)); res.StatusCode != http.StatusForbidden || !strings.Contains(page, "OS3") && !strings.Contains(page, "offered nothing") {
		t.Errorf("another browser: %d %s", res.StatusCode, page)
	}
	if state, now := x.state("yan@acme.org"); state != "" || now != runs {
		t.Fatalf("before the press: %q, %d runs more", state, now-runs)
	}
	res, page := x.do(press(nil), offer)
	to, err := url.Parse(res.Header.Get("Location"))
	if err != nil || res.StatusCode != http.StatusSeeOther || to.Host != "phone.acme.com" || to.Query().Get("state") != "abc" {
		t.Fatalf("%d %s %s", res.StatusCode, to, page)
	}
	got := x.as("").post("/v1/sessions/redeem", obj{"code": to.Query().Get("code")}).is(200)
	if m := got.body.(obj)["member"].(obj); got.body.(obj)["live"] != true || m["email"] != "yan@acme.org" || m["role"] != "member" {
		t.Errorf("%v", got.body)
	}
	err = x.store.In("acme").View(t.Context(), func(r *store.Reader) error {
		g, err := r.Grant("sso", "u-yan@acme.org")
		if g.Sealed != "sealed-grant" {
			t.Errorf("the grant is lost: %+v", g)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if res, _ := x.do(press(nil), offer); res.StatusCode != http.StatusForbidden {
		t.Errorf("the second press: %d", res.StatusCode)
	}
	if res, page := x.back("/signin/sso"); res.StatusCode != http.StatusOK {
		t.Errorf("the next sign-in: %d %s", res.StatusCode, page)
	}
}

// An offer is good for ten minutes, and says at once when it is so no more.
func TestOfferEnds(t *testing.T) {
	t.Parallel()
	x := newJoining(t, sync.AutoJoinOn)
	offer := x.offered("/signin/sso")
	x.pass(10 * time.Minute)
	for _, r := range []*http.Request{visit("/signin/sso/join"), press(nil)} {
		if res, page := x.do(r, offer); res.StatusCode != http.StatusForbidden || !strings.Contains(page, "ten minutes") {
			t.Errorf("%s: %d %s", r.Method, res.StatusCode, page)
		}
	}
	x.proves("yan@acme.org", "", true)
	offer = x.offered("/signin/sso")
	if res, page := x.do(press(url.Values{"name": {" "}}), offer); res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(page, `name="name"`) || !strings.Contains(page, "Your name is missing.") {
		t.Errorf("without a name: %d %s", res.StatusCode, page)
	}
	// The domain is lost while the page is open.
	err := x.store.In("acme").Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
		c, err := tx.Domain("acme.org")
		if err != nil {
			return err
		}
		c.State, c.Version = workspace.DomainLapsed, c.Version+1
		return tx.PutDomain(c)
	})
	if err != nil {
		t.Fatal(err)
	}
	if res, page := x.do(press(url.Values{"name": {"Yan"}}), offer); res.StatusCode != http.StatusForbidden || strings.Contains(page, "Join existing workspace") {
		t.Errorf("after the lapse: %d %s", res.StatusCode, page)
	}
	if state, _ := x.state("yan@acme.org"); state != "" {
		t.Error(state)
	}
}

// DC7: the domains of the tenant are asked for when somebody may join, and go
// with the evidence; that they cannot be read is no word about the person.
func TestSignInReadsTenantDomains(t *testing.T) {
	t.Parallel()
	x := newJoining(t, sync.AutoJoinOn)
	var err error
	x.engine, err = sync.New(t.Context(), sync.Options{Store: x.store, Now: x.now, Workspaces: []sync.Workspace{{
		ID: "acme", Name: "Acme Inc", Owners: []string{"ann@acme.com", "olga@acme.com"},
		Connections: []sync.Connection{{ID: "sso", Kind: "oidc", ActsAs: workspace.RoleAdmin, Provider: sync.ProviderEntra, Tenant: "t-1", Domains: []string{"acme.org"}}},
		Domains:     sync.DomainTerms{AutoJoin: sync.AutoJoinOn, Evidence: sync.EvidenceRows()},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	x.s.opt.Engine = x.engine
	x.idp.who.Evidence.Tenant, x.idp.who.Evidence.UPN = "t-1", "yan@acme.org"
	if res, page := x.back("/signin/sso"); res.StatusCode != http.StatusForbidden || !strings.Contains(page, "verified domains") {
		t.Errorf("nobody tells the domains: %d %s", res.StatusCode, page)
	}
	for _, row := range []struct {
		domains []string
		err     error
		status  int
	}{
		{[]string{"other.org"}, nil, http.StatusForbidden},
		{nil, errors.New("canary-graph"), http.StatusServiceUnavailable},
		{[]string{"acme.onmicrosoft.com", "ACME.org"}, nil, http.StatusSeeOther},
	} {
		x.s.of["sso"].TenantDomains = func(context.Context) ([]string, error) { return row.domains, row.err }
		if res, page := x.back("/signin/sso"); res.StatusCode != row.status || strings.Contains(page, "canary") {
			t.Errorf("%v: %d %s", row.domains, res.StatusCode, page)
		}
	}
	offer := x.offered("/signin/sso")
	x.s.of["sso"].TenantDomains = nil // what was proved is not asked for again
	if res, page := x.do(press(nil), offer); res.StatusCode != http.StatusOK {
		t.Errorf("%d %s", res.StatusCode, page)
	}
}

// With auto_join: request the button asks, and a person decides.
func TestSignInAsksToJoin(t *testing.T) {
	t.Parallel()
	x := newJoining(t, sync.AutoJoinRequest)
	offer := x.offered("/signin/sso")
	req := visit("/signin/sso/join")
	req.Header.Set("Accept", "application/json")
	_, body := x.do(req, offer)
	var p screen
	if err := json.Unmarshal([]byte(body), &p); err != nil || p.Join == nil || p.Join.Workspace != "Acme Inc" || p.Join.Role != "Member" || p.Join.Waits == "" {
		t.Fatalf("%s, %v", body, err)
	}
	if _, page := x.do(visit("/signin/sso/join"), offer); !strings.Contains(page, ">Ask to join</button>") {
		t.Error(page)
	}
	holds := func() int { return len(x.list("/v1/holds")) }
	if n := holds(); n != 0 {
		t.Errorf("%d wishes before the press", n)
	}
	if res, page := x.do(press(nil), offer); res.StatusCode != http.StatusAccepted || !strings.Contains(page, "waits") {
		t.Fatalf("%d %s", res.StatusCode, page)
	}
	if state, _ := x.state("yan@acme.org"); state != "" || holds() != 1 {
		t.Errorf("%q, %d wishes", state, holds())
	}
}

// DC7: who may not join is told so at once, and the refusal is on record.
func TestSignInRefusesJoin(t *testing.T) {
	t.Parallel()
	x := newJoining(t, sync.AutoJoinOn)
	x.proves("yan@acme.org", "Yan", false)
	_, before := x.state("")
	res, page := x.back("/signin/sso")
	if res.StatusCode != http.StatusForbidden || !strings.Contains(page, "email_verified") {
		t.Errorf("%d %s", res.StatusCode, page)
	}
	for _, c := range res.Cookies() {
		if c.MaxAge > 0 {
			t.Errorf("cookie %s", c.Name)
		}
	}
	if _, now := x.state(""); now != before+2 { // the sign-in's refusal, and the join's
		t.Errorf("%d reports, was %d", now, before)
	}
}
