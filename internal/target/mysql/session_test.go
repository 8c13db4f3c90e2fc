package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql"
)

// shop makes a schema with two tables, and an account that may read one of them.
func shop(t *testing.T, s *mysqld.Server) {
	t.Helper()
	exec(t, s, "CREATE DATABASE shop", "CREATE TABLE shop.orders (id INT)", "CREATE TABLE shop.cards (id INT)", "INSERT INTO shop.orders VALUES (1)")
	t.Cleanup(func() { _, _ = s.DB().Exec("DROP DATABASE shop") })
	create(t, s, "app", "%", password)
	exec(t, s, "GRANT SELECT ON shop.orders TO 'app'@'%'")
	t.Cleanup(func() { drop(s, "app_rt", "%") })
}

// can says whether an account may carry out a statement.
func can(t *testing.T, s *mysqld.Server, user, password, statement string) bool {
	t.Helper()
	db, err := s.Open(user, password, "")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	require.NoError(t, db.PingContext(t.Context()))
	_, err = db.ExecContext(t.Context(), statement)
	return err == nil
}

func TestARotationOfTwoAccounts(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		shop(t, s)
		on := newTarget(t, mysql.Options{})
		session := lock(t, on, adminOf(s), rotation.PairOf("app", "_rt"))
		exists := func(name string) bool {
			yes, err := session.Exists(t.Context(), name)
			require.NoError(t, err)
			return yes
		}
		differences := func() []string {
			found, err := session.Differences(t.Context(), "app_rt", "app")
			require.NoError(t, err)
			return found
		}
		require.True(t, exists("app"))
		require.False(t, exists("app_rt"))
		require.False(t, exists("APP"), "names differ by case")
		require.NotEmpty(t, differences())

		change, err := session.Create(t.Context(), "app_rt", "app", rotation.NewSecret(password+"-1"))
		require.NoError(t, err)
		require.NotEmpty(t, change.Given)
		require.True(t, exists("app_rt"))
		require.Empty(t, differences())
		requireAccepted(t, on, loginTo(s, "app_rt", password+"-1"))
		require.True(t, can(t, s, "app_rt", password+"-1", "SELECT * FROM shop.orders"))
		require.False(t, can(t, s, "app_rt", password+"-1", "SELECT * FROM shop.cards"))
		require.False(t, can(t, s, "app_rt", password+"-1", "DELETE FROM shop.orders"))
		requireAccepted(t, on, loginTo(s, "app", password))

		require.NoError(t, session.SetPassword(t.Context(), "app_rt", rotation.NewSecret(newOne)))
		requireAccepted(t, on, loginTo(s, "app_rt", newOne))
		requireRefused(t, on, loginTo(s, "app_rt", password+"-1"))
		requireAccepted(t, on, loginTo(s, "app", password))

		exec(t, s, "GRANT DELETE ON shop.orders TO 'app'@'%'", "GRANT SELECT ON shop.cards TO 'app_rt'@'%'")
		require.Len(t, differences(), 2)
		change, err = session.Level(t.Context(), "app_rt", "app", rotation.NewSecret(newOne))
		require.NoError(t, err)
		require.Contains(t, strings.Join(change.Given, "\n"), "DELETE")
		require.Contains(t, strings.Join(change.Taken, "\n"), "SELECT")
		require.Empty(t, change.LeftOut)
		require.Empty(t, differences())
		require.True(t, can(t, s, "app_rt", newOne, "DELETE FROM shop.orders"))
		require.False(t, can(t, s, "app_rt", newOne, "SELECT * FROM shop.cards"))

		require.NoError(t, session.Drop(t.Context(), "app_rt"))
		require.False(t, exists("app_rt"))
		require.NoError(t, session.Drop(t.Context(), "app_rt"), "dropping again is no error")
		requireRefused(t, on, loginTo(s, "app_rt", newOne))
		err = session.SetPassword(t.Context(), "app_rt", rotation.NewSecret(newOne))
		require.Equal(t, rotation.Conflict, rotation.KindOf(err), "%v", err)
		_, err = session.Create(t.Context(), "app_rt", "nobody", rotation.NewSecret(newOne))
		require.Equal(t, rotation.Permanent, rotation.KindOf(err), "%v", err)
		require.False(t, exists("app_rt"))
	})
}

func TestAnAccountWithSeveralHosts(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		// Which of the patterns matches a login over loopback depends on skip_name_resolve.
		hosts := []string{"%", "10.0.0.0/255.255.255.0", "127.0.0.%", "localhost"}
		for _, host := range hosts {
			create(t, s, "app", host, password)
			t.Cleanup(func() { drop(s, "app_rt", host) })
		}
		on := newTarget(t, mysql.Options{})
		requireAccepted(t, on, loginTo(s, "app", password))
		var matched string
		db, err := s.Open("app", password, "")
		require.NoError(t, err)
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', -1)").Scan(&matched))
		require.NoError(t, db.Close())
		require.NotEqual(t, "%", matched, "else the order would be the same by chance")

		r := newRelay(t, s, "127.0.0.1")
		session := lock(t, on, r.login(adminOf(s), rotation.TLSOff), rotation.PairOf("app", "_rt"))
		_, err = session.Create(t.Context(), "app_rt", "app", rotation.NewSecret(password))
		require.NoError(t, err)
		requireFirst(t, r.heard(), "CREATE USER ", matched, hosts)
		requireAccepted(t, on, loginTo(s, "app_rt", password))
		require.ElementsMatch(t, hosts, hostsOf(t, s, "app_rt"))

		before := len(r.heard())
		require.NoError(t, session.SetPassword(t.Context(), "app_rt", rotation.NewSecret(newOne)))
		change := "ALTER USER "
		if s.Flavour == mysqld.MySQL && !since(t, s, 5, 7) {
			change = "SET PASSWORD FOR "
		}
		requireFirst(t, r.heard()[before:], change, matched, hosts)
		requireAccepted(t, on, loginTo(s, "app_rt", newOne))
		requireRefused(t, on, loginTo(s, "app_rt", password))

		before = len(r.heard())
		require.NoError(t, session.(target.Disabler).Disable(t.Context(), "app_rt", rotation.NewSecret(password)))
		_, said, found := strings.Cut(r.heard()[before:], change)
		require.True(t, found)
		for _, host := range hosts {
			require.LessOrEqual(t, strings.Index(said, "`app_rt`@`"+host+"`"), strings.Index(said, "`app_rt`@`"+matched+"`"), "host %s", host)
		}
		requireAccepted(t, on, loginTo(s, "app_rt", password))

		before = len(r.heard())
		require.NoError(t, session.Drop(t.Context(), "app_rt"))
		require.Empty(t, hostsOf(t, s, "app_rt"))
		said = r.heard()[before:]
		at := strings.LastIndex(said, "DROP USER")
		require.Contains(t, said[at:], "`"+matched+"`", "the account that a login can prove is dropped last")
	})
}

// requireFirst: of all hosts, matched is named first from the first statement of a kind on.
func requireFirst(t *testing.T, said, statement, matched string, hosts []string) {
	t.Helper()
	begin := strings.Index(said, statement)
	require.NotEqual(t, -1, begin, statement)
	at := func(host string) int { return strings.Index(said[begin:], "`app_rt`@`"+host+"`") }
	require.NotEqual(t, -1, at(matched))
	for _, host := range hosts {
		if host != matched {
			require.Less(t, at(matched), at(host), "host %s", host)
		}
	}
}

func hostsOf(t *testing.T, s *mysqld.Server, user string) (hosts []string) {
	t.Helper()
	rows, err := s.DB().QueryContext(t.Context(), "SELECT Host FROM mysql.user WHERE User = '"+user+"'")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var host string
		require.NoError(t, rows.Scan(&host))
		hosts = append(hosts, host)
	}
	require.NoError(t, rows.Err())
	return hosts
}

func TestAnAccountChangesItself(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		create(t, s, "app", "%", password)
		on := newTarget(t, mysql.Options{})
		session := lock(t, on, loginTo(s, "app", password), rotation.PairOf("app", "_rt"))

		if since(t, s, 8, 0) {
			err := session.SetOwnPassword(t.Context(), rotation.NewSecret("not-the-0ld-one"), rotation.NewSecret(newOne))
			require.Equal(t, rotation.Retryable, rotation.KindOf(err), "%v", err)
			require.Equal(t, "3891", rotation.CodeOf(err))
			requireAccepted(t, on, loginTo(s, "app", password))
		}
		require.NoError(t, session.SetOwnPassword(t.Context(), rotation.NewSecret(password), rotation.NewSecret(newOne)))
		requireAccepted(t, on, loginTo(s, "app", newOne))
		requireRefused(t, on, loginTo(s, "app", password))
	})
}

// The session works whatever sql_mode the server gives it, with every character that means something in SQL.
func TestPasswordsUnderEverySQLMode(t *testing.T) {
	passwords := []string{
		`'`, `"`, `\`, "`", `\'`, `'\`, `\\'`, `''`, `';--`, `' OR '1'='1`, `%_?#@`, `x' IDENTIFIED BY 'y`, `$1 :name ?`, `/* */`, `-- `,
		"new\nline", "tab\tand\rreturn", "\x1a\x08\x7f", `\0\n\Z`, "  spaces  ", "é漢字", "😀", "ñ'ü\"", "0x41", "NULL", "*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29",
		"!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~",
		strings.Repeat("long", 50),
	}
	modes := []string{"", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "ANSI,TRADITIONAL,PIPES_AS_CONCAT,PAD_CHAR_TO_FULL_LENGTH"}
	mysqldtest.ForEach(t, func(t *testing.T, shared *mysqld.Server) {
		s := mysqldtest.Start(t, mysqld.Options{Binary: shared.Binary})
		on := newTarget(t, mysql.Options{})
		create(t, s, "app", "%", password)
		if since(t, s, 8, 0) {
			modes[4] = "ANSI,TRADITIONAL,PIPES_AS_CONCAT"
		}
		for _, mode := range modes {
			exec(t, s, "SET GLOBAL sql_mode = '"+mode+"'")
			before := ""
			for i, p := range passwords {
				name := fmt.Sprintf("password %d under %q", i, mode)
				session := lock(t, on, adminOf(s), rotation.PairOf("app", "_rt"))
				require.NoError(t, session.SetPassword(t.Context(), "app", rotation.NewSecret(p)), name)
				require.NoError(t, session.Drop(t.Context(), "app_rt"), name)
				_, err := session.Create(t.Context(), "app_rt", "app", rotation.NewSecret(p))
				require.NoError(t, err, name)
				session.Close()
				for _, user := range []string{"app", "app_rt"} {
					proof := on.Probe(t.Context(), loginTo(s, user, p))
					require.NoError(t, proof.Err, name)
					require.Equal(t, rotation.Accepted, proof.Answer, name)
				}
				if before != "" {
					requireRefused(t, on, loginTo(s, "app", before))
				}
				own := lock(t, on, loginTo(s, "app", p), rotation.PairOf("app", "_rt"))
				require.NoError(t, own.SetOwnPassword(t.Context(), rotation.NewSecret(p), rotation.NewSecret(p+"~")), name)
				own.Close()
				require.Equal(t, rotation.Accepted, on.Probe(t.Context(), loginTo(s, "app", p+"~")).Answer, name)
				requireRefused(t, on, loginTo(s, "app", p))
				before = p + "~"
			}
		}
	})
}

func TestAPasswordTooLongForAConnectionWithoutTLS(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		long := strings.Repeat("x", 230)
		create(t, s, "app", "%", long)
		proof := newTarget(t, mysql.Options{}).Probe(t.Context(), loginTo(s, "app", long))
		if !since(t, s, 8, 0) { // no public key there
			require.NoError(t, proof.Err)
			return
		}
		require.Equal(t, rotation.Unknown, proof.Answer)
		require.Equal(t, rotation.Permanent, rotation.KindOf(proof.Err))
		require.ErrorContains(t, proof.Err, "too long to be sent without TLS")
	})
}
