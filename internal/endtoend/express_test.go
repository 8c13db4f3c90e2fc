package endtoend

import (
	"context"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// eventsOf are the types of a history's events, in short.
func eventsOf(history *historypb.History) (list []string) {
	for _, e := range history.Events {
		list = append(list, strings.TrimPrefix(e.GetEventType().String(), "EventType"))
	}
	return list
}

// activitiesOf are those that were asked for as such, and as local ones.
func activitiesOf(history *historypb.History) (usual, local []string) {
	for _, e := range history.Events {
		switch e.GetEventType() {
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			usual = append(usual, e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName())
		case enumspb.EVENT_TYPE_MARKER_RECORDED:
			if m := e.GetMarkerRecordedEventAttributes(); m.GetMarkerName() == "LocalActivity" {
				local = append(local, string(m.GetDetails()["data"].GetPayloads()[0].GetData()))
			}
		}
	}
	return usual, local
}

// lostTasks counts the workflow tasks that were begun and not answered.
func lostTasks(history *historypb.History) (n int) {
	for _, e := range history.Events {
		switch {
		case e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED:
			n++
		case e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT && e.GetWorkflowTaskTimedOutEventAttributes().GetTimeoutType() == enumspb.TIMEOUT_TYPE_START_TO_CLOSE:
			n++
		}
	}
	return n
}

// timersOf are what a rotation has waited for.
func timersOf(history *historypb.History) (list []string) {
	for _, e := range history.Events {
		if e.GetEventType() == enumspb.EVENT_TYPE_TIMER_STARTED {
			list = append(list, string(e.GetUserMetadata().GetSummary().GetData()))
		}
	}
	return list
}

// A rotation in which nothing happens takes these events and no others: whatever else gets into the history costs every rotation.
func TestExpressHistory(t *testing.T) {
	t.Parallel()
	const mostBytes = 6 << 10
	wanted := []string{
		"WorkflowExecutionStarted", "WorkflowTaskScheduled", "WorkflowTaskStarted", "WorkflowTaskCompleted",
		"MarkerRecorded",                                                        // the settings
		"ActivityTaskScheduled", "ActivityTaskStarted", "ActivityTaskCompleted", // Look
		"WorkflowTaskScheduled", "WorkflowTaskStarted", "WorkflowTaskCompleted",
		"MarkerRecorded", "MarkerRecorded", "MarkerRecorded", "MarkerRecorded", // New, Set, Test, End
		"UpsertWorkflowSearchAttributes", // the outcome, where the namespace has the attribute
		"WorkflowExecutionCompleted",
	}
	for name, prepare := range interrupted {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := prepare(t)
			run := undisturbed(t, secret)
			history := historyOf(t, run)
			described, err := temporal.DescribeWorkflowExecution(t.Context(), run.GetID(), run.GetRunID())
			require.NoError(t, err)
			size := described.GetWorkflowExecutionInfo().GetHistorySizeBytes()
			require.Equal(t, wanted, eventsOf(history))
			require.LessOrEqual(t, size, int64(mostBytes))
			t.Logf("%d events, %d bytes", len(history.Events), size)
		})
	}
}

// undisturbed rotates until a rotation went express to its end, and gives that. On a machine that is
// busy with other tests, a step or Temporal may be too slow for that.
func undisturbed(t *testing.T, secret devstack.Secret) client.WorkflowRun {
	t.Helper()
	for range 10 {
		run := start(t, expressQueue, secret, nil)
		require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
		history := historyOf(t, run)
		if usual, local := activitiesOf(history); len(usual) > 1 || len(local) != 4 || slices.Contains(eventsOf(history), "WorkflowTaskTimedOut") {
			continue
		}
		return run
	}
	t.Fatal("none of ten rotations went express to its end")
	return nil
}

// lifted are the settings of workers that are killed in the midst of a workflow task.
var lifted = map[string]string{"ROTOR_EXPRESS": "true"}

// A worker dies in the midst of the one workflow task. The next one knows nothing of what was done, and reckons with all of it.
func TestWorkerDiesExpress(t *testing.T) {
	t.Parallel()
	const move, settle = "UpdateSecretVersionStage", `"wait out an unanswered move of the stage"`
	for name, test := range map[string]struct {
		action string
		// done: the request is carried out, and its answer lost.
		done bool
		// waits: a move may be on its way still.
		waits bool
		next  map[string]string
	}{
		"before the put":                           {"PutSecretValue", false, true, lifted},
		"after the put":                            {"PutSecretValue", true, true, lifted},
		"before the move":                          {move, false, true, lifted},
		"after the move":                           {move, true, false, lifted},
		"and the next one does not know the way":   {move, false, true, nil},
		"after the move, and the next one neither": {move, true, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newSecret(t)
			first := holder(t, secret, alibabakms.Current)
			run := dieExpress(t, secret, test.action, test.done, test.next)
			result := outcome(t, run)
			require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
			require.Len(t, stored(t, secret.Name).Versions, 2, "one version")
			require.Empty(t, pendingVersion(t, secret))
			require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
			require.True(t, logsIn(t, first))
			history := historyOf(t, run)
			usual, local := activitiesOf(history)
			require.Empty(t, local, "it is not tried express a second time")
			require.Equal(t, []string{"Look", "New", "Set", "Test", "End"}, usual[:5])
			// Where the move is seen, nothing is waited out, unless a busy machine has an End go without an answer.
			if !slices.Contains(timersOf(history), `"try end again"`) {
				require.Equal(t, test.waits, slices.Contains(timersOf(history), settle), "%s", timersOf(history))
			}
		})
	}
}

// dieExpress begins a rotation whose worker is killed at a request, before it is carried out or after it, and which another worker takes over.
func dieExpress(t *testing.T, secret devstack.Secret, action string, done bool, next map[string]string) client.WorkflowRun {
	t.Helper()
	taskQueue := "express-" + secret.Name
	dying := startWorkerWith(t, taskQueue, lifted)
	dead := make(chan struct{})
	kill := sync.OnceFunc(func() { dying.kill(); close(dead) })
	at := func(r cloudsim.Request) bool { return ours(r, secret) && r.Action == action }
	if done {
		t.Cleanup(stack.Cloud.After(func(r cloudsim.Request) {
			if at(r) {
				kill()
			}
		}))
	} else {
		t.Cleanup(stack.Cloud.Before(func(r cloudsim.Request) cloudsim.Verdict {
			if !at(r) {
				return cloudsim.Apply
			}
			select {
			case <-dead:
				return cloudsim.Apply
			default:
				kill()
				return cloudsim.Drop
			}
		}))
	}
	run := start(t, taskQueue, secret, nil)
	select {
	case <-dead:
	case <-time.After(time.Minute):
		t.Fatal("it did not come to " + action)
	}
	startWorkerWith(t, taskQueue, next)
	return run
}

// What arrives in the midst of the one workflow task takes its answer away.
func TestInterruptedExpress(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(context.Context, client.WorkflowRun) error{
		"a cancel": func(ctx context.Context, run client.WorkflowRun) error {
			return temporal.CancelWorkflow(ctx, run.GetID(), run.GetRunID())
		},
		"a signal": func(ctx context.Context, run client.WorkflowRun) error {
			return temporal.SignalWorkflow(ctx, run.GetID(), run.GetRunID(), "hurry", nil)
		},
	} {
		for kind, prepare := range map[string]func(*testing.T) devstack.Secret{"a pair": newSecret, "a single account": interrupted["KMS, a single account"]} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				secret := prepare(t)
				run := interruptExpress(t, secret, send)
				result, canceled := ended(t, run)
				require.Len(t, stored(t, secret.Name).Versions, 2)
				require.Empty(t, pendingVersion(t, secret))
				require.True(t, logsIn(t, currentCredential(t, secret)))
				if usual, _ := activitiesOf(historyOf(t, run)); slices.Contains(usual, "Rollback") && canceled {
					// It was too slow to go express as far as that.
					require.Equal(t, rotation.RolledBack, result.Outcome)
					return
				}
				require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
				require.False(t, canceled)
			})
		}
	}
}

// interruptExpress begins a rotation to which something is sent when it is about to put its version.
func interruptExpress(t *testing.T, secret devstack.Secret, send func(context.Context, client.WorkflowRun) error) client.WorkflowRun {
	t.Helper()
	runs, sent := make(chan client.WorkflowRun, 1), make(chan error, 1)
	var once sync.Once
	t.Cleanup(stack.Cloud.Before(func(r cloudsim.Request) cloudsim.Verdict {
		if ours(r, secret) && r.Action == "PutSecretValue" {
			once.Do(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				sent <- send(ctx, <-runs)
			})
		}
		return cloudsim.Apply
	}))
	run := start(t, expressQueue, secret, nil)
	runs <- run
	require.NoError(t, <-sent)
	return run
}

func cancelRun(ctx context.Context, run client.WorkflowRun) error {
	return temporal.CancelWorkflow(ctx, run.GetID(), run.GetRunID())
}

// A store that hangs takes a step off the one workflow task: it goes on as an activity, with attempts that Temporal knows of.
func TestHangingStoreExpress(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: secret.Name, Action: "PutSecretValue", Times: cloudsim.Always})
	defer held.Remove()
	run := start(t, expressQueue, secret, nil)
	eventually(t, 2*time.Minute, "New is seen as an activity", func() bool {
		described, err := temporal.DescribeWorkflowExecution(t.Context(), run.GetID(), run.GetRunID())
		pending := described.GetPendingActivities()
		return err == nil && len(pending) == 1 && pending[0].GetActivityType().GetName() == "New" && pending[0].GetAttempt() > 0
	})
	held.Remove()
	held.Release()
	require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
	usual, local := activitiesOf(historyOf(t, run))
	require.Equal(t, []string{"Look", "New", "Set"}, usual[:3], "those after it go as usual, too")
	require.Len(t, local, 1)
	require.Len(t, stored(t, secret.Name).Versions, 2)
}

// On SIGTERM the workflow task that is under way is finished.
func TestStopsExpress(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	taskQueue := "stop-" + secret.Name
	w := startWorkerWith(t, taskQueue, map[string]string{"ROTOR_EXPRESS": "true", "ROTOR_STOP_TIMEOUT": "30s"})
	var once sync.Once
	t.Cleanup(stack.Cloud.Before(func(r cloudsim.Request) cloudsim.Verdict {
		if ours(r, secret) && r.Action == "PutSecretValue" {
			once.Do(func() { _ = w.cmd.Process.Signal(syscall.SIGTERM) })
		}
		return cloudsim.Apply
	}))
	run := start(t, taskQueue, secret, nil)
	select {
	case <-w.dead:
	case <-time.After(time.Minute):
		t.Fatal("it does not stop")
	}
	history := historyOf(t, run)
	require.Zero(t, lostTasks(history), "%v", eventsOf(history))
	_, local := activitiesOf(history)
	require.NotEmpty(t, local)
	startWorkerWith(t, taskQueue, nil)
	require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
}
