package events

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/workspace"
)

// TestOrderAndSignature: events of a member in order, by a second receiver's
// own library, with both secrets of a rotation (OB3, WH1).
func TestOrderAndSignature(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, w *world) {
		r := newReceiver(t, nil)
		c := hooked(t, r)
		const next = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
		c.Webhooks[0].Secret = append(c.Webhooks[0].Secret, secretFile(t, next))
		w.run(c)
		w.member("m1")
		w.member("m2")
		var want []string
		for range 10 {
			want = append(want, w.say("m1", "member.role_changed")...)
			w.say("m2", "member.updated", "group.joined")
		}
		want = append(want, w.say("m1", "member.deactivated", "session.revoked")...)
		w.idle("s0")
		if got := r.ids("m1"); !slices.Equal(got, want) {
			t.Errorf("m1's events arrived as\n%v, want\n%v", got, want)
		}
		for _, a := range r.arrivals() {
			if a.covers[1] != a.seq || a.covers[0] > a.seq {
				t.Errorf("%s covers %v", a.id, a.covers)
			}
			for _, text := range []string{testSecret, next} {
				hook, err := standardwebhooks.NewWebhook(text)
				if err != nil {
					t.Fatal(err)
				}
				if err := hook.Verify(a.body, a.header); err != nil {
					t.Errorf("%s: %v", a.id, err)
				}
				if err := hook.Verify(append(a.body, ' '), a.header); err == nil {
					t.Error("a changed body passes")
				}
			}
			if got := a.header.Get("Content-Type"); got != "application/json" {
				t.Errorf("content type %q", got)
			}
		}
	})
}

// TestWebhookBody: the bytes are the engine's, with covers and leaf (WH2).
func TestWebhookBody(t *testing.T) {
	t.Parallel()
	d := &store.Delivery{From: 40, Event: store.EventRow{
		ID: "evt_1", Seq: 42, Leaf: 4211,
		Body: []byte(`{"type":"member.deactivated","timestamp":"2026-11-21T08:00:00.412907Z","data":{"workspace":"acme","seq":42}}`),
	}}
	got, err := webhookBody(d)
	want := `{"type":"member.deactivated","timestamp":"2026-11-21T08:00:00.412907Z","data":{"workspace":"acme","seq":42,"covers":[40,42],"leaf":4211}}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	d.Event.Body = []byte(`{"type":"x","timestamp":null,"data":{}}`)
	if got, err := webhookBody(d); err != nil || !strings.HasSuffix(string(got), `"data":{"covers":[40,42],"leaf":4211}}`) {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{``, `[]`, `{"data":[1]}`, `{"data":"}"}`, `{}`, `{"data":{"x":"` + strings.Repeat("y", maxBody) + `"}}`} {
		d.Event.Body = []byte(bad)
		if _, err := webhookBody(d); err == nil {
			t.Errorf("%.40q was sent", bad)
		}
	}
}

// TestSameIDOnEveryTry: id and bytes stay, timestamp and signature are of the
// try (OB3, WH1).
func TestSameIDOnEveryTry(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, w *world) {
		w.clock = time.Now()
		r := newReceiver(t, status(http.StatusInternalServerError))
		w.run(hooked(t, r))
		w.member("m1")
		w.say("m1", "member.deactivated", "member.reactivated")
		for n := range 5 {
			w.until("another try", func() bool { return len(r.arrivals()) == n+1 })
			w.until("its end", func() bool {
				l := w.waiting("s0")
				return len(l) == 1 && l[0].Tries == n+1 && l[0].DueAt > workspace.At(w.now())
			})
			if n == 4 {
				r.set(nil)
			}
			w.pass(20 * time.Minute)
		}
		w.idle("s0")
		all := r.arrivals()
		stamps := map[string]bool{}
		for _, a := range all[:6] {
			if a.id != "evt_m1-1" || string(a.body) != string(all[0].body) {
				t.Errorf("%s: %s", a.id, a.body)
			}
			stamps[a.header.Get("webhook-timestamp")] = true
		}
		if len(stamps) != 6 || all[6].id != "evt_m1-2" {
			t.Errorf("timestamps %v, then %s", stamps, all[6].id)
		}
	})
}

// TestSlowSink: a receiver that answers slowly, and one that is down, delay
// nobody else's events (OB7).
func TestSlowSink(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, w *world) {
		release := make(chan struct{})
		slow := newReceiver(t, func(rw http.ResponseWriter, _ arrival) { <-release; rw.WriteHeader(http.StatusNoContent) })
		down, fast := newReceiver(t, status(http.StatusBadGateway)), newReceiver(t, nil)
		w.run(hooked(t, slow, down, fast))
		for i := range ordinaryWorkers + 3 {
			w.member(fmt.Sprintf("m%d", i))
			w.say(fmt.Sprintf("m%d", i), "member.created")
		}
		w.until("the slow one has its hands full", func() bool { return len(slow.arrivals()) == ordinaryWorkers })
		for i := range ordinaryWorkers {
			w.say(fmt.Sprintf("m%d", i), "member.role_changed")
		}
		// The slow one answers nothing before the end, so the fast one would wait
		// in vain if it waited for it.
		w.idle("s2")
		// OB6: what ends access has workers of its own, at the slow one too.
		for i := range leaverWorkers + 3 {
			w.member(fmt.Sprintf("late%d", i))
			w.say(fmt.Sprintf("late%d", i), "member.deactivated")
		}
		w.until("the leaver lane of the slow one", func() bool { return len(slow.arrivals()) == ordinaryWorkers+leaverWorkers })
		time.Sleep(2 * pollEvery)
		if n := len(slow.arrivals()); n > ordinaryWorkers+leaverWorkers {
			t.Errorf("%d calls at once (OB7)", n)
		}
		close(release)
		w.idle("s0")
	})
}

// TestAnswers is the table of OB8, one answer at a time, for an ordinary event
// and one that ends access.
func TestAnswers(t *testing.T) {
	t.Parallel()
	header := func(code int, name, value string) func(http.ResponseWriter, arrival) {
		return func(w http.ResponseWriter, _ arrival) { w.Header().Set(name, value); w.WriteHeader(code) }
	}
	for name, c := range map[string]struct {
		answer   func(w http.ResponseWriter, a arrival)
		fault    string
		status   int
		min, max time.Duration // until the next try
		leaver   time.Duration // the same, at most, for what ends access
	}{
		"bad request":     {status(400), "refused", 400, 4 * time.Second, 6 * time.Second, 6 * time.Second},
		"not found":       {status(404), "refused", 404, 4 * time.Second, 6 * time.Second, 6 * time.Second},
		"broken":          {status(500), "refused", 500, 4 * time.Second, 6 * time.Second, 6 * time.Second},
		"redirect":        {header(302, "Location", "/other"), "redirect", 302, 4 * time.Second, 6 * time.Second, 6 * time.Second},
		"permanent move":  {header(308, "Location", "/other"), "redirect", 308, 4 * time.Second, 6 * time.Second, 6 * time.Second},
		"too many":        {header(429, "Retry-After", "40"), "refused", 429, 40 * time.Second, 40 * time.Second, 40 * time.Second},
		"too many, long":  {header(429, "Retry-After", "999999"), "refused", 429, time.Hour, time.Hour, time.Minute},
		"busy, date":      {header(503, "Retry-After", time.Unix(1795248000+600, 0).UTC().Format(http.TimeFormat)), "refused", 503, 600 * time.Second, 600 * time.Second, time.Minute},
		"busy, past":      {header(503, "Retry-After", "0"), "refused", 503, time.Second, time.Second, time.Second},
		"busy, nonsense":  {header(503, "Retry-After", "soon"), "refused", 503, 4 * time.Second, 6 * time.Second, 6 * time.Second},
		"500 may not ask": {header(500, "Retry-After", "3000"), "refused", 500, 4 * time.Second, 6 * time.Second, 6 * time.Second},
		"hangs up":        {func(http.ResponseWriter, arrival) { panic(http.ErrAbortHandler) }, "no answer", 0, 4 * time.Second, 6 * time.Second, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
			w.clock = time.Unix(1795248000, 0)
			r := newReceiver(t, c.answer)
			w.run(hooked(t, r))
			w.member("m1")
			w.member("m2")
			w.say("m1", "member.created")
			w.say("m2", "member.deactivated")
			w.until("both failed", func() bool {
				l := w.waiting("s0")
				return len(l) == 2 && l[0].Fault != "" && l[1].Fault != ""
			})
			for _, l := range w.waiting("s0") {
				wait, least, most := l.DueAt.Time().Sub(w.now()), c.min, c.max
				if l.EndsAccess {
					least, most = min(c.min, c.leaver), c.leaver
				}
				if l.Status != c.status || l.Fault != c.fault || wait < least || wait > most {
					t.Errorf("%s: status %d, fault %q, again in %s", l.EventID, l.Status, l.Fault, wait)
				}
			}
			for _, a := range r.arrivals() {
				if a.path != "/hook" {
					t.Errorf("a redirect was followed to %s (SS2)", a.path)
				}
			}
			r.set(nil)
			w.pass(2 * time.Hour)
			w.idle("s0")
		})
	}
}

// TestGone: 410 disables the sink, what waits stays, and a person resumes it.
func TestGone(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, w *world) {
		r := newReceiver(t, status(http.StatusGone))
		w.run(hooked(t, r))
		w.member("m1")
		w.member("m2")
		w.say("m1", "member.created")
		var sink store.SinkRow
		w.until("the sink is disabled", func() bool {
			w.view(func(rd *store.Reader) (err error) { sink, err = rd.Sink("s0"); return err })
			return sink.State == store.SinkDisabled
		})
		w.say("m1", "member.deactivated")
		w.say("m2", "member.deactivated")
		time.Sleep(2 * pollEvery)
		if n := len(r.arrivals()); n != 1 {
			t.Errorf("%d calls to a receiver that is gone", n)
		}
		r.set(nil)
		w.update(func(tx *store.Tx) error { return tx.ResumeSink("s0", workspace.At(w.now())) })
		w.idle("s0")
		if got := r.ids("m1"); !slices.Equal(got, []string{"evt_m1-1", "evt_m1-1", "evt_m1-2"}) || len(r.ids("m2")) != 1 {
			t.Errorf("after it is back: %v", r.ids(""))
		}
	})
}

// TestTimeout: a call ends after its time, and the event comes again.
func TestTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	w.clock = time.Now()
	release := make(chan struct{})
	const holdBack = "X-Hold-Back"
	r := newReceiver(t, func(rw http.ResponseWriter, a arrival) {
		if a.header.Get(holdBack) != "" {
			<-release
		}
		rw.WriteHeader(http.StatusNoContent)
	})
	defer close(release)
	var calls atomic.Int64
	w.run(hooked(t, r), func(o *Options) {
		o.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
			if calls.Add(1) > 1 { // However slow the machine is, this one has its time.
				return http.DefaultTransport.RoundTrip(req)
			}
			ctx, cancel := context.WithTimeout(req.Context(), 200*time.Millisecond)
			defer cancel()
			req = req.Clone(ctx)
			req.Header.Set(holdBack, "yes")
			return http.DefaultTransport.RoundTrip(req)
		})
	})
	w.member("m1")
	w.say("m1", "member.created")
	w.until("the timeout", func() bool { l := w.waiting("s0"); return len(l) == 1 && l[0].Fault == "timeout" })
	w.pass(time.Minute)
	w.idle("s0")
}

// roundTrip is a transport that is a function.
type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestHostileSink: a receiver on a network that is not in the list gets no
// connection; the event waits, and is not lost (SS1).
func TestHostileSink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	r := newReceiver(t, nil)
	c := hooked(t, r)
	c.Webhooks[0].URL = strings.Replace(strings.Replace(r.URL, "http:", "https:", 1), "127.0.0.1", "localhost", 1)
	c.AllowPrivateNetworks = []string{"10.0.0.0/8"}
	w.run(c)
	w.member("m1")
	w.say("m1", "member.deactivated")
	w.until("it is refused", func() bool { l := w.waiting("s0"); return len(l) == 1 && l[0].Fault == "address refused" })
	if len(r.arrivals()) != 0 {
		t.Error("a call arrived")
	}
}

// TestDownForAnHour runs in no time: every event arrives after the receiver
// is back, in order per member, and soon (issue 6); after 100 hours ordinary
// events are dead letters and what ends access is there still (OB9).
func TestDownForAnHour(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		down time.Duration
		dead bool
	}{{time.Hour, false}, {100 * time.Hour, true}} {
		t.Run(c.down.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { downFor(t, filepath.Join(dir, "test.db"), c.down, c.dead) })
		})
	}
}

func downFor(t *testing.T, path string, down time.Duration, dead bool) {
	w := newWorld(t, "sqlite:"+path)
	w.poll = time.Minute // 100 hours are many polls
	back := time.Now().Add(down)
	var mu sync.Mutex
	var accepted []arrival
	tries := 0
	w.run(Config{Webhooks: []Webhook{{ID: "s0", URL: "https://hooks.acme.com/", Secret: Secrets{secretFile(t, testSecret)}}}}, func(o *Options) {
		o.Logger = nil
		o.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			tries++
			if time.Now().Before(back) {
				return nil, &url.Error{Op: "Post", URL: "https://hooks.acme.com/", Err: io.ErrUnexpectedEOF}
			}
			body, err := io.ReadAll(req.Body)
			if err != nil {
				return nil, err
			}
			rec := &receiver{}
			rw := discardWriter{}
			rec.ServeHTTP(rw, &http.Request{Header: req.Header, URL: req.URL, Body: io.NopCloser(strings.NewReader(string(body)))})
			a := rec.all[0]
			a.at = time.Now()
			accepted = append(accepted, a)
			return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Header: http.Header{}, Request: req}, nil
		})
	})
	for i := range 5 {
		w.member(fmt.Sprintf("m%d", i))
		w.say(fmt.Sprintf("m%d", i), "member.created", "member.role_changed", "group.joined")
	}
	w.say("m0", "member.deactivated", "session.revoked", "member.reactivated")
	time.Sleep(down / 2)
	w.say("m1", "member.deactivated")
	time.Sleep(down/2 + 13*time.Hour) // the longest step, after it is back
	if n := len(w.waiting("s0")); n > 0 {
		t.Errorf("%d lines wait still", n)
	}
	want := map[string]string{"m0": "1 2 3 4 5 6", "m1": "1 2 3 4", "m2": "1 2 3", "m3": "1 2 3", "m4": "1 2 3"}
	if dead {
		want = map[string]string{"m0": "4 5 6", "m1": "4", "m2": "", "m3": "", "m4": ""}
	}
	got := map[string]string{}
	mu.Lock()
	defer mu.Unlock()
	for _, a := range accepted {
		got[a.member] = strings.TrimSpace(fmt.Sprintf("%s %d", got[a.member], a.seq))
		if !dead && a.at.Sub(back) > time.Hour+15*time.Minute {
			t.Errorf("%s came %s after the receiver", a.id, a.at.Sub(back))
		}
	}
	for m, seqs := range want {
		if got[m] != seqs {
			t.Errorf("%s: %q arrived, want %q", m, got[m], seqs)
		}
	}
	if tries > 500 {
		t.Errorf("%d tries: a receiver that is down is hammered", tries)
	}
	letters := 0
	w.view(func(r *store.Reader) error {
		rows, err := r.Deliveries(true, 0, 100)
		letters = len(rows)
		return err
	})
	if (letters > 0) != dead {
		t.Errorf("%d dead letters", letters)
	}
}

type discardWriter struct{}

func (discardWriter) Header() http.Header         { return http.Header{} }
func (discardWriter) Write(b []byte) (int, error) { return len(b), nil }
func (discardWriter) WriteHeader(int)             {}

// TestProof: what the receiver says counts for T4, and a verify address is
// asked until it proves it.
func TestProof(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, w *world) {
		w.clock = time.Now()
		said := newReceiver(t, func(rw http.ResponseWriter, _ arrival) { fmt.Fprint(rw, `{"epoch":7,"sessions_ended":3}`) })
		var asked atomic.Int64
		hook, err := standardwebhooks.NewWebhook(testSecret)
		if err != nil {
			t.Fatal(err)
		}
		asks := newReceiver(t, func(rw http.ResponseWriter, a arrival) {
			if a.path != "/members/m1" {
				return
			}
			if err := hook.VerifyIgnoringTimestamp(nil, a.header); err != nil {
				t.Error(err)
			}
			answers := []string{`{"epoch":7,"sessions":1}`, `{"epoch":6,"sessions":0}`, `{"epoch":7}`, `nonsense`, `{"epoch":8,"sessions":0}`}
			fmt.Fprint(rw, answers[min(asked.Add(1), int64(len(answers)))-1])
		})
		c := hooked(t, said, asks)
		c.Webhooks[1].Verify = asks.URL + "/members/{member}"
		w.run(c)
		w.member("m1")
		w.say("m1", "member.deactivated")
		times := func() (v store.LeaverTimes) {
			w.view(func(r *store.Reader) (err error) { v, err = r.LeaverTimes("m1", "run-1"); return err })
			return v
		}
		w.until("both have it", func() bool { v := times(); return v.Delivered > 0 && len(v.Pending) == 0 })
		if v := times(); v.Verified != 0 || v.Sessions != 3 || !slices.Equal(v.Unproved, []string{"s1"}) {
			t.Errorf("before it is proved: %+v", v)
		}
		for range 5 {
			n := asked.Load()
			w.until("it is asked", func() bool { w.pass(6 * time.Second); return asked.Load() > n || times().Verified > 0 })
		}
		w.until("it is proved", func() bool { return times().Verified > 0 })
		if v := times(); len(v.Unproved) > 0 || v.Verified < v.Delivered {
			t.Errorf("at the end: %+v", v)
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	want := []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour, 12 * time.Hour}
	for i, step := range want {
		for _, x := range []struct{ random, factor float64 }{{0, 0.8}, {0.5, 1}, {0.999999, 1.2}} {
			got := backoff(i+1, x.random)
			if diff := got - time.Duration(float64(step)*x.factor); diff.Abs() > time.Second {
				t.Errorf("after try %d: %s, want %s x %v", i+1, got, step, x.factor)
			}
		}
	}
	if backoff(1000, 0.5) != lastStep {
		t.Error("the last step is for all later tries")
	}
}
