package sync

import (
	"errors"
	"fmt"
	"maps"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/workspace"
)

// planDisabled judges a record of nobody that states somebody as disabled, with
// the address of an active member (ADR 0017). What would link the two were the
// record enabled (SX03) links them now: then the directory's no is an explicit
// one (E1), access ends, and the brake sees it as any leaver. Otherwise the
// order in which a directory says "enabled" and "disabled" would decide who
// stays on the line (EV7). Where the no may be about another account, or about
// a scope that is new, a person decides.
func (u *unit) planDisabled(p *person) error {
	if p.deleted || u.b.Signal || u.b.Kind == RunSignin || !u.conn.directory() || p.trigger.Connection != u.conn.ID || !u.s.rules.MayEnd(u.conn.ID) {
		return nil
	}
	m, err := u.memberByEmail(emailKey(p.want.Email))
	if err != nil || m == nil || m.State != workspace.StateActive {
		return err
	}
	if in, err := u.inIfEnabled(p); err != nil || !in {
		return err
	}
	why, _, err := u.unlinkable(p, m)
	if err != nil {
		return err
	}
	if why != "" {
		u.notices = append(u.notices, fmt.Sprintf("%s is stated as disabled by %s, and the active member of that address is not linked with that record: %s", m.Email, u.conn.ID, why))
		return nil
	}
	link := workspace.Change{Kind: workspace.MemberLink, Subject: memberRef(*m), Member: m.ID, Before: *m, After: *m, Cause: u.cause(p, workspace.CauseRequest)}
	doubt, err := u.doubtDisabled(p, m, &link)
	if err != nil {
		return err
	}
	if doubt != "" && u.approver == nil {
		u.add(planned{Change: link, subject: p.key, person: p.key, ruling: &workspace.Decision{
			Verdict: workspace.Hold, Rule: "SX03", Approvers: workspace.RoleAdmin,
			Reason: fmt.Sprintf("%s states %s as disabled, and an active member has that address: %s.", u.conn.ID, m.Email, doubt),
			Remedy: "if it is the same person, approve: they are linked, and access ends; else correct the address in the directory",
		}})
		return nil
	}
	if err := u.loadMember(p, m.ID); err != nil {
		return err
	}
	u.addFor(p, link, u.linkEffect(p.trigger.ID, m.ID), u.support(p, mapping.GrantMember, "", bySource, "", p.trigger.Connection))
	p.live = append(p.live, p.trigger)
	p.member = m
	if err := u.evaluate(p); err != nil || p.want.Excluded {
		return err
	}
	if u.leaving(p) {
		return u.planLeaver(p, u.leaverCause(p))
	}
	return u.planStay(p)
}

// doubtDisabled tells why a disabled record does not end a member's access by
// itself; "" if it does.
func (u *unit) doubtDisabled(p *person, m *workspace.Member, link *workspace.Change) (string, error) {
	switch {
	case u.observing():
		return "the connection only observes", nil
	case u.b.NewScope:
		return "the first read of a connection, or under another scope, ends nobody's access (BR2, AB4)", nil
	case p.obs == nil:
		return "the record was there before, and nothing new is said of it", nil
	}
	_, err := u.tx.Rejection(workspace.Fingerprint(*link), u.now)
	if err == nil {
		return "it was rejected before", nil // which decides once more
	}
	if !errors.Is(err, workspace.ErrNotFound) {
		return "", err
	}
	others, err := u.tx.IdentitiesOf(m.ID, false)
	if err != nil {
		return "", err
	}
	for i := range others {
		if c, ok := u.s.conns[others[i].Connection]; ok && c.directory() && others[i].Active {
			return c.ID + " states the member as enabled, so it may be another account", nil
		}
	}
	return "", nil
}

// inIfEnabled reports whether the person would be a member if their record
// were enabled.
func (u *unit) inIfEnabled(p *person) (bool, error) {
	enabled := p.trigger
	enabled.Active, enabled.Attributes = true, maps.Clone(enabled.Attributes)
	if _, stated := enabled.Attributes["active"]; stated {
		enabled.Attributes["active"] = []string{"true"}
	}
	described, err := u.s.described(u.tx, []workspace.Identity{enabled})
	if err != nil {
		return false, err
	}
	domains, err := u.claimed()
	if err != nil {
		return false, err
	}
	want, err := u.s.rules.Want(described, mapping.Facts{ClaimedDomains: domains}, u.now)
	return want.Member == mapping.True && !want.Excluded, err
}
