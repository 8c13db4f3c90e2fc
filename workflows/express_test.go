package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/activities"
	"rotor/internal/rotation"
	"rotor/workflows"
)

var chain = []rotation.Step{rotation.StepNew, rotation.StepSet, rotation.StepTest, rotation.StepEnd}

// events of a history up to the workflow tasks in which Look is asked for, and has answered.
const (
	asked    = 3
	answered = 10
)

func TestExpress(t *testing.T) {
	s := newStage(t, script{express: true})
	s.run()
	require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
	require.Equal(t, append([]rotation.Step{rotation.StepLook}, chain...), s.played)
	require.Equal(t, chain, s.local)
	for _, step := range s.status(t).Steps {
		require.Equal(t, rotation.StateEnded, step.State, step.Step)
		require.False(t, step.Failed, step.Step)
	}
}

// A step that fails express is tried again at once, with all that a step has; those after it go as usual, too.
func TestExpressFallsOver(t *testing.T) {
	once := func(n int, err error) error {
		if n == 1 {
			return err
		}
		return nil
	}
	slow := func(n int) error {
		if n == 1 {
			time.Sleep(time.Second) // longer than three quarters of a workflow task
		}
		return nil
	}
	at := func(step rotation.Step, do func(int) error) script {
		sc := script{express: true}
		switch step {
		case rotation.StepNew:
			sc.new = do
		case rotation.StepSet:
			sc.set = do
		case rotation.StepTest:
			sc.test = func(n int) (activities.TestResult, error) { return activities.TestResult{}, do(n) }
		default:
			sc.end = func(n int, _ activities.EndInput) (activities.EndResult, error) { return activities.EndResult{}, do(n) }
		}
		return sc
	}
	for i, step := range chain {
		for how, do := range map[string]func(int) error{
			"retryable": func(n int) error { return once(n, retryable) },
			"no slot": func(n int) error {
				return once(n, &rotation.Error{Kind: rotation.Retryable, Untried: true, RetryAfter: time.Second, Text: "full"})
			},
			"panic": func(n int) error {
				if n == 1 {
					panic("password=hunter2")
				}
				return nil
			},
			"slow": slow,
		} {
			t.Run(string(step)+", "+how, func(t *testing.T) {
				t.Parallel()
				s := newStage(t, at(step, do))
				begin := s.Now()
				s.run()
				require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
				require.Equal(t, chain[:i+1], s.local)
				require.Equal(t, 2, s.count(step))
				require.Less(t, s.Now().Sub(begin), 5*time.Second, "it is not waited before it is tried again")
			})
		}
		if step != rotation.StepEnd {
			t.Run(string(step)+", permanent", func(t *testing.T) {
				s := newStage(t, at(step, always(permanent)))
				s.run()
				require.Equal(t, rotation.RolledBack, s.outcome(t).Outcome)
				require.Equal(t, 1, s.count(step), "it is not tried again")
				require.NotContains(t, s.local, rotation.StepRollback)
			})
		}
	}
}

// What an attempt that went express may have done counts like any other.
func TestExpressAttemptsCount(t *testing.T) {
	lost := &rotation.Error{Kind: rotation.Retryable, Text: "no answer", Unanswered: true}
	var rollback activities.RollbackInput
	record := func(_ int, in activities.RollbackInput) (activities.RollbackResult, error) {
		rollback = in
		return activities.RollbackResult{}, nil
	}
	firstThen := func(first error) func(int) error {
		return func(n int) error {
			if n == 1 {
				return first
			}
			return permanent
		}
	}
	full := &rotation.Error{Kind: rotation.Retryable, Untried: true, Text: "full"}
	t.Run("new", func(t *testing.T) {
		s := newStage(t, script{express: true, new: firstThen(retryable), rollback: record})
		s.run()
		require.True(t, rollback.PutUncertain)
		require.False(t, rollback.SetStarted)
	})
	t.Run("new that found no slot", func(t *testing.T) {
		s := newStage(t, script{express: true, new: firstThen(full), rollback: record})
		s.run()
		require.False(t, rollback.PutUncertain)
	})
	t.Run("set", func(t *testing.T) {
		s := newStage(t, script{express: true, set: firstThen(retryable), rollback: record})
		s.run()
		require.True(t, rollback.SetUncertain)
		require.False(t, rollback.PutUncertain)
	})
	t.Run("end", func(t *testing.T) {
		var uncertain []int
		s := newStage(t, script{express: true, end: func(n int, in activities.EndInput) (activities.EndResult, error) {
			uncertain = append(uncertain, in.Uncertain)
			if n == 1 {
				return activities.EndResult{}, lost
			}
			return activities.EndResult{}, nil
		}})
		s.run()
		require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
		require.Equal(t, []int{0, 1}, uncertain)
	})
}

// A workflow task that was lost leaves no trace but the number of its events. Then nothing goes express, and every step is reckoned with.
func TestLostWorkflowTaskIsReckonedWith(t *testing.T) {
	for name, test := range map[string]struct {
		now     int
		doubted bool
	}{
		"undisturbed":                              {answered, false},
		"a cancel or a signal before it":           {answered + 1, false},
		"the worker that had it in memory is gone": {answered + 2, false},
		"a task was started and lost":              {answered + 3, true},
		"and something came in between":            {answered + 4, true},
		"both":                                     {answered + 5, true},
	} {
		t.Run(name, func(t *testing.T) {
			var s *stage
			var uncertain []int
			s = newStage(t, script{
				express: true,
				look: func(int) (rotation.Plan, error) {
					s.SetCurrentHistoryLength(test.now)
					p := plan("v1")
					p.Strategy = rotation.SingleUser
					return p, nil
				},
				end: func(_ int, in activities.EndInput) (activities.EndResult, error) {
					uncertain = append(uncertain, in.Uncertain)
					return activities.EndResult{}, nil
				},
			})
			s.SetCurrentHistoryLength(asked)
			s.run()
			require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
			if test.doubted {
				require.Empty(t, s.local)
				require.Equal(t, []int{1}, uncertain)
				return
			}
			require.Equal(t, chain, s.local)
			require.Equal(t, []int{0}, uncertain)
		})
	}
	disturbed := func(t *testing.T, sc script) *stage {
		t.Helper()
		var s *stage
		look := sc.look
		sc.express = true
		sc.look = func(n int) (rotation.Plan, error) {
			s.SetCurrentHistoryLength(answered + 3)
			if look != nil {
				return look(n)
			}
			return plan("v1"), nil
		}
		s = newStage(t, sc)
		s.SetCurrentHistoryLength(asked)
		return s
	}
	t.Run("a pair only goes forward", func(t *testing.T) {
		s := disturbed(t, script{set: func(n int) error {
			if n == 1 {
				return permanent
			}
			return nil
		}})
		var status rotation.Status
		s.RegisterDelayedCallback(func() {
			status = s.status(t)
			s.UpdateWorkflowNoRejection(rotation.UpdateRetry, "1", t, workflows.Decide{Reason: "granted"})
		}, time.Minute)
		s.run()
		require.Equal(t, []string{rotation.UpdateRetry, rotation.UpdateAbandon}, status.Decisions)
		require.Contains(t, status.Doing, "It only goes forward: the stage may have been moved already.")
		require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
		require.Zero(t, s.count(rotation.StepRollback))
	})
	t.Run("a cancelled pair is finished", func(t *testing.T) {
		var s *stage
		s = disturbed(t, script{new: func(int) error { s.CancelWorkflow(); return nil }})
		s.run()
		require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
	})
	t.Run("a single account finds out by a login", func(t *testing.T) {
		var seen activities.RollbackInput
		s := disturbed(t, script{
			look: func(int) (rotation.Plan, error) {
				p := plan("v1")
				p.Strategy = rotation.SingleUser
				return p, nil
			},
			new: always(permanent),
			rollback: func(_ int, in activities.RollbackInput) (activities.RollbackResult, error) {
				seen = in
				return activities.RollbackResult{}, nil
			},
		})
		s.run()
		require.Equal(t, rotation.RolledBack, s.outcome(t).Outcome)
		require.Equal(t, activities.RollbackInput{Plan: seen.Plan, SetStarted: true, PutUncertain: true, SetUncertain: true}, seen)
	})
	t.Run("not where Look took more than one round", func(t *testing.T) {
		var uncertain []int
		var s *stage
		s = disturbed(t, script{
			look: func(n int) (rotation.Plan, error) {
				if s.Now().Sub(start) < 2*time.Minute {
					return rotation.Plan{}, retryable
				}
				return plan("v1"), nil
			},
			end: func(_ int, in activities.EndInput) (activities.EndResult, error) {
				uncertain = append(uncertain, in.Uncertain)
				return activities.EndResult{}, nil
			},
		})
		s.SetStartTime(start)
		s.run()
		require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
		require.Equal(t, []int{0}, uncertain)
		require.Empty(t, s.local)
	})
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// If the workflow task is answered for the time being while a step goes express, the step may have run twice.
func TestAnswerFromAnotherWorkflowTask(t *testing.T) {
	for name, test := range map[string]struct {
		at        rotation.Step
		local     []rotation.Step
		uncertain []int
	}{
		"set": {rotation.StepSet, chain[:2], []int{0}},
		"end": {rotation.StepEnd, chain, []int{0, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			var s *stage
			var uncertain []int
			length := func(step rotation.Step) {
				if test.at == step {
					s.SetCurrentHistoryLength(answered + 6)
				}
			}
			s = newStage(t, script{
				express: true,
				look:    func(int) (rotation.Plan, error) { s.SetCurrentHistoryLength(answered); return plan("v1"), nil },
				set:     func(int) error { length(rotation.StepSet); return nil },
				end: func(_ int, in activities.EndInput) (activities.EndResult, error) {
					uncertain = append(uncertain, in.Uncertain)
					length(rotation.StepEnd)
					return activities.EndResult{}, nil
				},
			})
			s.SetCurrentHistoryLength(asked)
			s.run()
			require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
			require.Equal(t, test.local, s.local)
			require.Equal(t, test.uncertain, uncertain)
			require.Equal(t, 2, s.count(test.at))
		})
	}
}
