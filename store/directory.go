package store

import (
	"cmp"
	"errors"
	"slices"

	"github.com/rollcall-sync/rollcall/workspace"
)

// IdentityValue is one entry of a multi-valued attribute that filters may
// name (emails, phoneNumbers).
type IdentityValue struct {
	Attr    string
	Value   string
	Key     string // folded
	Type    string // folded, "" if none
	Primary bool
}

// IdentityRow is an identity with its index columns. Keys are folded by the
// caller; an empty key is stored as NULL ("not present").
type IdentityRow struct {
	workspace.Identity
	UserKey, EmailKey, DisplayKey, GivenKey, FamilyKey, FormattedKey, NickKey  string
	TitleKey, UserTypeKey, DepartmentKey, EmployeeKey, LocaleKey, ManagerValue string
	Values                                                                     []IdentityValue
}

const identityColumns = `i.identity_id, i.connection_id, i.external_id, i.user_name,
	i.email, i.name, i.dn, i.active, i.deleted, i.reason, i.attributes,
	i.document, i.member_id, i.version, i.moved, i.created_at, i.updated_at, i.observed_at`

func scanIdentity(s scanner, i *workspace.Identity) error {
	var attributes string
	err := s.Scan(&i.ID, &i.Connection, &i.ExternalID, &i.UserName,
		&i.Email, &i.Name, &i.DN, &i.Active, &i.Deleted, &i.Reason, &attributes,
		&i.Document, &i.Member, &i.Version, &i.Moved, &i.CreatedAt, &i.UpdatedAt, &i.ObservedAt)
	if err != nil {
		return err
	}
	i.Attributes, err = parseAttributes(attributes)
	return err
}

// document stores a document as text; nil is NULL.
func document(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

const (
	selectIdentity = `SELECT ` + identityColumns + ` FROM identity i
		WHERE i.workspace_id = ? AND i.identity_id = ? AND NOT i.deleted{lock}`
	selectIdentityByExternal = `SELECT ` + identityColumns + ` FROM identity i
		WHERE i.workspace_id = ? AND i.connection_id = ? AND i.external_id = ? AND NOT i.deleted{lock}`
	// No partial index serves both the living and the gone, so they are two
	// statements. The newest is found in Go: sorting a row or two costs SQLite
	// more than reading them.
	selectIdentityGone = `SELECT ` + identityColumns + ` FROM identity i
		WHERE i.workspace_id = ? AND i.connection_id = ? AND i.external_id = ? AND i.deleted{lock}`
	selectGoneByExternal = `SELECT ` + identityColumns + ` FROM identity i
		WHERE i.workspace_id = ? AND i.connection_id = ? AND i.external_id IN (*) AND i.deleted ORDER BY i.identity_id{lock}`
	selectIdentityByUser = `SELECT ` + identityColumns + ` FROM identity i
		WHERE i.workspace_id = ? AND i.connection_id = ? AND i.user_key = ? AND NOT i.deleted{lock}`
	selectIdentityByDN = `SELECT ` + identityColumns + ` FROM identity i
		WHERE i.workspace_id = ? AND i.connection_id = ? AND i.dn = ? AND NOT i.deleted LIMIT 1{lock}`
	selectIdentitiesOf = `SELECT ` + identityColumns + ` FROM identity i
		WHERE i.workspace_id = ? AND i.member_id = ? AND NOT i.deleted ORDER BY i.identity_id{lock}`
	selectOtherIdentitiesOf = `SELECT ` + identityColumns + ` FROM identity i
		WHERE i.workspace_id = ? AND i.member_id = ? AND i.identity_id <> ? AND NOT i.deleted ORDER BY i.identity_id{lock}`
	selectIdentitiesOfAll = `SELECT ` + identityColumns + ` FROM identity i
		WHERE i.workspace_id = ? AND i.member_id = ? ORDER BY i.identity_id{lock}`
	selectIdentitiesByEmail = `SELECT ` + identityColumns + ` FROM identity i
		WHERE i.workspace_id = ? AND i.connection_id = ? AND i.email_key = ? AND NOT i.deleted ORDER BY i.identity_id{lock}`
	// It reads the index of a connection's addresses until it finds one: rare
	// enough, for somebody joins by a domain.
	selectStates = `SELECT identity_id FROM identity
		WHERE workspace_id = ? AND connection_id = ? AND NOT deleted AND email_key LIKE ? LIMIT 1`
	selectReports = `SELECT identity_id FROM identity
		WHERE workspace_id = ? AND manager_id IN (*) AND NOT deleted LIMIT 1`
)

// Identity finds an identity that is not deleted.
func (r *Reader) Identity(id string) (workspace.Identity, error) {
	return single(r, scanIdentity, selectIdentity, r.ws, id)
}

// IdentityByExternal finds an identity of a connection by its immutable id;
// deleted ones too when gone is set (the newest, and only if no live one has
// the id).
func (r *Reader) IdentityByExternal(connection, external string, gone bool) (workspace.Identity, error) {
	i, err := single(r, scanIdentity, selectIdentityByExternal, r.ws, connection, external)
	if gone && errors.Is(err, workspace.ErrNotFound) {
		return r.IdentityGone(connection, external)
	}
	return i, err
}

// IdentityGone finds the newest deleted identity of a connection by its
// immutable id.
func (r *Reader) IdentityGone(connection, external string) (workspace.Identity, error) {
	all, err := list(r, scanIdentity, selectIdentityGone, r.ws, connection, external)
	if err != nil || len(all) == 0 {
		return workspace.Identity{}, cmp.Or(err, workspace.ErrNotFound)
	}
	return slices.MaxFunc(all, func(a, b workspace.Identity) int { return newer(&a, &b) }), nil
}

// GoneByExternal finds the newest deleted identities of a connection with these
// immutable ids, by immutable id.
func (r *Reader) GoneByExternal(connection string, external []string) (map[string]workspace.Identity, error) {
	gone := map[string]workspace.Identity{}
	err := chunks(external, func(piece []string) error {
		all, err := list(r, scanIdentity, in(selectGoneByExternal, len(piece)), flat(r.ws, connection, piece)...)
		for i := range all {
			if old, ok := gone[all[i].ExternalID]; !ok || newer(&old, &all[i]) < 0 {
				gone[all[i].ExternalID] = all[i]
			}
		}
		return err
	})
	return gone, err
}

// newer orders deleted identities by when they were deleted.
func newer(a, b *workspace.Identity) int {
	return cmp.Or(cmp.Compare(a.UpdatedAt, b.UpdatedAt), cmp.Compare(a.ID, b.ID))
}

// IdentityByUser finds an identity of a connection by its folded login name.
func (r *Reader) IdentityByUser(connection, userKey string) (workspace.Identity, error) {
	return single(r, scanIdentity, selectIdentityByUser, r.ws, connection, userKey)
}

// IdentitiesByEmail lists a connection's identities with a folded address,
// by id; mostly there is one.
func (r *Reader) IdentitiesByEmail(connection, emailKey string) ([]workspace.Identity, error) {
	return list(r, scanIdentity, selectIdentitiesByEmail, r.ws, connection, emailKey)
}

// States reports whether a connection has a live identity with an address in a
// domain, given in its ASCII form.
func (r *Reader) States(connection, domain string) (bool, error) {
	var id string
	err := r.row(selectStates, r.ws, connection, "%@"+domain).Scan(&id)
	if errors.Is(err, workspace.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// IdentityByDN finds an identity of a connection by its canonical DN.
func (r *Reader) IdentityByDN(connection, dn string) (workspace.Identity, error) {
	return single(r, scanIdentity, selectIdentityByDN, r.ws, connection, dn)
}

// IdentitiesOf lists the identities linked to a member by id; deleted
// ones too when gone is set.
func (r *Reader) IdentitiesOf(member string, gone bool) ([]workspace.Identity, error) {
	if gone {
		return list(r, scanIdentity, selectIdentitiesOfAll, r.ws, member)
	}
	return list(r, scanIdentity, selectIdentitiesOf, r.ws, member)
}

// OtherIdentitiesOf is IdentitiesOf without one that is known and without
// those that are deleted.
func (r *Reader) OtherIdentitiesOf(member, known string) ([]workspace.Identity, error) {
	return list(r, scanIdentity, selectOtherIdentitiesOf, r.ws, member, known)
}

// HasReports tells whether an identity that is not deleted names one of these
// as its manager.
func (r *Reader) HasReports(ids []string) (bool, error) {
	found := false
	err := chunks(ids, func(piece []string) error {
		if found {
			return nil
		}
		_, err := single(r, scanOne[string], in(selectReports, len(piece)), flat(r.ws, piece)...)
		if errors.Is(err, workspace.ErrNotFound) {
			return nil
		}
		found = err == nil
		return err
	})
	return found, err
}
