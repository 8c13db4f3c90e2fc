package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"rotor/activities"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/visibility"
	"rotor/workflows"
)

const queueAlone = "bench-alone"

// idle has steps that do nothing: what is left of a rotation is Temporal's part.
type idle struct{}

func (idle) Look(_ context.Context, in activities.LookInput) (rotation.Plan, error) {
	// About as long as a real one.
	return rotation.Plan{
		Store: in.Request.Store, Region: in.Request.RegionId, Secret: in.Request.SecretName, Target: rotation.TargetMySQL, Strategy: rotation.DualAccount,
		Version: in.Version, Base: in.Version, Restore: in.Version, Previous: in.Version, Account: "application", Standby: "application_rt", StandbyExists: true,
		Admin: "application-admin", Address: "127.0.0.1:3306", Server: in.Version, TLS: "none: the server offers no TLS", LongestAttempt: time.Minute,
	}, nil
}

func (idle) New(context.Context, activities.StepInput) (activities.NewResult, error) {
	return activities.NewResult{}, nil
}

func (idle) Set(context.Context, activities.StepInput) (activities.SetResult, error) {
	return activities.SetResult{}, nil
}

func (idle) Test(context.Context, activities.StepInput) (activities.TestResult, error) {
	return activities.TestResult{Proof: rotation.ProofLogin}, nil
}

func (idle) End(context.Context, activities.EndInput) (activities.EndResult, error) {
	return activities.EndResult{Moved: time.Now(), Proof: rotation.ProofLogin}, nil
}

// What Temporal alone takes.
const alone = "Temporal alone: "

// alone measures the workflow with steps that do nothing, which no rotation can be faster than here. Worker and starter are this process.
func (s *stage) alone(ctx context.Context) error {
	w := worker.New(s.Temporal, queueAlone, worker.Options{MaxConcurrentActivityExecutionSize: 200})
	rotations := &workflows.Rotations{Timing: workflows.DefaultTiming, Attributes: slices.Sorted(maps.Keys(visibility.Types())), Express: true}
	w.RegisterWorkflowWithOptions(rotations.RotateSecret, workflow.RegisterOptions{Name: rotation.WorkflowType})
	w.RegisterActivity(&idle{})
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Stop()
	secrets := make([]devstack.Secret, s.most())
	for i := range secrets {
		secrets[i] = devstack.Secret{Store: rotation.StoreAlibabaKMS, Region: devstack.Region, Name: fmt.Sprintf("alone-%d", i)}
	}
	run, err := s.start(ctx, tracked, secrets[0], queueAlone)
	if err == nil {
		err = await(ctx, tracked, run, &rotation.Result{})
	}
	if err != nil {
		return err
	}
	events, _, err := s.history(ctx, run)
	if err != nil {
		return err
	}
	s.add(alone+nameEvents, "per rotation", float64(events))
	before, err := s.usages()
	if err != nil {
		return err
	}
	many := max(s.Many, s.most())
	rate, err := perSecond(ctx, secrets, s.most(), many, s.byWorker(queueAlone))
	if err != nil {
		return err
	}
	s.add(fmt.Sprintf("%srate, %d at once", alone, s.most()), "rotations/s", rate)
	after, err := s.usages()
	if err != nil {
		return err
	}
	for _, p := range s.processes() {
		took := milliseconds(after[p.name].processor-before[p.name].processor) / float64(many)
		switch p.pid {
		case s.Stack.Temporal.PID():
			s.add(alone+"its processor", "ms/rotation", took)
		case os.Getpid():
			s.add(alone+"worker's and starter's processor", "ms/rotation", took)
		}
	}
	return nil
}
