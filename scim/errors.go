package scim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// errorSchema is the message URN of an error body (RFC 7644 section 3.12).
const errorSchema = "urn:ietf:params:scim:api:messages:2.0:Error"

// maxDetail is the longest detail in bytes; IdPs cut longer ones in their logs.
const maxDetail = 400

// The detail keywords of RFC 7644 table 9 and of RFC 9865 section 2.1.
const (
	typeInvalidFilter = "invalidFilter"
	typeTooMany       = "tooMany"
	typeUniqueness    = "uniqueness"
	typeMutability    = "mutability"
	typeInvalidSyntax = "invalidSyntax"
	typeInvalidPath   = "invalidPath"
	typeNoTarget      = "noTarget"
	typeInvalidValue  = "invalidValue"
	typeInvalidCursor = "invalidCursor"
	typeExpiredCursor = "expiredCursor"
	typeInvalidCount  = "invalidCount"
)

// Error is an answer that is not a success (RFC 7644 section 3.12). Its Detail
// is one ASCII line of at most 400 bytes that an IdP administrator can act on;
// it starts with Denied, Held, Conflict, Invalid, Limit, Busy or Internal. The
// cause is for the log only: neither Error nor the JSON body shows it. Values
// are immutable once built and safe for concurrent use.
type Error struct {
	Status   int
	ScimType string // Empty if the RFC names none.
	Detail   string
	// RetryAfter is positive on 429 and 503: when to come back.
	RetryAfter time.Duration
	// Location is the resource that already exists, on some 409 answers.
	Location string
	// Allow lists the methods of the resource, on 405 answers.
	Allow []string

	cause error
}

// Error returns status and detail, never the cause.
func (e *Error) Error() string {
	return strconv.Itoa(e.Status) + " " + e.Detail
}

// Unwrap returns the cause, nil if there is none.
func (e *Error) Unwrap() error { return e.cause }

// MarshalJSON writes the body of RFC 7644 section 3.12, where status is a
// string.
func (e *Error) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Schemas  [1]string `json:"schemas"`
		Status   string    `json:"status"`
		ScimType string    `json:"scimType,omitempty"`
		Detail   string    `json:"detail,omitempty"`
	}{[1]string{errorSchema}, strconv.Itoa(e.Status), e.ScimType, e.Detail})
}

// causedBy returns a copy of e that remembers the cause for the log.
func (e *Error) causedBy(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// at returns a copy of e that names the resource which already exists.
func (e *Error) at(location string) *Error {
	c := *e
	c.Location = location
	return &c
}

// ToError is the one way from any error to an answer. Errors that this package
// does not know become 500 "internal error": their text never leaves the
// process. A nil error gives nil.
func ToError(err error) *Error {
	if err == nil {
		return nil
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var size *http.MaxBytesError
	var members *sync.UnknownMembersError
	var taken *store.ConflictError
	switch {
	case errors.As(err, &size):
		return errTooLarge("GD04", "the body exceeds %d bytes", size.Limit).causedBy(err)
	case errors.As(err, &members):
		return unknownMembers(members.IDs).causedBy(err)
	case errors.As(err, &taken):
		return errUniqueness("", "another record already has this %s", taken.Key).causedBy(err)
	case errors.Is(err, store.ErrUnavailable):
		return errBusy(storeAway, "the store is not available, nothing was changed. Remedy: send the request again").causedBy(err)
	case errors.Is(err, store.ErrBusy):
		return errBusy(time.Second, "too many requests wait for the store, nothing was changed. Remedy: send the request again").causedBy(err)
	case errors.Is(err, workspace.ErrStale):
		return errConflict("", "the resource is being changed by other requests at the same time. Remedy: send the request again").causedBy(err)
	case isNotFound(err):
		return newError(http.StatusNotFound, "", "Invalid", "", "the resource was not found", nil).causedBy(err)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return errBusy(time.Second, "the request took too long and was given up").causedBy(err)
	}
	return &Error{Status: http.StatusInternalServerError, Detail: "Internal: internal error", cause: err}
}

// storeAway is when to come back while the store is away.
const storeAway = 10 * time.Second

// isNotFound reports whether a look-up found nothing.
func isNotFound(err error) bool { return errors.Is(err, workspace.ErrNotFound) }

// maxNamedMembers bounds the ids that an error names.
const maxNamedMembers = 10

// unknownMembers: members that this connection never stated. Nothing is
// applied: a silent strip would be worse (scim section 6).
func unknownMembers(ids []string) *Error {
	named := make([]string, 0, maxNamedMembers)
	for _, id := range ids[:min(len(ids), maxNamedMembers)] {
		named = append(named, shorten(id))
	}
	return errInvalidValue("", "%d unknown members: %s. Remedy: push these Users or Groups first", len(ids), strings.Join(named, ", "))
}

// refused is the answer to a request that the engine refused as a whole (VW03,
// VW05, VW07 to VW10).
func refused(r *sync.Refusal) *Error {
	text := detailText(r.Reason)
	if r.Remedy != "" {
		text += ". Remedy: " + detailText(r.Remedy)
	}
	if r.Ref != "" {
		text += ". Ref " + r.Ref
	}
	switch r.Kind {
	case sync.RefusedHeld:
		return errHeld(r.Rule, "%s", text)
	case sync.RefusedConflict:
		return errUniqueness(r.Rule, "%s", text)
	case sync.RefusedInvalid:
		return errInvalidValue(r.Rule, "%s", text)
	default:
		return errDenied(r.Rule, "%s", text)
	}
}

// detailText is a sentence without its full stop, as parts of a detail are.
func detailText(text string) string { return strings.TrimRight(text, ". ") }

// newError builds the detail "Word [rule]: text"; an empty rule leaves out the
// brackets.
func newError(status int, scimType, word, rule, format string, args []any) *Error {
	var b strings.Builder
	b.WriteString(word)
	if rule != "" {
		b.WriteString(" [" + rule + "]")
	}
	b.WriteString(": ")
	fmt.Fprintf(&b, format, args...)
	return &Error{Status: status, ScimType: scimType, Detail: detailLine(b.String())}
}

// detailLine makes text safe for headers, terminals and log viewers: control
// characters become spaces, what is not ASCII becomes an escape, and the line
// is cut to maxDetail.
func detailLine(text string) string {
	var b strings.Builder
	for _, r := range text {
		var piece string
		switch {
		case r < ' ' || r == 0x7f:
			piece = " "
		case r < 0x7f:
			piece = string(r)
		case r <= 0xffff:
			piece = fmt.Sprintf("\\u%04x", r)
		default:
			piece = fmt.Sprintf("\\U%08x", r)
		}
		if b.Len()+len(piece) > maxDetail {
			break
		}
		b.WriteString(piece)
	}
	return b.String()
}

// errInvalidFilter: the filter cannot be read, or its attribute cannot be
// filtered by.
func errInvalidFilter(rule, format string, args ...any) *Error {
	return newError(http.StatusBadRequest, typeInvalidFilter, "Invalid", rule, format, args)
}

// errInvalidPath: a PATCH path, sortBy or attribute name that names nothing.
func errInvalidPath(rule, format string, args ...any) *Error {
	return newError(http.StatusBadRequest, typeInvalidPath, "Invalid", rule, format, args)
}

// errInvalidValue: a value is missing or does not fit its attribute.
func errInvalidValue(rule, format string, args ...any) *Error {
	return newError(http.StatusBadRequest, typeInvalidValue, "Invalid", rule, format, args)
}

// errInvalidSyntax: the body is no JSON, or no request of the SCIM protocol.
func errInvalidSyntax(rule, format string, args ...any) *Error {
	return newError(http.StatusBadRequest, typeInvalidSyntax, "Invalid", rule, format, args)
}

// errMutability: a write to what cannot be written, or a removal of what is
// required.
func errMutability(rule, format string, args ...any) *Error {
	return newError(http.StatusBadRequest, typeMutability, "Invalid", rule, format, args)
}

// errNoTarget: a PATCH path with a filter that matches nothing.
func errNoTarget(rule, format string, args ...any) *Error {
	return newError(http.StatusBadRequest, typeNoTarget, "Invalid", rule, format, args)
}

// errTooMany: a filter that asks for more than the server will work on.
func errTooMany(rule, format string, args ...any) *Error {
	return newError(http.StatusBadRequest, typeTooMany, "Limit", rule, format, args)
}

// errInvalidCursor: a forged or foreign cursor (RFC 9865). It has one text, so
// that nothing is learnt from guessing.
func errInvalidCursor() *Error {
	return newError(http.StatusBadRequest, typeInvalidCursor, "Invalid", "", "the cursor is not valid here. Remedy: start again without a cursor", nil)
}

// errExpiredCursor: a cursor that was good once (RFC 9865).
func errExpiredCursor() *Error {
	return newError(http.StatusBadRequest, typeExpiredCursor, "Invalid", "", "the cursor has expired. Remedy: start again without a cursor", nil)
}

// errInvalidCount: another count than the one the cursor was made with
// (RFC 9865).
func errInvalidCount() *Error {
	return newError(http.StatusBadRequest, typeInvalidCount, "Invalid", "", "count must stay the same from page to page", nil)
}

// errUnauthorized: any bad token. One text for all reasons.
func errUnauthorized() *Error {
	return newError(http.StatusUnauthorized, "", "Denied", "", "the bearer token is missing, unknown, expired or revoked. Remedy: create a token for this connection and enter it at the identity provider", nil)
}

// errDenied: a verdict or the token's scope forbids it; 403.
func errDenied(rule, format string, args ...any) *Error {
	return newError(http.StatusForbidden, "", "Denied", rule, format, args)
}

// errHeld: the effect waits for an approval and must not look done; 403.
func errHeld(rule, format string, args ...any) *Error {
	return newError(http.StatusForbidden, "", "Held", rule, format, args)
}

// errNotFound: there is no such resource in this connection, whatever the form
// of its id.
func errNotFound(resourceType, id string) *Error {
	return newError(http.StatusNotFound, "", "Invalid", "", "%s %q was not found", []any{resourceType, id})
}

// errNoEndpoint: the path names no endpoint of this service provider.
func errNoEndpoint() *Error {
	return newError(http.StatusNotFound, "", "Invalid", "", "there is no such endpoint. Remedy: the base URL of this service provider ends in /scim/v2", nil)
}

// errMethodNotAllowed: the resource exists, the method does not.
func errMethodNotAllowed(method string, allow ...string) *Error {
	e := newError(http.StatusMethodNotAllowed, "", "Invalid", "", "%s is not possible here; possible: %s", []any{method, strings.Join(allow, ", ")})
	e.Allow = allow
	return e
}

// errNotAcceptable: the Accept header admits no SCIM body.
func errNotAcceptable() *Error {
	return newError(http.StatusNotAcceptable, "", "Invalid", "", "answers are application/scim+json. Remedy: accept that type or application/json", nil)
}

// errUniqueness: another resource of the connection has this value, or the
// resource may not be linked; 409 uniqueness.
func errUniqueness(rule, format string, args ...any) *Error {
	return newError(http.StatusConflict, typeUniqueness, "Conflict", rule, format, args)
}

// errConflict: a write race was lost; 409 without scimType.
func errConflict(rule, format string, args ...any) *Error {
	return newError(http.StatusConflict, "", "Conflict", rule, format, args)
}

// errPreconditionFailed: If-Match names another version than the stored one.
func errPreconditionFailed(version string) *Error {
	return newError(http.StatusPreconditionFailed, "", "Conflict", "", "If-Match does not name the current version %s. Remedy: read the resource again", []any{version})
}

// errTooLarge: a body or a list exceeds its limit; 413.
func errTooLarge(rule, format string, args ...any) *Error {
	return newError(http.StatusRequestEntityTooLarge, "", "Limit", rule, format, args)
}

// errUnsupportedMediaType: a Content-Type or Content-Encoding that is not read.
func errUnsupportedMediaType(rule, format string, args ...any) *Error {
	return newError(http.StatusUnsupportedMediaType, "", "Invalid", rule, format, args)
}

// errTooManyRequests: over the rate of the connection or address; after says
// when to come back.
func errTooManyRequests(after time.Duration, format string, args ...any) *Error {
	e := newError(http.StatusTooManyRequests, "", "Limit", "", format, args)
	e.RetryAfter = after
	return e
}

// errNotImplemented: an optional part of the protocol that does not exist here.
func errNotImplemented(format string, args ...any) *Error {
	return newError(http.StatusNotImplemented, "", "Invalid", "", format, args)
}

// errBusy: the store is away or full, or the daemon is stopping; after says
// when to come back.
func errBusy(after time.Duration, format string, args ...any) *Error {
	e := newError(http.StatusServiceUnavailable, "", "Busy", "", format, args)
	e.RetryAfter = after
	return e
}
