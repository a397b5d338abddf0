package sync

import (
	"context"
	"errors"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Join is the wish of a person to become a member of a workspace by one of
// its claimed domains (sources section 10).
type Join struct {
	Workspace string
	// Name is what the person is called; "" is the address.
	Name string
	// Evidence is how the address was proved. The engine judges it: the caller
	// only states what it has verified.
	Evidence Evidence
	// Identity, when set, is the person's record at Evidence.Connection; it is
	// linked with the member in the same transaction. A record with an ID
	// exists already; one without is stored.
	Identity *store.IdentityRow
	// Channel is signin if left out.
	Channel       workspace.Channel
	Txn           string
	IP, UserAgent string
	DryRun        bool

	queued bool // it has waited: when the address was proved no longer counts
	offer  bool // what lets the person in is told and undone; a refusal is recorded
}

// errOffered undoes what a join did that was asked for as an offer.
var errOffered = errors.New("offered, not done")

// JoinState is what became of a wish to join.
type JoinState string

// The ends of a wish to join.
const (
	// JoinDone: the person is a member now.
	JoinDone JoinState = "joined"
	// JoinAlready: the address is an active member's; nothing was changed, and
	// nobody was linked with anything (OS2).
	JoinAlready JoinState = "member"
	// JoinWaits: an Owner or Admin decides (Joined.Hold).
	JoinWaits JoinState = "waiting"
	// JoinRefused: Reason and Remedy say why, and who can help.
	JoinRefused JoinState = "refused"
)

// Joined is what became of a wish to join. The zero value is none.
type Joined struct {
	State JoinState
	// Workspace is the name of the workspace, for people.
	Workspace string
	// Run is the run's report, "" when nothing was written.
	Run string
	// Member is the id of the member when State is JoinDone or JoinAlready.
	Member string
	// Claim is the domain by which the person joins, "" if none covers the
	// address; Row the kind of evidence that counted, "" if none did.
	Claim string
	Row   EvidenceRow
	// Hold is the id of the plan that waits, and Plan its hash.
	Hold, Plan string
	// Rule, Reason and Remedy say why a wish waits or is refused.
	Rule, Reason, Remedy string
	// Price is what one more seat costs.
	Price Price
}

// Price is what a join does to the bill, in cents of US dollars.
type Price struct {
	Monthly int64 `json:"monthly_cents"` // more a month
	Charge  int64 `json:"charge_cents"`  // at once, for the rest of the period
}

// Join puts a person's wish before the engine, as a unit of work with its own
// report: refusals too. It gives an error only when the wish cannot be judged
// (ErrUnknownWorkspace, ErrUnknownConnection, *EditError for an address that
// is none, trouble of the store); everything else is Joined.State. It is safe
// for concurrent use; of two who join with one address the second is
// JoinAlready.
func (e *Engine) Join(ctx context.Context, j Join) (Joined, error) {
	s, _, err := e.space(j.Workspace, j.Evidence.Connection)
	if err != nil {
		return Joined{}, err
	}
	if why := fold.BadAddress(j.Evidence.Email); why != "" {
		return Joined{}, badAddress(why)
	}
	if j.Channel == "" {
		j.Channel = workspace.ChannelSignin
	}
	edits := []Edit{{Kind: EditEnter, Email: j.Evidence.Email, Name: j.Name, Enter: &Entry{Evidence: j.Evidence, Identity: j.Identity}}}
	var out Joined
	err = e.raced(func() error {
		return s.h.Update(ctx, store.UnitOptions{DryRun: j.DryRun}, func(tx *store.Tx) error {
			u, err := e.newUnit(s, Connection{}, tx, Batch{
				Workspace: j.Workspace, Kind: RunJoin, Trigger: "request", Channel: j.Channel, Txn: j.Txn, SeenAt: e.now(), DryRun: j.DryRun,
			})
			if err != nil {
				return err
			}
			if out, err = u.already(j.Evidence.Email); err != nil || out.State != "" {
				return err
			}
			u.queued = j.queued
			u.actor = workspace.Actor{Kind: workspace.ActorMember, Channel: j.Channel, IP: j.IP, UserAgent: j.UserAgent}
			res, err := u.editAndCommit(EditBatch{Edits: edits, Channel: j.Channel}, nil)
			if err != nil {
				return err
			}
			if out, err = u.joined(&res); err != nil || out.State == JoinRefused {
				return err
			}
			if j.offer {
				out.Run, out.Member, out.Hold = "", "", "" // of what is undone
				return errOffered
			}
			return u.closeJoins(j.Evidence.Email, out.Plan)
		})
	})
	if errors.Is(err, errOffered) {
		err = nil
	}
	out.Workspace = s.cfg.Name
	return out, err
}

// badAddress is text that is not exactly one address (DC6).
func badAddress(why string) error {
	return &EditError{Field: "email", Reason: why, Remedy: "give an address such as ann@acme.com"}
}

// already answers whoever is a member: there is nothing to do, and an address
// alone links nobody with anything (OS2).
func (u *unit) already(address string) (Joined, error) {
	m, err := u.memberByEmail(emailKey(address))
	if err != nil || m == nil || !m.Usable() {
		return Joined{}, err
	}
	return Joined{
		State: JoinAlready, Member: m.ID, Rule: "OS2", Reason: m.Email + " is a member already.",
		Remedy: "Sign in in the way you did before.",
	}, nil
}

// joined reads the answer off the outcome of the wish.
func (u *unit) joined(res *Result) (Joined, error) {
	out := Joined{Run: res.Run, State: JoinRefused}
	if u.entered != nil {
		out.Claim, out.Row, out.Price = u.entered.claim, u.entered.row, u.entered.price
	}
	for i := range res.Outcomes {
		o := &res.Outcomes[i]
		if o.Decision.Change.Kind != workspace.MemberCreate {
			continue
		}
		out.Rule, out.Reason, out.Remedy = o.Decision.Rule, o.Decision.Reason, o.Decision.Remedy
		switch o.Outcome {
		case "applied":
			out.State, out.Member = JoinDone, o.Decision.Change.Subject.ID
		case "held", "noop":
			out.State, out.Hold, out.Plan = JoinWaits, o.HoldID, o.PlanHash
		}
	}
	return out, nil
}
