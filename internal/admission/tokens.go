// Package admission says who may come in at the HTTP doors (SCIM and the JSON
// API): the proof of bearer tokens, the address of a client behind trusted
// proxies, and token buckets by name. What a caller may do once inside is the
// door's own matter.
package admission

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	stdsync "sync"
	"time"

	"github.com/rollcall-sync/rollcall/internal/bearer"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// tokenFresh is how long a row of a token may be believed without another
// look: a revoked token is refused within a second on every replica.
const tokenFresh = 500 * time.Millisecond

// maxCached bounds the cache of rows; a full one is emptied.
const maxCached = 4096

// What is said of tokens that are not let in.
var (
	// ErrToken says that a token is unknown, revoked, expired or of another
	// kind: a client is told no more than that.
	ErrToken = errors.New("not a good token")
	// ErrNetwork says that a good token came from an address outside its
	// networks.
	ErrNetwork = errors.New("the address is not in the networks of the token")
)

// Tokens proves bearer tokens against their rows, and remembers for half a
// second what it proved. It is safe for concurrent use.
type Tokens struct {
	store *store.Store
	log   *slog.Logger

	mu   stdsync.Mutex
	rows map[string]proved // by id, guarded by mu
}

// proved is the row of a token whose secret was right.
type proved struct {
	token    bearer.Token // whole: another secret under the same id is not proved
	row      store.TokenRow
	networks []netip.Prefix
	at       time.Time
}

// NewTokens proves tokens against the rows of s.
func NewTokens(s *store.Store, log *slog.Logger) *Tokens {
	return &Tokens{store: s, log: log, rows: map[string]proved{}}
}

// Prove gives the row of a token that is good now, is of the kind (as
// store.TokenRow has it) and comes from one of its networks. The error is
// ErrToken, ErrNetwork (with the row) or the store's. Unknown ids cost the
// same comparison as wrong secrets.
func (t *Tokens) Prove(ctx context.Context, token bearer.Token, kind, ip string, now time.Time) (*store.TokenRow, error) {
	p, ok := t.known(token, now)
	if !ok {
		row, err := t.store.Token(ctx, token.ID)
		unknown := errors.Is(err, workspace.ErrNotFound)
		if err != nil && !unknown {
			return nil, err
		}
		if !token.Verify(row.Hash) || unknown || row.RevokedAt != 0 {
			return nil, ErrToken
		}
		p = proved{token: token, row: row, networks: t.Networks(&row), at: now}
		t.keep(p)
	}
	switch {
	case p.row.Kind != kind, p.row.ExpiresAt != 0 && p.row.ExpiresAt <= workspace.At(now):
		return nil, ErrToken
	case len(p.row.Networks) > 0 && !InNetworks(p.networks, ip):
		return &p.row, ErrNetwork
	}
	return &p.row, nil
}

// known finds a token that was proved lately. The text is compared in constant
// time, as the hash is.
func (t *Tokens) known(token bearer.Token, now time.Time) (proved, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, ok := t.rows[token.ID]
	if !ok || now.Sub(p.at) >= tokenFresh || now.Before(p.at) || !p.token.Same(token) {
		return proved{}, false
	}
	return p, true
}

func (t *Tokens) keep(p proved) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rows) >= maxCached {
		clear(t.rows)
	}
	t.rows[p.token.ID] = p
}

// Networks reads the networks of a token; what cannot be read counts as none.
func (t *Tokens) Networks(row *store.TokenRow) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range row.Networks {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			t.log.Warn("a network of a token cannot be read and counts as none", "token", row.ID, "workspace", row.Workspace)
			continue
		}
		list = append(list, network)
	}
	return list
}
