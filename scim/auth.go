package scim

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/admission"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
)

// authenticate finds the connection behind the bearer token. Nothing else of
// the request is looked at before (SX10). Discovery is open without a token.
func (x *exchange) authenticate() error {
	x.ip = admission.ClientIP(x.h.proxies, x.r)
	header := x.r.Header["Authorization"]
	if len(header) == 0 && isDiscovery(x.r.URL.Path) {
		return x.openly()
	}
	row, err := x.bearer(header)
	if err != nil {
		return err
	}
	x.token, x.scopes = row.ID, row.Scopes
	x.h.used(row, x.start)
	if x.link, err = x.h.link(x.r.Context(), linkKey{row.Workspace, row.Connection}); err != nil {
		x.link = nil
		return err
	}
	if len(x.link.terms.Networks) > 0 && !admission.InNetworks(x.link.terms.Networks, x.ip) {
		return errDenied("", "the address %s is not in the networks of this connection. Remedy: add it to networks of the connection, or call from one of them", x.ip)
	}
	return x.inScope()
}

// bearer finds the good token in the header.
func (x *exchange) bearer(header []string) (*store.TokenRow, error) {
	if len(header) != 1 {
		return nil, x.wrongToken()
	}
	scheme, text, found := strings.Cut(header[0], " ")
	if !found || !sameName(scheme, "Bearer") {
		return nil, x.wrongToken()
	}
	text = strings.TrimSpace(text)
	if x.h.issuedTokens != nil && strings.HasPrefix(text, jwtPrefix) {
		return x.issued(text)
	}
	token, err := ParseToken(text)
	if err != nil {
		return nil, x.wrongToken()
	}
	row, err := x.h.tokens.Prove(x.r.Context(), token, tokenKind(token), x.ip, x.start)
	switch {
	case errors.Is(err, admission.ErrToken):
		return nil, x.wrongToken()
	case errors.Is(err, admission.ErrNetwork):
		return nil, errDenied("", "the address %s is not in the networks of this token. Remedy: add it to the token's networks, or call from one of them", x.ip)
	case err != nil:
		return nil, err
	}
	return row, nil
}

// jwtPrefix begins every JWT: its first part is an object in base64url. No
// token of ours begins so.
const jwtPrefix = "ey"

// tokenIssued is the kind of the rows that stand for tokens of other
// authorization servers: no store has them.
const tokenIssued = "issued"

// maxSubject bounds what reports keep of a client's name, in bytes.
const maxSubject = 64

// issued lets a client in by a token that another authorization server has
// issued to it. It has no scopes of ours, so all of them.
func (x *exchange) issued(text string) (*store.TokenRow, error) {
	workspaceID, connection, subject, err := x.h.issuedTokens(x.r.Context(), text)
	switch {
	case errors.Is(err, sync.ErrProvider):
		return nil, errBusy(storeAway, "the keys of the token's issuer cannot be read now, nothing was changed. Remedy: send the request again").causedBy(err)
	case err != nil:
		return nil, x.wrongToken()
	}
	return &store.TokenRow{Workspace: workspaceID, Connection: connection, Kind: tokenIssued, ID: "issued:" + clip(subject, maxSubject)}, nil
}

// used notes the use of a token that has a row.
func (h *Handler) used(row *store.TokenRow, at time.Time) {
	if row.Kind != tokenIssued {
		h.uses.Used(row.ID, at)
	}
}

// Authorize judges the bearer token of a request to something else than SCIM:
// it gives the token's workspace if the token has the scope, or is without
// scopes. The error is an *Error of status 401 or 403, or the store's.
func (h *Handler) Authorize(r *http.Request, scope string) (workspaceID string, err error) {
	x := &exchange{h: h, r: r, start: h.now(), ip: admission.ClientIP(h.proxies, r)}
	row, err := x.bearer(r.Header["Authorization"])
	if err != nil {
		return "", err
	}
	h.used(row, x.start)
	if len(row.Scopes) > 0 && !slices.Contains(row.Scopes, scope) {
		return "", errDenied("", "the token has no scope for this. Remedy: create a token with the scope %s", scope)
	}
	return row.Workspace, nil
}

// The scopes of a token. A token without scopes has all of them.
const (
	scopeRead   = "read"
	scopeUsers  = "users"
	scopeGroups = "groups"
)

// inScope refuses what the token's scopes leave out: read allows reading,
// users and groups allow reading and writing of that type.
func (x *exchange) inScope() error {
	scopes := x.scopes
	if len(scopes) == 0 || slices.Contains(scopes, scopeRead) && (isRead(x.r.Method) || isSearch(x.r)) {
		return nil
	}
	need := scopeRead
	name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(x.r.URL.Path, basePath), "/"), "/")
	switch {
	case isDiscovery(x.r.URL.Path), strings.EqualFold(name, "Bulk"):
		return nil // Of Bulk each operation is judged.
	case strings.EqualFold(name, "Users"):
		need = scopeUsers
	case strings.EqualFold(name, "Groups"):
		need = scopeGroups
	}
	if slices.Contains(scopes, need) {
		return nil
	}
	return errDenied("", "the token has no scope for this. Remedy: create a token with the scope %s", need)
}

// isSearch reports whether a request is a search by POST, which only reads.
func isSearch(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(strings.TrimSuffix(r.URL.Path, "/"), "/.search")
}

// isRead reports whether a method only reads.
func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }
