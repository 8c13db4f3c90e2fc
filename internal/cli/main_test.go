// Tests of the command line, each command as a person types it, on a real stack: a Temporal server, a MySQL server, the simulated
// cloud, and a worker in this process.
package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"rotor/internal/cli"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/config"
	"rotor/internal/devstack"
	"rotor/internal/polling"
	"rotor/internal/wiring"
)

// The stack that all tests share; each has secrets of its own.
var (
	stack    *devstack.Stack
	temporal client.Client
	// program is the starter, built, for tests of whole processes.
	program string
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Most tests wait for something most of the time.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	code, err := runWithStack(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cli:", err)
		code = 1
	}
	os.Exit(code)
}

func runWithStack(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "starter")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program = filepath.Join(dir, "starter")
	if out, err := exec.Command("go", "build", "-o", program, "rotor/starter").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build the starter: %w: %s", err, out)
	}
	if stack, err = devstack.Start(context.Background(), devstack.Options{Headless: true}); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, stack.Close()) }()
	for name, value := range stack.Env() {
		if err := os.Setenv(name, value); err != nil {
			return 1, err
		}
	}
	if temporal, err = client.Dial(clientOptions()); err != nil {
		return 1, err
	}
	defer temporal.Close()
	stop, err := startWorker(config.DefaultTaskQueue)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return m.Run(), nil
}

func clientOptions() client.Options {
	return client.Options{
		HostPort: stack.Temporal.Address, Namespace: stack.Temporal.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	}
}

// quick are settings of the worker that make waits short. Steps go as activities, so that a test can look, and act, between them.
var quick = map[string]string{
	"ROTOR_HEARTBEAT": "1s", "ROTOR_STEP_TIMEOUT": "10s", "ROTOR_STEP_BURST": "6s", "ROTOR_FIRST_PAUSE": "1500ms", "ROTOR_LONGEST_PAUSE": "2s",
	"ROTOR_STICKY": "1s", "ROTOR_STOP_TIMEOUT": "2s", "ROTOR_ALIBABA_SIGNATURE_VALIDITY": "2s",
	"ROTOR_EXPRESS": "false",
}

// startWorker starts a worker on the stack, in this process.
func startWorker(queue string, more ...map[string]string) (stop func() error, err error) {
	return startWorkerAt(clientOptions(), queue, more...)
}

// startWorkerAt starts one for another Temporal server.
func startWorkerAt(at client.Options, queue string, more ...map[string]string) (stop func() error, err error) {
	var settings config.Worker
	known := settings.Settings()
	if err := known.Load(func(name string) (string, bool) {
		for _, from := range append(more, quick) {
			if value, ok := from[name]; ok {
				return value, true
			}
		}
		return os.LookupEnv(name)
	}); err != nil {
		return nil, err
	}
	settings.TaskQueue = queue
	ctx, cancel := context.WithCancel(context.Background())
	served, polling := make(chan error, 1), make(chan struct{})
	go func() { served <- wiring.Serve(ctx, at, settings, func() { close(polling) }) }()
	select {
	case err := <-served:
		cancel()
		return nil, err
	case <-polling:
	}
	return sync.OnceValue(func() error {
		cancel()
		return <-served
	}), nil
}

// buffer is written by a command while a test looks into it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// running is a command that may still run.
type running struct {
	t              *testing.T
	stdout, stderr *buffer
	signals        chan os.Signal
	code           chan int
}

// how changes a command's options before it starts.
type how func(*cli.Options)

func withEnv(pairs ...string) how {
	return func(o *cli.Options) { o.Environ = append(o.Environ, pairs...) }
}

func withStdin(text string) how {
	return func(o *cli.Options) { o.Stdin = strings.NewReader(text) }
}

func onTerminal(o *cli.Options) { o.Terminal = true }

// start starts a command, with the stack's environment.
func start(t *testing.T, line []string, hows ...how) *running {
	t.Helper()
	r := &running{t: t, stdout: &buffer{}, stderr: &buffer{}, signals: make(chan os.Signal, 3), code: make(chan int, 1)}
	options := cli.Options{
		Args: line, Stdin: strings.NewReader(""), Stdout: r.stdout, Stderr: r.stderr, Environ: []string{"USER=ada"}, Signals: r.signals,
	}
	for name, value := range stack.Env() {
		options.Environ = append(options.Environ, name+"="+value)
	}
	for _, h := range hows {
		h(&options)
	}
	go func() { r.code <- cli.Execute(context.Background(), options) }()
	t.Cleanup(func() {
		// One that a failed test has left ends by itself.
		r.interrupt()
		r.interrupt()
		r.interrupt()
	})
	return r
}

func (r *running) interrupt() {
	select {
	case r.signals <- os.Interrupt:
	default:
	}
}

// wait waits for the command's end.
func (r *running) wait() finished {
	r.t.Helper()
	return r.waitAtMost(3 * time.Minute)
}

func (r *running) waitAtMost(patience time.Duration) finished {
	r.t.Helper()
	select {
	case code := <-r.code:
		return finished{code, r.stdout.String(), r.stderr.String()}
	case <-time.After(patience):
		r.t.Fatalf("the command still runs; it has printed:\n%s\n%s", r.stdout, r.stderr)
		return finished{}
	}
}

// finished is a command that has ended.
type finished struct {
	code           int
	stdout, stderr string
}

// run runs a command to its end.
func run(t *testing.T, line []string, hows ...how) finished {
	t.Helper()
	return start(t, line, hows...).wait()
}

// report reads the JSON of a command that must have printed nothing else.
func (f finished) report(t *testing.T) (r cli.Report) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(f.stdout))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&r), f.stdout+f.stderr)
	require.False(t, d.More(), f.stdout)
	return r
}

var secretNumber atomic.Int64

// newSecret adds a ready-made secret that no other test has.
func newSecret(t *testing.T) devstack.Secret {
	t.Helper()
	secret, err := stack.AddKMSMySQLPair(t.Context(), fmt.Sprintf("cli%d", secretNumber.Add(1)))
	require.NoError(t, err)
	return secret
}

// words are the arguments of a command about a secret.
func words(command string, secret devstack.Secret, more ...string) []string {
	return append([]string{command, secret.Name, "--region", secret.Region}, more...)
}

func workflowID(secret devstack.Secret) string {
	return "rotate/" + secret.Store + "/" + secret.Region + "/" + secret.Name
}

func stored(t *testing.T, secret devstack.Secret) alibabakms.Secret {
	t.Helper()
	s, ok := stack.Cloud.KMS().In(stack.Cloud.Credential().Account, secret.Region).Secret(secret.Name)
	require.True(t, ok)
	return s
}

func execSQL(t *testing.T, statement string) {
	t.Helper()
	_, err := stack.MySQL.DB().Exec(statement)
	require.NoError(t, err)
}

var eventually = polling.Eventually

// inOrder requires that the texts stand in the output one after the other.
func inOrder(t *testing.T, output string, texts ...string) {
	t.Helper()
	rest := output
	for _, text := range texts {
		_, after, found := strings.Cut(rest, text)
		require.True(t, found, "%q is missing, or out of order, in:\n%s", text, output)
		rest = after
	}
}

func oneLine(t *testing.T, stderr string) {
	t.Helper()
	require.True(t, strings.HasPrefix(stderr, "starter: "), stderr)
	require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
}
