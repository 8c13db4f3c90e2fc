package watch

import (
	"strings"
	"time"

	historypb "go.temporal.io/api/history/v1"

	"rotor/internal/rotation"
)

// A step that goes express is a local activity, of which the history has one marker: it was begun when the one before it ended, or the
// workflow task began, and it ended at the time that the marker has.
const (
	markerLocalActivity = "LocalActivity"
	markerData          = "data"
	markerResult        = "result"
)

// express takes in a step that was a local activity.
func (t *Trail) express(m *historypb.MarkerRecordedEventAttributes) {
	if m.GetMarkerName() != markerLocalActivity {
		return
	}
	var data struct {
		ActivityType string
		ReplayTime   time.Time
	}
	if !t.decode(m.GetDetails()[markerData], &data) {
		return
	}
	t.settle()
	t.Steps = append(t.Steps, Step{
		Step: rotation.Step(strings.ToLower(data.ActivityType)), State: rotation.StateRunning, Started: t.clock, Ended: data.ReplayTime, Rounds: 1, Attempts: 1,
	})
	t.clock, t.wentExpress = data.ReplayTime, true
	s := t.last()
	if m.GetFailure() == nil {
		s.State = rotation.StateEnded
		t.said(s, m.GetDetails()[markerResult])
		return
	}
	s.Failed, s.Failure = true, t.failureOf(m.GetFailure())
	t.undecided, t.reacted = true, false
}

// fellOver goes on with a step that has failed express and is asked for again, as an activity.
func (t *Trail) fellOver(step rotation.Step) {
	if last := t.last(); t.wentExpress && t.undecided && last.Step == step {
		last.State = rotation.StateWaiting
		t.undecided = false
	}
	t.wentExpress = false
}
