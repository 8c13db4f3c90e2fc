package sqlrelay

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShapeHoldsNoValues(t *testing.T) {
	for sql, want := range map[string]string{
		"ALTER USER 'app'@'%' IDENTIFIED BY 'p''a\\'ss \"x\"'": "ALTER USER ?@? IDENTIFIED BY ?",
		"GRANT SELECT ON `a``b`.* TO \"it's\"@'%'":             "GRANT SELECT ON ?.* TO ?@?",
		"SET SESSION wait_timeout = 60":                        "SET SESSION wait_timeout = #",
		"SET NAMES utf8mb4":                                    "SET NAMES utf8mb4",
		"SELECT  GET_LOCK('rotor:0a',\n 0)":                    "SELECT GET_LOCK(?, #)",
		"DROP USER 'unclosed":                                  "DROP USER ?",
	} {
		require.Equal(t, want, shape(sql))
	}
}

func TestStatementsThatChange(t *testing.T) {
	for text, changes := range map[string]bool{
		"login": false, "SELECT #": false, "SHOW GRANTS": false, "SET SESSION wait_timeout = #": false, "KILL #": false, "command 0xe": false,
		"SET PASSWORD = ?": true, "ALTER USER ?": true, "CREATE USER ?": true, "GRANT SELECT ON ?.* TO ?": true, "REVOKE DROP ON ?.* FROM ?": true, "DROP USER ?": true,
	} {
		require.Equal(t, changes, Statement{Text: text}.Changes(), text)
	}
}

func TestLoginNamesItsAccount(t *testing.T) {
	require.Equal(t, "app_rt", loginOf([]byte(strings.Repeat("\x00", 32)+"app_rt\x00secret")).Account)
	require.Empty(t, loginOf([]byte("short")).Account)
}
