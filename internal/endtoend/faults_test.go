package endtoend

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/rotation"
)

// Whatever a store call meets, the rotation gets there, writes one version, and locks nobody out.
func TestStoreFaults(t *testing.T) {
	t.Parallel()
	calls := []struct {
		action string
		nth    int
	}{
		{"GetSecretValue", 1}, {"GetSecretValue", 4}, {"ListSecretVersionIds", 1}, {"ListSecretVersionIds", 3}, {"PutSecretValue", 1},
		{"UpdateSecretVersionStage", 1}, {"UpdateSecretVersionStage", 2},
	}
	for _, kind := range []cloudsim.Kind{
		cloudsim.Throttle, cloudsim.ErrorBefore, cloudsim.ErrorAfter, cloudsim.CloseBefore, cloudsim.CloseAfter, cloudsim.Malformed, cloudsim.SlowAnswer,
	} {
		for _, call := range calls {
			t.Run(fmt.Sprintf("%s at %s %d", kind, call.action, call.nth), func(t *testing.T) {
				t.Parallel()
				secret := newSecret(t)
				first := holder(t, secret, alibabakms.Current)
				// A slow answer takes longer than an attempt of a step may.
				fault := stack.Cloud.Inject(cloudsim.Fault{Kind: kind, Resource: secret.Name, Action: call.action, Nth: call.nth, Hold: 7 * time.Second})
				defer fault.Remove()
				run := start(t, queue, secret, nil)
				result := outcome(t, run)
				require.Equal(t, 1, fault.Hits(), "the fault was met")
				require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
				s := stored(t, secret.Name)
				require.Len(t, s.Versions, 2, "one version is written")
				require.Equal(t, run.GetRunID(), s.Holder(alibabakms.Current).ID)
				require.Nil(t, s.Holder("ACSPending"))
				require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
				require.True(t, logsIn(t, first))
			})
		}
	}
}

// A list that does not show the latest write yet is no conflict.
func TestStaleReads(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"GetSecretValue", "ListSecretVersionIds"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			const lag = time.Second
			secret := newSecret(t)
			added := time.Now()
			eventually(t, 2*lag, "the secret itself is visible", func() bool { return time.Since(added) > lag })
			stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Stale, Resource: secret.Name, Action: action, Times: cloudsim.Always, Lag: lag})
			require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
			require.Len(t, stored(t, secret.Name).Versions, 2)
		})
	}
}

// A stage that may not be moved keeps the rotation waiting and saying so, for what has passed Test is not rolled back. It goes on by
// itself once it may.
func TestMoveThatIsDenied(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	denied := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: secret.Name, Action: "UpdateSecretVersionStage", Times: cloudsim.Always})
	run := start(t, queue, secret, nil)
	eventually(t, 40*time.Second, "it waits", func() bool {
		status, err := query(run)
		return err == nil && status.State == rotation.StateWaiting && status.Failure != nil
	})
	status, err := query(run)
	require.NoError(t, err)
	require.Contains(t, status.Failure.Text, "kms:UpdateSecretVersionStage")
	require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
	denied.Remove()
	require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
	require.Len(t, stored(t, secret.Name).Versions, 2)
}
