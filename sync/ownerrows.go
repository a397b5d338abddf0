package sync

import (
	"errors"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// ownerRow reports whether a row id is one of number_owner that counts now.
func (u *unit) ownerRow(row string) bool {
	return slices.ContainsFunc(u.s.rules.OwnerRows(), func(r mapping.OwnerRow) bool { return r.Row == row && u.inForce(r) })
}

// inForce reports whether a row of number_owner is in force (RO5).
func (u *unit) inForce(r mapping.OwnerRow) bool {
	return r.Since <= u.now && (r.Until == 0 || u.now < r.Until)
}

// planOwnerRows judges the number_owner rows whose people this batch touched:
// ownership follows a group's manager, the first user's manager, or a named
// member (MR7).
func (u *unit) planOwnerRows() error {
	rows := u.s.rules.OwnerRows()
	if len(rows) == 0 || len(u.b.Identities)+len(u.b.Groups)+len(u.b.People) == 0 {
		return nil
	}
	for _, r := range rows {
		if err := u.planOwnerRow(r); err != nil {
			return err
		}
	}
	return nil
}

func (u *unit) planOwnerRow(r mapping.OwnerRow) error {
	read, err := u.tx.NumberByE164(r.Number)
	if errors.Is(err, workspace.ErrNotFound) {
		u.notices = append(u.notices, r.Row+": "+r.Number+" is not in the inventory")
		return nil
	}
	if err != nil {
		return err
	}
	n := u.keep(read)
	want := ""
	if u.inForce(r) {
		if want, err = u.rowOwner(r, n); err != nil || want == "" {
			return err // nobody found: the present owner stays
		}
		exempt, err := u.exceptionsOf(want)
		if err != nil {
			return err
		}
		if exempt[[3]string{string(mapping.GrantOwner), n.ID, byRule(r.Row)}] {
			want = "" // a person has said no (MP3)
		}
	}
	a, err := u.author(r.Owner)
	if err != nil {
		return err
	}
	c := workspace.Cause{
		Kind: workspace.CauseRule, Connection: u.conn.ID, Rule: r.Row, RuleOwner: a.id, RuleRole: a.role, RuleOwnerLost: a.lost,
		Support: byRule(r.Row), Source: "number_owner",
	}
	for _, id := range n.Owners {
		if id == want {
			continue
		}
		if err := u.planOwnerEnds(r, n, id, c); err != nil {
			return err
		}
	}
	if want == "" || u.planned(workspace.NumberOwner, n.ID, want) {
		return nil
	}
	put := putRow(store.SupportRow{
		Member: want, Kind: string(mapping.GrantOwner), Object: n.ID, By: byRule(r.Row),
		Connection: u.conn.ID, Source: "number_owner", Run: u.run, Author: a.id, Since: u.now, Confirmed: u.now,
	})
	if slices.Contains(n.Owners, want) {
		return u.alsoOwns(want, n.ID, byRule(r.Row), put)
	}
	u.add(planned{
		Change: workspace.Change{
			Kind: workspace.NumberOwner, Subject: numberRef(n), Member: want,
			After: workspace.Ownership{Number: n.ID, Member: want}, Cause: c,
		},
		subject: "member:" + want, person: "member:" + want,
		then: []effect{put},
	})
	return nil
}

// alsoOwns makes a row a supporter of an ownership that somebody has already.
func (u *unit) alsoOwns(member, number, by string, put effect) error {
	supports, err := u.tx.Supports(member)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(supports, func(s store.SupportRow) bool {
		return s.Kind == string(mapping.GrantOwner) && s.Object == number && s.By == by
	}) {
		u.plan = append(u.plan, planned{person: "member:" + member, then: []effect{put}})
	}
	return nil
}

// planOwnerEnds takes ownership away that this row gave and nothing else
// supports.
func (u *unit) planOwnerEnds(r mapping.OwnerRow, n *workspace.Number, id string, c workspace.Cause) error {
	supports, err := u.tx.Supports(id)
	if err != nil {
		return err
	}
	mine, others := false, false
	for _, s := range supports {
		if s.Kind == string(mapping.GrantOwner) && s.Object == n.ID {
			mine = mine || s.By == byRule(r.Row)
			others = others || s.By != byRule(r.Row)
		}
	}
	end := func(tx *store.Tx) error { return tx.DeleteSupport(id, string(mapping.GrantOwner), n.ID, byRule(r.Row)) }
	switch {
	case !mine || u.planned(workspace.NumberOwner, n.ID, id):
		return nil
	case others:
		u.plan = append(u.plan, planned{person: "member:" + id, then: []effect{end}})
		return nil
	}
	if _, err := u.member(id); err != nil {
		return err
	}
	u.add(planned{
		Change: workspace.Change{
			Kind: workspace.NumberOwner, Subject: numberRef(n), Member: id,
			Before: workspace.Ownership{Number: n.ID, Member: id}, Cause: c,
		},
		subject: "member:" + id, person: "member:" + id,
		then: []effect{end},
	})
	return nil
}

// rowOwner finds the member whom a row makes an owner, "" if nobody fits.
func (u *unit) rowOwner(r mapping.OwnerRow, n *workspace.Number) (string, error) {
	var names []string
	switch {
	case r.Member != "":
		names = []string{r.Member}
	case len(r.ManagerOf) > 0:
		found, err := u.groupManagers(r.ManagerOf)
		if err != nil {
			return "", err
		}
		names = found
	case r.Attr == "manager":
		found, err := u.userManagers(n)
		if err != nil {
			return "", err
		}
		names = found
	}
	for _, name := range names {
		id, err := u.memberNamed(name)
		if err != nil {
			return "", err
		}
		if id == "" {
			continue
		}
		m, err := u.member(id)
		if err != nil {
			return "", err
		}
		if m.Usable() {
			return id, nil
		}
	}
	return "", nil
}

// groupManagers names the managers of a directory group: those it states,
// else the manager whom most of its people name.
func (u *unit) groupManagers(keys []mapping.GroupKey) ([]string, error) {
	for _, k := range keys {
		if k.Connection != "" && k.Connection != u.conn.ID {
			continue
		}
		g, err := u.directoryGroup(k)
		if errors.Is(err, workspace.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(g.Managers) > 0 {
			return g.Managers, nil
		}
		votes := map[string]int{}
		for id, err := range u.tx.IdentitiesBelow(g.ID) {
			if err != nil {
				return nil, err
			}
			i, err := u.tx.Identity(id)
			if err != nil {
				return nil, err
			}
			if m, _ := i.Attributes.First("manager"); m != "" {
				votes[m]++
			}
		}
		if len(votes) > 0 {
			return byVotes(votes), nil
		}
	}
	return nil, nil
}

// byVotes orders names by votes, most first, then by name.
func byVotes(votes map[string]int) []string {
	names := sortedKeys(votes)
	slices.SortStableFunc(names, func(a, b string) int { return votes[b] - votes[a] })
	return names
}

// directoryGroup finds the directory group that a mapping names.
func (u *unit) directoryGroup(k mapping.GroupKey) (workspace.DirectoryGroup, error) {
	if k.ID != "" {
		g, err := u.tx.DirectoryGroupByExternal(u.conn.ID, k.ID)
		if err == nil || !errors.Is(err, workspace.ErrNotFound) {
			return g, err
		}
		if g, err = u.tx.DirectoryGroup(k.ID); err == nil || !errors.Is(err, workspace.ErrNotFound) {
			return g, err
		}
	}
	return u.tx.DirectoryGroupByName(u.conn.ID, foldKey(orElse(k.Name, k.ID)))
}

// userManagers names the managers of a number's users, in ring order.
func (u *unit) userManagers(n *workspace.Number) ([]string, error) {
	var out []string
	for _, a := range n.Assignments {
		if a.Kind != workspace.ToMember {
			continue
		}
		identities, err := u.tx.IdentitiesOf(a.To, false)
		if err != nil {
			return nil, err
		}
		for _, i := range identities {
			if m, _ := i.Attributes.First("manager"); strings.TrimSpace(m) != "" {
				out = append(out, m)
			}
		}
	}
	return out, nil
}
