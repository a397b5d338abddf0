package api

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/sync"
)

// attemptFor is how long somebody may take at the provider.
const attemptFor = 10 * time.Minute

// attempt is a sign-in on its way. It lives in a cookie of the browser that
// began it, and nowhere else: state, nonce and verifier are derived from its
// seed and from all that it says, so that nobody without the cookie can make
// them, and nobody with it can change where it returns to (OS1).
type attempt struct {
	Seed       []byte `json:"s"` // 32 random bytes
	Connection string `json:"c"`
	At         int64  `json:"t"` // seconds since 1970
	Return     string `json:"r,omitempty"`
	State      string `json:"x,omitempty"` // the caller's own, given back to it
	Link       bool   `json:"l,omitempty"`
	// Invitation and Proof are an invitation and the hash of its secret.
	Invitation string `json:"i,omitempty"`
	Proof      string `json:"p,omitempty"`
}

// newAttempt begins a sign-in, as its query or form asks.
func newAttempt(connection string, now time.Time, asked url.Values) (*attempt, error) {
	a := &attempt{
		Seed: make([]byte, 32), Connection: connection, At: now.Unix(), Return: asked.Get("return"), State: shortened(asked.Get("state")),
		Link: asked.Get("link") == "true",
	}
	if id, secret := asked.Get("invitation"), asked.Get("secret"); id != "" && secret != "" && len(id) <= 64 {
		a.Invitation, a.Proof = id, sync.SecretProof(secret)
	}
	_, err := rand.Read(a.Seed)
	return a, err
}

// derive makes one of the secrets.
func (a *attempt) derive(purpose string) string {
	text, err := json.Marshal(a)
	if err != nil {
		return "" // plain fields cannot fail; no secret fits none
	}
	mac := hmac.New(sha256.New, a.Seed)
	mac.Write([]byte(purpose + "\x00"))
	mac.Write(text)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// bound gives what the provider's side needs.
func (a *attempt) bound(redirect string) sync.Attempt {
	return sync.Attempt{State: a.derive("state"), Nonce: a.derive("nonce"), Verifier: a.derive("pkce"), Redirect: redirect}
}

func (a *attempt) encode() string {
	text, err := json.Marshal(a)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// cookieName is a cookie of its own for each attempt, so that two tabs do not
// get in each other's way.
func (a *attempt) cookieName(secure bool) string { return attemptCookie(secure, a.derive("state")) }

// attemptCookie is the cookie of the attempt with this state.
func attemptCookie(secure bool, state string) string {
	sum := sha256.Sum256([]byte(state))
	return hostPrefix(secure) + "rollcall-signin-" + hex.EncodeToString(sum[:8])
}

// hostPrefix makes a cookie one of this very host, over TLS (RFC 6265bis
// section 4.1.3.2). On loopback without TLS there is none.
func hostPrefix(secure bool) string {
	if secure {
		return "__Host-"
	}
	return ""
}

// attempt finds the attempt that a callback belongs to, in the browser's
// cookies.
func (s *SignIn) attempt(r *http.Request, connection string) (*attempt, bool) {
	state := r.URL.Query().Get("state")
	if state == "" {
		return nil, false
	}
	cookie, err := r.Cookie(attemptCookie(s.secure, state))
	if err != nil {
		return nil, false
	}
	text, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	a := &attempt{}
	if err != nil || json.Unmarshal(text, a) != nil || len(a.Seed) != 32 {
		return nil, false
	}
	age := s.now().Unix() - a.At
	if a.Connection != connection || age < 0 || age > int64(attemptFor/time.Second) || !hmac.Equal([]byte(a.derive("state")), []byte(state)) {
		return nil, false
	}
	return a, true
}

// newSecret makes a secret of 260 random bits.
func newSecret() string { return rand.Text() + rand.Text() }

// hashOf is what is kept of a secret.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// setCookie gives the browser a cookie that scripts cannot read and that other
// sites' forms do not send.
func (s *SignIn) setCookie(w http.ResponseWriter, name, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(age / time.Second), HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode,
	})
}

func (s *SignIn) clearCookie(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode})
}

// sessionCookie is the cookie of Rollcall's own pages.
func (s *SignIn) sessionCookie() string { return hostPrefix(s.secure) + "rollcall-session" }

// cookieHash is the hash of the session's cookie, "" if there is none.
func (s *SignIn) cookieHash(r *http.Request) string {
	cookie, err := r.Cookie(s.sessionCookie())
	if err != nil || cookie.Value == "" {
		return ""
	}
	return hashOf(cookie.Value)
}

// returnsTo reports whether a sign-in may return to an address: one of the
// list, or below one. Scheme and host must be the same, and no dots lead out.
func (c *SignInConnection) returnsTo(text string) bool {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxReturnURL || u.User != nil || u.Fragment != "" || strings.ContainsAny(text, "\\\r\n\t ") || strings.Contains(u.Path, "..") {
		return false
	}
	for _, allowed := range c.ReturnTo {
		a, err := url.Parse(allowed)
		if err != nil || u.Scheme != a.Scheme || !strings.EqualFold(u.Host, a.Host) {
			continue
		}
		base := strings.TrimSuffix(a.EscapedPath(), "/")
		if at := u.EscapedPath(); at == a.EscapedPath() || at == base || strings.HasPrefix(at, base+"/") {
			return true
		}
	}
	return false
}
