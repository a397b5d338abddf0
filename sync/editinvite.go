package sync

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/workspace"
)

// planInvitationEdit sends, renews or revokes an invitation.
func (u *unit) planInvitationEdit(e *Edit) error {
	if e.Kind == EditRevoke && e.Invitation != "" {
		inv, err := u.invitation(e)
		if err != nil {
			return err
		}
		return u.planRevoke(&person{key: "invitation:" + inv.ID, member: &workspace.Member{}}, inv, u.editCause(e, "correction"))
	}
	address := strings.TrimSpace(e.Email)
	key := emailKey(address)
	if domainOf(address) == "" || strings.ContainsAny(address, " \t\r\n<>,;") {
		return &EditError{Field: "email", Reason: fmt.Sprintf("%q is not one mail address", e.Email), Remedy: "give an address such as ann@acme.com"}
	}
	pending, err := u.tx.PendingInvitation(key)
	found := err == nil
	if err != nil && !errors.Is(err, workspace.ErrNotFound) {
		return err
	}
	if e.Kind == EditRevoke {
		if !found {
			return &EditError{Field: "email", Reason: "there is no pending invitation to " + address, Remedy: "name one that is pending"}
		}
		return u.planRevoke(&person{key: "invitation:" + pending.ID, member: &workspace.Member{}}, pending, u.editCause(e, "correction"))
	}
	if found {
		return &EditError{Field: "email", Reason: address + " is invited already", Remedy: "revoke that invitation first", Settled: true}
	}
	m, err := u.memberByEmail(key)
	if err != nil {
		return err
	}
	c := u.editCause(e, "new_hire")
	if m != nil && m.State == workspace.StateActive {
		return &EditError{Field: "email", Reason: address + " is a member already", Remedy: "nothing is to be done", Settled: true}
	}
	if c.Tombstone, err = u.buried(key); err != nil {
		return err
	}
	// An Owner or Admin may invite a leaver again, as a stated rehire (RB3).
	c.Rehire = e.Reason != "" && workspace.Can(u.actor.Role, "M05")
	secret, err := invitationSecret()
	if err != nil {
		return err
	}
	role := e.Role
	if role == workspace.RoleNone {
		role = workspace.RoleMember
	}
	inv := workspace.Invitation{
		ID: newID(), Email: address, EmailKey: key, Role: role, State: workspace.InvitationPending, Inviter: u.actor.ID,
		TokenHash: SecretProof(secret), CreatedAt: u.now, ExpiresAt: u.now + workspace.Micros(u.s.cfg.InvitationTTL.Microseconds()), Version: 1,
	}
	ref := workspace.Ref{Type: "invitation", ID: inv.ID, Label: inv.Email}
	var assigns []workspace.Change
	for _, name := range e.Numbers {
		n, err := u.findNumber("numbers", name)
		if err != nil {
			return err
		}
		if slices.Contains(inv.Numbers, n.ID) {
			return &EditError{Field: "numbers", Reason: n.E164 + " stands twice", Remedy: "name each number once"}
		}
		if err := u.knowUsers(n); err != nil {
			return err
		}
		inv.Numbers = append(inv.Numbers, n.ID)
		assigns = append(assigns, workspace.Change{
			Kind: workspace.NumberReserve, Subject: numberRef(n), Cause: c,
			After: workspace.Reservation{Number: n.ID, Kind: workspace.ToInvitation, For: inv.ID, Until: inv.ExpiresAt, Why: "invitation"},
		})
	}
	subject := "invitation:" + inv.ID
	u.add(planned{Change: workspace.Change{Kind: workspace.InvitationSend, Subject: ref, After: inv, Cause: c}, person: subject})
	for _, a := range assigns {
		u.add(planned{Change: a, person: subject})
	}
	u.secret = secret
	return nil
}

// knowUsers reads who has a number, or was promised it: what stands in the way
// of one more is judged by that, and named in a refusal (I4).
func (u *unit) knowUsers(n *workspace.Number) error {
	for i := range n.Assignments {
		if n.Assignments[i].Kind != workspace.ToMember {
			continue
		}
		if _, err := u.member(n.Assignments[i].To); err != nil {
			return err
		}
	}
	for i := range n.Reservations {
		id := n.Reservations[i].For
		if n.Reservations[i].Kind != workspace.ToInvitation || u.view.Invitations[id] != nil {
			continue
		}
		inv, err := u.tx.InvitationByID(id)
		if err != nil {
			return err
		}
		u.view.Invitations[id] = &inv
	}
	return nil
}

// buried tells of a deprovisioned identity with this address (I9), "" if
// there is none.
func (u *unit) buried(key string) (string, error) {
	rows, err := u.tx.Tombstones([]string{u.s.tombstoneValue(tombstoneEmail, "", key)})
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return fmt.Sprintf("access was ended by %s on %s", rows[0].Cause, rows[0].At.Time().Format("2006-01-02")), nil
}

// invitationSecret makes the secret of an invitation's link: 32 random bytes.
func invitationSecret() (string, error) {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}
