package rotation_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
)

func parse(t *testing.T, payload string) rotation.Request {
	t.Helper()
	var r rotation.Request
	require.NoError(t, json.Unmarshal([]byte(payload), &r), "decoding never fails")
	return r
}

func TestSeedPayloadsAreRequests(t *testing.T) {
	for name, test := range map[string]struct{ payload, target, id string }{
		"self-managed": {`{"SecretName": "orders/db", "RegionId": "cn-hangzhou"}`, rotation.TargetMySQL, "rotate/alibaba-kms/cn-hangzhou/orders/db"},
		"RDS API":      {`{"SecretName": "s", "RegionId": "us-east-1", "InstanceId": "rm-1"}`, rotation.TargetApsaraRDS, "rotate/alibaba-kms/us-east-1/s"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := parse(t, test.payload).Validate()
			require.NoError(t, err)
			require.Equal(t, test.target, r.Target())
			require.Equal(t, test.id, r.WorkflowID())
			require.Equal(t, rotation.OnFailureRollback, r.OnFailure)
			again, err := json.Marshal(r)
			require.NoError(t, err)
			once, err := parse(t, string(again)).Validate()
			require.NoError(t, err)
			require.Equal(t, test.id, once.WorkflowID(), "a validated request is a request")
		})
	}
}

func TestARNsAreReducedToNames(t *testing.T) {
	for name, test := range map[string]struct{ payload, id, problem string }{
		"alibaba":                {payload: `{"SecretName":"acs:kms:cn-hangzhou:123:secret/orders/db","RegionId":"cn-hangzhou"}`, id: "rotate/alibaba-kms/cn-hangzhou/orders/db"},
		"alibaba without region": {payload: `{"SecretName":"acs:kms:cn-hangzhou:123:secret/orders/db"}`, id: "rotate/alibaba-kms/cn-hangzhou/orders/db"},
		"aws": {payload: `{"SecretName":"arn:aws:secretsmanager:us-east-1:123:secret:orders-AbC123","Store":"aws-secrets-manager"}`,
			id: "rotate/aws-secrets-manager/us-east-1/orders"},
		"another region":  {payload: `{"SecretName":"acs:kms:cn-hangzhou:123:secret/s","RegionId":"cn-beijing"}`, problem: "RegionId"},
		"partial alibaba": {payload: `{"SecretName":"acs:kms:cn-hangzhou:secret/s","RegionId":"cn-hangzhou"}`, problem: "incomplete ARN"},
		"partial aws":     {payload: `{"SecretName":"arn:aws:secretsmanager:us-east-1:123:secret:orders","RegionId":"us-east-1"}`, problem: "incomplete ARN"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := parse(t, test.payload).Validate()
			if test.problem != "" {
				require.ErrorContains(t, err, test.problem)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.id, r.WorkflowID())
		})
	}
}

func TestBadRequests(t *testing.T) {
	for name, test := range map[string]struct{ payload, problem string }{
		"null":                   {`null`, "not a JSON object"},
		"a list":                 {`[]`, "not a JSON object"},
		"a text":                 {`"s"`, "not a JSON object"},
		"no secret":              {`{"RegionId":"r"}`, "SecretName: missing"},
		"empty secret":           {`{"SecretName":"","RegionId":"r"}`, "SecretName: missing"},
		"secret of wrong type":   {`{"SecretName":5,"RegionId":"r"}`, "SecretName: wrong type: a string is wanted"},
		"secret with a space":    {`{"SecretName":"a b","RegionId":"r"}`, "is no secret's name"},
		"secret with a newline":  {`{"SecretName":"a\nb","RegionId":"r"}`, "is no secret's name"},
		"no region":              {`{"SecretName":"s"}`, "RegionId: missing"},
		"strange region":         {`{"SecretName":"s","RegionId":"cn/../x"}`, "is no region"},
		"region that is a host":  {`{"SecretName":"s","RegionId":"evil.example.com#"}`, "is no region"},
		"unknown field":          {`{"SecretName":"s","RegionId":"r","Colour":1}`, "Colour: unknown field"},
		"wrong case":             {`{"secretName":"s","RegionId":"r"}`, "did you mean SecretName?"},
		"Now of wrong type":      {`{"SecretName":"s","RegionId":"r","Now":"yes"}`, "Now: wrong type: true or false is wanted"},
		"bad duration":           {`{"SecretName":"s","RegionId":"r","Grace":"1 day"}`, "Grace"},
		"negative grace":         {`{"SecretName":"s","RegionId":"r","Grace":"-1s"}`, "Grace"},
		"unknown strategy":       {`{"SecretName":"s","RegionId":"r","Strategy":"triple"}`, "known: dual-account, single-user"},
		"unknown on-failure":     {`{"SecretName":"s","RegionId":"r","OnFailure":"ignore"}`, "OnFailure"},
		"short passwords":        {`{"SecretName":"s","RegionId":"r","Password":{"Length":4}}`, "Password.Length"},
		"passwords of a text":    {`{"SecretName":"s","RegionId":"r","Password":"x"}`, "Password: wrong type"},
		"an unknown source":      {`{"SecretName":"s","RegionId":"r","Password":{"Source":"dice"}}`, "Password.Source"},
		"a field within":         {`{"SecretName":"s","RegionId":"r","Password":{"Colour":1}}`, "Password.Colour: unknown field"},
		"a type within":          {`{"SecretName":"s","RegionId":"r","Password":{"Length":"long"}}`, "Password.Length: wrong type"},
		"a store's strange name": {`{"SecretName":"s","RegionId":"r","Store":"a/b"}`, "Store"},
		"a step event":           {`{"SecretName":"s","RegionId":"r","Step":"new"}`, "Function Compute"},
		"a Lambda event":         {`{"SecretId":"s","ClientRequestToken":"t","Step":"createSecret"}`, "Secrets Manager"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(t, test.payload).Validate()
			require.ErrorContains(t, err, test.problem)
			require.Equal(t, rotation.Permanent, rotation.KindOf(err))
			require.NotContains(t, err.Error(), "\n")
		})
	}
	t.Run("all problems at once", func(t *testing.T) {
		_, err := parse(t, `{"SecretName":"","RegionId":"R!","Grace":"x","Colour":1}`).Validate()
		for _, field := range []string{"SecretName", "RegionId", "Grace", "Colour"} {
			require.ErrorContains(t, err, field)
		}
	})
}
