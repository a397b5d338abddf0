package sync

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// eventTypes names the outbox event of a change (leavers-and-events WH3).
// Changes without an entry tell nobody.
var eventTypes = map[workspace.ChangeKind]string{
	workspace.MemberCreate: "member.created", workspace.MemberUpdate: "member.updated", workspace.MemberRole: "member.role_changed",
	workspace.MemberDeactivate: "member.deactivated", workspace.MemberReactivate: "member.reactivated", workspace.MemberContain: "member.contained",
	workspace.MemberRelease: "member.released", workspace.MemberRemove: "member.removed", workspace.MemberSessions: "session.revoked",
	workspace.NumberAssign: "number.assigned", workspace.NumberUnassign: "number.unassigned", workspace.NumberAccess: "number.access_changed",
	workspace.NumberOwner: "number.owner_changed", workspace.NumberRing: "number.ring_changed",
	workspace.GroupCreate: "group.created", workspace.GroupUpdate: "group.updated", workspace.GroupDelete: "group.deleted",
	workspace.GroupJoin: "group.joined", workspace.GroupLeave: "group.left",
	workspace.InvitationSend: "invitation.sent", workspace.InvitationAccept: "invitation.accepted", workspace.InvitationRevoke: "invitation.revoked",
	workspace.DomainVerify: "domain.verified", workspace.DomainLapse: "domain.lapsed",
}

// leaverEvents are never superseded, dropped or skipped (OB6).
var leaverEvents = map[string]bool{
	"member.deactivated": true, "member.contained": true, "member.removed": true, "session.revoked": true,
}

// event is the payload of an outbox row: thin, ids and states only (WH2).
type event struct {
	Type      string           `json:"type"`
	Timestamp workspace.Micros `json:"timestamp"`
	Data      eventData        `json:"data"`
}

type eventData struct {
	Workspace string `json:"workspace"`
	Member    string `json:"member,omitempty"`
	Number    string `json:"number,omitempty"`
	Group     string `json:"group,omitempty"`
	Other     string `json:"subject,omitempty"`
	Seq       int64  `json:"seq"`
	Epoch     int64  `json:"epoch,omitempty"`
	Version   int64  `json:"version,omitempty"`
	State     string `json:"state,omitempty"`
	Role      string `json:"role,omitempty"`
	Access    string `json:"access,omitempty"`
	Ring      int    `json:"ring,omitempty"`
	Sessions  string `json:"sessions,omitempty"`
	// Attributes are the names of what an update changed, never its values.
	Attributes []string   `json:"attributes,omitempty"`
	Cause      eventCause `json:"cause"`
}

type eventCause struct {
	Connection string `json:"connection,omitempty"`
	Class      string `json:"class,omitempty"`
	Run        string `json:"run"`
	Change     string `json:"change"`
}

// events makes the outbox rows of what was applied. The subject is the
// member, else the number, the group, or the connection; its own row counts
// the sequence, so the order of sequences is the order of commits (OB1).
func (u *unit) events(all []recorded) ([]store.EventRow, error) {
	var rows []store.EventRow
	next, err := u.sequences(all)
	if err != nil {
		return nil, err
	}
	for i := range all {
		r := &all[i]
		c := u.plan[r.index].Change
		name, ok := eventTypes[c.Kind]
		if !ok || r.report.Outcome != "applied" {
			continue
		}
		kind, id := u.eventSubject(c)
		seq := next[[2]string{kind, id}]
		next[[2]string{kind, id}]++
		body, err := json.Marshal(event{Type: name, Timestamp: u.now, Data: u.eventData(c, name, seq)})
		if err != nil {
			return nil, err
		}
		rows = append(rows, store.EventRow{SubjectType: kind, Subject: id, Seq: seq, ID: "evt_" + newID(), Type: name, Leaver: leaverEvents[name], At: u.now, Run: u.run, Body: body})
	}
	return rows, nil
}

// sequences takes the sequences of all events at once, subject by subject in
// the order of ids (L5), and gives the first of each.
func (u *unit) sequences(all []recorded) (map[[2]string]int64, error) {
	count := map[[2]string]int{}
	for i := range all {
		c := u.plan[all[i].index].Change
		if _, ok := eventTypes[c.Kind]; ok && all[i].report.Outcome == "applied" {
			kind, id := u.eventSubject(c)
			count[[2]string{kind, id}]++
		}
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

// eventSubject is whose sequence an event belongs to.
func (u *unit) eventSubject(c workspace.Change) (kind, id string) {
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
	for i := range u.owners {
		if u.owners[i].Primary {
			return "member", u.owners[i].ID
		}
	}
	return "member", u.actor.ID
}

func (u *unit) eventData(c workspace.Change, name string, seq int64) eventData {
	d := eventData{
		Workspace: u.s.cfg.ID, Member: c.Member, Seq: seq,
		Cause: eventCause{Connection: c.Cause.Connection, Class: string(c.Cause.Class), Run: u.run, Change: c.ID},
	}
	switch c.Subject.Type {
	case "number":
		d.Number = c.Subject.Label
	case "group":
		d.Group = c.Subject.ID
	case "member":
	default:
		d.Other = c.Subject.ID
	}
	if m := u.view.Members[c.Member]; m != nil {
		d.Epoch, d.Version, d.State, d.Role = m.Epoch, m.Version, string(m.State), m.Role.String()
		if m.Contained {
			d.State = "contained"
		}
	}
	if a, ok := c.After.(workspace.Assignment); ok {
		d.Access, d.Ring = a.Access.String(), a.Ring
	}
	if c.Kind == workspace.MemberUpdate {
		for _, m := range workspace.Modify(c) {
			d.Attributes = append(d.Attributes, m.Attr)
		}
	}
	if leaverEvents[name] {
		d.Sessions = "end_all"
	}
	return d
}
