package wiring

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"rotor/internal/config"
	"rotor/internal/payload"
	"rotor/internal/payload/codecserver"
	"rotor/internal/rotation"
	"rotor/internal/visibility"
)

// Logger makes the logger of the settings.
func Logger(out io.Writer, settings config.Worker) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(settings.LogLevel)) // one of four words, checked by the settings
	options := &slog.HandlerOptions{Level: level}
	if settings.LogFormat == "json" {
		return slog.New(brief{slog.NewJSONHandler(out, options)})
	}
	return slog.New(brief{slog.NewTextHandler(out, options)})
}

// Serve connects, works until the context ends, then drains: steps that run may finish within the stop timeout. serving is called once
// it polls; one record of the log has said by then what it is connected to.
func Serve(ctx context.Context, options client.Options, settings config.Worker, serving func()) (err error) {
	// What is wrong with the settings is said before anybody is asked.
	shelf, err := newShelf(settings)
	if err != nil {
		return err
	}
	seen, err := newSeen(ctx, &options, settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, seen.close()) }()
	for name, store := range shelf.stores {
		shelf.stores[name] = seen.metrics.Store(name, store)
	}
	steps, err := stepsWith(shelf, settings, seen.metrics.Waited)
	if err != nil {
		return err
	}
	keys, err := payload.Read(settings.PayloadKeys)
	if err != nil {
		return err
	}
	if settings.Codec.Address != "" {
		settings.Codec.AllowHTTP = settings.AllowHTTP
		codec, err := codecserver.Start(keys, settings.Codec)
		if err != nil {
			return err
		}
		defer codec.Close()
	}
	c, err := connect(ctx, keys.Protect(options))
	if err != nil {
		return err
	}
	defer c.Close()
	present, warning, err := visibility.Prepare(ctx, c, options.Namespace)
	if err != nil {
		return err
	}
	present = keys.Shown(present)
	if warning != "" {
		options.Logger.Warn(warning)
	}
	// A worker that can't read what is open would only get into the way of those that can, and not know which rotations exclude each other.
	open := fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Running' AND TaskQueue = '%s'", rotation.WorkflowType, settings.TaskQueue)
	if err := keys.Check(ctx, c, options.Namespace, open); err != nil {
		return fmt.Errorf("a rotation is open that this worker can't read: %w. If the key is lost, terminate that workflow", err)
	}
	w := New(c, keys, steps, settings, seen.around(options.Logger, present))
	if err := w.Start(); err != nil {
		return fmt.Errorf("start polling task queue %s of namespace %s: %s", settings.TaskQueue, options.Namespace, config.NoConnection(err))
	}
	seen.start(ctx, options.Logger, &source{
		client: c, converter: keys.Converter(), settings: settings, steps: steps,
		finds: slices.Contains(present, rotation.AttributeStuck),
	})
	options.Logger.Info(msgStarted, append(whatItServes(options, settings, shelf, steps, present), seen.words()...)...)
	serving()
	<-ctx.Done()
	w.Stop()
	return nil
}

// connect connects to Temporal and makes sure that it has the namespace.
func connect(ctx context.Context, options client.Options) (client.Client, error) {
	where := fmt.Sprintf("connect to Temporal at %s (TEMPORAL_ADDRESS)", options.HostPort)
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", where, config.NoConnection(err))
	}
	if _, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: options.Namespace}); err != nil {
		if _, missing := errors.AsType[*serviceerror.NamespaceNotFound](err); missing {
			c.Close()
			return nil, fmt.Errorf("%s: it has no namespace %s (TEMPORAL_NAMESPACE)", where, options.Namespace)
		}
	}
	return c, nil
}
