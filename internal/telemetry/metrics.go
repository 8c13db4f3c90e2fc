// Package telemetry tells what a worker does: metrics, health, traces, and a line of the log for each step.
package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"rotor/internal/config"
	"rotor/internal/rotation"
)

// Metrics are what a worker counts by itself. They have few labels, and none that names a secret. It watches rotations, too.
type Metrics struct {
	Registry *prometheus.Registry

	rotations   *prometheus.CounterVec
	parked      prometheus.Counter
	steps       *prometheus.HistogramVec
	exposure    prometheus.Histogram
	calls       *prometheus.CounterVec
	callSeconds *prometheus.HistogramVec
	waitSeconds *prometheus.HistogramVec
	ready       prometheus.Gauge
	// own are all of these.
	own []prometheus.Collector
}

// Results of steps and of a store's calls; a failure's is its kind.
const (
	resultOK        = "ok"
	resultCancelled = "cancelled"
	// resultUntried: the step found no slot and was not begun.
	resultUntried = "untried"
)

// Buckets in seconds: a step takes milliseconds on a quiet machine, and half a minute where something hangs.
var (
	stepBuckets     = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	exposureBuckets = []float64{.01, .05, .1, .5, 1, 5, 15, 60, 300, 1800, 7200}
)

// NewMetrics makes them, in a registry of their own.
func NewMetrics() *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		rotations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rotor_rotations_total", Help: "Rotations that this worker saw end, by outcome."}, []string{"outcome"}),
		parked: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rotor_rotations_parked_total", Help: "How often this worker saw a rotation park, to wait for a person."}),
		steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rotor_step_duration_seconds", Help: "How long attempts of steps took, by step and result.", Buckets: stepBuckets}, []string{"step", "result"}),
		exposure: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rotor_exposure_seconds", Buckets: exposureBuckets,
			Help: "How long the current version of a single-user secret did not log in, from the change in the database to the move of the stage."}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rotor_store_calls_total", Help: "Calls of secret stores, by store, call and result."}, []string{"store", "call", "result"}),
		callSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rotor_store_call_duration_seconds", Help: "How long calls of secret stores took.", Buckets: stepBuckets}, []string{"store", "call"}),
		waitSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rotor_store_wait_seconds", Help: "How long writes to secret stores waited for their turn, so that a quota is not exceeded.", Buckets: stepBuckets}, []string{"store"}),
		ready: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rotor_ready", Help: "1 while the worker polls and Temporal answers."}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "rotor_build_info", Help: "What the worker was built from; always 1."}, []string{"version"})
	build.WithLabelValues(config.Version()).Set(1)
	m.own = []prometheus.Collector{m.rotations, m.parked, m.steps, m.exposure, m.calls, m.callSeconds, m.waitSeconds, m.ready, build}
	m.Registry.MustRegister(m.own...)
	m.Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// A counter that appears with its first event would show no increase.
	for _, outcome := range []rotation.Outcome{rotation.Rotated, rotation.RolledBack, rotation.Refused, rotation.Abandoned} {
		m.rotations.WithLabelValues(string(outcome))
	}
	return m
}

// Parked counts a rotation that has parked.
func (m *Metrics) Parked(rotation.Request, rotation.Failure) { m.parked.Inc() }

// Waited counts a write to a store that had to wait so long for its turn.
func (m *Metrics) Waited(store string, d time.Duration) {
	m.waitSeconds.WithLabelValues(store).Observe(d.Seconds())
}

// Ended counts a rotation that has ended.
func (m *Metrics) Ended(r rotation.Result) {
	m.rotations.WithLabelValues(string(r.Outcome)).Inc()
	if r.Outcome == rotation.Rotated && r.Strategy == rotation.SingleUser {
		m.exposure.Observe(r.Exposure.Seconds())
	}
}
