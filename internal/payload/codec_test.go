package payload_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"rotor/internal/payload"
	"rotor/internal/payload/payloadtest"
)

type request struct{ SecretName string }

const named = "orders-db-0815"

// inClear says whether any part of a message holds the name as it is.
func inClear(t *testing.T, m proto.Message) bool {
	t.Helper()
	data, err := proto.Marshal(m)
	require.NoError(t, err)
	return bytes.Contains(data, []byte(named)) || bytes.Contains(data, []byte("SecretName"))
}

func TestPayloadsAreEncryptedAndReadAgain(t *testing.T) {
	t.Parallel()
	keys := payloadtest.Keys(t, payloadtest.Line("ids"), payloadtest.Line("2026-11"))
	one, err := keys.Converter().ToPayload(request{named})
	require.NoError(t, err)
	require.False(t, inClear(t, one))
	require.Equal(t, "binary/encrypted", string(one.Metadata["encoding"]))
	require.Equal(t, "2026-11", string(one.Metadata["encryption-key-id"]))
	again, err := keys.Converter().ToPayload(request{named})
	require.NoError(t, err)
	require.NotEqual(t, one.Data, again.Data, "equal values are not seen to be equal")
	var found request
	require.NoError(t, keys.Converter().FromPayload(one, &found))
	require.Equal(t, named, found.SecretName)

	var none *payload.Keys
	plain, err := none.Converter().ToPayload(request{named})
	require.NoError(t, err)
	require.True(t, inClear(t, plain), "without keys everything is as ever")
	require.NoError(t, keys.Converter().FromPayload(plain, &found), "what was there before is read")
	encoded, err := keys.Codec().Encode([]*commonpb.Payload{one})
	require.NoError(t, err)
	require.True(t, proto.Equal(one, encoded[0]), "it is not encrypted twice")
}

// A new key encrypts as soon as it is the first, and the ones before it go on reading.
func TestKeysAreRotated(t *testing.T) {
	t.Parallel()
	ids, old, next := payloadtest.Line("ids"), payloadtest.Line("old"), payloadtest.Line("next")
	before := payloadtest.Keys(t, ids, old)
	announced, changed, without := payloadtest.Keys(t, ids, old, next), payloadtest.Keys(t, next, ids, old), payloadtest.Keys(t, ids, next)
	for name, test := range map[string]struct {
		writes, reads *payload.Keys
		key           string
		says          string
	}{
		"announced, it writes with the old one":      {announced, before, "old", ""},
		"changed, it is read where it was announced": {changed, announced, "next", ""},
		"changed, it reads what was before":          {before, changed, "old", ""},
		"changed before it was announced everywhere": {changed, before, "next", "encrypted with key next, which is not in the file that ROTOR_PAYLOAD_KEYS names: add it there"},
		"taken away": {before, without, "old", "encrypted with key old, which is not in the file"},
		"no keys":    {before, nil, "old", "this program has no keys: set ROTOR_PAYLOAD_KEYS to the file that has it"},
		"another key of that name": {payloadtest.Keys(t, ids, payloadtest.Line("old")), before, "old",
			"does not open with key old: it was changed by somebody, or the key has another value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := test.writes.Converter().ToPayload(request{named})
			require.NoError(t, err)
			require.Equal(t, test.key, string(p.Metadata["encryption-key-id"]))
			var found request
			err = test.reads.Converter().FromPayload(p, &found)
			if test.says == "" {
				require.NoError(t, err)
				require.Equal(t, named, found.SecretName)
				return
			}
			require.ErrorContains(t, err, test.says)
			require.True(t, payload.IsUnreadable(err))
			require.Empty(t, found)
		})
	}
}

func TestTamperedPayloadsAreRefused(t *testing.T) {
	t.Parallel()
	keys := payloadtest.Keys(t, payloadtest.Line("ids"), payloadtest.Line("one"), payloadtest.Line("two"))
	good, err := keys.Converter().ToPayload(request{named})
	require.NoError(t, err)
	for name, tamper := range map[string]func(*commonpb.Payload){
		"cut":         func(p *commonpb.Payload) { p.Data = p.Data[:len(p.Data)-1] },
		"emptied":     func(p *commonpb.Payload) { p.Data = nil },
		"nonce alone": func(p *commonpb.Payload) { p.Data = p.Data[:12] },
		"longer":      func(p *commonpb.Payload) { p.Data = append(p.Data, 0) },
		"another key": func(p *commonpb.Payload) { p.Metadata["encryption-key-id"] = []byte("two") },
		"no key":      func(p *commonpb.Payload) { delete(p.Metadata, "encryption-key-id") },
	} {
		p := proto.CloneOf(good)
		tamper(p)
		_, err := keys.Codec().Decode([]*commonpb.Payload{good, p})
		require.True(t, payload.IsUnreadable(err), name)
	}
	for at := range good.Data {
		p := proto.CloneOf(good)
		p.Data[at] ^= 1
		_, err := keys.Codec().Decode([]*commonpb.Payload{p})
		require.True(t, payload.IsUnreadable(err), "byte %d", at)
		require.NotContains(t, err.Error(), named)
	}
}

// Failures carry texts of their own beside their payloads.
func TestFailuresAreEncrypted(t *testing.T) {
	t.Parallel()
	keys := payloadtest.Keys(t, payloadtest.Line("ids"), payloadtest.Line("one"))
	options := keys.Protect(client.Options{})
	sent := options.FailureConverter.ErrorToFailure(temporal.NewApplicationErrorWithCause("secret "+named, "Permanent", errors.New("because of "+named), request{named}))
	require.False(t, inClear(t, sent))
	received := options.FailureConverter.FailureToError(sent)
	require.ErrorContains(t, received, "secret "+named)
	require.ErrorContains(t, errors.Unwrap(received), "because of "+named)
	var app *temporal.ApplicationError
	require.ErrorAs(t, received, &app)
	var details request
	require.NoError(t, app.Details(&details))
	require.Equal(t, named, details.SecretName)

	var none *payload.Keys
	plain := none.Protect(client.Options{}).FailureConverter.ErrorToFailure(errors.New("secret " + named))
	require.Equal(t, "secret "+named, plain.GetMessage(), "without keys everything is as ever")
}

// In a workflow a payload that can't be read must not look like an error of what was called: the task fails, and is repeated.
func TestWorkflowsInsistOnKeys(t *testing.T) {
	t.Parallel()
	ids := payloadtest.Line("ids")
	theirs := payloadtest.Keys(t, ids, payloadtest.Line("theirs"))
	p, err := theirs.Converter().ToPayload(request{named})
	require.NoError(t, err)
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	mine := payloadtest.Keys(t, ids, payloadtest.Line("mine")).Converter()
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		var found request
		return mine.(workflow.ContextAware).WithWorkflowContext(ctx).FromPayloads(&commonpb.Payloads{Payloads: []*commonpb.Payload{p}}, &found)
	})
	var panicked *temporal.PanicError
	require.ErrorAs(t, env.GetWorkflowError(), &panicked)
	require.ErrorContains(t, env.GetWorkflowError(), "key theirs")
	var found request
	require.True(t, payload.IsUnreadable(mine.FromPayload(p, &found)), "elsewhere it is an error")
}
