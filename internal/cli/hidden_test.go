package cli_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	querypb "go.temporal.io/api/query/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"

	"rotor/internal/canary"
	"rotor/internal/cli"
	"rotor/internal/devstack"
	"rotor/internal/devstack/port"
	"rotor/internal/payload"
	"rotor/internal/payload/payloadtest"
	"rotor/internal/rotation"
)

// hiding is a worker with keys, and what starters need to go with it.
type hiding struct {
	queue, file string
	// codec is where the worker reads payloads for the Web UI; "": nowhere.
	codec string
	env   how
	keys  *payload.Keys
	stop  func() error
}

// hide starts a worker with a file of keys.
func hide(t *testing.T, file string) *hiding {
	t.Helper()
	return hideAt(t, "", file)
}

// hideAt starts one that reads payloads for the Web UI, too.
func hideAt(t *testing.T, codec, file string) *hiding {
	t.Helper()
	h := &hiding{codec: codec, queue: fmt.Sprintf("hiding-%d", secretNumber.Add(1)), file: file}
	h.env = withEnv("ROTOR_PAYLOAD_KEYS="+file, "ROTOR_TASK_QUEUE="+h.queue, "ROTOR_MIN_INTERVAL=1s")
	h.serve(t)
	return h
}

// serve starts the worker, with the keys as they are in the file now.
func (h *hiding) serve(t *testing.T) {
	t.Helper()
	var err error
	h.keys, err = payload.Read(h.file)
	require.NoError(t, err)
	stop, err := startWorker(h.queue, map[string]string{"ROTOR_PAYLOAD_KEYS": h.file, "ROTOR_CODEC_ADDRESS": h.codec, "ROTOR_CODEC_ORIGINS": webUI})
	require.NoError(t, err)
	h.stop = stop
	t.Cleanup(func() { require.NoError(t, stop()) })
}

// client reads and writes as a program with the keys does.
func (h *hiding) client(t *testing.T) client.Client {
	t.Helper()
	c, err := client.Dial(h.keys.Protect(clientOptions()))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// newVeiled adds a secret whose name, which its accounts and its database have, too, is long enough to be searched for, and like no other.
func newVeiled(t *testing.T) devstack.Secret {
	t.Helper()
	secret, err := stack.AddKMSMySQLPair(t.Context(), "v"+strings.ToLower(rand.Text()[:11]))
	require.NoError(t, err)
	return secret
}

// hiddenRotations are the ways in which a rotation can go, with keys, each of a secret of its own.
func hiddenRotations(t *testing.T, h *hiding) []devstack.Secret {
	t.Helper()
	rotated, refused, resolved, scheduled, byHand := newVeiled(t), newVeiled(t), newVeiled(t), newVeiled(t), newVeiled(t)

	checked := run(t, words("check", rotated), h.env)
	require.Equal(t, cli.ExitOK, checked.code, checked.stdout+checked.stderr)
	require.Contains(t, checked.stdout, rotated.Name)
	f := run(t, words("rotate", rotated), h.env)
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	inOrder(t, f.stdout, "Rotating secret "+rotated.Name, "Workflow "+h.keys.Hide(workflowID(rotated)), "  set ", rotated.Account+"_rt has the new password", "Rotated: version ")

	require.Equal(t, cli.ExitOK, run(t, words("rotate", refused), h.env).code)
	f = run(t, words("rotate", refused), h.env)
	require.Equal(t, cli.ExitRefused, f.code, f.stdout+f.stderr)
	require.Contains(t, f.stdout, "of secret "+refused.Name+" is younger than the grace time", "the end of the latest rotation is found by its hidden id")

	breakAfterNew(t, resolved)
	f = run(t, words("rotate", resolved, "--on-failure", "park"), h.env)
	require.Equal(t, cli.ExitParked, f.code, f.stdout+f.stderr)
	f = run(t, words("describe", resolved), h.env)
	inOrder(t, f.stdout, "secret    "+resolved.Name, "workflow  "+h.keys.Hide(workflowID(resolved)), "Parked after ", "secret "+resolved.Name, "failed in step set", resolved.Account+"_rt")
	readsForTheWebUI(t, h, resolved)
	repair(t, resolved)
	f = run(t, words("resolve", resolved, "retry", "--reason", "the right of "+resolved.AdminAccount+" is back"), h.env)
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)

	f = run(t, words("schedule", scheduled, "--every", "2s", "--grace", "0s"), h.env)
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	eventually(t, 2*time.Minute, "two rotations by the schedule", func() bool { return len(stored(t, scheduled).Versions) >= 3 })
	inOrder(t, run(t, words("describe", scheduled), h.env).stdout, "secret    "+scheduled.Name, "schedule  every 2s")
	again := run(t, words("schedule", scheduled, "--every", "2s", "--grace", "0s", "-o", "json"), h.env)
	require.Contains(t, again.stdout, `"SecretName": "`+scheduled.Name+`"`, "its request is read")
	require.NotContains(t, again.stdout, "request,", "and is as asked")
	require.Equal(t, cli.ExitOK, run(t, words("schedule", scheduled, "--every", "2s", "--grace", "0s", "--paused"), h.env).code)

	// Under any other id it delegates, or follows.
	held := hold(t, "PutSecretValue", byHand.Name)
	r := start(t, words("rotate", byHand, "--output", "json"), h.env)
	reached(t, held)
	var others []client.WorkflowRun
	for i := range 2 {
		other, err := h.client(t).ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: fmt.Sprintf("by-hand-%s-%d", h.queue, i), TaskQueue: h.queue},
			rotation.WorkflowType, rotation.Request{SecretName: byHand.Name, RegionId: byHand.Region})
		require.NoError(t, err)
		others = append(others, other)
	}
	held.Release()
	canonical := r.wait().report(t)
	require.Equal(t, rotation.Rotated, canonical.Outcome)
	for _, other := range others {
		var result rotation.Result
		require.NoError(t, other.Get(t.Context(), &result))
		require.Equal(t, canonical.Result.Version, result.Version, "they exclude each other")
	}
	delegated := newVeiled(t)
	outer, err := h.client(t).ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "alone-" + h.queue, TaskQueue: h.queue}, rotation.WorkflowType,
		rotation.Request{SecretName: delegated.Name, RegionId: delegated.Region})
	require.NoError(t, err)
	require.NoError(t, outer.Get(t.Context(), nil))
	return []devstack.Secret{rotated, refused, resolved, scheduled, byHand, delegated}
}

// webUI is an origin whose pages may have payloads read.
const webUI = "https://temporal.example.com"

// readsForTheWebUI asks for what the Web UI shows of an open rotation: it is encrypted on its way, and the worker reads it for a page.
func readsForTheWebUI(t *testing.T, h *hiding, secret devstack.Secret) {
	t.Helper()
	answer, err := temporal.WorkflowService().QueryWorkflow(t.Context(), &workflowservice.QueryWorkflowRequest{Namespace: stack.Temporal.Namespace,
		Execution: &commonpb.WorkflowExecution{WorkflowId: h.keys.Hide(workflowID(secret))}, Query: &querypb.WorkflowQuery{QueryType: "__temporal_workflow_metadata"}})
	require.NoError(t, err)
	sent := answer.GetQueryResult().GetPayloads()
	require.Len(t, sent, 1)
	require.Equal(t, "binary/encrypted", string(sent[0].GetMetadata()["encoding"]))
	body, err := protojson.Marshal(answer.GetQueryResult())
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+h.codec+"/decode", bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Origin", webUI)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	body, err = io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, string(body))
	require.Equal(t, webUI, response.Header.Get("Access-Control-Allow-Origin"))
	var read commonpb.Payloads
	require.NoError(t, protojson.Unmarshal(body, &read))
	var details sdkpb.WorkflowMetadata
	require.NoError(t, converter.GetDefaultDataConverter().FromPayload(read.GetPayloads()[0], &details))
	require.Contains(t, details.GetCurrentDetails(), "Parked")
	require.Contains(t, details.GetCurrentDetails(), secret.Name)
}

// everything is all that Temporal has: its database and its log as files, histories and descriptions, schedules, and the lists of them.
func everything(t *testing.T) []canary.Source {
	t.Helper()
	sources, err := canary.Folder(filepath.Dir(stack.Temporal.DatabaseFile))
	require.NoError(t, err)
	histories, err := canary.Histories(t.Context(), temporal, stack.Temporal.Namespace)
	require.NoError(t, err)
	schedules, err := temporal.WorkflowService().ListSchedules(t.Context(), &workflowservice.ListSchedulesRequest{Namespace: stack.Temporal.Namespace})
	require.NoError(t, err)
	var list strings.Builder
	for _, s := range schedules.GetSchedules() {
		described, err := temporal.WorkflowService().DescribeSchedule(t.Context(), &workflowservice.DescribeScheduleRequest{Namespace: stack.Temporal.Namespace, ScheduleId: s.GetScheduleId()})
		if err != nil {
			continue // another test has deleted it meanwhile
		}
		list.WriteString(protojson.Format(s) + protojson.Format(described))
	}
	for _, s := range histories {
		list.WriteString(s.Name + "\n") // they are named after ids
	}
	return append(append(sources, histories...), canary.Text("schedules and ids", list.String()))
}

// With keys, nothing that Temporal keeps names a secret, or what is behind it, whatever became of its rotation.
func TestHiddenNamesOccurNowhere(t *testing.T) {
	t.Parallel()
	free, err := port.Free()
	require.NoError(t, err)
	h := hideAt(t, fmt.Sprintf("127.0.0.1:%d", free), payloadtest.File(t, payloadtest.Line("ids"), payloadtest.Line("2026-11")))
	secrets := hiddenRotations(t, h)
	// What is searched is really all there is: a name that is not hidden is found in each kind of it.
	plain := newVeiled(t)
	require.Equal(t, cli.ExitOK, run(t, words("rotate", plain)).code)
	require.Equal(t, cli.ExitOK, run(t, words("schedule", plain, "--every", "30d")).code)

	var names []rotation.Secret
	for _, s := range append(secrets, plain) {
		names = append(names, rotation.NewSecret(s.Name))
	}
	var found []canary.Finding
	kinds := map[string]bool{}
	eventually(t, 5*time.Minute, "the name that is not hidden is found everywhere", func() bool {
		var err error
		found, err = canary.Search(names, everything(t)...)
		require.NoError(t, err)
		for _, f := range found {
			kind, _, _ := strings.Cut(f.Source, " ")
			kinds[kind] = true
		}
		return kinds["file"] && kinds["history"] && kinds["schedules"]
	})
	for _, f := range found {
		require.Equal(t, len(secrets), f.Password, "the name of rotation %d, in %s, %s", f.Password, f.Source, f.Form)
	}
}

// A file of keys that does not fit is named, and so is what to do.
func TestKeysThatDoNotFit(t *testing.T) {
	t.Parallel()
	ids, first := payloadtest.Line("ids"), payloadtest.Line("first")
	h := hide(t, payloadtest.File(t, ids, first))
	secret := newVeiled(t)
	breakAfterNew(t, secret)
	require.Equal(t, cli.ExitParked, run(t, words("rotate", secret, "--on-failure", "park"), h.env).code)

	for name, test := range map[string]struct{ file, says string }{
		"none":                     {"", "is encrypted with key first, and this program has no keys: set ROTOR_PAYLOAD_KEYS to the file that has it"},
		"another":                  {payloadtest.File(t, payloadtest.Line("ids"), payloadtest.Line("second")), "is encrypted with key first, which is not in the file that ROTOR_PAYLOAD_KEYS names"},
		"another one of that name": {payloadtest.File(t, ids, payloadtest.Line("first")), "does not open with key first: it was changed by somebody, or the key has another value"},
	} {
		t.Run(name, func(t *testing.T) {
			env := withEnv("ROTOR_PAYLOAD_KEYS="+test.file, "ROTOR_TASK_QUEUE="+h.queue)
			for _, line := range [][]string{words("describe", secret), words("resolve", secret, "abandon", "--reason", "x")} {
				f := run(t, line, env)
				require.Equal(t, cli.ExitUsage, f.code, f.stdout+f.stderr)
				require.Contains(t, f.stderr, test.says)
				require.Empty(t, f.stdout)
				oneLine(t, f.stderr)
			}
			_, err := startWorker(h.queue, map[string]string{"ROTOR_PAYLOAD_KEYS": test.file})
			require.ErrorContains(t, err, "a rotation is open that this worker can't read: workflow rotate/")
			require.ErrorContains(t, err, test.says)
		})
	}
	broken := run(t, words("describe", secret), withEnv("ROTOR_PAYLOAD_KEYS="+payloadtest.File(t, ids)))
	require.Equal(t, cli.ExitUsage, broken.code)
	require.Contains(t, broken.stderr, "no key beside ids, to encrypt with")
	require.Contains(t, run(t, words("describe", secret), h.env).stdout, "Parked", "nobody has done anything to it")
}

// A key is rotated while a rotation is parked: it is announced, then encrypts, and what was written with the one before is still read.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	ids, old, next := payloadtest.Line("ids"), payloadtest.Line("old"), payloadtest.Line("next")
	h := hide(t, payloadtest.File(t, ids, old))
	secret := newVeiled(t)
	breakAfterNew(t, secret)
	require.Equal(t, cli.ExitParked, run(t, words("rotate", secret, "--on-failure", "park"), h.env).code)
	for _, lines := range [][]string{{ids, old, next}, {ids, next, old}} {
		require.NoError(t, h.stop())
		require.NoError(t, os.WriteFile(h.file, []byte(strings.Join(lines, "\n")), 0o600))
		h.serve(t)
		require.Contains(t, run(t, words("describe", secret), h.env).stdout, "Parked after")
	}
	repair(t, secret)
	f := run(t, words("resolve", secret, "retry", "--reason", "with the next key"), h.env)
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	used := map[string]int{}
	events := temporal.GetWorkflowHistory(t.Context(), h.keys.Hide(workflowID(secret)), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(t, err)
		if a := e.GetActivityTaskScheduledEventAttributes(); a != nil {
			used[string(a.GetInput().GetPayloads()[0].GetMetadata()["encryption-key-id"])]++
		}
	}
	require.Positive(t, used["old"])
	require.Positive(t, used["next"])
	require.Len(t, used, 2)
}
