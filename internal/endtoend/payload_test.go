package endtoend

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// payloads are the inputs of the two recipes' flows as their documentation has them, to the byte but for the names.
var payloads = map[string]struct {
	secret func(*testing.T) devstack.Secret
	text   string
}{
	"self-managed MySQL": {newSecret, "{\n  \"SecretName\": \"SECRET\",\n  \"RegionId\": \"cn-hangzhou\"\n}"},
	"ApsaraDB RDS":       {newApsara, "{\n  \"SecretName\": \"SECRET\",\n  \"RegionId\": \"cn-hangzhou\",\n  \"InstanceId\":\"INSTANCE\"\n}"},
}

func payloadFor(secret devstack.Secret, text string) string {
	return strings.NewReplacer("SECRET", secret.Name, "INSTANCE", secret.Instance).Replace(text)
}

// asTyped is an input as the Web UI sends it: the text, said to be JSON.
func asTyped(text string) converter.RawValue {
	return converter.NewRawValue(&commonpb.Payload{Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingJSON)}, Data: []byte(text)})
}

// What was a flow's payload starts a rotation unchanged, under whatever id the Web UI's "Start Workflow" was given.
func TestPayloadsFromTheWebUI(t *testing.T) {
	t.Parallel()
	for name, test := range payloads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := test.secret(t)
			run, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "by-hand-" + secret.Name, TaskQueue: queue}, rotation.WorkflowType,
				asTyped(payloadFor(secret, test.text)))
			require.NoError(t, err)
			result := outcome(t, run)
			require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
			require.Equal(t, secret.Target, result.Target)
			require.Equal(t, secret.Account+"_rt", holder(t, secret, alibabakms.Current).AccountName)
			require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
		})
	}
}

func TestPayloadsFromASchedule(t *testing.T) {
	t.Parallel()
	for name, test := range payloads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := test.secret(t)
			handle, err := temporal.ScheduleClient().Create(t.Context(), client.ScheduleOptions{
				ID: "schedule-" + secret.Name, TriggerImmediately: true, CatchupWindow: time.Hour,
				Spec:   client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: 24 * time.Hour}}},
				Action: &client.ScheduleWorkflowAction{ID: "scheduled-" + secret.Name, Workflow: rotation.WorkflowType, TaskQueue: queue, Args: []any{asTyped(payloadFor(secret, test.text))}},
			})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, handle.Delete(context.WithoutCancel(t.Context()))) })
			eventually(t, 2*time.Minute, "rotated", func() bool { return holder(t, secret, alibabakms.Current).AccountName == secret.Account+"_rt" })
			require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
		})
	}
}

// The events with which those flows call their function are told apart, and answered with what to use instead.
func TestStepEvents(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"new": `{"SecretName":"SECRET","RegionId":"cn-hangzhou","InstanceId":"INSTANCE","Step":"new"}`,
		"set": `{"SecretName":"SECRET","RegionId":"cn-hangzhou","InstanceId":"INSTANCE","Step":"set","VersionId":"1c6bc3b4-a5a1-4e3f-9e0d-6f5a3c1f1d11"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newApsara(t)
			before := picture(t, secret)
			run, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "event-" + secret.Name, TaskQueue: queue}, rotation.WorkflowType,
				asTyped(payloadFor(secret, text)))
			require.NoError(t, err)
			result := outcome(t, run)
			require.Equal(t, rotation.Refused, result.Outcome)
			require.Equal(t, 1, strings.Count(result.Reason.Text, "step event"), result.Reason.Text)
			require.Contains(t, result.Reason.Text, "Step: this is a step event of the Function Compute recipe; a rotation here is one request with SecretName and RegionId")
			require.Equal(t, before, picture(t, secret))
		})
	}
}

// A request says by name what is wrong with it, however it was typed. It is not tried again, and nothing is changed.
func TestRequestsThatAreWrong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		says []string
	}{
		"unknown field":     {`{"SecretName":"SECRET","RegionId":"cn-hangzhou","Strategie":"dual-account"}`, []string{"Strategie"}},
		"two unknown":       {`{"SecretName":"SECRET","RegionId":"cn-hangzhou","Colour":1,"Shape":2}`, []string{"Colour", "Shape"}},
		"wrong type":        {`{"SecretName":"SECRET","RegionId":7}`, []string{"RegionId"}},
		"no secret":         {`{"RegionId":"cn-hangzhou"}`, []string{"SecretName"}},
		"empty secret":      {`{"SecretName":"","RegionId":"cn-hangzhou"}`, []string{"SecretName"}},
		"no region":         {`{"SecretName":"SECRET"}`, []string{"RegionId"}},
		"unknown strategy":  {`{"SecretName":"SECRET","RegionId":"cn-hangzhou","Strategy":"triple-account"}`, []string{"Strategy", "triple-account"}},
		"neither an object": {`["SECRET"]`, []string{"SecretName"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newSecret(t)
			before := picture(t, secret)
			run, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "wrong-" + secret.Name, TaskQueue: queue}, rotation.WorkflowType,
				asTyped(payloadFor(secret, test.text)))
			require.NoError(t, err)
			result := outcome(t, run)
			require.Equal(t, rotation.Refused, result.Outcome)
			for _, words := range test.says {
				require.Contains(t, result.Reason.Text, words)
			}
			require.Equal(t, before, picture(t, secret))
		})
	}
}
