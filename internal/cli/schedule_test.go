package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"rotor/internal/cli"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

func scheduleOf(t *testing.T, secret devstack.Secret) *client.ScheduleDescription {
	t.Helper()
	d, err := temporal.ScheduleClient().GetHandle(t.Context(), "rotor/"+secret.Store+"/"+secret.Region+"/"+secret.Name).Describe(t.Context())
	require.NoError(t, err)
	return d
}

func TestScheduleIsMadeAndChangedAndDeleted(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	made := run(t, words("schedule", secret, "--every", "30d"))
	require.Equal(t, cli.ExitOK, made.code, made.stderr)
	require.Contains(t, made.stdout, "Schedule rotor/alibaba-kms/cn-hangzhou/"+secret.Name+" created: every 30d, next at ")
	require.Contains(t, made.stdout, "(in 30d)")
	d := scheduleOf(t, secret)
	require.Len(t, d.Schedule.Spec.Intervals, 1)
	require.Equal(t, 30*24*time.Hour, d.Schedule.Spec.Intervals[0].Every)
	require.Empty(t, d.Schedule.Spec.CronExpressions)
	require.Equal(t, enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, d.Schedule.Policy.Overlap)
	require.Equal(t, 30*24*time.Hour, d.Schedule.Policy.CatchupWindow)
	action := d.Schedule.Action.(*client.ScheduleWorkflowAction)
	require.Equal(t, rotation.WorkflowType, action.Workflow)
	require.Equal(t, "rotor", action.TaskQueue)
	require.Equal(t, "scheduled/alibaba-kms/cn-hangzhou/"+secret.Name, action.ID)
	require.WithinDuration(t, time.Now().Add(30*24*time.Hour), d.Info.NextActionTimes[0], time.Minute, "the first comes after one interval")

	require.Zero(t, action.WorkflowTaskTimeout, "as the server has it")

	// Again, nothing changes, the next time neither.
	same := run(t, words("schedule", secret, "--every", "30d", "-o", "json"))
	require.Contains(t, same.stdout, `"Done": "unchanged"`)
	require.Equal(t, d.Info.NextActionTimes[0], scheduleOf(t, secret).Info.NextActionTimes[0])

	changed := run(t, words("schedule", secret, "--every", "1d12h", "--jitter", "10m", "--grace", "2h"))
	require.Equal(t, cli.ExitOK, changed.code, changed.stderr)
	inOrder(t, changed.stdout, "changed: every 1d12h, up to 10m later, next at ", "every: 30d -> 1d12h\n", "jitter: 0s -> 10m\n", "request, Grace: 1h0m0s -> 2h\n")
	d = scheduleOf(t, secret)
	require.Equal(t, 36*time.Hour, d.Schedule.Spec.Intervals[0].Every)
	require.Equal(t, 10*time.Minute, d.Schedule.Spec.Jitter)

	require.Contains(t, run(t, words("schedule", secret, "--every", "1d12h", "--jitter", "10m", "--grace", "2h", "--strategy", "dual-account")).stdout,
		"request, Strategy: none -> dual-account\n")

	// A pause, whoever made it, stays until it is said otherwise.
	require.Contains(t, run(t, words("schedule", secret, "--every", "2d", "--paused")).stdout, "paused (paused with starter schedule)")
	require.Contains(t, run(t, words("schedule", secret, "--every", "3d")).stdout, "every 3d, paused")
	require.True(t, scheduleOf(t, secret).Schedule.State.Paused)
	require.Contains(t, run(t, words("schedule", secret, "--every", "3d", "--paused=false")).stdout, "paused: true -> false")
	require.False(t, scheduleOf(t, secret).Schedule.State.Paused)

	require.Equal(t, cli.ExitOK, run(t, words("schedule", secret, "--delete")).code)
	gone := run(t, words("schedule", secret, "--delete"))
	require.Equal(t, cli.ExitRefused, gone.code)
	require.Contains(t, gone.stderr, "has no schedule")
	oneLine(t, gone.stderr)
}

func TestScheduleThatIsSomebodyElses(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	_, err := temporal.ScheduleClient().Create(t.Context(), client.ScheduleOptions{
		ID: "rotor/alibaba-kms/cn-hangzhou/" + secret.Name, Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: time.Hour}}},
		Action: &client.ScheduleWorkflowAction{ID: "other", Workflow: "Other", TaskQueue: "other"},
	})
	require.NoError(t, err)
	for name, line := range map[string][]string{
		"schedule": words("schedule", secret, "--every", "30d"), "schedule --delete": words("schedule", secret, "--delete"),
		"pause": words("pause", secret), "resume": words("resume", secret), "delete": words("delete", secret),
	} {
		f := run(t, line)
		require.Equal(t, cli.ExitRefused, f.code, name)
		require.Contains(t, f.stderr, "starts something else than rotations", name)
		d := scheduleOf(t, secret)
		require.Equal(t, "Other", d.Schedule.Action.(*client.ScheduleWorkflowAction).Workflow, name)
		require.False(t, d.Schedule.State.Paused, name)
		require.Empty(t, d.Schedule.State.Note, name)
	}
}

func TestScheduleOfABadRequest(t *testing.T) {
	t.Parallel()
	f := run(t, []string{"schedule", "a b", "-r", "cn-hangzhou", "--every", "30d"})
	require.Equal(t, cli.ExitRefused, f.code)
	require.Contains(t, f.stderr, `Refused: SecretName: "a b"`)
}

func TestScheduleWithinTheGraceTimeIsWarnedOf(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	hourly := withEnv("ROTOR_MIN_INTERVAL=1h")
	f := run(t, words("schedule", secret, "--every", "1h"), hourly)
	require.Equal(t, cli.ExitOK, f.code)
	require.Contains(t, f.stderr, "--every 1h is not longer than the grace time of 1h")
	require.Empty(t, run(t, words("schedule", secret, "--every", "1h", "--grace", "30m"), hourly).stderr)
	require.Equal(t, cli.ExitOK, run(t, words("schedule", secret, "--delete")).code)
}

// A schedule of seconds rotates, under ids that are not the canonical one.
func TestScheduleRotates(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	f := run(t, words("schedule", secret, "--every", "2s", "--grace", "0s"), withEnv("ROTOR_MIN_INTERVAL=1s"))
	require.Equal(t, cli.ExitOK, f.code, f.stderr)
	require.Contains(t, run(t, words("describe", secret)).stderr, "its schedule: every 2s, next at ")
	eventually(t, 2*time.Minute, "two rotations by the schedule", func() bool { return len(stored(t, secret).Versions) >= 3 })
	require.Contains(t, run(t, words("describe", secret)).stdout, "schedule  every 2s")
	require.Equal(t, cli.ExitOK, run(t, words("schedule", secret, "--delete")).code)

	list, err := temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: stack.Temporal.Namespace, Query: `WorkflowType = "RotateSecret"`,
	})
	require.NoError(t, err)
	scheduled, canonical := 0, 0
	for _, w := range list.GetExecutions() {
		switch id := w.GetExecution().GetWorkflowId(); {
		case strings.HasPrefix(id, "scheduled/alibaba-kms/cn-hangzhou/"+secret.Name+"-"):
			scheduled++
		case id == workflowID(secret):
			canonical++
		}
	}
	require.GreaterOrEqual(t, scheduled, 2)
	require.GreaterOrEqual(t, canonical, 2)
	s := stored(t, secret)
	require.NotEqual(t, secret.Version, s.Holder(alibabakms.Current).ID)
}

// How soon a worker that dies in the midst of a decision is noticed can be said to all commands that start rotations.
func TestWorkflowTaskTimeout(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	require.Equal(t, cli.ExitOK, run(t, words("rotate", secret, "--workflow-task-timeout", "3s")).code)
	d, err := temporal.DescribeWorkflowExecution(t.Context(), workflowID(secret), "")
	require.NoError(t, err)
	require.Equal(t, 3*time.Second, d.GetExecutionConfig().GetDefaultWorkflowTaskTimeout().AsDuration())
	require.Equal(t, cli.ExitOK, run(t, words("schedule", secret, "--every", "30d", "--workflow-task-timeout", "4s")).code)
	require.Equal(t, 4*time.Second, scheduleOf(t, secret).Schedule.Action.(*client.ScheduleWorkflowAction).WorkflowTaskTimeout)
	changed := run(t, words("schedule", secret, "--every", "30d"))
	require.Contains(t, changed.stdout, "workflow task timeout: 4s -> 0s")
}
