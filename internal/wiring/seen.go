package wiring

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"

	"rotor/internal/config"
	"rotor/internal/telemetry"
)

// seen is how a worker can be watched: its metrics, where they are served, and its traces.
type seen struct {
	metrics  *telemetry.Metrics
	settings config.Worker
	// listener is nil where nothing is served.
	listener net.Listener
	traced   bool
	sent     func(context.Context) error
	stop     context.CancelFunc
	running  sync.WaitGroup
	served   error
}

// newSeen opens the address that metrics are served on, and lets the client be counted and traced.
func newSeen(ctx context.Context, options *client.Options, settings config.Worker) (*seen, error) {
	s := &seen{metrics: telemetry.NewMetrics(), settings: settings, stop: func() {}}
	traced, sent, err := telemetry.Traces(ctx, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	s.sent = sent
	if traced != nil {
		s.traced = true
		options.Interceptors = append(options.Interceptors, traced)
	}
	if settings.MetricsAddress == "" {
		return s, nil
	}
	if options.MetricsHandler, err = s.metrics.SDK(); err != nil {
		return nil, err
	}
	s.listener, err = telemetry.Listen(ctx, config.SettingMetrics, settings.MetricsAddress)
	return s, err
}

// around is what the worker needs to be watched.
func (s *seen) around(logger log.Logger, attributes []string) Around {
	return Around{Attributes: attributes, Watcher: s.metrics, Outer: []interceptor.WorkerInterceptor{&telemetry.Steps{Metrics: s.metrics, Log: logger}}}
}

// start serves, and counts what no step sees. It goes on while the worker drains, until close.
func (s *seen) start(ctx context.Context, logger log.Logger, from telemetry.Source) {
	if s.listener == nil {
		return
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	census := &telemetry.Census{Source: from, Metrics: s.metrics, Log: logger, Every: s.settings.Census, Pulse: s.settings.Pulse, Named: s.settings.MetricsNamed}
	s.metrics.Registry.MustRegister(census)
	s.running.Go(func() { census.Run(watching) })
	s.running.Go(func() {
		s.served = telemetry.Serve(watching, s.listener, s.metrics.Handler(func(asking context.Context) error {
			// A worker that drains takes nothing more.
			return errors.Join(ctx.Err(), from.Answers(asking))
		}))
	})
}

// words are for the record of the start.
func (s *seen) words() (said []any) {
	if s.listener != nil {
		said = append(said, "Metrics", "http://"+s.listener.Addr().String()+"/metrics")
	}
	if s.traced {
		said = append(said, "Traces", "OTLP")
	}
	return said
}

// close ends what start has started, and sends the traces that are left.
func (s *seen) close() error {
	s.stop()
	s.running.Wait()
	if s.listener != nil {
		_ = s.listener.Close() // closed already, where it was served
	}
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.sent(ctx); err != nil {
		return errors.Join(s.served, errors.New("the last traces could not be sent"))
	}
	return s.served
}
