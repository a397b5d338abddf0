package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// EditKind is what a person wants to change by hand.
type EditKind string

// The kinds of edit. Each goes through plan, check, apply and report like
// everything else, with the person as the actor.
const (
	EditRole       EditKind = "member.role"
	EditUnpin      EditKind = "member.unpin" // lift a role set by hand
	EditDeactivate EditKind = "member.deactivate"
	EditReactivate EditKind = "member.reactivate"
	EditRemove     EditKind = "member.remove"
	EditSessions   EditKind = "member.sessions"
	EditAssign     EditKind = "number.assign"
	EditUnassign   EditKind = "number.unassign"
	EditOwn        EditKind = "number.own"
	EditDisown     EditKind = "number.disown"
	EditImport     EditKind = "number.import"
	EditGroupNew   EditKind = "group.create"
	EditRename     EditKind = "group.rename"
	EditGroupDrop  EditKind = "group.delete"
	EditJoin       EditKind = "group.join"
	EditLeave      EditKind = "group.leave"
	EditInvite     EditKind = "invitation.send"
	EditRevoke     EditKind = "invitation.revoke"
	EditTransfer   EditKind = "owner.transfer"
	EditSuccessors EditKind = "owner.successors"
	EditProfile    EditKind = "member.update"
	EditSettings   EditKind = "number.update"
	EditRing       EditKind = "number.ring"
	EditAccept     EditKind = "invitation.accept"
	EditResend     EditKind = "invitation.resend"
	EditClaim      EditKind = "domain.claim"
	EditVerify     EditKind = "domain.verify" // by Engine.VerifyDomain alone
	EditRelease    EditKind = "domain.release"
	EditEnter      EditKind = "domain.join" // by Engine.Join alone
)

// Edit is one wish of a person. Which fields count depends on Kind; members
// are named by id or address, groups by id or name, numbers by id or E.164.
type Edit struct {
	Kind     EditKind         `json:"kind"`
	Member   string           `json:"member,omitempty"`
	Number   string           `json:"number,omitempty"`
	Group    string           `json:"group,omitempty"`
	Name     string           `json:"name,omitempty"`
	Email    string           `json:"email,omitempty"`
	Role     workspace.Role   `json:"role,omitempty"`
	Access   workspace.Access `json:"access,omitempty"`
	Numbers  []string         `json:"numbers,omitempty"`  // invitation: given in advance
	Handover string           `json:"handover,omitempty"` // leaver: who takes the numbers
	Until    time.Time        `json:"until,omitzero"`     // temporary access, pin or exception ends
	Reason   string           `json:"reason,omitempty"`
	Import   *NumberImport    `json:"import,omitempty"`
	Profile  *Profile         `json:"profile,omitempty"`
	// Successors are members who are to follow the primary Owner, first to last.
	Successors []string `json:"successors,omitempty"`
	// Order is a ring order: ids of members and groups, first to last.
	Order []string `json:"order,omitempty"`
	// Invitation is an invitation's id; Proof the hex SHA-256 of its secret.
	Invitation string `json:"invitation,omitempty"`
	Proof      string `json:"proof,omitempty"`
	// Domain is a domain's name, and Found what a look into DNS has shown.
	Domain string   `json:"domain,omitempty"`
	Found  *Finding `json:"found,omitempty"`
	// Enter is what a person brings who joins by a claimed domain.
	Enter *Entry `json:"enter,omitempty"`
}

// Profile is what changes of a member's profile; nil stays as it is.
type Profile struct {
	Name   *string    `json:"name,omitempty"`
	Reason *string    `json:"reason,omitempty"`     // business reason
	End    *time.Time `json:"access_end,omitempty"` // the zero time: access does not end
}

// NumberImport is one number of an inventory.
type NumberImport struct {
	E164, Name, Type, Pool, Site string
	Owner                        string // address, "" for none
}

// EditBatch is what one person does in one go: one unit of work.
type EditBatch struct {
	Workspace string
	// As is the person who edits: a member's id or address.
	As      string
	Kind    workspace.ActorKind // member or operator
	Channel workspace.Channel
	Txn     string
	Edits   []Edit
	DryRun  bool
	// Trigger is what set the edit off; "" is operator.
	Trigger string
	// TokenID, IP and UserAgent tell reports where it came from.
	TokenID, IP, UserAgent string
	// Whole: what is denied or held takes the rest of the batch with it, but
	// for what only follows from somebody leaving.
	Whole bool
	// Before, when set, runs in the unit's transaction before anything is
	// planned; its error ends the unit. Rows that it reads with Member, Number
	// or InvitationByID are locked: what it finds still holds when the edits
	// are applied.
	Before func(r *store.Reader) error
	Once   Once
}

// EditError is a wish that cannot be planned: it names something that does
// not exist, or makes no sense.
type EditError struct {
	Index  int // place in the batch, from 0
	Field  string
	Reason string
	Remedy string
	// Settled: the wish makes sense, but not for the state that things are in.
	Settled bool
}

func (e *EditError) Error() string { return fmt.Sprintf("%s: %s; %s", e.Field, e.Reason, e.Remedy) }

// Edit runs a person's edits through the engine as one unit of work.
func (e *Engine) Edit(ctx context.Context, b EditBatch) (Result, error) {
	s, _, err := e.space(b.Workspace, "")
	if err != nil {
		return Result{}, err
	}
	var res Result
	err = e.raced(func() error {
		return s.h.Update(ctx, store.UnitOptions{DryRun: b.DryRun, Urgent: true}, func(tx *store.Tx) error {
			if err := b.Once.done(tx, e.now()); err != nil {
				return err
			}
			if b.Before != nil {
				if err := b.Before(&tx.Reader); err != nil {
					return err
				}
			}
			u, err := e.editUnit(s, tx, b)
			if err != nil {
				return err
			}
			if res, err = u.editAndCommit(b, nil); err != nil {
				return err
			}
			return b.Once.keep(tx, &res, u.now, b.DryRun)
		})
	})
	return res, err
}

// editUnit prepares a unit whose actor is a person.
func (e *Engine) editUnit(s *space, tx *store.Tx, b EditBatch) (*unit, error) {
	u, err := e.newUnit(s, Connection{}, tx, Batch{
		Workspace: b.Workspace, Kind: RunEdit, Trigger: orElse(b.Trigger, "operator"), Channel: b.Channel, Txn: b.Txn, SeenAt: e.now(), DryRun: b.DryRun,
	})
	if err != nil {
		return nil, err
	}
	u.actor, err = u.editActor(b.As, b.Kind, b.Channel, b.Edits)
	u.actor.TokenID, u.actor.IP, u.actor.UserAgent = b.TokenID, b.IP, b.UserAgent
	return u, err
}

// editActor is who edits: a member, or a person who becomes one.
func (u *unit) editActor(as string, kind workspace.ActorKind, channel workspace.Channel, edits []Edit) (workspace.Actor, error) {
	if accepts(edits) || enters(edits) {
		return workspace.Actor{Kind: workspace.ActorMember, Channel: channel}, nil
	}
	return u.personActor(as, kind, channel)
}

// personActor is an active member as an actor, with the role they have now.
func (u *unit) personActor(name string, kind workspace.ActorKind, channel workspace.Channel) (workspace.Actor, error) {
	m, err := u.findIn("as", name)
	if err != nil {
		return workspace.Actor{}, err
	}
	if !m.Usable() {
		return workspace.Actor{}, &EditError{Field: "as", Reason: m.Email + " has no access", Remedy: "act as an active member"}
	}
	if kind == "" {
		kind = workspace.ActorMember
	}
	return workspace.Actor{Kind: kind, ID: m.ID, Label: m.Email, Role: m.Role, Channel: channel}, nil
}

// find gives a member by id or address.
func (u *unit) find(name string) (*workspace.Member, error) { return u.findIn("member", name) }

// findIn is find for another field of a wish than the member it is about.
func (u *unit) findIn(field, name string) (*workspace.Member, error) {
	m, err := u.memberByEmail(emailKey(name))
	if err == nil && m == nil {
		m, err = u.member(name)
	}
	if errors.Is(err, workspace.ErrNotFound) {
		return nil, &EditError{Field: field, Reason: fmt.Sprintf("there is no member %q", name), Remedy: "name somebody of the members list by id or address"}
	}
	return m, err
}

// editAndCommit plans, checks and applies the edits.
func (u *unit) editAndCommit(b EditBatch, approver *workspace.Actor) (Result, error) {
	u.approver = approver
	for i := range b.Edits {
		if err := u.planEdit(&b.Edits[i]); err != nil {
			var bad *EditError
			if errors.As(err, &bad) {
				bad.Index = i
			}
			return Result{}, err
		}
	}
	if err := u.planTails(); err != nil {
		return Result{}, err
	}
	observation, err := json.Marshal(heldEdits{Edits: b.Edits, As: u.actor.ID, Kind: u.actor.Kind, Channel: u.actor.Channel})
	if err != nil {
		return Result{}, err
	}
	subject := "edit:" + u.actor.ID
	switch {
	case accepts(b.Edits):
		subject = "invitation:" + b.Edits[0].Invitation
	case enters(b.Edits):
		subject = joinSubject + emailKey(b.Edits[0].Email)
	}
	for i := range u.plan {
		u.plan[i].observation = observation
		u.plan[i].subject = subject
	}
	if err := u.decide(); err != nil {
		return Result{}, err
	}
	if b.Whole {
		u.wholeOrNothing()
	}
	if err := u.apply(); err != nil {
		return Result{}, err
	}
	if err := u.record(); err != nil {
		return Result{}, err
	}
	return u.result()
}

// wholeOrNothing takes back what passed beside something that did not. What
// follows from somebody leaving stops nobody's removal.
func (u *unit) wholeOrNothing() {
	for i := range u.plan {
		p, o := &u.plan[i], &u.outcomes[i]
		if p.Kind == "" || p.Cause.Tail || p.Cause.Leaver != "" || o.Outcome == "applied" || o.Outcome == "dropped" {
			continue
		}
		for k := range u.outcomes {
			if u.outcomes[k].Outcome == "applied" || u.plan[k].Kind == "" {
				u.outcomes[k].Outcome = "dropped"
			}
		}
		for k := range u.plan {
			if u.plan[k].Kind == "" {
				u.plan[k].then = nil
			}
		}
		return
	}
}

// heldEdits is what a hold keeps of a person's edits.
type heldEdits struct {
	Edits   []Edit              `json:"edits"`
	As      string              `json:"as"`
	Kind    workspace.ActorKind `json:"kind"`
	Channel workspace.Channel   `json:"channel"`
}

// planEdit plans one edit.
func (u *unit) planEdit(e *Edit) error {
	if !e.Until.IsZero() && workspace.At(e.Until) <= u.now {
		return &EditError{Field: untilField(e.Kind), Reason: "the moment has passed", Remedy: "give a moment in the future"}
	}
	switch e.Kind {
	case EditRole, EditUnpin, EditDeactivate, EditReactivate, EditRemove, EditSessions, EditTransfer, EditProfile:
		return u.planMemberEdit(e)
	case EditSuccessors:
		return u.planSuccessors(e)
	case EditAssign, EditUnassign, EditOwn, EditDisown, EditImport, EditSettings, EditRing:
		return u.planNumberEdit(e)
	case EditGroupNew, EditRename, EditGroupDrop, EditJoin, EditLeave:
		return u.planGroupEdit(e)
	case EditInvite, EditRevoke:
		return u.planInvitationEdit(e)
	case EditResend:
		return u.planResend(e)
	case EditAccept:
		return u.planAccept(e)
	case EditEnter:
		return u.planEntry(e)
	case EditClaim, EditVerify, EditRelease:
		return u.planDomainEdit(e)
	default:
		return &EditError{Field: "kind", Reason: fmt.Sprintf("unknown edit %q", e.Kind), Remedy: "see the list of edits"}
	}
}

// untilField is what the end of a grant is called in wishes of a kind.
func untilField(k EditKind) string {
	switch k {
	case EditRole:
		return "role_until"
	case EditReactivate:
		return "access_end"
	default:
		return "until"
	}
}

// editCause is the cause of a person's change.
func (u *unit) editCause(e *Edit, class string) workspace.Cause {
	return workspace.Cause{Kind: workspace.CauseEdit, Direct: true, Support: byManual, ReasonClass: class, Note: e.Reason}
}
