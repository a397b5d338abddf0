package scim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestErrorConstructors(t *testing.T) {
	tests := []struct {
		err      *Error
		status   int
		scimType string
		detail   string
	}{
		{errInvalidFilter("GD02", "a %s", "b"), 400, "invalidFilter", "Invalid [GD02]: a b"},
		{errInvalidPath("", "p"), 400, "invalidPath", "Invalid: p"},
		{errInvalidValue("", "v"), 400, "invalidValue", "Invalid: v"},
		{errInvalidSyntax("", "s"), 400, "invalidSyntax", "Invalid: s"},
		{errMutability("", "m"), 400, "mutability", "Invalid: m"},
		{errNoTarget("", "n"), 400, "noTarget", "Invalid: n"},
		{errTooMany("GD02", "t"), 400, "tooMany", "Limit [GD02]: t"},
		{errInvalidCursor(), 400, "invalidCursor", "Invalid: the cursor is not valid here. Remedy: start again without a cursor"},
		{errExpiredCursor(), 400, "expiredCursor", "Invalid: the cursor has expired. Remedy: start again without a cursor"},
		{errInvalidCount(), 400, "invalidCount", "Invalid: count must stay the same from page to page"},
		{errUnauthorized(), 401, "", "Denied: the bearer token is missing, unknown, expired or revoked. Remedy: create a token for this connection and enter it at the identity provider"},
		{errDenied("M13.Admin", "no"), 403, "", "Denied [M13.Admin]: no"},
		{errHeld("I11", "wait"), 403, "", "Held [I11]: wait"},
		{errNotFound("User", "u1"), 404, "", `Invalid: User "u1" was not found`},
		{errNoEndpoint(), 404, "", "Invalid: there is no such endpoint. Remedy: the base URL of this service provider ends in /scim/v2"},
		{errMethodNotAllowed("PUT", "GET", "HEAD"), 405, "", "Invalid: PUT is not possible here; possible: GET, HEAD"},
		{errNotAcceptable(), 406, "", "Invalid: answers are application/scim+json. Remedy: accept that type or application/json"},
		{errUniqueness("", "u"), 409, "uniqueness", "Conflict: u"},
		{errConflict("", "c"), 409, "", "Conflict: c"},
		{errPreconditionFailed(`W/"3"`), 412, "", `Conflict: If-Match does not name the current version W/"3". Remedy: read the resource again`},
		{errTooLarge("GD04", "l"), 413, "", "Limit [GD04]: l"},
		{errUnsupportedMediaType("", "x"), 415, "", "Invalid: x"},
		{errTooManyRequests(time.Second, "r"), 429, "", "Limit: r"},
		{errNotImplemented("This token belongs to a connection, not to a person."), 501, "", "Invalid: This token belongs to a connection, not to a person."},
		{errBusy(time.Second, "b"), 503, "", "Busy: b"},
	}
	for _, tt := range tests {
		if tt.err.Status != tt.status || tt.err.ScimType != tt.scimType || tt.err.Detail != tt.detail {
			t.Errorf("got %d %q %q, want %d %q %q", tt.err.Status, tt.err.ScimType, tt.err.Detail, tt.status, tt.scimType, tt.detail)
		}
		retry := tt.status == http.StatusTooManyRequests || tt.status == http.StatusServiceUnavailable
		if retry != (tt.err.RetryAfter > 0) {
			t.Errorf("%d: RetryAfter is %v", tt.status, tt.err.RetryAfter)
		}
	}
}

func TestErrorBody(t *testing.T) {
	got, err := json.Marshal(errDenied("M13.Admin", "no connection gives the role Owner"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"403","detail":"Denied [M13.Admin]: no connection gives the role Owner"}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func TestDetailIsOneShortASCIILine(t *testing.T) {
	line := regexp.MustCompile(`^[ -~]{1,400}$`)
	for _, text := range []string{"a\r\nX-Evil: 1", "gr\u00f6\u00dfe \U0001f600", "\xff\x00\x7f\x1b[31m", strings.Repeat("\u00e5", 1000)} {
		if got := errInvalidValue("", "%s", text).Detail; !line.MatchString(got) {
			t.Errorf("detail of %q is %q", text, got)
		}
	}
	if got, want := errInvalidValue("", "\u00e5").Detail, `Invalid: \u00e5`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestToError(t *testing.T) {
	secret := errors.New("pq: relation identity does not exist")
	tests := []struct {
		name   string
		err    error
		status int
		detail string
	}{
		{"own, wrapped (LB14)", fmt.Errorf("reading: %w", errNotFound("User", "1")), 404, `Invalid: User "1" was not found`},
		{"unknown", secret, 500, "Internal: internal error"},
		{"unknown, wrapped", fmt.Errorf("x: %w", secret), 500, "Internal: internal error"},
		{"body limit (GD04)", fmt.Errorf("x: %w", &http.MaxBytesError{Limit: 1048576}), 413, "Limit [GD04]: the body exceeds 1048576 bytes"},
		{"deadline", context.DeadlineExceeded, 503, "Busy: the request took too long and was given up"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ToError(tt.err)
			if got.Status != tt.status || got.Detail != tt.detail {
				t.Errorf("got %d %q, want %d %q", got.Status, got.Detail, tt.status, tt.detail)
			}
			if strings.Contains(got.Error(), "relation") {
				t.Errorf("the cause is shown: %q", got.Error())
			}
		})
	}
	if ToError(nil) != nil {
		t.Error("nil is an error")
	}
	if !errors.Is(ToError(secret), secret) {
		t.Error("the cause is lost")
	}
}

func TestErrorCopies(t *testing.T) {
	base := errUniqueness("", "userName is taken")
	located := base.at("https://acme.com/scim/v2/Users/1")
	caused := located.causedBy(context.Canceled)
	if base.Location != "" || located.Unwrap() != nil {
		t.Error("the original was changed")
	}
	if caused.Location != located.Location || !errors.Is(caused, context.Canceled) {
		t.Error("the copy lost a field")
	}
}
