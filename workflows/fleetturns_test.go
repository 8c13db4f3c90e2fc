package workflows_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"rotor/internal/fleet"
	"rotor/internal/fleet/kept"
	"rotor/internal/rotation"
)

// A secret that somebody else is rotating has its turn at the end, and another takes its place meanwhile.
func TestBusyOnesComeLast(t *testing.T) {
	for name, test := range map[string]struct {
		// other is how the rotation that was in the way stands when the fleet looks for the first and the second time.
		other [2]kept.Seen
		now   bool
		began int
		tally fleet.Tally
	}{
		"the other's outcome is as good": {[2]kept.Seen{{Open: true}, {Outcome: rotation.Rotated, Ended: later}}, false, 11, fleet.Tally{Rotated: 12}},
		"a leak wants its own":           {[2]kept.Seen{{Open: true}, {Outcome: rotation.Rotated, Ended: later}}, true, 12, fleet.Tally{Rotated: 12}},
		"the other was refused":          {[2]kept.Seen{{Open: true}, {Outcome: rotation.Refused, Ended: later}}, false, 12, fleet.Tally{Rotated: 12}},
		"the other is parked":            {[2]kept.Seen{{Open: true}, {Open: true, Stuck: true}}, false, 11, fleet.Tally{Rotated: 11, Stuck: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			items, looks := secretsNamed(12), 0
			for i := range items {
				items[i].Request.Now = test.now
			}
			s := newFleet(t, fleetScript{items: items, seen: func(name string) kept.Seen {
				if name != "s2" {
					return kept.Seen{Open: true}
				}
				looks++
				return test.other[min(looks, 2)-1]
			}})
			s.busyFor = map[string]int{"s2": 1}
			s.run()
			status := s.status(t)
			require.Equal(t, test.tally, status.Tally)
			require.Zero(t, status.Busy)
			require.Equal(t, 2, looks)
			require.Len(t, s.began, test.began)
			if test.began == 12 {
				require.Equal(t, "s2", s.began[11])
			}
		})
	}
}

// A canary of which somebody else is rotating one has another in its place.
func TestBusyOneIsNoCanary(t *testing.T) {
	s := newFleet(t, fleetScript{items: secretsNamed(12), order: func(o *fleet.Order) { o.Canary = 2 }, seen: func(string) kept.Seen {
		return kept.Seen{Outcome: rotation.Rotated, Ended: later}
	}, rotate: func(ctx workflow.Context, name string) (*rotation.Result, error) {
		if name == "s2" {
			return rolledBack(ctx, name)
		}
		return rotated(ctx, time.Minute)
	}})
	s.busyFor = map[string]int{"s0": 1}
	s.say(time.Hour, fleet.UpdateStop, fleet.Say{})
	s.run()
	require.ElementsMatch(t, []string{"s1", "s2"}, s.began, "two canaries, which begin at once")
}

// A parked rotation may be open for days; the fleet does not wait for it. One that goes on after all counts as what it becomes.
func TestParkedOneFreesItsPlace(t *testing.T) {
	for name, test := range map[string]struct {
		parked time.Duration
		tally  fleet.Tally
	}{
		"and stays parked":            {100 * 24 * time.Hour, fleet.Tally{Rotated: 5, Stuck: 1}},
		"and is decided in the while": {8 * time.Minute, fleet.Tally{Rotated: 6}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFleet(t, fleetScript{items: secretsNamed(6), order: func(o *fleet.Order) { o.Limits.Parallel = 1 }, seen: func(name string) kept.Seen {
				return kept.Seen{Open: true, Stuck: name == "s1"}
			}, rotate: func(ctx workflow.Context, name string) (*rotation.Result, error) {
				if name == "s1" {
					return rotated(ctx, test.parked)
				}
				return rotated(ctx, 4*time.Minute)
			}})
			s.RegisterDelayedCallback(func() {
				status := s.status(t)
				require.Equal(t, 1, status.Tally.Stuck)
				require.Equal(t, []fleet.Failed{{Secret: "s1", Store: "alibaba-kms", Region: "r-1", Outcome: fleet.Stuck,
					Text: "it is parked, or one of its steps has failed for long; starter describe tells more"}}, status.Recent)
			}, 8*time.Minute)
			s.run()
			status := s.status(t)
			require.Equal(t, fleet.Ended, status.State)
			require.Equal(t, test.tally, status.Tally)
			require.Len(t, status.Recent, test.tally.Stuck)
		})
	}
}

// Before its history gets long, a fleet begins none, waits for the ends of those that are open, and hands over counts and places.
func TestFleetGoesOnInAnotherRun(t *testing.T) {
	items := secretsNamed(520)
	s := newFleet(t, fleetScript{items: items, partSize: 300, order: func(o *fleet.Order) { o.Canary = 2 }, rotate: func(ctx workflow.Context, name string) (*rotation.Result, error) {
		if name == "s3" {
			return rolledBack(ctx, name)
		}
		return rotated(ctx, time.Minute)
	}})
	s.busyFor = map[string]int{"s4": 1}
	s.RegisterDelayedCallback(func() { s.SetContinueAsNewSuggested(true) }, 150*time.Second)
	s.run()
	next := handedOver(t, s.GetWorkflowError())
	require.Zero(t, s.open, "all children have ended")
	require.False(t, s.ended, "the parts are needed still")
	p := next.Progress
	require.Equal(t, fleet.Tally{Rotated: 9, RolledBack: 1}, p.Tally)
	require.True(t, p.CanaryOver)
	require.Equal(t, 1, p.Failing)
	require.Equal(t, []int{4}, p.Busy)
	require.Equal(t, 2, p.Part)
	require.Equal(t, 1, p.Runs)
	require.Len(t, p.Ready, 520-11)
	require.Equal(t, []int{11, 12}, p.Ready[:2])

	second := newFleet(t, fleetScript{items: items, partSize: 300, order: func(o *fleet.Order) { *o = next }, seen: func(string) kept.Seen {
		return kept.Seen{None: true}
	}})
	second.run()
	status := second.status(t)
	require.Equal(t, fleet.Ended, status.State)
	require.Equal(t, fleet.Tally{Rotated: 519, RolledBack: 1}, status.Tally)
	require.Contains(t, second.began[:4], "s11", "what was ready comes first")
	require.Equal(t, "s4", second.began[len(second.began)-1])
	require.Len(t, second.began, 510)
	require.ElementsMatch(t, slices.Compact(slices.Sorted(slices.Values(append(s.began, second.began...)))), namesOf(items), "each one once")
	require.Len(t, append(s.began, second.began...), 520)
}

func TestPausedFleetGoesOnInAnotherRunPaused(t *testing.T) {
	s := newFleet(t, fleetScript{items: secretsNamed(40)})
	s.say(90*time.Second, fleet.UpdatePause, fleet.Say{Reason: "a release", By: "ada"})
	s.RegisterDelayedCallback(func() { s.SetContinueAsNewSuggested(true) }, time.Hour)
	s.say(time.Hour+time.Second, fleet.UpdateSpeed, fleet.Speed{})
	s.run()
	next := handedOver(t, s.GetWorkflowError())
	require.Equal(t, "a release", next.Progress.Paused.Reason)

	second := newFleet(t, fleetScript{items: secretsNamed(40), order: func(o *fleet.Order) { *o = next }})
	second.RegisterDelayedCallback(func() { require.Empty(t, second.began) }, time.Hour)
	second.say(2*time.Hour, fleet.UpdateResume, fleet.Say{})
	second.run()
	require.Equal(t, 40, second.status(t).Tally.Rotated)
}

func handedOver(t *testing.T, err error) (next fleet.Order) {
	t.Helper()
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, err, &again)
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
	return next
}

func namesOf(items []fleet.Item) (names []string) {
	for _, item := range items {
		names = append(names, item.Request.SecretName)
	}
	return names
}
