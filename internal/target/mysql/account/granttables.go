package account

import (
	"context"
	"database/sql"
	"regexp"
	"strings"
)

// levels are the privileges that exist on each level of a server, and so what its ALL PRIVILEGES stands for.
type levels struct{ global, schema, table, routine Names }

// column is one of mysql.user.
type column struct {
	fallback sql.NullString // its default
}

// readGrantTables asks the server's own grant tables how long user names can be, which attributes accounts have and
// which privileges there are on each level. An account that can't see them gets nothing and no error: it may still
// change its own password.
func (s *Server) readGrantTables(ctx context.Context, conn *sql.Conn) error {
	rows, err := conn.QueryContext(ctx, `SELECT LOWER(TABLE_NAME), COLUMN_NAME, COLUMN_TYPE, COALESCE(CHARACTER_MAXIMUM_LENGTH, 0), COLUMN_DEFAULT
		FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'mysql' AND TABLE_NAME IN ('user', 'db', 'tables_priv', 'procs_priv', 'global_priv')`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	s.userColumns = map[string]column{}
	for rows.Next() {
		var table, name, kind string
		var length int
		var fallback sql.NullString
		if err := rows.Scan(&table, &name, &kind, &length, &fallback); err != nil {
			return err
		}
		privilege, isPrivilege := strings.CutSuffix(name, "_priv")
		switch {
		case table == "global_priv":
			s.globalPriv = true
		case table == "user":
			s.userColumns[strings.ToLower(name)] = column{fallback}
			if strings.EqualFold(name, "User") {
				s.UserLength = length
			}
		case table == "db" && isPrivilege:
			s.all.schema = s.all.schema.add(privilegeOf(privilege)...)
		case table == "tables_priv" && strings.EqualFold(name, "Table_priv"):
			s.all.table = s.all.table.add(privilegesOf(kind)...)
		case table == "procs_priv" && strings.EqualFold(name, "Proc_priv"):
			s.all.routine = s.all.routine.add(privilegesOf(kind)...)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return s.readGlobalPrivileges(ctx, conn)
}

func (s *Server) readGlobalPrivileges(ctx context.Context, conn *sql.Conn) error {
	rows, err := conn.QueryContext(ctx, "SHOW PRIVILEGES")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name, where, comment string
		if err := rows.Scan(&name, &where, &comment); err != nil {
			return err
		}
		switch name = strings.ToUpper(name); {
		case name == "USAGE" || name == "PROXY" || name == GrantOption:
		case s.can.dynamic && !static.Has(name):
		default:
			s.all.global = s.all.global.add(canonicalPrivilege(name))
		}
	}
	return rows.Err()
}

// static are MySQL 8's static privileges; all others are dynamic, which components can add.
var static = NamesOf("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "RELOAD", "SHUTDOWN", "PROCESS", "FILE",
	"REFERENCES", "INDEX", "ALTER", "SHOW DATABASES", "SUPER", "CREATE TEMPORARY TABLES", "LOCK TABLES", "EXECUTE",
	"REPLICATION SLAVE", "REPLICATION CLIENT", "CREATE VIEW", "SHOW VIEW", "CREATE ROUTINE", "ALTER ROUTINE", "CREATE USER",
	"EVENT", "TRIGGER", "CREATE TABLESPACE", "CREATE ROLE", "DROP ROLE")

// canonicalPrivilege gives the one name of privileges that servers spell in two ways.
func canonicalPrivilege(name string) string {
	if name == "DELETE VERSIONING ROWS" { // MariaDB until 10.5, and tables_priv until today
		return "DELETE HISTORY"
	}
	return name
}

// privilegeOf makes the name of a privilege of a grant table's abbreviation of it.
func privilegeOf(abbreviation string) []string {
	name := strings.ToUpper(strings.ReplaceAll(abbreviation, "_", " "))
	switch name {
	case "GRANT":
		return nil
	case "CREATE TMP TABLE":
		name = "CREATE TEMPORARY TABLES"
	}
	return []string{canonicalPrivilege(name)}
}

var member = regexp.MustCompile(`'([^']*)'`)

// privilegesOf reads the members of a column of type set('Select','Insert',...).
func privilegesOf(set string) []string {
	var names []string
	for _, m := range member.FindAllStringSubmatch(set, -1) {
		names = append(names, privilegeOf(m[1])...)
	}
	return names
}
