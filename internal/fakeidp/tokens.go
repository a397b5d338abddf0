package fakeidp

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Tokens is a token endpoint. Configure it before the first request.
type Tokens struct {
	// ClientID and ClientSecret are for client_secret_basic and _post.
	ClientID, ClientSecret string
	// Key verifies assertions; nil takes none.
	Key crypto.PublicKey
	// Account and Subject are a Google service account's, who may act for
	// whom.
	Account, Subject string
	// DPoP wants proofs, with a nonce of the server.
	DPoP bool
	// Fixed is a bearer token that is always good; "" is none.
	Fixed string
	// Life is the life of tokens; 0 is an hour.
	Life time.Duration
	// Prefix begins each token, so that a search finds any that leaks.
	Prefix string

	mu     sync.Mutex
	live   map[string]issued
	ids    map[string]bool // jti that were used
	nonce  string
	issued int
}

type issued struct {
	until time.Time
	thumb string // of the key that the token is bound to
}

// Issued counts tokens.
func (t *Tokens) Issued() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.issued
}

// Revoke ends all tokens.
func (t *Tokens) Revoke() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.live)
}

// algorithms are those that the fakes take.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256}

// endpoint is the token endpoint (RFC 6749 section 3.2).
func (t *Tokens) endpoint(s *Server) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fail := func(status int, code string) {
			reply(w, status, object{"error": code, "error_description": "AADSTS7000215: for " + r.PostFormValue("client_secret")})
		}
		switch {
		case s.fault(InvalidClient):
			fail(http.StatusUnauthorized, "invalid_client")
			return
		case s.fault(TokenTrouble):
			fail(http.StatusServiceUnavailable, "temporarily_unavailable")
			return
		case s.fault(TokenThrottled):
			w.Header().Set("Retry-After", "40")
			fail(http.StatusTooManyRequests, "slow_down")
			return
		}
		if code := t.client(r, s); code != "" {
			fail(http.StatusUnauthorized, code)
			return
		}
		kind, thumb := "Bearer", ""
		if t.DPoP {
			var ok bool
			if thumb, ok = t.proof(r, s.URL+r.URL.Path, "", s.Now()); !ok {
				t.challenge(w)
				fail(http.StatusBadRequest, "use_dpop_nonce")
				return
			}
			kind = "DPoP"
		}
		life := t.Life
		if life == 0 {
			life = time.Hour
		}
		value := t.Prefix + mark()
		t.mu.Lock()
		if t.live == nil {
			t.live = map[string]issued{}
		}
		t.live[value] = issued{s.Now().Add(life), thumb}
		t.issued++
		t.mu.Unlock()
		out := object{"access_token": value, "token_type": kind, "expires_in": int(life.Seconds())}
		if scope := r.PostFormValue("scope"); scope != "" {
			out["scope"] = scope // an assertion carries its own, and the answer does not repeat it
		}
		reply(w, http.StatusOK, out)
	}
}

// client authenticates the client; "" is well, else the error's code.
func (t *Tokens) client(r *http.Request, s *Server) string {
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		return "invalid_request"
	}
	if r.PostFormValue("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		return t.assertion(r.PostFormValue("assertion"), s.URL+r.URL.Path, t.Account, t.Subject, s.Now())
	}
	if r.PostFormValue("grant_type") != "client_credentials" {
		return "unsupported_grant_type"
	}
	if text := r.PostFormValue("client_assertion"); text != "" {
		if r.PostFormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			return "invalid_client"
		}
		return t.assertion(text, s.URL+r.URL.Path, t.ClientID, t.ClientID, s.Now())
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if t.ClientSecret == "" || id != t.ClientID || secret != t.ClientSecret {
		return "invalid_client"
	}
	return ""
}

// assertion verifies a signed assertion (RFC 7523 section 3).
func (t *Tokens) assertion(text, audience, issuer, subject string, now time.Time) string {
	if t.Key == nil {
		return "invalid_client"
	}
	parsed, err := jwt.ParseSigned(text, algorithms)
	if err != nil {
		return "invalid_client"
	}
	var c jwt.Claims
	if parsed.Claims(t.Key, &c) != nil || c.Issuer != issuer || c.Subject != subject || !slices.Contains(c.Audience, audience) {
		return "invalid_client"
	}
	if c.Expiry == nil || c.IssuedAt == nil || now.After(c.Expiry.Time()) || now.Before(c.IssuedAt.Time().Add(-2*time.Minute)) {
		return "invalid_client"
	}
	if c.ID != "" && !t.once(c.ID) {
		return "invalid_client"
	}
	return ""
}

// once takes an id that must not come again.
func (t *Tokens) once(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ids == nil {
		t.ids = map[string]bool{}
	}
	fresh := !t.ids[id]
	t.ids[id] = true
	return fresh
}

// challenge gives a new nonce.
func (t *Tokens) challenge(w http.ResponseWriter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nonce = mark()
	w.Header().Set("DPoP-Nonce", t.nonce)
	w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
}

// ChangeNonce wants a new nonce in the next proof.
func (t *Tokens) ChangeNonce() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nonce = mark()
}

// proof verifies a DPoP proof (RFC 9449 section 4.3) and gives the key's
// thumbprint.
func (t *Tokens) proof(r *http.Request, target, token string, now time.Time) (string, bool) {
	parsed, err := jwt.ParseSigned(r.Header.Get("DPoP"), algorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return "", false
	}
	h := parsed.Headers[0]
	if h.ExtraHeaders["typ"] != "dpop+jwt" || h.JSONWebKey == nil || !h.JSONWebKey.IsPublic() {
		return "", false
	}
	var c struct {
		ID    string           `json:"jti"`
		Htm   string           `json:"htm"`
		Htu   string           `json:"htu"`
		At    *jwt.NumericDate `json:"iat"`
		Nonce string           `json:"nonce"`
		Hash  string           `json:"ath"`
	}
	if parsed.Claims(h.JSONWebKey.Key, &c) != nil || c.Htm != r.Method || c.Htu != target || c.At == nil || now.Sub(c.At.Time()).Abs() > 5*time.Minute {
		return "", false
	}
	want := ""
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		want = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	t.mu.Lock()
	nonce := t.nonce
	t.mu.Unlock()
	if c.Hash != want || nonce == "" || c.Nonce != nonce || !t.once(c.ID) {
		return "", false
	}
	thumb, err := h.JSONWebKey.Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(thumb), err == nil
}

// authorized judges the token of an API request.
func (t *Tokens) authorized(w http.ResponseWriter, r *http.Request, now time.Time) bool {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if t.Fixed != "" {
		return scheme == "Bearer" && value == t.Fixed
	}
	t.mu.Lock()
	x, ok := t.live[value]
	t.mu.Unlock()
	if !ok || now.After(x.until) {
		return false
	}
	if x.thumb == "" {
		return scheme == "Bearer"
	}
	thumb, ok := t.proof(r, "http://"+r.Host+r.URL.EscapedPath(), value, now)
	if !ok {
		t.challenge(w)
	}
	return ok && scheme == "DPoP" && thumb == x.thumb
}
