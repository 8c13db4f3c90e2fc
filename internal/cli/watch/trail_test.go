package watch_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"rotor/internal/cli/watch"
	"rotor/internal/rotation"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// trail reads events as the API writes them in JSON; each gets the next id, and a second more.
func trail(t *testing.T, events ...string) *watch.Trail {
	t.Helper()
	tr := watch.NewTrail(converter.GetDefaultDataConverter(), "rotate/x", "run")
	var all []*historypb.HistoryEvent
	for i, text := range events {
		e := &historypb.HistoryEvent{}
		require.NoError(t, protojson.Unmarshal([]byte(text), e), text)
		stamp, err := json.Marshal(epoch.Add(time.Duration(i) * time.Second))
		require.NoError(t, err)
		withTime := &historypb.HistoryEvent{}
		require.NoError(t, protojson.Unmarshal([]byte(`{"eventTime":`+string(stamp)+`}`), withTime))
		e.EventId, e.EventTime = int64(i+1), withTime.EventTime
		all = append(all, e)
	}
	for range 2 {
		// Read again from the start, as after a lost connection, it stays the same.
		for _, e := range all {
			tr.Add(e)
		}
	}
	return tr
}

func scheduled(activity string) string {
	return `{"eventType":"EVENT_TYPE_ACTIVITY_TASK_SCHEDULED","activityTaskScheduledEventAttributes":{"activityType":{"name":"` + activity + `"}}}`
}

func started(id, attempt string) string {
	return `{"eventType":"EVENT_TYPE_ACTIVITY_TASK_STARTED","activityTaskStartedEventAttributes":{"scheduledEventId":` + id + `,"attempt":` + attempt + `}}`
}

func completed(id string) string {
	return `{"eventType":"EVENT_TYPE_ACTIVITY_TASK_COMPLETED","activityTaskCompletedEventAttributes":{"scheduledEventId":` + id + `}}`
}

// failed is a step that failed in the worker's words.
func failed(t *testing.T, id int64, f rotation.Failure) string {
	t.Helper()
	e := &historypb.HistoryEvent{
		EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED,
		Attributes: &historypb.HistoryEvent_ActivityTaskFailedEventAttributes{ActivityTaskFailedEventAttributes: &historypb.ActivityTaskFailedEventAttributes{
			ScheduledEventId: id, Failure: ours(t, f),
		}},
	}
	text, err := protojson.Marshal(e)
	require.NoError(t, err)
	return string(text)
}

func ours(t *testing.T, f rotation.Failure) *failurepb.Failure {
	t.Helper()
	return &failurepb.Failure{Message: f.Text, FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
		ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: string(f.Kind), Details: payloads(t, f)},
	}}
}

func payloads(t *testing.T, v any) *commonpb.Payloads {
	t.Helper()
	p, err := converter.GetDefaultDataConverter().ToPayloads(v)
	require.NoError(t, err)
	return p
}

// marker is a step that was a local activity, and ended a second and a half after the workflow task began; without a failure it succeeded.
func marker(t *testing.T, activity string, ended time.Time, result any, failure *rotation.Failure) string {
	t.Helper()
	details := map[string]*commonpb.Payloads{"data": payloads(t, map[string]any{"ActivityID": "1", "ActivityType": activity, "ReplayTime": ended})}
	a := &historypb.MarkerRecordedEventAttributes{MarkerName: "LocalActivity", Details: details}
	if failure != nil {
		a.Failure = ours(t, *failure)
	} else {
		details["result"] = payloads(t, result)
	}
	text, err := protojson.Marshal(&historypb.HistoryEvent{
		EventType:  enumspb.EVENT_TYPE_MARKER_RECORDED,
		Attributes: &historypb.HistoryEvent_MarkerRecordedEventAttributes{MarkerRecordedEventAttributes: a},
	})
	require.NoError(t, err)
	return string(text)
}

const (
	taskStarted   = `{"eventType":"EVENT_TYPE_WORKFLOW_TASK_STARTED"}`
	taskCompleted = `{"eventType":"EVENT_TYPE_WORKFLOW_TASK_COMPLETED"}`

	timedOut     = `{"eventType":"EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT","activityTaskTimedOutEventAttributes":{"scheduledEventId":1,"failure":{"message":"activity Heartbeat timeout","timeoutFailureInfo":{"timeoutType":"TIMEOUT_TYPE_HEARTBEAT"}}}}`
	cancelled    = `{"eventType":"EVENT_TYPE_ACTIVITY_TASK_CANCELED","activityTaskCanceledEventAttributes":{"scheduledEventId":1}}`
	timerStarted = `{"eventType":"EVENT_TYPE_TIMER_STARTED","userMetadata":{"summary":{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"IndhaXQi"}},"timerStartedEventAttributes":{"timerId":"1","startToFireTimeout":"10s"}}`
	// alarmSet is the timer of a rotation that counts as stuck when it fires; its summary is "count as stuck".
	alarmSet = `{"eventType":"EVENT_TYPE_TIMER_STARTED","userMetadata":{"summary":{"metadata":{"encoding":"anNvbi9wbGFpbg=="},"data":"ImNvdW50IGFzIHN0dWNrIg=="}},"timerStartedEventAttributes":{"timerId":"2","startToFireTimeout":"600s"}}`
)

func timerFired(id string) string {
	return `{"eventType":"EVENT_TYPE_TIMER_FIRED","timerFiredEventAttributes":{"timerId":"1","startedEventId":` + id + `}}`
}

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

func TestTrailOfSteps(t *testing.T) {
	notYet := rotation.Failure{Step: rotation.StepSet, Kind: rotation.Retryable, Text: "not yet", Code: "1040"}
	for name, test := range map[string]struct {
		events []string
		steps  []watch.Step
		waits  bool
	}{
		"running": {
			events: []string{scheduled("Set")},
			steps:  []watch.Step{{Step: "set", State: rotation.StateRunning, Started: at(0), Rounds: 1}},
		},
		"done at the third attempt": {
			events: []string{scheduled("Set"), started("1", "3"), completed("1")},
			steps:  []watch.Step{{Step: "set", State: rotation.StateEnded, Started: at(0), Ended: at(2), Rounds: 1, Attempts: 3}},
		},
		"failed for good": {
			events: []string{scheduled("Set"), started("1", "1"), failed(t, 1, notYet), scheduled("Rollback")},
			steps: []watch.Step{
				{Step: "set", State: rotation.StateEnded, Started: at(0), Ended: at(2), Rounds: 1, Attempts: 1, Failed: true, Failure: &notYet},
				{Step: "rollback", State: rotation.StateRunning, Started: at(3), Rounds: 1},
			},
		},
		"failed, and what follows is not known yet": {
			events: []string{scheduled("Set"), started("1", "1"), failed(t, 1, notYet), `{"eventType":"EVENT_TYPE_WORKFLOW_TASK_COMPLETED"}`},
			steps:  []watch.Step{{Step: "set", State: rotation.StateRunning, Started: at(0), Ended: at(2), Rounds: 1, Attempts: 1, Failed: true, Failure: &notYet}},
		},
		"waiting for another round": {
			events: []string{scheduled("Set"), started("1", "2"), failed(t, 1, notYet), timerStarted},
			steps:  []watch.Step{{Step: "set", State: rotation.StateWaiting, Started: at(0), Rounds: 1, Attempts: 2, Failure: &notYet, NextTry: at(13)}},
			waits:  true,
		},
		"done in the second round": {
			events: []string{scheduled("Set"), started("1", "2"), failed(t, 1, notYet), timerStarted, timerFired("4"), scheduled("Set"), started("6", "3"), completed("6")},
			steps:  []watch.Step{{Step: "set", State: rotation.StateEnded, Started: at(0), Ended: at(7), Rounds: 2, Attempts: 5, Failure: &notYet}},
		},
		"again after it had failed for good": {
			events: []string{scheduled("Rollback"), started("1", "1"), failed(t, 1, notYet), scheduled("Rollback")},
			steps: []watch.Step{
				{Step: "rollback", State: rotation.StateEnded, Started: at(0), Ended: at(2), Rounds: 1, Attempts: 1, Failed: true, Failure: &notYet},
				{Step: "rollback", State: rotation.StateRunning, Started: at(3), Rounds: 1},
			},
		},
		"a wait after success is no round": {
			events: []string{scheduled("End"), started("1", "1"), completed("1"), timerStarted, timerFired("4"), scheduled("End")},
			steps: []watch.Step{
				{Step: "end", State: rotation.StateEnded, Started: at(0), Ended: at(2), Rounds: 1, Attempts: 1},
				{Step: "end", State: rotation.StateRunning, Started: at(5), Rounds: 1},
			},
		},
		"an alarm holds nothing up": {
			events: []string{scheduled("Set"), started("1", "1"), completed("1"), alarmSet},
			steps:  []watch.Step{{Step: "set", State: rotation.StateEnded, Started: at(0), Ended: at(2), Rounds: 1, Attempts: 1}},
		},
		"the worker died": {
			events: []string{scheduled("Set"), started("1", "1"), timedOut, timerStarted},
			steps: []watch.Step{{Step: "set", State: rotation.StateWaiting, Started: at(0), Rounds: 1, Attempts: 1, NextTry: at(13),
				Failure: &rotation.Failure{Kind: rotation.Retryable, Text: "the worker that ran it stopped answering"}}},
			waits: true,
		},
		"cancelled": {
			events: []string{scheduled("Set"), started("1", "1"), cancelled, scheduled("Rollback")},
			steps: []watch.Step{
				{Step: "set", State: rotation.StateEnded, Started: at(0), Ended: at(2), Rounds: 1, Attempts: 1, Failed: true, Failure: &rotation.Failure{Text: watch.Cancelled}},
				{Step: "rollback", State: rotation.StateRunning, Started: at(3), Rounds: 1},
			},
		},
		"express": {
			events: []string{taskStarted, taskCompleted, marker(t, "New", at(2), struct{}{}, nil), marker(t, "Test", at(3), rotation.Result{Proof: "api"}, nil)},
			steps: []watch.Step{
				{Step: "new", State: rotation.StateEnded, Started: at(0), Ended: at(2), Rounds: 1, Attempts: 1},
				{Step: "test", State: rotation.StateEnded, Started: at(2), Ended: at(3), Rounds: 1, Attempts: 1, Proof: "api"},
			},
		},
		"fell over": {
			events: []string{taskStarted, taskCompleted, marker(t, "Set", at(1), nil, &notYet), scheduled("Set"), started("4", "2"), completed("4"), scheduled("Test")},
			steps: []watch.Step{
				{Step: "set", State: rotation.StateEnded, Started: at(0), Ended: at(5), Rounds: 2, Attempts: 3, Failure: &notYet},
				{Step: "test", State: rotation.StateRunning, Started: at(6), Rounds: 1},
			},
		},
		"failed for good, express": {
			events: []string{taskStarted, taskCompleted, marker(t, "Set", at(1), nil, &notYet), scheduled("Rollback")},
			steps: []watch.Step{
				{Step: "set", State: rotation.StateEnded, Started: at(0), Ended: at(1), Rounds: 1, Attempts: 1, Failed: true, Failure: &notYet},
				{Step: "rollback", State: rotation.StateRunning, Started: at(3), Rounds: 1},
			},
		},
		"terminated in the midst of it": {
			events: []string{scheduled("Set"), `{"eventType":"EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED","workflowExecutionTerminatedEventAttributes":{}}`},
			steps:  []watch.Step{{Step: "set", State: rotation.StateEnded, Started: at(0), Ended: at(1), Rounds: 1, Failed: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr := trail(t, test.events...)
			require.Equal(t, test.steps, tr.Steps)
			timer, waits := tr.Waits()
			require.Equal(t, test.waits, waits)
			if waits {
				require.Equal(t, watch.Timer{Until: at(13), Why: "wait"}, timer)
			}
		})
	}
}

func TestTrailOfEndings(t *testing.T) {
	event := func(m *historypb.HistoryEvent) string {
		text, err := protojson.Marshal(m)
		require.NoError(t, err)
		return string(text)
	}
	result := rotation.Result{Outcome: rotation.RolledBack, Secret: "orders"}
	for name, test := range map[string]struct {
		event   string
		status  enumspb.WorkflowExecutionStatus
		outcome rotation.Outcome
		text    string
	}{
		"completed": {
			event(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, Attributes: &historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes{
				WorkflowExecutionCompletedEventAttributes: &historypb.WorkflowExecutionCompletedEventAttributes{Result: payloads(t, rotation.Result{Outcome: rotation.Rotated})},
			}}), enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, rotation.Rotated, "",
		},
		"completed by something else": {
			event(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED, Attributes: &historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes{
				WorkflowExecutionCompletedEventAttributes: &historypb.WorkflowExecutionCompletedEventAttributes{},
			}}), enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, "", "its result can't be read",
		},
		"failed with an outcome": {
			event(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, Attributes: &historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes{
				WorkflowExecutionFailedEventAttributes: &historypb.WorkflowExecutionFailedEventAttributes{Failure: &failurepb.Failure{
					FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Details: payloads(t, result)}},
				}},
			}}), enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, rotation.RolledBack, "",
		},
		"failed without": {
			`{"eventType":"EVENT_TYPE_WORKFLOW_EXECUTION_FAILED","workflowExecutionFailedEventAttributes":{"failure":{"message":"a\n  long\tstory"}}}`,
			enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, "", "a long story",
		},
		"cancelled with an outcome": {
			event(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED, Attributes: &historypb.HistoryEvent_WorkflowExecutionCanceledEventAttributes{
				WorkflowExecutionCanceledEventAttributes: &historypb.WorkflowExecutionCanceledEventAttributes{Details: payloads(t, result)},
			}}), enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, rotation.RolledBack, "",
		},
		"cancelled before anything": {
			`{"eventType":"EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED","workflowExecutionCanceledEventAttributes":{}}`,
			enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, "", "before it had changed anything",
		},
		"terminated": {
			`{"eventType":"EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED","workflowExecutionTerminatedEventAttributes":{"reason":"enough","identity":"ada"}}`,
			enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, "", "it was terminated by ada (enough)",
		},
		"timed out": {
			`{"eventType":"EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT","workflowExecutionTimedOutEventAttributes":{}}`,
			enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, "", "workflow timeout",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr := trail(t, test.event)
			require.NotNil(t, tr.Closing)
			require.Equal(t, test.status, tr.Closing.Status)
			require.Equal(t, test.outcome, tr.Outcome())
			require.Contains(t, tr.Closing.Text, test.text)
		})
	}
}

func TestFailureOf(t *testing.T) {
	f := rotation.Failure{Step: rotation.StepTest, Kind: rotation.Permanent, Text: "in our words"}
	wrapped := &failurepb.Failure{Message: "activity error", Cause: ours(t, f)}
	timeout := &failurepb.Failure{FailureInfo: &failurepb.Failure_TimeoutFailureInfo{TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{
		TimeoutType: enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE,
	}}}
	both := proto.Clone(timeout).(*failurepb.Failure)
	both.Cause = ours(t, f)
	read := func(f *failurepb.Failure) *rotation.Failure {
		found, err := watch.FailureOf(converter.GetDefaultDataConverter(), f)
		require.NoError(t, err)
		return found
	}
	require.Nil(t, read(nil))
	require.Equal(t, &f, read(wrapped))
	require.Equal(t, &f, read(both), "our words before the timeout that came with them")
	require.Equal(t, "no worker finished it in time", read(timeout).Text)
}
