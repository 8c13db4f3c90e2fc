package mysql_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql"
)

func TestMain(m *testing.M) { mysqldtest.Main(m) }

const (
	patience = 10 * time.Second
	poll     = 5 * time.Millisecond

	password = "k7Lm-2pQ_x9-current"
	newOne   = "T4zz-8vB_w1-pending"
)

func newTarget(t *testing.T, options mysql.Options) *mysql.Target {
	t.Helper()
	made, err := mysql.New(options)
	require.NoError(t, err)
	return made
}

// place is where the server is, by TLS mode.
func place(s *mysqld.Server, mode rotation.TLSMode) rotation.Place {
	return rotation.Place{Host: s.Host, Port: s.Port, TLS: mode}
}

func loginTo(s *mysqld.Server, account, password string) target.Login {
	return target.Login{Place: place(s, rotation.TLSPreferred), Account: account, Password: rotation.NewSecret(password)}
}

func adminOf(s *mysqld.Server) target.Login { return loginTo(s, s.AdminUser, s.AdminPassword) }

// exec runs statements as the server's own admin.
func exec(t *testing.T, s *mysqld.Server, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := s.DB().ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

// create makes an account that goes when the test ends.
func create(t *testing.T, s *mysqld.Server, user, host, password string) {
	t.Helper()
	exec(t, s, fmt.Sprintf("CREATE USER '%s'@'%s' IDENTIFIED BY '%s'", user, host, password))
	t.Cleanup(func() { drop(s, user, host) })
}

// drop is for cleaning up: the test may have dropped it, too.
func drop(s *mysqld.Server, user, host string) {
	_, _ = s.DB().Exec(fmt.Sprintf("DROP USER '%s'@'%s'", user, host))
}

// since says whether the server is a MySQL of that version or later.
func since(t *testing.T, s *mysqld.Server, major, minor int) bool {
	t.Helper()
	var a, b int
	_, err := fmt.Sscanf(s.Version, "%d.%d", &a, &b)
	require.NoError(t, err)
	return s.Flavour == mysqld.MySQL && (a > major || a == major && b >= minor)
}

func lock(t *testing.T, on *mysql.Target, admin target.Login, pair rotation.Pair) target.Session {
	t.Helper()
	session, err := on.Lock(t.Context(), admin, pair)
	require.NoError(t, err)
	t.Cleanup(session.Close)
	return session
}

func requireAccepted(t *testing.T, on *mysql.Target, login target.Login) target.Proof {
	t.Helper()
	proof := on.Probe(t.Context(), login)
	require.NoError(t, proof.Err)
	require.Equal(t, rotation.Accepted, proof.Answer)
	require.Empty(t, proof.Code)
	require.NotEmpty(t, proof.Server)
	require.NotEmpty(t, proof.TLS)
	return proof
}

func requireRefused(t *testing.T, on *mysql.Target, login target.Login) {
	t.Helper()
	proof := on.Probe(t.Context(), login)
	require.Equal(t, rotation.RefusedLogin, proof.Answer, "%v", proof.Err)
	require.Equal(t, "1045", proof.Code)
	require.Error(t, proof.Err)
	require.Equal(t, rotation.Permanent, rotation.KindOf(proof.Err))
}

// waiting waits until a statement of the account hangs in the server.
func waiting(t *testing.T, s *mysqld.Server, like string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var n int
		err := s.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE ? AND STATE LIKE 'Waiting%' AND ID <> CONNECTION_ID()",
			like).Scan(&n)
		return err == nil && n == 1
	}, patience, poll)
}

func contains(text, part string) bool { return strings.Contains(text, part) }

// setPassword changes the password of an account that is the base of a pair.
func setPassword(t *testing.T, on *mysql.Target, s *mysqld.Server, user, password string) {
	t.Helper()
	session, err := on.Lock(t.Context(), adminOf(s), rotation.PairOf(user, "_rt"))
	require.NoError(t, err)
	defer session.Close()
	require.NoError(t, session.SetPassword(t.Context(), user, rotation.NewSecret(password)))
}

var lockName = regexp.MustCompile(`rotor:[0-9a-f]{32}`)

func lockNameIn(t *testing.T, heard string) string {
	t.Helper()
	name := lockName.FindString(heard)
	require.NotEmpty(t, name)
	return name
}
