package devstack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/rotation"
)

// A Secret is a ready-made secret and what belongs to it. Names only; passwords are in the cloud, and change.
type Secret struct {
	Store, Region, Name string
	Target              string
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

// AddKMSMySQLPair makes a secret of store alibaba-kms for target mysql with strategy dual-account: a database NAME, an
// account NAME with ordinary rights in it, an account NAME_adm that may do what a rotation of it needs and no more, and
// the secrets NAME and NAME-admin. The name has up to 12 lower-case letters and digits. Secrets don't share anything,
// so any number of rotations can be tried side by side.
func (s *Stack) AddKMSMySQLPair(ctx context.Context, name string) (Secret, error) {
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
	kms := s.Cloud.KMS().In(s.Cloud.Credential().Account, Region)
	documents := []struct {
		name, version, description string
		value                      any
	}{
		{secret.AdminSecret, secret.AdminVersion, "Account that may rotate " + name, kmsDocument{
			Endpoint: s.MySQL.Host, Port: s.MySQL.Port,
			AccountName: secret.AdminAccount, AccountPassword: secret.AdminPassword.Reveal(),
		}},
		{secret.Name, secret.Version, "MySQL login of " + name, kmsDocument{
			Endpoint: s.MySQL.Host, Port: s.MySQL.Port,
			AccountName: secret.Account, AccountPassword: secret.Password.Reveal(),
			DBName: secret.Database, MasterSecret: secret.AdminSecret,
			Team: "orders",
		}},
	}
	for _, document := range documents {
		data, err := json.Marshal(document.value)
		if err != nil {
			return Secret{}, errors.New("write the document of secret " + document.name)
		}
		created := time.Now().Add(-secretAge)
		kms.Put(alibabakms.Secret{
			Name: document.name, Type: alibabakms.Generic, Description: document.description, Created: created, Updated: created,
			Versions: []alibabakms.Version{{
				ID: document.version, Data: string(data), Stages: []string{alibabakms.Current}, Created: created,
			}},
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = append(s.secrets, secret)
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

// makeAccounts makes database and accounts. The names need no quoting beyond quotes, and the passwords neither.
func (s *Stack) makeAccounts(ctx context.Context, secret Secret) error {
	statements := []struct{ what, sql string }{
		{"create the database", fmt.Sprintf("CREATE DATABASE `%s`", secret.Database)},
		{"create its table", fmt.Sprintf("CREATE TABLE `%s`.notes (id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(200) NOT NULL)", secret.Database)},
		{"create the account", fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", secret.Account, secret.Password.Reveal())},
		{"grant the account's rights", fmt.Sprintf("GRANT %s ON `%s`.* TO '%s'@'%%'", applicationRights, secret.Database, secret.Account)},
		{"create the admin account", fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", secret.AdminAccount, secret.AdminPassword.Reveal())},
		{"let the admin make accounts", fmt.Sprintf("GRANT CREATE USER ON *.* TO '%s'@'%%'", secret.AdminAccount)},
		{"let the admin read accounts", fmt.Sprintf("GRANT %s ON mysql.* TO '%s'@'%%'", s.accountTableRights(), secret.AdminAccount)},
		{"let the admin grant rights", fmt.Sprintf("GRANT %s ON `%s`.* TO '%s'@'%%' WITH GRANT OPTION", applicationRights, secret.Database, secret.AdminAccount)},
	}
	for _, statement := range statements {
		if _, err := s.MySQL.DB().ExecContext(ctx, statement.sql); err != nil {
			return fmt.Errorf("%s: %s", statement.what, withoutText(err))
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

// accountTableRights are what reading other accounts' rights takes, and on MySQL 5.6 setting their passwords too.
func (s *Stack) accountTableRights() string {
	if strings.HasPrefix(s.MySQL.Version, "5.6.") {
		return "SELECT, UPDATE"
	}
	return "SELECT"
}
