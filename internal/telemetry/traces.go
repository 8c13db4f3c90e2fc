package telemetry

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"

	"rotor/internal/config"
)

// Traces sends spans of workflows and activities to where OpenTelemetry's variables say, by OTLP over HTTP. Without an endpoint among them
// it gives nil. Spans carry ids and the words of failures, never arguments. stop sends what is left.
func Traces(ctx context.Context, lookup config.Lookup) (traced interceptor.Interceptor, stop func(context.Context) error, err error) {
	stop = func(context.Context) error { return nil }
	set := func(names ...string) (name, value string) {
		for _, name := range names {
			if text, is := lookup(name); is && text != "" {
				return name, text
			}
		}
		return "", ""
	}
	if _, endpoint := set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"); endpoint == "" {
		return nil, stop, nil
	}
	if name, protocol := set("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return nil, stop, fmt.Errorf("%s: %q is not spoken here; wanted: http/protobuf", name, protocol)
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, stop, fmt.Errorf("send traces by OTLP: the OTEL_EXPORTER_OTLP_* variables can't be used")
	}
	described, err := resource.Merge(resource.NewSchemaless(semconv.ServiceName("rotor-worker"), semconv.ServiceVersion(config.Version())), resource.Environment())
	if err != nil {
		return nil, stop, fmt.Errorf("send traces by OTLP: OTEL_RESOURCE_ATTRIBUTES can't be used")
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(described))
	traced, err = opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{
		Tracer: provider.Tracer("rotor"), TextMapPropagator: propagation.TraceContext{}, DisableBaggage: true, DisableQueryTracing: true,
	})
	return traced, provider.Shutdown, err
}
