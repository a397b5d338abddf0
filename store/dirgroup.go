package store

import "github.com/rollcall-sync/rollcall/workspace"

const directoryGroupColumns = `g.group_id, g.connection_id, g.external_id, g.display_name,
	g.dn, g.managers, g.attributes, g.document, g.member_count, g.version, g.created_at, g.updated_at,
	g.observed_at`

func scanDirectoryGroup(s scanner, g *workspace.DirectoryGroup) error {
	var managers, attributes string
	err := s.Scan(&g.ID, &g.Connection, &g.ExternalID, &g.Name,
		&g.DN, &managers, &attributes, &g.Document, &g.MemberCount, &g.Version, &g.CreatedAt, &g.UpdatedAt,
		&g.ObservedAt)
	if err != nil {
		return err
	}
	if g.Managers, err = parseStrings(managers); err != nil {
		return err
	}
	g.Attributes, err = parseAttributes(attributes)
	return err
}

const (
	selectDirectoryGroup = `SELECT ` + directoryGroupColumns + ` FROM dirgroup g
		WHERE g.workspace_id = ? AND g.group_id = ?`
	selectDirectoryGroupByExternal = `SELECT ` + directoryGroupColumns + ` FROM dirgroup g
		WHERE g.workspace_id = ? AND g.connection_id = ? AND g.external_id = ?`
	selectDirectoryGroupByName = `SELECT ` + directoryGroupColumns + ` FROM dirgroup g
		WHERE g.workspace_id = ? AND g.connection_id = ? AND g.display_key = ?`
	insertDirectoryGroup = `INSERT INTO dirgroup (workspace_id, group_id, connection_id, external_id, display_name,
		display_key, dn, managers, attributes, document, member_count, version, created_at, updated_at, observed_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)`
	updateDirectoryGroup = `UPDATE dirgroup SET external_id = ?, display_name = ?, display_key = ?, dn = ?,
		managers = ?, attributes = ?, document = ?, version = ?, updated_at = ?, observed_at = ?
		WHERE workspace_id = ? AND group_id = ? AND version = ?`
	// Whoever adds a member meanwhile waits, and then finds no group.
	lockDirectoryGroup   = `SELECT version FROM dirgroup WHERE workspace_id = ? AND group_id = ?{lock}`
	deleteDirectoryGroup = `DELETE FROM dirgroup WHERE workspace_id = ? AND group_id = ? RETURNING connection_id`
	deleteEdgesOf        = `DELETE FROM membership WHERE workspace_id = ? AND group_id = ?`
	deleteEdgesTo        = `DELETE FROM membership WHERE workspace_id = ? AND child_id = ? AND child_kind = 'group'
		RETURNING group_id`
	countGroupIn  = `UPDATE connection SET groups_total = groups_total + 1 WHERE workspace_id = ? AND connection_id = ?`
	countGroupOut = `UPDATE connection SET groups_total = groups_total - 1, groups_removed = groups_removed + 1
		WHERE workspace_id = ? AND connection_id = ?`
)

// DirectoryGroup finds a directory group.
func (r *Reader) DirectoryGroup(id string) (workspace.DirectoryGroup, error) {
	return single(r, scanDirectoryGroup, selectDirectoryGroup, r.ws, id)
}

// DirectoryGroupByExternal finds a group by its immutable id at the source.
func (r *Reader) DirectoryGroupByExternal(connection, external string) (workspace.DirectoryGroup, error) {
	return single(r, scanDirectoryGroup, selectDirectoryGroupByExternal, r.ws, connection, external)
}

// DirectoryGroupByName finds a group of a connection by folded name.
func (r *Reader) DirectoryGroupByName(connection, key string) (workspace.DirectoryGroup, error) {
	return single(r, scanDirectoryGroup, selectDirectoryGroupByName, r.ws, connection, key)
}

// InsertDirectoryGroup writes a new group without edges, and counts it;
// nameKey is its folded name.
func (t *Tx) InsertDirectoryGroup(g workspace.DirectoryGroup, nameKey string) error {
	err := t.exec(insertDirectoryGroup, t.ws, g.ID, g.Connection, null(g.ExternalID), g.Name,
		nameKey, null(g.DN), string(appendStrings(nil, g.Managers)), string(appendAttributes(nil, g.Attributes)),
		document(g.Document), g.Version, g.CreatedAt, g.UpdatedAt, g.ObservedAt)
	if err != nil {
		return err
	}
	return t.exec(countGroupIn, t.ws, g.Connection)
}

// UpdateDirectoryGroup replaces a group whose version is g.Version-1, or
// gives workspace.ErrStale. MemberCount, Connection and CreatedAt are not
// written.
func (t *Tx) UpdateDirectoryGroup(g workspace.DirectoryGroup, nameKey string) error {
	return t.swap(updateDirectoryGroup, null(g.ExternalID), g.Name, nameKey, null(g.DN),
		string(appendStrings(nil, g.Managers)), string(appendAttributes(nil, g.Attributes)), document(g.Document),
		g.Version, g.UpdatedAt, g.ObservedAt, t.ws, g.ID, g.Version-1)
}

// DeleteDirectoryGroup removes a group and its edges, those to the groups
// that it is nested in too, and counts it out. It gives workspace.ErrNotFound
// if there is no such group, and workspace.ErrStale if expect is not zero and
// not its version.
func (t *Tx) DeleteDirectoryGroup(id string, expect int64) error {
	version, err := single(&t.Reader, scanOne[int64], lockDirectoryGroup, t.ws, id)
	if err != nil {
		return err
	}
	if expect != 0 && version != expect {
		return workspace.ErrStale
	}
	if err := t.exec(deleteEdgesOf, t.ws, id); err != nil {
		return err
	}
	connection, err := single(&t.Reader, scanOne[string], deleteDirectoryGroup, t.ws, id)
	if err != nil {
		return err
	}
	above, err := list(&t.Reader, scanOne[string], deleteEdgesTo, t.ws, id)
	if err != nil {
		return err
	}
	for _, group := range above {
		if err := t.exec(moveMemberCount, -1, t.ws, group); err != nil {
			return err
		}
	}
	return t.exec(countGroupOut, t.ws, connection)
}
