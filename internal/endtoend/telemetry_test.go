package endtoend

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack/port"
	"rotor/internal/rotation"
	"rotor/internal/wiring"
)

// watchedWorker is a worker in this process that can be watched.
type watchedWorker struct {
	t              *testing.T
	queue, address string
	log            *lockedBuffer
	stop           func()
}

// serveWatched runs one, with a JSON log and further settings.
func serveWatched(t *testing.T, more map[string]string) *watchedWorker {
	t.Helper()
	free, err := port.Free()
	require.NoError(t, err)
	w := &watchedWorker{t: t, queue: cmp.Or(more["ROTOR_TASK_QUEUE"], "watched-"+strconv.Itoa(free)), address: "127.0.0.1:" + strconv.Itoa(free), log: &lockedBuffer{}}
	s := settings(w.queue)
	require.NoError(t, s.Settings().Load(func(name string) (string, bool) {
		values := map[string]string{"ROTOR_METRICS_ADDRESS": w.address, "ROTOR_METRICS_CENSUS": "1s", "ROTOR_METRICS_PULSE": "1s", "ROTOR_LOG_FORMAT": "json"}
		for name, value := range quick {
			values[name] = value
		}
		for name, value := range more {
			values[name] = value
		}
		value, set := values[name]
		if !set {
			value, set = lookupStack(name)
		}
		return value, set
	}))
	s.TaskQueue = w.queue
	o := options(slog.New(slog.DiscardHandler))
	o.Logger = sdklog.NewStructuredLogger(wiring.Logger(w.log, s))
	ctx, cancel := context.WithCancel(context.Background())
	polling, served := make(chan struct{}), make(chan error, 1)
	go func() { served <- wiring.Serve(ctx, o, s, func() { close(polling) }) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-served)
	})
	select {
	case err := <-served:
		cancel()
		require.NoError(t, err)
	case <-polling:
		t.Cleanup(w.stop)
	}
	return w
}

func lookupStack(name string) (string, bool) {
	value, set := stack.Env()[name]
	return value, set
}

func (w *watchedWorker) get(path string) (int, string) {
	response, err := http.Get("http://" + w.address + path)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	return response.StatusCode, string(text)
}

// value is that of a series; -1 if it is not there.
func (w *watchedWorker) value(series string) float64 {
	_, text := w.get("/metrics")
	match := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(text)
	if match == nil {
		return -1
	}
	value, err := strconv.ParseFloat(match[1], 64)
	require.NoError(w.t, err)
	return value
}

func (w *watchedWorker) becomes(series string, wanted float64) {
	w.t.Helper()
	eventually(w.t, 20*time.Second, series+" is "+strconv.FormatFloat(wanted, 'f', -1, 64), func() bool { return w.value(series) == wanted })
}

func TestWorkerCountsWhatItDoes(t *testing.T) {
	t.Parallel()
	w := serveWatched(t, lifted)
	require.Zero(t, w.value(`rotor_rotations_total{outcome="Rotated"}`), "every outcome is there from the start")
	require.Zero(t, w.value(`rotor_rotations_total{outcome="RolledBack"}`))

	secret := newSecret(t)
	edit(t, secret.Name, without("MasterSecret"))
	stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, Resource: secret.Name, Action: "PutSecretValue"})
	run := start(t, w.queue, secret, nil)
	result := outcome(t, run)
	require.Equal(t, rotation.Rotated, result.Outcome)
	w.becomes(`rotor_rotations_total{outcome="Rotated"}`, 1)
	require.Equal(t, 1., w.value(`rotor_step_duration_seconds_count{result="ok",step="end"}`))
	require.Equal(t, 1., w.value(`rotor_step_duration_seconds_count{result="retryable",step="new"}`))
	require.Equal(t, 1., w.value(`rotor_exposure_seconds_count`))
	require.InDelta(t, result.Exposure.Seconds(), w.value("rotor_exposure_seconds_sum"), 1e-6)
	require.Equal(t, 1., w.value(`rotor_store_calls_total{call="put_pending",result="ok",store="alibaba-kms"}`))
	require.Equal(t, 1., w.value(`rotor_store_calls_total{call="put_pending",result="retryable",store="alibaba-kms"}`))
	_, text := w.get("/metrics")
	require.Contains(t, text, "temporal_request_total{")
	require.NotContains(t, text, secret.Name, "no series names a secret")

	// A replay counts nothing again: the query makes the worker replay what is not in its memory any more.
	other := serveWatchedOn(t, w.queue)
	w.stop()
	eventually(t, 2*time.Minute, "the other one replays it", func() bool {
		_, err := query(run)
		return err == nil
	})
	require.Zero(t, other.value(`rotor_rotations_total{outcome="Rotated"}`))
}

// serveWatchedOn is another worker on the same queue.
func serveWatchedOn(t *testing.T, taskQueue string) *watchedWorker {
	t.Helper()
	return serveWatched(t, map[string]string{"ROTOR_TASK_QUEUE": taskQueue})
}

func TestCensusCountsStuckRotationsAndOldCredentials(t *testing.T) {
	t.Parallel()
	w := serveWatched(t, map[string]string{"ROTOR_METRICS_NAMED": "1"})
	secret := newSecret(t)
	schedule := temporal.ScheduleClient()
	_, err := schedule.Create(t.Context(), client.ScheduleOptions{
		ID: "rotor/" + secret.Name, Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: 30 * 24 * time.Hour}}},
		Action: &client.ScheduleWorkflowAction{ID: "scheduled/" + secret.Name, Workflow: rotation.WorkflowType, TaskQueue: w.queue,
			Args: []any{rotation.Request{SecretName: secret.Name, RegionId: secret.Region}}},
	})
	require.NoError(t, err)
	w.becomes("rotor_credentials", 1)
	w.becomes("rotor_credentials_overdue", 1) // ready-made secrets are 90 days old
	require.InDelta(t, 3, w.value("rotor_credential_age_max_ratio"), 0.01)
	labels := `{region="cn-hangzhou",secret="` + secret.Name + `",store="alibaba-kms"}`
	require.Equal(t, (30 * 24 * time.Hour).Seconds(), w.value("rotor_credential_interval_seconds"+labels))

	run := start(t, w.queue, secret, nil)
	require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
	w.becomes("rotor_credentials_overdue", 0)
	require.Less(t, w.value("rotor_credential_age_seconds"+labels), 60.)

	denied := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: secret.Name, Action: "ListSecretVersionIds", Times: cloudsim.Always})
	w.becomes("rotor_credentials_unread", 1)
	denied.Remove()
	w.becomes("rotor_credentials_unread", 0)
	require.Equal(t, 1., w.value("rotor_ready"))
}

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	w := serveWatched(t, nil)
	for _, path := range []string{"/healthz", "/readyz"} {
		code, text := w.get(path)
		require.Equal(t, http.StatusOK, code, path)
		require.Equal(t, "ok\n", text)
	}
	w.becomes("rotor_ready", 1)
	// One that drains lives, and is not ready.
	secret := newSecret(t)
	held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: secret.Name, Action: "PutSecretValue"})
	run := start(t, w.queue, secret, nil)
	<-held.Reached()
	go w.stop()
	eventually(t, 2*time.Minute, "it drains", func() bool {
		alive, _ := w.get("/healthz")
		ready, text := w.get("/readyz")
		return alive == http.StatusOK && ready == http.StatusServiceUnavailable && text == "Temporal does not answer\n"
	})
	held.Release()
	serveWatchedOn(t, w.queue)
	require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
}

func TestLogsNameWorkflowRunSecretAndStep(t *testing.T) {
	t.Parallel()
	for way, more := range map[string]map[string]string{"usual": nil, "express": lifted} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			logsNameAll(t, serveWatched(t, more))
		})
	}
}

func logsNameAll(t *testing.T, w *watchedWorker) {
	t.Helper()
	secret := newSecret(t)
	stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, Resource: secret.Name, Action: "PutSecretValue"})
	run := start(t, w.queue, secret, nil)
	require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
	type record struct {
		Level, Msg, WorkflowID, RunID, Secret, Step, Result, Error string
		Seconds                                                    float64
	}
	var ended []string
	decoder := json.NewDecoder(strings.NewReader(w.log.String()))
	for decoder.More() {
		var r record
		require.NoError(t, decoder.Decode(&r))
		if r.Msg != "step ended" && r.Msg != "step failed" {
			continue
		}
		require.Equal(t, run.GetID(), r.WorkflowID)
		require.Equal(t, run.GetRunID(), r.RunID)
		require.Equal(t, secret.Name, r.Secret)
		require.Positive(t, r.Seconds)
		ended = append(ended, r.Level+" "+r.Step+" "+r.Result)
	}
	require.Equal(t, []string{"INFO look ok", "WARN new retryable", "INFO new ok", "INFO set ok", "INFO test ok", "INFO end ok"},
		slices.Compact(ended), "an attempt that a busy machine broke off is made again")
}

// Traces go to where OpenTelemetry's variables say, and hold no password.
func TestTracesAreSent(t *testing.T) {
	var mu sync.Mutex
	var sent bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(&sent, r.Body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	w := serveWatched(t, lifted)
	secret := newSecret(t)
	run := start(t, w.queue, secret, nil)
	require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
	w.stop()
	mu.Lock()
	defer mu.Unlock()
	for _, words := range []string{"rotor-worker", "RunWorkflow:RotateSecret", "RunActivity:Look", "RunActivity:End", run.GetID(), run.GetRunID()} {
		require.Contains(t, sent.String(), words)
	}
	require.NotContains(t, sent.String(), holder(t, secret, alibabakms.Current).AccountPassword)
}
