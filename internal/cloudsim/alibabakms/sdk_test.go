package alibabakms_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
)

const region = "cn-hangzhou"

// client is the real SDK, pointed at a simulated cloud.
type client struct {
	*kms.Client
	cloud   *cloudsim.Cloud
	secrets alibabakms.Region
}

func start(t *testing.T, options cloudsim.Options) client {
	t.Helper()
	cloud := cloudsim.New(options)
	address, err := cloud.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	c := connect(t, address, cloud.Credential())
	c.cloud, c.secrets = cloud, cloud.KMS().In(cloud.Credential().Account, region)
	return c
}

func connect(t *testing.T, address string, key cloudsim.Credential) client {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	c, err := kms.NewClientWithOptions(region, sdk.NewConfig().WithScheme("HTTP"),
		credentials.NewAccessKeyCredential(key.AccessKeyID, key.Secret))
	require.NoError(t, err)
	c.Domain = u.Host
	return client{Client: c}
}

func (c client) seed(versions ...alibabakms.Version) {
	c.secrets.Put(alibabakms.Secret{Name: "db/app", Versions: versions})
}

func (c client) put(id, data, stages string) (*kms.PutSecretValueResponse, error) {
	r := kms.CreatePutSecretValueRequest()
	r.SecretName, r.VersionId, r.SecretData, r.VersionStages = "db/app", id, data, stages
	return c.PutSecretValue(r)
}

func (c client) get(id, stage string) (*kms.GetSecretValueResponse, error) {
	r := kms.CreateGetSecretValueRequest()
	r.SecretName, r.VersionId, r.VersionStage = "db/app", id, stage
	return c.GetSecretValue(r)
}

func (c client) move(stage, to, from string) error {
	r := kms.CreateUpdateSecretVersionStageRequest()
	r.SecretName, r.VersionStage, r.MoveToVersion, r.RemoveFromVersion = "db/app", stage, to, from
	_, err := c.UpdateSecretVersionStage(r)
	return err
}

// stages describes the secret as "v1[ACSPrevious] v2[ACSCurrent]".
func (c client) stages(t *testing.T) string {
	t.Helper()
	secret, ok := c.secrets.Secret("db/app")
	require.True(t, ok)
	var text []string
	for _, v := range secret.Versions {
		text = append(text, fmt.Sprintf("%s%v", v.ID, v.Stages))
	}
	return strings.Join(text, " ")
}

func requireCode(t *testing.T, err error, status int, code string) {
	t.Helper()
	var failure *sdkerrors.ServerError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, code, failure.ErrorCode())
	require.Equal(t, status, failure.HttpStatus())
	require.NotEmpty(t, failure.RequestId())
}

func TestPutAndGetGoThroughTheRealSDK(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := start(t, cloudsim.Options{})
	c.seed(alibabakms.Version{ID: "v1", Data: "one", Stages: []string{alibabakms.Current}, Created: at})

	odd := `{"password":"a+b c&d=e%~*'\"/é"}`
	put, err := c.put("v2", odd, `["ACSPending"]`)
	require.NoError(t, err)
	require.Equal(t, []string{"ACSPending"}, put.VersionStages.VersionStage)

	got, err := c.get("", "")
	require.NoError(t, err)
	require.Equal(t, "one", got.SecretData)
	require.Equal(t, "2026-01-02T03:04:05Z", got.CreateTime)
	require.Equal(t, []string{alibabakms.Current}, got.VersionStages.VersionStage)
	require.Equal(t, "Generic", got.SecretType)

	for name, ask := range map[string][2]string{
		"by id": {"v2", ""}, "by stage": {"", "ACSPending"}, "by both": {"v2", "ACSPending"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.get(ask[0], ask[1])
			require.NoError(t, err)
			require.Equal(t, odd, got.SecretData)
		})
	}
	_, err = c.get("v2", alibabakms.Current)
	requireCode(t, err, 404, "Forbidden.ResourceNotFound")
}

func TestPutKeepsToTheVersionID(t *testing.T) {
	c := start(t, cloudsim.Options{})
	c.seed(alibabakms.Version{ID: "v1", Data: "one", Stages: []string{alibabakms.Current}})
	_, err := c.put("v2", "two", "")
	require.NoError(t, err)
	require.Equal(t, "v1[ACSPrevious] v2[ACSCurrent]", c.stages(t))

	again, err := c.put("v1", "one", "")
	require.NoError(t, err)
	require.Equal(t, []string{alibabakms.Previous}, again.VersionStages.VersionStage)
	require.Equal(t, "v1[ACSPrevious] v2[ACSCurrent]", c.stages(t), "a repeat changes nothing")

	_, err = c.put("v1", "other", "")
	requireCode(t, err, 409, "Rejected.ResourceExist")
	got, err := c.get("v1", "")
	require.NoError(t, err)
	require.Equal(t, "one", got.SecretData)
}

func TestStageMoves(t *testing.T) {
	for name, tc := range map[string]struct {
		stage, to, from string
		code            string
		after           string
	}{
		"current, without naming the holder": {stage: "ACSCurrent", to: "v3", after: "v1[] v2[ACSPrevious] v3[P ACSCurrent]"},
		"current, naming the holder":         {stage: "ACSCurrent", to: "v3", from: "v2", after: "v1[] v2[ACSPrevious] v3[P ACSCurrent]"},
		"current, naming another version":    {stage: "ACSCurrent", to: "v3", from: "v1", code: "Forbidden.ResourceNotFound"},
		"current back to previous":           {stage: "ACSCurrent", to: "v1", after: "v1[ACSCurrent] v2[ACSPrevious] v3[P]"},
		"current onto its holder":            {stage: "ACSCurrent", to: "v2", after: "v1[ACSPrevious] v2[ACSCurrent] v3[P]"},
		"previous":                           {stage: "ACSPrevious", to: "v3", after: "v1[] v2[ACSCurrent] v3[P ACSPrevious]"},
		"custom taken off":                   {stage: "P", from: "v3", after: "v1[ACSPrevious] v2[ACSCurrent] v3[]"},
		"custom taken off elsewhere":         {stage: "P", from: "v1", code: "Forbidden.ResourceNotFound"},
		"custom moved":                       {stage: "P", to: "v1", after: "v1[ACSPrevious P] v2[ACSCurrent] v3[]"},
		"new custom":                         {stage: "Q", to: "v1", after: "v1[ACSPrevious Q] v2[ACSCurrent] v3[P]"},
		"current can't be removed":           {stage: "ACSCurrent", from: "v2", code: "InvalidParameter"},
		"previous can't be removed":          {stage: "ACSPrevious", from: "v1", code: "InvalidParameter"},
		"neither":                            {stage: "P", code: "MissingParameter"},
		"no stage":                           {to: "v1", code: "MissingParameter"},
		"unknown version":                    {stage: "ACSCurrent", to: "v9", code: "Forbidden.ResourceNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, cloudsim.Options{})
			c.seed(
				alibabakms.Version{ID: "v1", Stages: []string{"ACSPrevious"}},
				alibabakms.Version{ID: "v2", Stages: []string{"ACSCurrent"}},
				alibabakms.Version{ID: "v3", Stages: []string{"P"}},
			)
			before := c.stages(t)
			err := c.move(tc.stage, tc.to, tc.from)
			if tc.code == "" {
				require.NoError(t, err)
				require.Equal(t, tc.after, c.stages(t))
				return
			}
			require.ErrorContains(t, err, tc.code)
			require.Equal(t, before, c.stages(t))
		})
	}
}

func TestTenVersions(t *testing.T) {
	c := start(t, cloudsim.Options{})
	c.seed(alibabakms.Version{ID: "v0", Data: "d", Stages: []string{alibabakms.Current}},
		alibabakms.Version{ID: "v1", Data: "d", Stages: []string{"Mine"}})
	for n := 2; n < 11; n++ {
		_, err := c.put(fmt.Sprintf("v%d", n), "d", `["ACSPending"]`)
		require.NoError(t, err)
	}
	secret, _ := c.secrets.Secret("db/app")
	require.Len(t, secret.Versions, 10)
	require.NotNil(t, secret.Version("v0"), "the current version is never pushed out")
	require.Nil(t, secret.Version("v1"), "the earliest other one is, labelled or not")
}

func TestEightStages(t *testing.T) {
	c := start(t, cloudsim.Options{})
	c.seed(alibabakms.Version{ID: "v1", Data: "d", Stages: []string{alibabakms.Current, "a", "b", "c", "d", "e", "f"}})
	require.NoError(t, c.move("g", "v1", ""))
	requireCode(t, c.move("h", "v1", ""), 400, "Rejected.LimitExceeded")
	_, err := c.put("v2", "d", `["h"]`)
	requireCode(t, err, 400, "Rejected.LimitExceeded")
	_, err = c.put("v2", "d", `["g"]`)
	require.NoError(t, err, "moving one needs no further one")
}

func TestVersionsArePagedAndDeprecatedOnesHidden(t *testing.T) {
	c := start(t, cloudsim.Options{})
	c.seed(alibabakms.Version{ID: "v1"}, alibabakms.Version{ID: "v2", Stages: []string{"ACSPrevious"}},
		alibabakms.Version{ID: "v3", Stages: []string{"ACSCurrent"}})
	list := func(deprecated string, page, size int) ([]string, int) {
		r := kms.CreateListSecretVersionIdsRequest()
		r.SecretName, r.IncludeDeprecated = "db/app", deprecated
		r.PageNumber, r.PageSize = requests.NewInteger(page), requests.NewInteger(size)
		resp, err := c.ListSecretVersionIds(r)
		require.NoError(t, err)
		var ids []string
		for _, v := range resp.VersionIds.VersionId {
			ids = append(ids, v.VersionId)
		}
		return ids, resp.TotalCount
	}
	ids, total := list("", 1, 10)
	require.Equal(t, []string{"v2", "v3"}, ids)
	require.Equal(t, 2, total)
	ids, total = list("true", 2, 2)
	require.Equal(t, []string{"v3"}, ids)
	require.Equal(t, 3, total)
	ids, _ = list("true", 9, 2)
	require.Empty(t, ids)
}

func TestRefusals(t *testing.T) {
	c := start(t, cloudsim.Options{})
	c.seed(alibabakms.Version{ID: "v1", Data: "d", Stages: []string{alibabakms.Current}})
	c.secrets.Put(alibabakms.Secret{Name: "managed", Type: "Rds",
		Versions: []alibabakms.Version{{ID: "m1", Data: "d", Stages: []string{alibabakms.Current}}}})
	for name, tc := range map[string]struct {
		action string
		params map[string]string
		status int
		code   string
	}{
		"no secret name":     {"GetSecretValue", nil, 400, "MissingParameter"},
		"unknown secret":     {"GetSecretValue", map[string]string{"SecretName": "x"}, 404, "Forbidden.ResourceNotFound"},
		"unknown version":    {"GetSecretValue", map[string]string{"SecretName": "db/app", "VersionId": "v7"}, 404, "Forbidden.ResourceNotFound"},
		"no version id":      {"PutSecretValue", map[string]string{"SecretName": "db/app", "SecretData": "d"}, 400, "MissingParameter"},
		"no data":            {"PutSecretValue", map[string]string{"SecretName": "db/app", "VersionId": "v2"}, 400, "MissingParameter"},
		"stages no list":     {"PutSecretValue", map[string]string{"SecretName": "db/app", "VersionId": "v2", "SecretData": "d", "VersionStages": "ACSPending"}, 400, "InvalidParameter"},
		"page of nothing":    {"ListSecretVersionIds", map[string]string{"SecretName": "db/app", "PageSize": "0"}, 400, "InvalidParameter"},
		"page too large":     {"ListSecrets", map[string]string{"PageSize": "101"}, 400, "InvalidParameter"},
		"bad boolean":        {"ListSecretVersionIds", map[string]string{"SecretName": "db/app", "IncludeDeprecated": "yes"}, 400, "InvalidParameter"},
		"unknown action":     {"ExplodeSecret", map[string]string{"SecretName": "db/app"}, 404, "InvalidApi.NotFound"},
		"put to managed":     {"PutSecretValue", map[string]string{"SecretName": "managed", "VersionId": "v2", "SecretData": "d"}, 400, "InvalidParameter"},
		"other account":      {"GetSecretValue", map[string]string{"SecretName": "acs:kms:cn-hangzhou:999:secret/db/app"}, 403, "Forbidden.NoPermission"},
		"ARN, other region":  {"GetSecretValue", map[string]string{"SecretName": "acs:kms:cn-beijing:123456789012:secret/db/app"}, 400, "InvalidParameter"},
		"ARN without a name": {"GetSecretValue", map[string]string{"SecretName": "acs:kms:cn-hangzhou:123456789012:secret/"}, 400, "InvalidParameter"},
		"dry run":            {"GetSecretValue", map[string]string{"SecretName": "db/app", "DryRun": "true"}, 400, "DryRunOperationError"},
		"name exists":        {"CreateSecret", map[string]string{"SecretName": "db/app", "VersionId": "v1", "SecretData": "d"}, 409, "Rejected.ResourceExist"},
		"bad name":           {"CreateSecret", map[string]string{"SecretName": "a b", "VersionId": "v1", "SecretData": "d"}, 400, "InvalidParameter"},
		"bad filter":         {"ListSecrets", map[string]string{"Filters": `[{"Key":"Owner","Values":["x"]}]`}, 400, "InvalidParameter"},
		"short password":     {"GetRandomPassword", map[string]string{"PasswordLength": "7"}, 400, "InvalidParameter"},
	} {
		t.Run(name, func(t *testing.T) {
			r := requests.NewCommonRequest()
			r.Version, r.ApiName, r.Scheme, r.Domain, r.Method = alibabakms.Version2016, tc.action, "http", c.Domain, "POST"
			r.QueryParams = tc.params
			if r.QueryParams == nil {
				r.QueryParams = map[string]string{}
			}
			_, err := c.ProcessCommonRequest(r)
			requireCode(t, err, tc.status, tc.code)
			last := c.cloud.Requests()[len(c.cloud.Requests())-1]
			require.Equal(t, tc.code, last.Code)
			require.False(t, last.Applied)
		})
	}
}

func TestManagedSecretsIgnoreTheVersion(t *testing.T) {
	c := start(t, cloudsim.Options{})
	c.secrets.Put(alibabakms.Secret{Name: "db/app", Type: "Rds", ExtendedConfig: `{"SecretSubType":"SingleUser"}`,
		Versions: []alibabakms.Version{{ID: "m1", Data: "d", Stages: []string{alibabakms.Current}}}})
	r := kms.CreateGetSecretValueRequest()
	r.SecretName, r.VersionId, r.FetchExtendedConfig = "db/app", "nonsense", requests.NewBoolean(true)
	got, err := c.GetSecretValue(r)
	require.NoError(t, err)
	require.Equal(t, "d", got.SecretData)
	require.Equal(t, "Rds", got.SecretType)
	require.Equal(t, `{"SecretSubType":"SingleUser"}`, got.ExtendedConfig)
}

func TestSecretsOfAnotherAccount(t *testing.T) {
	c := start(t, cloudsim.Options{})
	theirs := c.cloud.KMS().In("999", region)
	version := alibabakms.Version{ID: "v1", Data: "theirs", Stages: []string{alibabakms.Current}}
	theirs.Put(alibabakms.Secret{Name: "shared", Versions: []alibabakms.Version{version},
		SharedWith: []string{c.cloud.Credential().Account}})
	theirs.Put(alibabakms.Secret{Name: "private", Versions: []alibabakms.Version{version}})

	r := kms.CreateGetSecretValueRequest()
	r.SecretName = theirs.ARN("shared")
	got, err := c.GetSecretValue(r)
	require.NoError(t, err)
	require.Equal(t, "theirs", got.SecretData)
	require.Equal(t, "shared", c.cloud.Requests()[0].Resource)

	for name, secret := range map[string]string{
		"not shared": theirs.ARN("private"), "missing": theirs.ARN("missing"),
	} {
		t.Run(name, func(t *testing.T) {
			r.SecretName = secret
			_, err := c.GetSecretValue(r)
			requireCode(t, err, 403, "Forbidden.NoPermission")
		})
	}
}

func TestPermissions(t *testing.T) {
	limited := cloudsim.Credential{
		AccessKeyID: "limited", Secret: "s", Account: cloudsim.DefaultCredential.Account,
		Allow: []cloudsim.Permission{
			{Action: "kms:Get*", Resource: "acs:kms:*:*:secret/db/*"},
			{Action: "kms:Decrypt", Resource: "acs:kms:*:*:key/mine"},
		},
	}
	c := start(t, cloudsim.Options{Credentials: []cloudsim.Credential{limited}})
	version := []alibabakms.Version{{ID: "v1", Data: "d", Stages: []string{alibabakms.Current}}}
	for name, key := range map[string]string{"db/app": "", "db/mine": "mine", "db/yours": "yours", "other": ""} {
		c.secrets.Put(alibabakms.Secret{Name: name, KeyID: key, Versions: version})
	}
	get := func(name string) error {
		r := kms.CreateGetSecretValueRequest()
		r.SecretName = name
		_, err := c.GetSecretValue(r)
		return err
	}
	require.NoError(t, get("db/app"))
	require.NoError(t, get("db/mine"))
	requireCode(t, get("db/yours"), 403, "Forbidden.NoPermission")
	requireCode(t, get("other"), 403, "Forbidden.NoPermission")
	_, err := c.put("v2", "d", "")
	requireCode(t, err, 403, "Forbidden.NoPermission")
	require.Equal(t, []string{"kms:GetSecretValue", "kms:Decrypt"}, c.cloud.Requests()[1].Permissions)
}

func TestErrorsAreTheSDKsOwnType(t *testing.T) {
	c := start(t, cloudsim.Options{})
	_, err := c.get("", "")
	var failure *sdkerrors.ServerError
	require.True(t, errors.As(err, &failure))
	require.Equal(t, "Resource not found.", failure.Message())
}
