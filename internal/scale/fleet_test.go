package scale

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"rotor/internal/cli"
	"rotor/internal/devstack"
	"rotor/internal/fleet"
	"rotor/internal/rotation"
	"rotor/internal/trial"
)

var (
	secretsFlag = flag.Int("secrets", 60, "how many secrets the fleet has")
	broken      = flag.Int("broken", 1, "how many in a hundred are broken")
	troubled    = flag.Bool("trouble", true, "kill workers, restart Temporal and pause the fleet in the midst of it")
	parallel    = flag.Int("parallel", 20, "how many rotations are open at once")
	workers     = flag.Int("workers", 2, "how many workers there are")
	schedules   = flag.Bool("schedules", false, "make a schedule for each secret first, and measure that, too")
	express     = flag.Bool("express", true, "rotations may go express, as they do by default")
	bound       = flag.Duration("bound", 15*time.Minute, "how long all of it may take")
	// suggest has the workflow go on in another run sooner than Temporal would have it, so that a few secrets try that, too; 0: Temporal's own.
	suggest = flag.Int("suggest", 150, "after how many events Temporal suggests another run")
)

const (
	queue = "scale"
	name  = "scale"
)

// run is one run of everything.
type run struct {
	*trial.Bench
	secrets []secret
	env     []string

	mu      sync.Mutex
	workers []*trial.Worker
	// peak is the most memory that any worker has had, in kB.
	peak int
	// busy is how long each worker has kept processors busy, in ticks.
	busy  map[int]int
	calls calls
}

func TestFleet(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), *bound)
	defer cancel()
	r := begin(ctx, t, *secretsFlag, *broken)
	t.Cleanup(r.Stack.Cloud.Before((&turns{next: map[bool]time.Time{}}).before))
	for range *workers {
		require.NoError(t, r.startWorker(ctx))
	}
	if *schedules {
		r.schedule(ctx, t)
	}
	file := t.TempDir() + "/rotations.yaml"
	require.NoError(t, os.WriteFile(file, []byte(manifest(r.secrets)), 0o600))
	began := time.Now()
	r.starter(ctx, t, cli.ExitOK, "fleet", "start", "-f", file, "--name", name, "--parallel", fmt.Sprint(*parallel), "--canary", "3", "--max-failures", "0", "--no-wait")
	if *troubled {
		r.trouble(ctx, t)
	}
	status := r.until(ctx, t, "it is over", func(s fleet.Status) bool { return s.State.Over() })
	took := time.Since(began)

	var wanted, found []string
	for _, s := range r.secrets {
		if s.broken {
			wanted = append(wanted, s.name)
		}
	}
	var report cli.FleetReport
	require.NoError(t, json.Unmarshal([]byte(r.starter(ctx, t, cli.ExitOK, "fleet", "report", name, "--output", "json")), &report))
	for _, row := range report.Secrets {
		if row.Outcome != string(rotation.Rotated) {
			found = append(found, row.Secret)
			require.Equal(t, string(rotation.Refused), row.Outcome, row)
		}
	}
	slices.Sort(found)
	require.Equal(t, wanted, found, "the report names exactly those that are broken")
	require.Equal(t, fleet.Tally{Rotated: len(r.secrets) - len(wanted), Refused: len(wanted)}, status.Tally)
	require.Len(t, report.Secrets, len(r.secrets))
	if *suggest > 0 && *secretsFlag*5 > *suggest {
		require.Positive(t, status.Runs, "it went on in another run of the workflow")
	}
	r.audit(ctx, t)
	fmt.Printf("outcomes: %s; not Rotated, as the report names them: %s\n", status.Tally.Words(), strings.Join(found, ", "))
	r.measured(ctx, t, status, took)
	r.simulated(took)
}

// begin brings up everything but workers.
func begin(ctx context.Context, t *testing.T, secrets, broken int) *run {
	config := map[string]string{}
	if *suggest > 0 {
		config["limit.historyCount.suggestContinueAsNew"] = fmt.Sprint(*suggest)
	}
	bench, err := trial.StartOn(ctx, devstack.Options{Out: os.Stdout, TemporalConfig: config})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bench.Close()) })
	r := &run{Bench: bench, busy: map[int]int{}}
	seeding := time.Now()
	r.secrets, err = seed(ctx, bench.Stack, secrets, broken)
	require.NoError(t, err)
	fmt.Printf("%d secrets made in %.0fs\n", len(r.secrets), time.Since(seeding).Seconds())
	for key, value := range bench.Stack.Env() {
		r.env = append(r.env, key+"="+value)
	}
	r.env = append(r.env, "ROTOR_TASK_QUEUE="+queue, "ROTOR_WORKFLOW_TASK_TIMEOUT=2s", "USER=ada")
	return r
}

func (r *run) startWorker(ctx context.Context) error {
	// A busy machine takes its time for each step; what is slow is no reason to begin anew.
	w, err := r.StartWorker(ctx, r.Stack.Temporal.Address, queue, map[string]string{
		"ROTOR_MAX_PER_TARGET": "100", "ROTOR_MAX_PER_STORE": "100", "ROTOR_STEP_TIMEOUT": "20s", "ROTOR_STEP_BURST": "1m", "ROTOR_HEARTBEAT": "5s",
		"ROTOR_FIRST_PAUSE": "1s", "ROTOR_LONGEST_PAUSE": "5s", "ROTOR_ALIBABA_SIGNATURE_VALIDITY": "20s", "ROTOR_WORKFLOW_TASK_TIMEOUT": "5s",
		"ROTOR_EXPRESS": strconv.FormatBool(*express),
		"GOGC":          "100", // its memory is measured
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.workers = append(r.workers, w)
	}
	return err
}

// starter runs a command as a person would.
func (r *run) starter(ctx context.Context, t *testing.T, code int, words ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	got := cli.Execute(ctx, cli.Options{Args: words, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Environ: r.env})
	require.Equal(t, code, got, "%v: %s%s", words, out.String(), errs.String())
	return out.String()
}

// status asks the fleet; while Temporal or all workers are away there is no answer.
func (r *run) status(ctx context.Context) (s fleet.Status, answered bool) {
	var out bytes.Buffer
	code := cli.Execute(ctx, cli.Options{Args: []string{"fleet", "status", name, "-o", "json"}, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &bytes.Buffer{}, Environ: r.env})
	return s, code == cli.ExitOK && json.Unmarshal(out.Bytes(), &s) == nil
}

// until waits until the fleet is so; the context bounds it.
func (r *run) until(ctx context.Context, t *testing.T, what string, so func(fleet.Status) bool) (last fleet.Status) {
	t.Helper()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	said := time.Now()
	for {
		if s, answered := r.status(ctx); answered {
			if last = s; so(s) {
				return s
			}
		}
		r.weigh()
		r.counted()
		if time.Since(said) > 20*time.Second {
			said = time.Now()
			fmt.Println(last.Doing)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within the time given; last seen: %s", what, last.Doing)
		case <-tick.C:
		}
	}
}

// part waits until so many hundredths of the secrets are done.
func (r *run) part(ctx context.Context, t *testing.T, percent int) {
	r.until(ctx, t, fmt.Sprintf("%d%% are done", percent), func(s fleet.Status) bool { return s.Tally.Done()*100 >= s.Selected*percent })
}

// trouble kills workers, pauses the fleet and restarts Temporal, each at another place of the fleet.
func (r *run) trouble(ctx context.Context, t *testing.T) {
	r.part(ctx, t, 10)
	r.kill(ctx, t)
	r.part(ctx, t, 25)
	r.starter(ctx, t, cli.ExitOK, "fleet", "pause", name, "--reason", "a release")
	paused := r.until(ctx, t, "what was open has ended", func(s fleet.Status) bool { return s.State == fleet.Paused && s.Open == 0 })
	r.kill(ctx, t)
	r.starter(ctx, t, cli.ExitOK, "fleet", "resume", name)
	require.Less(t, paused.Tally.Done(), len(r.secrets), "it was paused in the midst")
	r.part(ctx, t, 50)
	require.NoError(t, r.Stack.Temporal.Restart(ctx))
	fmt.Println("Temporal restarted")
	r.part(ctx, t, 70)
	r.kill(ctx, t)
}

// kill kills all workers and starts others.
func (r *run) kill(ctx context.Context, t *testing.T) {
	r.mu.Lock()
	killed := r.workers
	r.workers = nil
	r.mu.Unlock()
	for _, w := range killed {
		require.NoError(t, w.Kill())
	}
	for range killed {
		require.NoError(t, r.startWorker(ctx))
	}
	fmt.Printf("%d workers killed\n", len(killed))
}

func (r *run) audit(ctx context.Context, t *testing.T) {
	var mu sync.Mutex
	var wrong []string
	var group errgroup.Group
	group.SetLimit(seedAtOnce)
	for i := range r.secrets {
		group.Go(func() error {
			if problem := r.secrets[i].audit(ctx, r.Stack); problem != "" {
				mu.Lock()
				defer mu.Unlock()
				wrong = append(wrong, r.secrets[i].name+": "+problem)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.Empty(t, wrong)
}
