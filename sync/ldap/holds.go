package ldap

import (
	"context"
	"errors"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/internal/dn"
)

// Holds tells whether a group holds a person in truth, and not somebody who
// had the same name before (LP9): names in `member` outlive their bearers on
// servers without referential integrity. Active Directory keeps links, which
// cannot be stale. Elsewhere the person's own memberOf decides where the
// server keeps it for that group; failing that the group must have been
// changed since the person's entry was made.
func (s *Source) Holds(ctx context.Context, group, person string) (bool, error) {
	if s.cfg.file() {
		return false, nil
	}
	l, err := s.dial(ctx)
	if err != nil {
		return false, err
	}
	defer l.close()
	r, err := s.newReader(l)
	if err != nil {
		return false, err
	}
	if err := r.pinned(&l.root, ""); err != nil || r.plan.flavor == AD {
		return err == nil, err
	}
	g, err := r.one(ctx, r.cfg.Groups.Base, group, "modifyTimestamp")
	if err != nil || g == nil {
		return false, err
	}
	p, err := r.one(ctx, r.cfg.People.Base, person, "createTimestamp", "memberOf")
	if err != nil || p == nil {
		return false, err
	}
	key, err := dn.Key(g.DN)
	if err != nil {
		return false, err
	}
	for _, name := range p.GetEqualFoldAttributeValues("memberOf") {
		if k, err := dn.Key(name); err == nil && k == key {
			return true, nil
		}
	}
	kept := false
	err = r.paged(ctx, search{
		what: "reading memberOf", base: r.cfg.People.Base, filter: "(memberOf=" + goldap.EscapeFilter(g.DN) + ")", attrs: []string{"1.1"},
		entry: func(*goldap.Entry) (bool, error) { kept = true; return true, errEnough },
	})
	if err != nil && !errors.Is(err, errEnough) || kept {
		return false, ignore(err, errEnough)
	}
	changed, err := parseTime(g.GetEqualFoldAttributeValue("modifyTimestamp"))
	if err != nil {
		return false, nil // not readable: nobody can say
	}
	made, err := parseTime(p.GetEqualFoldAttributeValue("createTimestamp"))
	// Both count seconds: within the same one nobody can say which came first.
	return err == nil && changed.After(made), nil
}

// ignore drops one expected error.
func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// one reads an entry by its id; nil when there is none.
func (r *reader) one(ctx context.Context, base, id string, attrs ...string) (*goldap.Entry, error) {
	filter, err := r.plan.id.filter(id)
	if err != nil {
		return nil, nil // no id of this server
	}
	var found *goldap.Entry
	err = r.paged(ctx, search{
		what: "reading one entry", base: base, filter: filter, attrs: attrs,
		entry: func(e *goldap.Entry) (bool, error) { found = e; return true, nil },
	})
	return found, err
}
