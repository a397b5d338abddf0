package pull

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Limits of a page that is handed over (SO4) and of a run (RD9).
const (
	pagePeople  = 1_000
	pageMembers = 1_000
	pageBytes   = 1 << 20
	maxPages    = 10_000
	maxEntries  = 5_000_000
)

// reader is one run: what it has seen, and the page that it fills.
type reader struct {
	*Source
	sink   sync.Sink
	resume sync.Cursor
	out    sync.Page
	bytes  int

	seen     map[string]struct{}            // ids of people
	links    map[[sha256.Size]byte]struct{} // hashes of addresses that were asked (RD9)
	pages    int
	entries  int
	groups   int
	hidden   int // people without the flag
	sentinel bool
}

func (s *Source) newReader(sink sync.Sink, resume sync.Cursor) *reader {
	return &reader{Source: s, sink: sink, resume: resume, seen: map[string]struct{}{}, links: map[[sha256.Size]byte]struct{}{}}
}

// fetch gets one page of a list. The same address twice in a run is a list
// that goes in circles, and too many pages are one without end (RD9).
func (r *reader) fetch(ctx context.Context, u *url.URL) (*answer, error) {
	return r.fetchWith(ctx, u, nil)
}

// fetchWith is fetch with headers.
func (r *reader) fetchWith(ctx context.Context, u *url.URL, header http.Header) (*answer, error) {
	key := sha256.Sum256([]byte(u.String()))
	if _, again := r.links[key]; again {
		return nil, &sync.IncompleteError{Why: "the links of " + r.server() + " go in circles (RD9)"}
	}
	r.links[key] = struct{}{}
	if r.pages++; r.pages > r.maxPages {
		return nil, fmt.Errorf("more than %d pages in one run: raise directory.page_size, or read fewer groups (RD9)", r.maxPages)
	}
	return r.api.get(ctx, u, header)
}

// count bounds what one run reads (RD9).
func (r *reader) count(n int) error {
	if r.entries += n; r.entries > maxEntries {
		return fmt.Errorf("more than %d entries in one run (RD9): read fewer groups", maxEntries)
	}
	return nil
}

// person takes a record. Whole records are taken as they are; others, of a
// delta, state what changed.
func (r *reader) person(ctx context.Context, doc map[string]any, at workspace.Micros, whole bool) (workspace.Identity, bool, error) {
	id, known, err := r.schema.identity(doc, r.opt.Connection, at, whole)
	if err != nil {
		return id, false, &sync.IncompleteError{Why: err.Error() + " (data is missing)"}
	}
	return id, known, r.identity(ctx, id, known, whole)
}

// identity hands an identity over.
func (r *reader) identity(ctx context.Context, id workspace.Identity, known, whole bool) error {
	if err := r.count(1); err != nil {
		return err
	}
	r.seen[id.ExternalID] = struct{}{}
	if s := r.opt.Sentinel; s != "" && (s == id.ExternalID || fold.Equal(s, id.UserName)) {
		r.sentinel = true
	}
	if !known {
		r.hidden++
	}
	if !known || !whole {
		if r.out.Partial == nil {
			r.out.Partial = map[string]bool{}
		}
		r.out.Partial[id.ExternalID] = true
	} else {
		delete(r.out.Partial, id.ExternalID)
	}
	r.out.Identities = append(r.out.Identities, id)
	r.bytes += 128
	for name, v := range id.Attributes {
		r.bytes += len(name) + 16
		for i := range v {
			r.bytes += len(v[i]) + 16
		}
	}
	if len(r.out.Identities) >= pagePeople || r.bytes >= pageBytes {
		return r.flush(ctx)
	}
	return nil
}

// present states that somebody is there.
func (r *reader) present(ctx context.Context, doc map[string]any) error {
	id := normalID(scalar(doc[r.schema.id]))
	if id == "" {
		return &sync.IncompleteError{Why: "a record shows no " + r.schema.id + " (data is missing)"}
	}
	if s := r.opt.Sentinel; s != "" && (s == id || fold.Equal(s, scalar(doc["userName"]))) {
		r.sentinel = true
	}
	if _, again := r.seen[id]; again {
		return nil
	}
	r.seen[id] = struct{}{}
	if r.out.Present = append(r.out.Present, id); len(r.out.Present) >= pagePeople {
		return r.flush(ctx)
	}
	return r.count(1)
}

// group hands a group's record over.
func (r *reader) group(ctx context.Context, g workspace.DirectoryGroup) error {
	r.groups++
	r.out.Groups = append(r.out.Groups, g)
	r.bytes += 256
	if len(r.out.Groups) >= pagePeople {
		return r.flush(ctx)
	}
	return nil
}

// members hands members of a group over, in pieces.
func (r *reader) members(ctx context.Context, m sync.Members) error {
	n := len(m.Add) + len(m.Remove)
	if err := r.count(n); err != nil {
		return err
	}
	r.out.Members = append(r.out.Members, m)
	r.bytes += 64 * n
	if n >= pageMembers || r.bytes >= pageBytes {
		return r.flush(ctx)
	}
	return nil
}

// flush hands the page over.
func (r *reader) flush(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	p := r.out
	if len(p.Identities)+len(p.Groups)+len(p.Members)+len(p.Gone)+len(p.Present) == 0 {
		return nil
	}
	r.out, r.bytes = sync.Page{}, 0
	return r.sink.Page(ctx, p, r.resume)
}

// flagged wants the flag on every person (OD1).
func (r *reader) flagged() error {
	if r.hidden > 0 {
		return &sync.IncompleteError{Why: fmt.Sprintf("%d people show no %s, so nobody knows whether they are disabled (OD1)", r.hidden, kinds[r.dir.Kind].flag)}
	}
	return nil
}

// wholePeople judges a read of everybody: flags, emptiness, sentinel.
func (r *reader) wholePeople(ctx context.Context) error {
	if err := r.flush(ctx); err != nil {
		return err
	}
	if err := r.flagged(); err != nil {
		return err
	}
	if len(r.seen) == 0 {
		return &sync.IncompleteError{Why: "nobody was found, which a missing right looks like as well (RD4)"}
	}
	return r.sentinels(ctx)
}

// sentinels looks for people who must be visible (RD5).
func (r *reader) sentinels(ctx context.Context) error {
	if r.opt.Sentinel != "" {
		if !r.sentinel {
			return &sync.IncompleteError{Why: fmt.Sprintf("the sentinel %s is not visible (RD5): a right was lost, or it is no id and no login name", clean(r.opt.Sentinel))}
		}
		return nil
	}
	if r.opt.Known == nil {
		return nil
	}
	known, err := r.opt.Known(ctx)
	if err != nil || len(known) == 0 {
		return err
	}
	found := 0
	for _, id := range known {
		if _, ok := r.seen[id]; ok {
			found++
		}
	}
	if need := min(3, len(known)); found < need {
		return &sync.IncompleteError{Why: fmt.Sprintf("only %d of the %d longest-known people are visible, %d are needed (RD5)", found, len(known), need)}
	}
	r.sentinel = true
	return nil
}
