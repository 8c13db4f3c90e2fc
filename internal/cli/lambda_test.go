package cli_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cli"
	"rotor/internal/rotation"
)

// The event that Secrets Manager gives to a Lambda is told from a request, before anything is asked of Temporal.
func TestRotateWithALambdaEvent(t *testing.T) {
	t.Parallel()
	const event = `{"Step": "createSecret", "SecretId": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:orders-AbCdEf", "ClientRequestToken": "t",
		"RotationToken": "0815"}`
	f := run(t, []string{"rotate", "--payload", "-"}, withStdin(event))
	require.Equal(t, cli.ExitRefused, f.code)
	_, instead, found := strings.Cut(f.stdout, "a rotation event of Secrets Manager for a Lambda")
	require.True(t, found, f.stdout)
	require.Equal(t, 1, strings.Count(f.stdout, "\n"), "it is told as a whole, not field by field: %s", f.stdout)
	require.NotContains(t, f.stdout, "Function Compute", "it is one kind of event, and not two")
	var req rotation.Request
	require.NoError(t, req.UnmarshalJSON([]byte(instead[strings.Index(instead, "{"):])))
	valid, err := req.Validate()
	require.NoError(t, err, "what is to be used instead is a request")
	require.Equal(t, "rotate/aws-secrets-manager/eu-central-1/orders", valid.WorkflowID())
	require.NotContains(t, f.stdout, "0815")
	report := run(t, []string{"rotate", "--payload", "-", "--output", "json"}, withStdin(event)).report(t)
	require.Equal(t, "Refused", string(report.Outcome))
	require.Contains(t, report.Failure.Text, "Lambda")
}
