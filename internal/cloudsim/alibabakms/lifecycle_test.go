package alibabakms_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/cloudsim/randompassword"
)

func (c client) create(t *testing.T, name, tags string) *kms.CreateSecretResponse {
	t.Helper()
	r := kms.CreateCreateSecretRequest()
	r.SecretName, r.VersionId, r.SecretData, r.Tags, r.Description = name, "v1", "d", tags, "of "+name
	created, err := c.CreateSecret(r)
	require.NoError(t, err)
	return created
}

func TestCreateDescribeUpdate(t *testing.T) {
	c := start(t, cloudsim.Options{})
	created := c.create(t, "db/app", `[{"TagKey":"team","TagValue":"a"}]`)
	require.Equal(t, "acs:kms:cn-hangzhou:123456789012:secret/db/app", created.Arn)
	require.Equal(t, "Generic", created.SecretType)

	update := kms.CreateUpdateSecretRequest()
	update.SecretName, update.Description = "db/app", "another"
	_, err := c.UpdateSecret(update)
	require.NoError(t, err)
	tag := kms.CreateTagResourceRequest()
	tag.SecretName, tag.Tags = "db/app", `[{"TagKey":"env","TagValue":"dev"}]`
	_, err = c.TagResource(tag)
	require.NoError(t, err)
	untag := kms.CreateUntagResourceRequest()
	untag.SecretName, untag.TagKeys = "db/app", `["team"]`
	_, err = c.UntagResource(untag)
	require.NoError(t, err)

	describe := kms.CreateDescribeSecretRequest()
	describe.SecretName, describe.FetchTags = "db/app", "true"
	got, err := c.DescribeSecret(describe)
	require.NoError(t, err)
	require.Equal(t, "another", got.Description)
	require.Equal(t, created.Arn, got.Arn)
	require.Equal(t, "Disabled", got.AutomaticRotation)
	require.Equal(t, []kms.Tag{{TagKey: "env", TagValue: "dev"}}, got.Tags.Tag)
	require.Empty(t, got.PlannedDeleteTime)
}

func TestListFiltersAndPages(t *testing.T) {
	c := start(t, cloudsim.Options{})
	c.create(t, "db/a", `[{"TagKey":"team","TagValue":"x"}]`)
	c.create(t, "db/b", `[{"TagKey":"team","TagValue":"y"}]`)
	c.create(t, "web", "")
	for name, tc := range map[string]struct {
		filters string
		size    int
		want    []string
		total   int
	}{
		"all":         {"", 10, []string{"db/a", "db/b", "web"}, 3},
		"first page":  {"", 2, []string{"db/a", "db/b"}, 3},
		"name":        {`[{"Key":"SecretName","Values":["db/"]}]`, 10, []string{"db/a", "db/b"}, 2},
		"description": {`[{"Key":"Description","Values":["of w","of x"]}]`, 10, []string{"web"}, 1},
		"tag":         {`[{"Key":"TagKey","Values":["team"]},{"Key":"TagValue","Values":["y"]}]`, 10, []string{"db/b"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := kms.CreateListSecretsRequest()
			r.Filters, r.PageSize = tc.filters, requests.NewInteger(tc.size)
			got, err := c.ListSecrets(r)
			require.NoError(t, err)
			var names []string
			for _, s := range got.SecretList.Secret {
				names = append(names, s.SecretName)
			}
			require.Equal(t, tc.want, names)
			require.Equal(t, tc.total, got.TotalCount)
		})
	}
}

func TestDeleteWindow(t *testing.T) {
	start0 := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	var ahead atomic.Int64 // the SDK signs with the real time: only the window makes the injected clock acceptable
	c := start(t, cloudsim.Options{
		Clock:           func() time.Time { return start0.Add(time.Duration(ahead.Load())) },
		SignatureWindow: 100 * 365 * 24 * time.Hour,
	})
	c.create(t, "db/app", "")
	remove := kms.CreateDeleteSecretRequest()
	remove.SecretName, remove.RecoveryWindowInDays = "db/app", "7"
	deleted, err := c.DeleteSecret(remove)
	require.NoError(t, err)
	require.Equal(t, "2026-05-08T00:00:00Z", deleted.PlannedDeleteTime)

	_, err = c.get("", "")
	requireCode(t, err, 409, "Rejected.ResourceInDeleteWindow")
	_, err = c.put("v2", "d", "")
	requireCode(t, err, 409, "Rejected.ResourceInDeleteWindow")

	restore := kms.CreateRestoreSecretRequest()
	restore.SecretName = "db/app"
	_, err = c.RestoreSecret(restore)
	require.NoError(t, err)
	_, err = c.get("", "")
	require.NoError(t, err)

	_, err = c.DeleteSecret(remove)
	require.NoError(t, err)
	ahead.Store(int64(7 * 24 * time.Hour))
	_, err = c.get("", "")
	requireCode(t, err, 404, "Forbidden.ResourceNotFound")
	c.create(t, "db/app", "")

	force := kms.CreateDeleteSecretRequest()
	force.SecretName, force.ForceDeleteWithoutRecovery = "db/app", "true"
	_, err = c.DeleteSecret(force)
	require.NoError(t, err)
	require.Empty(t, c.secrets.Names())
}

func TestRandomPassword(t *testing.T) {
	c := start(t, cloudsim.Options{})
	for name, tc := range map[string]struct {
		request func(*kms.GetRandomPasswordRequest)
		length  int
		without string
		with    []string
	}{
		"default": {func(*kms.GetRandomPasswordRequest) {}, 32, "",
			[]string{randompassword.Lowercase, randompassword.Uppercase, randompassword.Numbers, randompassword.Punctuation}},
		"excluding": {func(r *kms.GetRandomPasswordRequest) {
			r.PasswordLength, r.ExcludePunctuation, r.ExcludeCharacters = "128", "true", "abc0"
		}, 128, "abc0" + randompassword.Punctuation,
			[]string{randompassword.Lowercase, randompassword.Uppercase, randompassword.Numbers}},
	} {
		t.Run(name, func(t *testing.T) {
			r := kms.CreateGetRandomPasswordRequest()
			tc.request(r)
			got, err := c.GetRandomPassword(r)
			require.NoError(t, err)
			require.Len(t, got.RandomPassword, tc.length)
			require.False(t, tc.without != "" && strings.ContainsAny(got.RandomPassword, tc.without))
			for _, class := range tc.with {
				require.True(t, strings.ContainsAny(got.RandomPassword, class))
			}
		})
	}
	r := kms.CreateGetRandomPasswordRequest()
	r.ExcludeLowercase, r.ExcludeUppercase, r.ExcludeNumbers, r.ExcludePunctuation = "true", "true", "true", "true"
	_, err := c.GetRandomPassword(r)
	requireCode(t, err, 400, "InvalidParameter")
}

func TestRegionsAndAccountsAreApart(t *testing.T) {
	c := start(t, cloudsim.Options{})
	account := c.cloud.Credential().Account
	c.cloud.KMS().In(account, "cn-beijing").Put(alibabakms.Secret{Name: "db/app"})
	_, err := c.get("", "")
	requireCode(t, err, 404, "Forbidden.ResourceNotFound")
}
