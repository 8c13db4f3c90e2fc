package awssecretsmanager

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/wire"
)

var _ secretstore.Endpoints = (*Store)(nil)

// rdsHost is a host name that RDS gives; it says the region.
var rdsHost = regexp.MustCompile(`\.([a-z]{2,3}(?:-[a-z]+)+-[0-9])\.rds\.amazonaws\.com(?:\.cn)?$`)

// mostReplications is how many replicas may stand in a row: RDS allows two behind a primary.
const mostReplications = 5

// Writer implements secretstore.Endpoints, with DescribeDBInstances and, where the database belongs to a cluster,
// DescribeDBClusters. The endpoint is looked for in the answers, and not taken apart: a host name can be one's own.
func (s *Store) Writer(ctx context.Context, region string, place rotation.Place) (secretstore.Writer, error) {
	host := strings.ToLower(strings.TrimSuffix(place.Host, "."))
	if m := rdsHost.FindStringSubmatch(host); m != nil {
		region = m[1]
	}
	l := &lookup{store: s, region: region, place: place}
	if !regionForm.MatchString(region) {
		return secretstore.Writer{}, l.failed(rotation.Permanent, "no region: it has lower-case letters, digits and dashes, like eu-central-1")
	}
	if err := l.readInstances(ctx); err != nil {
		return secretstore.Writer{}, err
	}
	for _, i := range l.instances {
		if e := i.Endpoint; e != nil && is(e.Address, e.Port, host, place.Port) {
			return l.ofInstance(ctx, i, 0)
		}
	}
	if err := l.readClusters(ctx); err != nil {
		return secretstore.Writer{}, err
	}
	for _, c := range l.clusters {
		for _, address := range append([]string{aws.ToString(c.Endpoint), aws.ToString(c.ReaderEndpoint)}, c.CustomEndpoints...) {
			if is(&address, c.Port, host, place.Port) {
				return l.ofCluster(c)
			}
		}
	}
	return secretstore.Writer{}, l.failed(rotation.Permanent, "no instance or cluster of the worker's account has that endpoint there")
}

func is(address *string, port *int32, host string, wanted int) bool {
	return strings.EqualFold(aws.ToString(address), host) && aws.ToInt32(port) == int32(wanted)
}

// lookup is one search for a database.
type lookup struct {
	store     *Store
	region    string
	place     rotation.Place
	instances []types.DBInstance
	clusters  []types.DBCluster
	// clustersRead says that clusters has them all.
	clustersRead bool
}

func (l *lookup) failed(kind rotation.Kind, what string) *rotation.Error {
	return rotation.Errorf(kind, "cannot find the database at %s among those of RDS in %s: %s", l.place.Address(), l.region, what)
}

// ofInstance follows an instance to its primary, or to the cluster that it belongs to or replicates.
func (l *lookup) ofInstance(ctx context.Context, i types.DBInstance, depth int) (secretstore.Writer, error) {
	source := aws.ToString(i.ReadReplicaSourceDBInstanceIdentifier)
	cluster := cmp.Or(aws.ToString(i.DBClusterIdentifier), aws.ToString(i.ReadReplicaSourceDBClusterIdentifier))
	switch {
	case depth > mostReplications:
		return secretstore.Writer{}, l.failed(rotation.Permanent, "it replicates itself")
	case cluster != "":
		if err := l.readClusters(ctx); err != nil {
			return secretstore.Writer{}, err
		}
		for _, c := range l.clusters {
			if strings.EqualFold(aws.ToString(c.DBClusterIdentifier), cluster) {
				return l.ofCluster(c)
			}
		}
		return secretstore.Writer{}, l.elsewhere()
	case source != "":
		for _, primary := range l.instances {
			if strings.EqualFold(aws.ToString(primary.DBInstanceIdentifier), source) {
				return l.ofInstance(ctx, primary, depth+1)
			}
		}
		return secretstore.Writer{}, l.elsewhere()
	case i.Endpoint == nil || aws.ToString(i.Endpoint.Address) == "" || aws.ToInt32(i.Endpoint.Port) == 0:
		return secretstore.Writer{}, l.failed(rotation.Retryable, "its primary has no endpoint (yet)")
	}
	return secretstore.Writer{Host: *i.Endpoint.Address, Port: int(*i.Endpoint.Port), AdminSecret: managed(i.MasterUserSecret)}, nil
}

func (l *lookup) ofCluster(c types.DBCluster) (secretstore.Writer, error) {
	if aws.ToString(c.ReplicationSourceIdentifier) != "" {
		return secretstore.Writer{}, l.elsewhere()
	}
	if aws.ToString(c.Endpoint) == "" || aws.ToInt32(c.Port) == 0 {
		return secretstore.Writer{}, l.failed(rotation.Retryable, "its cluster has no writer endpoint (yet)")
	}
	return secretstore.Writer{Host: *c.Endpoint, Port: int(*c.Port), AdminSecret: managed(c.MasterUserSecret)}, nil
}

func managed(secret *types.MasterUserSecret) string {
	if secret == nil {
		return ""
	}
	return aws.ToString(secret.SecretArn)
}

func (l *lookup) elsewhere() *rotation.Error {
	return l.failed(rotation.Permanent, "what it replicates is not in this region, or not of the worker's account; "+
		"rotate a secret that names the primary there")
}

func (l *lookup) readInstances(ctx context.Context) error {
	return l.pages(ctx, "DescribeDBInstances", "db", func(ctx context.Context, c *rds.Client, marker *string) (*string, error) {
		page, err := c.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{MaxRecords: aws.Int32(pageSize), Marker: marker})
		if err != nil {
			return nil, err
		}
		l.instances = append(l.instances, page.DBInstances...)
		return page.Marker, nil
	})
}

func (l *lookup) readClusters(ctx context.Context) error {
	if l.clustersRead {
		return nil
	}
	l.clustersRead = true
	return l.pages(ctx, "DescribeDBClusters", "cluster", func(ctx context.Context, c *rds.Client, marker *string) (*string, error) {
		page, err := c.DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{MaxRecords: aws.Int32(pageSize), Marker: marker})
		if err != nil {
			return nil, err
		}
		l.clusters = append(l.clusters, page.DBClusters...)
		return page.Marker, nil
	})
}

// pages reads all pages of an answer.
func (l *lookup) pages(ctx context.Context, action, resource string, read func(context.Context, *rds.Client, *string) (*string, error)) error {
	var marker *string
	for range maxPages {
		failure := l.store.exchange(ctx, l.region, rotation.Secret{}, func(ctx context.Context, c *clients) (err error) {
			marker, err = read(ctx, c.databases, marker)
			return err
		})
		if failure != nil {
			return l.classify(action, resource, failure)
		}
		if aws.ToString(marker) == "" {
			return nil
		}
	}
	return l.classify(action, resource, &wire.Failure{Cause: wire.Unreadable, Sent: true})
}

// classify says what a failure of RDS means.
func (l *lookup) classify(action, resource string, f *wire.Failure) *rotation.Error {
	if f.Cause != wire.Answered {
		return l.failed(rotation.Retryable, f.What()).WithCode(string(f.Cause))
	}
	m, known := commonMeaning(f)
	switch {
	case strings.HasPrefix(f.Code, "AccessDenied"):
		m = meaning{rotation.Permanent, fmt.Sprintf("permission denied; allow rds:%s on arn:%s:rds:%s:*:%s:* to the worker's identity",
			action, partition(l.region), l.region, resource)}
	case !known:
		m = meaning{rotation.Retryable, fmt.Sprintf("it answered with an error that this program does not know (status %d)", f.Status)}
	}
	if f.RequestID != "" {
		m.text += "; request " + f.RequestID
	}
	return l.failed(m.kind, m.text).WithCode(cmp.Or(f.Code, fmt.Sprintf("HTTP %d", f.Status)))
}
