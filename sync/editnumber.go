package sync

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// findNumber gives a number by id or E.164 text; field is where a wish names
// it.
func (u *unit) findNumber(field, name string) (*workspace.Number, error) {
	read, err := u.tx.NumberByE164(name)
	if errors.Is(err, workspace.ErrNotFound) {
		read, err = u.tx.Number(name)
	}
	if errors.Is(err, workspace.ErrNotFound) {
		return nil, &EditError{Field: field, Reason: fmt.Sprintf("%q is not in the inventory", name), Remedy: "name a number of the inventory; an Admin or Owner adds what is missing"}
	}
	if err != nil {
		return nil, err
	}
	return u.keep(read), nil
}

// planNumberEdit plans an edit of a number.
func (u *unit) planNumberEdit(e *Edit) error {
	if e.Kind == EditImport {
		return u.planImport(e)
	}
	n, err := u.findNumber("number", e.Number)
	if err != nil {
		return err
	}
	switch {
	case e.Kind == EditSettings:
		return u.planSettings(e, n)
	case e.Kind == EditRing:
		return u.planRing(e, n)
	case e.Group != "":
		return u.planGroupNumber(e, n)
	}
	m, err := u.find(e.Member)
	if err != nil {
		return err
	}
	p := &person{key: "member:" + m.ID}
	if err := u.loadMember(p, m.ID); err != nil {
		return err
	}
	switch e.Kind {
	case EditAssign:
		if err := u.knowUsers(n); err != nil {
			return err
		}
		return u.planAssign(p, n, e)
	case EditUnassign:
		return u.planUnassign(p, n, e)
	default:
		return u.planOwnership(p, n, e)
	}
}

// planAssign gives a member access by hand; such a grant survives every poll.
func (u *unit) planAssign(p *person, n *workspace.Number, e *Edit) error {
	if e.Access == workspace.AccessNone {
		return &EditError{Field: "access", Reason: "no access is named", Remedy: "use exclusive, shared or view_only"}
	}
	pin := u.pin(p, mapping.GrantNumber, n.ID, e.Access.String(), e)
	have, ok := p.access(n)
	switch {
	case ok && have.Access == e.Access:
		u.pinOnly(p, workspace.Change{
			Kind: workspace.NumberAccess, Subject: numberRef(n), Member: p.member.ID, Before: have, After: have,
			Cause: u.editCause(e, "correction"),
		}, workspace.NumberSettings, n, pin)
	case ok:
		after := have
		after.Access = e.Access
		u.addFor(p, workspace.Change{Kind: workspace.NumberAccess, Subject: numberRef(n), Member: p.member.ID, Before: have, After: after, Cause: u.editCause(e, "role_change")}, pin)
	default:
		u.addFor(p, workspace.Change{
			Kind: workspace.NumberAssign, Subject: numberRef(n), Member: p.member.ID, Cause: u.editCause(e, "role_change"),
			After: workspace.Assignment{Number: n.ID, Kind: workspace.ToMember, To: p.member.ID, Access: e.Access, Notify: true, Since: u.now},
		}, pin)
	}
	return nil
}

// planUnassign takes access away by hand. What a row gives is taken by an
// exception, so that the next poll does not fight it (MP3).
func (u *unit) planUnassign(p *person, n *workspace.Number, e *Edit) error {
	have, ok := p.access(n)
	if !ok {
		return &EditError{Field: "number", Reason: fmt.Sprintf("%s has no access to %s", p.member.Email, n.E164), Remedy: "look at who has " + n.E164}
	}
	c := u.editCause(e, "role_change")
	u.addFor(p, workspace.Change{Kind: workspace.NumberUnassign, Subject: numberRef(n), Member: p.member.ID, Before: have, Cause: c},
		u.exempt(p, mapping.GrantNumber, n.ID, e)...)
	return u.planRest(p, n, c)
}

// exempt drops all supporters of a grant and makes exceptions of the rows
// among them.
func (u *unit) exempt(p *person, kind mapping.GrantKind, object string, e *Edit) []effect {
	var then []effect
	for _, s := range p.supported(kind, object) {
		then = append(then, u.unsupport(p, s))
		if strings.HasPrefix(s.By, "rule ") {
			row := store.ExceptionRow{Member: p.member.ID, Kind: string(kind), Object: object, Rule: s.By, By: u.actor.ID, Reason: e.Reason, At: u.now, Until: workspace.At(e.Until)}
			then = append(then, func(tx *store.Tx) error { return tx.PutException(row) })
		}
	}
	return then
}

// planOwnership gives or takes ownership of a number by hand.
func (u *unit) planOwnership(p *person, n *workspace.Number, e *Edit) error {
	owns := slices.Contains(n.Owners, p.member.ID)
	o := workspace.Ownership{Number: n.ID, Member: p.member.ID}
	c := u.editCause(e, "role_change")
	if e.Kind == EditOwn {
		pin := u.pin(p, mapping.GrantOwner, n.ID, "", e)
		if owns {
			u.pinOnly(p, workspace.Change{Kind: workspace.NumberOwner, Subject: numberRef(n), Member: p.member.ID, Before: o, After: o, Cause: c},
				workspace.NumberSettings, n, pin)
			return nil
		}
		u.addFor(p, workspace.Change{Kind: workspace.NumberOwner, Subject: numberRef(n), Member: p.member.ID, After: o, Cause: c}, pin)
		return nil
	}
	if !owns {
		return &EditError{Field: "number", Reason: fmt.Sprintf("%s does not own %s", p.member.Email, n.E164), Remedy: "look at who has " + n.E164}
	}
	u.addFor(p, workspace.Change{Kind: workspace.NumberOwner, Subject: numberRef(n), Member: p.member.ID, Before: o, Cause: c}, u.exempt(p, mapping.GrantOwner, n.ID, e)...)
	return nil
}

// planGroupNumber assigns a number to a workspace group, or takes it away.
func (u *unit) planGroupNumber(e *Edit, n *workspace.Number) error {
	g, err := u.findGroup(e.Group)
	if err != nil {
		return err
	}
	if g == nil {
		return &EditError{Field: "group", Reason: fmt.Sprintf("there is no group %q", e.Group), Remedy: "name a group of the list"}
	}
	i := slices.IndexFunc(n.Assignments, func(a workspace.Assignment) bool { return a.Kind == workspace.ToGroup && a.To == g.ID })
	c := u.editCause(e, "role_change")
	change := workspace.Change{Subject: numberRef(n), Cause: c}
	switch {
	case e.Kind == EditUnassign && i < 0:
		return &EditError{Field: "number", Reason: fmt.Sprintf("group %s has no access to %s", g.Name, n.E164), Remedy: "look at who has " + n.E164}
	case e.Kind == EditUnassign:
		change.Kind, change.Before = workspace.NumberUnassign, n.Assignments[i]
	case e.Kind != EditAssign || e.Access != workspace.AccessShared && e.Access != workspace.AccessViewOnly:
		return &EditError{Field: "access", Reason: "a group has shared or view-only access", Remedy: "use shared or view_only"}
	case i >= 0:
		after := n.Assignments[i]
		after.Access = e.Access
		change.Kind, change.Before, change.After = workspace.NumberAccess, n.Assignments[i], after
	default:
		change.Kind = workspace.NumberAssign
		change.After = workspace.Assignment{Number: n.ID, Kind: workspace.ToGroup, To: g.ID, Access: e.Access, Notify: true, Since: u.now}
	}
	u.add(planned{Change: change, person: "group:" + g.ID})
	return nil
}

// planImport puts a number into the inventory, or brings its name, type, pool
// and site up to date.
func (u *unit) planImport(e *Edit) error {
	in := e.Import
	if in == nil {
		return &EditError{Field: "import", Reason: "no number is given", Remedy: "name a number in E.164 form"}
	}
	c := u.editCause(e, "correction")
	n := workspace.Number{ID: newID(), E164: in.E164, Name: in.Name, Type: in.Type, Pool: in.Pool, Site: in.Site, State: workspace.NumberFree, Version: 1}
	old, err := u.tx.NumberByE164(in.E164)
	switch {
	case errors.Is(err, workspace.ErrNotFound):
		u.add(planned{Change: workspace.Change{Kind: workspace.NumberCreate, Subject: numberRef(&n), After: n, Cause: c}, person: "number:" + n.ID})
	case err != nil:
		return err
	default:
		had := u.keep(old)
		n = *had
		n.Name, n.Type, n.Pool, n.Site = orElse(in.Name, n.Name), orElse(in.Type, n.Type), orElse(in.Pool, n.Pool), orElse(in.Site, n.Site)
		if !sameNumber(&n, had) {
			u.add(planned{Change: workspace.Change{Kind: workspace.NumberUpdate, Subject: numberRef(&n), Before: *had, After: n, Cause: c}, person: "number:" + n.ID})
		}
	}
	if in.Owner == "" {
		return nil
	}
	m, err := u.findIn("owner", in.Owner)
	if err != nil {
		return err
	}
	if slices.Contains(n.Owners, m.ID) {
		return nil
	}
	p := &person{key: "member:" + m.ID, member: m}
	u.addFor(p, workspace.Change{Kind: workspace.NumberOwner, Subject: numberRef(&n), Member: m.ID, After: workspace.Ownership{Number: n.ID, Member: m.ID}, Cause: c},
		u.pin(p, mapping.GrantOwner, n.ID, "", e))
	return nil
}

// planGroupEdit plans an edit of a workspace group.
func (u *unit) planGroupEdit(e *Edit) error {
	g, err := u.findGroup(orElse(e.Group, e.Name))
	if err != nil {
		return err
	}
	c := u.editCause(e, "role_change")
	if e.Kind == EditGroupNew {
		name, err := plainName("name", e.Name)
		if err != nil {
			return err
		}
		if g != nil {
			return &EditError{Field: "name", Reason: fmt.Sprintf("group %q exists already", g.Name), Remedy: "choose another name", Settled: true}
		}
		made := workspace.Group{ID: newID(), Name: name, NameKey: fold.Key(name), Version: 1, CreatedAt: u.now}
		u.add(planned{Change: workspace.Change{Kind: workspace.GroupCreate, Subject: groupRef(made), After: made, Cause: c}, person: "group:" + made.ID})
		return nil
	}
	if g == nil {
		return &EditError{Field: "group", Reason: fmt.Sprintf("there is no group %q", e.Group), Remedy: "name a group of the list"}
	}
	switch e.Kind {
	case EditRename:
		name, err := plainName("name", e.Name)
		if err != nil {
			return err
		}
		after := *g
		after.Name, after.NameKey = name, fold.Key(name)
		u.add(planned{Change: workspace.Change{Kind: workspace.GroupUpdate, Subject: groupRef(*g), Before: *g, After: after, Cause: c}, person: "group:" + g.ID})
		return nil
	case EditGroupDrop:
		numbers, err := u.tx.NumbersTo(workspace.ToGroup, g.ID)
		for _, n := range numbers {
			u.keep(n)
		}
		u.add(planned{Change: workspace.Change{Kind: workspace.GroupDelete, Subject: groupRef(*g), Before: *g, Cause: c}, person: "group:" + g.ID})
		return err
	}
	m, err := u.find(e.Member)
	if err != nil {
		return err
	}
	p := &person{key: "member:" + m.ID}
	if err := u.loadMember(p, m.ID); err != nil {
		return err
	}
	in := slices.ContainsFunc(p.groups, func(x workspace.Group) bool { return x.ID == g.ID })
	membership := workspace.GroupMembership{Group: g.ID, Member: m.ID, Since: u.now}
	switch {
	case e.Kind == EditJoin && in:
		u.pinOnly(p, workspace.Change{Kind: workspace.GroupJoin, Subject: groupRef(*g), Member: m.ID, Before: membership, After: membership, Cause: c},
			workspace.GroupCreating, nil, u.pin(p, mapping.GrantGroup, g.ID, "", e))
	case e.Kind == EditJoin:
		u.addFor(p, workspace.Change{Kind: workspace.GroupJoin, Subject: groupRef(*g), Member: m.ID, After: membership, Cause: c}, u.pin(p, mapping.GrantGroup, g.ID, "", e))
	case !in:
		return &EditError{Field: "group", Reason: fmt.Sprintf("%s is not in group %s", m.Email, g.Name), Remedy: "look at who is in " + g.Name}
	default:
		u.addFor(p, workspace.Change{Kind: workspace.GroupLeave, Subject: groupRef(*g), Member: m.ID, Before: membership, Cause: c}, u.exempt(p, mapping.GrantGroup, g.ID, e)...)
	}
	return nil
}
