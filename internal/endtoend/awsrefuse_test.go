package endtoend

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// What is refused is refused before any change, and says what would be right.
func TestAWSRefusals(t *testing.T) {
	t.Parallel()
	change := func(how func(*awssecretsmanager.Secret)) func(*testing.T, devstack.Secret) {
		return func(t *testing.T, s devstack.Secret) { awsChange(t, s.Name, how) }
	}
	field := func(how func(map[string]any)) func(*testing.T, devstack.Secret) {
		return func(t *testing.T, s devstack.Secret) { awsEdit(t, s.Name, how) }
	}
	const function = "arn:aws:lambda:eu-central-1:123456789012:function:rotate"
	for name, test := range map[string]struct {
		prepare func(*testing.T, devstack.Secret)
		ask     func(*rotation.Request)
		says    []string
	}{
		"unknown secret":         {func(*testing.T, devstack.Secret) {}, func(r *rotation.Request) { r.SecretName = "no-such-" + r.SecretName }, []string{"no-such-", "ResourceNotFoundException"}},
		"binary":                 {change(func(s *awssecretsmanager.Secret) { s.Versions[0].String, s.Versions[0].Binary = "", []byte("x") }), nil, []string{"SecretBinary", "SecretString"}},
		"scheduled for deletion": {change(func(s *awssecretsmanager.Secret) { s.Deletion = time.Now().Add(time.Hour) }), nil, []string{"scheduled for deletion", "RestoreSecret"}},
		"managed by AWS":         {change(func(s *awssecretsmanager.Secret) { s.OwningService = "rds" }), nil, []string{"managed by rds", "rotates it itself"}},
		"rotated by a Lambda": {change(func(s *awssecretsmanager.Secret) {
			s.Rotation = &awssecretsmanager.Rotation{Enabled: true, LambdaARN: function}
		}), nil, []string{function, "hand it over", "aws secretsmanager cancel-rotate-secret --region eu-central-1 --secret-id "}},
		"engine missing":                    {field(without("engine")), nil, []string{"field engine is missing"}},
		"another engine":                    {field(with("engine", "postgres")), nil, []string{"field engine", "mysql, mariadb, aurora-mysql"}},
		"no host":                           {field(without("host")), nil, []string{"field host is missing"}},
		"no username":                       {field(without("username")), nil, []string{"field username is missing"}},
		"bad port":                          {field(with("port", "x")), nil, []string{"field port"}},
		"bad ssl":                           {field(with("ssl", "maybe")), nil, []string{"field ssl"}},
		"TLS that the server does not have": {field(with("ssl", true)), nil, []string{"TLS"}},
		"current can't log in":              {field(with("password", "wrong-Pa55")), nil, []string{"does not log in", "1045"}},
		"no admin secret named":             {field(without("masterarn")), func(r *rotation.Request) { r.Strategy = rotation.DualAccount }, []string{"masterarn"}},
		"admin secret missing":              {func(t *testing.T, s devstack.Secret) { secretsManager().Remove(s.AdminSecret) }, nil, []string{"the admin secret", "ResourceNotFoundException"}},
		"admin can't log in":                {func(t *testing.T, s devstack.Secret) { awsEdit(t, s.AdminSecret, with("password", "wrong-Pa55")) }, nil, []string{"admin secret", "1045"}},
		"admin's engine missing":            {func(t *testing.T, s devstack.Secret) { awsEdit(t, s.AdminSecret, without("engine")) }, nil, []string{"the admin secret", "field engine is missing"}},
		"the admin is of the pair": {func(t *testing.T, s devstack.Secret) {
			awsEdit(t, s.AdminSecret, func(d map[string]any) { d["username"], d["password"] = s.Account, s.Password.Reveal() })
		}, nil, []string{"of the account pair"}},
		"the admin may not create accounts": {func(t *testing.T, s devstack.Secret) {
			execute(t, "REVOKE CREATE USER ON *.* FROM '"+s.AdminAccount+"'@'%'")
		}, nil, []string{"CREATE USER"}},
		"a key that can't be used": {func(t *testing.T, s devstack.Secret) {
			awsChange(t, s.Name, func(secret *awssecretsmanager.Secret) { secret.KeyID = "key-of-" + s.Name })
			secretsManager().DisableKey("key-of-" + s.Name)
		}, nil, []string{"DecryptionFailure", "kms:Decrypt"}},
		"reading is denied": {func(t *testing.T, s devstack.Secret) {
			stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: s.Name, Action: "GetSecretValue", Times: cloudsim.Always})
		}, nil, []string{"secretsmanager:GetSecretValue", "AccessDeniedException"}},
		"a policy that leaves no characters": {func(*testing.T, devstack.Secret) {}, func(r *rotation.Request) {
			r.Password = rotation.PasswordPolicy{ExcludeLowercase: true, ExcludeUppercase: true, ExcludeNumbers: true, ExcludePunctuation: true}
		}, []string{"Password", "no characters"}},
		"a standby account that is somebody else's": {func(t *testing.T, s devstack.Secret) {
			execute(t, "CREATE USER '"+s.Account+"_clone'@'%' IDENTIFIED BY 'theirs-0815'")
		}, nil, []string{"_clone", "somebody else", "AdoptStandby"}},
		"an ARN of another region": {func(*testing.T, devstack.Secret) {}, func(r *rotation.Request) {
			r.SecretName = "arn:aws:secretsmanager:us-east-1:123456789012:secret:" + r.SecretName + "-AbCdEf"
		}, []string{"RegionId", "us-east-1"}},
		"an ARN without the six characters": {func(*testing.T, devstack.Secret) {}, func(r *rotation.Request) {
			r.SecretName = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:" + r.SecretName
		}, []string{"SecretName", "six characters"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newAWSPair(t)
			test.prepare(t, secret)
			before := picture(t, secret)
			result := rotate(t, secret, test.ask)
			require.Equal(t, rotation.Refused, result.Outcome)
			require.NotNil(t, result.Reason)
			for _, words := range test.says {
				require.Contains(t, result.Reason.Text, words)
			}
			require.Equal(t, before, picture(t, secret), "nothing was changed")
			require.LessOrEqual(t, result.Reason.Attempt, int32(1), "it is not tried again")
			require.False(t, strings.Contains(result.Reason.Text, "\n"))
		})
	}
}

// The event that Secrets Manager gives to a Lambda, in place of a request.
func TestAWSLambdaEventIsNoRequest(t *testing.T) {
	t.Parallel()
	event := map[string]string{"SecretId": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:orders-AbCdEf", "ClientRequestToken": "t", "Step": "createSecret"}
	run, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "lambda-event", TaskQueue: queue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL}, rotation.WorkflowType, event)
	require.NoError(t, err)
	result := outcome(t, run)
	require.Equal(t, rotation.Refused, result.Outcome)
	for _, words := range []string{"SecretId", "ClientRequestToken", "rotation event of Secrets Manager for a Lambda", "SecretName, RegionId and Store"} {
		require.Contains(t, result.Reason.Text, words)
	}
}

// A secret by its ARN is the same secret, and the same rotation.
func TestAWSByARN(t *testing.T) {
	t.Parallel()
	secret := newAWSPair(t)
	run := start(t, queue, secret, func(r *rotation.Request) { r.SecretName, r.RegionId = secretsManager().ARN(secret.Name), "" })
	require.Equal(t, "rotate/aws-secrets-manager/eu-central-1/"+secret.Name, run.GetID())
	require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
	require.True(t, logsIn(t, awsHolder(t, secret.Name, awssecretsmanager.Current)))
}
