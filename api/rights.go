package api

import (
	"net/http"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// workspaceView is the workspace with its plan and totals.
type workspaceView struct {
	ID         string           `json:"id"`
	Name       string           `json:"name"`
	Plan       string           `json:"plan" enum:"starter,business,scale"`
	Zone       string           `json:"zone"`
	Active     bool             `json:"active"`
	PeriodFrom workspace.Micros `json:"period_from"`
	PeriodTo   workspace.Micros `json:"period_to"`
	Totals     totalsView       `json:"totals"`
	PolicyHash string           `json:"policy_hash"`
	MatrixHash string           `json:"matrix_hash"`
}

// totalsView are the maintained counters.
type totalsView struct {
	Active  int `json:"active" doc:"active members, contained ones included"`
	Owners  int `json:"owners"`
	Admins  int `json:"admins"`
	Seats   int `json:"seats" doc:"active members and leavers in grace"`
	Numbers int `json:"numbers" doc:"numbers not ported out"`
}

func getWorkspace(x *exchange) (*reply, error) {
	return one(x, func(r *store.Reader) (workspaceView, error) {
		w, err := r.Workspace()
		return workspaceView{
			w.ID, w.Name, w.Plan, w.Zone, w.Active, w.PeriodFrom, w.PeriodTo,
			totalsView(w.Totals), w.PolicyHash, workspace.MatrixHash(),
		}, err
	})
}

// matrixView is the role matrix with the rules beside it.
type matrixView struct {
	Hash  string      `json:"hash"`
	Rows  []rowView   `json:"rows"`
	Scope []scopeView `json:"scope"`
}

// rowView is one row. The ticks are those of the matrix; policy.clear may
// have taken some, which POST /v1/check knows.
type rowView struct {
	ID     string `json:"id"`
	Text   string `json:"text"`
	Action string `json:"action"`
	Owner  bool   `json:"owner"`
	Admin  bool   `json:"admin"`
	Member bool   `json:"member"`
}

type scopeView struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

func getMatrix(*exchange) (*reply, error) {
	v := matrixView{Hash: workspace.MatrixHash()}
	for _, r := range workspace.Rows() {
		v.Rows = append(v.Rows, rowView{string(r.ID), r.Text, r.Action, r.Owner, r.Admin, r.Member})
	}
	for _, s := range workspace.ScopeRules() {
		v.Scope = append(v.Scope, scopeView{s.ID, s.Text})
	}
	return resource(http.StatusOK, v)
}

type checkBody struct {
	Member     string `json:"member" required:"true" max:"320" doc:"id or address"`
	Permission string `json:"permission" required:"true" max:"40" doc:"row of the matrix (M05) or its action (member.remove)"`
	Number     string `json:"number" max:"63" doc:"id or E.164; for number.settings: the number that is meant"`
	Channel    string `json:"channel" enum:"api,console,mobile" doc:"api if left out"`
}

// verdictView answers whether a member may do what a row speaks of.
type verdictView struct {
	Allowed bool   `json:"allowed"`
	Member  string `json:"member"`
	Role    string `json:"role" enum:"owner,admin,member"`
	Row     string `json:"row"`
	RowText string `json:"row_text"`
	Rule    string `json:"rule"`
	Reason  string `json:"reason"`
	Remedy  string `json:"remedy"`
}

// check answers a permission question; the product asks before it does what
// Rollcall does not do itself (M01 to M03, M07, M11, M12).
func check(x *exchange, b *checkBody) (*reply, error) {
	var row workspace.Row
	for _, r := range workspace.Rows() {
		if string(r.ID) == b.Permission || r.Action == b.Permission {
			row = r
		}
	}
	if row.ID == "" {
		return nil, invalid(header("/permission", "no row of the role matrix has this name", "see GET /v1/matrix"))
	}
	policy, err := x.h.engine.Policy(x.caller.workspace)
	if err != nil {
		return nil, err
	}
	q := workspace.Question{Row: row.ID, Channel: workspace.ChannelAPI, Policy: policy}
	if b.Channel != "" {
		q.Channel = workspace.Channel(b.Channel)
	}
	err = x.caller.handle.View(x.r.Context(), func(r *store.Reader) error {
		m, err := r.MemberByEmail(foldEmail(b.Member))
		if isNotFound(err) {
			m, err = r.Member(b.Member)
		}
		if isNotFound(err) {
			return invalid(header("/member", "there is no such member", "give an id or address"))
		}
		if q.Who = &m; err != nil || b.Number == "" {
			return err
		}
		n, err := r.NumberByE164(b.Number)
		if isNotFound(err) {
			n, err = r.Number(b.Number)
		}
		if isNotFound(err) {
			return invalid(header("/number", "it is not in the inventory", "give an id or E.164"))
		}
		q.Number = &n
		return err
	})
	if err != nil {
		return nil, err
	}
	d := workspace.Ask(q)
	return plain(http.StatusOK, verdictView{d.Verdict == workspace.Allow, q.Who.Email, q.Who.Role.String(), string(row.ID), row.Text, d.Rule, d.Reason, d.Remedy})
}
