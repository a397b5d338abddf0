package scim

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	stdsync "sync"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

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
	token    Token // whole: another secret under the same id is not proved
	row      store.TokenRow
	networks []netip.Prefix
	at       time.Time
}

// get finds a token that was proved lately. The text is compared in constant
// time, as the hash is.
func (c *tokenCache) get(token Token, now time.Time) (provedToken, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.rows[token.ID]
	if !ok || now.Sub(p.at) >= tokenFresh || now.Before(p.at) || !p.token.Same(token) {
		return provedToken{}, false
	}
	return p, true
}

func (c *tokenCache) put(token Token, p provedToken) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rows == nil || len(c.rows) >= maxCachedTokens {
		c.rows = make(map[string]provedToken)
	}
	c.rows[token.ID] = p
}

// authenticate finds the connection behind the bearer token. Nothing else of
// the request is looked at before (SX10). Discovery is open without a token.
func (x *exchange) authenticate() error {
	x.ip = x.h.clientIP(x.r)
	header := x.r.Header["Authorization"]
	if len(header) == 0 && isDiscovery(x.r.URL.Path) {
		return x.openly()
	}
	row, err := x.bearer(header)
	if err != nil {
		return err
	}
	x.token, x.scopes = row.ID, row.Scopes
	x.h.uses.used(row.ID, x.start)
	if x.link, err = x.h.link(x.r.Context(), linkKey{row.Workspace, row.Connection}); err != nil {
		x.link = nil
		return err
	}
	if len(x.link.terms.Networks) > 0 && !inNetworks(x.link.terms.Networks, x.ip) {
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
	token, err := ParseToken(strings.TrimSpace(text))
	if err != nil {
		return nil, x.wrongToken()
	}
	proved, ok := x.h.tokens.get(token, x.start)
	if !ok {
		if proved, err = x.prove(token); err != nil {
			return nil, err
		}
	}
	row := &proved.row
	if row.ExpiresAt != 0 && row.ExpiresAt <= workspace.At(x.start) {
		return nil, x.wrongToken()
	}
	if len(row.Networks) > 0 && !inNetworks(proved.networks, x.ip) {
		return nil, errDenied("", "the address %s is not in the networks of this token. Remedy: add it to the token's networks, or call from one of them", x.ip)
	}
	return row, nil
}

// Authorize judges the bearer token of a request to something else than SCIM:
// it gives the token's workspace if the token has the scope, or is without
// scopes. The error is an *Error of status 401 or 403, or the store's.
func (h *Handler) Authorize(r *http.Request, scope string) (workspaceID string, err error) {
	x := &exchange{h: h, r: r, start: h.now(), ip: h.clientIP(r)}
	row, err := x.bearer(r.Header["Authorization"])
	if err != nil {
		return "", err
	}
	h.uses.used(row.ID, x.start)
	if len(row.Scopes) > 0 && !slices.Contains(row.Scopes, scope) {
		return "", errDenied("", "the token has no scope for this. Remedy: create a token with the scope %s", scope)
	}
	return row.Workspace, nil
}

// prove looks a token up. Unknown ids cost the same comparison as wrong
// secrets.
func (x *exchange) prove(token Token) (provedToken, error) {
	row, err := x.h.store.Token(x.r.Context(), token.ID)
	unknown := errors.Is(err, workspace.ErrNotFound)
	if err != nil && !unknown {
		return provedToken{}, err
	}
	if !token.Verify(row.Hash) || unknown || row.RevokedAt != 0 || row.Kind != tokenKind(token) {
		return provedToken{}, x.wrongToken()
	}
	p := provedToken{token: token, row: row, networks: x.h.networksOf(&row), at: x.start}
	x.h.tokens.put(token, p)
	return p, nil
}

// networksOf reads the networks of a token.
func (h *Handler) networksOf(row *store.TokenRow) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range row.Networks {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			h.log.Warn("a network of a token cannot be read and counts as none", "token", row.ID, "workspace", row.Workspace)
			continue
		}
		list = append(list, network)
	}
	return list
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

// clientIP is the address of the client: the peer, or what the proxies that
// are trusted say, read from the right.
func (h *Handler) clientIP(r *http.Request) string {
	peer := r.RemoteAddr
	if at, err := netip.ParseAddrPort(peer); err == nil {
		peer = at.Addr().Unmap().String()
	}
	if len(h.proxies) == 0 || !inNetworks(h.proxies, peer) {
		return peer
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop := strings.TrimSpace(hops[i])
		if _, err := netip.ParseAddr(hop); err != nil {
			break
		}
		peer = hop
		if !inNetworks(h.proxies, hop) {
			break
		}
	}
	return peer
}
