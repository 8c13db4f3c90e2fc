package mysql_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/rotation"
	"rotor/internal/target/mysql"
)

// Signs that a change on a server may not be all that it takes.
func TestSurveyTellsOfTheSurroundings(t *testing.T) {
	binaries, err := mysqld.Binaries()
	require.NoError(t, err)
	for _, binary := range binaries {
		s := mysqldtest.Start(t, mysqld.Options{Binary: binary, ExtraArgs: []string{"--log-bin=binlog", "--server-id=7", "--init-connect=SET sql_log_bin = 0"}})
		t.Run(s.Name(), func(t *testing.T) {
			shop(t, s)
			on := newTarget(t, mysql.Options{})
			require.Empty(t, findings(t, s, on, question(adminOf(s), rotation.DualAccount)).All)

			source := "CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'primary.example'"
			if s.Flavour == mysqld.MariaDB || !since(t, s, 8, 0) {
				source = "CHANGE MASTER TO MASTER_HOST = 'primary.example'"
			}
			exec(t, s, source)
			found := findings(t, s, on, question(adminOf(s), rotation.DualAccount))
			require.Equal(t, []string{rotation.WarningReplica}, wordsOf(found))
			require.Contains(t, found.All[0].Text, `"primary.example"`)

			if right := mayLeaveOut(t, s); right != "" {
				create(t, s, "lesser", "%", password)
				exec(t, s, "GRANT SELECT ON mysql.* TO 'lesser'@'%'", "GRANT CREATE USER, "+right+" ON *.* TO 'lesser'@'%'", "GRANT ALL ON shop.* TO 'lesser'@'%' WITH GRANT OPTION")
				found := findings(t, s, on, question(loginTo(s, "lesser", password), rotation.DualAccount))
				require.Equal(t, []string{rotation.WarningBinlog}, wordsOf(found), "and who may not ask after replication is told nothing of it")
			}
		})
	}
}

// mayLeaveOut is the right to switch the binary log off for a session. Before it was one of its own it came with SUPER, for which
// init_connect is not run.
func mayLeaveOut(t *testing.T, s *mysqld.Server) string {
	t.Helper()
	switch {
	case s.Flavour == mysqld.MariaDB && !strings.HasPrefix(s.Version, "10.4"):
		return "BINLOG ADMIN"
	case since(t, s, 8, 0):
		return "SESSION_VARIABLES_ADMIN"
	}
	return ""
}
