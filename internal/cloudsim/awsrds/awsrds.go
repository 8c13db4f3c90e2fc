// Package awsrds simulates what Amazon RDS (API version 2014-10-31) tells about database instances and clusters.
package awsrds

import (
	"fmt"
	"strings"
	"sync"
)

// Version2014 is the API's version.
const Version2014 = "2014-10-31"

// Instance is a database instance. Empty fields are left out of answers, as RDS does.
type Instance struct {
	ID     string `xml:"DBInstanceIdentifier"`
	ARN    string `xml:"DBInstanceArn"`
	Status string `xml:"DBInstanceStatus"`
	Engine string
	// EngineVersion is such as 8.0.39.
	EngineVersion  string    `xml:",omitempty"`
	MasterUsername string    `xml:",omitempty"`
	Endpoint       *Endpoint `xml:",omitempty"`
	// Cluster is the identifier of the cluster that the instance belongs to.
	Cluster string `xml:"DBClusterIdentifier,omitempty"`
	// ReplicaOf is the identifier of the instance that this one replicates, ReplicaOfCluster that of a cluster.
	ReplicaOf        string            `xml:"ReadReplicaSourceDBInstanceIdentifier,omitempty"`
	ReplicaOfCluster string            `xml:"ReadReplicaSourceDBClusterIdentifier,omitempty"`
	Replicas         []string          `xml:"ReadReplicaDBInstanceIdentifiers>ReadReplicaDBInstanceIdentifier,omitempty"`
	MasterUserSecret *MasterUserSecret `xml:",omitempty"`
}

// Endpoint is where an instance listens.
type Endpoint struct {
	Address string
	Port    int
}

// MasterUserSecret is the secret in which RDS manages the master password. Status is creating, active, rotating or
// impaired.
type MasterUserSecret struct {
	SecretARN string `xml:"SecretArn"`
	Status    string `xml:"SecretStatus"`
	KmsKeyID  string `xml:"KmsKeyId,omitempty"`
}

// Cluster is a database cluster.
type Cluster struct {
	ID             string `xml:"DBClusterIdentifier"`
	ARN            string `xml:"DBClusterArn"`
	Status         string
	Engine         string
	EngineVersion  string `xml:",omitempty"`
	MasterUsername string `xml:",omitempty"`
	// Endpoint is the host name of the writer, ReaderEndpoint that of the readers.
	Endpoint         string            `xml:",omitempty"`
	ReaderEndpoint   string            `xml:",omitempty"`
	CustomEndpoints  []string          `xml:"CustomEndpoints>member,omitempty"`
	Port             int               `xml:",omitempty"`
	Members          []Member          `xml:"DBClusterMembers>DBClusterMember,omitempty"`
	MasterUserSecret *MasterUserSecret `xml:",omitempty"`
	// ReplicaOf is the ARN of the cluster or instance that this cluster replicates.
	ReplicaOf string `xml:"ReplicationSourceIdentifier,omitempty"`
}

// Member is an instance of a cluster.
type Member struct {
	Instance string `xml:"DBInstanceIdentifier"`
	Writer   bool   `xml:"IsClusterWriter"`
}

// Service is the simulated RDS of all accounts and regions. It is safe for concurrent use.
type Service struct {
	mu        sync.Mutex
	instances map[key]Instance
	clusters  map[key]Cluster
}

type key struct{ account, region, id string }

// New makes an RDS without databases.
func New() *Service { return &Service{instances: map[key]Instance{}, clusters: map[key]Cluster{}} }

// Region is one account's databases in one region.
type Region struct {
	service         *Service
	account, region string
}

// In gives the databases of an account in a region.
func (s *Service) In(account, region string) Region { return Region{s, account, region} }

// PutInstance registers an instance, replacing one of the same id. Its ARN and status are filled in if empty.
func (r Region) PutInstance(i Instance) {
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	if i.ARN == "" {
		i.ARN = arn(r.region, r.account, "db:"+i.ID)
	}
	if i.Status == "" {
		i.Status = "available"
	}
	r.service.instances[key{r.account, r.region, strings.ToLower(i.ID)}] = i
}

// PutCluster registers a cluster, replacing one of the same id. Its ARN and status are filled in if empty.
func (r Region) PutCluster(c Cluster) {
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	if c.ARN == "" {
		c.ARN = arn(r.region, r.account, "cluster:"+c.ID)
	}
	if c.Status == "" {
		c.Status = "available"
	}
	r.service.clusters[key{r.account, r.region, strings.ToLower(c.ID)}] = c
}

func arn(region, account, resource string) string {
	partition := "aws"
	if strings.HasPrefix(region, "cn-") {
		partition = "aws-cn"
	}
	return fmt.Sprintf("arn:%s:rds:%s:%s:%s", partition, region, account, resource)
}
