package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// actor is a provider that says what a test tells it to.
type actor struct {
	mu      stdsync.Mutex
	begun   sync.Attempt
	who     sync.SignedIn
	err     error
	signals sync.Signals
}

func (a *actor) Begin(_ context.Context, at sync.Attempt) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begun = at
	return "https://idp.acme.com/auth?state=" + url.QueryEscape(at.State), a.err
}

func (a *actor) Finish(_ context.Context, at sync.Attempt, query url.Values) (sync.SignedIn, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at != a.begun || query.Get("state") != at.State {
		return sync.SignedIn{}, errors.New("the attempt is not the one that was begun")
	}
	return a.who, a.err
}

func (a *actor) Logout(context.Context, string) (sync.Signals, error) { return a.signals, a.err }

func (a *actor) Set(_ context.Context, token string) (sync.Signals, error) {
	if token != "a.b.c" {
		return sync.Signals{}, errors.New("the body came otherwise")
	}
	return a.signals, a.err
}

// signingIn is a world whose max signs in through sso.
type signingIn struct {
	*world
	s     *SignIn
	idp   *actor
	asked chan string
}

func newSigningIn(t *testing.T, public string) *signingIn {
	t.Helper()
	w := newWorld(t, nil)
	terms := []sync.Connection{
		{ID: "phone", Kind: "api"},
		{ID: "okta", Kind: "scim", Profile: "okta", ActsAs: workspace.RoleAdmin},
		{ID: "sso", Kind: "oidc", ActsAs: workspace.RoleAdmin, SignIn: sync.SignInTerms{Records: "okta"}},
	}
	var err error
	w.engine, err = sync.New(t.Context(), sync.Options{Store: w.store, Now: w.now, Workspaces: []sync.Workspace{
		{ID: "acme", Name: "Acme Inc", Owners: []string{"ann@acme.com", "olga@acme.com"}, Connections: terms},
		{ID: "other", Name: "Other Inc", Owners: []string{"eve@other.com"}, Connections: terms[:1]},
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.serve()
	row := sync.PolledRow(workspace.Identity{
		ExternalID: "u-zoe", UserName: "zoe", Email: "zoe@acme.com", Name: "Zoe", Active: true,
		Attributes: workspace.Attributes{"userName": {"zoe"}, "email": {"zoe@acme.com"}, "active": {"true"}}, Document: []byte("{}"),
	})
	if _, err := w.engine.Apply(t.Context(), sync.Batch{
		Workspace: "acme", Connection: "okta", Kind: sync.RunSCIM, Channel: workspace.ChannelSCIM, SeenAt: w.now(), Identities: []sync.IdentityObservation{{Row: row}},
	}); err != nil {
		t.Fatal(err)
	}
	x := &signingIn{world: w, idp: &actor{}, asked: make(chan string, 10)}
	x.idp.who = sync.SignedIn{Issuer: "https://idp.acme.com", Subject: "u-zoe", SeenAt: w.now(), Identity: workspace.Identity{ExternalID: "u-zoe", UserName: "zoe", Active: true}}
	x.s, err = NewSignIn(SignInOptions{
		Engine: w.engine, Now: w.now, PublicURL: public,
		Connections: []SignInConnection{{
			Workspace: "acme", ID: "sso", Provider: x.idp, SignIn: true, Backchannel: true, Push: true, Records: "okta",
			ReturnTo:   []string{"https://phone.acme.com/after", "https://other.acme.com"},
			Authorized: func(bearer string) bool { return bearer == "letmein" },
		}},
		Ask: func(_ context.Context, ws, connection, person, trigger string) error {
			x.asked <- ws + " " + connection + " " + person + " " + trigger
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.s.Close)
	return x
}

// answered is an answer whose body was read.
type answered struct {
	StatusCode int
	Status     string
	Header     http.Header
	cookies    []*http.Cookie
}

// Cookies are those that the answer sets.
func (a answered) Cookies() []*http.Cookie { return a.cookies }

// do sends a request with cookies, and gives the answer with its body.
func (x *signingIn) do(req *http.Request, cookies ...*http.Cookie) (answered, string) {
	x.t.Helper()
	for _, c := range cookies {
		req.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	x.s.ServeHTTP(rec, req)
	res := rec.Result()
	text, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		x.t.Fatal(err)
	}
	if res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Content-Security-Policy") == "" || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		x.t.Errorf("%s %s: headers %v", req.Method, req.URL.Path, res.Header)
	}
	return answered{res.StatusCode, res.Status, res.Header, res.Cookies()}, string(text)
}

func visit(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }

// begin begins a sign-in: the attempt's cookie and the state.
func (x *signingIn) begin(path string) (*http.Cookie, string) {
	x.t.Helper()
	res, body := x.do(visit(path))
	if res.StatusCode != http.StatusSeeOther || len(res.Cookies()) != 1 {
		x.t.Fatalf("%d %s", res.StatusCode, body)
	}
	to, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		x.t.Fatal(err)
	}
	return res.Cookies()[0], to.Query().Get("state")
}

// OS1: the attempt is bound to the browser by a cookie that scripts and other
// hosts cannot reach; over TLS it has the __Host- prefix.
func TestSignInCookies(t *testing.T) {
	t.Parallel()
	for public, want := range map[string]struct {
		prefix string
		secure bool
	}{"https://rollcall.acme.com": {"__Host-", true}, "http://127.0.0.1:8080": {"", false}} {
		x := newSigningIn(t, public)
		attempt, state := x.begin("/signin/sso")
		res, _ := x.do(visit("/signin/sso/callback?code=c&state="+state), attempt)
		if res.StatusCode != http.StatusOK || len(res.Cookies()) != 2 {
			t.Fatalf("%d, %v", res.StatusCode, res.Cookies())
		}
		if x.idp.begun.Redirect != public+"/signin/sso/callback" {
			t.Errorf("redirect URI %s", x.idp.begun.Redirect)
		}
		for _, c := range append(res.Cookies(), attempt) {
			if !c.HttpOnly || c.Secure != want.secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || !strings.HasPrefix(c.Name, want.prefix+"rollcall-") {
				t.Errorf("cookie %+v", c)
			}
		}
		if cleared := res.Cookies()[0]; cleared.Name != attempt.Name || cleared.MaxAge >= 0 {
			t.Errorf("the attempt's cookie stays: %+v", cleared)
		}
	}
}

// OS1: an answer counts for the browser and the attempt that asked, for ten
// minutes, and whoever changes where it returns to has no attempt any more.
func TestAttemptIsBound(t *testing.T) {
	t.Parallel()
	x := newSigningIn(t, "https://rollcall.acme.com")
	mine, state := x.begin("/signin/sso?return=https://phone.acme.com/after")
	other, _ := x.begin("/signin/sso")
	back := "/signin/sso/callback?code=c&state=" + state
	refused := func(name string, req *http.Request, cookies ...*http.Cookie) {
		t.Helper()
		if res, body := x.do(req, cookies...); res.StatusCode != http.StatusForbidden || !strings.Contains(body, "this browser") && !strings.Contains(body, "This browser") {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
	}
	refused("no cookie", visit(back))
	refused("another attempt's", visit(back), &http.Cookie{Name: mine.Name, Value: other.Value})
	refused("no state", visit("/signin/sso/callback?code=c"), mine)
	refused("another state", visit("/signin/sso/callback?code=c&state=x"), mine)
	a := &attempt{}
	decodeAttempt(t, mine.Value, a)
	a.Return = "https://evil.example/"
	refused("another address to return to", visit(back), &http.Cookie{Name: mine.Name, Value: a.encode()})
	x.pass(11 * time.Minute)
	refused("too late", visit(back), mine)
}

func decodeAttempt(t *testing.T, value string, a *attempt) {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, a); err != nil {
		t.Fatal(err)
	}
}

// A sign-in returns to addresses of the list alone, with a one-time code and
// the caller's own state.
func TestSignInReturns(t *testing.T) {
	t.Parallel()
	x := newSigningIn(t, "https://rollcall.acme.com")
	for to, good := range map[string]bool{
		"https://phone.acme.com/after": true, "https://phone.acme.com/after/deep?x=1": true, "https://PHONE.acme.com/after": true,
		"https://other.acme.com": true, "https://other.acme.com/x": true,
		"https://phone.acme.com/": false, "https://phone.acme.com/afterwards": false, "http://phone.acme.com/after": false,
		"https://phone.acme.com.evil.example/after": false, "https://evil.example/after": false, "//phone.acme.com/after": false,
		"https://a@phone.acme.com/after": false, "https://phone.acme.com:444/after": false, "https://phone.acme.com/after/../x": false,
		"https://phone.acme.com/after#x": false, `https://phone.acme.com\@evil.example/after`: false, "javascript:alert(1)": false,
		"https://phone.acme.com/after/%2e%2e/x": false,
	} {
		res, _ := x.do(visit("/signin/sso?return=" + url.QueryEscape(to)))
		if (res.StatusCode == http.StatusSeeOther) != good {
			t.Errorf("%s: %d", to, res.StatusCode)
		}
		x.pass(time.Minute)
	}
	attempt, state := x.begin("/signin/sso?state=abc&return=" + url.QueryEscape("https://phone.acme.com/after?x=1"))
	res, _ := x.do(visit("/signin/sso/callback?code=c&state="+state), attempt)
	to, err := url.Parse(res.Header.Get("Location"))
	if err != nil || res.StatusCode != http.StatusSeeOther || to.Host != "phone.acme.com" || to.Query().Get("state") != "abc" || to.Query().Get("x") != "1" {
		t.Fatalf("%d %s", res.StatusCode, to)
	}
	got := x.as("").post("/v1/sessions/redeem", obj{"code": to.Query().Get("code")}).is(200)
	if got.body.(obj)["live"] != true || got.body.(obj)["subject"] != "u-zoe" {
		t.Errorf("%v", got.body)
	}
	x.as("").post("/v1/sessions/redeem", obj{"code": to.Query().Get("code")}).is(404)
	ended := x.as("").post("/v1/sessions/"+got.text("id")+"/end", obj{"note": "signed out"}).is(200)
	if ended.body.(obj)["live"] != false || ended.text("ended_why") != "signed out" {
		t.Errorf("%v", ended.body)
	}
}

// The browser's own session: its facts, and its end.
func TestBrowserSession(t *testing.T) {
	t.Parallel()
	x := newSigningIn(t, "https://rollcall.acme.com")
	if res, _ := x.do(visit("/session")); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a cookie: %d", res.StatusCode)
	}
	attempt, state := x.begin("/signin/sso")
	res, body := x.do(visit("/signin/sso/callback?code=c&state="+state), attempt)
	if strings.Contains(body, "code") && strings.Contains(body, `"code"`) {
		t.Errorf("the page shows the code: %s", body)
	}
	cookie := res.Cookies()[1]
	res, body = x.do(visit("/session"), cookie)
	var facts sessionView
	if err := json.Unmarshal([]byte(body), &facts); err != nil || res.StatusCode != http.StatusOK || !facts.Live || facts.Member.Email != "zoe@acme.com" {
		t.Fatalf("%d %s, %v", res.StatusCode, body, err)
	}
	foreign := httptest.NewRequest(http.MethodPost, "/session/end", nil)
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	if res, _ := x.do(foreign, cookie); res.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form: %d", res.StatusCode)
	}
	// EP5: the epoch is looked at each time.
	x.as("ann@acme.com").post("/v1/members/"+facts.Member.ID+"/sessions/end", nil).is(200)
	if res, _ := x.do(visit("/session"), cookie); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after the end of all sessions: %d", res.StatusCode)
	}
	attempt, state = x.begin("/signin/sso")
	res, _ = x.do(visit("/signin/sso/callback?code=c&state="+state), attempt)
	cookie = res.Cookies()[1]
	if res, body := x.do(httptest.NewRequest(http.MethodPost, "/session/end", nil), cookie); res.StatusCode != http.StatusOK || res.Cookies()[0].MaxAge >= 0 {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if res, _ := x.do(visit("/session"), cookie); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after signing out: %d", res.StatusCode)
	}
}

// OS2: an invitation that is opened with its own token, at a provider, links
// the account; its secret stands in no address, and another address's account
// accepts nothing (R18).
func TestSignInByInvitation(t *testing.T) {
	t.Parallel()
	x := newSigningIn(t, "https://rollcall.acme.com")
	x.s.of["sso"].Claims, x.s.of["sso"].Records = true, "sso"
	x.claims()
	sent := x.as("ann@acme.com").post("/v1/invitations", obj{"email": "guest@partner.org", "role": "member"}).is(201)
	open := func(secret, email string) (answered, string) {
		x.idp.who = sync.SignedIn{
			Issuer: "https://idp.acme.com", Subject: "u-" + email, SeenAt: x.now(),
			Identity: workspace.Identity{ExternalID: "u-" + email, UserName: email, Email: email, Name: "Guest", Active: true, Attributes: workspace.Attributes{}},
		}
		form := url.Values{"invitation": {sent.text("id")}, "secret": {secret}}
		req := httptest.NewRequest(http.MethodPost, "/signin/sso", strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, body := x.do(req)
		if res.StatusCode != http.StatusSeeOther || strings.Contains(res.Header.Get("Location"), secret) || strings.Contains(res.Cookies()[0].Value, secret) {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
		to, err := url.Parse(res.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		return x.do(visit("/signin/sso/callback?code=c&state="+to.Query().Get("state")), res.Cookies()[0])
	}
	if res, body := open("wrong", "guest@partner.org"); res.StatusCode != http.StatusForbidden || !strings.Contains(body, "secret") {
		t.Errorf("a wrong secret: %d %s", res.StatusCode, body)
	}
	if res, body := open(sent.text("secret"), "eve@partner.org"); res.StatusCode != http.StatusForbidden || !strings.Contains(body, "R18") {
		t.Errorf("another address: %d %s", res.StatusCode, body)
	}
	if res, body := open(sent.text("secret"), "guest@partner.org"); res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	attempt, state := x.begin("/signin/sso")
	if res, body := x.do(visit("/signin/sso/callback?code=c&state="+state), attempt); res.StatusCode != http.StatusOK {
		t.Errorf("the account is not linked: %d %s", res.StatusCode, body)
	}
}

// claims makes sso a connection whose people no directory knows.
func (x *signingIn) claims() {
	x.t.Helper()
	terms := []sync.Connection{{ID: "phone", Kind: "api"}, {ID: "okta", Kind: "scim", Profile: "okta", ActsAs: workspace.RoleAdmin}, {ID: "sso", Kind: "oidc", ActsAs: workspace.RoleAdmin}}
	e, err := sync.New(x.t.Context(), sync.Options{Store: x.store, Now: x.now, Workspaces: []sync.Workspace{
		{ID: "acme", Name: "Acme Inc", Owners: []string{"ann@acme.com", "olga@acme.com"}, Connections: terms},
	}})
	if err != nil {
		x.t.Fatal(err)
	}
	x.s.opt.Engine = e
}

// What goes wrong is told in words, and leaks nothing.
func TestSignInRefusals(t *testing.T) {
	t.Parallel()
	x := newSigningIn(t, "https://rollcall.acme.com")
	for name, row := range map[string]struct {
		err    error
		who    string
		status int
		text   string
	}{
		"nobody":        {nil, "u-nobody", 403, "No account"},
		"refused":       {&sync.SignInError{Rule: "OI2", Reason: "the token is <b>old</b>", Remedy: "begin again"}, "u-zoe", 403, "The token is &lt;b&gt;old&lt;/b&gt;."},
		"provider away": {sync.ErrProvider, "u-zoe", 503, "cannot be asked"},
		"ours":          {errors.New("canary-detail"), "u-zoe", 500, "Nothing was changed"},
		"store away":    {store.ErrUnavailable, "u-zoe", 503, "Nothing was changed"},
	} {
		x.pass(10 * time.Minute)
		attempt, state := x.begin("/signin/sso")
		x.idp.err, x.idp.who.Subject = row.err, row.who
		res, body := x.do(visit("/signin/sso/callback?code=c&state="+state), attempt)
		x.idp.err = nil
		if res.StatusCode != row.status || !strings.Contains(body, row.text) || strings.Contains(body, "canary") {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
		for _, c := range res.Cookies() {
			if strings.Contains(c.Name, "session") {
				t.Errorf("%s: a session all the same", name)
			}
		}
	}
	if got := <-x.asked; got != "acme okta u-nobody signin" {
		t.Errorf("the directory was asked about %q", got)
	}
	for _, path := range []string{"/signin/nope", "/signin/nope/callback", "/signin/sso/nope"} {
		if res, _ := x.do(visit(path)); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	req := visit("/signin/sso/callback?code=c&state=x")
	req.Header.Set("Accept", "application/json")
	if res, body := x.do(req); res.Header.Get("Content-Type") != "application/json" || !json.Valid([]byte(body)) {
		t.Errorf("%s: %s", res.Header.Get("Content-Type"), body)
	}
}

// An address begins 10 sign-ins a minute, after a burst.
func TestSignInRate(t *testing.T) {
	t.Parallel()
	x := newSigningIn(t, "https://rollcall.acme.com")
	n := 0
	for range 40 {
		if res, _ := x.do(visit("/signin/sso")); res.StatusCode == http.StatusSeeOther {
			n++
		} else if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" {
			t.Fatal(res.Status)
		}
	}
	if n != 2*signInsUsual {
		t.Errorf("%d at once", n)
	}
	x.pass(time.Minute)
	for n = 0; n < 40; n++ {
		if res, _ := x.do(visit("/signin/sso")); res.StatusCode != http.StatusSeeOther {
			break
		}
	}
	if n != 10 {
		t.Errorf("%d a minute", n)
	}
}
