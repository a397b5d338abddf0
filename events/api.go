package events

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// api is what receivers ask us for.
type api struct {
	d         *Dispatcher
	store     *store.Store
	authorize Authorize
	log       *slog.Logger
	now       func() time.Time
	maxWait   time.Duration
}

// Handler serves what receivers ask for, each by its own path:
//
//	GET  /v1/jwks                 public keys of security event tokens (ST1)
//	POST /v1/sets/{stream}        tokens by poll, RFC 8936 (ST5)
//	GET  /v1/epochs               all session epochs (RF1)
//	GET  /v1/revocations          the revocation feed (RF2)
//	GET  /v1/members/{id}/epoch   one session epoch (RF3)
//
// authorize decides about the last three; a stream has its own token. The
// server's write timeout has to leave room for a wait of 30 s.
func (d *Dispatcher) Handler(authorize Authorize) http.Handler {
	a := &api{d: d, store: d.opt.Store, authorize: authorize, log: d.opt.Logger, now: d.opt.Now, maxWait: 30 * time.Second}
	mux := http.NewServeMux()
	for pattern, serve := range map[string]http.HandlerFunc{
		"GET /v1/jwks": a.jwks, "POST /v1/sets/{stream}": a.sets, "GET /v1/epochs": a.epochs,
		"GET /v1/revocations": a.revocations, "GET /v1/members/{id}/epoch": a.epoch,
	} {
		mux.HandleFunc(pattern, serve)
	}
	return mux
}

// jwks shows the public keys that signed in the last 30 days (RFC 7517 5).
func (a *api) jwks(w http.ResponseWriter, r *http.Request) {
	rows, err := a.store.SigningKeys(r.Context(), workspace.At(a.now().Add(-keepKeys)))
	if err != nil {
		a.broken(w, err)
		return
	}
	keys := make([]json.RawMessage, 0, len(rows))
	for i := range rows {
		keys = append(keys, rows[i].JWK)
	}
	w.Header().Set("Cache-Control", "public, max-age=300")
	a.write(w, http.StatusOK, "application/jwk-set+json", struct {
		Keys []json.RawMessage `json:"keys"`
	}{keys})
}

// wait sleeps until something arrives, the time is over, or the caller has
// gone; false ends the waiting.
func (a *api) wait(r *http.Request, arrived <-chan struct{}, until time.Time) bool {
	left := until.Sub(a.now())
	if left <= 0 {
		return false
	}
	// Other replicas' events are seen by looking now and then.
	timer := time.NewTimer(min(left, pollEvery))
	defer timer.Stop()
	select {
	case <-arrived:
		return true
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	case <-a.d.stopping:
		return false
	}
}

// member of the feed and of the epochs' pages.
type epochView struct {
	Member string `json:"member"`
	Epoch  int64  `json:"epoch"`
	State  string `json:"state"`
}

// epoch is the truth about one member, never cached (RF3).
func (a *api) epoch(w http.ResponseWriter, r *http.Request) {
	ws, err := a.authorize(r, ScopeRevocations)
	if err != nil {
		a.refuse(w, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	var row store.EpochRow
	err = a.store.In(ws).View(r.Context(), func(rd *store.Reader) (err error) {
		row, err = rd.Epoch(r.PathValue("id"))
		return err
	})
	switch {
	case errors.Is(err, workspace.ErrNotFound), errors.Is(err, store.ErrText):
		a.fail(w, http.StatusNotFound, "not_found", "No member has this id.", "Take the id from /v1/epochs.")
	case err != nil:
		a.broken(w, err)
	default:
		a.write(w, http.StatusOK, "application/json", epochView{row.Member, row.Epoch, row.State})
	}
}
