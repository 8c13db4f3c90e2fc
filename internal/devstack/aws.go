package devstack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/rotation"
)

// AWSRegion is the region that the ready-made secrets of Secrets Manager are in.
const AWSRegion = "eu-central-1"

// AddAWSSingleUser makes a ready-made secret, see Seeder.AWSSingleUser, and remembers it.
func (s *Stack) AddAWSSingleUser(ctx context.Context, name string) (Secret, error) {
	return s.addAWS(ctx, name, Seeder.AWSSingleUser)
}

// AddAWSPair makes a ready-made secret, see Seeder.AWSPair, and remembers it.
func (s *Stack) AddAWSPair(ctx context.Context, name string) (Secret, error) {
	return s.addAWS(ctx, name, Seeder.AWSPair)
}

func (s *Stack) addAWS(ctx context.Context, name string, make func(Seeder, context.Context, string) (Secret, error)) (Secret, error) {
	secret, err := make(Seeder{DB: s.MySQL.DB(), Host: s.MySQL.Host, Port: s.MySQL.Port, Cloud: s.Cloud}, ctx, name)
	if err != nil {
		return Secret{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = append(s.secrets, secret)
	return secret, nil
}

// AWSSingleUser makes a secret of store aws-secrets-manager for target mysql with strategy single-user: a database NAME, an account
// NAME with ordinary rights in it, and the secret NAME, whose document names no admin secret: the account changes itself. The name has
// up to 12 lower-case letters and digits.
func (s Seeder) AWSSingleUser(ctx context.Context, name string) (Secret, error) {
	return s.aws(ctx, name, rotation.SingleUser)
}

// AWSPair makes a secret of store aws-secrets-manager for target mysql with strategy dual-account, AWS's alternating users: as
// KMSMySQLPair, but with AWS's documents. The name has up to 10 lower-case letters and digits.
func (s Seeder) AWSPair(ctx context.Context, name string) (Secret, error) {
	return s.aws(ctx, name, rotation.DualAccount)
}

func (s Seeder) aws(ctx context.Context, name string, strategy rotation.Strategy) (Secret, error) {
	if !secretName.MatchString(name) {
		return Secret{}, fmt.Errorf("add secret %q: a name has 1 to 12 lower-case letters and digits and starts with a letter", name)
	}
	secret := Secret{
		Store: rotation.StoreAWS, Region: AWSRegion, Name: name, Target: rotation.TargetMySQL, Strategy: strategy, Database: name, Account: name,
		AdminAccount: name + "_adm", Password: rotation.NewSecret(rand.Text()), AdminPassword: rotation.NewSecret(rand.Text()), Version: uuid.NewString(),
	}
	if err := s.makeAccounts(ctx, secret); err != nil {
		return Secret{}, fmt.Errorf("add secret %s: %w", name, err)
	}
	var version string
	if err := s.DB.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return Secret{}, fmt.Errorf("add secret %s: ask the server for its version: %s", name, withoutText(err))
	}
	document := awsDocument{Engine: "mysql", Host: s.Host, Username: secret.Account, Password: secret.Password.Reveal(), DBName: secret.Database,
		Port: s.Port, Team: "orders"}
	if strings.Contains(version, "MariaDB") {
		document.Engine = "mariadb"
	}
	if strategy == rotation.DualAccount {
		secret.AdminSecret, secret.AdminVersion = name+"-admin", uuid.NewString()
		document.MasterARN = s.putAWS(secret.AdminSecret, "Account that may rotate "+name, secret.AdminVersion, awsDocument{
			Engine: document.Engine, Host: s.Host, Username: secret.AdminAccount, Password: secret.AdminPassword.Reveal(), Port: s.Port,
		})
	}
	s.putAWS(secret.Name, "MySQL login of "+name, secret.Version, document)
	return secret, nil
}

// awsDocument is the value of a secret as AWS's rotation templates for MySQL and MariaDB have it.
type awsDocument struct {
	Engine    string `json:"engine"`
	Host      string `json:"host"`
	Username  string `json:"username"`
	Password  string `json:"password"`
	DBName    string `json:"dbname,omitempty"`
	Port      int    `json:"port"`
	MasterARN string `json:"masterarn,omitempty"`
	// Team is a field of the application's own, which a rotation has to leave alone.
	Team string `json:"team,omitempty"`
}

// putAWS stores a secret with one version, which is current, and gives its ARN.
func (s Seeder) putAWS(name, description, version string, document awsDocument) string {
	data, err := json.Marshal(document)
	if err != nil {
		panic("an awsDocument is always JSON") // strings and a number
	}
	created := time.Now().Add(-secretAge)
	return s.Cloud.SecretsManager().In(s.Cloud.Credential().Account, AWSRegion).Put(awssecretsmanager.Secret{
		Name: name, Description: description, Created: created, Changed: created,
		Versions: []awssecretsmanager.Version{{ID: version, String: string(data), Stages: []string{awssecretsmanager.Current}, Created: created}},
	})
}
