package events

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-sync/rollcall/store"
)

// streamed is a configuration of one stream.
func streamed(t *testing.T, w *world, s Stream) Config {
	t.Helper()
	_, ref := signingKey(t)
	s.ID, s.Audience = "siem", "https://siem.acme.com"
	w.member("m1", "u1")
	return Config{Streams: []Stream{s}, SigningKey: ref, AllowPrivateNetworks: []string{"127.0.0.0/8"}}
}

// TestPush: one token a POST, in order, none again that was accepted (ST4),
// and the heartbeat (ST6).
func TestPush(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, w *world) {
		w.clock = time.Now()
		refuse := true
		r := newReceiver(t, nil)
		r.set(func(rw http.ResponseWriter, a arrival) {
			said := decode(t, string(a.body), 1)["jti"].(string)
			r.mu.Lock()
			defer r.mu.Unlock()
			if strings.Contains(said, ".u1.") && refuse {
				refuse = false
				rw.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(rw, `{"err":"invalid_key","description":"unknown kid"}`)
				return
			}
			rw.WriteHeader(http.StatusAccepted)
		})
		c := streamed(t, w, Stream{Deliver: deliverPush, URL: r.URL, Authorization: secretFile(t, "letmein")})
		w.run(c)
		w.say("m1", "member.deactivated", "member.reactivated")
		w.until("the refusal", func() bool { l := w.waiting("siem"); return len(l) == 1 && l[0].Fault == "invalid_key" })
		w.pass(10 * time.Second)
		w.idle("siem")
		w.until("the heartbeat is known", func() bool {
			var s store.SinkRow
			w.view(func(rd *store.Reader) (err error) { s, err = rd.Sink("siem"); return err })
			return s.HeartbeatAt > 0
		})
		var got []string
		for _, a := range r.arrivals() {
			jti := decode(t, string(a.body), 1)["jti"].(string)
			if !strings.HasPrefix(jti, "ssf_") {
				got = append(got, jti)
			}
			if a.header.Get("Content-Type") != "application/secevent+jwt" || a.header.Get("Accept") != "application/json" || a.header.Get("Authorization") != "Bearer letmein" {
				t.Errorf("headers %v", a.header)
			}
		}
		want := []string{"evt_m1-1.session", "evt_m1-1.u1.prov-deactivate", "evt_m1-1.u1.prov-deactivate", "evt_m1-2.u1.prov-activate"}
		if !slices.Equal(got, want) {
			t.Errorf("tokens %v", got)
		}
		if beats := len(r.arrivals()) - len(got); beats != 1 {
			t.Errorf("%d heartbeats", beats)
		}
		w.pass(16 * time.Minute)
		w.until("another heartbeat", func() bool { return len(r.arrivals()) == len(want)+2 })
	})
}
