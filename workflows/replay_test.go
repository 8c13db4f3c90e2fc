package workflows_test

import (
	"compress/gzip"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"rotor/internal/fleet"
	"rotor/internal/rotation"
	"rotor/workflows"
)

// Rotations that are under way when a worker is replaced go on with the new code. `make histories` records these again; keep
// the old ones as long as rotations that began with them may be open.
func TestHistoriesReplay(t *testing.T) {
	for name, file := range histories(t) {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, replay(t, read(t, file), &workflows.Rotations{Timing: workflows.DefaultTiming}))
		})
	}
}

// A replay that can't fail shows nothing: with steps in another order it must.
func TestReplayNoticesAChange(t *testing.T) {
	history := read(t, histories(t)["rotated"])
	for _, event := range history.Events {
		if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled != nil && scheduled.ActivityType.Name == "Set" {
			scheduled.ActivityType.Name = "Test"
		}
	}
	require.ErrorContains(t, replay(t, history, &workflows.Rotations{Timing: workflows.DefaultTiming}), "nondeterministic")
}

// Timing may change between one worker and the next.
func TestHistoriesReplayWithOtherTiming(t *testing.T) {
	for name, file := range histories(t) {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, replay(t, read(t, file), &workflows.Rotations{Timing: workflows.Timing{Attempt: 1, Heartbeat: 2, Burst: 3, FirstPause: 4, LongestPause: 5}}))
		})
	}
}

// Nor does it matter which search attributes the namespace has got meanwhile.
func TestHistoriesReplayWithOtherSearchAttributes(t *testing.T) {
	for name, file := range histories(t) {
		t.Run(name, func(t *testing.T) {
			for _, has := range [][]string{nil, everyAttribute} {
				require.NoError(t, replay(t, read(t, file), &workflows.Rotations{Timing: workflows.DefaultTiming, Attributes: has, StuckAfter: time.Nanosecond}))
			}
		})
	}
}

func histories(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json.gz")
	require.NoError(t, err)
	require.NotEmpty(t, files, "there is nothing to replay")
	named := map[string]string{}
	for _, file := range files {
		named[strings.TrimSuffix(filepath.Base(file), ".json.gz")] = file
	}
	return named
}

func read(t *testing.T, file string) *historypb.History {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	unzipped, err := gzip.NewReader(f)
	require.NoError(t, err)
	history, err := client.HistoryFromJSON(io.LimitReader(unzipped, 16<<20), client.HistoryJSONOptions{})
	require.NoError(t, err)
	return history
}

func replay(t *testing.T, history *historypb.History, r *workflows.Rotations) error {
	t.Helper()
	replayer := worker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(r.RotateSecret, workflow.RegisterOptions{Name: rotation.WorkflowType})
	replayer.RegisterWorkflowWithOptions(r.RetireFormer, workflow.RegisterOptions{Name: rotation.RetireWorkflow})
	replayer.RegisterWorkflowWithOptions(r.CheckSecret, workflow.RegisterOptions{Name: rotation.CheckWorkflowType})
	replayer.RegisterWorkflowWithOptions(r.RotateFleet, workflow.RegisterOptions{Name: fleet.WorkflowType})
	replayer.RegisterWorkflowWithOptions(r.FleetPart, workflow.RegisterOptions{Name: fleet.PartWorkflowType})
	id := history.Events[0].GetWorkflowExecutionStartedEventAttributes().WorkflowId
	return replayer.ReplayWorkflowHistoryWithOptions(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), history,
		worker.ReplayWorkflowHistoryOptions{OriginalExecution: workflow.Execution{ID: id}})
}
