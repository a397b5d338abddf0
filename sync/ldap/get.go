package ldap

import (
	"context"
	"fmt"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/dn"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Get is the confirming read of one id, on a connection of its own. It finds
// the reason why somebody is not in the reads (AB3): an identity with Reason
// moved or filtered lies outside the base or fails the filter; disabled and
// expired come with it as they are. ErrDeleted is a tombstone. ErrAbsent is
// said only after the sentinel was readable on the same connection (AB2);
// without a sentinel nobody can say it, and Get is an IncompleteError.
func (s *Source) Get(ctx context.Context, id string) (workspace.Identity, error) {
	if s.cfg.file() {
		return s.getDump(ctx, id)
	}
	l, err := s.dial(ctx)
	if err != nil {
		return workspace.Identity{}, err
	}
	defer l.close()
	r, err := s.newReader(l)
	if err != nil {
		return workspace.Identity{}, err
	}
	if err := r.pinned(&l.root, ""); err != nil {
		return workspace.Identity{}, err
	}
	e, err := r.find(ctx, id)
	switch {
	case err != nil:
		return workspace.Identity{}, err
	case e == nil:
		return workspace.Identity{}, r.absent(ctx, id)
	case dead(&r.plan, e):
		return workspace.Identity{}, fmt.Errorf("%w: %s", sync.ErrDeleted, id)
	}
	return r.judge(ctx, e)
}

// dead tells a tombstone from a living entry.
func dead(p *plan, e *goldap.Entry) bool {
	if p.flavor == DS389 {
		// nsuniqueid=ID,uid=...; the living entry that lost a naming conflict
		// between two replicas is nsuniqueid=ID+uid=...
		rdn, _, _ := strings.Cut(strings.ToLower(e.DN), ",")
		return strings.HasPrefix(rdn, "nsuniqueid=") && !strings.Contains(rdn, "+")
	}
	return strings.EqualFold(e.GetEqualFoldAttributeValue("isDeleted"), "true")
}

// find reads an entry by id wherever it lies in the naming context.
func (r *reader) find(ctx context.Context, id string) (*goldap.Entry, error) {
	filter, err := r.plan.id.filter(id)
	if err != nil {
		return nil, fmt.Errorf("%q is no id of this source", id)
	}
	q := search{what: "reading one person", base: r.l.root.suffix, filter: filter, attrs: r.plan.ask}
	if r.plan.flavor == AD {
		q.extra = []goldap.Control{goldap.NewControlMicrosoftShowDeleted()}
		q.attrs = append([]string{"isDeleted"}, r.plan.ask...)
	}
	var found *goldap.Entry
	q.entry = func(e *goldap.Entry) (bool, error) {
		if found != nil {
			return true, &sync.IncompleteError{Why: "two entries have the id " + id}
		}
		found = e
		return true, nil
	}
	err = r.paged(ctx, q)
	return found, err
}

// absent decides what "not found" means.
func (r *reader) absent(ctx context.Context, id string) error {
	if r.plan.flavor == DS389 {
		dead := false
		if u, err := uniqueIDOf(id); err == nil && r.plan.id.form == idUniqueID {
			err := r.paged(ctx, search{
				what: "reading one tombstone", base: r.l.root.suffix, filter: "(&(objectClass=nsTombstone)(nsUniqueId=" + u + "))",
				attrs: []string{r.plan.id.attr},
				entry: func(*goldap.Entry) (bool, error) { dead = true; return true, nil },
			})
			if err != nil {
				return err
			}
		}
		if dead {
			return fmt.Errorf("%w: %s", sync.ErrDeleted, id)
		}
	}
	visible, err := r.sentinel(ctx, nil, false)
	switch {
	case err != nil:
		return err
	case !visible:
		return &sync.IncompleteError{Why: "no entry has the id " + id + ", but without a sentinel a lost right looks the same (AB2): set sentinel"}
	}
	return fmt.Errorf("%w: %s", sync.ErrAbsent, id)
}

// judge says where a found entry stands: inside or outside the base, matching
// the filter or not.
func (r *reader) judge(ctx context.Context, e *goldap.Entry) (workspace.Identity, error) {
	id, whole, err := r.person(e)
	if err != nil {
		return id, &sync.IncompleteError{Why: e.DN + " shows no readable " + r.plan.id.attr}
	}
	name, err := dn.Parse(e.DN)
	if err != nil {
		return id, err
	}
	if !name.Under(r.people) {
		id.Active, id.Reason = false, "moved"
		return id, nil
	}
	match, err := r.l.base(ctx, e.DN, r.plan.people, []string{r.plan.id.attr})
	if c, answered := code(err); answered && c != goldap.LDAPResultNoSuchObject {
		return id, readError("reading one person", err)
	} else if err != nil && !answered {
		return id, err
	}
	switch {
	case match == nil:
		id.Active, id.Reason = false, "filtered"
	case !whole:
		return id, &sync.IncompleteError{Why: e.DN + " shows no " + r.plan.disabledAttr + ", so nobody knows whether it is disabled"}
	}
	return id, nil
}
