package e2e

import (
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	stdsync "sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// openID is an OpenID provider on loopback, which is also a transmitter of
// security event tokens. It knows people by their id in the directory.
type openID struct {
	*httptest.Server
	now func() time.Time

	mu    stdsync.Mutex
	codes map[string]openIDCode // by authorization code
	// grants are the refresh tokens that are good, with their person.
	grants map[string]string
	access map[string]string
	made   int
	// trouble answers the token endpoint or UserInfo instead; nil is none.
	trouble http.HandlerFunc
	// closed are people who get no new token, refused people whom UserInfo
	// refuses.
	closed, refused map[string]bool
}

// openIDCode is somebody who has shown who they are, and waits to come back.
type openIDCode struct{ person, email, nonce, sid string }

const openIDClient = "rollcall"

func newOpenID(now func() time.Time) *openID {
	o := &openID{now: now, codes: map[string]openIDCode{}, grants: map[string]string{}, access: map[string]string{}, closed: map[string]bool{}, refused: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", o.discovery)
	mux.HandleFunc("/ssf", func(w http.ResponseWriter, _ *http.Request) {
		o.send(w, http.StatusOK, map[string]any{"issuer": o.URL, "jwks_uri": o.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		o.send(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: apiKey().Public(), KeyID: "k1", Use: "sig", Algorithm: "ES256"}}})
	})
	mux.HandleFunc("/token", o.token)
	mux.HandleFunc("/userinfo", o.userInfo)
	o.Server = httptest.NewServer(mux)
	return o
}

func (o *openID) discovery(w http.ResponseWriter, _ *http.Request) {
	o.send(w, http.StatusOK, map[string]any{
		"issuer": o.URL, "authorization_endpoint": o.URL + "/auth", "token_endpoint": o.URL + "/token", "userinfo_endpoint": o.URL + "/userinfo",
		"jwks_uri": o.URL + "/keys", "authorization_response_iss_parameter_supported": true, "token_endpoint_auth_methods_supported": []string{"client_secret_basic"},
	})
}

func (o *openID) send(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(text); err != nil {
		return // the client went away
	}
}

// breaks makes the endpoints answer otherwise; nil mends them.
func (o *openID) breaks(with http.HandlerFunc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.trouble = with
}

// says tells what the provider makes of a person's tokens from now on.
func (o *openID) says(person string, closed, refused bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed[person], o.refused[person] = closed, refused
}

// shows lets somebody show who they are, and gives the code that the browser
// brings back.
func (o *openID) shows(c openIDCode) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.made++
	code := fmt.Sprintf("%scode-%d", canary, o.made)
	o.codes[code] = c
	return code
}

// token is the token endpoint: codes, and refresh tokens that are good once.
func (o *openID) token(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.trouble != nil {
		o.trouble(w, r)
		return
	}
	refuse := func() { o.send(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"}) }
	answer := map[string]any{"token_type": "Bearer", "expires_in": 300}
	var person string
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		c, ok := o.codes[r.PostFormValue("code")]
		delete(o.codes, r.PostFormValue("code"))
		if !ok {
			refuse()
			return
		}
		person = c.person
		now := o.now()
		answer["id_token"] = o.sign("JWT", map[string]any{
			"iss": o.URL, "sub": person, "aud": openIDClient, "nonce": c.nonce, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
			"email": c.email, "email_verified": true, "name": "Person " + person, "sid": c.sid,
		})
	case "refresh_token":
		person = o.grants[r.PostFormValue("refresh_token")]
		delete(o.grants, r.PostFormValue("refresh_token"))
		if person == "" || o.closed[person] {
			refuse()
			return
		}
	}
	o.made++
	fresh, access := fmt.Sprintf("%srefresh-%d", canary, o.made), fmt.Sprintf("%saccess-%d", canary, o.made)
	o.grants[fresh], o.access[access] = person, person
	answer["refresh_token"], answer["access_token"] = fresh, access
	o.send(w, http.StatusOK, answer)
}

func (o *openID) userInfo(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	person := o.access[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	switch {
	case o.trouble != nil:
		o.trouble(w, r)
	case person == "" || o.refused[person]:
		o.send(w, http.StatusForbidden, map[string]any{"error": "insufficient_scope"})
	default:
		o.send(w, http.StatusOK, map[string]any{"sub": person})
	}
}

// sign makes a token of a type with the provider's key.
func (o *openID) sign(typ string, claims map[string]any) string { return signed(apiKey(), typ, claims) }

// signed makes a token with a key.
func signed(key *ecdsa.PrivateKey, typ string, claims map[string]any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "k1").WithType(jose.ContentType(typ)))
	if err != nil {
		panic(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	jws, err := signer.Sign(text)
	if err != nil {
		panic(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return raw
}

// answers is trouble that answers.
func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if _, err := io.WriteString(w, body); err != nil {
			return // the client went away
		}
	}
}

// hangsUp is trouble that gives no answer.
func hangsUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// openIDTroubles are those of the list: whatever they are, they say nothing
// about a person (E4).
var openIDTroubles = map[string]http.HandlerFunc{
	"500": answers(http.StatusInternalServerError, `{}`), "503": answers(http.StatusServiceUnavailable, `{"error":"temporarily_unavailable"}`),
	"429": answers(http.StatusTooManyRequests, `{}`), "invalid_client": answers(http.StatusUnauthorized, `{"error":"invalid_client"}`),
	"lost answer": hangsUp, "empty answer": answers(http.StatusOK, `{}`), "interaction_required": answers(http.StatusBadRequest, `{"error":"interaction_required"}`),
}
