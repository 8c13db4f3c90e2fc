package awscaching_test

import (
	"fmt"
	"testing"

	awsv2 "github.com/aws/aws-sdk-go-v2/aws"
	credentialsv2 "github.com/aws/aws-sdk-go-v2/credentials"
	smv2 "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/credentials"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/secretsmanager"
	"github.com/aws/aws-secretsmanager-caching-go/secretcache"
	cachev2 "github.com/aws/aws-secretsmanager-caching-go/v2/secretcache"
	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/awssecretsmanager"
)

const region = "eu-central-1"

// cache is what both clients can do.
type cache interface {
	GetSecretString(secret string) (string, error)
	GetSecretStringWithStage(secret, stage string) (string, error)
	GetSecretBinary(secret string) ([]byte, error)
}

// connect makes a client whose cache is good for the given number of nanoseconds (0 would be an hour).
type connect func(t *testing.T, address string, key cloudsim.Credential, ttl int64) cache

var clients = map[string]connect{
	"over the second SDK": func(t *testing.T, address string, key cloudsim.Credential, ttl int64) cache {
		c, err := cachev2.New(func(c *cachev2.Cache) {
			c.CacheItemTTL = ttl
			c.Client = smv2.New(smv2.Options{Region: region, BaseEndpoint: awsv2.String(address),
				Credentials: credentialsv2.NewStaticCredentialsProvider(key.AccessKeyID, key.Secret, key.SessionToken)})
		})
		require.NoError(t, err)
		return c
	},
	"over the first SDK": func(t *testing.T, address string, key cloudsim.Credential, ttl int64) cache {
		s, err := session.NewSession(&aws.Config{Region: aws.String(region), Endpoint: aws.String(address),
			Credentials: credentials.NewStaticCredentials(key.AccessKeyID, key.Secret, key.SessionToken)})
		require.NoError(t, err)
		c, err := secretcache.New(func(c *secretcache.Cache) {
			c.CacheItemTTL = ttl
			c.Client = secretsmanager.New(s)
		})
		require.NoError(t, err)
		return c
	},
}

func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func start(t *testing.T) (*cloudsim.Cloud, awssecretsmanager.Region, string) {
	t.Helper()
	cloud := cloudsim.New(cloudsim.Options{})
	address, err := cloud.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	secrets := cloud.SecretsManager().In(cloud.Credential().Account, region)
	secrets.Put(awssecretsmanager.Secret{Name: "db/app", Versions: []awssecretsmanager.Version{
		{ID: id(1), String: "one", Stages: []string{"AWSPREVIOUS"}},
		{ID: id(2), String: "two", Stages: []string{"AWSCURRENT"}},
		{ID: id(3), String: "three"},
	}})
	return cloud, secrets, address
}

func eachClient(t *testing.T, test func(*testing.T, connect)) {
	for name, connect := range clients {
		t.Run(name, func(t *testing.T) { test(t, connect) })
	}
}

func TestItReadsAndCaches(t *testing.T) {
	eachClient(t, func(t *testing.T, connect connect) {
		cloud, secrets, address := start(t)
		const hour = 3600e9
		long, short := connect(t, address, cloud.Credential(), hour), connect(t, address, cloud.Credential(), 1)
		for _, c := range []cache{long, short} {
			got, err := c.GetSecretString("db/app")
			require.NoError(t, err)
			require.Equal(t, "two", got)
			got, err = c.GetSecretStringWithStage("db/app", "AWSPREVIOUS")
			require.NoError(t, err)
			require.Equal(t, "one", got)
		}
		secret, _ := secrets.Secret("db/app")
		secret.Versions[0].Stages, secret.Versions[1].Stages = nil, []string{"AWSPREVIOUS"}
		secret.Versions[2].Stages = []string{"AWSCURRENT"}
		secrets.Put(secret)
		got, err := long.GetSecretString("db/app")
		require.NoError(t, err)
		require.Equal(t, "two", got, "from the cache")
		got, err = short.GetSecretString("db/app")
		require.NoError(t, err)
		require.Equal(t, "three", got)
	})
}

func TestItReadsByARNAndBinaryValues(t *testing.T) {
	eachClient(t, func(t *testing.T, connect connect) {
		cloud, secrets, address := start(t)
		c := connect(t, address, cloud.Credential(), 1)
		got, err := c.GetSecretString(secrets.ARN("db/app"))
		require.NoError(t, err)
		require.Equal(t, "two", got)
		secrets.Put(awssecretsmanager.Secret{Name: "bin", Versions: []awssecretsmanager.Version{
			{ID: id(1), Binary: []byte{0, 255}, Stages: []string{"AWSCURRENT"}}}})
		binary, err := c.GetSecretBinary("bin")
		require.NoError(t, err)
		require.Equal(t, []byte{0, 255}, binary)
	})
}

func TestItRetriesWhatIsThrottledOrBroken(t *testing.T) {
	eachClient(t, func(t *testing.T, connect connect) {
		cloud, _, address := start(t)
		for _, kind := range []cloudsim.Kind{cloudsim.Throttle, cloudsim.ErrorBefore, cloudsim.CloseBefore} {
			t.Run(string(kind), func(t *testing.T) {
				fault := cloud.Inject(cloudsim.Fault{Kind: kind})
				got, err := connect(t, address, cloud.Credential(), 1).GetSecretString("db/app")
				require.NoError(t, err)
				require.Equal(t, "two", got)
				require.Equal(t, 1, fault.Hits())
			})
		}
	})
}

func TestItReportsWhatItMayNotOrCanNotRead(t *testing.T) {
	eachClient(t, func(t *testing.T, connect connect) {
		cloud, _, address := start(t)
		_, err := connect(t, address, cloud.Credential(), 1).GetSecretString("missing")
		require.ErrorContains(t, err, "ResourceNotFoundException")
		_, err = connect(t, address, cloudsim.Credential{AccessKeyID: "nobody", Secret: "s"}, 1).GetSecretString("db/app")
		require.ErrorContains(t, err, "UnrecognizedClientException")
		wrong := cloud.Credential()
		wrong.Secret = "wrong"
		_, err = connect(t, address, wrong, 1).GetSecretString("db/app")
		require.ErrorContains(t, err, "InvalidSignatureException")
		describeOnly := cloudsim.Credential{AccessKeyID: "describes", Secret: "s", SessionToken: "session",
			Account: cloud.Credential().Account, Allow: []cloudsim.Permission{{Action: "secretsmanager:DescribeSecret"}}}
		cloud.AddCredential(describeOnly)
		_, err = connect(t, address, describeOnly, 1).GetSecretString("db/app")
		require.ErrorContains(t, err, "AccessDeniedException")
		require.ErrorContains(t, err, "secretsmanager:GetSecretValue")
	})
}
