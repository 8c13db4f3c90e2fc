package endtoend

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// workerBinary builds the worker once.
var workerBinary = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(built, "worker")
	out, err := exec.Command("go", "build", "-o", binary, "rotor/worker").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the worker: %w\n%s", err, out)
	}
	return binary, nil
})

// process is a worker of its own, as it runs in production.
type process struct {
	cmd  *exec.Cmd
	dead chan struct{}
}

// startWorker starts one and waits until it polls.
func startWorker(t *testing.T, taskQueue string) *process {
	t.Helper()
	return startWorkerWith(t, taskQueue, nil)
}

// startWorkerWith starts one with further settings.
func startWorkerWith(t *testing.T, taskQueue string, more map[string]string) *process {
	t.Helper()
	binary, err := workerBinary()
	require.NoError(t, err)
	cmd := exec.Command(binary, "--task-queue", taskQueue)
	cmd.Env = os.Environ()
	for _, settings := range []map[string]string{quick, more} {
		for name, value := range settings {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &process{cmd: cmd, dead: make(chan struct{})}
	polls := make(chan struct{})
	go func() {
		defer close(p.dead)
		lines := bufio.NewScanner(io.TeeReader(stderr, workerLog))
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "rotor worker") {
				close(polls)
			}
		}
		_ = cmd.Wait() // it is killed, mostly
	}()
	t.Cleanup(p.kill)
	select {
	case <-polls:
	case <-p.dead:
		t.Fatalf("the worker ended at once; its log:\n%s", workerLog)
	}
	return p
}

// kill is SIGKILL, and waits until the process is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be dead already
	<-p.dead
}

// ours says whether a request is about the secret or its admin secret.
func ours(r cloudsim.Request, secret devstack.Secret) bool {
	return r.Resource == secret.Name || r.Resource == secret.AdminSecret
}

// killAt kills the worker at the n-th request that concerns the secret: right before it takes effect, which it then does not, or right
// after, before the answer arrives. It says which request that was.
func killAt(secret devstack.Secret, n int, after bool, p *process) (stop func(), at *atomic.Value) {
	var count atomic.Int64
	at = &atomic.Value{}
	hit := func(r cloudsim.Request) bool {
		if !ours(r, secret) || count.Add(1) != int64(n) {
			return false
		}
		p.kill()
		at.Store(r.Action + " " + r.Resource)
		return true
	}
	if after {
		return stack.Cloud.After(func(r cloudsim.Request) { hit(r) }), at
	}
	return stack.Cloud.Before(func(r cloudsim.Request) cloudsim.Verdict {
		if hit(r) {
			return cloudsim.Drop
		}
		return cloudsim.Apply
	}), at
}

// Whenever the worker dies, another one finishes the rotation, and one version is written.
func TestWorkerKilledAtEveryStoreCall(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	var calls atomic.Int64
	stop := stack.Cloud.After(func(r cloudsim.Request) {
		if ours(r, secret) {
			calls.Add(1)
		}
	})
	require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
	stop()
	t.Logf("a good rotation makes %d store calls", calls.Load())
	require.Greater(t, calls.Load(), int64(10))

	for n := 1; n <= int(calls.Load()); n++ {
		for _, after := range []bool{false, true} {
			name := fmt.Sprintf("before call %d", n)
			if after {
				name = fmt.Sprintf("after call %d", n)
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				secret := newSecret(t)
				first := holder(t, secret, alibabakms.Current)
				taskQueue := "crash-" + secret.Name
				stop, at := killAt(secret, n, after, startWorker(t, taskQueue))
				defer stop()
				run := start(t, taskQueue, secret, nil)
				eventually(t, 30e9, "killed", func() bool { return at.Load() != nil })
				startWorker(t, taskQueue)
				result := outcome(t, run)
				require.Equal(t, rotation.Rotated, result.Outcome, "killed at %v: %v", at.Load(), result.Reason)
				require.Equal(t, run.GetRunID(), result.Version)
				s := stored(t, secret.Name)
				require.Len(t, s.Versions, 2, "killed at %v: one version is written", at.Load())
				require.Nil(t, s.Holder("ACSPending"))
				require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
				require.True(t, logsIn(t, first), "clients that have the former credential can still log in")
			})
		}
	}
}
