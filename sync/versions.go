package sync

import (
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// A User on the wire shows its record, and what is in force and what waits
// beside it. Its version moves with all of them (scim section 4.6): a write of
// the record moves it by itself, and whatever else a unit does to the rest is
// noted here and moved at the end, once for each record.

// restates notes that what is in force for a member, or what waits for it, has
// changed. The subject is "member:ID" or "identity:ID"; others are shown to
// nobody.
func (u *unit) restates(subject string) {
	if u.restated == nil {
		u.restated = map[string]bool{}
	}
	u.restated[subject] = true
}

// restatesHolding notes who holds a number otherwise than before: whose access
// or place in the ring moved, who came, who went, who owns it.
func (u *unit) restatesHolding(was, now *workspace.Number) {
	before, after := assignments(was), assignments(now)
	for who, a := range before {
		if b, ok := after[who]; who.kind == workspace.ToMember && (!ok || b.Access != a.Access || b.Ring != a.Ring) {
			u.restates("member:" + who.to)
		}
	}
	for who := range after {
		if _, ok := before[who]; who.kind == workspace.ToMember && !ok {
			u.restates("member:" + who.to)
		}
	}
	for _, lists := range [][2][]string{{was.Owners, now.Owners}, {now.Owners, was.Owners}} {
		for _, id := range lists[0] {
			if !slices.Contains(lists[1], id) {
				u.restates("member:" + id)
			}
		}
	}
}

// sameOnTheWire reports whether a member's row shows the same.
func sameOnTheWire(a, b *workspace.Member) bool {
	return a.Role == b.Role && a.RoleSource == b.RoleSource && a.State == b.State && a.Contained == b.Contained
}

// restatesSupport notes that another supporter of a number may be shown.
func (u *unit) restatesSupport(s *store.SupportRow) {
	if s.Kind == string(mapping.GrantNumber) || s.Kind == string(mapping.GrantOwner) {
		u.restates("member:" + s.Member)
	}
}

// knowsRecords remembers which records a member has, so that they need not be
// asked for again.
func (u *unit) knowsRecords(member string, live []workspace.Identity) {
	if u.recordsOf == nil {
		u.recordsOf = map[string][]workspace.Identity{}
	}
	u.recordsOf[member] = live
}

// moveVersions moves the versions of the Users that show something else now,
// but for those whose records this unit has written.
func (u *unit) moveVersions() error {
	if len(u.restated) == 0 {
		return nil
	}
	written := map[string]bool{}
	if u.refused == nil {
		for i := range u.b.Identities {
			written[u.b.Identities[i].Row.ID] = true
		}
	}
	move := map[string]bool{}
	for _, subject := range sortedKeys(u.restated) {
		kind, id, _ := strings.Cut(subject, ":")
		switch kind {
		case "identity":
			if !written[id] {
				move[id] = true
			}
		case "member":
			live, known := u.recordsOf[id]
			if !known {
				var err error
				if live, err = u.tx.IdentitiesOf(id, false); err != nil {
					return err
				}
			}
			for i := range live {
				if c, ok := u.s.conns[live[i].Connection]; ok && c.Kind == "scim" && !written[live[i].ID] {
					move[live[i].ID] = true
				}
			}
		}
	}
	for _, id := range sortedKeys(move) {
		if err := u.tx.MoveIdentity(id, u.now); err != nil {
			return err
		}
	}
	return nil
}
