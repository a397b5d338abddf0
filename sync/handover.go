package sync

import (
	"cmp"
	"errors"
	"slices"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// heir is who answers a leaver's number, and by which link of the chain.
type heir struct {
	kind     workspace.AssigneeKind
	id       string
	label    string
	strategy string // named, co_owner, shared, manager, group, pool, primary_owner
}

// planHandover takes a leaver out of one number. Somebody answers it
// afterwards, and somebody is responsible for it (I2, NH1 to NH3).
func (u *unit) planHandover(p *person, n *workspace.Number, c workspace.Cause, grace workspace.Micros) error {
	have, uses := p.access(n)
	owns := slices.Contains(n.Owners, p.member.ID)
	if uses {
		u.addFor(p, workspace.Change{Kind: workspace.NumberUnassign, Subject: numberRef(n), Member: p.member.ID, Before: have, Cause: c},
			u.unsupportAll(p, mapping.GrantNumber, n.ID)...)
	}
	if owns {
		u.addFor(p, workspace.Change{
			Kind: workspace.NumberOwner, Subject: numberRef(n), Member: p.member.ID,
			Before: workspace.Ownership{Number: n.ID, Member: p.member.ID}, Cause: c,
		}, u.unsupportAll(p, mapping.GrantOwner, n.ID)...)
	}
	rings := slices.ContainsFunc(n.Assignments, func(a workspace.Assignment) bool {
		return a.Access.Rings() && a.Kind != workspace.ToInvitation && a.To != p.member.ID && u.stays(&a)
	})
	ownerLeft, err := u.ownerLeft(p, n)
	if err != nil {
		return err
	}
	if uses && have.Access == workspace.AccessViewOnly && !owns || !uses && !owns {
		return nil
	}
	if n.State == workspace.NumberPorting || rings && ownerLeft {
		return nil
	}
	h, err := u.findHeir(p, n)
	if err != nil {
		return err
	}
	return u.planHeir(p, n, h, c, inheritance{have: have, uses: uses, rings: rings, ownerLeft: ownerLeft, grace: grace})
}

// inheritance is what there is to hand over of one number.
type inheritance struct {
	have      workspace.Assignment
	uses      bool
	rings     bool // somebody else still rings
	ownerLeft bool // somebody else still owns it
	grace     workspace.Micros
}

// planHeir gives a number to its heir: at once and for good when named, else
// shared until the grace ends, with the number reserved for the leaver.
func (u *unit) planHeir(p *person, n *workspace.Number, h heir, c workspace.Cause, in inheritance) error {
	if in.uses && in.have.Access == workspace.AccessExclusive && h.strategy != "named" && in.grace > 0 {
		u.addFor(p, workspace.Change{
			Kind: workspace.NumberReserve, Subject: numberRef(n), Member: p.member.ID, Cause: c,
			After: workspace.Reservation{Number: n.ID, Kind: workspace.ToMember, For: p.member.ID, Until: in.grace, Why: "leaver"},
		})
	}
	c.Source = h.strategy
	if h.strategy == "pool" {
		return u.planPool(p, n, c, in)
	}
	by, until := byHandover+p.member.ID, in.grace
	if h.strategy == "named" {
		until = 0 // final at once (NH3)
	}
	if in.uses && !in.rings && holds(n, h) < workspace.AccessShared {
		access := workspace.AccessShared
		if h.strategy == "named" && h.kind == workspace.ToMember && in.have.Access == workspace.AccessExclusive && len(n.Assignments) == 1 {
			access = workspace.AccessExclusive
		}
		kind := workspace.NumberAssign
		change := workspace.Change{
			Kind: kind, Subject: numberRef(n), Cause: c,
			After: workspace.Assignment{Number: n.ID, Kind: h.kind, To: h.id, Access: access, Notify: true, Since: u.now},
		}
		if i := slices.IndexFunc(n.Assignments, func(a workspace.Assignment) bool { return a.Kind == h.kind && a.To == h.id }); i >= 0 {
			change.Kind, change.Before = workspace.NumberAccess, n.Assignments[i]
		}
		var then []effect
		if h.kind == workspace.ToMember {
			change.Member = h.id
			then = append(then, func(tx *store.Tx) error {
				return tx.PutSupport(store.SupportRow{
					Member: h.id, Kind: string(mapping.GrantNumber), Object: n.ID, By: by, Value: access.String(),
					Connection: c.Connection, Source: h.strategy, Run: u.run, Since: u.now, Confirmed: u.now, Until: until,
				})
			})
		}
		u.addOnce(p, change, then...)
	}
	if !in.ownerLeft && h.kind == workspace.ToMember {
		u.addOnce(p, workspace.Change{
			Kind: workspace.NumberOwner, Subject: numberRef(n), Member: h.id,
			After: workspace.Ownership{Number: n.ID, Member: h.id}, Cause: c,
		}, func(tx *store.Tx) error {
			return tx.PutSupport(store.SupportRow{
				Member: h.id, Kind: string(mapping.GrantOwner), Object: n.ID, By: by,
				Connection: c.Connection, Source: h.strategy, Run: u.run, Since: u.now, Confirmed: u.now, Until: until,
			})
		})
	}
	return nil
}

// addOnce puts a gift on the plan, unless the same is given in it already for
// another leaver's sake: then both support it.
func (u *unit) addOnce(p *person, c workspace.Change, then ...effect) {
	for i := range u.plan {
		x := &u.plan[i]
		if x.Kind == c.Kind && x.Subject.ID == c.Subject.ID && x.Member == c.Member && x.After != nil && c.Member != "" {
			x.then = append(x.then, then...)
			return
		}
	}
	u.addFor(p, c, then...)
}

// holds gives the access that an heir has already.
func holds(n *workspace.Number, h heir) workspace.Access {
	for _, a := range n.Assignments {
		if a.Kind == h.kind && a.To == h.id {
			return a.Access
		}
	}
	return workspace.AccessNone
}

// planPool lets a number rest in its pool, unless it stays reserved.
func (u *unit) planPool(p *person, n *workspace.Number, c workspace.Cause, in inheritance) error {
	if in.uses && in.have.Access == workspace.AccessExclusive && in.grace > 0 {
		return nil
	}
	return u.planRest(p, n, c)
}

// ownerLeft reports whether an active owner other than the leaver remains.
func (u *unit) ownerLeft(p *person, n *workspace.Number) (bool, error) {
	for _, id := range n.Owners {
		if id == p.member.ID {
			continue
		}
		ok, err := u.mayInherit(p, id)
		if err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

// mayInherit reports whether a member can take a number over: active, not
// contained, not leaving in the same plan.
func (u *unit) mayInherit(p *person, id string) (bool, error) {
	if id == "" || id == p.member.ID {
		return false, nil
	}
	m, err := u.member(id)
	if errors.Is(err, workspace.ErrNotFound) {
		return false, nil
	}
	if err != nil || !m.Usable() {
		return false, err
	}
	return !u.leaves(id), nil
}

// findHeir walks the handover chain: the first link that fits (domain section 10).
func (u *unit) findHeir(p *person, n *workspace.Number) (heir, error) {
	links := map[string]func(*person, *workspace.Number) (heir, error){
		"named": u.namedHeir, "co_owner": u.coOwner, "shared": u.longestShared, "manager": u.managerHeir,
		"group": u.groupHeir, "pool": u.poolHeir,
	}
	for _, name := range u.s.cfg.Leavers.Handover {
		find, ok := links[name]
		if !ok {
			continue
		}
		h, err := find(p, n)
		if err != nil {
			return heir{}, err
		}
		if h.id != "" || h.strategy == "pool" {
			h.strategy = name
			return h, nil
		}
	}
	if id := u.primaryAfter(); id != "" {
		return heir{kind: workspace.ToMember, id: id, label: u.view.Members[id].Email, strategy: "primary_owner"}, nil
	}
	return heir{}, errors.New("the workspace has no primary Owner (I1)")
}

// asHeir turns a member id into an heir, if that member may inherit.
func (u *unit) asHeir(p *person, id string) (heir, error) {
	ok, err := u.mayInherit(p, id)
	if err != nil || !ok {
		return heir{}, err
	}
	return heir{kind: workspace.ToMember, id: id, label: u.view.Members[id].Email}, nil
}

// namedHeir is whom the directory or the removal form names.
func (u *unit) namedHeir(p *person, _ *workspace.Number) (heir, error) {
	if p.want.HandoverTo == "" {
		return heir{}, nil
	}
	id, err := u.memberNamed(p.want.HandoverTo)
	if err != nil {
		return heir{}, err
	}
	return u.asHeir(p, id)
}

// memberNamed finds a member by address, or by the user name or id of a
// record of this connection; "" if there is none.
func (u *unit) memberNamed(name string) (string, error) {
	m, err := u.memberByEmail(emailKey(name))
	if err != nil {
		return "", err
	}
	if m != nil {
		return m.ID, nil
	}
	if u.conn.ID == "" {
		return "", nil
	}
	for _, find := range []func() (workspace.Identity, error){
		func() (workspace.Identity, error) { return u.tx.Identity(name) },
		func() (workspace.Identity, error) { return u.tx.IdentityByUser(u.conn.ID, foldKey(name)) },
		func() (workspace.Identity, error) { return u.tx.IdentityByExternal(u.conn.ID, name, false) },
	} {
		i, err := find()
		if err == nil {
			return i.Member, nil
		}
		if !errors.Is(err, workspace.ErrNotFound) {
			return "", err
		}
	}
	return "", nil
}

func (u *unit) coOwner(p *person, n *workspace.Number) (heir, error) {
	for _, id := range slices.Sorted(slices.Values(n.Owners)) {
		h, err := u.asHeir(p, id)
		if err != nil || h.id != "" {
			return h, err
		}
	}
	return heir{}, nil
}

// longestShared is the remaining member who has shared the number longest.
func (u *unit) longestShared(p *person, n *workspace.Number) (heir, error) {
	shared := slices.Clone(n.Assignments)
	slices.SortFunc(shared, func(a, b workspace.Assignment) int {
		return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.To, b.To))
	})
	for _, a := range shared {
		if a.Kind != workspace.ToMember || a.Access != workspace.AccessShared {
			continue
		}
		h, err := u.asHeir(p, a.To)
		if err != nil || h.id != "" {
			return h, err
		}
	}
	return heir{}, nil
}

// managerHeir is the leaver's manager, as a directory states it.
func (u *unit) managerHeir(p *person, _ *workspace.Number) (heir, error) {
	for _, i := range append(slices.Clone(p.live), p.trigger) {
		name, _ := i.Attributes.First("manager")
		if name == "" {
			continue
		}
		id, err := u.memberNamed(name)
		if err != nil {
			return heir{}, err
		}
		h, err := u.asHeir(p, id)
		if err != nil || h.id != "" {
			return h, err
		}
	}
	return heir{}, nil
}

// groupHeir is the group that the number belongs to already: calls ring it.
func (u *unit) groupHeir(_ *person, n *workspace.Number) (heir, error) {
	for _, a := range n.Assignments {
		if a.Kind == workspace.ToGroup {
			return heir{kind: workspace.ToGroup, id: a.To}, nil
		}
	}
	return heir{}, nil
}

// poolHeir is the pool that the number came from.
func (u *unit) poolHeir(_ *person, n *workspace.Number) (heir, error) {
	if n.Pool == "" {
		return heir{}, nil
	}
	return heir{strategy: "pool"}, nil
}
