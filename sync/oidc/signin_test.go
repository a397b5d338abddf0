package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rollcall-sync/rollcall/sync"
)

// refusedBy wants a refusal by a rule.
func refusedBy(t *testing.T, err error, rule string) {
	t.Helper()
	var refused *sync.SignInError
	if !errors.As(err, &refused) || refused.Rule != rule || refused.Reason == "" || refused.Remedy == "" {
		t.Errorf("%v, want a refusal by %s", err, rule)
	}
}

// OS1: the browser is sent with code, PKCE S256, state and nonce.
func TestBegin(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, _ := o.provider(nil)
	if o.count("/.well-known/openid-configuration") != 0 {
		t.Error("OI1: the provider was asked before it had to be")
	}
	text, err := p.Begin(t.Context(), testAttempt)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"response_type": "code", "client_id": testClient, "redirect_uri": testAttempt.Redirect, "scope": "openid offline_access",
		"state": testAttempt.State, "nonce": testAttempt.Nonce, "code_challenge_method": "S256",
	}
	for name, value := range want {
		if got := u.Query().Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if challenge := u.Query().Get("code_challenge"); len(challenge) != 43 || strings.Contains(text, testAttempt.Verifier) || strings.Contains(text, testSecret) {
		t.Errorf("challenge %q in %s", challenge, text)
	}
}

func TestFinish(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	o.claims = with(o.idClaims(c), map[string]any{"sid": "s1", "groups": []string{"a", "b"}, "auth_time": c.now().Unix(), "preferred_username": "bo"})
	o.info = map[string]any{"sub": testSubject, "department": "Sales", "name": "not this one"}
	s, err := p.Finish(t.Context(), testAttempt, o.back())
	if err != nil {
		t.Fatal(err)
	}
	if s.Subject != testSubject || s.Issuer != o.server.URL || s.SID != "s1" || !s.AuthAt.Equal(c.now()) || s.Identity.Email != "bo@acme.com" || s.Identity.Name != "Bo" {
		t.Errorf("%+v", s)
	}
	if s.Identity.Attributes["department"][0] != "Sales" || fmt.Sprint(s.Groups, s.GroupsKnown, s.Overage) != "[a b] true false" {
		t.Errorf("%+v", s)
	}
	form := o.lastForm()
	if form.Get("code_verifier") != testAttempt.Verifier || form.Get("basic") != testClient || form.Get("client_secret") != "" || form.Get("redirect_uri") != testAttempt.Redirect {
		t.Errorf("token request %v", form)
	}
	if s.Grant == "" || strings.Contains(s.Grant, o.refresh) {
		t.Errorf("grant %q", s.Grant)
	}
	if got := fmt.Sprintf("%+v", s); strings.Contains(got, "canary") {
		t.Errorf("a secret in %s", got)
	}
}

// OS1: what the browser comes back with must be the answer to what this very
// browser asked of this very provider (RFC 9207), once.
func TestFinishBindsTheAnswer(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	o.claims = o.idClaims(c)
	for name, change := range map[string]func(url.Values){
		"no state":       func(q url.Values) { q.Del("state") },
		"other state":    func(q url.Values) { q.Set("state", "x") },
		"two states":     func(q url.Values) { q.Add("state", "x") },
		"other iss":      func(q url.Values) { q.Set("iss", "https://evil.example") },
		"iss left out":   func(q url.Values) { q.Del("iss") },
		"no code":        func(q url.Values) { q.Del("code") },
		"two codes":      func(q url.Values) { q.Add("code", "y") },
		"similar issuer": func(q url.Values) { q.Set("iss", o.server.URL+"/") },
	} {
		q := o.back()
		change(q)
		before := o.count("/token")
		_, err := p.Finish(t.Context(), testAttempt, q)
		refusedBy(t, err, "OS1")
		if o.count("/token") != before {
			t.Errorf("%s: a code was redeemed", name)
		}
	}
	// An empty attempt must not match an empty state.
	_, err := p.Finish(t.Context(), sync.Attempt{}, url.Values{"state": {""}, "code": {"x"}, "iss": {o.server.URL}})
	refusedBy(t, err, "OS1")
	q := o.back()
	q.Del("code")
	q.Set("error", "access_denied")
	q.Set("error_description", "<script>")
	_, err = p.Finish(t.Context(), testAttempt, q)
	refusedBy(t, err, "provider")
	if strings.Contains(err.Error(), "script") {
		t.Errorf("the provider's own text is shown: %v", err)
	}
}

// OI2: what go-oidc leaves to its caller.
func TestIDTokenChecks(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	good := o.idClaims(c)
	for name, row := range map[string]struct {
		rule    string
		changes map[string]any
	}{
		"good":                        {"", nil},
		"good, azp":                   {"", map[string]any{"azp": testClient}},
		"good, several audiences":     {"", map[string]any{"aud": []string{testClient, "other"}, "azp": testClient}},
		"no nonce":                    {"OI2", map[string]any{"nonce": nil}},
		"other nonce":                 {"OI2", map[string]any{"nonce": "nonce-2"}},
		"other issuer":                {"OI2", map[string]any{"iss": "https://evil.example"}},
		"issuer with a slash":         {"OI2", map[string]any{"iss": o.server.URL + "/"}},
		"other audience":              {"OI2", map[string]any{"aud": "other"}},
		"azp of another":              {"OI2", map[string]any{"azp": "other"}},
		"several audiences, no azp":   {"OI2", map[string]any{"aud": []string{testClient, "other"}}},
		"expired":                     {"OI2", map[string]any{"exp": c.now().Add(-time.Second).Unix()}},
		"old":                         {"OI2", map[string]any{"iat": c.now().Add(-11 * time.Minute).Unix()}},
		"of the future":               {"OI2", map[string]any{"iat": c.now().Add(2 * time.Minute).Unix()}},
		"signed in in the future":     {"OI2", map[string]any{"auth_time": c.now().Add(2 * time.Minute).Unix()}},
		"no subject":                  {"OI2", map[string]any{"sub": nil}},
		"a very long subject":         {"OI2", map[string]any{"sub": strings.Repeat("x", 256)}},
		"UserInfo of somebody else":   {"OI2", map[string]any{"sub": "u-cy"}},
		"two subjects in the payload": {"OI2", map[string]any{"sub": []string{testSubject}}},
	} {
		o.set(func() {
			o.claims, o.info = with(good, row.changes), map[string]any{"sub": testSubject}
			if name == "a very long subject" {
				o.info["sub"] = row.changes["sub"] // nothing but its length is wrong
			}
			if name == "no subject" {
				o.info = map[string]any{} // UserInfo names nobody either
			}
		})
		_, err := p.Finish(t.Context(), testAttempt, o.back())
		if row.rule == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		t.Run(name, func(t *testing.T) { refusedBy(t, err, row.rule) })
	}
	// Nothing is equal to nothing: an attempt without a nonce matches no token.
	o.set(func() { o.claims = with(good, map[string]any{"nonce": nil}) })
	bare := testAttempt
	bare.Nonce = ""
	_, err := p.Finish(t.Context(), bare, o.back())
	refusedBy(t, err, "OI2")
}

// OI2, OI5: types and signatures that are not an ID token's.
func TestTokenSignatures(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	good := o.idClaims(c)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(body) + "."
	hmacSigner, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat(testSecret, 2))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	symmetric, err := hmacSigner.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	hs, err := symmetric.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct{ token, rule string }{
		"none":                        {unsigned, "OI5"},
		"HMAC with the client secret": {hs, "OI5"},
		"another key, the known kid":  {signWith(t, stranger, "k1", "JWT", good), "OI5"},
		"another key, unknown kid":    {signWith(t, stranger, "k9", "JWT", good), "OI5"},
		"a logout token":              {o.sign("logout+jwt", good), "OI2"},
		"an access token":             {o.sign("at+jwt", good), "OI2"},
		"a security event token":      {o.sign("secevent+jwt", good), "OI2"},
		"no token":                    {"x", "OI5"},
	} {
		t.Run(name, func(t *testing.T) {
			o.set(func() {
				o.token = status(200, fmt.Sprintf(`{"access_token":"a","token_type":"Bearer","id_token":%q}`, row.token))
			})
			_, err := p.Finish(t.Context(), testAttempt, o.back())
			refusedBy(t, err, row.rule)
		})
	}
}

// OI1: the provider may be down at boot; what it says is asked for later, not
// at every request.
func TestProviderDownAtBoot(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	good := o.discovery
	o.set(func() { o.discovery = map[string]any{} })
	for range 3 {
		if _, err := p.Begin(t.Context(), testAttempt); !errors.Is(err, sync.ErrProvider) {
			t.Fatal(err)
		}
	}
	if n := o.count("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("%d tries within a second", n)
	}
	o.set(func() { o.discovery = good })
	c.forward(11 * time.Second)
	if _, err := p.Begin(t.Context(), testAttempt); err != nil {
		t.Error(err)
	}
	o.server.Close()
	c.forward(2 * time.Hour)
	for range 2 { // asked, and soon after a try that failed
		if _, err := p.Begin(t.Context(), testAttempt); err != nil {
			t.Errorf("what was said before does not hold while the provider is down: %v", err)
		}
	}
}

// ON1: discovery may not lead elsewhere, nor speak for another issuer.
func TestDiscoveryStaysAtItsHost(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		key, value string
		hosts      []string
		good       bool
	}{
		"as it is":                    {good: true},
		"token endpoint elsewhere":    {key: "token_endpoint", value: "https://evil.example/token"},
		"keys elsewhere":              {key: "jwks_uri", value: "https://evil.example/keys"},
		"UserInfo elsewhere":          {key: "userinfo_endpoint", value: "https://evil.example/userinfo"},
		"revocation elsewhere":        {key: "revocation_endpoint", value: "https://evil.example/revoke"},
		"authorization elsewhere":     {key: "authorization_endpoint", value: "https://evil.example/auth"},
		"another port":                {key: "token_endpoint", value: "http://127.0.0.1:1/token"},
		"in the clear":                {key: "token_endpoint", value: "http://idp.example/token"},
		"in the clear, host named":    {key: "token_endpoint", value: "http://keys.acme.com/token", hosts: []string{"keys.acme.com"}},
		"no token endpoint":           {key: "token_endpoint", value: ""},
		"another issuer":              {key: "issuer", value: "https://evil.example"},
		"a host that is named":        {key: "jwks_uri", value: "https://keys.acme.com/keys", hosts: []string{"keys.acme.com"}, good: true},
		"below a host that is named":  {key: "jwks_uri", value: "https://x.keys.acme.com/keys", hosts: []string{"keys.acme.com"}},
		"user information in the URL": {key: "token_endpoint", value: "https://a:b@keys.acme.com/", hosts: []string{"keys.acme.com"}},
	} {
		o := newOP(t)
		if row.key != "" {
			o.discovery[row.key] = row.value
		}
		p, _ := o.provider(func(c *Config) { c.EndpointHosts = row.hosts })
		if _, err := p.Begin(t.Context(), testAttempt); (err == nil) != row.good || err != nil && !errors.Is(err, sync.ErrProvider) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// ON1: an issuer that is https leads nowhere in the clear, not even to this
// machine.
func TestEndpointsInTheClear(t *testing.T) {
	t.Parallel()
	for issuer, good := range map[string]bool{"http://127.0.0.1": true, "https://idp.acme.com": false, "https://accounts.google.com": false} {
		c := Config{Issuer: issuer, AllowPrivateNetworks: []string{"127.0.0.0/8"}, EndpointHosts: []string{"127.0.0.1"}}
		if err := c.checkEndpoint("http://127.0.0.1/token"); (err == nil) != good {
			t.Errorf("%s: %v", issuer, err)
		}
		if err := c.checkEndpoint("http://oauth2.googleapis.com/token"); err == nil {
			t.Errorf("%s: Google's endpoint in the clear", issuer)
		}
	}
}

// ON1: a host that nobody has approved stops what worked before; trouble in
// finding that out does not.
func TestChangedHostStops(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	var said error
	var seen []string
	p.opt.Hosts = func(_ context.Context, document string, at []sync.Endpoint) error {
		seen = []string{document}
		for _, e := range at {
			seen = append(seen, e.Name+" "+e.Host)
		}
		return said
	}
	begins := func(want error) {
		t.Helper()
		if _, err := p.Begin(t.Context(), testAttempt); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%v, want %v", err, want)
		}
		c.forward(time.Hour + time.Second)
	}
	begins(nil)
	host := strings.TrimPrefix(o.server.URL, "http://")
	want := []string{
		o.server.URL + "/.well-known/openid-configuration", "authorization_endpoint " + host, "jwks_uri " + host, "revocation_endpoint " + host,
		"token_endpoint " + host, "userinfo_endpoint " + host,
	}
	if !slices.Equal(seen, want) {
		t.Errorf("seen %q", seen)
	}
	said = errors.New("the store is away")
	begins(nil)
	said = sync.ErrHostChanged
	begins(sync.ErrHostChanged)
	if got, err := p.Alive(t.Context(), testSubject, sealedGrant(t, p, "canary-refresh-1"), nil); got.Kind != sync.AnswerUnsent || err == nil || o.count("/token") != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	begins(sync.ErrHostChanged)
	said = nil
	begins(nil)
}

// OI7: how the client authenticates comes from discovery, and nothing is ever
// tried twice.
func TestAuthStyle(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		methods []string
		basic   bool
		good    bool
	}{
		"left out":       {nil, true, true},
		"both":           {[]string{"client_secret_post", "client_secret_basic"}, true, true},
		"post alone":     {[]string{"client_secret_post"}, false, true},
		"neither of two": {[]string{"private_key_jwt"}, false, false},
	} {
		o := newOP(t)
		delete(o.discovery, "token_endpoint_auth_methods_supported")
		if row.methods != nil {
			o.discovery["token_endpoint_auth_methods_supported"] = row.methods
		}
		o.token = status(401, `{"error":"invalid_client"}`)
		p, _ := o.provider(nil)
		_, err := p.Finish(t.Context(), testAttempt, o.back())
		if !errors.Is(err, sync.ErrProvider) {
			t.Errorf("%s: %v", name, err)
		}
		if !row.good {
			continue
		}
		form := o.lastForm()
		if n := o.count("/token"); n != 1 || (form.Get("basic") != "") != row.basic || (form.Get("client_secret") != "") == row.basic {
			t.Errorf("%s: %d requests, form %v", name, n, form)
		}
	}
}

// OI8: what the token endpoint says goes nowhere: it may repeat the code.
func TestErrorsShowNoBody(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, _ := o.provider(nil)
	for _, answer := range []http.HandlerFunc{
		status(400, `{"error":"invalid_request","error_description":"code canary-code is wrong for canary-client-secret"}`),
		status(500, `canary-code`), status(400, `canary-code`), status(200, `canary-code`), status(200, `{}`), cut,
		status(400, `{"error":"canary-code canary"}`),
	} {
		o.set(func() { o.token = answer })
		_, err := p.Finish(t.Context(), testAttempt, o.back())
		if err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(fmt.Sprintf("%+v", err), "canary") {
			t.Errorf("%v", err)
		}
	}
	o.set(func() { o.token = status(400, `{"error":"invalid_grant"}`) })
	_, err := p.Finish(t.Context(), testAttempt, o.back())
	refusedBy(t, err, "OS1")
}

// OS5: the four things that a token may say of groups.
func TestGroupsClaim(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	many := make([]string, maxGroups+1)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for name, row := range map[string]struct {
		claims map[string]any
		want   string
	}{
		"none stated":   {map[string]any{"groups": []string{}}, "[] true false"},
		"stated":        {map[string]any{"groups": []string{"a", "b", "a"}}, "[a b] true false"},
		"one, as text":  {map[string]any{"groups": "a"}, "[a] true false"},
		"absent":        {nil, "[] false false"},
		"hasgroups":     {map[string]any{"hasgroups": true}, "[] false true"},
		"hasgroups, ''": {map[string]any{"hasgroups": "true", "groups": []string{}}, "[] false true"},
		"elsewhere": {map[string]any{
			"_claim_names": map[string]string{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]string{"endpoint": o.server.URL + "/evil"}},
		}, "[] false true"},
		"too many":  {map[string]any{"groups": many}, "[] false true"},
		"not texts": {map[string]any{"groups": []any{"a", 1}}, "[] false false"},
		"null":      {map[string]any{"groups": json.RawMessage("null")}, "[] false false"},
	} {
		o.set(func() { o.claims = with(o.idClaims(c), row.claims) })
		s, err := p.Finish(t.Context(), testAttempt, o.back())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := fmt.Sprint(s.Groups, s.GroupsKnown, s.Overage); got != row.want {
			t.Errorf("%s: %s, want %s", name, got, row.want)
		}
	}
	if o.count("/evil") != 0 {
		t.Error("the address in a token was called")
	}
}

// OS1, OS2: the tenant is pinned, and the person is named by the claim that
// stays.
func TestTenantAndSubject(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(func(cfg *Config) { cfg.Tenant, cfg.SignIn.Subject = "t-1", "oid" })
	for name, row := range map[string]struct {
		claims map[string]any
		rule   string
	}{
		"ours":         {map[string]any{"tid": "t-1", "oid": "o-1"}, ""},
		"other tenant": {map[string]any{"tid": "t-2", "oid": "o-1"}, "OS1"},
		"no tenant":    {map[string]any{"oid": "o-1"}, "OS1"},
		"no oid":       {map[string]any{"tid": "t-1"}, "OS2"},
	} {
		o.set(func() { o.claims = with(o.idClaims(c), row.claims) })
		s, err := p.Finish(t.Context(), testAttempt, o.back())
		switch {
		case row.rule != "":
			refusedBy(t, err, row.rule)
		case err != nil || s.Subject != "o-1":
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

// A client secret that is rotated in its file needs no restart (ON3).
func TestClientSecretIsReadAnew(t *testing.T) {
	t.Parallel()
	o := newOP(t)
	p, c := o.provider(nil)
	o.claims = o.idClaims(c)
	p.cfg.SignIn.ClientSecret = secretFile(t, "")
	if _, err := p.Finish(context.Background(), testAttempt, o.back()); err == nil || strings.Contains(err.Error(), testSecret) {
		t.Errorf("an empty secret: %v", err)
	}
}
