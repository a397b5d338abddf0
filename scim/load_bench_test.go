package scim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	stdsync "sync"
	"sync/atomic"
	"testing"
	"time"
)

// loadSizes are how many people there are beside those whom the load is about.
var loadSizes = []int{1000, 20_000, 100_000}

// entraLife is what Entra sends about one person: match, create, change, add
// to a group, read, disable.
func (p *provider) entraLife(n int, group string) (requests int) {
	name := fmt.Sprintf("entra%d@acme.com", n)
	p.load("entra", "GET", "/Users?filter="+urlEncode(`userName eq "`+name+`"`), "", http.StatusOK)
	id := p.load("entra", "POST", "/Users", entraBody(name, fmt.Sprintf("0a%d", n)), http.StatusCreated).text("id")
	p.load("entra", "PATCH", "/Users/"+id, patchBody(`{"op":"Replace","path":"title","value":"Lead"},{"op":"Add","path":"emails[type eq \"work\"].value","value":"`+name+`"}`), http.StatusOK)
	p.load("entra", "PATCH", "/Groups/"+group, patchBody(`{"op":"Add","path":"members","value":[{"$ref":null,"value":"`+id+`"}]}`), http.StatusNoContent)
	p.load("entra", "GET", "/Groups/"+group+"?excludedAttributes=members", "", http.StatusOK)
	p.load("entra", "PATCH", "/Users/"+id, patchBody(`{"op":"Replace","path":"active","value":"False"}`), http.StatusOK)
	return 6
}

// oktaLife is what Okta sends about one person: match, create, PUT, group
// push, read, deactivate.
func (p *provider) oktaLife(n int, group string) (requests int) {
	name := fmt.Sprintf("okta%d@acme.com", n)
	body := func(title string, active bool) string {
		return fmt.Sprintf(`{"schemas":[%q],"userName":%q,"externalId":"00u%d","title":%q,"active":%v,"name":{"givenName":"G","familyName":"F"},"groups":[],
			"emails":[{"value":%q,"type":"work","primary":true}]}`, URNUser, name, n, title, active, name)
	}
	p.load("okta", "GET", "/Users?startIndex=1&count=100&filter="+urlEncode(`userName eq "`+name+`"`), "", http.StatusOK)
	id := p.load("okta", "POST", "/Users", body("x", true), http.StatusCreated).text("id")
	p.load("okta", "PUT", "/Users/"+id, body("Lead", true), http.StatusOK)
	p.load("okta", "PATCH", "/Groups/"+group, patchBody(`{"op":"add","path":"members","value":[{"value":"`+id+`","display":"`+name+`"}]}`), http.StatusNoContent)
	p.load("okta", "GET", "/Users/"+id, "", http.StatusOK)
	p.load("okta", "PATCH", "/Users/"+id, patchBody(`{"op":"replace","value":{"active":false}}`), http.StatusOK)
	return 6
}

// load sends a request and wants a status.
func (p *provider) load(connection, method, path, body string, status int) answer {
	a := p.request(connection, method, path, body)
	if a.status != status {
		p.t.Errorf("%s: %d %s", a.what, a.status, clip(a.body, 300))
	}
	return a
}

// loaded is a provider with size people and a group for each client.
func loaded(b *testing.B, size int) (p *provider, entra, okta string) {
	b.Helper()
	p = newProvider(b, providerOptions{})
	p.fill("entra", size)
	return p, p.load("entra", "POST", "/Groups", `{"displayName":"Sales"}`, http.StatusCreated).text("id"),
		p.load("okta", "POST", "/Groups", `{"displayName":"Sales"}`, http.StatusCreated).text("id")
}

// BenchmarkClients is the mixed load of both clients, each four times at once:
// requests a second, and the time of one.
func BenchmarkClients(b *testing.B) {
	for _, size := range loadSizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p, entra, okta := loaded(b, size)
			var n, requests atomic.Int64
			b.ResetTimer()
			var group stdsync.WaitGroup
			for client := range 8 {
				group.Go(func() {
					for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
						if client%2 == 0 {
							requests.Add(int64(p.entraLife(int(i), entra)))
						} else {
							requests.Add(int64(p.oktaLife(int(i), okta)))
						}
					}
				})
			}
			group.Wait()
			b.ReportMetric(float64(requests.Load())/b.Elapsed().Seconds(), "req/s")
		})
	}
}

// BenchmarkGrowth compares a request among 100,000 people with one among 1,000
// (bar: 1.3 times), one client alone, both in turns so that what else the
// machine does falls on both. The middle of all rounds is compared.
func BenchmarkGrowth(b *testing.B) {
	var worlds [2]struct {
		p           *provider
		entra, okta string
		took        [2][]time.Duration // of a request, by client
	}
	for i, size := range []int{1000, 100_000} {
		w := &worlds[i]
		w.p, w.entra, w.okta = loaded(b, size)
		for n := range 20 {
			w.p.entraLife(1_000_000+n, w.entra) // Caches are warm in a daemon.
		}
	}
	n := 0
	for b.Loop() {
		n++
		for i := range worlds {
			w := &worlds[(i+n)%2]
			start := time.Now()
			requests := w.p.entraLife(n, w.entra)
			w.took[0] = append(w.took[0], time.Since(start)/time.Duration(requests))
			start = time.Now()
			requests = w.p.oktaLife(n, w.okta)
			w.took[1] = append(w.took[1], time.Since(start)/time.Duration(requests))
		}
	}
	for i, client := range []string{"entra", "okta"} {
		small, large := middle(worlds[0].took[i]), middle(worlds[1].took[i])
		b.ReportMetric(float64(small.Microseconds()), client+"-us/req-1000")
		b.ReportMetric(float64(large.Microseconds()), client+"-us/req-100000")
		b.ReportMetric(float64(large)/float64(small), client+"-growth")
	}
}

// middle is the one in the middle.
func middle(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)/2]
}

// BenchmarkLists reads a list and filters of several kinds among 100,000.
func BenchmarkLists(b *testing.B) {
	p, _, _ := loaded(b, 100_000)
	for _, tt := range []struct{ name, query string }{
		{"first-page", "count=100"},
		{"names-only", "count=100&attributes=userName"},
		{"eq", "filter=" + urlEncode(`emails.value eq "user077777@acme.com"`)},
		{"starts-with", "count=100&filter=" + urlEncode(`userName sw "user0777"`)},
		{"contains", "count=10&filter=" + urlEncode(`userName co "77777"`)},
		{"and", "count=10&filter=" + urlEncode(`active eq true and meta.lastModified gt "2030-01-01T00:00:00Z"`)},
		{"sorted", "count=100&sortBy=userName&sortOrder=descending"},
	} {
		b.Run(tt.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				start := time.Now()
				p.load("entra", "GET", "/Users?"+tt.query, "", http.StatusOK)
				took = append(took, time.Since(start))
			}
			report(b, took)
		})
	}
}

// BenchmarkPatchMembers adds 1,000 members in one PATCH, and removes them (bar:
// 1 s).
func BenchmarkPatchMembers(b *testing.B) {
	p, group, _ := loaded(b, 20_000)
	list := make([]string, 1000)
	for i := range list {
		list[i] = fmt.Sprintf(`{"value":"0199f3a2-7c1e-7d60-9a53-%012d"}`, i*17)
	}
	members := "[" + strings.Join(list, ",") + "]"
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		p.load("entra", "PATCH", "/Groups/"+group, patchBody(`{"op":"add","path":"members","value":`+members+`}`), http.StatusNoContent)
		took = append(took, time.Since(start))
		p.load("entra", "PATCH", "/Groups/"+group, patchBody(`{"op":"remove","path":"members","value":`+members+`}`), http.StatusNoContent)
	}
	report(b, took)
}

// BenchmarkDeactivate ends access while eight others read and write.
func BenchmarkDeactivate(b *testing.B) {
	p, entra, okta := loaded(b, 20_000)
	var stop atomic.Bool
	var n atomic.Int64
	var group stdsync.WaitGroup
	for client := range 8 {
		group.Go(func() {
			for !stop.Load() {
				if client%2 == 0 {
					p.entraLife(int(n.Add(1)), entra)
				} else {
					p.oktaLife(int(n.Add(1)), okta)
				}
			}
		})
	}
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		id := fmt.Sprintf("0199f3a2-7c1e-7d60-9a53-%012d", i%20_000)
		start := time.Now()
		p.load("entra", "PATCH", "/Users/"+id, patchBody(`{"op":"replace","path":"active","value":false}`), http.StatusOK)
		took = append(took, time.Since(start))
		p.load("entra", "PATCH", "/Users/"+id, patchBody(`{"op":"replace","path":"active","value":true}`), http.StatusOK)
	}
	stop.Store(true)
	group.Wait()
	report(b, took)
}

// report tells the middle and the slowest of a hundred.
func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
