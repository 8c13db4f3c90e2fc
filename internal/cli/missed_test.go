package cli_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// A rotation that was due while Temporal was down runs once when it is back.
func TestRotationMissedWhileTemporalWasDown(t *testing.T) {
	t.Parallel()
	p, secret := newPlace(t), newSecret(t)
	options := clientOptions()
	options.HostPort = p.address
	stop, err := startWorkerAt(options, "rotor")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stop()) })
	text := "rotations: [{secret: " + secret.Name + ", region: " + secret.Region + ", schedule: {every: 1d}}]\n"
	require.Zero(t, run(t, []string{"apply", "-f", "-"}, withStdin(text), p.env()).code)

	// Its day is moved, so that it is due soon; nothing else of it is changed.
	id := "rotor/alibaba-kms/cn-hangzhou/" + secret.Name
	const day = 24 * time.Hour
	due := time.Now().Add(40 * time.Second).Truncate(time.Second).UTC()
	require.NoError(t, p.ScheduleClient().GetHandle(t.Context(), id).Update(t.Context(), client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			in.Description.Schedule.Spec.Intervals[0].Offset = time.Duration(due.Unix()) * time.Second % day
			return &client.ScheduleUpdate{Schedule: &in.Description.Schedule}, nil
		},
	}))
	eventually(t, 2*time.Minute, "the new time", func() bool {
		next := p.schedule(t, id).Info.NextActionTimes
		return len(next) > 0 && next[0].Equal(due)
	})
	require.NoError(t, p.server.Shutdown())
	require.True(t, time.Now().Before(due), "the server went down before it was due")
	eventually(t, 2*time.Minute, "it was due", func() bool { return time.Now().After(due.Add(time.Second)) })
	require.Len(t, stored(t, secret).Versions, 1)
	require.NoError(t, p.server.Restart(t.Context()))

	eventually(t, 3*time.Minute, "it is made up for", func() bool {
		d, err := p.ScheduleClient().GetHandle(t.Context(), id).Describe(t.Context())
		return err == nil && d.Info.NumActions > 0 && len(d.Info.RunningWorkflows) == 0 && len(stored(t, secret).Versions) > 1
	})
	d := p.schedule(t, id)
	require.Equal(t, 1, d.Info.NumActions, "once")
	require.Zero(t, d.Info.NumActionsMissedCatchupWindow)
	require.Equal(t, due, d.Info.RecentActions[0].ScheduleTime.UTC())
	require.Equal(t, due.Add(day), d.Info.NextActionTimes[0].UTC(), "the next one is a day later")
	var runs *workflowservice.ListWorkflowExecutionsResponse
	eventually(t, 2*time.Minute, "the rotation has ended", func() bool {
		runs, err = p.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: "default", Query: `WorkflowId = "rotate/alibaba-kms/cn-hangzhou/` + secret.Name + `"`,
		})
		return err == nil && len(runs.GetExecutions()) > 0 && runs.GetExecutions()[0].GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	})
	require.Len(t, runs.GetExecutions(), 1)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, runs.GetExecutions()[0].GetStatus())
	require.Len(t, stored(t, secret).Versions, 2, "one rotation writes one version")
	require.Equal(t, "Plan: 0 to create, 0 to change, 0 to delete, 1 unchanged.\n", run(t, []string{"plan", "-f", "-", "--deep"}, withStdin(text), p.env()).stdout)
}
