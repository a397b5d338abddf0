package sync

import (
	"slices"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Event is the payload of an outbox row: thin, ids and states only (WH2).
type Event struct {
	Type      string           `json:"type"`
	Timestamp workspace.Micros `json:"timestamp"`
	Data      EventData        `json:"data"`
}

// EventData is what an event says of its subject. Which fields are there
// depends on the type; docs/events.md lists them.
type EventData struct {
	Workspace string `json:"workspace"`
	Member    string `json:"member,omitempty" doc:"member id"`
	Number    string `json:"number,omitempty" doc:"E.164"`
	Group     string `json:"group,omitempty" doc:"group id"`
	Other     string `json:"subject,omitempty" doc:"id of the invitation, session or domain"`
	Seq       int64  `json:"seq" doc:"place in the line of its subject, from 1 without gaps"`
	Epoch     int64  `json:"epoch,omitempty" doc:"session epoch: sessions of a lower one have ended"`
	Version   int64  `json:"version,omitempty"`
	State     string `json:"state,omitempty" doc:"of the member (active, contained, deactivated, removed) or the domain"`
	Role      string `json:"role,omitempty"`
	Access    string `json:"access,omitempty"`
	Owner     *bool  `json:"owner,omitempty" doc:"owns the number from now on, or no longer"`
	Ring      int    `json:"ring,omitempty" doc:"place in the ring order, from 1; absent for who does not ring"`
	Sessions  string `json:"sessions,omitempty" doc:"end_all on what ends access"`
	// Numbers and GroupsLeft are what a leaver loses; More tells that there
	// are more than an event has room for (WH1), so the receiver reads them.
	Numbers    []LostNumber `json:"numbers,omitempty" doc:"what a leaver had"`
	GroupsLeft []string     `json:"groups_left,omitempty" doc:"group ids"`
	More       bool         `json:"more,omitempty" doc:"there are more numbers or groups: read the member"`
	// Contacts is what a leaver loses of what is not ours to keep (R24, LT9).
	Contacts *LostContacts `json:"contacts,omitempty"`
	// From, Answers, Strategy and Until tell who answers a leaver's number.
	From     string            `json:"from,omitempty" doc:"the leaver"`
	Answers  *Answerer         `json:"answers,omitempty"`
	Strategy string            `json:"strategy,omitempty" doc:"link of the handover chain"`
	Until    *workspace.Micros `json:"until,omitempty" doc:"end of the reservation for a return"`
	// Hold, PlanHash, Decision and By tell of a plan that waits or was decided.
	Hold     string        `json:"hold,omitempty"`
	PlanHash string        `json:"plan_hash,omitempty"`
	Decision string        `json:"decision,omitempty" doc:"approved, rejected, expired or withdrawn"`
	By       string        `json:"by,omitempty" doc:"member id, or system"`
	Finding  *EventFinding `json:"finding,omitempty"`
	Run      *EventRun     `json:"run,omitempty"`
	// Attributes are the names of what an update changed, never its values.
	Attributes []string   `json:"attributes,omitempty" doc:"names of what changed"`
	Cause      EventCause `json:"cause"`
}

// EventCause tells where a change came from. Connection and Class (E1, E2, E3)
// are empty for what a person did.
type EventCause struct {
	Connection string `json:"connection,omitempty"`
	Class      string `json:"class,omitempty"`
	Run        string `json:"run"`
	Change     string `json:"change,omitempty"`
}

// LostNumber is one number of a leaver: how they had it, and what is with it
// now.
type LostNumber struct {
	Number string `json:"number"`
	// Was is exclusive, shared, view_only, or owner of a number that they did
	// not answer.
	Was string `json:"was"`
	// Now is reserved (for a return), handed_over, quarantined, or left: others
	// answer it as before.
	Now     string            `json:"now"`
	Answers *Answerer         `json:"answers,omitempty"`
	Until   *workspace.Micros `json:"until,omitempty"` // end of the reservation
}

// Answerer is who answers a number: one of the two.
type Answerer struct {
	Member string `json:"member,omitempty"`
	Group  string `json:"group,omitempty"`
}

// EventFinding names a finding; what it says stands in the reports.
type EventFinding struct {
	ID       string `json:"id"`
	Code     string `json:"code"`
	Severity string `json:"severity"`
}

// EventRun is how a poll ended.
type EventRun struct {
	ID       string  `json:"id"`
	Kind     RunKind `json:"kind"`
	State    string  `json:"state"`
	Complete bool    `json:"complete"`
	Counts   Counts  `json:"counts"`
}

// The most that an event of a leaver names: with them it stays below the
// 64 KiB of a webhook (WH1), and so can always be delivered.
const (
	maxLostNumbers = 200
	maxGroupsLeft  = 300
)

func (u *unit) eventData(c *workspace.Change, name string) EventData {
	d := EventData{
		Member: c.Member,
		Cause:  EventCause{Connection: c.Cause.Connection, Class: string(c.Cause.Class), Change: c.ID},
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
	if claim, ok := c.After.(workspace.DomainClaim); ok {
		d.State = string(claim.State)
	}
	if a, ok := c.After.(workspace.Assignment); ok {
		d.Access, d.Ring = a.Access.String(), u.ringOf(c.Subject.ID, a)
	}
	if c.Kind == workspace.NumberOwner {
		owns := c.After != nil
		d.Owner = &owns
	}
	if name == "member.updated" {
		for _, m := range workspace.Modify(*c) {
			d.Attributes = append(d.Attributes, m.Attr)
		}
	}
	return d
}

// ringOf is the place in a number's ring order that an assignment has after
// the unit; 0 for who does not ring. The change itself was planned before the
// order was closed (R13).
func (u *unit) ringOf(number string, a workspace.Assignment) int {
	if n := u.view.Numbers[number]; n != nil {
		for i := range n.Assignments {
			if n.Assignments[i].Kind == a.Kind && n.Assignments[i].To == a.To {
				return n.Assignments[i].Ring
			}
		}
	}
	return a.Ring
}

// tailOf gives the applied changes of a leaver's tail.
func (u *unit) tailOf(leaver string, all []recorded) []*workspace.Change {
	var out []*workspace.Change
	for i := range all {
		c := &u.plan[all[i].index].Change
		if c.Cause.Tail && c.Cause.Leaver == leaver && all[i].report.Outcome == "applied" {
			out = append(out, c)
		}
	}
	return out
}

// tellLosses adds what a leaver loses to the event of the cut.
func (u *unit) tellLosses(leaver string, all []recorded, d *EventData) {
	lost := map[string]*LostNumber{}
	var order []string
	tail := u.tailOf(leaver, all)
	for _, c := range tail {
		switch before := c.Before.(type) {
		case workspace.Assignment:
			if c.Kind == workspace.NumberUnassign && before.To == leaver {
				lost[c.Subject.ID] = &LostNumber{Number: c.Subject.Label, Was: before.Access.String(), Now: "left"}
				order = append(order, c.Subject.ID)
			}
		case workspace.Ownership:
			if before.Member == leaver && lost[c.Subject.ID] == nil {
				lost[c.Subject.ID] = &LostNumber{Number: c.Subject.Label, Was: "owner", Now: "left"}
				order = append(order, c.Subject.ID)
			}
		case workspace.GroupMembership:
			d.GroupsLeft = append(d.GroupsLeft, before.Group)
		}
	}
	for _, c := range tail {
		if n := lost[c.Subject.ID]; n != nil {
			n.follow(c)
		}
	}
	d.Contacts = lostContacts(leaver, tail)
	d.More = len(order) > maxLostNumbers || len(d.GroupsLeft) > maxGroupsLeft
	d.GroupsLeft = d.GroupsLeft[:min(len(d.GroupsLeft), maxGroupsLeft)]
	for _, id := range order[:min(len(order), maxLostNumbers)] {
		d.Numbers = append(d.Numbers, *lost[id])
	}
}

// lostContacts counts the numbers whose contacts a leaver no longer reads: who
// loses a number loses its contacts (R24, R25). Contacts are the product's: we
// carry none, and tell it what becomes of them.
func lostContacts(leaver string, tail []*workspace.Change) *LostContacts {
	lost := LostContacts{Private: "escrow"}
	for _, c := range tail {
		if a, ok := c.Before.(workspace.Assignment); ok && c.Kind == workspace.NumberUnassign && a.To == leaver {
			lost.Numbers++
		}
	}
	return &lost
}

// follow notes what one change of the tail makes of the number.
func (n *LostNumber) follow(c *workspace.Change) {
	switch after := c.After.(type) {
	case workspace.Reservation:
		n.Now, n.Until = "reserved", &after.Until
	case workspace.Number:
		if after.State == workspace.NumberQuarantined && n.Now != "reserved" {
			n.Now = "quarantined"
		}
	default:
		to := heirOf(c)
		if to == nil {
			return
		}
		if n.Answers == nil {
			n.Answers = to
		}
		if n.Now == "left" {
			n.Now = "handed_over"
		}
	}
}

// heirOf is who gets something by a change of a leaver's tail, nil if nobody
// does.
func heirOf(c *workspace.Change) *Answerer {
	switch after := c.After.(type) {
	case workspace.Assignment:
		if after.Kind == workspace.ToGroup {
			return &Answerer{Group: after.To}
		}
		return &Answerer{Member: after.To}
	case workspace.Ownership:
		return &Answerer{Member: after.Member}
	}
	return nil
}

// handoverEvents tells each number whom it has gone to, once for each leaver:
// in the number's own line, beside what its new holders are told.
func (u *unit) handoverEvents(all []recorded) []outgoing {
	var out []outgoing
	told := map[[2]string]bool{}
	for i := range all {
		c := &u.plan[all[i].index].Change
		key := [2]string{c.Cause.Leaver, c.Subject.ID}
		if !c.Cause.Tail || c.Subject.Type != "number" || c.Cause.Source == "" || all[i].report.Outcome != "applied" || told[key] {
			continue
		}
		to := heirOf(c)
		if n, ok := c.After.(workspace.Number); to == nil && (!ok || n.State != workspace.NumberQuarantined) {
			continue
		}
		told[key] = true
		d := u.eventData(c, "number.handed_over")
		d.Member, d.Epoch, d.Version, d.State, d.Role, d.Ring = "", 0, 0, "", "", 0
		d.From, d.Answers, d.Strategy = c.Cause.Leaver, to, c.Cause.Source
		if n := u.view.Numbers[c.Subject.ID]; n != nil {
			if at := slices.IndexFunc(n.Reservations, func(r workspace.Reservation) bool { return r.For == c.Cause.Leaver }); at >= 0 {
				d.Until = &n.Reservations[at].Until
			}
		}
		out = append(out, outgoing{kind: "number", id: c.Subject.ID, name: "number.handed_over", data: d})
	}
	return out
}

// formerOwners tells of the other side of a transfer: who was the primary Owner
// has another role now.
func (u *unit) formerOwners(all []recorded) []outgoing {
	var out []outgoing
	for i := range all {
		c := &u.plan[all[i].index].Change
		former, ok := c.Before.(workspace.Member)
		if c.Kind != workspace.OwnerTransfer || !ok || all[i].report.Outcome != "applied" {
			continue
		}
		told := *c
		told.Member, told.Subject = former.ID, memberRef(former)
		out = append(out, outgoing{kind: "member", id: former.ID, name: "member.role_changed", data: u.eventData(&told, "member.role_changed")})
	}
	return out
}
