package trial_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/trial"
)

// late is a change that is on its way when the worker dies, and arrives when another one has gone on.
type late struct {
	effect trial.Effect
	when   arrival
	// cancelled: the rotation is cancelled when its worker has died, and rolls back as far as it can.
	cancelled bool
}

// arrival is when a late change arrives.
type arrival string

const (
	beforeNext arrival = "before what comes next"
	atEnd      arrival = "when the rotation has ended"
)

func (l late) String() string {
	if l.cancelled {
		return fmt.Sprintf("%s arrives %s, and it is cancelled", l.effect, l.when)
	}
	return fmt.Sprintf("%s arrives %s", l.effect, l.when)
}

// A change that arrives late undoes nothing: neither what another worker has done meanwhile, nor the outcome.
func TestLateChanges(t *testing.T) {
	t.Parallel()
	var all atomic.Int64
	t.Cleanup(func() { require.True(t, t.Failed() || all.Load() > 0, "not one late change was carried out") })
	for i, kind := range kinds(t, 0) {
		// A request stays valid until another worker has taken over, which takes longest where the steps go express.
		kind.Settings = map[string]string{"ROTOR_ALIBABA_SIGNATURE_VALIDITY": validity.String()}
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			var cases []late
			for _, effect := range effectsOf(t, kind) {
				if effect.Source == trial.Temporal || !effect.Changes() || !ofItsOwn(kind, effect) {
					continue
				}
				cases = append(cases, late{effect, beforeNext, false}, late{effect, atEnd, false}, late{effect, beforeNext, true})
				// No session keeps a call to the RDS API from arriving after a rollback: docs/apsara-rds.md says so.
				if effect.Source != trial.RDS {
					cases = append(cases, late{effect, atEnd, true})
				}
			}
			cases = halfExpress(kind, cases, uint64(i)+500)
			t.Logf("%d late changes", len(cases))
			arrived := arrivals{trial.Store: new(atomic.Int64), trial.RDS: new(atomic.Int64), trial.SQL: new(atomic.Int64)}
			some := sample(cases, 2, uint64(i)+500)
			t.Cleanup(func() {
				for source, n := range arrived {
					all.Add(n.Load())
					early := 0
					for _, l := range some {
						if l.effect.Source == source && l.when == beforeNext {
							early++
						}
					}
					t.Logf("%s: %d late changes were carried out", source, n.Load())
					// At the end a statement may find no session any more, and of a few early ones each may have been too slow.
					require.True(t, t.Failed() || early < 3 || n.Load() > 0, "not one of them arrived: %s", source)
				}
			})
			for _, c := range some {
				t.Run(c.String(), func(t *testing.T) {
					t.Parallel()
					untilMet(t, c.effect.String(), func() bool { return c.try(t, kind, arrived) })
				})
			}
		})
	}
}

// validity is how long the workers of these trials sign requests to Alibaba Cloud for. One that arrives later is refused there, and rotations wait for
// that.
const validity = 15 * time.Second

// carried is how long a late change may take to be carried out once it has been let go. Where its session was killed, nothing comes of it.
const carried = time.Second

// arrivals counts the late changes that were carried out, by their source.
type arrivals map[string]*atomic.Int64

// try says whether the rotation came to the change.
func (l late) try(t *testing.T, kind trial.Kind, arrived arrivals) (met bool) {
	tr := newTrial(t, kind)
	first := startWorker(t, tr)
	killed, letGo, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var dies, goes, ends sync.Once
	release := func() {
		goes.Do(func() {
			close(letGo)
			select {
			case <-done:
			case <-time.After(carried):
			}
		})
	}
	dead := func() bool {
		select {
		case <-killed:
			return true
		default:
			return false
		}
	}
	// Sessions stay when their worker goes, so that what arrives on them is carried out.
	tr.Linger(true)
	tr.Hook(func(e trial.Effect, m trial.Moment) trial.Verdict {
		switch {
		case e == l.effect && m == trial.Before && !dead():
			dies.Do(func() {
				if err := first.Kill(); err != nil {
					t.Error(err)
				}
				close(killed)
				l.hold(t.Context(), tr, letGo)
			})
		case e == l.effect && m == trial.After:
			ends.Do(func() {
				arrived[l.effect.Source].Add(1)
				close(done)
			})
		case m == trial.Before && dead() && e.Source != trial.Temporal && l.when == beforeNext:
			release()
		}
		return trial.Pass
	})
	defer release()
	run, err := tr.Rotate(t.Context())
	require.NoError(t, err)
	if !diesOnTheWay(t, run, killed) {
		return false
	}
	if l.cancelled {
		require.NoError(t, bench.Temporal.CancelWorkflow(t.Context(), run.GetID(), run.GetRunID()))
	}
	startWorker(t, tr)
	ended, err := tr.Outcome(t.Context(), run)
	require.NoError(t, err)
	release()
	if !l.cancelled {
		requireRotated(t, tr, ended)
		return true
	}
	after, err := bench.Look(t.Context(), tr.Secret)
	require.NoError(t, err)
	broken := trial.Audit(tr.Kind, tr.Secret, tr.Outset, after, ended)
	if strings.HasPrefix(l.effect.Name, "Put") {
		// A put that arrives after the rollback harms nobody: the next rotation takes the version over.
		broken = slices.DeleteFunc(broken, func(text string) bool { return text == "version "+run.GetRunID()+" is pending still" })
	}
	require.Empty(t, broken, "%s: %+v", ended.Result.Outcome, ended.Result.Reason)
	require.Empty(t, tr.LockedOut())
	return true
}

// hold keeps a change on its way until it is let go, or until the cloud would take it no longer.
func (l late) hold(ctx context.Context, tr *trial.Trial, letGo <-chan struct{}) {
	expires := make(<-chan time.Time)
	if l.effect.Source != trial.SQL && tr.Secret.Store != rotation.StoreAWS {
		expires = time.After(validity * 9 / 10)
	}
	select {
	case <-letGo:
	case <-expires:
	case <-ctx.Done():
	}
}
