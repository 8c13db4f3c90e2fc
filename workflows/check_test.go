package workflows_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"rotor/activities"
	"rotor/internal/rotation"
	"rotor/workflows"
)

// checkWith runs a check whose activity is the function.
func checkWith(t *testing.T, check func(context.Context, activities.CheckInput) (rotation.Check, error)) (found rotation.Check, err error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivityWithOptions(check, activity.RegisterOptions{Name: "Check"})
	env.ExecuteWorkflow((&workflows.Rotations{Timing: workflows.DefaultTiming}).CheckSecret, request)
	require.True(t, env.IsWorkflowCompleted())
	if err := env.GetWorkflowError(); err != nil {
		return found, err
	}
	return found, env.GetWorkflowResult(&found)
}

func TestCheckGivesWhatItsActivityFound(t *testing.T) {
	t.Parallel()
	warned := rotation.Check{Secret: "orders/db", Findings: []rotation.Finding{{Word: rotation.WarningPlain, Severity: rotation.Warning}}}
	found, err := checkWith(t, func(context.Context, activities.CheckInput) (rotation.Check, error) { return warned, nil })
	require.NoError(t, err)
	require.Equal(t, warned.Findings, found.Findings)
	require.True(t, found.Fine())
}

// A check whose activity does not come to its end is not fine, and says so in its result.
func TestCheckThatDoesNotComeToItsEnd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		says string
	}{
		"others are at work": {temporal.NewApplicationErrorWithOptions("busy", string(rotation.Retryable), temporal.ApplicationErrorOptions{
			Details: []any{rotation.Failure{Text: "as many steps of this worker as may are at work", Untried: true}},
		}), "as many steps of this worker"},
		"no worker": {temporal.NewTimeoutError(1, nil), "no worker finished the check in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := checkWith(t, func(context.Context, activities.CheckInput) (rotation.Check, error) {
				return rotation.Check{}, test.err
			})
			require.NoError(t, err)
			require.False(t, found.Fine())
			require.Equal(t, rotation.FindingUnknown, found.Findings[0].Word)
			require.Contains(t, found.Findings[0].Text, test.says)
			require.Equal(t, "orders/db", found.Secret)
		})
	}
}
