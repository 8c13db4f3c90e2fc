package wiring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"rotor/internal/config"
)

// Logger makes the logger of the settings.
func Logger(out io.Writer, settings config.Worker) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(settings.LogLevel)) // one of four words, checked by the settings
	options := &slog.HandlerOptions{Level: level}
	if settings.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}

// Serve connects, works until the context ends, then drains: steps that run may finish within the stop timeout. connected is
// called with one line that says what the worker is connected to, once it polls.
func Serve(ctx context.Context, options client.Options, settings config.Worker, connected func(string)) error {
	// What is wrong with the settings is said before anybody is asked.
	steps, err := Steps(settings)
	if err != nil {
		return err
	}
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return fmt.Errorf("connect to Temporal at %s, namespace %s (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE): %w", options.HostPort, options.Namespace, err)
	}
	defer c.Close()
	if _, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: options.Namespace}); err != nil {
		if _, missing := errors.AsType[*serviceerror.NamespaceNotFound](err); missing {
			return fmt.Errorf("TEMPORAL_NAMESPACE: Temporal at %s has no namespace %s", options.HostPort, options.Namespace)
		}
	}
	w := New(c, steps, settings)
	if err := w.Start(); err != nil {
		return fmt.Errorf("start polling task queue %s: %w", settings.TaskQueue, err)
	}
	connected(greeting(options, settings))
	<-ctx.Done()
	w.Stop()
	return nil
}

// greeting says what a worker is connected to.
func greeting(options client.Options, settings config.Worker) string {
	text := fmt.Sprintf("rotor worker %s: Temporal %s, namespace %s, task queue %s", config.Version(), options.HostPort, options.Namespace, settings.TaskQueue)
	if settings.Deployment != "" {
		text += fmt.Sprintf(", version %s of deployment %s (it does nothing until that is made current)", settings.Version(), settings.Deployment)
	}
	return text
}
