package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// postbox keeps letters.
type postbox chan [2]string // to, code

func (p postbox) Send(_ context.Context, to, subject, text string) error {
	code := regexp.MustCompile(`\d{6}`).FindString(text)
	if !strings.Contains(subject, code) {
		code = "subject and text differ"
	}
	p <- [2]string{to, code}
	return nil
}

// visitor is a browser at the join pages.
type visitor struct {
	t      *testing.T
	base   string
	client *http.Client
	post   postbox
}

// joinPages serves the pages over a workspace that has claimed acme.org.
func joinPages(t *testing.T, w *world, mailer bool) *visitor {
	t.Helper()
	err := w.store.In("acme").Update(t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
		at := workspace.At(w.now())
		return tx.PutDomain(workspace.DomainClaim{Domain: "acme.org", State: workspace.DomainVerified, ClaimedAt: at, VerifiedAt: at, ProvedAt: at, Version: 1})
	})
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t: t, post: make(postbox, 10)}
	opt := JoinOptions{Engine: w.engine}
	if mailer {
		opt.Mailer = v.post
	}
	pages, err := NewJoin(opt)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(pages)
	t.Cleanup(func() { server.Close(); pages.Close() })
	v.base = server.URL
	return v.another()
}

// another is a second browser.
func (v *visitor) another() *visitor {
	v.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		v.t.Fatal(err)
	}
	c := *v
	c.client = &http.Client{Jar: jar}
	return &c
}

func (v *visitor) do(method, path string, form url.Values, head ...string) (int, string, http.Header) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	answer, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		v.t.Fatal(err)
	}
	return answer.StatusCode, string(text), answer.Header
}

// sees posts a form (or gets a page) and wants a status and words in it.
func (v *visitor) sees(status int, method, path string, form url.Values, words ...string) string {
	v.t.Helper()
	got, text, _ := v.do(method, path, form)
	if got != status {
		v.t.Fatalf("%s %s: %d, want %d\n%s", method, path, got, status, text)
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			v.t.Fatalf("%s %s has no %q:\n%s", method, path, word, text)
		}
	}
	return text
}

// letter waits for a code.
func (v *visitor) letter(to string) string {
	v.t.Helper()
	select {
	case l := <-v.post:
		if l[0] != to {
			v.t.Fatalf("a letter to %s, want %s", l[0], to)
		}
		return l[1]
	case <-time.After(10 * time.Second):
		v.t.Fatalf("no letter to %s", to)
	}
	return ""
}

// proves goes through the code page.
func (v *visitor) proves(address string) {
	v.t.Helper()
	v.sees(200, "POST", "/join", url.Values{"email": {address}}, "Enter the code")
	v.sees(200, "POST", "/join/code", url.Values{"code": {v.letter(address)}})
}

func TestJoinPages(t *testing.T) {
	w := newWorld(t, nil)
	v := joinPages(t, w, true)
	v.sees(200, "GET", "/join", nil, `<label for="email">`, `<html lang="en">`)
	v.sees(200, "POST", "/join", url.Values{"email": {"zoe@acme.org"}}, "Enter the code", `autocomplete="one-time-code"`)
	code := v.letter("zoe@acme.org")
	if text := v.sees(422, "POST", "/join/code", url.Values{"code": {"abc"}}, `role="alert"`); strings.Contains(text, "Acme") {
		t.Error("the workspace is named before the proof")
	}
	v.sees(200, "POST", "/join/code", url.Values{"code": {code}}, "Join existing workspace", "Acme Inc", "Member", "$23.00 a month")
	v.sees(422, "POST", "/join/confirm", url.Values{"name": {" "}}, "Your name is missing")
	v.sees(200, "POST", "/join/confirm", url.Values{"name": {"Zoe <script>"}}, "You are a member of Acme Inc")
	got := w.as("").post("/v1/members/lookup", obj{"email": "zoe@acme.org"}).is(200)
	if got.text("role") != "member" || got.text("role_source") != "domain" || got.text("name") != "Zoe <script>" {
		t.Errorf("%s %s %s", got.text("role"), got.text("role_source"), got.text("name"))
	}
	v.sees(200, "GET", "/join/confirm", nil, `<label for="email">`) // the proof is used up

	again := v.another()
	again.proves("zoe@acme.org")
	again.sees(200, "GET", "/join/confirm", nil, "You are a member of Acme Inc already")
}

// TestJoinPagesBindTheBrowser: a code proves nothing in another browser.
func TestJoinPagesBindTheBrowser(t *testing.T) {
	v := joinPages(t, newWorld(t, nil), true)
	v.sees(200, "POST", "/join", url.Values{"email": {"zoe@acme.org"}})
	code := v.letter("zoe@acme.org")
	other := v.another()
	other.sees(422, "POST", "/join/code", url.Values{"code": {code}})
	other.sees(200, "GET", "/join/confirm", nil, `<label for="email">`)
	other.sees(200, "POST", "/join/confirm", url.Values{"name": {"Mallory"}}, `<label for="email">`)
}

// TestJoinPagesAreSilent: byte for byte the same answer, whether the address
// is a member's, may join, or belongs to nobody here.
func TestJoinPagesAreSilent(t *testing.T) {
	v := joinPages(t, newWorld(t, nil), true)
	first := ""
	for _, address := range []string{"zoe@acme.org", "mia@acme.com", "x@unclaimed.org"} {
		text := v.another().sees(200, "POST", "/join", url.Values{"email": {address}})
		if first == "" {
			first = text
		}
		if text != first {
			t.Errorf("%s is answered in another way", address)
		}
	}
	v.letter("zoe@acme.org")
	select {
	case l := <-v.post:
		t.Errorf("a letter to %s", l[0])
	case <-time.After(50 * time.Millisecond):
	}
}

func TestJoinPagesRefuse(t *testing.T) {
	w := newWorld(t, nil)
	v := joinPages(t, w, true)
	v.sees(422, "POST", "/join", url.Values{"email": {"Zoe <zoe@acme.org>"}}, "Exactly one bare address", `value="Zoe &lt;zoe@acme.org&gt;"`)
	v.sees(200, "GET", "/join/code", nil, `<label for="email">`)
	if status, text, _ := v.do("POST", "/join", url.Values{"email": {"zoe@acme.org"}}, "Origin", "https://evil.org", "Sec-Fetch-Site", "cross-site"); status != 403 {
		t.Errorf("a form of another site: %d %s", status, text)
	}
	if status, _, _ := v.do("POST", "/join", url.Values{"email": {strings.Repeat("x", joinBody)}}); status == 200 {
		t.Error("a body without end was read")
	}
	if status, _, _ := v.do("DELETE", "/join", nil); status != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", status)
	}
	if status, _, _ := v.do("GET", "/join/else", nil); status != http.StatusNotFound {
		t.Errorf("an unknown page: %d", status)
	}
	// Who lost access is told so after the proof, and stays out (I9).
	w.as("ann@acme.com").post("/v1/invitations", obj{"email": "gone@acme.org"}).is(201)
	gone := v.another()
	gone.proves("gone@acme.org")
	gone.sees(200, "POST", "/join/confirm", url.Values{"name": {"Gone"}}, "You are a member")
	id := w.as("").post("/v1/members/lookup", obj{"email": "gone@acme.org"}).is(200).text("id")
	w.as("ann@acme.com").post("/v1/members/"+id+"/remove", obj{}).is(200)
	back := v.another()
	back.proves("gone@acme.org")
	back.sees(200, "GET", "/join/confirm", nil, "You cannot join Acme Inc this way", "Access was ended")
}

func TestJoinPagesHeaders(t *testing.T) {
	v := joinPages(t, newWorld(t, nil), true)
	for _, path := range []string{"/join", "/join/style.css"} {
		_, text, head := v.do("GET", path, nil)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":  "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		} {
			if got := head.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if strings.Contains(text, "<script") || strings.Contains(text, "style=") {
			t.Errorf("%s needs a script or inline style", path)
		}
	}
	_, _, head := v.do("POST", "/join", url.Values{"email": {"zoe@acme.org"}})
	if head.Get("Cache-Control") != "no-store" {
		t.Error("pages are kept")
	}
	v.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	_, _, head = v.do("POST", "/join", url.Values{"email": {"zoe@acme.org"}})
	cookie := head.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("no %s in %q", want, cookie)
		}
	}
	secure := &Join{opt: JoinOptions{Secure: true}}
	if c := secure.cookie("x"); !c.Secure || c.Name != "__Host-rollcall-join" {
		t.Errorf("%+v", c)
	}
}

func TestJoinWithoutMail(t *testing.T) {
	v := joinPages(t, newWorld(t, nil), false)
	v.sees(404, "GET", "/join", nil, "no mail server is configured")
	v.sees(404, "POST", "/join", url.Values{"email": {"zoe@acme.org"}})
}

// TestJoinWaits: with auto_join: request the page says who decides, and the
// wish waits as a plan.
func TestJoinWaits(t *testing.T) {
	w := newWorld(t, nil)
	var err error
	w.engine, err = sync.New(t.Context(), sync.Options{Store: w.store, Now: w.now, Workspaces: []sync.Workspace{
		{ID: "acme", Name: "Acme Inc", Owners: []string{"ann@acme.com"}, Domains: sync.DomainTerms{AutoJoin: sync.AutoJoinRequest}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	v := joinPages(t, w, true)
	v.proves("zoe@acme.org")
	v.sees(200, "GET", "/join/confirm", nil, "Ask to join", "an Owner or Admin, who decides")
	v.sees(200, "POST", "/join/confirm", url.Values{"name": {"Zoe"}}, "Your wish to join Acme Inc waits")
	w.as("").post("/v1/members/lookup", obj{"email": "zoe@acme.org"}).is(404)
}

// TestWays: who joined by a code has no deprovisioning path, and is listed.
func TestWays(t *testing.T) {
	w := newWorld(t, nil)
	v := joinPages(t, w, true)
	v.proves("zoe@acme.org")
	v.sees(200, "POST", "/join/confirm", url.Values{"name": {"Zoe"}})
	id := w.as("").post("/v1/members/lookup", obj{"email": "zoe@acme.org"}).is(200).text("id")
	if got := w.as("").get("/v1/members/" + id + "/ways").is(200); !strings.Contains(string(got.raw), `"no_path":true`) {
		t.Errorf("%s", got.raw)
	}
	if got := w.as("").get("/v1/members?no_path=true").is(200); !strings.Contains(string(got.raw), "zoe@acme.org") {
		t.Errorf("%s", got.raw)
	}
	w.as("").get("/v1/members?no_path=true&role=admin").is(422)
	w.as("").get("/v1/members/nobody/ways").is(404)
}
