package store

import (
	"iter"
	"slices"
)

// GroupRef is a directory group somebody is in, directly or nested.
type GroupRef struct {
	Connection, ID, ExternalID, Name string
	Via                              string // name of the direct group, "" if direct
}

// Nested groups are followed to depth 16, the direct group being depth 1
// (scim section 6). UNION drops what was reached before on the same way, and the
// depth ends loops.
const (
	selectGroupsAbove = `WITH RECURSIVE up (group_id, via, depth) AS (
			SELECT m.group_id, m.group_id, 1 FROM membership m
			WHERE m.workspace_id = ? AND m.child_kind = 'user' AND m.child_id IN (*)
		UNION
			SELECT m.group_id, up.via, up.depth + 1 FROM up
			JOIN membership m ON m.workspace_id = ? AND m.child_kind = 'group' AND m.child_id = up.group_id
			WHERE up.depth < 16)
		SELECT g.connection_id, g.group_id, g.external_id, g.display_name, v.display_name, reached.depth
		FROM (SELECT group_id, via, MIN(depth) AS depth FROM up GROUP BY group_id, via) reached
		JOIN dirgroup g ON g.workspace_id = ? AND g.group_id = reached.group_id
		JOIN dirgroup v ON v.workspace_id = ? AND v.group_id = reached.via
		ORDER BY reached.depth, g.created_at, g.group_id, v.created_at, v.group_id`
	selectGroupsDirectlyAbove = `SELECT g.connection_id, g.group_id, g.external_id, g.display_name,
			EXISTS (SELECT 1 FROM membership up WHERE up.workspace_id = m.workspace_id AND up.child_id = m.group_id
				AND up.child_kind = 'group')
		FROM membership m
		JOIN dirgroup g ON g.workspace_id = m.workspace_id AND g.group_id = m.group_id
		WHERE m.workspace_id = ? AND m.child_id IN (*) AND m.child_kind = 'user' ORDER BY g.created_at, g.group_id`
	selectGroupsBelow = `WITH RECURSIVE down (group_id, depth) AS (
			SELECT m.child_id, 2 FROM membership m
			WHERE m.workspace_id = ? AND m.group_id = ? AND m.child_kind = 'group'
		UNION
			SELECT m.child_id, down.depth + 1 FROM down
			JOIN membership m ON m.workspace_id = ? AND m.group_id = down.group_id AND m.child_kind = 'group'
			WHERE down.depth < 16)
		SELECT DISTINCT group_id FROM down`
	selectUsersIn = `SELECT child_id FROM membership
		WHERE workspace_id = ? AND group_id = ? AND child_kind = 'user' AND child_id > ?
		ORDER BY child_id LIMIT CAST(? AS BIGINT)`
)

// The group's own rows are asked for by their primary key.
const selectNestsGroups = `SELECT g.group_id FROM dirgroup g WHERE g.workspace_id = ? AND g.connection_id = ?
	AND EXISTS (SELECT 1 FROM membership m WHERE m.workspace_id = g.workspace_id AND m.group_id = g.group_id AND m.child_kind = 'group') LIMIT 1`

// NestsGroups reports whether a connection has a group within a group.
func (r *Reader) NestsGroups(connection string) (bool, error) {
	found, err := list(r, scanOne[string], selectNestsGroups, r.ws, connection)
	return len(found) > 0, err
}

type reachedGroup struct {
	GroupRef
	depth int
}

func scanReachedGroup(s scanner, g *reachedGroup) error {
	return s.Scan(&g.Connection, &g.ID, &g.ExternalID, &g.Name, &g.Via, &g.depth)
}

// GroupsAbove lists the directory groups above these identities, direct ones
// first, nested to depth 16; loops are legal. Each group appears once, by its
// shortest way.
func (r *Reader) GroupsAbove(identities []string) ([]GroupRef, error) {
	refs, nested, err := r.groupsDirectlyAbove(identities)
	if err != nil || !nested {
		return refs, err
	}
	return r.groupsAbove(identities)
}

// GroupsAbove is Reader.GroupsAbove.
func (t *Tx) GroupsAbove(identities []string) ([]GroupRef, error) {
	if t.isFresh(identities) {
		return nil, t.failed
	}
	return t.Reader.GroupsAbove(identities)
}

// groupsDirectlyAbove lists the groups that these identities are direct
// members of, and tells whether one of those is nested in another: that is
// rare, and the way up costs several times what this does.
func (r *Reader) groupsDirectlyAbove(identities []string) (refs []GroupRef, nested bool, err error) {
	err = chunks(identities, func(piece []string) error {
		found, err := list(r, scanDirectGroup, in(selectGroupsDirectlyAbove, len(piece)), flat(r.ws, piece)...)
		for _, g := range found {
			nested = nested || g.nested
			if !slices.ContainsFunc(refs, func(known GroupRef) bool { return known.ID == g.ID }) {
				refs = append(refs, g.GroupRef)
			}
		}
		return err
	})
	return refs, nested, err
}

// directGroup is a group with whether it is in another one.
type directGroup struct {
	GroupRef
	nested bool
}

func scanDirectGroup(s scanner, g *directGroup) error {
	return s.Scan(&g.Connection, &g.ID, &g.ExternalID, &g.Name, &g.nested)
}

// groupsAbove walks the whole way up.
func (r *Reader) groupsAbove(identities []string) ([]GroupRef, error) {
	best := map[string]reachedGroup{}
	var order []string
	err := chunks(identities, func(piece []string) error {
		reached, err := list(r, scanReachedGroup, in(selectGroupsAbove, len(piece)),
			flat(r.ws, piece, r.ws, r.ws, r.ws)...)
		for _, g := range reached {
			known, seen := best[g.ID]
			if !seen {
				order = append(order, g.ID)
			}
			if !seen || g.depth < known.depth {
				best[g.ID] = g
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(order, func(a, b string) int { return best[a].depth - best[b].depth })
	var refs []GroupRef
	for _, id := range order {
		g := best[id]
		if g.depth == 1 {
			g.Via = ""
		}
		refs = append(refs, g.GroupRef)
	}
	return refs, nil
}

// IdentitiesBelow yields the ids of the identities in a directory group,
// directly or nested to depth 16, each once, in no order. The loop's body may
// read and write.
func (r *Reader) IdentitiesBelow(group string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		groups, err := r.GroupsBelow(group)
		if err != nil {
			yield("", err)
			return
		}
		// Without nesting the primary key alone keeps ids apart.
		var seen map[string]bool
		if len(groups) > 1 {
			seen = map[string]bool{}
		}
		for _, g := range groups {
			for id, err := range r.usersIn(g) {
				if err == nil && seen[id] {
					continue
				}
				if !yield(id, err) || err != nil {
					return
				}
				if seen != nil {
					seen[id] = true
				}
			}
		}
	}
}

// GroupsBelow lists a group and those nested in it, to depth 16.
func (r *Reader) GroupsBelow(group string) ([]string, error) {
	below, err := list(r, scanOne[string], selectGroupsBelow, r.ws, group, r.ws)
	if err != nil {
		return nil, err
	}
	groups := []string{group}
	for _, g := range below {
		if g != group {
			groups = append(groups, g)
		}
	}
	return groups, nil
}

// usersIn yields the ids of a group's own users page by page.
func (r *Reader) usersIn(group string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		last := ""
		for {
			page, err := list(r, scanOne[string], selectUsersIn, r.ws, group, last, edgePage)
			if err != nil {
				yield("", err)
				return
			}
			for _, id := range page {
				if !yield(id, nil) {
					return
				}
			}
			if len(page) < edgePage {
				return
			}
			last = page[len(page)-1]
		}
	}
}
