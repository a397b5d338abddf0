package store

import "github.com/rollcall-sync/rollcall/workspace"

// InForce is what a member has in the workspace, as a directory's answer
// shows it.
type InForce struct {
	workspace.Member
	Numbers []NumberInForce // by E.164 text
}

// NumberInForce is one number of a member and what gives it.
type NumberInForce struct {
	NumberHolding
	Source string // first supporter of the access, else of the ownership; "" if none is known
}

// GroupOfIdentity is a directory group of one identity.
type GroupOfIdentity struct {
	ID, Name string
	Via      string // name of the direct group, "" if direct
}

// MemberOfGroup is a direct member of a directory group with its name.
type MemberOfGroup struct {
	Edge
	Name string
}

const (
	// Numbers with what supports them: the first of several supporters by
	// name, so that the answer is the same each time.
	selectNumbersInForce = `SELECT a.to_id, n.e164, a.access, a.ring, FALSE, (SELECT MIN(s.given_by) FROM support s
				WHERE s.workspace_id = a.workspace_id AND s.member_id = a.to_id AND s.kind = 'number'
					AND s.object_id = a.number_id) FROM assignment a
			JOIN number n ON n.workspace_id = a.workspace_id AND n.number_id = a.number_id
			WHERE a.workspace_id = ? AND a.kind = 'member' AND a.to_id IN (*)
		UNION ALL SELECT o.member_id, n.e164, '', 0, TRUE, (SELECT MIN(s.given_by) FROM support s
				WHERE s.workspace_id = o.workspace_id AND s.member_id = o.member_id AND s.kind = 'owner'
					AND s.object_id = o.number_id) FROM number_owner o
			JOIN number n ON n.workspace_id = o.workspace_id AND n.number_id = o.number_id
			WHERE o.workspace_id = ? AND o.member_id IN (*)`
	selectHoldsOf = `SELECT hold_id, plan_hash, connection_id, run_id, subject, state, reason, created_at,
			expires_at, decided_at, decided_by, decided_why, observation, changes
		FROM hold WHERE workspace_id = ? AND state = 'open' AND subject IN (*) ORDER BY created_at, hold_id`
	// The last column tells whether the group is nested in another one, which
	// is rare: only then is the way up walked.
	selectDirectGroups = `SELECT m.child_id, g.group_id, g.display_name,
			EXISTS (SELECT 1 FROM membership up WHERE up.workspace_id = m.workspace_id AND up.child_id = m.group_id
				AND up.child_kind = 'group')
		FROM membership m
		JOIN dirgroup g ON g.workspace_id = m.workspace_id AND g.group_id = m.group_id
		WHERE m.workspace_id = ? AND m.child_kind = 'user' AND m.child_id IN (*)
		ORDER BY m.child_id, g.created_at, g.group_id`
	selectMembersOf = `SELECT m.child_kind, m.child_id, COALESCE(i.name, i.user_name, g.display_name, '')
		FROM membership m
		LEFT JOIN identity i ON m.child_kind = 'user' AND i.workspace_id = m.workspace_id AND i.identity_id = m.child_id
		LEFT JOIN dirgroup g ON m.child_kind = 'group' AND g.workspace_id = m.workspace_id AND g.group_id = m.child_id
		WHERE m.workspace_id = ? AND m.group_id = ? AND (m.child_kind, m.child_id) > (?, ?)
		ORDER BY m.child_kind, m.child_id LIMIT ?`
)

// InForce reads members with their numbers, by id, in two statements for 100
// of them. Unknown ids are missing.
func (r *Reader) InForce(members []string) (map[string]*InForce, error) {
	all := make(map[string]*InForce, len(members))
	err := chunks(members, func(piece []string) error {
		found, err := list(r, scanMember, in(selectMembersByID, len(piece)), flat(r.ws, piece)...)
		if err != nil {
			return err
		}
		for _, m := range found {
			all[m.ID] = &InForce{Member: m}
		}
		numbers, err := list(r, scanNumberInForce, in(selectNumbersInForce, len(piece)), flat(r.ws, piece, r.ws, piece)...)
		if err != nil {
			return err
		}
		for _, n := range numbers {
			if m := all[n.member]; m != nil {
				m.hold(n.NumberInForce)
			}
		}
		return nil
	})
	return all, err
}

type numberOf struct {
	member string
	NumberInForce
}

func scanNumberInForce(s scanner, n *numberOf) error {
	return s.Scan(&n.member, &n.Number, &n.Access, &n.Ring, &n.Owner, &n.Source)
}

// hold adds access to, or ownership of, a number; the numbers stay sorted.
func (m *InForce) hold(n NumberInForce) {
	at := len(m.Numbers)
	for i := range m.Numbers {
		have := &m.Numbers[i]
		if have.Number == n.Number {
			have.Owner = have.Owner || n.Owner
			if n.Access != "" {
				have.Access, have.Ring = n.Access, n.Ring
			}
			if have.Source == "" || n.Access != "" && n.Source != "" {
				have.Source = n.Source
			}
			return
		}
		if have.Number > n.Number {
			at = i
			break
		}
	}
	m.Numbers = append(m.Numbers, NumberInForce{})
	copy(m.Numbers[at+1:], m.Numbers[at:])
	m.Numbers[at] = n
}

// HoldsOf lists the open holds of subjects ("member:ID", "identity:ID"),
// oldest first within 100 subjects.
func (r *Reader) HoldsOf(subjects []string) ([]HoldRow, error) {
	var all []HoldRow
	err := chunks(subjects, func(piece []string) error {
		found, err := list(r, scanHold, in(selectHoldsOf, len(piece)), flat(r.ws, piece)...)
		all = append(all, found...)
		return err
	})
	return all, err
}

type directGroup struct {
	identity string
	GroupOfIdentity
	nested bool
}

func scanDirectGroup(s scanner, g *directGroup) error {
	return s.Scan(&g.identity, &g.ID, &g.Name, &g.nested)
}

// GroupsOfIdentities lists the directory groups of identities by id, direct
// ones first, nested ones to depth 16: one statement for 100 identities, and
// one more for each identity that has nested groups.
func (r *Reader) GroupsOfIdentities(identities []string) (map[string][]GroupOfIdentity, error) {
	all := make(map[string][]GroupOfIdentity)
	var above []string
	err := chunks(identities, func(piece []string) error {
		found, err := list(r, scanDirectGroup, in(selectDirectGroups, len(piece)), flat(r.ws, piece)...)
		for _, g := range found {
			all[g.identity] = append(all[g.identity], g.GroupOfIdentity)
			if g.nested && (len(above) == 0 || above[len(above)-1] != g.identity) {
				above = append(above, g.identity)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, id := range above {
		refs, err := r.GroupsAbove([]string{id})
		if err != nil {
			return nil, err
		}
		groups := make([]GroupOfIdentity, 0, len(refs))
		for _, g := range refs {
			groups = append(groups, GroupOfIdentity{ID: g.ID, Name: g.Name, Via: g.Via})
		}
		all[id] = groups
	}
	return all, nil
}

func scanMemberOfGroup(s scanner, m *MemberOfGroup) error { return s.Scan(&m.Kind, &m.Child, &m.Name) }

// MembersPage lists up to limit direct members of a directory group behind an
// edge, by kind and id. The zero Edge stands before all.
func (r *Reader) MembersPage(group string, after Edge, limit int) ([]MemberOfGroup, error) {
	return list(r, scanMemberOfGroup, selectMembersOf, r.ws, group, after.Kind, after.Child, max(limit, 1))
}
