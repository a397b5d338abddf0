package sync

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// eventTypes names the outbox event of a change, one of workspace.EventTypes.
// Changes without an entry tell nobody.
var eventTypes = map[workspace.ChangeKind]string{
	workspace.MemberCreate: "member.created", workspace.MemberUpdate: "member.updated", workspace.MemberRole: "member.role_changed", workspace.OwnerTransfer: "member.role_changed",
	workspace.MemberDeactivate: "member.deactivated", workspace.MemberReactivate: "member.reactivated", workspace.MemberContain: "member.contained",
	workspace.MemberRelease: "member.released", workspace.MemberRemove: "member.removed", workspace.MemberSessions: "session.revoked",
	workspace.SessionEnd:   "session.ended",
	workspace.NumberAssign: "number.assigned", workspace.NumberUnassign: "number.unassigned", workspace.NumberAccess: "number.access_changed",
	workspace.NumberOwner: "number.owner_changed", workspace.NumberRing: "number.ring_changed",
	workspace.GroupCreate: "group.created", workspace.GroupUpdate: "group.updated", workspace.GroupDelete: "group.deleted",
	workspace.GroupJoin: "group.joined", workspace.GroupLeave: "group.left",
	workspace.InvitationSend: "invitation.sent", workspace.InvitationAccept: "invitation.accepted", workspace.InvitationRevoke: "invitation.revoked",
	workspace.DomainVerify: "domain.verified", workspace.DomainLapse: "domain.lapsed", workspace.DomainRenew: "domain.renewed",
	workspace.DomainContest: "domain.contested", workspace.DomainRelease: "domain.released",
}

// leaverEvents are never superseded, dropped or skipped (OB6).
var leaverEvents = map[string]bool{
	"member.deactivated": true, "member.contained": true, "member.removed": true, "session.revoked": true,
}

// eventName is the type of a change's event, "" if it tells nobody.
func eventName(c *workspace.Change) string {
	if inv, ok := c.After.(workspace.Invitation); ok && c.Kind == workspace.InvitationRevoke && inv.State == workspace.InvitationExpired {
		return "invitation.expired"
	}
	return eventTypes[c.Kind]
}

// outgoing is an event before it has its sequence: in whose line it goes, and
// what it says.
type outgoing struct {
	kind, id string // its subject (OB1)
	name     string
	data     EventData
}

// events makes the outbox rows of what was applied, held and decided. The
// subject is the member, else the number, the group, or the connection; its
// own row counts the sequence, so the order of sequences is the order of
// commits (OB1).
func (u *unit) events(all []recorded) ([]store.EventRow, error) {
	var out []outgoing
	for i := range all {
		c := &u.plan[all[i].index].Change
		name := eventName(c)
		if name == "" || all[i].report.Outcome != "applied" {
			continue
		}
		o := outgoing{name: name, data: u.eventData(c, name)}
		o.kind, o.id = u.eventSubject(c)
		if leaverEvents[name] {
			o.data.Sessions = "end_all"
			u.tellLosses(c.Member, all, &o.data)
		}
		out = append(out, o)
	}
	out = append(out, u.formerOwners(all)...)
	out = append(out, u.handoverEvents(all)...)
	out = append(out, u.holdEvents()...)
	out = append(out, u.findingEvents()...)
	if u.finished != nil {
		out = append(out, u.runEvent())
	}
	if len(out) == 0 {
		return nil, nil
	}
	next, err := u.sequences(out)
	if err != nil {
		return nil, err
	}
	rows := make([]store.EventRow, 0, len(out))
	for i := range out {
		o := &out[i]
		subject := [2]string{o.kind, o.id}
		o.data.Workspace, o.data.Seq = u.s.cfg.ID, next[subject]
		o.data.Cause.Run = u.run
		next[subject]++
		body, err := json.Marshal(Event{Type: o.name, Timestamp: u.now, Data: o.data})
		if err != nil {
			return nil, err
		}
		rows = append(rows, store.EventRow{
			SubjectType: o.kind, Subject: o.id, Seq: o.data.Seq, ID: "evt_" + newID(), Type: o.name, Leaver: leaverEvents[o.name],
			At: u.now, Run: u.run, Body: body, Wait: u.quiet(),
		})
	}
	return rows, nil
}

// quiet is how long nobody is told yet of what a connection does. What a
// person has agreed to is told at once.
func (u *unit) quiet() workspace.Micros {
	if u.approver != nil || u.actor.Kind != workspace.ActorConnection {
		return 0
	}
	return workspace.Micros(u.conn.Quiet.Microseconds())
}

// sequences takes the sequences of all events at once, subject by subject in
// the order of ids (L5), and gives the first of each.
func (u *unit) sequences(out []outgoing) (map[[2]string]int64, error) {
	count := map[[2]string]int{}
	for i := range out {
		count[[2]string{out[i].kind, out[i].id}]++
	}
	subjects := slices.SortedFunc(maps.Keys(count), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	first := make(map[[2]string]int64, len(count))
	for _, s := range subjects {
		last, err := u.tx.NextSeqs(s[0], s[1], count[s])
		if err != nil {
			return nil, err
		}
		first[s] = last - int64(count[s]) + 1
	}
	return first, nil
}

// eventSubject is whose sequence a change's event belongs to.
func (u *unit) eventSubject(c *workspace.Change) (kind, id string) {
	switch {
	case c.Member != "":
		return "member", c.Member
	case c.Subject.Type == "number" || c.Subject.Type == "group" && c.Kind != workspace.GroupDelete:
		return c.Subject.Type, c.Subject.ID
	case u.conn.ID != "":
		return "connection", u.conn.ID
	case u.actor.Person():
		return "member", u.actor.ID
	}
	// An invitation belongs to who sent it; what nobody did to the one who
	// answers for the workspace.
	if inv, ok := c.Before.(workspace.Invitation); ok {
		return "member", inv.Inviter
	}
	return "member", u.answerable()
}

// answerable is who answers for what nobody did: the primary Owner.
func (u *unit) answerable() string {
	for i := range u.owners {
		if u.owners[i].Primary {
			return u.owners[i].ID
		}
	}
	return u.actor.ID
}
