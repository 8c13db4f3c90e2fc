package devstack

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"rotor/internal/cloudsim/apsarards"
	"rotor/internal/rotation"
)

// apsaraDelay is how long an account of a ready-made instance is Unavailable after each change.
const apsaraDelay = 300 * time.Millisecond

// apsaraPasswords is what the simulated API takes, as the real one.
var apsaraPasswords = rotation.PasswordRule{MinLength: 8, MaxLength: 32, Classes: 3, Punctuation: "!@#$%^&*()_+-="}

// AddKMSApsaraPair makes a ready-made secret, see Seeder.KMSApsaraPair, and remembers it.
func (s *Stack) AddKMSApsaraPair(ctx context.Context, name string) (Secret, error) {
	seeder := Seeder{DB: s.MySQL.DB(), Host: s.MySQL.Host, Port: s.MySQL.Port, Cloud: s.Cloud}
	secret, err := seeder.KMSApsaraPair(ctx, name)
	if err != nil {
		return Secret{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = append(s.secrets, secret)
	return secret, nil
}

// KMSApsaraPair makes a secret of store alibaba-kms for target apsara-rds with strategy dual-account: a simulated instance rm-NAME whose
// accounts are really on the MySQL server, a database NAME, an account NAME with the privilege ReadWrite on it, and the secret NAME.
// There is no admin secret: the API is the admin. The name has up to 12 lower-case letters and digits.
func (s Seeder) KMSApsaraPair(ctx context.Context, name string) (Secret, error) {
	if !secretName.MatchString(name) {
		return Secret{}, fmt.Errorf("add secret %q: a name has 1 to 12 lower-case letters and digits and starts with a letter", name)
	}
	secret := Secret{
		Store: rotation.StoreAlibabaKMS, Region: Region, Name: name, Target: rotation.TargetApsaraRDS, Instance: "rm-" + name,
		Strategy: rotation.DualAccount, Database: name, Account: name, Version: strings.ToLower(rand.Text()),
	}
	recipe, err := rotation.PasswordPolicy{}.Fit(apsaraPasswords)
	if err == nil {
		secret.Password, err = recipe.Generate(rand.Reader)
	}
	if err != nil {
		return Secret{}, fmt.Errorf("add secret %s: make its password: %w", name, err)
	}
	if err := s.makeInstance(ctx, secret); err != nil {
		return Secret{}, fmt.Errorf("add secret %s: %w", name, err)
	}
	s.putKMS(secret.Name, "ApsaraDB RDS login of "+name, secret.Version, kmsDocument{
		Endpoint: s.Host, Port: s.Port, AccountName: secret.Account, AccountPassword: secret.Password.Reveal(), DBName: secret.Database, Team: "orders",
	})
	return secret, nil
}

func (s Seeder) makeInstance(ctx context.Context, secret Secret) error {
	server, err := newInstanceServer(ctx, s.DB)
	if err != nil {
		return err
	}
	if s.Reset {
		if err := s.dropAccounts(ctx, secret); err != nil {
			return err
		}
	}
	for _, statement := range []struct{ what, sql string }{
		{"create the database", fmt.Sprintf("CREATE DATABASE `%s`", secret.Database)},
		{"create its table", fmt.Sprintf("CREATE TABLE `%s`.notes (id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(200) NOT NULL)", secret.Database)},
	} {
		if _, err := s.DB.ExecContext(ctx, statement.sql); err != nil {
			return fmt.Errorf("%s: %s", statement.what, withoutText(err))
		}
	}
	return s.Cloud.ApsaraRDS().In(s.Cloud.Credential().Account, Region).PutInstance(ctx, apsarards.Instance{
		ID: secret.Instance, Host: s.Host, Port: s.Port, Databases: []string{secret.Database}, Delay: apsaraDelay, Server: server,
		Accounts: []apsarards.Account{{
			Name: secret.Account, Password: secret.Password.Reveal(), Privileges: map[string]string{secret.Database: apsarards.ReadWrite},
		}},
	})
}

// instanceServer is a MySQL server behind a simulated instance.
type instanceServer struct {
	db *sql.DB
	// old servers (MySQL 5.6) have no ALTER USER that sets a password.
	old bool
}

var _ apsarards.Server = instanceServer{}

// newInstanceServer uses a connection of an account that may do everything.
func newInstanceServer(ctx context.Context, db *sql.DB) (instanceServer, error) {
	var version string
	if err := db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return instanceServer{}, fmt.Errorf("ask the server for its version: %s", withoutText(err))
	}
	return instanceServer{db: db, old: strings.HasPrefix(version, "5.6.")}, nil
}

// Numbers that decide something.
const (
	erNoSuchGrant  = 1141
	erAccountState = 1396 // CREATE of an account that exists, ALTER or DROP of one that does not
)

func (s instanceServer) execute(ctx context.Context, what, statement string) error {
	if _, err := s.db.ExecContext(ctx, statement); err != nil {
		return &statementError{what: what, number: numberOf(err), text: withoutText(err)}
	}
	return nil
}

// statementError is what a server answered, by number.
type statementError struct {
	what, text string
	number     uint16
}

func (e *statementError) Error() string { return e.what + ": " + e.text }

func numberOf(err error) uint16 {
	switch e := err.(type) {
	case *mysql.MySQLError:
		return e.Number
	case *statementError:
		return e.number
	}
	return 0
}

func quoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

func accountOf(name string) string { return quoted(name) + "@'%'" }

// scope is what privileges are granted on. `_` and `%` are patterns there.
func scope(database string) string {
	if database == apsarards.Global {
		return "*.*"
	}
	return "`" + strings.NewReplacer("`", "``", "_", `\_`, "%", `\%`).Replace(database) + "`.*"
}

// CreateAccount implements apsarards.Server.
func (s instanceServer) CreateAccount(ctx context.Context, name, password string) error {
	return s.execute(ctx, "create account "+name, "CREATE USER "+accountOf(name)+" IDENTIFIED BY "+quoted(password))
}

// SetPassword implements apsarards.Server.
func (s instanceServer) SetPassword(ctx context.Context, name, password string) error {
	statement := "ALTER USER " + accountOf(name) + " IDENTIFIED BY " + quoted(password)
	if s.old {
		statement = "SET PASSWORD FOR " + accountOf(name) + " = PASSWORD(" + quoted(password) + ")"
	}
	return s.execute(ctx, "set the password of account "+name, statement)
}

// Grant implements apsarards.Server.
func (s instanceServer) Grant(ctx context.Context, name, database string, privileges []string) error {
	if len(privileges) == 0 {
		return nil
	}
	return s.execute(ctx, "grant privileges to account "+name, "GRANT "+strings.Join(privileges, ", ")+" ON "+scope(database)+" TO "+accountOf(name))
}

// Revoke implements apsarards.Server.
func (s instanceServer) Revoke(ctx context.Context, name, database string) error {
	err := s.execute(ctx, "revoke privileges of account "+name, "REVOKE ALL PRIVILEGES ON "+scope(database)+" FROM "+accountOf(name))
	if numberOf(err) == erNoSuchGrant {
		return nil
	}
	return err
}

// DropAccount implements apsarards.Server.
func (s instanceServer) DropAccount(ctx context.Context, name string) error {
	err := s.execute(ctx, "drop account "+name, "DROP USER "+accountOf(name))
	if numberOf(err) == erAccountState {
		return apsarards.ErrNoAccount
	}
	return err
}

// Privileges implements apsarards.Server.
func (s instanceServer) Privileges(ctx context.Context, name string) (map[string][]string, error) {
	const known = "SELECT COUNT(*) FROM mysql.user WHERE User = ? AND Host = '%'"
	const held = "SELECT ? AS place, PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = ? AND PRIVILEGE_TYPE <> 'USAGE' " +
		"UNION ALL SELECT TABLE_SCHEMA, PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = ?"
	var accounts int
	if err := s.db.QueryRowContext(ctx, known, name).Scan(&accounts); err != nil {
		return nil, fmt.Errorf("look for account %s: %s", name, withoutText(err))
	}
	if accounts == 0 {
		return nil, apsarards.ErrNoAccount
	}
	grantee := "'" + name + "'@'%'"
	rows, err := s.db.QueryContext(ctx, held, apsarards.Global, grantee, grantee)
	if err != nil {
		return nil, fmt.Errorf("list the privileges of account %s: %s", name, withoutText(err))
	}
	found := map[string][]string{}
	for rows.Next() {
		var database, privilege string
		if err = rows.Scan(&database, &privilege); err != nil {
			break
		}
		database = strings.NewReplacer(`\_`, "_", `\%`, "%").Replace(database)
		found[database] = append(found[database], privilege)
	}
	if err := cmp.Or(err, rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("list the privileges of account %s: %s", name, withoutText(err))
	}
	return found, nil
}
