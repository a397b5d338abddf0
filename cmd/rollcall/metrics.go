package main

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// meter counts what the public listener answers (reliability section 15).
type meter struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	polls    *pollMeter
	units    *unitMeter
}

func newMeter() *meter {
	m := &meter{
		registry: prometheus.NewRegistry(), polls: newPollMeter(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_scim_requests_total", Help: "SCIM requests answered.",
		}, []string{"op", "resource", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_scim_request_seconds", Help: "Time until a SCIM answer was written.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"op", "resource"}),
	}
	m.units = newUnitMeter(m.registry)
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rollcall_build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": buildVersion()},
	})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.seconds, m.polls.seconds, m.polls.trips, build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *meter) handler() http.Handler {
	// What cannot be read, as the store is away, is left out; the rest is
	// needed just then.
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// count counts and times the requests of a handler.
func (m *meter) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		op, resource := methodLabel(r.Method), resourceLabel(r.URL.Path)
		defer func() {
			m.requests.WithLabelValues(op, resource, strconv.Itoa(seen.status)).Inc()
			m.seconds.WithLabelValues(op, resource).Observe(time.Since(start).Seconds())
		}()
		next.ServeHTTP(seen, r)
	})
}

// methodLabel and resourceLabel keep the labels few: a client may send any
// method and any path.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return strings.ToLower(method)
	}
	return "other"
}

func resourceLabel(path string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(path, "/scim/v2"), "/"), "/")
	for _, known := range []string{"Users", "Groups", "Schemas", "ResourceTypes", "ServiceProviderConfig"} {
		if strings.EqualFold(name, known) {
			return known
		}
	}
	return "other"
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap gives http.ResponseController the writer below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
