package awsrds_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/awsrds"
)

const region = "eu-central-1"

func start(t *testing.T, key cloudsim.Credential) (*rds.Client, *cloudsim.Cloud, awsrds.Region) {
	t.Helper()
	cloud := cloudsim.New(cloudsim.Options{Credentials: []cloudsim.Credential{key}})
	address, err := cloud.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	return connect(address, key), cloud, cloud.AWSRDS().In(key.Account, region)
}

func connect(address string, key cloudsim.Credential) *rds.Client {
	return rds.New(rds.Options{Region: region, BaseEndpoint: aws.String(address), RetryMaxAttempts: 1,
		HTTPClient:  &http.Client{Transport: plainBody{}},
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.Secret, "")})
}

// plainBody hides that the SDK's request bodies have WriteTo. The SDK closes a body when the answer's header is there;
// net/http may be about to look whether there is more of it, and WriteTo then says EOF, which is no proper answer: the
// connection is torn down while the answer is being read. Only a server as near as this one is fast enough for that,
// and only answers of more than 4 KB are hit.
type plainBody struct{}

func (plainBody) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Body = struct{ io.ReadCloser }{r.Body}
	return http.DefaultTransport.RoundTrip(r)
}

func requireCode(t *testing.T, err error, code string) {
	t.Helper()
	var failure smithy.APIError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, code, failure.ErrorCode())
}

func TestInstances(t *testing.T) {
	c, cloud, databases := start(t, cloudsim.DefaultCredential)
	databases.PutInstance(awsrds.Instance{ID: "main", Engine: "mysql", Endpoint: &awsrds.Endpoint{Address: "main.example", Port: 3306},
		Replicas:         []string{"copy"},
		MasterUserSecret: &awsrds.MasterUserSecret{SecretARN: "arn:aws:secretsmanager:eu-central-1:1:secret:rds!db-1", Status: "active"}})
	databases.PutInstance(awsrds.Instance{ID: "copy", Engine: "mysql", ReplicaOf: "main"})
	databases.PutInstance(awsrds.Instance{ID: "writer", Engine: "aurora-mysql", Cluster: "aurora"})

	all, err := c.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{})
	require.NoError(t, err)
	require.Len(t, all.DBInstances, 3)

	for name, id := range map[string]string{"id": "main", "case": "MAIN", "ARN": "arn:aws:rds:eu-central-1:123456789012:db:main"} {
		t.Run(name, func(t *testing.T) {
			got, err := c.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String(id)})
			require.NoError(t, err)
			require.Len(t, got.DBInstances, 1)
			main := got.DBInstances[0]
			require.Equal(t, "main.example", *main.Endpoint.Address)
			require.Equal(t, int32(3306), *main.Endpoint.Port)
			require.Equal(t, "mysql", *main.Engine)
			require.Equal(t, "available", *main.DBInstanceStatus)
			require.Equal(t, []string{"copy"}, main.ReadReplicaDBInstanceIdentifiers)
			require.Equal(t, "active", *main.MasterUserSecret.SecretStatus)
			require.Contains(t, *main.MasterUserSecret.SecretArn, "rds!db-1")
			require.Nil(t, main.ReadReplicaSourceDBInstanceIdentifier)
			require.Nil(t, main.DBClusterIdentifier)
		})
	}
	copied, err := c.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("copy")})
	require.NoError(t, err)
	require.Equal(t, "main", *copied.DBInstances[0].ReadReplicaSourceDBInstanceIdentifier)

	ofCluster, err := c.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{
		Filters: []types.Filter{{Name: aws.String("db-cluster-id"), Values: []string{"aurora"}}}})
	require.NoError(t, err)
	require.Equal(t, "writer", *ofCluster.DBInstances[0].DBInstanceIdentifier)

	_, err = c.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("none")})
	requireCode(t, err, "DBInstanceNotFound")
	var missing *types.DBInstanceNotFoundFault
	require.ErrorAs(t, err, &missing)
	_, err = c.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{
		Filters: []types.Filter{{Name: aws.String("colour"), Values: []string{"red"}}}})
	requireCode(t, err, "InvalidParameterValue")
	_, err = c.DescribeDBEngineVersions(t.Context(), &rds.DescribeDBEngineVersionsInput{})
	requireCode(t, err, "InvalidAction")

	cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, API: cloudsim.AWSRDS, Resource: "main"})
	_, err = c.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("main")})
	requireCode(t, err, "Throttling")
	cloud.Inject(cloudsim.Fault{Kind: cloudsim.ErrorBefore, API: cloudsim.AWSRDS})
	_, err = c.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{})
	requireCode(t, err, "InternalFailure")
}

func TestClusters(t *testing.T) {
	c, _, databases := start(t, cloudsim.DefaultCredential)
	databases.PutCluster(awsrds.Cluster{ID: "aurora", Engine: "aurora-mysql", Endpoint: "aurora.cluster.example",
		ReaderEndpoint: "aurora.cluster-ro.example", Port: 3306, CustomEndpoints: []string{"reports.example"},
		Members: []awsrds.Member{{Instance: "writer", Writer: true}, {Instance: "reader"}}})
	got, err := c.DescribeDBClusters(t.Context(), &rds.DescribeDBClustersInput{DBClusterIdentifier: aws.String("aurora")})
	require.NoError(t, err)
	cluster := got.DBClusters[0]
	require.Equal(t, "aurora.cluster.example", *cluster.Endpoint)
	require.Equal(t, "aurora.cluster-ro.example", *cluster.ReaderEndpoint)
	require.Equal(t, []string{"reports.example"}, cluster.CustomEndpoints)
	require.Len(t, cluster.DBClusterMembers, 2)
	require.True(t, *cluster.DBClusterMembers[0].IsClusterWriter)
	require.False(t, *cluster.DBClusterMembers[1].IsClusterWriter)
	_, err = c.DescribeDBClusters(t.Context(), &rds.DescribeDBClustersInput{DBClusterIdentifier: aws.String("none")})
	requireCode(t, err, "DBClusterNotFoundFault")
}

func TestPages(t *testing.T) {
	c, _, databases := start(t, cloudsim.DefaultCredential)
	for n := range 45 {
		databases.PutInstance(awsrds.Instance{ID: fmt.Sprintf("db%02d", n), Engine: "mysql"})
	}
	var sizes []int
	pages := rds.NewDescribeDBInstancesPaginator(c, &rds.DescribeDBInstancesInput{MaxRecords: aws.Int32(20)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		require.NoError(t, err)
		sizes = append(sizes, len(page.DBInstances))
	}
	require.Equal(t, []int{20, 20, 5}, sizes)
}

func TestSignaturesAndPermissions(t *testing.T) {
	limited := cloudsim.Credential{AccessKeyID: "limited", Secret: "s", Account: "1",
		Allow: []cloudsim.Permission{{Action: "rds:DescribeDBInstances", Resource: "arn:aws:rds:*:*:db:mine"}}}
	c, cloud, databases := start(t, limited)
	databases.PutInstance(awsrds.Instance{ID: "mine", Engine: "mysql"})
	_, err := c.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("mine")})
	require.NoError(t, err)
	_, err = c.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("theirs")})
	requireCode(t, err, "AccessDenied")
	_, err = c.DescribeDBClusters(t.Context(), &rds.DescribeDBClustersInput{})
	requireCode(t, err, "AccessDenied")
	require.Equal(t, []string{"rds:DescribeDBClusters"}, cloud.Requests()[2].Permissions)

	other := cloudsim.New(cloudsim.Options{})
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	address, err := other.Start("127.0.0.1:0")
	require.NoError(t, err)
	_, err = connect(address, cloudsim.Credential{AccessKeyID: "other", Secret: "x"}).DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{})
	requireCode(t, err, "InvalidClientTokenId")
	_, err = connect(address, cloudsim.Credential{AccessKeyID: cloudsim.DefaultCredential.AccessKeyID, Secret: "x"}).DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{})
	requireCode(t, err, "SignatureDoesNotMatch")
}
