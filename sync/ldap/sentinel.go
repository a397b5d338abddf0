package ldap

import (
	"context"
	"fmt"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/sync"
)

// sentinel finds out whether the entries that must be visible are, with
// everybody's filter and attributes (RD5). Seen is what the run has read
// already; met tells that the configured sentinel was among it. Without a
// configured sentinel and known people there is none: false, and no error.
func (r *reader) sentinel(ctx context.Context, seen idSet, met bool) (bool, error) {
	if r.cfg.Sentinel != "" {
		if met {
			return true, nil
		}
		e, err := r.l.base(ctx, r.cfg.Sentinel, r.plan.people, r.plan.ask)
		if c, answered := code(err); answered && c != goldap.LDAPResultNoSuchObject {
			return false, readError("reading the sentinel", err)
		} else if err != nil && !answered {
			return false, err
		}
		if e == nil {
			return false, &sync.IncompleteError{Why: fmt.Sprintf("the sentinel %s is not visible (RD5): a right was lost, or the entry does not match people.filter", r.cfg.Sentinel)}
		}
		return true, nil
	}
	known, err := r.known(ctx)
	if err != nil || len(known) == 0 {
		return false, err
	}
	found := 0
	if seen != nil {
		for _, id := range known {
			if seen.has(id) {
				found++
			}
		}
	} else if found, err = r.count(ctx, known); err != nil {
		return false, err
	}
	if need := min(3, len(known)); found < need {
		return false, &sync.IncompleteError{Why: fmt.Sprintf("only %d of the %d longest-known people are visible, %d are needed (RD5)", found, len(known), need)}
	}
	return true, nil
}

func (s *Source) known(ctx context.Context) ([]string, error) {
	if s.opt.Known == nil {
		return nil, nil
	}
	return s.opt.Known(ctx)
}

// count counts which of the ids are visible.
func (r *reader) count(ctx context.Context, ids []string) (int, error) {
	filter := r.idFilter(ids)
	if filter == "" {
		return 0, nil
	}
	found := idSet{}
	err := r.paged(ctx, search{
		what: "reading the longest-known people", base: r.cfg.People.Base, filter: "(&" + r.plan.people + filter + ")",
		attrs: []string{r.plan.id.attr},
		entry: func(e *goldap.Entry) (bool, error) {
			id, err := r.plan.id.read(e.GetEqualFoldAttributeValues(r.plan.id.attr))
			return err == nil && found.add(id), nil
		},
	})
	return len(found), err
}
