package mysql_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql"
)

// A rehearsal tells what a session would do and does nothing of it, beside a session that holds the lock.
func TestRehearsalChangesNothing(t *testing.T) {
	const never = "never-0815-set"
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		shop(t, s)
		create(t, s, "other", "%", password)
		t.Cleanup(func() { drop(s, "other", "%") })
		on, pair := newTarget(t, mysql.Options{}), rotation.PairOf("app", "_rt")
		locked := lock(t, on, adminOf(s), pair)
		before := accounts(t, s)
		for name, test := range map[string]struct {
			act   func(ctx context.Context, rehearsal target.Session) error
			lines []string
		}{
			"create": {func(ctx context.Context, r target.Session) error {
				change, err := r.Create(ctx, "app_rt", "app", rotation.NewSecret(never))
				require.NotEmpty(t, change.Given)
				return err
			}, []string{"CREATE USER", "GRANT SELECT ON `shop`.`orders` TO `app_rt`@`%`"}},
			"set a password": {func(ctx context.Context, r target.Session) error {
				return r.SetPassword(ctx, "other", rotation.NewSecret(never))
			}, []string{"`other`@`%`"}},
			"level": {func(ctx context.Context, r target.Session) error {
				_, err := r.Level(ctx, "other", "app", rotation.NewSecret(never))
				return err
			}, []string{"GRANT SELECT ON `shop`.`orders` TO `other`@`%`"}},
			"drop": {func(ctx context.Context, r target.Session) error { return r.Drop(ctx, "other") }, []string{"DROP USER"}},
		} {
			t.Run(name, func(t *testing.T) {
				script := &target.Script{}
				rehearsal, err := on.Rehearse(t.Context(), adminOf(s), pair, script)
				require.NoError(t, err)
				defer rehearsal.Close()
				require.NoError(t, test.act(t.Context(), rehearsal))
				require.Len(t, script.Lines, len(test.lines), script.Lines)
				for i, line := range script.Lines {
					require.Contains(t, line, test.lines[i])
					require.NotContains(t, line, never)
				}
				require.Equal(t, before, accounts(t, s))
			})
		}
		t.Run("its own password", func(t *testing.T) {
			script := &target.Script{}
			rehearsal, err := on.Rehearse(t.Context(), loginTo(s, "app", password), pair, script)
			require.NoError(t, err)
			defer rehearsal.Close()
			require.NoError(t, rehearsal.SetOwnPassword(t.Context(), rotation.NewSecret(password), rotation.NewSecret(never)))
			require.Len(t, script.Lines, 1)
			require.NotContains(t, script.Lines[0], never)
			require.NotContains(t, script.Lines[0], password)
			requireAccepted(t, on, loginTo(s, "app", password))
		})
		exists, err := locked.Exists(t.Context(), "app")
		require.NoError(t, err, "whoever holds the lock goes on")
		require.True(t, exists)
	})
}

// Were a statement sent all the same, the server would refuse it.
func TestLookingSessionsMayNotChange(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		shop(t, s)
		for _, statement := range []string{
			"CREATE USER 'app_rt'@'%' IDENTIFIED BY 'never-0815-set'", "GRANT SELECT ON shop.* TO 'app'@'%'", "REVOKE SELECT ON shop.orders FROM 'app'@'%'",
			"DROP USER 'app'@'%'", "SET PASSWORD FOR 'app'@'%' = " + hashed(s, "never-0815-set"),
		} {
			before := accounts(t, s)
			err := mysql.ExecReading(t, newTarget(t, mysql.Options{}), adminOf(s), statement)
			require.Error(t, err, statement)
			require.Contains(t, err.Error(), "1792", statement)
			require.Equal(t, before, accounts(t, s), statement)
		}
	})
}

// hashed is how SET PASSWORD takes a password.
func hashed(s *mysqld.Server, text string) string {
	if s.Flavour == mysqld.MySQL && !strings.HasPrefix(s.Version, "5.") {
		return "'" + text + "'"
	}
	return "PASSWORD('" + text + "')"
}

// findings surveys as a check does.
func findings(t *testing.T, s *mysqld.Server, on *mysql.Target, q target.Question) *rotation.Findings {
	t.Helper()
	q.Findings = &rotation.Findings{}
	before := accounts(t, s)
	_, err := on.Survey(t.Context(), q)
	require.NoError(t, q.Findings.Problem("survey", err))
	require.Equal(t, before, accounts(t, s))
	return q.Findings
}

func wordsOf(found *rotation.Findings) (words []string) {
	for _, f := range found.All {
		words = append(words, f.Word)
	}
	return words
}

// What a check tells of the account pair and of the server, beyond what a rotation would be Refused for.
func TestSurveyTells(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		locks := s.Flavour == mysqld.MariaDB || since(t, s, 5, 7)
		for name, test := range map[string]struct {
			setup []string
			// before is made first and undone at the end.
			before func(t *testing.T, on *mysql.Target)
			ask    func(q *target.Question)
			words  []string
			only   bool
		}{
			"nothing":             {words: nil, only: true},
			"an equal partner":    {setup: []string{"CREATE USER 'app_rt'@'%'", "GRANT SELECT ON shop.orders TO 'app_rt'@'%'"}, only: true},
			"a partner with more": {setup: []string{"CREATE USER 'app_rt'@'%'", "GRANT INSERT ON shop.orders TO 'app_rt'@'%'"}, words: []string{rotation.WarningDrift}},
			"an expired partner":  {setup: []string{"CREATE USER 'app_rt'@'%'", "ALTER USER 'app_rt'@'%' PASSWORD EXPIRE"}, words: []string{rotation.WarningExpired}},
			"a locked partner":    {setup: []string{"CREATE USER 'app_rt'@'%'", "ALTER USER 'app_rt'@'%' ACCOUNT LOCK"}, words: []string{rotation.WarningLocked}},
			"a lock that the admin can't end": {setup: []string{"CREATE USER 'lesser'@'%' IDENTIFIED BY '" + password + "'",
				"GRANT SELECT, UPDATE ON mysql.* TO 'lesser'@'%'", "GRANT CREATE USER ON *.* TO 'lesser'@'%'", "GRANT ALL ON shop.* TO 'lesser'@'%' WITH GRANT OPTION"},
				before: func(t *testing.T, on *mysql.Target) { lock(t, on, adminOf(s), rotation.PairOf("app", "_rt")) },
				ask:    func(q *target.Question) { q.By = loginTo(s, "lesser", password) }, words: []string{rotation.WarningKill}},
			"all at once": {setup: []string{"CREATE USER 'lesser'@'%' IDENTIFIED BY '" + password + "'", "GRANT SELECT ON mysql.* TO 'lesser'@'%'"},
				ask:   func(q *target.Question) { q.By = loginTo(s, "lesser", password) },
				words: []string{rotation.FindingAdminRights, rotation.FindingAdminRights}},
			"an account that is not there": {ask: func(q *target.Question) { q.Current, q.Pair = "gone", rotation.PairOf("gone", "_rt") },
				words: []string{rotation.FindingMissing}},
		} {
			if name == "a locked partner" && !locks {
				continue // nothing can be locked there
			}
			t.Run(name, func(t *testing.T) {
				shop(t, s)
				t.Cleanup(func() { drop(s, "lesser", "%") })
				exec(t, s, test.setup...)
				on := newTarget(t, mysql.Options{})
				if test.before != nil {
					test.before(t, on)
				}
				q := question(adminOf(s), rotation.DualAccount)
				if test.ask != nil {
					test.ask(&q)
				}
				found := findings(t, s, on, q)
				if test.only {
					require.Empty(t, found.All)
					require.NotEmpty(t, found.Looked)
				}
				for _, word := range test.words {
					require.Contains(t, wordsOf(found), word, found.All)
				}
				require.GreaterOrEqual(t, len(found.All), len(test.words), found.All)
				for _, f := range found.All {
					require.NotEmpty(t, f.Do, f)
				}
			})
		}
	})
}
