package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/internal/admission"
	"github.com/rollcall-sync/rollcall/sync"
)

// backchannel takes a logout token (OpenID Connect Back-Channel Logout 1.0
// section 2.5). 200 means that the sessions have ended, on disk.
func (s *SignIn) backchannel(w http.ResponseWriter, r *http.Request) {
	c := s.of[r.PathValue("connection")]
	if c == nil || !c.Backchannel {
		s.json(w, http.StatusNotFound, oauthError{Error: "invalid_request"})
		return
	}
	if wait, ok := s.signals.Take(c.ID+" "+admission.ClientIP(s.opt.TrustedProxies, r), s.now()); !ok {
		w.Header().Set("Retry-After", seconds(wait))
		s.json(w, http.StatusTooManyRequests, oauthError{Error: "slow_down"})
		return
	}
	if err := r.ParseForm(); err != nil || len(r.PostForm["logout_token"]) != 1 {
		s.json(w, http.StatusBadRequest, oauthError{Error: "invalid_request", Description: "no logout_token"})
		return
	}
	in, err := c.Provider.Logout(r.Context(), r.PostForm.Get("logout_token"))
	if err == nil {
		var res sync.SignalResult
		if res, err = s.take(r, c, in); err == nil && res.Replayed {
			err = sync.ErrSignal // a token is good once (OI3)
		}
	}
	switch {
	case err == nil:
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, sync.ErrSignal):
		s.log.Warn("a logout token is refused", "workspace", c.Workspace, "connection", c.ID, "err", err)
		s.json(w, http.StatusBadRequest, oauthError{Error: "invalid_request", Description: "the logout token is refused"})
	default:
		s.unheard(w, c, err)
	}
}

// oauthError is an error as OAuth writes it (RFC 6749 section 5.2).
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// setError is an error of a push (RFC 8935 section 2.4).
type setError struct {
	Err         string `json:"err"`
	Description string `json:"description"`
}

// push takes a security event token (RFC 8935). 202 means that it is on disk,
// and that access which had to end has ended.
func (s *SignIn) push(w http.ResponseWriter, r *http.Request) {
	c := s.of[r.PathValue("connection")]
	refuse := func(code, text string) { s.json(w, http.StatusBadRequest, setError{code, text}) }
	if c == nil || !c.Push {
		s.json(w, http.StatusNotFound, setError{"access_denied", "there is no such stream"})
		return
	}
	if wait, ok := s.signals.Take(c.ID+" "+admission.ClientIP(s.opt.TrustedProxies, r), s.now()); !ok {
		w.Header().Set("Retry-After", seconds(wait))
		s.json(w, http.StatusTooManyRequests, setError{"access_denied", "too many requests"})
		return
	}
	if scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); c.Authorized != nil && (!strings.EqualFold(scheme, "Bearer") || !c.Authorized(token)) {
		refuse("authentication_failed", "the bearer token is not the stream's")
		return
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/secevent+jwt" {
		refuse("invalid_request", "the content type is not application/secevent+jwt")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse("invalid_request", "the body is too long")
		return
	}
	in, err := c.Provider.Set(r.Context(), string(body))
	if err == nil {
		_, err = s.take(r, c, in) // one that comes again is acknowledged again
	}
	switch {
	case err == nil:
		w.WriteHeader(http.StatusAccepted)
	case errors.Is(err, sync.ErrSignal):
		s.log.Warn("a security event token is refused", "workspace", c.Workspace, "connection", c.ID, "err", err)
		refuse("invalid_request", "the token is refused")
	default:
		s.unheard(w, c, err)
	}
}

// unheard answers that a token was not taken, and may come again (ON4).
func (s *SignIn) unheard(w http.ResponseWriter, c *SignInConnection, err error) {
	s.log.Error("a signal could not be taken", "workspace", c.Workspace, "connection", c.ID, "err", err)
	w.Header().Set("Retry-After", "10")
	s.json(w, http.StatusServiceUnavailable, oauthError{Error: "temporarily_unavailable"})
}

// take puts a token before the engine, then asks the directory about whom it
// names: the answer does not wait for that.
func (s *SignIn) take(r *http.Request, c *SignInConnection, in sync.Signals) (sync.SignalResult, error) {
	in.Workspace, in.Connection = c.Workspace, c.ID
	res, err := s.opt.Engine.Signal(r.Context(), in)
	if err == nil {
		s.AskAbout(c.Workspace, c.Records, res.Ask)
	}
	return res, err
}

// AskAbout reads people from a directory in the background, at once, because a
// signal was about them (CU6). Who is not answered for is asked about again by
// the engine's schedule, which the signal has left word with.
func (s *SignIn) AskAbout(workspace, connection string, people []string) {
	if s.opt.Ask == nil || s.background.Err() != nil {
		return
	}
	for _, person := range people {
		s.wg.Go(func() {
			if err := s.askOnce(workspace, connection, person); err != nil && s.background.Err() == nil {
				s.log.Warn("the directory could not be asked about somebody after a signal; it is asked again", "workspace", workspace, "connection", connection, "err", err)
			}
		})
	}
}

func (s *SignIn) askOnce(workspace, connection, person string) error {
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-s.background.Done():
		return s.background.Err()
	}
	ctx, cancel := context.WithTimeout(s.background, time.Minute)
	defer cancel()
	return s.opt.Ask(ctx, workspace, connection, person, "signal")
}
