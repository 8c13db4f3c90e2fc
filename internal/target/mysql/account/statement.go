package account

import (
	"context"
	"database/sql"
	"strings"

	"rotor/internal/rotation"
)

// Statement is one account statement. Names in it are quoted with backticks, which mean the same in every sql_mode; strings
// are quoted for a sql_mode without NO_BACKSLASH_ESCAPES. Passwords are not part of it.
type Statement struct {
	parts []string // a password belongs between each two
	doing string   // for errors
	// checksNotes: IF EXISTS or IF NOT EXISTS is in it, and passing over an account is an error here.
	checksNotes bool
	// ifTableGone replaces the statement where the table it is about doesn't exist: the server takes a GRANT on such a
	// table only together with CREATE.
	ifTableGone []Statement
	// optional statements grant one privilege that is allowed to be missing.
	optional string
	// table and columns are what a GRANT on columns is about.
	table   Table
	columns Names
	// oracle: the server knows the statement in sql_mode ORACLE only (MariaDB's packages).
	oracle bool
}

// String shows the statement with *** for each password.
func (s Statement) String() string {
	text := strings.Join(s.parts, "'***'")
	if s.oracle {
		return "SET SESSION sql_mode = 'ORACLE'; " + text
	}
	return text
}

func statement(doing string, parts ...string) Statement {
	return Statement{parts: parts, doing: doing}
}

// run carries the statement out. Passwords are revealed here and nowhere else in this package.
//
// In a rehearsal the statement is told instead.
func (s Statement) run(ctx context.Context, conn *sql.Conn, server Server, passwords ...rotation.Secret) error {
	if server.Rehearse != nil {
		server.Rehearse(s.String())
		return nil
	}
	err := s.inMode(ctx, conn, func() error { return s.exec(ctx, conn, passwords) })
	if number(err) == erNoSuchTable && len(s.ifTableGone) > 0 {
		for _, other := range s.ifTableGone {
			if err := other.run(ctx, conn, server); err != nil {
				return err
			}
		}
		return nil
	}
	if err != nil {
		return Failure(err, "%s", s.doing)
	}
	if s.checksNotes {
		return s.checkNotes(ctx, conn)
	}
	return nil
}

// inMode switches the sql_mode for as long as the statement takes it.
func (s Statement) inMode(ctx context.Context, conn *sql.Conn, run func() error) error {
	if !s.oracle {
		return run()
	}
	if _, err := conn.ExecContext(ctx, "SET @rotor_sql_mode = @@SESSION.sql_mode, SESSION sql_mode = 'ORACLE'"); err != nil {
		return err
	}
	err := run()
	if _, back := conn.ExecContext(ctx, "SET SESSION sql_mode = @rotor_sql_mode"); err == nil {
		err = back
	}
	return err
}

func (s Statement) exec(ctx context.Context, conn *sql.Conn, passwords []rotation.Secret) error {
	if len(s.parts) == 1 {
		_, err := conn.ExecContext(ctx, s.parts[0])
		return err
	}
	var text strings.Builder
	for i, part := range s.parts {
		if i > 0 {
			text.WriteString(quoteString(passwords[min(i, len(passwords))-1].Reveal()))
		}
		text.WriteString(part)
	}
	_, err := conn.ExecContext(ctx, text.String())
	return err
}

// checkNotes finds out whether IF EXISTS made the server pass over an account.
func (s Statement) checkNotes(ctx context.Context, conn *sql.Conn) error {
	rows, err := conn.QueryContext(ctx, "SHOW WARNINGS")
	if err != nil {
		return Failure(err, "%s: look at the warnings", s.doing)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var kind, text string
		var code int
		if err := rows.Scan(&kind, &code, &text); err != nil {
			return Failure(err, "%s: look at the warnings", s.doing)
		}
		switch code {
		case noteUserExists, noteUserExistsMDB:
			return rotation.Errorf(rotation.Conflict, "%s: the account exists already", s.doing).WithCode("1396")
		case noteNoUser, noteNoUserMDB, erCannotUser:
			return rotation.Errorf(rotation.Conflict, "%s: the account does not exist any more", s.doing).WithCode("1396")
		}
	}
	return Failure(rows.Err(), "%s: look at the warnings", s.doing)
}

// quoteName quotes a name for any sql_mode.
func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

var stringEscapes = strings.NewReplacer(`\`, `\\`, `'`, `''`, "\x00", `\0`)

// quoteString quotes a string for the sql_mode that Open sets, in a connection that speaks utf8mb4.
func quoteString(text string) string { return "'" + stringEscapes.Replace(text) + "'" }

func quoteAccount(n Name) string { return quoteName(n.User) + "@" + quoteName(n.Host) }

// quoteRole: MariaDB's roles have no host.
func (s Server) quoteRole(role Name) string {
	if s.Flavour == MariaDB {
		return quoteName(role.User)
	}
	return quoteAccount(role)
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quoteName(n)
	}
	return strings.Join(quoted, ", ")
}
