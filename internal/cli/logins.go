package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

// application is a client as the owners of a secret write them: it reads the current version from the store, logs in to the
// database with it, runs a query, and does that again and again.
type application struct {
	store  secretstore.Store
	ref    secretstore.Ref
	caFile string
	// single: one account, whose current version does not log in for a moment of each rotation.
	single bool
	// exposed counts the refused logins of such moments.
	exposed atomic.Int64
	// repeated counts the refused logins with one of two accounts whose version was no longer the current or previous one.
	repeated atomic.Int64
	logins   atomic.Int64
	failures atomic.Int64

	mu    sync.Mutex
	first string
}

// betweenLogins keeps the client from taking the processor from what it watches.
const betweenLogins = 5 * time.Millisecond

// run logs in until ctx ends.
func (p *application) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := p.logIn(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			p.fail(err)
		default:
			p.logins.Add(1)
		}
		wait := time.NewTimer(betweenLogins)
		select {
		case <-ctx.Done():
		case <-wait.C:
		}
		wait.Stop()
	}
}

func (p *application) fail(err error) {
	p.failures.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first == "" {
		p.first = err.Error()
	}
}

// firstFailure is the text of the first failed login.
func (p *application) firstFailure() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.first
}

// logIn reads and logs in. A refusal counts unless a whole rotation and more has gone by between reading and logging in: with two
// accounts, what was read has to log in as long as it is current or previous. With a single account, whose password is changed before
// the stage moves, a refusal counts only if what was read stays current: a client there has to read again until the secret changes.
func (p *application) logIn(ctx context.Context) error {
	for {
		version, d, err := p.read(ctx)
		if err != nil {
			return err
		}
		failed := p.query(ctx, d)
		if failed == nil {
			return nil
		}
		var excused bool
		if p.single {
			excused, err = p.changes(ctx, version, isRefused(failed))
		} else {
			if excused, err = p.outdated(ctx, version); excused {
				p.repeated.Add(1)
			}
		}
		if err != nil {
			return err
		}
		if !excused {
			return failed
		}
	}
}

// outdated says whether a version is neither current nor the one before it.
func (p *application) outdated(ctx context.Context, version string) (bool, error) {
	versions, err := p.store.Versions(ctx, p.ref)
	if err != nil {
		return false, err
	}
	return versions.Holder(rotation.Current) != version && versions.Holder(rotation.Previous) != version, nil
}

// longestExposure is how long a client of a single account waits for the stage to move. It bounds what the demo calls no failure.
const longestExposure = 10 * time.Second

// changes says whether another version is current, or becomes so where that can be expected.
func (p *application) changes(ctx context.Context, version string, refused bool) (bool, error) {
	until := time.Now().Add(longestExposure)
	for first := true; ; first = false {
		now, _, err := p.read(ctx)
		switch {
		case err != nil:
			return false, err
		case now != version:
			return true, nil
		case !refused || time.Now().After(until):
			return false, nil
		}
		if first {
			p.exposed.Add(1)
		}
		pause := time.NewTimer(betweenLogins)
		select {
		case <-ctx.Done():
			pause.Stop()
			return false, ctx.Err()
		case <-pause.C:
		}
	}
}

func (p *application) read(ctx context.Context) (version string, d *rotation.Document, err error) {
	value, err := p.store.ReadCurrent(ctx, p.ref)
	if err != nil {
		return "", nil, err
	}
	d, err = rotation.ParseDocument(p.ref.Name, p.store.Traits().Dialect, value.Data)
	return value.Version, d, err
}

// query is a login on a connection of its own, and a query.
func (p *application) query(ctx context.Context, d *rotation.Document) error {
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User, config.Passwd, config.DBName = "tcp", d.Place.Address(), d.Account, d.Password.Reveal(), d.Place.Database
	config.Timeout, config.ReadTimeout, config.WriteTimeout = 5*time.Second, 5*time.Second, 5*time.Second
	config.Logger = &mysql.NopLogger{}
	if p.caFile != "" {
		roots, err := rootsOf(p.caFile)
		if err != nil {
			return err
		}
		config.TLS = &tls.Config{RootCAs: roots, ServerName: d.Place.Host}
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return fmt.Errorf("log in as %s at %s: the settings can't be used", d.Account, d.Place.Address())
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	var notes int
	return loginError(d, db.QueryRowContext(ctx, "SELECT COUNT(*) FROM notes").Scan(&notes))
}

// refusedLogin is what a server answered, by number.
type refusedLogin struct {
	account, address string
	number           uint16
}

func (r *refusedLogin) Error() string {
	return fmt.Sprintf("log in as %s at %s: refused with error %d", r.account, r.address, r.number)
}

// isRefused says whether the password was not taken.
func isRefused(err error) bool {
	var r *refusedLogin
	return errors.As(err, &r) && r.number == 1045
}

// loginError says what came back by number: the driver's text can quote values.
func loginError(d *rotation.Document, err error) error {
	var refused *mysql.MySQLError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return &refusedLogin{account: d.Account, address: d.Place.Address(), number: refused.Number}
	}
	return fmt.Errorf("log in as %s at %s: no answer", d.Account, d.Place.Address())
}

func rootsOf(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %s", reason(err))
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, errors.New("read the authority's certificate: there is none in the file")
	}
	return roots, nil
}
