package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// rejectFor is how long a rejected change is denied instead of asked again.
const rejectFor = workspace.Micros(30 * 24 * 60 * 60 * 1_000_000)

// Approval is a person's agreement to a held plan, or their refusal.
type Approval struct {
	Workspace string
	// Plan is the plan's hash (8 hex digits are enough) or the hold's id.
	Plan    string
	As      string // member id or address
	Kind    workspace.ActorKind
	Channel workspace.Channel
	Reason  string
	Txn     string
	DryRun  bool
	// TokenID, IP and UserAgent tell reports where it came from.
	TokenID, IP, UserAgent string
	Once                   Once
}

// StaleError says that the plan that was shown is no longer what would happen. Now is
// the hash of the present plan, "" if nothing is left to approve.
type StaleError struct{ Shown, Now string }

func (e *StaleError) Error() string {
	if e.Now == "" {
		return "the plan " + short(e.Shown) + " is stale: nothing of it is wanted any more"
	}
	return "the plan " + short(e.Shown) + " is stale: it is now " + short(e.Now)
}

// Is makes a StaleError a workspace.ErrStale.
func (e *StaleError) Is(target error) bool { return target == workspace.ErrStale }

// ApprovalError says that the person may not approve this plan.
type ApprovalError struct{ Rule, Reason, Remedy string }

func (e *ApprovalError) Error() string { return e.Reason }

// ErrExpired says that the hold has run out; the next request or poll opens a new one.
var ErrExpired = errors.New("the plan has expired")

// short shows a plan hash as people see it: 12 hex digits.
func short(hash string) string {
	hash = strings.TrimPrefix(hash, "sha256:")
	return hash[:min(12, len(hash))]
}

// errPreview rolls back the planning that tells whether a plan is stale.
var errPreview = errors.New("preview")

// Approve applies exactly the plan that was shown, or refuses it as stale.
// It plans anew under today's state, mapping and policy: only if the hash is
// the same does the approver's word count.
func (e *Engine) Approve(ctx context.Context, a Approval) (Result, error) {
	s, _, err := e.space(a.Workspace, "")
	if err != nil {
		return Result{}, err
	}
	var res Result
	err = e.raced(func() error {
		return s.h.Update(ctx, store.UnitOptions{DryRun: a.DryRun, Urgent: true}, func(tx *store.Tx) error {
			if err := a.Once.done(tx, e.now()); err != nil {
				return err
			}
			var err error
			if res, err = e.approve(s, tx, a); err != nil {
				return err
			}
			return a.Once.keep(tx, &res, workspace.At(e.now()), a.DryRun)
		})
	})
	return res, err
}

func (e *Engine) approve(s *space, tx *store.Tx, a Approval) (Result, error) {
	hold, err := tx.HoldByHash(a.Plan)
	if err != nil {
		return Result{}, err
	}
	if hold.ExpiresAt <= workspace.At(e.now()) {
		return Result{}, fmt.Errorf("%w at %s", ErrExpired, hold.ExpiresAt)
	}
	now, shown := "", []workspace.Decision(nil)
	err = tx.Savepoint(func() error {
		u, err := e.replan(s, tx, hold, a)
		if err != nil {
			return err
		}
		if err := u.decide(); err != nil {
			return err
		}
		for _, h := range u.opened {
			if h.row.PlanHash != hold.PlanHash && now != "" {
				continue
			}
			now, shown = h.row.PlanHash, nil
			for _, i := range h.index {
				d := u.outcomes[i].Decision
				d.Change = u.plan[i].Change
				shown = append(shown, d)
			}
			if now == hold.PlanHash {
				break
			}
		}
		return errPreview
	})
	if stale(err) {
		return Result{}, &StaleError{Shown: hold.PlanHash}
	}
	if !errors.Is(err, errPreview) {
		return Result{}, err
	}
	if now != hold.PlanHash {
		return Result{}, &StaleError{Shown: hold.PlanHash, Now: now}
	}
	u, err := e.newHoldUnit(s, tx, hold, a)
	if err != nil {
		return Result{}, err
	}
	approver, err := u.personActor(a.As, a.Kind, a.Channel)
	if err != nil {
		return Result{}, err
	}
	if approver.Role < workspace.RoleAdmin {
		return Result{}, &ApprovalError{Rule: "M06.Member", Reason: approver.Label + " is a Member and decides on no plan", Remedy: "an Admin or Owner approves it"}
	}
	approver.TokenID, approver.IP, approver.UserAgent = a.TokenID, a.IP, a.UserAgent
	u.shown = map[string]bool{}
	for i := range shown {
		if err := mayAgree(&approver, &shown[i]); err != nil {
			return Result{}, err
		}
		u.shown[workspace.Fingerprint(shown[i].Change)] = true
	}
	// What depends on the approver's word (a link) is planned with it.
	u.approver, u.shownHash = &approver, hold.PlanHash
	if err := u.planHold(hold); err != nil {
		return Result{}, err
	}
	return u.approveAndCommit(hold, a)
}

// stale reports whether what a hold has observed no longer fits the records.
func stale(err error) bool {
	var taken *store.ConflictError // the record was made meanwhile
	return errors.Is(err, workspace.ErrStale) || errors.Is(err, workspace.ErrNotFound) || errors.As(err, &taken)
}

// mayAgree refuses an approver who is less than a held change asks for. The
// role matrix is asked as well; this is for holds that it does not know, such
// as a link: who is linked with an Owner needs an Owner's word (SX03).
func mayAgree(approver *workspace.Actor, d *workspace.Decision) error {
	least := d.Approvers
	if m, ok := d.Change.Before.(workspace.Member); ok && d.Change.Kind == workspace.MemberLink && m.Role == workspace.RoleOwner {
		least = workspace.RoleOwner
	}
	if approver.Role >= least {
		return nil
	}
	return &ApprovalError{
		Rule: d.Rule, Reason: fmt.Sprintf("%s is %s, and this needs %s", approver.Label, approver.Role.Title(), least.Title()),
		Remedy: "somebody with the role " + least.Title() + " approves it",
	}
}

// newHoldUnit prepares a unit with the actor who asked for what is held.
func (e *Engine) newHoldUnit(s *space, tx *store.Tx, hold store.HoldRow, a Approval) (*unit, error) {
	conn := Connection{}
	if hold.Connection != "" {
		c, ok := s.conns[hold.Connection]
		if !ok {
			return nil, fmt.Errorf("%w: %q", ErrUnknownConnection, hold.Connection)
		}
		conn = c
	}
	channel := workspace.ChannelSync
	if conn.Kind == "scim" {
		channel = workspace.ChannelSCIM
	}
	u, err := e.newUnit(s, conn, tx, Batch{
		Workspace: s.cfg.ID, Connection: hold.Connection, Kind: RunApproval, Trigger: "approval",
		Channel: channel, Txn: a.Txn, SeenAt: e.now(), DryRun: a.DryRun,
	})
	if err != nil {
		return nil, err
	}
	if conn.ID == "" {
		var held heldEdits
		if err := json.Unmarshal(hold.Observation, &held); err != nil {
			return nil, fmt.Errorf("hold %s: %w", hold.ID, err)
		}
		if u.actor, err = u.editActor(held.As, held.Kind, held.Channel, held.Edits); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// replan plans anew what a hold is about.
func (e *Engine) replan(s *space, tx *store.Tx, hold store.HoldRow, a Approval) (*unit, error) {
	u, err := e.newHoldUnit(s, tx, hold, a)
	if err != nil {
		return nil, err
	}
	return u, u.planHold(hold)
}

// planHold plans the observation, the edits or the person that a hold is about.
func (u *unit) planHold(hold store.HoldRow) error {
	if u.conn.ID == "" {
		var held heldEdits
		if err := json.Unmarshal(hold.Observation, &held); err != nil {
			return fmt.Errorf("hold %s: %w", hold.ID, err)
		}
		if accepts(held.Edits) {
			if err := lostPromise(&hold); err != nil {
				return err
			}
		}
		for i := range held.Edits {
			if err := u.planEdit(&held.Edits[i]); err != nil {
				return err
			}
		}
		if err := u.planTails(); err != nil {
			return err
		}
		for i := range u.plan {
			u.plan[i].subject, u.plan[i].observation = hold.Subject, hold.Observation
		}
		return nil
	}
	if len(hold.Observation) > 0 {
		var seen heldBatch
		if err := json.Unmarshal(hold.Observation, &seen); err != nil {
			return fmt.Errorf("hold %s: %w", hold.ID, err)
		}
		u.b.Identities, u.b.Groups, u.b.Brake = seen.Identities, seen.Groups, seen.Brake
		u.b.People, u.b.Half, u.b.Part, u.b.Held = seen.People, seen.Half, seen.Part, seen.Held
		return u.observe()
	}
	kind, id, _ := strings.Cut(hold.Subject, ":")
	if kind == "identity" {
		return u.planIdentity(id, nil)
	}
	identities, err := u.tx.IdentitiesOf(id, false)
	if err != nil {
		return err
	}
	for _, i := range identities {
		// The wish was direct if the record's own connection made it so; its
		// words are planned as they stand in the record.
		if i.Connection == u.conn.ID {
			return u.planIdentity(i.ID, nil)
		}
	}
	return nil
}

// approveAndCommit applies the plan with the approver's word.
func (u *unit) approveAndCommit(hold store.HoldRow, a Approval) (Result, error) {
	if err := u.decide(); err != nil {
		return Result{}, err
	}
	for i := range u.outcomes {
		o := &u.outcomes[i]
		// Of many people's plan, what is denied was never part of it.
		apart := o.Outcome == "held" || o.Outcome == "noop" || o.Outcome == "denied" && u.b.Brake != nil && (u.b.Brake.Rule == RuleObserve || u.b.Part != "")
		// A lost promise is a plan of its own from now on (promiselost.go).
		unseen := apart && (!u.shown[workspace.Fingerprint(u.plan[i].Change)] || u.plan[i].losesPromise())
		if u.plan[i].Kind != "" && o.Outcome != "applied" && o.Outcome != "dropped" && !unseen {
			d := o.Decision
			return Result{}, &ApprovalError{Rule: d.Rule, Reason: d.Reason, Remedy: d.Remedy}
		}
	}
	if err := u.apply(); err != nil {
		return Result{}, err
	}
	hold.State, hold.DecidedAt, hold.DecidedBy, hold.DecidedWhy = "approved", u.now, u.approver.ID, a.Reason
	if err := u.closeHold(hold); err != nil {
		return Result{}, err
	}
	if err := u.record(); err != nil {
		return Result{}, err
	}
	return u.result()
}

// Reject closes a held plan and remembers its changes: later requests and
// polls are denied with the reason instead of asking again, until the wish or
// the rule changes or 30 days pass.
func (e *Engine) Reject(ctx context.Context, a Approval) error {
	s, _, err := e.space(a.Workspace, "")
	if err != nil {
		return err
	}
	if strings.TrimSpace(a.Reason) == "" {
		return &EditError{Field: "reason", Reason: "a rejection needs a reason", Remedy: "say why"}
	}
	return s.h.Update(ctx, store.UnitOptions{DryRun: a.DryRun}, func(tx *store.Tx) error {
		if err := a.Once.done(tx, e.now()); err != nil {
			return err
		}
		hold, err := tx.HoldByHash(a.Plan)
		if err != nil {
			return err
		}
		u, err := e.newHoldUnit(s, tx, hold, a)
		if err != nil {
			return err
		}
		by, err := u.personActor(a.As, a.Kind, a.Channel)
		if err != nil {
			return err
		}
		if !workspace.Can(by.Role, "M05") {
			return &ApprovalError{Rule: "M05.Member", Reason: by.Label + " is a Member and decides on no plan", Remedy: "an Admin or Owner rejects it"}
		}
		// What the hold has observed is looked at and taken back: a rejection
		// writes no word of it.
		err = tx.Savepoint(func() error {
			if err := u.planHold(hold); err != nil {
				return err
			}
			if err := u.decide(); err != nil {
				return err
			}
			return errPreview
		})
		var choice *ApprovalError // a person has chosen otherwise
		if stale(err) || errors.As(err, &choice) {
			u.plan, u.outcomes, u.opened = nil, nil, nil // nothing of it is wanted any more
		} else if !errors.Is(err, errPreview) {
			return err
		}
		by.TokenID, by.IP, by.UserAgent = a.TokenID, a.IP, a.UserAgent
		if err := u.reject(hold, by, a.Reason); err != nil {
			return err
		}
		return a.Once.keep(tx, &Result{Run: u.run}, u.now, a.DryRun)
	})
}

// reject writes the rejections of what is held now, and a leaf about it.
func (u *unit) reject(hold store.HoldRow, by workspace.Actor, reason string) error {
	for _, h := range u.opened {
		if h.row.PlanHash != hold.PlanHash {
			continue // nobody has looked at that one
		}
		for _, i := range h.index {
			row := store.RejectionRow{Fingerprint: workspace.Fingerprint(u.plan[i].Change), By: by.Label, Reason: reason, At: u.now, Until: u.now + rejectFor}
			if err := u.tx.PutRejection(row); err != nil {
				return err
			}
		}
	}
	hold.State, hold.DecidedAt, hold.DecidedBy, hold.DecidedWhy = "rejected", u.now, by.ID, reason
	u.decided = nil // what the look at the plan closed was taken back
	if err := u.closeHold(hold); err != nil {
		return err
	}
	for i := range u.outcomes {
		o := &u.outcomes[i]
		switch {
		case o.PlanHash == hold.PlanHash && u.plan[i].Kind != "":
			o.Outcome = "denied"
			o.Decision.Verdict, o.Decision.Rule = workspace.Deny, orElse(o.Decision.Rule, "rejected")
			o.Decision.Reason = fmt.Sprintf("rejected by %s: %s", by.Label, reason)
			o.Decision.Remedy = "change what is wanted, or wait until " + (u.now + rejectFor).Time().Format(time.DateOnly)
		default:
			o.Outcome = "dropped"
		}
	}
	u.opened = nil
	u.actor = by
	u.b.Kind = RunApproval
	return u.record()
}
