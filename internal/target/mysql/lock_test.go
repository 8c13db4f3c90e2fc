package mysql_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql"
)

func TestANewSessionEndsTheOneThatHoldsTheLock(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		create(t, s, "app", "%", password)
		on := newTarget(t, mysql.Options{})
		pair := rotation.PairOf("app", "_rt")
		former := lock(t, on, adminOf(s), pair)
		require.NoError(t, former.SetPassword(t.Context(), "app", rotation.NewSecret(password)))

		r := newRelay(t, s, "127.0.0.1")
		present := lock(t, on, r.login(adminOf(s), rotation.TLSPreferred), pair)

		err := former.SetPassword(t.Context(), "app", rotation.NewSecret("too-Late-1_x"))
		require.Equal(t, rotation.Retryable, rotation.KindOf(err), "%v", err)
		requireAccepted(t, on, loginTo(s, "app", password))
		_, err = former.Exists(t.Context(), "app")
		require.Error(t, err, "a session that was ended stays ended")
		former.Close()
		require.NoError(t, present.SetPassword(t.Context(), "app", rotation.NewSecret(newOne)))
		requireAccepted(t, on, loginTo(s, "app", newOne))
		requireRefused(t, on, loginTo(s, "app", password))
		require.Equal(t, 1, r.connections())
	})
}

func TestOtherPairsAreNotDisturbed(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		on := newTarget(t, mysql.Options{})
		one := lock(t, on, adminOf(s), rotation.PairOf("app", "_rt"))
		two := lock(t, on, adminOf(s), rotation.PairOf("other", "_rt"))
		for _, session := range []target.Session{one, two} {
			exists, err := session.Exists(t.Context(), "nobody")
			require.NoError(t, err)
			require.False(t, exists)
		}
		// Whoever rotates the account in another way, or as part of another pair, is kept out, too.
		lock(t, on, adminOf(s), rotation.PairOf("app_clone", "_clone"))
		_, err := one.Exists(t.Context(), "nobody")
		require.Equal(t, rotation.Retryable, rotation.KindOf(err), "%v", err)
	})
}

func TestCloseGivesTheLockBack(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		on := newTarget(t, mysql.Options{})
		r := newRelay(t, s, "127.0.0.1")
		session := lock(t, on, r.login(adminOf(s), rotation.TLSPreferred), rotation.PairOf("app", "_rt"))
		free := func() (free bool) {
			require.NoError(t, s.DB().QueryRowContext(t.Context(), "SELECT IS_FREE_LOCK('"+lockNameIn(t, r.heard())+"')").Scan(&free))
			return free
		}
		require.False(t, free())
		session.Close()
		require.True(t, free())
		session.Close()
		_, err := session.Exists(t.Context(), "app")
		require.Equal(t, rotation.Retryable, rotation.KindOf(err))
	})
}

// hang makes a session wait in the server with a change of password, behind FLUSH TABLES WITH READ LOCK, and then takes
// its client away. Unlock ends the read lock.
func hang(t *testing.T, s *mysqld.Server, on *mysql.Target) (session target.Session, unlock func()) {
	t.Helper()
	blocker, err := s.DB().Conn(t.Context())
	require.NoError(t, err)
	session, err = on.Lock(t.Context(), adminOf(s), rotation.PairOf("app", "_rt"))
	require.NoError(t, err)
	_, err = blocker.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK")
	require.NoError(t, err)
	var once sync.Once
	unlock = func() {
		once.Do(func() {
			_, err := blocker.ExecContext(context.WithoutCancel(t.Context()), "UNLOCK TABLES")
			require.NoError(t, err)
			require.NoError(t, blocker.Close())
		})
	}
	t.Cleanup(unlock)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() { failed <- session.SetPassword(ctx, "app", rotation.NewSecret(newOne)) }()
	waiting(t, s, "%app%")
	cancel()
	err = <-failed
	require.Equal(t, rotation.Retryable, rotation.KindOf(err), "%v", err)
	var ours *rotation.Error
	require.ErrorAs(t, err, &ours)
	require.True(t, ours.Unanswered, "nobody knows yet whether the password changes")
	return session, unlock
}

func TestAHangingChangeOfADeadAttemptIsNeverCarriedOut(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		create(t, s, "app", "%", password)
		// So long that the server doesn't give up by itself.
		on := newTarget(t, mysql.Options{StatementTimeout: time.Hour})
		_, unlock := hang(t, s, on) // its Close is never called, as if the worker had been killed

		session := lock(t, on, adminOf(s), rotation.PairOf("app", "_rt"))

		var left int
		require.NoError(t, s.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%app%' AND ID <> CONNECTION_ID()").Scan(&left))
		require.Zero(t, left, "the lock counts only once the former session is gone")
		unlock()
		requireAccepted(t, on, loginTo(s, "app", password))
		requireRefused(t, on, loginTo(s, "app", newOne))
		require.NoError(t, session.SetPassword(t.Context(), "app", rotation.NewSecret(newOne)))
		requireAccepted(t, on, loginTo(s, "app", newOne))
		requireRefused(t, on, loginTo(s, "app", password))
	})
}

// Without the KILL, the same change does take effect: the test above could fail.
func TestAHangingChangeWouldBeCarriedOut(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		create(t, s, "app", "%", password)
		on := newTarget(t, mysql.Options{StatementTimeout: time.Hour})
		_, unlock := hang(t, s, on)
		unlock()
		require.Eventually(t, func() bool {
			return on.Probe(t.Context(), loginTo(s, "app", newOne)).Answer == rotation.Accepted
		}, patience, 100*time.Millisecond)
	})
}

func TestCloseEndsAHangingChange(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		create(t, s, "app", "%", password)
		on := newTarget(t, mysql.Options{StatementTimeout: time.Hour})
		session, unlock := hang(t, s, on)
		session.Close()
		require.Eventually(t, func() bool {
			var left int
			err := s.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%app%' AND ID <> CONNECTION_ID()").Scan(&left)
			return err == nil && left == 0
		}, patience, poll)
		unlock()
		requireAccepted(t, on, loginTo(s, "app", password))
		requireRefused(t, on, loginTo(s, "app", newOne))
	})
}

func TestTheServerGivesUpBeforeTheClient(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		create(t, s, "app", "%", password)
		on := newTarget(t, mysql.Options{StatementTimeout: 3 * time.Second})
		session := lock(t, on, adminOf(s), rotation.PairOf("app", "_rt"))
		blocker, err := s.DB().Conn(t.Context())
		require.NoError(t, err)
		_, err = blocker.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK")
		require.NoError(t, err)
		err = session.SetPassword(t.Context(), "app", rotation.NewSecret(newOne))
		require.Equal(t, rotation.Retryable, rotation.KindOf(err), "%v", err)
		switch {
		case s.Flavour == mysqld.MariaDB:
			require.Equal(t, "1969", rotation.CodeOf(err))
		case since(t, s, 5, 7):
			require.Equal(t, "1205", rotation.CodeOf(err))
		default: // 5.6 waits as long as it takes; the client gives up, and Close ends the session
			require.Equal(t, "lost", rotation.CodeOf(err))
			session.Close()
		}
		_, err = blocker.ExecContext(t.Context(), "UNLOCK TABLES")
		require.NoError(t, err)
		require.NoError(t, blocker.Close())
		requireAccepted(t, on, loginTo(s, "app", password))
		requireRefused(t, on, loginTo(s, "app", newOne))
	})
}

func TestALockThatCannotBeHadInTime(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		create(t, s, "lesser", "%", password)
		exec(t, s, "GRANT SELECT ON mysql.* TO 'lesser'@'%'", "GRANT CREATE USER ON *.* TO 'lesser'@'%'")
		on := newTarget(t, mysql.Options{LockTimeout: 300 * time.Millisecond})
		pair := rotation.PairOf("app", "_rt")
		holder := lock(t, on, adminOf(s), pair)

		_, err := on.Lock(t.Context(), loginTo(s, "lesser", password), pair)
		require.Equal(t, rotation.Retryable, rotation.KindOf(err), "%v", err)
		require.Equal(t, "1095", rotation.CodeOf(err))
		require.ErrorContains(t, err, "CONNECTION_ADMIN")
		_, err = holder.Exists(t.Context(), "app")
		require.NoError(t, err, "the holder is not disturbed")

		// It waits for a session that it may not end.
		patient := newTarget(t, mysql.Options{LockTimeout: patience})
		got := make(chan error)
		go func() {
			session, err := patient.Lock(t.Context(), loginTo(s, "lesser", password), pair)
			if err == nil {
				session.Close()
			}
			got <- err
		}()
		waitForSessions(t, s, "lesser", 1)
		holder.Close()
		require.NoError(t, <-got)
	})
}

func waitForSessions(t *testing.T, s *mysqld.Server, user string, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		var have int
		err := s.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = ?", user).Scan(&have)
		return err == nil && have == n
	}, patience, poll)
}

// Attempts that come all at once: at the end exactly one session works. On MySQL 5.6 a KILL can leave its session waiting
// until it is idle for too long.
func TestManyAttemptsAtOnce(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		on := newTarget(t, mysql.Options{IdleTimeout: 3 * time.Second})
		pair := rotation.PairOf("app", "_rt")
		const attempts = 8
		sessions := make([]target.Session, attempts)
		var wait sync.WaitGroup
		for i := range attempts {
			wait.Go(func() {
				session, err := on.Lock(t.Context(), adminOf(s), pair)
				if err == nil {
					sessions[i] = session
					t.Cleanup(session.Close)
					return
				}
				if rotation.KindOf(err) != rotation.Retryable {
					t.Errorf("attempt %d: %v", i, err)
				}
			})
		}
		wait.Wait()
		working := 0
		for _, session := range sessions {
			if session == nil {
				continue
			}
			if _, err := session.Exists(t.Context(), "app"); err == nil {
				working++
			} else {
				require.Equal(t, rotation.Retryable, rotation.KindOf(err), "%v", err)
			}
		}
		require.Equal(t, 1, working)
	})
}

func TestALostSessionIsNeverReplaced(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		create(t, s, "app", "%", password)
		on := newTarget(t, mysql.Options{})
		for name, lose := range map[string]func(r *relay){
			"connection cut": func(r *relay) { r.cut() },
			"session killed": func(*relay) {
				var id int
				require.NoError(t, s.DB().QueryRowContext(t.Context(), "SELECT MAX(ID) FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND USER = ?", s.AdminUser).Scan(&id))
				exec(t, s, fmt.Sprintf("KILL %d", id))
			},
		} {
			t.Run(name, func(t *testing.T) {
				r := newRelay(t, s, "127.0.0.1")
				session := lock(t, on, r.login(adminOf(s), rotation.TLSPreferred), rotation.PairOf("app", "_rt"))
				lose(r)
				for range 3 {
					err := session.SetPassword(t.Context(), "app", rotation.NewSecret(newOne))
					require.Equal(t, rotation.Retryable, rotation.KindOf(err), "%v", err)
				}
				require.Equal(t, 1, r.connections())
				requireAccepted(t, on, loginTo(s, "app", password))
				requireRefused(t, on, loginTo(s, "app", newOne))
			})
		}
	})
}

func TestTheLockTakenAwayIsNoticed(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		create(t, s, "app", "%", password)
		on := newTarget(t, mysql.Options{})
		r := newRelay(t, s, "127.0.0.1")
		session := lock(t, on, r.login(adminOf(s), rotation.TLSPreferred), rotation.PairOf("app", "_rt"))
		// What a proxy does that gives each statement another connection: the lock is held, and not by this session.
		name := lockNameIn(t, r.heard())
		other, err := s.DB().Conn(t.Context())
		require.NoError(t, err)
		defer func() { _ = other.Close() }()
		mysql.ReleaseLock(t, session)
		var got int
		require.NoError(t, other.QueryRowContext(t.Context(), "SELECT GET_LOCK('"+name+"', 5)").Scan(&got))
		require.Equal(t, 1, got)

		err = session.SetPassword(t.Context(), "app", rotation.NewSecret(newOne))
		require.Equal(t, rotation.Retryable, rotation.KindOf(err))
		require.Equal(t, "lock lost", rotation.CodeOf(err))
		requireAccepted(t, on, loginTo(s, "app", password))
	})
}

func TestAServerThatDiesUnderTheLock(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, shared *mysqld.Server) {
		s := mysqldtest.Start(t, mysqld.Options{Binary: shared.Binary})
		create(t, s, "app", "%", password)
		on := newTarget(t, mysql.Options{})
		pair := rotation.PairOf("app", "_rt")
		session := lock(t, on, adminOf(s), pair)
		require.NoError(t, s.Kill())

		err := session.SetPassword(t.Context(), "app", rotation.NewSecret(newOne))
		require.Equal(t, rotation.Retryable, rotation.KindOf(err), "%v", err)
		_, err = on.Lock(t.Context(), adminOf(s), pair)
		require.Equal(t, rotation.Retryable, rotation.KindOf(err), "%v", err)
		require.Equal(t, "refused", rotation.CodeOf(err))
		require.Equal(t, rotation.Unknown, on.Probe(t.Context(), loginTo(s, "app", password)).Answer)

		require.NoError(t, s.Restart(t.Context()))
		err = session.SetPassword(t.Context(), "app", rotation.NewSecret(newOne))
		require.Equal(t, rotation.Retryable, rotation.KindOf(err), "the session does not come back with the server")
		requireAccepted(t, on, loginTo(s, "app", password))
		again := lock(t, on, adminOf(s), pair)
		require.NoError(t, again.SetPassword(t.Context(), "app", rotation.NewSecret(newOne)))
		requireAccepted(t, on, loginTo(s, "app", newOne))
		requireRefused(t, on, loginTo(s, "app", password))
	})
}
