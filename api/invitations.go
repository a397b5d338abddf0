package api

import (
	"net/http"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// foldEmail is the key by which addresses are equal (I6).
func foldEmail(address string) string { return fold.Email(address) }

// invitationView is an invitation without its secret.
type invitationView struct {
	ID        string           `json:"id"`
	Email     string           `json:"email"`
	Role      string           `json:"role" enum:"owner,admin,member"`
	State     string           `json:"state" enum:"pending,accepted,expired,revoked"`
	Held      bool             `json:"held" doc:"the inviter has left: it waits for a person"`
	Inviter   string           `json:"inviter" doc:"member id"`
	Numbers   []string         `json:"numbers" doc:"E.164, given in advance"`
	CreatedAt workspace.Micros `json:"created_at"`
	ExpiresAt workspace.Micros `json:"expires_at"`
	Secret    string           `json:"secret,omitempty" doc:"of the link; shown when it is made, never again"`
}

func viewInvitation(r *store.Reader, i *workspace.Invitation) (invitationView, error) {
	v := invitationView{
		ID: i.ID, Email: i.Email, Role: i.Role.String(), State: string(i.State), Held: i.Held, Inviter: i.Inviter, Numbers: []string{},
		CreatedAt: i.CreatedAt, ExpiresAt: i.ExpiresAt,
	}
	for _, id := range i.Numbers {
		n, err := r.Number(id)
		if err != nil {
			return v, err
		}
		v.Numbers = append(v.Numbers, n.E164)
	}
	return v, nil
}

func readInvitation(r *store.Reader, id string) (invitationView, error) {
	i, err := r.InvitationByID(id)
	if err != nil {
		return invitationView{}, err
	}
	return viewInvitation(r, &i)
}

func listInvitations(x *exchange) (*reply, error) {
	return listed(x, func(r *store.Reader, after string, limit int) ([]workspace.Invitation, error) {
		return r.InvitationsPage(x.query.Get("state"), after, limit)
	}, func(i workspace.Invitation) string { return i.ID },
		func(r *store.Reader, i workspace.Invitation) (invitationView, error) { return viewInvitation(r, &i) })
}

func getInvitation(x *exchange) (*reply, error) {
	return one(x, func(r *store.Reader) (invitationView, error) { return readInvitation(r, x.path["id"]) })
}

type inviteBody struct {
	Email   string   `json:"email" required:"true" max:"320"`
	Role    string   `json:"role" enum:"owner,admin,member" doc:"member if left out"`
	Numbers []string `json:"numbers" max:"50" doc:"ids or E.164, given in advance; a Member gives only numbers they own"`
	Reason  string   `json:"reason" doc:"needed to invite somebody whose access was ended"`
}

func invite(x *exchange, b *inviteBody) (*reply, error) {
	role := workspace.RoleMember
	if b.Role != "" {
		var err error
		if role, err = workspace.ParseRole(b.Role); err != nil {
			return nil, invalid(header("/role", err.Error(), "use owner, admin or member"))
		}
	}
	return x.edit(change{
		edits: []sync.Edit{{Kind: sync.EditInvite, Email: b.Email, Role: role, Numbers: b.Numbers, Reason: b.Reason}},
		answer: func(r *store.Reader, res sync.Result) (*reply, error) {
			v, err := readInvitation(r, subjectOf(&res, workspace.InvitationSend))
			if err != nil {
				return nil, err
			}
			v.Secret = res.InvitationSecret
			return created("/v1/invitations/"+v.ID, v)
		},
	})
}

// editInvitation puts an edit of the invitation in the path before the engine.
func editInvitation(x *exchange, e sync.Edit) (*reply, error) {
	id := x.path["id"]
	e.Invitation = id
	return x.edit(change{
		edits:  []sync.Edit{e},
		target: func(r *store.Reader) (any, error) { return readInvitation(r, id) },
		answer: func(r *store.Reader, res sync.Result) (*reply, error) {
			v, err := readInvitation(r, id)
			if err != nil {
				return nil, err
			}
			// The validator is that of the invitation as others read it.
			a, err := resource(http.StatusOK, v)
			if err != nil || res.InvitationSecret == "" {
				return a, err
			}
			v.Secret = res.InvitationSecret
			a.Body, err = encode(v)
			return a, err
		},
	})
}

func revokeInvitation(x *exchange, b *noteBody) (*reply, error) {
	return editInvitation(x, sync.Edit{Kind: sync.EditRevoke, Reason: b.Note})
}

func resendInvitation(x *exchange, b *noteBody) (*reply, error) {
	return editInvitation(x, sync.Edit{Kind: sync.EditResend, Reason: b.Note})
}

type acceptBody struct {
	Secret string `json:"secret" required:"true" max:"200" doc:"from the link"`
	Email  string `json:"email" required:"true" max:"320" doc:"the invited address, proved by the mail that brought the link"`
	Name   string `json:"name" max:"255"`
}

func acceptInvitation(x *exchange, b *acceptBody) (*reply, error) {
	id := x.path["id"]
	return x.edit(change{
		edits:  []sync.Edit{{Kind: sync.EditAccept, Invitation: id, Proof: sync.SecretProof(b.Secret), Email: b.Email, Name: b.Name}},
		parts:  true, // a number that was lost meanwhile keeps nobody out
		target: func(r *store.Reader) (any, error) { return readInvitation(r, id) },
		answer: func(r *store.Reader, res sync.Result) (*reply, error) {
			m, err := readMember(r, subjectOf(&res, workspace.MemberCreate, workspace.MemberReactivate))
			if err != nil {
				return nil, err
			}
			return created("/v1/members/"+m.ID, m)
		},
	})
}
