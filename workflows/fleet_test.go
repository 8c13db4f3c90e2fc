package workflows_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"rotor/internal/fleet"
	"rotor/internal/rotation"
	"rotor/workflows"
)

func TestFleetRotatesAllWithinItsLimits(t *testing.T) {
	items := secretsNamed(25)
	for i := range items {
		items[i].Target = map[bool]string{true: "slow", false: fmt.Sprint("t", i)}[i%3 > 0]
	}
	s := newFleet(t, fleetScript{items: items, order: func(o *fleet.Order) { o.Limits.PerTarget = 2 }})
	s.run()
	status := s.status(t)
	require.Equal(t, fleet.Ended, status.State)
	require.Equal(t, fleet.Tally{Rotated: 25}, status.Tally)
	require.Len(t, s.began, 25)
	require.Equal(t, 4, s.most, "in total")
	require.Equal(t, 2, s.mostAt["slow"], "at one target")
	require.True(t, s.ended, "the parts may go")
	require.Equal(t, "Ended. 25 of 25 secrets are done (25 Rotated).", status.Doing)
}

func TestFleetOfNone(t *testing.T) {
	s := newFleet(t, fleetScript{})
	s.run()
	require.Equal(t, fleet.Ended, s.status(t).State)
}

func TestFleetBoundPerStore(t *testing.T) {
	s := newFleet(t, fleetScript{items: secretsNamed(9), order: func(o *fleet.Order) { o.Limits.PerStore = 3 }})
	s.run()
	require.Equal(t, 9, s.status(t).Tally.Rotated)
	require.Equal(t, 3, s.most)
}

func TestCanaryGoesFirst(t *testing.T) {
	var atEnd int
	var s *fleetStage
	s = newFleet(t, fleetScript{items: secretsNamed(12), order: func(o *fleet.Order) { o.Canary = 3 }, rotate: func(ctx workflow.Context, name string) (*rotation.Result, error) {
		result, err := rotated(ctx, map[string]time.Duration{"s1": time.Hour}[name]+time.Minute)
		if name == "s1" {
			atEnd = len(s.began)
		}
		return result, err
	}})
	s.run()
	require.Equal(t, 12, s.status(t).Tally.Rotated)
	require.Equal(t, 3, atEnd, "the slowest of the canary has ended before any other begins")
}

func TestCanaryThatFailsHoldsTheOthers(t *testing.T) {
	for name, test := range map[string]struct {
		update string
		state  fleet.State
		tally  fleet.Tally
	}{
		"and a person lets them go on": {fleet.UpdateResume, fleet.Ended, fleet.Tally{Rotated: 11, RolledBack: 1}},
		"and a person stops the fleet": {fleet.UpdateStop, fleet.Stopped, fleet.Tally{Rotated: 2, RolledBack: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFleet(t, fleetScript{items: secretsNamed(12), order: func(o *fleet.Order) { o.Canary = 3 }, rotate: func(ctx workflow.Context, name string) (*rotation.Result, error) {
				if name == "s1" {
					return rolledBack(ctx, name)
				}
				return rotated(ctx, time.Minute)
			}})
			s.RegisterDelayedCallback(func() {
				held := s.status(t)
				require.Equal(t, fleet.Paused, held.State)
				require.Contains(t, held.Doing, "secret s1 of the canary ended as RolledBack")
				require.Equal(t, []fleet.Failed{{Secret: "s1", Store: "alibaba-kms", Region: "r-1", Outcome: "RolledBack", Text: "the admin may not"}}, held.Recent)
				require.Len(t, s.began, 3)
			}, 10*time.Hour)
			answer := s.say(11*time.Hour, test.update, fleet.Say{Reason: "looked at it", By: "ada"})
			s.run()
			require.NoError(t, answer.rejected)
			status := s.status(t)
			require.Equal(t, test.state, status.State)
			require.Equal(t, test.tally, status.Tally)
		})
	}
}

func TestFleetPausesAfterSoManyFailures(t *testing.T) {
	s := newFleet(t, fleetScript{items: secretsNamed(20), order: func(o *fleet.Order) { o.Limits.MaxFailures = 2 }, rotate: func(ctx workflow.Context, name string) (*rotation.Result, error) {
		if slices.Contains([]string{"s0", "s5", "s6", "s19"}, name) {
			return rolledBack(ctx, name)
		}
		return rotated(ctx, time.Minute)
	}})
	held := false
	s.RegisterDelayedCallback(func() {
		held = s.status(t).State == fleet.Paused
		require.Less(t, len(s.began), 12, "what was open went to its end, and nothing else began")
	}, time.Hour)
	resumed := s.say(2*time.Hour, fleet.UpdateResume, fleet.Say{})
	s.run()
	require.True(t, held)
	require.NoError(t, resumed.rejected)
	require.Equal(t, fleet.Tally{Rotated: 16, RolledBack: 4}, s.status(t).Tally, "the count begins anew; at the end there is nothing to hold back")
	require.Equal(t, fleet.Ended, s.status(t).State)
}

func TestPauseResumeSpeedStop(t *testing.T) {
	s := newFleet(t, fleetScript{items: secretsNamed(40)})
	paused := s.say(90*time.Second, fleet.UpdatePause, fleet.Say{Reason: "a release", By: "ada"})
	again := s.say(2*time.Minute, fleet.UpdatePause, fleet.Say{})
	s.RegisterDelayedCallback(func() {
		status := s.status(t)
		require.Equal(t, "Paused by ada: a release. None begins until somebody decides: resume or stop. 8 of 40 secrets are done (8 Rotated).", status.Doing)
		require.Len(t, s.began, 8)
	}, time.Hour)
	ten, none := 10, 0
	tooSlow := s.say(time.Hour, fleet.UpdateSpeed, fleet.Speed{Parallel: &none})
	speed := s.say(time.Hour+time.Second, fleet.UpdateSpeed, fleet.Speed{Parallel: &ten})
	resumed := s.say(time.Hour+2*time.Second, fleet.UpdateResume, fleet.Say{})
	twice := s.say(time.Hour+3*time.Second, fleet.UpdateResume, fleet.Say{})
	stopped := s.say(time.Hour+90*time.Second, fleet.UpdateStop, fleet.Say{By: "ada"})
	late := s.say(time.Hour+91*time.Second, fleet.UpdatePause, fleet.Say{})
	s.run()
	require.NoError(t, paused.rejected)
	require.ErrorContains(t, again.rejected, "paused already")
	require.ErrorContains(t, tooSlow.rejected, "1 to 500")
	require.NoError(t, speed.rejected)
	require.Equal(t, 10, speed.status.Limits.Parallel)
	require.NoError(t, resumed.rejected)
	require.ErrorContains(t, twice.rejected, "not paused")
	require.NoError(t, stopped.rejected)
	require.ErrorContains(t, late.rejected, "nothing to pause")
	require.Equal(t, 10, s.most)
	status := s.status(t)
	require.Equal(t, fleet.Stopped, status.State)
	require.Equal(t, fleet.Tally{Rotated: 28}, status.Tally, "those that were open went to their ends")
}

func TestCancelStopsAndLeavesRotationsAlone(t *testing.T) {
	s := newFleet(t, fleetScript{items: secretsNamed(12)})
	s.RegisterDelayedCallback(s.CancelWorkflow, 90*time.Second)
	s.run()
	var canceled *temporal.CanceledError
	require.ErrorAs(t, s.GetWorkflowError(), &canceled)
	var status fleet.Status
	require.NoError(t, canceled.Details(&status))
	require.Equal(t, fleet.Stopped, status.State)
	require.Equal(t, fleet.Tally{Rotated: 8}, status.Tally)
}

func TestPartEnds(t *testing.T) {
	for name, test := range map[string]struct {
		signals map[time.Duration]string
		after   time.Duration
	}{
		"when its fleet is over":        {map[time.Duration]string{time.Minute: fleet.SignalClaim, 100 * time.Hour: fleet.SignalEnd}, 100 * time.Hour},
		"when no fleet claims it":       {nil, time.Hour},
		"when nobody needs it any more": {map[time.Duration]string{time.Minute: fleet.SignalEnd}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestWorkflowEnvironment()
			env.RegisterWorkflow((&workflows.Rotations{}).FleetPart)
			for after, signal := range test.signals {
				env.RegisterDelayedCallback(func() { env.SignalWorkflow(signal, nil) }, after)
			}
			began := env.Now()
			env.ExecuteWorkflow((&workflows.Rotations{}).FleetPart, fleet.Part{Fleet: "tonight"})
			require.NoError(t, env.GetWorkflowError())
			require.Equal(t, test.after, env.Now().Sub(began))
		})
	}
}
