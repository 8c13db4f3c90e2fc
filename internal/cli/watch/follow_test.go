package watch_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	sdktemporal "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"rotor/internal/cli/watch"
	"rotor/internal/devstack/temporal"
	"rotor/internal/rotation"
)

// A server of these tests alone: some of them kill it.
var server *temporal.Server

func TestMain(m *testing.M) {
	code, err := withServer(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "watch:", err)
		code = 1
	}
	os.Exit(code)
}

func withServer(m *testing.M) (code int, err error) {
	if server, err = temporal.Start(context.Background(), temporal.Options{Headless: true}); err != nil {
		return 1, err
	}
	code = m.Run()
	return code, server.Stop()
}

func dial(t *testing.T) client.Client {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: server.Address, Namespace: server.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// script is a rotation whose steps do as a test says. The second waits at a gate.
type script struct {
	gate    chan struct{}
	reached chan struct{}
	once    sync.Once
}

func (s *script) rotate(ctx workflow.Context, req rotation.Request) (*rotation.Result, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 20 * time.Second, HeartbeatTimeout: time.Second,
		RetryPolicy: &sdktemporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, BackoffCoefficient: 1},
	})
	var plan rotation.Plan
	if err := workflow.ExecuteActivity(ctx, "Look").Get(ctx, &plan); err != nil {
		return nil, err
	}
	if err := workflow.ExecuteActivity(ctx, "New").Get(ctx, nil); err != nil {
		return nil, err
	}
	return &rotation.Result{Outcome: rotation.Rotated, Secret: req.SecretName, Version: workflow.GetInfo(ctx).WorkflowExecution.RunID}, nil
}

func (s *script) look(context.Context) (rotation.Plan, error) {
	return rotation.Plan{Version: "v2", Base: "v1"}, nil
}

// new fails once, then waits at the gate.
func (s *script) new(ctx context.Context) error {
	if activity.GetInfo(ctx).Attempt == 1 {
		f := rotation.Failure{Step: rotation.StepNew, Kind: rotation.Retryable, Text: "not yet", Code: "503"}
		return sdktemporal.NewApplicationErrorWithOptions(f.Text, string(f.Kind), sdktemporal.ApplicationErrorOptions{Details: []any{f}})
	}
	s.once.Do(func() { close(s.reached) })
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		activity.RecordHeartbeat(ctx)
		select {
		case <-s.gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// begin starts a worker with the script, and a rotation; it returns when New waits at the gate.
func begin(t *testing.T, c client.Client) (*script, client.WorkflowRun) {
	t.Helper()
	s := &script{gate: make(chan struct{}), reached: make(chan struct{})}
	queue := t.Name()
	w := worker.New(c, queue, worker.Options{WorkerStopTimeout: 100 * time.Millisecond})
	w.RegisterWorkflowWithOptions(s.rotate, workflow.RegisterOptions{Name: rotation.WorkflowType})
	w.RegisterActivityWithOptions(s.look, activity.RegisterOptions{Name: "Look"})
	w.RegisterActivityWithOptions(s.new, activity.RegisterOptions{Name: "New"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: t.Name(), TaskQueue: queue}, rotation.WorkflowType,
		rotation.Request{SecretName: "orders", RegionId: "cn-hangzhou"})
	require.NoError(t, err)
	await(t, s.reached)
	return s, run
}

// following is a Follower at work.
type following struct {
	mu       sync.Mutex
	warnings string
	failures string
	done     chan struct{}
	last     *watch.Snapshot
	err      error
}

func follow(ctx context.Context, c client.Client, run client.WorkflowRun, trust time.Duration) *following {
	f := &following{done: make(chan struct{})}
	follower := watch.Follower{
		Client: c, Payloads: converter.GetDefaultDataConverter(), Trust: trust,
		Warn: func(text string) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.warnings += text + "\n"
		},
		Seen: func(s *watch.Snapshot) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if s.Attempt != nil && s.Attempt.Failure != nil {
				f.failures += fmt.Sprintf("%d: %s\n", s.Attempt.Number, s.Attempt.Failure.Text)
			}
		},
	}
	go func() {
		defer close(f.done)
		f.last, f.err = follower.Follow(ctx, run.GetID(), run.GetRunID())
	}()
	return f
}

func (f *following) warned(text string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Contains(f.warnings, text)
}

func (f *following) failed(text string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Contains(f.failures, text)
}

func TestAttemptsAreSeen(t *testing.T) {
	c := dial(t)
	s, run := begin(t, c)
	f := follow(t.Context(), c, run, 0)
	require.Eventually(t, func() bool { return f.failed("2: not yet") }, 20*time.Second, 20*time.Millisecond)

	open, err := watch.Look(t.Context(), c, converter.GetDefaultDataConverter(), run.GetID(), "")
	require.NoError(t, err)
	require.False(t, open.Parked)
	require.Equal(t, run.GetRunID(), open.RunID)
	require.Equal(t, "v2", open.Plan.Version)
	require.Equal(t, "orders", open.Request.SecretName)
	require.Equal(t, &watch.Attempt{Number: 2, Started: true, Failure: &rotation.Failure{Step: rotation.StepNew, Kind: rotation.Retryable, Text: "not yet", Code: "503"}},
		open.Attempt)

	close(s.gate)
	await(t, f.done)
	require.NoError(t, f.err)
	require.Equal(t, rotation.Rotated, f.last.Outcome())
	require.Equal(t, 2, f.last.Steps[1].Attempts)
}

func TestFollowSurvivesARestartOfTemporal(t *testing.T) {
	c := dial(t)
	s, run := begin(t, c)
	f := follow(t.Context(), c, run, time.Minute)
	require.Eventually(t, func() bool { return f.failed("not yet") }, 20*time.Second, 20*time.Millisecond)
	require.NoError(t, server.Kill())
	require.Eventually(t, func() bool { return f.warned("Temporal does not answer; asking on") }, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, server.Restart(t.Context()))
	require.Eventually(t, func() bool { return f.warned("Temporal answers again") }, 30*time.Second, 20*time.Millisecond)
	close(s.gate)
	await(t, f.done)
	require.NoError(t, f.err)
	require.Equal(t, rotation.Rotated, f.last.Outcome())
	require.Len(t, f.last.Steps, 2, "no step is counted twice")
}

func TestFollowGivesUpOnTemporal(t *testing.T) {
	c := dial(t)
	s, run := begin(t, c)
	f := follow(t.Context(), c, run, 4*time.Second)
	require.Eventually(t, func() bool { return f.failed("not yet") }, 20*time.Second, 20*time.Millisecond)
	require.NoError(t, server.Kill())
	t.Cleanup(func() { require.NoError(t, server.Restart(context.WithoutCancel(t.Context()))) })
	await(t, f.done)
	require.ErrorIs(t, f.err, watch.ErrNoAnswer)
	close(s.gate)
}

func TestResetRunIsFollowed(t *testing.T) {
	c := dial(t)
	s, run := begin(t, c)
	f := follow(t.Context(), c, run, 0)
	require.Eventually(t, func() bool { return f.failed("not yet") }, 20*time.Second, 20*time.Millisecond)
	reset, err := c.ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: server.Namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: run.GetID(), RunId: run.GetRunID()},
		Reason: "again", WorkflowTaskFinishEventId: firstTaskCompleted(t, c, run), RequestId: t.Name(),
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return f.warned("was reset; it goes on as run " + reset.GetRunId()) }, 20*time.Second, 20*time.Millisecond)
	close(s.gate)
	await(t, f.done)
	require.NoError(t, f.err)
	require.Equal(t, reset.GetRunId(), f.last.RunID)
	require.Equal(t, rotation.Rotated, f.last.Outcome())
}

func firstTaskCompleted(t *testing.T, c client.Client, run client.WorkflowRun) int64 {
	t.Helper()
	events := c.GetWorkflowHistory(t.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(t, err)
		if e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			return e.GetEventId()
		}
	}
	t.Fatal("no workflow task was completed")
	return 0
}

func TestCancelledFollowEnds(t *testing.T) {
	c := dial(t)
	s, run := begin(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	f := follow(ctx, c, run, 0)
	cancel()
	await(t, f.done)
	require.ErrorIs(t, f.err, context.Canceled)
	close(s.gate)
	require.NoError(t, run.Get(t.Context(), nil), "the rotation went on")
}

func TestNoRotation(t *testing.T) {
	_, err := watch.Look(t.Context(), dial(t), converter.GetDefaultDataConverter(), "rotate/nobody", "")
	require.ErrorIs(t, err, watch.ErrNoRotation)
}

func await(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it takes too long")
	}
}
