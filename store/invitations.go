package store

import "github.com/rollcall-sync/rollcall/workspace"

const invitationColumns = `invitation_id, email, email_key, role, state, inviter, numbers, token_hash, held, created_at,
	expires_at, version`

func scanInvitation(s scanner, i *workspace.Invitation) error {
	var role, numbers string
	err := s.Scan(&i.ID, &i.Email, &i.EmailKey, &role, (*string)(&i.State), &i.Inviter, &numbers, &i.TokenHash, &i.Held,
		&i.CreatedAt, &i.ExpiresAt, &i.Version)
	if err != nil {
		return err
	}
	if i.Role, err = workspace.ParseRole(role); err != nil {
		return err
	}
	i.Numbers, err = parseStrings(numbers)
	return err
}

const (
	selectInvitation = `SELECT ` + invitationColumns + ` FROM invitation
		WHERE workspace_id = ? AND invitation_id = ?{lock}`
	selectPendingInvitation = `SELECT ` + invitationColumns + ` FROM invitation
		WHERE workspace_id = ? AND email_key = ? AND state = 'pending'{lock}`
	selectPendingBy = `SELECT ` + invitationColumns + ` FROM invitation
		WHERE workspace_id = ? AND inviter = ? AND state = 'pending' ORDER BY invitation_id{lock}`
	insertInvitation = `INSERT INTO invitation (workspace_id, ` + invitationColumns + `)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	updateInvitation = `UPDATE invitation SET email = ?, email_key = ?, role = ?, state = ?, inviter = ?, numbers = ?,
		token_hash = ?, held = ?, created_at = ?, expires_at = ?, version = ?
		WHERE workspace_id = ? AND invitation_id = ? AND version = ?`
)

// InvitationByID finds an invitation.
func (r *Reader) InvitationByID(id string) (workspace.Invitation, error) {
	return single(r, scanInvitation, selectInvitation, r.ws, id)
}

// PendingInvitation finds the pending invitation of a folded address.
func (r *Reader) PendingInvitation(emailKey string) (workspace.Invitation, error) {
	return single(r, scanInvitation, selectPendingInvitation, r.ws, emailKey)
}

// PendingBy lists the pending invitations a member sent, by id.
func (r *Reader) PendingBy(inviter string) ([]workspace.Invitation, error) {
	return list(r, scanInvitation, selectPendingBy, r.ws, inviter)
}

// PutInvitation inserts (Version 1) or replaces (compare-and-swap on
// version-1). A second pending one for an address is a *ConflictError with
// Key "pending".
func (t *Tx) PutInvitation(i workspace.Invitation) error {
	t.none.invitations = false
	numbers := appendStrings(nil, i.Numbers)
	if i.Version == 1 {
		return t.exec(insertInvitation, t.ws, i.ID, i.Email, i.EmailKey, i.Role.String(), string(i.State), i.Inviter,
			numbers, i.TokenHash, i.Held, i.CreatedAt, i.ExpiresAt, i.Version)
	}
	return t.swap(updateInvitation, i.Email, i.EmailKey, i.Role.String(), string(i.State), i.Inviter, numbers,
		i.TokenHash, i.Held, i.CreatedAt, i.ExpiresAt, i.Version, t.ws, i.ID, i.Version-1)
}
