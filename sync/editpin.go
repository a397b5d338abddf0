package sync

import "github.com/rollcall-sync/rollcall/workspace"

// roleRow is the row that a person needs to touch a member's role.
func (u *unit) roleRow(p *person) workspace.Permission {
	if p.member.Role == workspace.RoleOwner {
		return workspace.OwnerChange
	}
	return workspace.MemberRoles
}

// pinOnly pins, or lifts the pin of, what somebody has already. It changes
// nothing now, but decides what a directory may take later, so it needs the
// row that giving it would need; nobody pins their own role (SELF). Change is
// what a refusal reports.
func (u *unit) pinOnly(p *person, change workspace.Change, row workspace.Permission, n *workspace.Number, then effect) {
	d := workspace.Ask(workspace.Question{Who: u.view.Members[u.actor.ID], Row: row, Number: n, Channel: u.actor.Channel, Policy: u.s.policy})
	if d.Verdict == workspace.Allow && change.Kind == workspace.MemberRole && p.member.ID == u.actor.ID {
		d = workspace.Decision{
			Verdict: workspace.Deny, Row: row, Rule: workspace.ScopeSelf,
			Reason: "Nobody pins their own role.", Remedy: "Another Admin or Owner sets the role of " + p.member.Email + ".",
		}
	}
	if d.Verdict != workspace.Allow {
		u.add(planned{Change: change, subject: p.key, person: p.key, ruling: &d})
		return
	}
	u.always(p, then)
}
