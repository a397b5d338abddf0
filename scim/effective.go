package scim

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// view is what answers show beside the documents, loaded for all Users of an
// answer at once.
type view struct {
	store.InForce
	holds map[string][]HeldWish // by subject
}

// views says which parts of a view a projection shows.
type views struct{ effective, groups bool }

// shownViews finds out what must be loaded for a projection.
func shownViews(p Projection, rt *ResourceType, coreRole bool) views {
	if p.mode == showDefault {
		return views{true, true}
	}
	v := views{groups: p.Shows(rt, "groups"), effective: coreRole && p.Shows(rt, "roles")}
	ext := rt.extension(URNRollcallUser)
	for i := range ext.Attributes {
		a := &ext.Attributes[i]
		if (!a.writable() || a.Name == "role") && p.attribute(ext, a) {
			v.effective = true
		}
	}
	return v
}

// loadView reads what the identities of one answer have in force, in a few
// statements.
func loadView(r *store.Reader, identities []workspace.Identity, want views) (view, error) {
	var v view
	var err error
	if len(identities) == 0 || want == (views{}) {
		return v, nil
	}
	if v.InForce, err = r.InForce(identities, want.effective, want.groups); err != nil || len(v.Holds) == 0 {
		return v, err
	}
	v.holds = make(map[string][]HeldWish, len(v.Holds))
	for i := range v.Holds {
		wishes, err := heldWishes(&v.Holds[i])
		if err != nil {
			return v, err
		}
		v.holds[v.Holds[i].Subject] = append(v.holds[v.Holds[i].Subject], wishes...)
	}
	return v, nil
}

// heldChange is the part of a report's change that an answer shows.
type heldChange struct {
	Kind     workspace.ChangeKind `json:"kind"`
	Target   workspace.Ref        `json:"target"`
	Modified []workspace.Modified `json:"modified"`
	Decision struct {
		Rule   string `json:"rule"`
		Remedy string `json:"remedy"`
	} `json:"decision"`
}

// heldWishes reads the wishes of a hold from its report.
func heldWishes(h *store.HeldInForce) ([]HeldWish, error) {
	var changes []heldChange
	if len(h.Changes) > 0 {
		if err := json.Unmarshal(h.Changes, &changes); err != nil {
			return nil, fmt.Errorf("changes of hold %s: %w", h.ID, err)
		}
	}
	wishes := make([]HeldWish, 0, len(changes))
	for i := range changes {
		c := &changes[i]
		attribute, wanted := c.wish()
		remedy := c.Decision.Remedy
		if remedy == "" {
			remedy = "approve " + h.ID
		}
		wishes = append(wishes, HeldWish{
			ID: h.ID, Attribute: attribute, Wanted: wanted, Rule: c.Decision.Rule, Since: h.CreatedAt.Time(), Remedy: remedy,
		})
	}
	return wishes, nil
}

// wish names the attribute that waits, in the words of the schema, with the
// value that was asked for.
func (c *heldChange) wish() (attribute, wanted string) {
	for _, m := range c.Modified {
		if m.New == nil {
			continue
		}
		switch m.Attr {
		case "role":
			return "role", title(*m.New)
		case "email":
			return "emails", *m.New
		case "access":
			return "numberAssignments", strings.TrimSpace(c.Target.Label + " " + *m.New)
		case "owner":
			return "numberOwnerOf", c.Target.Label
		}
	}
	switch {
	case len(c.Modified) > 0 && c.Modified[0].New != nil:
		return c.Modified[0].Attr, *c.Modified[0].New
	case len(c.Modified) > 0:
		return c.Modified[0].Attr, ""
	}
	return string(c.Kind), c.Target.Label
}

// title is a role as the wire spells it.
func title(word string) string {
	if word == "" {
		return ""
	}
	return strings.ToUpper(word[:1]) + word[1:]
}

// effective is what is in force for one identity.
func (v *view) effective(i *workspace.Identity, coreRole bool) *Effective {
	e := &Effective{State: "observed", Holds: v.holds[store.Subject(i)]}
	m := v.Members[i.Member]
	if m == nil {
		return e
	}
	e.MemberID, e.LastActive, e.CoreRole = m.ID, m.LastActive.Time(), coreRole
	e.Role, e.RoleSource = title(m.Role.String()), m.RoleSource
	switch {
	case m.State != workspace.StateActive:
		e.State = string(workspace.StateDeactivated)
	case m.Contained:
		e.State = "contained"
	default:
		e.State = string(workspace.StateActive)
	}
	if len(m.Numbers) > 0 {
		e.Numbers = make([]NumberAssignment, len(m.Numbers))
		for k, n := range m.Numbers {
			e.Numbers[k] = NumberAssignment{Number: n.Number, Access: n.Access, Owner: n.Owner, RingPosition: n.Ring, Source: n.Source}
		}
	}
	return e
}

// groupsOf are the groups of one identity.
func (x *exchange) groupsOf(list []store.GroupOfIdentity) []GroupOf {
	if len(list) == 0 {
		return nil
	}
	groups := make([]GroupOf, len(list))
	for i, g := range list {
		groups[i] = GroupOf{ID: g.ID, Display: g.Name, Indirect: g.Via != ""}
		if x.link.profile.Strict {
			groups[i].Location = x.location(x.link.group, g.ID)
		}
	}
	return groups
}
