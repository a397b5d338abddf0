package scim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"
)

// malformedRequests is how many requests TestMalformedRequests sends.
const malformedRequests = 10_000

// seeds are sound requests; what is sent are ruins of them.
func malformedSeeds(user, group string) [][3]string {
	return [][3]string{
		{"POST", "/Users", `{"schemas":["` + URNUser + `"],"userName":"m@acme.com","name":{"givenName":"M"},"emails":[{"value":"m@acme.com","type":"work","primary":true}],"active":true,"x509Certificates":[{"value":"YQ=="}]}`},
		{"PUT", "/Users/" + user, `{"schemas":["` + URNUser + `","` + URNEnterpriseUser + `"],"userName":"ann@acme.com","` + URNEnterpriseUser + `":{"manager":{"value":"x"},"department":"Sales"}}`},
		{"PATCH", "/Users/" + user, patchBody(`{"op":"replace","path":"emails[type eq \"work\" and primary eq true].value","value":"a@b.no"},{"op":"add","value":{"title":"x","name.givenName":"G"}},{"op":"remove","path":"phoneNumbers[value sw \"+47\"]"}`)},
		{"POST", "/Groups", `{"schemas":["` + URNGroup + `"],"displayName":"g","members":[{"value":"` + user + `"}]}`},
		{"PUT", "/Groups/" + group, `{"schemas":["` + URNGroup + `"],"displayName":"Sales","members":[]}`},
		{"PATCH", "/Groups/" + group, patchBody(`{"op":"add","path":"members","value":[{"value":"` + user + `"}]},{"op":"remove","path":"members[value eq \"` + user + `\"]"}`)},
		{"POST", "/Bulk", `{"schemas":["` + bulkRequestSchema + `"],"failOnErrors":3,"Operations":[{"method":"POST","path":"/Users","bulkId":"q","data":{"schemas":["` + URNUser + `"],"userName":"q@acme.com"}},{"method":"DELETE","path":"/Users/bulkId:q"}]}`},
		{"POST", "/Users/.search", `{"schemas":["` + searchSchema + `"],"filter":"userName sw \"a\" and not (active eq false)","sortBy":"userName","startIndex":1,"count":10,"attributes":["userName"]}`},
		{"GET", `/Users?filter=emails[type eq "work"].value co "a" or (name.familyName pr and meta.created gt "2026-01-01T00:00:00Z")&sortBy=name.familyName&cursor=&count=2`, ""},
		{"GET", `/Groups?filter=members.value eq "` + user + `"&excludedAttributes=members&startIndex=1`, ""},
		{"GET", "/Users/" + user + "?attributes=emails.value,meta", ""},
		{"DELETE", "/Users/0199f3a2-7c1e-7d60-9a53-2f6d0c1b8e44", ""},
		{"GET", `/Numbers?filter=state eq "free"`, ""},
		{"GET", "/Schemas/" + URNUser, ""},
	}
}

// junk are pieces that mean something to parsers.
var junk = []string{
	`"`, `\`, `{`, `}`, `[`, `]`, `,`, `:`, "null", "true", "-1", "1e400", "99999999999999999999", `"\ud800"`, `"\u0000"`, "\x00", "\xff\xfe", "\u202e", "(", ")", " and ",
	" not (", ` eq "`, "'", "%", "%zz", "+", "$ref", "bulkId:", "bulkId:q", "urn:ietf:params:scim:schemas:core:2.0:User:", ".search", "../", "//", ";", "a[b", `]."`,
	strings.Repeat("[", 40), strings.Repeat("x", 9000), "schemas", "Operations", "members", "password", "id", "meta.version", "W/\"", "..", "é", "İ",
}

// ruin changes a text in one to four places.
func ruin(r *rand.Rand, text string) string {
	b := []byte(text)
	for range 1 + r.IntN(4) {
		at := r.IntN(len(b) + 1)
		switch r.IntN(6) {
		case 0:
			b = b[:at]
		case 1:
			b = append(b[:at:at], append([]byte(junk[r.IntN(len(junk))]), b[at:]...)...)
		case 2:
			if at < len(b) {
				b[at] ^= byte(1 << r.IntN(8))
			}
		case 3:
			end := min(len(b), at+r.IntN(20))
			b = append(b[:at:at], b[end:]...)
		case 4:
			end := min(len(b), at+r.IntN(60))
			b = append(b[:end:end], b[at:]...)
		case 5:
			if at < len(b) {
				b[at] = byte(r.IntN(256))
			}
		}
	}
	return string(b)
}

// TestMalformedRequests: whatever comes, nothing panics, nothing is answered
// 5xx, every refusal is an error of SCIM, and no memory is kept (FT09).
func TestMalformedRequests(t *testing.T) {
	p := newProvider(t, providerOptions{})
	user := p.request("okta", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated).text("id")
	group := p.request("okta", "POST", "/Groups", `{"schemas":["`+URNGroup+`"],"displayName":"Sales"}`).is(http.StatusCreated).text("id")
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	seeds := malformedSeeds(user, group)
	statuses := map[int]int{}
	var before, after runtime.MemStats
	n := malformedRequests / raceFactor
	for i := range n {
		if i == n/5 {
			runtime.GC()
			runtime.ReadMemStats(&before)
		}
		s := seeds[r.IntN(len(seeds))]
		request := malformedRequest(r, s)
		request.Header["Authorization"] = []string{"Bearer " + p.tokens[[]string{"okta", "entra", "strict", "ping"}[r.IntN(4)]]}
		w := p.serve(request)
		statuses[w.Code]++
		if fault := malformedFault(request, w); fault != "" {
			t.Fatalf("seed %d, request %d: %s\n%s %q\n%.300q\n%d %s", seed, i, fault, request.Method, request.URL, s[2], w.Code, w.Body)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 24<<20 {
		t.Errorf("the heap has grown by %d KiB over %d requests", grown>>10, n*4/5)
	}
	if statuses[400] == 0 || statuses[404] == 0 || statuses[200] == 0 {
		t.Errorf("the requests are not what was meant: %v", statuses)
	}
	p.request("okta", "GET", "/Users?count=1", "").is(http.StatusOK)
}

// malformedRequest makes a request from the ruins of a seed.
func malformedRequest(r *rand.Rand, s [3]string) *http.Request {
	method, target, body := s[0], s[1], s[2]
	switch r.IntN(8) {
	case 0, 1:
		target = ruin(r, target)
	case 2:
		target, body = ruin(r, target), ruin(r, body)
	case 3:
		method = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND"}[r.IntN(9)]
		body = ruin(r, body)
	default:
		body = ruin(r, body)
	}
	path, query, _ := strings.Cut(target, "?")
	request := httptest.NewRequest(method, "/", strings.NewReader(body))
	request.URL = &url.URL{Path: basePath + path, RawQuery: query}
	if r.IntN(3) > 0 {
		request.URL.RawQuery = encodeQuery(query)
	}
	request.Header.Set("Content-Type", mediaType)
	switch r.IntN(20) {
	case 0:
		request.Header.Set("If-Match", ruin(r, `W/"1", "2"`))
	case 1:
		request.Header.Set("Content-Type", ruin(r, mediaType))
	case 2:
		request.Header.Set("Accept", ruin(r, "application/scim+json;q=0.9, */*"))
	case 3:
		request.ContentLength = int64(len(body)) + int64(r.IntN(5)) - 2
	case 4:
		request.Header.Set("If-None-Match", ruin(r, `W/"1"`))
	}
	return request
}

// malformedFault says what is wrong with an answer, "" if nothing is.
func malformedFault(r *http.Request, w *httptest.ResponseRecorder) string {
	me := strings.HasPrefix(strings.ToLower(r.URL.Path), strings.ToLower(basePath+"/me"))
	switch {
	case w.Code >= 500 && (w.Code != http.StatusNotImplemented || !me):
		return "a server error"
	case w.Header().Get("X-Request-Id") == "":
		return "no request id"
	case w.Code < 400 || r.Method == http.MethodHead:
		if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			return "the body is no JSON"
		}
		return ""
	}
	var e struct {
		Schemas []string `json:"schemas"`
		Status  string   `json:"status"`
		Detail  string   `json:"detail"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
		return "the error is no JSON: " + err.Error()
	}
	if len(e.Schemas) != 1 || e.Schemas[0] != errorSchema || e.Status != fmt.Sprint(w.Code) || e.Detail == "" || len(e.Detail) > 400 {
		return "the error is none of SCIM"
	}
	for _, c := range []byte(e.Detail) {
		if c < ' ' || c > '~' {
			return "the detail is no line of ASCII"
		}
	}
	return ""
}
