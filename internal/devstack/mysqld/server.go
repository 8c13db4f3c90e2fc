// Package mysqld starts private MySQL and MariaDB servers from the binaries of this machine, for the demo and the
// tests: real servers, on loopback only, in a directory of their own, gone afterwards.
package mysqld

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"rotor/internal/devstack/port"
	"rotor/internal/devstack/process"
)

// Options say which server to start, and how.
type Options struct {
	// Binary is a path as Binaries returns them. Empty: the first of Binaries.
	Binary string
	// TLS gives the server a certificate of a new authority for localhost and 127.0.0.1 (Server.CAFile). Without,
	// the server offers no TLS at all. MySQL 5.6 offers TLS 1.0 with RSA key exchange only, which crypto/tls uses
	// only when its Config names that version and those cipher suites.
	TLS bool
	// ExtraArgs are added after all others, so that they win: "--sql-mode=ANSI_QUOTES".
	ExtraArgs []string
}

// A Server is a running private server. Its fields don't change, over Restart neither.
type Server struct {
	Binary        string
	Host          string // always 127.0.0.1
	Port          int
	Socket        string // path of the Unix socket
	AdminUser     string // may do everything, from Host and over the socket
	AdminPassword string
	CAFile        string // PEM file of the authority that signed the server's certificate; "" without TLS
	Flavour       Flavour
	Version       string // SELECT VERSION(): "10.11.19-MariaDB-0+deb12u1", "9.7.4-2"
	Comment       string // SELECT @@version_comment

	build     build
	options   Options
	workspace *process.Workspace
	child     *process.Child
	db        *sql.DB
}

const (
	startPatience = 60 * time.Second // a machine may be busy with several servers and compilers
	stopPatience  = 15 * time.Second
	startPoll     = 10 * time.Millisecond
	portAttempts  = 5
)

// errPortTaken: between choosing a free port and the server's bind another program got it.
var errPortTaken = errors.New("its port was taken meanwhile")

// Start starts a server and returns once the admin has logged in. ctx bounds the start only; Stop ends the server.
func Start(ctx context.Context, options Options) (*Server, error) {
	if options.Binary == "" {
		binaries, err := Binaries()
		if err != nil {
			return nil, err
		}
		options.Binary = binaries[0]
	}
	b, err := examine(ctx, options.Binary)
	if err != nil {
		return nil, err
	}
	template, err := template(ctx, options.Binary, b)
	if err != nil {
		return nil, err
	}
	workspace, err := process.NewWorkspace()
	if err != nil {
		return nil, err
	}
	s := &Server{
		Binary: options.Binary, Host: "127.0.0.1", Socket: workspace.Path("mysqld.sock"),
		AdminUser: "root", AdminPassword: rand.Text(), Flavour: b.flavour,
		build: b, options: options, workspace: workspace,
	}
	if err := s.setUp(ctx, template); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s (%s): %w", b, options.Binary, err), s.Stop())
	}
	return s, nil
}

func (s *Server) setUp(ctx context.Context, template string) error {
	if err := os.Mkdir(s.workspace.Path("tmp"), 0o700); err != nil {
		return err
	}
	if s.options.TLS {
		if err := s.makeCertificates(); err != nil {
			return err
		}
	}
	initFile := s.workspace.Path("secure.sql")
	if err := os.WriteFile(initFile, []byte(secureSQL(s.build, s.AdminPassword)), 0o600); err != nil {
		return err
	}
	// It holds the password, and has done its work at the first start.
	defer func() { _ = os.Remove(initFile) }()
	for attempt := 1; ; attempt++ {
		if err := os.RemoveAll(s.workspace.Path("data")); err != nil {
			return err
		}
		if err := os.CopyFS(s.workspace.Path("data"), os.DirFS(template)); err != nil {
			return fmt.Errorf("copy the data directory: %w", err)
		}
		var err error
		if s.Port, err = port.Free(); err != nil {
			return err
		}
		err = s.launch(ctx, "--init-file="+initFile)
		if errors.Is(err, errPortTaken) && attempt < portAttempts {
			continue
		}
		if err != nil {
			return err
		}
		break
	}
	return s.db.QueryRowContext(ctx, "SELECT VERSION(), @@version_comment").Scan(&s.Version, &s.Comment)
}

// secureSQL leaves one account: the admin, with a password, from everywhere (which is loopback and the socket).
// The server runs it before it takes connections. Each statement must be on one line.
func secureSQL(b build, password string) string {
	var statements []string
	switch {
	case b.flavour == MariaDB:
		statements = []string{
			"DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost')",
			"DELETE FROM mysql.db WHERE User = ''",
			"DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost'",
			"FLUSH PRIVILEGES",
			"ALTER USER 'root'@'localhost' IDENTIFIED BY '" + password + "'",
		}
	case b.atLeast(5, 7, 6):
		statements = []string{"ALTER USER 'root'@'localhost' IDENTIFIED BY '" + password + "'"}
	default:
		statements = []string{
			"DELETE FROM mysql.user WHERE User = '' OR (User = 'root' AND Host <> 'localhost')",
			"DELETE FROM mysql.db WHERE User = ''",
			"DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost'",
			"FLUSH PRIVILEGES",
			"SET PASSWORD FOR 'root'@'localhost' = PASSWORD('" + password + "')",
		}
	}
	// One name for both ways in: whether 127.0.0.1 counts as localhost depends on skip_name_resolve.
	statements = append(statements, "RENAME USER 'root'@'localhost' TO 'root'@'%'")
	return strings.Join(statements, ";\n") + ";\n"
}

// launch starts the process and waits until the admin can log in.
func (s *Server) launch(ctx context.Context, extra ...string) error {
	child, err := s.workspace.Start(process.Command{Name: "mysqld", Path: s.Binary, Args: append(s.args(), extra...)})
	if err != nil {
		return err
	}
	s.child = child
	if s.db == nil {
		if s.db, err = s.Open(s.AdminUser, s.AdminPassword, ""); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for {
		pingErr := s.db.PingContext(ctx)
		if pingErr == nil {
			return nil
		}
		select {
		case <-child.Done():
			if strings.Contains(strings.ToLower(child.LogTail(4000)), "address already in use") {
				return errPortTaken
			}
			return explain(child)
		case <-ctx.Done():
			err := fmt.Errorf("no login within the time given: %w; its log ends:\n%s", pingErr, child.LogTail(2000))
			return errors.Join(err, child.Kill())
		case <-tick.C:
		}
	}
}

// explain says why the process ended: its log's errors, where they are not lost among notes about the shutdown.
func explain(child *process.Child) error {
	var found []string
	for line := range strings.Lines(child.LogTail(16000)) {
		if strings.Contains(line, "[ERROR]") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	if len(found) == 0 {
		return child.Ended()
	}
	return fmt.Errorf("mysqld ended; errors in its log:\n%s", strings.Join(found, "\n"))
}

func (s *Server) args() []string {
	args := []string{
		"--no-defaults", // must be the first
		"--datadir=" + s.workspace.Path("data"),
		"--tmpdir=" + s.workspace.Path("tmp"),
		"--socket=" + s.Socket,
		"--pid-file=" + s.workspace.Path("mysqld.pid"),
		"--bind-address=" + s.Host,
		"--port=" + strconv.Itoa(s.Port),
		"--max-connections=500",
		// Written to the system at each commit, to the disk once a second: a killed server loses nothing.
		"--innodb-flush-log-at-trx-commit=2",
	}
	args = append(args, userArgs()...)
	args = append(args, sizeArgs(s.build)...)
	if s.Flavour == MySQL && s.build.atLeast(8, 0, 11) {
		args = append(args, "--mysqlx=OFF", "--disable-log-bin")
	}
	args = append(args, s.tlsArgs()...)
	return append(args, s.options.ExtraArgs...)
}

// Address is "host:port".
func (s *Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Name is flavour and version for the name of a test or a table: "MariaDB-10.11.19", "MySQL-9.7.4".
func (s *Server) Name() string {
	return fmt.Sprintf("%s-%d.%d.%d", s.Flavour, s.build.number[0], s.build.number[1], s.build.number[2])
}

// DB is the admin's pool. It is closed by Stop and reconnects by itself after Restart.
func (s *Server) DB() *sql.DB { return s.db }

// EndSessions ends the sessions of a user, other than its own. What a server-wide REVOKE takes away, a session that was there before keeps.
func (s *Server) EndSessions(ctx context.Context, user string) error {
	rows, err := s.db.QueryContext(ctx, "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = ? AND ID <> CONNECTION_ID()", user)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, id := range ids {
		var gone *mysql.MySQLError
		if _, err := s.db.ExecContext(ctx, fmt.Sprintf("KILL %d", id)); err != nil && !(errors.As(err, &gone) && gone.Number == noSuchThread) {
			return err
		}
	}
	return nil
}

// noSuchThread is the number of a KILL that came too late.
const noSuchThread = 1094

// Open makes a pool for a login over TCP, without TLS; the caller closes it. It does not connect yet.
func (s *Server) Open(user, password, database string) (*sql.DB, error) {
	connector, err := mysql.NewConnector(s.Config(user, password, database))
	if err != nil {
		return nil, fmt.Errorf("make a connector for %q: %w", user, err)
	}
	return sql.OpenDB(connector), nil
}

// Config is the driver's configuration for a login over TCP, without TLS.
func (s *Server) Config(user, password, database string) *mysql.Config {
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", s.Address()
	config.User, config.Passwd, config.DBName = user, password, database
	config.Timeout = 5 * time.Second
	config.Logger = &mysql.NopLogger{} // it would write to standard error whenever a connection breaks
	return config
}

// Log is the end of the server's error log.
func (s *Server) Log() string { return s.child.LogTail(8000) }

// WholeLog is all of the server's error log.
func (s *Server) WholeLog() string { return s.child.LogTail(math.MaxInt64) }

// Ended is nil while the server runs; afterwards it says how it ended.
func (s *Server) Ended() error { return s.child.Ended() }

// Done is closed when the process that runs now has ended.
func (s *Server) Done() <-chan struct{} { return s.child.Done() }

// PID is the process's number; it changes with Restart.
func (s *Server) PID() int { return s.child.PID() }

// Kill ends the server as a power cut would (SIGKILL). Its data stays; Restart brings it back.
func (s *Server) Kill() error { return s.child.Kill() }

// Restart shuts the server down if it runs and starts it again on the same port with the same data.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.child.Stop(stopPatience); err != nil {
		return err
	}
	if err := s.launch(ctx); err != nil {
		return fmt.Errorf("restart %s: %w", s.build, err)
	}
	return nil
}

// Stop shuts the server down and deletes its data. Calling it again does nothing.
func (s *Server) Stop() error {
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	// Its data is deleted in a moment, so there is nothing that a clean shutdown would save.
	errs = append(errs, s.workspace.Close())
	return errors.Join(errs...)
}
