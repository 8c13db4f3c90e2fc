package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cli"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// park makes a rotation that is really parked: its Set fails for good, and the request says to park then.
func park(t *testing.T) devstack.Secret {
	t.Helper()
	secret := newSecret(t)
	breakAfterNew(t, secret)
	f := run(t, words("rotate", secret, "--on-failure", "park"))
	require.Equal(t, cli.ExitParked, f.code, f.stdout+f.stderr)
	inOrder(t, f.stdout,
		"  set ", "failed: ", "\n\nParked after ", ": a person has to decide.\n",
		"failed in step set", "OnFailure: park", "Store alibaba-kms", secret.Version, "is pending", "Target mysql at "+stack.MySQL.Address(), secret.Account+"_rt",
		"Login "+secret.Account+": takes the password of version "+secret.Version, "Clients: the current version logs in",
		"Decide with one of:\n",
		"  starter resolve "+secret.Name+" retry --region cn-hangzhou --reason \"...\"\n", "go on from what there is",
		"  starter resolve "+secret.Name+" rollback --region cn-hangzhou --reason \"...\"\n", "take the pending stage off",
		"  starter resolve "+secret.Name+" abandon --region cn-hangzhou --reason \"...\"\n", "give up",
	)
	require.NotContains(t, f.stdout, "**")
	require.NotContains(t, f.stdout, "`")
	return secret
}

func TestParkedThenRetried(t *testing.T) {
	t.Parallel()
	secret := park(t)

	described := run(t, words("describe", secret))
	require.Equal(t, cli.ExitOK, described.code)
	inOrder(t, described.stdout, "secret    "+secret.Name, "workflow  "+workflowID(secret), "target    mysql at "+stack.MySQL.Address(), "  look ", "  new ", "  set ",
		"failed: ", "Parked after ", "failed in step set", "starter resolve "+secret.Name+" retry")

	asJSON := run(t, words("describe", secret, "-o", "json")).report(t)
	require.Equal(t, rotation.StateParked, asJSON.State)
	require.Empty(t, asJSON.Outcome)
	require.Equal(t, rotation.StepSet, asJSON.Failure.Step)
	require.Contains(t, asJSON.Text, "Parked")
	require.Len(t, asJSON.Decisions, 3)

	// Somebody who starts another one is told how things are, whatever they want to happen then.
	require.Equal(t, cli.ExitParked, run(t, words("rotate", secret)).code)
	waited := run(t, words("rotate", secret, "--if-running", "wait", "-o", "json"))
	require.Equal(t, cli.ExitParked, waited.code)
	require.Equal(t, rotation.StateParked, waited.report(t).State)
	require.Contains(t, waited.stderr, "parked")
	require.Equal(t, cli.ExitRefused, run(t, words("rotate", secret, "--if-running", "fail")).code)

	repair(t, secret)
	f := run(t, []string{"resolve", secret.Name, "retry", "--region", "cn-hangzhou", "--reason", "the right is back"})
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	inOrder(t, f.stdout, "Accepted: retry.\n", "  new ", "  set ", "  test ", "  end ", "Rotated: version ", "decision: retry by ada@", "(the right is back)")
	require.NotContains(t, f.stdout, "  look ", "what was before the decision is not shown again")
	s := stored(t, secret)
	require.NotEqual(t, secret.Version, s.Holder(alibabakms.Current).ID)
	require.Len(t, s.Versions, 2, "it went on with the version that it had written")
	require.Contains(t, run(t, words("describe", secret)).stdout, "decision: retry by ada@")
}

func TestParkedThenRolledBack(t *testing.T) {
	t.Parallel()
	secret := park(t)
	repair(t, secret)
	f := run(t, words("resolve", secret, "rollback", "--reason", "not today", "-o", "json"))
	require.Equal(t, cli.ExitRolledBack, f.code, f.stdout+f.stderr)
	r := f.report(t)
	require.Equal(t, rotation.RolledBack, r.Outcome)
	require.Equal(t, "not today", r.Result.Decision.Reason)
	s := stored(t, secret)
	require.Equal(t, secret.Version, s.Holder(alibabakms.Current).ID)
	require.Nil(t, s.Holder("ACSPending"))
}

func TestParkedThenAbandoned(t *testing.T) {
	t.Parallel()
	secret := park(t)
	f := run(t, words("resolve", secret, "abandon", "--reason", "the database goes away"))
	require.Equal(t, cli.ExitRefused, f.code, f.stdout+f.stderr)
	inOrder(t, f.stdout, "Accepted: abandon.\n", "Abandoned after ", "decision: abandon by ada@", "(the database goes away)")
}

// After End was attempted there is no way back: that decision is neither offered nor taken.
func TestRollbackAfterEndIsRefused(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	conflictAtEnd(t, secret)
	f := run(t, words("rotate", secret))
	require.Equal(t, cli.ExitParked, f.code, f.stdout+f.stderr)
	require.Contains(t, f.stdout, "starter resolve "+secret.Name+" retry")
	require.NotContains(t, f.stdout, "starter resolve "+secret.Name+" rollback")
	refused := run(t, words("resolve", secret, "rollback", "--reason", "try"))
	require.Equal(t, cli.ExitRefused, refused.code)
	oneLine(t, refused.stderr)
	require.Contains(t, refused.stderr, "rollback is refused: the stage may have been moved already")
	require.Empty(t, refused.stdout)
	require.Equal(t, cli.ExitRefused, run(t, words("resolve", secret, "abandon", "--reason", "done by hand")).code)
}

func TestResolveWithNothingToDecide(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	f := run(t, words("resolve", secret, "retry", "--reason", "x"))
	require.Equal(t, cli.ExitRefused, f.code)
	require.Contains(t, f.stderr, "no rotation of secret "+secret.Name)

	held := hold(t, "PutSecretValue", secret.Name)
	r := start(t, words("rotate", secret))
	reached(t, held)
	f = run(t, words("resolve", secret, "retry", "--reason", "x"))
	require.Equal(t, cli.ExitRefused, f.code)
	require.Contains(t, f.stderr, "retry is refused: the rotation is not parked")
	held.Release()
	require.Equal(t, cli.ExitOK, r.wait().code)

	f = run(t, words("resolve", secret, "retry", "--reason", "x"))
	require.Equal(t, cli.ExitRefused, f.code)
	require.Contains(t, f.stderr, "has ended (Rotated)")
	oneLine(t, f.stderr)
}
