// Package trial puts rotations to the test on the real parts: worker processes, a Temporal server, a MySQL server, the clouds' SDKs against
// the simulated cloud. Each trial has a secret, a task queue and relays of its own, which see every effect that a rotation has outside of
// its worker: calls of the store, of the RDS API and of Temporal, and SQL statements. What happens right before an effect, and right after
// it, is the test's to say: the worker is killed, the connection breaks, somebody decides something. The product knows nothing of this.
package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"rotor/internal/config"
	"rotor/internal/devstack"
	"rotor/internal/devstack/process"
	"rotor/internal/rotation"
)

// Bench is what the trials of a test program share.
type Bench struct {
	Stack    *devstack.Stack
	Temporal client.Client
	// MetricsOfEvery is of which workers there are metrics: one that has them asks Temporal for all rotations that are stuck, and each of those for its
	// state, so that where there are dozens of both it is every fourth.
	MetricsOfEvery int64

	worker    string
	workspace *process.Workspace
	numbers   atomic.Int64
	// atFirst are the accounts that the database had before any secret was made.
	atFirst map[string]bool

	mu      sync.Mutex
	secrets []devstack.Secret
	// retiring are the names of those whose former accounts are retired.
	retiring map[string]bool
	// strangers are the passwords that strangers have set.
	strangers []rotation.Secret
	written   []string
	// calm is the worker that nothing disturbs.
	calm *Worker

	started sync.Mutex
	// starts counts the workers that were to be started.
	starts  int64
	workers []*Worker
}

// Start builds a worker and starts a stack.
func Start(ctx context.Context, out io.Writer) (b *Bench, err error) {
	return StartOn(ctx, devstack.Options{Out: out})
}

// StartOn is Start with a stack of one's own choice; there is never a Web UI.
func StartOn(ctx context.Context, options devstack.Options) (b *Bench, err error) {
	b = &Bench{MetricsOfEvery: 4, retiring: map[string]bool{}}
	if b.workspace, err = process.NewWorkspace(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	b.worker = b.workspace.Path("worker")
	if said, err := exec.CommandContext(ctx, "go", "build", "-o", b.worker, "rotor/worker").CombinedOutput(); err != nil {
		return b, fmt.Errorf("build the worker: %w\n%s", err, said)
	}
	options.Headless = true
	if b.Stack, err = devstack.Start(ctx, options); err != nil {
		return b, err
	}
	if err := b.standBy(ctx); err != nil {
		return b, err
	}
	b.Temporal, err = client.Dial(client.Options{
		HostPort: b.Stack.Temporal.Address, Namespace: b.Stack.Temporal.Namespace, Identity: "trial", Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{GrpcCompression: &client.GrpcCompressionNone{}}, // as the commands do
	})
	return b, err
}

// Close ends everything.
func (b *Bench) Close() error {
	if b.Temporal != nil {
		b.Temporal.Close()
	}
	errs := []error{b.workspace.Close()}
	if b.Stack != nil {
		errs = append(errs, b.Stack.Close())
	}
	return errors.Join(errs...)
}

// Quick are settings of a worker that make waits short.
var Quick = map[string]string{
	"ROTOR_HEARTBEAT": "1s", "ROTOR_STEP_TIMEOUT": "6s", "ROTOR_STEP_BURST": "12s", "ROTOR_FIRST_PAUSE": "200ms", "ROTOR_LONGEST_PAUSE": "1s",
	"ROTOR_STICKY": "500ms", "ROTOR_STOP_TIMEOUT": "2s", "ROTOR_ALIBABA_SIGNATURE_VALIDITY": "3s", "ROTOR_WORKFLOW_TASK_TIMEOUT": "1s",
	"ROTOR_EXPRESS": "false",
}

// thrift spares workers that live for seconds some of their work: collecting what little garbage they make, and reading the certificates of
// public authorities, by none of which anything here is signed.
var thrift = map[string]string{"GOGC": "400", "SSL_CERT_FILE": "/dev/null", "SSL_CERT_DIR": "/dev/null"}

// Worker is a worker process.
type Worker struct {
	*process.Child
	name string
	// metrics is where it serves them, "" if nowhere.
	metrics string
}

// startPatience is how long a worker may take to poll; the machine may be busy with many of them.
const startPatience = time.Minute

// launchPoll is how often it is looked whether a worker polls yet.
const launchPoll = 20 * time.Millisecond

// StartWorker starts a worker that reaches Temporal at an address, and waits until it polls.
func (b *Bench) StartWorker(ctx context.Context, temporal, queue string, more map[string]string) (*Worker, error) {
	b.started.Lock()
	b.starts++
	address := more[config.SettingMetrics]
	if address == "" && b.starts%b.MetricsOfEvery == 0 {
		address = metricsAddress(b.starts)
	}
	b.started.Unlock()
	w, err := b.Launch(ctx, queue, Quick, thrift, more, map[string]string{"TEMPORAL_ADDRESS": temporal, config.SettingMetrics: address})
	if err != nil {
		return nil, err
	}
	w.metrics = address
	b.started.Lock()
	defer b.started.Unlock()
	b.workers = append(b.workers, w)
	return w, nil
}

// metricsAddress is one that no other worker of this program has, nor of one that runs beside it: all of 127.0.0.0/8 is this machine.
func metricsAddress(number int64) string {
	return fmt.Sprintf("127.%d.%d.%d:9464", 2+os.Getpid()%250, number>>8&0xff, number&0xff)
}

// Launch starts a worker with settings over the stack's, the last ones first, and waits until it polls.
func (b *Bench) Launch(ctx context.Context, queue string, more ...map[string]string) (*Worker, error) {
	settings := b.Stack.Env()
	for _, from := range more {
		maps.Copy(settings, from)
	}
	env := os.Environ()
	for name, value := range settings {
		env = append(env, name+"="+value)
	}
	w := &Worker{name: fmt.Sprintf("worker-%d", b.numbers.Add(1))}
	var err error
	if w.Child, err = b.workspace.Start(process.Command{Name: w.name, Path: b.worker, Args: []string{"--task-queue", queue}, Env: env}); err != nil {
		return nil, err
	}
	logFile := b.workspace.Path(w.name + ".log")
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	tick := time.NewTicker(launchPoll)
	defer tick.Stop()
	for {
		if said, err := os.ReadFile(logFile); err == nil && strings.Contains(string(said), "rotor worker started") {
			return w, nil
		}
		select {
		case <-w.Done():
			return nil, w.Ended()
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("worker %s does not poll yet: %w", w.name, ctx.Err()), w.Kill())
		case <-tick.C:
		}
	}
}

const undisturbedQueue = "undisturbed"

// undisturbed starts the worker that nothing disturbs, once.
func (b *Bench) undisturbed(ctx context.Context) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.calm == nil {
		b.calm, err = b.StartWorker(ctx, b.Stack.Temporal.Address, undisturbedQueue, map[string]string{"ROTOR_STEP_TIMEOUT": "30s", "ROTOR_STEP_BURST": "1m", "ROTOR_EXPRESS": "true"})
	}
	return err
}

// Number gives a number that nothing else of this bench has.
func (b *Bench) Number() int64 { return b.numbers.Add(1) }

// Remember keeps a secret for the search at the end.
func (b *Bench) Remember(k Kind, s devstack.Secret) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.secrets = append(b.secrets, s)
	b.retiring[s.Name] = k.Retires
}

// Heard keeps a text that a rotation or a command showed, for the search at the end.
func (b *Bench) Heard(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.written = append(b.written, text)
}

// left are the files that workers have left behind: their logs, and the pages of their metrics as they were in the end.
func (b *Bench) left() ([]string, error) {
	return filepath.Glob(b.workspace.Path("worker-*.*"))
}

// keepMetrics keeps the page of metrics of a worker that lives.
func (b *Bench) keepMetrics(ctx context.Context, w *Worker) error {
	if w.metrics == "" || w.Ended() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, clearPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.metrics+"/metrics", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		if w.Ended() != nil {
			return nil // it went meanwhile
		}
		return fmt.Errorf("read the metrics of %s: %w", w.name, err)
	}
	defer func() { _ = response.Body.Close() }()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("read the metrics of %s: %w", w.name, err)
	}
	return os.WriteFile(b.workspace.Path(w.name+metricsEnding), page, 0o600)
}

const metricsEnding = ".metrics"
