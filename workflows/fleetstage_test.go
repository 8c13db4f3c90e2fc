package workflows_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"rotor/activities"
	"rotor/internal/fleet"
	"rotor/internal/fleet/kept"
	"rotor/internal/rotation"
	"rotor/workflows"
)

// fleetScript says how a fleet's surroundings behave.
type fleetScript struct {
	items []fleet.Item
	// partSize is how many secrets a part has; 0: 10.
	partSize int
	// rotate plays the rotation of a secret; nil: it takes a minute and is Rotated.
	rotate func(ctx workflow.Context, name string) (*rotation.Result, error)
	// seen says how a secret's rotation stands; nil: it is open.
	seen  func(name string) kept.Seen
	order func(*fleet.Order)
}

// fleetStage is a test environment with a fleet.
type fleetStage struct {
	*testsuite.TestWorkflowEnvironment
	order fleet.Order
	// began are the secrets in the order in which their rotations did; most is how many were open at once, in total and at each target.
	began    []string
	open     int
	most     int
	atTarget map[string]int
	mostAt   map[string]int
	ended    bool
	// busyFor is how often somebody else is rotating a secret when its turn comes.
	busyFor map[string]int
}

// later is after a fleet of the test environment has begun.
var later = time.Now().Add(1000 * 24 * time.Hour)

func secretsNamed(n int) (items []fleet.Item) {
	for i := range n {
		req, err := rotation.Request{SecretName: fmt.Sprintf("s%d", i), RegionId: "r-1"}.Validate()
		if err != nil {
			panic(err)
		}
		items = append(items, fleet.Item{Request: req})
	}
	return items
}

func newFleet(t *testing.T, sc fleetScript) *fleetStage {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	s := &fleetStage{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), atTarget: map[string]int{}, mostAt: map[string]int{}}
	s.SetTestTimeout(2 * time.Minute)
	s.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&activities.Edge{}}})
	s.order = fleet.Order{Name: "tonight", Limits: fleet.Limits{Parallel: 4}}
	if sc.partSize == 0 {
		sc.partSize = 10
	}
	for chunk := range slices.Chunk(sc.items, sc.partSize) {
		s.order.Parts = append(s.order.Parts, len(chunk))
	}
	if sc.order != nil {
		sc.order(&s.order)
	}
	s.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: fleet.WorkflowID("tonight")})
	r := &workflows.Rotations{Timing: workflows.DefaultTiming}
	s.RegisterWorkflowWithOptions(r.RotateFleet, workflow.RegisterOptions{Name: fleet.WorkflowType})
	s.RegisterWorkflowWithOptions(s.rotation(sc), workflow.RegisterOptions{Name: rotation.WorkflowType})
	name := func(n string) activity.RegisterOptions { return activity.RegisterOptions{Name: n} }
	s.RegisterActivityWithOptions(func(context.Context, activities.PartsInput) error { return nil }, name("ClaimParts"))
	s.RegisterActivityWithOptions(func(context.Context, activities.PartsInput) error {
		s.ended = true
		return nil
	}, name("EndParts"))
	s.RegisterActivityWithOptions(func(_ context.Context, in activities.ReadPartInput) (result activities.ReadPartResult, _ error) {
		picks := in.Picks
		for i := 0; len(in.Picks) == 0 && i < s.order.Parts[in.Part]; i++ {
			picks = append(picks, i)
		}
		for _, i := range picks {
			item := sc.items[in.First+i]
			result.Items = append(result.Items, activities.Ready{Item: item, Index: in.First + i, ID: item.Request.WorkflowID()})
		}
		result.Attributes = everyAttribute
		return result, nil
	}, name("ReadPart"))
	s.RegisterActivityWithOptions(func(_ context.Context, in activities.SeeInput) (result activities.SeeResult, _ error) {
		for _, id := range in.IDs {
			seen := kept.Seen{Open: true}
			if sc.seen != nil {
				seen = sc.seen(id[len("rotate/alibaba-kms/r-1/"):])
			}
			result.Rotations = append(result.Rotations, seen)
		}
		return result, nil
	}, name("SeeRotations"))
	return s
}

// rotation plays RotateSecret.
func (s *fleetStage) rotation(sc fleetScript) any {
	targets := map[string]string{}
	for _, item := range sc.items {
		targets[item.Request.SecretName] = item.Target
	}
	return func(ctx workflow.Context, req rotation.Request) (*rotation.Result, error) {
		if s.busyFor[req.SecretName] > 0 {
			s.busyFor[req.SecretName]--
			// Where somebody else is rotating it, this is what the start of the child comes to.
			return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("", "", "")
		}
		target := targets[req.SecretName]
		s.began = append(s.began, req.SecretName)
		s.open++
		s.atTarget[target]++
		s.most, s.mostAt[target] = max(s.most, s.open), max(s.mostAt[target], s.atTarget[target])
		defer func() {
			s.open--
			s.atTarget[target]--
		}()
		if sc.rotate != nil {
			return sc.rotate(ctx, req.SecretName)
		}
		return rotated(ctx, time.Minute)
	}
}

func rotated(ctx workflow.Context, takes time.Duration) (*rotation.Result, error) {
	if err := workflow.Sleep(ctx, takes); err != nil {
		return nil, err
	}
	return &rotation.Result{Outcome: rotation.Rotated}, nil
}

func rolledBack(ctx workflow.Context, name string) (*rotation.Result, error) {
	if err := workflow.Sleep(ctx, time.Minute); err != nil {
		return nil, err
	}
	result := &rotation.Result{Outcome: rotation.RolledBack, Secret: name, Reason: &rotation.Failure{Text: "the admin may not"}}
	return nil, temporal.NewNonRetryableApplicationError("the admin may not", string(rotation.RolledBack), nil, result)
}

func (s *fleetStage) run() { s.ExecuteWorkflow(fleet.WorkflowType, s.order) }

// status is the result, or what a query answers.
func (s *fleetStage) status(t *testing.T) (status fleet.Status) {
	t.Helper()
	if s.IsWorkflowCompleted() && s.GetWorkflowError() == nil {
		require.NoError(t, s.GetWorkflowResult(&status))
		return status
	}
	value, err := s.QueryWorkflow(rotation.QueryStatus)
	require.NoError(t, err)
	require.NoError(t, value.Get(&status))
	return status
}

// fleetAnswer is what came of an update.
type fleetAnswer struct {
	rejected error
	status   fleet.Status
}

// say sends an update after a time.
func (s *fleetStage) say(after time.Duration, update string, arg any) *fleetAnswer {
	a := &fleetAnswer{}
	s.RegisterDelayedCallback(func() {
		s.UpdateWorkflow(update, fmt.Sprint(update, after), &testsuite.TestUpdateCallback{
			OnReject:   func(err error) { a.rejected = err },
			OnAccept:   func() {},
			OnComplete: func(v any, _ error) { a.status, _ = v.(fleet.Status) },
		}, arg)
	}, after)
	return a
}
