package account

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"rotor/internal/rotation"
)

// Apply carries changes out. The password is needed for Changes.WithPassword. It gives what was left out: privileges that
// may be missing and that the server refused. An error says which statement failed; those before it have taken effect.
func Apply(ctx context.Context, conn *sql.Conn, server Server, changes Changes, password rotation.Secret) ([]string, error) {
	if changes.Empty() {
		return nil, nil
	}
	if len(changes.WithPassword) > 0 && password.Empty() {
		return nil, rotation.Errorf(rotation.Permanent, "create '%s': an account without a password is never created", changes.User)
	}
	var leftOut []string
	for _, s := range changes.Statements() {
		err := s.run(ctx, conn, server, password)
		if err != nil && s.optional != "" && deniedCode(err) {
			leftOut = append(leftOut, s.optional)
			continue
		}
		if err != nil {
			return leftOut, err
		}
	}
	return leftOut, nil
}

// rounds bounds Level. One for what has to be created, one for the rest; the others are for what shows only then: MariaDB
// 10.11 and MySQL 5.6 keep routine privileges of a dropped account whose name is not ASCII, and give them to the next one
// of that name together with others on that routine.
const rounds = 4

// Level makes the accounts of standby the equals of those of current and proves it by reading both again. Accounts that
// are created, and those whose plugin changes, get the password. What it did comes along with an error, too.
func Level(ctx context.Context, conn *sql.Conn, server Server, current, standby string, password rotation.Secret, options Options) (Changes, error) {
	done := Changes{User: standby}
	var refused []string
	var left Changes
	for range rounds {
		var err error
		if left, err = Compare(ctx, conn, server, current, standby, options); err != nil {
			return done, err
		}
		left = left.except(refused)
		done.LeftOut, done.Notes = append(slices.Clone(refused), left.LeftOut...), left.Notes
		if left.Empty() {
			return done, nil
		}
		if server.Rehearse != nil { // nothing will have changed in the next round
			done.add(left)
			_, err := Apply(ctx, conn, server, left, password)
			return done, err
		}
		if len(left.WithPassword) > 0 {
			left = Changes{User: standby, WithPassword: left.WithPassword, Given: left.accounts}
		}
		leftOut, err := Apply(ctx, conn, server, left, password)
		done.add(left)
		refused = append(refused, leftOut...)
		if err != nil {
			return done, err
		}
	}
	return done, rotation.Errorf(rotation.Conflict, "'%s' is still not the equal of '%s' after all statements succeeded; the last ones: %s",
		standby, current, joinStatements(left.Statements()))
}

// except leaves out what the server refused before and what may be missing.
func (c Changes) except(refused []string) Changes {
	c.Level = slices.DeleteFunc(slices.Clone(c.Level), func(s Statement) bool {
		return s.optional != "" && slices.Contains(refused, s.optional)
	})
	return c
}

// add appends what was done in another round.
func (c *Changes) add(more Changes) {
	c.WithPassword = append(c.WithPassword, more.WithPassword...)
	c.Level = append(c.Level, more.Level...)
	c.Drops = append(c.Drops, more.Drops...)
	c.Given, c.Taken = append(c.Given, more.Given...), append(c.Taken, more.Taken...)
}

// Compare reads both accounts and gives their difference.
func Compare(ctx context.Context, conn *sql.Conn, server Server, current, standby string, options Options) (Changes, error) {
	from, to, err := ReadBoth(ctx, conn, server, current, standby)
	if err != nil {
		return Changes{}, err
	}
	return CompareSets(ctx, conn, server, from, to, options)
}

// CompareSets gives the difference of accounts that were read.
func CompareSets(ctx context.Context, conn *sql.Conn, server Server, current, standby Set, options Options) (Changes, error) {
	if len(current.Accounts) == 0 {
		return Changes{}, rotation.Errorf(rotation.Permanent, "the account '%s' does not exist on any host", current.User)
	}
	changes, err := Difference(server, current, standby, options)
	if err != nil {
		return Changes{}, err
	}
	return changes, checkColumnsExist(ctx, conn, changes)
}

func joinStatements(statements []Statement) string {
	texts := make([]string, len(statements))
	for i, s := range statements {
		texts[i] = s.String()
	}
	return strings.Join(texts, "; ")
}

// Drop drops the account on all its hosts. That there is none is no error. Sessions that are open stay open.
func Drop(ctx context.Context, conn *sql.Conn, server Server, user string) error {
	set, err := Read(ctx, conn, server, user)
	if err != nil {
		return err
	}
	for _, a := range set.Accounts {
		err := server.dropStatement(Name{user, a.Host}).run(ctx, conn, server)
		if err != nil && rotation.CodeOf(err) != fmt.Sprint(erCannotUser) {
			return err
		}
	}
	return nil
}

// SetLocked locks or unlocks the account on all its hosts. Sessions that are open stay open. Servers before MySQL 5.7 and
// MariaDB 10.4 can't, which is a permanent error.
func SetLocked(ctx context.Context, conn *sql.Conn, server Server, set Set, locked bool) error {
	if !server.can.lock {
		return rotation.Errorf(rotation.Permanent, "lock '%s': %s %s can't lock accounts", set.User, server.Flavour, server.Version)
	}
	clause, doing := " ACCOUNT LOCK", "lock "
	if !locked {
		clause, doing = " ACCOUNT UNLOCK", "unlock "
	}
	return eachAccount(ctx, conn, server, set, func(name Name) Statement {
		return statement(doing+name.String(), server.alter()+quoteAccount(name)+clause)
	})
}

// eachAccount runs ALTER USER on each account of a set.
func eachAccount(ctx context.Context, conn *sql.Conn, server Server, set Set, of func(name Name) Statement, passwords ...rotation.Secret) error {
	if len(set.Accounts) == 0 {
		return rotation.Errorf(rotation.Conflict, "the account '%s' does not exist on any host", set.User)
	}
	for _, a := range set.Accounts {
		s := of(Name{set.User, a.Host})
		s.checksNotes = server.can.ifExists && strings.Contains(s.parts[0], "IF EXISTS")
		if err := s.run(ctx, conn, server, passwords...); err != nil {
			return err
		}
	}
	return nil
}
