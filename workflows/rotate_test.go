package workflows_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"rotor/activities"
	"rotor/internal/rotation"
	"rotor/workflows"
)

var request = rotation.Request{SecretName: "orders/db", RegionId: "cn-hangzhou"}

const canonical = "rotate/alibaba-kms/cn-hangzhou/orders/db"

// script says what each step does in a test; nil: it succeeds. Its n counts the calls of the step, from 1.
type script struct {
	look     func(n int) (rotation.Plan, error)
	new      func(n int) error
	set      func(n int) error
	test     func(n int) (activities.TestResult, error)
	end      func(n int, in activities.EndInput) (activities.EndResult, error)
	rollback func(n int, in activities.RollbackInput) (activities.RollbackResult, error)
	inspect  func(in activities.InspectInput) (rotation.Situation, error)
	// has are the search attributes of the namespace.
	has     []string
	watcher workflows.Watcher
	express bool
}

// stage is a test environment in which the steps are played by a script, and what was played.
type stage struct {
	*testsuite.TestWorkflowEnvironment
	mu     sync.Mutex
	played []rotation.Step
	// local are those that were played as local activities.
	local []rotation.Step
}

func (s *stage) count(step rotation.Step) (n int) {
	for _, p := range s.played {
		if p == step {
			n++
		}
	}
	return n
}

// order is what was played, repeats left out.
func (s *stage) order() []rotation.Step {
	var order []rotation.Step
	for _, p := range s.played {
		if len(order) == 0 || order[len(order)-1] != p {
			order = append(order, p)
		}
	}
	return order
}

func (s *stage) play(ctx context.Context, step rotation.Step) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.played = append(s.played, step)
	if activity.GetInfo(ctx).IsLocalActivity {
		s.local = append(s.local, step)
	}
	return s.count(step)
}

func newStage(t *testing.T, sc script) *stage {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	s := &stage{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment()}
	s.SetTestTimeout(30 * time.Second)
	s.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&activities.Edge{}}})
	s.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: canonical})
	r := &workflows.Rotations{Timing: workflows.DefaultTiming, Attributes: sc.has, Watcher: sc.watcher, Express: sc.express}
	s.RegisterWorkflowWithOptions(r.RotateSecret, workflow.RegisterOptions{Name: rotation.WorkflowType})
	name := func(n string) activity.RegisterOptions { return activity.RegisterOptions{Name: n} }
	s.RegisterActivityWithOptions(func(ctx context.Context, in activities.LookInput) (rotation.Plan, error) {
		n := s.play(ctx, rotation.StepLook)
		if sc.look != nil {
			return sc.look(n)
		}
		return plan(in.Version), nil
	}, name("Look"))
	s.RegisterActivityWithOptions(func(ctx context.Context, _ activities.StepInput) (activities.NewResult, error) {
		return activities.NewResult{Action: rotation.NewPut}, maybe(sc.new, s.play(ctx, rotation.StepNew))
	}, name("New"))
	s.RegisterActivityWithOptions(func(ctx context.Context, _ activities.StepInput) (activities.SetResult, error) {
		return activities.SetResult{}, maybe(sc.set, s.play(ctx, rotation.StepSet))
	}, name("Set"))
	s.RegisterActivityWithOptions(func(ctx context.Context, _ activities.StepInput) (activities.TestResult, error) {
		n := s.play(ctx, rotation.StepTest)
		if sc.test != nil {
			return sc.test(n)
		}
		return activities.TestResult{}, nil
	}, name("Test"))
	s.RegisterActivityWithOptions(func(ctx context.Context, in activities.EndInput) (activities.EndResult, error) {
		n := s.play(ctx, rotation.StepEnd)
		if sc.end != nil {
			return sc.end(n, in)
		}
		return activities.EndResult{TLS: "TLS 1.3, verified"}, nil
	}, name("End"))
	s.RegisterActivityWithOptions(func(ctx context.Context, in activities.RollbackInput) (activities.RollbackResult, error) {
		n := s.play(ctx, rotation.StepRollback)
		if sc.rollback != nil {
			return sc.rollback(n, in)
		}
		return activities.RollbackResult{}, nil
	}, name("Rollback"))
	s.RegisterActivityWithOptions(func(ctx context.Context, in activities.InspectInput) (rotation.Situation, error) {
		if sc.inspect != nil {
			return sc.inspect(in)
		}
		return rotation.Situation{Current: "v0", Written: true, Pending: in.Plan.Version}, nil
	}, name("Inspect"))
	return s
}

func maybe(f func(int) error, n int) error {
	if f == nil {
		return nil
	}
	return f(n)
}

func plan(version string) rotation.Plan {
	return rotation.Plan{
		Store: rotation.StoreAlibabaKMS, Region: "cn-hangzhou", Secret: "orders/db", Target: rotation.TargetMySQL, Strategy: rotation.DualAccount,
		Version: version, Base: "v0", Account: "orders", Standby: "orders_rt", Address: "db:3306", LongestAttempt: 30 * time.Second,
	}
}

func (s *stage) run() { s.ExecuteWorkflow(rotation.WorkflowType, request) }

// outcome gives the result, whether the workflow completed or failed with it.
func (s *stage) outcome(t *testing.T) rotation.Result {
	t.Helper()
	require.True(t, s.IsWorkflowCompleted())
	var result rotation.Result
	err := s.GetWorkflowError()
	if err == nil {
		require.NoError(t, s.GetWorkflowResult(&result))
		return result
	}
	var app *temporal.ApplicationError
	var canceled *temporal.CanceledError
	switch {
	case errors.As(err, &app):
		require.NoError(t, app.Details(&result), err)
		require.Equal(t, string(result.Outcome), app.Type())
	case errors.As(err, &canceled):
		require.NoError(t, canceled.Details(&result))
	default:
		require.NoError(t, err)
	}
	return result
}

func (s *stage) status(t *testing.T) rotation.Status {
	t.Helper()
	value, err := s.QueryWorkflow(rotation.QueryStatus)
	require.NoError(t, err)
	var status rotation.Status
	require.NoError(t, value.Get(&status))
	return status
}

var (
	retryable = rotation.Errorf(rotation.Retryable, "busy").WithCode("1040")
	permanent = rotation.Errorf(rotation.Permanent, "not allowed").WithCode("1227")
	conflict  = rotation.Errorf(rotation.Conflict, "somebody else was here")
)

func always(err error) func(int) error { return func(int) error { return err } }

func TestStepsInOrder(t *testing.T) {
	s := newStage(t, script{})
	s.run()
	require.Equal(t, []rotation.Step{rotation.StepLook, rotation.StepNew, rotation.StepSet, rotation.StepTest, rotation.StepEnd}, s.played)
	result := s.outcome(t)
	require.Equal(t, rotation.Rotated, result.Outcome)
	require.Equal(t, "orders_rt", result.Account)
	require.Equal(t, "orders", result.FormerAccount)
	require.Equal(t, "v0", result.Former)
	require.Equal(t, rotation.StateEnded, s.status(t).State)
}

func TestFailureBeforeEnd(t *testing.T) {
	failing := map[string]func(error) script{
		"new": func(err error) script { return script{new: always(err)} },
		"set": func(err error) script { return script{set: always(err)} },
		"test": func(err error) script {
			return script{test: func(int) (activities.TestResult, error) { return activities.TestResult{}, err }}
		},
	}
	for name, sc := range failing {
		t.Run(name+" fails for good", func(t *testing.T) {
			s := newStage(t, sc(permanent))
			s.run()
			result := s.outcome(t)
			require.Equal(t, rotation.RolledBack, result.Outcome)
			require.Equal(t, rotation.Step(name), result.Reason.Step)
			require.Equal(t, "1227", result.Reason.Code)
			require.Equal(t, 1, s.count(rotation.Step(name)), "a permanent error is not tried again")
			require.Equal(t, rotation.StepRollback, s.played[len(s.played)-1])
			require.Zero(t, s.count(rotation.StepEnd))
		})
		t.Run(name+" fails until patience has passed", func(t *testing.T) {
			s := newStage(t, sc(retryable))
			begin := s.Now()
			s.run()
			result := s.outcome(t)
			require.Equal(t, rotation.RolledBack, result.Outcome)
			require.Greater(t, s.count(rotation.Step(name)), 10)
			require.WithinDuration(t, begin.Add(rotation.DefaultPatience), s.Now(), 10*time.Minute)
		})
		t.Run(name+" recovers", func(t *testing.T) {
			recovering := sc(nil)
			flaky := func(n int) error {
				if n < 3 {
					return retryable
				}
				return nil
			}
			switch name {
			case "new":
				recovering.new = flaky
			case "set":
				recovering.set = flaky
			case "test":
				recovering.test = func(n int) (activities.TestResult, error) { return activities.TestResult{}, flaky(n) }
			}
			s := newStage(t, recovering)
			s.run()
			require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
			require.Equal(t, 3, s.count(rotation.Step(name)))
			require.Zero(t, s.count(rotation.StepRollback))
		})
	}
}

func TestLookRefuses(t *testing.T) {
	for name, err := range map[string]error{"permanent": permanent, "conflict": conflict, "retryable for too long": retryable} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, script{look: func(int) (rotation.Plan, error) { return rotation.Plan{}, err }})
			s.run()
			require.Equal(t, rotation.Refused, s.outcome(t).Outcome)
			require.Equal(t, []rotation.Step{rotation.StepLook}, s.order())
		})
	}
}

func TestBadRequestIsRefusedBeforeAnything(t *testing.T) {
	for name, payload := range map[string]string{
		"not an object": `[1]`, "unknown field": `{"SecretName":"a","RegionId":"r","Colour":"red"}`, "wrong type": `{"SecretName":5,"RegionId":"r"}`,
		"no secret": `{"RegionId":"r"}`, "no region": `{"SecretName":"a"}`, "step event": `{"SecretName":"a","RegionId":"r","Step":"new"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, script{})
			s.ExecuteWorkflow(rotation.WorkflowType, jsonText(payload))
			require.Equal(t, rotation.Refused, s.outcome(t).Outcome)
			require.Empty(t, s.played)
		})
	}
}

func TestNewThatChangedNothingIsARefusal(t *testing.T) {
	s := newStage(t, script{new: always(permanent), rollback: func(int, activities.RollbackInput) (activities.RollbackResult, error) {
		return activities.RollbackResult{Nothing: true}, nil
	}})
	s.run()
	require.Equal(t, rotation.Refused, s.outcome(t).Outcome)
}

func TestRollbackIsToldWhatMayStillHappen(t *testing.T) {
	var seen activities.RollbackInput
	record := func(_ int, in activities.RollbackInput) (activities.RollbackResult, error) {
		seen = in
		return activities.RollbackResult{}, nil
	}
	t.Run("set never started", func(t *testing.T) {
		s := newStage(t, script{new: always(permanent), rollback: record})
		s.run()
		require.False(t, seen.SetStarted)
		require.False(t, seen.PutUncertain)
		require.False(t, seen.Put)
	})
	t.Run("an earlier attempt of new may still put", func(t *testing.T) {
		s := newStage(t, script{rollback: record, new: func(n int) error {
			if n == 1 {
				return retryable
			}
			return permanent
		}})
		s.run()
		require.True(t, seen.PutUncertain)
	})
	t.Run("set was asked for", func(t *testing.T) {
		s := newStage(t, script{set: always(permanent), rollback: record})
		s.run()
		require.True(t, seen.SetStarted)
		require.True(t, seen.Put)
	})
}

func TestEndGoesForward(t *testing.T) {
	for name, err := range map[string]error{"retryable": retryable, "permanent": permanent, "panic": nil} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, script{end: func(n int, _ activities.EndInput) (activities.EndResult, error) {
				switch {
				case n > 50:
					return activities.EndResult{}, nil
				case err == nil:
					panic("password=hunter2")
				}
				return activities.EndResult{}, err
			}})
			begin := s.Now()
			s.run()
			require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
			require.Zero(t, s.count(rotation.StepRollback))
			require.Greater(t, s.Now().Sub(begin), 12*time.Hour, "long after patience has passed")
		})
	}
}

func TestEndCountsUnansweredMoves(t *testing.T) {
	lost := &rotation.Error{Kind: rotation.Retryable, Text: "no answer", Unanswered: true}
	var uncertain []int
	s := newStage(t, script{end: func(n int, in activities.EndInput) (activities.EndResult, error) {
		uncertain = append(uncertain, in.Uncertain)
		switch n {
		case 1, 3:
			return activities.EndResult{}, lost
		case 2:
			return activities.EndResult{}, retryable
		case 4:
			return activities.EndResult{Settle: 15 * time.Minute}, nil
		}
		return activities.EndResult{}, nil
	}})
	begin := s.Now()
	s.run()
	require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
	require.Equal(t, []int{0, 1, 1, 2, 0}, uncertain)
	require.GreaterOrEqual(t, s.Now().Sub(begin), 15*time.Minute, "the workflow stays open until no move can be on its way")
}

func TestDifferencesGoBackToSet(t *testing.T) {
	different := []string{"SELECT on shop.*"}
	t.Run("found by test", func(t *testing.T) {
		s := newStage(t, script{test: func(n int) (activities.TestResult, error) {
			if n == 1 {
				return activities.TestResult{Differences: different}, nil
			}
			return activities.TestResult{}, nil
		}})
		s.run()
		require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
		require.Equal(t, 2, s.count(rotation.StepSet))
	})
	t.Run("found by end", func(t *testing.T) {
		s := newStage(t, script{end: func(n int, _ activities.EndInput) (activities.EndResult, error) {
			if n == 1 {
				return activities.EndResult{Differences: different}, nil
			}
			return activities.EndResult{}, nil
		}})
		s.run()
		require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
		require.Equal(t, 2, s.count(rotation.StepSet))
	})
	t.Run("for ever", func(t *testing.T) {
		s := newStage(t, script{test: func(int) (activities.TestResult, error) { return activities.TestResult{Differences: different}, nil }})
		s.run()
		result := s.outcome(t)
		require.Equal(t, rotation.RolledBack, result.Outcome)
		require.Contains(t, result.Reason.Text, "SELECT on shop.*")
	})
}

func TestStalePendingIsWaitedOut(t *testing.T) {
	var s *stage
	var newAt, setAt time.Time
	s = newStage(t, script{
		look: func(int) (rotation.Plan, error) {
			p := plan("v1")
			p.StalePending = "v9"
			return p, nil
		},
		new: func(int) error { newAt = s.Now(); return nil },
		set: func(int) error { setAt = s.Now(); return nil },
	})
	s.run()
	require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
	require.GreaterOrEqual(t, setAt.Sub(newAt), 30*time.Second)
}

// jsonText is a payload as a schedule or the Web UI gives it.
type jsonText string

func (j jsonText) MarshalJSON() ([]byte, error) { return []byte(j), nil }
