package watch

import (
	"errors"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"rotor/internal/payload"
	"rotor/internal/rotation"
)

// Trail is what the history of one run says, event by event.
type Trail struct {
	WorkflowID, RunID string
	// Type is the workflow type.
	Type      string
	TaskQueue string
	Request   rotation.Request
	Started   time.Time
	// Plan is what Look found; nil until it has.
	Plan *rotation.Plan
	// Steps are in the order in which they began; a step that was taken up again after another stands there again.
	Steps []Step
	// Marks are what people did meanwhile.
	Marks []Mark
	// Closing is how the run was closed; nil while it is open.
	Closing *Closing
	// Events is how many events of the history are in here.
	Events int64
	// Unreadable is the first error about a payload that is encrypted with a key that is not at hand.
	Unreadable error

	payloads converter.DataConverter

	rounds map[int64]int // scheduled event of an open activity: its step's index
	timers map[int64]Timer
	// undecided: the last step's round has failed, and what follows, another round or the step's end, has not been seen.
	// reacted: the workflow has decided that since, but events come one by one.
	undecided, reacted bool
	// clock is the workflow's own time: local activities begin and end within one workflow task.
	clock time.Time
	// wentExpress: the last step was tried as a local activity.
	wentExpress bool
}

// Step is one step, over all its rounds and attempts.
type Step struct {
	Step    rotation.Step
	State   rotation.State
	Started time.Time
	Ended   time.Time `json:",omitzero"`
	// Rounds is how often the workflow asked for it, Attempts how often it was tried in the rounds that are over.
	Rounds, Attempts int
	Failed           bool              `json:",omitempty"`
	Failure          *rotation.Failure `json:",omitempty"`
	// Proof is how Test found that the new password works.
	Proof string `json:",omitempty"`
	// NextTry is when a waiting step is tried again.
	NextTry time.Time `json:",omitzero"`
}

// Cancelled is the text of the failure of a step that was cancelled.
const Cancelled = "cancelled"

// Duration is how long the step took, or has taken until now.
func (s Step) Duration(now time.Time) time.Duration {
	if !s.Ended.IsZero() {
		now = s.Ended
	}
	return max(0, now.Sub(s.Started))
}

// Mark is something that a person did: a decision about a parked rotation, or a request to cancel.
type Mark struct {
	At time.Time
	// AfterSteps is how many steps had begun.
	AfterSteps int
	Text       string
}

// Timer is a wait that the workflow makes.
type Timer struct {
	Until time.Time
	Why   string
}

// Closing is how a run was closed.
type Closing struct {
	Status enumspb.WorkflowExecutionStatus
	At     time.Time
	// Result is nil where the run left none: it was terminated, or cancelled before it could change anything.
	Result *rotation.Result
	// Text says why, where there is no result.
	Text string
}

// NewTrail begins the trail of a run, whose payloads are read with a converter.
func NewTrail(payloads converter.DataConverter, workflowID, runID string) *Trail {
	return &Trail{payloads: payloads, WorkflowID: workflowID, RunID: runID, rounds: map[int64]int{}, timers: map[int64]Timer{}}
}

// Add takes the next event in. Events that are in already are left out, so a history may be read again from its start.
func (t *Trail) Add(e *historypb.HistoryEvent) {
	if e.GetEventId() <= t.Events {
		return
	}
	t.Events = e.GetEventId()
	at := e.GetEventTime().AsTime()
	switch e.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		a := e.GetWorkflowExecutionStartedEventAttributes()
		t.Type, t.TaskQueue, t.Started = a.GetWorkflowType().GetName(), a.GetTaskQueue().GetName(), at
		t.decode(a.GetInput(), &t.Request)
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED:
		t.clock = at
	case enumspb.EVENT_TYPE_MARKER_RECORDED:
		t.express(e.GetMarkerRecordedEventAttributes())
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
		t.reacted = t.undecided
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED:
		if a := e.GetWorkflowTaskFailedEventAttributes(); a.GetCause() == enumspb.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE {
			t.mark(at, "a worker could not go on, and others try: "+oneLine(message(t.payloads, a.GetFailure())))
		}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
		t.scheduled(e.GetEventId(), at, e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName())
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		a := e.GetActivityTaskStartedEventAttributes()
		if s := t.round(a.GetScheduledEventId()); s != nil {
			s.Attempts += int(a.GetAttempt())
		}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
		a := e.GetActivityTaskCompletedEventAttributes()
		t.said(t.over(a.GetScheduledEventId(), at, nil), a.GetResult())
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED:
		a := e.GetActivityTaskFailedEventAttributes()
		t.over(a.GetScheduledEventId(), at, t.failureOf(a.GetFailure()))
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		a := e.GetActivityTaskTimedOutEventAttributes()
		t.over(a.GetScheduledEventId(), at, t.failureOf(a.GetFailure()))
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED:
		t.over(e.GetActivityTaskCanceledEventAttributes().GetScheduledEventId(), at, &rotation.Failure{Text: Cancelled})
	case enumspb.EVENT_TYPE_TIMER_STARTED:
		a := e.GetTimerStartedEventAttributes()
		t.timer(e.GetEventId(), at.Add(a.GetStartToFireTimeout().AsDuration()), t.summary(e.GetUserMetadata()))
	case enumspb.EVENT_TYPE_TIMER_FIRED:
		delete(t.timers, e.GetTimerFiredEventAttributes().GetStartedEventId())
	case enumspb.EVENT_TYPE_TIMER_CANCELED:
		delete(t.timers, e.GetTimerCanceledEventAttributes().GetStartedEventId())
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
		a := e.GetWorkflowExecutionCancelRequestedEventAttributes()
		t.mark(at, "cancel requested"+byAndWhy(a.GetIdentity(), a.GetCause()))
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
		t.decision(at, e.GetWorkflowExecutionUpdateAcceptedEventAttributes().GetAcceptedRequest().GetInput())
	default:
		t.close(e, at)
	}
}

func (t *Trail) mark(at time.Time, text string) {
	t.Marks = append(t.Marks, Mark{At: at, AfterSteps: len(t.Steps), Text: text})
}

func (t *Trail) decision(at time.Time, update *updatepb.Input) {
	var decide struct{ Reason, By string }
	t.decode(update.GetArgs(), &decide)
	t.mark(at, "decision: "+update.GetName()+byAndWhy(decide.By, decide.Reason))
}

func byAndWhy(by, why string) string {
	text := ""
	if by != "" {
		text += " by " + oneLine(by)
	}
	if why != "" {
		text += " (" + oneLine(why) + ")"
	}
	return text
}

func (t *Trail) scheduled(id int64, at time.Time, activity string) {
	t.fellOver(rotation.Step(strings.ToLower(activity)))
	t.settle()
	if activity == rotation.ActivityInspect {
		// It is no step: what it finds is for the words of a parked rotation.
		return
	}
	step := rotation.Step(strings.ToLower(activity))
	if last := t.last(); last != nil && last.Step == step && last.State == rotation.StateWaiting {
		last.State, last.Rounds, last.NextTry, last.Ended, last.Failed = rotation.StateRunning, last.Rounds+1, time.Time{}, time.Time{}, false
	} else {
		t.Steps = append(t.Steps, Step{Step: step, State: rotation.StateRunning, Started: at, Rounds: 1})
	}
	t.rounds[id] = len(t.Steps) - 1
}

// said takes in what a step has found.
func (t *Trail) said(s *Step, result *commonpb.Payloads) {
	switch {
	case s == nil:
	case s.Step == rotation.StepLook:
		var plan rotation.Plan
		if t.decode(result, &plan) {
			t.Plan = &plan
		}
	case s.Step == rotation.StepTest:
		var tested struct{ Proof string }
		if t.decode(result, &tested) {
			s.Proof = tested.Proof
		}
	}
}

func (t *Trail) last() *Step {
	if len(t.Steps) == 0 {
		return nil
	}
	return &t.Steps[len(t.Steps)-1]
}

func (t *Trail) round(scheduled int64) *Step {
	i, ok := t.rounds[scheduled]
	if !ok {
		return nil
	}
	return &t.Steps[i]
}

// over ends a round. Whether a failed one ends the step shows in what follows: a timer means another round.
func (t *Trail) over(scheduled int64, at time.Time, failure *rotation.Failure) *Step {
	s := t.round(scheduled)
	if s == nil {
		return nil
	}
	delete(t.rounds, scheduled)
	s.Ended, s.Attempts = at, max(s.Attempts, s.Rounds)
	if failure == nil {
		s.State = rotation.StateEnded
		return s
	}
	s.Failed, s.Failure = true, failure
	t.undecided, t.reacted = true, false
	return s
}

// settle ends a step whose round has failed, where no other round can follow any more.
func (t *Trail) settle() {
	if t.undecided {
		t.last().State = rotation.StateEnded
		t.undecided = false
	}
}

// timer notes a wait. After a failed round it is the pause before the next one. The alarm is none: the workflow goes on beside it.
func (t *Trail) timer(id int64, until time.Time, why string) {
	if why == rotation.SummaryAlarm {
		return
	}
	t.timers[id] = Timer{Until: until, Why: why}
	if last := t.last(); t.undecided {
		t.undecided = false
		last.State, last.NextTry, last.Ended, last.Failed = rotation.StateWaiting, until, time.Time{}, false
	}
}

// Waits gives the timer that the workflow waits for, if it waits for one.
func (t *Trail) Waits() (Timer, bool) {
	for _, timer := range t.timers {
		return timer, true
	}
	return Timer{}, false
}

func (t *Trail) close(e *historypb.HistoryEvent, at time.Time) {
	c := Closing{At: at}
	var result rotation.Result
	has := false
	switch e.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
		c.Status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
		has = t.decode(e.GetWorkflowExecutionCompletedEventAttributes().GetResult(), &result)
		c.Text = "it completed, but its result can't be read"
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
		c.Status = enumspb.WORKFLOW_EXECUTION_STATUS_FAILED
		failure := e.GetWorkflowExecutionFailedEventAttributes().GetFailure()
		has = t.decode(failure.GetApplicationFailureInfo().GetDetails(), &result)
		c.Text = t.failureOf(failure).Text
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
		c.Status = enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED
		has = t.decode(e.GetWorkflowExecutionCanceledEventAttributes().GetDetails(), &result)
		c.Text = "it was cancelled before it had changed anything"
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
		a := e.GetWorkflowExecutionTerminatedEventAttributes()
		c.Status = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
		c.Text = "it was terminated" + byAndWhy(a.GetIdentity(), a.GetReason())
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
		c.Status, c.Text = enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, "it ran into a workflow timeout that was set when it was started"
	default:
		return
	}
	if has && result.Outcome != "" {
		c.Result = &result
	}
	t.Closing = &c
	t.settle()
	if last := t.last(); last != nil && last.State != rotation.StateEnded {
		// Nothing runs in a closed workflow.
		last.State, last.Ended, last.Failed = rotation.StateEnded, at, true
	}
}

// Outcome is how the run ended; "" while it is open, and where it left none.
func (t *Trail) Outcome() rotation.Outcome {
	if t.Closing == nil || t.Closing.Result == nil {
		return ""
	}
	return t.Closing.Result.Outcome
}

func (t *Trail) failureOf(f *failurepb.Failure) *rotation.Failure {
	found, err := FailureOf(t.payloads, f)
	t.unread(err)
	return found
}

// unread notes that something could not be read for want of a key.
func (t *Trail) unread(err error) {
	if t.Unreadable == nil && payload.IsUnreadable(err) {
		t.Unreadable = err
	}
}

func (t *Trail) decode(payloads *commonpb.Payloads, into any) bool {
	err := decode(t.payloads, payloads, into)
	t.unread(err)
	return err == nil
}

func (t *Trail) summary(m *sdkpb.UserMetadata) (text string) {
	if m.GetSummary() == nil {
		return ""
	}
	err := t.payloads.FromPayload(m.GetSummary(), &text)
	t.unread(err)
	return text
}

// FailureOf reads a failure of a step: the worker's own words where they are in it. The error says why it can't be read.
func FailureOf(dc converter.DataConverter, f *failurepb.Failure) (*rotation.Failure, error) {
	if f == nil {
		return nil, nil
	}
	for cause := f; cause != nil; cause = cause.GetCause() {
		var ours rotation.Failure
		err := decode(dc, cause.GetApplicationFailureInfo().GetDetails(), &ours)
		if payload.IsUnreadable(err) {
			return &rotation.Failure{Kind: rotation.Retryable, Text: err.Error()}, err
		}
		if err == nil && ours.Text != "" {
			return &ours, nil
		}
	}
	for cause := f; cause != nil; cause = cause.GetCause() {
		if info := cause.GetTimeoutFailureInfo(); info != nil {
			return &rotation.Failure{Kind: rotation.Retryable, Text: timeoutText(info.GetTimeoutType())}, nil
		}
	}
	return &rotation.Failure{Kind: rotation.Retryable, Text: oneLine(message(dc, f))}, nil
}

// message gives a failure's message, which may be encrypted like its details.
func message(dc converter.DataConverter, f *failurepb.Failure) string {
	f = proto.CloneOf(f)
	converter.DecodeCommonFailureAttributes(dc, f)
	return f.GetMessage()
}

func timeoutText(kind enumspb.TimeoutType) string {
	switch kind {
	case enumspb.TIMEOUT_TYPE_HEARTBEAT:
		return "the worker that ran it stopped answering"
	case enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START:
		return "no worker took it up in time"
	}
	return "no worker finished it in time"
}

// oneLine keeps a foreign text from breaking the lines of a report.
func oneLine(s string) string {
	const most = 300
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "..."
	}
	return s
}

var errNothing = errors.New("there is no payload")

func decode(dc converter.DataConverter, payloads *commonpb.Payloads, into any) error {
	if len(payloads.GetPayloads()) == 0 {
		return errNothing
	}
	return dc.FromPayload(payloads.GetPayloads()[0], into)
}
