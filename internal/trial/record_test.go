package trial_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/trial"
)

// tried says that there has been a trial, so that there is something to search.
var tried atomic.Bool

// recordings are the effects of an undisturbed rotation, by the name of its kind.
var recordings sync.Map

// effectsOf gives the effects of an undisturbed rotation of a kind, in their order.
func effectsOf(t *testing.T, kind trial.Kind) []trial.Effect {
	t.Helper()
	record := sync.OnceValue(func() []trial.Effect { return recordEffects(t, kind) })
	once, _ := recordings.LoadOrStore(kind.Name, record)
	effects := once.(func() []trial.Effect)()
	require.NotEmpty(t, effects)
	return effects
}

// toTry leaves out what was tried with another kind already.
func toTry(kind trial.Kind, effects []trial.Effect) (some []trial.Effect) {
	for _, e := range effects {
		if ofItsOwn(kind, e) && (!kind.Known || e.Source != trial.SQL || e.Changes()) {
			some = append(some, e)
		}
	}
	return some
}

// ofItsOwn says whether what happens at an effect is not the same with another kind: until it retires the former credential, a rotation that does is like
// one that doesn't. Each has its own reports.
func ofItsOwn(kind trial.Kind, e trial.Effect) bool {
	return !kind.Retires || e.Source == trial.Temporal || e.Step == trial.StepRetire
}

// recordEffects records until nothing disturbed the rotation: a busy machine can make a step be tried twice.
func recordEffects(t *testing.T, kind trial.Kind) []trial.Effect {
	const tries = 8
	for range tries {
		effects := recordOnce(t, kind)
		if len(effects) > 0 && !slices.ContainsFunc(effects, func(e trial.Effect) bool {
			return e.Source == trial.Temporal && (e.Name == "RespondActivityTaskFailed" || e.Name == "RespondActivityTaskCompleted" && e.Nth > 1) ||
				// One that went express knows no other activities than these.
				kind.Express && e.Step != "" && e.Step != "Look" && e.Step != trial.StepRetire
		}) {
			return effects
		}
	}
	t.Fatalf("in %d rotations of %s a step was tried more than once, or too late", tries, kind.Name)
	return nil
}

// recordOnce gives none if no worker finished a step in time.
func recordOnce(t *testing.T, kind trial.Kind) (effects []trial.Effect) {
	tr := newTrial(t, kind)
	var mu sync.Mutex
	tr.Hook(func(e trial.Effect, m trial.Moment) trial.Verdict {
		mu.Lock()
		defer mu.Unlock()
		// How often an instance has to be asked until it is ready differs from run to run.
		if m == trial.Before && (e.Source != trial.RDS || e.Nth == 1) {
			effects = append(effects, e)
		}
		return trial.Pass
	})
	startWorker(t, tr)
	run, err := tr.Rotate(t.Context())
	require.NoError(t, err)
	ended, err := tr.Outcome(t.Context(), run)
	require.NoError(t, err)
	if reason := ended.Result.Reason; reason != nil && reason.Unanswered {
		requireSound(t, tr, ended)
		return nil
	}
	requireRotated(t, tr, ended)
	mu.Lock()
	defer mu.Unlock()
	return effects
}

// sortByName gives cases that came out of a map an order that is the same each time.
func sortByName[E any](list []E, name func(E) string) {
	slices.SortFunc(list, func(a, b E) int { return strings.Compare(name(a), name(b)) })
}

// halfExpress gives half of the cases of a kind whose steps go express, the same each time: what they do with the store and the database is the same
// code, and of the same calls.
func halfExpress[C any](kind trial.Kind, cases []C, salt uint64) []C {
	if !kind.Express {
		return cases
	}
	return some(cases, (len(cases)+1)/2, salt)
}

// sample gives all of a list with -full, else some, the same each time.
func sample[E any](list []E, of int, salt uint64) []E {
	if *full || len(list) <= of {
		return list
	}
	return some(list, of, salt)
}

// some gives so many of a list, in its order, the same each time.
func some[E any](list []E, of int, salt uint64) []E {
	random := rand.New(rand.NewPCG(seed, salt))
	chosen := random.Perm(len(list))[:of]
	slices.Sort(chosen)
	part := make([]E, 0, of)
	for _, i := range chosen {
		part = append(part, list[i])
	}
	return part
}
