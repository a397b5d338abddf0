package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// Problem is an answer that is not a success (RFC 9457). Code is a stable word
// for programs, Detail and Remedy are sentences for people. On a denial Row
// and Rule name what spoke (domain section 8). The cause is for the log only.
type Problem struct {
	Type      string       `json:"type"`
	Title     string       `json:"title"`
	Status    int          `json:"status"`
	Code      string       `json:"code" doc:"a stable word for programs"`
	Detail    string       `json:"detail"`
	Remedy    string       `json:"remedy,omitempty" doc:"what leads on"`
	RequestID string       `json:"request_id"`
	Row       string       `json:"row,omitempty" doc:"row of the role matrix that spoke, M01 to M13"`
	RowText   string       `json:"row_text,omitempty"`
	Rule      string       `json:"rule,omitempty" doc:"the rule of the decision"`
	RunID     string       `json:"run_id,omitempty" doc:"run whose report tells of this"`
	PlanHash  string       `json:"plan_hash,omitempty" doc:"of a stale plan: the present one"`
	Errors    []FieldError `json:"errors,omitempty" doc:"what is wrong with which field"`

	retry time.Duration
	allow string
	cause error
}

// FieldError is one thing wrong with one field of a request.
type FieldError struct {
	Field  string `json:"field" doc:"JSON pointer into the body, or the name of a header or query parameter"`
	Reason string `json:"reason"`
	Remedy string `json:"remedy"`
}

// Error returns code and detail, never the cause.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// Unwrap returns the cause, nil if there is none.
func (p *Problem) Unwrap() error { return p.cause }

// RetryAfter is how long to wait before the request is sent again; 0 if
// waiting does not help.
func (p *Problem) RetryAfter() time.Duration { return p.retry }

// causedBy returns a copy of p that remembers the cause for the log.
func (p *Problem) causedBy(cause error) *Problem {
	c := *p
	c.cause = cause
	return &c
}

// toProblem is the one way from any error to an answer. Errors that this
// package does not know become "internal error": their text never leaves the
// process.
func toProblem(err error) *Problem {
	var own *Problem
	var size *http.MaxBytesError
	var edit *sync.EditError
	var approval *sync.ApprovalError
	var stale *sync.StaleError
	var taken *store.ConflictError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &size):
		return (&Problem{
			Status: http.StatusRequestEntityTooLarge, Code: "too_large", Detail: "The body exceeds " + strconv.FormatInt(size.Limit, 10) + " bytes.",
			Remedy: "Send less at once.",
		}).causedBy(err)
	case errors.As(err, &edit):
		return editProblem(edit).causedBy(err)
	case errors.As(err, &approval):
		return (&Problem{Status: http.StatusForbidden, Code: "denied", Detail: approval.Reason, Remedy: approval.Remedy, Rule: approval.Rule, Row: rowOf(approval.Rule)}).causedBy(err)
	case errors.As(err, &stale):
		return (&Problem{Status: http.StatusConflict, Code: "stale_plan", Detail: stale.Error() + ".", Remedy: "Look at the present plan, then decide.", PlanHash: stale.Now}).causedBy(err)
	case errors.Is(err, sync.ErrExpired):
		return (&Problem{Status: http.StatusConflict, Code: "expired", Detail: "The hold has expired.", Remedy: "Ask for the change again."}).causedBy(err)
	case errors.Is(err, sync.ErrKeyReused):
		return invalid(header("Idempotency-Key", "it came with another request before", "use a new key for each request")).causedBy(err)
	case errors.As(err, &taken):
		return (&Problem{Status: http.StatusConflict, Code: "conflict", Detail: "Another record already has this " + taken.Key + ".", Remedy: "Choose another one."}).causedBy(err)
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrBusy):
		return errBusy().causedBy(err)
	case errors.Is(err, workspace.ErrStale):
		return (&Problem{Status: http.StatusConflict, Code: "race", Detail: "Another request changed this at the same time.", Remedy: "Send the request again."}).causedBy(err)
	case errors.Is(err, workspace.ErrNotFound), errors.Is(err, store.ErrText):
		return errNotFound().causedBy(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errBusy().causedBy(err)
	}
	return &Problem{Status: http.StatusInternalServerError, Code: "internal", Detail: "internal error", cause: err}
}

// editProblem translates a wish that cannot be planned. A wrong actor is no
// fault of the body.
func editProblem(e *sync.EditError) *Problem {
	field := FieldError{Field: "/" + e.Field, Reason: e.Reason, Remedy: e.Remedy}
	switch {
	case e.Field == "as":
		field.Field = memberHeader
		return &Problem{Status: http.StatusForbidden, Code: "actor", Detail: "The acting member may not act: " + e.Reason + ".", Remedy: e.Remedy, Errors: []FieldError{field}}
	case e.Settled:
		return &Problem{Status: http.StatusConflict, Code: "state", Detail: e.Reason + ".", Remedy: e.Remedy, Errors: []FieldError{field}}
	}
	return invalid(field)
}

// invalid is a request whose fields are wrong: 422.
func invalid(fields ...FieldError) *Problem {
	p := &Problem{Status: http.StatusUnprocessableEntity, Code: "invalid", Errors: fields, Detail: "The request is not valid."}
	if len(fields) > 0 {
		p.Detail = fmt.Sprintf("%s: %s.", fields[0].Field, fields[0].Reason)
		p.Remedy = fields[0].Remedy
	}
	return p
}

// header is a FieldError about a header or query parameter.
func header(name, reason, remedy string) FieldError { return FieldError{name, reason, remedy} }

// rowOf is the row in a rule such as M06.Member, "" if it names none.
func rowOf(rule string) string {
	if len(rule) >= 3 {
		if _, ok := workspace.Lookup(workspace.Permission(rule[:3])); ok {
			return rule[:3]
		}
	}
	return ""
}

// denied is the answer to a change that was refused.
func denied(d *workspace.Decision, run string) *Problem {
	p := &Problem{Status: http.StatusForbidden, Code: "denied", Detail: d.Reason, Remedy: d.Remedy, Rule: d.Rule, RunID: run}
	if row, ok := workspace.Lookup(d.Row); ok {
		p.Row, p.RowText = string(row.ID), row.Text
	}
	return p
}

func errNotFound() *Problem {
	return &Problem{Status: http.StatusNotFound, Code: "not_found", Detail: "There is no such thing in this workspace.", Remedy: "Take the id from the listing."}
}

// errUnauthorized: any bad token. One text for all reasons.
func errUnauthorized() *Problem {
	return &Problem{
		Status: http.StatusUnauthorized, Code: "unauthenticated", Detail: "The bearer token is missing, unknown, expired or revoked.",
		Remedy: "Ask who runs Rollcall for a token of the JSON API (rca_...).",
	}
}

func errScope(scope string) *Problem {
	return &Problem{Status: http.StatusForbidden, Code: "scope", Detail: "The token lacks the scope " + scope + ".", Remedy: "Ask who runs Rollcall for a token with it."}
}

func errBusy() *Problem {
	return &Problem{Status: http.StatusServiceUnavailable, Code: "busy", Detail: "The request could not be served now, nothing was changed.", Remedy: "Send it again.", retry: time.Second}
}

func errTooMany(wait time.Duration) *Problem {
	return &Problem{Status: http.StatusTooManyRequests, Code: "too_many", Detail: "Too many requests.", Remedy: "Wait, then send it again.", retry: wait}
}
