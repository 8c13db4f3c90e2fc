package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"rotor/activities"
	"rotor/internal/cloudsim/apsarards"
	"rotor/internal/config"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/trial"
	"rotor/internal/wiring"
)

// kinds are those that are timed one by one. A new one is a line here.
var kinds = []trial.Kind{
	{Name: "kms-mysql-dual-account", Add: devstack.Seeder.KMSMySQLPair},
	{Name: "kms-apsara-dual-account", Add: apsaraPair},
	{Name: "aws-mysql-dual-account", Add: devstack.Seeder.AWSPair},
	{Name: "aws-mysql-single-user", Add: devstack.Seeder.AWSSingleUser},
	{Name: "kms-mysql-dual-password", Add: devstack.Seeder.KMSMySQLPair, Strategy: rotation.DualPassword},
}

// tracked is the kind that all other things are measured with.
var tracked = kinds[0]

// apsaraPair has an instance that takes its time for a change of an account; how long is not this program's doing.
func apsaraPair(s devstack.Seeder, ctx context.Context, name string) (devstack.Secret, error) {
	secret, err := s.KMSApsaraPair(ctx, name)
	if err == nil {
		s.Cloud.ApsaraRDS().In(s.Cloud.Credential().Account, devstack.Region).Change(secret.Instance, func(i *apsarards.Instance) { i.Delay = 50 * time.Millisecond })
	}
	return secret, err
}

// databases is how many addresses the server has, each of which counts as a database of its own.
const databases = 10

// Task queues of the two workers.
const (
	queueFree  = "bench"
	queuePaced = "bench-paced"
)

// unbounded are settings with which the machine is what bounds a worker, and not its care for others. All else is as it comes.
var unbounded = map[string]string{
	"ROTOR_ALIBABA_KMS_WRITES": "0", "ROTOR_AWS_WRITES": "0", "ROTOR_MAX_ACTIVITIES": "200", "ROTOR_MAX_PER_TARGET": "200", "ROTOR_MAX_PER_STORE": "200",
}

// server is a setting that the development server has differently from all others: it reads from its database which search attributes there
// are whenever one is written.
var server = map[string]string{"system.forceSearchAttributesCacheRefreshOnRead": "false"}

// stage is everything that rotations need.
type stage struct {
	*trial.Bench
	options
	progress io.Writer
	report   *report
	// steps are for the floor, which runs in this process.
	steps  *activities.Rotation
	worker *trial.Worker
	relays []*relay
	// near secrets are reached directly, far ones through the relays.
	near, far []devstack.Secret
}

// measure sets the stage up and measures everything.
func measure(ctx context.Context, o options, progress io.Writer) (r *report, err error) {
	env, err := o.env()
	if err != nil {
		return nil, err
	}
	s := &stage{options: o, progress: progress, report: &report{
		Version: o.version, Time: time.Now().UTC(), Machine: thisMachine(), Sizes: o.sizes, WorkerEnv: env,
	}}
	if s.Bench, err = trial.StartOn(ctx, devstack.Options{Out: progress, TemporalConfig: server}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.report.Database = fmt.Sprintf("%s %s", s.Stack.MySQL.Flavour, s.Stack.MySQL.Version)
	if err := s.prepare(ctx, env); err != nil {
		return nil, err
	}
	for run := range o.Runs {
		began := time.Now()
		for _, part := range []func(context.Context) error{s.timeKinds, s.alone, s.rates, s.distances, s.hung, s.quota, s.exposures, s.counts} {
			if err := part(ctx); err != nil {
				return s.report, err
			}
		}
		s.tell("run %d of %d took %s", run+1, o.Runs, time.Since(began).Round(time.Second))
	}
	return s.report, nil
}

func (s *stage) close() error {
	var errs []error
	for _, r := range s.relays {
		errs = append(errs, r.close())
	}
	return errors.Join(append(errs, s.Bench.Close())...)
}

// add keeps a measurement, and tells it.
func (s *stage) add(name, unit string, value float64) {
	s.report.add(name, unit, value)
	s.tell("  %s: %s %s", name, number(value), unit)
}

func (s *stage) tell(format string, args ...any) {
	_, _ = fmt.Fprintf(s.progress, format+"\n", args...)
}

func (s *stage) prepare(ctx context.Context, env map[string]string) (err error) {
	free := maps.Clone(unbounded)
	maps.Copy(free, env)
	if s.worker, err = s.Launch(ctx, queueFree, free); err != nil {
		return err
	}
	if _, err = s.Launch(ctx, queuePaced, env); err != nil {
		return err
	}
	if s.steps, err = s.newSteps(free); err != nil {
		return err
	}
	for range databases {
		r, err := newRelay(s.Stack.MySQL.Address())
		if err != nil {
			return err
		}
		s.relays = append(s.relays, r)
	}
	most := slices.Max(s.AtOnce)
	if s.near, err = s.addMany(ctx, tracked, most, func(int) int { return s.Stack.MySQL.Port }); err != nil {
		return err
	}
	if s.far, err = s.addMany(ctx, tracked, most, func(i int) int { return s.relays[i%databases].port() }); err != nil {
		return err
	}
	return nil
}

// newSteps are the steps without Temporal, set up as the worker is. They take their credentials from the environment.
func (s *stage) newSteps(more map[string]string) (*activities.Rotation, error) {
	env := s.Stack.Env()
	maps.Copy(env, more)
	for name, value := range env {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	var settings config.Worker
	if err := settings.Settings().Load(os.LookupEnv); err != nil {
		return nil, err
	}
	steps, err := wiring.Steps(settings)
	if err == nil {
		steps.Memory = wiring.Memory(settings)
	}
	return steps, err
}

// addMany makes secrets and rotates each once, so that all that follows are the same: the standby account is there.
func (s *stage) addMany(ctx context.Context, k trial.Kind, n int, port func(i int) int) ([]devstack.Secret, error) {
	secrets := make([]devstack.Secret, n)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range secrets {
		group.Go(func() (err error) {
			seeder := devstack.Seeder{DB: s.Stack.MySQL.DB(), Host: s.Stack.MySQL.Host, Port: port(i), Cloud: s.Stack.Cloud}
			if secrets[i], err = k.Add(seeder, ctx, fmt.Sprintf("b%d", s.Number())); err != nil {
				return err
			}
			_, err = s.rotate(ctx, k, secrets[i], queueFree)
			return err
		})
	}
	return secrets, group.Wait()
}

// rotate rotates a secret by the worker of a task queue, as a starter does.
func (s *stage) rotate(ctx context.Context, k trial.Kind, secret devstack.Secret, queue string) (result rotation.Result, err error) {
	run, err := s.start(ctx, k, secret, queue)
	if err != nil {
		return result, err
	}
	return result, await(ctx, k, run, &result)
}

// tries is how often Temporal is asked: a server that has more to do than it can says strange things at times.
const tries = 5

// await waits for the end of a rotation.
func await(ctx context.Context, k trial.Kind, run client.WorkflowRun, result *rotation.Result) error {
	for try := 1; ; try++ {
		err := run.Get(ctx, result)
		if err == nil {
			return nil
		}
		if _, ended := errors.AsType[*temporal.WorkflowExecutionError](err); ended || try == tries || ctx.Err() != nil {
			return fmt.Errorf("rotate a secret of kind %s: %w", k.Name, err)
		}
	}
}

func (s *stage) start(ctx context.Context, k trial.Kind, secret devstack.Secret, queue string) (client.WorkflowRun, error) {
	for try := 1; ; try++ {
		// A start whose answer was late is found running by the next try.
		run, err := s.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: trial.ID(secret), TaskQueue: queue}, rotation.WorkflowType, trial.Request(k, secret))
		if err == nil {
			return run, nil
		}
		if try == tries || ctx.Err() != nil {
			return nil, fmt.Errorf("start a rotation of kind %s: %w", k.Name, err)
		}
	}
}
