package sync

import (
	"context"
	"errors"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// LiveSession reports whether a session is good: its member may sign in and
// is still in the epoch in which it began (EP3), it has not ended and has not
// run out.
func LiveSession(s *store.SessionRow, m *workspace.Member, now workspace.Micros) bool {
	return m.Usable() && s.Member == m.ID && s.Epoch == m.Epoch && s.EndedAt == 0 && now < s.ExpiresAt
}

// RedeemCode gives the session of a one-time code, once. It gives
// workspace.ErrNotFound for a code that is unknown, spent or older than a
// minute, and for a session that has ended meanwhile.
func (e *Engine) RedeemCode(ctx context.Context, id, codeHash string) (row store.SessionRow, member workspace.Member, err error) {
	s, _, err := e.space(id, "")
	if err != nil {
		return row, member, err
	}
	dead := false
	err = s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		var err error
		now := workspace.At(e.now())
		if row, err = tx.SpendCode(codeHash, now); err != nil {
			return err
		}
		member, err = tx.Member(row.Member)
		dead = !LiveSession(&row, &member, now)
		return err
	})
	if err == nil && dead {
		err = workspace.ErrNotFound
	}
	return row, member, err
}

// EndSession ends one session, as who has it or the product says: a unit with
// a report. Ending one that has ended changes nothing.
func (e *Engine) EndSession(ctx context.Context, id, session, why string) error {
	s, _, err := e.space(id, "")
	if err != nil {
		return err
	}
	return s.h.Update(ctx, store.UnitOptions{Urgent: true}, func(tx *store.Tx) error {
		row, err := tx.Session(session)
		if err != nil {
			return err
		}
		if row.EndedAt != 0 {
			return nil
		}
		conn := s.conns[row.Connection]
		u, err := e.newUnit(s, Connection{}, tx, Batch{Workspace: id, Kind: RunSignin, Trigger: "request", Channel: workspace.ChannelSignin, SeenAt: e.now()})
		if err != nil {
			return err
		}
		m, err := u.member(row.Member)
		if err != nil && !errors.Is(err, workspace.ErrNotFound) {
			return err
		}
		u.actor = workspace.Actor{Kind: workspace.ActorMember, ID: row.Member, Channel: workspace.ChannelSignin}
		if m != nil {
			u.actor.Label, u.actor.Role = m.Email, m.Role
		}
		u.planSessionEnd(&row, workspace.Cause{Kind: workspace.CauseEdit, Connection: conn.ID, ReasonClass: "correction"}, "SELF", why)
		return u.finish()
	})
}

// planSessionEnd ends one session; the others of the member stay.
func (u *unit) planSessionEnd(row *store.SessionRow, c workspace.Cause, rule, why string) {
	u.add(planned{
		Change: workspace.Change{Kind: workspace.SessionEnd, Subject: workspace.Ref{Type: "session", ID: row.ID, Label: row.Connection}, Member: row.Member, Cause: c},
		person: "session:" + row.ID,
		ruling: &workspace.Decision{Verdict: workspace.Allow, Rule: rule, Reason: sentence(why)},
		then:   []effect{func(tx *store.Tx) error { return tx.EndSession(row.ID, why, u.now) }},
	})
}

// planSessionsEnd ends every session of a member: the epoch grows (EP2). It
// is no removal, and needs no authority over people: the provider says of its
// own sign-ins that they do not count any more (E3). A break-glass Owner is
// no provider's (O5).
func (u *unit) planSessionsEnd(m *workspace.Member, c workspace.Cause, why string) {
	if m.State != workspace.StateActive || m.BreakGlass {
		return
	}
	after := *m
	after.Epoch++
	c.Kind, c.ReasonClass = workspace.CauseRequest, "correction"
	u.add(planned{
		Change:  workspace.Change{Kind: workspace.MemberSessions, Subject: memberRef(*m), Member: m.ID, Before: *m, After: after, Cause: c},
		subject: "member:" + m.ID, person: "member:" + m.ID,
		ruling: &workspace.Decision{Verdict: workspace.Allow, Rule: string(c.Class), Reason: sentence(why)},
		then:   []effect{func(tx *store.Tx) error { return tx.EndSessionsOf(m.ID, why, u.now) }},
	})
}

// forgetSessions ends a leaver's sessions and puts the tokens that were kept
// for asking about them up for revocation (LT4, ON3).
func (u *unit) forgetSessions(member, why string) effect {
	return func(tx *store.Tx) error {
		if err := tx.EndSessionsOf(member, why, u.now); err != nil {
			return err
		}
		return tx.RevokeGrants(member)
	}
}

// directoryFirst leaves out what tokens once stated of a person whom a
// directory knows, or knew: a sign-in says nothing about who still belongs
// here, and must not keep a leaver.
func (u *unit) directoryFirst(live []workspace.Identity, member string) ([]workspace.Identity, error) {
	tokens := 0
	for i := range live {
		if !u.s.conns[live[i].Connection].directory() {
			tokens++
		}
	}
	if tokens == 0 {
		return live, nil
	}
	all, err := u.tx.IdentitiesOf(member, true)
	if err != nil {
		return nil, err
	}
	known := false
	for i := range all {
		known = known || u.s.conns[all[i].Connection].directory()
	}
	if !known {
		return live, nil
	}
	var kept []workspace.Identity
	for i := range live {
		if u.s.conns[live[i].Connection].directory() {
			kept = append(kept, live[i])
		}
	}
	return kept, nil
}
