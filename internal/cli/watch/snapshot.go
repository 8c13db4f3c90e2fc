package watch

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"rotor/internal/rotation"
)

// Snapshot is what is known of a rotation at one moment.
type Snapshot struct {
	*Trail
	At time.Time
	// Attempt is what the running step's present round is at; nil if no step runs.
	Attempt *Attempt
	// Status is the workflow's own word; nil if no worker answered.
	Status *rotation.Status
	// Parked says that the rotation is open and nothing happens in it until a person decides.
	Parked bool
}

// Attempt is one attempt of a step that is under way or due; these stand in no history.
type Attempt struct {
	Number int
	// Started is false while it waits for a worker or for its time.
	Started bool
	// Failure is that of the attempt before.
	Failure *rotation.Failure `json:",omitempty"`
	NextTry time.Time         `json:",omitzero"`
}

// ErrNoRotation says that Temporal knows of no rotation under the id.
var ErrNoRotation = errors.New("no rotation is known")

// queryPatience is how long an answer of the workflow itself is waited for; with no worker there is none.
const queryPatience = 3 * time.Second

// Look takes a snapshot of the latest run, or of the one named. The error is a payload's where that can't be read.
func Look(ctx context.Context, c client.Client, payloads converter.DataConverter, workflowID, runID string) (*Snapshot, error) {
	described, err := describe(ctx, c, workflowID, runID)
	if err != nil {
		return nil, err
	}
	trail := NewTrail(payloads, workflowID, described.GetWorkflowExecutionInfo().GetExecution().GetRunId())
	if err := trail.read(ctx, c); err != nil {
		return nil, err
	}
	s := &Snapshot{Trail: trail, At: time.Now()}
	if trail.Closing != nil {
		return s, nil
	}
	s.Attempt = trail.attemptOf(described)
	if trail.Unreadable != nil {
		return nil, trail.Unreadable
	}
	// Whatever it is doing, the workflow can say it in words; only a parked one has nobody else to say it.
	s.Status = status(ctx, c, trail)
	s.Parked = s.Status != nil && s.Status.State == rotation.StateParked || s.Status == nil && idle(described, trail)
	return s, nil
}

// RequestOf gives what a run was asked for.
func RequestOf(ctx context.Context, c client.Client, payloads converter.DataConverter, workflowID, runID string) (rotation.Request, error) {
	ctx, cancel := context.WithTimeout(ctx, queryPatience)
	defer cancel()
	events := c.GetWorkflowHistory(ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !events.HasNext() {
		return rotation.Request{}, ErrNoRotation
	}
	first, err := events.Next()
	if err != nil {
		return rotation.Request{}, err
	}
	t := NewTrail(payloads, workflowID, runID)
	t.Add(first)
	return t.Request, t.Unreadable
}

func describe(ctx context.Context, c client.Client, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	described, err := c.DescribeWorkflowExecution(ctx, workflowID, runID)
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return nil, ErrNoRotation
	}
	return described, err
}

// read takes in what the history has now. All that the workflow has decided is in it.
func (t *Trail) read(ctx context.Context, c client.Client) error {
	events := c.GetWorkflowHistory(ctx, t.WorkflowID, t.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return err
		}
		t.Add(e)
	}
	if t.reacted {
		t.settle()
	}
	return t.Unreadable
}

// status asks the workflow; nil if it has no answer in time.
func status(ctx context.Context, c client.Client, t *Trail) *rotation.Status {
	ctx, cancel := context.WithTimeout(ctx, queryPatience)
	defer cancel()
	answer, err := c.QueryWorkflow(ctx, t.WorkflowID, t.RunID, rotation.QueryStatus)
	if err != nil {
		return nil
	}
	var s rotation.Status
	if answer.Get(&s) != nil {
		return nil
	}
	return &s
}

// idle says that nothing is under way or due in an open run that has begun to work: then it waits for a person. The history must be
// as long as the description says, or the two are of different moments.
func idle(d *workflowservice.DescribeWorkflowExecutionResponse, t *Trail) bool {
	_, waits := t.Waits()
	return !waits && len(t.Steps) > 0 && t.Events == d.GetWorkflowExecutionInfo().GetHistoryLength() &&
		len(d.GetPendingActivities()) == 0 && len(d.GetPendingChildren()) == 0 && d.GetPendingWorkflowTask() == nil
}

func (t *Trail) attemptOf(d *workflowservice.DescribeWorkflowExecutionResponse) *Attempt {
	for _, p := range d.GetPendingActivities() {
		return t.attempt(p)
	}
	return nil
}

func (t *Trail) attempt(p *workflowpb.PendingActivityInfo) *Attempt {
	a := &Attempt{
		Number: int(p.GetAttempt()), Started: p.GetState() != enumspb.PENDING_ACTIVITY_STATE_SCHEDULED,
		Failure: t.failureOf(p.GetLastFailure()),
	}
	if next := p.GetNextAttemptScheduleTime(); next != nil && !a.Started {
		a.NextTry = next.AsTime()
	}
	return a
}
