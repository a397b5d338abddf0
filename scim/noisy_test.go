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
	p.request("okta", "POST", "/Users", userBody("bo@acme.com")).is(http.StatusCreated)
	began := time.Now()
	passed := p.besideNoise("entra", "okta")
	if most := defaultRate * (time.Since(began).Seconds() + burstOf); float64(passed) > most+10 {
		t.Errorf("the noisy one: %d passed, at most %.0f may", passed, most)
	}
}

// TestNoisyWorkspace: neither do all connections of another workspace at once.
func TestNoisyWorkspace(t *testing.T) {
	p := newProvider(t, providerOptions{beside: "steady", options: func(o *Options) { o.Terms = nil }})
	noisy := []string{"okta", "entra", "other", "strict", "ping"}
	for _, connection := range noisy {
		p.request(connection, "POST", "/Users", userBody(connection+"@acme.com")).is(http.StatusCreated)
	}
	began := time.Now()
	passed := p.besideNoise("steady", noisy...)
	if most := float64(len(noisy)*floorRate+sharedRate) * (time.Since(began).Seconds() + burstOf); float64(passed) > most+10 {
		t.Errorf("the noisy workspace: %d passed, at most %.0f may", passed, most)
	}
}

// besideNoise compares a connection that sends 25 requests a second alone with
// itself beside others that send as fast as they can, and counts how many of
// theirs are let in: how many a machine makes them is nobody's promise.
func (p *provider) besideNoise(steady string, noisy ...string) (passed int64) {
	p.t.Helper()
	ann := p.request(steady, "POST", "/Users", userBody("ann@acme.com")).is(http.StatusCreated).text("id")
	quiet := func() []time.Duration {
		var took []time.Duration
		for i := range 50 {
			start := time.Now()
			a := p.request(steady, "GET", "/Users/"+ann, "")
			if i%5 == 4 {
				a = p.request(steady, "PATCH", "/Users/"+ann, patchBody(`{"op":"replace","path":"title","value":"`+string(rune('a'+i%26))+`"}`))
			}
			took = append(took, time.Since(start))
			a.is(http.StatusOK)
			time.Sleep(time.Until(start.Add(time.Second / floorRate)))
		}
		slices.Sort(took)
		return took
	}
	var letIn atomic.Int64
	noise := func() (hush func()) {
		var stop atomic.Bool
		var group stdsync.WaitGroup
		for i := range max(4, len(noisy)) {
			group.Go(func() {
				for !stop.Load() {
					switch a := p.request(noisy[i%len(noisy)], "GET", "/Users?filter="+urlEncode(`userName co "o"`), ""); a.status {
					case http.StatusTooManyRequests:
						time.Sleep(time.Millisecond) // what a network takes at least
					case http.StatusOK:
						letIn.Add(1)
					default:
						p.t.Errorf("a noisy one: %d %s", a.status, a.body)
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
		p.t.Errorf("a request takes %v beside the noise, %v without", is, was)
	}
	return letIn.Load()
}
