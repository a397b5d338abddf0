package events

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Authorize tells which workspace a request may read with a scope. It gives
// ErrUnauthenticated, ErrForbidden or a *TooManyError when it may not; any
// other error is ours.
type Authorize func(r *http.Request, scope string) (workspace string, err error)

// ScopeRevocations is the scope of the revocation feed and the epochs (RF4).
const ScopeRevocations = "revocations:read"

// Refusals of Authorize.
var (
	ErrUnauthenticated = errors.New("no valid token")
	ErrForbidden       = errors.New("the token lacks the scope")
)

// TooManyError is a refusal of Authorize: too much was asked. Wait is when to
// come back.
type TooManyError struct{ Wait time.Duration }

func (e *TooManyError) Error() string { return "too many requests: wait " + e.Wait.String() }

// problem is an error body (RFC 9457), with the fields and codes that every
// problem of the API has.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"` // a stable word for programs
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
	// RequestID is the id that the server in front gave the request.
	RequestID string       `json:"request_id"`
	Errors    []fieldError `json:"errors,omitempty"`
}

// fieldError is one thing wrong with one parameter.
type fieldError struct {
	Field  string `json:"field"`
	Reason string `json:"reason"`
	Remedy string `json:"remedy"`
}

// Error states the parameter and what is wrong with it.
func (f fieldError) Error() string { return f.Field + ": " + f.Reason }

// fail writes a problem.
func (a *api) fail(w http.ResponseWriter, status int, code, detail, remedy string) {
	a.problem(w, problem{Status: status, Code: code, Detail: detail, Remedy: remedy})
}

// invalid answers for a parameter that is wrong.
func (a *api) invalid(w http.ResponseWriter, f fieldError) {
	a.problem(w, problem{Status: http.StatusUnprocessableEntity, Code: "invalid", Detail: f.Error() + ".", Remedy: f.Remedy, Errors: []fieldError{f}})
}

func (a *api) problem(w http.ResponseWriter, p problem) {
	p.Type, p.Title, p.RequestID = "about:blank", http.StatusText(p.Status), w.Header().Get("X-Request-Id")
	a.write(w, p.Status, "application/problem+json", p)
}

// refuse answers for a refusal of Authorize.
func (a *api) refuse(w http.ResponseWriter, err error) {
	var tooMany *TooManyError
	switch {
	case errors.As(err, &tooMany):
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int((tooMany.Wait+time.Second-1)/time.Second))))
		a.fail(w, http.StatusTooManyRequests, "too_many", "Too many requests.", "Come back after Retry-After, and wait for news with wait=25s.")
	case errors.Is(err, ErrUnauthenticated):
		w.Header().Set("WWW-Authenticate", "Bearer")
		a.fail(w, http.StatusUnauthorized, "unauthenticated", "The bearer token is missing, unknown, expired or revoked.", "Ask who runs Rollcall for a token.")
	case errors.Is(err, ErrForbidden):
		a.fail(w, http.StatusForbidden, "scope", "The token lacks the scope "+ScopeRevocations+", or is not good for your address.",
			"Ask who runs Rollcall for a token with this scope, good for your network.")
	default:
		a.broken(w, err)
	}
}

// broken answers for an error of ours: what it was stands in the log alone.
func (a *api) broken(w http.ResponseWriter, err error) {
	a.log.Error("events: request failed", "err", err)
	w.Header().Set("Retry-After", "5")
	a.fail(w, http.StatusServiceUnavailable, "busy", "The request could not be served now.", "Send it again.")
}

// write writes one JSON value. A reader that has gone away cannot be told.
func (a *api) write(w http.ResponseWriter, status int, contentType string, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		a.log.Error("events: answer", "err", err)
		status, contentType, text = http.StatusInternalServerError, "text/plain", []byte("internal error")
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	if _, err := w.Write(append(text, '\n')); err != nil {
		a.log.Debug("events: answer not read", "err", err)
	}
}
