package sync

import (
	"context"
	"slices"

	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// bootstrapOwners makes the Owners that the configuration names: at the first
// start all of them, the first one primary; later those who are new in the
// list, which is how an operator helps a workspace whose Owners are all
// contained (CO3). It is the one change that no role allows: the person who
// writes the configuration owns the installation. Break-glass Owners are
// marked here too.
func (e *Engine) bootstrapOwners(ctx context.Context, s *space, fresh bool) error {
	b := Batch{Workspace: s.cfg.ID, Kind: RunConfig, Trigger: "start", Channel: workspace.ChannelCLI, SeenAt: e.now()}
	return s.h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		u, err := e.newUnit(s, Connection{}, tx, b)
		if err != nil {
			return err
		}
		u.actor = workspace.Actor{Kind: workspace.ActorSystem, ID: "configuration", Label: "configuration", Role: workspace.RoleOwner, Channel: workspace.ChannelCLI}
		for i, email := range s.cfg.Owners {
			if err := u.planOwner(email, fresh && i == 0); err != nil {
				return err
			}
		}
		if len(u.plan) == 0 {
			return nil
		}
		if err := u.decide(); err != nil {
			return err
		}
		if err := u.apply(); err != nil {
			return err
		}
		return u.record()
	})
}

// planOwner plans one configured Owner. Who is a member already is left as
// they are: the configuration makes Owners, it does not keep them.
func (u *unit) planOwner(email string, primary bool) error {
	key := emailKey(email)
	found, err := u.memberByEmail(key)
	if err != nil || found != nil {
		return err
	}
	m := workspace.Member{
		ID: newID(), Name: email, Email: email, EmailKey: key, Role: workspace.RoleOwner, RoleSource: workspace.SourceOwners,
		State: workspace.StateActive, Primary: primary, Epoch: 1, Version: 1, JoinedAt: u.now, BreakGlass: u.s.breakGlass(key),
	}
	p := &person{member: &m, key: "member:" + m.ID}
	c := workspace.Change{
		Kind: workspace.MemberCreate, Subject: memberRef(m), Member: m.ID, After: m,
		Cause: workspace.Cause{Kind: workspace.CauseEdit, Support: byManual, ReasonClass: "new_hire"},
	}
	u.add(planned{
		Change: c, subject: p.key, person: p.key,
		ruling: &workspace.Decision{Verdict: workspace.Allow, Row: "M13", Rule: "config.owners", Reason: "The configuration names " + email + " as an Owner."},
		then: []effect{
			u.support(p, mapping.GrantMember, "", byManual, "", ""),
			u.support(p, mapping.GrantRole, "", byManual, workspace.RoleOwner.String(), ""),
		},
	})
	return nil
}

// breakGlass reports whether the policy names an address as a break-glass
// Owner (O5).
func (s *space) breakGlass(key string) bool {
	return slices.ContainsFunc(s.policy.BreakGlass, func(a string) bool { return emailKey(a) == key })
}
