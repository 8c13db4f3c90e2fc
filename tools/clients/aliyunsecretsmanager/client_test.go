package aliyunsecretsmanager_test

import (
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aliyun/aliyun-secretsmanager-client-go/sdk"
	"github.com/aliyun/aliyun-secretsmanager-client-go/sdk/logger"
	"github.com/aliyun/aliyun-secretsmanager-client-go/sdk/models"
	"github.com/aliyun/aliyun-secretsmanager-client-go/sdk/service"
	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
)

const region = "cn-hangzhou"

func start(t *testing.T) (*cloudsim.Cloud, alibabakms.Region, string) {
	t.Helper()
	cloud := cloudsim.New(cloudsim.Options{})
	server := httptest.NewTLSServer(cloud.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	secrets := cloud.KMS().In(cloud.Credential().Account, region)
	secrets.Put(alibabakms.Secret{Name: "db/app", Versions: []alibabakms.Version{
		{ID: "v1", Data: "one", Stages: []string{alibabakms.Previous}},
		{ID: "v2", Data: "two", Stages: []string{alibabakms.Current}},
		{ID: "v3", Data: "three", Stages: []string{"ACSPending"}},
	}})
	return cloud, secrets, strings.TrimPrefix(server.URL, "https://")
}

func connect(t *testing.T, key cloudsim.Credential, host, stage string) *sdk.SecretManagerCacheClient {
	t.Helper()
	reader := service.NewDefaultSecretManagerClientBuilder().Standard().
		WithAccessKey(key.AccessKeyID, key.Secret).
		AddRegionInfo(&models.RegionInfo{RegionId: region, Endpoint: host}).
		WithBackoffStrategy(service.NewFullJitterBackoffStrategy(3, 1, 10)).
		Build()
	builder := sdk.NewSecretCacheClientBuilder(reader).
		WithLogger(logger.NewDefaultLogger(log.New(io.Discard, "", 0)))
	if stage != "" {
		builder = builder.WithCacheStage(stage)
	}
	client, err := builder.Build()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

func TestItReadsCachesAndRefreshes(t *testing.T) {
	cloud, secrets, host := start(t)
	client := connect(t, cloud.Credential(), host, "")
	got, err := client.GetSecretInfo("db/app")
	require.NoError(t, err)
	require.Equal(t, "two", got.SecretValue)
	require.Equal(t, "v2", got.VersionId)
	require.Equal(t, "Generic", got.SecretType)

	secret, ok := secrets.Secret("db/app")
	require.True(t, ok)
	secret.Versions[1].Stages, secret.Versions[2].Stages = []string{alibabakms.Previous}, []string{alibabakms.Current}
	secrets.Put(secret)
	value, err := client.GetStringValue("db/app")
	require.NoError(t, err)
	require.Equal(t, "two", value, "from the cache")
	refreshed, err := client.RefreshNow("db/app")
	require.NoError(t, err)
	require.True(t, refreshed)
	value, err = client.GetStringValue("db/app")
	require.NoError(t, err)
	require.Equal(t, "three", value)
}

func TestItReadsOtherStages(t *testing.T) {
	cloud, _, host := start(t)
	value, err := connect(t, cloud.Credential(), host, alibabakms.Previous).GetStringValue("db/app")
	require.NoError(t, err)
	require.Equal(t, "one", value)
}

func TestItBacksOffWhenThrottledOrBroken(t *testing.T) {
	for _, kind := range []cloudsim.Kind{cloudsim.Throttle, cloudsim.ErrorBefore} {
		t.Run(string(kind), func(t *testing.T) {
			cloud, _, host := start(t)
			fault := cloud.Inject(cloudsim.Fault{Kind: kind, Action: "GetSecretValue", Times: 2})
			value, err := connect(t, cloud.Credential(), host, "").GetStringValue("db/app")
			require.NoError(t, err)
			require.Equal(t, "two", value)
			require.Equal(t, 2, fault.Hits())
		})
	}
}

func TestItReportsWhatItMayNotOrCanNotRead(t *testing.T) {
	cloud, _, host := start(t)
	_, err := connect(t, cloud.Credential(), host, "").GetStringValue("missing")
	require.ErrorContains(t, err, "Forbidden.ResourceNotFound")

	stranger := cloud.Credential()
	stranger.Secret = "wrong"
	_, err = connect(t, stranger, host, "").GetStringValue("db/app")
	// The SDK compares the string to sign that the answer quotes with its own, and concludes that the secret is wrong.
	require.ErrorContains(t, err, "InvalidAccessKeySecret")

	denied := cloudsim.Credential{AccessKeyID: "denied", Secret: "s", Account: cloud.Credential().Account,
		Allow: []cloudsim.Permission{}}
	cloud.AddCredential(denied)
	_, err = connect(t, denied, host, "").GetStringValue("db/app")
	require.ErrorContains(t, err, "Forbidden.NoPermission")
}
