package endtoend

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/awsrds"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/devstack"
	"rotor/internal/devstack/mysqld"
	"rotor/internal/rotation"
)

// at is an instance's endpoint.
func at(host string) *awsrds.Endpoint {
	return &awsrds.Endpoint{Address: host, Port: stack.MySQL.Port}
}

// manageAdmin replaces a secret's admin secret by one that RDS manages: account and password, and nothing else.
func manageAdmin(t *testing.T, secret devstack.Secret) (arn string) {
	t.Helper()
	arn = secretsManager().Put(awssecretsmanager.Secret{
		Name: "rds!db-" + secret.Name, OwningService: "rds", Versions: []awssecretsmanager.Version{{
			ID: secret.AdminVersion, Stages: []string{awssecretsmanager.Current},
			String: `{"username":"` + secret.AdminAccount + `","password":"` + secret.AdminPassword.Reveal() + `"}`,
		}},
	})
	awsEdit(t, secret.Name, with("masterarn", arn))
	return arn
}

// The admin secret that RDS manages has no address: that of the secret is taken, once RDS has said that it is the same database.
func TestAWSAdminThatRDSManages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		put func(arn, host string, secret devstack.Secret)
		// says is what a refusal says, nil for a rotation.
		says []string
	}{
		"an instance": {func(arn, host string, s devstack.Secret) {
			awsRDS().PutInstance(awsrds.Instance{ID: s.Name, Engine: "mysql", Endpoint: at(host), MasterUserSecret: &awsrds.MasterUserSecret{SecretARN: arn, Status: "active"}})
		}, nil},
		"a cluster": {func(arn, host string, s devstack.Secret) {
			awsRDS().PutCluster(awsrds.Cluster{ID: s.Name, Engine: "aurora-mysql", Endpoint: host, Port: stack.MySQL.Port, MasterUserSecret: &awsrds.MasterUserSecret{SecretARN: arn}})
		}, nil},
		"of another database": {func(arn, host string, s devstack.Secret) {
			awsRDS().PutInstance(awsrds.Instance{ID: s.Name, Engine: "mysql", Endpoint: at(host), MasterUserSecret: &awsrds.MasterUserSecret{SecretARN: arn + "x"}})
		}, []string{"names no host", "not the one in which RDS keeps the admin", "masterarn"}},
		"of a database that RDS does not manage": {func(_, host string, s devstack.Secret) {
			awsRDS().PutInstance(awsrds.Instance{ID: s.Name, Engine: "mysql", Endpoint: at(host)})
		}, []string{"names no host", "not the one in which RDS keeps the admin"}},
		"no database of RDS": {func(string, string, devstack.Secret) {}, []string{"names no host", "no instance or cluster"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret, address := newAWSPair(t), newRelay(t)
			arn := manageAdmin(t, secret)
			awsEdit(t, secret.Name, with("host", address.host))
			c.put(arn, address.host, secret)
			before := picture(t, secret)
			result := rotate(t, secret, nil)
			if c.says != nil {
				require.Equal(t, rotation.Refused, result.Outcome)
				for _, words := range c.says {
					require.Contains(t, result.Reason.Text, words)
				}
				require.Equal(t, before, picture(t, secret), "nothing was changed")
				return
			}
			require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
			require.True(t, logsIn(t, awsHolder(t, secret.Name, awssecretsmanager.Current)))
			require.True(t, address.heard(secret.AdminAccount))
		})
	}
	t.Run("that the worker may not ask about", func(t *testing.T) {
		t.Parallel()
		secret, address := newAWSPair(t), newRelay(t)
		manageAdmin(t, secret)
		awsEdit(t, secret.Name, with("host", address.host))
		fault := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, API: cloudsim.AWSRDS, Times: cloudsim.Always, AccessKey: "limited-" + secret.Name})
		defer fault.Remove()
		stack.Cloud.AddCredential(cloudsim.Credential{AccessKeyID: "limited-" + secret.Name, Secret: "s", Account: stack.Cloud.Credential().Account})
		taskQueue := serveAs(t, "limited-"+secret.Name, "s")
		before := picture(t, secret)
		result := outcome(t, start(t, taskQueue, secret, nil))
		require.Equal(t, rotation.Refused, result.Outcome)
		require.Contains(t, result.Reason.Text, "rds:DescribeDBInstances on arn:aws:rds:"+devstack.AWSRegion+":*:db:*")
		require.Equal(t, before, picture(t, secret))
	})
}

// A secret may name a reader: changes go to the writer, and the new password is tried at both.
func TestAWSReaderEndpoints(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(reader, writer string, s devstack.Secret) (admin string){
		"a replica of the admin's instance": func(reader, writer string, s devstack.Secret) string {
			awsRDS().PutInstance(awsrds.Instance{ID: s.Name, Engine: "mysql", Endpoint: at(writer)})
			awsRDS().PutInstance(awsrds.Instance{ID: s.Name + "-copy", Engine: "mysql", Endpoint: at(reader), ReplicaOf: s.Name})
			return writer
		},
		"a replica of a replica": func(reader, writer string, s devstack.Secret) string {
			awsRDS().PutInstance(awsrds.Instance{ID: s.Name, Engine: "mysql", Endpoint: at(writer)})
			awsRDS().PutInstance(awsrds.Instance{ID: s.Name + "-mid", Engine: "mysql", ReplicaOf: s.Name})
			awsRDS().PutInstance(awsrds.Instance{ID: s.Name + "-copy", Engine: "mysql", Endpoint: at(reader), ReplicaOf: s.Name + "-mid"})
			return writer
		},
		"a cluster's reader endpoint": func(reader, writer string, s devstack.Secret) string {
			awsRDS().PutCluster(awsrds.Cluster{ID: s.Name, Engine: "aurora-mysql", Endpoint: writer, ReaderEndpoint: reader, Port: stack.MySQL.Port})
			return writer
		},
		"a member of a cluster, the admin at another": func(reader, writer string, s devstack.Secret) string {
			awsRDS().PutCluster(awsrds.Cluster{ID: s.Name, Engine: "aurora-mysql", Endpoint: writer, Port: stack.MySQL.Port})
			awsRDS().PutInstance(awsrds.Instance{ID: s.Name + "-1", Engine: "aurora-mysql", Endpoint: at("127.0.2.9"), Cluster: s.Name})
			awsRDS().PutInstance(awsrds.Instance{ID: s.Name + "-2", Engine: "aurora-mysql", Endpoint: at(reader), Cluster: s.Name})
			return "127.0.2.9"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret, reader, writer := newAWSPair(t), newRelay(t), newRelay(t)
			admin := put(reader.host, writer.host, secret)
			awsEdit(t, secret.Name, with("host", reader.host))
			awsEdit(t, secret.AdminSecret, with("host", admin))
			for range 2 {
				result := rotate(t, secret, nil)
				require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
				require.Equal(t, writer.host, strings.Split(result.Address, ":")[0])
				require.Contains(t, strings.Join(result.Notes, "; "), reader.host)
			}
			require.True(t, writer.heard(secret.AdminAccount), "changes go to the writer")
			require.False(t, reader.heard(secret.AdminAccount), "and nowhere else")
			require.True(t, reader.heard(secret.Account+"_clone"), "the new password is tried where clients use it")
			require.Contains(t, awsStored(t, secret.Name).Versions[2].String, reader.host, "the document keeps its address")
		})
	}
}

func TestAWSHostsThatDiffer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		put  func(host, admin string, s devstack.Secret)
		says string
	}{
		"two instances": {func(host, admin string, s devstack.Secret) {
			awsRDS().PutInstance(awsrds.Instance{ID: s.Name, Engine: "mysql", Endpoint: at(host)})
			awsRDS().PutInstance(awsrds.Instance{ID: s.Name + "-other", Engine: "mysql", Endpoint: at(admin)})
		}, "not known to be addresses of the same database"},
		"a replica of another region's instance": {func(host, admin string, s devstack.Secret) {
			awsRDS().PutInstance(awsrds.Instance{ID: s.Name, Engine: "mysql", Endpoint: at(host), ReplicaOf: "arn:aws:rds:us-east-1:123456789012:db:far"})
			awsRDS().PutInstance(awsrds.Instance{ID: s.Name + "-other", Engine: "mysql", Endpoint: at(admin)})
		}, "not in this region"},
		"nothing that RDS knows": {func(string, string, devstack.Secret) {}, "no instance or cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret, host, admin := newAWSPair(t), newRelay(t), newRelay(t)
			awsEdit(t, secret.Name, with("host", host.host))
			awsEdit(t, secret.AdminSecret, with("host", admin.host))
			c.put(host.host, admin.host, secret)
			before := picture(t, secret)
			result := rotate(t, secret, nil)
			require.Equal(t, rotation.Refused, result.Outcome)
			require.Contains(t, result.Reason.Text, "host and port")
			require.Contains(t, result.Reason.Text, c.says)
			require.Equal(t, before, picture(t, secret))
			require.Zero(t, host.logins.Load()+admin.logins.Load(), "no password is sent to a server of which nothing is known")
		})
	}
}

// A single account whose secret names a replica, which takes no changes and lags behind.
func TestAWSSingleUserOnAReplica(t *testing.T) {
	t.Parallel()
	replica, err := mysqld.Start(t.Context(), mysqld.Options{ExtraArgs: []string{"--read-only=1"}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, replica.Stop()) })
	secret := newAWSSingleUser(t)
	onReplica := func(statement string) {
		_, err := replica.DB().ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	onReplica("CREATE DATABASE " + secret.Database)
	onReplica("CREATE USER '" + secret.Account + "'@'%' IDENTIFIED BY '" + secret.Password.Reveal() + "'")
	onReplica("GRANT SELECT ON " + secret.Database + ".* TO '" + secret.Account + "'@'%'")
	awsEdit(t, secret.Name, with("host", replica.Host))
	awsEdit(t, secret.Name, with("port", replica.Port))
	awsRDS().PutInstance(awsrds.Instance{ID: secret.Name, Engine: "mysql", Endpoint: at(stack.MySQL.Host)})
	awsRDS().PutInstance(awsrds.Instance{ID: secret.Name + "-copy", Engine: "mysql", ReplicaOf: secret.Name,
		Endpoint: &awsrds.Endpoint{Address: replica.Host, Port: replica.Port}})

	run := start(t, queue, secret, nil)
	eventually(t, 2*time.Minute, "it waits for the replica", func() bool {
		status, err := query(run)
		return err == nil && status.Failure != nil && strings.Contains(status.Failure.Text, "lag behind")
	})
	pending := awsHolder(t, secret.Name, awssecretsmanager.Pending)
	require.Equal(t, secret.Password.Reveal(), awsHolder(t, secret.Name, awssecretsmanager.Current).AccountPassword, "clients keep what works for them")
	require.True(t, logsIn(t, pending))
	onReplica(passwordStatement(secret.Account, pending.AccountPassword))
	result := outcome(t, run)
	require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
	require.Equal(t, stack.MySQL.Address(), result.Address)
}
