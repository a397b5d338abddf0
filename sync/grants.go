package sync

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// planGrants compares role, groups, numbers and ownership with what the
// mapping wants. A grant ends when its last supporter ends; a sync takes away
// only what a row gave (MP1).
func (u *unit) planGrants(p *person) error {
	exempt, err := u.exceptions(p)
	if err != nil {
		return err
	}
	if err := u.planRole(p); err != nil {
		return err
	}
	if err := u.planGroups(p, exempt); err != nil {
		return err
	}
	return u.planNumbers(p, exempt)
}

// exceptions are the grants a person took away by hand although a row gives
// them (MP3): kind, object and row.
func (u *unit) exceptions(p *person) (map[[3]string]bool, error) { return u.exceptionsOf(p.member.ID) }

func (u *unit) exceptionsOf(member string) (map[[3]string]bool, error) {
	rows, err := u.tx.Exceptions(member)
	out := map[[3]string]bool{}
	for _, r := range rows {
		if r.Until == 0 || r.Until > u.now {
			out[[3]string{r.Kind, r.Object, r.Rule}] = true
		}
	}
	return out, err
}

// planRole brings the role in line. Owners are made, changed and unmade by
// people only (O1, O2).
func (u *unit) planRole(p *person) error {
	m := p.member
	if p.obs != nil && p.obs.Wishes.Owner && m.Role != workspace.RoleOwner {
		c := u.cause(p, workspace.CauseRequest)
		c.Direct = true
		u.addFor(p, u.roleChange(p, workspace.RoleOwner, "request", c))
		return nil
	}
	if len(p.want.Roles) == 0 || p.pinned(mapping.GrantRole, "", u.now) {
		return nil
	}
	want := p.want.Roles[0]
	cause, err := u.ruleCause(p, want.Row, want.Owner, want.Source, want.Direct)
	if err != nil {
		return err
	}
	cause.Cap, cause.ApproveAlways, cause.ReasonClass = want.Cap, want.Approve, "role_change"
	if m.Role == workspace.RoleOwner {
		if cause.Direct && !p.obs.Wishes.Owner {
			u.addFor(p, u.roleChange(p, want.Role, byRule(want.Row), cause))
		}
		return nil
	}
	given := u.endLapsed(p)
	if p.want.RoleUnknown && len(given) < len(p.supported(mapping.GrantRole, "")) && !roleGiven(given, m.Role) {
		// Only a pin that is past its end gave the role.
		p.want.RoleUnknown, want = false, p.newRole()
		if cause, err = u.ruleCause(p, want.Row, want.Owner, want.Source, want.Direct); err != nil {
			return err
		}
		cause.ReasonClass = "role_change"
	}
	if want.Role == m.Role {
		u.renew(p, mapping.GrantRole, "", want.Role.String(), want.Row, cause, given)
		return nil
	}
	raise := want.Role > m.Role
	if p.want.RoleUnknown || !raise && givenByHand(given) || raise && u.actor.Kind == workspace.ActorSystem {
		return nil // the clock raises nobody: the next word of the directory does
	}
	then := []effect{u.supportBy(p, mapping.GrantRole, "", want.Role.String(), cause)}
	for _, s := range given {
		if s.By != byRule(want.Row) {
			then = append(then, u.unsupport(p, s))
		}
	}
	u.addFor(p, u.roleChange(p, want.Role, byRule(want.Row), cause), then...)
	if len(given) == 0 && raise && len(p.want.Roles) > 1 {
		// While the raise waits, the role in force has its own supporter.
		now := p.newRole()
		c, err := u.ruleCause(p, now.Row, now.Owner, now.Source, now.Direct)
		if err != nil {
			return err
		}
		put := u.supportBy(p, mapping.GrantRole, "", now.Role.String(), c)
		u.always(p, func(tx *store.Tx) error {
			if u.view.Members[p.member.ID].Role != now.Role {
				return nil // the raise did not wait
			}
			return put(tx)
		})
	}
	return nil
}

// givenByHand reports whether something else than a row supports a role now:
// a sync takes away only what a row gave (MP1).
func givenByHand(given []store.SupportRow) bool {
	return slices.ContainsFunc(given, func(s store.SupportRow) bool { return !strings.HasPrefix(s.By, "rule ") })
}

// roleChange makes the change of a role.
func (u *unit) roleChange(p *person, to workspace.Role, source string, c workspace.Cause) workspace.Change {
	after := *p.member
	after.Role, after.RoleSource = to, source
	return workspace.Change{Kind: workspace.MemberRole, Subject: memberRef(*p.member), Member: p.member.ID, Before: *p.member, After: after, Cause: c}
}

// supportBy writes the row of a cause as the supporter of a grant.
func (u *unit) supportBy(p *person, kind mapping.GrantKind, object, value string, c workspace.Cause) effect {
	row := store.SupportRow{
		Member: p.member.ID, Kind: string(kind), Object: object, By: c.Support, Value: value, Connection: u.conn.ID,
		Source: c.Source, Run: u.run, Author: c.RuleOwner, Since: u.now, Confirmed: u.now,
	}
	return func(tx *store.Tx) error {
		u.restatesSupport(&row)
		return tx.PutSupport(row)
	}
}

// renew makes sure that a grant in force has this row among its supporters,
// and drops those of the same kind of row that no longer give a role.
func (u *unit) renew(p *person, kind mapping.GrantKind, object, value, row string, c workspace.Cause, given []store.SupportRow) {
	found := false
	for _, s := range given {
		if s.By == byRule(row) && s.Value == value {
			found = true
		}
	}
	if !found {
		u.always(p, u.supportBy(p, kind, object, value, c))
	}
	if kind != mapping.GrantRole {
		return
	}
	for _, s := range given {
		if s.By != byRule(row) && strings.HasPrefix(s.By, "rule ") {
			u.always(p, u.unsupport(p, s))
		}
	}
}

// always writes a row with the unit, whatever becomes of its changes.
func (u *unit) always(p *person, e effect) {
	u.plan = append(u.plan, planned{person: p.key, then: []effect{e}})
}

// findGroup finds a workspace group by name or id, those that this plan makes
// included; nil if there is none.
func (u *unit) findGroup(name string) (*workspace.Group, error) {
	key := fold.Key(name)
	for _, g := range u.view.Groups {
		if g.NameKey == key || g.ID == name {
			return g, nil
		}
	}
	for i := range u.plan {
		if g, ok := u.plan[i].After.(workspace.Group); ok && u.plan[i].Kind == workspace.GroupCreate && g.NameKey == key {
			return &g, nil
		}
	}
	g, err := u.tx.GroupByName(key)
	if errors.Is(err, workspace.ErrNotFound) {
		g, err = u.tx.Group(name)
	}
	if errors.Is(err, workspace.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	u.view.Groups[g.ID] = &g
	return &g, nil
}

// planGroups joins and leaves workspace groups.
func (u *unit) planGroups(p *person, exempt map[[3]string]bool) error {
	in, joining, wanted := map[string]bool{}, map[string]bool{}, map[[2]string]bool{}
	for _, g := range p.groups {
		in[g.ID] = true
	}
	for _, w := range p.want.Groups {
		g, err := u.findGroup(w.Name)
		if err != nil {
			return err
		}
		cause, err := u.ruleCause(p, w.Row, w.Owner, w.Source, w.Direct)
		if err != nil {
			return err
		}
		if g == nil {
			if !w.Create {
				u.notices = append(u.notices, fmt.Sprintf("%s: there is no workspace group %q for %s", w.Row, w.Name, p.label()))
				continue
			}
			full, err := u.madeEnough(w)
			if err != nil {
				return err
			}
			if full {
				u.notices = append(u.notices, fmt.Sprintf("%s: group %q is not made for %s, the row has made %d already (create_max)", w.Row, w.Name, p.label(), w.CreateMax))
				continue
			}
			g = &workspace.Group{ID: newID(), Name: w.Name, NameKey: fold.Key(w.Name), Version: 1, CreatedAt: u.now}
			made := g.NameKey
			u.addFor(p, workspace.Change{Kind: workspace.GroupCreate, Subject: groupRef(*g), After: *g, Cause: cause},
				func(tx *store.Tx) error { return tx.CountBrake(anyConnection, countMade+w.Row, made, u.now) })
		}
		if exempt[[3]string{string(mapping.GrantGroup), g.ID, byRule(w.Row)}] {
			continue
		}
		wanted[[2]string{g.ID, byRule(w.Row)}] = true
		if in[g.ID] {
			u.renew(p, mapping.GrantGroup, g.ID, "", w.Row, cause, p.supported(mapping.GrantGroup, g.ID))
			continue
		}
		put := u.supportBy(p, mapping.GrantGroup, g.ID, "", cause)
		if joining[g.ID] || u.planned(workspace.GroupJoin, g.ID, p.member.ID) {
			u.thenAlso(workspace.GroupJoin, g.ID, p.member.ID, put)
			continue
		}
		joining[g.ID] = true
		u.addFor(p, workspace.Change{
			Kind: workspace.GroupJoin, Subject: groupRef(*g), Member: p.member.ID,
			After: workspace.GroupMembership{Group: g.ID, Member: p.member.ID, Since: u.now}, Cause: cause,
		}, put)
	}
	for _, g := range p.groups {
		u.planLeave(p, g, wanted)
	}
	return nil
}

// Groups that a row makes are counted for ever, beside the brake's counters
// and for all connections together.
const (
	anyConnection = ""
	countMade     = "groups_made:"
)

// madeEnough reports whether a row has made as many groups as it may (MR4).
func (u *unit) madeEnough(w mapping.WantGroup) (bool, error) {
	made, err := u.tx.BrakeCount(anyConnection, countMade+w.Row, 0)
	for i := range u.plan {
		if x := &u.plan[i]; x.Kind == workspace.GroupCreate && x.Cause.Rule == w.Row {
			made++
		}
	}
	return made >= w.CreateMax, err
}

// planned reports whether the plan has a change of this kind already, of
// anybody if member is "".
func (u *unit) planned(kind workspace.ChangeKind, object, member string) bool {
	return slices.ContainsFunc(u.plan, func(x planned) bool {
		return x.Kind == kind && x.Subject.ID == object && (member == "" || x.Member == member)
	})
}

// thenAlso lets another row support what a change of this plan gives.
func (u *unit) thenAlso(kind workspace.ChangeKind, object, member string, e effect) {
	for i := range u.plan {
		if u.plan[i].Kind == kind && u.plan[i].Subject.ID == object && u.plan[i].Member == member {
			u.plan[i].then = append(u.plan[i].then, e)
		}
	}
}

// planLeave ends what no row gives any more.
func (u *unit) planLeave(p *person, g workspace.Group, wanted map[[2]string]bool) {
	given := p.supported(mapping.GrantGroup, g.ID)
	var ended []store.SupportRow
	for _, s := range given {
		row, isRule := strings.CutPrefix(s.By, "rule ")
		if isRule && !wanted[[2]string{g.ID, s.By}] && !p.want.UnknownRows[row] || u.lapsed(&s) {
			ended = append(ended, s)
		}
	}
	if len(ended) == 0 {
		return
	}
	replaced := false
	for k := range wanted {
		replaced = replaced || k[0] == g.ID
	}
	var then []effect
	for _, s := range ended {
		then = append(then, u.unsupport(p, s))
	}
	if len(ended) < len(given) || replaced {
		for _, e := range then {
			u.always(p, e)
		}
		return
	}
	c := u.cause(p, workspace.CauseRule)
	c.Rule, c.Source, c.ReasonClass = strings.TrimPrefix(ended[0].By, "rule "), ended[0].Source, "role_change"
	u.addFor(p, workspace.Change{
		Kind: workspace.GroupLeave, Subject: groupRef(g), Member: p.member.ID,
		Before: workspace.GroupMembership{Group: g.ID, Member: p.member.ID}, Cause: c,
	}, then...)
}

// groupRef names a workspace group in reports.
func groupRef(g workspace.Group) workspace.Ref {
	return workspace.Ref{Type: "group", ID: g.ID, Label: g.Name}
}

// remedyNotInInventory is what leads on when the directory names a number that
// the workspace does not have. Whoever reads it may have no shell.
const remedyNotInInventory = "correct the number in the directory, or have an administrator add it to the inventory (rollcall numbers import)"

// numberGrant is what the rows together want of one number.
type numberGrant struct {
	number *workspace.Number
	rows   []mapping.WantNumber
	access workspace.Access
}

// planNumbers gives and takes numbers. What is taken comes first, so that a
// moved person never holds two exclusive numbers.
func (u *unit) planNumbers(p *person, exempt map[[3]string]bool) error {
	grants := map[string]*numberGrant{}
	for _, w := range p.want.Numbers {
		if w.Denied != "" || w.Ask {
			if err := u.ruleNumber(p, w); err != nil {
				return err
			}
			continue
		}
		if exempt[[3]string{string(mapping.GrantNumber), w.Number, byRule(w.Row)}] {
			continue
		}
		n, ok := u.view.Numbers[w.Number]
		if !ok {
			return fmt.Errorf("mapping row %s names number %s, which was not read", w.Row, w.Number)
		}
		g := grants[n.ID]
		if g == nil {
			g = &numberGrant{number: n}
			grants[n.ID] = g
		}
		g.rows = append(g.rows, w)
		g.access = max(g.access, w.Access)
	}
	for _, n := range slices.Clone(p.numbers) {
		if err := u.planUngrant(p, n, grants[n.ID]); err != nil {
			return err
		}
	}
	for _, id := range sortedKeys(grants) {
		if err := u.planGrant(p, grants[id]); err != nil {
			return err
		}
	}
	return u.planOwned(p, exempt)
}

// ruleNumber records a number that a row names and that may not be given, or
// that waits for a person's choice.
func (u *unit) ruleNumber(p *person, w mapping.WantNumber) error {
	cause, err := u.ruleCause(p, w.Row, w.Owner, w.Source, w.Direct)
	if err != nil {
		return err
	}
	ref := workspace.Ref{Type: "number", ID: w.Number, Label: orElse(w.E164, "a number")}
	c := workspace.Change{
		Kind: workspace.NumberAssign, Subject: ref, Member: p.member.ID, Cause: cause,
		After: workspace.Assignment{Number: w.Number, Kind: workspace.ToMember, To: p.member.ID, Access: w.Access},
	}
	d := &workspace.Decision{Verdict: workspace.Deny, Rule: w.Row, Reason: w.Denied}
	refuse := &Refusal{Verdict: workspace.Deny, Kind: RefusedInvalid}
	switch {
	case w.Ask:
		d.Verdict = workspace.Hold
		d.Reason = fmt.Sprintf("row %s found no number for %s without a person's choice", w.Row, p.label())
		d.Remedy = "assign a number by hand"
		if len(w.Candidates) > 0 {
			d.Remedy = "assign one of " + strings.Join(w.Candidates, ", ")
		}
		refuse = nil
	case w.DeniedCode == "taken":
		d.Rule, d.Remedy = "I4", fmt.Sprintf("choose another, or set taken: share on row %s", w.Row)
		refuse.Kind = RefusedConflict
	case w.DeniedCode == "notInInventory":
		d.Remedy = remedyNotInInventory
	default:
		d.Remedy = "correct the number in the directory"
	}
	if !cause.Direct {
		refuse = nil
	}
	if refuse != nil {
		refuse.Rule, refuse.Reason, refuse.Remedy = d.Rule, d.Reason, d.Remedy
	}
	u.add(planned{Change: c, subject: p.key, person: p.key, ruling: d, refuse: refuse, scarce: true})
	return nil
}

// planUngrant drops supporters that have ended, and the access with the last.
func (u *unit) planUngrant(p *person, n *workspace.Number, g *numberGrant) error {
	have, ok := p.access(n)
	if !ok {
		return nil
	}
	given := p.supported(mapping.GrantNumber, n.ID)
	left := workspace.AccessNone
	if g != nil {
		left = g.access
	}
	var ended []store.SupportRow
	for _, s := range given {
		row, isRule := strings.CutPrefix(s.By, "rule ")
		wanted := g != nil && slices.ContainsFunc(g.rows, func(w mapping.WantNumber) bool { return w.Row == row })
		if isRule && !wanted && !p.want.UnknownRows[row] || u.lapsed(&s) {
			ended = append(ended, s)
			continue
		}
		if a, ok := workspace.ParseAccess(s.Value); ok && !(isRule && wanted) {
			left = max(left, a)
		}
	}
	if len(ended) == 0 && (g == nil || left == have.Access) {
		return nil
	}
	var then []effect
	for _, s := range ended {
		then = append(then, u.unsupport(p, s))
	}
	c := u.cause(p, workspace.CauseRule)
	c.ReasonClass = "role_change"
	if len(ended) > 0 {
		c.Rule, c.Source = strings.TrimPrefix(ended[0].By, "rule "), ended[0].Source
	} else if len(g.rows) > 0 {
		c.Rule, c.Source = g.rows[0].Row, g.rows[0].Source
	}
	switch {
	case left == workspace.AccessNone:
		u.addFor(p, workspace.Change{Kind: workspace.NumberUnassign, Subject: numberRef(n), Member: p.member.ID, Before: have, Cause: c}, then...)
		return u.planRest(p, n, c)
	case left != have.Access:
		after := have
		after.Access = left
		u.addFor(p, workspace.Change{Kind: workspace.NumberAccess, Subject: numberRef(n), Member: p.member.ID, Before: have, After: after, Cause: c}, then...)
	default:
		for _, e := range then {
			u.always(p, e)
		}
	}
	return nil
}

// planRest sends a number that nobody is left to answer to rest: quarantine
// in its pool, else the responsible party is the primary Owner (I2).
func (u *unit) planRest(p *person, n *workspace.Number, c workspace.Cause) error {
	others := slices.ContainsFunc(n.Assignments, func(a workspace.Assignment) bool { return a.To != p.member.ID && u.stays(&a) })
	owned := slices.ContainsFunc(n.Owners, func(id string) bool { return id != p.member.ID && !u.leaves(id) })
	if others || owned || n.State == workspace.NumberPorting || u.planned(workspace.NumberUpdate, n.ID, "") {
		return nil
	}
	after := *n
	after.State = workspace.NumberQuarantined
	after.QuarantineUntil = u.now + workspace.Micros(u.s.cfg.Quarantine.Microseconds())
	c.Kind = workspace.CauseSequence
	u.addFor(p, workspace.Change{Kind: workspace.NumberUpdate, Subject: numberRef(n), Member: p.member.ID, Before: *n, After: after, Cause: c})
	return nil
}

// planGrant gives a number, or makes sure that what is given has its row.
func (u *unit) planGrant(p *person, g *numberGrant) error {
	given := p.supported(mapping.GrantNumber, g.number.ID)
	have, has := p.access(g.number)
	var then []effect
	var first workspace.Cause
	for i, w := range g.rows {
		c, err := u.ruleCause(p, w.Row, w.Owner, w.Source, w.Direct)
		if err != nil {
			return err
		}
		if i == 0 {
			first = c
		}
		if has && slices.ContainsFunc(given, func(s store.SupportRow) bool { return s.By == byRule(w.Row) && s.Value == w.Access.String() }) {
			continue
		}
		then = append(then, u.supportBy(p, mapping.GrantNumber, g.number.ID, w.Access.String(), c))
	}
	if has {
		if have.Access >= g.access {
			for _, e := range then {
				u.always(p, e)
			}
			return nil
		}
		u.thenAlso(workspace.NumberAccess, g.number.ID, p.member.ID, func(tx *store.Tx) error { return inOrder(tx, then) })
		return nil
	}
	if u.planned(workspace.NumberAssign, g.number.ID, p.member.ID) {
		u.thenAlso(workspace.NumberAssign, g.number.ID, p.member.ID, func(tx *store.Tx) error { return inOrder(tx, then) })
		return nil
	}
	w := g.rows[0]
	if w.Demoted != "" {
		if err := u.demote(p, g.number, w.Demoted, first); err != nil {
			return err
		}
	}
	ring, err := u.ringPlace(p, g.number, w.Ring)
	if err != nil {
		return err
	}
	first.ReasonClass = "new_hire"
	u.addFor(p, workspace.Change{
		Kind: workspace.NumberAssign, Subject: numberRef(g.number), Member: p.member.ID, Cause: first,
		After: workspace.Assignment{Number: g.number.ID, Kind: workspace.ToMember, To: p.member.ID, Access: g.access, Ring: ring, Notify: w.Notify, Since: u.now},
	}, then...)
	return nil
}

func inOrder(tx *store.Tx, effects []effect) error {
	for _, e := range effects {
		if err := e(tx); err != nil {
			return err
		}
	}
	return nil
}

// demote makes the present holder's exclusive access shared (`taken: share`).
func (u *unit) demote(p *person, n *workspace.Number, holder string, c workspace.Cause) error {
	for _, a := range n.Assignments {
		if a.Kind == workspace.ToMember && a.To == holder && a.Access == workspace.AccessExclusive {
			if _, err := u.member(holder); err != nil {
				return err
			}
			after := a
			after.Access = workspace.AccessShared
			u.addFor(p, workspace.Change{Kind: workspace.NumberAccess, Subject: numberRef(n), Member: holder, Before: a, After: after, Cause: c})
		}
	}
	return nil
}

// ringPlace finds the position at which a newcomer rings; 0 is last.
func (u *unit) ringPlace(p *person, n *workspace.Number, order mapping.RingOrder) (int, error) {
	if order == mapping.RingLast || order == "" {
		return 0, nil
	}
	before := func(m *workspace.Member) int {
		if order == mapping.RingName {
			return cmp.Compare(fold.Key(p.member.Name), fold.Key(m.Name))
		}
		return cmp.Compare(p.member.JoinedAt, m.JoinedAt)
	}
	for _, a := range n.Assignments {
		if a.Ring == 0 || a.Kind != workspace.ToMember {
			continue
		}
		m, err := u.member(a.To)
		if err != nil {
			return 0, err
		}
		if before(m) < 0 {
			return a.Ring, nil
		}
	}
	return 0, nil
}
