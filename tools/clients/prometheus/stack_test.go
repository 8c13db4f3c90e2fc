package prometheus_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"rotor/internal/cloudsim"
	"rotor/internal/config"
	"rotor/internal/devstack"
	"rotor/internal/devstack/port"
	"rotor/internal/rotation"
	"rotor/internal/wiring"
	"rotor/workflows"
)

const patience = 2 * time.Minute

// quick are settings that make waits short, and a step that fails for two seconds one that is stuck.
var quick = map[string]string{
	"ROTOR_STEP_BURST": "1s", "ROTOR_FIRST_PAUSE": "200ms", "ROTOR_LONGEST_PAUSE": "1s", "ROTOR_STOP_TIMEOUT": "2s", "ROTOR_STUCK_AFTER": "2s",
	"ROTOR_METRICS_CENSUS": "1s", "ROTOR_METRICS_PULSE": "1s",
}

func free(t *testing.T) string {
	t.Helper()
	p, err := port.Free()
	require.NoError(t, err)
	return "127.0.0.1:" + strconv.Itoa(p)
}

func newStack(t *testing.T) (*devstack.Stack, client.Client) {
	t.Helper()
	s, err := devstack.Start(t.Context(), devstack.Options{Headless: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	for name, value := range s.Env() {
		t.Setenv(name, value)
	}
	c, err := client.Dial(client.Options{HostPort: s.Temporal.Address, Namespace: s.Temporal.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return s, c
}

// serve runs a worker that serves metrics.
func serve(t *testing.T, s *devstack.Stack, address string) (stop func()) {
	t.Helper()
	var w config.Worker
	require.NoError(t, w.Settings().Load(func(name string) (string, bool) {
		if value, set := quick[name]; set {
			return value, true
		}
		return os.LookupEnv(name)
	}))
	w.MetricsAddress = address
	ctx, cancel := context.WithCancel(context.Background())
	polling, served := make(chan struct{}), make(chan error, 1)
	options := client.Options{HostPort: s.Temporal.Address, Namespace: s.Temporal.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))}
	go func() { served <- wiring.Serve(ctx, options, w, func() { close(polling) }) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-served)
	})
	select {
	case err := <-served:
		cancel()
		require.NoError(t, err)
	case <-polling:
	}
	t.Cleanup(stop)
	return stop
}

// watch runs Prometheus with the rules, which wait for nothing here, and gives its address.
func watch(t *testing.T, worker string) (address string) {
	t.Helper()
	dir, address := t.TempDir(), free(t)
	text, err := os.ReadFile(rules)
	require.NoError(t, err)
	eager := regexp.MustCompile(`for: \w+`).ReplaceAllString(string(text), "for: 0s")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(eager), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "prometheus.yaml"), []byte(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
scrape_configs:
  - job_name: rotor
    static_configs: [{targets: ["`+worker+`"]}]
`), 0o600))
	command := exec.Command("prometheus", "--config.file", filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", address)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait() // it was killed
	})
	return address
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return ""
	}
	return string(text)
}

// firing are the names of the alerts that fire.
func firing(t *testing.T, prometheus string) map[string]bool {
	t.Helper()
	var answer struct {
		Data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	names := map[string]bool{}
	if json.Unmarshal([]byte(get(t, "http://"+prometheus+"/api/v1/alerts")), &answer) != nil {
		return names
	}
	for _, alert := range answer.Data.Alerts {
		if alert.State == "firing" {
			names[alert.Labels["alertname"]] = true
		}
	}
	return names
}

func TestMetricsKeepToPrometheussConventions(t *testing.T) {
	s, c := newStack(t)
	worker := free(t)
	serve(t, s, worker)
	secret, err := s.AddKMSMySQLPair(t.Context(), "names")
	require.NoError(t, err)
	run := start(t, c, secret)
	require.NoError(t, run.Get(t.Context(), nil))
	var text string
	require.Eventually(t, func() bool {
		text = get(t, "http://"+worker+"/metrics")
		return strings.Contains(text, "rotor_rotations_stuck") && strings.Contains(text, "rotor_census_timestamp_seconds")
	}, patience, 100*time.Millisecond)
	said, err := promtool(t, text, "check", "metrics")
	require.NoError(t, err, said)
	_, err = promtool(t, strings.ReplaceAll(text, "rotor_rotations_total", "rotor_rotations"), "check", "metrics")
	require.Error(t, err, "the check notices a counter that is not called one")
}

// Nothing fires on a quiet stack; then each alert comes from a fault that is really there, and goes with it.
func TestAlertsComeFromRealFaults(t *testing.T) {
	s, c := newStack(t)
	worker := free(t)
	stop := serve(t, s, worker)
	prometheus := watch(t, worker)
	until := func(name string, wanted bool) {
		t.Helper()
		require.Eventually(t, func() bool { return firing(t, prometheus)[name] == wanted }, patience, 200*time.Millisecond, "%s fires: %t", name, wanted)
	}
	add := func(name string) devstack.Secret {
		secret, err := s.AddKMSMySQLPair(t.Context(), name)
		require.NoError(t, err)
		return secret
	}
	sql := func(statement string) {
		_, err := s.MySQL.DB().Exec(statement)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		return strings.Contains(get(t, "http://"+prometheus+"/api/v1/query?query=rotor_ready"), `"1"`)
	}, patience, 200*time.Millisecond)
	until("RotorNoWorker", false)
	require.Empty(t, firing(t, prometheus))

	// Somebody else's account stands where the rotation's is to be.
	secret := add("parked")
	held := s.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: secret.Name, Action: "PutSecretValue"})
	run := start(t, c, secret)
	<-held.Reached()
	sql("CREATE USER '" + secret.Account + "_rt'@'%' IDENTIFIED BY 'theirs-0815'")
	held.Release()
	until("RotorParked", true)
	sql("DROP USER '" + secret.Account + "_rt'@'%'")
	update, err := c.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{WorkflowID: run.GetID(), UpdateName: rotation.UpdateRetry,
		Args: []any{workflows.Decide{Reason: "the account is gone"}}, WaitForStage: client.WorkflowUpdateStageCompleted})
	require.NoError(t, err)
	require.NoError(t, update.Get(t.Context(), nil))
	require.NoError(t, run.Get(t.Context(), nil))
	until("RotorParked", false)

	// The store throttles all writes of a secret.
	secret = add("failing")
	throttled := s.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, Resource: secret.Name, Action: "PutSecretValue", Times: cloudsim.Always})
	run = start(t, c, secret)
	until("RotorFailing", true)
	throttled.Remove()
	require.NoError(t, run.Get(t.Context(), nil))
	until("RotorFailing", false)

	// A rotation is refused.
	secret = add("refused")
	denied := s.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: secret.Name, Action: "GetSecretValue", Times: cloudsim.Always})
	require.Error(t, start(t, c, secret).Get(t.Context(), nil))
	denied.Remove()
	until("RotorFailing", true)

	// A credential of 90 days gets a schedule of 30.
	secret = add("overdue")
	_, err = c.ScheduleClient().Create(t.Context(), client.ScheduleOptions{
		ID: "rotor/overdue", Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: 30 * 24 * time.Hour}}},
		Action: &client.ScheduleWorkflowAction{ID: "scheduled/overdue", Workflow: rotation.WorkflowType, TaskQueue: config.DefaultTaskQueue,
			Args: []any{rotation.Request{SecretName: secret.Name, RegionId: secret.Region}}},
	})
	require.NoError(t, err)
	until("RotorOverdue", true)
	require.NoError(t, start(t, c, secret).Get(t.Context(), nil))
	until("RotorOverdue", false)

	require.False(t, firing(t, prometheus)["RotorNoWorker"])
	stop()
	until("RotorNoWorker", true)
	serve(t, s, worker)
	until("RotorNoWorker", false)
}

func start(t *testing.T, c client.Client, secret devstack.Secret) client.WorkflowRun {
	t.Helper()
	req := rotation.Request{SecretName: secret.Name, RegionId: secret.Region}
	valid, err := req.Validate()
	require.NoError(t, err)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: valid.WorkflowID(), TaskQueue: config.DefaultTaskQueue}, rotation.WorkflowType, req)
	require.NoError(t, err)
	return run
}
