package trial_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"rotor/internal/rotation"
	"rotor/internal/trial"
	"rotor/workflows"
)

// beside is somebody else who acts right before an effect of a rotation.
type beside struct {
	who trial.Stranger
	at  trial.Effect
}

func (b beside) String() string { return fmt.Sprintf("%s before %s", b.who.Name, b.at) }

// Whatever somebody else does to the secret and its accounts while a rotation is at work, and whenever: the rotation does not lie about its
// outcome, loses nothing, and leaves theirs alone.
func TestSomebodyElse(t *testing.T) {
	t.Parallel()
	for i, kind := range kinds(t, 1) {
		kind.Patience = "5s"
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			effects := effectsOf(t, kind)
			var cases []beside
			for n, effect := range effects {
				// What was there when it looked is nobody else's: a pending version, for one, is taken for one of an unfinished rotation.
				looks := effect.Step == "" || effect.Step == "Look"
				if kind.Express {
					looks = !slices.ContainsFunc(effects[:n], func(e trial.Effect) bool { return e.Source == trial.Store && e.Changes() })
				}
				for _, who := range trial.Strangers {
					if !looks && ofItsOwn(kind, effect) && who.Comes(kind) && findsSomething(kind, who, effects[:n]) && who.Tells(effect) && (!kind.Known || effect.Source == trial.Store || effect.Changes()) {
						cases = append(cases, beside{who, effect})
					}
				}
			}
			cases = halfExpress(kind, cases, uint64(i)+400)
			t.Logf("%d occasions", len(cases))
			var acted atomic.Int64
			t.Cleanup(func() {
				t.Logf("somebody else found something to act on %d times", acted.Load())
				require.True(t, t.Failed() || acted.Load() > 0, "nobody else found anything to act on")
			})
			for _, c := range sample(cases, 2, uint64(i)+400) {
				t.Run(c.String(), func(t *testing.T) {
					t.Parallel()
					untilMet(t, c.String(), func() bool { return c.try(t, kind, &acted) })
				})
			}
		})
	}
}

// findsSomething says whether a stranger has something to act on, after these effects: a pending stage to take off, an account to change.
func findsSomething(kind trial.Kind, who trial.Stranger, before []trial.Effect) bool {
	had := func(name string) bool {
		return slices.ContainsFunc(before, func(e trial.Effect) bool { return strings.Contains(e.Name, name) })
	}
	switch {
	case who.TakesOff && strings.HasPrefix(kind.Name, "aws"): // it stays on the version that has become current
		return kind.Repeated || had("PutSecretValue")
	case who.TakesOff:
		return had("PutSecretValue") && !had(trial.TakingOff)
	case who.Sets && who.Stage == "":
		pair := !kind.Alone && (kind.Strategy == "" || kind.Strategy == rotation.DualAccount)
		return !pair || kind.Repeated || had("CREATE USER") || had("CreateAccount")
	}
	return true
}

// try says whether the rotation came to the effect.
func (b beside) try(t *testing.T, kind trial.Kind, acted *atomic.Int64) (met bool) {
	tr := newTrial(t, kind)
	var mu sync.Mutex
	var occasion trial.Occasion
	var done *trial.Meddling
	var failed error
	var before []trial.Lockout
	tr.Hook(func(e trial.Effect, m trial.Moment) trial.Verdict {
		if m != trial.Before {
			return trial.Pass
		}
		mu.Lock()
		defer mu.Unlock()
		if e == b.at && !met {
			met, occasion.At = true, len(occasion.Effects)
			before = tr.LockedOut()
			done, failed = tr.Meddle(context.Background(), b.who)
		}
		occasion.Effects = append(occasion.Effects, e)
		return trial.Pass
	})
	startWorker(t, tr)
	run, err := tr.Rotate(t.Context())
	require.NoError(t, err)
	ended := endedOrAbandoned(t, tr, run)
	tr.Hook(nil)
	mu.Lock()
	defer mu.Unlock()
	require.NoError(t, failed)
	if !met { // a machine can be so busy that what is tried for a few seconds is rolled back before, or can't be in as many, and is parked
		if reason := ended.Result.Reason; ended.Result.Outcome == rotation.Abandoned && reason != nil && reason.Kind == rotation.Retryable {
			require.Empty(t, tr.LockedOut())
			return false
		}
		requireSound(t, tr, ended)
		return false
	}
	if done == nil { // there was nothing to act on
		requireRotated(t, tr, ended)
		return true
	}
	acted.Add(1)
	after, err := bench.Look(t.Context(), tr.Secret)
	require.NoError(t, err)
	t.Logf("%s", ended.Result.Outcome)
	require.Empty(t, before, "before anybody else had acted")
	require.Empty(t, trial.AuditBeside(kind, tr.Secret, tr.Outset, done, occasion, after, ended, tr.LockedOut()), "%s: %+v", ended.Result.Outcome, ended.Result.Reason)
	return true
}

// endedOrAbandoned waits for the outcome of a rotation, and gives it up if it is parked.
func endedOrAbandoned(t *testing.T, tr *trial.Trial, run client.WorkflowRun) trial.Ended {
	t.Helper()
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = run.Get(t.Context(), nil) // its outcome is asked for below
	}()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for parked := false; !parked; {
		select {
		case <-over:
			parked = true
		case <-tick.C:
			status, err := bench.Status(t.Context(), run)
			if err != nil || status.State != rotation.StateParked {
				continue
			}
			handle, err := bench.Temporal.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
				WorkflowID: run.GetID(), RunID: run.GetRunID(), UpdateName: rotation.UpdateAbandon,
				Args: []any{workflows.Decide{Reason: "somebody else is at work"}}, WaitForStage: client.WorkflowUpdateStageCompleted,
			})
			if notReady := new(serviceerror.WorkflowNotReady); errors.As(err, &notReady) {
				continue // the machine is busy
			}
			require.NoError(t, err)
			require.NoError(t, handle.Get(t.Context(), nil))
			parked = true
		}
	}
	ended, err := tr.Outcome(t.Context(), run)
	require.NoError(t, err)
	return ended
}
