package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// route is one operation of the API. The table of them drives routing, scopes,
// decoding and the OpenAPI document.
type route struct {
	method, path string // a segment in braces is a parameter
	id           string // operationId
	summary      string
	scope        string // "": no token is asked for
	// acting: the request names the member who acts.
	acting bool
	// writes: Idempotency-Key and dry_run are taken; match: If-Match too.
	writes, match bool
	// cut: it ends access, so no rate and no queue refuses it (PR3).
	cut bool
	// etag: the answer has a validator, and If-None-Match is taken.
	etag    bool
	query   []parameter
	body    any // zero value of the body's type; nil for none
	answer  any // zero value of the answer's type; nil for none
	status  int // of a success
	feed    bool
	problem []int // further problems that the document names
	run     func(x *exchange) (*reply, error)
}

// parameter is one query parameter.
type parameter struct {
	name, text string
	enum       []string
	number     bool // from 1 to maxPage
	required   bool
}

// router finds routes by method and path.
type router struct{ table []route }

func newRouter(table []route) *router { return &router{table} }

// find gives the route of a request with the values of its path. Values are
// unescaped after the path is cut, so that an escaped slash stays inside.
func (t *router) find(r *http.Request) (*route, map[string]string, error) {
	segments := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var allow []string
	for i := range t.table {
		values, ok := match(strings.Split(strings.TrimPrefix(t.table[i].path, "/"), "/"), segments)
		switch {
		case !ok:
		case t.table[i].method == method:
			return &t.table[i], values, nil
		default:
			allow = append(allow, t.table[i].method)
		}
	}
	if len(allow) == 0 {
		p := errNotFound()
		p.Detail, p.Remedy = "There is no such endpoint.", "See /v1/openapi.json."
		return nil, nil, p
	}
	slices.Sort(allow)
	return nil, nil, &Problem{Status: http.StatusMethodNotAllowed, Code: "method", Detail: "The method is not possible here.", Remedy: "Use " + strings.Join(allow, " or ") + ".", allow: strings.Join(allow, ", ")}
}

// match compares the segments of a pattern with those of a path. Fixed
// segments are compared exactly; a parameter takes any that is not empty.
func match(pattern, segments []string) (map[string]string, bool) {
	if len(pattern) != len(segments) {
		return nil, false
	}
	var values map[string]string
	for i, p := range pattern {
		if !strings.HasPrefix(p, "{") {
			if p != segments[i] {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(segments[i])
		if err != nil || value == "" {
			return nil, false
		}
		if values == nil {
			values = map[string]string{}
		}
		values[strings.Trim(p, "{}")] = value
	}
	return values, true
}
