package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.temporal.io/sdk/client"

	"rotor/internal/config"
	"rotor/internal/devstack"
	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/port"
	"rotor/internal/payload"
	"rotor/internal/wiring"
)

// local is a whole stack on this machine, and a worker in this process.
type local struct {
	*devstack.Stack
	// inside is this execution with the environment that points at the stack.
	inside   *app
	settings config.Worker
	conn     connection
	client   client.Client
	worker   chan error
	stop     context.CancelFunc
	// restore gives the process its environment back.
	restore func()
	// codec is where the worker reads encrypted payloads for the Web UI, if they are.
	codec string
}

// quickly are defaults of the worker's settings for a stack that is there to be looked at, and taken down at once.
var quickly = map[string]string{"ROTOR_STOP_TIMEOUT": "2s", "ROTOR_FIRST_PAUSE": "2s", "ROTOR_LOG_LEVEL": "warn"}

// startLocal starts the stack, lets seed make its secrets, and starts the worker, which logs to log. What was started when something
// fails, or when ctx ends, is taken down again.
// Of the caller's settings, the worker has those that keeps names; whatever points at another Temporal or cloud is never among them.
func (a *app) startLocal(ctx context.Context, log io.Writer, level string, keeps func(name string) bool, seed func(context.Context, *devstack.Stack) error) (_ *local, err error) {
	a.busy.Store(true)
	options := devstack.Options{Out: a.Stdout, MySQL: mysqld.Options{TLS: true}}
	codec, err := a.codecAddress(keeps)
	if err != nil {
		return nil, starting(ctx, err)
	}
	if codec != "" {
		options.Codec = "http://" + codec
	}
	stack, err := devstack.Start(ctx, options)
	if err != nil {
		return nil, over(starting(ctx, err), nil)
	}
	l := &local{Stack: stack, worker: make(chan error, 1), codec: codec}
	defer func() {
		if err != nil {
			err = over(starting(ctx, err), l.close())
		}
	}()
	if err := seed(ctx, stack); err != nil {
		return nil, err
	}
	l.inside = a.within(stack.Env(), keeps)
	if err := l.readSettings(level); err != nil {
		return nil, err
	}
	if err := l.startWorker(ctx, log); err != nil {
		return nil, err
	}
	l.client, err = l.inside.dial(ctx, &l.conn)
	return l, err
}

// codecAddress is where the worker of the stack will read payloads, if they are to be encrypted: the Web UI has to know it before there
// is a worker.
func (a *app) codecAddress(keeps func(name string) bool) (string, error) {
	if keys, _ := a.lookup(payload.Setting); keys == "" || !keeps(payload.Setting) {
		return "", nil
	}
	if address, _ := a.lookup("ROTOR_CODEC_ADDRESS"); address != "" && keeps("ROTOR_CODEC_ADDRESS") {
		return address, nil
	}
	free, err := port.Free()
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(free)), nil
}

// starting says why a stack did not come up; what was interrupted did not fail.
func starting(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &exitError{ExitInterrupted, errInterrupted}
	}
	return &exitError{ExitUsage, fmt.Errorf("start the local stack: %w", err)}
}

// over is how the command that had a stack ends, now that it is taken down. What was left there is said beside anything else.
func over(err, closing error) error {
	var exit *exitError
	switch {
	case closing == nil && errors.Is(err, errInterrupted):
		return &exitError{ExitInterrupted, fmt.Errorf("%w; nothing is left behind", errInterrupted)}
	case closing != nil && errors.As(err, &exit):
		return &exitError{max(exit.code, ExitRefused), errors.Join(exit.err, closing)}
	case closing != nil:
		return failed(errors.Join(err, closing))
	}
	return err
}

// pointsElsewhere says whether a variable tells where a Temporal or a cloud is, or how to be let in there.
func pointsElsewhere(name string) bool {
	for _, prefix := range []string{"TEMPORAL_", "AWS_", "ALIBABA_CLOUD_", "ROTOR_ALIBABA_", "SECRETS_MANAGER_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{config.SettingStores, "ROTOR_ALLOW_HTTP", "ROTOR_DEPLOYMENT", "ROTOR_BUILD_ID"}, name)
}

// within is this execution in an environment that points at a stack, with the caller's variables where keeps says so.
func (a *app) within(env map[string]string, keeps func(name string) bool) *app {
	inside := &app{Options: a.Options}
	inside.Environ = nil
	for _, variable := range a.Environ {
		if name, _, _ := strings.Cut(variable, "="); !pointsElsewhere(name) && keeps(name) {
			inside.Environ = append(inside.Environ, variable)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		inside.Environ = append(inside.Environ, name+"="+env[name])
	}
	return inside
}

func (l *local) readSettings(level string) error {
	known := l.settings.Settings()
	err := known.Load(func(name string) (string, bool) {
		if value, set := l.inside.lookup(name); set && value != "" {
			return value, true
		}
		if name == "ROTOR_LOG_LEVEL" && level != "" {
			return level, true
		}
		value, set := quickly[name]
		if l.codec != "" {
			switch name {
			case "ROTOR_CODEC_ADDRESS":
				return l.codec, true
			case "ROTOR_CODEC_ORIGINS":
				return l.Temporal.WebUI, true
			}
		}
		return value, set
	})
	if l.settings.PayloadKeys != "" && err == nil {
		// People are told to type it elsewhere.
		l.settings.PayloadKeys, err = filepath.Abs(l.settings.PayloadKeys)
	}
	l.conn.queue, l.conn.keyFile, l.conn.settings = l.settings.TaskQueue, l.settings.PayloadKeys, &config.Settings{}
	return err
}

func (l *local) startWorker(ctx context.Context, log io.Writer) error {
	l.pointSDKs()
	options, err := l.conn.temporal.Options(l.inside.lookup, l.inside.Environ, wiring.Logger(log, l.settings))
	if err != nil {
		return err
	}
	// The worker outlives ctx: it is stopped before what it is connected to.
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	polling := make(chan struct{})
	go func() {
		l.worker <- wiring.Serve(working, options, l.settings, func() { close(polling) })
		close(l.worker)
	}()
	select {
	case <-polling:
		return nil
	case err := <-l.worker:
		return fmt.Errorf("start the worker: %w", err)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pointSDKs points the clouds' SDKs at the stack, until restore. They look for their settings in the environment of the process, and
// nowhere else.
func (l *local) pointSDKs() {
	former := clearSDKs()
	for name, value := range l.Env() {
		if concernsSDK(name) {
			_ = os.Setenv(name, value) // fails for names with '=' only
		}
	}
	l.restore = func() {
		clearSDKs()
		for name, value := range former {
			_ = os.Setenv(name, value)
		}
	}
}

func concernsSDK(name string) bool {
	return strings.HasPrefix(name, "ALIBABA_CLOUD_") || strings.HasPrefix(name, "AWS_")
}

// clearSDKs takes the SDKs' settings out of the environment, and gives what they were.
func clearSDKs() map[string]string {
	former := map[string]string{}
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); concernsSDK(name) {
			former[name] = value
			_ = os.Unsetenv(name)
		}
	}
	return former
}

// wait returns when ctx ends, or with an error when a part of the stack has ended by itself.
func (l *local) wait(ctx context.Context) error {
	ended := make(chan error, 1)
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { ended <- l.Wait(waiting) }()
	select {
	case err := <-ended:
		return err
	case err := <-l.worker:
		return fmt.Errorf("the worker has ended: %w", err)
	}
}

// close takes everything down. Nothing of it is left.
func (l *local) close() error {
	var errs []error
	if l.client != nil {
		l.client.Close()
	}
	if l.stop != nil {
		l.stop()
		for err := range l.worker {
			errs = append(errs, err)
		}
	}
	if l.restore != nil {
		l.restore()
		l.restore = nil
	}
	return errors.Join(append(errs, l.Close())...)
}
