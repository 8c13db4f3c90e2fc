package cli

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/spf13/cobra"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
)

// simulation is one call of simulator.
type simulation struct {
	*app
	listen, mysql, envFile string
	secrets                []string
}

const (
	envAccessKey    = "ALIBABA_CLOUD_ACCESS_KEY_ID"
	envAccessSecret = "ALIBABA_CLOUD_ACCESS_KEY_SECRET"
	envRootPassword = "MYSQL_ROOT_PASSWORD"
)

func (a *app) simulatorCommand() *cobra.Command {
	s := &simulation{app: a}
	cmd := &cobra.Command{
		Use:   "simulator --listen ADDRESS",
		Short: "Run the simulated cloud alone, in the foreground",
		Long: `simulator answers the APIs of the secret stores as the real SDKs speak them, over plain HTTP, and keeps everything in memory. It is
for trying things: it is no place for real secrets.

Requests have to be signed with the access key of ` + envAccessKey + ` and ` + envAccessSecret + `.
--secret NAME=FILE puts the document in FILE into region ` + devstack.Region + `. --secret NAME makes a secret with its database and accounts
on the server of --mysql, as root with the password of ` + envRootPassword + `; what an earlier run made there is replaced.`,
		Example: `  starter simulator --listen 127.0.0.1:8085 --secret orders=orders.json --secret orders-admin=admin.json
  starter simulator --listen 0.0.0.0:8085 --mysql mysql:3306 --secret shop --env-file /tmp/cloud.env`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context()) },
	}
	cmd.Flags().StringVar(&s.listen, "listen", "127.0.0.1:8085", "address to listen on")
	cmd.Flags().StringArrayVar(&s.secrets, "secret", nil, "NAME=FILE, or NAME with --mysql; can be given several times")
	cmd.Flags().StringVar(&s.mysql, "mysql", "", "host:port of a MySQL server for secrets without a file")
	cmd.Flags().StringVar(&s.envFile, "env-file", "", "write export lines for a shell to this file")
	return cmd
}

func (s *simulation) run(ctx context.Context) (err error) {
	key, _ := s.lookup(envAccessKey)
	secret, _ := s.lookup(envAccessSecret)
	if key == "" || secret == "" {
		return usagef("%s and %s are missing: the access key that requests have to be signed with", envAccessKey, envAccessSecret)
	}
	if s.envFile != "" {
		if err := checkEnvFile(s.envFile); err != nil {
			return err
		}
	}
	cloud := cloudsim.New(cloudsim.Options{Credentials: []cloudsim.Credential{{AccessKeyID: key, Secret: secret, Account: cloudsim.DefaultCredential.Account}}})
	defer func() { err = errors.Join(err, failed(cloud.Close())) }()
	if err := s.seed(ctx, cloud); err != nil {
		return err
	}
	cloud.After(func(r cloudsim.Request) { s.printf("%s\n", r) })
	url, err := cloud.Start(s.listen)
	if err != nil {
		return usagef("listen on %s: %s; take another address with --listen", s.listen, listenReason(err))
	}
	if s.envFile != "" {
		remove, err := writeEnvFile(s.envFile, exports(url, key, secret))
		if err != nil {
			return failed(err)
		}
		defer func() { err = errors.Join(err, failed(remove())) }()
	}
	s.printf("Simulated cloud at %s, region %s, secrets: %s\n", url, devstack.Region,
		strings.Join(cloud.KMS().In(cloud.Credential().Account, devstack.Region).Names(), ", "))
	<-ctx.Done()
	return nil
}

func exports(url, key, secret string) string {
	return "export ROTOR_ALIBABA_KMS_ENDPOINT=" + shellWord(url) + "\nexport " + envAccessKey + "=" + shellWord(key) +
		"\nexport " + envAccessSecret + "=" + shellWord(secret) + "\n"
}

func listenReason(err error) string {
	var operation *net.OpError
	if errors.As(err, &operation) {
		return operation.Err.Error()
	}
	return err.Error()
}

// seed puts the secrets in.
func (s *simulation) seed(ctx context.Context, cloud *cloudsim.Cloud) error {
	var made []string
	for _, one := range s.secrets {
		name, path, isFile := strings.Cut(one, "=")
		if !isFile {
			made = append(made, name)
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return usagef("--secret %s: %s", one, reason(err))
		}
		cloud.KMS().In(cloud.Credential().Account, devstack.Region).Put(alibabakms.Secret{
			Name: name, Versions: []alibabakms.Version{{ID: "v1", Data: string(data), Stages: []string{alibabakms.Current},
				// Older than any grace time, so that the first rotation need not be forced.
				Created: time.Now().AddDate(0, 0, -90)}},
		})
	}
	slices.Sort(made)
	switch {
	case len(made) == 0:
		return nil
	case s.mysql == "":
		return usagef("--secret %s: give a document (--secret %s=FILE), or a server to make its accounts on (--mysql HOST:PORT)", made[0], made[0])
	}
	return s.makeOnMySQL(ctx, cloud, slices.Compact(made))
}

func (s *simulation) makeOnMySQL(ctx context.Context, cloud *cloudsim.Cloud, names []string) error {
	host, portText, err := net.SplitHostPort(s.mysql)
	port, portErr := strconv.Atoi(portText)
	if err != nil || portErr != nil {
		return usagef("--mysql %s: wanted HOST:PORT", s.mysql)
	}
	password, _ := s.lookup(envRootPassword)
	db, err := rootOf(s.mysql, password)
	if err != nil {
		return usagef("--mysql %s: its address can't be used", s.mysql)
	}
	defer func() { _ = db.Close() }()
	if err := s.awaitMySQL(ctx, db); err != nil {
		return err
	}
	seeder := devstack.Seeder{DB: db, Host: host, Port: port, Cloud: cloud, Reset: true}
	for _, name := range names {
		if _, err := seeder.KMSMySQLPair(ctx, name); err != nil {
			return failed(err)
		}
	}
	return nil
}

func rootOf(address, password string) (*sql.DB, error) {
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User, config.Passwd = "tcp", address, "root", password
	config.Timeout, config.Logger = 5*time.Second, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// mysqlPatience is how long a server may take to come up beside the simulator.
const mysqlPatience = time.Minute

func (s *simulation) awaitMySQL(ctx context.Context, db *sql.DB) error {
	waiting, cancel := context.WithTimeout(ctx, mysqlPatience)
	defer cancel()
	for {
		err := db.PingContext(waiting)
		if err == nil {
			return nil
		}
		var refused *mysql.MySQLError
		switch {
		case ctx.Err() != nil:
			return &exitError{ExitInterrupted, errors.New("interrupted while waiting for MySQL")}
		case errors.As(err, &refused):
			return usagef("--mysql %s: root is refused with error %d; its password is taken from %s", s.mysql, refused.Number, envRootPassword)
		case waiting.Err() != nil:
			return usagef("--mysql %s: no answer within %s", s.mysql, mysqlPatience)
		}
		wait := time.NewTimer(200 * time.Millisecond)
		select {
		case <-waiting.Done():
		case <-wait.C:
		}
		wait.Stop()
	}
}
