package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

type invitationsCmd struct {
	List   invitationListCmd   `cmd:"" default:"withargs" help:"List invitations, newest first (the default)."`
	Show   invitationShowCmd   `cmd:"" help:"Show one invitation."`
	Send   invitationSendCmd   `cmd:"" help:"Invite somebody; prints the link's secret, once."`
	Revoke invitationRevokeCmd `cmd:"" help:"Take a pending invitation back."`
}

// invitationView is an invitation in JSON (the contract of architecture.md).
type invitationView struct {
	ID        string           `json:"id"`
	Email     string           `json:"email"`
	Role      string           `json:"role"`
	State     string           `json:"state"`
	Numbers   []string         `json:"numbers"`
	Held      bool             `json:"held"`
	CreatedAt workspace.Micros `json:"created_at"`
	ExpiresAt workspace.Micros `json:"expires_at"`
}

// invitations reads invitations with their numbers in E.164 form.
func (s *session) invitations(ctx context.Context, state string) (views []invitationView, err error) {
	views = []invitationView{}
	err = s.view(ctx, func(r *store.Reader) error {
		list, err := r.Invitations(state, 0)
		if err != nil {
			return err
		}
		for i := range list {
			inv := &list[i]
			v := invitationView{
				ID: inv.ID, Email: inv.Email, Role: inv.Role.String(), State: string(inv.State), Numbers: []string{},
				Held: inv.Held, CreatedAt: inv.CreatedAt, ExpiresAt: inv.ExpiresAt,
			}
			for _, id := range inv.Numbers {
				n, err := r.Number(id)
				if err != nil {
					return fmt.Errorf("number of invitation %s: %w", inv.ID, err)
				}
				v.Numbers = append(v.Numbers, n.E164)
			}
			views = append(views, v)
		}
		return nil
	})
	return views, err
}

type invitationListCmd struct {
	workspaceFlag
	formatFlag
	State string `help:"Only this state: pending, accepted, expired or revoked." enum:"pending,accepted,expired,revoked," default:""`
}

// Help is shown by --help.
func (invitationListCmd) Help() string {
	return "Example:\n  rollcall invitations list --state pending"
}

// Run lists invitations.
func (c *invitationListCmd) Run(ctx context.Context, env *environment) (err error) {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	views, err := s.invitations(ctx, c.State)
	if err != nil {
		return err
	}
	l := listing{
		items: views, header: []string{"email", "role", "state", "numbers", "expires", "id"},
		none: "no invitations; send one with: rollcall invitations send EMAIL --as YOU",
	}
	for i := range views {
		v := &views[i]
		l.rows = append(l.rows, []string{v.Email, v.Role, v.state(), strings.Join(v.Numbers, "; "), stamp(v.ExpiresAt), v.ID})
	}
	return l.write(env.out, c.Format)
}

// state adds that an invitation waits for a person.
func (v *invitationView) state() string {
	if v.Held {
		return v.State + ", held"
	}
	return v.State
}

type invitationShowCmd struct {
	workspaceFlag
	Invitation string `arg:"" help:"Address or id; of several the newest."`
	Format     string `help:"Output: ${enum}." enum:"text,json" default:"text"`
}

// Help is shown by --help.
func (invitationShowCmd) Help() string { return "Example:\n  rollcall invitations show eve@acme.com" }

// Run shows one invitation.
func (c *invitationShowCmd) Run(ctx context.Context, env *environment) (err error) {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	views, err := s.invitations(ctx, "")
	if err != nil {
		return err
	}
	for i := range views {
		v := &views[i]
		if v.ID != c.Invitation && !strings.EqualFold(v.Email, c.Invitation) {
			continue
		}
		if c.Format == "json" {
			return writeJSON(env.out, v)
		}
		return writeFields(env.out, [][2]string{
			{"email", v.Email},
			{"role", v.Role},
			{"state", v.state()},
			{"numbers", strings.Join(v.Numbers, "; ")},
			{"sent", stamp(v.CreatedAt)},
			{"expires", stamp(v.ExpiresAt)},
			{"id", v.ID},
		})
	}
	return fmt.Errorf("no invitation %q\ndo: see rollcall invitations list", c.Invitation)
}

type invitationSendCmd struct {
	workspaceFlag
	asFlag
	Email   string   `arg:"" help:"Whom to invite."`
	Role    string   `help:"Role on arrival: ${enum}." enum:"member,admin" default:"member"`
	Numbers []string `help:"Numbers given in advance." placeholder:"E164"`
	Reason  string   `help:"Why; needed for somebody whose access was ended once."`
	DryRun  bool     `help:"Only say what would happen."`
}

// Help is shown by --help.
func (invitationSendCmd) Help() string {
	return "Example:\n  rollcall invitations send eve@acme.com --as ann@acme.com --numbers +4722000001"
}

// Run invites.
func (c *invitationSendCmd) Run(ctx context.Context, env *environment) error {
	role, err := workspace.ParseRole(c.Role)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	edit := sync.Edit{Kind: sync.EditInvite, Email: c.Email, Role: role, Numbers: c.Numbers, Reason: c.Reason}
	return c.edit(ctx, env, c.asFlag, c.DryRun, edit)
}

type invitationRevokeCmd struct {
	workspaceFlag
	asFlag
	Email  string `arg:"" help:"Whose pending invitation."`
	Reason string `help:"Why."`
	DryRun bool   `help:"Only say what would happen."`
}

// Help is shown by --help.
func (invitationRevokeCmd) Help() string {
	return "Example:\n  rollcall invitations revoke eve@acme.com --as ann@acme.com"
}

// Run takes an invitation back.
func (c *invitationRevokeCmd) Run(ctx context.Context, env *environment) error {
	return c.edit(ctx, env, c.asFlag, c.DryRun, sync.Edit{Kind: sync.EditRevoke, Email: c.Email, Reason: c.Reason})
}
