package activities

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"

	"rotor/internal/pace"
	"rotor/internal/rotation"
)

// Edge is what stands between the steps and Temporal: an interceptor that lets only our own words into histories and
// logs, panics included, and that heartbeats while a step runs, so that a dead worker is noticed in seconds.
type Edge struct {
	interceptor.WorkerInterceptorBase
	// Heartbeat is the interval that histories' heartbeat timeouts are set to; a third of it passes between two beats.
	Heartbeat time.Duration
}

// InterceptActivity puts the edge before every activity.
func (e *Edge) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	i := &edgeInbound{edge: e}
	i.Next = next
	return i
}

type edgeInbound struct {
	interceptor.ActivityInboundInterceptorBase
	edge *Edge
}

// ExecuteActivity runs a step; what comes back as an error is a rotation.Failure in words of this program.
func (i *edgeInbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (result any, err error) {
	info := activity.GetInfo(ctx)
	step := rotation.Step(strings.ToLower(info.ActivityType.Name))
	if info.IsLocalActivity {
		ctx = pace.Trying(ctx) // it would hold up a workflow task
	}
	stop := i.beat(ctx)
	defer stop()
	defer func() {
		// The panic's value and stack may hold a document; neither leaves this function.
		if p := recover(); p != nil {
			result, err = nil, toTemporal(step, info.Attempt, rotation.Errorf(rotation.Retryable, "step %s panicked; this is a defect of the program", step).WithCode("panic"))
		}
	}()
	result, err = i.Next.ExecuteActivity(ctx, in)
	if err != nil {
		return nil, toTemporal(step, info.Attempt, err)
	}
	return result, nil
}

func (i *edgeInbound) beat(ctx context.Context) (stop func()) {
	interval := i.edge.Heartbeat
	if asked := activity.GetInfo(ctx).HeartbeatTimeout; asked > 0 {
		interval = min(interval, asked) // of a rotation that began with another setting
	}
	if interval <= 0 || activity.GetInfo(ctx).IsLocalActivity {
		return func() {}
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(interval / 3)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
				// Not before: a step that takes less tells by its end that its worker lives.
				activity.RecordHeartbeat(ctx)
			}
		}
	}()
	// The beat must be over before the step's end is reported.
	return func() {
		close(done)
		<-stopped
	}
}

// toTemporal turns an error into an ApplicationError whose type is its kind. An error that is not ours keeps nothing of its
// text: drivers and SDKs quote statements, addresses and values.
func toTemporal(step rotation.Step, attempt int32, err error) error {
	var canceled *temporal.CanceledError
	if errors.As(err, &canceled) || errors.Is(err, activity.ErrResultPending) {
		return err
	}
	var ours *temporal.ApplicationError
	if errors.As(err, &ours) && ours.Type() == typeStillRunning {
		return err
	}
	var e *rotation.Error
	if !errors.As(err, &e) {
		e = rotation.Errorf(rotation.Retryable, "step %s did not finish", step).WithCode(class(err))
		e.Unanswered = true
	}
	failure := rotation.FailureOf(step, e)
	failure.Attempt = attempt
	return temporal.NewApplicationErrorWithOptions(e.Error(), string(e.Kind), temporal.ApplicationErrorOptions{
		NonRetryable:   e.Kind != rotation.Retryable,
		NextRetryDelay: e.RetryAfter,
		Details:        []any{failure},
	})
}

// class tells apart, without their text, the errors that are not ours.
func class(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "unexpected"
}
