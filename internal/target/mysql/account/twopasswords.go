package account

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"rotor/internal/rotation"
)

// Mark is another one when a password of the accounts of a set has been changed (MySQL 8.0.14 and later). It is a digest of what the server has
// of the passwords, and is made there: hashes stay in the server. Only marks of the same salt can be compared. It takes SELECT on the mysql schema.
func Mark(ctx context.Context, conn *sql.Conn, server Server, set Set, salt string) (string, error) {
	r := reader{ctx: ctx, conn: conn, server: server, users: []string{set.User}}
	condition, args := r.named("u.User")
	var mark strings.Builder
	err := r.each("SELECT u.Host, SHA2(CONCAT_WS(' ', ?, u.plugin, u.authentication_string, JSON_EXTRACT(u.User_attributes, '$.additional_password')), 256)"+
		" FROM mysql.user u WHERE "+condition+" AND u.Host IN (''"+strings.Repeat(", ?", len(set.Accounts))+") ORDER BY u.Host",
		slices.Concat([]any{salt}, args, arguments(set.Hosts())), func(values []sql.NullString) error {
			mark.WriteString(values[0].String + " " + values[1].String + "\n")
			return nil
		})
	return mark.String(), Failure(err, "see whether the passwords of '%s' were changed", set.User)
}

// SetBoth makes the accounts of a set take two passwords, on all hosts: next as the first one, kept as the second, and none else
// (MySQL 8.0.14 and later). It is one statement, so that at no moment only one of the two is taken. kept is made the first one on the way, so that it
// is taken whatever somebody else has done right before; a password history forbids that (3638), and a policy that kept does not satisfy (1819).
// keptIsFirst leaves it out.
func SetBoth(ctx context.Context, conn *sql.Conn, server Server, set Set, kept, next rotation.Secret, keptIsFirst bool) error {
	var clauses []clause
	for _, a := range set.Accounts {
		if !keptIsFirst {
			clauses = append(clauses, server.passwordOf(set.User, a, kept, ""))
		}
		clauses = append(clauses, server.passwordOf(set.User, a, next, " RETAIN CURRENT PASSWORD"))
	}
	return alterTogether(ctx, conn, server, set, "give a second password to", clauses)
}

// SetOnly makes a password the only one that the accounts of a set take, on all hosts, in one statement (MySQL 8.0.14 and later). A password
// history forbids it where the accounts have had the password (3638).
func SetOnly(ctx context.Context, conn *sql.Conn, server Server, set Set, only rotation.Secret) error {
	var clauses []clause
	for _, a := range set.Accounts {
		clauses = append(clauses, server.passwordOf(set.User, a, only, ""), clause{before: quoteAccount(Name{set.User, a.Host}) + " DISCARD OLD PASSWORD"})
	}
	return alterTogether(ctx, conn, server, set, "discard the second password of", clauses)
}

// IsOwnFirst says whether a password is the first one of the connection's own account: the server compares it with that, and with that only, where
// the account gives itself the password that it has.
func IsOwnFirst(ctx context.Context, conn *sql.Conn, server Server, password rotation.Secret) (bool, error) {
	err := alterItself(ctx, conn, server, "compare the account's own password", func(name string) []clause {
		return []clause{{name + " IDENTIFIED BY ", password, " REPLACE ", password, ""}}
	})
	switch rotation.CodeOf(err) {
	case "3891":
		return false, nil
	case "3638": // it is, and a password history forbids to set it again
		return true, nil
	}
	return err == nil, err
}

// SetOwnBoth is SetBoth for the connection's own account, on the host that it is logged in from. first is its first password: with another one
// the server changes nothing (3891), but it takes no statements of the session afterwards (1820, seen on 9.7), so IsOwnFirst comes before it where
// kept is not first. It takes APPLICATION_PASSWORD_ADMIN.
func SetOwnBoth(ctx context.Context, conn *sql.Conn, server Server, first, kept, next rotation.Secret) error {
	return alterItself(ctx, conn, server, "give itself a second password", func(name string) []clause {
		last := clause{name + " IDENTIFIED BY ", next, " REPLACE ", kept, " RETAIN CURRENT PASSWORD"}
		if first.Equal(kept) {
			return []clause{last}
		}
		return []clause{{name + " IDENTIFIED BY ", kept, " REPLACE ", first, ""}, last}
	})
}

// SetOwnOnly is SetOnly for the connection's own account; see SetOwnBoth.
func SetOwnOnly(ctx context.Context, conn *sql.Conn, server Server, first, only rotation.Secret) error {
	return alterItself(ctx, conn, server, "discard its own second password", func(name string) []clause {
		return []clause{{name + " IDENTIFIED BY ", only, " REPLACE ", first, ""}, {before: name + " DISCARD OLD PASSWORD"}}
	})
}

// clause is one account's part of an ALTER USER. Several about the same account are carried out in their order (seen on 9.7), and the statement
// succeeds or fails as a whole.
type clause struct {
	before   string
	password rotation.Secret
	between  string
	replaced rotation.Secret
	after    string
}

func (s Server) passwordOf(user string, a Account, password rotation.Secret, after string) clause {
	before, _ := s.identified(a.Attributes.Plugin)
	return clause{before: quoteAccount(Name{user, a.Host}) + before, password: password, after: after}
}

// statementOf puts clauses together to one statement, and gives its passwords in their order.
func statementOf(doing, verb string, clauses []clause) (Statement, []rotation.Secret) {
	parts := []string{verb}
	var passwords []rotation.Secret
	add := func(text string) { parts[len(parts)-1] += text }
	for i, c := range clauses {
		if i > 0 {
			add(", ")
		}
		add(c.before)
		for _, one := range []struct {
			password rotation.Secret
			after    string
		}{{c.password, c.between}, {c.replaced, c.after}} {
			if !one.password.Empty() {
				passwords = append(passwords, one.password)
				parts = append(parts, "")
			}
			add(one.after)
		}
	}
	return statement(doing, parts...), passwords
}

func (s Server) checkTwo(user string, clauses []clause) error {
	if !s.can.secondPasswords {
		return rotation.Errorf(rotation.Permanent, "change the passwords of %s: %s %s has no second passwords", user, s.Flavour, s.Version)
	}
	if slices.ContainsFunc(clauses, func(c clause) bool {
		return c.password.Empty() && !strings.HasSuffix(c.before, " DISCARD OLD PASSWORD")
	}) {
		return rotation.Errorf(rotation.Permanent, "change the passwords of %s: an empty password is never set", user)
	}
	return nil
}

func alterTogether(ctx context.Context, conn *sql.Conn, server Server, set Set, doing string, clauses []clause) error {
	user := "'" + set.User + "'"
	if err := server.checkTwo(user, clauses); err != nil {
		return err
	}
	if len(set.Accounts) == 0 {
		return rotation.Errorf(rotation.Conflict, "the account %s does not exist on any host", user)
	}
	if err := server.CheckPlugins(set); err != nil {
		return err
	}
	s, passwords := statementOf(doing+" "+user+" on "+strings.Join(set.Hosts(), ", "), server.alter(), clauses)
	s.checksNotes = server.can.ifExists
	return s.run(ctx, conn, server, passwords...)
}

// alterItself names the account itself: USER() is taken in a statement of one clause only, and IF EXISTS takes CREATE USER (seen on 9.7).
func alterItself(ctx context.Context, conn *sql.Conn, server Server, doing string, of func(name string) []clause) error {
	self, err := currentUser(ctx, conn)
	if err != nil {
		return Failure(err, "%s", doing)
	}
	clauses := of(quoteAccount(self))
	if err := server.checkTwo("the account itself", clauses); err != nil {
		return err
	}
	s, passwords := statementOf(doing, "ALTER USER ", clauses)
	return s.run(ctx, conn, server, passwords...)
}

// currentUser is the account that the server has taken the connection's login for.
func currentUser(ctx context.Context, conn *sql.Conn) (Name, error) {
	var self string
	if err := conn.QueryRowContext(ctx, "SELECT CURRENT_USER()").Scan(&self); err != nil {
		return Name{}, err
	}
	at := strings.LastIndexByte(self, '@')
	return Name{self[:max(at, 0)], self[at+1:]}, nil
}
