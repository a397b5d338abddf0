package ldap

import (
	"context"
	"crypto/sha256"
	"fmt"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Limits of one run (RD9) and of one page for the sink (SO4).
const (
	maxPages     = 10_000
	maxEntries   = 5_000_000
	pagePeople   = 1_000
	pageBytes    = 1 << 20
	pageMembers  = 10_000
	pagePresent  = 10_000
	probeEntries = 50
)

// search is one paged search.
type search struct {
	what   string // for messages: "reading people"
	base   string
	filter string
	attrs  []string
	extra  []goldap.Control
	// entry takes one entry and tells whether this run has not seen it before.
	entry func(*goldap.Entry) (fresh bool, err error)
	// page runs after each page of the server, while no search is under way.
	page func() error
}

// paged runs a search page by page with a new request for each (LC3). It ends
// well only with the end mark, an empty paging cookie (RFC 2696): anything
// else is an error.
func (r *reader) paged(ctx context.Context, q search) error {
	if !r.l.root.supports(oidPaging) {
		return r.unpaged(ctx, q)
	}
	var cookie []byte
	for {
		if r.pages++; r.pages > maxPages {
			return &sync.IncompleteError{Why: fmt.Sprintf("%s: more than %d pages (RD9); raise page_size", q.what, maxPages)}
		}
		r.observed = workspace.At(r.now())
		paging := goldap.NewControlPaging(uint32(r.cfg.PageSize))
		paging.SetCookie(cookie)
		var end *goldap.ControlPaging
		total, fresh, err := r.onePage(ctx, q, append([]goldap.Control{paging}, q.extra...), func(c goldap.Control) {
			if p, ok := c.(*goldap.ControlPaging); ok {
				end = p
			}
		})
		switch {
		case err != nil:
			return err
		case end == nil:
			return &sync.IncompleteError{Why: q.what + ": the answer has no end mark (RD1)"}
		case total > 0 && fresh == 0 && len(end.Cookie) > 0:
			return &sync.IncompleteError{Why: q.what + ": the server sends the same page again and again"}
		}
		if q.page != nil {
			if err := q.page(); err != nil {
				return err
			}
		}
		if len(end.Cookie) == 0 {
			return nil
		}
		cookie = end.Cookie
	}
}

// unpaged reads from a server without the paging control: it ends well when
// the connection lived until after the final answer (LC1).
func (r *reader) unpaged(ctx context.Context, q search) error {
	r.pages++
	r.observed = workspace.At(r.now())
	if _, _, err := r.onePage(ctx, q, q.extra, func(goldap.Control) {}); err != nil {
		return err
	}
	if q.page == nil {
		return nil
	}
	return q.page()
}

// onePage runs one request. Errors of the callbacks, which may be the sink's,
// come back unchanged.
func (r *reader) onePage(ctx context.Context, q search, controls []goldap.Control, control func(goldap.Control)) (total, fresh int, err error) {
	req := goldap.NewSearchRequest(q.base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 0, false, q.filter, q.attrs, controls)
	var own error
	err = r.l.stream(ctx, req, func(it item) error {
		if it.entry == nil {
			for _, c := range it.controls {
				control(c)
			}
			return nil
		}
		if r.entries++; r.entries > maxEntries {
			own = &sync.IncompleteError{Why: fmt.Sprintf("%s: more than %d entries (RD9)", q.what, maxEntries)}
			return own
		}
		total++
		isFresh, err := q.entry(it.entry)
		if isFresh {
			fresh++
		}
		own = err
		return err
	})
	if own != nil {
		return total, fresh, own
	}
	return total, fresh, readError(q.what+" below "+r.cfg.named(q.base), err)
}

// idSet remembers ids in 16 bytes each.
type idSet map[[16]byte]struct{}

// add tells whether the id is new.
func (s idSet) add(id string) bool {
	k := idKey(id)
	if _, ok := s[k]; ok {
		return false
	}
	s[k] = struct{}{}
	return true
}

func (s idSet) has(id string) bool {
	_, ok := s[idKey(id)]
	return ok
}

func idKey(id string) [16]byte {
	if g, err := uuid.Parse(id); err == nil {
		return g
	}
	sum := sha256.Sum256([]byte(id))
	return [16]byte(sum[:16])
}
