package awssecretsmanager_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/awsrds"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/secretstore/awssecretsmanager"
)

// databases is a store whose cloud has databases.
func databases(t *testing.T) (bench, awsrds.Region) {
	t.Helper()
	b := start(t, awssecretsmanager.Options{})
	t.Setenv("AWS_ENDPOINT_URL_RDS", b.address)
	return b, b.cloud.AWSRDS().In(cloudsim.DefaultCredential.Account, ref.Region)
}

func endpoint(host string) *awsrds.Endpoint { return &awsrds.Endpoint{Address: host, Port: 3306} }

func TestWriter(t *testing.T) {
	b, rds := databases(t)
	rds.PutInstance(awsrds.Instance{ID: "main", Endpoint: endpoint("main.x.eu-central-1.rds.amazonaws.com"), MasterUserSecret: &awsrds.MasterUserSecret{SecretARN: "arn:managed"}})
	rds.PutInstance(awsrds.Instance{ID: "copy", Endpoint: endpoint("copy.example"), ReplicaOf: "main"})
	rds.PutInstance(awsrds.Instance{ID: "copy2", Endpoint: endpoint("copy2.example"), ReplicaOf: "copy"})
	rds.PutInstance(awsrds.Instance{ID: "ring", Endpoint: endpoint("ring.example"), ReplicaOf: "ring"})
	rds.PutInstance(awsrds.Instance{ID: "far", Endpoint: endpoint("far.example"), ReplicaOf: "arn:aws:rds:us-east-1:123456789012:db:x"})
	rds.PutInstance(awsrds.Instance{ID: "new"})
	rds.PutInstance(awsrds.Instance{ID: "early", Endpoint: endpoint("early.example"), ReplicaOf: "new"})
	rds.PutInstance(awsrds.Instance{ID: "member", Endpoint: endpoint("member.example"), Cluster: "aurora"})
	rds.PutInstance(awsrds.Instance{ID: "orphan", Endpoint: endpoint("orphan.example"), Cluster: "gone"})
	rds.PutInstance(awsrds.Instance{ID: "fromcluster", Endpoint: endpoint("fromcluster.example"), ReplicaOfCluster: "aurora"})
	rds.PutCluster(awsrds.Cluster{ID: "aurora", Endpoint: "aurora.example", ReaderEndpoint: "aurora-ro.example", Port: 3306,
		CustomEndpoints: []string{"reports.example"}, MasterUserSecret: &awsrds.MasterUserSecret{SecretARN: "arn:aurora"}})
	rds.PutCluster(awsrds.Cluster{ID: "second", Endpoint: "second.example", Port: 3306, ReplicaOf: "arn:aws:rds:us-east-1:123456789012:cluster:x"})
	rds.PutCluster(awsrds.Cluster{ID: "coming", ReaderEndpoint: "coming-ro.example", Port: 3306})
	for n := range 120 {
		rds.PutInstance(awsrds.Instance{ID: fmt.Sprintf("zz%03d", n), Endpoint: endpoint(fmt.Sprintf("zz%03d.example", n))})
	}
	main := secretstore.Writer{Host: "main.x.eu-central-1.rds.amazonaws.com", Port: 3306, AdminSecret: "arn:managed"}
	aurora := secretstore.Writer{Host: "aurora.example", Port: 3306, AdminSecret: "arn:aurora"}
	for host, c := range map[string]struct {
		want  secretstore.Writer
		kind  rotation.Kind
		words string
	}{
		"main.x.eu-central-1.rds.amazonaws.com":  {want: main},
		"MAIN.x.eu-central-1.rds.amazonaws.com.": {want: main},
		"copy.example":                           {want: main},
		"copy2.example":                          {want: main},
		"member.example":                         {want: aurora},
		"aurora.example":                         {want: aurora},
		"aurora-ro.example":                      {want: aurora},
		"reports.example":                        {want: aurora},
		"fromcluster.example":                    {want: aurora},
		"zz119.example":                          {want: secretstore.Writer{Host: "zz119.example", Port: 3306}},
		"ring.example":                           {kind: rotation.Permanent, words: "replicates itself"},
		"far.example":                            {kind: rotation.Permanent, words: "not in this region"},
		"second.example":                         {kind: rotation.Permanent, words: "not in this region"},
		"orphan.example":                         {kind: rotation.Permanent, words: "not in this region"},
		"early.example":                          {kind: rotation.Retryable, words: "(yet)"},
		"coming-ro.example":                      {kind: rotation.Retryable, words: "(yet)"},
		"elsewhere.example":                      {kind: rotation.Permanent, words: "no instance or cluster"},
		"main.x.us-west-2.rds.amazonaws.com":     {kind: rotation.Permanent, words: "among those of RDS in us-west-2"},
	} {
		t.Run(host, func(t *testing.T) {
			got, err := b.Writer(t.Context(), ref.Region, rotation.Place{Host: host, Port: 3306})
			if c.words != "" {
				requireKind(t, err, c.kind, "", c.words, host)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	_, err := b.Writer(t.Context(), ref.Region, rotation.Place{Host: "aurora.example", Port: 3307})
	requireKind(t, err, rotation.Permanent, "", "no instance or cluster")
	_, err = b.Writer(t.Context(), "x.example/", rotation.Place{Host: "a", Port: 1})
	requireKind(t, err, rotation.Permanent, "", "no region")
}

// A database that stands alone is found without a look at clusters.
func TestWriterAsksForNoMoreThanItNeeds(t *testing.T) {
	b, rds := databases(t)
	rds.PutInstance(awsrds.Instance{ID: "main", Endpoint: endpoint("main.example")})
	_, err := b.Writer(t.Context(), ref.Region, rotation.Place{Host: "main.example", Port: 3306})
	require.NoError(t, err)
	require.Len(t, b.cloud.Requests(), 1)
}

func TestWriterFails(t *testing.T) {
	for kind, c := range map[cloudsim.Kind]struct {
		kind  rotation.Kind
		code  string
		words string
	}{
		cloudsim.Deny:        {rotation.Permanent, "AccessDenied", "allow rds:DescribeDBInstances on arn:aws:rds:eu-central-1:*:db:* to the worker's identity"},
		cloudsim.Throttle:    {rotation.Retryable, "Throttling", "takes no more requests"},
		cloudsim.ErrorBefore: {rotation.Retryable, "InternalFailure", "failed inside"},
		cloudsim.CloseBefore: {rotation.Retryable, "reset", "closed"},
		cloudsim.Malformed:   {rotation.Retryable, "malformed", "not understood"},
		cloudsim.SlowAnswer:  {rotation.Retryable, "timeout", "no answer in time"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			b := start(t, awssecretsmanager.Options{Timeout: 2 * time.Second})
			t.Setenv("AWS_ENDPOINT_URL_RDS", b.address)
			b.cloud.AWSRDS().In(cloudsim.DefaultCredential.Account, ref.Region).PutInstance(awsrds.Instance{ID: "main", Endpoint: endpoint("main.example")})
			fault := b.cloud.Inject(cloudsim.Fault{Kind: kind, API: cloudsim.AWSRDS})
			_, err := b.Writer(t.Context(), ref.Region, rotation.Place{Host: "main.example", Port: 3306})
			requireKind(t, err, c.kind, c.code, c.words)
			fault.Remove()
			_, err = b.Writer(t.Context(), ref.Region, rotation.Place{Host: "main.example", Port: 3306})
			require.NoError(t, err)
		})
	}
}

func TestRandomPassword(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	for name, policy := range map[string]rotation.PasswordPolicy{
		"default":        {},
		"no punctuation": {ExcludePunctuation: true},
		"digits only":    {ExcludePunctuation: true, ExcludeLowercase: true, ExcludeUppercase: true, Length: 12},
		"few characters": {ExcludeCharacters: "abcdefghijklmnopqrstuvwxyz0", Punctuation: "!?"},
	} {
		t.Run(name, func(t *testing.T) {
			policy.Source = rotation.PasswordSourceStore
			recipe, err := policy.Fit(rotation.PasswordRule{})
			require.NoError(t, err)
			for range 20 {
				password, err := b.RandomPassword(t.Context(), ref, recipe.Length, recipe.Excluded())
				require.NoError(t, err)
				require.True(t, recipe.Fits(password))
			}
		})
	}
	b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Action: "GetRandomPassword"})
	_, err := b.RandomPassword(t.Context(), ref, 32, "")
	requireKind(t, err, rotation.Permanent, "AccessDeniedException", "secretsmanager:GetRandomPassword on * to the worker's identity")
	b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Malformed, Action: "GetRandomPassword"})
	_, err = b.RandomPassword(t.Context(), ref, 32, "")
	requireKind(t, err, rotation.Retryable, "malformed")
}
