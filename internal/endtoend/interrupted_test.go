package endtoend

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdktemporal "go.temporal.io/sdk/temporal"

	"rotor/activities"
	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// interrupted are the secrets whose rotations are cancelled and terminated.
var interrupted = map[string]func(*testing.T) devstack.Secret{
	"KMS, the first rotation of a pair": newSecret,
	"KMS, a pair": func(t *testing.T) devstack.Secret {
		secret := newSecret(t)
		byHand{t, secret, ""}.rotate()
		return secret
	},
	"KMS, a single account": func(t *testing.T) devstack.Secret {
		secret := newSecret(t)
		edit(t, secret.Name, without("MasterSecret"))
		return secret
	},
	"AWS, a pair":           newAWSPair,
	"AWS, a single account": newAWSSingleUser,
}

// everyMoment are the kinds of which the first request of each step is tried, too; they differ most.
var everyMoment = map[string]bool{"KMS, the first rotation of a pair": true, "KMS, a single account": true}

// moment is one of a rotation's requests to its store.
type moment struct {
	step rotation.Step
	name string
	nth  int
}

// momentsOf are the last request of each step, and maybe the first, as a rotation makes them in which nothing goes wrong.
func momentsOf(t *testing.T, kind string, secret devstack.Secret) (list []moment) {
	t.Helper()
	begun := len(stack.Cloud.Requests())
	made := 0
	after := func(step rotation.Step) {
		first := made + 1
		if made = len(requestsOf(secret, begun)); made < first {
			return
		}
		list = append(list, moment{step, "at its last request in " + string(step), made})
		if made > first && everyMoment[kind] {
			list = append(list, moment{step, "at its first request in " + string(step), first})
		}
	}
	h := byHand{t, secret, ""}
	steps := h.attempt()
	plan, err := steps.Look(t.Context(), activities.LookInput{Request: h.request(), Version: newVersion()})
	require.NoError(t, err)
	after(rotation.StepLook)
	_, err = steps.New(t.Context(), activities.StepInput{Plan: plan})
	require.NoError(t, err)
	after(rotation.StepNew)
	h.set(plan)
	after(rotation.StepSet)
	_, err = steps.Test(t.Context(), activities.StepInput{Plan: plan})
	require.NoError(t, err)
	after(rotation.StepTest)
	_, err = steps.End(t.Context(), activities.EndInput{Plan: plan})
	require.NoError(t, err)
	after(rotation.StepEnd)
	return list
}

// atRequest lets something happen before a request about the secret is carried out, the nth from now on.
func atRequest(t *testing.T, secret devstack.Secret, nth int, happen func()) {
	t.Helper()
	var count atomic.Int64
	t.Cleanup(stack.Cloud.Before(func(r cloudsim.Request) cloudsim.Verdict {
		if ours(r, secret) && count.Add(1) == int64(nth) {
			happen()
		}
		return cloudsim.Apply
	}))
}

// currentCredential is what clients read now.
func currentCredential(t *testing.T, secret devstack.Secret) credential {
	t.Helper()
	if secret.Store == rotation.StoreAWS {
		return awsHolder(t, secret.Name, awssecretsmanager.Current)
	}
	return holder(t, secret, alibabakms.Current)
}

func pendingVersion(t *testing.T, secret devstack.Secret) string {
	t.Helper()
	if secret.Store == rotation.StoreAWS {
		s := awsStored(t, secret.Name)
		if v := s.Holder(awssecretsmanager.Pending); v != nil {
			return v.ID
		}
		return ""
	}
	if v := pendingOf(t, secret); v != nil {
		return v.ID
	}
	return ""
}

func versionsOf(t *testing.T, secret devstack.Secret) int {
	t.Helper()
	if secret.Store == rotation.StoreAWS {
		return len(awsStored(t, secret.Name).Versions)
	}
	return len(stored(t, secret.Name).Versions)
}

// ended waits for a rotation, however it ends, and gives its result.
func ended(t *testing.T, run client.WorkflowRun) (result rotation.Result, canceled bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	err := run.Get(ctx, &result)
	if c, ok := errors.AsType[*sdktemporal.CanceledError](err); ok {
		require.NoError(t, c.Details(&result))
		return result, true
	}
	if err != nil {
		return outcome(t, run), false
	}
	return result, false
}

// Wherever a rotation is cancelled, it rolls back with a proof, and is cancelled; when the test has passed, or a single account has the new
// password, it finishes first.
func TestCancelledAtEveryStep(t *testing.T) {
	t.Parallel()
	for name, prepare := range interrupted {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, at := range momentsOf(t, name, prepare(t)) {
				t.Run(at.name, func(t *testing.T) {
					t.Parallel()
					secret := prepare(t)
					first, before, versions := currentCredential(t, secret), currentVersion(t, secret), versionsOf(t, secret)
					atRequest(t, secret, at.nth, func() {
						if err := temporal.CancelWorkflow(t.Context(), canonicalID(secret), ""); err != nil {
							t.Errorf("cancel: %v", err)
						}
					})
					run := start(t, queue, secret, nil)
					result, canceled := ended(t, run)
					now := currentCredential(t, secret)
					require.True(t, logsIn(t, now))
					switch {
					case result.Outcome == rotation.Rotated:
						require.False(t, canceled)
						require.Equal(t, run.GetRunID(), currentVersion(t, secret))
						late := at.step == rotation.StepEnd || at.step == rotation.StepTest
						require.True(t, late || at.step == rotation.StepSet && result.Strategy == rotation.SingleUser, "it went on")
						require.Equal(t, result.Strategy == rotation.DualAccount, logsIn(t, first))
					case result.Outcome == rotation.Refused:
						// On a busy machine Look may be made twice, and the request is of an earlier step than in the rotation in which nothing goes wrong.
						require.True(t, canceled)
						require.Contains(t, []rotation.Step{rotation.StepLook, rotation.StepNew}, at.step)
						require.Equal(t, versions, versionsOf(t, secret), "nothing was changed")
					default:
						require.True(t, canceled)
						require.Equal(t, rotation.RolledBack, result.Outcome)
						require.NotEqual(t, rotation.StepEnd, at.step)
					}
					if canceled {
						require.Contains(t, result.Reason.Text, "cancelled")
						require.Equal(t, before, currentVersion(t, secret))
						require.Equal(t, first, now)
						require.Empty(t, pendingVersion(t, secret))
					}
					next := rotate(t, secret, nil)
					require.Equal(t, rotation.Rotated, next.Outcome, next.Reason)
					require.True(t, logsIn(t, currentCredential(t, secret)))
					require.Equal(t, next.Strategy == rotation.DualAccount, logsIn(t, now))
					require.NotContains(t, strings.Join(next.Notes, "; "), "unfinished", "a cancelled rotation leaves nothing")
				})
			}
		})
	}
}

// Wherever a rotation is terminated, its worker still at work, clients can log in, and the next one cleans up what was left, and says so.
func TestTerminatedAtEveryStep(t *testing.T) {
	t.Parallel()
	for name, prepare := range interrupted {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, at := range momentsOf(t, name, prepare(t)) {
				t.Run(at.name, func(t *testing.T) {
					t.Parallel()
					secret := prepare(t)
					first, versions := currentCredential(t, secret), versionsOf(t, secret)
					terminated := make(chan struct{})
					atRequest(t, secret, at.nth, func() {
						defer close(terminated)
						if err := temporal.TerminateWorkflow(t.Context(), canonicalID(secret), "", "a test"); err != nil {
							t.Errorf("terminate: %v", err)
						}
					})
					run := start(t, queue, secret, nil)
					<-terminated
					next := rotate(t, secret, nil)
					for tries := 0; tries < 3 && next.Outcome == rotation.Refused && (at.step == rotation.StepSet || at.step == rotation.StepEnd); tries++ {
						// What the terminated one was about to change came between two looks of this one, which has changed nothing.
						require.Contains(t, []rotation.Kind{rotation.Permanent, rotation.Conflict}, next.Reason.Kind)
						require.Equal(t, 1, versionsOf(t, secret)-versions, "the terminated one's version, and no other")
						next = rotate(t, secret, nil)
					}
					require.Equal(t, rotation.Rotated, next.Outcome, next.Reason)
					notes := strings.Join(next.Notes, "\n")
					adopted := next.Version == run.GetRunID()
					now := currentCredential(t, secret)
					require.Equal(t, next.Version, currentVersion(t, secret))
					require.True(t, logsIn(t, now))
					if secret.Store == rotation.StoreAWS {
						require.Equal(t, next.Version, pendingVersion(t, secret), "as AWS's own rotation leaves it")
					} else {
						require.Empty(t, pendingVersion(t, secret))
					}
					written := versionsOf(t, secret) - versions
					if adopted {
						require.Equal(t, 1, written)
						require.Contains(t, notes, "that rotation is finished instead of beginning another")
					} else {
						require.LessOrEqual(t, written, 2, "one for each of the two")
					}
					switch {
					case adopted || next.Former == run.GetRunID(): // the terminated one got as far as its End
					case at.step == rotation.StepSet || at.step == rotation.StepTest:
						require.Contains(t, notes, "an unfinished rotation left version "+run.GetRunID()+" pending; it is taken over")
					}
					if next.Strategy == rotation.DualAccount {
						halfDone := next.Former != run.GetRunID() && (at.step == rotation.StepTest || strings.Contains(notes, "had set account"))
						require.Equal(t, halfDone, strings.Contains(notes, "an unfinished rotation had set account "+next.Account+" already"), notes)
						require.True(t, next.Former == run.GetRunID() || logsIn(t, first), "the credential that was current before still works")
					}
				})
			}
		})
	}
}

// One that was terminated between its last two requests has left the pending stage on the version that it made current.
func TestPendingStageLeftOnTheCurrentVersion(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	s := stored(t, secret.Name)
	current := s.Holder(alibabakms.Current)
	current.Stages = append(current.Stages, "ACSPending")
	kms().Put(s)
	result := rotate(t, secret, nil)
	require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
	require.Contains(t, strings.Join(result.Notes, "\n"), "had made version "+secret.Version+" current and left the pending stage on it")
	require.Empty(t, pendingVersion(t, secret))
}

// A parked rotation that is cancelled rolls back; where that can't be proven it parks again and takes decisions, which a second cancel does
// not disturb. One that only goes forward stays parked.
func TestCancelledWhileParked(t *testing.T) {
	t.Parallel()
	cancel := func(t *testing.T, run client.WorkflowRun) {
		t.Helper()
		require.NoError(t, temporal.CancelWorkflow(t.Context(), run.GetID(), run.GetRunID()))
	}
	t.Run("and again", func(t *testing.T) {
		t.Parallel()
		secret, run := parkedRotation(t)
		first := holder(t, secret, alibabakms.Current)
		cancel(t, run)
		eventually(t, 2*time.Minute, "parked again", func() bool {
			status, err := query(run)
			return err == nil && status.State == rotation.StateParked && strings.Contains(status.Doing, "was cancelled. It was to be rolled back")
		})
		cancel(t, run)
		execute(t, "DROP USER '"+secret.Account+"_rt'@'%'")
		require.NoError(t, decide(t, run, rotation.UpdateRollback, "it is gone now"))
		result, canceled := ended(t, run)
		require.True(t, canceled)
		require.Equal(t, rotation.RolledBack, result.Outcome)
		require.Equal(t, "it is gone now", result.Decision.Reason)
		require.Equal(t, first, holder(t, secret, alibabakms.Current))
		require.Empty(t, pendingVersion(t, secret))
	})
	t.Run("in end", func(t *testing.T) {
		t.Parallel()
		secret := newSecret(t)
		run := start(t, queue, secret, nil)
		giveBack := meddle(t, run, rotation.StepEnd, func() func() { return makeCurrent(t, secret, "theirs") })
		parked(t, run)
		cancel(t, run)
		giveBack()
		require.ErrorContains(t, decide(t, run, rotation.UpdateRollback, "go back"), "no way back")
		require.NoError(t, decide(t, run, rotation.UpdateRetry, "moved it back"))
		result, canceled := ended(t, run)
		require.False(t, canceled)
		require.Equal(t, rotation.Rotated, result.Outcome)
		require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
	})
}
