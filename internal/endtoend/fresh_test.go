package endtoend

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/activities"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// Steps that follow each other at once don't see again what was seen a moment ago, unless a change depends on it: whatever somebody else does
// between two of them is noticed before anything is changed.
func TestStrangerBetweenStepsThatGoExpress(t *testing.T) {
	t.Parallel()
	for store, prepare := range map[string]func(*testing.T) devstack.Secret{"KMS": newSecret, "AWS": newAWSPair} {
		for name, test := range map[string]struct {
			before rotation.Step
			act    func(*testing.T, devstack.Secret)
			// conflict: it is known at once who was there; else it is looked at again.
			conflict bool
		}{
			"the stage is moved before New":   {rotation.StepNew, func(t *testing.T, s devstack.Secret) { giveStage(t, s, rotation.Current, theirs) }, true},
			"a version is put before New":     {rotation.StepNew, func(t *testing.T, s devstack.Secret) { giveStage(t, s, rotation.Pending, theirs) }, true},
			"the stage is moved before Set":   {rotation.StepSet, func(t *testing.T, s devstack.Secret) { giveStage(t, s, rotation.Current, theirs) }, true},
			"pending is taken off before Set": {rotation.StepSet, func(t *testing.T, s devstack.Secret) { giveStage(t, s, rotation.Pending, "") }, false},
			"pending is given on before Set":  {rotation.StepSet, func(t *testing.T, s devstack.Secret) { giveStage(t, s, rotation.Pending, theirs) }, false},
			"the account is dropped before Test": {rotation.StepTest, func(t *testing.T, s devstack.Secret) {
				execute(t, "DROP USER '"+standbyOf(s)+"'@'%'")
			}, false},
			"the stage is moved before End":   {rotation.StepEnd, func(t *testing.T, s devstack.Secret) { giveStage(t, s, rotation.Current, theirs) }, true},
			"pending is taken off before End": {rotation.StepEnd, func(t *testing.T, s devstack.Secret) { giveStage(t, s, rotation.Pending, "") }, false},
		} {
			t.Run(store+", "+name, func(t *testing.T) {
				t.Parallel()
				h := byHand{t, prepare(t), ""}
				steps, in := h.express()
				var err error
				for _, step := range []rotation.Step{rotation.StepNew, rotation.StepSet, rotation.StepTest, rotation.StepEnd} {
					var before string
					if test.before == step {
						test.act(t, h.secret)
						before = picture(t, h.secret)
					}
					var differences []string
					switch step {
					case rotation.StepNew:
						_, err = steps.New(t.Context(), in)
					case rotation.StepSet:
						_, err = steps.Set(t.Context(), in)
					case rotation.StepTest:
						var tested activities.TestResult
						tested, err = steps.Test(t.Context(), in)
						differences = tested.Differences
					default:
						_, err = steps.End(t.Context(), activities.EndInput{Plan: in.Plan, Fresh: true})
					}
					if test.before != step {
						require.NoError(t, err, step)
						require.Empty(t, differences, step)
						continue
					}
					require.True(t, err != nil || len(differences) > 0, "%s did not notice", step)
					require.Equal(t, before, picture(t, h.secret), "%s: %v", step, err)
					if test.conflict {
						require.Equal(t, rotation.Conflict, rotation.KindOf(err), "%v", err)
					}
					return
				}
			})
		}
	}
}

// With one account the password is what is looked at again.
func TestStrangerBeforeSetOfOneAccountThatGoesExpress(t *testing.T) {
	t.Parallel()
	for store, prepare := range map[string]func(*testing.T) devstack.Secret{"KMS": interrupted["KMS, a single account"], "AWS": newAWSSingleUser} {
		for name, test := range map[string]struct {
			act  func(*testing.T, devstack.Secret)
			kind rotation.Kind
		}{
			"the password is changed": {func(t *testing.T, s devstack.Secret) {
				execute(t, "ALTER USER '"+s.Account+"'@'%' IDENTIFIED BY 'theirs-0815'")
			}, rotation.Conflict},
			"the stage is moved":  {func(t *testing.T, s devstack.Secret) { giveStage(t, s, rotation.Current, theirs) }, rotation.Conflict},
			"pending is given on": {func(t *testing.T, s devstack.Secret) { giveStage(t, s, rotation.Pending, theirs) }, ""}, // noticed, or not visible yet
			"the session is ended": {func(t *testing.T, s devstack.Secret) {
				require.NoError(t, stack.MySQL.EndSessions(t.Context(), s.Account))
			}, rotation.Retryable},
		} {
			t.Run(store+", "+name, func(t *testing.T) {
				t.Parallel()
				h := byHand{t, prepare(t), ""}
				steps, in := h.express()
				_, err := steps.New(t.Context(), in)
				require.NoError(t, err)
				test.act(t, h.secret)
				before := picture(t, h.secret)
				_, err = steps.Set(t.Context(), in)
				require.Error(t, err)
				if test.kind != "" {
					require.Equal(t, test.kind, rotation.KindOf(err), "%v", err)
				}
				require.Equal(t, before, picture(t, h.secret))
			})
		}
	}
}

// express looks as a worker does whose next steps go express, and gives the steps and their input.
func (h byHand) express() (*activities.Rotation, activities.StepInput) {
	h.Helper()
	steps := h.attempt(func(r *activities.Rotation) { r.Memory = &activities.Memory{For: time.Minute, Limit: 100} })
	plan, err := steps.Look(h.Context(), activities.LookInput{Request: h.request(), Version: newVersion()})
	require.NoError(h, err)
	return steps, activities.StepInput{Plan: plan, Fresh: true}
}

// standbyOf is the name of the account that a secret's first rotation creates.
func standbyOf(s devstack.Secret) string {
	if s.Store == rotation.StoreAWS {
		return s.Account + "_clone"
	}
	return s.Account + "_rt"
}
