package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// connection is one login. It is never replaced by another: database/sql would, behind the caller's back, and without the
// lock that its session held.
type connection struct {
	*sql.Conn
	db *sql.DB
	// tls says in words how it is protected, cipher by which suite.
	tls, cipher string
}

func (c *connection) close() {
	// What they could say is about a connection that is thrown away.
	_ = c.Conn.Close()
	_ = c.db.Close()
}

// errLoggedInBefore ends database/sql's attempts to replace a broken connection.
var errLoggedInBefore = errors.New("the connection is used up")

// once is a connector that connects a single time.
type once struct {
	driver.Connector
	used atomic.Bool
}

func (o *once) Connect(ctx context.Context) (driver.Conn, error) {
	if o.used.Swap(true) {
		return nil, errLoggedInBefore
	}
	return o.Connector.Connect(ctx)
}

// open logs in, once.
func (t *Target) open(ctx context.Context, login target.Login) (*connection, error) {
	doing := loggingIn(login)
	p := &protection{mode: login.Place.TLS}
	host := strings.TrimSuffix(strings.TrimPrefix(login.Place.Host, "["), "]")
	w := &wire{}

	config := mysqldriver.NewConfig()
	config.Net, config.Addr = "tcp", net.JoinHostPort(host, strconv.Itoa(login.Place.Port))
	config.User, config.Passwd, config.DBName = login.Account, login.Password.Reveal(), login.Place.Database
	config.TLS = p.config(t.roots, host)
	config.AllowFallbackToPlaintext = login.Place.TLS == rotation.TLSPreferred
	config.ReadTimeout, config.WriteTimeout = t.options.StatementTimeout, t.options.StatementTimeout
	config.Logger = &mysqldriver.NopLogger{}
	// Account statements can't be prepared by the server.
	config.InterpolateParams = true
	config.ConnectionAttributes = "program_name:rotor"
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		w.greeting = time.Now().Add(t.options.DialTimeout)
		dialer := net.Dialer{Deadline: w.greeting}
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		w.Conn = conn
		return w, nil
	}
	connector, err := mysqldriver.NewConnector(config)
	if err != nil {
		return nil, rotation.Errorf(rotation.Permanent, "%s: the address can't be used", doing)
	}

	limited, cancel := context.WithTimeout(ctx, t.options.LoginTimeout)
	defer cancel()
	db := sql.OpenDB(&once{Connector: connector})
	conn, err := db.Conn(limited)
	if err != nil {
		_ = db.Close()
		return nil, loginFailure(ctx, doing, login, err, w, p)
	}
	w.quiet = true
	return &connection{Conn: conn, db: db, tls: p.words(w.keyGiven), cipher: p.cipher}, nil
}
