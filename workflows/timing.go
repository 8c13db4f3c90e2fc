// Package workflows has the deterministic part: which step comes when, what follows a failure, and what people see.
package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rotor/internal/rotation"
)

// Timing is how long things may take. It changes no decision, only the options of commands, so a worker may have
// another one than the worker before it.
type Timing struct {
	// Attempt bounds one attempt of a step.
	Attempt time.Duration
	// Heartbeat is how soon a dead worker is noticed.
	Heartbeat time.Duration
	// Burst bounds the attempts that the server makes by itself. A workflow can't see those, so it is short.
	Burst time.Duration
	// FirstPause and LongestPause bound the growing waits between bursts, which the workflow makes and shows.
	FirstPause, LongestPause time.Duration
	// WorkflowTask is how soon a worker that died in the midst of a decision is noticed; 0: the server's default.
	WorkflowTask time.Duration
}

// DefaultTiming suits production.
var DefaultTiming = Timing{
	Attempt:      30 * time.Second,
	Heartbeat:    10 * time.Second,
	Burst:        time.Minute,
	FirstPause:   10 * time.Second,
	LongestPause: 30 * time.Minute,
}

// options of the steps: bursts of attempts, each step with a summary for the Web UI.
func (t Timing) options(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout:    t.Attempt,
		HeartbeatTimeout:       t.Heartbeat,
		ScheduleToCloseTimeout: t.Burst,
		Summary:                summary,
		// A step that was cancelled may still be changing something; its end is waited for, so that what comes next sees it.
		WaitForCancellation: true,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:        time.Second,
			BackoffCoefficient:     2,
			MaximumInterval:        10 * time.Second,
			NonRetryableErrorTypes: []string{string(rotation.Permanent), string(rotation.Conflict)},
		},
	})
}

// endOptions are End's: one attempt each, so that the workflow knows of every one that may have moved the stage.
func (t Timing) endOptions(ctx workflow.Context, summary string) workflow.Context {
	options := workflow.GetActivityOptions(t.options(ctx, summary))
	options.RetryPolicy = &temporal.RetryPolicy{MaximumAttempts: 1}
	return workflow.WithActivityOptions(ctx, options)
}

// checkOptions are Check's: what it can't find out is its result, so that it is tried again only where a worker died, or found others at
// the same place.
func (t Timing) checkOptions(ctx workflow.Context, summary string) workflow.Context {
	options := workflow.GetActivityOptions(t.options(ctx, summary))
	options.StartToCloseTimeout = 2 * t.Attempt
	options.ScheduleToCloseTimeout = 10 * t.Attempt
	return workflow.WithActivityOptions(ctx, options)
}

// inspectOptions are Inspect's: a person waits for it, and can decide without.
func (t Timing) inspectOptions(ctx workflow.Context, summary string) workflow.Context {
	options := workflow.GetActivityOptions(t.options(ctx, summary))
	options.ScheduleToCloseTimeout = t.Attempt
	return workflow.WithActivityOptions(ctx, options)
}

// agesOptions are Ages's: a list waits for it, and shows what is known without.
func (t Timing) agesOptions(ctx workflow.Context, summary string) workflow.Context {
	options := workflow.GetActivityOptions(t.options(ctx, summary))
	options.ScheduleToCloseTimeout, options.RetryPolicy = t.Attempt, &temporal.RetryPolicy{MaximumAttempts: 1}
	return workflow.WithActivityOptions(ctx, options)
}

// followOptions are Follow's: a rotation may be parked for days, and looking at it costs little.
func (t Timing) followOptions(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: t.Attempt,
		Summary:             summary,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 1.2, MaximumInterval: 30 * time.Second},
	})
}
