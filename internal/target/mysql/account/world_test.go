package account_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/rotation"
	"rotor/internal/target/mysql/account"
)

// world is a server with schemas, tables, routines and roles that privileges can be on.
type world struct {
	*mysqld.Server
	server   account.Server
	schemas  []string // as they stand in a grant
	tables   map[account.Table][]string
	routines []account.Routine
	roles    []account.Name
	dynamic  []string
}

var worlds = struct {
	sync.Mutex
	made map[*mysqld.Server]*world
}{made: map[*mysqld.Server]*world{}}

// worldOn makes the world of a server once.
func worldOn(t *testing.T, s *mysqld.Server) *world {
	t.Helper()
	worlds.Lock()
	defer worlds.Unlock()
	if w, ok := worlds.made[s]; ok {
		return w
	}
	conn := connect(t, s.DB())
	server, err := account.Open(t.Context(), conn, account.Opening{})
	require.NoError(t, err)
	w := &world{
		Server: s, server: server,
		schemas: []string{"acct", "odd to db", "b`t", `my\_db`, "wild%", "quo'te", "not there", "é_"},
		tables: map[account.Table][]string{
			{Schema: "acct", Name: "t1"}:             {"a", "b", "c d", "x)", "a, b", "q`q", "é"},
			{Schema: "odd to db", Name: "t TO x"}:    {"a", "b`q"},
			{Schema: "b`t", Name: `t'"\`}:            {"a"},
			{Schema: "acct", Name: "v ON `acct`.`v"}: {"a"},
		},
		routines: []account.Routine{
			{Kind: "PROCEDURE", Schema: "acct", Name: "p`1"}, {Kind: "FUNCTION", Schema: "acct", Name: "f1"},
			{Kind: "PROCEDURE", Schema: "acct", Name: "f1"},
		},
	}
	must := func(statements ...string) {
		for _, statement := range statements {
			_, err := conn.ExecContext(t.Context(), statement)
			require.NoError(t, err, statement)
		}
	}
	must("CREATE DATABASE acct", "CREATE DATABASE `odd to db`", "CREATE DATABASE `b``t`",
		"CREATE TABLE acct.t1 (a INT, b INT, `c d` INT, `x)` INT, `a, b` INT, `q``q` INT, `é` INT)",
		"CREATE TABLE `odd to db`.`t TO x` (a INT, `b``q` INT)",
		"CREATE TABLE `b``t`.`t'\"\\` (a INT)",
		"CREATE VIEW acct.`v ON ``acct``.``v` AS SELECT a FROM acct.t1",
		"CREATE PROCEDURE acct.`p``1`() SELECT 1", "CREATE PROCEDURE acct.f1() SELECT 1",
		"CREATE FUNCTION acct.f1() RETURNS INT DETERMINISTIC NO SQL RETURN 1")
	if server.Flavour == account.MariaDB {
		must("SET SESSION sql_mode = 'ORACLE'", "CREATE PACKAGE acct.pkg AS FUNCTION f RETURN INT; END",
			"CREATE PACKAGE BODY acct.pkg AS FUNCTION f RETURN INT AS BEGIN RETURN 1; END; END")
		w.routines = append(w.routines, account.Routine{Kind: "PACKAGE", Schema: "acct", Name: "pkg"},
			account.Routine{Kind: "PACKAGE BODY", Schema: "acct", Name: "pkg"})
	}
	if server.Flavour == account.MySQL && server.Version.AtLeast(9, 2, 0) {
		must("CREATE LIBRARY acct.lib LANGUAGE JAVASCRIPT AS 'export function f(n) { return n }'")
		w.routines = append(w.routines, account.Routine{Kind: "LIBRARY", Schema: "acct", Name: "lib"})
	}
	host := ""
	if server.HasDynamic() {
		host = "%"
		w.dynamic = column(t, s.DB(), "SELECT DISTINCT PRIV FROM mysql.global_grants WHERE USER = 'root' ORDER BY 1")
	}
	if server.HasDynamic() || server.Flavour == account.MariaDB {
		for _, role := range []string{"r1", "r 2", "r`3", "r'4"} {
			must("CREATE ROLE `" + strings.ReplaceAll(role, "`", "``") + "`")
			w.roles = append(w.roles, account.Name{User: role, Host: host})
		}
	}
	worlds.made[s] = w
	return w
}

// connect gives one connection of a pool that was opened as this package wants it, closed at the end of the test.
func connect(t require.TestingT, db *sql.DB) *sql.Conn {
	conn := connectTo(t, db)
	_, err := account.Open(context.Background(), conn, account.Opening{})
	require.NoError(t, err)
	return conn
}

func connectTo(t require.TestingT, db *sql.DB) *sql.Conn {
	conn, err := db.Conn(context.Background())
	require.NoError(t, err)
	t.(interface{ Cleanup(func()) }).Cleanup(func() { _ = conn.Close() })
	return conn
}

// login gives a connection of an account, or fails the test.
func (w *world) login(t *testing.T, user string, password rotation.Secret) *sql.Conn {
	t.Helper()
	db, err := w.Open(user, password.Reveal(), "")
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return connect(t, db)
}

// canLogIn tries a login.
func (w *world) canLogIn(t *testing.T, user string, password rotation.Secret) bool {
	t.Helper()
	db, err := w.Open(user, password.Reveal(), "")
	require.NoError(t, err)
	defer func() { _ = db.Close() }()
	return db.PingContext(t.Context()) == nil
}

// exec runs statements as they stand, as the admin.
func (w *world) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := w.DB().ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

// execAfter runs a statement at the end of the test, when its context is over.
func (w *world) execAfter(t *testing.T, statement string) {
	t.Cleanup(func() {
		_, err := w.DB().ExecContext(context.Background(), statement)
		require.NoError(t, err, statement)
	})
}

// account creates an account at a host, dropped at the end of the test.
func (w *world) account(t *testing.T, user, host string, password rotation.Secret) {
	t.Helper()
	_, err := w.DB().ExecContext(t.Context(), "CREATE USER '"+user+"'@'"+host+"' IDENTIFIED BY '"+password.Reveal()+"'")
	require.NoError(t, err)
	w.dropAfter(t, user)
}

func (w *world) dropAfter(t *testing.T, user string) {
	t.Cleanup(func() { w.drop(t, user) })
}

func (w *world) drop(t require.TestingT, user string) {
	conn, err := w.DB().Conn(context.Background())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	server, err := account.Open(context.Background(), conn, account.Opening{})
	require.NoError(t, err)
	require.NoError(t, account.Drop(context.Background(), conn, server, user))
}

func newPassword() rotation.Secret { return rotation.NewSecret("Aa1!" + rand.Text()) }

func column(t require.TestingT, db *sql.DB, query string, args ...any) []string {
	rows, err := db.Query(query, args...)
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	var values []string
	for rows.Next() {
		var value string
		require.NoError(t, rows.Scan(&value))
		values = append(values, value)
	}
	require.NoError(t, rows.Err())
	return values
}

// dump is what the grant tables say about a user, but for names, passwords and times: independent of the code under test.
func (w *world) dump(t require.TestingT, user string) []string {
	var lines []string
	for table, userColumn := range w.grantTables() {
		rows, err := w.DB().Query(fmt.Sprintf("SELECT * FROM mysql.%s WHERE %s = ?", table, userColumn), user)
		require.NoError(t, err)
		columns, err := rows.Columns()
		require.NoError(t, err)
		for rows.Next() {
			values, pointers := make([]sql.NullString, len(columns)), make([]any, len(columns))
			for i := range values {
				pointers[i] = &values[i]
			}
			require.NoError(t, rows.Scan(pointers...))
			line := table
			for i, name := range columns {
				switch strings.ToLower(name) {
				case strings.ToLower(userColumn), "password", "authentication_string", "timestamp", "grantor", "password_last_changed":
				case "priv":
					line += " " + name + "=" + w.mariadbDocument(t, values[i].String, table)
				default:
					line += " " + name + "=" + values[i].String
				}
			}
			lines = append(lines, line)
		}
		require.NoError(t, rows.Err())
		_ = rows.Close()
	}
	slices.Sort(lines)
	return lines
}

func (w *world) grantTables() map[string]string {
	tables := map[string]string{"db": "User", "tables_priv": "User", "columns_priv": "User", "procs_priv": "User", "proxies_priv": "User"}
	switch {
	case w.server.Flavour == account.MariaDB:
		tables["global_priv"], tables["roles_mapping"] = "User", "User"
	case w.server.HasDynamic():
		tables["user"], tables["global_grants"], tables["role_edges"], tables["default_roles"] = "User", "USER", "TO_USER", "USER"
	default:
		tables["user"] = "User"
	}
	return tables
}
