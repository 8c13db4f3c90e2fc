package workflows_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"rotor/activities"
	"rotor/internal/rotation"
	"rotor/workflows"
)

// answer collects what an update was told.
type answer struct {
	rejected error
	accepted bool
}

func (a *answer) Accept()             { a.accepted = true }
func (a *answer) Reject(err error)    { a.rejected = err }
func (a *answer) Complete(any, error) {}

func (s *stage) decide(after time.Duration, choice, reason string) *answer {
	a := &answer{}
	s.RegisterDelayedCallback(func() { s.UpdateWorkflow(choice, choice, a, workflows.Decide{Reason: reason, By: "ann"}) }, after)
	return a
}

// unprovable is a script whose Set fails and whose rollback can't be proven until the n-th call.
func unprovable(until int) script {
	return script{set: always(permanent), rollback: func(n int, _ activities.RollbackInput) (activities.RollbackResult, error) {
		if n < until {
			return activities.RollbackResult{}, conflict
		}
		return activities.RollbackResult{}, nil
	}}
}

func TestParkedWithoutProof(t *testing.T) {
	s := newStage(t, unprovable(2))
	s.RegisterDelayedCallback(func() {
		status := s.status(t)
		require.Equal(t, rotation.StateParked, status.State)
		require.Equal(t, []string{"retry", "rollback", "abandon"}, status.Decisions)
		require.Contains(t, status.Doing, "could not be proven: somebody else was here")
		require.Contains(t, status.Doing, "not allowed")
		require.Contains(t, status.Doing, "orders_rt")
	}, 100*24*time.Hour)
	a := s.decide(101*24*time.Hour, rotation.UpdateRollback, "the database is back")
	s.run()
	require.True(t, a.accepted)
	result := s.outcome(t)
	require.Equal(t, rotation.RolledBack, result.Outcome)
	require.Equal(t, "not allowed (1227)", result.Reason.Text, "the reason is what failed first")
	require.Equal(t, "the database is back", result.Decision.Reason)
	require.Equal(t, "ann", result.Decision.By)
}

func TestParkedDecisions(t *testing.T) {
	t.Run("abandon", func(t *testing.T) {
		s := newStage(t, unprovable(99))
		s.decide(time.Hour, rotation.UpdateAbandon, "we rebuild it")
		s.run()
		require.Equal(t, rotation.Abandoned, s.outcome(t).Outcome)
	})
	t.Run("retry", func(t *testing.T) {
		sc := unprovable(99)
		sc.set = func(n int) error {
			if n == 1 {
				return permanent
			}
			return nil
		}
		s := newStage(t, sc)
		s.decide(time.Hour, rotation.UpdateRetry, "granted it")
		s.run()
		result := s.outcome(t)
		require.Equal(t, rotation.Rotated, result.Outcome)
		require.Equal(t, "granted it", result.Decision.Reason)
	})
	t.Run("rollback that still can't be proven parks again", func(t *testing.T) {
		s := newStage(t, unprovable(99))
		s.decide(time.Hour, rotation.UpdateRollback, "try")
		s.decide(2*time.Hour, rotation.UpdateAbandon, "no use")
		s.run()
		result := s.outcome(t)
		require.Equal(t, rotation.Abandoned, result.Outcome)
		require.Equal(t, 2, s.count(rotation.StepRollback))
		require.Equal(t, "no use", result.Decision.Reason)
	})
	t.Run("without a reason", func(t *testing.T) {
		s := newStage(t, unprovable(99))
		a := s.decide(time.Hour, rotation.UpdateAbandon, "")
		s.decide(2*time.Hour, rotation.UpdateAbandon, "enough")
		s.run()
		require.ErrorContains(t, a.rejected, "Reason: missing")
	})
	t.Run("while it is looked at what is left", func(t *testing.T) {
		sc, early := script{set: always(conflict)}, &answer{}
		var s *stage
		sc.inspect = func(activities.InspectInput) (rotation.Situation, error) {
			s.UpdateWorkflow(rotation.UpdateAbandon, "early", early, workflows.Decide{Reason: "seen enough"})
			return rotation.Situation{}, nil
		}
		s = newStage(t, sc)
		s.run()
		require.True(t, early.accepted, "%v", early.rejected)
		result := s.outcome(t)
		require.Equal(t, rotation.Abandoned, result.Outcome)
		require.Equal(t, "seen enough", result.Decision.Reason)
	})
	t.Run("not parked", func(t *testing.T) {
		sc := script{set: always(retryable)}
		s := newStage(t, sc)
		a := s.decide(time.Minute, rotation.UpdateRetry, "impatient")
		s.run()
		require.ErrorContains(t, a.rejected, "not parked")
	})
}

func TestConflictParks(t *testing.T) {
	t.Run("in set", func(t *testing.T) {
		s := newStage(t, script{set: always(conflict)})
		s.decide(time.Hour, rotation.UpdateAbandon, "that was me")
		s.run()
		require.Equal(t, rotation.Abandoned, s.outcome(t).Outcome)
		require.Zero(t, s.count(rotation.StepRollback), "nothing is undone beside somebody else")
	})
	t.Run("in end, where there is no way back", func(t *testing.T) {
		s := newStage(t, script{end: func(int, activities.EndInput) (activities.EndResult, error) { return activities.EndResult{}, conflict }})
		a := s.decide(time.Hour, rotation.UpdateRollback, "back, please")
		s.decide(2*time.Hour, rotation.UpdateAbandon, "then not")
		s.run()
		require.ErrorContains(t, a.rejected, "no way back")
		require.Equal(t, rotation.Abandoned, s.outcome(t).Outcome)
	})
}

func TestParkOnFailure(t *testing.T) {
	s := newStage(t, script{set: always(permanent)})
	s.decide(time.Hour, rotation.UpdateRollback, "as you like")
	asked := request
	asked.OnFailure = rotation.OnFailurePark
	s.ExecuteWorkflow(rotation.WorkflowType, asked)
	require.Equal(t, rotation.RolledBack, s.outcome(t).Outcome)
}

func TestSingleUserGoesForwardBeforeItParks(t *testing.T) {
	single := func(int) (rotation.Plan, error) {
		p := plan("v1")
		p.Strategy, p.Standby = rotation.SingleUser, ""
		return p, nil
	}
	once := func(err error) func(int) (activities.TestResult, error) {
		return func(n int) (activities.TestResult, error) {
			if n == 1 {
				return activities.TestResult{}, err
			}
			return activities.TestResult{}, nil
		}
	}
	forward := func(int, activities.RollbackInput) (activities.RollbackResult, error) {
		return activities.RollbackResult{Forward: true}, nil
	}
	for name, err := range map[string]error{"permanent": permanent, "conflict": conflict} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, script{look: single, test: once(err), rollback: forward})
			asked := request
			asked.OnFailure = rotation.OnFailurePark
			s.ExecuteWorkflow(rotation.WorkflowType, asked)
			require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
			require.Equal(t, 1, s.count(rotation.StepRollback))
		})
	}
	t.Run("a rollback is looked for without an end", func(t *testing.T) {
		s := newStage(t, script{look: single, test: once(permanent), rollback: func(n int, _ activities.RollbackInput) (activities.RollbackResult, error) {
			if n < 60 {
				return activities.RollbackResult{}, permanent
			}
			return activities.RollbackResult{Forward: true}, nil
		}})
		s.run()
		require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
	})
}

func TestCancel(t *testing.T) {
	cancelDuring := func(s *stage) { s.RegisterDelayedCallback(s.CancelWorkflow, 5*time.Second) }
	t.Run("while set is tried", func(t *testing.T) {
		s := newStage(t, script{set: always(retryable)})
		cancelDuring(s)
		s.run()
		var canceled *temporal.CanceledError
		require.True(t, errors.As(s.GetWorkflowError(), &canceled), s.GetWorkflowError())
		require.Equal(t, rotation.RolledBack, s.outcome(t).Outcome)
		require.Equal(t, 1, s.count(rotation.StepRollback))
	})
	t.Run("while end is tried: it finishes first", func(t *testing.T) {
		s := newStage(t, script{end: func(n int, _ activities.EndInput) (activities.EndResult, error) {
			if n < 5 {
				return activities.EndResult{}, retryable
			}
			return activities.EndResult{}, nil
		}})
		cancelDuring(s)
		s.run()
		require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
		require.Zero(t, s.count(rotation.StepRollback))
	})
	t.Run("without a proof it parks and takes decisions, and a second cancel changes nothing", func(t *testing.T) {
		sc := unprovable(99)
		sc.set = always(retryable)
		s := newStage(t, sc)
		cancelDuring(s)
		s.RegisterDelayedCallback(s.CancelWorkflow, time.Hour)
		s.decide(2*time.Hour, rotation.UpdateAbandon, "enough")
		s.run()
		require.Equal(t, rotation.Abandoned, s.outcome(t).Outcome)
	})
	t.Run("a parked one rolls back", func(t *testing.T) {
		s := newStage(t, unprovable(2))
		s.RegisterDelayedCallback(s.CancelWorkflow, time.Hour)
		s.run()
		require.Equal(t, rotation.RolledBack, s.outcome(t).Outcome)
	})
}
