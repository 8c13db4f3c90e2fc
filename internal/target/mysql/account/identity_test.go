package account_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/target/mysql/account"
)

// A login and a session of an admin find the same identity, though they ask in different ways; and so does a server that does not know what the
// shorter way asks for, as it may before and after an upgrade.
func TestIdentify(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		conn := connect(t, s.DB())
		opened, err := account.Open(t.Context(), conn, account.Opening{})
		require.NoError(t, err)
		var expected string
		require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT CURRENT_USER()").Scan(&expected))
		for name, query := range map[string]string{
			"as it is":                    "",
			"a variable that is not here": "SELECT @@not_here",
			"comments that nobody heeds":  "SELECT CURRENT_USER()",
		} {
			t.Run(name, func(t *testing.T) {
				if query != "" {
					defer account.SetIdentify(query)()
				}
				server, self, err := account.Identify(t.Context(), conn)
				require.NoError(t, err)
				require.Equal(t, opened.ID, server)
				require.Equal(t, expected, self)
			})
		}
	})
}
