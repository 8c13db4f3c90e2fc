package activities_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"rotor/activities"
	"rotor/internal/rotation"
)

const canary = "canary-Pa55-word"

func TestOnlyOurWordsPassTheEdge(t *testing.T) {
	for name, test := range map[string]struct {
		step     func() error
		kind     rotation.Kind
		text     string
		possibly bool
	}{
		"a step's own error": {func() error { return rotation.Errorf(rotation.Permanent, "no right").WithCode("1227") }, rotation.Permanent, "no right (1227)", false},
		"wrapped":            {func() error { return fmt.Errorf(canary+": %w", rotation.Errorf(rotation.Conflict, "moved")) }, rotation.Conflict, "moved", false},
		"a driver's error":   {func() error { return errors.New("Error 1064: near '" + canary + "'") }, rotation.Retryable, "did not finish (unexpected)", true},
		"a deadline":         {func() error { return fmt.Errorf("%s: %w", canary, context.DeadlineExceeded) }, rotation.Retryable, "did not finish (timeout)", true},
		"a panic":            {func() error { panic("password " + canary) }, rotation.Retryable, "panicked", false},
		"a runtime panic": {func() error {
			words := strings.Split(canary, "-")
			return errors.New(words[len(words)])
		}, rotation.Retryable, "panicked", false},
	} {
		t.Run(name, func(t *testing.T) {
			var suite testsuite.WorkflowTestSuite
			var logs strings.Builder
			suite.SetLogger(log.NewStructuredLogger(slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))))
			env := suite.NewTestActivityEnvironment()
			env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&activities.Edge{Heartbeat: time.Second}}})
			env.RegisterActivityWithOptions(func(context.Context) error { return test.step() }, activity.RegisterOptions{Name: "Set"})
			_, err := env.ExecuteActivity("Set")
			require.Error(t, err)
			var app *temporal.ApplicationError
			require.True(t, errors.As(err, &app))
			require.Equal(t, string(test.kind), app.Type())
			require.Equal(t, test.kind != rotation.Retryable, app.NonRetryable())
			var failure rotation.Failure
			require.NoError(t, app.Details(&failure))
			require.Equal(t, rotation.StepSet, failure.Step)
			require.Contains(t, failure.Text, test.text)
			require.Equal(t, test.possibly, failure.Unanswered)
			require.NotContains(t, fmt.Sprintf("%+v", err)+failure.Text, canary)
			require.NotContains(t, logs.String(), canary)
		})
	}
}

// A step that found no slot says when to come again, and that it was not begun.
func TestAStepThatWasNotBegunSaysWhenToTryAgain(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&activities.Edge{}}})
	env.RegisterActivityWithOptions(func(context.Context) error {
		return &rotation.Error{Kind: rotation.Retryable, Text: "full", Untried: true, RetryAfter: 700 * time.Millisecond}
	}, activity.RegisterOptions{Name: "Set"})
	_, err := env.ExecuteActivity("Set")
	var app *temporal.ApplicationError
	require.True(t, errors.As(err, &app))
	require.Equal(t, 700*time.Millisecond, app.NextRetryDelay())
	var failure rotation.Failure
	require.NoError(t, app.Details(&failure))
	require.True(t, failure.Untried)
}
