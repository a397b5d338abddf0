package api

import (
	"encoding/json"
	"net/http"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// planView is a held plan: what waits for a person.
type planView struct {
	ID           string              `json:"id"`
	PlanHash     string              `json:"plan_hash"`
	ConnectionID string              `json:"connection_id" doc:"empty: a person asked for it"`
	RunID        string              `json:"run_id"`
	State        string              `json:"state" enum:"open,approved,rejected,expired,withdrawn"`
	Reason       string              `json:"reason"`
	CreatedAt    workspace.Micros    `json:"created_at"`
	ExpiresAt    workspace.Micros    `json:"expires_at"`
	DecidedAt    workspace.Micros    `json:"decided_at"`
	DecidedBy    string              `json:"decided_by"`
	DecidedWhy   string              `json:"decided_why"`
	Changes      []sync.ChangeReport `json:"changes"`
}

func viewHold(h *store.HoldRow) (planView, error) {
	v := planView{
		ID: h.ID, PlanHash: h.PlanHash, ConnectionID: h.Connection, RunID: h.Run, State: h.State, Reason: h.Reason, CreatedAt: h.CreatedAt,
		ExpiresAt: h.ExpiresAt, DecidedAt: h.DecidedAt, DecidedBy: h.DecidedBy, DecidedWhy: h.DecidedWhy, Changes: []sync.ChangeReport{},
	}
	if len(h.Changes) == 0 {
		return v, nil
	}
	return v, json.Unmarshal(h.Changes, &v.Changes)
}

func listHolds(x *exchange) (*reply, error) {
	return listed(x, func(r *store.Reader, after store.Place, limit int) ([]store.HoldRow, error) {
		return r.HoldsPage(x.query.Get("state"), after, limit)
	}, func(h store.HoldRow) store.Place { return store.Place{At: h.CreatedAt, ID: h.ID} },
		func(_ *store.Reader, h store.HoldRow) (planView, error) { return viewHold(&h) })
}

func getHold(x *exchange) (*reply, error) {
	return one(x, func(r *store.Reader) (planView, error) { return readHold(r, x.path["id"]) })
}

func readHold(r *store.Reader, id string) (planView, error) {
	h, err := r.Hold(id)
	if err != nil {
		return planView{}, err
	}
	return viewHold(&h)
}

type approveBody struct {
	PlanHash string `json:"plan_hash" required:"true" max:"80" doc:"of the plan that was shown: exactly that one is decided"`
	Reason   string `json:"reason"`
}

type rejectBody struct {
	PlanHash string `json:"plan_hash" required:"true" max:"80" doc:"of the plan that was shown: exactly that one is decided"`
	Reason   string `json:"reason" required:"true"`
}

// approval is a decision about the hold in the path.
func (x *exchange) approval(hash, reason string) (sync.Approval, error) {
	as, channel, err := x.acting()
	if err != nil {
		return sync.Approval{}, err
	}
	id := x.path["id"]
	var hold store.HoldRow
	err = x.caller.handle.View(x.r.Context(), func(r *store.Reader) (err error) {
		hold, err = r.Hold(id)
		return err
	})
	if err != nil {
		return sync.Approval{}, err
	}
	a := sync.Approval{
		Workspace: x.caller.workspace, Plan: hold.PlanHash, As: as, Kind: workspace.ActorMember, Channel: channel, Reason: reason, Txn: x.txn,
		DryRun: x.dryRun(), TokenID: x.caller.token.ID, IP: x.ip, UserAgent: x.userAgent(),
	}
	a.Once, err = x.once(func(r *store.Reader, res sync.Result) (*reply, error) {
		if x.dryRun() {
			return preview(&res, worst(&res))
		}
		v, err := readHold(r, id)
		if err != nil {
			return nil, err
		}
		return resource(http.StatusOK, v)
	})
	if err == nil && hash != hold.PlanHash {
		err = &sync.StaleError{Shown: hash, Now: hold.PlanHash}
	}
	return a, err
}

// decided refuses a decision about a hold that is not open any more. A request
// that is sent again finds its answer before.
func decided(x *exchange, err error) error {
	if !isNotFound(err) {
		return err
	}
	return &Problem{Status: http.StatusConflict, Code: "state", Detail: "Hold " + x.path["id"] + " has been decided already.", Remedy: "Look at the hold."}
}

func approveHold(x *exchange, b *approveBody) (*reply, error) {
	a, err := x.approval(b.PlanHash, b.Reason)
	if err != nil {
		return nil, err
	}
	res, err := x.h.engine.Approve(x.r.Context(), a)
	return x.answered(res, decided(x, err))
}

func rejectHold(x *exchange, b *rejectBody) (*reply, error) {
	a, err := x.approval(b.PlanHash, b.Reason)
	if err != nil {
		return nil, err
	}
	err = x.h.engine.Reject(x.r.Context(), a)
	return x.answered(sync.Result{Answer: x.made}, decided(x, err))
}
