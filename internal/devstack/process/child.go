package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// A Command says what to run. Its standard output and error go to its log file.
type Command struct {
	Name  string    // names the log file: Name.log in the workspace; appended to when run again
	Path  string    // the executable
	Args  []string  // without the executable itself
	Env   []string  // nil: the parent's
	Dir   string    // working directory; "": the workspace
	Stdin io.Reader // nil: empty
}

// A Child is a running process of a workspace.
type Child struct {
	name    string
	log     string
	id      identity
	record  string
	done    chan struct{}
	waitErr error // valid once done is closed
}

const (
	killWait = 10 * time.Second // how long a process may take to disappear after SIGKILL
	pollStep = 5 * time.Millisecond
)

// Start runs the command in the workspace.
func (w *Workspace) Start(command Command) (*Child, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, fmt.Errorf("start %s: its workspace is closed", command.Name)
	}
	log, err := os.OpenFile(w.Path(command.Name+".log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", command.Name, err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(command.Path, command.Args...)
	cmd.Env, cmd.Dir = command.Env, command.Dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = command.Stdin, log, log
	if cmd.Dir == "" {
		cmd.Dir = w.path
	}
	cmd.SysProcAttr = attributes()

	child := &Child{name: command.Name, log: log.Name(), done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel's parent-death signal is tied to the thread that forked: it must live as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			child.id, err = identify(cmd.Process.Pid)
			if err != nil {
				// It is gone already: there is nothing to record, and Wait below tells why.
				child.id, err = identity{pid: cmd.Process.Pid, start: "0"}, nil
			}
		}
		started <- err
		if err == nil {
			child.waitErr = cmd.Wait()
			close(child.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Name, err)
	}
	child.record = w.Path(recordsFolder, child.id.String())
	if err := os.WriteFile(child.record, nil, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("record %s: %w", command.Name, err), child.Kill())
	}
	w.children = append(w.children, child)
	return child, nil
}

// PID is the process's id.
func (c *Child) PID() int { return c.id.pid }

// Done is closed when the process has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Ended is nil while the process runs; afterwards it says how it ended and quotes the end of its log.
func (c *Child) Ended() error {
	select {
	case <-c.done:
	default:
		return nil
	}
	how := "exit status 0"
	if c.waitErr != nil {
		how = c.waitErr.Error()
	}
	return fmt.Errorf("%s ended: %s; its log ends:\n%s", c.name, how, c.LogTail(2000))
}

// Stop asks the process to end (SIGTERM) and kills it when it hasn't within the given time.
func (c *Child) Stop(patience time.Duration) error {
	if c.running() {
		_ = syscall.Kill(c.id.pid, syscall.SIGTERM)
		select {
		case <-c.done:
		case <-time.After(patience):
		}
	}
	return c.Kill()
}

// Kill ends the process, and what it may have started, at once (SIGKILL). It is no error if it ended before.
func (c *Child) Kill() error {
	if c.running() {
		_ = syscall.Kill(-c.id.pid, syscall.SIGKILL)
		select {
		case <-c.done:
		case <-time.After(killWait):
			return fmt.Errorf("%s (process %d) did not end after SIGKILL", c.name, c.id.pid)
		}
	}
	_ = os.Remove(c.record)
	return nil
}

func (c *Child) running() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// LogTail is the end of the process's log: at most max bytes, and whole lines if any fits.
func (c *Child) LogTail(max int64) string {
	file, err := os.Open(c.log)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	cut := false
	if info, err := file.Stat(); err == nil && info.Size() > max {
		_, err = file.Seek(-max, io.SeekEnd)
		cut = err == nil
	}
	text, _ := io.ReadAll(io.LimitReader(file, max))
	text = bytes.TrimSpace(text)
	if newline := bytes.IndexByte(text, '\n'); cut && newline >= 0 {
		text = text[newline+1:]
	}
	return string(text)
}

// Run runs a command to its end, for setting something up. It is killed when ctx ends, and when its parent dies.
func (w *Workspace) Run(ctx context.Context, command Command) error {
	child, err := w.Start(command)
	if err != nil {
		return err
	}
	select {
	case <-child.Done():
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("run %s: %w", filepath.Base(command.Path), ctx.Err()), child.Kill())
	}
	_ = os.Remove(child.record)
	if child.waitErr != nil {
		return child.Ended()
	}
	return nil
}

// poll calls ok until it says yes or the time is over.
func poll(within time.Duration, ok func() bool) bool {
	deadline := time.Now().Add(within)
	tick := time.NewTicker(pollStep)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			return false
		}
		<-tick.C
	}
	return true
}
