package account

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// Opening is what a session is set up with, beside what every one is; see setUp. The zero value asks for nothing.
type Opening struct {
	// Idle is how long the server keeps the session when it says nothing, Statement how long it lets a statement wait.
	Idle, Statement time.Duration
	// ReadOnly has the server refuse changes, of accounts too (1792).
	ReadOnly bool
}

// Open asks a server what it is, and sets the session up. Everything in this package that takes both a connection and a Server wants the one that the
// other was opened on. It needs no privilege; what only an admin can see is asked for where it can be.
func Open(ctx context.Context, conn *sql.Conn, opening Opening) (Server, error) {
	const doing = "look at the server"
	v, err := readVariables(ctx, conn, describing)
	if err != nil {
		return Server{}, Failure(err, doing)
	}
	s, err := recognise(v["version"], v["version_comment"])
	if err != nil {
		return Server{}, err
	}
	if err := s.apply(v); err != nil {
		return Server{}, err
	}
	if _, err := conn.ExecContext(ctx, s.setUp(opening)); err != nil {
		return Server{}, Failure(err, "set up the session")
	}
	if err := s.readGrantTables(ctx, conn); err != nil {
		return Server{}, Failure(err, doing)
	}
	return s, nil
}

// setUp is one statement, as each takes as long as the server is far away. It sets a sql_mode in which a backslash escapes, names are quoted with
// backticks, and GRANT makes no account without a password; full quoting in SHOW GRANTS; notes, which tell what IF EXISTS passed over; and that each statement sees what the ones before it, anybody's, have
// done, and keeps nothing locked.
//
// Behind FLUSH TABLES WITH READ LOCK an ALTER USER heeds lock_wait_timeout on MySQL 9.7, max_statement_time on MariaDB 10.11, and nothing on
// MySQL 5.6 (seen on all three).
func (s Server) setUp(opening Opening) string {
	mode := "STRICT_ALL_TABLES"
	if s.Flavour == MariaDB || !s.Version.AtLeast(8, 0, 0) {
		mode += ",NO_AUTO_CREATE_USER"
	}
	settings := []string{"NAMES utf8mb4", "SESSION sql_mode = '" + mode + "'", "SESSION sql_quote_show_create = 1", "SESSION sql_notes = 1", "SESSION autocommit = 1"}
	set := func(name string, value int) { settings = append(settings, fmt.Sprintf("SESSION %s = %d", name, value)) }
	if s.Flavour == MariaDB || !s.Version.AtLeast(8, 0, 0) {
		set("old_passwords", 0) // else PASSWORD() makes hashes of another plugin
	}
	seconds := func(d time.Duration) int { return max(1, int(d.Seconds())) }
	if opening.Idle > 0 {
		set("wait_timeout", seconds(opening.Idle))
	}
	if opening.Statement > 0 {
		set("lock_wait_timeout", seconds(opening.Statement))
		if s.Flavour == MariaDB {
			set("max_statement_time", seconds(opening.Statement))
		}
	}
	if opening.ReadOnly {
		set(s.readOnlyVariable(), 1)
	}
	return "SET " + strings.Join(settings, ", ")
}

// readOnlyVariable is what SET SESSION TRANSACTION READ ONLY sets.
func (s Server) readOnlyVariable() string {
	if s.Flavour == MySQL && s.Version.AtLeast(8, 0, 0) {
		return "transaction_read_only"
	}
	return "tx_read_only"
}

// AllowChanges ends Opening.ReadOnly.
func AllowChanges(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "SET SESSION TRANSACTION READ WRITE")
	return Failure(err, "set up the session")
}

// variables by lower-case name; those that a server doesn't have are absent.
type variables map[string]string

// describing are the variables that a Server is made of. The underscores stand for any character: a backslash before them would count in some sql_mode only.
var describing = "Variable_name IN ('" + strings.Join(identifying, "', '") + `', 'version', 'version_comment', 'pseudo_thread_id', 'read_only', 'super_read_only',
	'innodb_read_only', 'partial_revokes', 'mandatory_roles', 'password_history', 'password_reuse_interval', 'password_reuse_check_interval')
	OR Variable_name LIKE 'validate_password%' OR Variable_name LIKE 'simple_password_check%' OR Variable_name LIKE 'cracklib_password_check%'`

func readVariables(ctx context.Context, conn *sql.Conn, where string) (variables, error) {
	rows, err := conn.QueryContext(ctx, "SHOW VARIABLES WHERE "+where)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	v := variables{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		v[strings.ToLower(name)] = value
	}
	return v, rows.Err()
}
