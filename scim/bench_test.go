package scim

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// fill writes n Users of a connection, each linked with a member, past the
// engine: it would take an hour otherwise.
func (p *provider) fill(connection string, n int) {
	p.t.Helper()
	l := &link{linkKey: linkKey{"acme", connection}, user: NewUserType(nil), group: NewGroupType(nil)}
	now := workspace.At(time.Now())
	for from := 0; from < n; from += 1000 {
		err := p.store.In("acme").Update(p.t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
			for i := from; i < min(from+1000, n); i++ {
				name := fmt.Sprintf("user%06d@acme.com", i)
				id := fmt.Sprintf("0199f3a2-7c1e-7d60-9a53-%012d", i)
				m := workspace.Member{
					ID: "m" + id, Name: "Ann Lee", Email: name, EmailKey: fold.Email(name), Role: workspace.RoleMember, RoleSource: "rule r-member",
					State: workspace.StateActive, Epoch: 1, Version: 1, JoinedAt: now,
				}
				if err := tx.InsertMember(m); err != nil {
					return err
				}
				d, err := Decode([]byte(userBody(name)), l.user, Profile{Tolerate: lenient})
				if err != nil {
					return err
				}
				base := workspace.Identity{ID: id, Member: m.ID, Version: 1, CreatedAt: now + workspace.Micros(i), UpdatedAt: now, ObservedAt: now}
				if err := tx.InsertIdentity(l.userRow(base, d.Document)); err != nil {
					return err
				}
			}
			return tx.AddTotals(workspace.Totals{Active: min(1000, n-from), Seats: min(1000, n-from)})
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

// fillGroup puts the first n Users of fill into a group.
func (p *provider) fillGroup(group string, n int) {
	p.t.Helper()
	edges := make([]store.Edge, n)
	for i := range edges {
		edges[i] = store.Edge{Kind: "user", Child: fmt.Sprintf("0199f3a2-7c1e-7d60-9a53-%012d", i)}
	}
	err := p.store.In("acme").Update(p.t.Context(), store.UnitOptions{}, func(tx *store.Tx) error {
		_, err := tx.AddEdges(group, edges, workspace.At(time.Now()))
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// exchanged is one request of the mix with the answer it got, for the echo.
type exchanged struct{ method, path, body, answer string }

// echo answers request i of a recording with what it got, and reads its body.
func echo(b *testing.B, recorded []exchanged) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			b.Error(err)
		}
		i, err := strconv.Atoi(r.Header.Get("X-Echo"))
		if err != nil {
			b.Error(err)
		}
		w.Header()["Content-Type"] = contentType
		if recorded[i].answer == "" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if _, err := io.WriteString(w, recorded[i].answer); err != nil {
			b.Error(err)
		}
	})
}

// mix is what Entra does for a person: look up, create, read, add to a group,
// deactivate. Each step takes the answer of the creation.
var mixSteps = []struct {
	name string
	make func(name, id, group string) exchanged
}{
	{"lookup", func(name, _, _ string) exchanged {
		return exchanged{method: "GET", path: "/Users?filter=" + urlEncode(`userName eq "`+name+`"`)}
	}},
	{"create", func(name, _, _ string) exchanged {
		return exchanged{method: "POST", path: "/Users", body: userBody(name)}
	}},
	{"get", func(_, id, _ string) exchanged { return exchanged{method: "GET", path: "/Users/" + id} }},
	{"add", func(_, id, group string) exchanged {
		return exchanged{method: "PATCH", path: "/Groups/" + group, body: patchBody(`{"op":"Add","path":"members","value":[{"value":"` + id + `"}]}`)}
	}},
	{"deactivate", func(_, id, _ string) exchanged {
		return exchanged{method: "PATCH", path: "/Users/" + id, body: patchBody(`{"op":"Replace","path":"active","value":"False"}`)}
	}},
}

// BenchmarkMix measures the server's CPU per request of an Entra-like mix
// beside an echo server that reads the same bodies and sends the same answers,
// both over loopback. The client runs on a thread of its own, whose time is
// taken off.
func BenchmarkMix(b *testing.B) {
	for _, size := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p := newProvider(b, providerOptions{})
			p.fill("entra", size)
			group := p.request("entra", "POST", "/Groups", `{"displayName":"Sales"}`).text("id")
			c := newRawClient(b, p.handler, "Authorization: Bearer "+p.tokens["entra"])
			perStep := make([]float64, len(mixSteps))
			recorded := make([]exchanged, len(mixSteps))
			n := 0
			run := func() {
				n++
				name, id := fmt.Sprintf("new%d@acme.com", n), ""
				for i, step := range mixSteps {
					e := step.make(name, id, group)
					before := c.serverTime()
					status, answer := c.send(e, "")
					perStep[i] += float64(c.serverTime() - before)
					if status >= 300 {
						b.Fatalf("%s: %d %s", step.name, status, answer)
					}
					if step.name == "create" {
						at := strings.Index(answer, `"id":"`)
						id = answer[at+6 : at+42]
					}
					e.answer = answer
					recorded[i] = e
				}
			}
			for range 20 {
				run() // Caches are warm in a daemon.
			}
			clear(perStep)
			rounds := 0
			for b.Loop() {
				run()
				rounds++
			}
			sum := 0.0
			for i, step := range mixSteps {
				b.ReportMetric(perStep[i]/float64(rounds)/1000, step.name+"-us")
				sum += perStep[i] / float64(rounds)
			}
			perRequest := sum / float64(len(mixSteps))
			perEcho := echoTime(b, recorded)
			b.ReportMetric(perRequest/1000, "us/req")
			b.ReportMetric(perEcho/1000, "echo-us/req")
			b.ReportMetric(perRequest/perEcho, "x-echo")
		})
	}
}

// echoTime is the echo server's CPU per request, in nanoseconds.
func echoTime(b *testing.B, recorded []exchanged) float64 {
	c := newRawClient(b, echo(b, recorded), "Authorization: Bearer "+strings.Repeat("x", 74))
	const rounds = 2000
	var before time.Duration
	for round := range rounds + 100 {
		if round == 100 {
			before = c.serverTime()
		}
		for i, e := range recorded {
			c.send(e, fmt.Sprintf("X-Echo: %d\r\n", i))
		}
	}
	return float64(c.serverTime()-before) / rounds / float64(len(recorded))
}

// BenchmarkLookup looks people up by userName among 100,000 and reports the
// slowest of 100 (bar: 5 ms).
func BenchmarkLookup(b *testing.B) {
	const size = 100_000
	p := newProvider(b, providerOptions{})
	p.fill("entra", size)
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		name := fmt.Sprintf("USER%06d@acme.com", i*7919%size)
		start := time.Now()
		a := p.request("entra", "GET", "/Users?filter="+urlEncode(`userName eq "`+name+`"`), "")
		took = append(took, time.Since(start))
		if a.status != http.StatusOK || !strings.Contains(a.body, `"totalResults":1,`) {
			b.Fatalf("%d %s", a.status, a.body)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
}

// BenchmarkPages compares the last page of 100,000 Users with the first (bar:
// 1.5 times).
func BenchmarkPages(b *testing.B) {
	const size = 100_000
	p := newProvider(b, providerOptions{})
	p.fill("entra", size)
	page := func(start int) {
		if a := p.request("entra", "GET", fmt.Sprintf("/Users?startIndex=%d&count=100", start), ""); !strings.Contains(a.body, `"itemsPerPage":100}`) {
			b.Fatalf("%d %s", a.status, clip(a.body, 300))
		}
	}
	page(size - 99)
	var first, last time.Duration
	n := 0
	for b.Loop() {
		t0 := time.Now()
		page(1)
		t1 := time.Now()
		page(size - 99)
		first, last = first+t1.Sub(t0), last+time.Since(t1)
		n++
	}
	b.ReportMetric(float64(first)/float64(n)/1e6, "first-ms")
	b.ReportMetric(float64(last)/float64(n)/1e6, "last-ms")
	b.ReportMetric(float64(last)/float64(first), "last/first")
}

// BenchmarkGroupAdd compares adding one person to a group of 10 with adding one
// to a group of 20,000 (bar: 1.5 times).
func BenchmarkGroupAdd(b *testing.B) {
	const size = 20_000
	p := newProvider(b, providerOptions{})
	p.fill("entra", size+1)
	small := p.request("entra", "POST", "/Groups", `{"displayName":"Small"}`).text("id")
	large := p.request("entra", "POST", "/Groups", `{"displayName":"Large"}`).text("id")
	p.fillGroup(small, 10)
	p.fillGroup(large, size)
	one := fmt.Sprintf("0199f3a2-7c1e-7d60-9a53-%012d", size)
	write := func(group, kind string) {
		if a := p.request("entra", "PATCH", "/Groups/"+group, patchBody(`{"op":"`+kind+`","path":"members","value":[{"value":"`+one+`"}]}`)); a.status != http.StatusNoContent {
			b.Fatalf("%d %s", a.status, a.body)
		}
	}
	var took [2]time.Duration
	n := 0
	for b.Loop() {
		for i, group := range []string{small, large} {
			start := time.Now()
			write(group, "add")
			took[i] += time.Since(start)
			write(group, "remove")
		}
		n++
	}
	b.ReportMetric(float64(took[0])/float64(n)/1e6, "small-ms")
	b.ReportMetric(float64(took[1])/float64(n)/1e6, "large-ms")
	b.ReportMetric(float64(took[1])/float64(took[0]), "large/small")
}

// BenchmarkHandler measures the handler alone, without HTTP.
func BenchmarkHandler(b *testing.B) {
	p := newProvider(b, providerOptions{})
	p.fill("entra", 1000)
	for _, tt := range []struct{ name, path string }{
		{"get", "/Users/0199f3a2-7c1e-7d60-9a53-000000000007"},
		{"lookup", "/Users?filter=" + urlEncode(`userName eq "user000007@acme.com"`)},
		{"miss", "/Users?filter=" + urlEncode(`userName eq "nobody@acme.com"`)},
		{"unauthorized", "/Users"},
	} {
		token := p.tokens["entra"]
		if tt.name == "unauthorized" {
			token = "x"
		}
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			w := httptest.NewRecorder()
			r := newRequest("GET", tt.path, token)
			for b.Loop() {
				w.Body.Reset()
				p.handler.ServeHTTP(w, r)
			}
		})
	}
}
