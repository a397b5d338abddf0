package api

import (
	"net/http"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// holdView is the answer to a change that waits for a person: 202.
type holdView struct {
	HoldID   string `json:"hold_id"`
	PlanHash string `json:"plan_hash"`
	Approves string `json:"approves" doc:"least role that may approve"`
	Row      string `json:"row,omitempty"`
	Rule     string `json:"rule"`
	Reason   string `json:"reason"`
	Remedy   string `json:"remedy"`
	RunID    string `json:"run_id"`
}

// previewView is the answer to a dry run: what would happen.
type previewView struct {
	DryRun  bool         `json:"dry_run"`
	Verdict string       `json:"verdict" enum:"allow,hold,deny"`
	Changes []changeView `json:"changes"`
}

// changeView is one change with its decision.
type changeView struct {
	Kind    string `json:"kind"`
	Target  string `json:"target"`
	Summary string `json:"summary"`
	Outcome string `json:"outcome" enum:"applied,noop,held,denied,failed"`
	Row     string `json:"row,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

// waits reports whether a change waits for a person, for the first time or
// still.
func waits(o *sync.Outcome) bool {
	return o.Outcome == "held" || o.Outcome == "noop" && o.PlanHash != ""
}

// worst finds the outcome that speaks for a request: a denial before a hold.
// What only follows from somebody leaving speaks for nobody.
func worst(res *sync.Result) *sync.Outcome {
	var found *sync.Outcome
	for i := range res.Outcomes {
		o := &res.Outcomes[i]
		c := &o.Decision.Change
		switch {
		case c.Cause.Tail || c.Cause.Leaver != "" && c.Subject.ID != c.Cause.Leaver:
		case o.Outcome == "denied" || o.Outcome == "failed":
			return o
		case waits(o) && found == nil:
			found = o
		}
	}
	return found
}

// outcome answers for what became of a change: the resource, a hold (202) or a
// denial (403); a dry run tells of every change.
func (x *exchange) outcome(r *store.Reader, res sync.Result, answer func(*store.Reader, sync.Result) (*reply, error)) (*reply, error) {
	o := worst(&res)
	if x.dryRun() {
		return preview(&res, o)
	}
	switch {
	case o == nil:
		return answer(r, res)
	case waits(o):
		d := &o.Decision
		return plain(http.StatusAccepted, holdView{
			HoldID: o.HoldID, PlanHash: o.PlanHash, Approves: d.Approvers.String(), Row: string(d.Row),
			Rule: d.Rule, Reason: d.Reason, Remedy: d.Remedy, RunID: res.Run,
		})
	}
	// A denial is an answer of its own, kept for a repeated request like any
	// other: the engine has written a report of it.
	p := denied(&o.Decision, res.Run)
	p.Type, p.Title, p.RequestID = "about:blank", http.StatusText(p.Status), x.txn
	a, err := plain(p.Status, p)
	if err == nil {
		a.Type = "application/problem+json"
	}
	return a, err
}

func preview(res *sync.Result, o *sync.Outcome) (*reply, error) {
	v := previewView{DryRun: true, Verdict: string(workspace.Allow), Changes: []changeView{}}
	if o != nil {
		v.Verdict = string(o.Decision.Verdict)
	}
	for i := range res.Outcomes {
		o := &res.Outcomes[i]
		d := &o.Decision
		v.Changes = append(v.Changes, changeView{
			Kind: string(d.Change.Kind), Target: d.Change.Subject.Label, Summary: o.Summary, Outcome: o.Outcome,
			Row: string(d.Row), Rule: d.Rule, Reason: d.Reason, Remedy: d.Remedy,
		})
	}
	return plain(http.StatusOK, v)
}

// subjectOf gives the id of the first thing that a change of a kind is about.
func subjectOf(res *sync.Result, kinds ...workspace.ChangeKind) string {
	for i := range res.Outcomes {
		c := &res.Outcomes[i].Decision.Change
		for _, k := range kinds {
			if c.Kind == k {
				return c.Subject.ID
			}
		}
	}
	return ""
}
