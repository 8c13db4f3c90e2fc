package trial_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"rotor/internal/trial"
)

// crash is the death of a worker at an effect.
type crash struct {
	kind   trial.Kind
	effect trial.Effect
	moment trial.Moment
}

// Whenever the worker is killed, another one takes the rotation to its outcome, with one version, and no client is locked out.
func TestWorkerIsKilled(t *testing.T) {
	t.Parallel()
	for i, kind := range kinds(t, 0) {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			var crashes []crash
			for _, effect := range toTry(kind, effectsOf(t, kind)) {
				crashes = append(crashes, crash{kind, effect, trial.Before})
				// Nobody outside can tell a death after something was read from one before what comes next.
				if effect.Changes() || effect.TakesLock() {
					crashes = append(crashes, crash{kind, effect, trial.After})
				}
			}
			t.Logf("%d crashes", len(crashes))
			for _, c := range sample(crashes, 2, uint64(i)) {
				t.Run(fmt.Sprintf("%s %s", c.moment, c.effect), func(t *testing.T) {
					t.Parallel()
					untilMet(t, c.effect.String(), func() bool { return c.try(t) })
				})
			}
		})
	}
}

// killPatience is how long a rotation may take to come to an effect, on a machine that is busy with many of them.
const killPatience = 5 * time.Minute

// endPatience is how much later than the end of a rotation its last answer may come to the worker.
const endPatience = 2 * time.Second

// try says whether the rotation came to the effect.
func (c crash) try(t *testing.T) (met bool) {
	tr := newTrial(t, c.kind)
	first := startWorker(t, tr)
	killed := make(chan struct{})
	var once sync.Once
	tr.Hook(func(e trial.Effect, m trial.Moment) trial.Verdict {
		verdict := trial.Pass
		if e == c.effect && m == c.moment {
			once.Do(func() {
				// Half of the deaths are those of machines: the database is not told, and keeps the session and its lock.
				tr.Linger(c.moment == trial.After)
				if err := first.Kill(); err != nil {
					t.Error(err)
				}
				close(killed)
				verdict = trial.Drop
			})
		}
		return verdict
	})
	run, err := tr.Rotate(t.Context())
	require.NoError(t, err)
	if !diesOnTheWay(t, run, killed) {
		return false
	}
	tr.Hook(nil)
	tr.Linger(false)
	startWorker(t, tr)
	ended, err := tr.Outcome(t.Context(), run)
	require.NoError(t, err)
	requireRotated(t, tr, ended)
	return true
}

// diesOnTheWay waits until a rotation's worker has been killed; false if the rotation ended before that.
func diesOnTheWay(t *testing.T, run client.WorkflowRun, killed <-chan struct{}) bool {
	t.Helper()
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = run.Get(t.Context(), nil) // its outcome is asked for later
	}()
	select {
	case <-killed:
		return true
	case <-over:
		select {
		case <-killed: // at its very end
			return true
		case <-time.After(endPatience):
			return false
		}
	case <-time.After(killPatience):
		t.Fatal("it did not come to the effect")
		return false
	}
}
