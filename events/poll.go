package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/secret"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Bounds of one poll.
const (
	maxPollBody   = 64 << 10
	maxPollTokens = 100
)

// pollRequest is the body of a poll (RFC 8936 section 2.2). MaxEvents nil is
// our own bound; 0 acknowledges only.
type pollRequest struct {
	MaxEvents         *int              `json:"maxEvents"`
	ReturnImmediately bool              `json:"returnImmediately"`
	Ack               []string          `json:"ack"`
	SetErrs           map[string]setErr `json:"setErrs"`
}

type setErr struct {
	Err         string `json:"err"`
	Description string `json:"description"`
}

type pollAnswer struct {
	Sets          map[string]string `json:"sets"`
	MoreAvailable bool              `json:"moreAvailable"`
}

// sets serves a poll.
func (a *api) sets(w http.ResponseWriter, r *http.Request) {
	s, err := a.polledStream(r)
	if err != nil {
		a.refuse(w, err)
		return
	}
	var ask pollRequest
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPollBody))
	if err := dec.Decode(&ask); err != nil || ask.MaxEvents != nil && *ask.MaxEvents < 0 {
		a.fail(w, http.StatusBadRequest, "invalid_request", "The body is no poll of RFC 8936.", "Send a JSON object with maxEvents, ack, setErrs and returnImmediately, or an empty one.")
		return
	}
	if err := a.settleTokens(r.Context(), s, &ask); err != nil {
		a.broken(w, err)
		return
	}
	limit := maxPollTokens
	if ask.MaxEvents != nil {
		limit = min(*ask.MaxEvents, maxPollTokens)
	}
	until := a.now().Add(a.maxWait)
	for {
		arrived := a.d.arrive.wait()
		out, err := a.handOut(r.Context(), s, limit)
		if err != nil {
			a.broken(w, err)
			return
		}
		if len(out.Sets) > 0 || limit == 0 || ask.ReturnImmediately || !a.wait(r, arrived, until) {
			w.Header().Set("Cache-Control", "no-store")
			a.write(w, http.StatusOK, "application/json", out)
			return
		}
	}
}

// polledStream finds the stream by its path and checks its token. An unknown
// stream is answered like a wrong token.
func (a *api) polledStream(r *http.Request) (*stream, error) {
	s := a.d.polled[r.PathValue("stream")]
	// The name of a scheme is read in any letter case (RFC 9110 section 11.1).
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if s == nil || !strings.EqualFold(scheme, "Bearer") {
		return nil, ErrUnauthenticated
	}
	want, err := s.cfg.Authorization.Resolve()
	if err != nil {
		return nil, err
	}
	if !secret.New(strings.TrimSpace(given)).Equal(secret.New(strings.TrimPrefix(want.Reveal(), "Bearer "))) {
		return nil, ErrUnauthenticated
	}
	return s, nil
}

// settleTokens stores acknowledgements and errors. A token that is unknown,
// or was acknowledged before, is nothing to complain about: receivers repeat
// themselves.
func (a *api) settleTokens(ctx context.Context, s *stream, ask *pollRequest) error {
	for _, ws := range a.d.opt.Workspaces {
		for _, jti := range ask.Ack {
			if err := a.ackToken(ctx, ws, s, jti); err != nil {
				return err
			}
		}
		for jti, said := range ask.SetErrs {
			if err := a.refusedToken(ctx, ws, s, jti, said); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *api) ackToken(ctx context.Context, ws string, s *stream, jti string) error {
	h := a.store.In(ws)
	now := a.now()
	if strings.HasPrefix(jti, "ssf_"+s.cfg.ID+"_") {
		return h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error { return tx.TouchSink(s.cfg.ID, workspace.At(now)) })
	}
	d, found, err := a.handed(ctx, h, s, jti)
	if err != nil || !found {
		return err
	}
	all, _, err := s.tokens(ctx, ws, &d.Event)
	if err != nil {
		return err
	}
	err = h.Update(ctx, store.UnitOptions{Urgent: d.Event.Leaver}, func(tx *store.Tx) error {
		if d.Part+1 < len(all) {
			return tx.Progress(d, d.Part+1)
		}
		return tx.Ack(d, store.Receipt{At: workspace.At(now), Status: http.StatusOK})
	})
	if errors.Is(err, workspace.ErrStale) {
		return nil // acknowledged twice at once
	}
	if err == nil {
		a.d.opt.Metrics.Tried(s.cfg.ID, "acked")
		a.d.opt.Metrics.Delivered(s.cfg.ID, d.Event.Leaver, now.Sub(d.Event.At.Time()))
	}
	return err
}

// handed finds the delivery that a token stands for.
func (a *api) handed(ctx context.Context, h *store.Handle, s *stream, jti string) (d store.Delivery, found bool, err error) {
	err = h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) (err error) {
		d, err = tx.Handed(s.cfg.ID, jti)
		return err
	})
	if errors.Is(err, workspace.ErrNotFound) || errors.Is(err, store.ErrText) {
		return d, false, nil
	}
	return d, err == nil, err
}

// refusedToken puts a token off that the receiver could not take: the line
// stays, and people are told at the first (ST4).
func (a *api) refusedToken(ctx context.Context, ws string, s *stream, jti string, said setErr) error {
	h := a.store.In(ws)
	d, found, err := a.handed(ctx, h, s, jti)
	if err != nil || !found {
		return err
	}
	text, err := json.Marshal(said)
	if err != nil {
		return err
	}
	fault, now := setFault(text), a.now()
	err = h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) error {
		if !d.Event.Leaver && now.Sub(d.Event.At.Time()) >= deadAfter {
			return tx.Bury(d, 0, fault, workspace.At(now))
		}
		due := workspace.At(now.Add(wait(d.Tries, &result{}, d.Leaver())))
		return tx.Delay(d, due, workspace.At(now), 0, fault)
	})
	if errors.Is(err, workspace.ErrStale) {
		return nil
	}
	a.log.Warn("the receiver refuses a security event token", "workspace", ws, "sink", s.cfg.ID, "event", d.Event.ID, "fault", fault)
	a.d.opt.Metrics.Tried(s.cfg.ID, "failed")
	return err
}

// handOut collects tokens of all workspaces, at most one of a member, and the
// heartbeat when it is due.
func (a *api) handOut(ctx context.Context, s *stream, limit int) (out pollAnswer, err error) {
	out.Sets = map[string]string{}
	now := a.now()
	for _, ws := range a.d.opt.Workspaces {
		h := a.store.In(ws)
		if limit > len(out.Sets) {
			if err := a.handBeat(ctx, h, s, now, out.Sets); err != nil {
				return out, err
			}
		}
		handed, more, err := a.handWorkspace(ctx, ws, h, s, limit-len(out.Sets))
		if err != nil {
			return out, err
		}
		out.MoreAvailable = out.MoreAvailable || more
		for i := range handed {
			d := &handed[i]
			all, p, err := s.tokens(ctx, ws, &d.Event)
			if err != nil {
				return out, err
			}
			if d.Part >= len(all) {
				continue // a User is gone since; it comes to its end at the next poll
			}
			if out.Sets[d.JTI], err = s.sign(ctx, &d.Event, p, &all[d.Part]); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// handWorkspace takes what is due and names its tokens.
func (a *api) handWorkspace(ctx context.Context, ws string, h *store.Handle, s *stream, limit int) (handed []store.Delivery, more bool, err error) {
	var due bool
	err = h.View(ctx, func(r *store.Reader) error {
		leavers, ordinary, err := r.Due(s.cfg.ID, workspace.At(a.now()))
		due = leavers || ordinary
		return err
	})
	if err != nil || !due || limit <= 0 {
		return nil, due && limit <= 0, err
	}
	err = h.Update(ctx, store.UnitOptions{}, func(tx *store.Tx) (err error) {
		handed, more, err = tx.Hand(s.cfg.ID, workspace.At(a.now()), limit, func(d *store.Delivery) (string, error) {
			all, _, err := s.tokensIn(&tx.Reader, &d.Event)
			if err != nil || d.Part >= len(all) {
				return "", err
			}
			return all[d.Part].jti, nil
		})
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("handing out for %s in %s: %w", s.cfg.ID, ws, err)
	}
	return handed, more, nil
}

// handBeat adds a verification event when the last one that was acknowledged
// is old (ST6).
func (a *api) handBeat(ctx context.Context, h *store.Handle, s *stream, now time.Time, sets map[string]string) error {
	var sink store.SinkRow
	err := h.View(ctx, func(r *store.Reader) (err error) {
		sink, err = r.Sink(s.cfg.ID)
		return err
	})
	if err != nil || !heartbeatDue(&sink, workspace.At(now)) {
		return err
	}
	c := heartbeat(s.cfg, s.issuer, now)
	sets[c.JTI], err = s.signer.sign(ctx, c)
	return err
}
