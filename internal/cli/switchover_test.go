package cli_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"rotor/internal/cli"
	"rotor/internal/payload/payloadtest"
	"rotor/internal/rotation"
	"rotor/workflows"
)

// A worker without the keys does no harm to a rotation that it can't read: it says what is wrong, and one that has them goes on.
func TestWorkerWithoutKeysLeavesRotationsAlone(t *testing.T) {
	t.Parallel()
	h := hide(t, payloadtest.File(t, payloadtest.Line("ids"), payloadtest.Line("first")))
	require.NoError(t, h.stop())
	stop, err := startWorker(h.queue)
	require.NoError(t, err)
	secret := newVeiled(t)
	r := start(t, words("rotate", secret), h.env)
	const says = "a worker could not go on, and others try: "
	var described finished
	eventually(t, 2*time.Minute, "it says so", func() bool {
		described = run(t, words("describe", secret), h.env)
		return strings.Contains(described.stdout, says)
	})
	inOrder(t, described.stdout, says, "encrypted with key first, and this program has no keys: set ROTOR_PAYLOAD_KEYS", "Running")
	require.NoError(t, stop())
	h.serve(t)
	f := r.wait()
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	require.Len(t, stored(t, secret).Versions, 2)
}

// What was open when the keys came goes on with them, and excludes rotations whose ids are hidden.
func TestRotationFromBeforeNamesWereHidden(t *testing.T) {
	t.Parallel()
	h := &hiding{queue: fmt.Sprintf("hiding-%d", secretNumber.Add(1)), file: payloadtest.File(t, payloadtest.Line("ids"), payloadtest.Line("first"))}
	h.env = withEnv("ROTOR_PAYLOAD_KEYS="+h.file, "ROTOR_TASK_QUEUE="+h.queue)
	stop, err := startWorker(h.queue)
	require.NoError(t, err)
	secret := newVeiled(t)
	stopBreaking := breakAfterNew(t, secret)
	require.Equal(t, cli.ExitParked, run(t, words("rotate", secret, "--on-failure", "park"), withEnv("ROTOR_TASK_QUEUE="+h.queue)).code)
	stopBreaking()
	require.NoError(t, stop())
	h.serve(t)

	second := start(t, words("rotate", secret, "--now"), h.env)
	eventually(t, 2*time.Minute, "it waits for the first", func() bool {
		return strings.Contains(run(t, words("describe", secret), h.env).stdout, "that began before names were hidden is still open, as workflow "+workflowID(secret))
	})
	require.Len(t, stored(t, secret).Versions, 2, "it has written nothing")
	repair(t, secret)
	c := h.client(t)
	decision, err := c.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{WorkflowID: workflowID(secret), UpdateName: rotation.UpdateRetry,
		Args: []any{workflows.Decide{Reason: "the right is back"}}, WaitForStage: client.WorkflowUpdateStageCompleted})
	require.NoError(t, err)
	require.NoError(t, decision.Get(t.Context(), nil))
	var result rotation.Result
	require.NoError(t, c.GetWorkflow(t.Context(), workflowID(secret), "").Get(t.Context(), &result))
	require.Equal(t, rotation.Rotated, result.Outcome)
	f := second.wait()
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	require.Len(t, stored(t, secret).Versions, 3)

	// Whoever starts one in the clear gets the hidden one's outcome, and does not keep it from running.
	third := run(t, words("rotate", secret, "--now", "--no-wait"), withEnv("ROTOR_TASK_QUEUE="+h.queue))
	require.Equal(t, cli.ExitOK, third.code, third.stdout+third.stderr)
	require.NoError(t, c.GetWorkflow(t.Context(), workflowID(secret), "").Get(t.Context(), &result))
	require.Equal(t, rotation.Rotated, result.Outcome)
	require.Len(t, stored(t, secret).Versions, 4)
}
