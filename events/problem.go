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

// problem is an error body (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Code   string `json:"code"`
	// RequestID is the id that the server in front gave the request, so that
	// every problem of the API has the same fields.
	RequestID string `json:"request_id"`
}

// fail writes a problem; code is a stable word for programs.
func (a *api) fail(w http.ResponseWriter, status int, code, detail string) {
	a.write(w, status, "application/problem+json", problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code, RequestID: w.Header().Get("X-Request-Id"),
	})
}

// refuse answers for a refusal of Authorize.
func (a *api) refuse(w http.ResponseWriter, err error) {
	var tooMany *TooManyError
	switch {
	case errors.As(err, &tooMany):
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int((tooMany.Wait+time.Second-1)/time.Second))))
		a.fail(w, http.StatusTooManyRequests, "too_many", "too many requests: come back after Retry-After, and wait for news with wait=25s")
	case errors.Is(err, ErrUnauthenticated):
		w.Header().Set("WWW-Authenticate", "Bearer")
		a.fail(w, http.StatusUnauthorized, "unauthenticated", "present a valid bearer token")
	case errors.Is(err, ErrForbidden):
		a.fail(w, http.StatusForbidden, "forbidden", "the token needs the scope "+ScopeRevocations+", and to be used from its networks")
	default:
		a.broken(w, err)
	}
}

// broken answers for an error of ours: what it was stands in the log alone.
func (a *api) broken(w http.ResponseWriter, err error) {
	a.log.Error("events: request failed", "err", err)
	w.Header().Set("Retry-After", "5")
	a.fail(w, http.StatusServiceUnavailable, "unavailable", "the store cannot answer now; try again")
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
