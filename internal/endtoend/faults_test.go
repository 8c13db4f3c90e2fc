package endtoend

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/rotation"
)

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

// The version whose password the standby account has, which the store lists and does not give for a moment, makes nobody think that the account is a
// stranger's.
func TestPreviousVersionIsNotGiven(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
	s := stored(t, secret.Name)
	previous := s.Holder("ACSPrevious").ID
	withheld := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: secret.Name, Action: "GetSecretValue", If: func(r cloudsim.Request) bool {
		return r.Params["VersionId"] == previous
	}})
	require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
	require.Equal(t, 1, withheld.Hits())
}

// Right after a rollback has taken the pending stage off, the store lists what there was before the put: that does not make the version gone.
func TestStaleListInARollback(t *testing.T) {
	t.Parallel()
	const lag = 2 * time.Second
	h := byHand{t, newSecret(t), ""}
	added := time.Now()
	eventually(t, 2*lag, "the secret itself is visible", func() bool { return time.Since(added) > lag })
	plan := h.begin()
	h.set(plan)
	stale := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Stale, Resource: h.secret.Name, Action: "ListSecretVersionIds", Lag: lag, If: func(cloudsim.Request) bool {
		return pendingOf(t, h.secret) == nil
	}})
	h.rollBack(plan)
	require.Equal(t, 1, stale.Hits())
	require.True(t, logsIn(t, holder(t, h.secret, alibabakms.Current)))
}

// A rollback that has taken the pending stage off, and may then not look any more, parks. It says that there is only the way back; who tries to go on
// all the same is told so again, and not that somebody else was there.
func TestRollbackThatGotNoFurther(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: secret.Name, Action: "GetSecretValue", If: func(cloudsim.Request) bool {
		return pendingOf(t, secret) != nil
	}})
	denied := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: secret.Name, Action: "ListSecretVersionIds", If: func(cloudsim.Request) bool {
		s := stored(t, secret.Name)
		return len(s.Versions) == 2 && s.Holder("ACSPending") == nil
	}})
	run := start(t, queue, secret, nil)
	says := func(status rotation.Status) {
		t.Helper()
		require.Contains(t, status.Doing, "let `rollback` finish it")
		require.Contains(t, status.Means[rotation.UpdateRetry], "does not help")
		require.NotContains(t, status.Doing, "somebody else")
	}
	says(parked(t, run))
	require.Equal(t, 1, denied.Hits())
	require.NoError(t, decide(t, run, rotation.UpdateRetry, "go on"))
	eventually(t, time.Minute, "it parks in set", func() bool {
		status, err := query(run)
		return err == nil && status.State == rotation.StateParked && status.Failure != nil && status.Failure.Step == rotation.StepSet
	})
	says(parked(t, run))
	require.NoError(t, decide(t, run, rotation.UpdateRollback, "go back"))
	require.Equal(t, rotation.RolledBack, outcome(t, run).Outcome)
	require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
}

// A stage that may not be moved keeps the rotation waiting and saying so, for what has passed Test is not rolled back. It goes on by
// itself once it may.
func TestMoveThatIsDenied(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	denied := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: secret.Name, Action: "UpdateSecretVersionStage", Times: cloudsim.Always})
	run := start(t, queue, secret, nil)
	eventually(t, 2*time.Minute, "it waits", func() bool {
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

// A list that does not know of the move yet, read right after it, may show no pending stage. That is no word that it was taken off.
func TestStaleListAfterTheMove(t *testing.T) {
	t.Parallel()
	const lag = 3 * time.Second
	for name, settled := range map[string]bool{"from before the put": true, "from before the rotation": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newSecret(t)
			added := time.Now()
			eventually(t, 2*lag, "the secret itself is visible", func() bool { return time.Since(added) > lag })
			if !settled {
				// Right after another one, the past is a time when that one's base version was current.
				require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
			}
			base := stored(t, secret.Name)
			stale := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Stale, Resource: secret.Name, Action: "ListSecretVersionIds", Lag: lag, If: func(cloudsim.Request) bool {
				now, found := kms().Secret(secret.Name)
				return found && now.Holder(alibabakms.Current).ID != base.Holder(alibabakms.Current).ID
			}})
			// On the express path there is no list after the move.
			require.Equal(t, rotation.Rotated, outcome(t, start(t, queue, secret, nil)).Outcome)
			require.Equal(t, 1, stale.Hits(), "the read was stale")
			after := stored(t, secret.Name)
			require.Nil(t, after.Holder("ACSPending"))
		})
	}
}
