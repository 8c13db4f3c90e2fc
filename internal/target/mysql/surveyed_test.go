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

// The session that has looked changes nothing until it holds the lock, and is then one like any other.
func TestSessionThatHasLooked(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		shop(t, s)
		create(t, s, "app_rt", "%", password)
		on := newTarget(t, mysql.Options{})
		pair := rotation.PairOf("app", "_rt")
		look := func(t *testing.T) target.Surveyed {
			q := question(adminOf(s), rotation.DualAccount)
			q.Leave = true
			survey, err := on.Survey(t.Context(), q)
			require.NoError(t, err)
			require.NotNil(t, survey.Open)
			t.Cleanup(survey.Open.Close)
			return survey.Open
		}
		t.Run("it changes nothing before", func(t *testing.T) {
			open := look(t)
			before := accounts(t, s)
			require.Equal(t, "1792", rotation.CodeOf(mysql.TryToSetPassword(t, open, "app_rt", newOne)))
			require.Equal(t, before, accounts(t, s))
		})
		t.Run("it ends who holds the lock", func(t *testing.T) {
			open := look(t)
			holder := lock(t, on, adminOf(s), pair)
			session, err := open.Lock(t.Context())
			require.NoError(t, err)
			defer session.Close()
			require.Error(t, holder.SetPassword(t.Context(), "app_rt", rotation.NewSecret("T4zz-late-attempt")))
			_, err = session.Renew(t.Context(), "app_rt", "app", rotation.NewSecret(newOne))
			require.NoError(t, err)
			requireAccepted(t, on, loginTo(s, "app_rt", newOne))
			requireRefused(t, on, loginTo(s, "app_rt", password))
			differences, err := session.Differences(t.Context(), "app_rt", "app")
			require.NoError(t, err)
			require.Empty(t, differences)
		})
		t.Run("its own lock is taken away like any other", func(t *testing.T) {
			session, err := look(t).Lock(t.Context())
			require.NoError(t, err)
			defer session.Close()
			lock(t, on, adminOf(s), pair)
			require.Equal(t, rotation.Retryable, rotation.KindOf(session.SetPassword(t.Context(), "app_rt", rotation.NewSecret("T4zz-late-attempt"))))
			requireAccepted(t, on, loginTo(s, "app_rt", newOne))
		})
		t.Run("it was ended meanwhile", func(t *testing.T) {
			open := look(t)
			require.NoError(t, s.EndSessions(t.Context(), s.AdminUser))
			_, err := open.Lock(t.Context())
			require.Equal(t, rotation.Retryable, rotation.KindOf(err), "%v", err)
		})
		t.Run("it is closed where nobody asked for it", func(t *testing.T) {
			survey, err := on.Survey(t.Context(), question(adminOf(s), rotation.DualAccount))
			require.NoError(t, err)
			require.Nil(t, survey.Open)
		})
	})
}
