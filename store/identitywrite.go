package store

import (
	"errors"

	"github.com/rollcall-sync/rollcall/workspace"
)

const (
	insertIdentity = `INSERT INTO identity (workspace_id, identity_id, connection_id, external_id, user_name, user_key,
		email, email_key, name, display_key, given_key, family_key, formatted_key, nick_key, title_key, user_type_key,
		department_key, employee_key, locale_key, manager_id, dn, active, deleted, reason, attributes, document,
		member_id, version, created_at, updated_at, observed_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	updateIdentity = `UPDATE identity SET external_id = ?, user_name = ?, user_key = ?,
		email = ?, email_key = ?, name = ?, display_key = ?, given_key = ?, family_key = ?, formatted_key = ?,
		nick_key = ?, title_key = ?, user_type_key = ?, department_key = ?, employee_key = ?, locale_key = ?,
		manager_id = ?, dn = ?, active = ?, deleted = ?, reason = ?, attributes = ?, document = ?, member_id = ?,
		version = ?, updated_at = ?, observed_at = ?
		WHERE workspace_id = ? AND identity_id = ? AND version = ? AND deleted = ?`
	// SQLite rewrites the entry of every index that has a column of the SET
	// list, changed or not. Most writes change no key: they touch the row alone.
	updateIdentityBody = `UPDATE identity SET user_name = ?, email = ?, name = ?, display_key = ?, given_key = ?,
		family_key = ?, formatted_key = ?, nick_key = ?, title_key = ?, user_type_key = ?, department_key = ?,
		employee_key = ?, locale_key = ?, active = ?, reason = ?, attributes = ?, document = ?, version = ?,
		updated_at = ?, observed_at = ?
		WHERE workspace_id = ? AND identity_id = ? AND version = ? AND deleted = ? AND user_key = ?
			AND external_id IS NOT DISTINCT FROM ? AND email_key IS NOT DISTINCT FROM ?
			AND manager_id IS NOT DISTINCT FROM ? AND dn IS NOT DISTINCT FROM ? AND member_id IS NOT DISTINCT FROM ?
		RETURNING moved`
	moveIdentity = `UPDATE identity SET moved = moved + 1, updated_at = ? WHERE workspace_id = ? AND identity_id = ? AND NOT deleted`
	linkIdentity = `UPDATE identity SET member_id = ? WHERE workspace_id = ? AND identity_id = ?`
	// The row keeps what it said: only what would act is ended.
	deleteIdentity = `UPDATE identity SET deleted = TRUE, active = FALSE, reason = ?, version = version + 1,
		updated_at = ?, observed_at = ? WHERE workspace_id = ? AND identity_id = ? AND NOT deleted RETURNING connection_id`
	deleteIdentityEdges = `DELETE FROM membership WHERE workspace_id = ? AND child_id = ? AND child_kind = 'user'
		RETURNING group_id`
	countOutOfGroups = `UPDATE dirgroup SET member_count = member_count - 1, version = version + 1, updated_at = ?
		WHERE workspace_id = ? AND group_id IN (*)`
	countUsersIn = `UPDATE connection SET users_total = users_total + ? WHERE workspace_id = ? AND connection_id = ?`
	countUserOut = `UPDATE connection SET users_total = users_total - 1, users_removed = users_removed + 1
		WHERE workspace_id = ? AND connection_id = ?`
	// A row that comes back stands in the middle of the order, so remembered
	// page keys end as they do after a removal.
	countUserBack = `UPDATE connection SET users_total = users_total + 1, users_removed = users_removed + 1
		WHERE workspace_id = ? AND connection_id = ?`
	deleteIdentityValues = `DELETE FROM identity_value WHERE workspace_id = ? AND identity_id = ?`
	insertIdentityValue  = `INSERT INTO identity_value (workspace_id, identity_id, attr, ord, value, value_key, type_key,
		is_primary) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
)

// InsertIdentity writes a new identity and counts it.
func (t *Tx) InsertIdentity(row IdentityRow) error {
	if err := t.settle(inMember); err != nil {
		return err
	}
	if err := t.writeIdentity(&row); err != nil {
		return err
	}
	return t.countIdentity(&row)
}

// InsertIdentityLater is InsertIdentity for a row whose keys are known to be
// free: it is written with what the unit says of it until then. A key that is
// taken nevertheless fails a later statement of the unit, or its end.
func (t *Tx) InsertIdentityLater(row IdentityRow) error {
	b := &t.behind
	if t.failed != nil {
		return t.failed
	}
	put(&b.identityAt, row.ID, len(b.identities))
	b.identities = append(b.identities, row)
	b.waits |= inIdentity
	return t.countIdentity(&row)
}

// countIdentity counts a new identity. Where others write meanwhile, the first
// one locks the connection's row, as a removal does.
func (t *Tx) countIdentity(row *IdentityRow) error {
	b := &t.behind
	put(&b.fresh, row.ID, true)
	switch {
	case row.Deleted:
		return nil
	case !t.alone && !b.counted[row.Connection]:
		put(&b.counted, row.Connection, true)
		_, err := t.past(countUsersIn, 1, t.ws, row.Connection)
		return err
	}
	put(&b.users, row.Connection, b.users[row.Connection]+1)
	b.waits |= inConnection
	return nil
}

// isFresh reports whether this unit has made all of these identities, and no
// edge of a group: nobody else knows their ids.
func (t *Tx) isFresh(identities []string) bool {
	if t.behind.edged {
		return false
	}
	for _, id := range identities {
		if !t.behind.fresh[id] {
			return false
		}
	}
	return true
}

func (t *Tx) writeIdentity(row *IdentityRow) error {
	i := row.Identity
	err := t.exec(insertIdentity, t.ws, i.ID, i.Connection, null(i.ExternalID), i.UserName, row.UserKey,
		null(i.Email), null(row.EmailKey), null(i.Name), null(row.DisplayKey), null(row.GivenKey),
		null(row.FamilyKey), null(row.FormattedKey), null(row.NickKey), null(row.TitleKey),
		null(row.UserTypeKey), null(row.DepartmentKey), null(row.EmployeeKey), null(row.LocaleKey),
		null(row.ManagerValue), null(i.DN), i.Active, i.Deleted, i.Reason,
		string(appendAttributes(nil, i.Attributes)), document(i.Document), null(i.Member), i.Version,
		i.CreatedAt, i.UpdatedAt, i.ObservedAt)
	if err != nil {
		return err
	}
	return t.insertIdentityValues(i.ID, row.Values)
}

// UpdateIdentity replaces an identity whose version is row.Version-1, or
// gives workspace.ErrStale. Values nil leaves identity_value rows alone.
// Connection and CreatedAt are never written. A deleted row that is written
// as not deleted comes back and is counted in again (rehire by immutable id);
// deleting is DeleteIdentity's.
func (t *Tx) UpdateIdentity(row IdentityRow) error {
	_, same, err := t.UpdateIdentityBody(row)
	if err != nil || same {
		return err
	}
	err = t.updateIdentity(row, row.Deleted)
	if errors.Is(err, workspace.ErrStale) && !row.Deleted {
		if err := t.updateIdentity(row, true); err != nil {
			return err
		}
		err = t.exec(countUserBack, t.ws, row.Connection)
	}
	if err != nil {
		return err
	}
	return t.replaceIdentityValues(row)
}

// UpdateIdentityBody is UpdateIdentity for a row whose keys and whose member
// stay what they are, and gives the row's Moved. False tells that they do not,
// or that the version is another one: nothing is written then.
func (t *Tx) UpdateIdentityBody(row IdentityRow) (moved int64, same bool, err error) {
	i := row.Identity
	moved, err = single(&t.Reader, scanOne[int64], updateIdentityBody, i.UserName, null(i.Email), null(i.Name), null(row.DisplayKey),
		null(row.GivenKey), null(row.FamilyKey), null(row.FormattedKey), null(row.NickKey), null(row.TitleKey),
		null(row.UserTypeKey), null(row.DepartmentKey), null(row.EmployeeKey), null(row.LocaleKey), i.Active,
		i.Reason, string(appendAttributes(nil, i.Attributes)), document(i.Document), i.Version, i.UpdatedAt, i.ObservedAt,
		t.ws, i.ID, i.Version-1, i.Deleted, row.UserKey, null(i.ExternalID), null(row.EmailKey),
		null(row.ManagerValue), null(i.DN), null(i.Member))
	if errors.Is(err, workspace.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	return moved, true, t.replaceIdentityValues(row)
}

// replaceIdentityValues writes the listed values anew, unless they are nil.
func (t *Tx) replaceIdentityValues(row IdentityRow) error {
	if row.Values == nil {
		return nil
	}
	if err := t.exec(deleteIdentityValues, t.ws, row.ID); err != nil {
		return err
	}
	return t.insertIdentityValues(row.ID, row.Values)
}

func (t *Tx) updateIdentity(row IdentityRow, wasDeleted bool) error {
	i := row.Identity
	return t.swap(updateIdentity, null(i.ExternalID), i.UserName, row.UserKey,
		null(i.Email), null(row.EmailKey), null(i.Name), null(row.DisplayKey), null(row.GivenKey),
		null(row.FamilyKey), null(row.FormattedKey), null(row.NickKey), null(row.TitleKey),
		null(row.UserTypeKey), null(row.DepartmentKey), null(row.EmployeeKey), null(row.LocaleKey),
		null(row.ManagerValue), null(i.DN), i.Active, i.Deleted, i.Reason,
		string(appendAttributes(nil, i.Attributes)), document(i.Document), null(i.Member), i.Version,
		i.UpdatedAt, i.ObservedAt,
		t.ws, i.ID, i.Version-1, wasDeleted)
}

func (t *Tx) insertIdentityValues(id string, values []IdentityValue) error {
	ord := make(map[string]int, 2)
	for _, v := range values {
		err := t.exec(insertIdentityValue, t.ws, id, v.Attr, ord[v.Attr], v.Value, v.Key, null(v.Type),
			v.Primary)
		if err != nil {
			return err
		}
		ord[v.Attr]++
	}
	return nil
}

// LinkIdentity sets the member of an identity without a new version; an empty
// member ends the link.
func (t *Tx) LinkIdentity(id, member string) error {
	if i, ok := t.behind.identityAt[id]; ok {
		t.behind.identities[i].Member = member
		return nil
	}
	if err := t.settle(inMember); err != nil {
		return err
	}
	return t.found(linkIdentity, null(member), t.ws, id)
}

// MoveIdentity notes that what is in force beside an identity has changed, or
// what waits. One that is not there, or deleted, shows nothing.
func (t *Tx) MoveIdentity(id string, at workspace.Micros) error {
	return t.exec(moveIdentity, at, t.ws, id)
}

// sqlStateIdentity leaves what the record says of the person as it is.
const sqlStateIdentity = `UPDATE identity SET active = ?, reason = ?, observed_at = ?, version = version + 1, updated_at = ?
	WHERE workspace_id = ? AND identity_id = ? AND version = ? AND NOT deleted`

// StateIdentity writes whether an identity is active, why, and since when that
// is known, at the version of i; or gives workspace.ErrStale.
func (t *Tx) StateIdentity(i workspace.Identity, at workspace.Micros) error {
	return t.swap(sqlStateIdentity, i.Active, i.Reason, i.ObservedAt, at, t.ws, i.ID, i.Version)
}

// DeleteIdentity turns an identity into a tombstone row: deleted, edges gone,
// counted out. The row stays for rehire by immutable id; observed is as of when
// the source said so. The groups it was in get a new version, since their
// members have changed. It gives workspace.ErrNotFound if there is no such live
// identity.
func (t *Tx) DeleteIdentity(id, reason string, at, observed workspace.Micros) error {
	connection, err := single(&t.Reader, scanOne[string], deleteIdentity, reason, at, observed, t.ws, id)
	if err != nil {
		return err
	}
	groups, err := list(&t.Reader, scanOne[string], deleteIdentityEdges, t.ws, id)
	if err != nil {
		return err
	}
	err = chunks(groups, func(piece []string) error {
		return t.exec(in(countOutOfGroups, len(piece)), flat(at, t.ws, piece)...)
	})
	if err != nil {
		return err
	}
	return t.exec(countUserOut, t.ws, connection)
}
