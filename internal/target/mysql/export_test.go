package mysql

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql/account"
)

// ReleaseLock gives up the lock of a session behind its back.
func ReleaseLock(t *testing.T, of target.Session) {
	t.Helper()
	s := of.(*session)
	_, err := s.conn.ExecContext(t.Context(), "DO RELEASE_LOCK(?)", s.lock)
	require.NoError(t, err)
}

// ExecReading sends a statement on a session that only looks.
func ExecReading(t *testing.T, on *Target, by target.Login, statement string) error {
	t.Helper()
	s, err := on.login(t.Context(), by, rotation.Pair{}, true)
	require.NoError(t, err)
	defer s.Close()
	_, err = s.conn.ExecContext(t.Context(), statement)
	return err
}

// TryToSetPassword changes a password on a session that has no lock.
func TryToSetPassword(t *testing.T, on target.Surveyed, name, password string) error {
	t.Helper()
	s := on.(surveyed).session
	set, err := account.Read(t.Context(), s.conn.Conn, s.server, name)
	require.NoError(t, err)
	return account.SetPassword(t.Context(), s.conn.Conn, s.server, set, rotation.NewSecret(password))
}
