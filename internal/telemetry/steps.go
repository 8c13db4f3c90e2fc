package telemetry

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"

	"rotor/activities"
	"rotor/internal/rotation"
)

// Steps times and logs the attempts of steps. It stands outside of activities.Edge, so what it sees of errors is in words of this program.
type Steps struct {
	interceptor.WorkerInterceptorBase
	Metrics *Metrics
	Log     log.Logger
}

// InterceptActivity stands before every activity.
func (s *Steps) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	i := &stepInbound{steps: s}
	i.Next = next
	return i
}

type stepInbound struct {
	interceptor.ActivityInboundInterceptorBase
	steps *Steps
}

// ExecuteActivity runs an attempt of a step. What is no step, like the wait for another rotation, is not counted.
func (i *stepInbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	if activities.SecretOf(in.Args) == "" {
		return i.Next.ExecuteActivity(ctx, in)
	}
	began := time.Now()
	result, err := i.Next.ExecuteActivity(ctx, in)
	took := time.Since(began)
	info := activity.GetInfo(ctx)
	step, class := strings.ToLower(info.ActivityType.Name), resultOf(err)
	i.steps.Metrics.steps.WithLabelValues(step, class).Observe(took.Seconds())
	fields := []any{
		"WorkflowID", info.WorkflowExecution.ID, "RunID", info.WorkflowExecution.RunID, "Secret", activities.SecretOf(in.Args), "Step", step,
		"Attempt", info.Attempt, "Result", class, "Seconds", took.Seconds(),
	}
	if err == nil || class == resultUntried || class == resultCancelled {
		i.steps.Log.Info("step ended", fields...)
		return result, err
	}
	i.steps.Log.Warn("step failed", append(fields, "Error", err.Error())...)
	return result, err
}

// resultOf classes what came back from a step.
func resultOf(err error) string {
	var canceled *temporal.CanceledError
	var app *temporal.ApplicationError
	var failure rotation.Failure
	switch {
	case err == nil:
		return resultOK
	case errors.As(err, &canceled):
		return resultCancelled
	case !errors.As(err, &app):
		return string(rotation.Retryable)
	case app.HasDetails() && app.Details(&failure) == nil && failure.Untried:
		return resultUntried
	case app.Type() == string(rotation.Permanent), app.Type() == string(rotation.Conflict):
		return app.Type()
	}
	return string(rotation.Retryable)
}
