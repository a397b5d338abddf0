package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// pollMeter measures the polls of this process.
type pollMeter struct {
	seconds *prometheus.HistogramVec
	trips   *prometheus.CounterVec
}

func newPollMeter() *pollMeter {
	labels := []string{"workspace", "connection"}
	return &pollMeter{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_run_seconds", Help: "Time that polls took which read something or failed.",
			Buckets: []float64{.01, .05, .1, .5, 1, 5, 15, 60, 300, 1800},
		}, append(labels, "result")),
		trips: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_brake_trips_total", Help: "Polls in which a limit of the brake held something.",
		}, labels),
	}
}

// polled counts one poll.
func (m *meter) polled(pl sync.Polled, res sync.PollResult, took time.Duration, err error) {
	result := "done"
	switch {
	case err != nil:
		result = "failed"
	case !res.Run.Complete:
		result = "incomplete"
	}
	m.polls.seconds.WithLabelValues(pl.Workspace, pl.Connection, result).Observe(took.Seconds())
	if res.Run.Brake.Tripped {
		m.polls.trips.WithLabelValues(pl.Workspace, pl.Connection).Inc()
	}
}

// stateCollector reads what the store knows of the connections whenever the
// metrics are asked for, so that runs of other processes count too.
type stateCollector struct {
	config   *configs.Config
	store    *store.Store
	lastGood *prometheus.Desc
	failures *prometheus.Desc
	held     *prometheus.Desc
	expiry   *prometheus.Desc
}

// watch adds the connections' states to the metrics.
func (m *meter) watch(c *configs.Config, s *store.Store) error {
	labels := []string{"workspace", "connection"}
	if err := m.registry.Register(newLeaverCollector(c, s)); err != nil {
		return err
	}
	return m.registry.Register(&stateCollector{
		config: c, store: s,
		lastGood: prometheus.NewDesc("rollcall_last_good_run_timestamp_seconds", "When the connection was last read without trouble.", labels, nil),
		failures: prometheus.NewDesc("rollcall_failed_runs", "Failed polls in a row.", labels, nil),
		held:     prometheus.NewDesc("rollcall_held_plans", "Plans that wait for a person.", []string{"workspace"}, nil),
		expiry: prometheus.NewDesc("rollcall_token_expiry_days", "Days until a token ends; tokens that have ended are left out.",
			[]string{"workspace", "connection", "token"}, nil),
	})
}

// Describe lists the metrics.
func (c *stateCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.lastGood
	out <- c.failures
	out <- c.held
	out <- c.expiry
}

// collectLimit bounds the reads of one collection.
const collectLimit = 4 * time.Second

// Collect reads the states. What comes from a store that cannot be read is
// missing.
func (c *stateCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectLimit)
	defer cancel()
	for i := range c.config.Workspaces {
		w := &c.config.Workspaces[i]
		s := &session{config: c.config, workspace: w, store: c.store, handle: c.store.In(w.ID)}
		held := 0
		var tokens []store.TokenRow
		err := s.view(ctx, func(r *store.Reader) error {
			open, err := r.OpenHolds("")
			if err != nil {
				return err
			}
			held = len(open)
			tokens, err = r.Tokens("")
			return err
		})
		if err != nil {
			out <- prometheus.NewInvalidMetric(c.held, err)
			continue
		}
		out <- prometheus.MustNewConstMetric(c.held, prometheus.GaugeValue, float64(held), w.ID)
		now := workspace.At(time.Now())
		for i := range tokens {
			if t := &tokens[i]; sync.LiveToken(t, now) {
				days := (time.Duration(t.ExpiresAt-now) * time.Microsecond).Hours() / 24
				out <- prometheus.MustNewConstMetric(c.expiry, prometheus.GaugeValue, days, w.ID, t.Connection, t.ID)
			}
		}
		views, err := s.connections(ctx)
		if err != nil {
			out <- prometheus.NewInvalidMetric(c.lastGood, err)
			continue
		}
		for i := range views {
			v := &views[i]
			if v.LastGood != nil {
				out <- prometheus.MustNewConstMetric(c.lastGood, prometheus.GaugeValue, float64(*v.LastGood)/1e6, w.ID, v.ID)
			}
			out <- prometheus.MustNewConstMetric(c.failures, prometheus.GaugeValue, float64(v.Failures), w.ID, v.ID)
		}
	}
}
