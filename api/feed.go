package api

import (
	"net/http"

	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// What package events answers with. It serves these routes itself; the shapes
// are here for the document.
type (
	epochView struct {
		Member string `json:"member"`
		Epoch  int64  `json:"epoch"`
		State  string `json:"state" enum:"active,contained,deactivated,removed"`
	}
	epochsView struct {
		Epochs      []epochView `json:"epochs"`
		AfterMember *string     `json:"after_member" doc:"asks for the next page; null on the last"`
		Next        string      `json:"next" doc:"cursor of /v1/revocations; that of the first page counts"`
	}
	revocationView struct {
		Member string           `json:"member"`
		Epoch  int64            `json:"epoch"`
		State  string           `json:"state" enum:"active,contained,deactivated,removed"`
		At     workspace.Micros `json:"at"`
	}
	revocationsView struct {
		Revocations []revocationView `json:"revocations"`
		Next        string           `json:"next" doc:"where the feed goes on"`
	}
	keysView struct {
		Keys []map[string]any `json:"keys" doc:"JSON Web Keys (RFC 7517)"`
	}
	setsBody struct {
		MaxEvents         int                `json:"maxEvents" doc:"0 only acknowledges; our own bound if left out"`
		ReturnImmediately bool               `json:"returnImmediately"`
		Ack               []string           `json:"ack" doc:"jti of tokens that arrived"`
		SetErrs           map[string]setFail `json:"setErrs" doc:"by jti, what was wrong with a token"`
	}
	setFail struct {
		Err         string `json:"err"`
		Description string `json:"description,omitempty"`
	}
	setsView struct {
		Sets          map[string]string `json:"sets" doc:"signed tokens by jti"`
		MoreAvailable bool              `json:"moreAvailable"`
	}
)

// What a webhook's receiver gets: an event of the outbox with what only its
// delivery knows.
type (
	eventView struct {
		Type      string           `json:"type"`
		Timestamp workspace.Micros `json:"timestamp"`
		Data      eventDataView    `json:"data"`
	}
	eventDataView struct {
		sync.EventData
		Covers []int64 `json:"covers" doc:"first and last seq that this event answers for (OB5)"`
		Leaf   int64   `json:"leaf" doc:"leaf of the audit log"`
	}
)

// feedRoutes are the routes of package events.
func feedRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/v1/jwks", id: "getKeys", summary: "Public keys of security event tokens", answer: keysView{}, status: http.StatusOK, feed: true},
		{
			method: http.MethodPost, path: "/v1/sets/{stream}", id: "pollSets", summary: "Security event tokens by poll (RFC 8936); the stream has a token of its own",
			body: setsBody{}, answer: setsView{}, status: http.StatusOK, feed: true, problem: []int{http.StatusUnauthorized},
		},
		{
			method: http.MethodGet, path: "/v1/epochs", id: "listEpochs", scope: ScopeRevocationsRead, summary: "All session epochs, by member id (RF1)", answer: epochsView{}, status: http.StatusOK, feed: true,
			query: []parameter{{name: "after_member", text: "after_member of the page before"}},
		},
		{
			method: http.MethodGet, path: "/v1/revocations", id: "listRevocations", scope: ScopeRevocationsRead, summary: "The revocation feed (RF2)", answer: revocationsView{}, status: http.StatusOK, feed: true,
			query:   []parameter{{name: "after", text: "next of /v1/epochs, or of the answer before", required: true}, {name: "wait", text: "how long to wait for news, such as 25s; 30s at most"}},
			problem: []int{http.StatusGone},
		},
		{method: http.MethodGet, path: "/v1/members/{id}/epoch", id: "getEpoch", scope: ScopeRevocationsRead, summary: "One session epoch, never cached (RF3)", answer: epochView{}, status: http.StatusOK, feed: true},
	}
}
