package scim

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	stdsync "sync"
	"time"
)

// contentType is shared by all answers and never written to.
var contentType = []string{mediaType}

// buffers keeps the buffers of answers.
var buffers = stdsync.Pool{New: func() any {
	b := make([]byte, 0, 4<<10)
	return &b
}}

// largestBuffer is the largest buffer that is kept.
const largestBuffer = 64 << 10

// withBuffer runs fn with an empty buffer, which it may grow and give back.
func withBuffer(fn func(b []byte) ([]byte, error)) error {
	kept, _ := buffers.Get().(*[]byte)
	b, err := fn((*kept)[:0])
	if cap(b) > 0 && cap(b) <= largestBuffer {
		*kept = b
		buffers.Put(kept)
	}
	return err
}

// head sends the head of an answer.
func (x *exchange) head(status int) {
	x.status, x.begun = status, true
	x.w.WriteHeader(status)
}

// write sends a whole body.
func (x *exchange) write(status int, body []byte) error {
	header := x.w.Header()
	header["Content-Type"] = contentType
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	x.head(status)
	if x.r.Method == http.MethodHead {
		return nil
	}
	_, err := x.w.Write(body)
	return err
}

// empty sends an answer without a body.
func (x *exchange) empty(version int64) error {
	if version > 0 {
		x.w.Header()["Etag"] = []string{ETag(version)}
	}
	x.head(http.StatusNoContent)
	return nil
}

// resource sends one resource with its version, and on creation its location.
func (x *exchange) resource(status int, res *Resource, p Projection) error {
	if isRead(x.r.Method) && x.knows(res.Meta.Version) {
		return x.notModified(res.Meta.Version)
	}
	return withBuffer(func(b []byte) ([]byte, error) {
		b, err := AppendResource(b, res, p)
		if err != nil {
			return b, err
		}
		header := x.w.Header()
		if res.Meta.Version > 0 {
			header["Etag"] = []string{ETag(res.Meta.Version)}
		}
		if status == http.StatusCreated {
			header["Location"] = []string{res.Meta.Location}
		}
		return b, x.write(status, b)
	})
}

// knows reports whether a read need not be answered: If-None-Match names the
// version that there is (RFC 7644 section 3.14). Tags are compared without W/.
func (x *exchange) knows(version int64) bool {
	return version > 0 && names(x.r.Header["If-None-Match"], version)
}

// notModified sends 304, which has no body.
func (x *exchange) notModified(version int64) error {
	x.w.Header()["Etag"] = []string{ETag(version)}
	x.head(http.StatusNotModified)
	return nil
}

// names reports whether a list of entity tags has a version, or is *.
func names(values []string, version int64) bool {
	want := strconv.FormatInt(version, 10)
	for _, value := range values {
		for tag := range strings.SplitSeq(value, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == "*" || strings.Trim(tag, `"`) == want {
				return true
			}
		}
	}
	return false
}

// fail sends an error. If an answer has begun already, only breaking the
// connection tells the client that it is torn.
func (x *exchange) fail(err error) {
	e := ToError(err)
	x.detail = e.Detail
	x.report(e, err)
	if x.begun {
		panic(http.ErrAbortHandler)
	}
	header := x.w.Header()
	switch e.Status {
	case http.StatusUnauthorized:
		challenge := `Bearer realm="rollcall"`
		if len(x.r.Header["Authorization"]) > 0 {
			challenge += `, error="invalid_token"` // Not to who knew of no token (RFC 6750 section 3.1).
		}
		header.Set("WWW-Authenticate", challenge)
	case http.StatusMethodNotAllowed:
		header.Set("Allow", strings.Join(e.Allow, ", "))
	}
	if e.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int((e.RetryAfter+time.Second-1)/time.Second)))
	}
	if e.Location != "" {
		header.Set("Location", e.Location)
	}
	body, err := json.Marshal(e)
	if err != nil {
		x.h.log.Error("an error could not be written", "txn", x.txn, "err", err)
		x.head(http.StatusInternalServerError)
		return
	}
	if err := x.write(e.Status, body); err != nil {
		x.h.log.Debug("the client did not take its answer", "txn", x.txn, "err", err)
	}
}

// report logs the cause of what is our own trouble: it never reaches the
// client.
func (x *exchange) report(e *Error, err error) {
	if e.Status < http.StatusInternalServerError || e.Status == http.StatusNotImplemented {
		return
	}
	cause := err
	if inner := errors.Unwrap(e); inner != nil {
		cause = inner
	}
	x.h.log.Error("scim request failed", "txn", x.txn, "status", e.Status, "method", x.r.Method, "endpoint", x.route.endpoint.String(), "err", cause)
}

// precondition checks If-Match on a write (RFC 7644 section 3.14): tags are
// compared without W/, lists and * are understood.
func (x *exchange) precondition(version int64) error {
	values := x.r.Header["If-Match"]
	if len(values) == 0 || names(values, version) {
		return nil
	}
	return errPreconditionFailed(ETag(version))
}

// conditional reports whether the request has an If-Match.
func (x *exchange) conditional() bool { return len(x.r.Header["If-Match"]) > 0 }

// location is the absolute URL of a resource.
func (x *exchange) location(rt *ResourceType, id string) string {
	return x.h.base + rt.Endpoint + "/" + id
}

// projection reads the parameters attributes and excludedAttributes.
func (x *exchange) projection(rt *ResourceType) (Projection, error) {
	if len(x.query) == 0 {
		return Projection{}, nil
	}
	return ParseProjection(x.parameter("attributes"), x.parameter("excludedAttributes"), rt)
}

// parameter is one query parameter; several of one name are joined, as lists
// of names may come that way.
func (x *exchange) parameter(name string) string {
	values := x.query[name]
	if len(values) < 2 {
		return x.query.Get(name)
	}
	return strings.Join(values, ",")
}
