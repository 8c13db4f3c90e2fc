package wiring

import (
	"context"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"rotor/activities"
	"rotor/internal/config"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/telemetry"
)

// source tells the census what Temporal and the stores know.
type source struct {
	client    client.Client
	converter converter.DataConverter
	settings  config.Worker
	steps     *activities.Rotation
	// finds says that stuck rotations can be found by their search attribute.
	finds bool
}

const (
	openRotations  = "WorkflowType = '" + rotation.WorkflowType + "' AND ExecutionStatus = 'Running'"
	stuckRotations = openRotations + " AND " + rotation.AttributeStuck + " = true"
	// mostAsked is how many rotations a look asks for their state; further ones count as failing.
	mostAsked = 100
)

// Answers says whether Temporal does.
func (s *source) Answers(ctx context.Context) error {
	_, err := s.client.CheckHealth(ctx, nil)
	return err
}

// Rotations counts what is open. Without search attributes it asks the open ones themselves.
func (s *source) Rotations(ctx context.Context) (telemetry.Rotations, error) {
	count, err := s.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: openRotations})
	if err != nil {
		return telemetry.Rotations{}, err
	}
	found := telemetry.Rotations{Open: int(count.GetCount())}
	query := openRotations
	if s.finds {
		query = stuckRotations
	}
	list, err := s.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: mostAsked})
	if err != nil {
		return telemetry.Rotations{}, err
	}
	for _, e := range list.GetExecutions() {
		switch state, since := s.state(ctx, e.GetExecution()); {
		case state == rotation.StateParked:
			found.Parked++
		case s.finds, state == rotation.StateWaiting && time.Since(since) > s.settings.StuckAfter:
			found.Failing++
		}
	}
	return found, nil
}

// state asks a rotation what it does, and since when it is at its step.
func (s *source) state(ctx context.Context, e *commonpb.WorkflowExecution) (state rotation.State, since time.Time) {
	var status rotation.Status
	value, err := s.client.QueryWorkflow(ctx, e.GetWorkflowId(), e.GetRunId(), rotation.QueryStatus)
	if err != nil || value.Get(&status) != nil {
		return "", time.Time{}
	}
	if n := len(status.Steps); n > 0 {
		since = status.Steps[n-1].Started
	}
	return status.State, since
}

// Credentials finds the schedules that start rotations on this worker's task queue, and asks the stores how old the current versions are.
// Their values are not read.
func (s *source) Credentials(ctx context.Context, found func(telemetry.Credential)) error {
	list, err := s.client.ScheduleClient().List(ctx, client.ScheduleListOptions{PageSize: 1000})
	if err != nil {
		return err
	}
	for list.HasNext() {
		entry, err := list.Next()
		if err != nil {
			return err
		}
		if entry.WorkflowType.Name != rotation.WorkflowType {
			continue
		}
		d, err := s.client.ScheduleClient().GetHandle(ctx, entry.ID).Describe(ctx)
		if err != nil {
			continue // it may have been deleted meanwhile
		}
		if one, ours := s.credential(ctx, d); ours {
			found(one)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// credential is what a schedule is about; ours says whether it is this worker's business.
func (s *source) credential(ctx context.Context, d *client.ScheduleDescription) (one telemetry.Credential, ours bool) {
	action, ok := d.Schedule.Action.(*client.ScheduleWorkflowAction)
	if !ok || action.TaskQueue != s.settings.TaskQueue || len(action.Args) != 1 {
		return one, false
	}
	payload, ok := action.Args[0].(*commonpb.Payload)
	var req rotation.Request
	if !ok || s.converter.FromPayload(payload, &req) != nil {
		return one, false
	}
	req, err := req.Validate()
	if err != nil {
		return one, false
	}
	store, has := s.steps.Stores[req.Store]
	allowed := s.steps.Allowed == nil || s.steps.Allowed(req.Store, req.RegionId, req.Name())
	one.Interval, one.Slack = interval(d)
	if !has || !allowed || one.Interval <= 0 {
		return one, false
	}
	one.Store, one.Region, one.Secret = req.Store, req.RegionId, req.Name()
	asking, cancel := context.WithTimeout(ctx, s.settings.StepTimeout)
	defer cancel()
	versions, err := store.Versions(asking, secretstore.Ref{Region: req.RegionId, Name: req.SecretName})
	if err != nil {
		return one, true
	}
	if current, there := versions.Find(versions.Holder(rotation.Current)); there {
		one.Written = current.Created
	}
	return one, true
}

// interval is how long a schedule lets pass between two rotations: what it says, or, of a calendar, the gap between its next two.
func interval(d *client.ScheduleDescription) (every, slack time.Duration) {
	spec := d.Schedule.Spec
	if spec == nil {
		return 0, 0
	}
	if len(spec.Intervals) == 1 && len(spec.Calendars) == 0 && len(spec.CronExpressions) == 0 {
		return spec.Intervals[0].Every, spec.Jitter
	}
	if next := d.Info.NextActionTimes; len(next) > 1 {
		return next[1].Sub(next[0]), spec.Jitter
	}
	return 0, 0
}
