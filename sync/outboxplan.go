package sync

import (
	"strings"

	"github.com/rollcall-sync/rollcall/store"
)

// closeHold writes a hold that is no longer open; the unit's events tell it.
func (u *unit) closeHold(h store.HoldRow) error {
	u.restates(h.Subject)
	for i := range u.decided {
		if u.decided[i].ID == h.ID {
			u.decided[i] = h
			return u.tx.PutHold(h)
		}
	}
	u.decided = append(u.decided, h)
	return u.tx.PutHold(h)
}

// holdEvents tells of plans that wait from now on, and of those that wait no
// longer.
func (u *unit) holdEvents() []outgoing {
	var out []outgoing
	for i := range u.opened {
		if h := &u.opened[i]; h.fresh {
			out = append(out, u.holdEvent("change.held", &h.row))
		}
	}
	for i := range u.decided {
		out = append(out, u.holdEvent("change.decided", &u.decided[i]))
	}
	return out
}

// holdEvent is about the member whom a plan is about, if there is one; else
// about the connection that wants it, or the person who does.
func (u *unit) holdEvent(name string, h *store.HoldRow) outgoing {
	o := outgoing{name: name, data: EventData{Hold: h.ID, PlanHash: h.PlanHash, Cause: EventCause{Connection: h.Connection}}}
	if name == "change.decided" {
		o.data.Decision, o.data.By = h.State, h.DecidedBy
	}
	kind, id, _ := strings.Cut(h.Subject, ":")
	switch {
	case (kind == "member" || kind == "edit") && u.view.Members[id] != nil:
		o.kind, o.id, o.data.Member = "member", id, id
	case h.Connection != "":
		o.kind, o.id = "connection", h.Connection
	default:
		o.kind, o.id = "member", u.answerable()
	}
	return o
}

// runEvent tells that a poll has ended.
func (u *unit) runEvent() outgoing {
	return outgoing{kind: "connection", id: u.conn.ID, name: "run.finished", data: EventData{
		Run:   &EventRun{ID: u.run, Kind: u.b.Kind, State: orElse(u.finished.State, "done"), Complete: u.finished.Complete, Counts: u.finished.Counts},
		Cause: EventCause{Connection: u.conn.ID},
	}}
}
