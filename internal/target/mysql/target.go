// Package mysql is the target for MySQL and MariaDB servers that are reached over a connection.
//
// Every login is one attempt: a refused one is never repeated, nor tried in another TLS mode. Changes are made on one session
// that holds a lock on the server; a session that breaks is never replaced by another behind the caller's back.
package mysql

import (
	"crypto/x509"
	"os"
	"sync"
	"time"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// Limits of time, where Options say nothing.
const (
	// DefaultDialTimeout is how long a server may take to answer a connection with its greeting.
	DefaultDialTimeout = 5 * time.Second
	// DefaultLoginTimeout bounds dialling, TLS and login together. A server may hold a login back on purpose
	// (connection_control, after wrong passwords), so it is longer.
	DefaultLoginTimeout = 15 * time.Second
	// DefaultStatementTimeout bounds the wait for one answer of the server.
	DefaultStatementTimeout = 20 * time.Second
	// DefaultLockTimeout bounds how long Lock tries to end the session that holds the lock.
	DefaultLockTimeout = 15 * time.Second
	// DefaultIdleTimeout is how long the server keeps a session of the admin that says nothing, whatever its own setting is.
	// A KILL that meets a session of MySQL 5.6 between two statements can leave it waiting, with its lock, until then.
	DefaultIdleTimeout = time.Minute
)

// Options are the settings of the target. The zero value works.
type Options struct {
	// CAFiles are PEM files with certificates of authorities that are trusted beside the system's.
	CAFiles []string
	// Timeouts; zero means the default.
	DialTimeout, LoginTimeout, StatementTimeout, LockTimeout, IdleTimeout time.Duration
	// AllowMissing are privileges that a standby account may lack where the admin can't grant them; nil means
	// account.DefaultAllowMissing.
	AllowMissing []string
}

// Target is the target "mysql".
type Target struct {
	options Options
	roots   *x509.CertPool

	mu sync.Mutex
	// hosts remembers by which host pattern of an account this worker was let in; see rememberHost.
	hosts map[hostKey]string
}

type hostKey struct{ server, account string }

var _ target.Target = (*Target)(nil)

// New makes the target. A file of certificates that can't be used is an error that names it.
func New(options Options) (*Target, error) {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&options.DialTimeout, DefaultDialTimeout}, {&options.LoginTimeout, DefaultLoginTimeout},
		{&options.StatementTimeout, DefaultStatementTimeout}, {&options.LockTimeout, DefaultLockTimeout},
		{&options.IdleTimeout, DefaultIdleTimeout},
	} {
		if *d.value <= 0 {
			*d.value = d.def
		}
	}
	roots, err := loadRoots(options.CAFiles)
	if err != nil {
		return nil, err
	}
	return &Target{options: options, roots: roots, hosts: map[hostKey]string{}}, nil
}

// Traits: accounts are changed over a connection of the admin, or of the account itself.
func (t *Target) Traits() target.Traits { return target.Traits{} }

// CAVariable is the setting that names the files of Options.CAFiles.
const CAVariable = "ROTOR_MYSQL_CA"

// loadRoots gives the system's authorities and those of the files.
func loadRoots(files []string) (*x509.CertPool, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // a machine without any; the files will have to do
	}
	for _, file := range files {
		if file == "" {
			continue
		}
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, rotation.FieldError(CAVariable, "%s can't be read; wanted: a PEM file with certificates of authorities", file)
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, rotation.FieldError(CAVariable, "%s has no certificate in it; wanted: a PEM file with certificates of authorities", file)
		}
	}
	return roots, nil
}

// rememberHost keeps the host pattern under which the server let this worker in. A standby account is created on that host
// first: a worker that dies right after it can then prove by a login that the account is its own.
func (t *Target) rememberHost(server, account, host string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hosts[hostKey{server, account}] = host
}

func (t *Target) hostOf(server, account string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hosts[hostKey{server, account}]
}
