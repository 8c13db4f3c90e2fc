package account_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/rotation"
	"rotor/internal/target/mysql/account"
)

// Two passwords are taken, on every host and whichever was the first one before; then one. Servers without second passwords say so before
// they are asked.
func TestTwoPasswords(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w, first, second, third := worldOn(t, s), newPassword(), newPassword(), newPassword()
		w.account(t, "twin", "%", first)
		w.account(t, "twin", "10.1.2.3", first)
		conn := connect(t, s.DB())
		read := func() account.Set {
			set, err := account.Read(t.Context(), conn, w.server, "twin")
			require.NoError(t, err)
			return set
		}
		taken := func(passwords ...rotation.Secret) {
			t.Helper()
			for _, p := range []rotation.Secret{first, second, third} {
				require.Equal(t, slices.ContainsFunc(passwords, p.Equal), w.canLogIn(t, "twin", p))
			}
			for _, a := range read().Accounts {
				require.Equal(t, len(passwords) > 1, a.SecondPassword, a.Host)
			}
		}
		err := account.SetBoth(t.Context(), conn, w.server, read(), first, second, true)
		if !w.server.TakesSecondPassword() {
			require.Equal(t, rotation.Permanent, rotation.KindOf(err))
			require.ErrorContains(t, err, "has no second passwords")
			require.ErrorContains(t, account.SetOnly(t.Context(), conn, w.server, read(), second), "has no second passwords")
			own := w.login(t, "twin", first)
			require.ErrorContains(t, account.SetOwnBoth(t.Context(), own, w.server, first, first, second), "has no second passwords")
			require.ErrorContains(t, account.SetOwnOnly(t.Context(), own, w.server, first, second), "has no second passwords")
			require.True(t, w.canLogIn(t, "twin", first), "nothing was changed")
			return
		}
		require.NoError(t, err)
		taken(first, second)
		changes, err := account.Difference(w.server, account.Set{User: "x", Accounts: read().Accounts[1:]}, read(), account.Options{})
		require.NoError(t, err)
		require.Equal(t, []string{"'twin'@'10.1.2.3' accepts a second password, too"}, changes.Notes)
		// first is the second password now: without making it the first one, it would be lost.
		for range 2 {
			require.NoError(t, account.SetBoth(t.Context(), conn, w.server, read(), first, third, false))
			taken(first, third)
		}
		for range 2 {
			require.NoError(t, account.SetOnly(t.Context(), conn, w.server, read(), first))
			taken(first)
		}
		require.NoError(t, account.SetPassword(t.Context(), conn, w.server, read(), second))
		taken(second)
		require.ErrorContains(t, account.SetOnly(t.Context(), conn, w.server, read(), rotation.Secret{}), "empty password")
	})
}

// An account gives itself a second password where it has the right to, and never on the word of who does not know the first one.
func TestTwoPasswordsOfItsOwn(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w, first, second, third := worldOn(t, s), newPassword(), newPassword(), newPassword()
		w.account(t, "self", "%", first)
		own := w.login(t, "self", first)
		may, err := account.CanKeepOwnPassword(t.Context(), own, w.server)
		require.NoError(t, err)
		require.False(t, may)
		if !w.server.TakesSecondPassword() {
			return
		}
		require.Equal(t, "1227", rotation.CodeOf(account.SetOwnBoth(t.Context(), own, w.server, first, first, second)))
		w.exec(t, "GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO self@'%'")
		own = w.login(t, "self", first)
		may, err = account.CanKeepOwnPassword(t.Context(), own, w.server)
		require.NoError(t, err)
		require.True(t, may)

		taken := func(passwords ...rotation.Secret) {
			t.Helper()
			for _, p := range []rotation.Secret{first, second, third} {
				require.Equal(t, slices.ContainsFunc(passwords, p.Equal), w.canLogIn(t, "self", p))
			}
		}
		require.NoError(t, account.SetOwnBoth(t.Context(), own, w.server, first, first, second))
		taken(first, second)
		require.Equal(t, "3891", rotation.CodeOf(account.SetOwnBoth(t.Context(), own, w.server, first, first, third)), "the second password is not the first")
		taken(first, second)
		require.NoError(t, account.SetOwnBoth(t.Context(), own, w.server, second, first, third))
		taken(first, third)
		for password, is := range map[rotation.Secret]bool{first: false, second: false, third: true} {
			found, err := account.IsOwnFirst(t.Context(), own, w.server, password)
			require.NoError(t, err)
			require.Equal(t, is, found)
		}
		w.exec(t, "ALTER USER self@'%' PASSWORD HISTORY 5")
		found, err := account.IsOwnFirst(t.Context(), own, w.server, third)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, "3638", rotation.CodeOf(account.SetOwnOnly(t.Context(), own, w.server, third, third)))
		w.exec(t, "ALTER USER self@'%' PASSWORD HISTORY 0")
		own = w.login(t, "self", third) // the server takes nothing from the session of a statement like that any more
		require.NoError(t, account.SetOwnOnly(t.Context(), own, w.server, third, first))
		taken(first)
	})
}

func TestLocking(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w, password := worldOn(t, s), newPassword()
		w.account(t, "shut", "%", password)
		conn := connect(t, s.DB())
		set, err := account.Read(t.Context(), conn, w.server, "shut")
		require.NoError(t, err)
		err = account.SetLocked(t.Context(), conn, w.server, set, true)
		if !w.server.CanLock() {
			require.Equal(t, rotation.Permanent, rotation.KindOf(err))
			return
		}
		require.NoError(t, err)
		require.False(t, w.canLogIn(t, "shut", password))
		require.NoError(t, account.SetLocked(t.Context(), conn, w.server, set, false))
		require.True(t, w.canLogIn(t, "shut", password))
	})
}

// A table that was dropped leaves privileges behind, which are cloned; those on a column that was dropped can't be, which is
// found before the first change.
func TestPrivilegesOnWhatIsGone(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w := worldOn(t, s)
		w.account(t, "old", "%", newPassword())
		w.exec(t, "CREATE TABLE acct.gone (a INT, b INT)", "GRANT SELECT, INSERT ON acct.gone TO old@'%' WITH GRANT OPTION", "DROP TABLE acct.gone")
		w.level(t, "old", "old_rt", newPassword())

		w.exec(t, "CREATE TABLE acct.gone (a INT, b INT)", "GRANT UPDATE (a, b) ON acct.gone TO old@'%'", "ALTER TABLE acct.gone DROP COLUMN b")
		w.execAfter(t, "DROP TABLE acct.gone")
		before := w.dump(t, "old_rt")
		_, err := account.Level(t.Context(), connect(t, s.DB()), w.server, "old", "old_rt", newPassword(), account.Options{})
		require.Equal(t, rotation.Permanent, rotation.KindOf(err))
		require.ErrorContains(t, err, "`b` of `acct`.`gone`")
		require.Equal(t, before, w.dump(t, "old_rt"))
	})
}

// Servers give a new account what they remember of a dropped one of its name: the clone has no more than the original,
// in the server's memory and in its tables.
func TestNothingIsInheritedFromADroppedAccount(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w := worldOn(t, s)
		for _, user := range []string{"heir", "hé"} {
			w.account(t, user, "%", newPassword())
			w.exec(t, "GRANT EXECUTE ON PROCEDURE acct.f1 TO '"+user+"'@'%'", "GRANT SELECT ON acct.* TO '"+user+"'@'%'")
			clone := user + "_rt"
			w.account(t, clone, "%", newPassword())
			for _, routine := range w.routines {
				if !strings.HasPrefix(routine.Kind, "PACKAGE") {
					w.exec(t, fmt.Sprintf("GRANT EXECUTE, ALTER ROUTINE ON %s %s.`%s` TO '%s'@'%%'", routine.Kind, routine.Schema, strings.ReplaceAll(routine.Name, "`", "``"), clone))
				}
			}
			w.drop(t, clone)
			conn := connect(t, s.DB())
			_, err := account.Level(t.Context(), conn, w.server, user, clone, newPassword(), account.Options{})
			require.NoError(t, err)
			current, err := account.Read(t.Context(), conn, w.server, user)
			require.NoError(t, err)
			standby, err := account.Read(t.Context(), conn, w.server, clone)
			require.NoError(t, err)
			require.Equal(t, lines(current), lines(standby))
			if user == "heir" { // of the other one the servers garble the rows
				require.Equal(t, w.dump(t, user), w.dump(t, clone))
			}
		}
	})
}

// Somebody who writes to the grant tables without FLUSH PRIVILEGES makes them differ from what counts: an error, not a guess.
func TestTablesThatDoNotCountAreAnError(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w := worldOn(t, s)
		w.account(t, "raw", "%", newPassword())
		w.exec(t, "GRANT SELECT (a) ON acct.t1 TO raw@'%'", "UPDATE mysql.columns_priv SET Column_priv = 'Select,Update' WHERE User = 'raw'")
		_, err := account.Read(t.Context(), connect(t, s.DB()), w.server, "raw")
		if w.server.HasDynamic() || w.server.Flavour == account.MariaDB { // before, columns can't be compared
			require.Equal(t, rotation.Permanent, rotation.KindOf(err))
			require.ErrorContains(t, err, "FLUSH PRIVILEGES")
		}
		w.exec(t, "UPDATE mysql.columns_priv SET Column_priv = 'Select' WHERE User = 'raw'")
		_, err = account.Read(t.Context(), connect(t, s.DB()), w.server, "raw")
		require.NoError(t, err)
	})
}

// An anonymous account on a more specific host takes the clients away from the one that is rotated.
func TestShadowingAnonymousAccounts(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		s = mysqldtest.Start(t, mysqld.Options{Binary: s.Binary})
		w := worldOn(t, s)
		w.account(t, "dark", "%", newPassword())
		w.exec(t, "CREATE USER ''@'localhost'", "CREATE USER ''@'%'")
		set, err := account.Read(t.Context(), connect(t, s.DB()), w.server, "dark")
		require.NoError(t, err)
		require.Equal(t, []string{"localhost"}, set.Shadows)
	})
}

// An account that authenticates in another way can't be cloned; what is wrong is said, and nothing is changed.
func TestAccountsWithoutAPasswordAreRefused(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w := worldOn(t, s)
		create, plugin := "CREATE USER sock@'%' IDENTIFIED VIA unix_socket", "unix_socket"
		switch {
		case w.server.HasDynamic():
			create, plugin = "CREATE USER sock@'%' IDENTIFIED WITH auth_socket", "auth_socket"
			_, err := s.DB().ExecContext(t.Context(), "INSTALL PLUGIN auth_socket SONAME 'auth_socket.so'")
			require.NoError(t, err)
			w.execAfter(t, "UNINSTALL PLUGIN auth_socket")
		case w.server.Flavour == account.MySQL:
			create, plugin = "CREATE USER sock@'%' IDENTIFIED WITH sha256_password", "sha256_password"
		}
		w.exec(t, create)
		w.dropAfter(t, "sock")
		conn := connect(t, s.DB())
		_, err := account.Level(t.Context(), conn, w.server, "sock", "sock_rt", newPassword(), account.Options{})
		require.Equal(t, rotation.Permanent, rotation.KindOf(err))
		require.ErrorContains(t, err, plugin)
		require.Empty(t, w.dump(t, "sock_rt"))
		set, err := account.Read(t.Context(), conn, w.server, "sock")
		require.NoError(t, err)
		require.Error(t, account.SetPassword(t.Context(), conn, w.server, set, newPassword()))
	})
}

// Errors hold what was tried and a number, never a password, whatever the server answers.
func TestNoErrorHoldsAPassword(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w, password := worldOn(t, s), rotation.NewSecret("C4N4RY'\"--")
		w.account(t, "quiet", "%", newPassword())
		few := newPassword()
		w.account(t, "few", "%", few)
		w.exec(t, "GRANT SELECT ON mysql.* TO few@'%'")
		conn := w.login(t, "few", few)
		set, err := account.Read(t.Context(), conn, w.server, "quiet")
		require.NoError(t, err)
		clone := set
		clone.User = "quiet_rt"
		changes, err := account.Difference(w.server, set, account.Set{User: "quiet_rt"}, account.Options{})
		require.NoError(t, err)
		require.Contains(t, changes.WithPassword[0].String(), "'***'")
		w.dropAfter(t, "quiet_rt")

		over, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		_, denied := account.Apply(t.Context(), conn, w.server, changes, password)
		_, late := account.Apply(over, conn, w.server, changes, password)
		gone := account.SetPassword(t.Context(), connect(t, s.DB()), w.server, clone, password)
		notAllowed := account.SetPassword(t.Context(), conn, w.server, set, password)
		closed := connect(t, s.DB())
		require.NoError(t, closed.Close())
		broken := account.SetPassword(t.Context(), closed, w.server, set, password)
		for name, err := range map[string]error{"denied": denied, "late": late, "gone": gone, "not allowed": notAllowed, "broken": broken} {
			var ours *rotation.Error
			require.ErrorAs(t, err, &ours, name)
			require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), "C4N4RY", name)
			require.NotEmpty(t, ours.Code, name)
		}
		require.Equal(t, "timeout", rotation.CodeOf(late))
		require.Equal(t, "lost", rotation.CodeOf(broken))
		require.Empty(t, w.dump(t, "quiet_rt"))
	})
}
