package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/admission"
	"github.com/rollcall-sync/rollcall/internal/bearer"
	"github.com/rollcall-sync/rollcall/store"
)

// The scopes that a token may have. A write scope does not hold the read
// scope: name both.
const (
	ScopeMembersRead      = "members:read"
	ScopeMembersWrite     = "members:write"
	ScopeGroupsRead       = "groups:read"
	ScopeGroupsWrite      = "groups:write"
	ScopeNumbersRead      = "numbers:read"
	ScopeNumbersWrite     = "numbers:write"
	ScopeInvitationsRead  = "invitations:read"
	ScopeInvitationsWrite = "invitations:write"
	ScopeDomainsRead      = "domains:read"
	ScopeDomainsWrite     = "domains:write"
	ScopeHoldsRead        = "holds:read"
	ScopeHoldsWrite       = "holds:write"
	ScopeRunsRead         = "runs:read"
	ScopeWorkspaceRead    = "workspace:read"
	ScopeRevocationsRead  = "revocations:read"
	ScopeSessionsRead     = "sessions:read"
	ScopeSessionsWrite    = "sessions:write"
)

// Scopes lists every scope, in the order of the documents.
func Scopes() []string {
	return []string{
		ScopeMembersRead, ScopeMembersWrite, ScopeGroupsRead, ScopeGroupsWrite, ScopeNumbersRead, ScopeNumbersWrite, ScopeInvitationsRead,
		ScopeInvitationsWrite, ScopeDomainsRead, ScopeDomainsWrite, ScopeHoldsRead, ScopeHoldsWrite, ScopeRunsRead, ScopeWorkspaceRead, ScopeRevocationsRead, ScopeSessionsRead,
		ScopeSessionsWrite,
	}
}

// Refusals of Authorize.
var (
	ErrUnauthenticated = errors.New("no valid token of the API")
	ErrScope           = errors.New("the token lacks the scope")
)

// caller is the program behind a request.
type caller struct {
	token                 bearer.Token
	workspace, connection string
	scopes                []string
	handle                *store.Handle
}

// allows refuses what the token's scopes leave out.
func (c *caller) allows(scope string) error {
	if slices.Contains(c.scopes, scope) {
		return nil
	}
	return errScope(scope)
}

// authenticate finds the caller behind the bearer token.
func (x *exchange) authenticate() error {
	row, token, err := x.prove()
	var p *Problem
	if errors.As(err, &p) && p.Status == http.StatusUnauthorized {
		if wait, ok := x.h.failures.Take(x.ip, x.start); !ok {
			return errTooMany(wait)
		}
	}
	if err != nil {
		return err
	}
	if wait, ok := x.h.rates.Take(row.ID, x.start); !ok && !x.cuts() {
		return errTooMany(wait)
	}
	handle, err := x.h.engine.Handle(row.Workspace)
	if err != nil {
		return errUnauthorized() // the workspace has left the configuration
	}
	x.caller = caller{token: token, workspace: row.Workspace, connection: row.Connection, scopes: row.Scopes, handle: handle}
	x.h.uses.Used(row.ID, x.start)
	return nil
}

// prove reads the token and looks its row up.
func (x *exchange) prove() (*store.TokenRow, bearer.Token, error) {
	header := x.r.Header["Authorization"]
	if len(header) != 1 {
		return nil, bearer.Token{}, errUnauthorized()
	}
	scheme, text, found := strings.Cut(header[0], " ")
	token, err := bearer.Parse(bearer.API, strings.TrimSpace(text))
	if !found || !strings.EqualFold(scheme, "Bearer") || err != nil {
		return nil, bearer.Token{}, errUnauthorized()
	}
	row, err := x.h.tokens.Prove(x.r.Context(), token, store.TokenBearer, x.ip, x.start)
	switch {
	case errors.Is(err, admission.ErrNetwork):
		return nil, token, &Problem{
			Status: http.StatusForbidden, Code: "network", Detail: "The address " + x.ip + " is not in the networks of this token.",
			Remedy: "Call from one of them, or ask who runs Rollcall for a token for more networks.",
		}
	case errors.Is(err, admission.ErrToken):
		return nil, token, errUnauthorized()
	case err != nil:
		return nil, token, err
	case !x.h.connections[row.Workspace][row.Connection]:
		return nil, token, errUnauthorized()
	}
	return row, token, nil
}

// Authorize tells which workspace a request may read with a scope, for
// handlers beside this one. It gives ErrUnauthenticated or ErrScope when it
// may not, and a *Problem with status 429 when too much was asked; any other
// error is ours.
func (h *Handler) Authorize(r *http.Request, scope string) (string, error) {
	x := &exchange{h: h, r: r, start: h.now(), ip: admission.ClientIP(h.proxies, r)}
	err := x.authenticate()
	var p *Problem
	switch {
	case errors.As(err, &p) && p.Status == http.StatusForbidden:
		return "", ErrScope
	case errors.As(err, &p) && p.Status == http.StatusTooManyRequests:
		return "", p
	case errors.As(err, &p):
		return "", ErrUnauthenticated
	case err != nil:
		return "", err
	case x.caller.allows(scope) != nil:
		return "", ErrScope
	}
	return x.caller.workspace, nil
}
