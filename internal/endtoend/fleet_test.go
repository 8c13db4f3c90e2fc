package endtoend

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"rotor/internal/cloudsim"
	"rotor/internal/fleet"
	"rotor/internal/rotation"
)

// fleetRun is a fleet that has met all that a fleet can meet: a canary, one that somebody else was rotating, one that is refused, a pause. It gives
// one of its workflows.
func fleetRun(t *testing.T, id func(name string) string) client.WorkflowRun {
	canary, busy, refused := newSecret(t), newSecret(t), newSecret(t)
	edit(t, refused.Name, without("AccountName"))
	held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: busy.Name, Action: "PutSecretValue", Times: cloudsim.Always})
	start(t, queue, busy, nil)
	<-held.Reached()
	var items []fleet.Item
	for _, secret := range []string{canary.Name, busy.Name, refused.Name} {
		req, err := rotation.Request{SecretName: secret, RegionId: canary.Region}.Validate()
		require.NoError(t, err)
		items = append(items, fleet.Item{Request: req})
	}
	name := "of-" + canary.Name
	_, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: fleet.PartID(name, 0), TaskQueue: queue}, fleet.PartWorkflowType,
		fleet.Part{Fleet: name, Items: items})
	require.NoError(t, err)
	run, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: fleet.WorkflowID(name), TaskQueue: queue}, fleet.WorkflowType,
		fleet.Order{Name: name, Parts: []int{3}, Limits: fleet.Limits{Parallel: 2}, Canary: 1})
	require.NoError(t, err)
	say := func(update string) {
		handle, err := temporal.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
			WorkflowID: fleet.WorkflowID(name), UpdateName: update, Args: []any{fleet.Say{By: "ada"}}, WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		require.NoError(t, err)
		require.NoError(t, handle.Get(t.Context(), nil))
	}
	say(fleet.UpdatePause)
	until := func(what string, so func(fleet.Status) bool) {
		eventually(t, 2*time.Minute, what, func() bool {
			var s fleet.Status
			answer, err := temporal.QueryWorkflow(t.Context(), fleet.WorkflowID(name), "", rotation.QueryStatus)
			return err == nil && answer.Get(&s) == nil && so(s)
		})
	}
	until("the canary has ended", func(s fleet.Status) bool { return s.Open == 0 })
	say(fleet.UpdateResume)
	until("one is busy", func(s fleet.Status) bool { return s.Busy == 1 })
	held.Release()
	var status fleet.Status
	require.NoError(t, run.Get(t.Context(), &status))
	require.Equal(t, fleet.Ended, status.State)
	require.Equal(t, fleet.Tally{Rotated: 2, Refused: 1}, status.Tally)
	part := temporal.GetWorkflow(t.Context(), fleet.PartID(name, 0), "")
	require.NoError(t, part.Get(t.Context(), nil))
	return temporal.GetWorkflow(t.Context(), id(name), "")
}
