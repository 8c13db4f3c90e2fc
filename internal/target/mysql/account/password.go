package account

import (
	"context"
	"database/sql"
	"strings"

	"rotor/internal/rotation"
)

// SetPassword gives the accounts of a set, on all hosts, a new password and keeps their plugins. With retain, the current
// password stays valid as second one (MySQL 8.0.14 and later) and replaces a second one that was there; without, a second
// password that was there stays valid until DiscardSecondPassword. From MySQL 8.0 on all hosts change together; before,
// one by one.
func SetPassword(ctx context.Context, conn *sql.Conn, server Server, set Set, password rotation.Secret, retain bool) error {
	if err := checkPassword(server, set.User, password, retain); err != nil {
		return err
	}
	if err := server.CheckPlugins(set); err != nil {
		return err
	}
	if server.can.atomicAccounts && len(set.Accounts) > 1 {
		return setTogether(ctx, conn, server, set, password, retain)
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
		return statement(doing, server.alter()+quoteAccount(name)+before, after+retaining(retain))
	}, password)
}

func retaining(retain bool) string {
	if retain {
		return " RETAIN CURRENT PASSWORD"
	}
	return ""
}

func checkPassword(server Server, user string, password rotation.Secret, retain bool) error {
	switch {
	case password.Empty():
		return rotation.Errorf(rotation.Permanent, "change the password of '%s': an empty password is never set", user)
	case retain && !server.can.secondPasswords:
		return rotation.Errorf(rotation.Permanent, "change the password of '%s': %s %s has no second passwords", user, server.Flavour, server.Version)
	}
	return nil
}

// setTogether changes all hosts in one statement, which succeeds or fails as a whole.
func setTogether(ctx context.Context, conn *sql.Conn, server Server, set Set, password rotation.Secret, retain bool) error {
	if err := server.prepare(ctx, conn); err != nil {
		return err
	}
	parts := []string{server.alter()}
	for i, a := range set.Accounts {
		if i > 0 {
			parts[len(parts)-1] += ", "
		}
		before, after := server.identified(a.Attributes.Plugin)
		parts[len(parts)-1] += quoteAccount(Name{set.User, a.Host}) + before
		parts = append(parts, after+retaining(retain))
	}
	s := statement("change the password of '"+set.User+"' on "+strings.Join(set.Hosts(), ", "), parts...)
	s.checksNotes = server.can.ifExists
	return s.run(ctx, conn, server, password)
}

// SetOwnPassword changes the password of the connection's own account, on the one host that it is logged in from: an
// account of that user on other hosts keeps its password. The old password goes along where the server takes it (MySQL
// 8.0.13 and later), so that a change behind our back is seen (3891). Retaining takes APPLICATION_PASSWORD_ADMIN.
func SetOwnPassword(ctx context.Context, conn *sql.Conn, server Server, old, password rotation.Secret, retain bool) error {
	const doing = "change the account's own password"
	if err := checkPassword(server, "the account itself", password, retain); err != nil {
		return err
	}
	if err := server.prepare(ctx, conn); err != nil {
		return err
	}
	switch {
	case server.can.requireCurrent:
		return statement(doing, "ALTER USER USER() IDENTIFIED BY ", " REPLACE ", retaining(retain)).run(ctx, conn, server, password, old)
	case server.Flavour == MySQL && server.can.alterUser:
		return statement(doing, "ALTER USER USER() IDENTIFIED BY ", "").run(ctx, conn, server, password)
	}
	// MariaDB lets an account change itself in this way only, which keeps its plugin.
	return statement(doing, "SET PASSWORD = PASSWORD(", ")").run(ctx, conn, server, password)
}

// DiscardSecondPassword ends the second password of the accounts of a set. That there is none is no error.
func DiscardSecondPassword(ctx context.Context, conn *sql.Conn, server Server, set Set) error {
	if !server.can.secondPasswords {
		return rotation.Errorf(rotation.Permanent, "discard the second password of '%s': %s %s has no second passwords", set.User, server.Flavour, server.Version)
	}
	return eachAccount(ctx, conn, server, set, func(name Name) Statement {
		return statement("discard the second password of "+name.String(), server.alter()+quoteAccount(name)+" DISCARD OLD PASSWORD")
	})
}

// DiscardOwnSecondPassword ends the second password of the connection's own account.
func DiscardOwnSecondPassword(ctx context.Context, conn *sql.Conn, server Server) error {
	if !server.can.secondPasswords {
		return rotation.Errorf(rotation.Permanent, "discard the account's own second password: %s %s has no second passwords", server.Flavour, server.Version)
	}
	return statement("discard the account's own second password", "ALTER USER USER() DISCARD OLD PASSWORD").run(ctx, conn, server)
}
