package telemetry

import (
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
)

// SDK gives the handler of the Temporal SDK's own metrics, whose names begin with temporal_.
func (m *Metrics) SDK() (client.MetricsHandler, error) {
	exporter, err := prometheus.New(prometheus.WithRegisterer(m.Registry), prometheus.WithoutScopeInfo(), prometheus.WithoutTargetInfo())
	if err != nil {
		return nil, err
	}
	provider := metric.NewMeterProvider(metric.WithReader(exporter), metric.WithView(described))
	return opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter: provider.Meter("temporal-sdk-go"), OnError: func(error) {}, UseMonotonicCounters: true,
	}), nil
}

// described gives the SDK's metrics a text, because they come without, and its timers buckets that go up to what a step may take.
func described(i metric.Instrument) (metric.Stream, bool) {
	s := metric.Stream{Name: i.Name, Unit: i.Unit, Description: "Of Temporal's SDK; see its documentation of metrics."}
	if i.Kind == metric.InstrumentKindHistogram {
		s.Aggregation = metric.AggregationExplicitBucketHistogram{Boundaries: stepBuckets}
	}
	return s, true
}
