package workflows_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"rotor/activities"
	"rotor/internal/rotation"
)

// startedAs gives the rotation another id than the canonical one, as schedules and people do.
func (s *stage) startedAs(id string) *stage {
	s.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: id})
	return s
}

func TestAnotherIDRunsTheCanonicalOne(t *testing.T) {
	var child string
	s := newStage(t, script{}).startedAs("rotor-schedule-2026-11-21T00:00:00Z")
	s.SetOnChildWorkflowStartedListener(func(info *workflow.Info, _ workflow.Context, _ converter.EncodedValues) {
		child = info.WorkflowExecution.ID
	})
	s.run()
	require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
	require.Equal(t, canonical, child)
	require.Equal(t, 1, s.count(rotation.StepEnd), "one of the two rotates")
}

func TestAnotherIDReportsTheOutcomeOfTheCanonicalOne(t *testing.T) {
	s := newStage(t, script{look: func(int) (rotation.Plan, error) { return rotation.Plan{}, permanent }}).startedAs("by-hand")
	s.run()
	require.Equal(t, rotation.Refused, s.outcome(t).Outcome)
}

func TestAnotherIDFollowsARunningOne(t *testing.T) {
	for name, followed := range map[string]activities.FollowResult{
		"rotated":     {Result: rotation.Result{Outcome: rotation.Rotated, Version: "v7"}},
		"rolled back": {Result: rotation.Result{Outcome: rotation.RolledBack}},
		"terminated":  {Closed: "terminated"},
	} {
		t.Run(name, func(t *testing.T) {
			// Look never ends, so the canonical rotation is running when the second one comes.
			s := newStage(t, script{look: func(int) (rotation.Plan, error) { return rotation.Plan{}, retryable }}).startedAs("both")
			s.RegisterActivityWithOptions(func(_ context.Context, in activities.FollowInput) (activities.FollowResult, error) {
				require.Equal(t, canonical, in.WorkflowID)
				return followed, nil
			}, activity.RegisterOptions{Name: "Follow"})
			s.RegisterWorkflow(startBoth)
			s.ExecuteWorkflow(startBoth)
			if followed.Closed != "" {
				require.ErrorContains(t, s.GetWorkflowError(), "was terminated")
				return
			}
			require.Equal(t, followed.Result.Outcome, s.outcome(t).Outcome)
		})
	}
}

// startBoth starts the canonical rotation and, beside it, one of another id, whose outcome it returns.
func startBoth(ctx workflow.Context) (*rotation.Result, error) {
	start := func(id string) workflow.ChildWorkflowFuture {
		ctx := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: id, ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_ABANDON})
		return workflow.ExecuteChildWorkflow(ctx, rotation.WorkflowType, request)
	}
	if err := start(canonical).GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return nil, err
	}
	var result *rotation.Result
	err := start("by-hand").Get(ctx, &result)
	return result, err
}
