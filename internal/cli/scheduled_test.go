package cli_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"rotor/internal/cli"
	"rotor/internal/secretstore"
)

// A schedule of seconds rotates ten times while a client reads the secret and logs in without pause, and while somebody starts
// rotations by hand: no two overlap, and no login fails.
func TestTenScheduledRotations(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	text := "rotations: [{secret: " + secret.Name + ", region: " + secret.Region + ", grace: 0s, schedule: {every: 2s}}]\n"
	require.Equal(t, cli.ExitUsage, run(t, []string{"apply", "-f", "-"}, withStdin(text)).code, "outside of tests it is too often")
	made := run(t, []string{"apply", "-f", "-"}, withStdin(text), withEnv("ROTOR_MIN_INTERVAL=1s"))
	require.Zero(t, made.code, made.stderr)

	ctx, stop := context.WithCancel(t.Context())
	logins, ended := 0, make(chan error, 1)
	store, ref := kmsStore(t), secretstore.Ref{Region: secret.Region, Name: secret.Name}
	go func() {
		for ctx.Err() == nil {
			if err := cli.LogIn(ctx, store, ref); err != nil && ctx.Err() == nil {
				ended <- err
				return
			}
			logins++
		}
		ended <- nil
	}()

	// Whoever starts one by hand while the schedule's runs is told so; once it has ended, the one by hand rotates.
	byHand := map[int]int{}
	scheduled := 0
	for deadline := time.Now().Add(5 * time.Minute); scheduled < 10; {
		require.True(t, time.Now().Before(deadline), "%d rotations by the schedule", scheduled)
		select {
		case err := <-ended:
			require.NoError(t, err, "a login failed")
		default:
		}
		running := false
		scheduled = count(runsOf(t, secret.Name), func(r *workflowpb.WorkflowExecutionInfo) bool {
			running = running || isRunning(r)
			return strings.HasPrefix(r.GetParentExecution().GetWorkflowId(), "scheduled/") && r.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
		})
		if running {
			byHand[run(t, words("rotate", secret, "--grace", "0s", "--if-running", "fail")).code]++
		}
		time.Sleep(50 * time.Millisecond) // else the questions keep Temporal from its work
	}
	stop()
	require.NoError(t, <-ended)
	require.Greater(t, logins, 10)
	require.NotZero(t, byHand[cli.ExitRefused], "none by hand met one of the schedule's")
	require.Equal(t, cli.ExitOK, run(t, words("delete", secret)).code)
	require.Subset(t, []int{cli.ExitOK, cli.ExitRefused}, slices.Collect(func(yield func(int) bool) {
		for code := range byHand {
			if !yield(code) {
				return
			}
		}
	}), "one by hand rotates, or is told that one runs")

	// A workflow that the schedule started just before it was deleted may still start a run, or wait for one. It is asked about first: once it has
	// ended, its run has.
	var runs []*workflowpb.WorkflowExecutionInfo
	eventually(t, time.Minute, "all rotations have ended", func() bool {
		outer := executions(t, `WorkflowId STARTS_WITH "scheduled/alibaba-kms/cn-hangzhou/`+secret.Name+`-" AND ExecutionStatus = "Running"`)
		runs = runsOf(t, secret.Name)
		return len(outer) == 0 && !slices.ContainsFunc(runs, isRunning)
	})
	require.GreaterOrEqual(t, len(runs), 10)
	lives := make([]life, 0, len(runs))
	for _, r := range runs {
		lives = append(lives, lifeOf(t, r.GetExecution()))
	}
	slices.SortFunc(lives, func(a, b life) int { return a.began.Compare(b.began) })
	for i := 1; i < len(lives); i++ {
		before, after := lives[i-1], lives[i]
		require.False(t, after.began.Before(before.ended), "two rotations at once: one ended at %s, the next began at %s", before.ended, after.began)
	}
}

// life is when a worker first took a run up, and when the run ended.
type life struct{ began, ended time.Time }

// lifeOf reads it from the history of a run that has ended. The list of runs has neither: the end comes into it later, and the start time is when
// the server prepares the run, before it asks whether the one before has ended, so that a start in that moment dates from before the end.
func lifeOf(t *testing.T, run *commonpb.WorkflowExecution) (l life) {
	t.Helper()
	events := temporal.GetWorkflowHistory(t.Context(), run.GetWorkflowId(), run.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		l.ended = event.GetEventTime().AsTime()
		if l.began.IsZero() && event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED {
			l.began = l.ended
		}
	}
	require.NotZero(t, l.began, "no worker ever took up the run %s", run.GetRunId())
	return l
}

// runsOf gives the canonical runs of a secret, as the server tells them.
func runsOf(t *testing.T, name string) []*workflowpb.WorkflowExecutionInfo {
	t.Helper()
	return executions(t, `WorkflowId = "rotate/alibaba-kms/cn-hangzhou/`+name+`"`)
}

// executions gives the runs that the server lists for a query. Its list follows what happens after a moment.
func executions(t *testing.T, query string) []*workflowpb.WorkflowExecutionInfo {
	t.Helper()
	list, err := temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: stack.Temporal.Namespace, Query: query, PageSize: 1000,
	})
	require.NoError(t, err)
	return list.GetExecutions()
}

func count[T any](list []T, is func(T) bool) (n int) {
	for _, one := range list {
		if is(one) {
			n++
		}
	}
	return n
}
