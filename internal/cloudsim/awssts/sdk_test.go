package awssts_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/cloudsim/awssts"
)

const region = "eu-central-1"

// A role of another account is taken on, and its credentials reach what the role may and nothing else.
func TestAssumeRole(t *testing.T) {
	cloud := cloudsim.New(cloudsim.Options{})
	address, err := cloud.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	role := awssts.Role{Name: "rotor", Account: "999988887777", Trusts: []string{cloudsim.DefaultCredential.Account}, ExternalID: "agreed",
		Allow: []cloudsim.Permission{{Action: "secretsmanager:DescribeSecret", Resource: "*"}}}
	cloud.AWSSTS().PutRole(role)
	cloud.SecretsManager().In(role.Account, region).Put(awssecretsmanager.Secret{Name: "theirs"})
	key := cloudsim.DefaultCredential
	tokens := sts.New(sts.Options{Region: region, BaseEndpoint: aws.String(address), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.Secret, "")})

	for name, c := range map[string]struct {
		in   sts.AssumeRoleInput
		code string
	}{
		"no external id":    {sts.AssumeRoleInput{RoleArn: aws.String(role.ARN()), RoleSessionName: aws.String("s")}, "AccessDenied"},
		"wrong external id": {sts.AssumeRoleInput{RoleArn: aws.String(role.ARN()), RoleSessionName: aws.String("s"), ExternalId: aws.String("other")}, "AccessDenied"},
		"unknown role":      {sts.AssumeRoleInput{RoleArn: aws.String(role.ARN() + "x"), RoleSessionName: aws.String("s")}, "AccessDenied"},
		"too short":         {sts.AssumeRoleInput{RoleArn: aws.String(role.ARN()), RoleSessionName: aws.String("s"), DurationSeconds: aws.Int32(1)}, "ValidationError"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tokens.AssumeRole(t.Context(), &c.in)
			var failure smithy.APIError
			require.ErrorAs(t, err, &failure)
			require.Equal(t, c.code, failure.ErrorCode())
		})
	}

	got, err := tokens.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String(role.ARN()), RoleSessionName: aws.String("s"), ExternalId: aws.String("agreed")})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:sts::999988887777:assumed-role/rotor/s", *got.AssumedRoleUser.Arn)
	held := got.Credentials
	secrets := secretsmanager.New(secretsmanager.Options{Region: region, BaseEndpoint: aws.String(address), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(*held.AccessKeyId, *held.SecretAccessKey, *held.SessionToken)})
	_, err = secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("theirs")})
	require.NoError(t, err)
	_, err = secrets.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("theirs")})
	require.ErrorContains(t, err, "AccessDenied")
	for _, r := range cloud.Requests() {
		require.NotContains(t, r.Params["ExternalId"], "agreed")
	}
}
