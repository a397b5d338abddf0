package sync

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// SecretProof is what an edit carries of an invitation's secret: its hex SHA-256,
// as the store keeps it.
func SecretProof(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// accepts reports whether a batch is the acceptance of an invitation, which
// nobody but the invited person makes: it has no member as its actor.
func accepts(edits []Edit) bool { return len(edits) == 1 && edits[0].Kind == EditAccept }

// invitation finds the pending invitation that an edit names.
func (u *unit) invitation(e *Edit) (workspace.Invitation, error) {
	inv, err := u.tx.InvitationByID(e.Invitation)
	switch {
	case errors.Is(err, workspace.ErrNotFound):
		return inv, &EditError{Field: "invitation", Reason: fmt.Sprintf("there is no invitation %q", e.Invitation), Remedy: "use the newest mail, or ask for another invitation"}
	case err != nil:
		return inv, err
	case inv.State != workspace.InvitationPending:
		return inv, &EditError{Field: "invitation", Reason: "the invitation is " + string(inv.State), Remedy: "ask for another invitation", Settled: true}
	}
	return inv, nil
}

// planResend makes a new secret and a new expiry; the old link dies. Whoever
// sends it again answers for it from then on, so it is judged as if they had
// sent it first.
func (u *unit) planResend(e *Edit) error {
	inv, err := u.invitation(e)
	if err != nil {
		return err
	}
	if u.secret, err = invitationSecret(); err != nil {
		return err
	}
	u.view.Invitations[inv.ID] = &inv
	after := inv
	after.Inviter, after.Held = u.actor.ID, false
	after.TokenHash, after.ExpiresAt = SecretProof(u.secret), u.now+workspace.Micros(u.s.cfg.InvitationTTL.Microseconds())
	c := u.editCause(e, "new_hire")
	if c.Tombstone, err = u.buried(inv.EmailKey); err != nil {
		return err
	}
	c.Rehire = e.Reason != "" && workspace.Can(u.actor.Role, workspace.MemberRemoving)
	subject := "invitation:" + inv.ID
	u.add(planned{Change: workspace.Change{
		Kind: workspace.InvitationSend, Subject: workspace.Ref{Type: "invitation", ID: inv.ID, Label: inv.Email},
		Before: inv, After: after, Cause: c,
	}, person: subject})
	numbers, err := u.tx.NumbersTo(workspace.ToInvitation, inv.ID)
	for _, n := range numbers {
		kept := u.keep(n)
		for _, r := range kept.Reservations {
			if r.Kind == workspace.ToInvitation && r.For == inv.ID {
				r.Until = after.ExpiresAt
				u.add(planned{Change: workspace.Change{Kind: workspace.NumberReserve, Subject: numberRef(kept), After: r, Cause: c}, person: subject})
			}
		}
	}
	return err
}

// planAccept makes a member of who accepts an invitation (R16 to R18). The
// caller has proved the mailbox by delivering the secret to it; the role is
// judged again by what the inviter may give now.
func (u *unit) planAccept(e *Edit) error {
	inv, err := u.invitation(e)
	if err != nil {
		return err
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(e.Proof), []byte(inv.TokenHash)) != 1:
		return &EditError{Field: "secret", Reason: "it is not the secret of this invitation's newest link", Remedy: "use the newest mail, or ask for the invitation to be sent again"}
	case inv.ExpiresAt <= u.now:
		return &EditError{Field: "invitation", Reason: "the invitation expired on " + inv.ExpiresAt.Time().Format("2006-01-02"), Remedy: "ask for it to be sent again", Settled: true}
	case emailKey(e.Email) != inv.EmailKey:
		return &EditError{Field: "email", Reason: "it is not the invited address; another address is another invitation (R18)", Remedy: "accept with the address that the invitation was sent to"}
	}
	name, err := plainName("name", orElse(e.Name, inv.Email))
	if err != nil {
		return err
	}
	known, err := u.memberByEmail(inv.EmailKey)
	if err != nil {
		return err
	}
	if known != nil && known.State == workspace.StateActive {
		return &EditError{Field: "email", Reason: inv.Email + " is a member already", Remedy: "nothing is to be done", Settled: true}
	}
	if _, err := u.member(inv.Inviter); err != nil && !errors.Is(err, workspace.ErrNotFound) {
		return err
	}
	u.view.Invitations[inv.ID] = &inv
	c := workspace.Cause{Kind: workspace.CauseInvite, Direct: true, Support: byInvitation, ReasonClass: "new_hire", Invitation: inv.ID}
	lift, err := u.acceptRehire(&inv, &c)
	if err != nil {
		return err
	}
	m := u.invited(&inv, known, name)
	u.actor.ID, u.actor.Label = m.ID, m.Email
	p := &person{key: "member:" + m.ID}
	snap, err := u.rehired(p, known)
	if err != nil {
		return err
	}
	p.member = &m
	joins := workspace.Change{Kind: workspace.MemberCreate, Subject: memberRef(m), Member: m.ID, After: m, Cause: c}
	if known != nil {
		joins.Kind, joins.Before = workspace.MemberReactivate, *known
	}
	// A role above Member is the invitation's word against the mapping's, and
	// stays until a person or a row says otherwise.
	then := append(lift, u.support(p, mapping.GrantMember, "", byInvitation, "", ""))
	if m.Role > workspace.RoleMember {
		then = append(then, u.support(p, mapping.GrantRole, "", byInvitation, m.Role.String(), ""))
	}
	u.addFor(p, joins, then...)
	after := inv
	after.State, after.TokenHash = workspace.InvitationAccepted, ""
	u.addFor(p, workspace.Change{
		Kind: workspace.InvitationAccept, Subject: workspace.Ref{Type: "invitation", ID: inv.ID, Label: inv.Email},
		Member: m.ID, Before: inv, After: after, Cause: c,
	})
	c.Direct = false
	if snap != nil && !known.TailHeld { // with the tail held, everything is still there (BU3)
		if err := u.planRestore(p, snap, c); err != nil {
			return err
		}
	}
	if err := u.acceptNumbers(p, &inv, c); err != nil {
		return err
	}
	return u.planUnclaimed(p, c)
}

// rehired loads what there is of a leaver who accepts, and what they held; nil
// for a newcomer, and when the restore window is over (GR3).
func (u *unit) rehired(p *person, known *workspace.Member) (*snapshot, error) {
	if known == nil {
		return nil, nil
	}
	p.cutAt = known.DeactivatedAt
	if err := u.loadMember(p, known.ID); err != nil {
		return nil, err
	}
	return u.snapshot(known)
}

// invited is the member whom an acceptance makes, or brings back.
func (u *unit) invited(inv *workspace.Invitation, known *workspace.Member, name string) workspace.Member {
	m := workspace.Member{ID: newID(), Version: 1, JoinedAt: u.now}
	if known != nil {
		m = *known
		m.DeactivatedAt, m.GraceUntil, m.TailHeld, m.AccessEnd, m.Reason = 0, 0, false, 0, ""
	}
	m.Name, m.Email, m.EmailKey = name, strings.TrimSpace(inv.Email), inv.EmailKey
	m.Role, m.RoleSource, m.State = inv.Role, byInvitation, workspace.StateActive
	m.Epoch++
	return m
}

// acceptRehire looks for tombstones that the acceptance would pass by (I9).
// An invitation from before the end of access is an old road, and closed
// (RB2); one sent after it could only be sent as a stated rehire (RB3), and
// lifts them if the inviter might still say so.
func (u *unit) acceptRehire(inv *workspace.Invitation, c *workspace.Cause) ([]effect, error) {
	rows, err := u.tx.Tombstones([]string{u.s.tombstoneValue(tombstoneEmail, "", inv.EmailKey)})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	c.Tombstone = fmt.Sprintf("access was ended by %s on %s", rows[0].Cause, rows[0].At.Time().Format("2006-01-02"))
	c.Rehire = true
	var lift []effect
	for _, row := range rows {
		c.Rehire = c.Rehire && row.At < inv.CreatedAt
		lift = append(lift,
			func(tx *store.Tx) error { return tx.LiftTombstones(row.Member, inv.Inviter, u.now) },
			func(tx *store.Tx) error { return tx.DeleteSnapshot(row.Member) })
	}
	return lift, nil
}

// acceptNumbers gives the numbers that the invitation holds (R17): alone if
// nobody else uses them, else shared. One that was lost meanwhile, for
// somebody has it alone, waits for a person's choice (domain section 11).
func (u *unit) acceptNumbers(p *person, inv *workspace.Invitation, c workspace.Cause) error {
	numbers, err := u.tx.NumbersTo(workspace.ToInvitation, inv.ID)
	if err != nil {
		return err
	}
	for _, read := range numbers {
		n := u.keep(read)
		u.releaseInvited(p, n, inv.ID, c)
		if u.planned(workspace.NumberAssign, n.ID, p.member.ID) {
			u.thenAlso(workspace.NumberAssign, n.ID, p.member.ID, u.support(p, mapping.GrantNumber, n.ID, byInvitation, workspace.AccessShared.String(), ""))
			continue // it was theirs, and comes back with the rest
		}
		if err := u.knowUsers(n); err != nil {
			return err
		}
		access, holder := workspace.AccessExclusive, ""
		for i := range n.Assignments {
			a := &n.Assignments[i]
			if a.Kind == workspace.ToInvitation || !a.Access.Rings() {
				continue
			}
			access = workspace.AccessShared
			// A leaver's row, whose tail is held, has no effect.
			if a.Access == workspace.AccessExclusive && u.view.Members[a.To].State == workspace.StateActive {
				holder = a.To
			}
		}
		give := planned{Change: workspace.Change{
			Kind: workspace.NumberAssign, Subject: numberRef(n), Member: p.member.ID, Cause: c,
			After: workspace.Assignment{Number: n.ID, Kind: workspace.ToMember, To: p.member.ID, Access: access, Notify: true, Since: u.now},
		}, subject: p.key, person: p.key, then: []effect{u.support(p, mapping.GrantNumber, n.ID, byInvitation, access.String(), "")}}
		if holder != "" {
			give.ruling = &workspace.Decision{
				Verdict: workspace.Hold, Rule: "I4",
				Reason: fmt.Sprintf("%s was promised to %s, but is exclusive to %s by now", n.E164, p.member.Email, u.view.Members[holder].Email),
			}
			if give.ruling.Remedy, err = u.chooseInstead(n); err != nil {
				return err
			}
		}
		u.add(give)
	}
	return nil
}
