package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"rotor/internal/payload"
	"rotor/internal/rotation"
)

// Follower watches a run until it is closed or parked.
type Follower struct {
	Client client.Client
	// Payloads reads what Temporal keeps of the run.
	Payloads converter.DataConverter
	// Seen is called with each new state, from one goroutine.
	Seen func(*Snapshot)
	// Warn is called with what keeps the rotation from going on that no history shows: no worker, no answer from Temporal.
	Warn func(string)
	// Trust is how long Temporal may stay without an answer before Follow gives up; 0: two minutes.
	Trust time.Duration
}

const (
	pollEvery    = 500 * time.Millisecond
	defaultTrust = 2 * time.Minute
	// stalledAfter is how long a task may wait for a worker before that is said, and how long Temporal may be silent. With the
	// poll's interval and the look at the task queue it is well within five seconds.
	stalledAfter = 2 * time.Second
	// busyAfter is the same where a worker has polled since, so that it is alive.
	busyAfter = 15 * time.Second
)

// ErrNoAnswer says that Temporal stopped answering while a rotation was followed. The rotation itself may well go on.
var ErrNoAnswer = errors.New("no answer from Temporal any more")

// Follow returns the last snapshot: of a closed run, or of a parked one. A run that is reset is followed into its new run.
func (f *Follower) Follow(ctx context.Context, workflowID, runID string) (*Snapshot, error) {
	for {
		s, err := f.run(ctx, workflowID, runID)
		if err != nil || s.Closing == nil || s.Closing.Status != enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED {
			return s, err
		}
		d, err := describe(ctx, f.Client, workflowID, runID)
		if err != nil {
			// What is known is known; only whether it goes on elsewhere is not.
			return s, nil
		}
		reset := d.GetWorkflowExtendedInfo().GetResetRunId()
		if reset == "" {
			return s, nil
		}
		f.Warn("the run " + runID + " was reset; it goes on as run " + reset)
		runID = reset
	}
}

// run follows one run.
func (f *Follower) run(ctx context.Context, workflowID, runID string) (*Snapshot, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, polls := make(chan *historypb.HistoryEvent), make(chan polled)
	go f.stream(ctx, workflowID, runID, events)
	go f.poll(ctx, workflowID, runID, polls)

	w := &watching{Follower: f, trail: NewTrail(f.Payloads, workflowID, runID), answered: time.Now()}
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case e := <-events:
			w.heard()
			w.trail.Add(e)
			for more := true; more; {
				select {
				case e := <-events:
					w.trail.Add(e)
				default:
					more = false
				}
			}
			if w.trail.Unreadable != nil {
				return nil, w.trail.Unreadable
			}
			s := w.show(nil)
			if w.trail.Closing != nil {
				return s, nil
			}
		case p := <-polls:
			s, done, err := w.polled(ctx, p)
			if err == nil {
				err = w.trail.Unreadable
			}
			if done || err != nil {
				return s, err
			}
		}
	}
}

// stream sends the run's events as they come. The iterator gives up on some errors; then it begins anew.
func (f *Follower) stream(ctx context.Context, workflowID, runID string, events chan<- *historypb.HistoryEvent) {
	var last int64
	for ctx.Err() == nil {
		history := f.Client.GetWorkflowHistory(ctx, workflowID, runID, true, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for history.HasNext() {
			e, err := history.Next()
			if err != nil {
				break
			}
			if e.GetEventId() <= last {
				continue
			}
			select {
			case events <- e:
				last = e.GetEventId()
			case <-ctx.Done():
				return
			}
		}
		wait(ctx, pollEvery)
	}
}

// polled is what a poll found: a description, or that Temporal gave none.
type polled struct {
	described *workflowservice.DescribeWorkflowExecutionResponse
	err       error
}

func (f *Follower) poll(ctx context.Context, workflowID, runID string, polls chan<- polled) {
	for ctx.Err() == nil {
		asking, cancel := context.WithTimeout(ctx, 10*time.Second)
		d, err := f.Client.DescribeWorkflowExecution(asking, workflowID, runID)
		cancel()
		select {
		case polls <- polled{d, err}:
		case <-ctx.Done():
		}
		wait(ctx, pollEvery)
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// watching is the state of one run's following.
type watching struct {
	*Follower
	trail    *Trail
	answered time.Time
	silent   bool

	// waiting is the task that waits for a worker; since when it was seen to, and whether that was said.
	waiting task
	since   time.Time
	said    bool
}

func (w *watching) heard() {
	w.answered = time.Now()
	if w.silent {
		w.silent = false
		w.Warn("Temporal answers again")
	}
}

func (w *watching) show(a *Attempt) *Snapshot {
	s := &Snapshot{Trail: w.trail, At: time.Now(), Attempt: a}
	w.Seen(s)
	return s
}

func (w *watching) polled(ctx context.Context, p polled) (s *Snapshot, done bool, err error) {
	if p.err != nil {
		return nil, false, w.unanswered(ctx, p.err)
	}
	w.heard()
	w.stalled(ctx, p.described)
	if len(w.trail.Steps) == 0 || w.trail.Closing != nil {
		return nil, false, nil
	}
	if len(p.described.GetPendingActivities()) > 0 {
		w.show(w.trail.attemptOf(p.described))
		return nil, false, nil
	}
	if _, waits := w.trail.Waits(); waits || p.described.GetPendingWorkflowTask() != nil || len(p.described.GetPendingChildren()) > 0 {
		w.show(nil)
		return nil, false, nil
	}
	status := status(ctx, w.Client, w.trail)
	parked := status != nil && status.State == rotation.StateParked
	if !parked && (status != nil || !idle(p.described, w.trail)) {
		return nil, false, nil
	}
	// Parked is the end of following, so what the history had before it is shown first.
	if err := w.trail.read(ctx, w.Client); payload.IsUnreadable(err) {
		return nil, false, err
	} else if err != nil {
		return nil, false, w.unanswered(ctx, err)
	}
	s = &Snapshot{Trail: w.trail, At: time.Now(), Status: status, Parked: w.trail.Closing == nil}
	w.Seen(s)
	return s, true, nil
}

func (w *watching) unanswered(ctx context.Context, err error) error {
	trust := w.Trust
	if trust == 0 {
		trust = defaultTrust
	}
	switch silence := time.Since(w.answered); {
	case ctx.Err() != nil:
		return ctx.Err()
	case silence > trust:
		return fmt.Errorf("%w: %w", ErrNoAnswer, err)
	case silence > stalledAfter && !w.silent:
		w.silent = true
		w.Warn("Temporal does not answer; asking on")
	}
	return nil
}

// task is one that a worker should take up.
type task struct {
	// name is "" where none waits.
	name string
	kind enumspb.TaskQueueType
}

// waitingTask gives the task that waits for a worker, and since when, by the server's clock.
func waitingTask(d *workflowservice.DescribeWorkflowExecutionResponse) (t task, since time.Time) {
	if p := d.GetPendingWorkflowTask(); p.GetState() == enumspb.PENDING_WORKFLOW_TASK_STATE_SCHEDULED {
		t, since = task{"workflow task", enumspb.TASK_QUEUE_TYPE_WORKFLOW}, p.GetScheduledTime().AsTime()
	}
	for _, p := range d.GetPendingActivities() {
		due := p.GetScheduledTime().AsTime()
		if next := p.GetNextAttemptScheduleTime(); next != nil {
			due = next.AsTime()
		}
		if p.GetState() == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED && !due.After(time.Now()) {
			t, since = task{"activity " + p.GetActivityId(), enumspb.TASK_QUEUE_TYPE_ACTIVITY}, due
		}
	}
	return t, since
}

// stalled says once of each task that no worker takes it up.
func (w *watching) stalled(ctx context.Context, d *workflowservice.DescribeWorkflowExecutionResponse) {
	t, due := waitingTask(d)
	if t != w.waiting {
		if w.said {
			w.Warn("a worker has taken the rotation up")
		}
		w.waiting, w.since, w.said = t, time.Now(), false
	}
	waited := time.Since(w.since)
	if t.name == "" || w.said || waited < stalledAfter {
		return
	}
	if why := w.whyStalled(ctx, d.GetExecutionConfig().GetTaskQueue().GetName(), due, waited); why != "" {
		w.said = true
		w.Warn(why)
	}
}

// whyStalled says what is wrong with the workers; "" where one is alive and may just be busy.
func (w *watching) whyStalled(ctx context.Context, queue string, due time.Time, waited time.Duration) string {
	asking, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	d, err := w.Client.DescribeTaskQueue(asking, queue, w.waiting.kind)
	switch {
	case err != nil:
		return fmt.Sprintf("no worker has taken the rotation up for %s; it waits on task queue %s", waited.Round(time.Second), queue)
	case len(d.GetPollers()) == 0:
		return fmt.Sprintf("no worker polls task queue %s; the rotation waits until one does (worker --task-queue %s)", queue, queue)
	}
	// A worker that died is listed for minutes.
	latest := d.GetPollers()[0]
	for _, p := range d.GetPollers() {
		if p.GetLastAccessTime().AsTime().After(latest.GetLastAccessTime().AsTime()) {
			latest = p
		}
	}
	if latest.GetLastAccessTime().AsTime().After(due) && waited < busyAfter {
		return ""
	}
	return fmt.Sprintf("no worker has taken the rotation up for %s; task queue %s was polled last %s ago, by %s: it may have died, or be busy",
		waited.Round(time.Second), queue, time.Since(latest.GetLastAccessTime().AsTime()).Round(time.Second), latest.GetIdentity())
}
