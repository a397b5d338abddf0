package main

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-sync/rollcall/configs"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

// unitMeter counts what this process has committed.
type unitMeter struct {
	changes *prometheus.CounterVec
	denials *prometheus.CounterVec
	revoked *prometheus.HistogramVec
}

func newUnitMeter(registry *prometheus.Registry) *unitMeter {
	m := &unitMeter{
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_changes_total", Help: "Changes decided, by kind and what became of them.",
		}, []string{"kind", "outcome"}),
		denials: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_denials_total", Help: "Changes refused, by the row of the role matrix; none for other rules.",
		}, []string{"row"}),
		revoked: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rollcall_revoke_seconds", Help: "From the moment an end of access was seen until it was committed (T2-T1).",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 30, 300},
		}, []string{"workspace", "connection"}),
	}
	registry.MustRegister(m.changes, m.denials, m.revoked)
	return m
}

// committed counts one unit of work.
func (m *unitMeter) committed(c sync.Committed) {
	for what, n := range c.Changes {
		m.changes.WithLabelValues(what.Kind, what.Outcome).Add(float64(n))
	}
	for row, n := range c.Denials {
		if row == "" {
			row = "none"
		}
		m.denials.WithLabelValues(row).Add(float64(n))
	}
	for _, took := range c.Revoked {
		m.revoked.WithLabelValues(c.Workspace, c.Connection).Observe(took.Seconds())
	}
}

// leaverCollector reads from the store, whenever the metrics are asked for, how
// fast access ended in the last day, what waits for receivers and which
// findings are open: the same in every replica, and over restarts.
type leaverCollector struct {
	config  *configs.Config
	store   *store.Store
	now     func() time.Time
	seconds *prometheus.Desc
	leavers *prometheus.Desc
	pending *prometheus.Desc
	oldest  *prometheus.Desc
	dead    *prometheus.Desc
	open    *prometheus.Desc
	up      *prometheus.Desc
}

// speedDay is the window of the quantiles.
const speedDay = 24 * time.Hour

func newLeaverCollector(c *configs.Config, s *store.Store) *leaverCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"workspace"}, labels...), nil)
	}
	return &leaverCollector{
		config: c, store: s, now: time.Now,
		seconds: desc("rollcall_leaver_seconds", "Quantiles over the last day: revoke is T2-T1, deliver T3-T2, verify T4-T2.", "connection", "stage", "quantile"),
		leavers: desc("rollcall_leavers_last_day", "Ends of access in the last day.", "connection"),
		pending: desc("rollcall_outbox_pending", "Lines in which an event waits for the receiver.", "sink"),
		oldest:  desc("rollcall_outbox_oldest_seconds", "Age of the oldest event that waits for the receiver.", "sink"),
		dead:    desc("rollcall_outbox_dead", "Dead letters that are kept.", "sink"),
		open:    desc("rollcall_findings_open", "Open findings.", "code", "severity"),
		up:      desc("rollcall_store_readable", "1 if the store could be read for these metrics, 0 if not: those that come from it are missing then."),
	}
}

// Describe lists the metrics.
func (c *leaverCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.seconds, c.leavers, c.pending, c.oldest, c.dead, c.open, c.up} {
		out <- d
	}
}

// Collect reads the store. What comes from one that cannot be read is missing,
// and store_readable says so.
func (c *leaverCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectLimit)
	defer cancel()
	for i := range c.config.Workspaces {
		ws := c.config.Workspaces[i].ID
		var found []prometheus.Metric // none when the reading fails in the middle
		err := c.store.In(ws).View(ctx, func(r *store.Reader) (err error) {
			found, err = c.read(r, ws)
			return err
		})
		up := 1.0
		if err != nil {
			up = 0
			out <- prometheus.NewInvalidMetric(c.leavers, err)
		}
		out <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, up, ws)
		for _, m := range found {
			out <- m
		}
	}
}

func (c *leaverCollector) read(r *store.Reader, ws string) ([]prometheus.Metric, error) {
	var out []prometheus.Metric
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out = append(out, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{ws}, labels...)...))
	}
	now := c.now()
	speeds, err := sync.LeaverSpeeds(r, workspace.At(now.Add(-speedDay)))
	if err != nil {
		return nil, err
	}
	for connection, s := range speeds {
		gauge(c.leavers, float64(s.Leavers), connection)
		for stage, q := range map[string]sync.Quantiles{"revoke": s.Revoke, "deliver": s.Deliver, "verify": s.Verify} {
			if q.N == 0 {
				continue
			}
			for percent, ms := range map[int]int64{50: q.P50, 95: q.P95, 99: q.P99} {
				gauge(c.seconds, float64(ms)/1000, connection, stage, strconv.FormatFloat(float64(percent)/100, 'g', -1, 64))
			}
		}
	}
	queues, err := r.Queues()
	if err != nil {
		return nil, err
	}
	for _, q := range queues {
		gauge(c.pending, float64(q.Lines), q.Sink)
		gauge(c.dead, float64(q.Dead), q.Sink)
		age := 0.0
		if q.Oldest > 0 {
			age = max(0, now.Sub(q.Oldest.Time()).Seconds())
		}
		gauge(c.oldest, age, q.Sink)
	}
	findings, err := r.OpenFindings(1000)
	if err != nil {
		return nil, err
	}
	open := map[[2]string]int{{"F19", "high"}: 0}
	for i := range findings {
		open[[2]string{findings[i].Code, findings[i].Severity}]++
	}
	for what, n := range open {
		gauge(c.open, float64(n), what[0], what[1])
	}
	return out, nil
}
