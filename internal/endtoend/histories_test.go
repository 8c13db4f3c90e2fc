package endtoend

import (
	"compress/gzip"
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"

	"rotor/internal/cloudsim"
	"rotor/internal/fleet"
	"rotor/internal/rotation"
)

var record = flag.Bool("record", false, "write the histories that workflows/replay_test.go replays")

// Each case makes a history of its own kind. Without -record they are made all the same, so that what would be recorded is known to
// come about.
func TestHistories(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*testing.T) client.WorkflowRun{
		"rotated": func(t *testing.T) client.WorkflowRun {
			run := start(t, queue, newSecret(t), nil)
			require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
			return run
		},
		"rotated-single-user": func(t *testing.T) client.WorkflowRun {
			secret := newSecret(t)
			edit(t, secret.Name, without("MasterSecret"))
			run := start(t, queue, secret, nil)
			require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
			return run
		},
		"refused": func(t *testing.T) client.WorkflowRun {
			secret := newSecret(t)
			edit(t, secret.Name, without("AccountName"))
			run := start(t, queue, secret, nil)
			require.Equal(t, rotation.Refused, outcome(t, run).Outcome)
			return run
		},
		"rolled-back": func(t *testing.T) client.WorkflowRun {
			secret := newSecret(t)
			require.Equal(t, rotation.RolledBack, failAfterSet(t, secret).Outcome)
			return temporal.GetWorkflow(t.Context(), canonicalID(secret), "")
		},
		"retried": func(t *testing.T) client.WorkflowRun {
			secret := newSecret(t)
			stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.ErrorBefore, Resource: secret.Name, Action: "PutSecretValue", Times: 8})
			run := start(t, queue, secret, nil)
			require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
			return run
		},
		"unanswered-move": func(t *testing.T) client.WorkflowRun {
			secret := newSecret(t)
			stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.CloseBefore, Resource: secret.Name, Action: "UpdateSecretVersionStage"})
			run := start(t, queue, secret, nil)
			require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
			return run
		},
		"parked-and-retried": func(t *testing.T) client.WorkflowRun {
			secret, run := parkedRotation(t)
			execute(t, "DROP USER '"+secret.Account+"_rt'@'%'")
			require.NoError(t, decide(t, run, rotation.UpdateRetry, "the account is gone"))
			require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
			return run
		},
		"parked-and-abandoned": func(t *testing.T) client.WorkflowRun {
			_, run := parkedRotation(t)
			require.NoError(t, decide(t, run, rotation.UpdateAbandon, "not needed"))
			require.Equal(t, rotation.Abandoned, outcome(t, run).Outcome)
			return run
		},
		"parked-and-rolled-back": func(t *testing.T) client.WorkflowRun {
			secret, run := parkedRotation(t)
			execute(t, "DROP USER '"+secret.Account+"_rt'@'%'")
			require.NoError(t, decide(t, run, rotation.UpdateRollback, "the account is gone"))
			require.Equal(t, rotation.RolledBack, outcome(t, run).Outcome)
			return run
		},
		"parked-in-end-and-retried": func(t *testing.T) client.WorkflowRun {
			secret := newSecret(t)
			run := start(t, queue, secret, nil)
			giveBack := meddle(t, run, rotation.StepEnd, func() func() { return makeCurrent(t, secret, "theirs") })
			require.NotContains(t, parked(t, run).Decisions, rotation.UpdateRollback)
			giveBack()
			require.NoError(t, decide(t, run, rotation.UpdateRetry, "moved it back"))
			require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
			return run
		},
		"parked-as-asked-and-cancelled": func(t *testing.T) client.WorkflowRun {
			secret := newSecret(t)
			run := start(t, queue, secret, func(r *rotation.Request) { r.OnFailure = rotation.OnFailurePark })
			denyAt(t, secret, run, rotation.StepTest)
			parked(t, run)
			require.NoError(t, temporal.CancelWorkflow(t.Context(), run.GetID(), run.GetRunID()))
			require.Equal(t, rotation.RolledBack, cancelled(t, run).Outcome)
			return run
		},
		"single-user-went-forward": func(t *testing.T) client.WorkflowRun {
			secret := newSecret(t)
			edit(t, secret.Name, without("MasterSecret"))
			require.Equal(t, rotation.Rotated, failAfterSet(t, secret).Outcome)
			return temporal.GetWorkflow(t.Context(), canonicalID(secret), "")
		},
		"single-user-rolled-back": func(t *testing.T) client.WorkflowRun {
			secret := newSecret(t)
			edit(t, secret.Name, without("MasterSecret"))
			run := start(t, queue, secret, nil)
			defer denyAt(t, secret, run, rotation.StepSet).Remove()
			require.Equal(t, rotation.RolledBack, outcome(t, run).Outcome)
			return run
		},
		"taken-over": func(t *testing.T) client.WorkflowRun {
			secret := newSecret(t)
			makeStale(t, secret)
			run := start(t, queue, secret, nil)
			require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
			return run
		},
		"followed": func(t *testing.T) client.WorkflowRun {
			secret := newSecret(t)
			held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: secret.Name, Action: "PutSecretValue"})
			start(t, queue, secret, nil)
			<-held.Reached()
			run := startAs(t, "following-"+secret.Name, secret)
			eventually(t, 2*time.Minute, "following", func() bool {
				status, err := query(run)
				return err == nil && status.State == rotation.StateFollowing
			})
			held.Release()
			require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
			return run
		},
		"cancelled": func(t *testing.T) client.WorkflowRun {
			secret := newSecret(t)
			held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, Resource: secret.Name, Action: "PutSecretValue", Times: cloudsim.Always})
			defer held.Remove()
			run := start(t, queue, secret, nil)
			<-held.Reached()
			require.NoError(t, temporal.CancelWorkflow(t.Context(), run.GetID(), run.GetRunID()))
			require.Error(t, run.Get(t.Context(), nil))
			return run
		},
		"stuck-and-went-on": func(t *testing.T) client.WorkflowRun {
			_, run := stuckForAWhile(t)
			return run
		},
		"parked-stuck-and-retried": func(t *testing.T) client.WorkflowRun {
			secret, run := parkedRotation(t)
			found(t, "RotorStuck = true AND RotorSecret = '"+secret.Name+"'", run.GetID())
			execute(t, "DROP USER '"+secret.Account+"_rt'@'%'")
			require.NoError(t, decide(t, run, rotation.UpdateRetry, "the account is gone"))
			require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
			return run
		},
		"fleet": func(t *testing.T) client.WorkflowRun { return fleetRun(t, fleet.WorkflowID) },
		"fleet-part": func(t *testing.T) client.WorkflowRun {
			return fleetRun(t, func(name string) string { return fleet.PartID(name, 0) })
		},
		"checked": func(t *testing.T) client.WorkflowRun {
			run := startCheck(t, queue, newSecret(t), nil)
			require.True(t, checkOf(t, run).Fine())
			return run
		},
		"express": func(t *testing.T) client.WorkflowRun { return undisturbed(t, newSecret(t)) },
		"express-single-user": func(t *testing.T) client.WorkflowRun {
			secret := newSecret(t)
			edit(t, secret.Name, without("MasterSecret"))
			return undisturbed(t, secret)
		},
		"express-fell-over": func(t *testing.T) client.WorkflowRun {
			secret := newSecret(t)
			stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.ErrorBefore, Resource: secret.Name, Action: "UpdateSecretVersionStage"})
			run := start(t, expressQueue, secret, nil)
			require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
			return run
		},
		"express-rolled-back": func(t *testing.T) client.WorkflowRun {
			secret := newSecret(t)
			denied := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: secret.Name, Action: "ListSecretVersionIds", If: func(cloudsim.Request) bool {
				return pendingVersion(t, secret) != ""
			}})
			defer denied.Remove()
			run := start(t, expressQueue, secret, nil)
			require.Equal(t, rotation.RolledBack, outcome(t, run).Outcome)
			return run
		},
		"express-lost": func(t *testing.T) client.WorkflowRun {
			run := dieExpress(t, newSecret(t), "UpdateSecretVersionStage", false, lifted)
			require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
			return run
		},
		"express-cancelled": func(t *testing.T) client.WorkflowRun {
			run := interruptExpress(t, newSecret(t), cancelRun)
			ended(t, run)
			return run
		},
		"delegated": func(t *testing.T) client.WorkflowRun {
			secret := newSecret(t)
			run := startAs(t, "delegated-"+secret.Name, secret)
			require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
			return run
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := make(t)
			history := historyOf(t, run)
			require.NotEmpty(t, history.Events)
			if *record {
				write(t, filepath.Join(module(t), "workflows", "testdata", name+".json.gz"), history)
			}
		})
	}
}

func historyOf(t *testing.T, run client.WorkflowRun) *historypb.History {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	history := &historypb.History{}
	events := temporal.GetWorkflowHistory(ctx, run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		history.Events = append(history.Events, event)
	}
	return history
}

func write(t *testing.T, file string, history *historypb.History) {
	t.Helper()
	text, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(history)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	f, err := os.Create(file)
	require.NoError(t, err)
	zip := gzip.NewWriter(f)
	_, err = zip.Write(text)
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	require.NoError(t, f.Close())
}
