package endtoend

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	sim "rotor/internal/cloudsim/apsarards"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// denied lets the API deny actions on a secret's instance.
func denied(t *testing.T, secret devstack.Secret, actions ...string) {
	t.Helper()
	for _, action := range actions {
		t.Cleanup(stack.Cloud.Inject(about(secret, cloudsim.Fault{Kind: cloudsim.Deny, Action: action, Times: cloudsim.Always})).Remove)
	}
}

// What the worker may not change is named, nothing is promoted, and all is as it was.
func TestApsaraDeniedChanges(t *testing.T) {
	t.Parallel()
	for where, reach := range reaches {
		for action, partner := range map[string]bool{"CreateAccount": false, "GrantAccountPrivilege": false, "ResetAccountPassword": true} {
			t.Run(action+", "+where, func(t *testing.T) {
				t.Parallel()
				secret := newApsara(t)
				reach.prepare(t, secret)
				past := []credential{holder(t, secret, alibabakms.Current)}
				if partner {
					require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
					past = append(past, holder(t, secret, alibabakms.Current))
				}
				accounts := described(secret)
				denied(t, secret, action)
				result := rotate(t, secret, nil)
				require.Equal(t, rotation.RolledBack, result.Outcome, result.Reason)
				require.Contains(t, result.Reason.Text, "rds:"+action+" on acs:rds:cn-hangzhou:*:dbinstance/"+secret.Instance)
				require.Equal(t, reach.proof, result.Proof)
				require.Equal(t, accounts, described(secret), "an account that was created is dropped again")
				require.Equal(t, past[len(past)-1], holder(t, secret, alibabakms.Current))
				for _, c := range past {
					require.True(t, logsIn(t, c))
				}
				require.Nil(t, pendingOf(t, secret))
			})
		}
		t.Run("ResetAccountPassword of a single account, "+where, func(t *testing.T) {
			t.Parallel()
			secret := newApsara(t)
			reach.prepare(t, secret)
			first := holder(t, secret, alibabakms.Current)
			denied(t, secret, "ResetAccountPassword")
			result := rotate(t, secret, func(r *rotation.Request) { r.Strategy = rotation.SingleUser })
			require.Equal(t, rotation.RolledBack, result.Outcome, result.Reason)
			require.Contains(t, result.Reason.Text, "rds:ResetAccountPassword")
			require.Equal(t, reach.proof, result.Proof)
			require.True(t, logsIn(t, first))
			require.Equal(t, first, holder(t, secret, alibabakms.Current))
		})
	}
}

// After Set, what was there is restored, and what was not is dropped.
func TestApsaraFailureAfterSet(t *testing.T) {
	t.Parallel()
	for where, reach := range reaches {
		t.Run("an account that was created is dropped, "+where, func(t *testing.T) {
			t.Parallel()
			secret := newApsara(t)
			reach.prepare(t, secret)
			first := holder(t, secret, alibabakms.Current)
			result := failAfterSet(t, secret)
			require.Equal(t, rotation.RolledBack, result.Outcome, result.Reason)
			require.Equal(t, reach.proof, result.Proof)
			require.Equal(t, []string{secret.Account + " Available ReadWrite"}, described(secret))
			require.Nil(t, grants(t, secret.Account+"_rt"))
			require.True(t, logsIn(t, first))
		})
		t.Run("an account that was there has its password back, "+where, func(t *testing.T) {
			t.Parallel()
			secret := newApsara(t)
			reach.prepare(t, secret)
			first := holder(t, secret, alibabakms.Current)
			require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
			second := holder(t, secret, alibabakms.Current)
			// Slower than an attempt: the proof has to wait for the password to be back.
			change(t, secret, func(i *sim.Instance) { i.Delay = 3 * time.Second })
			result := failAfterSet(t, secret)
			require.Equal(t, rotation.RolledBack, result.Outcome, result.Reason)
			require.Equal(t, reach.proof, result.Proof)
			require.True(t, logsIn(t, first), "clients that cached it can still log in")
			require.True(t, logsIn(t, second))
			require.Equal(t, second, holder(t, secret, alibabakms.Current))
			require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome, "and the next rotation works")
		})
		t.Run("a single account goes forward once it is changed, "+where, func(t *testing.T) {
			t.Parallel()
			secret := newApsara(t)
			reach.prepare(t, secret)
			run := start(t, queue, secret, func(r *rotation.Request) { r.Strategy = rotation.SingleUser })
			failing := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: secret.Name, Action: "ListSecretVersionIds", If: func(cloudsim.Request) bool {
				status, err := query(run)
				return err == nil && lastStep(status) == rotation.StepTest
			}})
			defer failing.Remove()
			result := outcome(t, run)
			require.Positive(t, failing.Hits())
			require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
			require.Equal(t, reach.proof, result.Proof)
			require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
		})
	}
}

// A change whose answer was lost, and which is denied from then on, may have been made: out of reach, a single account's rotation goes
// forward, because that is right either way, and never says that it was rolled back.
func TestApsaraLostAnswerThenDenied(t *testing.T) {
	t.Parallel()
	secret := newApsara(t)
	outOfReach(t, secret)
	first := holder(t, secret, alibabakms.Current)
	lost := stack.Cloud.Inject(about(secret, cloudsim.Fault{Kind: cloudsim.CloseAfter, Action: "ResetAccountPassword"}))
	defer lost.Remove()
	var asked atomic.Int64
	f := about(secret, cloudsim.Fault{Kind: cloudsim.Deny, Action: "ResetAccountPassword", Times: cloudsim.Always})
	f.If = func(r cloudsim.Request) bool { return concerns(r, secret) && asked.Add(1) > 1 }
	denying := stack.Cloud.Inject(f)
	defer denying.Remove()
	run := start(t, queue, secret, func(r *rotation.Request) { r.Strategy = rotation.SingleUser })
	eventually(t, 2*time.Minute, "it says that there is no way back", func() bool {
		status, err := query(run)
		return err == nil && status.State == rotation.StateWaiting && denying.Hits() > 1
	})
	require.False(t, logsIn(t, first), "the password was changed")
	denying.Remove()
	result := outcome(t, run)
	require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
	require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
}

// An account that somebody else creates while the rotation runs is left alone, also where nobody can log in to it.
func TestApsaraStranger(t *testing.T) {
	t.Parallel()
	for where, reach := range reaches {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			secret := newApsara(t)
			reach.prepare(t, secret)
			held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: secret.Name, Action: "PutSecretValue"})
			run := start(t, queue, secret, nil)
			<-held.Reached()
			theirs := stranger(t, secret)
			held.Release()
			status := parked(t, run)
			require.Equal(t, rotation.Conflict, status.Failure.Kind)
			require.Contains(t, status.Doing, "somebody else created it")
			require.NoError(t, decide(t, run, rotation.UpdateRollback, "go back"))
			eventually(t, 2*time.Minute, "parked again", func() bool {
				status, err := query(run)
				return err == nil && status.State == rotation.StateParked && len(status.Steps) > 3
			})
			require.True(t, logsIn(t, theirs), "it is not dropped")
			require.Equal(t, 0, calls(secret, "DeleteAccount"))
			require.Equal(t, 0, calls(secret, "ResetAccountPassword"))
			require.NoError(t, decide(t, run, rotation.UpdateAbandon, "theirs"))
			require.Equal(t, rotation.Abandoned, outcome(t, run).Outcome)
		})
	}
}

// A standby account whose password somebody else changes while the rotation runs is not given another.
func TestApsaraChangedMeanwhile(t *testing.T) {
	t.Parallel()
	secret := newApsara(t)
	require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
	held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: secret.Name, Action: "PutSecretValue"})
	run := start(t, queue, secret, nil)
	<-held.Reached()
	theirs := credential{secret.Account, "Theirs-0815-x"}
	setPasswordBySQL(t, theirs.AccountName, theirs.AccountPassword)
	held.Release()
	status := parked(t, run)
	require.Contains(t, status.Doing, "somebody else changed it")
	require.True(t, logsIn(t, theirs))
	require.NoError(t, decide(t, run, rotation.UpdateAbandon, "theirs"))
	require.Equal(t, rotation.Abandoned, outcome(t, run).Outcome)
	require.True(t, logsIn(t, theirs))
}

// A standby account that the previous version does not name is taken over only if that is asked for.
func TestApsaraAdoption(t *testing.T) {
	t.Parallel()
	for where, reach := range reaches {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			secret := newApsara(t)
			reach.prepare(t, secret)
			theirs := stranger(t, secret)
			result := rotate(t, secret, func(r *rotation.Request) { r.AdoptStandby = true })
			require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
			require.Equal(t, reach.proof, result.Proof)
			require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
			require.False(t, logsIn(t, theirs))
		})
	}
	t.Run("failing out of reach, it is not said to be rolled back", func(t *testing.T) {
		t.Parallel()
		secret := newApsara(t)
		outOfReach(t, secret)
		stranger(t, secret)
		run := start(t, queue, secret, func(r *rotation.Request) { r.AdoptStandby = true })
		failing := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: secret.Name, Action: "ListSecretVersionIds", If: func(cloudsim.Request) bool {
			status, err := query(run)
			return err == nil && lastStep(status) == rotation.StepTest
		}})
		defer failing.Remove()
		status := parked(t, run)
		require.Contains(t, status.Doing, "could not be proven")
		require.NoError(t, decide(t, run, rotation.UpdateRetry, "the permission is back"))
		require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
	})
}

// Whenever the worker dies around a change, another one finishes the rotation.
func TestApsaraWorkerKilledAtEveryChange(t *testing.T) {
	t.Parallel()
	for where, reach := range reaches {
		for action, second := range map[string]bool{"CreateAccount": false, "GrantAccountPrivilege": false, "ResetAccountPassword": true} {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, after it %t, %s", action, after, where), func(t *testing.T) {
					t.Parallel()
					secret := newApsara(t)
					reach.prepare(t, secret)
					if second {
						require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
					}
					former := holder(t, secret, alibabakms.Current)
					versions := len(stored(t, secret.Name).Versions)
					taskQueue := "crash-" + secret.Name
					worker := startWorker(t, taskQueue)
					var killed atomic.Bool
					hit := func(r cloudsim.Request) bool {
						if !concerns(r, secret) || r.Action != action || killed.Load() {
							return false
						}
						worker.kill()
						killed.Store(true)
						return true
					}
					stop := stack.Cloud.After(func(r cloudsim.Request) {
						if after {
							hit(r)
						}
					})
					defer stop()
					stopBefore := stack.Cloud.Before(func(r cloudsim.Request) cloudsim.Verdict {
						if !after && hit(r) {
							return cloudsim.Drop
						}
						return cloudsim.Apply
					})
					defer stopBefore()
					run := start(t, taskQueue, secret, nil)
					eventually(t, 2*time.Minute, "killed", killed.Load)
					startWorker(t, taskQueue)
					result := outcome(t, run)
					require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
					require.Equal(t, reach.proof, result.Proof)
					require.Len(t, stored(t, secret.Name).Versions, versions+1, "one version is written")
					require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
					require.True(t, logsIn(t, former), "clients that have the former credential can still log in")
					require.Equal(t, []string{secret.Account + " Available ReadWrite", secret.Account + "_rt Available ReadWrite"}, described(secret))
				})
			}
		}
	}
}
