package activities

import (
	"context"
	"errors"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"rotor/internal/rotation"
)

// typeStillRunning is the error type of a rotation that has not ended yet; it is no failure of the step.
const typeStillRunning = "StillRunning"

// Follower waits for rotations that somebody else started.
type Follower struct {
	Client client.Client
	// Wait bounds the first look, within which most rotations end. A rotation that is open longer may be parked for days: later looks are
	// short, and between two the activity is retried, so that it holds no slot.
	Wait time.Duration
}

const laterLook = time.Second

// FollowInput names a rotation.
type FollowInput struct{ WorkflowID string }

// FollowResult is how it ended.
type FollowResult struct {
	Result rotation.Result
	// Closed is set where it ended without a result of its own: "canceled", "terminated", ...
	Closed string `json:",omitempty"`
}

// Follow gives the outcome of the running, else the last rotation of the id. It fails with a retryable error while that is open.
func (f *Follower) Follow(ctx context.Context, in FollowInput) (FollowResult, error) {
	wait := f.Wait
	if activity.GetInfo(ctx).Attempt > 1 {
		wait = min(wait, laterLook)
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var result FollowResult
	err := f.Client.GetWorkflow(waiting, in.WorkflowID, "").Get(waiting, &result.Result)
	if err == nil {
		return result, nil
	}
	if waiting.Err() != nil {
		return FollowResult{}, temporal.NewApplicationErrorWithOptions("the rotation "+in.WorkflowID+" is still running", typeStillRunning,
			temporal.ApplicationErrorOptions{})
	}
	var failed *temporal.WorkflowExecutionError
	if !errors.As(err, &failed) {
		return FollowResult{}, rotation.Errorf(rotation.Retryable, "could not follow the rotation %s: Temporal did not answer", in.WorkflowID)
	}
	var app *temporal.ApplicationError
	if errors.As(err, &app) && app.HasDetails() && app.Details(&result.Result) == nil {
		return result, nil
	}
	var canceled *temporal.CanceledError
	if errors.As(err, &canceled) && canceled.HasDetails() && canceled.Details(&result.Result) == nil {
		return result, nil
	}
	result.Closed = closedAs(err)
	return result, nil
}

func closedAs(err error) string {
	var canceled *temporal.CanceledError
	var terminated *temporal.TerminatedError
	var timeout *temporal.TimeoutError
	switch {
	case errors.As(err, &canceled):
		return "canceled"
	case errors.As(err, &terminated):
		return "terminated"
	case errors.As(err, &timeout):
		return "timed out"
	}
	return "failed"
}

// LastRotated gives the end of the latest rotation of the id that ended as Rotated, the zero time if Temporal has none any more.
func (f *Follower) LastRotated(ctx context.Context, workflowID string) (time.Time, error) {
	query := "WorkflowId = '" + workflowID + "' AND ExecutionStatus = 'Completed'" // ids have no quotes in them
	list, err := f.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 1})
	if err != nil {
		return time.Time{}, rotation.Errorf(rotation.Retryable, "could not ask Temporal when %s rotated last", workflowID)
	}
	for _, execution := range list.Executions {
		return execution.CloseTime.AsTime(), nil
	}
	return time.Time{}, nil
}

// OpenRun gives the run id of the open workflow of the id, "" if none is open.
func (f *Follower) OpenRun(ctx context.Context, workflowID string) (string, error) {
	described, err := f.Client.DescribeWorkflowExecution(ctx, workflowID, "")
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		return "", nil
	case err != nil:
		return "", rotation.Errorf(rotation.Retryable, "could not ask Temporal whether %s is open", workflowID)
	case described.WorkflowExecutionInfo.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return "", nil
	}
	return described.WorkflowExecutionInfo.GetExecution().GetRunId(), nil
}

// Rotates says whether the workflow of an id is open and rotates a secret itself, rather than waiting for another that does.
func (f *Follower) Rotates(ctx context.Context, workflowID string) (bool, error) {
	d, err := f.Client.DescribeWorkflowExecution(ctx, workflowID, "")
	if _, missing := errors.AsType[*serviceerror.NotFound](err); missing {
		return false, nil
	}
	if err != nil {
		return false, rotation.Errorf(rotation.Retryable, "could not ask Temporal whether %s is open", workflowID)
	}
	if d.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING || len(d.GetPendingChildren()) > 0 {
		return false, nil
	}
	return !slices.ContainsFunc(d.GetPendingActivities(), func(a *workflowpb.PendingActivityInfo) bool {
		return a.GetActivityType().GetName() == rotation.ActivityFollow
	}), nil
}
