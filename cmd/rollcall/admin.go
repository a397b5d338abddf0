package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/pprof"
	"os"
	stdsync "sync"
	"time"

	"github.com/rollcall-sync/rollcall/store"
)

// adminHandler is the operators' listener: /livez says that the process
// answers, /readyz that it can write to its store.
func adminHandler(p *probe, m *meter) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "alive\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := p.ready(r.Context()); err != nil {
			// The listener is on loopback: its readers may see the cause.
			answer(w, http.StatusServiceUnavailable, err.Error()+"\n")
			return
		}
		answer(w, http.StatusOK, "ready\n")
	})
	mux.Handle("GET /metrics", m.handler())
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// answer writes plain text. Who has gone away cannot be told so.
func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := io.WriteString(w, text); err != nil {
		return
	}
}

// probe asks the store whether it can be written. Its answer is kept for a
// moment, so that nobody can wear the disk out by asking.
type probe struct {
	store *store.Store
	url   string // with the password: never printed
	name  string // of this daemon, for its probe row

	mu      stdsync.Mutex
	asked   time.Time
	last    error
	checked time.Time // when the schema was looked at
}

const (
	probeEvery  = time.Second
	schemaEvery = 30 * time.Second
)

// ready writes one durable row and checks the schema's version.
func (p *probe) ready(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.asked.IsZero() || now.Sub(p.asked) > probeEvery {
		p.last, p.asked = p.ask(ctx, now), now
	}
	return p.last
}

func (p *probe) ask(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	// A lease is the smallest row there is; taking and giving it back is a
	// write with a sync to disk.
	lease, ok, err := p.store.Acquire(ctx, "probe/"+host+"/"+p.name, host, time.Second)
	if err != nil {
		return err
	}
	if ok {
		if err := p.store.Release(ctx, lease); err != nil {
			return err
		}
	}
	if now.Sub(p.checked) < schemaEvery {
		return nil
	}
	status, err := store.Status(ctx, p.url)
	if err != nil {
		return err
	}
	if len(status.Pending) > 0 {
		return errors.New("the schema is older than this binary: run rollcall migrate")
	}
	p.checked = now
	return nil
}
