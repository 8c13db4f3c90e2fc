package trial_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/trial"
)

// late is a change that is on its way when the worker dies, and arrives when another one has gone on.
type late struct {
	effect trial.Effect
	// atEnd: it arrives when the rotation has ended; else right before the next change that somebody makes.
	atEnd bool
}

func (l late) String() string {
	if l.atEnd {
		return fmt.Sprintf("%s, which arrives at the end", l.effect)
	}
	return fmt.Sprintf("%s, which arrives before the next change", l.effect)
}

// A change that arrives late undoes nothing: neither what another worker has done meanwhile, nor the outcome.
func TestLateChanges(t *testing.T) {
	t.Parallel()
	for i, kind := range kinds(t, 0) {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			var cases []late
			for _, effect := range effectsOf(t, kind) {
				if effect.Source != trial.Temporal && effect.Changes() {
					cases = append(cases, late{effect, false}, late{effect, true})
				}
			}
			t.Logf("%d late changes", len(cases))
			for _, c := range sample(cases, 1, uint64(i)+500) {
				t.Run(c.String(), func(t *testing.T) {
					t.Parallel()
					untilMet(t, c.effect.String(), func() bool { return c.try(t, kind) })
				})
			}
		})
	}
}

// validity is how long the trials' workers sign requests to Alibaba Cloud for: one that arrives later is refused there.
const validity = 3 * time.Second

// arrival is how long a late change may take to be carried out once it has been let go. Mostly nothing comes of it: its session was killed.
const arrival = time.Second

// try says whether the rotation came to the change.
func (l late) try(t *testing.T, kind trial.Kind) (met bool) {
	tr := newTrial(t, kind)
	first := startWorker(t, tr)
	killed, letGo, arrived := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var dies, goes, arrives sync.Once
	release := func() {
		goes.Do(func() {
			close(letGo)
			select {
			case <-arrived:
			case <-time.After(arrival):
			}
		})
	}
	tr.Hook(func(e trial.Effect, m trial.Moment) trial.Verdict {
		switch {
		case e == l.effect && m == trial.Before:
			dies.Do(func() {
				tr.Linger(true)
				if err := first.Kill(); err != nil {
					t.Error(err)
				}
				close(killed)
				l.hold(t.Context(), tr, letGo)
			})
		case e == l.effect && m == trial.After:
			arrives.Do(func() { close(arrived) })
		case m == trial.Before && e.Changes() && e.Source != trial.Temporal && !l.atEnd:
			select {
			case <-killed:
				release()
			default:
			}
		}
		return trial.Pass
	})
	defer release()
	run, err := tr.Rotate(t.Context())
	require.NoError(t, err)
	if !dead(t, run, killed) {
		return false
	}
	tr.Linger(false)
	startWorker(t, tr)
	ended, err := tr.Outcome(t.Context(), run)
	require.NoError(t, err)
	tr.Linger(true) // so that what arrives now is carried out to its end
	release()
	requireRotated(t, tr, ended)
	return true
}

// hold keeps a change on its way until it is let go, or until the cloud would take it no longer.
func (l late) hold(ctx context.Context, tr *trial.Trial, letGo <-chan struct{}) {
	expires := make(<-chan time.Time)
	if l.effect.Source != trial.SQL && tr.Secret.Store != rotation.StoreAWS {
		expires = time.After(validity * 3 / 4)
	}
	select {
	case <-letGo:
	case <-expires:
	case <-ctx.Done():
	}
}
