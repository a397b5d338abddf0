package main

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// receiver is a receiver of webhooks that notes when it heard of whom, and
// whether each line came in order and without a gap.
type receiver struct {
	url    string
	server *http.Server
	wait   time.Duration // before each answer

	mu     sync.Mutex
	down   bool
	ends   map[string]time.Time // member -> when the end of access arrived
	last   map[string]int64     // line -> sequence
	events int
	faults int
	latest time.Time
}

func startReceiver(wait time.Duration, down bool) (*receiver, error) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{
		url: "http://" + socket.Addr().String() + "/hook", wait: wait, down: down, ends: map[string]time.Time{}, last: map[string]int64{}, latest: time.Now(),
	}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go func() { _ = r.server.Serve(socket) }()
	return r, nil
}

func (r *receiver) stop() { _ = r.server.Close() }

// ServeHTTP takes one event.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	arrived := time.Now()
	var e struct {
		Type string
		Data struct {
			Member, Number, Group string
			Seq                   int64
			Covers                [2]int64
		}
	}
	if err := json.NewDecoder(req.Body).Decode(&e); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	time.Sleep(r.wait)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latest = time.Now()
	if r.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	line := e.Data.Member
	if line == "" {
		line = "other " + e.Data.Number + e.Data.Group
	}
	if last := r.last[line]; e.Data.Seq > last {
		if last > 0 && e.Data.Covers[0] > last+1 {
			r.faults++
		}
		r.last[line] = e.Data.Seq
		r.events++
	} // else it came again
	if _, known := r.ends[e.Data.Member]; e.Type == "member.deactivated" && !known {
		r.ends[e.Data.Member] = arrived
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) up() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down, r.latest = false, time.Now()
}

// ended tells when the end of a member's access arrived.
func (r *receiver) ended(member string) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.ends[member]
	return at, ok
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events
}

func (r *receiver) wrong() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.faults
}

// quiet waits until nothing has come for some seconds.
func (r *receiver) quiet() error {
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		r.mu.Lock()
		rests := time.Since(r.latest)
		r.mu.Unlock()
		if rests > 4*time.Second {
			return nil
		}
	}
	return errors.New("a receiver is told for ever")
}
