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

func scanDomain(s scanner, d *workspace.DomainClaim) error {
	return s.Scan(&d.Domain, &d.Claimer, (*string)(&d.State), &d.Challenge, &d.ClaimedAt, &d.VerifiedAt, &d.CheckedAt,
		&d.Version)
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
	selectDomains = `SELECT domain, claimer, state, challenge, claimed_at, verified_at, checked_at, version
		FROM domain_claim WHERE workspace_id = ? ORDER BY domain`
	putDomain = `INSERT INTO domain_claim (workspace_id, domain, claimer, state, challenge, claimed_at, verified_at,
		checked_at, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, domain) DO UPDATE SET claimer = excluded.claimer, state = excluded.state,
		challenge = excluded.challenge, claimed_at = excluded.claimed_at, verified_at = excluded.verified_at,
		checked_at = excluded.checked_at, version = excluded.version`
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

// Domains lists the domain claims by name.
func (r *Reader) Domains() ([]workspace.DomainClaim, error) {
	return list(r, scanDomain, selectDomains, r.ws)
}

// PutDomain inserts or replaces a claim.
func (t *Tx) PutDomain(d workspace.DomainClaim) error {
	t.none.domains = false
	return t.exec(putDomain, t.ws, d.Domain, d.Claimer, string(d.State), d.Challenge, d.ClaimedAt, d.VerifiedAt,
		d.CheckedAt, d.Version)
}
