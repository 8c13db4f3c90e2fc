package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"

	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/wiring"
)

type dbHandle = *sql.DB

// cleanup bounds how long taking everything away may take.
const cleanup = 2 * time.Minute

// bench is what one run has made.
type bench struct {
	settings
	cloud    cloud
	db       *sql.DB
	temporal client.Client
	out      io.Writer
	// made are secrets, and accounts what was made on the server, to be taken away.
	made     []string
	accounts []devstack.Secret
}

// trial makes a pair of accounts with its secrets and a single one, rotates each, and takes everything away, whatever happened.
func trial(ctx context.Context, s settings, address, namespace string, out io.Writer) (err error) {
	b := &bench{settings: s, out: out}
	if b.db, err = b.open(s.user, s.password, ""); err != nil {
		return err
	}
	defer func() { _ = b.db.Close() }()
	if b.cloud, err = clouds[s.store](ctx, s); err != nil {
		return err
	}
	options := client.Options{HostPort: address, Namespace: namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))}
	working, stop := context.WithCancel(ctx)
	served, polling := make(chan error, 1), make(chan struct{})
	go func() { served <- wiring.Serve(working, options, s.worker, func() { close(polling) }) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served)
	}()
	select {
	case err := <-served:
		served <- nil
		return fmt.Errorf("start a worker: %w", err)
	case <-polling:
	}
	if b.temporal, err = client.DialContext(ctx, options); err != nil {
		return errors.New("connect to the local Temporal: no answer")
	}
	defer b.temporal.Close()
	defer func() {
		taking, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
		defer cancel()
		err = errors.Join(err, b.takeAway(taking))
	}()
	return errors.Join(b.pair(ctx), b.single(ctx))
}

func (b *bench) say(format string, args ...any) { _, _ = fmt.Fprintf(b.out, format+"\n", args...) }

// open logs in; TLS is used where the server offers it.
func (b *bench) open(account string, password rotation.Secret, database string) (*sql.DB, error) {
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", net.JoinHostPort(b.host, strconv.Itoa(b.port))
	config.User, config.Passwd, config.DBName = account, password.Reveal(), database
	config.TLS, config.AllowFallbackToPlaintext = &tls.Config{InsecureSkipVerify: true}, true // as the document, which does not say SSL, lets clients
	config.Timeout, config.Logger = 10*time.Second, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("%s: its address can't be used", envMySQL)
	}
	return sql.OpenDB(connector), nil
}

// logsIn says whether a login is taken; what is neither yes nor no is an error.
func (b *bench) logsIn(ctx context.Context, account string, password rotation.Secret) (bool, error) {
	db, err := b.open(account, password, "")
	if err != nil {
		return false, err
	}
	defer func() { _ = db.Close() }()
	err = db.PingContext(ctx)
	if refused, ok := errors.AsType[*mysql.MySQLError](err); ok && refused.Number == 1045 {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("log in as %s: the server did not say yes or no", account)
	}
	return true, nil
}

// prepare makes accounts and secrets under a name that nobody has.
func (b *bench) prepare(ctx context.Context, withAdmin bool) (name string, err error) {
	accounts, err := seeder(b.settings, b.db).Accounts(ctx, "rl"+strings.ToLower(rand.Text()[:7]))
	if err != nil {
		return "", err
	}
	b.accounts = append(b.accounts, accounts)
	name = "rotor-live-" + accounts.Name
	admin := ""
	if withAdmin {
		if admin, err = b.create(ctx, name+"-admin", b.cloud.document(b.settings, accounts.AdminAccount, accounts.AdminPassword, "", "")); err != nil {
			return "", err
		}
	}
	_, err = b.create(ctx, name, b.cloud.document(b.settings, accounts.Account, accounts.Password, accounts.Database, admin))
	return name, err
}

func (b *bench) create(ctx context.Context, name string, document map[string]any) (string, error) {
	b.made = append(b.made, name) // an answer that was lost may have made it
	reference, err := b.cloud.create(ctx, name, document)
	if err != nil {
		return "", fmt.Errorf("create secret %s: %w", name, err)
	}
	return reference, nil
}

// rotate runs one rotation, without a wait for the grace time, and demands that it is Rotated.
func (b *bench) rotate(ctx context.Context, name string, strategy rotation.Strategy) (result rotation.Result, err error) {
	req, err := rotation.Request{SecretName: name, RegionId: b.region, Store: b.store, Strategy: strategy, Now: true}.Validate()
	if err != nil {
		return result, err
	}
	run, err := b.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: req.WorkflowID(), TaskQueue: b.worker.TaskQueue}, rotation.WorkflowType, req)
	if err != nil {
		return result, errors.New("start the rotation: the local Temporal did not take it")
	}
	if err := run.Get(ctx, &result); err != nil {
		if ended, ok := errors.AsType[*temporal.ApplicationError](err); ok {
			return result, fmt.Errorf("rotation of %s: %s: %s", name, ended.Type(), ended.Message())
		}
		return result, fmt.Errorf("rotation of %s: it left no outcome", name)
	}
	if result.Outcome != rotation.Rotated || result.Proof != rotation.ProofLogin {
		return result, fmt.Errorf("rotation of %s: %s, proof %q; wanted: Rotated, proven by a login", name, result.Outcome, result.Proof)
	}
	b.say("ok  %s %s: version %s, account %s, TLS %s, %s", b.store, strategy, result.Version, result.Account, result.TLS, result.Ended.Sub(result.Started).Round(time.Millisecond))
	return result, nil
}

// step rotates, and looks past the code that is tried whether it is true: the new credential logs in, and the former one as it should.
func (b *bench) step(ctx context.Context, name string, strategy rotation.Strategy, formerWorks bool) (account string, err error) {
	oldAccount, oldPassword, err := b.cloud.current(ctx, name)
	if err != nil {
		return "", fmt.Errorf("read secret %s: %w", name, err)
	}
	if _, err = b.rotate(ctx, name, strategy); err != nil {
		return "", err
	}
	account, password, err := b.cloud.current(ctx, name)
	if err != nil {
		return "", fmt.Errorf("read secret %s: %w", name, err)
	}
	for _, one := range []struct {
		what, account string
		password      rotation.Secret
		works         bool
	}{{"new", account, password, true}, {"former", oldAccount, oldPassword, formerWorks}} {
		works, err := b.logsIn(ctx, one.account, one.password)
		if err == nil && works != one.works {
			err = fmt.Errorf("the %s credential of %s, account %s, logs in: %t; wanted: %t", one.what, name, one.account, works, one.works)
		}
		if err != nil {
			return "", err
		}
	}
	return account, nil
}

// pair rotates twice with two accounts: there and back.
func (b *bench) pair(ctx context.Context) error {
	name, err := b.prepare(ctx, true)
	if err != nil {
		return err
	}
	first, err := b.step(ctx, name, rotation.DualAccount, true)
	if err != nil {
		return err
	}
	second, err := b.step(ctx, name, rotation.DualAccount, true)
	if err == nil && first == second {
		err = fmt.Errorf("both rotations of %s ended with account %s; wanted: the accounts take turns", name, first)
	}
	return err
}

// single rotates an account that changes itself.
func (b *bench) single(ctx context.Context) error {
	name, err := b.prepare(ctx, false)
	if err == nil {
		_, err = b.step(ctx, name, rotation.SingleUser, false)
	}
	return err
}

// takeAway deletes all that was made, as far as it can, and says what is left.
func (b *bench) takeAway(ctx context.Context) error {
	var errs []error
	for _, name := range b.made {
		if err := b.cloud.remove(ctx, name); err != nil {
			errs = append(errs, fmt.Errorf("delete secret %s yourself: %w", name, err))
		}
	}
	for _, one := range b.accounts {
		if err := seeder(b.settings, b.db).Drop(ctx, one); err != nil {
			errs = append(errs, fmt.Errorf("drop database %s and the accounts that begin so yourself: %w", one.Database, err))
		}
	}
	if len(errs) == 0 {
		b.say("everything that was made is deleted: %d secrets, %d databases with their accounts", len(b.made), len(b.accounts))
	}
	return errors.Join(errs...)
}
