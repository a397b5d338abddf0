package store

import "github.com/rollcall-sync/rollcall/workspace"

const groupColumns = `g.group_id, g.name, g.name_key, g.version, g.member_count, g.created_at`

func scanGroup(s scanner, g *workspace.Group) error {
	return s.Scan(&g.ID, &g.Name, &g.NameKey, &g.Version, &g.MemberCount, &g.CreatedAt)
}

const (
	selectGroup = `SELECT ` + groupColumns + ` FROM groups g
		WHERE g.workspace_id = ? AND g.group_id = ?`
	selectGroupByName = `SELECT ` + groupColumns + ` FROM groups g
		WHERE g.workspace_id = ? AND g.name_key = ?`
	selectGroupsOf = `SELECT ` + groupColumns + ` FROM group_member gm
		JOIN groups g ON g.workspace_id = gm.workspace_id AND g.group_id = gm.group_id
		WHERE gm.workspace_id = ? AND gm.member_id = ? ORDER BY g.name_key`
	selectGroupMembers = `SELECT ` + memberColumns + ` FROM group_member gm
		JOIN member m ON m.workspace_id = gm.workspace_id AND m.member_id = gm.member_id
		WHERE gm.workspace_id = ? AND gm.group_id = ? AND gm.member_id > ? ORDER BY gm.member_id LIMIT CAST(? AS BIGINT)`
	insertGroup = `INSERT INTO groups (workspace_id, group_id, name, name_key, version, seq, member_count, created_at)
		VALUES (?, ?, ?, ?, ?, 0, 0, ?)`
	updateGroup = `UPDATE groups SET name = ?, name_key = ?, version = ?
		WHERE workspace_id = ? AND group_id = ? AND version = ?`
	deleteGroupMembers     = `DELETE FROM group_member WHERE workspace_id = ? AND group_id = ?`
	deleteGroupAssignments = `DELETE FROM assignment WHERE workspace_id = ? AND kind = 'group' AND to_id = ?`
	deleteGroupSupports    = `DELETE FROM support WHERE workspace_id = ? AND kind = 'group' AND object_id = ?`
	deleteGroup            = `DELETE FROM groups WHERE workspace_id = ? AND group_id = ?`
	insertGroupMember      = `INSERT INTO group_member (workspace_id, group_id, member_id, since) VALUES (?, ?, ?, ?)
		ON CONFLICT (workspace_id, group_id, member_id) DO NOTHING`
	deleteGroupMember = `DELETE FROM group_member WHERE workspace_id = ? AND group_id = ? AND member_id = ?`
	moveGroupCount    = `UPDATE groups SET member_count = member_count + ? WHERE workspace_id = ? AND group_id = ?`
)

// Group finds a workspace group.
func (r *Reader) Group(id string) (workspace.Group, error) {
	return single(r, scanGroup, selectGroup, r.ws, id)
}

// GroupByName finds a workspace group by folded name.
func (r *Reader) GroupByName(key string) (workspace.Group, error) {
	return single(r, scanGroup, selectGroupByName, r.ws, key)
}

// GroupsOf lists the workspace groups a member is in, by folded name.
func (r *Reader) GroupsOf(member string) ([]workspace.Group, error) {
	return list(r, scanGroup, selectGroupsOf, r.ws, member)
}

// GroupMembers lists up to limit members of a group after a member id, by id.
func (r *Reader) GroupMembers(group, after string, limit int) ([]workspace.Member, error) {
	return list(r, scanMember, selectGroupMembers, r.ws, group, after, limit)
}

// InsertGroup writes a new group without members. A taken name is a
// *ConflictError with Key "name".
func (t *Tx) InsertGroup(g workspace.Group) error {
	return t.exec(insertGroup, t.ws, g.ID, g.Name, g.NameKey, g.Version, g.CreatedAt)
}

// UpdateGroup renames a group (compare-and-swap on version-1).
func (t *Tx) UpdateGroup(g workspace.Group) error {
	return t.swap(updateGroup, g.Name, g.NameKey, g.Version, t.ws, g.ID, g.Version-1)
}

// DeleteGroup removes a group, its memberships with whatever supports them, and
// its assignments. It gives
// workspace.ErrNotFound if there is no such group.
func (t *Tx) DeleteGroup(id string) error {
	if err := t.exec(deleteGroupMembers, t.ws, id); err != nil {
		return err
	}
	if err := t.exec(deleteGroupAssignments, t.ws, id); err != nil {
		return err
	}
	if err := t.exec(deleteGroupSupports, t.ws, id); err != nil {
		return err
	}
	return t.found(deleteGroup, t.ws, id)
}

// JoinGroup adds a member; false if they were in it already.
func (t *Tx) JoinGroup(m workspace.GroupMembership) (bool, error) {
	if _, ok := t.waitingMember(m.Member); ok {
		b, key := &t.behind, [2]string{m.Group, m.Member}
		if b.joined[key] {
			return false, nil
		}
		put(&b.joined, key, true)
		put(&b.sizes, m.Group, b.sizes[m.Group]+1)
		b.joins = append(b.joins, m)
		b.waits |= inJoins | inGroups
		return true, nil
	}
	n, err := t.execCount(insertGroupMember, t.ws, m.Group, m.Member, m.Since)
	if err != nil || n == 0 {
		return false, err
	}
	return true, t.found(moveGroupCount, 1, t.ws, m.Group)
}

// LeaveGroup takes a member out; false if they were not in it.
func (t *Tx) LeaveGroup(group, member string) (bool, error) {
	n, err := t.execCount(deleteGroupMember, t.ws, group, member)
	if err != nil || n == 0 {
		return false, err
	}
	return true, t.found(moveGroupCount, -1, t.ws, group)
}
