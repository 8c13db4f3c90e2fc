package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"rotor/internal/rotation"
	"rotor/internal/trial"
	"rotor/workflows"
)

// ways are those in which a rotation is started.
var ways = []struct {
	name  string
	start func(*run, context.Context, *subject, int) ([]client.WorkflowRun, error)
}{
	{"canonical id", (*run).startCanonical},
	{"another id", (*run).startAnother},
	{"schedule", (*run).startBySchedule},
	{"two ids at once", (*run).startTwice},
}

func (r *run) startCanonical(ctx context.Context, s *subject, _ int) ([]client.WorkflowRun, error) {
	return r.startAs(ctx, s, trial.ID(s.secret))
}

func (r *run) startAnother(ctx context.Context, s *subject, round int) ([]client.WorkflowRun, error) {
	return r.startAs(ctx, s, fmt.Sprintf("by hand, %s, %d", s.secret.Name, round))
}

func (r *run) startTwice(ctx context.Context, s *subject, round int) ([]client.WorkflowRun, error) {
	one, err := r.startAs(ctx, s, fmt.Sprintf("one, %s, %d", s.secret.Name, round))
	if err != nil {
		return nil, err
	}
	two, err := r.startAs(ctx, s, fmt.Sprintf("two, %s, %d", s.secret.Name, round))
	return append(one, two...), err
}

func (r *run) startAs(ctx context.Context, s *subject, id string) (runs []client.WorkflowRun, err error) {
	err = insist(ctx, func() error {
		started, err := r.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
			ID: id, TaskQueue: queue, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true,
			WorkflowTaskTimeout: 2 * time.Second,
		}, rotation.WorkflowType, trial.Request(s.kind, s.secret))
		if already, ok := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); ok {
			// The answer to an earlier try was lost.
			started, err = r.Temporal.GetWorkflow(ctx, id, already.RunId), nil
		}
		runs = []client.WorkflowRun{started}
		return err
	})
	return runs, err
}

func (r *run) startBySchedule(ctx context.Context, s *subject, round int) (runs []client.WorkflowRun, err error) {
	id := fmt.Sprintf("schedule-%s-%d", s.secret.Name, round)
	r.trouble.schedules.RLock()
	defer r.trouble.schedules.RUnlock()
	err = insist(ctx, func() error {
		_, err := r.Temporal.ScheduleClient().Create(ctx, client.ScheduleOptions{
			ID: id, TriggerImmediately: true, Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: 30 * 24 * time.Hour}}},
			Action: &client.ScheduleWorkflowAction{ID: "scheduled-" + s.secret.Name, Workflow: rotation.WorkflowType, TaskQueue: queue,
				WorkflowTaskTimeout: 2 * time.Second, Args: []any{trial.Request(s.kind, s.secret)}},
		})
		if _, ok := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); ok {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = insist(ctx, func() error {
		described, err := r.Temporal.ScheduleClient().GetHandle(ctx, id).Describe(ctx)
		if err != nil {
			return err
		}
		if len(described.Info.RecentActions) == 0 {
			return errors.New("the schedule has not acted yet")
		}
		first := described.Info.RecentActions[0].StartWorkflowResult
		runs = []client.WorkflowRun{r.Temporal.GetWorkflow(ctx, first.WorkflowID, first.FirstExecutionRunID)}
		return nil
	})
	return runs, err
}

// patience is for servers that are being restarted.
const patience = time.Minute

// outcomePatience is for a rotation, on a machine that is busy with two dozen of them.
const outcomePatience = 15 * time.Minute

// insist tries again until it works.
func insist(ctx context.Context, try func() error) error { return insistFor(ctx, patience, try) }

func insistFor(ctx context.Context, patience time.Duration, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// mostDecisions is how often it is decided about a parked rotation: that it tries again, and, where it parks again, that it is rolled back.
const mostDecisions = 5

// outcome waits for the end of a rotation, and decides where it parks.
func (r *run) outcome(ctx context.Context, w client.WorkflowRun, canonical string) (ended trial.Ended, parked int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = insistFor(ctx, outcomePatience, func() (err error) {
			ended, err = r.Outcome(ctx, w)
			return err
		})
	}()
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return ended, parked, err
		case <-tick.C:
		}
		open := r.Temporal.GetWorkflow(ctx, canonical, "")
		status, failed := r.Status(ctx, open)
		if failed != nil || status.State != rotation.StateParked || parked == mostDecisions {
			continue
		}
		// What a rollback has begun can't go forward any more.
		choice := rotation.UpdateRetry
		if parked%2 == 1 && slices.Contains(status.Decisions, rotation.UpdateRollback) {
			choice = rotation.UpdateRollback
		}
		handle, failed := r.Temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{WorkflowID: canonical, UpdateName: choice,
			Args: []any{workflows.Decide{Reason: "go on", By: "chaos"}}, WaitForStage: client.WorkflowUpdateStageCompleted})
		if failed == nil && handle.Get(ctx, nil) == nil {
			parked++
			r.note(canonical, "parked: "+status.Doing)
		}
	}
}
