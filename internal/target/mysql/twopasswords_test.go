package mysql_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql"
)

// A rotation with two passwords is surveyed before it is begun: what the server, the admin or the account can't do is said.
func TestSurveyForTwoPasswords(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		shop(t, s)
		create(t, s, "lesser", "%", password)
		exec(t, s, "GRANT SELECT ON mysql.* TO 'lesser'@'%'")
		on := newTarget(t, mysql.Options{})
		admin, own := question(loginTo(s, "lesser", password), rotation.DualPassword), question(loginTo(s, "app", password), rotation.DualPassword)
		if !since(t, s, 8, 0) {
			for _, q := range []target.Question{admin, own} {
				_, err := on.Survey(t.Context(), q)
				require.Equal(t, rotation.Permanent, rotation.KindOf(err))
				require.ErrorContains(t, err, "has no second passwords")
			}
			return
		}
		_, err := on.Survey(t.Context(), admin)
		require.ErrorContains(t, err, "CREATE USER")
		_, err = on.Survey(t.Context(), own)
		require.ErrorContains(t, err, "APPLICATION_PASSWORD_ADMIN")
		exec(t, s, "GRANT CREATE USER ON *.* TO 'lesser'@'%'", "GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO 'app'@'%'")
		survey, err := on.Survey(t.Context(), admin)
		require.NoError(t, err)
		require.False(t, survey.SecondPassword)
		survey, err = on.Survey(t.Context(), own)
		require.NoError(t, err)
		require.Len(t, survey.Notes, 2, "it sees neither its hosts nor its second password")

		session := lock(t, on, adminOf(s), rotation.PairOf("app", "_rt"))
		two := session.(target.TwoPasswords)
		seen, err := two.Passwords(t.Context(), "app")
		require.NoError(t, err)
		require.True(t, seen.Known && !seen.Second)
		require.NoError(t, two.SetBoth(t.Context(), seen, rotation.NewSecret(password), rotation.NewSecret(newOne), true))
		requireAccepted(t, on, loginTo(s, "app", password))
		requireAccepted(t, on, loginTo(s, "app", newOne))
		require.Equal(t, rotation.Retryable, rotation.KindOf(two.SetOnly(t.Context(), seen, rotation.NewSecret(password))), "it is not as it was seen any more")
		requireAccepted(t, on, loginTo(s, "app", newOne))
		seen, err = two.Passwords(t.Context(), "app")
		require.NoError(t, err)
		require.True(t, seen.Known && seen.Second)
		survey, err = on.Survey(t.Context(), admin)
		require.NoError(t, err)
		require.True(t, survey.SecondPassword)

		session.Close() // the account itself may not end a session of the admin
		// The account itself has to name its first password, and finds it among those that are likely.
		itself := lock(t, on, loginTo(s, "app", password), rotation.PairOf("app", "_rt")).(target.TwoPasswords)
		seen, err = itself.Passwords(t.Context(), "app")
		require.NoError(t, err)
		require.False(t, seen.Known)
		err = itself.SetOnly(t.Context(), seen, rotation.NewSecret(password))
		require.Equal(t, "3891", rotation.CodeOf(err))
		require.Equal(t, rotation.Retryable, rotation.KindOf(err))
		require.NoError(t, itself.SetOnly(t.Context(), seen, rotation.NewSecret(password), rotation.NewSecret(newOne)))
		requireAccepted(t, on, loginTo(s, "app", password))
		requireRefused(t, on, loginTo(s, "app", newOne))
	})
}

// An account sees and ends its own sessions; who has no right to see others' says so, and does not take them for none.
func TestSessions(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		create(t, s, "app", "%", password)
		create(t, s, "other", "%", password)
		on := newTarget(t, mysql.Options{})
		own, other := loginTo(s, "app", password), loginTo(s, "other", password)
		db, err := s.Open("app", password, "")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		conn, err := db.Conn(t.Context())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() }) // the server ends it

		found, err := on.Sessions(t.Context(), own, "app", false)
		require.NoError(t, err)
		require.Equal(t, 1, found.Open)
		require.Len(t, found.Hosts, 1)
		require.Zero(t, found.Ended)
		_, err = on.Sessions(t.Context(), other, "app", false)
		require.ErrorContains(t, err, "PROCESS")
		exec(t, s, "GRANT PROCESS ON *.* TO 'other'@'%'")
		found, err = on.Sessions(t.Context(), other, "app", false)
		require.NoError(t, err)
		require.Equal(t, 1, found.Open)
		_, err = on.Sessions(t.Context(), other, "app", true)
		require.ErrorContains(t, err, "CONNECTION_ADMIN")
		require.NoError(t, conn.PingContext(t.Context()))

		found, err = on.Sessions(t.Context(), own, "app", true)
		require.NoError(t, err)
		require.Equal(t, 1, found.Ended)
		require.Error(t, conn.PingContext(t.Context()))
		// The server takes a moment to forget the connections that the calls before had.
		require.Eventually(t, func() bool {
			found, err := on.Sessions(t.Context(), own, "app", false)
			return err == nil && found.Open == 0
		}, patience, 20*poll)
	})
}
