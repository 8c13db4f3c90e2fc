package account_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/rotation"
	"rotor/internal/target/mysql/account"
)

// These are faults that other programs have.

// level makes clone the equal of original and fails the test if that fails.
func (w *world) level(t *testing.T, original, clone string, password rotation.Secret) account.Changes {
	t.Helper()
	w.dropAfter(t, clone)
	changes, err := account.Level(t.Context(), connect(t, w.DB()), w.server, original, clone, password, account.Options{})
	require.NoError(t, err)
	require.Equal(t, w.dump(t, original), w.dump(t, clone))
	return changes
}

// The account of the reference, with everything that this server has of it, is cloned; a second look finds nothing to do.
func TestTheExampleIsCloned(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w := worldOn(t, s)
		w.account(t, "example", "%", newPassword())
		w.exec(t, "GRANT SELECT, RELOAD, PROCESS ON *.* TO example@'%'",
			"GRANT SELECT, INSERT ON `my\\_db`.* TO example@'%'",
			"GRANT ALL PRIVILEGES ON `wild%`.* TO example@'%'",
			"GRANT SELECT (`a`), UPDATE (`a`, `b`), DELETE ON acct.t1 TO example@'%' WITH GRANT OPTION",
			"GRANT SELECT (`b``q`), INSERT ON `odd to db`.`t TO x` TO example@'%'",
			"GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE acct.`p``1` TO example@'%'",
			"GRANT PROXY ON 'gopt'@'%' TO example@'%'")
		if w.server.HasDynamic() {
			w.exec(t, "GRANT BACKUP_ADMIN, XA_RECOVER_ADMIN ON *.* TO example@'%'",
				"GRANT CONNECTION_ADMIN ON *.* TO example@'%' WITH GRANT OPTION")
		}
		if len(w.roles) > 0 {
			w.exec(t, "GRANT r1 TO example@'%'", "GRANT `r 2` TO example@'%' WITH ADMIN OPTION")
		}
		w.level(t, "example", "example_rt", newPassword())
		again := w.level(t, "example", "example_rt", newPassword())
		require.Empty(t, again.Statements())
		require.Empty(t, again.Given)
	})
}

// Fault 2: whoever died after CREATE USER left an account that logs in and may do nothing. That it logs in is not enough.
func TestAnAccountThatOnlyLogsInIsBroughtLevel(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w, password := worldOn(t, s), newPassword()
		w.account(t, "half", "%", newPassword())
		w.account(t, "half_rt", "%", password)
		w.exec(t, "GRANT SELECT, INSERT ON acct.* TO half@'%'")
		conn := w.login(t, "half_rt", password)
		_, err := conn.ExecContext(t.Context(), "SELECT a FROM acct.t1")
		require.Error(t, err, "it may already")

		changes := w.level(t, "half", "half_rt", newPassword())
		require.Empty(t, changes.WithPassword, "the password is left alone")
		require.Len(t, changes.Level, 1)
		conn = w.login(t, "half_rt", password)
		_, err = conn.ExecContext(t.Context(), "SELECT a FROM acct.t1")
		require.NoError(t, err)
	})
}

// Fault 3: GRANT OPTION is copied, what is revoked is revoked from the clone, too, and what the clone has more is taken.
// The clone can do what the original can, and can't do what it can't.
func TestGrantOptionAndRevocationsFollow(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w := worldOn(t, s)
		passwords := map[string]rotation.Secret{"chief": newPassword(), "chief_rt": newPassword()}
		w.account(t, "chief", "%", passwords["chief"])
		w.account(t, "other", "%", newPassword())
		may := func(user, statement string) bool {
			_, err := w.login(t, user, passwords[user]).ExecContext(t.Context(), statement)
			return err == nil
		}
		deeds := map[string]string{
			"read":    "SELECT a FROM acct.t1",
			"write":   "INSERT INTO acct.t1 (a) VALUES (1)",
			"create":  "CREATE TABLE IF NOT EXISTS acct.made (a INT)",
			"pass on": "GRANT SELECT ON acct.t1 TO other@'%'",
			"call":    "CALL acct.`p``1`()",
		}
		for _, step := range []struct {
			name    string
			change  []string
			allowed []string
		}{
			{"little", []string{"GRANT SELECT ON acct.* TO chief@'%'"}, []string{"read"}},
			{"grant option", []string{"GRANT SELECT ON acct.* TO chief@'%' WITH GRANT OPTION"}, []string{"pass on", "read"}},
			{"more", []string{"GRANT INSERT, CREATE ON acct.* TO chief@'%'", "GRANT EXECUTE ON PROCEDURE acct.`p``1` TO chief@'%'"},
				[]string{"call", "create", "pass on", "read", "write"}},
			{"less", []string{"REVOKE INSERT, GRANT OPTION ON acct.* FROM chief@'%'"}, []string{"call", "create", "read"}},
			{"columns only", []string{"REVOKE SELECT, CREATE ON acct.* FROM chief@'%'", "GRANT SELECT (a) ON acct.t1 TO chief@'%'",
				"REVOKE EXECUTE ON PROCEDURE acct.`p``1` FROM chief@'%'"}, []string{"read"}},
		} {
			w.exec(t, step.change...)
			w.level(t, "chief", "chief_rt", passwords["chief_rt"])
			for user := range passwords {
				var allowed []string
				for name, deed := range deeds {
					if may(user, deed) {
						allowed = append(allowed, name)
					}
				}
				slices.Sort(allowed)
				require.Equal(t, step.allowed, allowed, "%s after %q", user, step.name)
			}
			require.False(t, may("chief_rt", "SELECT b FROM acct.t1") && step.name == "columns only", "a column more")
		}
		w.exec(t, "GRANT DELETE ON `wild%`.* TO chief_rt@'%'", "DROP TABLE acct.made")
		changes := w.level(t, "chief", "chief_rt", newPassword())
		require.Equal(t, []string{"DELETE on `wild%`.* from 'chief_rt'@'%'"}, changes.Taken)
	})
}

// Fault 5: the forms of statements are chosen by what the server is. Every way to set a password works on each.
func TestPasswordsAreSetOnEveryServer(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w := worldOn(t, s)
		first, second, third := newPassword(), newPassword(), newPassword()
		w.account(t, "pass", "%", first)
		w.account(t, "pass", "10.1.2.3", first)
		w.exec(t, "GRANT SELECT ON acct.* TO pass@'%'")
		conn := connect(t, s.DB())
		set, err := account.Read(t.Context(), conn, w.server, "pass")
		require.NoError(t, err)
		require.NoError(t, account.SetPassword(t.Context(), conn, w.server, set, second))
		require.True(t, w.canLogIn(t, "pass", second))
		require.False(t, w.canLogIn(t, "pass", first))
		after, err := account.Read(t.Context(), conn, w.server, "pass")
		require.NoError(t, err)
		require.Equal(t, set, after, "nothing but the password changed")

		own := w.login(t, "pass", second)
		require.NoError(t, account.SetOwnPassword(t.Context(), own, w.server, second, third))
		require.True(t, w.canLogIn(t, "pass", third))
		require.False(t, w.canLogIn(t, "pass", second))
		if w.server.TakesOldPassword() {
			err = account.SetOwnPassword(t.Context(), own, w.server, first, second)
			require.Equal(t, rotation.Conflict, rotation.KindOf(err))
			require.Equal(t, "3891", rotation.CodeOf(err))
		}
		err = account.SetPassword(t.Context(), conn, w.server, set, rotation.Secret{})
		require.Equal(t, rotation.Permanent, rotation.KindOf(err), "an empty password")
		w.drop(t, "pass")
		err = account.SetPassword(t.Context(), conn, w.server, set, second)
		require.Equal(t, rotation.Conflict, rotation.KindOf(err), "an account that is gone: %v", err)
	})
}

// Fault 7: an account has several hosts, each with privileges of its own; the clone gets them all, and no others.
func TestEveryHostIsCloned(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w, password := worldOn(t, s), newPassword()
		for i, host := range []string{"%", "10.0.0.0/255.255.255.0", "localhost"} {
			w.account(t, "far", host, newPassword())
			w.exec(t, "GRANT "+[]string{"SELECT", "INSERT", "UPDATE"}[i]+" ON acct.* TO far@'"+host+"'")
		}
		w.account(t, "far_rt", "elsewhere.example.com", newPassword())
		conn := connect(t, s.DB())
		w.dropAfter(t, "far_rt")
		changes, err := account.Level(t.Context(), conn, w.server, "far", "far_rt", password, account.Options{FirstHost: "localhost"})
		require.NoError(t, err)
		require.Equal(t, w.dump(t, "far"), w.dump(t, "far_rt"))
		require.Len(t, changes.WithPassword, 3)
		require.Contains(t, changes.WithPassword[0].String(), "`far_rt`@`localhost`", "the first host comes first")
		require.Contains(t, changes.Taken, "the account 'far_rt'@'elsewhere.example.com'")
		require.True(t, w.canLogIn(t, "far_rt", password))
	})
}

// Fault 20: ALTER USER of an account that a replica doesn't have stops the replica, so IF EXISTS is there where it can be;
// on this server an account that is gone is an error all the same.
func TestAccountsThatAreGone(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w := worldOn(t, s)
		w.account(t, "gone", "%", newPassword())
		w.account(t, "gone_rt", "%", newPassword())
		w.exec(t, "GRANT USAGE ON *.* TO gone_rt@'%'")
		conn := connect(t, s.DB())
		current, err := account.Read(t.Context(), conn, w.server, "gone")
		require.NoError(t, err)
		current.Accounts[0].Attributes.Limits.Queries = 7
		standby, err := account.Read(t.Context(), conn, w.server, "gone_rt")
		require.NoError(t, err)
		changes, err := account.Difference(w.server, current, standby, account.Options{})
		require.NoError(t, err)
		require.Len(t, changes.Level, 1)
		w.drop(t, "gone_rt")
		_, err = account.Apply(t.Context(), conn, w.server, changes, rotation.Secret{})
		require.Equal(t, rotation.Conflict, rotation.KindOf(err), "%v", err)
		require.Empty(t, w.dump(t, "gone_rt"), "5.6 makes an account without a password by GRANT")
		if w.server.AltersUsers() {
			require.True(t, strings.HasPrefix(changes.Level[0].String(), "ALTER USER IF EXISTS "))
		}
		require.NoError(t, account.Drop(t.Context(), conn, w.server, "gone_rt"), "dropping what is gone")
	})
}

// Fault 21: passwords and names with every special character, in whatever sql_mode the session was.
func TestEveryCharacterSurvivesEverySQLMode(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w := worldOn(t, s)
		const original, clone = `o'd"d\na`, `o'd"d\na_rt`
		password := rotation.NewSecret("Aa1 '\\\"`%?#;--\n\té\U0001F600\\'")
		w.exec(t, "CREATE USER `"+original+"`@'%' IDENTIFIED BY '"+newPassword().Reveal()+"'", "GRANT SELECT ON `my\\_db`.* TO `"+original+"`@'%'")
		w.dropAfter(t, original)
		w.dropAfter(t, clone)
		for _, mode := range []string{"DEFAULT", "''", "'NO_BACKSLASH_ESCAPES'", "'ANSI_QUOTES'", "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'"} {
			conn := connectTo(t, s.DB())
			_, err := conn.ExecContext(t.Context(), "SET SESSION sql_mode = "+mode+", sql_quote_show_create = 0, autocommit = 0")
			require.NoError(t, err)
			server, err := account.Open(t.Context(), conn, account.Opening{})
			require.NoError(t, err)
			var sees bool
			require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT @@autocommit").Scan(&sees))
			require.True(t, sees, "each statement sees what others have done meanwhile")
			require.Equal(t, w.server.Policy, server.Policy, mode)
			w.drop(t, clone)
			_, err = account.Level(t.Context(), conn, w.server, original, clone, password, account.Options{})
			require.NoError(t, err, mode)
			require.Equal(t, w.dump(t, original), w.dump(t, clone), mode)
			require.True(t, w.canLogIn(t, clone, password), mode)
			set, err := account.Read(t.Context(), conn, w.server, clone)
			require.NoError(t, err)
			require.NoError(t, account.SetPassword(t.Context(), conn, w.server, set, password))
			require.True(t, w.canLogIn(t, clone, password), mode)
		}
	})
}
