// Package endtoend runs rotations on the real parts: a Temporal server, a MySQL server, the cloud's SDK against the simulated cloud.
package endtoend

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"rotor/internal/config"
	"rotor/internal/devstack"
	"rotor/internal/polling"
	"rotor/internal/wiring"
)

// stack is shared by all tests; each adds secrets of its own.
var stack *devstack.Stack

// temporal is connected to it.
var temporal client.Client

// workerLog is what the worker in this process has logged.
var workerLog = &lockedBuffer{}

// queue is where a worker in this process polls that takes each step as an activity, so that a test can look, and act, between them.
const queue = "endtoend"

// expressQueue is where one polls that is as in production: steps go express.
const expressQueue = "endtoend-express"

func TestMain(m *testing.M) {
	// The tests wait for servers most of the time, so many more of them than there are processors run side by side.
	flag.Parse()
	if err := flag.Set("test.parallel", "10"); err != nil {
		panic(err)
	}
	code, err := runWithStack(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "endtoend:", err)
		code = 1
	}
	os.Exit(code)
}

// built is where the tests build programs; it goes away with the stack.
var built string

func runWithStack(m *testing.M) (code int, err error) {
	if built, err = os.MkdirTemp("", "rotor-endtoend-*"); err != nil {
		return 1, err
	}
	defer func() {
		if removing := os.RemoveAll(built); err == nil {
			err = removing
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if stack, err = devstack.Start(ctx, devstack.Options{Headless: true, Out: os.Stderr}); err != nil {
		return 1, err
	}
	defer func() {
		if closing := stack.Close(); err == nil {
			err = closing
		}
	}()
	for name, value := range stack.Env() {
		if err := os.Setenv(name, value); err != nil {
			return 1, err
		}
	}
	if temporal, err = client.Dial(options(slog.New(slog.DiscardHandler))); err != nil {
		return 1, err
	}
	defer temporal.Close()
	workers := []config.Worker{settings(queue), settings(expressQueue)}
	// Nobody kills it, so it may take its time on a busy machine.
	workers[1].Express, workers[1].Sticky = true, 10*time.Second
	served := make(chan error, len(workers))
	polling := make(chan struct{}, len(workers))
	for _, w := range workers {
		go func() {
			served <- wiring.Serve(ctx, options(slog.New(slog.NewTextHandler(workerLog, &slog.HandlerOptions{Level: slog.LevelDebug}))), w,
				func() { polling <- struct{}{} })
		}()
	}
	for range workers {
		select {
		case err := <-served:
			return 1, err
		case <-polling:
		}
	}
	code = m.Run()
	cancel()
	return code, errors.Join(<-served, <-served)
}

func options(logger *slog.Logger) client.Options {
	return client.Options{HostPort: stack.Temporal.Address, Namespace: stack.Temporal.Namespace, Identity: "endtoend", Logger: log.NewStructuredLogger(logger)}
}

// settings are a worker's, with times that suit tests.
func settings(taskQueue string) config.Worker {
	var w config.Worker
	known := w.Settings()
	if err := known.Load(func(name string) (string, bool) {
		if value, ok := quick[name]; ok {
			return value, true
		}
		return os.LookupEnv(name)
	}); err != nil {
		panic(err)
	}
	w.TaskQueue = taskQueue
	return w
}

// quick are the settings that make waits short. Steps go as activities, unless a test asks for express.
var quick = map[string]string{
	"ROTOR_HEARTBEAT": "1s", "ROTOR_STEP_TIMEOUT": "6s", "ROTOR_STEP_BURST": "12s", "ROTOR_FIRST_PAUSE": "200ms", "ROTOR_LONGEST_PAUSE": "1s",
	"ROTOR_STICKY": "1s", "ROTOR_STOP_TIMEOUT": "2s", "ROTOR_ALIBABA_SIGNATURE_VALIDITY": "3s",
	"ROTOR_EXPRESS": "false",
}

var secretNumber atomic.Int64

// newSecret adds a ready-made secret that no other test has.
func newSecret(t *testing.T) devstack.Secret {
	t.Helper()
	secret, err := stack.AddKMSMySQLPair(t.Context(), fmt.Sprintf("s%d", secretNumber.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// module is the folder of the module's go.mod.
func module(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

var eventually = polling.Eventually
