package devstack

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/rotation"
)

// A Secret is a ready-made secret and what belongs to it. Names only; passwords are in the cloud, and change.
type Secret struct {
	Store, Region, Name string
	Target              string
	Instance            string // of target apsara-rds
	Strategy            rotation.Strategy
	Database            string // the application's own; holds a table "notes" (id, text)
	Account             string // the application's first login
	AdminSecret         string // name of the admin's secret; "" where there is none
	AdminAccount        string
	Password            rotation.Secret // of Account, as it was when the secret was added
	AdminPassword       rotation.Secret // likewise
	Version             string          // likewise: the id of the current version
	AdminVersion        string          // likewise
}

// secretAge is how old ready-made secrets say they are: older than any grace time, so that nobody has to force the
// first rotation.
const secretAge = 90 * 24 * time.Hour

// Account names have 16 characters on MySQL 5.6, and a suffix is added to these.
var secretName = regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`)

// applicationRights are what the application's account may do in its database.
const applicationRights = "SELECT, INSERT, UPDATE, DELETE, EXECUTE, CREATE TEMPORARY TABLES, LOCK TABLES"

// AddKMSMySQLPair makes a ready-made secret, see Seeder.KMSMySQLPair, and remembers it.
func (s *Stack) AddKMSMySQLPair(ctx context.Context, name string) (Secret, error) {
	seeder := Seeder{DB: s.MySQL.DB(), Host: s.MySQL.Host, Port: s.MySQL.Port, Cloud: s.Cloud}
	secret, err := seeder.KMSMySQLPair(ctx, name)
	if err != nil {
		return Secret{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = append(s.secrets, secret)
	return secret, nil
}

// A Seeder makes ready-made secrets: accounts on a MySQL server, documents in a simulated cloud.
type Seeder struct {
	DB    *sql.DB // logged in as an account that may do everything
	Host  string  // how clients reach that server; stands in the documents
	Port  int
	Cloud *cloudsim.Cloud
	// Reset first deletes what an earlier run has made for secrets of the same names, for a server that outlives the
	// simulated cloud.
	Reset bool
}

// KMSMySQLPair makes a secret of store alibaba-kms for target mysql with strategy dual-account: a database NAME, an
// account NAME with ordinary rights in it, an account NAME_adm that may do what a rotation of it needs and no more, and
// the secrets NAME and NAME-admin. The name has up to 12 lower-case letters and digits. Secrets don't share anything,
// so any number of rotations can be tried side by side.
func (s Seeder) KMSMySQLPair(ctx context.Context, name string) (Secret, error) {
	if !secretName.MatchString(name) {
		return Secret{}, fmt.Errorf("add secret %q: a name has 1 to 12 lower-case letters and digits and starts with a letter", name)
	}
	secret := Secret{
		Store: rotation.StoreAlibabaKMS, Region: Region, Name: name, Target: rotation.TargetMySQL,
		Strategy: rotation.DualAccount, Database: name, Account: name, AdminSecret: name + "-admin",
		AdminAccount: name + "_adm", Password: rotation.NewSecret(rand.Text()), AdminPassword: rotation.NewSecret(rand.Text()),
		Version: strings.ToLower(rand.Text()), AdminVersion: strings.ToLower(rand.Text()),
	}
	if err := s.makeAccounts(ctx, secret); err != nil {
		return Secret{}, fmt.Errorf("add secret %s: %w", name, err)
	}
	s.putKMS(secret.AdminSecret, "Account that may rotate "+name, secret.AdminVersion, kmsDocument{
		Endpoint: s.Host, Port: s.Port, AccountName: secret.AdminAccount, AccountPassword: secret.AdminPassword.Reveal(),
	})
	s.putKMS(secret.Name, "MySQL login of "+name, secret.Version, kmsDocument{
		Endpoint: s.Host, Port: s.Port, AccountName: secret.Account, AccountPassword: secret.Password.Reveal(),
		DBName: secret.Database, MasterSecret: secret.AdminSecret, Team: "orders",
	})
	return secret, nil
}

// kmsDocument is the value of a generic secret as Alibaba Cloud's recipe for self-managed MySQL has it.
type kmsDocument struct {
	Endpoint        string `json:"Endpoint"`
	Port            int    `json:"Port"`
	AccountName     string `json:"AccountName"`
	AccountPassword string `json:"AccountPassword"`
	DBName          string `json:"DBName,omitempty"`
	MasterSecret    string `json:"MasterSecret,omitempty"`
	// Team is a field of the application's own, which a rotation has to leave alone.
	Team string `json:"Team,omitempty"`
}

// putKMS stores a generic secret with one version, which is current.
func (s Seeder) putKMS(name, description, version string, document kmsDocument) {
	data, err := json.Marshal(document)
	if err != nil {
		panic("a kmsDocument is always JSON") // strings and a number
	}
	created := time.Now().Add(-secretAge)
	s.Cloud.KMS().In(s.Cloud.Credential().Account, Region).Put(alibabakms.Secret{
		Name: name, Type: alibabakms.Generic, Description: description, Created: created, Updated: created,
		Versions: []alibabakms.Version{{ID: version, Data: string(data), Stages: []string{alibabakms.Current}, Created: created}},
	})
}

// makeAccounts makes database and accounts. Neither names nor passwords hold anything that needs more than quotes.
func (s Seeder) makeAccounts(ctx context.Context, secret Secret) error {
	var version string
	if err := s.DB.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return fmt.Errorf("ask the server for its version: %s", withoutText(err))
	}
	if s.Reset {
		if err := s.dropAccounts(ctx, secret); err != nil {
			return err
		}
	}
	accounts := "SELECT" // what reading other accounts' rights takes
	if strings.HasPrefix(version, "5.6.") {
		accounts = "SELECT, UPDATE" // and there, setting their passwords
	}
	statements := []struct{ what, sql string }{
		{"create the database", fmt.Sprintf("CREATE DATABASE `%s`", secret.Database)},
		{"create its table", fmt.Sprintf("CREATE TABLE `%s`.notes (id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(200) NOT NULL)", secret.Database)},
		{"create the account", fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", secret.Account, secret.Password.Reveal())},
		{"grant the account's rights", fmt.Sprintf("GRANT %s ON `%s`.* TO '%s'@'%%'", applicationRights, secret.Database, secret.Account)},
		{"create the admin account", fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", secret.AdminAccount, secret.AdminPassword.Reveal())},
		{"let the admin make accounts", fmt.Sprintf("GRANT CREATE USER ON *.* TO '%s'@'%%'", secret.AdminAccount)},
		{"let the admin read accounts", fmt.Sprintf("GRANT %s ON mysql.* TO '%s'@'%%'", accounts, secret.AdminAccount)},
		{"let the admin grant rights", fmt.Sprintf("GRANT %s ON `%s`.* TO '%s'@'%%' WITH GRANT OPTION", applicationRights, secret.Database, secret.AdminAccount)},
	}
	for _, statement := range statements {
		if _, err := s.DB.ExecContext(ctx, statement.sql); err != nil {
			return fmt.Errorf("%s: %s", statement.what, withoutText(err))
		}
	}
	return nil
}

// dropAccounts deletes what makeAccounts and rotations have made, as far as it is there.
func (s Seeder) dropAccounts(ctx context.Context, secret Secret) error {
	if _, err := s.DB.ExecContext(ctx, fmt.Sprintf("DROP DATABASE IF EXISTS `%s`", secret.Database)); err != nil {
		return fmt.Errorf("drop the database: %s", withoutText(err))
	}
	const noSuchAccount = 1396 // MySQL 5.6 has no DROP USER IF EXISTS
	for _, account := range []string{secret.Account, secret.Account + rotation.SuffixAlibaba, secret.Account + rotation.SuffixAWS, secret.AdminAccount} {
		if account == "" {
			continue
		}
		_, err := s.DB.ExecContext(ctx, fmt.Sprintf("DROP USER '%s'@'%%'", account))
		if refused, ok := errors.AsType[*mysql.MySQLError](err); err != nil && (!ok || refused.Number != noSuchAccount) {
			return fmt.Errorf("drop the account %s: %s", account, withoutText(err))
		}
	}
	return nil
}

// withoutText says what a server answered by number: its text can quote the statement, and with it a password.
func withoutText(err error) string {
	if refused, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return fmt.Sprintf("the server refused it with error %d", refused.Number)
	}
	return "the server did not answer"
}

// Accounts makes what KMSMySQLPair makes on the server, and leaves the documents to the caller; for a secret of a real cloud.
func (s Seeder) Accounts(ctx context.Context, name string) (Secret, error) {
	if !secretName.MatchString(name) {
		return Secret{}, fmt.Errorf("make accounts for %q: a name has 1 to 12 lower-case letters and digits and starts with a letter", name)
	}
	secret := Secret{
		Name: name, Target: rotation.TargetMySQL, Database: name, Account: name, AdminAccount: name + "_adm",
		Password: rotation.NewSecret(rand.Text()), AdminPassword: rotation.NewSecret(rand.Text()),
	}
	if err := s.makeAccounts(ctx, secret); err != nil {
		return Secret{}, errors.Join(fmt.Errorf("make accounts for %s: %w", name, err), s.Drop(ctx, secret))
	}
	return secret, nil
}

// Drop deletes database and accounts of a secret, those that rotations have made included.
func (s Seeder) Drop(ctx context.Context, secret Secret) error { return s.dropAccounts(ctx, secret) }
