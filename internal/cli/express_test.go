package cli_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cli"
	"rotor/internal/rotation"
)

// Steps that go express are shown like others: each with a line, how long it took, and what it has brought about.
func TestStepsThatGoExpressAreShown(t *testing.T) {
	t.Parallel()
	const queue = "express"
	stop, err := startWorker(queue, map[string]string{"ROTOR_EXPRESS": "true", "ROTOR_STICKY": "10s"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stop()) })
	lines := []string{"  look ", "  new ", "s  version ", "  set ", "s  account ", "  test ", "s  logged in as ", "  end ", "s  version ", "Rotated: version "}

	secret := newSecret(t)
	f := run(t, words("rotate", secret, "--task-queue", queue))
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	inOrder(t, f.stdout, lines...)
	described := run(t, words("describe", secret))
	inOrder(t, described.stdout, lines...)
	report := run(t, words("describe", secret, "-o", "json")).report(t)
	require.Equal(t, rotation.Rotated, report.Outcome)
	var steps []string
	for _, s := range report.Steps {
		steps = append(steps, string(s.Step))
		require.False(t, s.Ended.Before(s.Started), s.Step)
	}
	require.Equal(t, "look new set test end", strings.Join(steps, " "))
}
