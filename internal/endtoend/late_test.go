package endtoend

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/activities"
	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

// A late attempt is one that was given up and still runs. It must change nothing after a later step, a rollback or the next rotation. Each
// rule that sees to that is taken away once, to see what would happen.

// pairs and singles are the secrets of the late attempts.
var lateSecrets = map[string]func(*testing.T) byHand{
	"the first rotation of a pair": func(t *testing.T) byHand { return byHand{t, newSecret(t), ""} },
	"a pair": func(t *testing.T) byHand {
		h := byHand{t, newSecret(t), ""}
		h.rotate()
		return h
	},
	"a single account that its admin changes": func(t *testing.T) byHand { return byHand{t, newSecret(t), rotation.SingleUser} },
	"a single account that changes itself": func(t *testing.T) byHand {
		h := byHand{t, newSecret(t), ""}
		edit(t, h.secret.Name, without("MasterSecret"))
		return h
	},
}

// A Set that has passed its checks is overtaken by a rollback that claims that everything is as it was.
func TestLateSet(t *testing.T) {
	t.Parallel()
	for name, prepare := range lateSecrets {
		for rule, unfenced := range map[string]func(*activities.Rotation){"": func(*activities.Rotation) {}, ", without the lock": unfenced(1)} {
			t.Run(name+rule, func(t *testing.T) {
				t.Parallel()
				h := prepare(t)
				before := picture(t, h.secret)
				plan := h.begin()
				at := newGate()
				letGo := h.late(at, func() error {
					_, err := h.attempt(heldAtChange(at)).Set(t.Context(), activities.StepInput{Plan: plan})
					return err
				})
				h.rollBack(plan, unfenced)
				err := letGo()
				now := withoutVersion(h, plan.Version)
				if rule != "" {
					require.NoError(t, err)
					require.NotEqual(t, before, now, "the rollback has lied")
					return
				}
				require.Equal(t, rotation.Retryable, rotation.KindOf(err), "%v", err)
				require.Equal(t, before, now)
			})
		}
	}
}

// versionOf is the credential of a version.
func versionOf(t *testing.T, secret devstack.Secret, id string) credential {
	t.Helper()
	versions := stored(t, secret.Name).Versions
	i := slices.IndexFunc(versions, func(v alibabakms.Version) bool { return v.ID == id })
	require.GreaterOrEqual(t, i, 0)
	return credentialOf(t, &versions[i])
}

// withoutVersion is the picture without a version that carries no stage any more.
func withoutVersion(h byHand, id string) string {
	h.Helper()
	s := stored(h.T, h.secret.Name)
	kept := s
	kept.Versions = nil
	for _, v := range s.Versions {
		if v.ID == id {
			require.Empty(h, v.Stages)
			continue
		}
		kept.Versions = append(kept.Versions, v)
	}
	kms().Put(kept)
	defer kms().Put(s)
	return picture(h.T, h.secret)
}

// A Set takes the lock, and looks, when the rollback has let go of it and has not yet taken the pending stage off. Only that the rollback
// takes the lock a second time keeps the Set from acting after the rollback's proof.
func TestLateSetBetweenRollbacksLocks(t *testing.T) {
	t.Parallel()
	for name, prepare := range lateSecrets {
		for rule, unfenced := range map[string]func(*activities.Rotation){"": func(*activities.Rotation) {}, ", without the second lock": unfenced(2)} {
			t.Run(name+rule, func(t *testing.T) {
				t.Parallel()
				h := prepare(t)
				before := picture(t, h.secret)
				plan := h.begin()
				inRollback, inSet := newGate(), newGate()
				goOn := h.late(inRollback, func() error {
					held := around(h.secret.Store, func(s secretstore.Store) secretstore.Store { return heldStore{Store: s, at: inRollback} })
					result, err := h.attempt(held, unfenced).Rollback(t.Context(), activities.RollbackInput{Plan: plan, SetStarted: true})
					require.False(t, result.Forward)
					return err
				})
				letGo := h.late(inSet, func() error {
					_, err := h.attempt(heldAtChange(inSet)).Set(t.Context(), activities.StepInput{Plan: plan})
					return err
				})
				require.NoError(t, goOn(), "it says that it has rolled back")
				err := letGo()
				now := withoutVersion(h, plan.Version)
				if rule != "" {
					require.NoError(t, err)
					require.NotEqual(t, before, now, "the rollback has lied")
					return
				}
				require.Equal(t, rotation.Retryable, rotation.KindOf(err), "%v", err)
				require.Equal(t, before, now)
			})
		}
	}
}

// The Set of a rotation that was terminated changes the account after the next one has looked, and before that one's version is pending. It is
// nobody else's doing: the next one replaces it, and can take it back.
func TestLateSetOfATerminatedRotation(t *testing.T) {
	t.Parallel()
	secrets := maps.Clone(lateSecrets)
	if twoPasswords() {
		secrets["an account with two passwords"] = func(t *testing.T) byHand { return byHand{t, newSecret(t), rotation.DualPassword} }
	}
	for name, prepare := range secrets {
		begin := func(t *testing.T) (h byHand, next rotation.Plan) {
			h = prepare(t)
			terminated := h.begin()
			next = h.look()
			require.Equal(t, terminated.Version, next.StalePending)
			h.set(terminated)
			h.new(next)
			return h, next
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, next := begin(t)
			h.set(next)
			h.end(next)
			require.Equal(t, next.Version, currentVersion(t, h.secret))
			require.True(t, logsIn(t, holder(t, h.secret, alibabakms.Current)))
		})
		t.Run(name+", rolled back", func(t *testing.T) {
			t.Parallel()
			h, next := begin(t)
			result, err := h.attempt().Rollback(t.Context(), activities.RollbackInput{Plan: next, SetStarted: true})
			require.NoError(t, err)
			require.Equal(t, next.Strategy == rotation.SingleUser, result.Forward, "where only the terminated one's password works, which no stage names")
			if result.Forward {
				h.set(next)
				h.end(next)
			} else if next.Restore != "" {
				require.True(t, logsIn(t, versionOf(t, h.secret, next.Restore)))
				require.False(t, logsIn(t, versionOf(t, h.secret, next.StalePending)))
			}
			require.True(t, logsIn(t, holder(t, h.secret, alibabakms.Current)))
			h.rotate()
			require.True(t, logsIn(t, holder(t, h.secret, alibabakms.Current)))
		})
	}
}

// Steps that went express were lost with their workflow task, so that nobody knows what they did, and the rotation is cancelled. They may still run
// after its rollback, and change nothing.
func TestLostStepsAfterARollback(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a single account that its admin changes", "a single account that changes itself"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := lateSecrets[name](t)
			before := picture(t, h.secret)
			plan := h.look()
			result, err := h.attempt().Rollback(t.Context(), activities.RollbackInput{Plan: plan, SetStarted: true, PutUncertain: true, SetUncertain: true})
			require.NoError(t, err)
			require.False(t, result.Forward)
			require.Equal(t, rotation.ProofLogin, result.Proof)
			lost := h.attempt()
			_, _ = lost.New(t.Context(), activities.StepInput{Plan: plan})
			_, err = lost.Set(t.Context(), activities.StepInput{Plan: plan})
			require.NotEmpty(t, rotation.KindOf(err), "%v", err)
			require.Equal(t, before, withoutVersion(h, plan.Version))
			require.True(t, logsIn(t, holder(t, h.secret, alibabakms.Current)))
		})
	}
}

// A Rollback that has passed its checks is overtaken by another attempt of it, and by the whole next rotation, which makes the account
// that it is about to change the current one.
func TestLateRollback(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"the first rotation of a pair", "a pair"} {
		for rule, unfenced := range map[string]func(*activities.Rotation){"": func(*activities.Rotation) {}, ", without the lock": unfenced(1)} {
			t.Run(name+rule, func(t *testing.T) {
				t.Parallel()
				h := lateSecrets[name](t)
				plan := h.begin()
				h.set(plan)
				at := newGate()
				letGo := h.late(at, func() error {
					_, err := h.attempt(heldAtChange(at)).Rollback(t.Context(), activities.RollbackInput{Plan: plan, SetStarted: true})
					return err
				})
				h.rollBack(plan, unfenced)
				next := h.rotate(unfenced)
				require.Equal(t, plan.Standby, next.Standby)
				err := letGo()
				current := holder(t, h.secret, alibabakms.Current)
				require.Equal(t, plan.Standby, current.AccountName)
				if rule != "" {
					require.False(t, logsIn(t, current), "readers are locked out")
					return
				}
				require.Equal(t, rotation.Retryable, rotation.KindOf(err), "%v", err)
				require.True(t, logsIn(t, current))
				require.Nil(t, pendingOf(t, h.secret))
			})
		}
	}
}

// An End that is about to move the stage is overtaken by another attempt of it, and by the next rotation's End.
func TestLateEnd(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		secret      func(*testing.T) devstack.Secret
		namesHolder bool
	}{
		"KMS":                                    {newSecret, false},
		"Secrets Manager":                        {newAWSPair, false},
		"KMS, naming the holder":                 {newSecret, true},
		"Secrets Manager, naming the one it has": {newAWSPair, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := byHand{t, test.secret(t), ""}
			plan := h.begin()
			h.set(plan)
			at := newGate()
			held := around(h.secret.Store, func(s secretstore.Store) secretstore.Store { return heldStore{s, at, test.namesHolder} })
			letGo := h.late(at, func() error {
				_, err := h.attempt(held).End(t.Context(), activities.EndInput{Plan: plan})
				return err
			})
			h.end(plan)
			next := h.rotate()
			err := letGo()
			if test.namesHolder {
				require.NoError(t, err)
				require.Equal(t, plan.Version, currentVersion(t, h.secret), "the next rotation, which has ended as Rotated, is undone")
				return
			}
			require.Equal(t, rotation.Conflict, rotation.KindOf(err), "%v", err)
			require.Equal(t, next.Version, currentVersion(t, h.secret))
		})
	}
}

func currentVersion(t *testing.T, secret devstack.Secret) string {
	t.Helper()
	if secret.Store == rotation.StoreAWS {
		s := awsStored(t, secret.Name)
		return s.Holder(awssecretsmanager.Current).ID
	}
	s := stored(t, secret.Name)
	return s.Holder(alibabakms.Current).ID
}

// A move of the stage is on its way when its attempt is given up. Secrets Manager compares when it arrives; KMS carries it out, so the
// rotation stays open until KMS would not take it any more.
func TestLateMove(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		secret func(*testing.T) devstack.Secret
		open   bool
	}{
		"KMS":             {newSecret, true},
		"Secrets Manager": {newAWSPair, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := byHand{t, test.secret(t), ""}
			plan := h.begin()
			h.set(plan)
			held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: h.secret.Name, Action: "UpdateSecretVersionStage"})
			defer held.Remove()
			givenUp := h.attempt()
			left := make(chan error, 1)
			go func() {
				_, err := givenUp.End(t.Context(), activities.EndInput{Plan: plan})
				left <- err
			}()
			<-held.Reached()
			ended, err := h.attempt().End(t.Context(), activities.EndInput{Plan: plan, Uncertain: 1})
			require.NoError(t, err)
			require.Equal(t, test.open, ended.Settle > 0, "the rotation stays open")
			// What would happen if it did not: the next rotation has ended when the move arrives.
			next := h.rotate()
			held.Release()
			err = <-left
			if test.open {
				require.Equal(t, plan.Version, currentVersion(t, h.secret), "the next rotation, which has ended as Rotated, is undone")
				return
			}
			require.Equal(t, rotation.Conflict, rotation.KindOf(err), "%v", err)
			require.Equal(t, next.Version, currentVersion(t, h.secret))
		})
	}
}

// Every step of a rotation that was rolled back is made again, as a whole, while the next one is under way and when it has ended.
func TestStepsOfAnOlderRotation(t *testing.T) {
	t.Parallel()
	steps := map[string]func(*activities.Rotation, *testing.T, rotation.Plan) error{
		"new": func(r *activities.Rotation, t *testing.T, p rotation.Plan) error {
			_, err := r.New(t.Context(), activities.StepInput{Plan: p})
			return err
		},
		"set": func(r *activities.Rotation, t *testing.T, p rotation.Plan) error {
			_, err := r.Set(t.Context(), activities.StepInput{Plan: p})
			return err
		},
		"end": func(r *activities.Rotation, t *testing.T, p rotation.Plan) error {
			_, err := r.End(t.Context(), activities.EndInput{Plan: p})
			return err
		},
		"rollback": func(r *activities.Rotation, t *testing.T, p rotation.Plan) error {
			_, err := r.Rollback(t.Context(), activities.RollbackInput{Plan: p, SetStarted: true, SetUncertain: true, PutUncertain: true})
			return err
		},
	}
	kinds := map[string]func(*testing.T) byHand{
		"AWS, a pair":           func(t *testing.T) byHand { return byHand{t, newAWSPair(t), ""} },
		"AWS, a single account": func(t *testing.T) byHand { return byHand{t, newAWSSingleUser(t), ""} },
	}
	for name, prepare := range lateSecrets {
		kinds["KMS, "+name] = prepare
	}
	for name, prepare := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := prepare(t)
			older := h.begin()
			h.rollBack(older)
			neverPut := older
			neverPut.Version = newVersion()
			all := func(moment string) {
				for step, make := range steps {
					for kind, plan := range map[string]rotation.Plan{"": older, " of one that had written nothing": neverPut} {
						before := picture(t, h.secret)
						err := make(h.attempt(), t, plan)
						require.Equal(t, before, picture(t, h.secret), "%s %s%s: %v", step, moment, kind, err)
						if step == "set" {
							require.Error(t, err, "%s %s%s", step, moment, kind)
						}
					}
				}
			}
			next := h.begin()
			all("after the next rotation's New")
			h.set(next)
			all("after its Set")
			h.end(next)
			all("after its End")
			h.begin()
			all("after New of the one after that")
		})
	}
}
