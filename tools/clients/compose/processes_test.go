package compose_test

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/port"
	"rotor/internal/devstack/temporal"
)

// patience is far more than anything here takes on a busy machine.
const patience = 3 * time.Minute

// house is where the services of the file run without containers: names of services become addresses on this machine.
type house struct {
	t        *testing.T
	programs programs
	project  *types.Project
	// places are what stands for HOST:PORT of the file.
	places map[string]string
}

// The services of all profiles start one after the other as the file says, with its own command lines and variables, and the schedules
// of the demo rotate their secrets within two minutes. Temporal keeps its things in memory here, not in PostgreSQL.
func TestTheSameProcesses(t *testing.T) {
	database, err := mysqld.Start(t.Context(), mysqld.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, database.Stop()) })
	require.Equal(t, "root", database.AdminUser)
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithProfiles([]string{"*"}),
		cli.WithEnv([]string{"MYSQL_ROOT_PASSWORD=" + database.AdminPassword}))
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	h := &house{t: t, programs: built, project: project, places: map[string]string{
		"mysql:3306": database.Address(), "0.0.0.0:9090": free(t),
	}}
	h.places["0.0.0.0:8085"] = free(t)
	h.places["simulator:8085"] = h.places["0.0.0.0:8085"]

	started := h.order()
	for _, name := range started {
		service := project.Services[name]
		switch name {
		case "postgresql", "temporal-schema", "temporal-ui", "mysql":
			// Other people's programs, which are not here, or run already.
		case "temporal":
			server, err := temporal.Start(t.Context(), temporal.Options{Headless: true})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, server.Stop()) })
			require.Equal(t, "default", server.Namespace, "what temporal-namespace makes")
			h.places["temporal:7233"] = server.Address
		case "temporal-namespace":
			h.makesNamespace(service)
		case "worker":
			h.stays(service, "http://"+h.places["0.0.0.0:9090"]+"/readyz")
		case "simulator":
			h.stays(service, "http://"+h.places["0.0.0.0:8085"]+"/")
		default: // it ends
			require.Contains(t, []string{"setup", "schedule-shop", "schedule-billing"}, name, "a service that this test does not know")
			said, err := h.command(service).CombinedOutput()
			require.NoError(t, err, "%s: %s", name, said)
		}
	}
	probes := []string{"/healthz", "/readyz", "/metrics"}
	for _, path := range probes {
		require.Equal(t, http.StatusOK, status("http://"+h.places["0.0.0.0:9090"]+path), path)
	}
	// docker compose exec worker rotor describe ...
	worker := project.Services["worker"]
	for secret, strategy := range map[string]string{"shop": "dual-account", "billing": "single-user"} {
		var last struct {
			Outcome string
			Result  struct{ Strategy string }
		}
		require.True(t, h.within(func() bool {
			inside := worker
			inside.Command = types.ShellCommand{"rotor", "describe", secret, "--region=cn-hangzhou", "--output=json"}
			said, _ := h.command(inside).Output() // exit 1 as long as there was no rotation
			return json.Unmarshal(said, &last) == nil && last.Outcome == "Rotated"
		}), "no rotation of %s by the schedule of the demo", secret)
		require.Equal(t, strategy, last.Result.Strategy, secret)
	}
}

// makesNamespace runs the line that makes the namespace with a Temporal CLI against the server: as it stands, where the namespace is there
// already, and for another one that is not, twice, as when the service is started again.
func (h *house) makesNamespace(service types.ServiceConfig) {
	h.t.Helper()
	cli, err := temporal.Binary(h.t.Context(), nil)
	require.NoError(h.t, err)
	line := service.Command[len(service.Command)-1]
	require.Equal(h.t, 2, strings.Count(line, "--namespace default"))
	address := strings.Replace(*service.Environment["TEMPORAL_ADDRESS"], "temporal:7233", h.places["temporal:7233"], 1)
	run := func(line string) string {
		command := exec.Command(service.Entrypoint[0], append(slices.Clone([]string(service.Entrypoint[1:])), line)...)
		command.Env = []string{"HOME=" + h.t.TempDir(), "PATH=" + filepath.Dir(cli) + ":/usr/bin:/bin", "TEMPORAL_ADDRESS=" + address}
		said, err := command.CombinedOutput()
		require.NoError(h.t, err, string(said))
		return string(said)
	}
	require.Contains(h.t, run(line), "default")
	other := strings.ReplaceAll(line, "--namespace default", "--namespace other")
	run(other)
	require.Regexp(h.t, `(?m)RetentionTtl\s+720h`, run(other))
}

// order gives the services so that each comes after those that it waits for.
func (h *house) order() (names []string) {
	h.t.Helper()
	for len(names) < len(h.project.Services) {
		before := len(names)
		for _, name := range h.project.ServiceNames() {
			ready := !slices.Contains(names, name)
			for on := range h.project.Services[name].DependsOn {
				ready = ready && slices.Contains(names, on)
			}
			if ready {
				names = append(names, name)
			}
		}
		require.Greater(h.t, len(names), before, "services wait for each other in a circle")
	}
	return names
}

// command is a service's own, with addresses of this machine.
func (h *house) command(service types.ServiceConfig) *exec.Cmd {
	h.t.Helper()
	var pairs []string
	for from, to := range h.places {
		pairs = append(pairs, from, to)
	}
	translate := strings.NewReplacer(pairs...).Replace
	var args []string
	for _, arg := range service.Command[1:] {
		args = append(args, translate(arg))
	}
	command := h.programs.command(h.t, service.Command[0], args...)
	for name, value := range service.Environment {
		command.Env = append(command.Env, name+"="+translate(*value))
	}
	return command
}

// stays starts a service that does not end, and returns when it answers.
func (h *house) stays(service types.ServiceConfig, url string) {
	h.t.Helper()
	command, said := h.command(service), &buffer{}
	command.Stdout, command.Stderr = said, said
	require.NoError(h.t, command.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait() // it is told to end, below
	}()
	h.t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
			require.Zero(h.t, command.ProcessState.ExitCode(), "%s: %s", service.Name, said)
		case <-time.After(patience):
			_ = command.Process.Kill()
			require.Fail(h.t, "it does not end", "%s: %s", service.Name, said)
		}
	})
	require.True(h.t, h.within(func() bool {
		code := status(url)
		return code == http.StatusOK || code != 0 && service.Name == "simulator" // which answers unsigned requests with a refusal
	}), "%s does not answer: %s", service.Name, said)
}

// within polls.
func (h *house) within(done func() bool) bool {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if done() {
			return true
		}
	}
	return false
}

// status is that of an answer, 0 without one.
func status(url string) int {
	response, err := http.Get(url)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func free(t *testing.T) string {
	t.Helper()
	p, err := port.Free()
	require.NoError(t, err)
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(p))
}

// buffer is written by a process and read by the test.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
