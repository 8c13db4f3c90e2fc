package mysql_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql"
)

func question(by target.Login, strategy rotation.Strategy) target.Question {
	return target.Question{By: by, Strategy: strategy, Pair: rotation.PairOf("app", "_rt"), Current: "app"}
}

// accounts is the state of all accounts of a server, with their password hashes.
func accounts(t *testing.T, s *mysqld.Server) string {
	t.Helper()
	hash := "authentication_string"
	if s.Flavour == mysqld.MySQL && !since(t, s, 5, 7) {
		hash = "Password"
	}
	rows, err := s.DB().QueryContext(t.Context(), "SELECT CONCAT_WS('|', User, Host, HEX("+hash+")) FROM mysql.user ORDER BY 1")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var all []string
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		all = append(all, line)
	}
	require.NoError(t, rows.Err())
	return strings.Join(all, "\n")
}

func TestSurveyChangesNothing(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		shop(t, s)
		on := newTarget(t, mysql.Options{})
		before := accounts(t, s)
		proof := requireAccepted(t, on, loginTo(s, "app", password))

		survey, err := on.Survey(t.Context(), question(adminOf(s), rotation.DualAccount))
		require.NoError(t, err)
		require.Equal(t, target.Survey{Server: proof.Server}, survey)
		require.Equal(t, before, accounts(t, s))

		create(t, s, "app_rt", "%", password)
		before = accounts(t, s)
		survey, err = on.Survey(t.Context(), question(adminOf(s), rotation.DualAccount))
		require.NoError(t, err)
		require.Equal(t, target.Survey{Server: proof.Server, StandbyExists: true}, survey)

		survey, err = on.Survey(t.Context(), question(adminOf(s), rotation.SingleUser))
		require.NoError(t, err)
		require.Equal(t, target.Survey{Server: proof.Server}, survey)

		survey, err = on.Survey(t.Context(), question(loginTo(s, "app", password), rotation.SingleUser))
		require.NoError(t, err)
		require.Equal(t, proof.Server, survey.Server)
		require.Len(t, survey.Notes, 1, "it can't see its other hosts")
		require.Equal(t, before, accounts(t, s))
	})
}

func TestSurveyRefuses(t *testing.T) {
	const admin = "lesser"
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		reading, creating := "GRANT SELECT ON mysql.* TO 'lesser'@'%'", "GRANT CREATE USER ON *.* TO 'lesser'@'%'"
		all := "GRANT ALL ON shop.* TO 'lesser'@'%' WITH GRANT OPTION"
		onlyReading, old := reading, s.Flavour == mysqld.MySQL && !since(t, s, 5, 7)
		if old {
			reading = "GRANT SELECT, UPDATE ON mysql.* TO 'lesser'@'%'"
		}
		for name, test := range map[string]struct {
			skip  bool
			setup []string
			ask   func(q *target.Question)
			// because is in the error; "" if there must be none.
			because, code string
		}{
			"enough rights":            {setup: []string{reading, creating, all}},
			"single, enough rights":    {setup: []string{reading, creating}, ask: single},
			"no right to create users": {setup: []string{reading, all}, because: "lacks CREATE USER"},
			"single, no right to":      {setup: []string{reading}, ask: single, because: "lacks CREATE USER"},
			"no right to change passwords": {skip: !old, setup: []string{onlyReading, creating, all},
				because: "lacks UPDATE on the mysql schema"},
			"single, no right to change them": {skip: !old, setup: []string{onlyReading, creating}, ask: single,
				because: "lacks UPDATE on the mysql schema"},
			"no right to read accounts": {setup: []string{creating, all}, because: "SELECT on mysql.*"},
			"no right to grant":         {setup: []string{reading, creating}, because: "can't grant SELECT"},
			"equal already, no right to change": {because: "lacks CREATE USER",
				setup: []string{reading, all, "CREATE USER 'app_rt'@'%'", "GRANT SELECT ON shop.orders TO 'app_rt'@'%'"}},
			"name too long": {setup: []string{reading, creating}, because: "characters; this server takes",
				ask: func(q *target.Question) {
					q.Current = strings.Repeat("n", 127)
					q.Pair = rotation.PairOf(q.Current, "_rt")
				}},
			"current missing": {setup: []string{reading, creating}, because: `"gone" does not exist`,
				ask: func(q *target.Question) { q.Current, q.Pair = "gone", rotation.PairOf("gone", "_rt") }},
			"several hosts, itself": {setup: []string{"CREATE USER 'app'@'10.1.1.1'", "GRANT SELECT ON mysql.* TO 'app'@'%'"}, because: "on several hosts (%, 10.1.1.1)",
				ask: func(q *target.Question) { q.By, q.Strategy = loginTo(s, "app", password), rotation.SingleUser }},
			"wrong admin password": {because: "refuses the login", code: "1045",
				ask: func(q *target.Question) { q.By.Password = rotation.NewSecret("wrong") }},
		} {
			if test.skip {
				continue
			}
			t.Run(name, func(t *testing.T) {
				shop(t, s)
				create(t, s, admin, "%", password)
				t.Cleanup(func() { drop(s, "app", "10.1.1.1") })
				exec(t, s, test.setup...)
				q := question(loginTo(s, admin, password), rotation.DualAccount)
				if test.ask != nil {
					test.ask(&q)
				}
				before := accounts(t, s)
				_, err := newTarget(t, mysql.Options{}).Survey(t.Context(), q)
				require.Equal(t, before, accounts(t, s))
				if test.because == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, test.because)
				require.Equal(t, rotation.Permanent, rotation.KindOf(err))
				if test.code != "" {
					require.Equal(t, test.code, rotation.CodeOf(err))
				}
			})
		}
	})
}

func single(q *target.Question) { q.Strategy = rotation.SingleUser }

// An account that authenticates without a password can be given none: that is known before anything is changed.
func TestSurveyOfAccountsWithoutAPassword(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		how, plugin := "VIA unix_socket", "unix_socket"
		switch {
		case since(t, s, 8, 0):
			how, plugin = "WITH auth_socket", "auth_socket"
			exec(t, s, "INSTALL PLUGIN auth_socket SONAME 'auth_socket.so'")
			t.Cleanup(func() { _, _ = s.DB().Exec("UNINSTALL PLUGIN auth_socket") })
		case s.Flavour == mysqld.MySQL:
			how, plugin = "WITH sha256_password", "sha256_password"
		}
		for name, test := range map[string]struct {
			account  string
			strategy rotation.Strategy
		}{"the standby": {"app_rt", rotation.DualAccount}, "the one account": {"app", rotation.SingleUser}} {
			t.Run(name, func(t *testing.T) {
				if test.account != "app" {
					create(t, s, "app", "%", password)
				}
				exec(t, s, "CREATE USER '"+test.account+"'@'%' IDENTIFIED "+how)
				t.Cleanup(func() { drop(s, test.account, "%") })
				_, err := newTarget(t, mysql.Options{}).Survey(t.Context(), question(adminOf(s), test.strategy))
				require.Equal(t, rotation.Permanent, rotation.KindOf(err), "%v", err)
				require.ErrorContains(t, err, plugin)
			})
		}
	})
}

func TestSurveyOfAReadOnlyServer(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, shared *mysqld.Server) {
		s := mysqldtest.Start(t, mysqld.Options{Binary: shared.Binary})
		create(t, s, "app", "%", password)
		on := newTarget(t, mysql.Options{})
		_, err := on.Survey(t.Context(), question(adminOf(s), rotation.DualAccount))
		require.NoError(t, err)
		exec(t, s, "SET GLOBAL read_only = ON")
		_, err = on.Survey(t.Context(), question(adminOf(s), rotation.DualAccount))
		require.Equal(t, rotation.Permanent, rotation.KindOf(err), "%v", err)
		require.Equal(t, "1290", rotation.CodeOf(err))
		require.ErrorContains(t, err, "read-only")
	})
}

func TestSurveySeesThatPasswordsAreKept(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		if !since(t, s, 8, 0) {
			return // no history of passwords without a plugin
		}
		create(t, s, "app", "%", password)
		create(t, s, "app_rt", "%", password)
		on := newTarget(t, mysql.Options{})
		for name, test := range map[string]struct {
			setup    string
			strategy rotation.Strategy
			by       target.Login
			keeps    bool
		}{
			"nothing":               {"ALTER USER 'app'@'%' PASSWORD HISTORY DEFAULT", rotation.DualAccount, adminOf(s), false},
			"the current account":   {"ALTER USER 'app'@'%' PASSWORD HISTORY 2", rotation.DualAccount, adminOf(s), true},
			"the one account":       {"ALTER USER 'app'@'%' PASSWORD REUSE INTERVAL 2 DAY", rotation.SingleUser, adminOf(s), true},
			"the standby account":   {"ALTER USER 'app_rt'@'%' PASSWORD REUSE INTERVAL 2 DAY", rotation.DualAccount, adminOf(s), true},
			"another account":       {"ALTER USER 'app_rt'@'%' PASSWORD REUSE INTERVAL 2 DAY", rotation.SingleUser, adminOf(s), false},
			"server-wide":           {"SET GLOBAL password_history = 3", rotation.DualAccount, adminOf(s), true},
			"server-wide, itself":   {"SET GLOBAL password_history = 3", rotation.SingleUser, loginTo(s, "app", password), true},
			"switched off for them": {"ALTER USER 'app'@'%', 'app_rt'@'%' PASSWORD HISTORY 0", rotation.DualAccount, adminOf(s), false},
		} {
			t.Run(name, func(t *testing.T) {
				t.Cleanup(func() {
					for _, reset := range []string{"SET GLOBAL password_history = 0", "ALTER USER 'app'@'%', 'app_rt'@'%' PASSWORD HISTORY DEFAULT PASSWORD REUSE INTERVAL DEFAULT"} {
						_, err := s.DB().Exec(reset)
						require.NoError(t, err)
					}
				})
				exec(t, s, test.setup)
				survey, err := on.Survey(t.Context(), question(test.by, test.strategy))
				require.NoError(t, err)
				require.Equal(t, test.keeps, survey.KeepsPasswords)
			})
		}
	})
}

func TestSurveyReportsAnonymousAccounts(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		create(t, s, "app", "%", password)
		exec(t, s, "CREATE USER ''@'10.1.2.3'")
		t.Cleanup(func() { drop(s, "", "10.1.2.3") })
		survey, err := newTarget(t, mysql.Options{}).Survey(t.Context(), question(adminOf(s), rotation.DualAccount))
		require.NoError(t, err)
		require.Len(t, survey.Notes, 1)
		require.Contains(t, survey.Notes[0], "anonymous")
		require.Contains(t, survey.Notes[0], "10.1.2.3")
	})
}
