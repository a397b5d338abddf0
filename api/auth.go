package api

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	stdsync "sync"
	"time"

	"github.com/rollcall-sync/rollcall/internal/bearer"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
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

// tokenFresh is how long a row of a token may be believed without another
// look: a revoked token is refused within a second on every replica.
const tokenFresh = 500 * time.Millisecond

// maxCachedTokens bounds the cache; a full one is emptied.
const maxCachedTokens = 4096

// tokenCache remembers rows of tokens that were proved lately. Its zero value
// is empty; it is safe for concurrent use.
type tokenCache struct {
	mu   stdsync.Mutex
	rows map[string]provedToken // by id, guarded by mu
}

// provedToken is the row of a token whose secret was right.
type provedToken struct {
	token    bearer.Token
	row      store.TokenRow
	networks []netip.Prefix
	at       time.Time
}

func (c *tokenCache) get(token bearer.Token, now time.Time) (provedToken, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.rows[token.ID]
	if !ok || now.Sub(p.at) >= tokenFresh || now.Before(p.at) || !p.token.Same(token) {
		return provedToken{}, false
	}
	return p, true
}

func (c *tokenCache) put(p provedToken) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rows == nil || len(c.rows) >= maxCachedTokens {
		c.rows = make(map[string]provedToken)
	}
	c.rows[p.token.ID] = p
}

// lastUses remembers when the use of a token was last written: once a minute
// is enough. Its zero value is empty; it is safe for concurrent use.
type lastUses struct {
	mu stdsync.Mutex
	at map[string]time.Time // by id, guarded by mu
}

// due reports whether the use of a token should be written now.
func (u *lastUses) due(token string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.at == nil || len(u.at) >= maxCachedTokens {
		u.at = map[string]time.Time{}
	}
	if now.Sub(u.at[token]) < time.Minute {
		return false
	}
	u.at[token] = now
	return true
}

// authenticate finds the caller behind the bearer token.
func (x *exchange) authenticate() error {
	proved, err := x.prove()
	var p *Problem
	if errors.As(err, &p) && p.Status == http.StatusUnauthorized && !x.h.failures.take(x.ip, x.start) {
		return errTooMany(x.h.failures.wait())
	}
	if err != nil {
		return err
	}
	row := &proved.row
	if !x.h.rates.take(row.ID, x.start) {
		return errTooMany(x.h.rates.wait())
	}
	handle, err := x.h.engine.Handle(row.Workspace)
	if err != nil {
		return errUnauthorized() // the workspace has left the configuration
	}
	x.caller = caller{token: proved.token, workspace: row.Workspace, connection: row.Connection, scopes: row.Scopes, handle: handle}
	if x.h.uses.due(row.ID, x.start) {
		if err := x.h.store.TouchTokens(x.r.Context(), map[string]time.Time{row.ID: x.start}); err != nil {
			x.h.log.Warn("the last use of a token could not be written", "token", row.ID, "err", err)
		}
	}
	return nil
}

// prove reads the token and looks its row up. Unknown ids cost the same
// comparison as wrong secrets.
func (x *exchange) prove() (provedToken, error) {
	header := x.r.Header["Authorization"]
	if len(header) != 1 {
		return provedToken{}, errUnauthorized()
	}
	scheme, text, found := strings.Cut(header[0], " ")
	token, err := bearer.Parse(bearer.API, strings.TrimSpace(text))
	if !found || !strings.EqualFold(scheme, "Bearer") || err != nil {
		return provedToken{}, errUnauthorized()
	}
	p, fresh := x.h.tokens.get(token, x.start)
	if !fresh {
		row, err := x.h.store.Token(x.r.Context(), token.ID)
		unknown := errors.Is(err, workspace.ErrNotFound)
		if err != nil && !unknown {
			return provedToken{}, err
		}
		if !token.Verify(row.Hash) || unknown || row.RevokedAt != 0 || !x.h.connections[row.Workspace][row.Connection] {
			return provedToken{}, errUnauthorized()
		}
		p = provedToken{token: token, row: row, at: x.start}
		for _, text := range row.Networks {
			network, err := netip.ParsePrefix(text)
			if err != nil {
				x.h.log.Warn("a network of a token cannot be read and counts as none", "token", row.ID, "workspace", row.Workspace)
				continue
			}
			p.networks = append(p.networks, network)
		}
		x.h.tokens.put(p)
	}
	if p.row.ExpiresAt <= workspace.At(x.start) {
		return provedToken{}, errUnauthorized()
	}
	if len(p.row.Networks) > 0 && !inNetworks(p.networks, x.ip) {
		return provedToken{}, &Problem{
			Status: http.StatusForbidden, Code: "network", Detail: "The address " + x.ip + " is not in the networks of this token.",
			Remedy: "Call from one of them, or create a token for more networks.",
		}
	}
	return p, nil
}

// Authorize tells which workspace a request may read with a scope, for
// handlers beside this one. It gives ErrUnauthenticated or ErrScope when it
// may not; any other error is ours.
func (h *Handler) Authorize(r *http.Request, scope string) (string, error) {
	x := &exchange{h: h, r: r, start: h.now(), ip: clientIP(h.proxies, r)}
	err := x.authenticate()
	var p *Problem
	switch {
	case errors.As(err, &p) && p.Status == http.StatusForbidden:
		return "", ErrScope
	case errors.As(err, &p):
		return "", ErrUnauthenticated
	case err != nil:
		return "", err
	case x.caller.allows(scope) != nil:
		return "", ErrScope
	}
	return x.caller.workspace, nil
}

// inNetworks reports whether an address is in one of the networks.
func inNetworks(networks []netip.Prefix, ip string) bool {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// clientIP is the address of the client: the peer, or what the proxies that
// are trusted say, read from the right.
func clientIP(proxies []netip.Prefix, r *http.Request) string {
	peer := r.RemoteAddr
	if at, err := netip.ParseAddrPort(peer); err == nil {
		peer = at.Addr().Unmap().String()
	}
	if !inNetworks(proxies, peer) {
		return peer
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		hop = strings.TrimSpace(hop)
		if _, err := netip.ParseAddr(hop); err != nil {
			break
		}
		peer = hop
		if !inNetworks(proxies, hop) {
			break
		}
	}
	return peer
}
