package account_test

import (
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/target/mysql/account"
)

// A server with many accounts does not look through them to read a pair, whatever hosts there are.
func TestManyAccountsAreNotLookedThrough(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w := worldOn(t, s)
		w.account(t, "pair", "%", newPassword())
		w.account(t, "pair", "10.1.2.3", newPassword())
		conn := connect(t, s.DB())
		rowsOf := func() int64 {
			before := handled(t, conn)
			set, err := account.Read(t.Context(), conn, w.server, "pair")
			require.NoError(t, err)
			require.Len(t, set.Accounts, 2)
			return handled(t, conn) - before
		}
		few := rowsOf()
		const many = 400
		names := make([]string, many)
		for i := range names {
			names[i] = fmt.Sprintf("many_%d@'%%'", i)
		}
		w.execAfter(t, "DROP USER "+strings.Join(names, ", "))
		w.exec(t, "CREATE USER "+strings.Join(names, ", "))
		require.Less(t, rowsOf()-few, int64(many/4))
	})
}

// handled is how many rows the server has handed from its tables to the session.
func handled(t *testing.T, conn *sql.Conn) (sum int64) {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), "SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler_read%'")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var name, value string
		require.NoError(t, rows.Scan(&name, &value))
		n, err := strconv.ParseInt(value, 10, 64)
		require.NoError(t, err)
		sum += n
	}
	require.NoError(t, rows.Err())
	return sum
}
