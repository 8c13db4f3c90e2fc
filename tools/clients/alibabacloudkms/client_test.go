package alibabacloudkms_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/models"
	kms "github.com/alibabacloud-go/kms-20160120/v3/client"
	"github.com/alibabacloud-go/tea/tea"
	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
)

type client struct {
	*kms.Client
	cloud   *cloudsim.Cloud
	secrets alibabakms.Region
}

func start(t *testing.T, options cloudsim.Options, change func(*openapi.Config)) client {
	t.Helper()
	cloud := cloudsim.New(options)
	address, err := cloud.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	key := cloud.Credential()
	config := &openapi.Config{
		AccessKeyId: &key.AccessKeyID, AccessKeySecret: &key.Secret, Protocol: tea.String("HTTP"),
		Endpoint: tea.String(strings.TrimPrefix(address, "http://")), RegionId: tea.String("cn-hangzhou"),
	}
	if key.SessionToken != "" {
		config.SecurityToken = &key.SessionToken
	}
	if change != nil {
		change(config)
	}
	c, err := kms.NewClient(config)
	require.NoError(t, err)
	return client{c, cloud, cloud.KMS().In(key.Account, "cn-hangzhou")}
}

func (c client) put(id, data, stages string) error {
	r := &kms.PutSecretValueRequest{SecretName: tea.String("db/app"), VersionId: &id, SecretData: &data}
	if stages != "" {
		r.VersionStages = &stages
	}
	_, err := c.PutSecretValue(r)
	return err
}

func (c client) get() (string, error) {
	got, err := c.GetSecretValue(&kms.GetSecretValueRequest{SecretName: tea.String("db/app")})
	if err != nil {
		return "", err
	}
	return tea.StringValue(got.Body.SecretData), nil
}

func requireCode(t *testing.T, err error, status int, code string) {
	t.Helper()
	var failure *tea.SDKError
	require.True(t, errors.As(err, &failure), "got %T: %v", err, err)
	require.Equal(t, code, tea.StringValue(failure.Code))
	require.Equal(t, status, tea.IntValue(failure.StatusCode))
}

func TestEveryCallThatTheSimulatorHas(t *testing.T) {
	c := start(t, cloudsim.Options{}, nil)
	name := tea.String("db/app")
	odd := `{"password":"a+b c&d=e%~*'\"/é"}`

	created, err := c.CreateSecret(&kms.CreateSecretRequest{SecretName: name, VersionId: tea.String("v1"),
		SecretData: tea.String("one"), Description: tea.String("an application")})
	require.NoError(t, err)
	require.Equal(t, c.secrets.ARN("db/app"), *created.Body.Arn)

	require.NoError(t, c.put("v2", odd, `["ACSPending"]`))
	got, err := c.get()
	require.NoError(t, err)
	require.Equal(t, "one", got)
	_, err = c.UpdateSecretVersionStage(&kms.UpdateSecretVersionStageRequest{SecretName: name,
		VersionStage: tea.String("ACSCurrent"), MoveToVersion: tea.String("v2")})
	require.NoError(t, err)
	got, err = c.get()
	require.NoError(t, err)
	require.Equal(t, odd, got)

	versions, err := c.ListSecretVersionIds(&kms.ListSecretVersionIdsRequest{SecretName: name})
	require.NoError(t, err)
	require.EqualValues(t, 2, *versions.Body.TotalCount)
	var stages []string
	for _, v := range versions.Body.VersionIds.VersionId {
		stages = append(stages, fmt.Sprint(*v.VersionId, tea.StringSliceValue(v.VersionStages.VersionStage)))
	}
	require.Equal(t, []string{"v1[ACSPrevious]", "v2[ACSPending ACSCurrent]"}, stages)

	_, err = c.UpdateSecret(&kms.UpdateSecretRequest{SecretName: name, Description: tea.String("another")})
	require.NoError(t, err)
	_, err = c.TagResource(&kms.TagResourceRequest{SecretName: name, Tags: tea.String(`[{"TagKey":"team","TagValue":"a"},{"TagKey":"env","TagValue":"b"}]`)})
	require.NoError(t, err)
	_, err = c.UntagResource(&kms.UntagResourceRequest{SecretName: name, TagKeys: tea.String(`["env"]`)})
	require.NoError(t, err)
	described, err := c.DescribeSecret(&kms.DescribeSecretRequest{SecretName: name, FetchTags: tea.String("true")})
	require.NoError(t, err)
	require.Equal(t, "another", *described.Body.Description)
	require.Len(t, described.Body.Tags.Tag, 1)
	require.Equal(t, "team", *described.Body.Tags.Tag[0].TagKey)

	listed, err := c.ListSecrets(&kms.ListSecretsRequest{Filters: tea.String(`[{"Key":"SecretName","Values":["db/"]}]`)})
	require.NoError(t, err)
	require.Equal(t, "db/app", *listed.Body.SecretList.Secret[0].SecretName)

	random, err := c.GetRandomPassword(&kms.GetRandomPasswordRequest{PasswordLength: tea.String("24"), ExcludePunctuation: tea.String("true")})
	require.NoError(t, err)
	require.Len(t, *random.Body.RandomPassword, 24)

	deleted, err := c.DeleteSecret(&kms.DeleteSecretRequest{SecretName: name, RecoveryWindowInDays: tea.String("7")})
	require.NoError(t, err)
	require.NotEmpty(t, *deleted.Body.PlannedDeleteTime)
	_, err = c.get()
	requireCode(t, err, 409, "Rejected.ResourceInDeleteWindow")
	_, err = c.RestoreSecret(&kms.RestoreSecretRequest{SecretName: name})
	require.NoError(t, err)
	_, err = c.get()
	require.NoError(t, err)

	for _, line := range c.cloud.Requests() {
		require.NotContains(t, fmt.Sprint(line, line.Params), "a+b c")
	}
}

func TestErrors(t *testing.T) {
	c := start(t, cloudsim.Options{}, nil)
	_, err := c.get()
	requireCode(t, err, 404, "Forbidden.ResourceNotFound")
	c.secrets.Put(alibabakms.Secret{Name: "db/app", Versions: []alibabakms.Version{{ID: "v1", Data: "one"}}})
	requireCode(t, c.put("v1", "other", ""), 409, "Rejected.ResourceExist")
	c.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, Action: "PutSecretValue"})
	requireCode(t, c.put("v2", "two", ""), 429, "Rejected.Throttling")
	c.cloud.Inject(cloudsim.Fault{Kind: cloudsim.CloseAfter, Action: "PutSecretValue"})
	require.Error(t, c.put("v2", "two", ""))
	got, err := c.get()
	require.NoError(t, err)
	require.Equal(t, "two", got, "applied, though the answer was lost")
}

func TestSignatures(t *testing.T) {
	session := cloudsim.Credential{AccessKeyID: "sts", Secret: "secret", SessionToken: "token", Account: "1"}
	for name, tc := range map[string]struct {
		options cloudsim.Options
		change  func(*openapi.Config)
		status  int
		code    string
	}{
		"right":          {status: 404, code: "Forbidden.ResourceNotFound"},
		"with a session": {options: cloudsim.Options{Credentials: []cloudsim.Credential{session}}, status: 404, code: "Forbidden.ResourceNotFound"},
		"version 1":      {change: func(c *openapi.Config) { c.SignatureAlgorithm = tea.String("v2") }, status: 404, code: "Forbidden.ResourceNotFound"},
		"wrong secret":   {change: func(c *openapi.Config) { c.AccessKeySecret = tea.String("wrong") }, status: 400, code: "SignatureDoesNotMatch"},
		"wrong secret, version 1": {change: func(c *openapi.Config) {
			c.SignatureAlgorithm, c.AccessKeySecret = tea.String("v2"), tea.String("wrong")
		}, status: 400, code: "SignatureDoesNotMatch"},
		"unknown key": {change: func(c *openapi.Config) { c.AccessKeyId = tea.String("nobody") }, status: 404, code: "InvalidAccessKeyId.NotFound"},
		"wrong session": {options: cloudsim.Options{Credentials: []cloudsim.Credential{session}},
			change: func(c *openapi.Config) { c.SecurityToken = tea.String("other") }, status: 400, code: "InvalidSecurityToken.MismatchWithAccessKey"},
		"late": {options: cloudsim.Options{Clock: func() time.Time { return time.Now().Add(16 * time.Minute) }}, status: 400, code: "InvalidTimeStamp.Expired"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := start(t, tc.options, tc.change).get()
			requireCode(t, err, tc.status, tc.code)
		})
	}
}
