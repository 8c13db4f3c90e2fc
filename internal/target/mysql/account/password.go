package account

import (
	"context"
	"database/sql"
	"strings"

	"rotor/internal/rotation"
)

// SetPassword gives the accounts of a set, on all hosts, a new password and keeps their plugins. A second password that was there stays
// valid (see SetOnly). From MySQL 8.0 on all hosts change together; before, one by one.
func SetPassword(ctx context.Context, conn *sql.Conn, server Server, set Set, password rotation.Secret) error {
	if err := checkPassword(set.User, password); err != nil {
		return err
	}
	if err := server.CheckPlugins(set); err != nil {
		return err
	}
	if server.can.atomicAccounts && len(set.Accounts) > 1 {
		return setTogether(ctx, conn, server, set, password)
	}
	byHost := map[string]Attributes{}
	for _, a := range set.Accounts {
		byHost[a.Host] = a.Attributes
	}
	return eachAccount(ctx, conn, server, set, func(name Name) Statement {
		doing := "change the password of " + name.String()
		if !server.can.alterUser {
			return statement(doing, "SET PASSWORD FOR "+quoteAccount(name)+" = PASSWORD(", ")")
		}
		before, after := server.identified(byHost[name.Host].Plugin)
		return statement(doing, server.alter()+quoteAccount(name)+before, after)
	}, password)
}

func checkPassword(user string, password rotation.Secret) error {
	if password.Empty() {
		return rotation.Errorf(rotation.Permanent, "change the password of '%s': an empty password is never set", user)
	}
	return nil
}

// setTogether changes all hosts in one statement, which succeeds or fails as a whole.
func setTogether(ctx context.Context, conn *sql.Conn, server Server, set Set, password rotation.Secret) error {
	var clauses []clause
	for _, a := range set.Accounts {
		clauses = append(clauses, server.passwordOf(set.User, a, password, ""))
	}
	s, passwords := statementOf("change the password of '"+set.User+"' on "+strings.Join(set.Hosts(), ", "), server.alter(), clauses)
	s.checksNotes = server.can.ifExists
	return s.run(ctx, conn, server, passwords...)
}

// SetOwnPassword changes the password of the connection's own account, on the one host that it is logged in from: an
// account of that user on other hosts keeps its password. The old password goes along where the server takes it (MySQL
// 8.0.13 and later), so that a change behind our back is seen (3891).
func SetOwnPassword(ctx context.Context, conn *sql.Conn, server Server, old, password rotation.Secret) error {
	const doing = "change the account's own password"
	if err := checkPassword("the account itself", password); err != nil {
		return err
	}
	switch {
	case server.can.requireCurrent:
		return statement(doing, "ALTER USER USER() IDENTIFIED BY ", " REPLACE ", "").run(ctx, conn, server, password, old)
	case server.Flavour == MySQL && server.can.alterUser:
		return statement(doing, "ALTER USER USER() IDENTIFIED BY ", "").run(ctx, conn, server, password)
	}
	// MariaDB lets an account change itself in this way only, which keeps its plugin.
	return statement(doing, "SET PASSWORD = PASSWORD(", ")").run(ctx, conn, server, password)
}
