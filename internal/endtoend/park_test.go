package endtoend

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdktemporal "go.temporal.io/sdk/temporal"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/workflows"
)

// parkedRotation gives a rotation that is parked because somebody else changed the standby account while Test was on its way.
func parkedRotation(t *testing.T) (devstack.Secret, client.WorkflowRun) {
	t.Helper()
	secret := newSecret(t)
	held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: secret.Name, Action: "PutSecretValue"})
	run := start(t, queue, secret, nil)
	<-held.Reached()
	execute(t, "CREATE USER '"+secret.Account+"_rt'@'%' IDENTIFIED BY 'theirs-0815'")
	held.Release()
	status := parked(t, run)
	require.Equal(t, rotation.Conflict, status.Failure.Kind)
	require.Equal(t, []string{"retry", "rollback", "abandon"}, status.Decisions)
	for _, words := range []string{"Parked", secret.Name, secret.Account + "_rt", "somebody else", run.GetRunID(), "`retry`", "`rollback`", "`abandon`"} {
		require.Contains(t, status.Doing, words)
	}
	return secret, run
}

// decide sends a decision.
func decide(t *testing.T, run client.WorkflowRun, choice, reason string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	handle, err := temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: run.GetID(), RunID: run.GetRunID(), UpdateName: choice, Args: []any{workflows.Decide{Reason: reason, By: "a test"}},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	require.NoError(t, err)
	return handle.Get(ctx, nil)
}

func TestParkedRotationIsDecided(t *testing.T) {
	t.Parallel()
	t.Run("abandon", func(t *testing.T) {
		t.Parallel()
		_, run := parkedRotation(t)
		require.ErrorContains(t, decide(t, run, rotation.UpdateAbandon, ""), "Reason")
		require.NoError(t, decide(t, run, rotation.UpdateAbandon, "no longer needed"))
		result := outcome(t, run)
		require.Equal(t, rotation.Abandoned, result.Outcome)
		require.Equal(t, "no longer needed", result.Decision.Reason)
		require.Equal(t, "a test", result.Decision.By)
	})
	t.Run("retry after the stranger has gone", func(t *testing.T) {
		t.Parallel()
		secret, run := parkedRotation(t)
		execute(t, "DROP USER '"+secret.Account+"_rt'@'%'")
		require.NoError(t, decide(t, run, rotation.UpdateRetry, "dropped it"))
		require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
		require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
	})
	t.Run("rollback while the stranger is there parks again, then works", func(t *testing.T) {
		t.Parallel()
		secret, run := parkedRotation(t)
		require.NoError(t, decide(t, run, rotation.UpdateRollback, "go back"))
		eventually(t, 2*time.Minute, "parked again", func() bool {
			status, err := query(run)
			return err == nil && status.State == rotation.StateParked && strings.Contains(status.Doing, "could not be proven")
		})
		require.True(t, logsIn(t, credential{secret.Account + "_rt", "theirs-0815"}), "the stranger's account is left alone")
		execute(t, "DROP USER '"+secret.Account+"_rt'@'%'")
		require.NoError(t, decide(t, run, rotation.UpdateRollback, "it is gone now"))
		require.Equal(t, rotation.RolledBack, outcome(t, run).Outcome)
	})
}

func TestFailureRollsBackWithProof(t *testing.T) {
	t.Parallel()
	t.Run("an account that was created is dropped", func(t *testing.T) {
		t.Parallel()
		secret := newSecret(t)
		first := holder(t, secret, alibabakms.Current)
		before := grants(t, secret.Account)
		result := failAfterSet(t, secret)
		require.Equal(t, rotation.RolledBack, result.Outcome, result.Reason)
		require.Nil(t, grants(t, secret.Account+"_rt"))
		require.Equal(t, before, grants(t, secret.Account))
		require.True(t, logsIn(t, first))
		require.Nil(t, pendingOf(t, secret))
	})
	t.Run("an account that was there has its password back", func(t *testing.T) {
		t.Parallel()
		secret := newSecret(t)
		first := holder(t, secret, alibabakms.Current)
		require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
		second := holder(t, secret, alibabakms.Current)
		result := failAfterSet(t, secret)
		require.Equal(t, rotation.RolledBack, result.Outcome, result.Reason)
		require.True(t, logsIn(t, first), "clients that cached it can still log in")
		require.True(t, logsIn(t, second))
		require.Equal(t, second, holder(t, secret, alibabakms.Current))
		require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome, "and the next rotation works")
	})
	t.Run("a single account goes forward once it is changed", func(t *testing.T) {
		t.Parallel()
		secret := newSecret(t)
		edit(t, secret.Name, without("MasterSecret"))
		result := failAfterSet(t, secret)
		require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
		require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
	})
}

// failAfterSet runs a rotation whose Test is refused its look at the store, for good.
func failAfterSet(t *testing.T, secret devstack.Secret) rotation.Result {
	t.Helper()
	run := start(t, queue, secret, nil)
	defer denyAt(t, secret, run, rotation.StepTest).Remove()
	return outcome(t, run)
}

func lastStep(status rotation.Status) rotation.Step {
	if len(status.Steps) == 0 {
		return ""
	}
	return status.Steps[len(status.Steps)-1].Step
}

func pendingOf(t *testing.T, secret devstack.Secret) *alibabakms.Version {
	t.Helper()
	s := stored(t, secret.Name)
	return s.Holder("ACSPending")
}

func TestCancelRollsBack(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, Resource: secret.Name, Action: "PutSecretValue", Times: cloudsim.Always})
	defer held.Remove()
	run := start(t, queue, secret, nil)
	<-held.Reached()
	require.NoError(t, temporal.CancelWorkflow(t.Context(), run.GetID(), run.GetRunID()))
	err := run.Get(t.Context(), nil)
	_, canceled := errors.AsType[*sdktemporal.CanceledError](err)
	require.True(t, canceled, err)
	require.Len(t, stored(t, secret.Name).Versions, 1)
}

// Whoever starts a rotation under another id gets the outcome of the canonical one.
func TestOtherIDsFollow(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: secret.Name, Action: "PutSecretValue"})
	canonical := start(t, queue, secret, nil)
	<-held.Reached()
	var others []client.WorkflowRun
	for _, id := range []string{"by-hand", "scheduled"} {
		run, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id + "-" + secret.Name, TaskQueue: queue}, rotation.WorkflowType,
			rotation.Request{SecretName: secret.Name, RegionId: secret.Region, Now: true})
		require.NoError(t, err)
		others = append(others, run)
	}
	for _, run := range others {
		eventually(t, 2*time.Minute, "following", func() bool {
			status, err := query(run)
			return err == nil && status.State == rotation.StateFollowing
		})
	}
	held.Release()
	version := outcome(t, canonical).Version
	for _, run := range others {
		require.Equal(t, version, outcome(t, run).Version)
	}
	require.Len(t, stored(t, secret.Name).Versions, 2)
}
