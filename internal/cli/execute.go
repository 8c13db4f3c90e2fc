// Package cli has the commands of the starter. Execute runs one as a person would type it, with its own input, output and
// environment, so that tests need no process.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"rotor/internal/config"
)

// Exit codes of all commands.
const (
	// ExitOK: it was done; of a rotation: Rotated; of a check: a rotation would be let begin.
	ExitOK = 0
	// ExitRefused: Refused or Abandoned, or the rotation left no outcome; of a check: a rotation would be Refused; also what was asked for
	// does not exist.
	ExitRefused = 1
	// ExitUsage: a wrong command line, or no connection.
	ExitUsage = 2
	// ExitRolledBack: RolledBack.
	ExitRolledBack = 3
	// ExitParked: the rotation is open and waits for a person.
	ExitParked = 4
	// ExitNotRetired: Rotated, but the former credential could not be made unusable, as was asked for, and may still log in.
	ExitNotRetired = 5
	// ExitInterrupted: Ctrl-C. What was started goes on.
	ExitInterrupted = 130
)

// ExitCodes lists them with the names of their constants, whose comments describe them.
func ExitCodes() []struct {
	Name string
	Code int
} {
	return []struct {
		Name string
		Code int
	}{
		{"ExitOK", ExitOK}, {"ExitRefused", ExitRefused}, {"ExitUsage", ExitUsage}, {"ExitRolledBack", ExitRolledBack}, {"ExitParked", ExitParked},
		{"ExitNotRetired", ExitNotRetired}, {"ExitInterrupted", ExitInterrupted},
	}
}

// Options are all that a command has of the world.
type Options struct {
	// Program is how the program was called, for the commands that it tells people to type. It is "starter" if empty.
	Program string
	// Args are the arguments without the program's name.
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Environ is the environment, as os.Environ gives it.
	Environ []string
	// Terminal says that Stdout is a terminal: there are colours (unless NO_COLOR is set) and a line that
	// tells what is going on right now.
	Terminal bool
	// Signals are interrupts. The first ends a command in order: it detaches from a rotation, or takes down what it started.
	// A second one ends it at once; where something has to be taken down, a third one does.
	Signals <-chan os.Signal
}

// exitError ends a command with a code. Without an error there is nothing more to say.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exit ends a command that has said everything already.
func exit(code int) error {
	if code == ExitOK {
		return nil
	}
	return &exitError{code: code}
}

// usagef is a wrong command line.
func usagef(format string, args ...any) error {
	return &exitError{ExitUsage, fmt.Errorf(format, args...)}
}

// failf is something that was asked for and can't be done.
func failf(format string, args ...any) error {
	return &exitError{ExitRefused, fmt.Errorf(format, args...)}
}

// failed gives an error the exit code 1, unless it has one.
func failed(err error) error {
	var exit *exitError
	if err == nil || errors.As(err, &exit) {
		return err
	}
	return &exitError{ExitRefused, err}
}

// Execute runs a command and gives its exit code.
func Execute(ctx context.Context, o Options) int {
	if o.Program == "" {
		o.Program = programName
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a := &app{Options: o}
	// Whoever reads the output may go away (a closed pipe): nothing is left to do for them then.
	a.Stdout = &output{Writer: o.Stdout, broken: func() { cancel(errNobodyReads) }}
	a.Stderr = &output{Writer: o.Stderr, broken: func() {}}

	done := make(chan int, 1)
	go func() { done <- a.run(ctx) }()
	for interrupts := 0; ; {
		select {
		case code := <-done:
			return code
		case <-o.Signals:
			interrupts++
			cancel(errInterrupted)
			switch {
			case interrupts == 2 && a.busy.Load():
				a.warn("still taking down what was started; once more ends at once")
			case interrupts >= 2:
				return ExitInterrupted
			}
		}
	}
}

var (
	errInterrupted = errors.New("interrupted")
	errNobodyReads = errors.New("nobody reads the output any more")
)

func (a *app) run(ctx context.Context) int {
	root := a.root()
	root.SetArgs(append([]string{}, a.Args...)) // nil would mean those of the process
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	err := root.ExecuteContext(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return ExitOK
	case !errors.As(err, &exit):
		// What is not ours comes from cobra, about the command line.
		exit = &exitError{ExitUsage, err}
	}
	if exit.err != nil {
		a.warn(exit.err.Error())
	}
	return exit.code
}

// warn writes one line to standard error.
func (a *app) warn(text string) {
	_, _ = fmt.Fprintln(a.Stderr, a.name()+": "+strings.Join(strings.Fields(text), " "))
}

// lookup gives a variable of the environment; of several, the last counts, as for a process.
func (a *app) lookup(key string) (string, bool) {
	for i := len(a.Environ) - 1; i >= 0; i-- {
		if name, value, ok := strings.Cut(a.Environ[i], "="); ok && name == key {
			return value, true
		}
	}
	return "", false
}

var _ config.Lookup = (*app)(nil).lookup

// output is written by several goroutines, and tells once when it can't be written any more.
type output struct {
	io.Writer
	mu     sync.Mutex
	broken func()
	err    error
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.Writer.Write(p)
	if err != nil {
		o.err = err
		o.broken()
	}
	return n, err
}
