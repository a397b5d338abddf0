package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-sync/rollcall/events"
	"github.com/rollcall-sync/rollcall/scim"
)

// newDispatcher makes the outbox's way out, and registers its receivers before
// the first request can change anything.
func newDispatcher(ctx context.Context, d *daemon, m *meter) (*events.Dispatcher, error) {
	opt := events.Options{Store: d.store, Config: d.config.Events, Issuer: d.url, Logger: d.log, Now: time.Now, Metrics: newEventMeter(m.registry), Lease: seams.lease}
	for i := range d.config.Workspaces {
		opt.Workspaces = append(opt.Workspaces, d.config.Workspaces[i].ID)
	}
	dispatcher, err := events.New(opt)
	if err != nil {
		return nil, err
	}
	return dispatcher, dispatcher.Start(ctx)
}

// deliver delivers events until stop is called. What stop gives is closed when
// the calls under way have ended.
func (d *daemon) deliver(ctx context.Context) (stop func() <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.events.Run(ctx)
	}()
	return func() <-chan struct{} {
		cancel()
		return done
	}
}

// feedReader lets tokens with the scope read the revocation feed.
func feedReader(h *scim.Handler) events.Authorize {
	return func(r *http.Request, scope string) (string, error) {
		ws, err := h.Authorize(r, scope)
		var refused *scim.Error
		switch {
		case !errors.As(err, &refused):
			return ws, err
		case refused.Status == http.StatusUnauthorized:
			return "", events.ErrUnauthenticated
		case refused.Status == http.StatusForbidden:
			return "", events.ErrForbidden
		case refused.Status == http.StatusTooManyRequests:
			return "", &events.TooManyError{Wait: refused.RetryAfter}
		default:
			return "", err
		}
	}
}

// eventMeter measures deliveries (leavers-and-events section 1).
type eventMeter struct {
	tries     *prometheus.CounterVec
	delivered *prometheus.HistogramVec
	verified  *prometheus.HistogramVec
	overdue   *prometheus.GaugeVec
}

func newEventMeter(registry *prometheus.Registry) *eventMeter {
	buckets := []float64{.05, .1, .25, .5, 1, 2, 5, 10, 30, 60, 300, 3600, 43200}
	m := &eventMeter{
		tries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_event_tries_total", Help: "Attempts to deliver an event, by what they came to.",
		}, []string{"sink", "outcome"}),
		delivered: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_event_delivery_seconds", Help: "From the commit until the receiver acknowledged (T3-T2).", Buckets: buckets,
		}, []string{"sink", "lane"}),
		verified: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_leaver_verified_seconds", Help: "From the acknowledgement until the receiver proved that access is gone (T4-T3).", Buckets: buckets,
		}, []string{"sink"}),
		overdue: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_leaver_events_overdue", Help: "Ended access that a receiver has not acknowledged for five minutes (F19).",
		}, []string{"workspace"}),
	}
	registry.MustRegister(m.tries, m.delivered, m.verified, m.overdue)
	return m
}

// Tried counts an attempt.
func (m *eventMeter) Tried(sink, outcome string) { m.tries.WithLabelValues(sink, outcome).Inc() }

// Delivered measures an acknowledgement.
func (m *eventMeter) Delivered(sink string, leaver bool, lag time.Duration) {
	lane := "ordinary"
	if leaver {
		lane = "leaver"
	}
	m.delivered.WithLabelValues(sink, lane).Observe(lag.Seconds())
}

// Verified measures a proof.
func (m *eventMeter) Verified(sink string, lag time.Duration) {
	m.verified.WithLabelValues(sink).Observe(lag.Seconds())
}

// Waiting shows how many leaver events are overdue.
func (m *eventMeter) Waiting(workspace string, overdue int) {
	m.overdue.WithLabelValues(workspace).Set(float64(overdue))
}
