package sync

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Succession (O4): up to three successors, whose naming counts for 180 days.
const (
	maxSuccessors  = 3
	successorsGood = workspace.Micros(180 * 24 * 60 * 60 * 1_000_000)
)

// planSuccessors names those who are to follow the primary Owner, in order;
// naming them again confirms them.
func (u *unit) planSuccessors(e *Edit) error {
	var primary *workspace.Member
	for i := range u.owners {
		if u.owners[i].Primary {
			primary = u.view.Members[u.owners[i].ID]
		}
	}
	if primary == nil {
		return &EditError{Field: "as", Reason: "the workspace has no primary Owner", Remedy: "add one to owners: in the configuration"}
	}
	if len(e.Successors) > maxSuccessors {
		return &EditError{Field: "successors", Reason: fmt.Sprintf("%d are named, at most %d may be", len(e.Successors), maxSuccessors), Remedy: "name fewer"}
	}
	var ids, labels []string
	for _, name := range e.Successors {
		m, err := u.findIn("successors", name)
		if err != nil {
			return err
		}
		if !m.Usable() || m.ID == primary.ID || slices.Contains(ids, m.ID) {
			return &EditError{Field: "successors", Reason: m.Email + " is not active, is the primary Owner or is named twice", Remedy: "name other active members"}
		}
		ids, labels = append(ids, m.ID), append(labels, m.Email)
	}
	c := u.editCause(e, "role_change")
	c.Note = strings.TrimSpace("successors: " + orElse(strings.Join(labels, ", "), "nobody") + ". " + e.Reason)
	ruling := &workspace.Decision{Verdict: workspace.Allow, Row: workspace.OwnerChange, Rule: "O4", Reason: "The primary Owner names who is to follow."}
	if u.actor.ID != primary.ID {
		ruling = &workspace.Decision{
			Verdict: workspace.Deny, Row: workspace.OwnerChange, Rule: "O4",
			Reason: "Only the primary Owner names successors (row M13 'Add/remove other owners'); " + u.actor.Label + " is not that.",
			Remedy: "Ask " + primary.Email + ".",
		}
	}
	u.add(planned{
		Change: workspace.Change{Kind: workspace.OwnerSuccessors, Subject: memberRef(*primary), Member: primary.ID, Cause: c},
		person: "member:" + primary.ID, ruling: ruling,
		then: []effect{func(tx *store.Tx) error { return tx.PutSuccessors(primary.ID, ids, u.now) }},
	})
	return nil
}

// planSuccession moves primary ownership within a leaver's plan, to the first
// successor who is active and stays (CO4). Who may not take an Owner moves
// nothing: the Owner is contained then.
func (u *unit) planSuccession(p *person, c workspace.Cause) error {
	m := p.member
	if !m.Primary || m.BreakGlass || c.Kind == workspace.CauseEdit || u.actor.Role < workspace.RoleOwner {
		return nil
	}
	named, err := u.tx.Successors(m.ID)
	if err != nil {
		return err
	}
	for _, s := range named {
		if s.ConfirmedAt+successorsGood <= u.now {
			continue
		}
		next, err := u.member(s.Member)
		if errors.Is(err, workspace.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if !next.Usable() || u.leaves(next.ID) {
			continue
		}
		after := *next
		after.Role, after.Primary, after.RoleSource = workspace.RoleOwner, true, byManual
		c := c
		c.Kind, c.Leaver, c.Direct, c.Source = workspace.CauseLeaver, m.ID, false, "succession"
		u.addFor(p, workspace.Change{Kind: workspace.OwnerTransfer, Subject: memberRef(*next), Member: next.ID, Before: *m, After: after, Cause: c},
			putRow(store.SupportRow{
				Member: next.ID, Kind: string(mapping.GrantRole), By: byManual, Value: workspace.RoleOwner.String(), Source: "named as successor (O4)",
				Run: u.run, Author: m.ID, Since: u.now, Confirmed: u.now,
			}),
			func(tx *store.Tx) error { return tx.PutSuccessors(m.ID, nil, u.now) },
			u.responsor(next.ID))
		return nil
	}
	return nil
}

// responsor makes the new primary Owner the sponsor of the connections that
// name none: they act for the primary Owner.
func (u *unit) responsor(primary string) effect {
	return func(tx *store.Tx) error {
		for _, c := range u.s.cfg.Connections {
			if c.Sponsor != "" {
				continue
			}
			row, err := tx.Connection(c.ID)
			if err != nil {
				return err
			}
			row.Sponsor = primary
			if err := tx.PutConnection(row); err != nil {
				return err
			}
		}
		return nil
	}
}

// primaryAfter is who is the primary Owner when this plan is applied, "" for
// nobody.
func (u *unit) primaryAfter() string {
	for i := range u.plan {
		if u.plan[i].succeeds() {
			return u.plan[i].Member
		}
	}
	for i := range u.owners {
		if u.owners[i].Primary {
			return u.owners[i].ID
		}
	}
	return ""
}

// succeeds reports whether a planned change is the succession of a leaver.
func (p *planned) succeeds() bool {
	return p.Kind == workspace.OwnerTransfer && p.Cause.Kind == workspace.CauseLeaver
}
