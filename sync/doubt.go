package sync

import (
	"context"
	"fmt"

	"github.com/rollcall-sync/rollcall/store"
)

// MembershipChecker is a Source that can tell whether a group holds a person
// in truth, or only still names somebody who bore that name before (LP9).
// Group and person are immutable ids. What it cannot tell is false.
type MembershipChecker interface {
	Holds(ctx context.Context, group, person string) (bool, error)
}

// undoubted drops members that a group names by a name that was another
// person's: one who was deleted, or who gave it up in this very run. Lists of
// names outlive their bearers, and a stranger must not inherit a role or a
// number. A connection's first run knows no former bearers.
func (p *poll) undoubted(ctx context.Context, group string, had map[store.Edge]bool, named []namedEdge) ([]store.Edge, error) {
	out := make([]store.Edge, 0, len(named))
	var fresh []namedEdge
	for _, n := range named {
		if p.cursor.Kind == "" || n.dn == "" || n.Kind != "user" || had[n.Edge] {
			out = append(out, n.Edge)
			continue
		}
		fresh = append(fresh, n)
	}
	if len(fresh) == 0 {
		return out, nil
	}
	former, err := p.formerBearers(ctx, fresh)
	if err != nil {
		return nil, err
	}
	for _, n := range fresh {
		if !former[n.dn] {
			out = append(out, n.Edge)
			continue
		}
		holds, err := p.holds(ctx, group, n)
		if err != nil {
			return nil, err
		}
		if holds {
			out = append(out, n.Edge)
		}
	}
	return out, nil
}

// formerBearers tells which names were other people's.
func (p *poll) formerBearers(ctx context.Context, fresh []namedEdge) (map[string]bool, error) {
	out := map[string]bool{}
	dns := make([]string, 0, len(fresh))
	for _, n := range fresh {
		dns = append(dns, n.dn)
		if p.stage.vacated[n.dn] {
			out[n.dn] = true
		}
	}
	err := p.view(ctx, func(r *store.Reader) error {
		former, err := r.FormerDNs(p.pl.Connection, dns)
		for _, dn := range former {
			out[dn] = true
		}
		return err
	})
	return out, err
}

// holds asks the directory about one doubtful member. A name that changed
// hands in this run is looked at again in the next one.
func (p *poll) holds(ctx context.Context, group string, n namedEdge) (bool, error) {
	var person string
	err := p.view(ctx, func(r *store.Reader) error {
		i, err := r.Identity(n.Child)
		person = i.ExternalID
		return err
	})
	if err != nil {
		return false, err
	}
	if c, ok := p.pl.Source.(MembershipChecker); ok {
		if holds, err := c.Holds(ctx, group, person); err != nil || holds {
			return holds, err
		}
	}
	p.unsettled = p.unsettled || p.stage.vacated[n.dn]
	p.notices = append(p.notices, fmt.Sprintf("a group (%s) names %s, which was another person's name: the present one does not count as a member; "+
		"take the name out of the group at the directory and put it in again (LP9)", group, n.dn))
	return false, nil
}
