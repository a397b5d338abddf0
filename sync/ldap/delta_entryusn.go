package ldap

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/sync"
)

// entryUSN reads 389's changes by its USN plug-in (LD4). Its syncrepl is not
// used: it answers refreshDeletes=false even to "no change".
func (p *peopleRead) entryUSN(ctx context.Context, at position, next *position) error {
	usn, err := p.ownCounter(ctx, at.USN)
	if err != nil {
		return err
	}
	next.USN = usn
	if usn == at.USN && len(p.l.root.lastUSN) == 1 {
		return nil
	}
	since := "(entryusn>=" + strconv.FormatInt(at.USN+1, 10) + ")"
	if err := p.read(ctx, "(&"+p.plan.people+since+")", nil); err != nil {
		return err
	}
	return p.tombstones(ctx, "(&(objectClass=nsTombstone)"+since+")", nil, "modifyTimestamp")
}

// cursorFromFuture: the server's counter went back, so it was restored to an
// earlier state, and counts again what it had counted before (LP4).
func cursorFromFuture(now, cursor int64) error {
	return fmt.Errorf("%w: the server counts %d, the cursor %d; it was restored", sync.ErrCursorGone, now, cursor)
}

// noUSN is before every counter: an empty database counts -1.
const noUSN = -2

// entryCounters reads the counters of all databases by their attribute:
// `lastusn;userroot`, or `lastusn` of a server that counts them together.
func (r *reader) entryCounters(ctx context.Context) (map[string]int64, error) {
	e, err := r.l.base(ctx, "", "(objectClass=*)", []string{"lastusn"})
	if err != nil {
		return nil, readError("reading lastusn", err)
	}
	all := map[string]int64{}
	if e != nil {
		for _, a := range e.Attributes {
			if !strings.HasPrefix(strings.ToLower(a.Name), "lastusn") || len(a.Values) != 1 {
				continue
			}
			if n, err := strconv.ParseInt(a.Values[0], 10, 64); err == nil {
				all[strings.ToLower(a.Name)] = n
			}
		}
	}
	if len(all) == 0 {
		return nil, &sync.ScopeError{Need: "read lastusn of the root DSE"}
	}
	return all, nil
}

// entryMark is the tell-tale: which database holds the people is not known
// from the counters alone, so it moves with every one of them.
func entryMark(all map[string]int64) string {
	parts := make([]string, 0, len(all))
	for name, n := range all {
		_, database, _ := strings.Cut(name, ";")
		parts = append(parts, database+"="+strconv.FormatInt(n, 10))
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// ownCounter gives the counter of the people's database. The server's
// configuration would name it, but a bind account of least rights cannot read
// that. So a counter is another database's when an entry here is newer than
// it; of those left the smallest is safe: it is at most the right one, and
// what lies between is read twice at worst. After is the last one known, below
// which no counter falls unless the server was restored (ErrCursorGone).
func (r *reader) ownCounter(ctx context.Context, after int64) (int64, error) {
	all, err := r.entryCounters(ctx)
	if err != nil {
		return 0, err
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return int(max(-1, min(1, all[a]-all[b]))) })
	highest := all[names[len(names)-1]]
	for _, name := range names {
		switch {
		case all[name] < after:
			continue
		case len(names) == 1 || all[name] == highest:
			return all[name], nil
		}
		newer, err := r.newerThan(ctx, all[name])
		if err != nil {
			return 0, err
		}
		if newer == noUSN {
			return all[name], nil
		}
		// Somebody may have written between the two reads.
		now, err := r.entryCounters(ctx)
		if err != nil {
			return 0, err
		}
		if newer <= now[name] {
			return all[name], nil
		}
	}
	return 0, cursorFromFuture(highest, after)
}

// newerThan gives the counter of any one entry of the people's naming context
// that is above usn, or noUSN.
func (r *reader) newerThan(ctx context.Context, usn int64) (int64, error) {
	found := int64(noUSN)
	one := *r
	cfg := r.cfg
	cfg.PageSize = 1
	one.Source = &Source{cfg: cfg, opt: r.opt, log: r.log, now: r.now}
	err := one.paged(ctx, search{
		what: "reading entryusn", base: r.l.root.suffix, filter: "(entryusn>=" + strconv.FormatInt(usn+1, 10) + ")", attrs: []string{"entryusn"},
		entry: func(e *goldap.Entry) (bool, error) {
			n, err := strconv.ParseInt(e.GetEqualFoldAttributeValue("entryusn"), 10, 64)
			if err != nil {
				return true, &sync.ScopeError{Need: "read entryusn of " + e.DN}
			}
			found = n
			return true, nil
		},
		page: func() error { return errEnough },
	})
	return found, ignore(err, errEnough)
}
