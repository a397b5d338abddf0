package sync

import (
	"errors"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/workspace"
)

// inventory answers the number strategies from the store, through the unit's
// view: a number that an earlier person of the same unit has taken is taken.
type inventory struct{ u *unit }

// found puts a number into the view.
func (i *inventory) found(n workspace.Number, err error) (workspace.Number, bool, error) {
	if errors.Is(err, workspace.ErrNotFound) {
		return workspace.Number{}, false, nil
	}
	if err != nil {
		return workspace.Number{}, false, err
	}
	return *i.u.keep(n), true, nil
}

func (i *inventory) ByE164(e164 string) (workspace.Number, bool, error) {
	return i.found(i.u.tx.NumberByE164(e164))
}

func (i *inventory) ByName(key string) (workspace.Number, bool, error) {
	return i.found(i.u.tx.NumberByName(key))
}

func (i *inventory) all(numbers []workspace.Number, err error) ([]workspace.Number, error) {
	for x := range numbers {
		numbers[x] = *i.u.keep(numbers[x])
	}
	return numbers, err
}

func (i *inventory) ReservedFor(member string) ([]workspace.Number, error) {
	numbers, err := i.all(i.u.tx.NumbersOf(member))
	out := numbers[:0]
	for _, n := range numbers {
		for _, r := range n.Reservations {
			if r.Kind == workspace.ToMember && r.For == member {
				out = append(out, n)
				break
			}
		}
	}
	return out, err
}

func (i *inventory) InvitedFor(emailKey string) ([]workspace.Number, error) {
	inv, err := i.u.tx.PendingInvitation(emailKey)
	if errors.Is(err, workspace.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return i.all(i.u.tx.NumbersTo(workspace.ToInvitation, inv.ID))
}

func (i *inventory) LowestFree(pool mapping.Pool, skip map[string]bool) (workspace.Number, bool, error) {
	pass := map[string]bool{}
	for id := range skip {
		pass[id] = true
	}
	for {
		n, ok, err := i.found(i.u.tx.LowestFree(pool.Name, pool.Prefix, pool.Site, pass))
		if err != nil || !ok {
			return n, ok, err
		}
		// What an earlier person of this unit is about to take is not free.
		if !i.u.taken(n.ID) {
			return n, true, nil
		}
		pass[n.ID] = true
	}
}

func (i *inventory) OfGroup(group string) ([]workspace.Number, error) {
	g, err := i.u.findGroup(group)
	if err != nil || g == nil {
		return nil, err
	}
	return i.all(i.u.tx.NumbersTo(workspace.ToGroup, g.ID))
}

func (i *inventory) OwnedBySame(attr, valueKey string) ([]workspace.Number, error) {
	return i.all(i.u.tx.NumbersOwnedBySame(attr, valueKey))
}

// taken reports whether a change on the plan assigns the number.
func (u *unit) taken(number string) bool {
	for i := range u.plan {
		if a, ok := u.plan[i].After.(workspace.Assignment); ok && a.Number == number {
			return true
		}
	}
	return false
}
