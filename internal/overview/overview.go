// Package overview knows how every secret's rotations stand: what is parked or failing, and how old the current credential is.
package overview

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"rotor/internal/cli/watch"
	"rotor/internal/rotation"
	"rotor/internal/schedules"
)

// State says what a secret needs, the most urgent first.
type State string

const (
	// Parked: a person has to decide.
	Parked State = "parked"
	// Failing: the latest rotation did not end as Rotated.
	Failing State = "failing"
	// Overdue: the current credential is older than its interval.
	Overdue State = "overdue"
	// Paused: the schedule is.
	Paused State = "paused"
	// Rotating: a rotation runs.
	Rotating State = "rotating"
	// Unknown: no rotation is known.
	Unknown State = "unknown"
	// Fine: the latest rotation is Rotated.
	Fine State = "fine"
)

// States are all, the most urgent first.
var States = []State{Parked, Failing, Overdue, Paused, Rotating, Unknown, Fine}

// Secret is one secret and how its rotations stand.
type Secret struct {
	Store, Region, Secret string
	// Schedule is nil if it has none.
	Schedule *schedules.Schedule
	State    State
	// Since is when it was parked, or when the first rotation failed since the last that did not.
	Since time.Time
	// Outcome is that of the latest rotation that has ended, Ended when; Reason says why it is not Rotated.
	Outcome rotation.Outcome
	Ended   time.Time
	Reason  string
	// Rotated is when the current credential became current, as far as Temporal knows: zero if that is longer ago than it keeps workflows.
	Rotated time.Time
	// Written is when the current version was, as the store says: zero if it was not asked, or did not answer. Unread says why then.
	Written time.Time
	Unread  string
	// Running is when the open rotation started.
	Running time.Time

	runs []*workflowpb.WorkflowExecutionInfo
}

// Begun is when the current credential began: when the store says, else when Temporal does; zero if neither is known.
func (s *Secret) Begun() time.Time {
	if s.Written.IsZero() {
		return s.Rotated
	}
	return s.Written
}

// Latest is when a run of it ended last, as far as Temporal knows.
func (s *Secret) Latest() (at time.Time) {
	for _, run := range s.runs {
		if closed := run.GetCloseTime(); closed != nil && closed.AsTime().After(at) {
			at = closed.AsTime()
		}
	}
	return at
}

// Age is that of the current credential; 0 if it is not known.
func (s *Secret) Age(now time.Time) time.Duration {
	if s.Begun().IsZero() {
		return 0
	}
	return max(now.Sub(s.Begun()), 0)
}

// Looker looks.
type Looker struct {
	Temporal  client.Client
	Namespace string
	// Payloads reads what Temporal keeps of rotations.
	Payloads converter.DataConverter
	// ID gives the workflow id of a secret's rotations; nil: the canonical one.
	ID func(rotation.Request) string
	// Takes says which secrets are wanted.
	Takes func(s *Secret) bool
	// Ages finds out when the current versions were written, as far as that can be done; nil: nobody is asked.
	Ages func(ctx context.Context, list []*Secret) error
}

const (
	// mostRuns bounds how many runs are read: beyond, they are older than what matters.
	mostRuns = 200_000
	// pageSize is Temporal's largest.
	pageSize = 1000
	// mostLooks bounds how many open rotations are looked at closer, the oldest first.
	mostLooks = 500
	atOnce    = 16
	// late is how much of an interval a credential may be older than it.
	late = 10
)

// Look gives all secrets that have one of the schedules, or a rotation, what needs attention first.
func (l *Looker) Look(ctx context.Context, list []schedules.Schedule) ([]*Secret, error) {
	byID := map[string]*Secret{}
	for i := range list {
		s := &Secret{Store: list[i].Store, Region: list[i].Region, Secret: list[i].Secret, Schedule: &list[i]}
		byID[l.id(list[i].Request())] = s
	}
	if err := l.read(ctx, byID); err != nil {
		return nil, err
	}
	var all []*Secret
	for _, s := range byID {
		if l.Takes == nil || l.Takes(s) {
			all = append(all, s)
		}
	}
	if l.Ages != nil {
		if err := l.Ages(ctx, all); err != nil {
			return nil, err
		}
	}
	now := time.Now()
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	var mu sync.Mutex
	looks := 0
	slices.SortFunc(all, func(a, b *Secret) int { return a.opened().Compare(b.opened()) })
	for _, s := range all {
		group.Go(func() error {
			mu.Lock()
			looks++
			closer := looks <= mostLooks
			mu.Unlock()
			return l.judge(within, s, now, closer)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b *Secret) int {
		return cmp.Or(slices.Index(States, a.State)-slices.Index(States, b.State), a.Since.Compare(b.Since), strings.Compare(a.Secret, b.Secret),
			strings.Compare(a.Store, b.Store), strings.Compare(a.Region, b.Region))
	})
	return all, nil
}

func (l *Looker) id(req rotation.Request) string {
	if l.ID != nil {
		return l.ID(req)
	}
	return req.WorkflowID()
}

// read takes in the runs, the newest first, until each secret has one that was Rotated.
func (l *Looker) read(ctx context.Context, byID map[string]*Secret) error {
	missing := len(byID)
	request := &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: l.Namespace, PageSize: pageSize, Query: "WorkflowType = '" + rotation.WorkflowType + "'",
	}
	for seen := 0; seen < mostRuns; {
		page, err := l.Temporal.ListWorkflow(ctx, request)
		if err != nil {
			return err
		}
		for _, run := range page.GetExecutions() {
			id := run.GetExecution().GetWorkflowId()
			s := byID[id]
			if s == nil {
				// A rotation without a schedule; one of another id only runs one of these.
				if s = named(id); s == nil {
					continue
				}
				byID[id] = s
				missing++
			}
			if run.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED && s.Rotated.IsZero() {
				s.Rotated = run.GetCloseTime().AsTime()
				missing--
			}
			s.runs = append(s.runs, run)
		}
		seen += len(page.GetExecutions())
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 || missing == 0 {
			return nil
		}
	}
	return nil
}

// named reads a canonical workflow id.
func named(id string) *Secret {
	parts := strings.SplitN(id, "/", 4)
	if len(parts) != 4 || (rotation.Request{SecretName: parts[3], RegionId: parts[2], Store: parts[1]}).WorkflowID() != id {
		return nil
	}
	return &Secret{Store: parts[1], Region: parts[2], Secret: parts[3]}
}

// opened is when the open run started; those without one come last.
func (s *Secret) opened() time.Time {
	for _, run := range s.runs {
		if run.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			return run.GetStartTime().AsTime()
		}
	}
	return time.Unix(1<<40, 0)
}

// judge says how it stands. closer looks into an open rotation.
func (l *Looker) judge(ctx context.Context, s *Secret, now time.Time, closer bool) error {
	slices.SortStableFunc(s.runs, func(a, b *workflowpb.WorkflowExecutionInfo) int {
		return b.GetStartTime().AsTime().Compare(a.GetStartTime().AsTime())
	})
	open, closed := split(s.runs)
	if err := l.ended(ctx, s, closed); err != nil {
		return err
	}
	s.State = s.atRest(now)
	if open == nil {
		return nil
	}
	s.Running = open.GetStartTime().AsTime()
	if s.State != Failing {
		s.State = Rotating
	}
	if !closer {
		return nil
	}
	found, err := watch.Look(ctx, l.Temporal, l.Payloads, open.GetExecution().GetWorkflowId(), open.GetExecution().GetRunId())
	if err != nil {
		return err
	}
	if found.Parked {
		s.State, s.Since, s.Reason = Parked, s.Running, ""
		if status := found.Status; status != nil {
			s.Since = status.Since
			if status.Failure != nil {
				s.Reason = status.Failure.Text
			}
		}
	}
	return nil
}

func split(runs []*workflowpb.WorkflowExecutionInfo) (open *workflowpb.WorkflowExecutionInfo, closed []*workflowpb.WorkflowExecutionInfo) {
	for _, run := range runs {
		if run.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			open = run
			continue
		}
		closed = append(closed, run)
	}
	return open, closed
}

// ended reads how the latest rotation ended, and since when they fail.
func (l *Looker) ended(ctx context.Context, s *Secret, closed []*workflowpb.WorkflowExecutionInfo) error {
	if len(closed) == 0 {
		return nil
	}
	latest := closed[0]
	s.Ended = latest.GetCloseTime().AsTime()
	if latest.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		s.Outcome = rotation.Rotated
		return nil
	}
	for _, run := range closed {
		if run.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
			break
		}
		s.Since = run.GetCloseTime().AsTime()
	}
	how, err := watch.Ending(ctx, l.Temporal, l.Payloads, latest.GetExecution().GetWorkflowId(), latest.GetExecution().GetRunId())
	if err != nil || how == nil {
		return err
	}
	s.Outcome, s.Reason = rotation.Outcome(how.Outcome()), how.Text
	if how.Result != nil && how.Result.Reason != nil {
		s.Reason = how.Result.Reason.Text
	}
	return nil
}

// atRest is the state of a secret of which no rotation runs.
func (s *Secret) atRest(now time.Time) State {
	every, paused := time.Duration(0), false
	if s.Schedule != nil {
		every, paused = s.Schedule.Every, s.Schedule.Paused
	}
	switch {
	case !s.Ended.IsZero() && s.Outcome != rotation.Rotated:
		return Failing
	case every > 0 && s.Age(now) > every+max(every/late, time.Minute):
		return Overdue
	case paused:
		return Paused
	case s.Ended.IsZero():
		return Unknown
	}
	return Fine
}
