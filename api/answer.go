package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// fail answers with a problem.
func (x *exchange) fail(err error) {
	p := *toProblem(err)
	if p.Status >= http.StatusInternalServerError {
		x.h.log.Error("api request failed", "txn", x.txn, "status", p.Status, "err", err)
	}
	if p.RunID != "" {
		x.run = p.RunID
	}
	p.Type, p.Title, p.RequestID = "about:blank", http.StatusText(p.Status), x.txn
	body, err := json.Marshal(&p)
	if err != nil {
		body = []byte(`{"status":500,"code":"internal"}`)
	}
	head := x.w.Header()
	if p.retry > 0 {
		head.Set("Retry-After", seconds(p.retry))
	}
	if p.allow != "" {
		head.Set("Allow", p.allow)
	}
	if p.Status == http.StatusUnauthorized {
		head.Set("WWW-Authenticate", `Bearer realm="rollcall"`)
	}
	x.send(p.Status, "application/problem+json", body)
}

// write sends an answer.
func (x *exchange) write(a *reply) error {
	head := x.w.Header()
	for _, pair := range a.Header {
		head.Set(pair[0], pair[1])
	}
	if a.replayed {
		head.Set("Idempotent-Replayed", "true")
	}
	kind := a.Type
	if kind == "" {
		kind = "application/json"
	}
	if tag := head.Get("ETag"); tag != "" && x.r.Method == http.MethodGet && a.Status == http.StatusOK && named(x.r.Header.Values("If-None-Match"), tag) {
		x.send(http.StatusNotModified, "", nil)
		return nil
	}
	x.send(a.Status, kind, a.Body)
	return nil
}

// send writes head and body. A client that has gone away cannot be told.
func (x *exchange) send(status int, kind string, body []byte) {
	x.status = status
	head := x.w.Header()
	if len(body) > 0 {
		head.Set("Content-Type", kind)
		head.Set("Content-Length", strconv.Itoa(len(body)))
	}
	x.w.WriteHeader(status)
	if len(body) == 0 || x.r.Method == http.MethodHead {
		return
	}
	if _, err := x.w.Write(body); err != nil {
		x.h.log.Debug("an answer was not read", "txn", x.txn, "err", err)
	}
}

// encode is the JSON of every answer: addresses stay readable.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// etagOf is the strong validator of a representation (RFC 9110 section 8.8):
// a hash of it, so that whatever a client sees is covered.
func etagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`
}

// named reports whether a list of entity tags (If-Match, If-None-Match) names
// one, or all with "*".
func named(lines []string, tag string) bool {
	for _, line := range lines {
		for _, t := range strings.Split(line, ",") {
			if t = strings.TrimSpace(t); t == tag || t == "*" {
				return true
			}
		}
	}
	return false
}

// resource answers with one thing and its validator.
func resource(status int, v any) (*reply, error) {
	body, err := encode(v)
	if err != nil {
		return nil, fmt.Errorf("encoding an answer: %w", err)
	}
	return &reply{Status: status, Body: body, Header: [][2]string{{"ETag", etagOf(body)}}}, nil
}

// plain answers with a value that has no validator.
func plain(status int, v any) (*reply, error) {
	body, err := encode(v)
	return &reply{Status: status, Body: body}, err
}

// seconds is a wait as Retry-After has it: whole seconds, one at the least.
func seconds(wait time.Duration) string {
	return strconv.Itoa(max(1, int((wait+time.Second-1)/time.Second)))
}
