// Package wiring puts stores, targets, steps and workflows together into a worker. A new store or target is one line here.
package wiring

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"rotor/activities"
	"rotor/internal/config"
	"rotor/internal/fleet"
	"rotor/internal/pace"
	"rotor/internal/payload"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql"
	"rotor/workflows"
)

// Around is what a worker's surroundings add to it. The zero value works.
type Around struct {
	// Attributes are the search attributes that rotations are to have, of those of the namespace.
	Attributes []string
	// Watcher is told of rotations, Outer stands before every step.
	Watcher workflows.Watcher
	Outer   []interceptor.WorkerInterceptor
}

// New makes a worker of the steps; the caller starts and stops it.
func New(c client.Client, keys *payload.Keys, steps *activities.Rotation, settings config.Worker, around Around) worker.Worker {
	follower := &activities.Follower{Client: c, Wait: settings.StepTimeout / 3}
	steps.LastRotated = func(ctx context.Context, workflowID string) (time.Time, error) {
		return follower.LastRotated(ctx, keys.Hide(workflowID))
	}
	steps.OpenRun = func(ctx context.Context, workflowID string) (string, error) {
		return follower.OpenRun(ctx, keys.Hide(workflowID))
	}
	if keys != nil {
		steps.RotatesInClear = follower.Rotates
	}
	if settings.Express {
		steps.Memory = Memory(settings)
	}
	// What histories call the program. Without it the SDK makes a checksum of the whole file, which takes longer than all else at the start.
	worker.SetBinaryChecksum(settings.Version())
	w := worker.New(c, settings.TaskQueue, worker.Options{
		Interceptors:                           append(around.Outer, &activities.Edge{Heartbeat: settings.Heartbeat}),
		StickyScheduleToStartTimeout:           settings.Sticky,
		WorkerStopTimeout:                      settings.StopTimeout,
		MaxConcurrentActivityExecutionSize:     settings.MaxActivities,
		MaxHeartbeatThrottleInterval:           settings.Heartbeat,
		DefaultHeartbeatThrottleInterval:       settings.Heartbeat,
		MaxConcurrentWorkflowTaskExecutionSize: 100,
		WorkflowTaskPollerBehavior:             polling(),
		DeploymentOptions:                      deployment(settings),
	})
	Register(w, follower, keys, steps, settings, around)
	return w
}

// polling has new workflow tasks and those of workflows that the worker remembers polled for apart. The SDK's default, two that do either, both wait
// for the latter when many of those have come in, as queries do, and are gone: a rotation that starts then is not noticed for a minute.
func polling() worker.PollerBehavior {
	return worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{InitialNumberOfPollers: 1, MinimumNumberOfPollers: 1, MaximumNumberOfPollers: 10})
}

// What a worker keeps between steps that go express: longer than those take together, and more than there are at once.
const (
	memoryFor   = 10 * time.Second
	memoryLimit = 1000
)

// Memory is what a worker keeps between steps that go express. As many sessions as may be at work at a database server may be left open there between
// two steps.
func Memory(settings config.Worker) *activities.Memory {
	return &activities.Memory{For: memoryFor, Limit: memoryLimit, Sessions: settings.MaxPerTarget}
}

// deployment makes the worker a versioned one, where that is asked for. Runs go on with the version that is current: a parked one would
// else keep an old version alive for ever.
func deployment(settings config.Worker) worker.DeploymentOptions {
	if settings.Deployment == "" {
		return worker.DeploymentOptions{}
	}
	return worker.DeploymentOptions{
		UseVersioning:             true,
		Version:                   worker.WorkerDeploymentVersion{DeploymentName: settings.Deployment, BuildID: settings.Version()},
		DefaultVersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	}
}

// Registry is what workflows and activities are registered with: a worker, or a test environment.
type Registry interface {
	worker.WorkflowRegistry
	worker.ActivityRegistry
}

// Register registers everything that a worker does.
func Register(w Registry, follower *activities.Follower, keys *payload.Keys, steps *activities.Rotation, settings config.Worker, around Around) {
	rotations := &workflows.Rotations{Timing: Timing(settings), ID: keys.Hide, Attributes: around.Attributes, StuckAfter: settings.StuckAfter, Express: settings.Express, Watcher: around.Watcher}
	w.RegisterWorkflowWithOptions(rotations.RotateSecret, workflow.RegisterOptions{Name: rotation.WorkflowType})
	w.RegisterWorkflowWithOptions(rotations.CheckSecret, workflow.RegisterOptions{Name: rotation.CheckWorkflowType})
	w.RegisterWorkflowWithOptions(rotations.ReadAges, workflow.RegisterOptions{Name: rotation.AgesWorkflowType})
	w.RegisterWorkflowWithOptions(rotations.ListTagged, workflow.RegisterOptions{Name: rotation.TaggedWorkflowType})
	w.RegisterWorkflowWithOptions(rotations.RetireFormer, workflow.RegisterOptions{Name: rotation.RetireWorkflow})
	w.RegisterActivity(steps)
	w.RegisterActivityWithOptions(follower.Follow, activity.RegisterOptions{Name: rotation.ActivityFollow})
	w.RegisterWorkflowWithOptions(rotations.RotateFleet, workflow.RegisterOptions{Name: fleet.WorkflowType})
	w.RegisterWorkflowWithOptions(rotations.FleetPart, workflow.RegisterOptions{Name: fleet.PartWorkflowType})
	w.RegisterActivity(&activities.Fleet{Client: follower.Client, Payloads: keys.Converter(), ID: keys.Hide, Attributes: around.Attributes})
}

// Timing is the workflows' part of the settings.
func Timing(settings config.Worker) workflows.Timing {
	return workflows.Timing{
		Attempt: settings.StepTimeout, Heartbeat: settings.Heartbeat, Burst: settings.StepBurst,
		FirstPause: settings.FirstPause, LongestPause: settings.LongestPause, WorkflowTask: settings.WorkflowTaskTimeout,
	}
}

// Steps gives the steps with the stores and targets that this worker has.
func Steps(settings config.Worker) (*activities.Rotation, error) {
	shelf, err := newShelf(settings)
	if err != nil {
		return nil, err
	}
	return stepsWith(shelf, settings, nil)
}

func stepsWith(shelf *shelf, settings config.Worker, waited func(store string, d time.Duration)) (*activities.Rotation, error) {
	sql, err := mysql.New(mysql.Options{CAFiles: filepath.SplitList(settings.MySQLCA), AllowMissing: settings.AllowMissing()})
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", rotation.TargetMySQL, err)
	}
	apsara, err := newApsara(settings, config.NamedStore{Network: settings.AlibabaNetwork}, sql)
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", rotation.TargetApsaraRDS, err)
	}
	byStore, err := storeTargets(settings, shelf.named, sql)
	if err != nil {
		return nil, err
	}
	return &activities.Rotation{
		Stores:         shelf.paced(waited),
		Rules:          shelf.rules,
		Allowed:        shelf.allowed,
		Targets:        map[string]target.Target{rotation.TargetMySQL: sql, rotation.TargetApsaraRDS: apsara},
		StoreTargets:   byStore,
		Random:         rand.Reader,
		Now:            time.Now,
		Pause:          pause,
		LongestAttempt: settings.StepTimeout,
		TargetSlots:    &activities.Slots{Limit: settings.MaxPerTarget, Pace: paceOfTargets(settings)},
		StoreSlots:     &activities.Slots{Limit: settings.MaxPerStore},
	}, nil
}

// paceOfTargets is nil where steps may begin as often as they come.
func paceOfTargets(settings config.Worker) func(place string) time.Duration {
	if settings.StepsPerTarget == 0 {
		return nil
	}
	return pace.NewPlaces(settings.StepsPerTarget, settings.QuotaWorkers, time.Now).Try
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
