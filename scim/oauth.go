package scim

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/admission"
	"github.com/rollcall-sync/rollcall/internal/bearer"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// TokenPath is where OAuth clients get access tokens (RFC 6749 section 3.2).
const TokenPath = "/scim/oauth/token"

// accessLife is how long an access token is good. It is opaque and looked up,
// so that it can be revoked at once.
const accessLife = time.Hour

// The limits of the token endpoint.
const (
	maxTokenBody    = 64 << 10
	issuedPerMinute = 20 // Access tokens of one client: it needs one an hour.
)

// grantError is an error answer of the token endpoint (RFC 6749 section 5.2).
type grantError struct {
	status      int
	code        string
	description string
	basic       bool // The client tried HTTP Basic.
	retryAfter  time.Duration
}

func (e *grantError) Error() string { return e.code + ": " + e.description }

func invalidRequest(format string, args ...any) *grantError {
	return &grantError{status: http.StatusBadRequest, code: "invalid_request", description: fmt.Sprintf(format, args...)}
}

// invalidClient says the same of every client that is not let in: nobody shall
// learn from it which part was wrong.
func invalidClient(basic bool) *grantError {
	return &grantError{status: http.StatusUnauthorized, code: "invalid_client", description: "the client is unknown, or its secret or signature is wrong", basic: basic}
}

// grant is one request for an access token. It belongs to one goroutine.
type grant struct {
	h     *Handler
	r     *http.Request
	start time.Time
	ip    string
	form  url.Values
	// jti and expires are those of a signed request.
	jti     string
	expires time.Time
}

// TokenEndpoint is the token endpoint of OAuth 2.0 for the grant
// client_credentials (RFC 6749 section 4.4), to be mounted at TokenPath. A
// client is known by HTTP Basic, by client_id and client_secret in the body,
// or by a signed request (private_key_jwt, RFC 7523). It is safe for
// concurrent use.
func (h *Handler) TokenEndpoint() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Cache-Control", "no-store")
		head.Set("Pragma", "no-cache")
		head.Set("Content-Type", "application/json")
		if r.Method != http.MethodPost {
			head.Set("Allow", http.MethodPost)
			h.refuseGrant(w, &grantError{status: http.StatusMethodNotAllowed, code: "invalid_request", description: "the token endpoint takes POST alone"})
			return
		}
		g := &grant{h: h, r: r, start: h.now(), ip: admission.ClientIP(h.proxies, r)}
		body, err := g.answer(w)
		if err != nil {
			h.refuseGrant(w, err)
			return
		}
		if _, err := w.Write(body); err != nil {
			h.log.Debug("the client did not take its access token", "err", err)
		}
	})
}

// refuseGrant writes an error. What is our own trouble is not told.
func (h *Handler) refuseGrant(w http.ResponseWriter, err error) {
	var e *grantError
	if !errors.As(err, &e) {
		own := ToError(err)
		h.log.Error("an access token could not be given", "status", own.Status, "err", err)
		e = &grantError{status: own.Status, code: "server_error", description: own.Detail, retryAfter: own.RetryAfter}
	}
	if e.basic {
		w.Header().Set("WWW-Authenticate", `Basic realm="rollcall", charset="UTF-8"`)
	}
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((e.retryAfter+time.Second-1)/time.Second)))
	}
	body, err := json.Marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{e.code, detailLine(e.description)})
	w.WriteHeader(e.status)
	if err == nil {
		_, err = w.Write(body)
	}
	if err != nil {
		h.log.Debug("the client did not take its answer", "err", err)
	}
}

// answer makes an access token for a client that is let in.
func (g *grant) answer(w http.ResponseWriter) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(g.r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return nil, invalidRequest("the body must be application/x-www-form-urlencoded")
	}
	if g.r.URL.RawQuery != "" {
		return nil, invalidRequest("parameters stand in the body, never in the URL")
	}
	g.r.Body = http.MaxBytesReader(w, g.r.Body, maxTokenBody)
	if err := g.r.ParseForm(); err != nil {
		return nil, invalidRequest("the body cannot be read")
	}
	g.form = g.r.PostForm
	for name, values := range g.form {
		if len(values) > 1 {
			return nil, invalidRequest("the parameter %q is given twice", shorten(name))
		}
	}
	switch kind := g.form.Get("grant_type"); kind {
	case "client_credentials":
	case "":
		return nil, invalidRequest("grant_type is missing; it must be client_credentials")
	default:
		return nil, &grantError{status: http.StatusBadRequest, code: "unsupported_grant_type", description: "only client_credentials is given"}
	}
	client, err := g.client()
	if err != nil {
		return nil, g.failed(err)
	}
	if wait, ok := g.h.issued.Take(client.ID, g.start); !ok {
		return nil, &grantError{
			status: http.StatusTooManyRequests, code: "temporarily_unavailable", retryAfter: wait,
			description: "too many access tokens for this client: one is good for an hour, use it again",
		}
	}
	scopes, err := g.scopes(client.Scopes)
	if err != nil {
		return nil, err
	}
	return g.issue(client, scopes)
}

// failed bounds how often clients that are not let in may try, by address.
func (g *grant) failed(err error) error {
	var e *grantError
	if !errors.As(err, &e) || e.code != "invalid_client" {
		return err
	}
	if wait, ok := g.h.failed.Take(g.ip, g.start); !ok {
		return &grantError{status: http.StatusTooManyRequests, code: "temporarily_unavailable", retryAfter: wait, description: "too many wrong clients come from this address"}
	}
	return err
}

// scopes are those that the client asks for, all of its own if it names none.
func (g *grant) scopes(own []string) ([]string, error) {
	asked := strings.Fields(g.form.Get("scope"))
	for _, scope := range asked {
		if len(own) > 0 && !slices.Contains(own, scope) || !slices.Contains([]string{scopeRead, scopeUsers, scopeGroups}, scope) {
			return nil, &grantError{status: http.StatusBadRequest, code: "invalid_scope", description: "the client has no scope " + strconv.Quote(shorten(scope))}
		}
	}
	if len(asked) == 0 {
		return own, nil
	}
	return asked, nil
}

// issue makes the access token.
func (g *grant) issue(client *store.TokenRow, scopes []string) ([]byte, error) {
	token, err := bearer.New(bearer.Access)
	if err != nil {
		return nil, err
	}
	now := workspace.At(g.start)
	ends := min(workspace.At(g.start.Add(accessLife)), client.ExpiresAt)
	var expires workspace.Micros
	if g.jti != "" {
		expires = workspace.At(g.expires)
	}
	err = g.h.engine.IssueAccess(g.r.Context(), store.TokenRow{
		Workspace: client.Workspace, ID: token.ID, Connection: client.Connection, Kind: store.TokenAccess, Client: client.ID, Hash: token.Hash(),
		Scopes: scopes, Networks: client.Networks, CreatedAt: now, ExpiresAt: ends,
	}, g.jti, expires)
	if errors.Is(err, sync.ErrUsedAssertion) {
		return nil, g.failed(invalidClient(false))
	}
	if err != nil {
		return nil, err
	}
	g.h.uses.Used(client.ID, g.start)
	return json.Marshal(struct {
		Token     string `json:"access_token"`
		Type      string `json:"token_type"`
		ExpiresIn int64  `json:"expires_in"`
		Scope     string `json:"scope,omitempty"`
	}{token.Reveal(), "Bearer", int64(ends-now) / 1_000_000, strings.Join(scopes, " ")})
}

// client finds out who asks, by exactly one of the three ways.
func (g *grant) client() (*store.TokenRow, error) {
	_, _, basic := g.r.BasicAuth()
	ways := 0
	for _, used := range []bool{g.r.Header.Get("Authorization") != "", g.form.Has("client_secret"), g.form.Has("client_assertion")} {
		if used {
			ways++
		}
	}
	switch {
	case ways > 1:
		return nil, invalidRequest("the client says twice who it is: use one of HTTP Basic, client_secret and client_assertion")
	case ways == 0 || g.r.Header.Get("Authorization") != "" && !basic:
		return nil, invalidClient(true)
	case g.form.Has("client_assertion"):
		return g.signed()
	case basic:
		return g.bySecret(true)
	}
	return g.bySecret(false)
}

// bySecret lets a client in by its secret. Unknown clients cost the same
// comparison as wrong secrets.
func (g *grant) bySecret(basic bool) (*store.TokenRow, error) {
	id, secret := g.form.Get("client_id"), g.form.Get("client_secret")
	if basic {
		name, word, _ := g.r.BasicAuth()
		// RFC 6749 section 2.3.1: both are form-encoded first. Ours hold nothing
		// that this would change.
		id, secret = name, word
	}
	token, err := bearer.Parse(bearer.Client, secret)
	if err != nil || token.ID != id {
		return nil, invalidClient(basic)
	}
	row, err := g.row(id)
	if err != nil {
		return nil, err
	}
	if !token.Verify(row.Hash) || !g.good(&row) {
		return nil, invalidClient(basic)
	}
	return &row, nil
}

// row reads a client; the zero row is one that nobody is let in by.
func (g *grant) row(id string) (store.TokenRow, error) {
	row, err := g.h.store.Token(g.r.Context(), id)
	if errors.Is(err, workspace.ErrNotFound) || row.Kind != store.TokenClient {
		return store.TokenRow{}, ignoreNotFound(err)
	}
	return row, err
}

func ignoreNotFound(err error) error {
	if errors.Is(err, workspace.ErrNotFound) {
		return nil
	}
	return err
}

// good reports whether a client is in force and may call from this address.
func (g *grant) good(row *store.TokenRow) bool {
	if row.Kind != store.TokenClient || row.RevokedAt != 0 || row.ExpiresAt <= workspace.At(g.start) {
		return false
	}
	terms := g.h.terms(row.Workspace, row.Connection)
	for _, networks := range [][]netip.Prefix{g.h.tokens.Networks(row), terms.Networks} {
		if len(networks) > 0 && !admission.InNetworks(networks, g.ip) {
			return false
		}
	}
	return len(row.Networks) == 0 || len(g.h.tokens.Networks(row)) > 0
}

// offersOAuth reports whether the connection has a client that is in force:
// discovery says so then, and not before.
func (x *exchange) offersOAuth() (offered bool, err error) {
	err = x.link.handle.View(x.r.Context(), func(r *store.Reader) error {
		tokens, err := r.Tokens(x.link.connection)
		offered = slices.ContainsFunc(tokens, func(t store.TokenRow) bool {
			return t.Kind == store.TokenClient && sync.LiveToken(&t, workspace.At(x.start))
		})
		return err
	})
	return offered, err
}

// tokenURL is the absolute URL of the token endpoint.
func (h *Handler) tokenURL() string { return strings.TrimSuffix(h.base, basePath) + TokenPath }
