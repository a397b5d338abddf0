package scim

import (
	"net/http"
	"slices"
	stdsync "sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestNoisyConnection: one connection that sends as fast as it can does not
// slow another one beyond twice, and that one keeps its 25 requests a second
// (FT13, MV05): what is above the noisy one's rate is refused at once.
func TestNoisyConnection(t *testing.T) {
	p := newProvider(t, providerOptions{options: func(o *Options) { o.Terms = nil }}) // the rates of the design
	ann := p.request("entra", "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated).text("id")
	p.request("okta", "POST", "/Users", userBody("bo@acme.com")).is(http.StatusCreated)
	// The quiet one sends 25 a second, reads and writes.
	quiet := func() []time.Duration {
		var took []time.Duration
		for i := range 50 {
			next := time.Now().Add(40 * time.Millisecond)
			a := p.request("entra", "GET", "/Users/"+ann, "")
			if i%5 == 4 {
				a = p.request("entra", "PATCH", "/Users/"+ann, patchBody(`{"op":"replace","path":"title","value":"`+string(rune('a'+i%26))+`"}`))
			}
			took = append(took, time.Since(next.Add(-40*time.Millisecond)))
			a.is(http.StatusOK)
			time.Sleep(time.Until(next))
		}
		slices.Sort(took)
		return took
	}
	var refused, passed atomic.Int64
	noise := func() (hush func()) {
		var stop atomic.Bool
		var group stdsync.WaitGroup
		for range 4 {
			group.Go(func() {
				for !stop.Load() {
					switch a := p.request("okta", "GET", "/Users?filter="+urlEncode(`userName co "o"`), ""); a.status {
					case http.StatusTooManyRequests:
						refused.Add(1)
						time.Sleep(time.Millisecond) // what a network takes at least
					case http.StatusOK:
						passed.Add(1)
					default:
						t.Errorf("the noisy one: %d %s", a.status, a.body)
					}
				}
			})
		}
		return func() {
			stop.Store(true)
			group.Wait()
		}
	}
	// The middle is compared, with a floor and up to three times: others use
	// the machine too.
	began := time.Now()
	var was, is time.Duration
	for range 3 {
		alone := quiet()
		hush := noise()
		beside := quiet()
		hush()
		if was, is = alone[len(alone)/2], beside[len(beside)/2]; is <= 2*was+5*time.Millisecond*raceFactor {
			break
		}
	}
	if is > 2*was+5*time.Millisecond*raceFactor {
		t.Errorf("a request takes %v beside a noisy connection, %v without", is, was)
	}
	if refused.Load() == 0 || float64(passed.Load()) > 110+50*time.Since(began).Seconds() {
		t.Errorf("the noisy one: %d passed, %d were refused", passed.Load(), refused.Load())
	}
}
