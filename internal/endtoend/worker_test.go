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
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/devstack"
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
			if strings.Contains(lines.Text(), `msg="rotor worker started"`) {
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
