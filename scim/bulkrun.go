package scim

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// bulkRun carries out the operations of one Bulk request. It belongs to one
// goroutine.
type bulkRun struct {
	x       *exchange
	request bulkRequest
	byID    map[string]int // Operations that make something, by bulkId.
	results []*bulkResult
	running map[int]bool
	errors  int
	// links are resources that were made without references which were not
	// there yet; they are stated whole afterwards.
	links []int
}

// run does what the request says, in its order. What a later POST makes is
// made earlier if it is referred to; of resources that refer to each other the
// first is made without the reference, and stated again with it.
func (b *bulkRun) run() {
	b.running = map[int]bool{}
	for i := range b.request.operations {
		if b.stopped() {
			break
		}
		b.operation(i)
		b.link()
	}
}

// stopped reports whether failOnErrors has been reached.
func (b *bulkRun) stopped() bool {
	return b.request.failOnErrors > 0 && b.errors >= b.request.failOnErrors
}

// operation carries out one operation, after those it refers to.
func (b *bulkRun) operation(i int) {
	if b.results[i] != nil || b.running[i] {
		return
	}
	b.running[i] = true
	defer delete(b.running, i)
	op := &b.request.operations[i]
	if op.bad != nil {
		b.fail(i, op.bad)
		return
	}
	waiting := false
	for _, id := range op.references() {
		k, known := b.byID[id]
		if !known {
			b.fail(i, errUnresolved(id))
			return
		}
		if b.operation(k); b.stopped() && b.results[k] != nil && b.results[k].failed() {
			return // It belongs to what is left undone.
		}
		switch {
		case b.results[k] == nil && op.method == http.MethodPost:
			waiting = true // A circle: k waits for this one, or is this one.
		case b.results[k] == nil || b.results[k].failed():
			b.fail(i, errUnresolved(id))
			return
		}
	}
	if waiting {
		b.links = append(b.links, i)
	}
	b.done(i, b.send(op.method, b.resolve(op.path), op.version, b.resolved(op.data)))
}

// errUnresolved: a reference to nothing that this request made.
func errUnresolved(id string) *Error {
	return errInvalidValue("", "bulkId %q names no resource that this request made", shorten(id))
}

// link states the resources of circles again, now that all of them are there.
func (b *bulkRun) link() {
	links := b.links
	b.links = nil
	for _, i := range links {
		op, made := &b.request.operations[i], b.results[i]
		if made.failed() {
			continue
		}
		for _, id := range op.references() {
			if k := b.byID[id]; b.results[k] == nil || b.results[k].failed() {
				// It stands, without the reference; the status says that it is
				// not what was asked for.
				b.results[i] = b.refusal(op, errUnresolved(id))
				b.results[i].Location, b.results[i].Version, b.results[i].id = made.Location, made.Version, made.id
				b.errors++
				break
			}
		}
		if b.results[i].failed() {
			continue
		}
		again := b.send(http.MethodPut, strings.TrimSuffix(op.path, "/")+"/"+made.id, "", b.resolved(op.data))
		if again.failed() {
			made.Status, made.status, made.Response = again.Status, again.status, again.Response
			b.errors++
			continue
		}
		made.Version = again.Version
	}
}

// done keeps a result.
func (b *bulkRun) done(i int, r *bulkResult) {
	op := &b.request.operations[i]
	r.Method, r.BulkID = op.method, op.bulkID
	if r.failed() {
		b.errors++
	}
	b.results[i] = r
}

// fail keeps an error without carrying out the operation.
func (b *bulkRun) fail(i int, e *Error) { b.done(i, b.refusal(&b.request.operations[i], e)) }

func (b *bulkRun) refusal(op *bulkOperation, e *Error) *bulkResult {
	r := &bulkResult{Method: op.method, BulkID: op.bulkID, Status: strconv.Itoa(e.Status), status: e.Status}
	// An Error always has a form.
	r.Response, _ = e.MarshalJSON()
	if op.method != http.MethodPost && op.path != "" {
		r.Location = b.x.h.base + "/" + strings.TrimPrefix(strings.TrimPrefix(op.path, basePath), "/")
	}
	return r
}

// recorder takes the answer to one operation.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is the head of the answer.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader keeps the status.
func (w *recorder) WriteHeader(status int) { w.status = status }

// Write keeps the body.
func (w *recorder) Write(b []byte) (int, error) { return w.body.Write(b) }

// send carries out one operation as the request that it stands for, with a
// request id and a run of its own.
func (b *bulkRun) send(method, path, version string, data any) *bulkResult {
	w := &recorder{header: http.Header{}}
	var body []byte
	if data != nil {
		body = appendValue(nil, data)
	}
	target := basePath + "/" + strings.TrimPrefix(strings.TrimPrefix(path, basePath), "/")
	r := (&http.Request{
		Method: method, URL: &url.URL{Path: target}, Header: http.Header{"Content-Type": {mediaType}}, ContentLength: int64(len(body)),
		Body: http.NoBody, RemoteAddr: b.x.r.RemoteAddr,
	}).WithContext(b.x.r.Context())
	if agent := b.x.r.Header["User-Agent"]; agent != nil {
		r.Header["User-Agent"] = agent
	}
	if version != "" {
		r.Header["If-Match"] = []string{version}
	}
	one := &exchange{
		h: b.x.h, w: w, r: r, txn: uuid.Must(uuid.NewV7()).String(), start: b.x.h.now(), ip: b.x.ip, token: b.x.token, scopes: b.x.scopes, link: b.x.link,
		kept: body, sent: body,
	}
	one.serveOperation()
	result := &bulkResult{Method: method, Status: strconv.Itoa(one.status), status: one.status, Version: w.header.Get("Etag"), Location: w.header.Get("Location")}
	if result.failed() {
		result.Response = bytes.Clone(w.body.Bytes())
	}
	if result.Location == "" && method != http.MethodPost {
		result.Location = b.x.h.base + strings.TrimPrefix(target, basePath)
	}
	if method == http.MethodPost && !result.failed() {
		result.id = result.Location[strings.LastIndexByte(result.Location, '/')+1:]
	}
	return result
}

// serveOperation runs and logs one operation of a Bulk request; whatever
// happens, there is an answer.
func (x *exchange) serveOperation() {
	defer func() {
		if p := recover(); p != nil {
			x.begun = false
			x.fail(fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
		x.logged()
		x.recorded()
	}()
	if err := x.operate(); err != nil {
		x.fail(err)
	}
}

// operate routes one operation: to Users and Groups, and one of them only.
func (x *exchange) operate() error {
	if err := x.inScope(); err != nil {
		return err
	}
	var err error
	if x.route, err = x.findRoute(); err != nil {
		return err
	}
	create := x.r.Method == http.MethodPost
	switch {
	case x.route.endpoint != endpointUsers && x.route.endpoint != endpointGroups:
		return errInvalidPath("", "Bulk reaches Users and Groups only, and no Bulk within it")
	case create != (x.route.id == ""):
		return errInvalidPath("", "a POST goes to /Users or /Groups, every other method to one of them")
	case len(x.kept) == 0 && x.r.Method != http.MethodDelete:
		return errInvalidSyntax("", "the operation has no data")
	}
	return x.dispatch()
}

// references lists the bulkIds that an operation names, each once.
func (op *bulkOperation) references() []string {
	var ids []string
	seen := map[string]bool{} // A body holds hundreds of thousands of them.
	note := func(id string) string {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
		return bulkPrefix + id
	}
	replaceReferences(op.path, note)
	walkReferences(op.data, "", note)
	return ids
}

// resolve puts ids for the references in a text.
func (b *bulkRun) resolve(text string) string {
	return replaceReferences(text, func(id string) string {
		if k, known := b.byID[id]; known && b.results[k] != nil && b.results[k].id != "" {
			return b.results[k].id
		}
		return bulkPrefix + id
	})
}

// resolved is data with ids for references. Those that are not there yet are
// left out, with the object that held them.
func (b *bulkRun) resolved(data any) any {
	return withoutReferences(walkReferences(data, "", func(id string) string { return b.resolve(bulkPrefix + id) }))
}

// walkReferences copies plain JSON with the references replaced: a text that is
// one, and those inside the path of an operation of PATCH.
func walkReferences(v any, name string, replace func(id string) string) any {
	switch v := v.(type) {
	case string:
		if id, is := strings.CutPrefix(v, bulkPrefix); is && id != "" {
			return replace(id)
		}
		if sameName(name, "path") {
			return replaceReferences(v, replace)
		}
		return v
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, e := range v {
			out[key] = walkReferences(e, key, replace)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = walkReferences(e, "", replace)
		}
		return out
	}
	return v
}

// withoutReferences drops what still is a reference, and objects that lose one.
func withoutReferences(v any) any {
	kept, _ := dropReferences(v)
	return kept
}

func dropReferences(v any) (kept any, dropped bool) {
	switch v := v.(type) {
	case string:
		return v, strings.HasPrefix(v, bulkPrefix) && v != bulkPrefix
	case map[string]any:
		for key, e := range v {
			kept, gone := dropReferences(e)
			if gone {
				if _, text := e.(string); text {
					return nil, true
				}
				delete(v, key)
				continue
			}
			v[key] = kept
		}
		return v, false
	case []any:
		list := v[:0]
		for _, e := range v {
			if kept, gone := dropReferences(e); !gone {
				list = append(list, kept)
			}
		}
		return list, false
	}
	return v, false
}

// replaceReferences replaces every bulkId:x of a text; an id ends at what ends
// a part of a path or a quoted value.
func replaceReferences(text string, replace func(id string) string) string {
	var out strings.Builder
	for {
		at := strings.Index(text, bulkPrefix)
		if at < 0 {
			return out.String() + text
		}
		out.WriteString(text[:at])
		text = text[at+len(bulkPrefix):]
		end := strings.IndexAny(text, `"/] `)
		if end < 0 {
			end = len(text)
		}
		if end == 0 {
			out.WriteString(bulkPrefix)
			continue
		}
		out.WriteString(replace(text[:end]))
		text = text[end:]
	}
}
