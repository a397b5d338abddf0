package store

import (
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/workspace"
)

// MemberListing is a member as listings show it.
type MemberListing struct {
	workspace.Member
	Groups      []string // names
	Numbers     []NumberHolding
	Connections []string
}

// NumberHolding is one number of a member in a listing.
type NumberHolding struct {
	Number string
	Access string // "" for an owner without access
	Owner  bool
	Ring   int // place in the ring order, from 1; 0 for who does not ring
}

// MemberFilter narrows a listing of members.
type MemberFilter struct {
	// States lists states to show; empty shows those who are not removed.
	States []workspace.MemberState
	Role   workspace.Role
	Group  string // folded name
	// Person finds by id, or folded address or name.
	Person string
	// Unwatched, when not nil, shows active members of whom none of these
	// directories has a record, and whom no liveness asks about.
	Unwatched []string
	After     string // member id, keyset
	Limit     int    // less than 1: no limit
}

const (
	selectMembers = `SELECT ` + memberColumns + ` FROM member m
		WHERE m.workspace_id = ? AND m.member_id > ? AND m.state IN (?, ?, ?) AND (? = '' OR m.role = ?)
			AND (? = '' OR m.member_id IN (SELECT gm.member_id FROM group_member gm
				JOIN groups g ON g.workspace_id = gm.workspace_id AND g.group_id = gm.group_id
				WHERE gm.workspace_id = ? AND g.name_key = ?))
		ORDER BY m.member_id LIMIT CAST(? AS BIGINT)`
	selectPersons = `SELECT member_id FROM member WHERE workspace_id = ? AND member_id = ?
		UNION SELECT member_id FROM member WHERE workspace_id = ? AND email_key = ? AND state <> 'removed'`
	selectMemberNames = `SELECT member_id, name, email_key FROM member WHERE workspace_id = ? AND member_id > ?
		ORDER BY member_id LIMIT CAST(? AS BIGINT)`
	selectMembersByID = `SELECT ` + memberColumns + ` FROM member m
		WHERE m.workspace_id = ? AND m.member_id IN (*) ORDER BY m.member_id`
	selectGroupNamesOf = `SELECT gm.member_id, g.name FROM group_member gm
		JOIN groups g ON g.workspace_id = gm.workspace_id AND g.group_id = gm.group_id
		WHERE gm.workspace_id = ? AND gm.member_id IN (*) ORDER BY gm.member_id, g.name_key`
	selectConnectionsOf = `SELECT DISTINCT member_id, connection_id FROM identity
		WHERE workspace_id = ? AND member_id IN (*) AND NOT deleted ORDER BY member_id, connection_id`
	selectHoldings = `SELECT a.to_id, n.e164, a.access, a.ring, FALSE FROM assignment a
			JOIN number n ON n.workspace_id = a.workspace_id AND n.number_id = a.number_id
			WHERE a.workspace_id = ? AND a.kind = 'member' AND a.to_id IN (*)
		UNION ALL SELECT o.member_id, n.e164, '', 0, TRUE FROM number_owner o
			JOIN number n ON n.workspace_id = o.workspace_id AND n.number_id = o.number_id
			WHERE o.workspace_id = ? AND o.member_id IN (*)`
)

// noLimit is the row limit of a listing without one.
const noLimit = 1<<31 - 1

func limitOf(limit int) int {
	if limit < 1 {
		return noLimit
	}
	return limit
}

// Members lists members with their groups, numbers and connections, by
// member id, in a fixed number of statements per page.
func (r *Reader) Members(f MemberFilter) ([]MemberListing, error) {
	members, err := r.filteredMembers(f)
	if err != nil || len(members) == 0 {
		return nil, err
	}
	listings := make([]MemberListing, len(members))
	byID := make(map[string]*MemberListing, len(members))
	ids := make([]string, len(members))
	for i, m := range members {
		listings[i].Member = m
		byID[m.ID], ids[i] = &listings[i], m.ID
	}
	err = chunks(ids, func(piece []string) error { return r.fillMembers(byID, piece) })
	return listings, err
}

func (r *Reader) filteredMembers(f MemberFilter) ([]workspace.Member, error) {
	states := f.States
	if len(states) == 0 {
		states = []workspace.MemberState{workspace.StateActive, workspace.StateDeactivated}
	}
	switch {
	case f.Person != "":
		return r.persons(f, states)
	case f.Unwatched != nil:
		return r.unwatched(f)
	}
	state := func(i int) string { return string(states[min(i, len(states)-1)]) }
	return list(r, scanMember, selectMembers, r.ws, f.After, state(0), state(1), state(2), f.Role.String(),
		f.Role.String(), f.Group, r.ws, f.Group, limitOf(f.Limit))
}

// persons finds the few members whom a person's words mean. Names have no key
// column and addresses of removed members no index, so they are folded and
// compared here, and only if neither an id nor an address in use fits.
func (r *Reader) persons(f MemberFilter, states []workspace.MemberState) ([]workspace.Member, error) {
	ids, err := list(r, scanOne[string], selectPersons, r.ws, f.Person, r.ws, f.Person)
	if err == nil && len(ids) == 0 {
		ids, err = r.named(f.Person)
	}
	if err != nil {
		return nil, err
	}
	var found []workspace.Member
	err = chunks(ids, func(piece []string) error {
		members, err := list(r, scanMember, in(selectMembersByID, len(piece)), flat(r.ws, piece)...)
		for _, m := range members {
			if m.ID > f.After && slices.Contains(states, m.State) && (f.Role == workspace.RoleNone || f.Role == m.Role) {
				found = append(found, m)
			}
		}
		return err
	})
	if err != nil || f.Group == "" {
		return found[:min(len(found), limitOf(f.Limit))], err
	}
	var inGroup []workspace.Member
	for _, m := range found {
		groups, err := r.GroupsOf(m.ID)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(groups, func(g workspace.Group) bool { return g.NameKey == f.Group }) {
			inGroup = append(inGroup, m)
		}
	}
	return inGroup[:min(len(inGroup), limitOf(f.Limit))], nil
}

type textPair struct{ key, value string }

func scanPair(s scanner, p *textPair) error { return s.Scan(&p.key, &p.value) }

type namedMember struct{ id, name, emailKey string }

func scanNamed(s scanner, m *namedMember) error { return s.Scan(&m.id, &m.name, &m.emailKey) }

// named finds the ids of members by folded name, or by an address they had.
func (r *Reader) named(key string) ([]string, error) {
	var ids []string
	for after := ""; ; {
		page, err := list(r, scanNamed, selectMemberNames, r.ws, after, edgePage)
		if err != nil {
			return nil, err
		}
		for _, m := range page {
			after = m.id
			if m.emailKey == key || fold.Key(m.name) == key {
				ids = append(ids, m.id)
			}
		}
		if len(page) < edgePage {
			return ids, nil
		}
	}
}

// fillMembers adds what hangs on the members of one piece.
func (r *Reader) fillMembers(byID map[string]*MemberListing, piece []string) error {
	groups, err := list(r, scanPair, in(selectGroupNamesOf, len(piece)), flat(r.ws, piece)...)
	if err != nil {
		return err
	}
	for _, g := range groups {
		byID[g.key].Groups = append(byID[g.key].Groups, g.value)
	}
	connections, err := list(r, scanPair, in(selectConnectionsOf, len(piece)), flat(r.ws, piece)...)
	if err != nil {
		return err
	}
	for _, c := range connections {
		byID[c.key].Connections = append(byID[c.key].Connections, c.value)
	}
	holdings, err := list(r, scanHolding, in(selectHoldings, len(piece)), flat(r.ws, piece, r.ws, piece)...)
	if err != nil {
		return err
	}
	for _, h := range holdings {
		byID[h.member].hold(h.NumberHolding)
	}
	return nil
}

type holding struct {
	member string
	NumberHolding
}

func scanHolding(s scanner, h *holding) error {
	return s.Scan(&h.member, &h.Number, &h.Access, &h.Ring, &h.Owner)
}

// hold adds access to, or ownership of, a number; the numbers stay sorted.
func (m *MemberListing) hold(h NumberHolding) {
	i, known := slices.BinarySearchFunc(m.Numbers, h, func(a, b NumberHolding) int {
		return strings.Compare(a.Number, b.Number)
	})
	if !known {
		m.Numbers = slices.Insert(m.Numbers, i, h)
		return
	}
	n := &m.Numbers[i]
	n.Owner = n.Owner || h.Owner
	if h.Access != "" {
		n.Access, n.Ring = h.Access, h.Ring
	}
}
