package sync

import (
	"cmp"
	"errors"
	"slices"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// person is one human being with everything the plan needs: what the
// directories say, and what the workspace has.
type person struct {
	key      string // "member:ID" or "identity:ID"
	member   *workspace.Member
	live     []workspace.Identity // identities that are not deleted
	trigger  workspace.Identity   // the identity that brought this person up
	deleted  bool                 // the trigger was deleted by this batch
	final    bool                 // removed by a person, who has chosen the handover: no grace (R22)
	obs      *IdentityObservation // what the batch says of the trigger itself
	supports []store.SupportRow
	numbers  []*workspace.Number
	groups   []workspace.Group
	want     mapping.Want
	// snap is what a leaver who returns had, and back which numbers of it can
	// come back.
	snap  *snapshot
	back  []workspace.Assignment
	cutAt workspace.Micros // when the access ended that comes back
}

// planIdentity plans the person behind an identity, once per unit.
func (u *unit) planIdentity(id string, obs *IdentityObservation) error {
	p, err := u.person(id, obs)
	if err != nil || p == nil {
		return err
	}
	return u.planPerson(p)
}

// person loads the person behind an identity; nil if planned already.
func (u *unit) person(id string, obs *IdentityObservation) (*person, error) {
	p := &person{obs: obs}
	identity, err := u.identity(id)
	switch {
	case errors.Is(err, workspace.ErrNotFound) && obs != nil && obs.Op == OpDelete:
		p.deleted = true
		identity = obs.Row.Identity
	case errors.Is(err, workspace.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case obs != nil && obs.Op == OpDelete:
		p.deleted = true // its record is kept (keepsAbsent)
	}
	p.trigger = identity
	if identity.Member == "" {
		p.key = "identity:" + id
		if !p.deleted {
			p.live = []workspace.Identity{identity}
		}
	} else {
		p.key = "member:" + identity.Member
	}
	if u.people[p.key] {
		return nil, nil
	}
	u.people[p.key] = true
	if identity.Member != "" {
		if err := u.loadMember(p, identity.Member); err != nil {
			return nil, err
		}
		if p.deleted {
			p.live = slices.DeleteFunc(p.live, func(i workspace.Identity) bool { return i.ID == id })
		}
	}
	return p, nil
}

// identity gives a record as it stands now.
func (u *unit) identity(id string) (workspace.Identity, error) {
	if i, ok := u.records[id]; ok && !i.Deleted {
		return i, nil
	}
	return u.tx.Identity(id)
}

// loadMember loads what the workspace has of a member.
func (u *unit) loadMember(p *person, id string) error {
	m, err := u.member(id)
	if err != nil {
		return err
	}
	p.member = m
	if p.live, err = u.identitiesOf(p, id); err != nil {
		return err
	}
	u.knowsRecords(id, p.live)
	if p.live, err = u.directoryFirst(p.live, id); err != nil {
		return err
	}
	if p.supports, err = u.tx.Supports(id); err != nil {
		return err
	}
	numbers, err := u.tx.NumbersOf(id)
	if err != nil {
		return err
	}
	p.numbers = p.numbers[:0]
	for _, n := range numbers {
		p.numbers = append(p.numbers, u.keep(n))
	}
	p.groups, err = u.tx.GroupsOf(id)
	for i := range p.groups {
		if _, ok := u.view.Groups[p.groups[i].ID]; !ok {
			u.view.Groups[p.groups[i].ID] = &p.groups[i]
		}
	}
	return err
}

// identitiesOf lists a member's live records. The one that brought the person
// up has been read already, and mostly it is the only one.
func (u *unit) identitiesOf(p *person, member string) ([]workspace.Identity, error) {
	if p.deleted || p.trigger.Member != member {
		return u.tx.IdentitiesOf(member, false)
	}
	all, err := u.tx.OtherIdentitiesOf(member, p.trigger.ID)
	at, _ := slices.BinarySearchFunc(all, p.trigger.ID, func(i workspace.Identity, id string) int { return cmp.Compare(i.ID, id) })
	return slices.Insert(all, at, p.trigger), err
}

// evaluate asks the mapping what the person should be.
func (u *unit) evaluate(p *person) error {
	mp, err := u.s.described(u.tx, p.live)
	if err != nil {
		return err
	}
	if p.member != nil {
		mp.Member, mp.Have = p.member.ID, have(p)
		for i := range mp.Have.Numbers {
			if n := u.view.Numbers[mp.Have.Numbers[i].Number]; n != nil {
				mp.Have.Numbers[i].E164 = n.E164
			}
		}
	}
	domains, err := u.claimed()
	if err != nil {
		return err
	}
	facts := mapping.Facts{
		ClaimedDomains: domains, Inventory: &inventory{u: u},
		ViewBesideExclusive: u.s.policy.Numbers.ViewBesideExclusive,
	}
	p.want, err = u.s.rules.Want(mp, facts, u.now)
	for i := range p.want.Roles {
		p.want.Roles[i].Row = orElse(p.want.Roles[i].Row, "default")
	}
	u.judged[p.key] = judged{undecided: len(p.want.Notices) > 0, connection: p.trigger.Connection, waiter: u.waiterOf(&p.trigger)}
	for _, n := range p.want.Notices {
		u.notices = append(u.notices, n.Row+": "+n.Text)
	}
	return err
}

// have is what a member holds now, in the mapping's words.
func have(p *person) mapping.Have {
	h := mapping.Have{Role: p.member.Role}
	for _, n := range p.numbers {
		for _, a := range n.Assignments {
			if a.Kind == workspace.ToMember && a.To == p.member.ID {
				h.Numbers = append(h.Numbers, mapping.HeldNumber{Number: n.ID, E164: n.E164, Access: a.Access})
			}
		}
	}
	supports := p.supports
	for _, a := range p.back {
		h.Numbers = append(h.Numbers, mapping.HeldNumber{Number: a.Number, Access: a.Access})
	}
	if p.snap != nil {
		supports = append(slices.Clone(supports), p.snap.Supports...)
	}
	for _, s := range supports {
		h.Supports = append(h.Supports, mapping.Support{Kind: mapping.GrantKind(s.Kind), Object: s.Object, Value: s.Value, By: s.By})
	}
	return h
}

// supported lists the supporters of one grant.
func (p *person) supported(kind mapping.GrantKind, object string) []store.SupportRow {
	var out []store.SupportRow
	for _, s := range p.supports {
		if s.Kind == string(kind) && s.Object == object {
			out = append(out, s)
		}
	}
	return out
}

// pinned reports whether a person has set this grant by hand.
func (p *person) pinned(kind mapping.GrantKind, object string, now workspace.Micros) bool {
	return slices.ContainsFunc(p.supports, func(s store.SupportRow) bool {
		return s.Kind == string(kind) && s.Object == object && s.By == byManual && (s.Until == 0 || s.Until > now)
	})
}

// access gives the member's direct access to a number.
func (p *person) access(n *workspace.Number) (workspace.Assignment, bool) {
	if p.member == nil {
		return workspace.Assignment{}, false
	}
	i := slices.IndexFunc(n.Assignments, func(a workspace.Assignment) bool {
		return a.Kind == workspace.ToMember && a.To == p.member.ID
	})
	if i < 0 {
		return workspace.Assignment{}, false
	}
	return n.Assignments[i], true
}

// label is how people know the person.
func (p *person) label() string {
	if p.member != nil {
		return p.member.Email
	}
	if p.want.Email != "" {
		return p.want.Email
	}
	return p.trigger.UserName
}

// surroundings are what the rules ask of a record's neighbours.
type surroundings interface {
	GroupsAbove(identities []string) ([]store.GroupRef, error)
	HasReports(identities []string) (bool, error)
}

// described is what the directories say of somebody with these records.
func (s *space) described(r surroundings, live []workspace.Identity) (mapping.Person, error) {
	p := mapping.Person{Identities: live}
	ids := make([]string, 0, len(live))
	for i := range live {
		ids = append(ids, live[i].ID)
	}
	refs, err := r.GroupsAbove(ids)
	if err != nil {
		return p, err
	}
	for _, g := range refs {
		p.Groups = append(p.Groups, mapping.GroupRef(g))
	}
	if !s.rules.Reads("has_reports") {
		return p, nil
	}
	has, err := r.HasReports(ids)
	p.HasReports = mapping.False
	if has {
		p.HasReports = mapping.True
	}
	return p, err
}

// excluded reports whether the mapping excludes somebody who is known by this
// record.
func (s *space) excluded(r surroundings, i workspace.Identity, now workspace.Micros) (bool, error) {
	if !s.rules.MayExclude() {
		return false, nil
	}
	p, err := s.described(r, []workspace.Identity{i})
	if err != nil {
		return false, err
	}
	want, err := s.rules.Want(p, mapping.Facts{}, now)
	return want.Excluded, err
}
