package ldap

import (
	"context"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-sync/rollcall/sync"
)

// usn reads Active Directory's changes by the domain controller's counter
// (LD2). Entries come whole and need no special right. The base is the naming
// context, so that who moved out of the people's branch is seen to have left.
func (p *peopleRead) usn(ctx context.Context, at position, next *position) error {
	number, _, _ := strings.Cut(next.Mark, "@")
	usn, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return &sync.ScopeError{Need: "read highestCommittedUSN of the root DSE"}
	}
	if usn < at.USN {
		// LP4: the controller was restored to an earlier state.
		return cursorFromFuture(usn, at.USN)
	}
	next.USN = usn
	if usn == at.USN {
		return nil
	}
	p.outside = p.leftBase
	since := "(uSNChanged>=" + strconv.FormatInt(at.USN+1, 10) + ")"
	if err := p.read(ctx, "(&"+p.plan.people+since+")", nil); err != nil {
		return err
	}
	// LP10: without the right this finds nothing and reports no error; it is
	// a welcome extra and no proof.
	return p.tombstones(ctx, "(&(isDeleted=TRUE)"+since+")", []goldap.Control{goldap.NewControlMicrosoftShowDeleted()}, "whenChanged")
}

// leftBase states that an entry of the people filter lies elsewhere now.
func (p *peopleRead) leftBase(e *goldap.Entry) error {
	id, err := p.plan.id.read(e.GetEqualFoldAttributeValues(p.plan.id.attr))
	if err != nil {
		return nil // not ours to read, and no conclusion from it
	}
	p.out.Gone = append(p.out.Gone, sync.Gone{ID: id, Why: "left", At: p.now()})
	return nil
}

// tombstones states the deleted entries that a filter finds in the whole
// naming context: of a tombstone hardly more than its id is left.
func (p *peopleRead) tombstones(ctx context.Context, filter string, controls []goldap.Control, when string) error {
	return p.paged(ctx, search{
		what: "reading tombstones", base: p.l.root.suffix, filter: filter, attrs: []string{p.plan.id.attr, when}, extra: controls,
		entry: func(e *goldap.Entry) (bool, error) {
			id, err := p.tombstoneID(e)
			if err != nil {
				return true, nil // names nobody
			}
			gone := sync.Gone{ID: id, Why: "deleted"}
			if at, err := parseTime(e.GetEqualFoldAttributeValue(when)); err == nil {
				gone.At = at
			}
			p.out.Gone = append(p.out.Gone, gone)
			if len(p.out.Gone) >= pagePeople {
				return true, p.flush(ctx)
			}
			return true, nil
		},
		page: func() error { return p.flush(ctx) },
	})
}

// tombstoneID gives the id that the living entry had.
func (p *peopleRead) tombstoneID(e *goldap.Entry) (string, error) {
	if p.plan.flavor == DS389 && p.plan.id.form == idUniqueID {
		// Its name begins with the id; the attribute itself is the
		// tombstone's in some releases.
		if rest, ok := strings.CutPrefix(strings.ToLower(e.DN), "nsuniqueid="); ok {
			id, _, _ := strings.Cut(rest, ",")
			return uniqueIDText(id)
		}
	}
	return p.plan.id.read(e.GetEqualFoldAttributeValues(p.plan.id.attr))
}
