package scim

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// The message URNs of Bulk (RFC 7644 section 3.7).
const (
	bulkRequestSchema  = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	bulkResponseSchema = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
)

// maxBulkOperations is the limit of GD05.
const maxBulkOperations = 1000

// bulkPrefix begins a reference to a resource that the same request makes.
const bulkPrefix = "bulkId:"

// bulkOperation is one operation of a Bulk request.
type bulkOperation struct {
	method, bulkID, path, version string

	data any // Plain JSON; nil if there is none.
	bad  *Error
}

// bulkRequest is a Bulk request as it was read.
type bulkRequest struct {
	operations   []bulkOperation
	failOnErrors int // 0: never stop.
}

// bulk answers POST /Bulk (RFC 7644 section 3.7): operations in order, each its
// own unit of work and run.
func (x *exchange) bulk() error {
	if x.r.Method != http.MethodPost {
		return errMethodNotAllowed(x.r.Method, http.MethodPost)
	}
	if x.route.id != "" {
		return errNoEndpoint()
	}
	body, err := x.body(x.h.groupBody)
	if err != nil {
		return err
	}
	x.sent = nil // Each operation is recorded with its own part.
	request, err := x.readBulk(body)
	if err != nil {
		return err
	}
	if err := x.chargeBulk(request.operations); err != nil {
		return err
	}
	b := &bulkRun{x: x, request: request, byID: map[string]int{}, results: make([]*bulkResult, len(request.operations))}
	for i, op := range request.operations {
		if op.bulkID != "" && op.method == http.MethodPost {
			b.byID[op.bulkID] = i
		}
	}
	b.run()
	return x.write(http.StatusOK, b.response())
}

// readBulk reads the body. What is wrong with one operation is answered in its
// own place, what is wrong with the message is 400.
func (x *exchange) readBulk(body []byte) (bulkRequest, error) {
	var q bulkRequest
	raw, err := parseJSON(body)
	if err != nil {
		return q, err
	}
	o, ok := raw.(object)
	if !ok {
		return q, errInvalidSyntax("", "the body must be a JSON object, not %s", describe(raw))
	}
	r := reader{profile: x.link.profile}
	if err := r.message(o, bulkRequestSchema); err != nil {
		return q, err
	}
	list, _ := o.get("Operations")
	operations, ok := list.([]any)
	if !ok || len(operations) == 0 {
		return q, errInvalidSyntax("", "Operations must be a list with at least one operation")
	}
	if len(operations) > maxBulkOperations {
		return q, errTooLarge("GD05", "the request has %d operations; at most %d are allowed", len(operations), maxBulkOperations)
	}
	if raw, stated := o.get("failOnErrors"); stated && raw != nil {
		n, err := r.integer("failOnErrors", raw)
		if err != nil {
			return q, err
		}
		if *n < 1 {
			return q, errInvalidValue("", "failOnErrors must be 1 or more")
		}
		q.failOnErrors = *n
	}
	seen := map[string]bool{}
	for _, raw := range operations {
		op := r.bulkOperation(raw)
		if op.bulkID != "" && seen[op.bulkID] {
			return q, errInvalidValue("", "the bulkId %q is given twice", shorten(op.bulkID))
		}
		seen[op.bulkID] = true
		q.operations = append(q.operations, op)
	}
	x.note(r.notes)
	return q, nil
}

// bulkOperation reads one operation.
func (r *reader) bulkOperation(raw any) (op bulkOperation) {
	o, ok := raw.(object)
	if !ok {
		op.bad = errInvalidSyntax("", "an operation must be an object, not %s", describe(raw))
		return op
	}
	for name, into := range map[string]*string{"method": &op.method, "bulkId": &op.bulkID, "path": &op.path, "version": &op.version} {
		v, _ := o.get(name)
		text, isText := v.(string)
		if v != nil && !isText {
			op.bad = errInvalidSyntax("", "%s of an operation must be a string, not %s", name, describe(v))
		}
		*into = text
	}
	op.method = strings.ToUpper(op.method)
	if data, _ := o.get("data"); data != nil {
		op.data = plain(data)
	}
	if op.bad != nil {
		return op
	}
	switch op.method {
	case http.MethodPost:
		if op.bulkID == "" && !r.tolerate(TL12, "bulkId") {
			op.bad = errInvalidSyntax("", "a POST needs a bulkId")
		}
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		op.bad = errInvalidSyntax("", "the method %q is not possible in Bulk; possible: POST, PUT, PATCH, DELETE", shorten(op.method))
	}
	return op
}

// chargeBulk counts each operation in the rate. A request that is let in is
// carried out whole; what it took above the rate, the next ones wait for. One
// that only ends access always passes.
func (x *exchange) chargeBulk(operations []bulkOperation) error {
	reads, changes, leaving := 0, 0, true
	for i := range operations {
		op := &operations[i]
		if isChange(op.method) {
			changes++
		} else {
			reads++
		}
		leaving = leaving && x.endsAccess(op)
	}
	wait, ok := x.link.limit.take(x.start, reads, changes)
	if ok || leaving {
		return nil
	}
	return x.tooFast(wait)
}

// endsAccess reports whether an operation is one of the leaver lane.
func (x *exchange) endsAccess(op *bulkOperation) bool {
	name, _, _ := splitPath(op.path)
	if e, _ := lookupEndpoint(name); e != endpointUsers {
		return false
	}
	switch op.method {
	case http.MethodDelete:
		return true
	case http.MethodPut, http.MethodPatch:
		return x.link.leavingBody(op.method, appendValue(nil, op.data))
	}
	return false
}

// bulkResult is what became of one operation (RFC 7644 section 3.7.3).
type bulkResult struct {
	Method   string          `json:"method"`
	BulkID   string          `json:"bulkId,omitempty"`
	Version  string          `json:"version,omitempty"`
	Location string          `json:"location,omitempty"`
	Status   string          `json:"status"`
	Response json.RawMessage `json:"response,omitempty"`

	id     string // Of the resource that a POST made.
	status int
}

func (r *bulkResult) failed() bool { return r.status >= http.StatusBadRequest }

// response is the body of the answer: results in the order of the request,
// without those that failOnErrors left undone.
func (b *bulkRun) response() []byte {
	out := append([]byte(nil), `{"schemas":["`+bulkResponseSchema+`"],"Operations":[`...)
	first := true
	for _, r := range b.results {
		if r == nil {
			continue
		}
		text, err := json.Marshal(r)
		if err != nil {
			// Texts and numbers always have a form; the status alone still tells.
			text = []byte(`{"status":` + strconv.Quote(r.Status) + `}`)
		}
		if !first {
			out = append(out, ',')
		}
		out, first = append(out, text...), false
	}
	return append(out, "]}"...)
}
